# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Callers with a Kerberos ticket: mod_auth_gssapi, and a KDC that writes PACs."""

import base64
import http.client
import io
import json
import os
import subprocess
import sys

import pytest

from cep_env import SOURCE, evaluator, soap
from cep_env.evaluator import compare
from cep_env.httpd import directory_section, facts, location_section
from conftest import start_sample

sys.path.insert(0, os.path.join(SOURCE, "tests", "fuzz"))
import pac_seeds  # noqa: E402

# The instances: where the caller's SIDs may come from.
TICKET, EITHER, DIRECTORY, UNMARKED = "/ticket", "/either", "/directory", "/unmarked"
CALLERS = ("alice", "bob", "carol", "dave", "frank", "grace", "heidi", "WS01$", "DC1$")
SERVICE = "CN=http-cep,CN=Users,DC=corp,DC=example"
LOGON_INFO = "urn:mspac:logon-info"
NORMAL_ACCOUNT, NO_AUTH_DATA_REQUIRED = 0x200, 0x2000000

MODULE = os.path.join(facts()["modules"], "mod_auth_gssapi.so")

needs_module = pytest.mark.skipif(not os.path.exists(MODULE),
                                  reason="mod_auth_gssapi is not installed")


def gssapi(ad, path, *more):
    lines = ["AuthType GSSAPI", 'AuthName "CEP"', "GssapiAllowedMech krb5", "GssapiSSLonly On",
             "GssapiCredStore keytab:" + ad.keytab, "Require valid-user"]
    return location_section(path, auth=False, extra=(*lines, *more))


def configure(server, ad, *more):
    # Once is enough: a test that stops the controller must not disturb the others' servers.
    directory = directory_section(ad.ldaps, refresh="1h", extra=(
        "CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name, "CEPTimeout 2s",
        'CEPBindPasswordFile "%s"' % ad.password_file, 'CEPCACertificateFile "%s"' % ad.ca_file))
    listed = "GssapiNameAttributes json"
    server.configure(directory, gssapi(ad, TICKET, listed, "CEPRequirePAC On"),
                     gssapi(ad, EITHER, listed), gssapi(ad, DIRECTORY),
                     gssapi(ad, UNMARKED, "CEPRequirePAC On"), *more, server=(
                         "CEPTokenTTL 0", "LoadModule auth_gssapi_module " + MODULE))


def start(monkeypatch, server, ad):
    configure(server, ad)
    monkeypatch.setenv("KRB5_CONFIG", ad.krb5_conf)
    server.start().wait_for_policy()
    monkeypatch.undo()
    return server


@pytest.fixture(scope="module")
def server(active_directory, make_module_httpd):
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield start(monkeypatch, make_module_httpd(), active_directory)


def ask(server, tickets, path, *options, message_id="urn:same"):
    """By curl, with the tickets that kinit has put there."""
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--include", "--negotiate", "--user", ":", "--cacert",
         server.certificates.ca_file, "--header", "Content-Type: " + soap.CONTENT_TYPE,
         "--header", "Expect:", "--data-binary", "@-", *options,
         "https://localhost:%d%s" % (server.port, path)],
        input=soap.build(message_id=message_id), capture_output=True,
        env={**os.environ, **tickets}, check=True, timeout=30)
    stream = io.BytesIO(done.stdout)
    while True:  # a 401 may come first
        status = int(stream.readline().split()[1])
        headers = http.client.parse_headers(stream)
        if status != 401:
            return soap.Response(status, headers, stream.read())
        stream.read(int(headers["Content-Length"]))


def policies(response):
    return set(soap.check_answer(response)["policies"] or ())


def by_ticket(server, marker):
    return bool(server.log.find("SIDs by the PAC of the ticket", marker))


@needs_module
@pytest.mark.parametrize("caller", CALLERS)
def test_ticket_and_directory_give_the_same(server, active_directory, caller):
    """Nested groups, cycles, a denied group, a primary group, a domain controller's S-1-5-9."""
    tickets = active_directory.kinit(caller)
    expected = evaluator.Directory(active_directory.entries).answer(caller)
    bodies = set()
    for path, ticket in ((TICKET, True), (EITHER, True), (DIRECTORY, False)):
        marker = server.log.marker()
        response = ask(server, tickets, path)
        assert compare(soap.check_answer(response), expected) == []
        assert by_ticket(server, marker) == ticket
        bodies.add(response.body)
    assert len(bodies) == 1


@needs_module
def test_required_but_not_handed_on(server, active_directory):
    server.log.expect("CEP0608")
    response = ask(server, active_directory.kinit("alice"), UNMARKED)
    soap.check_fault(response, "Sender", "FailedAuthentication", "urn:same")
    assert "GssapiNameAttributes json" in server.log.find("CEP0608")[-1].text


