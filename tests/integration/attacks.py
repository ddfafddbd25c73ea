# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Sixty attacks on the reader of requests, each of at most 64 KiB, and what is answered.

test_attacks.py sends them to a server, tests/bench/attacks.py measures what they cost. Run as a
program this writes them into a folder, one file each: attacks.py FOLDER.
"""

import os
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from cep_env import soap  # noqa: E402

SIZE = 65536
ID = "urn:uuid:00000000-0000-4000-8000-000000000000"
GOOD = soap.build(message_id=ID).decode()
OPEN = "<q:q xmlns:q='urn:q'>"
CLOSE = "</q:q>"
SPACE = SIZE - len(GOOD) - 200  # what an attack may fill

# Where a file or a host would be fetched from, if anything were. The test fills these in.
FILE = "@FILE@"
HOST = "@HOST@"

ANSWER = None
NOTHING = "nothing to offer"
DOCTYPE = ("Sender", None, "A message may not have a document type declaration.")
BROKEN = ("Sender", None, "The message is not well-formed XML.")
ATTRIBUTES = ("Sender", None, "An element of the message has too many attributes.")
ELEMENTS = ("Sender", None, "The message has too many elements.")
DEPTH = ("Sender", None, "The elements of the message are nested too deep.")
SPACES = ("Sender", None, "The message declares too many namespaces.")
TEXT = ("Sender", None, "An element of the message has too much text.")
INSTRUCTION = ("Sender", None, "A message may not have processing instructions.")
ENCODING = ("Sender", None, "The message is not in UTF-8.")
DECLARED = ("Sender", None, "The message declares another encoding than UTF-8.")
ANONYMOUS = ("Sender", "InvalidAddressingHeader",
             "Answers are sent to the anonymous address only.")
# Where exactly the parser gives up differs between its versions; some take the rest for text.
BROKEN_OR_TEXT = ("Sender", None, (BROKEN[2], TEXT[2]))
UNDERSTAND = ("MustUnderstand", None,
              "One or more mandatory SOAP header blocks not understood.")


def fill(piece, size=SPACE):
    return piece * (size // len(piece.encode()))


def numbered(pattern, size=SPACE):
    """pattern with 0, 1, 2..., as many as go into the size."""
    pieces, length = [], 0
    while True:
        piece = pattern % len(pieces)
        length += len(piece)
        if length > size:
            return "".join(pieces)
        pieces.append(piece)


def header(text):
    """In the header, inside of a block that is passed over."""
    return GOOD.replace("</s:Header>", OPEN + text + CLOSE + "</s:Header>")


def block(text):
    """In the header itself."""
    return GOOD.replace("</s:Header>", text + "</s:Header>")


def before(text):
    return text + GOOD


def doctype(inside, use=""):
    return before("<!DOCTYPE x %s>" % inside).replace(ID, ID + use)


def client(text):
    return soap.build(message_id=ID, last_update="2026-01-15T10:00:00").decode().replace(
        "</x:client>", text + "</x:client>")


def value(name, text):
    """A request whose element of that name holds the text."""
    arguments = {"message_id": ID, name: text}
    return soap.build(**arguments).decode()


def oids(*values):
    return soap.build(message_id=ID, request_filter=soap.Filter(oids=values)).decode()


def towers():
    """Deep as it may be, again and again."""
    return header(fill("<b>" * 28 + "</b>" * 28))


LAUGHS = "[<!ENTITY a0 'ha'>" + "".join(
    "<!ENTITY a%d '%s'>" % (i, ("&a%d;" % (i - 1)) * 10) for i in range(1, 10)) + "]"

# name, the message (text or octets), what is answered: ANSWER, NOTHING, or (code, subcode, reason).
ATTACKS = [
    # One tag, many tags.
    ("attributes in one tag", header("<b" + numbered(" a%d=''") + "/>"), ATTRIBUTES),
    ("as many as reach the parser", header("<b" + numbered(" a%d=''", 8000) + "/>"), ATTRIBUTES),
    ("tags of 1,000 attributes", header(fill("<b" + numbered(" a%d=''", 8000) + "/>")),
     ATTRIBUTES),
    ("attributes with equals signs", header("<b a='" + fill("=") + "'/>"), ATTRIBUTES),
    ("prefixed attributes", header("<b" + numbered(" q:a%d=''", 9000) + "/>"), ATTRIBUTES),
    ("the same attribute", header("<b" + fill(" a=''", 4000) + "/>"), BROKEN),
    ("namespaces in one tag", header("<b" + numbered(" xmlns:n%d='u'", 12000) + "/>"), SPACES),
    ("a namespace in every tag", header(fill("<b xmlns='u'/>")), SPACES),
    ("namespaces in nested tags", header(fill("<b xmlns:n='u'>", 400)), BROKEN),
    ("elements", header(fill("<b/>")), ELEMENTS),
    ("nested elements", header(fill("<b>")), DEPTH),
    ("towers of elements", towers(), ELEMENTS),
    ("a long name", header("<" + fill("b", 60000) + "/>"), BROKEN_OR_TEXT),
    ("a name below the parser's limit", header("<" + fill("b", 49000) + "/>"), ANSWER),
    ("a long value of an attribute", header("<b a='" + fill("v") + "'/>"), ANSWER),
    ("a tag without an end", header("<b " + fill("a ")), BROKEN_OR_TEXT),
    # Text.
    ("text", header(fill("t")), TEXT),
    ("text in pieces", header(fill("t<!---->")), ANSWER),
    ("text in many pieces", header(fill("ttt<!---->")), TEXT),
    ("CDATA sections", header(fill("<![CDATA[ttttttttt]]>")), TEXT),
    ("comments", header(fill("<!---->")), ANSWER),
    ("one comment", header("<!--" + fill("c") + "-->"), ANSWER),
    ("character references", value("message_id", fill("&#65;", 60000)),
     ("Sender", None, "The MessageID header is too long.")),
    ("known entities", header(fill("&amp;")), ANSWER),
    ("white space before", before(fill(" \n")), ANSWER),
    ("white space behind", GOOD + fill("\n"), ANSWER),
    ("blanks in a value", value("message_id", fill(" ", 16300) + "x" + " "), ANSWER),
    # Document types, entities, instructions.
    ("DOCTYPE", doctype(""), DOCTYPE),
    ("billion laughs", doctype(LAUGHS, "&a9;"), DOCTYPE),
    ("quadratic blow-up", doctype("[<!ENTITY a '%s'>]" % fill("a", 30000),
                                  "&a;" * 200), DOCTYPE),
    ("an entity of itself", doctype("[<!ENTITY a '&b;'><!ENTITY b '&a;'>]", "&a;"), DOCTYPE),
    ("an entity from a file", doctype("[<!ENTITY a SYSTEM 'file://%s'>]" % FILE, "&a;"), DOCTYPE),
    ("an entity from a host", doctype("[<!ENTITY a SYSTEM 'http://%s/a'>]" % HOST, "&a;"),
     DOCTYPE),
    ("a parameter entity", doctype("[<!ENTITY %% a SYSTEM 'http://%s/a'>%%a;]" % HOST), DOCTYPE),
    ("a DTD from a host", doctype("SYSTEM 'http://%s/x.dtd'" % HOST), DOCTYPE),
    ("defaults for attributes", doctype("[" + numbered("<!ATTLIST b a%d CDATA 'v'>", 60000) + "]"),
     DOCTYPE),
    ("an entity that nobody defined", value("message_id", "&a;"), BROKEN),
    ("an instruction", before("<?xml-stylesheet href='http://%s/x.xsl'?>" % HOST), INSTRUCTION),
    ("instructions inside", header(fill("<?p?>")), INSTRUCTION),
    ("XInclude", header("<i:include xmlns:i='http://www.w3.org/2001/XInclude' parse='text' "
                        "href='file://%s'/>" % FILE), ANSWER),
    ("a schema's location", client("<b xsi:schemaLocation='urn:b http://%s/b.xsd'/>" % HOST),
     ANSWER),
    # Encodings.
    ("UTF-16", GOOD.encode("utf-16"), ENCODING),
    ("UTF-16 without a mark", GOOD.encode("utf-16-le"), ENCODING),
    ("UTF-32", GOOD.encode("utf-32"), ENCODING),
    ("UTF-7 declared", before("<?xml version='1.0' encoding='UTF-7'?>"), DECLARED),
    ("EBCDIC declared", before("<?xml version='1.0' encoding='IBM037'?>"), DECLARED),
    ("overlong characters", GOOD.encode().replace(ID.encode(), b"\xc0\xbc"), ENCODING),
    ("NUL", GOOD.encode().replace(ID.encode(), b"\0"), ENCODING),
    # What nobody can read.
    ("less-than signs", fill("<", SIZE), BROKEN),
    ("ends of sections", header(fill("]]>")), BROKEN),
    # SOAP.
    ("a message in a message", GOOD.replace("<x:GetPolicies>", GOOD).replace(
        "</x:GetPolicies>", ""), ("Sender", None,
                                  "The SOAP body holds something else than GetPolicies.")),
    ("a body in the header", header("<s:Body>" + soap.get_policies("x:") + "</s:Body>"), ANSWER),
    ("two bodies", GOOD.replace("</s:Envelope>", "<s:Body/></s:Envelope>"),
     ("Sender", None, "The message has two SOAP bodies.")),
    ("two actions", block("<a:Action>%s</a:Action>" % soap.ACTION),
     ("Sender", None, "The Action header stands twice.")),
    ("two Security headers", block(("<o:Security xmlns:o='%s'/>" % soap.NS["o"]) * 2),
     ("Sender", "InvalidSecurity", "The Security header stands twice.")),
    ("blocks to be understood", block(fill("<q:q xmlns:q='urn:q' s:mustUnderstand='1'/>", 2500)),
     UNDERSTAND),
    ("an answer for another host", block(
        "<a:ReplyTo><a:Address>http://%s/</a:Address></a:ReplyTo>" % HOST), ANONYMOUS),
    ("faults for another host", block(
        "<a:FaultTo><a:Address>http://%s/</a:Address></a:FaultTo>" % HOST), ANONYMOUS),
    ("OIDs that differ at their ends", oids(*["1." * 90 + str(i) for i in range(256)]), NOTHING),
    ("a time of many digits", value("last_update", "2026-01-15T10:00:00." + "9" * 16000), ANSWER),
]


def octets(message, file="/nonexistent/cep", host="127.0.0.1:1"):
    if isinstance(message, str):
        message = message.replace(FILE, file).replace(HOST, host).encode()
    assert len(message) <= SIZE, len(message)
    return message


def main(folder):
    os.makedirs(folder, exist_ok=True)
    for number, (name, message, _) in enumerate(ATTACKS, 1):
        with open(os.path.join(folder, "%02d %s" % (number, name)), "wb") as output:
            output.write(octets(message))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
