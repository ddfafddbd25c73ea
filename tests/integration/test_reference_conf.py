# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""conf.d/cep.conf: wholly uncommented, with real files in place, it works and nothing is warned of."""

import os
import re
import shutil

import pytest

from cep_env import SAMPLE, SOURCE, ldif, soap
from cep_env.certs import Certificates, ClientAuthority, sid_extension
from cep_env.httpd import has_modules, load_modules
from cep_env.leaks import Leaks
from security_descriptor import sid_from_bytes

KERBEROS = "/ADPolicyProvider_CEP_Kerberos/service.svc/CEP"
USERNAME = "/ADPolicyProvider_CEP_UsernamePassword/service.svc/CEP"
CERTIFICATE = "/ADPolicyProvider_CEP_Certificate/service.svc/CEP"
RENEWAL = "/KeyBasedRenewal" + "_ADPolicyProvider_CEP_%s/service.svc/CEP"
LOCATIONS = (KERBEROS, USERNAME, CERTIFICATE, RENEWAL % "UsernamePassword",
             RENEWAL % "Certificate")
HOSTS = ("cep.corp.example", "cep-cert.corp.example", "cep-linux.corp.example", "localhost")
MODULES = ("ldap", "authnz_ldap", "auth_gssapi")


pytestmark = pytest.mark.skipif(
    not has_modules(*MODULES), reason="mod_auth_gssapi or mod_authnz_ldap is not installed")


def reference():
    with open(os.path.join(SOURCE, "conf.d", "cep.conf"), encoding="utf-8") as file:
        return file.read()


def uncommented():
    """As its head says: lines with "#" and no blank behind it, or four."""
    return re.sub(r"^#(?=\S|    )", "", reference(), flags=re.M)


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    return ClientAuthority(str(tmp_path_factory.mktemp("clients")))


def revocation_list(ca):
    from datetime import datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    now = datetime.utcnow()
    made = x509.CertificateRevocationListBuilder(
        ca.name, now - timedelta(days=1), now + timedelta(days=30)).sign(ca.key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


def install(server, clients, server_wide=(), **changes):
    """The file and what it names, below the server's root."""
    server.certificates = Certificates(server.root, HOSTS)  # server.pem, server.key
    shutil.copy(server.certificates.ca_file, server.path("corp-root.pem"))
    server.write("password", "secret\n")
    server.write("http.keytab", "")
    server.write("client-cas.pem", clients.pem)
    server.write("client-cas.crl", revocation_list(clients))
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "NTAuthCertificates").set("cACertificate", clients.der)
    ldif.write(server.path("sample.ldif"), entries)
    text = uncommented()
    # Where one name is a part of another, that comes first.
    for old, new in {**changes, "/etc/apache2/cep/": server.root + "/", "*:443": "*:%d" % server.port,
                     "/var/cache/apache2/cep": server.cache,
                     "/usr/share/doc/mod_cep/examples/": server.root + "/"}.items():
        assert old in text, old
        text = text.replace(old, new)
    server.write("cep.conf", text)
    server.configure(server=(), cache=False)
    with open(server.path("httpd.conf"), encoding="utf-8") as file:
        frame = file.read().split("<VirtualHost")[0]
    loads = "".join(line + "\n" for line in load_modules(*MODULES))
    # As Debian does: the modules first, then this file.
    server.write("httpd.conf", frame.replace("LoadModule cep_module", loads +
                                             "LoadModule cep_module", 1) +
                 "".join(line + "\n" for line in server_wide) + 'Include "${ROOT}/cep.conf"\n')


def test_as_shipped_it_serves_nothing():
    active = [line for line in reference().splitlines()
              if line.strip() and not line.startswith("#")]
    assert active == ["<IfModule cep_module>", "</IfModule>"]


def test_all_ways_are_there():
    text = uncommented()
    for path in LOCATIONS:  # Kerberos has a second instance, with a view
        assert text.count('<LocationMatch "(?i)^%s$">' % path.replace(".", "\\.")) == 1 + (
            path == KERBEROS)


def test_configtest_has_nothing_to_say(make_httpd, clients):
    server = make_httpd()
    install(server, clients)
    assert server.configtest() == (0, "Syntax OK\n")


@pytest.fixture(scope="module")
def server(make_module_httpd, clients):
    """Running; policy comes from the sample directory."""
    server = make_module_httpd()
    install(server, clients, **{
        "CEPPolicy             corp": "CEPPolicy             sample",
        # Nobody is there to ask: it would only say so.
        "ldaps://dc1.corp.example ldaps://dc2.corp.example": "ldaps://127.0.0.1:1"})
    server.log.allow("CEP0501", "CEP0201")
    server.start()
    return server.wait_for_policy("sample")


@pytest.fixture(scope="module")
def leaks():
    return Leaks(ldif.read(SAMPLE), "Corp enrollment policy")


def alice(clients):
    entries = ldif.read(SAMPLE)
    entry = next(entry for entry in entries if entry.text("sAMAccountName") == "alice")
    return clients.issue(sid_extension(sid_from_bytes(entry.value("objectSid"))))


def ask(server, name, path, client=None, headers=None, body=None, method="POST"):
    """To one of the hosts, by the name that TLS tells."""
    return soap.send(server, body, user=None, path=path, method=method, headers=headers, name=name,
                     certificate=client and client.path)


def test_the_start_has_nothing_to_say(server):
    assert not server.log.trouble("CEP01")


@pytest.mark.parametrize("path", (KERBEROS, KERBEROS.lower(), KERBEROS.upper()))
def test_kerberos(server, leaks, path):
    response = ask(server, "cep.corp.example", path)
    leaks.check_refused(response, 401, "Sender", "FailedAuthentication")
    assert response.headers["WWW-Authenticate"] == "Negotiate"


def test_large_tickets(server, leaks):
    """64 KiB are read, and refused as no ticket; more are refused unread."""
    server.log.allow("mod_auth_gssapi|auth_gssapi")
    response = ask(server, "cep.corp.example", KERBEROS,
                   headers={"Authorization": "Negotiate " + "A" * 60000})
    leaks.check_refused(response, 401, "Sender", "FailedAuthentication")
    response = ask(server, "cep.corp.example", KERBEROS,
                   headers={"Authorization": "Negotiate " + "A" * 66000})
    leaks.check_refused(response, 400)


@pytest.mark.parametrize("path", (USERNAME, RENEWAL % "UsernamePassword"))
def test_username(server, leaks, path):
    """No challenge; a message without a token is a fault."""
    response = ask(server, "cep.corp.example", path)
    leaks.check_refused(response, 500, "Sender", "InvalidSecurity")
    assert "WWW-Authenticate" not in response.headers


def test_certificate(server, clients, leaks):
    model = soap.check_answer(ask(server, "cep-cert.corp.example", CERTIFICATE, alice(clients)))
    assert "CorpUser" in model["policies"]
    response = ask(server, "cep-cert.corp.example", CERTIFICATE, clients.issue())
    leaks.check_refused(response, 500, "Sender", "FailedAuthentication")


def test_hosts_do_not_serve_each_others_ways(server, clients, leaks):
    for name, path, client in (("cep.corp.example", CERTIFICATE, None),
                               ("cep-cert.corp.example", KERBEROS, alice(clients))):
        response = ask(server, name, path, client)
        leaks.check_refused(response, response.status)
        assert response.status in (403, 404, 405)
