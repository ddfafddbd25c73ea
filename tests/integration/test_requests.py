# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What may come in, and what may not: types, sizes, XML, TLS, authentication."""

import base64
import os
import re

import pytest
from lxml import etree

from cep_env import TESTS, soap
from cep_env.evaluator import compare
from cep_env.httpd import PATH, location_section
from conftest import start_sample

LIMIT = 65536  # CEPMaxRequestBody
OTHER_ACTION = soap.NS["x"] + "/IPolicy/Other"


def no_policy(body):
    """Not one octet of policy."""
    return not any(word in body for word in (b"commonName", b"cAURI", b"oIDReferenceID",
                                             b"ces.corp.example", b"1.3.6.1.4.1.311"))


@pytest.mark.parametrize("content_type", (
    "application/soap+xml", "application/soap+xml; charset=utf-8",
    'application/soap+xml; charset="UTF-8"', "Application/SOAP+XML;charset=UTF-8",
    'application/soap+xml; charset=utf-8; action="%s"' % soap.ACTION,
    'application/soap+xml; action="%s"' % soap.ACTION,
    "application/soap+xml;charset=utf-8;action=\"%s\" ;  x=y" % soap.ACTION,
    'application/soap+xml; action=""', "application/soap+xml ; charset=utf-8 ;",
    'application/soap+xml; x="a; charset=latin1 \\" b"; charset=UTF-8',
    'application/soap+xml; ACTION="%s"' % soap.ACTION.replace("/IPolicy", "\\/IPolicy"),
))
def test_content_types_of_soap(sample, content_type):
    soap.check_answer(soap.send(sample, headers={"Content-Type": content_type}))


@pytest.mark.parametrize("content_type", (
    None, "text/plain", "application/x-www-form-urlencoded", "application/xml",
    "application/soap+xml2", "application/soap+xml; charset=iso-8859-1",
    "application/soap+xml; charset=utf-16", "multipart/form-data; boundary=x",
    'application/soap+xml; charset="utf-8', "application/soap+xml; charset=utf-8; charset=utf-7",
    "application/soap+xml; charset=utf-7; charset=utf-8", "application/soap+xml; charset=utf-8x",
    "application/soap+xml; charset", "application/soap",
    "application/soap+xml charset=utf-8", "application/soap+xml, text/plain", "", "/", ";",
    "application/soap+xml; =x", "application/soap+xml; charset=", "text/html",
    'multipart/related; type="application/xop+xml"; start-info="application/soap+xml"',
))
def test_other_content_types(sample, content_type):
    response = soap.send(sample, headers={"Content-Type": content_type})
    assert response.status == 415
    assert no_policy(response.body)


@pytest.mark.parametrize("content_type", ("text/xml", "text/xml; charset=utf-8", "Text/XML"))
def test_the_type_of_soap_11(sample, content_type):
    """A client of SOAP 1.1 learns by a fault what is wrong, whatever its envelope says."""
    old = soap.build().replace(soap.NS["s"].encode(), b"http://schemas.xmlsoap.org/soap/envelope/")
    for body in (old, soap.build()):
        response = soap.send(sample, body, headers={"Content-Type": content_type})
        soap.check_fault(response, "VersionMismatch")
        assert etree.fromstring(response.body).find(
            "s:Header/s:Upgrade/s:SupportedEnvelope", soap.NS).get("qname") == "s:Envelope"


@pytest.mark.parametrize("action", (OTHER_ACTION, soap.ACTION + "x", soap.RESPONSE_ACTION, " "))
def test_the_type_names_another_action(sample, action):
    """What stands before us may have judged the request by it."""
    message_id = soap.new_message_id()
    soap.check_fault(soap.send(sample, soap.build(message_id=message_id), headers={
        "Content-Type": 'application/soap+xml; action="%s"' % action}),
        "Sender", "ActionNotSupported", message_id)


def test_soap_action_decides_nothing(sample):
    """SOAP 1.1's header is not read."""
    soap.check_answer(soap.send(sample, headers={"SOAPAction": '"urn:other"'}))


@pytest.mark.parametrize("encoding", ("gzip", "deflate", "br", "x", "identity, gzip", ""))
def test_compressed_body_is_refused(sample, encoding):
    response = soap.send(sample, headers={"Content-Encoding": encoding})
    assert response.status == 415
    assert no_policy(response.body)


def test_identity_is_no_encoding(sample):
    soap.check_answer(soap.send(sample, headers={"Content-Encoding": "Identity"}))


def raw(server, *requests, wait=None):
    """All that comes back when these octets are sent at once; wait: read that before the last."""
    with soap.connect(server, timeout=10) as connection:
        got = b""
        for number, request in enumerate(requests):
            while wait and number == len(requests) - 1 and wait not in got:
                data = connection.recv(65536)
                if not data:
                    return got
                got += data
            connection.sendall(request)
        while True:
            data = connection.recv(65536)
            if not data:
                return got
            got += data


