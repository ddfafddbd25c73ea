# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A real Active Directory: the same policy as from LDIF, and what only AD does."""

import re
import time

import pytest

import security_descriptor as sd
from cep_env import evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import PASSWORDS, directory_section, location_section
from cep_env.waiting import wait_until
from samba_ad import BASE
from test_ldap import entries
from test_refresh import wait_for_reason
from test_reload import WORKERS_ASKED

NAMES = ("alice", "alice@corp.example", "alice@CORP.EXAMPLE", "ALICE@Corp.Example",
         "CORP\\alice", "corp\\Alice")
CALLERS = ("bob", "carol", "dave", "frank", "grace", "heidi", "WS01$", "DC1$",
           "f.ohara@corp.example", "frank@CORP.EXAMPLE", "CORP\\WS01$", "WS01$@CORP.EXAMPLE")
NOBODY = ("erin", "erin@corp.example", "nobody", "OTHER\\alice", "alice@other.example", "krbtgt",
          "Sales", "alice)(cn=*")
TEMPLATES = "CN=Certificate Templates,CN=Public Key Services,CN=Services,CN=Configuration," + BASE
DACL_PROTECTED = 0x1000  # [MS-DTYP] 2.4.6: PD, nothing is inherited


def login(ad, *more, password_file=None, timeout="2s"):
    return ("CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name,
            'CEPBindPasswordFile "%s"' % (password_file or ad.password_file),
            'CEPCACertificateFile "%s"' % ad.ca_file, "CEPTimeout " + timeout) + more


def write_passwords(server):
    """httpd's own: how httpd knows a caller does not matter here."""
    server.write_passwords(dict.fromkeys((*PASSWORDS, *NAMES, *CALLERS, *NOBODY), "password"))


def configure(server, *urls, extra):
    write_passwords(server)
    server.configure(directory_section(*urls, extra=extra), location_section())
    return server


def start(server, *urls, extra):
    return configure(server, *urls, extra=extra).start().wait_for_policy()


def ask(server, user="alice", **options):
    return soap.send(server, soap.build(message_id="urn:same"), user=user, password="password",
                     **options)


def listed(server, user):
    return set(soap.check_answer(ask(server, user))["policies"] or ())


@pytest.fixture(scope="module")
def expected(active_directory):
    return evaluator.Directory(active_directory.entries)


@pytest.fixture(scope="module")
def file_server(active_directory, make_module_httpd):
    """A server on an LDIF file of what is in AD; the forest's identity is AD's own."""
    content = [entry.copy() for entry in active_directory.entries]
    configuration = next(entry for entry in content if entry.is_a("configuration"))
    found = active_directory.search("-s", "base", "-b", configuration.dn, "objectGUID")
    configuration.set("objectGUID", found[0].value("objectGUID"))
    server = make_module_httpd()
    path = server.write("ad.ldif", ldif.dump(content))
    return start(server, "file:" + path, extra=())


@pytest.fixture(scope="module")
def server(active_directory, make_module_httpd):
    return start(make_module_httpd(), active_directory.ldaps, extra=login(active_directory))


@pytest.fixture(scope="module")
def start_tls_server(active_directory, make_module_httpd):
    return start(make_module_httpd("prefork"), active_directory.ldap,
                 extra=login(active_directory, "CEPStartTLS On"))


# ---- the same as from a file ----

@pytest.mark.parametrize("way", ("server", "start_tls_server"))
def test_same_bytes_as_the_file(request, file_server, expected, way):
    tested = request.getfixturevalue(way)
    for caller in NAMES + CALLERS:
        response = ask(tested, caller)
        assert compare(soap.check_answer(response), expected.answer(caller.split("\\")[-1])) == []
        assert response.body == ask(file_server, caller).body, caller
    assert soap.check_answer(ask(tested, "dave"))["policies"] is None


def test_nobody(server, file_server):
    bodies = set()
    for caller in NOBODY:
        for tested in (server, file_server):
            response = ask(tested, caller)
            soap.check_fault(response, "Sender", "FailedAuthentication")
            bodies.add(response.body)
    assert len(bodies) == 1


