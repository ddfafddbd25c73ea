# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The evaluator, the other half of each comparison, against facts that are neither its nor ours."""

import base64
import json
import os
import re

import pytest
import security_descriptor as sd

from cep_env import SAMPLE, evaluator, ldif, soap

CALLERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "WS01$", "DC1$", "CA1$")


# [MS-CRTD] and certificates of Windows; the octets are in every textbook.
@pytest.mark.parametrize("made, wanted", [
    (evaluator.der_key_usage(b"\xa0\x00"), "030205a0"),
    (evaluator.der_key_usage(b"\x86"), "03020186"),
    (evaluator.der_key_usage(b"\x00\x80"), "0303070080"),
    (evaluator.der_oid("1.3.6.1.5.5.7.3.2"), "06082b06010505070302"),
    (evaluator.der_oid("2.5.29.37"), "0603551d25"),
    (evaluator.der_oid("2.999.4294967295"), "060788378fffffff7f"),
    (evaluator.der_integer(0), "020100"), (evaluator.der_integer(127), "02017f"),
    (evaluator.der_integer(128), "02020080"), (evaluator.der_integer(65535), "020300ffff"),
    (evaluator.der_policies(["1.3.6.1.5.5.7.3.2"]), "300c300a06082b06010505070302"),
])
def test_der(made, wanted):
    assert made.hex() == wanted


@pytest.mark.parametrize("octets, wanted", [
    ("004039872ee1feff", 31536000), ("0080a60affdeffff", 3628800), ("00401ea4e865faff", 157680000),
    ("0080ffffffffffff", None), ("0000000000000000", None), ("0000000000000080", None),
    ("00c0b978d11e0100", None), ("ff", None),
])
def test_periods(octets, wanted):
    assert evaluator.seconds(bytes.fromhex(octets)) == wanted


def test_sddl_and_back():
    text = "O:EAG:EAD:(OD;;RPWPCR;Enroll;;DU)(OA;;CR;AutoEnroll;;AU)(A;OICI;RPRC;;;S-1-5-9)"
    domain = "S-1-5-21-1-2-3"
    made = sd.from_sddl(text, domain).to_bytes()
    assert sd.to_sddl(sd.parse(made), domain) == text.replace("S-1-5-9", "ED")
    for length in range(len(made) - 28):  # owner and group stand at the end
        with pytest.raises(ValueError):
            sd.parse(made[:length])


def test_sample_is_whole():
    """The sample directory: nothing in it is left out, and each caller has its point."""
    directory = evaluator.Directory(ldif.read(SAMPLE))
    assert directory.rejected == {}
    assert len(directory.templates) >= 12
    assert {template.schema for template in directory.templates} == {1, 2, 3, 4}
    auths = {uri["clientAuthentication"] for service in directory.services
             for uri in service.uris}
    assert auths == {1, 2, 4, 8}
    answers = {caller: directory.answer(caller) for caller in CALLERS}
    assert answers["erin"] is None
    assert answers["dave"] == {"policies": None, "cas": None, "oids": None}
    assert all(answers[caller]["policies"] for caller in CALLERS if caller not in ("erin", "dave"))
    with open(SAMPLE, encoding="utf-8") as file:
        assert not re.search(r"^(userPassword|unicodePwd)", file.read(), re.M | re.I)


def named(value):
    """An expected answer as a server would send it: with a name where any name will do."""
    if evaluator.is_oid_triple(value):
        return value[:2] + (value[2] or "name of " + value[0],)
    if isinstance(value, dict):
        return {key: named(item) for key, item in value.items()}
    return type(value)(map(named, value)) if isinstance(value, (list, set)) else value


def test_differences_are_seen(monkeypatch):
    """compare() names what differs, wherever it is."""
    directory = evaluator.Directory(ldif.read(SAMPLE))
    good = directory.answer("bob")
    monkeypatch.setattr(evaluator, "_seen_names", {})
    assert evaluator.compare(named(good), good) == []

    def differs(change):
        model = named(directory.answer("bob"))
        change(model)
        return evaluator.compare(model, good)

    def set_in(cn, key, value):
        return lambda model: model["policies"][cn].update({key: value})

    assert differs(set_in("CorpUser", "autoEnroll", False))
    assert differs(set_in("CorpUser", "enrollmentFlags", 0x29))
    assert differs(set_in("CorpUser", "cryptoProviders", ["B", "A"]))
    assert differs(set_in("CorpUser", "supersededPolicies", None))
    assert differs(set_in("CorpPrivileged", "rARequirements", None))
    assert differs(lambda model: model["policies"].pop("CorpUser"))
    assert differs(lambda model: model["policies"].update(More=model["policies"]["CorpUser"]))
    assert differs(lambda m: m["policies"]["CorpUser"]["extensions"][0].update(value="AA=="))
    assert differs(lambda m: m["policies"]["CorpUser"]["extensions"].pop())
    assert differs(lambda model: model["oids"].pop())
    assert differs(lambda model: model["oids"].add(("1.2", 7, "x")))
    assert differs(lambda model: next(iter(model["cas"].values())).update(enrollPermission=False))
    assert differs(lambda model: model.update(policies=None))


def test_descriptors(shared):
    """Vectors of real and synthetic descriptors; in two we grant less by decision."""
    with open(os.path.join(shared, "sd_vectors.json"), encoding="utf-8") as file:
        vectors = json.load(file)["vectors"]
    count = 0
    for vector in vectors:
        if "NULL DACL" in vector["name"] or "generic all" in vector["name"]:
            continue
        for case in vector["cases"]:
            octets, sids = base64.b64decode(vector["sd"]), set(case["token"])
            assert evaluator.granted(octets, sd.ENROLL, sids) == case["enroll"], vector["name"]
            assert evaluator.granted(octets, sd.AUTOENROLL, sids) == case["autoEnrollAce"]
            count += 1
    assert count > 60


def test_answers_of_others_are_read(shared):
    """The reader of answers takes messages that other programs made by the same schema."""
    folder = os.path.join(shared, "..", "messages")
    with open(os.path.join(folder, "example_resp_full_v1_v2_v3_v4.xml"), "rb") as file:
        body = file.read()
    assert soap.validate(body) == []
    model = soap.parse(body)
    assert len(model["policies"]) == 8
    assert model["policies"]["EFS"]["extensions"][0]["value"] == "HgYARQBGAFM="
