# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Methods other than POST: the page, the description of the service, and who may see them."""

import io

import pytest
from lxml import etree

from cep_env import soap
from cep_env.httpd import PATH, has_modules, load_modules, location_section
from conftest import start_sample
from test_requests import no_policy

WSDL = {"wsdl": "http://schemas.xmlsoap.org/wsdl/",
        "soap12": "http://schemas.xmlsoap.org/wsdl/soap12/",
        "xs": "http://www.w3.org/2001/XMLSchema"}
ALLOW = {"GET", "HEAD", "POST", "OPTIONS"}
MESSAGES = soap.NS["x"]


def says_nothing(body):
    """No value of the policy; the elements' names stand in the schema."""
    return not any(word in body for word in (b"Corp", b"corp.example", b"1.3.6.1.4.1", b"alice"))


def get(server, query="", user="alice", method="GET", **options):
    client = soap.Client(server, user, tls=options.pop("tls", True))
    client.headers.pop("Content-Type")
    try:
        return client.send(path=options.pop("path", PATH) + query, method=method, **options)
    finally:
        client.close()


def address(response):
    return etree.fromstring(response.body).find(".//soap12:address", WSDL).get("location")


def test_page(sample):
    response = get(sample)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/html; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    text = response.body.decode()
    assert "Certificate Enrollment Policy" in text
    assert "<pre>https://127.0.0.1:%d%s</pre>" % (sample.port, PATH) in text
    assert no_policy(response.body)
    assert says_nothing(response.body)
    # Well-formed but for the elements that HTML does not close.
    assert etree.parse(io.StringIO(text), etree.HTMLParser(recover=False)).find(".//h1") is not None


@pytest.mark.parametrize("query", ("", "?wsdl", "?xsd"))
def test_head_is_get_without_the_body(sample, query):
    full, head = get(sample, query), get(sample, query, method="HEAD")
    assert (full.status, head.status, head.body) == (200, 200, b"")
    assert head.headers["Content-Length"] == str(len(full.body))
    assert head.headers["Content-Type"] == full.headers["Content-Type"]


@pytest.mark.parametrize("query", ("?", "?x", "?wsdls", "?ws=dl", "?x&wsdl", "?%77sdl", "?=wsdl"))
def test_other_queries_get_the_page(sample, query):
    response = get(sample, query)
    assert response.headers["Content-Type"].startswith("text/html")
    assert query[1:] not in response.body.decode() or query in ("?", "?x")


@pytest.mark.parametrize("query", ("?wsdl", "?WSDL", "?wsdl=wsdl0", "?singleWsdl", "?wsdl&x=y"))
def test_description(sample, query):
    """[MS-XCEP] 6.1: service, port type, operation, messages, actions by their names."""
    response = get(sample, query)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    root = etree.fromstring(response.body)
    assert (root.get("name"), root.get("targetNamespace")) == ("PolicyService", MESSAGES)
    assert root.find("wsdl:portType", WSDL).get("name") == "IPolicy"
    assert [message.get("name") for message in root.findall("wsdl:message", WSDL)] == [
        "IPolicy_GetPolicies_InputMessage", "IPolicy_GetPolicies_OutputMessage"]
    operation = root.find("wsdl:portType/wsdl:operation", WSDL)
    assert operation.get("name") == "GetPolicies"
    action = "{http://www.w3.org/2006/05/addressing/wsdl}Action"
    assert operation.find("wsdl:input", WSDL).get(action) == soap.ACTION
    assert operation.find("wsdl:output", WSDL).get(action) == soap.RESPONSE_ACTION
    assert address(response) == "https://127.0.0.1:%d%s" % (sample.port, PATH)
    assert says_nothing(response.body)


