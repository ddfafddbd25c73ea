# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""clientVersion and serverVersion: the table of [MS-XCEP] 3.1.4.1.3.22 (v18), and CEPMaxVersion
and CEPVersionFilter. Templates of all pairs of versions stand in the directory.

These mistakes were made, one at a time, and each was caught: a nil version taken for 0; the maximum
not applied to what a client says; the server's limit taken for the client's; 3 instead of the
maximum for the server without a filter; lenient without a filter, or with a negative number, as
spec; the bits of one version read from the other's place.
"""

import pytest

from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import location_section
from conftest import start_sample

MOST = 2147483647
VERSIONS = (0, 1, 3, 4, 5, 6, 7, 15)

# path: directives, and the evaluator's words for them
INSTANCES = {
    "/spec": ((), {}),
    "/five": (("CEPMaxVersion 5",), {"maximum": 5}),
    "/two": (("CEPMaxVersion 2",), {"maximum": 2}),
    "/fifteen": (("CEPMaxVersion 15", "CEPVersionFilter spec"), {"maximum": 15}),
    "/lenient": (("CEPVersionFilter Lenient",), {"lenient": True}),
    "/lenient-five": (("CEPVersionFilter lenient", "CEPMaxVersion 5"),
                      {"lenient": True, "maximum": 5}),
}
FILTERS = [None] + [soap.Filter(client=client, server=server) for client, server in (
    (0, 0), (None, None), (None, 0), (0, None), (3, 3), (2, 5), (5, 2), (6, 6), (7, 7), (15, 15),
    (4, None), (None, 4), (16, 0), (-1, -1), (-1, 0), (0, -1), (-MOST - 1, -MOST - 1),
    (MOST, MOST), (1, MOST))]


def forest():
    """A template for each pair of versions, open to alice, published by one CA."""
    entries = ldif.read(SAMPLE)
    model = ldif.find(entries, "User", "pKICertificateTemplate")
    ca = ldif.find(entries, "Corp Issuing CA 1", "pKIEnrollmentService")
    for number, (client, server) in enumerate((c, s) for c in VERSIONS for s in VERSIONS):
        cn = "Version-%d-%d" % (client, server)
        entry = model.copy()
        entry.dn = model.dn.replace("CN=User,", "CN=%s," % cn)
        entry.set("cn", cn)
        entry.set("displayName", cn)
        entry.set("msPKI-Cert-Template-OID", "1.3.6.1.4.1.311.21.8.77.%d" % number)
        entry.set("msPKI-Private-Key-Flag", str(client << 24 | server << 16 | 0x10))
        entries.append(entry)
        ca.add("certificateTemplates", cn)
    return entries


@pytest.fixture(scope="module")
def versions(make_module_httpd):
    return start_sample(make_module_httpd(), *[
        location_section(where, extra=directives)
        for where, (directives, _) in INSTANCES.items()], entries=forest())


@pytest.fixture(scope="module")
def directory():
    return evaluator.Directory(forest())


def label(value):
    return value if isinstance(value, str) else \
        "no filter" if value is None else "%s-%s" % (value.client, value.server)


@pytest.mark.parametrize("wanted", FILTERS, ids=label)
@pytest.mark.parametrize("path", INSTANCES)
def test_table(versions, directory, path, wanted):
    view = evaluator.View(**INSTANCES[path][1])
    model = soap.check_answer(soap.send(versions, soap.build(request_filter=wanted), path=path))
    assert compare(model, directory.answer("alice", view.versions(wanted), view=view)) == []


# The rows of the specification's table once more, by what it says and not by what we compute.
@pytest.mark.parametrize("path, wanted, client, server", [
    ("/spec", None, 3, 6), ("/spec", soap.Filter(client=None, server=None), 3, 3),
    ("/spec", soap.Filter(client=0, server=0), 6, 6), ("/five", None, 3, 5),
    ("/five", soap.Filter(client=0, server=0), 5, 5),
    ("/five", soap.Filter(client=6, server=7), 5, 5),
    ("/five", soap.Filter(client=4, server=2), 4, 2),
    ("/two", soap.Filter(client=None, server=None), 2, 2),
    ("/lenient", None, 6, 6), ("/lenient", soap.Filter(client=None, server=None), 6, 6),
    ("/lenient", soap.Filter(client=3, server=4), 3, 4),
    ("/fifteen", soap.Filter(client=0, server=0), 15, 15),
])
def test_highest_versions(versions, path, wanted, client, server):
    model = soap.send(versions, soap.build(request_filter=wanted), path=path).model()
    flags = [policy["privateKeyFlags"] for policy in model["policies"].values()]
    assert max(flag >> 24 & 15 for flag in flags) == max(v for v in VERSIONS if v <= client)
    assert max(flag >> 16 & 15 for flag in flags) == max(v for v in VERSIONS if v <= server)


def raw(content):
    """A request with that content of the requestFilter element."""
    return soap.envelope("", '<x:GetPolicies><x:client><x:lastUpdate xsi:nil="true"/></x:client>'
                         "<x:requestFilter>%s</x:requestFilter></x:GetPolicies>" % content)


def versions_of(client, server):
    return "<x:policyOIDs xsi:nil='true'/><x:clientVersion>%s</x:clientVersion>" \
        "<x:serverVersion>%s</x:serverVersion>" % (client, server)


@pytest.mark.parametrize("client, server, means", [
    (" 4 ", "\n\t5\r\n", (4, 5)), ("+4", "0005", (4, 5)), ("-0", "00", (6, 6)),
    ("&#52;", "<!-- five -->5", (4, 5)), ("<![CDATA[4]]>", "5", (4, 5)),
])
def test_other_spellings(versions, directory, client, server, means):
    model = soap.check_answer(soap.send(versions, raw(versions_of(client, server)), path="/spec"))
    assert compare(model, directory.answer("alice", means)) == []


@pytest.mark.parametrize("content", [
    versions_of(MOST + 1, 0), versions_of(0, MOST + 1), versions_of(-MOST - 2, 0),
    versions_of("9" * 4000, 0), versions_of("", 0), versions_of("4 5", 0), versions_of("0x4", 0),
    versions_of("4.0", 0), versions_of("four", 0), versions_of("\u0664", 0),
    versions_of(4, 0) + "<x:clientVersion>6</x:clientVersion>",
    versions_of(4, 0) + "<x:serverVersion>6</x:serverVersion>",
], ids=lambda text: text[60:110])
def test_what_is_no_version(versions, content):
    """xs:int ends at 32 bits, and each element stands there once."""
    soap.check_fault(soap.send(versions, raw(content), path="/spec"), "Sender")


@pytest.mark.parametrize("content, names", [
    ("<x:oid> 1.3.6.1.4.1.311.21.8.77.0\n</x:oid>", {"Version-0-0"}),
    ("<x:oid>1.3.6.1.4.1.311.21.8.77.0</x:oid>" * 2, {"Version-0-0"}),
    ("<x:oid>1.3.6.1.4.1.311.21.8.77.0</x:oid><x:oid>1.3.6.1.4.1.311.21.8.77.1</x:oid>",
     {"Version-0-0", "Version-0-1"}),
    ("<x:oid>1.3.6.1.4.1.311.21.8.77</x:oid>", None), ("<x:oid/>", None),
    ("<x:oid>1.3.6.1.4.1.311.21.8.77.00</x:oid>", None), ("<x:oid>Version-0-0</x:oid>", None),
    # no CA and no client of version 7 is known here, asked for by OID or not
    ("<x:oid>1.3.6.1.4.1.311.21.8.77.%d</x:oid>" % (6 * len(VERSIONS) + 6), None),
])
def test_filter_by_oid(versions, content, names):
    body = raw("<x:policyOIDs>%s</x:policyOIDs><x:clientVersion>0</x:clientVersion>"
               "<x:serverVersion>0</x:serverVersion>" % content)
    model = soap.check_answer(soap.send(versions, body, path="/spec"))
    assert (model["policies"] and set(model["policies"])) == names
