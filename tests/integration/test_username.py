# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""AuthType CEP: user name and password in the message, httpd's providers, and guessing at them."""

import concurrent.futures
import os
import shlex
import shutil
import subprocess
import time

import pytest

from cep_env import soap
from cep_env.httpd import (
    MPMS, PASSWORDS, PATH, apxs, has_modules, load_modules, location_section)
from cep_env.waiting import wait_until
from conftest import configure_sample, start_sample
from samba_ad import BASE

HERE = os.path.dirname(os.path.abspath(__file__))
SECRET = "c4nary-Passw0rd"
ID = "urn:same"


def location(*extra, provider="file", **options):
    lines = ("AuthType cep", "CEPAuthProvider " + provider, 'AuthUserFile "${ROOT}/users"')
    return location_section(auth=False, extra=lines + (extra or ("Require valid-user",)), **options)


def ask(server, user="alice", password=None, style="windows", **options):
    word = PASSWORDS.get(user, "?") if password is None else password
    return send(server, soap.credentials(user, word, style), style, **options)


def send(server, headers, style="cepces", **options):
    return soap.send(server, soap.build(style, message_id=ID, headers=headers), user=None,
                     **options)


def refused(response, subcode="FailedAuthentication"):
    model = soap.check_fault(response, "Sender", subcode, ID)
    assert "WWW-Authenticate" not in response.headers
    return model


def served(response):
    assert soap.check_answer(response, ID)["policies"]


# ---- good and bad, under each MPM ----

@pytest.fixture(scope="module", params=MPMS)
def server(request, make_module_httpd):
    return start_sample(make_module_httpd(request.param),
                        location("Require valid-user", "CEPAuthFailures off"))


@pytest.mark.parametrize("style", soap.STYLES)
@pytest.mark.parametrize("user", ("alice", "CORP\\alice", "alice@corp.example", "WS01$"))
def test_good(server, user, style):
    response = ask(server, user, style=style)
    soap.check_answer(response, ID if style != "minimal" else None)


def test_backslash_domain_falls_back_to_the_account(server):
    """bob stands in the password file, CORP\\bob does not. The directory then looks at the
    domain."""
    assert soap.check_answer(ask(server, "CORP\\bob", PASSWORDS["bob"]), ID)
    refused(ask(server, "OTHER\\bob", PASSWORDS["bob"]))
    refused(ask(server, "bob@corp.example", PASSWORDS["bob"]))


NOBODIES = {
    "wrong password": ("alice", "wrong"), "unknown": ("mallory", "x"),
    "disabled": ("erin", PASSWORDS["erin"]), "not in the directory": ("nobody",
                                                                      PASSWORDS["nobody"]),
    "two backslashes": ("a\\b\\c", "x"), "outer blank": ("CORP\\ alice", "x"),
    "blank in the password": ("alice", PASSWORDS["alice"] + " "),
}


def test_the_same_octets_for_all(server):
    answers = {name: ask(server, *case) for name, case in NOBODIES.items()}
    for response in answers.values():
        refused(response)
    assert len({response.body for response in answers.values()}) == 1
    assert len({tuple(sorted((name, value) for name, value in response.headers.items()
                             if name != "Date")) for response in answers.values()}) == 1


TOKEN = soap.username_token("alice", PASSWORDS["alice"])
DIGEST = ' Type="%s"' % soap.PASSWORD_TEXT.replace("PasswordText", "PasswordDigest")
BINARY = "<o:BinarySecurityToken>eA==</o:BinarySecurityToken>"
LONG = "x" * 1025