def post(body, *headers, user="alice", length=None):
    """The octets of one request; the last header says that the connection ends with it."""
    token = base64.b64encode(("%s:%s-password" % (user, user)).encode()).decode()
    lines = ["POST %s HTTP/1.1" % PATH, "Host: localhost", "Authorization: Basic " + token,
             "Content-Length: %d" % (len(body) if length is None else length), *headers]
    if not any(line.startswith("Content-Type") for line in headers):
        lines.append("Content-Type: " + soap.CONTENT_TYPE)
    return "\r\n".join(lines + ["", ""]).encode() + body


def statuses(octets):
    """The status lines: no answer holds these words elsewhere."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", octets)]


LAST = "Connection: close"


def test_expect_continue(sample):
    """The client waits for 100 before it sends the body."""
    body = soap.build()
    got = raw(sample, post(b"", "Expect: 100-continue", LAST, length=len(body)), body,
              wait=b" 100 Continue")
    assert statuses(got) == [100, 200]


def test_expect_is_answered_by_a_refusal(sample):
    """What the head alone condemns is not asked for: no 100."""
    for header in ("Content-Type: text/plain", "Content-Encoding: gzip"):
        got = raw(sample, post(b"", "Expect: 100-continue", header, LAST, length=10))
        assert statuses(got)[-1] == 415
        assert no_policy(got)


def test_another_expectation(sample):
    assert statuses(raw(sample, post(soap.build(), "Expect: more", LAST))) == [417]


def test_pipelined(sample, sample_directory):
    """Several requests in one go are answered one by one, each for its own caller."""
    got = raw(sample, post(soap.build()) + post(soap.build(), user="bob") +
              post(soap.build(), LAST))
    assert statuses(got) == [200, 200, 200]
    bodies = re.findall(rb"<s:Envelope.*?</s:Envelope>", got, re.S)
    for user, body in zip(("alice", "bob", "alice"), bodies):
        assert compare(soap.parse(body), sample_directory.answer(user)) == []


def test_pipelined_behind_a_refusal(sample):
    """A body that was refused unread is never taken for the next request."""
    hidden = post(soap.build(), user="bob")
    got = raw(sample, post(hidden, "Content-Type: text/plain") + post(soap.build(), LAST))
    assert statuses(got) == [415, 200]
    for first in (b"no XML", padded(LIMIT + 1)):
        got = raw(sample, post(first + hidden) + post(soap.build(), LAST))
        assert statuses(got) in ([500], [413])


def test_bodies_whose_end_is_not_clear(sample):
    """Two lengths, or a length beside chunks: httpd's own rules, and no policy twice."""
    body = soap.build()
    both = post(body, "Content-Length: 5", LAST)
    assert statuses(raw(sample, both)) == [400]
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    got = raw(sample, post(chunked, "Transfer-Encoding: chunked", LAST, length=3))
    assert statuses(got) in ([200], [400])
    got = raw(sample, post(b"zz\r\n" + body, "Transfer-Encoding: chunked", LAST))
    assert statuses(got) == [400]


def test_body_shorter_than_promised(sample):
    with soap.connect(sample, timeout=10) as connection:
        connection.sendall(post(soap.build(), length=5000))
        connection.close()
    soap.check_answer(soap.send(sample))


def padded(length):
    """A request of exactly that many octets; white space behind the message may stand in XML."""
    body = soap.build()
    return body + b"\n" * (length - len(body))


def pieces(body, size=1000):
    return [body[at:at + size] for at in range(0, len(body), size)]


def test_body_at_the_limit(sample):
    soap.check_answer(soap.send(sample, padded(LIMIT)))


def test_body_over_the_limit(sample):
    response = soap.send(sample, padded(LIMIT + 1))
    assert response.status == 413
    assert no_policy(response.body)


def test_chunked_body(sample):
    body = soap.build()
    response = soap.send(sample, chunks=pieces(body, 7))
    assert soap.check_answer(response)["policies"]


def test_chunked_body_at_the_limit(sample):
    soap.check_answer(soap.send(sample, chunks=pieces(padded(LIMIT))))


def test_chunked_body_over_the_limit(sample):
    response = soap.send(sample, chunks=pieces(padded(LIMIT + 1)))
    assert response.status == 413
    assert no_policy(response.body)


def test_huge_length_is_refused_unread(sample):
    """The header alone is enough: no octet of the body is waited for."""
    with soap.connect(sample, timeout=10) as connection:
        connection.sendall(post(b"", "Expect: 100-continue", length=999999999999))
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0]


