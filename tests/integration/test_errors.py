# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""httpd's own errors in an instance reach SOAP clients as faults; status and headers stay."""

import http.client

import pytest

from cep_env import http2, soap
from cep_env.httpd import BASIC, MPMS, PATH, USERNAME_TOKEN, load_modules, location_section
from conftest import start_sample

SENDER = ("Sender", None)
RECEIVER = ("Receiver", "InternalServiceFault")
DENIED = ("Sender", "FailedAuthentication")

# Every status that httpd or one of its modules may give, and the fault that goes with it.
STATUSES = {
    400: SENDER, 401: DENIED, 402: SENDER, 403: DENIED, 404: SENDER, 405: SENDER, 406: SENDER,
    407: DENIED, 408: SENDER, 409: SENDER, 410: SENDER, 411: SENDER, 412: SENDER, 413: SENDER,
    414: SENDER, 415: SENDER, 416: SENDER, 417: SENDER, 421: SENDER, 422: SENDER, 423: SENDER,
    424: SENDER, 426: SENDER, 428: SENDER, 429: SENDER, 431: SENDER, 451: SENDER,
    500: RECEIVER, 501: RECEIVER, 502: RECEIVER, 503: RECEIVER, 504: RECEIVER, 505: RECEIVER,
    506: RECEIVER, 507: RECEIVER, 508: RECEIVER, 510: RECEIVER, 511: RECEIVER,
}

ONLY_BOB, NOBODY_ASKED, SLOW, SMALL = "/only-bob", "/nobody-asked", "/slow", "/small"
TEXT, PAGE, BROKEN_PAGE, DEFAULT = "/text", "/page", "/broken-page", "/default"
BY_EXPRESSION, REDIRECTED, TOKEN = "/by-expression", "/redirected", "/token"
IN_CAPITALS = "/in-capitals"


def instance(path, *lines):
    return location_section(path, extra=lines)


def broken(status):
    """An instance in which mod_rewrite gives that status."""
    return instance("/status/%d" % status, "RewriteEngine On", "RewriteRule .* - [R=%d,L]" % status,
                    "Header always set Retry-After 7")


def start(server):
    server.write("oops.html", "<html>Ask the help desk.</html>")
    modules = load_modules("rewrite", *(["http2"] if server.mpm != "prefork" else []))
    sections = [broken(status) for status in STATUSES] + [
        location_section(),
        location_section(ONLY_BOB, auth=False, extra=BASIC + (
            "Require user bob", "AuthzSendForbiddenOnFailure On")),
        location_section(ONLY_BOB + "/401", auth=False, extra=(
            "AuthzSendForbiddenOnFailure Off",)),
        location_section(TOKEN, auth=False, extra=USERNAME_TOKEN + ("Require user bob",)),
        # AuthType is missing
        location_section(NOBODY_ASKED, auth=False, extra=("Require valid-user",)),
        instance(SLOW), instance(SMALL, "LimitRequestBody 100"),
        instance(TEXT, 'ErrorDocument 401 "Ask the help desk."'),
        instance(PAGE, "ErrorDocument 401 /oops.html"),
        instance(BROKEN_PAGE, "ErrorDocument 401 /not-there.html"),
        instance(DEFAULT, "ErrorDocument 401 default"),
        location_section(BY_EXPRESSION).replace(
            "SetHandler cep", 'SetHandler "%{req:X-None}cep"'),
        location_section(IN_CAPITALS).replace("SetHandler cep", "SetHandler CEP"),
        instance(REDIRECTED, "RewriteEngine On", "RewriteRule .* https://other.example/ [R=302,L]"),
        '<Location "/other">\nRequire all denied\n</Location>',
        "RequestReadTimeout body=1", *(
            ["Protocols h2 http/1.1"] if server.mpm != "prefork" else []),
        'ErrorDocument 410 "Gone for good."', "ErrorDocument 404 /oops.html",
    ]
    server.log.allow("CEP0118")
    return start_sample(server, *sections, server=("CEPTokenTTL 0", *modules))


