# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What is told of each request: one line in the error log, the same as notes for access logs."""

import re
import time

import pytest

from cep_env import soap
from cep_env.httpd import PATH, location_section
from cep_env.waiting import wait_until
from conftest import start_sample
from test_page import get

NAMES = ("instance", "directory", "caller", "result", "templates", "cas", "bytes", "microseconds",
         "body", "cache")
FORMAT = 'LogFormat "%s" cep' % "|".join("%%{cep-%s}n" % name for name in NAMES)
LOG = 'CustomLog "${ROOT}/access.log" cep'


class Server:
    """A server with an access log made of the notes."""

    def __init__(self, httpd):
        self.httpd = httpd
        self.seen = 0

    def accesses(self, count):
        """The lines of the access log, as soon as there are count of them."""
        def lines():
            with open(self.httpd.path("access.log"), encoding="utf-8") as file:
                found = [line.rstrip("\n") for line in file if line.endswith("\n")]
            return len(found) >= count and found
        return wait_until(lines)

    def records(self, count=1):
        """The next lines of both logs, which must say the same, as dictionaries."""
        lines = self.httpd.log.wait_for("CEP0600", count=self.seen + count)
        notes = [line.split("|") for line in self.accesses(self.seen + count)]
        time.sleep(0.05)
        assert len(lines) == len(self.httpd.log.find("CEP0600")) == self.seen + count
        told = [dict(re.findall(r'(\w+)="?([^" ]*)"?', line.text.split("CEP0600: ")[1]))
                for line in lines[self.seen:]]
        noted = [dict(zip(NAMES, line)) for line in notes[self.seen:]]
        self.seen += count
        by = sorted(told, key=str), sorted(noted, key=str)
        assert by[0] == by[1]
        assert all(line.level == "info" for line in lines)
        return told

    def record(self):
        return self.records()[0]


@pytest.fixture(scope="module")
def server(make_module_httpd):
    httpd = start_sample(make_module_httpd(), FORMAT, LOG, location_section())
    return Server(httpd)


def check(record, **expected):
    assert {name: record[name] for name in expected} == expected
    assert re.fullmatch(r"\d+", record["bytes"]) and re.fullmatch(r"\d+", record["microseconds"])


def test_answer(server, sample_directory):
    for user in ("alice", "WS01$"):
        response = soap.send(server.httpd, user=user)
        model = soap.check_answer(response)
        record = server.record()
        check(record, instance=PATH, directory="corp", caller=user, result="answer", cache="miss",
              templates=str(len(model["policies"])), cas=str(len(model["cas"])),
              bytes=str(len(response.body)))
        assert 0 < int(record["microseconds"]) < 10000000


def test_nothing_to_offer(server):
    soap.send(server.httpd, user="alice", body=soap.build(
        request_filter=soap.Filter(oids=("1.2.3",))))
    check(server.record(), caller="alice", result="answer", templates="0", cas="0")


@pytest.mark.parametrize("body, result", (
    (b"no XML", "Sender"),
    (soap.build().replace(b"2003/05/soap-envelope", b"2003/06/soap-envelope"), "VersionMismatch"),
    (soap.build(headers='<q:Q xmlns:q="urn:q" s:mustUnderstand="1"/>'), "MustUnderstand"),
    (soap.build(action="urn:other"), "ActionNotSupported"),
    (soap.build(headers="<a:ReplyTo><a:Address>urn:x</a:Address></a:ReplyTo>"),
     "OnlyAnonymousAddressSupported"),
), ids=lambda value: value if isinstance(value, str) else "")
def test_fault(server, body, result):
    response = soap.send(server.httpd, body)
    assert response.status == 500
    check(server.record(), instance=PATH, caller="alice", result=result, templates="0",
          cache="-", bytes=str(len(response.body)))


def test_nobody(server):
    soap.send(server.httpd, user="nobody")
    check(server.record(), caller="nobody", result="FailedAuthentication", cache="miss")


@pytest.mark.parametrize("options, status", (
    (dict(headers={"Content-Type": "text/plain"}), 415),
    (dict(body=b" " * 65537), 413),
    (dict(body=None, method="PUT"), 405),
))
def test_refused_by_its_status(server, options, status):
    response = soap.send(server.httpd, **options)
    assert response.status == status
    check(server.record(), caller="alice", result=str(status), microseconds="0", cache="-",
          bytes=str(len(response.body)))


def test_refused_by_httpd_before_us(server):
    assert soap.send(server.httpd, user=None).status == 401
    check(server.record(), instance=PATH, directory="corp", caller="-", result="401")


@pytest.mark.parametrize("query, result", (("", "page"), ("?wsdl", "wsdl"), ("?xsd", "xsd")))
def test_page(server, query, result):
    response = get(server.httpd, query)
    check(server.record(), caller="alice", result=result, templates="0",
          bytes=str(len(response.body)))


def test_line_cannot_be_forged(server):
    """A caller's name and a path stand escaped, in one line."""
    marker = server.httpd.log.marker()
    response = get(server.httpd, path=PATH + "/%22%20result=answer%5c%0aCEP0600:%20")
    assert response.status == 200
    text = server.httpd.log.wait_for("CEP0600", marker)[0].text
    assert r"""CEP/' result=answer\\\nCEP0600: " directory="corp" caller="alice" """ in text
    server.seen += 1


def test_other_requests_have_no_record(server):
    server.httpd.write("file.txt", "hello")
    assert get(server.httpd, path="/file.txt", user=None).status == 200
    assert get(server.httpd, path="/nothing", user=None).status == 404
    assert server.accesses(server.seen + 2)[-2:] == ["|".join("-" * len(NAMES))] * 2
    assert len(server.httpd.log.find("CEP0600")) == server.seen
