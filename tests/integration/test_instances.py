# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""conf.d/cep.conf against a real Active Directory: five locations and a view at once.

Kerberos, user name and password, certificate, both ways of key-based renewal, and the view for
Linux, on three virtual hosts of one httpd; every caller gets just what the evaluator says.

This mistake was there and was caught: a ticket's caller told apart by his first group's SID.
"""

import base64
import json
import os
import shutil

import pytest

from cep_env import evaluator, soap
from cep_env.certs import ClientAuthority, alternative_names, sid_extension
from cep_env.evaluator import View, compare
from cep_env.httpd import MPMS, has_modules
from cep_env.leaks import Leaks
from security_descriptor import sid_from_bytes
from test_reference_conf import (
    CERTIFICATE, KERBEROS, MODULES, RENEWAL, USERNAME, ask, install)

pytestmark = pytest.mark.skipif(
    not has_modules(*MODULES), reason="mod_auth_gssapi or mod_authnz_ldap is not installed")

CEP, CERT, LINUX = "cep.corp.example", "cep-cert.corp.example", "cep-linux.corp.example"
BY_NAME, BY_CERTIFICATE = RENEWAL % "UsernamePassword", RENEWAL % "Certificate"
OLD_KEY = View(renewal=True)

# name: host, path, view
INSTANCES = {
    "Kerberos": (CEP, KERBEROS, View()),
    "user name": (CEP, USERNAME, View()),
    "certificate": (CERT, CERTIFICATE, View()),
    "renewal by user name": (CEP, BY_NAME, OLD_KEY),
    "renewal by certificate": (CERT, BY_CERTIFICATE, OLD_KEY),
    "view for Linux": (LINUX, KERBEROS, View(rights="autoenroll", lenient=True)),
}
CALLERS = ("alice", "bob", "dave", "WS01$")
COMMON, WORKGROUP = "Corp enrollment policy", "workgroup"


class People:
    """Certificates of a CA that is in NTAuthCertificates and a CA of the directory's own."""

    def __init__(self, ad, folder):
        self.ca = ClientAuthority(folder, "Instances CA")
        self.clients = {name: self.ca.issue(sid_extension(sid_from_bytes(
            next(e for e in ad.entries if e.text("sAMAccountName") == name).value("objectSid"))))
            for name in CALLERS}
        self.clients[WORKGROUP] = self.ca.issue(alternative_names(dns=["kiosk.example.net"]))
        self.entries = [entry.copy() for entry in ad.entries]
        self.trust = self.find("NTAuthCertificates")
        self.service = self.find("Corp Issuing CA 2")
        self.before = {entry.dn: list(entry.values("cACertificate"))
                       for entry in (self.trust, self.service)}
        self.trust.set("cACertificate", self.ca.der)
        self.service.add("cACertificate", self.ca.der)

    def find(self, cn):
        return next(e for e in self.entries if e.text("cn") == cn and e.value("cACertificate"))


@pytest.fixture(scope="module")
def people(active_directory, tmp_path_factory):
    made = People(active_directory, str(tmp_path_factory.mktemp("clients")))
    for entry in (made.trust, made.service):
        active_directory.replace(entry.dn, "cACertificate", *entry.values("cACertificate"))
    yield made
    for dn, values in made.before.items():
        active_directory.replace(dn, "cACertificate", *values)


@pytest.fixture(scope="module")
def expected(people):
    return evaluator.Directory(people.entries)


@pytest.fixture(scope="module", params=MPMS)
def server(request, active_directory, people, make_module_httpd):
    ad, server = active_directory, make_module_httpd(request.param)
    install(server, people.ca, server_wide=("CEPTokenTTL 0",), **{
        "ldaps://dc1.corp.example ldaps://dc2.corp.example": ad.ldaps,
        "ldaps://dc1.corp.example/": ad.ldaps + "/",
        "pki-admin": "alice"})
    shutil.copy(ad.ca_file, server.path("corp-root.pem"))
    shutil.copy(ad.keytab, server.path("http.keytab"))
    shutil.copy(ad.password_file, server.path("password"))
    os.chmod(server.path("password"), 0o644)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KRB5_CONFIG", ad.krb5_conf)
        environment.setenv("KRB5RCACHENAME", "file2:" + os.path.join(server.cache, "replays"))
        server.start()
    return server.wait_for_policy().wait_for_policy("sample")


@pytest.fixture(scope="module")
def negotiate(active_directory):
    """What stands in Authorization: a new ticket each time."""
    gssapi = pytest.importorskip("gssapi")
    caches = {}

    def make(user, host):
        if user not in caches:
            caches[user] = active_directory.kinit(user)["KRB5CCNAME"]
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("KRB5_CONFIG", active_directory.krb5_conf)
            context = gssapi.SecurityContext(
                name=gssapi.Name("HTTP@" + host, gssapi.NameType.hostbased_service),
                creds=gssapi.Credentials(usage="initiate", store={"ccache": caches[user]}),
                usage="initiate", mech=gssapi.OID.from_int_seq("1.3.6.1.5.5.2"))
            return {"Authorization": "Negotiate " + base64.b64encode(context.step()).decode()}
    return make


