# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The street from one end to the other: each caller gets what the evaluator says, on every MPM."""

import re
from concurrent.futures import ThreadPoolExecutor

import pytest

from cep_env import soap
from cep_env.evaluator import compare
from cep_env.httpd import location_section
from conftest import start_sample

CALLERS = ("alice", "bob", "carol", "frank", "grace", "WS01$", "DC1$", "alice@corp.example",
           "CORP\\alice", "f.ohara@corp.example")


def without_message_id(body):
    return re.sub(rb"<(\w+:)?RelatesTo[^>]*>[^<]*</(\w+:)?RelatesTo>", b"", body)


@pytest.mark.parametrize("caller", CALLERS)
def test_answer_equals_directory(sample_each_mpm, sample_directory, caller):
    message_id = soap.new_message_id()
    response = soap.send(sample_each_mpm, soap.build(message_id=message_id), user=caller)
    model = soap.check_answer(response, message_id)
    assert compare(model, sample_directory.answer(caller)) == []
    assert model["policies"]
    assert model["friendly_name"] == "Corp policy"
    assert model["next_update_hours"] == 8
    assert re.fullmatch(r"\{[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}\}", model["policy_id"])


def test_nothing_to_offer_is_an_answer(sample_each_mpm):
    message_id = soap.new_message_id()
    response = soap.send(sample_each_mpm, soap.build(message_id=message_id), user="dave")
    model = soap.check_answer(response, message_id)
    assert (model["policies"], model["cas"], model["oids"]) == (None, None, None)


def test_unknown_and_disabled_look_the_same(sample_each_mpm):
    bodies = []
    for caller in ("nobody", "erin"):
        message_id = soap.new_message_id()
        response = soap.send(sample_each_mpm, soap.build(message_id=message_id), user=caller)
        soap.check_fault(response, "Sender", "FailedAuthentication", message_id)
        bodies.append(response.body.replace(message_id.encode(), b""))
        assert "WWW-Authenticate" not in response.headers
    assert bodies[0] == bodies[1]


def test_denied_group_wins(sample):
    """Carol is in a group that may enroll for CorpUser and in one that is denied."""
    policies = {caller: soap.send(sample, user=caller).model()["policies"]
                for caller in ("alice", "carol")}
    assert "CorpUser" in policies["alice"]
    assert set(policies["alice"]) - set(policies["carol"]) == {"CorpUser"}


def test_nested_groups_count(sample):
    """Alice has CorpUser by three groups, one in the other, two of them in a cycle."""
    policy = soap.send(sample, user="alice").model()["policies"]["CorpUser"]
    assert policy["enroll"] and policy["autoEnroll"]


def test_enroll_permission_of_cas(sample):
    cas = soap.send(sample, user="WS01$").model()["cas"]
    assert sorted(ca["enrollPermission"] for ca in cas.values()) == [False, True]


def test_unpublished_is_offered_to_nobody(sample):
    for caller in ("alice", "bob", "grace", "WS01$"):
        assert "CorpPilot" not in soap.send(sample, user=caller).model()["policies"]


@pytest.mark.parametrize("style", soap.STYLES)
def test_styles_of_clients(sample, sample_directory, style):
    message_id = soap.new_message_id()
    response = soap.send(sample, soap.build(style, message_id=message_id))
    model = soap.check_answer(response, None if style == "minimal" else message_id)
    assert compare(model, sample_directory.answer("alice")) == []
    if style == "minimal":
        assert model["relates_to"] is None


# [MS-XCEP] 3.1.4.1.3.22, version 18: what a client does not say means 3, 0 means everything.
@pytest.mark.parametrize("client, server, means", [
    (0, 0, (6, 6)), (6, 6, (6, 6)), (5, 0, (5, 6)), (4, 4, (4, 4)), (3, 3, (3, 3)), (2, 2, (2, 2)),
    (1, 6, (1, 6)), (None, None, (3, 3)), (None, 0, (3, 6)), (99, 99, (6, 6)),
    (2147483647, 2147483647, (6, 6)), (-1, -1, (3, 3)),
])
@pytest.mark.parametrize("caller", ("bob", "WS01$"))
def test_version_filter(sample, sample_directory, caller, client, server, means):
    wanted = soap.Filter(client=client, server=server)
    model = soap.check_answer(soap.send(sample, soap.build(request_filter=wanted), user=caller))
    assert compare(model, sample_directory.answer(caller, versions=means)) == []


@pytest.mark.parametrize("caller", ("bob", "WS01$"))
def test_no_filter_means_client_version_three(sample, sample_directory, caller):
    model = soap.check_answer(soap.send(sample, soap.build(request_filter=None), user=caller))
    assert compare(model, sample_directory.answer(caller, versions=(3, 6))) == []