@pytest.mark.parametrize("query", ("?xsd", "?xsd=xsd0", "?XSD"))
def test_schema(sample, query):
    """It is a schema, the one in the description, and describes requests and answers."""
    response = get(sample, query)
    assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
    tree = etree.fromstring(response.body)
    inside = etree.fromstring(get(sample, "?wsdl").body).find("wsdl:types/xs:schema", WSDL)
    assert etree.tostring(inside, method="c14n", exclusive=True, with_comments=False) == \
        etree.tostring(tree, method="c14n", exclusive=True, with_comments=False)
    schema = etree.XMLSchema(tree)
    answer = soap.send(sample).body
    for message in [soap.build(style) for style in soap.STYLES] + [
            answer, soap.build(request_filter=None), soap.build(request_filter=soap.Filter(
                oids=("1.2.3", "4.5.6"), client=6, server=None))]:
        body = etree.fromstring(message).find("s:Body", soap.NS)[0]
        assert schema.validate(body), schema.error_log
    empty = etree.fromstring('<GetPolicies xmlns="%s"/>' % MESSAGES)
    assert not schema.validate(empty)


def test_a_client_made_from_the_description(sample, sample_directory, tmp_path):
    """A general SOAP client needs no more than the address."""
    zeep = pytest.importorskip("zeep", reason="python3-zeep is not installed")
    import requests
    session = requests.Session()
    session.auth = ("alice", "alice-password")
    session.trust_env = False
    session.verify = sample.certificates.ca_file
    url = "https://localhost:%d%s?wsdl" % (sample.port, PATH)
    client = zeep.Client(url, transport=zeep.Transport(session=session))
    answer = client.service.GetPolicies(
        client={"lastUpdate": None, "preferredLanguage": "en-US"},
        requestFilter={"policyOIDs": None, "clientVersion": 0, "serverVersion": 0})
    offered = {policy.attributes.commonName for policy in answer.response.policies.policy}
    assert offered == set(sample_directory.answer("alice")["policies"])
    assert answer.cAs.cA[0].certificate


@pytest.mark.parametrize("method", ("PUT", "DELETE", "PATCH", "PROPFIND", "LOCK", "NONSENSE"))
def test_other_methods(sample, method):
    response = get(sample, method=method, body=soap.build())
    assert response.status == 405
    assert set(response.headers["Allow"].replace(" ", "").split(",")) == ALLOW
    assert no_policy(response.body)


def test_options(sample):
    """As httpd answers it for a file."""
    response = get(sample, method="OPTIONS")
    assert (response.status, response.body) == (200, b"")
    assert set(response.headers["Allow"].replace(" ", "").split(",")) == ALLOW


def test_get_with_a_body(sample):
    """The body is passed over: the next request on the connection is read from its beginning."""
    client = soap.Client(sample)
    assert client.send(soap.build(), method="GET").headers["Content-Type"].startswith("text/html")
    soap.check_answer(client.send(soap.build()))
    client.close()


@pytest.mark.parametrize("host", ("cep.example", "cep.example:8443", "a&b.example", "a'b.example"))
def test_address_is_the_one_that_the_client_used(sample, host):
    response = get(sample, "?wsdl", headers={"Host": host})
    if "&" in host or "'" in host:  # httpd takes no such name, or it is escaped
        assert response.status == 400 or host in address(response)
    else:
        assert address(response).startswith("https://" + host)
        assert address(response).endswith(PATH)


@pytest.mark.parametrize("host", ('x"><script>alert(1)</script>', "x y", "x/y", "x\\y", "<x>"))
def test_no_markup_by_the_host_header(sample, host):
    for query in ("", "?wsdl"):
        response = get(sample, query, headers={"Host": host})
        assert response.status == 400
        assert host.encode() not in response.body


def test_no_markup_by_the_path(sample):
    for query in ("", "?wsdl"):
        response = get(sample, path=PATH + "/%22%3E%3Cscript%3E'&amp;" + query)
        assert response.status == 200
        assert b"<script" not in response.body and b'"><' not in response.body.replace(
            b'soap12:address location="', b"")
    etree.fromstring(response.body)


