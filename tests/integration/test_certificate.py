# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Callers with a TLS client certificate: real mod_ssl, a virtual host of their own."""

import base64
import http.client
import socket
import ssl
import types

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from cep_env import SAMPLE, ldif, soap
from cep_env.certs import ClientAuthority, alternative_names, sid_extension
from cep_env.evaluator import Directory, compare
from cep_env.httpd import BASIC, directory_section, free_port, location_section
from cep_env.waiting import wait_until
from security_descriptor import sid_from_bytes

from slapd import Slapd, find_slapd, make_certificates

VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
VERSION_IDS = ("TLS1.2", "TLS1.3")

# What a client sees that the server does not let in.
NO_CONNECTION = (ssl.SSLError, ConnectionError, http.client.RemoteDisconnected)

STRONG, WEAK, BOTH = "/strong", "/weak", "/both"
SID_ONLY, WITH_BASIC, OPEN, NAMED = "/sid", "/basic", "/open", "/named"


def account_sid(entries, name):
    """objectSid of an account in the S-1-... form."""
    found = [entry for entry in entries if entry.text("sAMAccountName") == name]
    assert len(found) == 1
    return sid_from_bytes(found[0].value("objectSid"))


def cast(directory):
    """CAs, and the clients that the tests send, by what they are."""
    entries = ldif.read(SAMPLE)
    ca = ClientAuthority(directory, "Client CA")
    other = ClientAuthority(directory, "Other CA")      # mod_ssl trusts it, the forest does not
    below = ClientAuthority(directory, "Below CA", ca)  # neither says anything of it

    def sid(name):
        return sid_extension(account_sid(entries, name))

    def upn(*names):
        return alternative_names(upns=names)

    clients = {
        "alice": ca.issue(sid("alice")),
        "bob": ca.issue(sid("bob")),
        "WS01$": ca.issue(sid("WS01$"), subject="ws01.corp.example"),
        "DC1$": ca.issue(sid("DC1$")),
        "no usage": ca.issue(sid("alice"), usages=()),
        "by serial": ca.issue(),
        "by key identifier": ca.issue(),
        "by key": ca.issue(),
        "by thumbprint": ca.issue(),
        "UPN": ca.issue(upn("alice@corp.example")),
        "UPN of a computer": ca.issue(upn("WS01$@corp.example")),
        "DNS name": ca.issue(alternative_names(dns=["ws01.corp.example"])),
        "SID and UPN": ca.issue(sid("alice"), upn("alice@corp.example")),
        "SID and another's UPN": ca.issue(sid("alice"), upn("bob@corp.example")),
        # nobody
        "nothing": ca.issue(),
        "unknown SID": ca.issue(sid_extension("S-1-5-21-1-2-3-1104")),
        "disabled": ca.issue(sid("erin")),
        "broken SID": ca.issue(sid_extension("S-1-5-21-")),
        "two UPNs": ca.issue(sid("alice"), upn("alice@corp.example", "bob@corp.example")),
        "of two accounts": ca.issue(),
        "SID of another": ca.issue(sid("alice")),
        "untrusted issuer": other.issue(sid("alice")),
        "CA below a trusted one": below.issue(sid("alice")),
        # not let in
        "expired": ca.issue(sid("alice"), days=(-9, -1)),
        "not yet valid": ca.issue(sid("alice"), days=(1, 9)),
        "self-signed": ca.issue(sid("alice"), self_signed=True),
        "server's": ca.issue(sid("alice"), usages=(ExtendedKeyUsageOID.SERVER_AUTH,)),
        # let in by optional_no_ca
        "stranger": ClientAuthority(directory, "Strange CA").issue(
            sid("alice"), upn("alice@corp.example")),
    }
    return types.SimpleNamespace(ca=ca, other=other, below=below, clients=clients)


NOBODY = ("nothing", "unknown SID", "disabled", "broken SID", "two UPNs", "of two accounts",
          "SID of another", "untrusted issuer", "CA below a trusted one", "UPN",
          "UPN of a computer", "DNS name")