@pytest.fixture(scope="module")
def call(server, active_directory, people, negotiate):
    """One caller at one instance, in the way that belongs to it."""
    def send(instance, caller, **policies):
        host, path, _ = INSTANCES[instance]
        headers, credentials, client = None, "", None
        if path == KERBEROS:
            headers = negotiate(caller, host)
        elif host == CERT:
            client = people.clients[caller]
        else:
            credentials = soap.credentials(caller, active_directory.password)
        return ask(server, host, path, client, headers, soap.build(
            message_id="urn:same", headers=credentials, **policies))
    return send


def answer(directory, instance, caller):
    view = INSTANCES[instance][2]
    if view.renewal:
        return directory.answer_for(set(), view=view)
    return directory.answer(caller, view=view)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("instance", INSTANCES)
def test_exact_answer(call, expected, instance, caller):
    model = soap.check_answer(call(instance, caller), "urn:same")
    assert compare(model, answer(expected, instance, caller)) == []


def test_what_they_show_differs(expected):
    """Or the test above proves nothing."""
    shown = {name: set(answer(expected, name, "WS01$")["policies"] or ()) for name in INSTANCES}
    assert shown["Kerberos"] == shown["user name"] == shown["certificate"]
    assert shown["renewal by user name"] == shown["renewal by certificate"]
    assert set() < shown["view for Linux"] < shown["Kerberos"]
    assert shown["Kerberos"] - shown["renewal by certificate"]
    assert shown["renewal by certificate"] - shown["view for Linux"]


def test_a_machine_outside_the_domain(call, expected):
    """It renews, and is offered nothing else."""
    model = soap.check_answer(call("renewal by certificate", WORKGROUP), "urn:same")
    assert compare(model, answer(expected, "renewal by certificate", WORKGROUP)) == []
    assert model["policies"]
    soap.check_fault(call("certificate", WORKGROUP), "Sender", "FailedAuthentication", "urn:same")


def test_same_octets_by_every_way(call):
    """The three ways of one policy, and the two ways of renewal."""
    for caller in CALLERS:
        assert len({call(name, caller).body for name in list(INSTANCES)[:3]}) == 1
        assert len({call(name, caller).body for name in list(INSTANCES)[3:5]}) == 1


def test_what_they_say_of_themselves(call):
    """One policyID for five; another name and another policyID for the view; one nextUpdateHours
    for each caller, whatever his way, and not one for all."""
    models = {(name, caller): soap.check_answer(call(name, caller))
              for name in INSTANCES for caller in CALLERS}
    ids = {name: {models[name, caller]["policy_id"] for caller in CALLERS} for name in INSTANCES}
    names = {name: {models[name, caller]["friendly_name"] for caller in CALLERS}
             for name in INSTANCES}
    common = ids["Kerberos"]
    assert len(common) == 1
    for name in INSTANCES:
        if name == "view for Linux":
            assert len(ids[name]) == 1 and ids[name] != common
            assert names[name] == {COMMON + " for Linux"}
        else:
            assert ids[name] == common and names[name] == {COMMON}
    hours = {caller: {models[name, caller]["next_update_hours"] for name in INSTANCES}
             for caller in CALLERS}
    assert all(len(told) == 1 and told <= set(range(8, 13)) for told in hours.values())
    assert len(set.union(*hours.values())) > 1


def test_clients_that_do_not_tell_their_version(call, expected):
    """cepces before 0.3.17 sends nil: limited at five of them, not at the view for Linux."""
    asked = soap.Filter(client=None, server=None)
    for name in ("Kerberos", "view for Linux"):
        view = INSTANCES[name][2]
        model = soap.check_answer(call(name, "WS01$", request_filter=asked))
        assert compare(model, expected.answer(
            "WS01$", view.versions(asked), view=view)) == []


def test_the_wrong_way_in(server, call, people, active_directory, negotiate):
    """Credentials of one instance are none at another."""
    leaks = Leaks(people.entries, COMMON)
    token = soap.build(headers=soap.credentials("alice", active_directory.password))
    leaks.check_refused(ask(server, CEP, KERBEROS, body=token), 401, "Sender",
                        "FailedAuthentication")
    for path in (USERNAME, BY_NAME):
        leaks.check_refused(ask(server, CEP, path, headers=negotiate("alice", CEP)), 500, "Sender",
                            "InvalidSecurity")
    response = ask(server, LINUX, USERNAME, body=token)
    leaks.check_refused(response, response.status)
    assert response.status in (403, 404, 405)


def test_the_status_page_explains_them(server, active_directory, expected):
    """Six instances; for each of them why WS01$ is offered a template or not."""
    login = base64.b64encode(("alice:" + active_directory.password).encode()).decode()

    def get(query):
        response = ask(server, CEP, "/cep-status?json" + query, body=b"", method="GET",
                       headers={"Authorization": "Basic " + login})
        assert response.status == 200, response.body
        return json.loads(response.body)

    urls = {"https://%s:%d%s" % (host, server.port, path): name
            for name, (host, path, _) in INSTANCES.items()}
    assert {one["URL"] for one in get("")["Instances"]} == set(urls)
    for url, name in urls.items():
        found, = get("&user=WS01%24&instance=" + url)["Callers"]
        assert (found["Directory"], found["Instance"]) == ("corp", url)
        assert {one["Name"] for one in found["Templates"] if one["Offered"]} == \
            set(answer(expected, name, "WS01$")["policies"] or ())
        assert all(one["Text"] for one in found["Templates"])
    server.log.allow("AH01617", "auth_basic", "authnz_ldap")
    assert ask(server, CEP, "/cep-status", body=b"", method="GET").status == 401
