# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""SetHandler cep-status: how directories fare, what is left out, and why a caller is offered what."""

import html
import json
import os
import re
from urllib.parse import quote

import pytest

from cep_env import SAMPLE, SOURCE, ldif, soap
from cep_env.httpd import directory_section, location_section
from cep_env.waiting import wait_until
from conftest import start_sample

STATUS = "/cep-status"
PEOPLE = ("alice", "bob", "carol", "dave", "frank", "grace", "WS01$")


def status_section(*extra, path=STATUS, auth=True):
    lines = ['<Location "%s">' % path, "SetHandler cep-status"]
    if auth:
        lines += ["AuthType Basic", "AuthName status", 'AuthUserFile "${ROOT}/users"',
                  "Require user alice"]
    return "\n".join([*lines, *extra, "</Location>"])


def get(server, query="", user="alice", path=STATUS, method="GET"):
    return soap.send(server, body=b"", path=path + query, user=user, method=method)


def page(server, query="", **options):
    response = get(server, query, **options)
    assert response.status == 200, response.body
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return response.body.decode()


def state(server, directory="corp"):
    found, = (one for one in json.loads(page(server, "?json"))["Directories"]
              if one["Directory"] == directory)
    return found


def wait_for_state(server, wanted, directory="corp"):
    wait_until(lambda: state(server, directory)["State"] == wanted, 15,
               lambda: state(server, directory))
    return state(server, directory)


@pytest.fixture(scope="module")
def server(make_module_httpd):
    server = start_sample(make_module_httpd(), location_section(), status_section(),
                          status_section("Require method GET POST", path="/open", auth=False),
                          '<Location "/server-status">\nSetHandler server-status\n'
                          '</Location>')
    server.log.wait_for("CEP0500")  # the run is recorded, too
    return server


def test_json(server):
    found = state(server)
    assert found["State"] == "current"
    assert (found["Templates"], found["CAs"]) == (16, 2)
    assert re.fullmatch("[0-9a-f]{64}", found["Content"])
    assert 0 <= found["Age"] < 30 and found["MaxStale"] == 86400
    assert found["Error"] is None and found["Failures"] == 0 and found["FailingSince"] is None
    assert found["LastSuccess"] >= found["LastFull"] > 1e9
    assert found["NextAttempt"] >= found["LastAttempt"]
    assert found["Source"].startswith("file:")
    assert len(found["FindingList"]) == found["Findings"]


def test_forms_say_the_same(server):
    found = state(server)
    lines = dict(line.split(": ", 1) for line in page(server, "?auto").splitlines())
    assert lines["CEP-corp-State"] == "current"
    assert lines["CEP-corp-Content"] == found["Content"]
    assert lines["CEP-corp-Templates"] == "16"
    assert "CEP-corp-Error" not in lines
    text = page(server)
    assert found["Content"] in text and "current: the policy is" in text
    metrics = page(server, "?metrics")
    assert 'cep_policy_templates{directory="corp"} 16\n' in metrics
    assert 'cep_policy_state{directory="corp",state="current"} 1\n' in metrics
    assert 'cep_policy_info{directory="corp",content="%s"} 1\n' % found["Content"] in metrics
    for line in metrics.splitlines():  # the format's grammar, as far as it is used
        assert re.fullmatch(r'# (HELP|TYPE) cep_\w+ .+|'
                            r'cep_\w+\{\w+="[^"]*"(,\w+="[^"]*")?\} -?\d+', line), line


def test_in_mod_status(server):
    assert "Certificate enrollment policy" in page_of_mod_status(server, "")
    assert "CEP-corp-State: current\n" in page_of_mod_status(server, "?auto")


def page_of_mod_status(server, query):
    response = get(server, query, path="/server-status")
    assert response.status == 200
    return response.body.decode()


def test_content_hash_on_request(make_httpd):
    """For a header or the access log: the variable CEP_CONTENT."""
    server = start_sample(make_httpd(), location_section(
        extra=('Header set X-CEP-Content "%{CEP_CONTENT}e"',)), status_section())
    response = soap.send(server)
    assert response.headers["X-CEP-Content"] == state(server)["Content"]


def test_methods_and_access(server):
    assert get(server, method="POST").status == 405
    assert get(server, method="HEAD").body == b""
    assert get(server, user=None).status == 401
    server.log.expect("AH01631")
    assert get(server, user="bob").status == 401  # as httpd says it
    assert get(server, user=None, path="/open").status == 200


def check_explanation(found, offered):
    """It has a sentence on every template, and offers what the answer does."""
    names = {one["Name"]: one for one in found["Templates"]}
    assert set(offered) == {name for name, one in names.items() if one["Offered"]}
    assert {name for name, policy in offered.items() if policy["autoEnroll"]} == \
        {name for name, one in names.items() if one["AutoEnroll"]}
    assert set(names) >= {entry.text("cn") for entry in ldif.read(SAMPLE)
                          if entry.is_a("pKICertificateTemplate")}
    assert all(one["Text"] for one in names.values())