def test_canonical_name(make_httpd):
    """With UseCanonicalName On the Host header says nothing."""
    server = start_sample(make_httpd(), "UseCanonicalName On", location_section())
    for host in ("evil.example", "localhost"):
        response = get(server, "?wsdl", headers={"Host": host})
        assert address(response) == "https://localhost" + PATH


def test_page_is_for_whom_the_location_is(sample):
    """Where httpd authenticates, it authenticates for the page too."""
    for query in ("", "?wsdl", "?xsd"):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert get(sample, query, user=None, method=method).status == 401


def test_page_over_tls_only(sample):
    response = get(sample, tls=False)
    assert response.status == 403
    sample.log.wait_for("CEP0650")
    assert b"GetPolicies" not in response.body


def test_page_behind_a_proxy_that_ends_tls(make_httpd):
    server = start_sample(make_httpd(), "ServerName https://cep.example:443", "UseCanonicalName On",
                          location_section(extra=("CEPRequireTLS Off",)))
    server.log.allow("AH01909", "AH01916")  # this test's server serves TLS all the same
    assert address(get(server, "?wsdl", tls=False)) == "https://cep.example" + PATH


def message_location(*extra, path=PATH, handler=True, require="Require valid-user"):
    """An instance whose callers authenticate by a token in the message."""
    lines = ['<Location "%s">' % path, "CEPPolicy corp", "AuthType CEP", "CEPAuthProvider file",
             'AuthUserFile "${ROOT}/users"', require]
    return "\n".join(lines + (["SetHandler cep"] if handler else []) + list(extra) +
                     ["</Location>"])


def test_page_is_open_where_credentials_come_in_messages(make_httpd):
    """A challenge would make Windows give up: 200 without credentials, and never any policy."""
    server = start_sample(make_httpd(), message_location())
    for query in ("", "?wsdl", "?xsd"):
        for method in ("GET", "HEAD"):
            response = get(server, query, user=None, method=method)
            assert response.status == 200
            assert "WWW-Authenticate" not in response.headers
            assert says_nothing(response.body)
    response = soap.send(server, user=None)
    soap.check_fault(response, "Sender", "InvalidSecurity")
    assert no_policy(response.body)
    for method in ("PUT", "OPTIONS"):
        response = get(server, user=None, method=method)
        assert response.status == 405
        assert set(response.headers["Allow"].replace(" ", "").split(",")) == ALLOW


def test_what_require_says_of_others_still_counts(make_httpd):
    server = start_sample(make_httpd(), message_location(
        require="<RequireAll>\nRequire expr \"%{REMOTE_ADDR} == '192.0.2.1'\"\nRequire valid-user\n</RequireAll>"))
    server.log.allow("AH01630")
    assert get(server, user=None).status == 403


def test_nothing_else_is_open_there(make_httpd):
    """AuthType CEP for a whole tree opens the page, not the files beside it."""
    server = make_httpd()
    server.write("secret.txt", "policy of the house")
    start_sample(server, message_location(path="/", handler=False),
                 '<Location "%s">\nSetHandler cep\n</Location>' % PATH)
    for path in ("/secret.txt", "/", "/nothing"):
        for method in ("GET", "HEAD"):
            response = get(server, user=None, path=path, method=method)
            assert response.status == 405
            assert b"house" not in response.body
    assert get(server, user=None).status == 200


def test_what_another_module_makes_of_the_page_is_not_open(make_httpd):
    """mod_rewrite gives the request to another handler after it was let in for the page."""
    if not has_modules("rewrite"):
        pytest.skip("httpd has no mod_rewrite")
    server = make_httpd()
    server.write("secret.txt", "policy of the house")
    rules = ("RewriteEngine On", "RewriteRule .* - [H=default-handler]")
    start_sample(server, message_location(*rules, path="/secret.txt"), location_section(),
                 server=("CEPTokenTTL 0", *load_modules("rewrite")))
    server.log.expect("CEP0651")
    response = get(server, user=None, path="/secret.txt")
    assert response.status == 403
    assert b"house" not in response.body