def test_what_each_is_for(server):
    """In plain words what the comparison above says."""
    assert "CorpUser" in listed(server, "alice")  # by three groups, two of them in a cycle
    assert listed(server, "alice") - listed(server, "carol") == {"CorpUser"}  # denied
    assert "CorpCodeSigning" in listed(server, "heidi")  # by her primary group
    assert "User" not in listed(server, "heidi")         # Domain Users it is not
    assert "CorpComputer" in listed(server, "WS01$")
    assert listed(server, "DC1$") == {"CorpDomainController"}  # by S-1-5-9


def test_service_principal(active_directory, make_httpd, expected):
    """A value of servicePrincipalName, which AD compares without regard to case."""
    server = start(make_httpd(), active_directory.ldaps, extra=login(active_directory))
    names = ("host/WS01.corp.example@CORP.EXAMPLE", "host/ws01.corp.example", "http/localhost",
             "host/ws02.corp.example")
    server.write_passwords(dict.fromkeys(names, "password"))
    for name in names[:2]:
        assert compare(soap.check_answer(ask(server, name)), expected.answer("WS01$")) == []
    assert compare(soap.check_answer(ask(server, names[2])), expected.answer("http-cep")) == []
    soap.check_fault(ask(server, names[3]), "Sender", "FailedAuthentication")


# ---- what only AD does ----

def test_descriptors_need_the_control(active_directory):
    """An ordinary account gets no descriptor unless it asks for less than all of it."""
    ad = active_directory
    wanted = {entry.dn.lower(): sd.parse(entry.value("nTSecurityDescriptor"))
              for entry in ad.entries if entry.is_a("pKICertificateTemplate")}
    plain = ad.search("-b", TEMPLATES, "-s", "one", "nTSecurityDescriptor", user=ad.bind_name,
                      sd_flags=False)
    assert len(plain) == len(wanted)
    assert not any(entry.value("nTSecurityDescriptor") for entry in plain)
    status, output, error = entries(
        "--url", ad.ldaps, "--ca-file", ad.ca_file, "--bind-dn", ad.bind_name, "--password-file",
        ad.password_file, "--base", "templates", "--class", "pKICertificateTemplate",
        "--attribute", "nTSecurityDescriptor")
    assert status == 0, error
    got, dn = {}, None
    for name, _, value in (line.partition(": ") for line in output.splitlines()):
        if name == "dn":
            dn = value.lower()
        elif name.lower() == "ntsecuritydescriptor:":
            got[dn] = sd.parse(bytes.fromhex(value))
    assert {dn: (one.owner, one.group, one.dacl) for dn, one in got.items()} == \
        {dn: (one.owner, one.group, one.dacl) for dn, one in wanted.items()}


def test_anonymous(active_directory, make_httpd):
    server = configure(make_httpd(), active_directory.ldap, extra=())
    server.log.expect("CEP0501")
    server.start()
    line = server.log.wait_for("CEP0501")[0]
    assert "AD wants a bind first: set CEPBind" in line.text
    soap.check_fault(ask(server), "Receiver", "InternalServiceFault")


def test_bind_in_clear(active_directory, make_httpd):
    """Refused at configtest; were it sent, AD would refuse it, and that is said as well."""
    ad = active_directory
    status, output = configure(make_httpd(), ad.ldap, extra=login(ad)).configtest()
    assert status == 1 and "CEP0101" in output and "use ldaps:// or CEPStartTLS On" in output
    status, output, error = entries("--url", ad.ldap, "--bind-dn", ad.bind_name, "--password-file",
                                    ad.password_file)
    assert status == 1
    assert "Strong(er) authentication required (8)" in error
    assert error.rstrip().endswith("use ldaps:// or CEPStartTLS On")


@pytest.fixture
def member(active_directory):
    """Change memberships for one test."""
    undo = []

    def change(group, user, operation):
        active_directory.member(group, user, operation)
        undo.append((group, user, {"add": "delete", "delete": "add"}[operation]))

    yield change
    for step in reversed(undo):
        active_directory.member(*step)