def test_filter_by_oid(sample, sample_directory):
    oids = [template.oid for template in sample_directory.templates
            if template.cn in ("CorpUser", "WebServer", "CorpOCSP")]
    model = soap.check_answer(soap.send(
        sample, soap.build(request_filter=soap.Filter(oids=oids)), user="bob"))
    assert set(model["policies"]) == {"CorpUser", "WebServer"}
    assert compare(model, sample_directory.answer("bob", oids=oids)) == []


def test_filter_that_matches_nothing(sample):
    wanted = soap.Filter(oids=["1.2.3.4"])
    model = soap.check_answer(soap.send(sample, soap.build(request_filter=wanted)))
    assert model["policies"] is None


@pytest.mark.parametrize("message_id", [
    "urn:uuid:5FB5F6FD-4709-414B-8AFA-0C05F6686D1C", "a", "x&amp;y&lt;z", "\u00e9\u4e2d\U0001f600",
    "m" * 1024,
])
def test_message_id_comes_back(sample, message_id):
    model = soap.check_answer(soap.send(sample, soap.build(message_id=message_id)))
    assert model["relates_to"] == message_id.replace("&amp;", "&").replace("&lt;", "<")


def test_same_rights_same_bytes(sample):
    """Alice and Frank are in the same groups: nothing in the answer depends on who they are."""
    bodies = {without_message_id(soap.send(sample, user=caller).body)
              for caller in ("alice", "frank", "alice", "CORP\\alice")}
    assert len(bodies) == 1


def test_same_bytes_on_every_node(sample, make_httpd):
    other = start_sample(make_httpd("worker"))
    for caller in ("alice", "bob", "WS01$"):
        one, two = (soap.send(server, user=caller).body for server in (sample, other))
        assert without_message_id(one) == without_message_id(two)


def test_same_bytes_after_restart(make_httpd):
    server = start_sample(make_httpd())
    before = without_message_id(soap.send(server, user="bob").body)
    server.stop()
    server.start()
    assert without_message_id(soap.send(server, user="bob").body) == before


def test_several_requests_on_one_connection(sample):
    client = soap.Client(sample)
    for _ in range(5):
        message_id = soap.new_message_id()
        soap.check_answer(client.send(soap.build(message_id=message_id)), message_id)
    client.close()


def test_many_at_once(sample_each_mpm, sample_directory):
    """Callers do not get each other's answers."""
    expected = {caller: sample_directory.answer(caller) for caller in CALLERS}

    def ask(caller):
        message_id = soap.new_message_id()
        model = soap.check_answer(
            soap.send(sample_each_mpm, soap.build(message_id=message_id), user=caller), message_id)
        return compare(model, expected[caller])

    with ThreadPoolExecutor(8) as pool:
        assert [result for result in pool.map(ask, CALLERS * 6) if result] == []


def test_instance_says_who_it_is(make_httpd):
    server = start_sample(make_httpd(), location_section(
        name="R&D <policy> \u00fc", extra=("CEPPolicyID {11111111-2222-3333-4444-555555555555}",
                                          "CEPNextUpdate 24")))
    model = soap.check_answer(soap.send(server))
    assert model["friendly_name"] == "R&D <policy> \u00fc"
    assert model["policy_id"] == "{11111111-2222-3333-4444-555555555555}"
    assert model["next_update_hours"] == 24


def test_instance_without_a_name(make_httpd):
    server = start_sample(make_httpd(), location_section(name=None))
    assert soap.check_answer(soap.send(server))["friendly_name"] is None


def test_start_is_quick(make_httpd):
    """A start that waited for the directory would show here."""
    import time
    server = make_httpd()
    begin = time.monotonic()
    start_sample(server)
    soap.check_answer(soap.send(server))
    assert time.monotonic() - begin < 5


def test_configured_uris_replace_those_of_the_directory(make_httpd):
    from cep_env import SAMPLE, evaluator, ldif
    server = start_sample(make_httpd(), extra=(
        'CEPEnrollmentURI "corp issuing ca 1" username https://gate.corp.example/ces?a=1&b=2'
        " priority=7",
        'CEPEnrollmentURI "Corp Issuing CA 1" 8 https://gate.corp.example/renew renewalOnly'))
    rows = [("Corp Issuing CA 1", {"clientAuthentication": 4, "priority": 7, "renewalOnly": False,
                                   "uri": "https://gate.corp.example/ces?a=1&b=2"}),
            ("Corp Issuing CA 1", {"clientAuthentication": 8, "priority": 1, "renewalOnly": True,
                                   "uri": "https://gate.corp.example/renew"})]
    expected = evaluator.Directory(ldif.read(SAMPLE), configured_uris=rows).answer("bob")
    assert compare(soap.check_answer(soap.send(server, user="bob")), expected) == []