def test_own_limit(make_httpd):
    server = start_sample(make_httpd(), location_section(extra=("CEPMaxRequestBody 2048",)))
    soap.check_answer(soap.send(server, padded(2048)))
    assert soap.send(server, padded(2049)).status == 413


def message(body, headers=""):
    return soap.envelope(headers, body)


GET_POLICIES = soap.get_policies("x:")

# name, body, SOAP code, subcode
REFUSED = [
    ("empty", b"", "Sender", None),
    ("blanks", b"  \n ", "Sender", None),
    ("no XML", b"hello", "Sender", None),
    ("cut short", soap.build()[:-1], "Sender", None),
    ("two roots", soap.build() + b"<a/>", "Sender", None),
    ("doctype", b"<!DOCTYPE x>" + soap.build(), "Sender", None),
    ("entity", b'<!DOCTYPE x [<!ENTITY e "' + b"a" * 100 + b'">]>'
     + soap.build().replace(b"urn:uuid", b"&e;"), "Sender", None),
    ("external entity", b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
     + soap.build().replace(b"urn:uuid", b"&e;"), "Sender", None),
    ("undefined entity", soap.build().replace(b"urn:uuid", b"&e;"), "Sender", None),
    ("processing instruction", soap.build().replace(b"<s:Body>", b"<?php x?><s:Body>"), "Sender",
     None),
    ("UTF-16", soap.build().decode().encode("utf-16"), "Sender", None),
    ("Latin 1 declared", b'<?xml version="1.0" encoding="iso-8859-1"?>' + soap.build(), "Sender",
     None),
    ("no UTF-8", soap.build().replace(b"urn:uuid", b"\xff\xfe"), "Sender", None),
    ("NUL", soap.build().replace(b"urn:uuid", b"\0"), "Sender", None),
    ("SOAP 1.1", soap.build().replace(soap.NS["s"].encode(),
                                      b"http://schemas.xmlsoap.org/soap/envelope/"),
     "VersionMismatch", None),
    ("no envelope", b'<a xmlns="urn:a"/>', "VersionMismatch", None),
    ("empty s:Body", message(""), "Sender", None),
    ("no s:Body", b'<s:Envelope xmlns:s="%s"/>' % soap.NS["s"].encode(), "Sender", None),
    ("two s:Body", message(GET_POLICIES + "</s:Body><s:Body>" + GET_POLICIES), "Sender", None),
    ("two GetPolicies", message(GET_POLICIES * 2), "Sender", None),
    ("another body", message("<x:RequestSecurityToken/>"), "Sender", None),
    ("client missing", message('<x:GetPolicies><x:requestFilter xsi:nil="true"/></x:GetPolicies>'),
     "Sender", None),
    ("client nil", message('<x:GetPolicies><x:client xsi:nil="true"/>'
                           '<x:requestFilter xsi:nil="true"/></x:GetPolicies>'), "Sender", None),
    ("client empty", message('<x:GetPolicies><x:client/><x:requestFilter xsi:nil="true"/>'
                             "</x:GetPolicies>"), "Sender", None),
    ("bad lastUpdate", soap.build(last_update="20090-03-15-T09:38:46"), "Sender", None),
    ("bad version", soap.build(request_filter=soap.Filter(client="many")), "Sender", None),
    ("another action", soap.build(action=OTHER_ACTION), "Sender", "ActionNotSupported"),
    ("must understand", soap.build(headers='<q:Q xmlns:q="urn:q" s:mustUnderstand="1"/>'),
     "MustUnderstand", None),
    ("must understand, true", soap.build(headers='<q:Q xmlns:q="urn:q" s:mustUnderstand="true"/>'),
     "MustUnderstand", None),
    ("message ID too long", soap.build(message_id="m" * 1025), "Sender", None),
    ("too deep", message(GET_POLICIES, "<a:F>" + "<b>" * 40 + "</b>" * 40 + "</a:F>"), "Sender",
     None),
    ("too many elements", message(GET_POLICIES, "<a:F>" + "<b/>" * 1100 + "</a:F>"), "Sender",
     None),
    ("too much text", message(GET_POLICIES, "<a:MessageID>" + "m" * 16385 + "</a:MessageID>"),
     "Sender", None),
]


@pytest.mark.parametrize("body, code, subcode", [row[1:] for row in REFUSED],
                         ids=[row[0] for row in REFUSED])
def test_refused_messages(sample, body, code, subcode):
    response = soap.send(sample, body)
    soap.check_fault(response, code, subcode)
    assert no_policy(response.body)


def test_fault_repeats_the_message_id(sample):
    message_id = soap.new_message_id()
    soap.check_fault(soap.send(sample, soap.build(message_id=message_id, action=OTHER_ACTION)),
                     "Sender", "ActionNotSupported", message_id)