def test_membership_changes(server, member):
    """No restart, no refresh: the next request of the caller."""
    before = listed(server, "alice")
    assert before == {"User", "CorpUser", "CorpSmartcard"}
    member("Sales", "alice", "delete")
    assert listed(server, "alice") == {"User"}
    member("Developers", "alice", "add")
    assert listed(server, "alice") >= before | {"CorpCodeSigning"}
    member("Certificates Suspended", "Departments", "add")  # denied by way of groups
    assert "CorpUser" not in listed(server, "alice")


@pytest.fixture
def replace(active_directory):
    """Change attributes for one test: (dn, attribute, new value or None, the values to restore)."""
    undo = []

    def change(dn, attribute, value, afterwards):
        active_directory.replace(dn, attribute, *(() if value is None else (value,)))
        undo.append((dn, attribute, *afterwards))

    yield change
    for step in reversed(undo):
        active_directory.replace(*step)


@pytest.mark.parametrize("attribute, value, afterwards, reason", [
    ("userAccountControl", 514, [512], "is disabled"),
    ("accountExpires", 116444736000000000, [0], "has expired"),
])
def test_account_is_not_to_be_used(server, replace, attribute, value, afterwards, reason):
    assert listed(server, "bob")
    replace("CN=bob,CN=Users," + BASE, attribute, value, afterwards)
    marker = server.log.marker()
    soap.check_fault(ask(server, "bob"), "Sender", "FailedAuthentication")
    assert reason in server.log.wait_for("CEP0602", marker)[0].text


def test_locked_out(active_directory, server, replace):
    """By real failures to log on; AD says so in a computed attribute."""
    ad, dn = active_directory, "CN=frank,CN=Users," + BASE
    replace(BASE, "lockoutThreshold", 2, [0])
    replace(dn, "lockoutTime", 0, [0])
    for _ in range(3):
        with pytest.raises(RuntimeError):
            ad.kinit("frank", "wrong")
    marker = server.log.marker()
    soap.check_fault(ask(server, "frank"), "Sender", "FailedAuthentication")
    assert "is locked out" in server.log.wait_for("CEP0602", marker)[0].text
    ad.replace(dn, "lockoutTime", 0)
    assert listed(server, "frank")


# Property sets and the class user, [MS-ADTS] 3.1.1.2.3.3 and [MS-ADSC].
ACCOUNT_RESTRICTIONS = "4c164200-20c0-11d0-a768-00aa006e0529"
REMOTE_ACCESS_INFORMATION = "037088f8-0ae1-11d2-b422-00a0c968f939"
USER = "bf967aba-0de6-11d0-a285-00aa003049e2"


def test_what_the_bind_account_must_read(active_directory, make_httpd, replace):
    """A domain whose Pre-Windows 2000 Compatible Access is empty: first too little may be read,
    then what docs/callers.md says is delegated. Too little is an error, never a smaller token."""
    ad, users = active_directory, "CN=Users," + BASE
    replace("CN=Pre-Windows 2000 Compatible Access,CN=Builtin," + BASE, "member", None,
            ["CN=S-1-5-11,CN=ForeignSecurityPrincipals," + BASE])
    before = ad.search("-s", "base", "-b", users, "nTSecurityDescriptor")[0].value(
        "nTSecurityDescriptor")
    service = next(sd.sid_from_bytes(entry.value("objectSid")) for entry in ad.entries
                   if entry.text("sAMAccountName") == "svc-cep")
    server = start(make_httpd(), ad.ldaps, extra=login(ad))
    server.log.expect("CEP0603", count=2)
    for count, (property_set, missing) in enumerate((
            (ACCOUNT_RESTRICTIONS, "no readable userAccountControl"),
            (REMOTE_ACCESS_INFORMATION, "does not tell the tokenGroups"))):
        soap.check_fault(ask(server, "carol"), "Receiver", "InternalServiceFault")
        assert missing in server.log.find("CEP0603")[count].text
        descriptor = sd.parse(ad.search("-s", "base", "-b", users, "nTSecurityDescriptor")[0].value(
            "nTSecurityDescriptor"))
        descriptor.dacl.append(sd.ace_from_sddl(
            "OA;CIIO;RP;%s;%s;%s" % (property_set, USER, service), None))
        replace(users, "nTSecurityDescriptor", descriptor.to_bytes(), [before])
    assert listed(server, "carol") == {"User", "CorpSmartcard"}