@pytest.fixture(scope="module", params=MPMS)
def server(request, make_module_httpd):
    return start(make_module_httpd(request.param))


@pytest.mark.parametrize("status", STATUSES)
def test_every_status(server, leaks, status):
    path = "/status/%d" % status
    if status in (404, 410):
        # The administrator's own words for the whole host come before ours.
        response = soap.send(server, path=path)
        leaks.check_refused(response, status)
        assert response.body in (b"Gone for good.", b"<html>Ask the help desk.</html>")
        return
    response = soap.send(server, path=path)
    leaks.check_refused(response, status, *STATUSES[status])
    assert response.headers["Retry-After"] == "7"
    assert int(response.headers["Content-Length"]) == len(response.body)


def test_challenge_stays(server, leaks):
    response = soap.send(server, user=None)
    leaks.check_refused(response, 401, *DENIED)
    assert response.headers["WWW-Authenticate"] == 'Basic realm="CEP"'


def test_not_allowed(server, leaks):
    """By httpd's authorization, before the handler."""
    server.log.expect("AH01631", count=2)
    leaks.check_refused(soap.send(server, path=ONLY_BOB), 403, *DENIED)
    leaks.check_refused(soap.send(server, path=ONLY_BOB + "/401"), 401, *DENIED)
    soap.check_answer(soap.send(server, user="bob", path=ONLY_BOB))


def test_no_challenge_to_a_token(server, leaks):
    """A good password, and Require says no: no 401, which Windows' client would not understand."""
    server.log.expect("AH01631")
    body = soap.build(message_id="urn:token",
                      headers=soap.credentials("alice", "alice-password"))
    response = soap.send(server, body, user=None, path=TOKEN)
    leaks.check_refused(response, 500, *DENIED)
    assert "WWW-Authenticate" not in response.headers
    assert soap.parse(response.body)["relates_to"] == "urn:token"


def test_nobody_authenticates(server, leaks):
    server.log.expect("AH00027")
    leaks.check_refused(soap.send(server, path=NOBODY_ASKED), 500, *RECEIVER)


@pytest.mark.parametrize("method", ("PUT", "DELETE", "PATCH", "BREW"))
def test_methods(server, leaks, method):
    client = soap.Client(server)
    response = client.send(method=method, path=BY_EXPRESSION)
    client.close()
    leaks.check_refused(response, 405, *SENDER)
    assert set(response.headers["Allow"].split(",")) == {"GET", "HEAD", "POST", "OPTIONS"}


def test_body_too_large_for_httpd(server, leaks):
    server.log.allow("AH01587", "AH01588")
    leaks.check_refused(soap.send(server, path=SMALL), 413, *SENDER)
    leaks.check_refused(soap.send(server, path=SMALL, chunks=[soap.build()]), 413, *SENDER)


def test_body_too_large_for_us(server, leaks):
    large = soap.build() + b"\n" * 70000
    leaks.check_refused(soap.send(server, large), 413, *SENDER)


def test_type(server, leaks):
    fault = leaks.check_refused(soap.send(server, headers={"Content-Type": "text/plain"}), 415,
                                *SENDER)
    assert "application/soap+xml" in fault["reason"]


def raw(server, head, body=b""):
    """Send octets, read an answer. For what no client library sends."""
    authorization = soap.Client(server).headers["Authorization"]
    with soap.connect(server) as connection:
        connection.sendall((head + "Authorization: %s\r\nHost: localhost\r\n\r\n" %
                            authorization).encode() + body)
        response = http.client.HTTPResponse(connection)
        response.begin()
        return soap.Response(response.status, response.headers, response.read())


POST = "POST %s HTTP/1.1\r\nContent-Type: application/soap+xml\r\n"


def test_body_that_does_not_come(server, leaks):
    server.log.allow("AH01382")
    response = raw(server, POST % SLOW + "Content-Length: 900\r\n", b"<s:")
    leaks.check_refused(response, 408, *SENDER)