BAD = {
    "nothing": ("", "no Security header"),
    "empty header": (soap.security(), "no UsernameToken"),
    "empty token": (soap.security(soap.username_token(None, None)), "no user name"),
    "no password": (soap.security(soap.username_token("alice", None)), "no password"),
    "empty password": (soap.security(soap.username_token("alice", "")), "password is empty"),
    "empty name": (soap.security(soap.username_token("", "x")), "name is empty"),
    "blank name": (soap.security(soap.username_token(" ", "x")), "name is empty"),
    "digest": (soap.security(soap.username_token("alice", "x", DIGEST)), "PasswordDigest"),
    "namespaced digest": (soap.security(soap.username_token("alice", "x", DIGEST.replace(
        "Type", "o:Type", 1))), "PasswordDigest"),
    "two types": (soap.security(soap.username_token("alice", "x", DIGEST + ' o:Type="%s"' %
                                                    soap.PASSWORD_TEXT)), "PasswordDigest"),
    "other type": (soap.security(soap.username_token("alice", "x", ' Type="x"')), "not known"),
    "two tokens": (soap.security(TOKEN, TOKEN), "two UsernameTokens"),
    "two names": (soap.security(TOKEN.replace("<o:Username>", "<o:Username/><o:Username>")),
                  "two user names"),
    "two passwords": (soap.security(TOKEN.replace("<o:Password>", "<o:Password/><o:Password>")),
                      "two passwords"),
    "two headers": (soap.security(TOKEN) * 2, "stands twice"),
    "binary token": (soap.security(BINARY), "BinarySecurityToken"),
    "binary token too": (soap.security(TOKEN, BINARY), "BinarySecurityToken"),
    "long name": (soap.security(soap.username_token("n" * 513, "x")), "name is too long"),
    "long password": (soap.security(soap.username_token("alice", LONG)), "password is too long"),
    "element in the name": (soap.security(TOKEN.replace("alice</o:U", "<o:x/>alice</o:U")),
                            "element stands"),
    "for somebody else": (soap.security(TOKEN).replace("<o:Security", '<o:Security s:role="urn:x"'),
                          "no Security header"),
    "of another namespace": (soap.security(TOKEN).replace("secext-1.0", "secext-1.1").replace(
        's:mustUnderstand="1" ', ""), "no Security header"),
}


@pytest.mark.parametrize("headers, reason", BAD.values(), ids=BAD.keys())
def test_tokens_that_cannot_be_used(server, headers, reason):
    model = refused(send(server, headers), "InvalidSecurity")
    assert reason in model["fault"]["reason"]


def test_limits(server):
    """The longest name and password are asked about."""
    refused(send(server, soap.security(soap.username_token("n" * 512, "x" * 1024))))
    assert server.log.find("CEP0622.*no provider knows")


def test_mustunderstand_may_be_absent(server):
    served(send(server, soap.security(TOKEN).replace(' s:mustUnderstand="1"', "")))


def test_password_with_xml_in_it(server):
    word = " <&]]>\"'ä\t€ "
    server.write_passwords({**PASSWORDS, "alice": word})
    try:
        served(ask(server, "alice", word))
        refused(ask(server, "alice", word.strip()))
    finally:
        server.write_passwords(PASSWORDS)


def test_a_broken_message_has_its_own_fault(server):
    body = soap.build(headers=soap.security(TOKEN))
    soap.check_fault(soap.send(server, body[:-1], user=None), "Sender")
    assert soap.send(server, body, method="PUT", user=None).status == 405
    assert soap.send(server, body, user=None, headers={"Content-Type": "text/plain"}).status == 415
    assert soap.send(server, body + b" " * 70000, user=None).status == 413


def test_basic_is_nothing_here(server):
    """Neither a challenge nor an answer to one."""
    soap.check_fault(soap.send(server, soap.build()), "Sender", "InvalidSecurity")


def test_chunked(server):
    body = soap.build(message_id=ID, headers=soap.security(TOKEN))
    served(soap.send(server, chunks=[body[i:i + 9] for i in range(0, len(body), 9)], user=None))


