# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Directories that are broken, absent or odd: a clear message, and what is sound is served."""

import os
import time

import pytest

from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import daemon_user, directory_section, free_port, location_section
from cep_env.waiting import wait_until
from conftest import start_sample

TEMPLATES = "CN=Certificate Templates,CN=Public Key Services"


def sample_text():
    with open(SAMPLE, encoding="utf-8") as file:
        return file.read()


def start_with(server, *urls, extra=()):
    """Start a server whose directory may not work; nothing is waited for."""
    server.configure(directory_section(*urls, extra=extra), location_section())
    return server.start()


def check_no_policy_yet(server):
    """The server answers at once, with a fault that says to come back."""
    begin = time.monotonic()
    response = soap.send(server)
    assert time.monotonic() - begin < 2
    soap.check_fault(response, "Receiver", "InternalServiceFault")
    assert int(response.headers["Retry-After"]) > 0


# What stands in the file, and a part of the message.
BROKEN_FILES = [
    ("empty", "", "holds no entry"),
    ("comment only", "# nothing\n", "holds no entry"),
    ("no LDIF", "<html>hello</html>\n", ":1: "),
    ("broken line", sample_text() + "\ndn: CN=x,DC=corp,DC=example\nobjectClass top\n", None),
    ("broken base64", sample_text() + "\ndn: CN=x,DC=corp,DC=example\nobjectSid:: %%%\n",
     "no base64"),
    ("bad DN", sample_text() + "\ndn: nonsense\nobjectClass: top\n", "malformed DN"),
    ("twice the same DN", sample_text() + "\ndn: dc=CORP, dc=example\nobjectClass: top\n",
     "same entry"),
    ("change record", "version: 1\n\ndn: DC=corp,DC=example\nchangetype: add\nobjectClass: top\n",
     "change record"),
    ("value from a URL", "dn: DC=corp,DC=example\ncn:< file:///etc/passwd\n", "not supported"),
    ("other version", "version: 2\n\ndn: DC=corp,DC=example\ndc: corp\n", "version"),
    ("NUL", "dn: DC=corp,DC=example\ndc: co\0rp\n", "NUL"),
    ("no configuration", "dn: DC=corp,DC=example\nobjectClass: domain\ndc: corp\n",
     "objectClass configuration"),
]


@pytest.mark.parametrize("text, sentence", [row[1:] for row in BROKEN_FILES],
                         ids=[row[0] for row in BROKEN_FILES])
def test_broken_file(make_httpd, text, sentence):
    """One message with the file's name and line; repaired, it is served without a restart."""
    server = make_httpd()
    path = server.write("policy.ldif", text)
    server.log.expect("CEP0501")
    start_with(server, "file:" + path)
    line = server.log.wait_for("CEP0501")[0]
    assert path in line.text
    if sentence is None:
        assert "%s:%d: " % (path, text.count("\n")) in line.text
    else:
        assert sentence in line.text
    check_no_policy_yet(server)
    server.write("policy.ldif", sample_text())
    server.wait_for_policy()
    assert soap.check_answer(soap.send(server))["policies"]
    assert len(server.log.trouble("CEP0501")) == 1


def test_file_absent(make_httpd):
    server = make_httpd()
    server.log.expect("CEP0501")
    start_with(server, "file:" + server.path("later.ldif"))
    assert "later.ldif" in server.log.wait_for("CEP0501")[0].text
    check_no_policy_yet(server)
    server.write("later.ldif", sample_text())
    server.wait_for_policy()
    soap.check_answer(soap.send(server))


def test_file_unreadable(make_httpd):
    server = make_httpd()
    path = server.write("policy.ldif", sample_text(), 0o000 if daemon_user() is None else 0o600)
    server.log.expect("CEP0501")
    start_with(server, "file:" + path)
    line = server.log.wait_for("CEP0501")[0]
    assert path in line.text and "Permission denied" in line.text
    os.chmod(path, 0o644)
    server.wait_for_policy()
    soap.check_answer(soap.send(server))


def test_file_is_a_directory(make_httpd):
    server = make_httpd()
    os.mkdir(server.path("folder"))
    server.log.expect("CEP0501")
    start_with(server, "file:" + server.path("folder"))
    assert "folder" in server.log.wait_for("CEP0501")[0].text