def directory_entries(people, trusted):
    """The sample directory, with CAs of ours in NTAuthCertificates and explicit mappings."""
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "NTAuthCertificates").set("cACertificate", *[ca.der for ca in trusted])

    def map_to(cn, *values):
        for value in values:
            ldif.find(entries, cn).add("altSecurityIdentities", value)

    clients = people.clients
    map_to("bob", "Kerberos:bob@OTHER.EXAMPLE", clients["by serial"].by_serial)
    map_to("grace", clients["by key identifier"].by_key_identifier)
    map_to("frank", clients["by key"].by_key.upper().replace("X509", "x509"))
    map_to("carol", clients["by thumbprint"].by_thumbprint)
    map_to("dave", clients["of two accounts"].by_serial)
    map_to("carol", clients["of two accounts"].by_key)
    map_to("bob", clients["SID of another"].by_serial)
    return entries


def location(path, *lines):
    return location_section(path, auth=False, extra=lines)


def start(server, people, entries, url=None, extra=(), server_wide=("CEPTokenTTL 0",)):
    """A server with virtual hosts for certificates that are required, optional, unverified."""
    path = server.path("policy.ldif")
    ldif.write(path, entries)
    cas = server.write("client-cas.pem", "".join(
        ca.pem for ca in (people.ca, people.other, people.below)))
    ssl_only = "Require ssl-verify-client"
    server.require, server.optional, server.unverified = free_port(), free_port(), free_port()
    server.configure(directory_section(url or "file:" + path, extra=extra), location_section(),
                     server=server_wide)
    server.add_hosts(
        server.certificate_host(
            server.require, "require", cas,
            location(STRONG, ssl_only),
            location(WEAK, "CEPCertificateMapping dns UPN", ssl_only),
            location(BOTH, "CEPCertificateMapping upn sid altsecid dns", ssl_only),
            location(SID_ONLY, "CEPCertificateMapping sid", ssl_only),
            location(OPEN, "Require all granted"),
            location(NAMED, "SSLUserName SSL_CLIENT_SAN_OTHER_msUPN_0", "Require valid-user"),
            location_section(WITH_BASIC),
            location_section(WITH_BASIC + "-open", auth=False,
                             extra=BASIC + ("Require all granted",))),
        server.certificate_host(
            server.optional, "optional", cas,
            "CEPCertificateMapping upn",
            location(STRONG, "CEPCertificateMapping sid", "Require all granted"),
            location(WEAK, "Require all granted")),
        server.certificate_host(
            server.unverified, "optional_no_ca", cas,
            location(STRONG, "Require all granted"),
            location(NAMED, "SSLUserName SSL_CLIENT_SAN_OTHER_msUPN_0", "Require all granted")))
    server.log.allow("CEP0119")  # of the last one
    return server.start().wait_for_policy()


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return cast(str(tmp_path_factory.mktemp("clients")))


@pytest.fixture(scope="module")
def entries(people):
    return directory_entries(people, [people.ca])


@pytest.fixture(scope="module")
def directory(entries):
    return Directory(entries)


@pytest.fixture(scope="module")
def server(make_module_httpd, people, entries):
    return start(make_module_httpd(), people, entries)


def context(server, client, version=None):
    return soap.trust(server, client and client.path, version)


def send(server, client, path=STRONG, port=None, version=None, body=None, headers=None):
    return soap.send(server, body, user=None, path=path, headers=headers,
                     port=port or server.require, context=context(server, client, version))


def basic(user):
    token = base64.b64encode(("%s:%s-password" % (user, user)).encode()).decode()
    return {"Authorization": "Basic " + token}


def check_refused(response):
    """The fault that everybody gets whom the directory does not know, and not an octet more."""
    soap.check_fault(response, "Sender", "FailedAuthentication")
    for word in (b"Corp", b"policy>", b"1.3.6.1.4.1.311"):
        assert word not in response.body
    assert "WWW-Authenticate" not in response.headers


# Who is found.