def curl(server, *options, body):
    done = subprocess.run(
        ["curl", "-s", "--cacert", server.certificates.ca_file, "-H",
         "Content-Type: " + soap.CONTENT_TYPE, "--data-binary", "@-", "-w", "\n%{http_version}",
         *options, "https://localhost:%d%s" % (server.port, PATH)], input=body,
        capture_output=True, timeout=30)
    text, version = done.stdout.rsplit(b"\n", 1)
    return text, version.decode()


@pytest.mark.parametrize("options", (("--http1.1", "-H", "Expect: 100-continue"),
                                     ("--http1.1", "-H", "Transfer-Encoding: chunked",
                                      "-H", "Expect: 100-continue"), ("--http2",)),
                         ids=("expect", "chunked and expect", "HTTP/2"))
@pytest.mark.parametrize("mpm", ("event", "worker"))
def test_transports(make_httpd, mpm, options):
    server = make_httpd(mpm)
    start_sample(server, "Protocols h2 http/1.1", location(),
                 server=("CEPTokenTTL 0", *load_modules("http2")))
    body, version = curl(server, *options, body=soap.build(headers=soap.security(TOKEN)))
    assert version == ("2" if "--http2" in options else "1.1")
    assert soap.parse(body)["policies"]
    body, version = curl(server, *options, body=soap.build(headers=soap.credentials("alice", "x")))
    assert soap.parse(body)["fault"]["subcode"] == "FailedAuthentication"


# ---- where it stands in httpd ----

def test_not_without_tls(make_httpd):
    server = start_sample(make_httpd(), location())
    server.log.expect("CEP0606")
    response = ask(server, tls=False)
    soap.check_fault(response, "Sender")
    assert "HTTPS only" in response.model()["fault"]["reason"]
    assert not server.log.find("CEP0622")


def test_tls_in_front(make_httpd):
    server = start_sample(make_httpd(), location("Require valid-user", "CEPRequireTLS Off"))
    served(ask(server, tls=False))


def test_require_decides(make_httpd):
    server = start_sample(make_httpd(), location("Require user alice",
                                                 "AuthzSendForbiddenOnFailure On"))
    served(ask(server))
    server.log.allow("AH01631", "AH01626")
    assert ask(server, "bob").status == 403


def test_nobody_where_no_user_is_required(make_httpd):
    """httpd then authenticates nobody."""
    server = start_sample(make_httpd(), location("Require all granted"))
    server.log.expect("CEP0601", "CEP0119")
    soap.check_fault(ask(server), "Sender", "FailedAuthentication")


def test_default_provider(make_httpd):
    section = location().replace("    CEPAuthProvider file\n", "")
    served(ask(start_sample(make_httpd(), section)))


def test_inner_sections_replace_the_providers(make_httpd, probe):
    server = start(make_httpd(), probe, location(provider="probe"),
                   '<Location "%s">\nCEPAuthProvider file\n</Location>' % PATH)
    served(ask(server))
    assert asked(server) == []


def test_alias(make_httpd):
    server = make_httpd()
    server.write("alias-users", "bob:{SHA}%s\n" % sha("aliased"))
    sections = ('<AuthnProviderAlias file other>\nAuthUserFile "${ROOT}/alias-users"\n'
                '</AuthnProviderAlias>',)
    start_sample(server, location(provider="other file"), server=("CEPTokenTTL 0",) + sections)
    soap.check_answer(ask(server, "bob", "aliased"), ID)
    refused(ask(server, "bob"))  # the alias knows bob: its word is final
    served(ask(server))


def sha(word):
    import base64
    import hashlib
    return base64.b64encode(hashlib.sha1(word.encode()).digest()).decode()


def test_cache_in_front(make_httpd):
    server = start_sample(
        make_httpd(), location("Require valid-user", "AuthnCacheProvideFor file",
                               provider="socache file"),
        server=("CEPTokenTTL 0", *load_modules("authn_socache"), "AuthnCacheEnable"))
    served(ask(server))
    server.write_passwords({})
    served(ask(server))
    refused(ask(server, password="wrong"))


