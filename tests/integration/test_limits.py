# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""docs/limits.md: each limit through the front door, at the limit and one above."""

import os
import re

import pytest

from attacks import GOOD, ID
from cep_env import SOURCE, soap
from cep_env.httpd import USERNAME_TOKEN, location_section
from conftest import start_sample
from test_requests import pieces

LIMITS = {name: int(value) for name, value in re.findall(
    r"^#define (CEP_XCEP_MAX_\w+)\s+(\d+)", "".join(
        open(os.path.join(SOURCE, path), encoding="utf-8").read()
        for path in ("include/cep_xcep.h", "mod_cep/xcep/request.h")), re.M)}


def limit(name):
    return LIMITS["CEP_XCEP_MAX_" + name]


def inside(text):
    """In a header block that is passed over, at depth 4."""
    return GOOD.replace("</s:Header>", "<q:q xmlns:q='urn:q'>%s</q:q></s:Header>" % text)


def tags(text):
    return len(re.findall(r"<[a-zA-Z]", text))


def depth(over):
    count = limit("DEPTH") - 3 + over
    return inside("<b>" * count + "</b>" * count)


def elements(over):
    return inside("<b/>" * (limit("ELEMENTS") - tags(inside("")) + over))


def attributes(over):
    return inside("<b%s/>" % "".join(" a%d=''" % i for i in range(limit("ATTRIBUTES") + over)))


def namespaces(over):
    used = inside("").count("xmlns")
    return inside("<b xmlns:n='u'/>" * (limit("NAMESPACES") - used + over))


def text(over):
    return inside("t" * (limit("TEXT") + over))


def text_in_pieces(over):
    return inside("t<!-- -->" * 100 + "t" * (limit("TEXT") - 100 + over))


def equals(over):
    return inside("<!---->" + "=" * (limit("EQUALS") + over) + "<!---->")


def message_id(over):
    return GOOD.replace(ID, "  " + "m" * (limit("MESSAGE_ID") + over) + "\n")


def oids(over):
    return soap.build(message_id=ID, request_filter=soap.Filter(
        oids=["1.2.%d" % i for i in range(limit("OIDS") + over)])).decode()


CASES = {
    "DEPTH": [(depth, "nested too deep")], "ELEMENTS": [(elements, "too many elements")],
    "ATTRIBUTES": [(attributes, "too many attributes")],
    "NAMESPACES": [(namespaces, "too many namespaces")],
    "TEXT": [(text, "too much text"), (text_in_pieces, "too much text")],
    "EQUALS": [(equals, "too many attributes")], "MESSAGE_ID": [(message_id, "too long")],
    "OIDS": [(oids, "too many OIDs")],
}
ROWS = [(make, reason) for rows in CASES.values() for make, reason in rows]


@pytest.mark.parametrize("make, reason", ROWS, ids=[make.__name__ for make, _ in ROWS])
def test_limit(sample, make, reason):
    soap.check_answer(soap.send(sample, make(0).encode()))
    model = soap.check_fault(soap.send(sample, make(1).encode()), "Sender")
    assert reason in model["fault"]["reason"]
    if make is message_id:
        assert model["relates_to"] is None


def token(user, password):
    return ("<o:Security xmlns:o='%s' s:mustUnderstand='1'><o:UsernameToken><o:Username> %s "
            "</o:Username><o:Password>%s</o:Password></o:UsernameToken></o:Security>" % (
                soap.NS["o"], user, password))


def test_limits_of_a_token(make_httpd):
    """At the limit the provider is asked, and knows no such user or password; above it, nobody."""
    server = start_sample(make_httpd(), location_section(
        auth=False, extra=USERNAME_TOKEN + ("Require valid-user",)))
    server.log.allow("AH0161[78]", "CEP062")
    for user, password, reason in (("u" * limit("USER"), "p", "name"),
                                   ("alice", "p" * limit("PASSWORD"), "password")):
        body = soap.build(headers=token(user, password))
        soap.check_fault(soap.send(server, body, user=None), "Sender", "FailedAuthentication")
        body = soap.build(headers=token(user + "u" * (reason == "name"),
                                        password + "p" * (reason == "password")))
        model = soap.check_fault(soap.send(server, body, user=None), "Sender", "InvalidSecurity")
        assert reason in model["fault"]["reason"] and "too long" in model["fault"]["reason"]
    soap.check_answer(soap.send(server, soap.build(headers=token("alice", "alice-password")),
                                user=None))