def test_directory_down_at_start(make_httpd):
    """The server starts, answers with a fault at once, and says which URLs it tried."""
    server = make_httpd()
    urls = ["ldap://127.0.0.1:%d" % free_port() for _ in range(2)]
    server.log.expect("CEP0501")
    start_with(server, *urls, extra=("CEPTimeout 1s",))
    line = server.log.wait_for("CEP0501")[0]
    assert all(url in line.text for url in urls)
    for _ in range(3):
        check_no_policy_yet(server)
    time.sleep(2.5)
    assert len(server.log.trouble("CEP0501")) == 1, "one message for one trouble"


def test_directory_that_does_not_speak(make_httpd):
    """A port that accepts and says nothing holds up neither the start nor a request."""
    import socket
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(16)
        server = make_httpd()
        server.log.expect("CEP0501")
        start_with(server, "ldap://127.0.0.1:%d" % silent.getsockname()[1],
                   extra=("CEPTimeout 500ms",))
        check_no_policy_yet(server)
        server.log.wait_for("CEP0501", timeout=10)
        check_no_policy_yet(server)
        server.stop()


def changed(server, change):
    """The sample directory after change(entries), as a file of the server; its entries."""
    entries = ldif.read(SAMPLE)
    entries = change(entries) or entries
    server.write("policy.ldif", ldif.dump(entries))
    return entries


def start_changed(server, change):
    entries = changed(server, change)
    start_with(server, "file:" + server.path("policy.ldif"))
    server.wait_for_policy()
    return evaluator.Directory(entries)


@pytest.mark.parametrize("container", ("Certificate Templates", "Enrollment Services"))
def test_missing_container(make_httpd, container):
    server = make_httpd()
    below = "CN=%s,CN=Public Key Services,CN=Services,CN=Configuration,DC=corp,DC=example" \
        % container
    changed(server, lambda entries: [entry for entry in entries
                                     if not ldif.is_within(entry.dn, below)])
    server.log.expect("CEP0501")
    start_with(server, "file:" + server.path("policy.ldif"))
    assert "CN=%s," % container in server.log.wait_for("CEP0501")[0].text
    check_no_policy_yet(server)


def test_missing_oid_container(make_httpd):
    """Without names of OIDs everything else is served, under well-known names or the OID itself."""
    server = make_httpd()
    server.log.allow("CEP0511")
    below = "CN=OID,CN=Public Key Services,CN=Services,CN=Configuration,DC=corp,DC=example"
    directory = start_changed(server, lambda entries: [entry for entry in entries
                                                       if not ldif.is_within(entry.dn, below)])
    server.log.wait_for("CEP0511")
    assert compare(soap.check_answer(soap.send(server, user="bob")),
                   directory.answer("bob")) == []


@pytest.mark.parametrize("object_class, code", (("pKICertificateTemplate", "CEP0512"),
                                                ("pKIEnrollmentService", "CEP0513")))
def test_empty_container(make_httpd, object_class, code):
    """Nothing to offer is said in the log, and is an answer."""
    server = make_httpd()
    server.log.allow(code)
    start_changed(server, lambda entries: [entry for entry in entries
                                           if not entry.is_a(object_class)])
    server.log.wait_for(code)
    model = soap.check_answer(soap.send(server))
    assert (model["policies"], model["cas"], model["oids"]) == (None, None, None)


def template(entries, cn):
    return ldif.find(entries, cn, "pKICertificateTemplate")


def change_value(attribute, *values):
    return lambda entry: entry.set(attribute, *values)


# One template is spoilt; its name stands in the log with the code; the others are served.
SPOILT = [
    ("no OID", change_value("msPKI-Cert-Template-OID"), "CEP0307"),
    ("OID that is none", change_value("msPKI-Cert-Template-OID", "hello"), "CEP0308"),
    ("OID with a wide arc", change_value("msPKI-Cert-Template-OID", "1.2.4294967296"), "CEP0309"),
    ("EKU that is none", change_value("pKIExtendedKeyUsage", "clientAuth"), "CEP0308"),
    ("EKU with a wide arc", change_value("pKIExtendedKeyUsage", "1.3.99999999999"), "CEP0309"),
    ("policy that is none", change_value("msPKI-Certificate-Policy", "1..2"), "CEP0308"),
    ("no validity", change_value("pKIExpirationPeriod"), "CEP0310"),
    ("validity of 7 octets", change_value("pKIExpirationPeriod", b"\0" * 7), "CEP0310"),
    ("positive validity", change_value("pKIExpirationPeriod", b"\1" + b"\0" * 7), "CEP0310"),
    ("validity of nothing", change_value("pKIExpirationPeriod", b"\0" * 8), "CEP0310"),
    ("validity for ever", change_value("pKIExpirationPeriod", b"\0" * 7 + b"\x80"), "CEP0310"),
    ("no renewal", change_value("pKIOverlapPeriod"), "CEP0310"),
    ("no revision", change_value("revision"), "CEP0311"),
    ("revision 0", change_value("revision", "0"), "CEP0311"),
    ("revision that is no number", change_value("revision", "ten"), "CEP0305"),
    ("schema 0", change_value("msPKI-Template-Schema-Version", "0"), "CEP0306"),
    ("schema 5", change_value("msPKI-Template-Schema-Version", "5"), "CEP0306"),
    ("flags that are no number", change_value("flags", "0x20"), "CEP0305"),
    ("flags beyond 32 bits", change_value("msPKI-Enrollment-Flag", "4294967296"), "CEP0305"),
    ("key usage of ten bits", change_value("pKIKeyUsage", b"\xa0\x40"), "CEP0312"),
    ("two revisions", change_value("revision", "1", "2"), "CEP0304"),
]