def test_internal_redirect(make_httpd):
    """The message is judged again where the request ends up; it is read from the socket once."""
    server = start_sample(
        make_httpd(), location(path="/old", provider="file"), location(),
        "RewriteEngine On", '<Location "/old">\nRewriteEngine On\nRewriteRule . %s\n</Location>'
        % PATH, server=("CEPTokenTTL 0", *load_modules("rewrite")))
    served(ask(server, path="/old"))
    refused(ask(server, password="wrong", path="/old"))


@pytest.mark.parametrize("kind", ("CEP", "Basic"))
def test_internal_redirect_in_one_section(make_httpd, kind):
    """httpd then takes the user over and authenticates nobody again."""
    lines = ["SetHandler cep", "CEPPolicy corp", "AuthType " + kind, 'AuthName "CEP"',
             "AuthBasicProvider file", 'AuthUserFile "${ROOT}/users"', "Require valid-user",
             "RewriteEngine On", "RewriteCond %{REQUEST_URI} ^/old", "RewriteRule . /new"]
    server = start_sample(
        make_httpd(), '<LocationMatch "^/(old|new)$">\n' + "\n".join(lines) + "\n</LocationMatch>",
        server=("CEPTokenTTL 0", *load_modules("rewrite")))
    server.log.allow("AH01617")

    def send_to(path, user, word):
        if kind == "CEP":
            return ask(server, user, word, path=path)
        return soap.send(server, soap.build(message_id=ID), user=user, password=word, path=path)
    for path in ("/old", "/new"):
        served(send_to(path, "alice", None))
        response = send_to(path, "alice", "wrong")
        assert response.status == (500 if kind == "CEP" else 401)
        assert response.model()["fault"]["subcode"] == "FailedAuthentication"
    nobody = soap.send(server, soap.build(), user=None, path="/old")
    assert nobody.model()["fault"]
    if kind == "CEP":
        server.log.expect("CEP0651")
    page = soap.send(server, user=None, method="GET", path="/old")
    assert page.status == (403 if kind == "CEP" else 401) and b"policies" not in page.body


# ---- a module that counts, and reads behind us ----