def test_fault_names_the_header_not_understood(sample):
    body = soap.build(headers='<q:Odd xmlns:q="urn:odd" s:mustUnderstand="1"/>')
    model = soap.check_fault(soap.send(sample, body), "MustUnderstand")
    assert [name.rpartition(":")[2] for name in model["fault"]["not_understood"]] == ["Odd"]


def test_answers_go_to_the_connection_only(sample):
    reply_to = "<a:ReplyTo><a:Address>https://other.example/</a:Address></a:ReplyTo>"
    response = soap.send(sample, soap.build(headers=reply_to))
    assert response.status == 500
    assert soap.parse(response.body)["fault"]["code"] == "Sender"


# Harmless things that clients send.
ACCEPTED = [
    ("byte order mark", b"\xef\xbb\xbf" + soap.build()),
    ("XML declaration", b'<?xml version="1.0" encoding="utf-8"?>\n' + soap.build()),
    ("comment", soap.build().replace(b"<s:Body>", b"<!-- hello --><s:Body>")),
    ("CDATA", soap.build().replace(b"<x:clientVersion>0<", b"<x:clientVersion><![CDATA[0]]><")),
    ("header of no importance", soap.build(headers='<q:Q xmlns:q="urn:q">text<b/></q:Q>')),
    ("mustUnderstand false", soap.build(
        headers='<q:Q xmlns:q="urn:q" s:mustUnderstand="0"/>')),
    ("header for another role", soap.build(
        headers='<q:Q xmlns:q="urn:q" s:mustUnderstand="1" s:role="urn:somebody"/>')),
    ("Security that httpd has made needless", soap.build(
        headers='<o:Security xmlns:o="%s" s:mustUnderstand="1"/>' % soap.NS["o"])),
    ("WCF's ActivityId", soap.build(
        headers='<ActivityId xmlns="http://schemas.microsoft.com/2004/09/ServiceModel/Diagnostics"'
                ' CorrelationId="a">b</ActivityId>')),
    ("lastUpdate without a zone", soap.build(last_update="0001-01-01T00:00:00")),
    ("language", soap.build(language="de-DE")),
    ("other prefixes", re.sub(rb"(</?| |xmlns:)s(:|=)", rb"\1soap\2", soap.build())),
    ("another host in a:To", soap.build(to="https://elsewhere.example/service.svc/CEP")),
    ("anonymous ReplyTo", soap.build(
        headers="<a:ReplyTo><a:Address>%s</a:Address></a:ReplyTo>" % soap.ANONYMOUS)),
]


@pytest.mark.parametrize("body", [row[1] for row in ACCEPTED], ids=[row[0] for row in ACCEPTED])
def test_accepted_messages(sample, sample_directory, body):
    model = soap.check_answer(soap.send(sample, body))
    assert compare(model, sample_directory.answer("alice")) == []


def test_wrong_password(sample):
    sample.log.expect("AH01617")
    response = soap.send(sample, password="wrong")
    assert response.status == 401
    assert no_policy(response.body)


def test_no_credentials(sample):
    response = soap.send(sample, user=None)
    assert response.status == 401
    assert no_policy(response.body)


def test_unknown_to_httpd(sample):
    sample.log.expect("AH01618")
    assert soap.send(sample, user="alice2", password="x").status == 401


def test_without_tls(sample):
    sample.log.expect("CEP0606")
    response = soap.send(sample, tls=False)
    soap.check_fault(response, "Sender")
    assert no_policy(response.body)


def test_tls_ends_in_front(make_httpd, sample_directory):
    server = start_sample(make_httpd(), location_section(extra=("CEPRequireTLS Off",)))
    model = soap.check_answer(soap.send(server, tls=False))
    assert compare(model, sample_directory.answer("alice")) == []


def test_without_authentication(make_httpd):
    """The administrator forgot AuthType and Require: nobody gets anything."""
    server = make_httpd()
    server.log.allow("CEP0118")
    start_sample(server, location_section(auth=False))
    for user in (None, "alice"):
        server.log.expect("CEP0601")
        response = soap.send(server, user=user)
        soap.check_fault(response, "Sender", "FailedAuthentication")
        assert no_policy(response.body)


def test_slow_client_holds_nobody_up(sample):
    """A body that does not come keeps one worker waiting and no other caller."""
    with soap.connect(sample, timeout=10) as connection:
        connection.sendall(post(b"<s:", length=900))
        for _ in range(3):
            soap.check_answer(soap.send(sample))


def test_schema_is_the_strict_one():
    assert os.path.exists(os.path.join(TESTS, "schema", "xcep-strict.xsd"))
    assert soap.schema() is not None