@pytest.mark.parametrize("spoil, code", [row[1:] for row in SPOILT],
                         ids=[row[0] for row in SPOILT])
def test_spoilt_template(make_httpd, spoil, code):
    server = make_httpd()
    server.log.expect(code)
    directory = start_changed(server, lambda entries: spoil(template(entries, "CorpUser")))
    assert '"CorpUser"' in server.log.wait_for(code)[0].text
    model = soap.check_answer(soap.send(server))
    assert "CorpUser" not in model["policies"]
    if code not in ("CEP0304", "CEP0305"):  # the evaluator reads numbers generously
        assert compare(model, directory.answer("alice")) == []
    assert set(model["policies"]) == {"User", "CorpSmartcard"}


# Odd, but served: what the rule makes of it is the evaluator's word.
ODD = [
    ("no schema version", "User", change_value("msPKI-Template-Schema-Version")),
    ("no flags", "CorpUser", change_value("flags")),
    ("unsigned flags", "CorpUser", change_value("msPKI-Certificate-Name-Flag", "2785017856")),
    ("no display name", "CorpUser", change_value("displayName")),
    ("no key size", "CorpUser", change_value("msPKI-Minimal-Key-Size")),
    ("key size 0", "CorpUser", change_value("msPKI-Minimal-Key-Size", "0")),
    ("key spec 0", "CorpUser", change_value("pKIDefaultKeySpec", "0")),
    ("no key spec", "CorpUser", change_value("pKIDefaultKeySpec")),
    ("key usage of one octet", "CorpUser", change_value("pKIKeyUsage", b"\xa0")),
    ("key usage of nothing", "CorpUser", change_value("pKIKeyUsage", b"\0\0")),
    ("decipherOnly", "CorpUser", change_value("pKIKeyUsage", b"\x08\x80")),
    ("no providers", "CorpUser", change_value("pKIDefaultCSPs")),
    ("providers 10 before 2", "CorpUser", change_value("pKIDefaultCSPs", "10,A", "2,B", "C")),
    ("three providers in one value", "CorpUser", change_value("pKIDefaultCSPs", "3,A, 2,B, 1,C")),
    ("no EKU", "CorpUser", change_value("pKIExtendedKeyUsage")),
    ("no minor revision", "CorpUser", change_value("msPKI-Template-Minor-Revision")),
    ("critical with blanks", "CorpUser", change_value("pKICriticalExtensions", " 2.5.29.37 ")),
    ("RA signature missing", "CorpSmartcard", change_value("msPKI-RA-Signature")),
    ("RA without OIDs", "CorpSmartcard", change_value("msPKI-RA-Application-Policies")),
    ("name with every odd character", "CorpUser",
     change_value("displayName", "a<b>&\"'\u00e4\u4e2d\U0001f600 ]]>")),
    ("extensions without an end", "CorpUser",
     change_value("pKICriticalExtensions", "2.5.29.15", "2.5.29.37", "1.3.6.1.4.1.311.21.7")),
]


@pytest.mark.parametrize("cn, spoil", [row[1:] for row in ODD], ids=[row[0] for row in ODD])
def test_odd_template(make_httpd, cn, spoil):
    server = make_httpd()
    directory = start_changed(server, lambda entries: spoil(template(entries, cn)))
    model = soap.check_answer(soap.send(server))
    assert compare(model, directory.answer("alice")) == []
    assert cn in model["policies"]