@pytest.fixture(scope="module")
def probe(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        pytest.skip("there is no C compiler for the test's own module")
    module = str(tmp_path_factory.mktemp("probe") / "mod_probe.so")
    flags = shlex.split(apxs("CFLAGS") + " " + apxs("EXTRA_CPPFLAGS"))
    subprocess.run([compiler, "-shared", "-fPIC", *flags, "-I" + apxs("INCLUDEDIR"),
                    "-I" + apxs("APR_INCLUDEDIR"), "-I" + apxs("APU_INCLUDEDIR"),
                    os.path.join(HERE, "probe_module.c"), "-o", module], check=True)
    os.chmod(os.path.dirname(module), 0o755)
    return module


def start(target, module, *sections, **options):
    options.setdefault("server", ("CEPTokenTTL 0",))
    options["server"] += ('LoadModule probe_module "%s"' % module,)
    target.write("asked", "", 0o666)
    configure_sample(target, *(sections or (location(provider="probe"),)), **options)
    return target.start().wait_for_policy()


def asked(server):
    with open(server.path("asked"), encoding="utf-8") as file:
        return file.read().split("\n")[:-1]


@pytest.mark.parametrize("chunked", (False, True))
def test_body_is_there_for_others(make_httpd, probe, chunked):
    server = start(make_httpd(), probe, location(provider="probe").replace(
        "SetHandler cep", "SetHandler probe"))
    body = soap.build(headers=soap.credentials("alice", "right")) + b"\n" * 20000
    response = soap.send(server, None if chunked else body, user=None,
                         chunks=[body[i:i + 999] for i in range(0, len(body), 999)]
                         if chunked else None)
    assert (response.status, response.body) == (200, body)
    soap.check_fault(soap.send(server, soap.build(headers=soap.credentials("alice", "x")),
                               user=None), "Sender", "FailedAuthentication")


def test_body_is_there_behind_a_redirect(make_httpd, probe):
    """Of httpd's own, to what is none of ours and reads the message for the first time."""
    server = start(
        make_httpd(), probe, location(path="/old", provider="probe"),
        '<Location "/old">\nRewriteEngine On\nRewriteRule . /echo\n</Location>',
        '<Location "/echo">\nSetHandler probe\nRequire all granted\n</Location>',
        server=("CEPTokenTTL 0", *load_modules("rewrite")))
    body = soap.build(headers=soap.credentials("alice", "right")) + b"\n" * 20000
    client = soap.Client(server, user=None)
    for chunks in (None, [body[i:i + 999] for i in range(0, len(body), 999)]) * 2:
        response = client.send(None if chunks else body, path="/old", chunks=chunks)
        assert (response.status, response.body) == (200, body)
    client.close()


@pytest.mark.parametrize("user, password", (("alice", "right"), ("alice", "wrong")))
def test_included_in_a_page(make_httpd, probe, user, password):
    """A sub-request into an instance, of a request that carries a token: neither an answer nor the
    service's page, and the parent's message is not read again."""
    server = start(
        make_httpd(), probe, location(provider="probe"),
        '<Location "/pages">\nAuthType CEP\nCEPAuthProvider probe\nRequire valid-user\n'
        'Options +Includes\nSetOutputFilter INCLUDES\n</Location>',
        server=("CEPTokenTTL 0", *load_modules("include")))
    os.mkdir(server.path("pages"))
    server.write("pages/whole.html", 'whole <!--#include virtual="%s" -->' % PATH)
    server.log.allow("AH01390", "unable to include")
    response = soap.send(server, soap.build(headers=soap.credentials(user, password)), user=None,
                         path="/pages/whole.html")
    assert asked(server) == [user]
    if password == "wrong":
        soap.check_fault(response, "Sender", "FailedAuthentication")
        return
    assert response.body.startswith(b"whole") and b"nvelope" not in response.body
    assert b"GetPolicies" not in response.body and server.log.find("CEP0620")


def test_others_authenticate_as_ever(make_httpd, probe):
    """httpd asks once for a request and what it includes of the same place, as long as every module
    says that this will do (ap_setup_auth_internal())."""
    server = start(
        make_httpd(), probe, location(provider="probe"), '<Location "/pages">\nAuthType Basic\n'
        'AuthName "x"\nAuthBasicProvider probe\nRequire valid-user\nOptions +Includes\n'
        'SetOutputFilter INCLUDES\n</Location>',
        server=("CEPTokenTTL 0", *load_modules("include")))
    os.mkdir(server.path("pages"))
    server.write("pages/part.html", "part")
    server.write("pages/whole.html", 'whole <!--#include virtual="/pages/part.html" -->')
    response = soap.send(server, method="GET", user="alice", password="right",
                         path="/pages/whole.html")
    assert (response.status, response.body) == (200, b"whole part")
    assert asked(server) == ["alice"]


def test_kept_connection(make_httpd, probe):
    """After a replayed body the next request of the connection is read from its beginning."""
    server = start(make_httpd(), probe)
    client = soap.Client(server, user=None)
    for _ in range(3):
        served(client.send(soap.build(message_id=ID, headers=soap.credentials("alice", "right"))))
    client.close()
    assert asked(server) == ["alice"] * 3


def test_nothing_empty_reaches_a_provider(make_httpd, probe):
    server = start(make_httpd(), probe)
    for headers, _ in BAD.values():
        send(server, headers)
    assert asked(server) == []


def test_broken_provider(make_httpd, probe):
    """Not the client's fault, and no guess."""
    server = start(make_httpd(), probe)
    server.log.expect("CEP0623")
    for _ in range(5):
        response = ask(server, "broken", "x")
        soap.check_fault(response, "Receiver", "InternalServiceFault", ID)
        assert int(response.headers["Retry-After"]) > 0
    assert asked(server) == ["broken"] * 5


# ---- guessing ----

def lock(server, user="alice", number=3):
    server.log.expect("CEP0624")
    for _ in range(number):
        refused(ask(server, user, "wrong"))


def test_the_limit(make_httpd, probe):
    server = start(make_httpd(), probe)
    lock(server)
    wrong, right = ask(server, password="wrong"), ask(server, password="right")
    refused(right)
    assert right.body == wrong.body == ask(server, "mallory", "x").body
    assert asked(server) == ["alice"] * 3 + ["mallory"]
    soap.check_answer(ask(server, "bob", "right"), ID)


def test_a_right_password_starts_anew(make_httpd, probe):
    server = start(make_httpd(), probe)
    for _ in range(3):
        refused(ask(server, password="wrong"))
        refused(ask(server, password="wrong"))
        served(ask(server, password="right"))


SPELLINGS = ("alice", "ALICE", "CORP\\alice", "OTHER\\Alice", "alice@corp.example",
             "alice@elsewhere", " alice ", "álice", "ali\u0301ce")


def test_spellings_count_as_one(make_httpd, probe):
    server = start(make_httpd(), probe, location("Require valid-user", "CEPAuthFailures 9 30m",
                                                 provider="probe"))
    server.log.expect("CEP0624")
    for user in SPELLINGS:
        refused(ask(server, user, "wrong"))
    before = len(asked(server))
    refused(ask(server, password="right"))
    assert len(asked(server)) == before


def test_own_limit_and_window(make_httpd, probe):
    server = start(make_httpd(), probe, location("Require valid-user", "CEPAuthFailures 1 1s",
                                                 provider="probe"))
    lock(server, number=1)
    refused(ask(server, password="right"))
    wait_until(lambda: ask(server, password="right").status == 200, 20)


def test_off(make_httpd, probe):
    server = start(make_httpd(), probe, location("Require valid-user", "CEPAuthFailures off",
                                                 provider="probe"))
    for _ in range(12):
        refused(ask(server, password="wrong"))
    served(ask(server, password="right"))


def test_an_address(make_httpd, probe):
    server = start(make_httpd(), probe, location("Require valid-user", "CEPAuthFailures 1 30m",
                                                 provider="probe"))
    server.log.expect("CEP0624", "CEP0625")
    for number in range(12):
        refused(ask(server, "user%d" % number, "x"))
    assert len(asked(server)) == 10
    refused(ask(server, password="right"))


def many(server, user, password, number=400, threads=40):
    with concurrent.futures.ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda _: ask(server, user, password), range(number)))


