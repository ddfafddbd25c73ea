# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Canaries: no password, key, ticket or message text where logs, notes, answers and files are read.

Everything at LogLevel trace8, with one exception: at trace4 httpd's module http prints the
request's headers, and with them the Authorization that carries a ticket, so it is at trace3 here. That
these lines would be found is tested too.
"""

import base64
import glob
import json
import os
import re
import subprocess

import pytest

from cep_env import soap
from cep_env.certs import ClientAuthority, sid_extension
from cep_env.httpd import (
    USERNAME_TOKEN, directory_section, free_port, has_modules, load_modules, location_section)
from security_descriptor import sid_from_bytes
from test_username import probe  # noqa: F401
from test_matrix import Tickets, ldap_lines

MODULES = ("ldap", "authnz_ldap", "auth_gssapi", "authn_socache")

pytestmark = pytest.mark.skipif(
    not has_modules(*MODULES), reason="mod_auth_gssapi or mod_authnz_ldap is not installed")

HTTPD_S_OWN = "http:trace3"
WRONG = "Wr0ng-c4nary-"  # and what makes each of its own
NOTES = ("instance", "directory", "caller", "result", "templates", "cas", "bytes", "microseconds",
         "cache")
GSSAPI, SIMPLE = "by-gssapi", "by-simple"


def encodings(secret):
    """What a key or a ticket could be printed as."""
    hexadecimal = secret.hex()
    pairs = re.findall("..", hexadecimal)
    texts = [hexadecimal, hexadecimal.upper(), " ".join(pairs), ":".join(pairs),
             " ".join(pairs).upper(), "".join("\\x" + pair for pair in pairs)]
    # Not its ends, which stand for neighbours, too.
    texts += [base64.b64encode(secret[shift:]).decode()[4:-8] for shift in range(3)]
    return [secret] + [text.encode() for text in texts]


def keys(keytab):
    """Those of all entries, by klist."""
    done = subprocess.run(["klist", "-k", "-K", keytab], capture_output=True, text=True, check=True)
    return [bytes.fromhex(key) for key in re.findall(r"\(0x([0-9a-f]+)\)", done.stdout)]


class Canaries:
    """Octets that must not be anywhere, by what they are."""

    def __init__(self):
        self.secrets = {}

    def text(self, name, word):
        self.secrets[name] = [word.encode(), base64.b64encode(word.encode()), word.encode().hex()
                              .encode()]

    def key(self, name, octets):
        self.secrets[name] = encodings(octets)

    def ticket(self, name, octets):
        """The whole would be found only in one piece."""
        self.secrets[name] = [found for at in (len(octets) // 3, 2 * len(octets) // 3)
                              for found in encodings(octets[at:at + 33])]
        whole = base64.b64encode(octets)
        self.secrets[name] += [whole[at:at + 40] for at in range(0, len(whole) - 40, 40)]

    def found(self, data):
        return sorted({name for name, forms in self.secrets.items()
                       if any(form in data for form in forms)})


def configure(server, ad, module, level):
    common = ("AuthType CEP", "CEPAuthFailures 50 30m", "Require valid-user")
    kerberos = ("AuthType GSSAPI", 'AuthName "CEP"', "GssapiAllowedMech krb5", "GssapiSSLonly On",
                "GssapiCredStore keytab:" + ad.keytab, "GssapiNameAttributes json",
                "Require valid-user")
    locked = ("AuthType CEP", "CEPAuthProvider corp-users", "CEPAuthFailures 1 30m",
              "Require valid-user")
    files = USERNAME_TOKEN + ("Require valid-user",)

    def place(path, directory, lines):
        return location_section(path, directory, auth=False, extra=lines)
    bind = {GSSAPI: directory_section(ad.ldap, name=GSSAPI, extra=(
                "CEPBind gssapi", 'CEPKeytab "%s"' % ad.bind_keytab, "CEPPrincipal svc-cep")),
            SIMPLE: directory_section(ad.ldaps, name=SIMPLE, extra=(
                "CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name,
                'CEPBindPasswordFile "%s"' % ad.password_file,
                'CEPCACertificateFile "%s"' % ad.ca_file))}
    sections = [place("/kerberos", GSSAPI, kerberos), place("/kerberos-asked", SIMPLE, tuple(
        line for line in kerberos if "Attributes" not in line))]
    for name in bind:
        sections += [place("/token/" + name, name, ("CEPAuthProvider socache corp-users",
                                                    "AuthnCacheProvideFor corp-users") + common),
                     place("/locked/" + name, name, locked), place("/file/" + name, name, files)]
    notes = " ".join("%%{cep-%s}n" % name for name in NOTES)
    server.certificate_port = free_port()
    server.configure(
        *bind.values(), *sections, log_level=level, server=(
            "CEPTokenTTL 10m", 'LoadModule probe_module "%s"' % module,
            *load_modules(*MODULES),
            'LDAPTrustedGlobalCert CA_BASE64 "%s"' % ad.ca_file, "LDAPVerifyServerCert On",
            "LimitRequestFieldSize 65536", "AuthnCacheEnable",
            "<AuthnProviderAlias ldap corp-users>", *ldap_lines(ad), "</AuthnProviderAlias>",
            'CustomLog "${ROOT}/access.log" "%h %l %u %r %q %>s %U %{Cookie}i {}"'.replace(
                "{}", notes)))
    host = ["Listen 127.0.0.1:%d https" % server.certificate_port] + server.host(
        server.certificate_port, [
            "SSLVerifyClient require", "SSLOptions +StdEnvVars +ExportCertData",
            'SSLCACertificateFile "%s"' % server.write("client-cas.pem", server.client_ca.pem),
            *(place("/certificate/" + name, name, ("Require expr \"%{SSL_CLIENT_VERIFY} == "
                                                   "'SUCCESS'\"",)) for name in bind)], True)
    with open(server.path("httpd.conf"), "a", encoding="utf-8") as file:
        file.write("\n".join(host) + "\n")


@pytest.fixture
def make(make_httpd, active_directory, probe, tmp_path):  # noqa: F811
    ad = active_directory

    def start(level):
        server = make_httpd()
        server.client_ca = ClientAuthority(str(tmp_path), "Canary CA")
        server.write("tables", "", 0o666)
        configure(server, ad, probe, level)
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("KRB5_CONFIG", ad.krb5_conf)
            environment.setenv("KRB5RCACHENAME", "file2:" + os.path.join(server.cache, "replays"))
            server.start()
        server.wait_for_policy(GSSAPI).wait_for_policy(SIMPLE)
        return server
    trust = next(e.dn for e in ad.entries if e.dn.startswith("CN=NTAuthCertificates,"))
    yield start
    ad.replace(trust, "cACertificate",
               *next(e for e in ad.entries if e.dn == trust).values("cACertificate"))


def ask(server, path, headers=None, security="", client=None, body=None):
    return soap.send(server, body or soap.build(headers=security), user=None, path=path,
                     headers=headers, port=server.certificate_port if client else server.port,
                     certificate=client and client.path)


def by_ticket(server, ad, canaries):
    """Good, one for another service, one that was changed, and the same twice."""
    tickets = Tickets(ad)
    good = [tickets.token("alice") for _ in range(2)]
    other, changed = tickets.token("alice", "ldap@dc1.corp.example"), bytearray(tickets.old)
    changed[len(changed) // 2] ^= 1
    for name, token in (("ticket", good[0]), ("ticket again", good[0]), ("second", good[1]),
                        ("other service", other), ("changed", bytes(changed))):
        canaries.ticket(name, token)
    for path, token in (("/kerberos", good[0]), ("/kerberos", good[0]),
                        ("/kerberos-asked", good[1]), ("/kerberos", other),
                        ("/kerberos", bytes(changed))):
        yield ask(server, path, {"Authorization": "Negotiate " + base64.b64encode(token).decode()})


def by_token(server, ad, canaries):
    wrong = 0
    for name in (GSSAPI, SIMPLE):
        for path in ("/token/", "/file/", "/locked/"):
            for user in ("alice", "erin", "nosuch", "CORP\\alice", "no\\such\\name"):
                wrong += 1
                canaries.text("wrong %d" % wrong, "%s%d-" % (WRONG, wrong))
                for word in ("%s%d-" % (WRONG, wrong), ad.password):
                    for style in ("windows", "cepces"):
                        yield ask(server, path + name,
                                  security=soap.credentials(user, word, style))
    good = soap.username_token("alice", ad.password)
    digest = soap.username_token("alice", ad.password, ' Type="%s"' % soap.PASSWORD_TEXT.replace(
        "PasswordText", "PasswordDigest"))
    for security in (soap.security(good, good), soap.security(digest),
                     soap.security(good).replace("</o:Password>", "<x/></o:Password>"),
                     soap.security(good).replace("<o:Password>", "<o:Pass>", 1)):
        yield ask(server, "/token/" + SIMPLE, security=security)
    body = soap.build(headers=soap.security(good))
    yield ask(server, "/token/" + SIMPLE, body=body[:-9])
    yield ask(server, "/token/" + SIMPLE, body=body[:body.index(b"</o:Password>")])
    yield ask(server, "/token/" + SIMPLE, body=body + b" " * 70000)
    # Where it has no business.
    yield ask(server, "/kerberos", security=soap.security(good))
    yield ask(server, "/nowhere", security=soap.security(good))


def by_certificate(server, ad):
    trust = next(e.dn for e in ad.entries if e.dn.startswith("CN=NTAuthCertificates,"))
    ad.replace(trust, "cACertificate", server.client_ca.der)
    alice = next(e for e in ad.entries if e.text("sAMAccountName") == "alice")
    mapped = server.client_ca.issue(sid_extension(sid_from_bytes(alice.value("objectSid"))))
    token = soap.security(soap.username_token("alice", ad.password))
    for client in (mapped, server.client_ca.issue()):
        for name in (GSSAPI, SIMPLE):
            yield ask(server, "/certificate/" + name, client=client)
            yield ask(server, "/certificate/" + name, client=client, security=token)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def places(server, responses):
    """Name and content of all places that somebody could look at."""
    for name in ("error.log", "access.log", "startup.log", "tables"):
        yield name, read(server.path(name))
    for path in glob.glob(server.cache + "/**", recursive=True):
        # libkrb5's replay cache holds hashes; it is not ours and looked at all the same.
        if os.path.isfile(path):
            yield path, read(path)
    for child in [server.process.pid] + server.children():
        yield "environment of %d" % child, read("/proc/%d/environ" % child)
        yield "command line of %d" % child, read("/proc/%d/cmdline" % child)
    for number, response in enumerate(responses):
        yield "answer %d" % number, response.body + str(response.headers).encode()


def all_ways(server, ad, canaries):
    canaries.text("password", ad.password)
    for name, keytab in (("service's key", ad.keytab), ("module's key", ad.bind_keytab)):
        for number, key in enumerate(keys(keytab)):
            canaries.key("%s %d" % (name, number), key)
    canaries.text("token", "<o:UsernameToken")
    canaries.text("its password", "<o:Password")
    return [*by_ticket(server, ad, canaries), *by_token(server, ad, canaries),
            *by_certificate(server, ad)]


def test_no_secret_is_anywhere(make, active_directory):
    ad, canaries = active_directory, Canaries()
    server = make("trace8 " + HTTPD_S_OWN)
    server.log.allow("CEP0624", "authnz_ldap", "authn_file", "auth_gssapi", "AH01618")
    responses = all_ways(server, ad, canaries)
    served = sum(response.status == 200 for response in responses)
    assert served >= 2 + 4 + 2 + 4 and len(responses) - served > 40
    # Or nothing would have been looked for, or in the wrong place.
    assert len(canaries.secrets) > 30
    assert b"CEP0600" in read(server.path("error.log"))
    assert b"by-gssapi alice" in read(server.path("access.log"))
    assert b"GSS_NAME_ATTRS_JSON=" in read(server.path("tables"))
    bad = {name: found for name, data in places(server, responses)
           if (found := canaries.found(data))}
    assert bad == {}


def test_the_canaries_sing(make, active_directory):
    """The exception's lines hold a ticket, and are found."""
    ad, canaries = active_directory, Canaries()
    server = make("trace8")
    server.log.allow("auth_gssapi")
    list(by_ticket(server, ad, canaries))
    assert "ticket" in canaries.found(read(server.path("error.log")))
    lines = [line for line in read(server.path("error.log")).splitlines() if canaries.found(line)]
    assert {re.search(rb"\[(\w+:\w+)\]", line).group(1) for line in lines} == {b"http:trace4"}


def test_forms_are_found():
    secret = bytes(range(40, 73))
    canaries = Canaries()
    canaries.key("key", secret)
    for text in (secret, secret.hex().encode(), base64.b64encode(secret),
                 base64.b64encode(b"x" + secret + b"y"), base64.b64encode(b"xy" + secret),
                 json.dumps(base64.b64encode(secret).decode()).encode()):
        assert canaries.found(b"before" + text + b"after") == ["key"]
    assert canaries.found(b"before and after") == []