# The same for templates that only others than Alice are offered.
ODD_CNG = [
    ("no last accent", lambda text: text.rstrip("`")),
    ("unknown algorithm", lambda text: text.replace("ECDSA_P256", "DILITHIUM")),
    ("unknown hash", lambda text: text.replace("SHA256", "SHA3-256")),
    ("unknown key length", lambda text: text.replace("DWORD`256", "DWORD`257")),
    ("no properties", lambda text: None),
]


@pytest.mark.parametrize("change", [row[1] for row in ODD_CNG], ids=[row[0] for row in ODD_CNG])
def test_odd_properties(make_httpd, change):
    def spoil(entries):
        entry = template(entries, "CorpDeviceECC")
        text = change(entry.text("msPKI-RA-Application-Policies"))
        entry.set("msPKI-RA-Application-Policies", *([text] if text else []))

    server = make_httpd()
    server.log.allow("CEP0322", "CEP0323", "CEP0330")
    directory = start_changed(server, spoil)
    model = soap.check_answer(soap.send(server, user="WS01$"))
    assert compare(model, directory.answer("WS01$")) == []
    assert "CorpDeviceECC" in model["policies"]


def cut(count):
    def change(entry):
        entry.set("nTSecurityDescriptor", entry.value("nTSecurityDescriptor")[:count])
    return change


SPOILT_DESCRIPTORS = [
    ("absent", change_value("nTSecurityDescriptor"), "CEP0316"),
    ("no octet", change_value("nTSecurityDescriptor", b""), "CEP0316"),
    ("one octet", cut(1), "CEP0401"),
    ("header only", cut(20), "CEP0401"),
    ("cut in an ACE", cut(60), "CEP0401"),
    ("no DACL", change_value("nTSecurityDescriptor", b"\1\0\0\x80" + b"\0" * 16), "CEP0401"),
    ("junk", change_value("nTSecurityDescriptor", b"\xff" * 100), "CEP0401"),
]


@pytest.mark.parametrize("spoil, code", [row[1:] for row in SPOILT_DESCRIPTORS],
                         ids=[row[0] for row in SPOILT_DESCRIPTORS])
def test_spoilt_descriptor(make_httpd, spoil, code):
    """A descriptor that cannot be read grants nothing to anybody, and is named."""
    server = make_httpd()
    server.log.allow(code)
    directory = start_changed(server, lambda entries: spoil(template(entries, "CorpUser")))
    assert '"CorpUser"' in server.log.wait_for(code)[0].text
    for caller in ("alice", "grace"):
        model = soap.check_answer(soap.send(server, user=caller))
        assert "CorpUser" not in model["policies"]
        assert compare(model, directory.answer(caller)) == []


def ca(entries, number=1):
    return ldif.find(entries, "Corp Issuing CA %d" % number, "pKIEnrollmentService")


ROW = "1\n4\n0\nhttps://ces.corp.example/"

# What is done to CA 1, whether it is still offered, and the code if it is not.
SPOILT_CAS = [
    ("no certificate", change_value("cACertificate"), "CEP0347"),
    ("placeholder", change_value("cACertificate", b"\0"), "CEP0347"),
    ("junk for a certificate", change_value("cACertificate", b"\x30\x03\2\1\0"), "CEP0347"),
    ("no URI", change_value("msPKI-Enrollment-Servers"), None),
    ("URI of three lines", change_value("msPKI-Enrollment-Servers", "1\n4\n0"), None),
    ("no templates supported", change_value("flags", "11"), "CEP0346"),
    ("no templates", change_value("certificateTemplates"), None),
    ("descriptor cut", cut(30), "CEP0401"),
    ("fifth line missing", change_value("msPKI-Enrollment-Servers", ROW), None),
    ("line ends of Windows", change_value("msPKI-Enrollment-Servers",
                                          (ROW + "\n1\n").replace("\n", "\r\n")), None),
    ("blanks", change_value("msPKI-Enrollment-Servers", " 1 \n 4 \n 0 \n https://x.example/ "),
     None),
    ("unknown authentication", change_value("msPKI-Enrollment-Servers", ROW.replace("4", "3"),
                                            "2\n2\n1\nhttps://x.example/\n0"), None),
    ("template names in other case", lambda entry: entry.set(
        "certificateTemplates", *[text.upper() for text in entry.texts("certificateTemplates")]),
     None),
]