@pytest.mark.parametrize("mpm", MPMS)
def test_400_at_once(make_httpd, probe, mpm):
    server = start(make_httpd(mpm), probe)
    server.log.expect("CEP0624")
    server.log.allow("AH00484", "AH00161", "AH10159")
    answers = many(server, "alice", "wrong")
    assert asked(server) == ["alice"] * 3
    assert {response.body for response in answers} == {answers[0].body}
    refused(answers[0])


def test_right_ones_at_once_are_all_served(make_httpd, probe):
    server = start(make_httpd(), probe)
    server.log.allow("AH00484", "AH10159")
    assert {response.status for response in many(server, "alice", "right", 60, 20)} == {200}
    assert asked(server) == ["alice"] * 60


def test_graceful_restart_unlocks_nobody(make_httpd, probe):
    server = start(make_httpd(), probe)
    lock(server)
    for _ in range(2):
        server.reload()
        refused(ask(server, password="right"))
    assert asked(server) == ["alice"] * 3
    refused(ask(server, "bob", "wrong"))
    server.reload()
    for _ in range(3):
        refused(ask(server, "bob", "wrong"))
    assert asked(server).count("bob") == 3


def test_during_restarts_the_limit_holds(make_httpd, probe):
    """Children of two generations count in one place."""
    server = start(make_httpd(), probe)
    server.log.expect("CEP0624")
    server.log.allow("AH00484", "AH10159")
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        guesses = pool.submit(many, server, "alice", "wrong", 200, 8)
        for _ in range(3):
            server.reload()
        try:
            guesses.result()
        except OSError:
            pass  # a child that ends may cut a connection
    assert asked(server) == ["alice"] * 3