FOUND = [
    ("alice", STRONG, "alice"), ("bob", STRONG, "bob"), ("WS01$", STRONG, "WS01$"),
    ("DC1$", STRONG, "DC1$"), ("no usage", STRONG, "alice"),
    ("by serial", STRONG, "bob"), ("by key identifier", STRONG, "grace"),
    ("by key", STRONG, "frank"), ("by thumbprint", STRONG, "carol"),
    ("UPN", WEAK, "alice"), ("UPN of a computer", WEAK, "WS01$"), ("DNS name", WEAK, "WS01$"),
    ("SID and UPN", STRONG, "alice"), ("SID and UPN", WEAK, "alice"),
    ("SID and UPN", BOTH, "alice"), ("SID and another's UPN", STRONG, "alice"),
    ("SID of another", SID_ONLY, "alice"), ("alice", OPEN, "alice"),
]


@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_IDS)
@pytest.mark.parametrize("client, path, account", FOUND,
                         ids=["%s%s" % (row[0], row[1]) for row in FOUND])
def test_owner_is_found(server, people, directory, client, path, account, version):
    message_id = soap.new_message_id()
    marker = server.log.marker()
    response = send(server, people.clients[client], path, version=version,
                    body=soap.build(message_id=message_id))
    model = soap.check_answer(response, message_id)
    assert compare(model, directory.answer(account)) == []
    assert 'caller="%s" ' % account in server.log.wait_for("CEP0600", marker)[0].text


# Who is not.

@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_IDS)
@pytest.mark.parametrize("client", NOBODY)
def test_nobody(server, people, client, version):
    marker = server.log.marker()
    check_refused(send(server, people.clients[client], version=version))
    server.log.wait_for("CEP0600", marker)
    assert not server.log.find("result=answer", marker)


def test_all_refusals_are_the_same(server, people):
    message_id = soap.new_message_id()
    bodies = {send(server, people.clients[name], body=soap.build(message_id=message_id)).body
              for name in NOBODY}
    assert len(bodies) == 1


SENTENCES = [
    ("untrusted issuer", STRONG, "no CA certificate in the forest's NTAuthCertificates"),
    ("CA below a trusted one", STRONG, "no CA certificate in the forest's NTAuthCertificates"),
    ("disabled", STRONG, "is disabled"),
    ("broken SID", STRONG, "SID extension cannot be read"),
    ("two UPNs", STRONG, "more than one UPN"),
    ("of two accounts", STRONG, "it must not be mapped to two accounts"),
    ("SID of another", STRONG, "it must not be mapped to two accounts"),
    ("SID and another's UPN", BOTH, "it must not be mapped to two accounts"),
    ("SID and another's UPN", WEAK, "but its SID extension names S-1-5-21-"),
    ("nothing", STRONG, "no account has any of these: altSecurityIdentities X509:<I>DC=example,"
     "DC=corp,CN=Client CA<SR>"),
    ("nothing", WEAK, "holds nothing that CEPCertificateMapping allows"),
    ("by serial", SID_ONLY, "holds nothing that CEPCertificateMapping allows"),
]


@pytest.mark.parametrize("client, path, sentence", SENTENCES,
                         ids=["%s%s" % (row[0], row[1]) for row in SENTENCES])
def test_the_log_says_why(server, people, client, path, sentence):
    marker = server.log.marker()
    check_refused(send(server, people.clients[client], path))
    line = server.log.wait_for("CEP0602", marker)[0].text
    assert "the owner of the certificate /CN=client (serial number " in line or \
        sentence.endswith(("cannot be read", "one UPN"))
    assert sentence in line


@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_IDS)
@pytest.mark.parametrize("client", ["expired", "not yet valid", "self-signed", "server's", None])
def test_mod_ssl_lets_nobody_else_in(server, people, client, version):
    server.log.allow("AH02039")
    with pytest.raises(NO_CONNECTION):
        send(server, people.clients[client] if client else None, version=version)


# Certificates beside other ways of authentication.