@pytest.mark.parametrize("caller", PEOPLE)
def test_explanation_agrees_with_answer(server, caller):
    """To a client that takes all versions."""
    offered = soap.check_answer(soap.send(server, user=caller))["policies"] or {}
    found, = json.loads(page(server, "?json&user=" + caller.replace("$", "%24")))["Callers"]
    assert found["Account"] and found["Reason"] is None
    check_explanation(found, offered)


def test_explanation_names_the_rule(server):
    text = html.unescape(page(server, "?user=carol"))
    assert re.search(r"CorpUser.{0,60}no.{0,60}Enroll is denied to S-1-5-21-\d+-\d+-\d+-1114\.", text,
                     re.S)
    assert "Enroll is granted to none of the caller's SIDs." in text


# Instances.

VIEWS = {  # path: directives, and the view that the page tells
    "/all": ((), ""),
    "/some": (("CEPTemplates Corp* !CorpUser WebSrver",), "CEPTemplates corp* !corpuser websrver"),
    "/auto": (("CEPTemplateRights autoenroll",), "CEPTemplateRights autoenroll"),
    "/old": (("CEPMaxVersion 3", "CEPVersionFilter lenient"),
             "CEPMaxVersion 3, CEPVersionFilter lenient"),
    "/renewal": (("CEPKeyBasedRenewal On", "CEPTemplates !User"),
                 "CEPKeyBasedRenewal On, CEPTemplates !user"),
}


@pytest.fixture(scope="module")
def views(make_module_httpd):
    """One of them is named by an expression, as conf.d/cep.conf does it."""
    server = make_module_httpd()
    sections = [location_section(path, extra=directives) for path, (directives, _) in
                VIEWS.items()]
    sections[1] = sections[1].replace('<Location "/some">', '<LocationMatch "(?i)^/some$">') \
        .replace("</Location>", "</LocationMatch>")
    return start_sample(server, *sections, status_section(),
                        '<Location "/other">\nCEPTemplates User\n</Location>')


def explained(server, caller, instance):
    found, = json.loads(page(server, "?json&user=%s&instance=%s" % (
        caller.replace("$", "%24"), quote(instance, ""))))["Callers"]
    return found


def test_instances_are_listed(views):
    """Both hosts have them; the second is the one without TLS."""
    told = json.loads(page(views, "?json"))["Instances"]
    for port in (views.port, views.http_port):
        for path, (_, view) in VIEWS.items():
            found, = (one for one in told if one["URL"] == "https://localhost:%d%s" % (port, path))
            assert (found["Directory"], found["View"]) == ("corp", view)
            assert found["Unused"] == ("websrver" if path == "/some" else "")
    assert len(told) == 2 * len(VIEWS)
    text = html.unescape(page(views))
    for one in told:
        assert one["URL"] in text and one["View"] in text
    assert "websrver</td>" in text


@pytest.mark.parametrize("caller", PEOPLE)
@pytest.mark.parametrize("path", VIEWS)
def test_explanation_of_an_instance_agrees_with_its_answer(views, path, caller):
    everything = soap.Filter(client=0, server=0)
    offered = soap.check_answer(soap.send(views, soap.build(request_filter=everything),
                                          user=caller, path=path))["policies"] or {}
    for instance in (path, "https://localhost:%d%s" % (views.port, path)):
        found = explained(views, caller, instance)
        assert found["Instance"] == "https://localhost:%d%s" % (views.port, path)
        check_explanation(found, offered)


@pytest.mark.parametrize("path, name, sentence", [
    ("/some", "CorpUser", "CEPTemplates does not show it."),
    ("/auto", "User", "CEPTemplateRights asks for AutoEnroll, too."),
    ("/renewal", "CorpUser", "It does not allow key based renewal (enrollment flag 0x10000)."),
    ("/renewal", "CorpKeyRenewal", "The old key is enough to renew it. Published by "),
])
def test_the_instance_is_told_of(views, path, name, sentence):
    found = {one["Name"]: one["Text"] for one in explained(views, "bob", path)["Templates"]}
    assert sentence in found[name]
    text = html.unescape(page(views, "?user=bob&instance=" + path))
    assert sentence in text and "https://localhost:%d%s" % (views.port, path) in text


@pytest.mark.parametrize("instance", [
    "/other", "/some/more", "/", STATUS, "nonsense", "https://other.example/all", "//all",
    "https://localhost:1/all", "https://[::1/all", "https://localhost"])
def test_no_instance(views, instance):
    """A location that is none, a host that is not there, what is no URL."""
    assert get(views, "?user=alice&instance=" + quote(instance, "")).status == 404


def test_explanation_of_nobody(server):
    found, = json.loads(page(server, "?json&user=mallory"))["Callers"]
    assert found["Account"] is None and found["Templates"] is None and found["Reason"]
    assert get(server, "?user=alice&directory=other").status == 404


def test_no_explanation_without_a_name(server):
    server.log.expect("CEP0670")
    assert get(server, "?user=alice", user=None, path="/open").status == 403


