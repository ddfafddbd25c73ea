# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What [MS-XCEP] 3.1.4.1.3 demands of every answer, looked for in the XML itself.

Not by soap.parse(), whose model has lost the numbers. The answers are those of the sample directory
to its callers, and one to a forest in which everybody may enroll for everything.
"""

import base64

import pytest
from cryptography import x509
from lxml import etree

import security_descriptor as sd
from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.httpd import location_section
from conftest import start_sample

CALLERS = ("alice", "bob", "grace", "WS01$", "DC1$")
XCEP = "{%s}" % soap.NS["x"]
NIL = "{%s}nil" % soap.NS["xsi"]

# Collections and what they hold: 3.1.4.1.3.3, .4, .6, .10, .13, .17, .18, .19, .25. The two cAs
# are told apart by where they stand.
COLLECTIONS = {"policies": "policy", "uris": "cAURI", "cryptoProviders": "provider",
               "extensions": "extension", "oIDs": "oID", "rAEKUs": "oIDReference",
               "rAPolicies": "oIDReference", "supersededPolicies": "commonName"}

# References to OIDs and the groups of what they may refer to: 3.1.4.1.3.1, .7, .12, .15, .18, .20.
REFERENCES = {"policyOIDReference": 9, "hashAlgorithmOIDReference": 1, "algorithmOIDReference": 3,
              "symmetricAlgorithmOIDReference": 2, "extension/oIDReference": 6,
              "rAEKUs/oIDReference": 7, "rAPolicies/oIDReference": 8}


# Versions of a template that the sample has none of: client 2, CA 6.
NEW_CA_OLD_CLIENT = 0x02060000


def open_forest():
    """The sample, every template published and for every authenticated caller."""
    entries = ldif.read(SAMPLE)
    everybody = sd.from_sddl("O:SYG:SYD:(OA;;CR;Enroll;;AU)").to_bytes()
    templates = [entry for entry in entries if entry.is_a("pKICertificateTemplate")]
    for entry in templates:
        entry.set("nTSecurityDescriptor", everybody)
    ldif.find(entries, "CorpPilot").set("msPKI-Private-Key-Flag", str(NEW_CA_OLD_CLIENT))
    ldif.find(entries, "Corp Issuing CA 1", "pKIEnrollmentService").set(
        "certificateTemplates", *[entry.text("cn") for entry in templates])
    return entries


def ask(server, user="alice", body=None, **policies):
    """The GetPoliciesResponse element."""
    response = soap.send(server, body or soap.build(**policies), user=user)
    soap.check_answer(response)
    return etree.fromstring(response.body).find("s:Body/x:GetPoliciesResponse", soap.NS)


@pytest.fixture(scope="module")
def whole_forest():
    return open_forest()


@pytest.fixture(scope="module")
def whole_server(make_module_httpd, whole_forest):
    return start_sample(make_module_httpd(), entries=whole_forest)


@pytest.fixture(scope="module")
def whole(whole_server):
    """An answer that has every template in it."""
    return ask(whole_server)


@pytest.fixture(scope="module")
def answers(sample, whole):
    return [ask(sample, user) for user in CALLERS] + [whole]


def every(roots, path):
    """All elements of that path, which must be some."""
    found = [node for root in roots for node in root.iterfind(".//" + path, soap.NS)]
    assert found, "no answer holds " + path
    return found


def name(node):
    assert node.tag.startswith(XCEP)
    return node.tag[len(XCEP):]


def is_nil(node):
    return node.get(NIL) == "true"


def number(node, path):
    return int(node.findtext(path, None, soap.NS))


def texts(node, path):
    return [item.text for item in node.iterfind(path, soap.NS)]


def policies(root, entries):
    """(the template's entry, its policy element) of each policy."""
    by_name = {entry.text("cn"): entry for entry in entries
               if entry.is_a("pKICertificateTemplate")}
    found = [(by_name[policy.findtext(".//x:commonName", None, soap.NS)], policy)
             for policy in every([root], "x:policy")]
    assert len(found) == len(by_name)
    return found


def test_the_whole_forest_is_whole(whole):
    """What the other tests look for is there: each schema version, each kind of reference."""
    assert {node.text for node in every([whole], "x:policySchema")} == {"1", "2", "3", "4"}
    for path in REFERENCES:
        assert any(not is_nil(node) for node in every([whole], "x:" + path.replace("/", "/x:")))


def test_each_policy_has_attributes_and_its_own_name(answers):
    for root in answers:
        found = every([root], "x:policy")
        assert all(len(policy.findall("x:attributes", soap.NS)) == 1 for policy in found)
        names = texts(root, ".//x:policy/x:attributes/x:commonName")
        references = texts(root, ".//x:policy/x:policyOIDReference")
        assert len(set(names)) == len(set(references)) == len(found)


def test_schema_version_is_the_templates(whole, whole_forest):
    for entry, policy in policies(whole, whole_forest):
        assert number(policy, "x:attributes/x:policySchema") == \
            entry.integer("msPKI-Template-Schema-Version", 1)


FLAGS = {"privateKeyFlags": "msPKI-Private-Key-Flag",
         "subjectNameFlags": "msPKI-Certificate-Name-Flag",
         "enrollmentFlags": "msPKI-Enrollment-Flag", "generalFlags": "flags"}


@pytest.mark.parametrize("element", FLAGS)
def test_flags_are_the_templates(whole, whole_forest, element):
    hidden = 0x20 if element == "enrollmentFlags" else 0
    for entry, policy in policies(whole, whole_forest):
        assert number(policy, "x:attributes/x:" + element) == \
            entry.integer(FLAGS[element]) & 0xFFFFFFFF & ~hidden


def test_hash_algorithm_is_for_cng_templates(whole, whole_forest):
    """Of version 1 and 2: nil. Of version 3: the OID of the hash that is defined."""
    oids = {oid.findtext("x:oIDReferenceID", None, soap.NS): oid.findtext("x:value", None, soap.NS)
            for oid in every([whole], "x:oID")}
    seen = set()
    for entry, policy in policies(whole, whole_forest):
        schema = entry.integer("msPKI-Template-Schema-Version", 1)
        element = policy.find("x:attributes/x:hashAlgorithmOIDReference", soap.NS)
        defined = evaluator.backtick_properties(entry.texts("msPKI-RA-Application-Policies")).get(
            "msPKI-Hash-Algorithm")
        if schema < 3:
            assert is_nil(element)
        elif schema == 3 and defined:
            assert oids[element.text] == evaluator.HASHES[defined]
        seen.add((schema, is_nil(element)))
    assert {(1, True), (2, True), (3, False)} <= seen


def test_no_collection_is_empty(answers, sample):
    """Nil, or with one child at least; what is nil has no content."""
    nothing = ask(sample, "dave")
    for root in answers + [nothing]:
        assert [name(child) for child in root] == ["response", "cAs", "oIDs"]
        for node in root.iter():
            item = COLLECTIONS.get(name(node))
            if name(node) == "cAs":
                item = "cA" if node.getparent() is root else "cAReference"
            if is_nil(node):
                assert not len(node) and not node.text
            elif item:
                assert len(node) and {name(child) for child in node} == {item}
    assert [is_nil(child) for child in nothing] == [False, True, True]
    assert is_nil(nothing.find("x:response/x:policies", soap.NS))


def test_numbers_name_one_thing(answers):
    for root in answers:
        for path in ("x:cA/x:cAReferenceID", "x:oID/x:oIDReferenceID"):
            found = [int(node.text) for node in every([root], path)]
            assert len(set(found)) == len(found)
            assert all(0 <= value < 1 << 31 for value in found)


def test_references_lead_to_something_of_their_kind(answers):
    for root in answers:
        groups = {oid.findtext("x:oIDReferenceID", None, soap.NS): number(oid, "x:group")
                  for oid in every([root], "x:oID")}
        count = 0
        for path, group in REFERENCES.items():
            for node in root.iterfind(".//x:" + path.replace("/", "/x:"), soap.NS):
                if not is_nil(node):
                    assert groups[node.text] == group, path
                    count += 1
        assert count == sum(not is_nil(node) for node in root.iter()
                            if name(node).endswith(("OIDReference", "oIDReference")))


def test_cas_of_a_policy_are_listed_once(answers):
    for root in answers:
        listed = set(texts(root, "x:cAs/x:cA/x:cAReferenceID"))
        used = [texts(policy, "x:cAs/x:cAReference") for policy in every([root], "x:policy")]
        assert all(len(set(item)) == len(item) for item in used)
        assert set().union(*used) == listed


def test_certificates_are_those_of_cas(answers):
    for node in every(answers, "x:cA/x:certificate"):
        certificate = x509.load_der_x509_certificate(base64.b64decode(node.text, validate=True))
        assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_enroll_permission_is_true_or_false(answers):
    assert {node.text for node in every(answers, "x:cA/x:enrollPermission")} == {"true", "false"}


def test_client_authentication_is_a_known_one(answers):
    assert {node.text for node in every(answers, "x:clientAuthentication")} == {"1", "2", "4", "8"}


@pytest.mark.parametrize("element", (
    "validityPeriodSeconds", "renewalPeriodSeconds", "minimalKeyLength",
    "symmetricAlgorithmKeyLength", "majorRevision", "nextUpdateHours",
))
def test_numbers_that_are_positive(answers, element):
    assert all(int(node.text) > 0 for node in every(answers, "x:" + element))


@pytest.mark.parametrize("element", ("minorRevision", "rASignatures"))
def test_numbers_that_may_be_zero(answers, element):
    assert all(int(node.text) >= 0 for node in every(answers, "x:" + element))


def test_extensions_are_der(answers):
    """One TLV, whole; lengths are below 64 KiB here."""
    for node in every(answers, "x:extension"):
        value = base64.b64decode(node.findtext("x:value", None, soap.NS), validate=True)
        octets = value[1] - 0x80 if value[1] & 0x80 else 0
        length = int.from_bytes(value[2:2 + octets], "big") if octets else value[1]
        assert len(value) == 2 + octets + length
        assert node.findtext("x:critical", None, soap.NS) in ("true", "false")


def test_providers_are_bare_names_or_nil(whole, whole_forest):
    seen = set()
    for entry, policy in policies(whole, whole_forest):
        element = policy.find(".//x:cryptoProviders", soap.NS)
        wanted = evaluator.providers(entry.texts("pKIDefaultCSPs"))
        assert texts(element, "x:provider") == wanted
        assert is_nil(element) == (not wanted)
        seen.add(is_nil(element))
    assert seen == {True, False}


def test_superseded_policies_are_the_templates(whole, whole_forest):
    seen = set()
    for entry, policy in policies(whole, whole_forest):
        element = policy.find("x:attributes/x:supersededPolicies", soap.NS)
        wanted = entry.texts("msPKI-Supersede-Templates")
        assert sorted(texts(element, "x:commonName")) == sorted(wanted)
        assert is_nil(element) == (not wanted)
        seen.add(is_nil(element))
    assert seen == {True, False}


def test_oids_have_a_value_a_known_group_and_a_name(answers):
    found = every(answers, "x:oID")
    for oid in found:
        assert evaluator.is_oid(oid.findtext("x:value", None, soap.NS))
        assert 1 <= number(oid, "x:group") <= 9
        assert oid.findtext("x:defaultName", "", soap.NS).strip()
    assert {number(oid, "x:group") for oid in found} == {1, 2, 3, 6, 7, 8, 9}


def client(content):
    """A request with that content of the client element."""
    return soap.envelope("", '<x:GetPolicies><x:client>%s</x:client><x:requestFilter '
                         'xsi:nil="true"/></x:GetPolicies>' % content)


NOT_CHANGED = "x:response/x:policiesNotChanged"
LAST_UPDATES = (
    None, "0001-01-01T00:00:00", "2009-03-15T09:38:46Z", "2026-01-01T00:00:00.5+14:00",
    "9999-12-31T23:59:59Z",
)


@pytest.mark.parametrize("last_update", LAST_UPDATES)
def test_without_a_cache_every_last_update_gets_everything(sample, last_update):
    """What a caller has seen is kept in the token cache: where there is none, all is told."""
    root = ask(sample, last_update=last_update)
    assert etree.tostring(root) == etree.tostring(ask(sample))
    assert is_nil(root.find(NOT_CHANGED, soap.NS))


def test_absent_last_update_gets_everything(sample):
    root = ask(sample, body=client("<x:preferredLanguage>en</x:preferredLanguage>"))
    full = ask(sample, body=client('<x:lastUpdate xsi:nil="true"/>'))
    assert etree.tostring(root) == etree.tostring(full)
    assert len(every([root], "x:policy")) > 1


def assurance_name(root):
    """The name of the one OID that the sample has in three languages."""
    found = {oid.findtext("x:defaultName", None, soap.NS) for oid in every([root], "x:oID")
             if number(oid, "x:group") == 8}
    assert len(found) == 1
    return found.pop()


LANGUAGES = [
    ("de", "Corp Hohe Vertrauensstufe"), ("de-DE", "Corp Hohe Vertrauensstufe"),
    ("DE-ch", "Corp Hohe Vertrauensstufe"), ("fr-FR", "Corp haute assurance"),
    ("en-US", "Corp High Assurance"), ("ja-JP", "Corp High Assurance"),
    ("x-klingon", "Corp High Assurance"), (None, "Corp High Assurance"),
]


@pytest.fixture(scope="module")
def localized(make_module_httpd):
    return start_sample(make_module_httpd(), location_section(extra=("CEPLocalizedNames On",)))


@pytest.mark.parametrize("language, wanted", LANGUAGES)
def test_language_of_the_client_else_the_default(localized, language, wanted):
    assert assurance_name(ask(localized, "bob", language=language)) == wanted


@pytest.mark.parametrize("language", [row[0] for row in LANGUAGES])
def test_default_language_unless_configured(sample, language):
    assert assurance_name(ask(sample, "bob", language=language)) == "Corp High Assurance"


def filtered(content):
    """A request with that content of the requestFilter element."""
    return soap.envelope("", '<x:GetPolicies><x:client><x:lastUpdate xsi:nil="true"/></x:client>'
                         "<x:requestFilter>%s</x:requestFilter></x:GetPolicies>" % content)


@pytest.mark.parametrize("oids", ('<x:policyOIDs xsi:nil="true"/>', "<x:policyOIDs/>", ""),
                         ids=("nil", "empty", "absent"))
def test_no_oids_no_filter_by_oid(sample, oids):
    versions = "<x:clientVersion>0</x:clientVersion><x:serverVersion>0</x:serverVersion>"
    assert etree.tostring(ask(sample, "bob", filtered(oids + versions))) == \
        etree.tostring(ask(sample, "bob"))


def test_empty_filter_is_no_filter(whole_server):
    """And none means what version 18 says: a client of version 3, whatever the CA."""
    nil = ask(whole_server, request_filter=None)
    assert etree.tostring(ask(whole_server, body=filtered(""))) == etree.tostring(nil)
    flags = {int(node.text) for node in every([nil], "x:privateKeyFlags")}
    assert all(value & 0x0F000000 <= 0x03000000 for value in flags)
    assert {NEW_CA_OLD_CLIENT, 0x03030000, 0} <= flags


def test_unknown_elements_of_a_request_are_ignored(sample):
    more = '<q:more xmlns:q="urn:q"><x:policy/></q:more>'
    body = client('<x:lastUpdate xsi:nil="true"/>' + more)
    full = ask(sample, body=client('<x:lastUpdate xsi:nil="true"/>'))
    assert etree.tostring(ask(sample, body=body)) == etree.tostring(full)


def policy_id(root):
    return root.findtext("x:response/x:policyID", None, soap.NS)


def test_policy_id_follows_the_forest(answers, make_httpd):
    """The same for all callers of one forest, another for another forest."""
    entries = open_forest()
    forest = next(entry for entry in entries if entry.is_a("configuration"))
    forest.set("objectGUID", bytes(range(16)))
    other = policy_id(ask(start_sample(make_httpd(), entries=entries)))
    assert len({policy_id(root) for root in answers}) == 1
    assert other not in {policy_id(root) for root in answers}


@pytest.mark.parametrize("rights, permission", (
    (("AutoEnroll",), None), (("Enroll",), ("true", "false")),
    (("Enroll", "AutoEnroll"), ("true", "true")),
), ids=("autoenroll alone", "enroll", "both"))
def test_autoenroll_counts_with_enroll_only(make_httpd, rights, permission):
    entries = open_forest()
    dacl = "".join("(OA;;CR;%s;;AU)" % right for right in rights)
    template = ldif.find(entries, "CorpUser", "pKICertificateTemplate")
    template.set("nTSecurityDescriptor", sd.from_sddl("O:SYG:SYD:" + dacl).to_bytes())
    root = ask(start_sample(make_httpd(), entries=entries))
    found = [tuple(texts(policy, "x:attributes/x:permission/*"))
             for policy in every([root], "x:policy")
             if policy.findtext("x:attributes/x:commonName", None, soap.NS) == "CorpUser"]
    assert found == ([permission] if permission else [])