@pytest.mark.parametrize("spoil, code", [row[1:] for row in SPOILT_CAS],
                         ids=[row[0] for row in SPOILT_CAS])
def test_odd_ca(make_httpd, spoil, code):
    server = make_httpd()
    server.log.allow(r"CEP03[45]\d: .*Corp Issuing CA 1", "CEP0401")
    directory = start_changed(server, lambda entries: spoil(ca(entries)))
    for caller in ("alice", "WS01$"):
        model = soap.check_answer(soap.send(server, user=caller))
        assert compare(model, directory.answer(caller)) == []
    if code:
        assert "Corp Issuing CA 1" in server.log.wait_for(code)[0].text
    # The neighbour is not lost.
    assert "CorpDeviceECC" in soap.send(server, user="WS01$").model()["policies"]


def test_two_templates_of_one_name(make_httpd):
    """Names that differ in case only: the first by octets stays, the other is named."""
    def add(entries):
        other = template(entries, "CorpUser").copy()
        other.dn = other.dn.replace("CN=CorpUser,", "CN=CORPUSER2,")
        other.set("cn", "CORPUSER")
        other.set("msPKI-Cert-Template-OID", "1.2.3.4.5")
        entries.append(other)

    server = make_httpd()
    server.log.expect("CEP0314")
    directory = start_changed(server, add)
    model = soap.check_answer(soap.send(server))
    assert compare(model, directory.answer("alice")) == []
    assert "CORPUSER" in model["policies"] and "CorpUser" not in model["policies"]


def test_two_templates_of_one_oid(make_httpd):
    """The OID identifies a policy: the one that a CA publishes has it."""
    def share(entries):
        oid = template(entries, "CorpUser").text("msPKI-Cert-Template-OID")
        template(entries, "CorpPilot").set("msPKI-Cert-Template-OID", oid)

    server = make_httpd()
    server.log.expect("CEP0315")
    directory = start_changed(server, share)
    assert compare(soap.check_answer(soap.send(server)), directory.answer("alice")) == []


def test_entries_in_any_order(make_httpd):
    """The order of entries and of values says nothing, but for lists that have an order."""
    def turn(entries):
        for entry in entries:
            for attribute in ("member", "memberOf", "certificateTemplates", "objectClass",
                              "msPKI-Enrollment-Servers", "pKIDefaultCSPs", "cACertificate"):
                entry.set(attribute, *reversed(entry.values(attribute)))
        return list(reversed(entries))

    one, two = make_httpd(), make_httpd("worker")
    start_sample(one)
    start_changed(two, turn)
    for caller in ("alice", "bob", "WS01$"):
        bodies = [soap.send(server, soap.build(message_id="a"), user=caller).body
                  for server in (one, two)]
        assert bodies[0] == bodies[1]


def test_account_without_control(make_httpd):
    """An account of which nobody can tell whether it is disabled is not served."""
    server = make_httpd()
    start_changed(server, lambda entries: ldif.find(entries, "alice").remove("userAccountControl"))
    server.log.expect("CEP0603")
    soap.check_fault(soap.send(server), "Receiver", "InternalServiceFault")
    soap.check_answer(soap.send(server, user="bob"))


def test_two_accounts_of_one_name(make_httpd):
    def add(entries):
        other = ldif.find(entries, "bob").copy()
        other.dn = other.dn.replace("CN=bob,", "CN=other,")
        other.set("sAMAccountName", "ALICE")
        other.set("userPrincipalName", "other@corp.example")
        other.set("objectSid", other.value("objectSid")[:-4] + b"\1\2\3\4")
        entries.append(other)

    server = make_httpd()
    start_changed(server, add)
    soap.check_fault(soap.send(server), "Sender", "FailedAuthentication")
    soap.check_answer(soap.send(server, user="bob"))


def test_account_expired(make_httpd):
    server = make_httpd()
    start_changed(server, lambda entries: ldif.find(entries, "alice").set(
        "accountExpires", "132223104000000000"))  # 2020-01-01
    soap.check_fault(soap.send(server), "Sender", "FailedAuthentication")


def test_junk_in_the_cache(make_httpd):
    """What lies in CEPCacheDir and is no snapshot does no harm and is replaced."""
    server = make_httpd()
    path = server.snapshot_file()
    with open(path, "wb") as file:
        file.write(b"junk" * 1000)
    user = daemon_user()
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)
    server.log.allow("CEP0503")
    start_sample(server)
    wait_until(lambda: soap.send(server).status == 200)
    soap.check_answer(soap.send(server))
