# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The access check against descriptors of real directories, whose answers are known.

The data are not part of the project. CEP_SHARED names a directory that has them under data/.
"""

import base64
import json
import os

import pytest

import access_tool

DATA = os.path.join(os.environ.get("CEP_SHARED", ""), "data")

pytestmark = pytest.mark.skipif(
    not os.environ.get("CEP_SHARED") or not os.path.isdir(DATA),
    reason="the reference descriptors are not here (CEP_SHARED)",
)

# The vectors follow the specification to the letter. mod_cep decided otherwise in two cases that
# AD never stores: no DACL grants nothing, and an unmapped GENERIC_ALL bit does not grant.
DECIDED = {
    "synthetic: NULL DACL (DP clear): everything granted": (False, False),
    "synthetic: generic all bit": (False, False),
}


def load(name):
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        pytest.skip(f"{name} is not among the reference data")
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def entries(name):
    """The entries of an LDIF file: dictionaries of lists, octets throughout."""
    path = os.path.join(DATA, name)
    if not os.path.exists(path):
        pytest.skip(f"{name} is not among the reference data")
    with open(path, "rb") as file:
        text = file.read().replace(b"\r\n", b"\n").replace(b"\n ", b"")
    for block in text.split(b"\n\n"):
        entry = {}
        for line in block.splitlines():
            if not line or line.startswith(b"#"):
                continue
            attribute, _, value = line.partition(b":")
            if value.startswith(b":"):
                value = base64.b64decode(value[1:])
            entry.setdefault(attribute.decode().lower(), []).append(value.lstrip(b" "))
        if entry:
            yield entry


def both_rights(cases):
    """cases: (name, descriptor, SIDs, enroll, bare AutoEnroll); what is answered otherwise."""
    triples = []
    for _, descriptor, sids, _, _ in cases:
        triples += [(descriptor, "enroll", sids), (descriptor, "autoenroll", sids)]
    answers = access_tool.granted(triples)
    wrong = []
    for number, (name, _, _, enroll, autoenroll) in enumerate(cases):
        got = tuple(answers[2 * number : 2 * number + 2])
        if got != (enroll, autoenroll):
            wrong.append(f"{name}: {got}, expected {(enroll, autoenroll)}")
    return wrong


def test_vectors():
    cases = []
    for vector in load("sd_vectors.json")["vectors"]:
        descriptor = base64.b64decode(vector["sd"])
        for case in vector["cases"]:
            expected = DECIDED.get(vector["name"], (case["enroll"], case["autoEnrollAce"]))
            cases.append((f"{vector['name']}, {case['who']}", descriptor, case["token"], *expected))
    assert len(cases) >= 70
    assert not both_rights(cases)


def test_decided_cases_are_among_the_vectors():
    names = {vector["name"] for vector in load("sd_vectors.json")["vectors"]}
    assert set(DECIDED) <= names


def test_descriptors_are_readable():
    descriptors = load("security_descriptors.json")["descriptors"]
    raw = [base64.b64decode(descriptor["base64"]) for descriptor in descriptors]
    assert len(raw) >= 181
    wrong = []
    for descriptor, problem in zip(descriptors, access_tool.problems(raw)):
        expected = descriptor["expected"]
        readable = expected["daclPresent"] and not expected["daclNull"]
        if readable != (problem is None):
            wrong.append(f"{descriptor['name']}: {problem}")
    assert not wrong


def aces_grant(aces, guid, sids):
    """The decoded DACL, walked by [MS-ADTS] 5.1.3.3.4; a condition is met only where it denies."""
    for ace in aces:
        if ace["flags"] & 0x08 or ace["sid"] not in sids or not ace["mask"] & 0x100:
            continue
        if ace.get("objectType") not in (None, guid):
            continue
        if ace["type"] in (0, 5):
            return True
        if ace["type"] in (1, 6, 0x0A, 0x0C):
            return False
    return False


def test_descriptors_are_evaluated():
    reference = load("security_descriptors.json")
    cases = []
    for descriptor in reference["descriptors"]:
        aces = descriptor["expected"]["dacl"] or []
        tokens = dict(reference["tokens"])
        # each SID of the list alone, too: what is granted to nobody real is evaluated as well
        tokens.update({ace["sid"]: [ace["sid"]] for ace in aces if "sid" in ace})
        for who, sids in tokens.items():
            rights = [
                aces_grant(aces, reference["rights"][right], sids)
                for right in ("enroll", "autoEnroll")
            ]
            cases.append(
                (
                    f"{descriptor['name']}, {who}",
                    base64.b64decode(descriptor["base64"]),
                    [sid for sid in sids if sid.count("-") > 2],
                    *rights,
                )
            )
    assert len(cases) > 1000
    assert not both_rights(cases)


def test_descriptors_have_the_stated_access():
    reference = load("security_descriptors.json")
    cases = []
    for descriptor in reference["descriptors"]:
        for who, rights in (descriptor.get("access") or {}).items():
            cases.append(
                (
                    f"{descriptor['name']}, {who}",
                    base64.b64decode(descriptor["base64"]),
                    reference["tokens"][who],
                    rights["enroll"],
                    rights["autoEnroll"],
                )
            )
    if not cases:
        pytest.skip("security_descriptors.json states no access")
    assert not both_rights(cases)


def test_templates_of_a_real_forest():
    expected = load("template_access_expected.json")
    tokens = load("security_descriptors.json")["tokens"]
    descriptors = {
        entry["cn"][0].decode(): entry["ntsecuritydescriptor"][0]
        for entry in entries("templates.ldif")
    }
    assert set(expected) <= set(descriptors)
    triples, wanted = [], []
    for template, principals in expected.items():
        for who, rights in principals.items():
            for right in ("enroll", "autoEnroll"):
                triples.append((descriptors[template], right.lower(), tokens[who]))
                wanted.append((template, who, right, rights[right]))
    assert len(wanted) >= 33 * 8 * 2
    answers = access_tool.granted(triples)
    wrong = [row for row, answer in zip(wanted, answers) if row[3] != answer]
    assert not wrong
