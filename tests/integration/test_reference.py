# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A real forest's templates (CEP_SHARED, else skipped): every element of every answer."""

import json
import os
import re

import pytest
from lxml import etree

from cep_env import evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import PASSWORDS
from conftest import start_sample

FOREST = ("base.ldif", "templates.ldif", "pki_objects.ldif", "principals.ldif")
CA = "dom-ADCS-CA"

# The kinds of callers of template_access_expected.json, and accounts that are of that kind.
CALLERS = {"DomainUser": "alice", "DomainAdmin": "bob", "DomainComputer": "WS01$",
           "DomainController": "DC1$", "RasServer": "RAS01$", "EnterpriseAdmin": "ea", "RODC":
           "RODC1$"}
DOMAIN = "DC=dom,DC=local"


def add_account(entries, name, rid, primary, control, groups=()):
    """An account of a kind that the data has none of."""
    import security_descriptor as sd
    domain = sd.sid_from_bytes(next(entry for entry in entries
                                    if entry.is_a("domain")).value("objectSid"))
    entry = ldif.Entry("CN=%s,CN=Users,%s" % (name.rstrip("$"), DOMAIN))
    for object_class in ("top", "person", "organizationalPerson", "user"):
        entry.add("objectClass", object_class)
    entry.set("cn", name.rstrip("$"))
    entry.set("sAMAccountName", name)
    entry.set("objectSid", sd.sid_to_bytes("%s-%d" % (domain, rid)))
    entry.set("primaryGroupID", str(primary))
    entry.set("userAccountControl", str(control))
    entry.set("memberOf", *["CN=%s,CN=Users,%s" % (group, DOMAIN) for group in groups])
    entries.append(entry)


def forest(shared, *more):
    """The forest's entries; its CA publishes every template and can be reached."""
    entries = ldif.read(*[os.path.join(shared, name) for name in FOREST + more])
    add_account(entries, "ea", 5001, 513, 512, ("Enterprise Admins",))
    add_account(entries, "RODC1$", 5002, 521, 0x5001000)
    ca = ldif.find(entries, CA, "pKIEnrollmentService")
    ca.set("msPKI-Enrollment-Servers",
           "1\n2\n0\nhttps://adcs.dom.local/dom-ADCS-CA_CES_Kerberos/service.svc/CES\n0",
           "2\n4\n0\nhttps://adcs.dom.local/dom-ADCS-CA_CES_UsernamePassword/service.svc/CES\n0")
    ca.set("certificateTemplates", *[entry.text("cn") for entry in entries
                                     if entry.is_a("pKICertificateTemplate")])
    return entries


def start_forest(server, entries):
    server.write_passwords({**PASSWORDS, **{name: name + "-password"
                                            for name in CALLERS.values()}})
    # Findings about real templates are no trouble here: the answers are what is looked at.
    server.log.allow(r"CEP03\d\d", "CEP0401")
    start_sample(server, entries=entries)
    server.log.wait_for("CEP0500")
    return server


def ask(server, caller):
    return soap.check_answer(soap.send(server, user=caller, password=caller + "-password"))


@pytest.fixture(scope="module")
def real(shared, make_module_httpd):
    entries = forest(shared)
    return start_forest(make_module_httpd(), entries), evaluator.Directory(entries)


@pytest.mark.parametrize("kind", CALLERS)
def test_default_templates(real, shared, kind):
    """The 33 templates: permissions as the reference says, elements as the evaluator says."""
    server, directory = real
    server.log.allow(r"CEP03\d\d")
    assert len(directory.templates) == 33
    model = ask(server, CALLERS[kind])
    assert compare(model, directory.answer(CALLERS[kind])) == []
    with open(os.path.join(shared, "template_access_expected.json"), encoding="utf-8") as file:
        expected = json.load(file)
    offered = {cn: policy["autoEnroll"] for cn, policy in (model["policies"] or {}).items()}
    assert offered == {cn: kinds[kind]["autoEnroll"] for cn, kinds in expected.items()
                       if kinds[kind]["enroll"]}


def test_size_and_time(real, capsys):
    """Not a limit, but told: how large the answer is and how long it takes."""
    import time
    server, _ = real
    client = soap.Client(server, "ea", "ea-password")
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        body = client.send(soap.build()).body
        times.append(time.perf_counter() - begin)
    client.close()
    with capsys.disabled():
        print("\nreal forest: %d policies, %d octets, median %.1f ms over TLS" % (
            len(soap.parse(body)["policies"]), len(body), sorted(times)[10] * 1000))


@pytest.mark.parametrize("more", (("custom_templates.ldif", "custom_oids.ldif"),
                                  ("edge_templates.ldif",)), ids=("custom", "edge"))
def test_more_templates(make_httpd, shared, more):
    """Templates of other forests and odd ones: what is offered equals the directory."""
    entries = forest(shared, *more)
    directory = evaluator.Directory(entries)
    server = start_forest(make_httpd(), entries)
    for caller in CALLERS.values():
        assert compare(ask(server, caller), directory.answer(caller)) == []
    for cn in directory.rejected:
        assert server.log.find(r'CEP03\d\d: .*"%s"' % cn), "nothing in the log about " + cn