def test_escaping(server):
    """Names from a request; those from a directory go the same way."""
    text = page(server, "?user=%3Cscript%3Ealert(1)%3C/script%3E%22")
    assert "<script" not in text and "&lt;script&gt;" in text
    found, = json.loads(page(server, "?json&user=a%22%0A%01%5C"))["Callers"]
    assert found["User"] == 'a"\n\x01\\'


def test_left_out_and_failing(make_httpd):
    """A template that cannot be read is on the page with its reason; so is the last error."""
    server = make_httpd()
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "WebServer", "pKICertificateTemplate").set(
        "msPKI-Cert-Template-OID", "<b>no OID</b>")
    server.log.allow(r"CEP\d+: directory corp, (template|CA)")
    start_sample(server, location_section(), status_section(), entries=entries)
    found = state(server)
    assert found["TemplatesLeftOut"] == 1
    finding, = (one for one in found["FindingList"] if one["LeftOut"])
    assert finding["Name"] == "WebServer" and finding["Code"].startswith("CEP03")
    assert finding["Text"]
    text = page(server)
    assert "WebServer" in text and finding["Code"] in text and "<b>no" not in text
    callers, = json.loads(page(server, "?json&user=alice"))["Callers"]
    web, = (one for one in callers["Templates"] if one["Name"] == "WebServer")
    assert not web["Offered"] and finding["Code"] in web["Text"]

    server.log.expect("CEP0501")
    server.write("policy.ldif", "this is no LDIF\n")
    failing = wait_for_state(server, "failing")
    assert failing["Error"] and failing["FailingSince"] and failing["Failures"] >= 1
    assert failing["Templates"] == 15
    assert 'state="failing"} 1' in page(server, "?metrics")


def test_stale(make_httpd):
    """Past CEPMaxStale: everywhere it is said, with the age, and callers get a fault that says so."""
    server = make_httpd()
    copy = server.write("policy.ldif", open(SAMPLE, encoding="utf-8").read())
    server.configure(directory_section("file:" + copy, extra=("CEPMaxStale 3s",)),
                     location_section(), status_section())
    server.start().wait_for_policy()
    wait_for_state(server, "current")
    server.log.expect("CEP0501", "CEP0505")
    os.unlink(copy)
    found = wait_for_state(server, "stale")
    assert found["Age"] >= 3 and found["MaxStale"] == 3 and found["Templates"] == 16
    assert "No such file" in found["Error"] and found["Failures"] >= 1
    assert "stale" in page(server)
    metrics = page(server, "?metrics")
    assert 'state="stale"} 1' in metrics and 'state="current"} 0' in metrics
    age = int(re.search(r'^cep_policy_age_seconds\{directory="corp"\} (\d+)$', metrics, re.M)[1])
    assert age >= 3
    response = soap.send(server)
    fault = soap.check_fault(response, "Receiver", "InternalServiceFault")["fault"]
    assert "out of date" in fault["reason"]
    assert int(response.headers["Retry-After"]) > 0
    assert server.log.find(r"CEP0605: .* last confirmed \d+ seconds ago")


def test_what_the_documents_watch(server):
    """Names of docs/operations.md are names of the page."""
    with open(os.path.join(SOURCE, "docs", "operations.md"), encoding="utf-8") as file:
        text = file.read()
    metrics = page(server, "?metrics")
    names = set(re.findall(r"`(cep_[a-z_]+)", text))
    assert len(names) >= 5
    for name in names:
        assert re.search(r"^%s\{" % name, metrics, re.M), name
    for state in re.findall(r'\{state="(\w+)"\}', text):
        assert 'state="%s"' % state in metrics


def test_absent(make_httpd):
    server = make_httpd()
    server.log.expect("CEP0501")
    server.configure(directory_section("file:" + server.path("none.ldif")), location_section(),
                     status_section())
    server.start()
    found = wait_for_state(server, "absent")
    assert found["Content"] is None and found["Age"] is None and found["Templates"] is None
    assert "no policy has been read yet" in page(server)
    found, = json.loads(page(server, "?json&user=alice"))["Callers"]
    assert found["Reason"] == "there is no policy yet"


def test_several_directories(make_httpd):
    server = make_httpd()
    server.log.expect("CEP0501")
    start_sample(server, directory_section("file:" + server.path("none"), name="other"),
                 location_section(), status_section())
    wait_for_state(server, "current")
    assert wait_for_state(server, "absent", "other")["Error"]


@pytest.mark.parametrize("section,warned", [
    (status_section(), False),
    (status_section(auth=False), True),
    (status_section("Require all granted", auth=False), True),
    (status_section("Require all denied", auth=False), False),
    (status_section("Require method GET", auth=False), False),
])
def test_configtest_without_require(make_httpd, section, warned):
    server = make_httpd()
    server.configure(directory_section("file:" + SAMPLE), location_section(), section)
    status, said = server.configtest()
    assert status == 0, said
    assert ("CEP0140" in said) == warned, said