@needs_module
def test_ticket_without_a_pac(server, active_directory):
    """The KDC leaves it out for a service that does not want it."""
    ad = active_directory
    ad.replace(SERVICE, "userAccountControl", NORMAL_ACCOUNT | NO_AUTH_DATA_REQUIRED)
    try:
        tickets = ad.kinit("alice")
        marker = server.log.marker()
        with_directory = ask(server, tickets, EITHER)
        refused = ask(server, tickets, TICKET)
    finally:
        ad.replace(SERVICE, "userAccountControl", NORMAL_ACCOUNT)
    assert "CorpUser" in policies(with_directory)
    assert not by_ticket(server, marker)
    soap.check_fault(refused, "Sender", "FailedAuthentication", "urn:same")
    assert "the ticket has no PAC" in server.log.find("CEP0608", marker)[-1].text


@needs_module
def test_what_is_in_a_ticket_stays(server, active_directory):
    """Who leaves a group, or is disabled, keeps what his ticket says; a new one says otherwise."""
    ad = active_directory
    tickets = ad.kinit("alice")
    assert "CorpUser" in policies(ask(server, tickets, TICKET))
    ad.member("Sales", "alice", "delete")
    try:
        assert "CorpUser" in policies(ask(server, tickets, TICKET))
        assert "CorpUser" not in policies(ask(server, tickets, DIRECTORY))
        assert "CorpUser" not in policies(ask(server, ad.kinit("alice"), TICKET))
    finally:
        ad.member("Sales", "alice", "add")
    ad.replace("CN=alice,CN=Users,DC=corp,DC=example", "userAccountControl", NORMAL_ACCOUNT | 2)
    try:
        assert "CorpUser" in policies(ask(server, tickets, TICKET))
        soap.check_fault(ask(server, tickets, DIRECTORY), "Sender", "FailedAuthentication")
    finally:
        ad.replace("CN=alice,CN=Users,DC=corp,DC=example", "userAccountControl", NORMAL_ACCOUNT)


@needs_module
def test_without_the_directory(monkeypatch, make_httpd, active_directory):
    """With the controller dead, who has a ticket is served by it."""
    ad = active_directory
    server = start(monkeypatch, make_httpd(), ad)
    tickets = ad.kinit("alice")
    before = ask(server, tickets, TICKET).body
    ad.stop()
    try:
        assert ask(server, tickets, TICKET).body == before
        assert ask(server, tickets, EITHER).body == before
        server.log.expect("CEP0603")
        server.log.allow("CEP0501")
        soap.check_fault(ask(server, tickets, DIRECTORY), "Receiver", "InternalServiceFault")
    finally:
        ad.start()


@needs_module
def test_each_request_has_its_own_caller(server, active_directory):
    """One connection, several callers: nothing of one stays for the other."""
    tickets = {name: active_directory.kinit(name) for name in ("alice", "dave")}
    for name in ("alice", "dave", "alice", "dave"):
        assert ("CorpUser" in policies(ask(server, tickets[name], TICKET))) == (name == "alice")


def forged(principal):
    """What mod_auth_gssapi would write of a PAC with the domain's administrators and all groups."""
    groups = [(rid, 7) for rid in (512, 513, 519, 1105, 1106, 1107, 1108, 1109, 1110, 1116)]
    logon = pac_seeds.logon(user=500, groups=groups)
    return pac_seeds.listed(pac_seeds.attribute(LOGON_INFO, [(logon, None)]),
                            name=principal).decode()


def test_forged_list_is_well_made():
    """Or the next tests would test nothing."""
    attributes = json.loads(forged("dave"))["attributes"]
    assert base64.b64decode(attributes[LOGON_INFO]["values"][0]["raw"])[:2] == b"\x01\x10"


def test_variables_of_others_are_not_believed(make_httpd):
    """Without AuthType GSSAPI they are anybody's, here the client's own."""
    server = make_httpd()
    start_sample(server, 'SetEnvIf X-List "(.+)" GSS_NAME=dave GSS_NAME_ATTRS_JSON=$1',
                 location_section())
    response = soap.send(server, user="dave", headers={"X-List": forged("dave")})
    assert policies(response) == set()
    assert not by_ticket(server, 0)


@needs_module
@pytest.mark.parametrize("name", ("GSS_NAME_ATTRS_JSON", "GSS-NAME-ATTRS-JSON"))
def test_headers_are_no_variables(server, active_directory, name):
    tickets = active_directory.kinit("dave")
    for path in (TICKET, DIRECTORY):
        response = ask(server, tickets, path, "--header", "%s: %s" % (
            name, forged("dave@CORP.EXAMPLE")))
        assert policies(response) == set()