def test_a_certificate_adds_nothing_to_a_user(server, people, directory):
    """Dave has alice's certificate, or hers has been left in his browser: he gets what is his."""
    for user in ("dave", "bob"):
        model = soap.check_answer(send(server, people.clients["alice"], WITH_BASIC,
                                       headers=basic(user)))
        assert compare(model, directory.answer(user)) == []
    assert directory.answer("dave")["policies"] is None


def test_a_certificate_does_not_replace_a_user(server, people):
    response = send(server, people.clients["alice"], WITH_BASIC)
    assert response.status == 401
    assert b"policy" not in response.body


def test_a_certificate_does_not_replace_a_user_that_nobody_required(server, people):
    server.log.expect("CEP0601")
    check_refused(send(server, people.clients["alice"], WITH_BASIC + "-open"))


def test_the_name_of_mod_ssl_does_not_count(server, people, directory):
    """SSLUserName sets bob, whose UPN is in a certificate of alice's."""
    client = people.clients["SID and another's UPN"]
    marker = server.log.marker()
    model = soap.check_answer(send(server, client, NAMED))
    assert compare(model, directory.answer("alice")) == []
    line = server.log.wait_for('CEP0600: instance="%s"' % NAMED, marker)[0]
    assert 'caller="alice" ' in line.text
    check_refused(send(server, people.clients["UPN"], NAMED))


def test_optional(server, people, directory):
    model = soap.check_answer(send(server, people.clients["alice"], port=server.optional))
    assert compare(model, directory.answer("alice")) == []
    server.log.expect("CEP0601")
    check_refused(send(server, None, port=server.optional))


def test_mapping_is_inherited(server, people, directory):
    """upn is said in the virtual host, sid in one of its locations."""
    for client, path, account in (("UPN", WEAK, "alice"), ("bob", WEAK, None),
                                  ("UPN", STRONG, None), ("bob", STRONG, "bob")):
        response = send(server, people.clients[client], path, port=server.optional)
        if account:
            assert compare(soap.check_answer(response), directory.answer(account)) == []
        else:
            check_refused(response)


@pytest.mark.parametrize("client", ["self-signed", "expired"])
@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_IDS)
def test_optional_and_not_verified(server, people, client, version):
    server.log.expect("AH02039")
    with pytest.raises(NO_CONNECTION):
        send(server, people.clients[client], port=server.optional, version=version)


@pytest.mark.parametrize("path", [STRONG, NAMED])
def test_unverified(server, people, path):
    """optional_no_ca lets in whoever calls himself alice."""
    server.log.expect("CEP0609")
    check_refused(send(server, people.clients["stranger"], path, port=server.unverified))


def test_a_header_is_no_certificate(server, people):
    """As a proxy that ends TLS would send it; nobody here may."""
    pem = "".join(open(people.clients["alice"].path, encoding="ascii").read()
                  .split("-----END CERTIFICATE-----")[0].splitlines())
    server.log.expect("CEP0601")
    check_refused(send(server, None, port=server.optional, headers={
        "SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_CERT": pem, "X-SSL-Client-Verify": "SUCCESS"}))


# Connections.

def exchange(context_, port, path, session=None):
    """One request; the TLS session, whether it was resumed, and the answer."""
    plain = socket.create_connection(("127.0.0.1", port), timeout=20)
    secure = context_.wrap_socket(plain, server_hostname="127.0.0.1", session=session)
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.sock = secure
    connection.request("POST", path, soap.build(), {"Content-Type": soap.CONTENT_TYPE})
    response = connection.getresponse()
    answer = soap.Response(response.status, response.headers, response.read())
    result = secure.session, secure.session_reused, answer
    connection.close()
    return result


@pytest.mark.parametrize("version", VERSIONS, ids=VERSION_IDS)
def test_resumed_sessions(server, people, directory, version):
    """The client's chain is gone there; the certificate is not."""
    shared = context(server, people.clients["by serial"], version)
    session, reused, answer = exchange(shared, server.require, STRONG)
    assert not reused
    assert compare(soap.check_answer(answer), directory.answer("bob")) == []
    _, reused, answer = exchange(shared, server.require, STRONG, session)
    assert reused
    assert compare(soap.check_answer(answer), directory.answer("bob")) == []


