# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Who gets in, and who does not: every way of authentication over real parts.

A row of CASES is a credential and its exact verdict: a set of templates by the name of whose they
are, or a refusal (status, code, subcode). Each is sent to each MPM, by each transport that it can
take; a refusal holds no byte of policy. One server for each MPM; what runs beside it is Samba as
KDC and LDAP server.

To add one: a row, and, if it needs another location, that in locations().
"""

import base64
import os
import re
import ssl
import subprocess
import time
from dataclasses import dataclass, field

import pytest

from cep_env import evaluator, http2, soap
from cep_env.certs import ClientAuthority, alternative_names, sid_extension
from cep_env.httpd import (
    MPMS, directory_section, free_port, has_modules, load_modules, location_section)
from cep_env.leaks import Leaks
from samba_ad import BASE
from security_descriptor import sid_from_bytes

MODULES = ("ldap", "authnz_ldap", "auth_gssapi")

pytestmark = pytest.mark.skipif(
    not has_modules(*MODULES), reason="mod_auth_gssapi or mod_authnz_ldap is not installed")

# Refusals.
CHALLENGE = (401, "Sender", "FailedAuthentication")
NOBODY = (500, "Sender", "FailedAuthentication")
NO_TOKEN = (500, "Sender", "InvalidSecurity")
NO_CONNECTION = "mod_ssl lets nobody in"

# mod_ssl's ssl-verify-client does not see the connection behind HTTP/2, and denies.
VERIFIED = "Require expr \"%{SSL_CLIENT_VERIFY} == 'SUCCESS'\""

CLOCK_SKEW = 10  # seconds; Kerberos' own default is 300

TRANSPORTS = ("length", "chunked", "http2")
TLS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass
class Case:
    name: str
    path: str
    verdict: object               # the account whose templates are listed, or a refusal
    ticket: str = None            # whose; "garbage", ... : see negotiate()
    certificate: str = None       # a name of clients()
    basic: tuple = None           # user and password
    token: tuple = None           # the same in the message
    style: str = "windows"        # of the token's sender
    security: str = None          # the whole Security header
    headers: dict = field(default_factory=dict)
    logged: tuple = ()            # what httpd may say of it at level warning or above


# Accounts whose password is good and that AD lets nobody in with. What the last one lacks, only who
# checks the password sees.
UNUSABLE = (("locked out", "frank"), ("expired", "grace"), ("password to be changed", "heidi"))


def ways():
    """Kerberos, certificates, Basic, UsernameToken: what each has of good and bad."""
    yield from kerberos()
    yield from certificates()
    yield from basic()
    yield from username_tokens()


def kerberos():
    pac, both, asked = "/kerberos-pac", "/kerberos", "/kerberos-asked"
    for account in ("alice", "bob", "WS01$"):
        yield Case("ticket of " + account, both, account, ticket=account)
    yield Case("PAC required", pac, "alice", ticket="alice")
    yield Case("the directory asked", asked, "alice", ticket="alice")
    for name, account in (("disabled", "erin"), *UNUSABLE[:2]):
        yield Case(name + " after the ticket, directory asked", asked, NOBODY, ticket=account)
    yield Case("the service has another key", "/kerberos-key", CHALLENGE, ticket="alice",
               logged=("auth_gssapi",))
    yield Case("no ticket", both, CHALLENGE)
    for name in ("empty", "garbage", "cut", "changed", "NTLM", "NTLM in SPNEGO", "replayed",
                 "too old", "other service", "no base64"):
        yield Case("ticket: " + name, both, CHALLENGE, ticket=name, logged=("auth_gssapi",))
    # The first counts, as httpd itself joins two headers.
    yield Case("two tickets", both, "alice", ticket="duplicate")
    yield Case("Basic where Kerberos is asked for", both, CHALLENGE, basic=("alice", "ad"),
               logged=("auth_gssapi",))
    yield Case("a name in a header", both, CHALLENGE, headers={"Remote-User": "alice"})
    yield Case("UsernameToken where Kerberos is asked for", both, CHALLENGE,
               token=("alice", "ad"))


def certificates():
    good = "/certificate"
    for name, account in (("alice", "alice"), ("bob", "bob"), ("WS01$", "WS01$")):
        yield Case("certificate of " + name, good, account, certificate=name)
    for name in ("unmapped", "unknown SID", "disabled", "frank", "grace", "two UPNs", "UPN only", "broken SID",
                 "untrusted issuer", "of two accounts"):
        yield Case("certificate: " + name, good, NOBODY, certificate=name)
    for name in ("expired", "not yet valid", "self-signed", "stranger", None):
        yield Case("certificate: %s" % name, good, NO_CONNECTION, certificate=name,
                   logged=("AH02039", "AH02008", "AH02261"))


def basic():
    for provider in ("file", "ldap", "alias"):
        path, good = "/basic/" + provider, ("ad" if provider != "file" else "file")
        yield Case("%s: good" % provider, path, "alice", basic=("alice", good))
        for name, user, password in (
                ("wrong", "alice", "wrong"), ("empty password", "alice", ""),
                ("empty name", "", good), ("nobody", "nosuch", "x"), ("asterisk", "*", good),
                ("disabled", "erin", good if provider != "file" else "wrong"),
                *((name, user, good) for name, user in UNUSABLE if provider != "file")):
            yield Case("%s: %s" % (provider, name), path, CHALLENGE, basic=(user, password),
                       logged=("auth_basic", "authn_file", "authnz_ldap"))
        yield Case("%s: nothing" % provider, path, CHALLENGE)
    for name, user in (("disabled", "erin"), *UNUSABLE[:2]):
        yield Case("file: good, %s in the directory" % name, "/basic/file", NOBODY,
                   basic=(user, "file"))
    yield Case("file: good, not in the directory", "/basic/file", NOBODY,
               basic=("unmapped", "file"))


def username_tokens():
    for provider in ("file", "ldap", "alias"):
        path, good = "/token/" + provider, ("ad" if provider != "file" else "file")
        for style in ("windows", "cepces", "plain"):
            yield Case("token, %s, %s: good" % (provider, style), path, "alice",
                       token=("alice", good), style=style)
        for name, user, password in (
                ("wrong", "alice", "wrong"), ("nobody", "nosuch", "x"),
                ("asterisk", "*", good), ("parenthesis", "alice)(cn=*", good),
                ("disabled", "erin", good if provider != "file" else "wrong"),
                *((name, user, good) for name, user in UNUSABLE if provider != "file")):
            yield Case("token, %s: %s" % (provider, name), path, NOBODY, token=(user, password),
                       logged=("authn_file", "authnz_ldap"))
        for name, user, password in (("empty password", "alice", ""), ("empty name", "", good),
                                     ("no password", "alice", None), ("no name", None, good)):
            yield Case("token, %s: %s" % (provider, name), path, NO_TOKEN, token=(user, password))
        yield Case("token, %s: nothing" % provider, path, NO_TOKEN)
        yield Case("token, %s: empty header" % provider, path, NO_TOKEN, security=soap.security())
        twice = soap.username_token("alice", good)  # "ad" is replaced by message()
        yield Case("token, %s: twice" % provider, path, NO_TOKEN,
                   security=soap.security(twice, twice))
        yield Case("token, %s: two headers" % provider, path, NO_TOKEN,
                   security=soap.security(twice) + soap.security(twice))
        yield Case("token, %s: digest" % provider, path, NO_TOKEN, security=soap.security(
            soap.username_token("alice", "c2hhMQ==", ' Type="%s"' % soap.PASSWORD_TEXT.replace(
                "#PasswordText", "#PasswordDigest"))))
    for name, user in (("disabled", "erin"), *UNUSABLE[:2]):
        yield Case("token, file: good, %s in the directory" % name, "/token/file", NOBODY,
                   token=(user, "file"))
    yield Case("token, file: good, not in the directory", "/token/file", NOBODY,
               token=("unmapped", "file"))
    yield Case("Basic where a token is asked for", "/token/file", NO_TOKEN,
               basic=("alice", "file"))
    yield Case("token with a domain", "/token/ldap", "alice", token=("CORP\\alice", "ad"))
    yield Case("token with another domain", "/token/ldap", NOBODY, token=("OTHER\\alice", "ad"))


CASES = list(ways())


# The servers.

def basic_section(path, *lines):
    return location_section(path, auth=False, extra=(
        "AuthType Basic", 'AuthName "CEP"', *lines, "Require valid-user"))


def token_section(path, *lines):
    return location_section(path, auth=False, extra=(
        # Or the third wrong password of a name would lock it, and the right one be refused too.
        "AuthType CEP", "<IfDirective CEPAuthFailures>", "CEPAuthFailures off", "</IfDirective>",
        *lines, "Require valid-user"))


def kerberos_section(path, keytab, *lines):
    return location_section(path, auth=False, extra=(
        "AuthType GSSAPI", 'AuthName "CEP"', "GssapiAllowedMech krb5", "GssapiSSLonly On",
        "GssapiCredStore keytab:" + keytab, *lines, "Require valid-user"))


def ldap_lines(ad):
    return ('AuthLDAPURL "%s/CN=Users,DC=corp,DC=example?sAMAccountName?sub"' % ad.ldaps,
            'AuthLDAPBindDN "%s"' % ad.bind_name, 'AuthLDAPBindPassword "%s"' % ad.password)


def other_keys(server, ad):
    """The keytab with the same principals and versions, and other keys."""
    with open(ad.keytab, "rb") as file:
        octets = file.read()
    done = subprocess.run(["klist", "-k", "-K", ad.keytab], capture_output=True, text=True,
                          check=True)
    for key in {bytes.fromhex(key) for key in re.findall(r"\(0x([0-9a-f]+)\)", done.stdout)}:
        assert key in octets
        octets = octets.replace(key, key[::-1])
    path = server.path("other.keytab")
    with open(path, "wb") as file:
        file.write(octets)
    os.chmod(path, 0o644)
    return path


def locations(server, ad):
    by_ldap = ldap_lines(ad)
    by_file = ('AuthUserFile "${ROOT}/matrix-users"',)
    return [
        kerberos_section("/kerberos", ad.keytab, "GssapiNameAttributes json"),
        kerberos_section("/kerberos-pac", ad.keytab, "GssapiNameAttributes json", "CEPRequirePAC On"),
        kerberos_section("/kerberos-asked", ad.keytab),
        kerberos_section("/kerberos-key", other_keys(server, ad), "GssapiNameAttributes json"),
        basic_section("/basic/file", "AuthBasicProvider file", *by_file),
        basic_section("/basic/ldap", "AuthBasicProvider ldap", *by_ldap),
        basic_section("/basic/alias", "AuthBasicProvider corp-users"),
        token_section("/token/file", "CEPAuthProvider file", *by_file),
        token_section("/token/ldap", "CEPAuthProvider ldap", *by_ldap),
        token_section("/token/alias", "CEPAuthProvider corp-users"),
    ]


def server_lines(server, ad):
    loads = MODULES + (() if server.mpm == "prefork" else ("http2",))
    return ("CEPTokenTTL 0",
            *load_modules(*loads),
            'LDAPTrustedGlobalCert CA_BASE64 "%s"' % ad.ca_file, "LDAPVerifyServerCert On",
            "LimitRequestFieldSize 65536",
            *([] if server.mpm == "prefork" else ["Protocols h2 http/1.1"]),
            "<AuthnProviderAlias ldap corp-users>", *ldap_lines(ad), "</AuthnProviderAlias>")


def configure(server, ad, cas):
    import hashlib
    digest = base64.b64encode(hashlib.sha1(b"file").digest()).decode()
    server.write("matrix-users", "".join("%s:{SHA}%s\n" % (user, digest)
                                         for user in ("alice", "erin", "frank", "grace",
                                                      "unmapped")))
    directory = directory_section(ad.ldaps, refresh="1h", extra=(
        "CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name,
        'CEPBindPasswordFile "%s"' % ad.password_file, 'CEPCACertificateFile "%s"' % ad.ca_file))
    server.configure(directory, *locations(server, ad), server=server_lines(server, ad))
    server.certificate_port = free_port()
    host = ["Listen 127.0.0.1:%d https" % server.certificate_port] + server.host(
        server.certificate_port, [
            "SSLVerifyClient require", "SSLVerifyDepth 3",
            'SSLCACertificateFile "%s"' % server.write("client-cas.pem", cas),
            location_section("/certificate", auth=False, extra=(VERIFIED,))],
        True)
    with open(server.path("httpd.conf"), "a", encoding="utf-8") as file:
        file.write("\n".join(host) + "\n")


def user(name):
    return "CN=%s,CN=Users,%s" % (name, BASE)


@pytest.fixture(scope="module")
def unusable(active_directory, tickets):
    """See UNUSABLE; their tickets are from before."""
    ad = active_directory
    ad.replace(BASE, "lockoutThreshold", 2)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ad.kinit("frank", "wrong")
    ad.replace(BASE, "lockoutThreshold", 0)
    ad.replace(user("grace"), "accountExpires", 132223104000000000)  # 2020-01-01
    ad.replace(user("heidi"), "pwdLastSet", 0)
    yield
    ad.replace(user("frank"), "lockoutTime", 0)
    ad.replace(user("grace"), "accountExpires", 0)
    ad.replace(user("heidi"), "pwdLastSet", -1)


@pytest.fixture(scope="module")
def people(active_directory, unusable, tmp_path_factory):
    """Clients' certificates, and a directory that trusts their CA."""
    ad = active_directory
    folder = str(tmp_path_factory.mktemp("clients"))
    ca, other = ClientAuthority(folder, "Matrix CA"), ClientAuthority(folder, "Other CA")

    def sid(name):
        entry = next(e for e in ad.entries if e.text("sAMAccountName") == name)
        return sid_extension(sid_from_bytes(entry.value("objectSid")))

    def upn(*names):
        return alternative_names(upns=names)

    made = {name: ca.issue(sid(name)) for name in ("alice", "bob", "WS01$")}
    made.update({
        "unmapped": ca.issue(), "unknown SID": ca.issue(sid_extension("S-1-5-21-1-2-3-1104")),
        "frank": ca.issue(sid("frank")), "grace": ca.issue(sid("grace")),
        "disabled": ca.issue(sid("erin")), "broken SID": ca.issue(sid_extension("S-1-5-21-")),
        "two UPNs": ca.issue(sid("alice"), upn("alice@corp.example", "bob@corp.example")),
        "UPN only": ca.issue(upn("alice@corp.example")),
        "untrusted issuer": other.issue(sid("alice")),
        "of two accounts": ca.issue(sid("alice")),
        "expired": ca.issue(sid("alice"), days=(-9, -1)),
        "not yet valid": ca.issue(sid("alice"), days=(1, 9)),
        "self-signed": ca.issue(sid("alice"), self_signed=True),
        "stranger": ClientAuthority(folder, "Strange CA").issue(sid("alice")),
    })
    trust = next(e.dn for e in ad.entries if e.dn.startswith("CN=NTAuthCertificates,"))
    bob = "CN=bob,CN=Users,DC=corp,DC=example"
    before = next(e for e in ad.entries if e.dn == trust).values("cACertificate")
    ad.replace(trust, "cACertificate", ca.der)
    ad.replace(bob, "altSecurityIdentities", made["of two accounts"].by_serial)
    yield made, ca.pem + other.pem
    ad.replace(trust, "cACertificate", *before)
    ad.replace(bob, "altSecurityIdentities")