def test_a_killed_child_unlocks_nobody(make_httpd, probe):
    import signal
    server = start(make_httpd(), probe)
    lock(server)
    server.log.allow("AH00052")
    for child in server.children():
        os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 20
    while True:
        try:
            refused(ask(server, password="right"))
            break
        except OSError:
            assert time.monotonic() < deadline
    assert asked(server) == ["alice"] * 3


# ---- real directories ----

def ldap_lines(url, attribute, *more, name="directory"):
    return "\n".join(["<AuthnProviderAlias ldap %s>" % name,
                      'AuthLDAPURL "%s/DC=corp,DC=example?%s?sub"' % (url, attribute), *more,
                      "</AuthnProviderAlias>"])


def ldap_modules(*more):
    return ("CEPTokenTTL 0", *load_modules("ldap", "authnz_ldap")) + more


@pytest.mark.skipif(not has_modules("authnz_ldap"),
                    reason="mod_authnz_ldap is not installed")
def test_active_directory(make_httpd, active_directory):
    ad = active_directory
    bind = ('AuthLDAPBindDN "%s"' % ad.bind_name, 'AuthLDAPBindPassword "%s"' % ad.password)
    server = start_sample(
        make_httpd(), location(provider="by-upn by-name"),
        server=ldap_modules('LDAPTrustedGlobalCert CA_BASE64 "%s"' % ad.ca_file,
                            ldap_lines(ad.ldaps, "userPrincipalName", *bind, name="by-upn"),
                            ldap_lines(ad.ldaps, "sAMAccountName", *bind, name="by-name")))
    for user in ("alice", "CORP\\alice", "alice@corp.example", "ALICE"):
        served(ask(server, user, ad.password))
    refused(ask(server, "OTHER\\alice", ad.password))
    refused(ask(server, "erin", ad.password))  # disabled: AD does not let her in
    threshold = ad.search("-s", "base", "-b", BASE, "lockoutThreshold")[0].text("lockoutThreshold")
    ad.replace(BASE, "lockoutThreshold", 5)
    try:
        server.log.expect("CEP0624")
        answers = many(server, "bob", "wrong", 60, 20)
        assert len({response.body for response in answers}) == 1
        assert bad_count(ad, "bob") == 3  # who guesses at us locks nobody out of the domain
        refused(ask(server, "bob", ad.password))
    finally:
        ad.replace(BASE, "lockoutThreshold", threshold)


def bad_count(ad, user):
    entry = ad.search("-b", BASE, "(sAMAccountName=%s)" % user, "badPwdCount")[0]
    return int(entry.text("badPwdCount") or 0)


# ---- secrets ----

def test_no_password_is_told_anywhere(make_httpd, probe):
    server = start(make_httpd(), probe, location("Require valid-user", provider="probe file"),
                   log_level="trace8")
    server.write_passwords({"frank": SECRET})
    answers = [ask(server, "frank", SECRET), ask(server, "frank", SECRET + "x"),
               ask(server, "alice", SECRET), ask(server, "mallory", SECRET),
               send(server, soap.security(soap.username_token("alice", SECRET, DIGEST))),
               send(server, soap.security(soap.username_token("alice", SECRET)) * 2)]
    body = soap.build(headers=soap.security(soap.username_token("alice", SECRET)))
    answers.append(soap.send(server, body[:-9], user=None))
    soap.check_answer(answers[0])
    for response in answers:
        assert SECRET.encode() not in response.body + str(response.headers).encode()
    with open(server.log.path, "rb") as file:
        text = file.read()
    assert b"CEP0622" in text and SECRET.encode() not in text
