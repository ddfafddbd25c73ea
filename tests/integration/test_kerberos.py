# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Callers with a Kerberos ticket: mod_auth_gssapi, and a KDC that writes PACs."""

import base64
import http.client
import io
import json
import os
import subprocess
import sys
import time

import pytest

from cep_env import SOURCE, evaluator, soap
from cep_env.evaluator import compare
from cep_env.httpd import directory_section, has_modules, load_modules, location_section
from conftest import start_sample

sys.path.insert(0, os.path.join(SOURCE, "tests", "fuzz"))
import pac_seeds  # noqa: E402

# The instances: where the caller's SIDs may come from.
TICKET, EITHER, DIRECTORY, UNMARKED = "/ticket", "/either", "/directory", "/unmarked"
PASSWORD, LOCAL, SESSION, RENEWAL = "/password", "/local", "/session", "/renewal"
CALLERS = ("alice", "bob", "carol", "dave", "frank", "grace", "heidi", "WS01$", "DC1$")
SERVICE = "CN=http-cep,CN=Users,DC=corp,DC=example"
LOGON_INFO = "urn:mspac:logon-info"
NORMAL_ACCOUNT, NO_AUTH_DATA_REQUIRED = 0x200, 0x2000000

MODULES = ("auth_gssapi", "session", "session_cookie")

needs_module = pytest.mark.skipif(not has_modules("auth_gssapi"),
                                  reason="mod_auth_gssapi is not installed")


def gssapi(ad, path, *more):
    lines = ["AuthType GSSAPI", 'AuthName "CEP"', "GssapiAllowedMech krb5", "GssapiSSLonly On",
             "GssapiCredStore keytab:" + ad.keytab, "Require valid-user"]
    return location_section(path, auth=False, extra=(*lines, *more))


def configure(server, ad):
    """A long interval: nobody is to look while a test has the controller down."""
    directory = directory_section(ad.ldaps, refresh="1h", extra=(
        "CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name, "CEPTimeout 2s",
        'CEPBindPasswordFile "%s"' % ad.password_file, 'CEPCACertificateFile "%s"' % ad.ca_file))
    listed = "GssapiNameAttributes json"
    required = "CEPRequirePAC On"
    server.configure(
        directory, gssapi(ad, TICKET, listed, required), gssapi(ad, EITHER, listed),
        gssapi(ad, DIRECTORY), gssapi(ad, UNMARKED, required),
        gssapi(ad, PASSWORD, listed, required, "GssapiBasicAuth On"),
        gssapi(ad, LOCAL, listed, required, "GssapiLocalName On"),
        gssapi(ad, SESSION, listed, "GssapiUseSessions On", "Session On",
               "SessionCookieName cep path=/;secure"),
        gssapi(ad, RENEWAL, listed),
        '<LocationMatch "^%s$">\n    CEPKeyBasedRenewal On\n</LocationMatch>' % RENEWAL,
        server=("CEPTokenTTL 0", *load_modules(*MODULES)))


@pytest.fixture(scope="module")
def server(active_directory, make_module_httpd):
    server = make_module_httpd()
    configure(server, active_directory)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KRB5_CONFIG", active_directory.krb5_conf)
        # Of its own, or it would be one with every other server of this machine.
        environment.setenv("KRB5RCACHENAME", "file2:" + os.path.join(server.cache, "replays"))
        server.start()
    return server.wait_for_policy()


def ask(server, tickets, path, *options, login=("--negotiate", "--user", ":")):
    """By curl, with the tickets that kinit has put there."""
    headers = server.path("curl-headers")
    done = subprocess.run(
        ["curl", "--silent", "--show-error", *login, "--cacert", server.certificates.ca_file,
         "--header", "Content-Type: " + soap.CONTENT_TYPE, "--header", "Expect:",
         "--data-binary", "@-", "--dump-header", headers, *options,
         "https://localhost:%d%s" % (server.port, path)],
        input=soap.build(message_id="urn:same"), capture_output=True,
        env={**os.environ, **tickets}, check=True, timeout=30)
    with open(headers, "rb") as file:
        last = file.read().split(b"\r\n\r\n")[-2]  # a 401 may come before the answer
    status, _, fields = last.partition(b"\r\n")
    return soap.Response(int(status.split()[1]),
                         http.client.parse_headers(io.BytesIO(fields + b"\r\n\r\n")), done.stdout)


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
def test_no_key_based_renewal(server, active_directory):
    """Where configtest cannot see it, because two sections say the two things."""
    server.log.expect("CEP0640")
    marker = server.log.marker()
    response = ask(server, active_directory.kinit("alice"), RENEWAL)
    soap.check_fault(response, "Sender", "FailedAuthentication", "urn:same")
    assert "user alice@" in server.log.find("CEP0640")[-1].text
    assert not server.log.find("CEP0600.*templates=[1-9]", marker)


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
def test_without_the_directory(server, active_directory):
    """With the controller dead, who has a ticket is served by it."""
    ad = active_directory
    tickets = ad.kinit("alice")
    before = ask(server, tickets, TICKET).body
    ad.stop()
    try:
        assert ask(server, tickets, TICKET).body == before
        assert ask(server, tickets, EITHER).body == before
        server.log.expect("CEP0603")
        soap.check_fault(ask(server, tickets, DIRECTORY), "Receiver", "InternalServiceFault")
    finally:
        ad.start()
        time.sleep(2.5)  # for so long callers pass over a server that has failed


@needs_module
def test_each_request_has_its_own_caller(server, active_directory):
    """One connection, several callers: nothing of one stays for the other."""
    tickets = {name: active_directory.kinit(name) for name in ("alice", "dave")}
    for name in ("alice", "dave", "alice", "dave"):
        assert ("CorpUser" in policies(ask(server, tickets[name], TICKET))) == (name == "alice")


@needs_module
def test_password_that_becomes_a_ticket(server, active_directory):
    """GssapiBasicAuth: mod_auth_gssapi itself gets the ticket."""
    ad = active_directory
    marker = server.log.marker()
    response = ask(server, {}, PASSWORD, login=("--user", "alice:" + ad.password))
    assert "CorpUser" in policies(response)
    assert by_ticket(server, marker)


@needs_module
def test_local_name(server, active_directory):
    """The user is alice, the ticket is alice@CORP.EXAMPLE's."""
    marker = server.log.marker()
    assert "CorpUser" in policies(ask(server, active_directory.kinit("alice"), LOCAL))
    assert server.log.find("user alice has .* SIDs by the PAC", marker)


@needs_module
def test_session(server, active_directory, tmp_path):
    """Its first request has the ticket, a later one only the name."""
    tickets, jar = active_directory.kinit("alice"), str(tmp_path / "jar")
    for ticket in (True, False):
        marker = server.log.marker()
        response = ask(server, tickets if ticket else {}, SESSION, "--cookie", jar,
                       "--cookie-jar", jar)
        assert "CorpUser" in policies(response)
        assert by_ticket(server, marker) == ticket


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