def test_several_requests_on_one_connection(server, people, directory):
    client = soap.Client(server, user=None, port=server.require,
                         certificate=people.clients["WS01$"].path)
    for path, account in ((STRONG, "WS01$"), (WEAK, None), (STRONG, "WS01$")):
        answer = client.send(soap.build(), path)
        if account:
            assert compare(soap.check_answer(answer), directory.answer(account)) == []
        else:
            check_refused(answer)
    client.close()


# The directory.

@pytest.mark.parametrize("mpm", ["worker", "prefork"])
def test_other_mpms(make_httpd, people, entries, directory, mpm):
    server = start(make_httpd(mpm), people, entries)
    model = soap.check_answer(send(server, people.clients["alice"]))
    assert compare(model, directory.answer("alice")) == []
    check_refused(send(server, people.clients["untrusted issuer"]))


def test_no_trusted_cas(make_httpd, people):
    """Not the caller's fault: the log names the object, and the client tries again."""
    entries = [entry for entry in directory_entries(people, [])
               if entry.text("cn") != "NTAuthCertificates"]
    server = start(make_httpd(), people, entries)
    server.log.expect("CEP0603")
    response = send(server, people.clients["alice"])
    soap.check_fault(response, "Receiver", "InternalServiceFault")
    assert response.headers["Retry-After"]
    assert "CN=NTAuthCertificates," in server.log.wait_for("CEP0603")[0].text


def test_trust_follows_the_directory(make_httpd, people):
    """A CA that is taken out of NTAuthCertificates names nobody any more."""
    server = start(make_httpd(), people, directory_entries(people, [people.ca, people.other]))
    client = people.clients["untrusted issuer"]
    soap.check_answer(send(server, client))
    ldif.write(server.path("policy.ldif"), directory_entries(people, [people.ca]))
    wait_until(lambda: send(server, client).status != 200, why=lambda: "the CA is still trusted")
    check_refused(send(server, client))
    soap.check_answer(send(server, people.clients["alice"]))


@pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")
def test_over_ldap(make_httpd, people, entries, directory, tmp_path):
    """The same look-ups by filters: octets, '<', ',' and '=' in values."""
    path = tmp_path / "policy.ldif"
    ldif.write(str(path), entries)
    with Slapd(tmp_path, path, make_certificates(tmp_path)) as ldap:
        server = start(make_httpd(), people, entries, url=ldap.ldap)
        for client, where, account in FOUND:
            model = soap.check_answer(send(server, people.clients[client], where))
            assert compare(model, directory.answer(account)) == [], client
        for client in NOBODY:
            check_refused(send(server, people.clients[client]))
        server.stop()


@pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")
def test_owners_are_kept(make_httpd, people, entries, directory, tmp_path):
    """The directory is not asked twice, and what one mapping found is not another's."""
    path = tmp_path / "policy.ldif"
    ldif.write(str(path), entries)
    with Slapd(tmp_path, path, make_certificates(tmp_path)) as ldap:
        server = start(make_httpd(), people, entries, url=ldap.ldap,
                       extra=("CEPTimeout 500ms", "CEPRefreshInterval 60s"),
                       server_wide=("CEPTokenTTL 60s",))
        for client, where, account in (("alice", STRONG, "alice"), ("UPN", WEAK, "alice")):
            soap.check_answer(send(server, people.clients[client], where))
        check_refused(send(server, people.clients["UPN"], STRONG))
        ldap.pause()
        for client, where, account in (("alice", STRONG, "alice"), ("UPN", WEAK, "alice")):
            model = soap.check_answer(send(server, people.clients[client], where))
            assert compare(model, directory.answer(account)) == []
        check_refused(send(server, people.clients["UPN"], STRONG))
        # Not found by this mapping yet, so the directory would have to be asked.
        server.log.expect("CEP0603")
        assert send(server, people.clients["alice"], SID_ONLY).headers["Retry-After"]
        ldap.resume()
        server.stop()
