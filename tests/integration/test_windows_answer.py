# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The one answer of a Windows server that we have (CEP_SHARED, else skipped), beside ours.

Windows answered a domain computer whose CA publishes one template, "Machine". Ours comes from the
same template of another forest and from that CA. docs/conformance.md lists what differs and why.
"""

import os
import re
from datetime import datetime

import pytest
from lxml import etree

from cep_env import SOURCE, evaluator, ldif, soap
from cep_env.httpd import location_section
from conftest import start_sample

FOREST = ("base.ldif", "templates.ldif", "principals.ldif")
CA = "MARS-ROOT-CA"
CALLER = "WS01$"
SECTION = "The answer of a Windows server"
NIL = "{%s}nil" % soap.NS["xsi"]

# What tells the items of a list apart, so that the same are compared, wherever they stand.
KEYS = {"policy": "x:attributes/x:commonName", "cAURI": "x:uri", "oID": "x:defaultName"}


def name(node):
    return etree.QName(node).localname


def get(node, path):
    return node.findtext(path, None, soap.NS)


def oid_table(root):
    """Number -> (group, name): the value of the template's OID is another in each forest."""
    return {get(oid, "x:oIDReferenceID"): (get(oid, "x:group"), get(oid, "x:defaultName"))
            for oid in root.iterfind("x:oIDs/x:oID", soap.NS)}


def key_of(node, table):
    """What stands for the node among its siblings of one name."""
    if name(node) in KEYS:
        return get(node, KEYS[name(node)])
    if name(node) == "extension":
        return table[get(node, "x:oIDReference")]
    return node.getparent().findall(node.tag).index(node)


def leaves(root):
    """(element, key, element, key ...) -> its text, or None for nil; lists that are nil too."""
    table, found = oid_table(root), {}
    for node in root.iter():
        if len(node):
            continue
        path, at = [], node
        while at is not root:
            path[:0] = [name(at), key_of(at, table)]
            at = at.getparent()
        found[tuple(path)] = None if node.get(NIL) == "true" else node.text or ""
    return found


def differing(one, two):
    """The elements that are not the same, as paths without keys."""
    left, right = leaves(one), leaves(two)
    paths = {path for path in left.keys() | right.keys()
             if path not in left or path not in right or left[path] != right[path]}
    result = {"/".join(path[::2]) for path in paths}
    for item in ("x:oIDs/x:oID", ".//x:extension", ".//x:provider", ".//x:cAURI", ".//x:policy"):
        rows = [[key_of(node, oid_table(root)) for node in root.iterfind(item, soap.NS)]
                for root in (one, two)]
        if rows[0] != rows[1]:
            result.add("order of " + item.split(":")[-1])
    return result


@pytest.fixture(scope="module")
def windows(shared):
    path = os.path.join(shared, "xcep_responses", "windows-cep-machine.xml")
    return etree.parse(path).getroot()


@pytest.fixture(scope="module")
def ours(shared, make_module_httpd):
    """The answer to the same caller; no name of the policy is configured there either."""
    entries = ldif.read(*[os.path.join(shared, file) for file in FOREST])
    variants = ldif.read(os.path.join(shared, "enrollment_services_variants.ldif"))
    entries.append(ldif.find(variants, CA, "pKIEnrollmentService"))
    if not evaluator.newest_certificate(entries[-1].values("cACertificate"), datetime.utcnow()):
        pytest.skip("the CA's certificate, of 2025, is no longer valid")
    server = make_module_httpd()
    server.write_passwords({CALLER: "password"})
    server.log.allow(r"CEP03\d\d", "CEP0511")  # no container of OIDs here
    start_sample(server, location_section(name=None), entries=entries)
    server.log.wait_for("CEP0500")
    response = soap.send(server, user=CALLER, password="password")
    assert set(soap.check_answer(response)["policies"]) == {"Machine"}
    return etree.fromstring(response.body).find("s:Body/x:GetPoliciesResponse", soap.NS)


def documented():
    """The first column of the section's table."""
    with open(os.path.join(SOURCE, "docs", "conformance.md"), encoding="utf-8") as file:
        section = re.split(r"^## ", file.read(), flags=re.M)
    text = next(part for part in section if part.startswith(SECTION + "\n"))
    rows = re.findall(r"^\| `([^`]+)` \|", text, re.M)
    assert len(rows) == len(set(rows))
    return set(rows)


def test_differences_are_the_documented_ones(windows, ours):
    assert differing(windows, ours) == documented()


def test_every_element_is_on_both_sides(windows, ours):
    """Nothing that Windows sends is missing, and nothing is sent that Windows does not send."""
    assert leaves(windows).keys() == leaves(ours).keys()
    assert len(leaves(windows)) > 50


def test_numbers_lead_to_the_same(windows, ours):
    """The numbers of references differ; what they refer to does not."""
    ends = []
    for root in (windows, ours):
        table = oid_table(root)
        ends.append([table[node.text] for node in root.iter()
                     if name(node) in ("policyOIDReference", "oIDReference")])
    assert ends[0] == ends[1]
    assert len(ends[0]) == 4


def test_only_the_templates_oid_has_another_value(windows, ours):
    left, right = [{get(oid, "x:value") for oid in root.iterfind("x:oIDs/x:oID", soap.NS)
                    if get(oid, "x:group") != str(evaluator.GROUP_TEMPLATE)}
                   for root in (windows, ours)]
    assert left == right


@pytest.mark.parametrize("path, text", (
    (".//x:generalFlags", "1"), (".//x:autoEnroll", "true"), (".//x:extension/x:value", "MAA="),
    (".//x:provider", "another"), ("x:cAs/x:cA/x:enrollPermission", "false"),
    (".//x:hashAlgorithmOIDReference", "0"), ("x:oIDs/x:oID/x:group", "6"),
))
def test_a_further_difference_would_be_seen(windows, path, text):
    """The comparison itself: one changed element, one more path."""
    other = etree.fromstring(etree.tostring(windows))
    node = other.find(path, soap.NS)
    node.attrib.pop(NIL, None)
    node.text = text
    assert differing(windows, windows) == set()
    assert {path.split("/")[-1] for path in differing(windows, other)} == {name(node)}
