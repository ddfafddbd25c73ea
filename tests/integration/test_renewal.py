# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Key-based renewal: who is answered, and with what. Real mod_ssl; machines outside the domain.

These mistakes were made, one at a time, and each was caught: templates without the flag offered;
all URIs of a CA listed; renewalOnly as the directory has it; a CA without such a URI kept;
permissions by the caller's rights; the owner's account not looked at; a SID that nobody has taken
for no account; only the newest certificate of a CA counted; any CA that mod_ssl trusts taken for a
listed one; a SID not looked up where other mappings are configured; a certificate that only NTAuthCertificates stands for answered while the directory is
down; CEPKeyBasedRenewal ignored.
"""

import base64

import pytest
from cryptography import x509

from cep_env import SAMPLE, ldif, soap
from cep_env.certs import ClientAuthority, alternative_names, sid_extension
from cep_env.evaluator import Directory, View, compare
from cep_env.httpd import USERNAME_TOKEN, directory_section, free_port, location_section

from slapd import Slapd, find_slapd, make_certificates
from test_certificate import account_sid, basic, check_refused, location, send

RENEWAL = View(renewal=True)
KBR, PLAIN, UPN, NARROW, OTHER_WAY = "/kbr", "/plain", "/upn", "/narrow", "/other-way"
USER, TOKEN = "/kbr-user", "/kbr-token"
ON = "CEPKeyBasedRenewal On"


class People:
    def __init__(self, folder):
        entries = ldif.read(SAMPLE)

        def sid(name):
            return sid_extension(account_sid(entries, name))

        self.listed = ClientAuthority(folder, "Listed CA")
        self.before = ClientAuthority(folder, "Listed CA", days=(-9, 9))  # before its renewal
        self.accounts = ClientAuthority(folder, "Accounts CA")  # in NTAuthCertificates only
        self.other = ClientAuthority(folder, "Other CA")
        self.below = ClientAuthority(folder, "Below CA", self.listed)
        self.cas = (self.listed, self.before, self.accounts, self.other, self.below)
        dns = alternative_names(dns=["kiosk.example.net"])
        self.clients = {
            "workgroup": self.listed.issue(dns, subject="kiosk.example.net"),
            "before the CA's renewal": self.before.issue(
                dns, x509.AuthorityKeyIdentifier.from_issuer_public_key(
                    self.before.key.public_key()), subject="kiosk.example.net"),
            "alice": self.listed.issue(sid("alice")),
            "dave": self.listed.issue(sid("dave")),
            "bob of NTAuth": self.accounts.issue(sid("bob")),
            "unknown UPN": self.listed.issue(alternative_names(upns=["kiosk@example.net"])),
            # nobody
            "disabled": self.listed.issue(sid("erin")),
            "disabled, by altSecurityIdentities": self.listed.issue(),
            "deleted": self.listed.issue(sid_extension("S-1-5-21-1-2-3-1104")),
            "two accounts": self.listed.issue(sid("bob")),
            "broken SID": self.listed.issue(sid_extension("S-1-5-21-")),
            "nobody of NTAuth": self.accounts.issue(dns),
            "disabled of NTAuth": self.accounts.issue(sid("erin")),
            "other CA": self.other.issue(dns),
            "alice of another CA": self.other.issue(sid("alice")),
            "CA below a listed one": self.below.issue(dns),
        }
        self.disabled_upn = self.listed.issue(alternative_names(upns=["erin@corp.example"]))

    def entries(self):
        entries = ldif.read(SAMPLE)
        service = ldif.find(entries, "Corp Issuing CA 2", "pKIEnrollmentService")
        service.add("cACertificate", self.before.der)
        service.add("cACertificate", self.listed.der)
        ldif.find(entries, "NTAuthCertificates").set("cACertificate", self.accounts.der)
        ldif.find(entries, "erin").add("altSecurityIdentities", self.clients[
            "disabled, by altSecurityIdentities"].by_serial)
        ldif.find(entries, "alice").add("altSecurityIdentities",
                                        self.clients["two accounts"].by_serial)
        # without subject-in-request: offered, reported
        ldif.find(entries, "CorpComputer", "pKICertificateTemplate").set(
            "msPKI-Enrollment-Flag", str(0x10000 | 0x20))
        ldif.find(entries, "CorpLegacyDevice", "pKICertificateTemplate").set(
            "msPKI-Enrollment-Flag", str(0x10000 | 0x40))
        ldif.find(entries, "CorpPrivileged", "pKICertificateTemplate").set(
            "msPKI-Enrollment-Flag", str(0x10000 | 0x40 | 0x100))
        self.move(entries, "CorpLegacyDevice", "Corp CA 3", "1\n2\n0\nhttps://ca3.example/k\n0",
                  "2\n4\n0\nhttps://ca3.example/u\n0", "3\n1\n1\nhttps://ca3.example/a\n0")
        self.move(entries, "CorpPrivileged", "Corp CA 4", "1\n4\n0\nhttps://ca4.example/u\n1",
                  "2\n8\n1\nhttps://ca4.example/c\n1", "3\n8\n0\nhttps://ca4.example/c\n0",
                  "4\n2\n0\nhttps://ca4.example/k\n0")
        for cn in ("Corp CA 3", "Corp CA 4"):
            ldif.find(entries, cn).add("certificateTemplates", "CorpKeyRenewal")
        return entries

    @staticmethod
    def move(entries, template, cn, *servers):
        """A CA of its own for a template, with these enrollment servers."""
        model = ldif.find(entries, "Corp Issuing CA 1", "pKIEnrollmentService")
        for entry in entries:
            if entry.is_a("pKIEnrollmentService"):
                entry.set("certificateTemplates", *[
                    name for name in entry.texts("certificateTemplates") if name != template])
        new = model.copy()
        new.dn = new.dn.replace("CN=Corp Issuing CA 1,", "CN=%s," % cn)
        new.set("cn", cn)
        new.set("certificateTemplates", template)
        new.set("msPKI-Enrollment-Servers", *servers)
        entries.append(new)


ANSWERED = ("workgroup", "before the CA's renewal", "alice", "dave", "bob of NTAuth",
            "unknown UPN")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return People(str(tmp_path_factory.mktemp("clients")))


@pytest.fixture(scope="module")
def directory(people):
    return Directory(people.entries())


def start(server, people, url=None, server_wide=("CEPTokenTTL 0",), extra=()):
    path = server.path("policy.ldif")
    ldif.write(path, people.entries())
    cas = server.write("client-cas.pem", "".join(ca.pem for ca in people.cas))
    ssl_only = "Require ssl-verify-client"
    server.require = free_port()
    server.configure(directory_section(url or "file:" + path, extra=extra),
                     location_section(), location_section(USER, extra=(ON,)),
                     location_section(TOKEN, auth=False, extra=(
                         ON, *USERNAME_TOKEN, "Require valid-user")),
                     server=server_wide)
    server.add_hosts(server.certificate_host(
        server.require, "require", cas, "CEPTemplateRights autoenroll",
        location(KBR, ON, ssl_only),
        location(PLAIN, ssl_only),
        location(UPN, ON, "CEPCertificateMapping upn", ssl_only),
        location(NARROW, ON, "CEPTemplates Corp* !*Renewal", ssl_only),
        location(OTHER_WAY, ON, "Require all granted")))
    server.log.allow("CEP0328")
    server.start()
    server.wait_for_policy()
    server.log.wait_for("CEP0328")
    return server


@pytest.fixture(scope="module")
def server(make_module_httpd, people):
    return start(make_module_httpd(), people)


def expected(directory, view=RENEWAL):
    """Whoever asks: no SID is looked at."""
    return directory.answer_for(set(), view=view)


def test_the_directory_has_all_cases(directory):
    answer = expected(directory)
    assert set(answer["policies"]) == {"CorpKeyRenewal", "CorpComputer", "CorpPrivileged"}
    assert [uri["uri"] for ca in answer["cas"].values() for uri in ca["uris"]
            if "ca4" in uri["uri"]] == ["https://ca4.example/u", "https://ca4.example/c"]
    assert not any("ca3" in uri["uri"] for ca in answer["cas"].values() for uri in ca["uris"])
    assert len(answer["cas"]) == 3


@pytest.mark.parametrize("client", ANSWERED)
def test_who_holds_a_certificate_renews_it(server, people, directory, client):
    message_id = soap.new_message_id()
    response = send(server, people.clients[client], KBR, body=soap.build(message_id=message_id))
    model = soap.check_answer(response, message_id)
    assert compare(model, expected(directory)) == []


def test_nothing_leads_to_a_new_certificate(server, people):
    """By what comes, not by what the evaluator says."""
    model = soap.check_answer(send(server, people.clients["workgroup"], KBR))
    for policy in model["policies"].values():
        assert policy["enrollmentFlags"] & 0x10000
        assert policy["enroll"] is policy["autoEnroll"] is True
        assert policy["cAs"]
    for ca in model["cas"].values():
        assert ca["enrollPermission"] is True
        assert all(uri["renewalOnly"] for uri in ca["uris"])
        assert {uri["clientAuthentication"] for uri in ca["uris"]} <= {8, 4}


@pytest.mark.parametrize("user", ["alice", "dave", "WS01$"])
def test_user_names(server, directory, user):
    model = soap.check_answer(soap.send(server, user=user, path=USER))
    assert compare(model, expected(directory)) == []


def with_token(user, password=None):
    """As a Windows client sends it: the password in the message, and no HTTP authentication."""
    return soap.build(headers=(
        '<o:Security s:mustUnderstand="1" xmlns:o="%(o)s"><o:UsernameToken><o:Username>%(user)s'
        "</o:Username><o:Password>%(password)s</o:Password></o:UsernameToken></o:Security>") %
        dict(soap.NS, user=user, password=password or user + "-password"))


def test_passwords_in_the_message(server, directory):
    def ask(body):
        return soap.send(server, body, user=None, path=TOKEN)

    model = soap.check_answer(ask(with_token("dave")))
    assert compare(model, expected(directory)) == []
    check_refused(ask(with_token("erin")))
    server.log.allow("CEP06[0-9]+", "AH01617")
    check_refused(ask(with_token("dave", "wrong")))


NOBODY = ("disabled", "disabled, by altSecurityIdentities", "deleted", "two accounts",
          "broken SID", "nobody of NTAuth", "disabled of NTAuth", "other CA",
          "alice of another CA", "CA below a listed one")


@pytest.mark.parametrize("client", NOBODY)
def test_nobody(server, people, client):
    marker = server.log.marker()
    check_refused(send(server, people.clients[client], KBR))
    assert server.log.wait_for("CEP0602", marker)
    assert not server.log.find("CEP0600.*result=answer", marker)
    assert not server.log.find("CEP0600.*templates=[1-9]", marker)


def test_all_cases_are_tested(people):
    assert set(ANSWERED) | set(NOBODY) == set(people.clients)


@pytest.mark.parametrize("user", ["erin", "nobody"])
def test_user_names_of_nobody(server, user):
    check_refused(soap.send(server, user=user, path=USER))


def test_all_refusals_are_the_same(server, people):
    message_id = soap.new_message_id()
    body = soap.build(message_id=message_id)
    bodies = {send(server, people.clients[name], KBR, body=body).body for name in NOBODY}
    bodies |= {soap.send(server, body, user=user, path=USER).body for user in ("erin", "nobody")}
    assert len(bodies) == 1


def test_disabled_by_a_mapping_that_is_switched_on(server, people, directory):
    check_refused(send(server, people.disabled_upn, UPN))
    # its UPN stands for nobody where names are not believed
    model = soap.check_answer(send(server, people.disabled_upn, KBR))
    assert compare(model, expected(directory)) == []
    # the SID counts in any case
    check_refused(send(server, people.clients["disabled"], UPN))
    model = soap.check_answer(send(server, people.clients["alice"], UPN))
    assert compare(model, expected(directory)) == []


@pytest.mark.parametrize("client", ["workgroup", "before the CA's renewal", "alice"])
def test_without_the_directive_nothing_of_this(server, people, client):
    """A listed CA that is not in NTAuthCertificates names nobody."""
    check_refused(send(server, people.clients[client], PLAIN))
    assert compare(soap.check_answer(send(server, people.clients["bob of NTAuth"], PLAIN)),
                   Directory(people.entries()).answer(
                       "bob", view=View(rights="autoenroll"))) == []


def test_views_and_filters(server, people, directory):
    client = people.clients["workgroup"]
    narrow = View("Corp*", "!*Renewal", renewal=True)
    model = soap.check_answer(send(server, client, NARROW))
    assert compare(model, expected(directory, narrow)) == []
    assert set(model["policies"]) == {"CorpComputer", "CorpPrivileged"}
    model = soap.check_answer(send(server, client, KBR, body=soap.build(request_filter=None)))
    assert compare(model, directory.answer_for(set(), (3, 6), view=RENEWAL)) == []


def test_same_policy_id_as_the_twin(server, people):
    twin, plain = (soap.check_answer(soap.send(server, path=path))["policy_id"]
                   for path in (USER, soap.PATH))
    assert twin == plain
    kbr, plain = (soap.check_answer(send(server, people.clients["bob of NTAuth"],
                                         path))["policy_id"] for path in (KBR, PLAIN))
    assert kbr == plain != twin


def test_the_log_names_the_owner(server, people):
    marker = server.log.marker()
    send(server, people.clients["workgroup"], KBR)
    line = server.log.wait_for("CEP0600", marker)[0].text
    assert 'caller="/CN=kiosk.example.net (serial number ' in line
    marker = server.log.marker()
    send(server, people.clients["other CA"], KBR)
    line = server.log.wait_for("CEP0602", marker)[0].text
    assert "no CA that the directory lists has signed the certificate" in line


def test_reported_once(server):
    """What the CA will refuse all the same."""
    assert len(server.log.find("CEP0328.*CorpComputer|CorpComputer.*CEP0328")) == 1
    assert not server.log.find("CEP0328.*CorpKeyRenewal|CorpKeyRenewal.*CEP0328")


@pytest.mark.parametrize("mpm", ["worker", "prefork"])
def test_other_mpms(make_httpd, people, directory, mpm):
    other = start(make_httpd(mpm), people, server_wide=())
    for _ in range(2):
        model = soap.check_answer(send(other, people.clients["workgroup"], KBR))
        assert compare(model, expected(directory)) == []
        check_refused(send(other, people.clients["disabled"], KBR))


@pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")
def test_over_ldap_and_without_it(make_httpd, people, directory, tmp_path):
    """While the directory is down nobody can be shut out, and nobody else is let in."""
    path = tmp_path / "policy.ldif"
    ldif.write(str(path), people.entries())
    with Slapd(tmp_path, path, make_certificates(tmp_path)) as ldap:
        server = start(make_httpd(), people, url=ldap.ldap, extra=("CEPTimeout 1s",),
                       server_wide=("CEPTokenTTL 10m",))
        for client in ANSWERED[:4]:
            model = soap.check_answer(send(server, people.clients[client], KBR))
            assert compare(model, expected(directory)) == [], client
        for client in NOBODY:
            check_refused(send(server, people.clients[client], KBR))
    server.log.allow("CEP0501")
    server.log.expect("CEP0603", count=2)
    marker = server.log.marker()
    # known ones, and one who is not
    for client in ("workgroup", "unknown UPN"):
        model = soap.check_answer(send(server, people.clients[client], KBR))
        assert compare(model, expected(directory)) == [], client
    model = soap.check_answer(soap.send(server, user="alice", path=USER))
    assert compare(model, expected(directory)) == []
    assert len(server.log.wait_for("CEP0641", marker, count=2)) == 2
    # what was known before it went: this one is disabled, and this certificate is nobody's
    check_refused(send(server, people.clients["disabled"], KBR))
    check_refused(send(server, people.clients["nobody of NTAuth"], KBR))
    for response in (send(server, people.clients["bob of NTAuth"], KBR),
                     soap.send(server, user="bob")):
        soap.check_fault(response, "Receiver", "InternalServiceFault")
        assert response.headers["Retry-After"]


def test_a_certificate_beside_a_user_counts_for_nothing(server, people):
    token = basic("alice")["Authorization"].split()[1]
    assert base64.b64decode(token) == b"alice:alice-password"
    model = soap.check_answer(send(server, people.clients["workgroup"], OTHER_WAY,
                                   headers=basic("alice")))
    assert model["policies"]