def test_what_is_repeated_is_short(sample):
    """Action, and the name of a header that is not understood."""
    most = limit("ECHO")
    for over in (0, 1):
        action = "u" * (most + over)
        body = soap.send(sample, soap.build(action=action)).body
        assert (action.encode() in body) is (over == 0)
        name = "n" * (most + over)
        block = "<q:%s xmlns:q='urn:q' s:mustUnderstand='1'/>" % name
        model = soap.check_fault(soap.send(sample, soap.build(headers=block)), "MustUnderstand")
        assert [found.rpartition(":")[2] for found in model["fault"]["not_understood"]] == \
            ([name] if over == 0 else [])


@pytest.mark.parametrize("directive", ("LimitRequestBody", "LimitXMLRequestBody"))
def test_limits_of_httpd(make_httpd, directive):
    """The administrator's limits for bodies count where they are smaller, for chunks too."""
    server = start_sample(make_httpd(), location_section(extra=("%s 3000" % directive,)))
    server.log.allow("AH01587", "AH01588", "AH00588", "AH10[0-9]+", "AH0158")
    for over, status in ((0, 200), (1, 413)):
        body = GOOD.encode() + b"\n" * (3000 + over - len(GOOD))
        assert soap.send(server, body).status == status
        assert soap.send(server, chunks=pieces(body)).status == status


# The document.

def document():
    with open(os.path.join(SOURCE, "docs", "limits.md"), encoding="utf-8") as file:
        return file.read()


def test_document_has_every_limit():
    told = {name: int(value) for value, name in re.findall(
        r"^\|[^|]+\| (\d+) \| `(CEP_XCEP_MAX_\w+)`", document(), re.M)}
    assert told == LIMITS
    assert set(CASES) | {"ECHO", "USER", "PASSWORD"} == {name[len("CEP_XCEP_MAX_"):] for name in LIMITS}


# Of all other rooms, whose numbers stand in the document's other tables.
SOURCES = ("include/cep_answer.h", "include/cep_access.h", "include/cep_caller.h",
           "include/cep_directory.h", "include/cep_policy.h", "include/cep_snapshot.h",
           "mod_cep/directory/discover.h", "mod_cep/policy/parts.h")


# Sizes of our own structures and texts, which nothing from outside reaches.
SHAPES = {"CEP_SID_MAX_SUBAUTHORITIES", "CEP_SID_MAX_LENGTH", "CEP_SID_TEXT_MAX", "CEP_STEPS_MAX",
          "CEP_READER_MAX_FINDINGS", "CEP_CERTIFICATE_MAX_ALTSECIDS"}


def number(text):
    """A constant of the source: factors, hexadecimal or not, some of them of 64 bits."""
    product = 1
    for factor in re.findall(r"\b0x[0-9a-f]+|\b\d+", text):
        product *= int(factor, 0)
    return product


def test_document_has_the_other_limits():
    source = "".join(open(os.path.join(SOURCE, path), encoding="utf-8").read() for path in SOURCES)
    defined = dict(re.findall(r"^#define (CEP_\w*MAX\w*)\s+(\S.*?)\s*(?:/\*.*)?$", source, re.M))
    told = {name: int(value) for value, name in re.findall(
        r"^\|[^|]+\| (\d+) \| `(CEP_(?!XCEP)\w+)`", document(), re.M)}
    assert told == {name: number(text) for name, text in defined.items() if name not in SHAPES}


def test_document_names_the_bodys_limit():
    with open(os.path.join(SOURCE, "include", "cep_server.h"), encoding="utf-8") as file:
        default = re.search(r"#define CEP_DEFAULT_MAX_BODY\s+(\d+)", file.read()).group(1)
    assert "| octets of the body | %s | `CEPMaxRequestBody`" % default in document()


def test_document_names_tests_that_exist():
    named = re.findall(r"`(test_\w+\.(?:py|c))::(\w+)`", document())
    assert len(named) > 15
    for path, name in named:
        folder, line = ("integration", r"^def %s\(") if path.endswith("y") else \
            ("unit", r"^static void %s\(void")
        with open(os.path.join(SOURCE, "tests", folder, path), encoding="utf-8") as file:
            assert re.search(line % name, file.read(), re.M), (path, name)