def test_broken_chunks(server, leaks):
    server.log.allow("AH02901", "AH01590")
    response = raw(server, POST % PATH + "Transfer-Encoding: chunked\r\n", b"zz\r\nno chunk")
    leaks.check_refused(response, 400, *SENDER)


def test_refused_before_the_location_is_known(server, leaks):
    """httpd's own page: nothing says yet that it is an instance that is asked."""
    response = raw(server, POST % PATH + "X-Long: %s\r\n" % ("x" * 9000))
    leaks.check_refused(response, 400)
    assert response.headers["Content-Type"].startswith("text/html")


def test_own_text_of_the_administrator(server, leaks):
    response = soap.send(server, path=TEXT, user=None)
    leaks.check_refused(response, 401)
    assert response.body == b"Ask the help desk."
    assert response.headers["WWW-Authenticate"]


def test_own_page_of_the_administrator(server, leaks):
    response = soap.send(server, path=PAGE, user=None)
    leaks.check_refused(response, 401)
    assert b"Ask the help desk." in response.body


def test_page_that_is_not_there(server, leaks):
    leaks.check_refused(soap.send(server, path=BROKEN_PAGE, user=None), 401, *DENIED)


def test_default_again(server, leaks):
    leaks.check_refused(soap.send(server, path=DEFAULT, user=None), 401, *DENIED)


def test_handler_by_expression(server, leaks):
    leaks.check_refused(soap.send(server, path=BY_EXPRESSION, user=None), 401, *DENIED)
    soap.check_answer(soap.send(server, path=BY_EXPRESSION))


def test_handler_in_capitals(server, leaks):
    """core makes lower case of it, after those have asked who refuse before."""
    leaks.check_refused(soap.send(server, path=IN_CAPITALS, user=None), 401, *DENIED)
    soap.check_answer(soap.send(server, path=IN_CAPITALS))


def test_redirect_is_no_error(server, leaks):
    response = soap.send(server, path=REDIRECTED)
    leaks.check_refused(response, 302)
    assert response.headers["Location"] == "https://other.example/"
    assert b"s:Fault" not in response.body


def test_elsewhere_httpd_answers_as_ever(server):
    server.log.expect("AH01630")
    response = soap.send(server, path="/other")
    assert response.status == 403
    assert b"<html>" in response.body and b"s:Fault" not in response.body


def test_connection_goes_on(server, leaks):
    """One connection: refusals leave nothing behind for the next request."""
    client = soap.Client(server)
    for _ in range(2):
        leaks.check_refused(client.send(soap.build(), headers={"Authorization": None}), 401,
                            *DENIED)
        leaks.check_refused(client.send(method="PUT"), 405, *SENDER)
        leaks.check_refused(client.send(soap.build(), headers={"Content-Type": "text/css"}), 415,
                            *SENDER)
        soap.check_answer(client.send(soap.build()))
    client.close()


def test_http2(server, leaks):
    if server.mpm == "prefork":
        pytest.skip("mod_http2 does not work in prefork")
    pytest.importorskip("h2")
    alice = {"Authorization": soap.Client(server).headers["Authorization"]}
    soap.check_answer(http2.send(server, PATH, soap.build(), alice))
    response = http2.send(server, PATH, soap.build())
    leaks.check_refused(response, 401, *DENIED)
    assert response.headers["WWW-Authenticate"]
    leaks.check_refused(http2.send(server, PATH, b"", alice, "PUT"), 405, *SENDER)
    leaks.check_refused(http2.send(server, PATH, b" " * 70000, alice), 413, *SENDER)
    leaks.check_refused(http2.send(server, "/status/503", soap.build(), alice), 503, *RECEIVER)
    head = http2.send(server, "/status/503", b"", alice, "HEAD")
    assert (head.status, head.body) == (503, b"")
    assert head.headers["Content-Type"] == soap.CONTENT_TYPE