def test_template_changes(active_directory, server, replace):
    """An administrator takes Enroll away: in force at most a refresh later."""
    dn = "CN=CorpUser," + TEMPLATES
    before = next(entry.value("nTSecurityDescriptor") for entry in active_directory.entries
                  if entry.dn.lower() == dn.lower())
    changed = sd.parse(before)
    changed.dacl = [ace for ace in changed.dacl if not ace.sid.endswith("-1112")]
    assert "CorpUser" in listed(server, "alice")
    replace(dn, "nTSecurityDescriptor", changed.to_bytes(), [before])
    begin = time.monotonic()
    wait_until(lambda: "CorpUser" not in listed(server, "alice"))
    assert time.monotonic() - begin < 3  # CEPRefreshInterval is 1 s
    assert listed(server, "grace") >= {"CorpUser"}
    active_directory.replace(dn, "nTSecurityDescriptor", before)
    wait_until(lambda: "CorpUser" in listed(server, "alice"))


def watch(server, ad):
    """Started, and past the first look that found nothing new."""
    start(server, ad.ldaps, extra=login(ad))
    wait_for_reason(server, "still at highestCommittedUSN", 0)
    return server


def test_active_directory_is_read_when_it_has_changed(active_directory, make_httpd):
    """A flag, an ACL, the publication at a CA."""
    ad = active_directory
    server = watch(make_httpd(), ad)
    marker = server.log.marker()
    ad.replace("CN=alice,CN=Users,DC=corp,DC=example", "description", "moves the USN")
    wait_for_reason(server, "no entry has changed", marker)

    def model():
        return soap.send(server, user="alice", password="password").model()

    def until(condition):
        """One worker may see it a moment before another; after that moment none is behind."""
        deadline = time.monotonic() + 3  # the interval is 1 s
        while not all(condition() for _ in range(WORKERS_ASKED)):
            assert time.monotonic() < deadline, server.log.tail()
            time.sleep(0.02)

    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    before = template.value("nTSecurityDescriptor")
    flags = int(template.value("msPKI-Enrollment-Flag"))
    services = [entry for entry in ad.entries if entry.is_a("pKIEnrollmentService")]
    publishers = [entry for entry in services
                  if b"CorpUser" in entry.values("certificateTemplates")]
    try:
        told = model()["policies"]["CorpUser"]["enrollmentFlags"]
        ad.replace(template.dn, "msPKI-Enrollment-Flag", flags ^ 0x8)
        until(lambda: model()["policies"]["CorpUser"]["enrollmentFlags"] == told ^ 0x8)
        closed = sd.parse(before)
        closed.dacl = [ace for ace in closed.dacl if ace.type == sd.ALLOWED]
        ad.replace(template.dn, "nTSecurityDescriptor", closed.to_bytes())
        until(lambda: "CorpUser" not in (model()["policies"] or ()))
        ad.replace(template.dn, "nTSecurityDescriptor", before)
        until(lambda: "CorpUser" in model()["policies"])
        for service in publishers:
            ad.replace(service.dn, "certificateTemplates", *[
                value for value in service.values("certificateTemplates") if value != b"CorpUser"])
        until(lambda: "CorpUser" not in (model()["policies"] or ()))
    finally:
        ad.replace(template.dn, "msPKI-Enrollment-Flag", flags)
        ad.replace(template.dn, "nTSecurityDescriptor", before)
        for service in publishers:
            ad.replace(service.dn, "certificateTemplates",
                       *service.values("certificateTemplates"))
    until(lambda: "CorpUser" in model()["policies"])