def test_variants_of_cas(make_httpd, shared):
    """CAs as other forests have them beside the real one."""
    entries = forest(shared, "enrollment_services_variants.ldif")
    directory = evaluator.Directory(entries)
    server = start_forest(make_httpd(), entries)
    for caller in CALLERS.values():
        assert compare(ask(server, caller), directory.answer(caller)) == []


# Every request of the collection, and what its index, or its name, says of the answer: the templates
# of "everything", those that versions or OIDs leave, or a fault. What authenticates is httpd's
# Basic here, so a Security header says nothing.
EVERYTHING, NO_VERSIONS, FILTERED = "everything", "no versions", "filtered"
SENDER = ("Sender", None)
REQUESTS = {
    "messages/example_req_bad_client_empty.xml": SENDER,
    "messages/example_req_bad_client_missing.xml": SENDER,
    "messages/example_req_bad_client_nil.xml": SENDER,
    "messages/example_req_bad_empty_body.xml": SENDER,
    "messages/example_req_bad_mustunderstand.xml": ("MustUnderstand", None),
    "messages/example_req_cepces_v0.3.13_kerberos.xml": NO_VERSIONS,
    "messages/example_req_cepces_v0.3.17_kerberos.xml": EVERYTHING,
    "messages/example_req_cepces_v0.3.17_usernamepassword.xml": EVERYTHING,
    "messages/example_req_filter_2008r2_client.xml": NO_VERSIONS,
    "messages/example_req_filter_oids_versions.xml": FILTERED,
    "messages/example_req_go-ces_testdata.xml": NO_VERSIONS,
    # A token would be the credential; here it is not, so it is passed over.
    "messages/example_req_spec_mde2_4.2.1.1_federated.xml": NO_VERSIONS,
    "messages/example_req_spec_mde2_4.2.1.2_certificate.xml": NO_VERSIONS,
    "messages/example_req_spec_mde2_4.2.1.3_onpremise.xml": NO_VERSIONS,
    "messages/example_req_spec_mde_4.2.1_as_printed.xml": SENDER,  # a prefix is not declared
    "messages/example_req_spec_mde_4.2.1_repaired.xml": SENDER,  # Client, with a capital C
    "messages/example_req_spec_xcep_4.1.1.1.xml": NO_VERSIONS,
    "messages/example_req_spec_xcep_4.1.2.1_as_printed.xml": SENDER,  # its date is none
    "messages/example_req_spec_xcep_4.1.2.1_repaired.xml": NO_VERSIONS,
    "data/xcep_requests/bad-elements.xml": SENDER,
    "data/xcep_requests/cepces-new-version-0.xml": EVERYTHING,
    "data/xcep_requests/cepces-username-token.xml": EVERYTHING,
    "data/xcep_requests/empty-body.xml": SENDER,
    "data/xcep_requests/mde2-4.2.1.3-onpremise.xml": NO_VERSIONS,
    "data/xcep_requests/xcep-4.1.1.1-as-printed.xml": NO_VERSIONS,
    "data/xcep_requests/xcep-4.1.2.1.fixed.xml": NO_VERSIONS,
}


def test_every_reference_request_has_an_expectation(shared):
    top = os.path.dirname(shared)
    found = {os.path.join(folder, name) for folder in ("messages", "data/xcep_requests")
             for name in os.listdir(os.path.join(top, folder))
             if folder != "messages" or name.startswith("example_req_")}
    assert found == set(REQUESTS)
    with open(os.path.join(shared, "xcep_index.json"), encoding="utf-8") as file:
        rows = [row for row in json.load(file) if row["file"].startswith("xcep_requests/")]
    for row in rows:  # the index says a fault or an answer; so do we
        assert bool(re.search(r"SOAP \w*\s?fault", row["expect"])) == \
            isinstance(REQUESTS["data/" + row["file"]], tuple), row


@pytest.mark.parametrize("name", REQUESTS)
def test_reference_request(real, shared, name):
    """Each gets the answer that the collection says, for its own message ID."""
    server, _ = real
    with open(os.path.join(os.path.dirname(shared), name), "rb") as file:
        body = file.read()
    expected = REQUESTS[name]
    found = re.search(rb"<(?:\w+:)?MessageID[^>]*>\s*([^<]*?)\s*<", body)
    message_id = found.group(1).decode() if found else None
    response = soap.send(server, body, user="ea", password="ea-password")
    if isinstance(expected, tuple):
        readable = "as_printed" not in name or "mde_" not in name
        soap.check_fault(response, *expected, message_id if readable else None)
        return
    model = soap.check_answer(response, message_id)
    offered = set(model["policies"] or ())
    everything = set(ask(server, "ea")["policies"])
    if expected == EVERYTHING:
        assert offered == everything
    elif expected == NO_VERSIONS:  # templates that need a client newer than version 3 are left out
        other = soap.send(server, soap.build(request_filter=None), "ea", "ea-password")
        assert offered == set(soap.check_answer(other)["policies"]) and offered <= everything
        assert len(offered) > 20
    else:
        wanted = {node.text.strip() for node in etree.fromstring(body).iter(
            "{%s}oid" % soap.NS["x"])}
        assert wanted and all(model["policies"][cn]["policyOIDReference"][0] in wanted
                              for cn in offered)