@pytest.fixture(scope="module", params=MPMS)
def server(request, active_directory, people, make_module_httpd):
    server = make_module_httpd(request.param)
    configure(server, active_directory, people[1])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KRB5_CONFIG", server.write("krb5.conf", open(
            active_directory.krb5_conf, encoding="utf-8").read().replace(
                "[libdefaults]", "[libdefaults]\nclockskew = %d" % CLOCK_SKEW, 1)))
        environment.setenv("KRB5RCACHENAME", "file2:" + os.path.join(server.cache, "replays"))
        server.start()
    return server.wait_for_policy()


# Credentials.

NTLM = base64.b64encode(b"NTLMSSP\0\1\0\0\0\7\x82\x08\xa2" + bytes(16)).decode()
# NegTokenInit that offers NTLMSSP (1.3.6.1.4.1.311.2.2.10) only. RFC 4178, 4.2.1.
SPNEGO_NTLM = base64.b64encode(bytes.fromhex(
    "601c06062b0601050502a0123010a00e300c060a2b06010401823702020a")).decode()


class Tickets:
    """Tokens for HTTP/localhost, made by libgssapi; each is good for one request."""

    def __init__(self, ad):
        self.ad, self.caches = ad, {}
        self.old, self.made = self.token("alice"), time.monotonic()

    def token(self, user, service="HTTP@localhost"):
        gssapi = pytest.importorskip("gssapi")
        if user not in self.caches:
            self.caches[user] = self.ad.kinit(user)["KRB5CCNAME"]
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("KRB5_CONFIG", self.ad.krb5_conf)
            credentials = gssapi.Credentials(
                usage="initiate", store={"ccache": self.caches[user]})
            name = gssapi.Name(service, gssapi.NameType.hostbased_service)
            context = gssapi.SecurityContext(
                name=name, creds=credentials, usage="initiate",
                mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"))
            return context.step()

    def word(self, kind):
        """What stands behind Negotiate."""
        def encoded(token):
            return base64.b64encode(token).decode()
        if kind == "empty":
            return ""
        if kind == "garbage":
            return encoded(bytes(range(200)))
        if kind == "no base64":
            return "!!!!"
        if kind in ("NTLM", "NTLM in SPNEGO"):
            return NTLM if kind == "NTLM" else SPNEGO_NTLM
        if kind == "other service":
            return encoded(self.token("alice", "ldap@dc1.corp.example"))
        if kind == "too old":
            time.sleep(max(0, self.made + CLOCK_SKEW + 2 - time.monotonic()))
            return encoded(self.old)
        if kind == "cut":
            return encoded(self.token("alice")[:-100])
        if kind == "changed":
            token = bytearray(self.token("alice"))
            token[len(token) // 2] ^= 1
            return encoded(bytes(token))
        if kind == "duplicate":
            return "%s, Negotiate %s" % (encoded(self.token("alice")), encoded(self.token("bob")))
        return encoded(self.token("alice" if kind == "replayed" else kind))


@pytest.fixture(scope="module")
def tickets(active_directory):
    """With one of erin's from before she was disabled."""
    ad, erin = active_directory, "CN=erin,CN=Users,DC=corp,DC=example"
    entry = next(entry for entry in ad.entries if entry.dn == erin)
    ad.replace(erin, "userAccountControl", 512)
    try:
        made = Tickets(ad)
        for name in ("erin", "frank", "grace"):
            made.token(name)
    finally:
        ad.replace(erin, "userAccountControl", entry.text("userAccountControl"))
    return made


def request_headers(case, ad, tickets):
    fields = dict(case.headers)
    if case.ticket is not None:
        fields["Authorization"] = ("Negotiate " + tickets.word(case.ticket)).strip()
    if case.basic is not None:
        user, word = case.basic
        fields["Authorization"] = "Basic " + base64.b64encode(
            ("%s:%s" % (user, ad.password if word == "ad" else word)).encode()).decode()
    return fields


def message(case, ad):
    security = case.security
    if case.token is not None:
        user, word = case.token
        security = soap.credentials(user, ad.password if word == "ad" else word, case.style)
    text = soap.build(message_id="urn:same", headers=security or "").decode()
    # Only of this place is it known what the password is.
    return text.replace(">ad<", ">%s<" % ad.password).encode()


def send(server, case, transport, fields, body, client):
    name, _, version = transport.partition("-")
    context = soap.trust(server, client and client.path, TLS[version] if version else None)
    port = server.certificate_port if case.path == "/certificate" else server.port
    if name == "http2":
        return http2.send(server, case.path, body, fields, port=port, context=context)
    chunks = None
    if name == "chunked":
        fields, chunks = {"Expect": "100-continue", **fields}, [body[:100], body[100:]]
    return soap.send(server, body, user=None, path=case.path, headers=fields, chunks=chunks,
                     port=port, context=context)


def combinations():
    for case in CASES:
        for transport in TRANSPORTS:
            if case.path != "/certificate":
                yield pytest.param(case, transport, id="%s-%s" % (case.name, transport))
                continue
            for version in TLS:
                yield pytest.param(case, "%s-%s" % (transport, version),
                                   id="%s-%s-%s" % (case.name, transport, version))


@pytest.fixture(scope="module")
def leaks(active_directory, server, tickets):
    case = next(case for case in CASES if case.ticket == "alice")
    response = send(server, case, "length", request_headers(case, active_directory, tickets),
                    soap.build(), None)
    return Leaks(active_directory.entries, soap.check_answer(response)["policy_id"],
                 "Corp policy")


@pytest.fixture(scope="module")
def directory(active_directory):
    return evaluator.Directory(active_directory.entries)


@pytest.mark.parametrize("case, transport", combinations())
def test_verdict(server, active_directory, directory, people, tickets, leaks, case, transport):
    if server.mpm == "prefork" and transport.startswith("http2"):
        pytest.skip("mod_http2 does not work in prefork")
    if transport.startswith("http2"):
        pytest.importorskip("h2")
    server.log.allow(*case.logged)
    client = people[0][case.certificate] if case.certificate else None
    fields = request_headers(case, active_directory, tickets)
    body = message(case, active_directory)

    def ask():
        return send(server, case, transport, fields, body, client)
    if case.ticket == "replayed":
        soap.check_answer(ask())
    if case.verdict == NO_CONNECTION:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask()
        return
    response = ask()
    if isinstance(case.verdict, str):
        model = soap.check_answer(response, "urn:same")
        assert evaluator.compare(model, directory.answer(case.verdict)) == []
        assert model["policies"], "nobody would see whether this is the right caller"
        return
    leaks.check_refused(response, *case.verdict)
    challenge = response.headers.get("WWW-Authenticate", "")
    # A service's own word at the end of Negotiate is no challenge; UsernameToken knows none at all.
    assert challenge or response.status != 401
    assert not challenge or not case.path.startswith(("/token", "/certificate"))
    if case.path.startswith("/kerberos") and case.verdict == CHALLENGE:
        assert "Negotiate" in challenge and "NTLM" not in challenge