def test_active_directory_inherited_permissions(active_directory, make_httpd):
    """What a template inherits changes without a trace on the template: no USN of it moves. The
    next full refresh sees it."""
    ad = active_directory
    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    before = template.value("nTSecurityDescriptor")
    container = ad.search("-s", "base", "-b", TEMPLATES, "nTSecurityDescriptor")[0]
    above = container.value("nTSecurityDescriptor")
    own, inheritable = sd.parse(before), sd.parse(above)
    own.dacl = [ace for ace in own.dacl if ace.type != sd.ALLOWED_OBJECT]
    own.control &= ~DACL_PROTECTED
    inheritable.dacl.insert(0, sd.from_sddl("D:(OA;CI;CR;Enroll;;AU)").dacl[0])
    server = make_httpd()
    try:
        ad.replace(template.dn, "nTSecurityDescriptor", own.to_bytes())
        start(server, ad.ldaps, extra=login(ad, "CEPFullRefresh 6s"))
        assert "CorpUser" not in listed(server, "alice")
        server.log.wait_for("time for a full refresh")  # the next one is a while away
        marker = server.log.marker()
        ad.replace(TEMPLATES, "nTSecurityDescriptor", inheritable.to_bytes())
        wait_until(lambda: "CorpUser" in listed(server, "alice"))
        reasons = [line.text for line in server.log.find("CEP0500", marker)]
        new = next(number for number, text in enumerate(reasons) if "new policy" in text)
        assert "time for a full refresh" in reasons[new]
        assert any("no entry has changed" in text for text in reasons[:new]), reasons
    finally:
        ad.replace(TEMPLATES, "nTSecurityDescriptor", above)
        ad.replace(template.dn, "nTSecurityDescriptor", before)


def add(ad, model, cn, **values):
    """A copy of an entry under another name and with other values ('_' stands for '-')."""
    entry = model.copy()
    entry.dn = re.sub("^CN=[^,]*", "CN=" + cn, model.dn)
    entry.set("cn", cn)
    for name, value in values.items():
        entry.set(name.replace("_", "-"), value)
    descriptor = entry.value("nTSecurityDescriptor")
    for name in ("nTSecurityDescriptor", "objectGUID", "distinguishedName", "name"):
        entry.remove(name)
    ad.modify(ldif.dump([entry]).replace("\ndn: %s\n" % entry.dn,
                                         "\ndn: %s\nchangetype: add\n" % entry.dn))
    ad.replace(entry.dn, "nTSecurityDescriptor", descriptor)
    return entry.dn


def test_active_directory_gets_objects_and_loses_them(active_directory, make_httpd):
    """A new template, which a new CA publishes; the CA is deleted, and the template."""
    ad = active_directory
    server = watch(make_httpd(), ad)
    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    service = next(entry for entry in ad.entries if entry.is_a("pKIEnrollmentService")
                   and b"CorpUser" in entry.values("certificateTemplates"))

    def answer():
        return soap.send(server, user="alice", password="password").body

    def in_all(*names):
        """Which of NewTemplate and NewCA are in all workers' answers."""
        deadline = time.monotonic() + 3  # the interval is 1 s
        while {tuple(name for name in ("NewTemplate", "NewCA") if name.encode() in answer())
               for _ in range(WORKERS_ASKED)} != {names}:
            assert time.monotonic() < deadline, server.log.tail()

    made = []
    try:
        made.append(add(ad, template, "NewTemplate", displayName="NewTemplate",
                        msPKI_Cert_Template_OID="1.3.6.1.4.1.311.21.8.9.9.9.1"))
        made.append(add(ad, service, "NewCA", displayName="NewCA",
                        certificateTemplates="NewTemplate",
                        msPKI_Enrollment_Servers="1\n2\n0\nhttps://NewCA.corp.example/ces\n0"))
        in_all("NewTemplate", "NewCA")
        ad.modify("dn: %s\nchangetype: delete\n" % made.pop())
        in_all()
    finally:
        for dn in reversed(made):
            ad.modify("dn: %s\nchangetype: delete\n" % dn)
