# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Odd messages: nil and empty in all spellings, extensions at each wildcard of the schema, prefixes
that are bound anew, addressing, roles. What is answered gets the whole answer; each fault repeats
the MessageID and speaks English.

These mistakes were made, one at a time, and each was caught: the role "next" not ours; the value of
mustUnderstand not trimmed; unknown elements refused in client; xsi:nil="1" not known; a fault of
the header told before the header ends.
"""

import pytest
from lxml import etree

from cep_env import soap
from cep_env.evaluator import compare

ID = "urn:uuid:8f9c1b30-0000-4000-8000-000000000001"
MESSAGE_ID = "<a:MessageID>%s</a:MessageID>" % ID
CLIENT = '<x:client><x:lastUpdate xsi:nil="true"/></x:client>'
FILTER = "<x:requestFilter><x:clientVersion>0</x:clientVersion>" \
    "<x:serverVersion>0</x:serverVersion></x:requestFilter>"
XSI = soap.NS["xsi"]
ROLE = soap.NS["s"] + "/role/"
ANSWER = (None, None)
SENDER = ("Sender", None)
MUST = ("MustUnderstand", None)
ADDRESS = ("Sender", "InvalidAddressingHeader")
ACTION = ("Sender", "ActionNotSupported")


def message(client=CLIENT, wanted=FILTER, more="", headers=""):
    return soap.envelope(MESSAGE_ID + headers,
                         "<x:GetPolicies>%s%s%s</x:GetPolicies>" % (client, wanted, more)).decode()


def client(content):
    return message("<x:client>%s</x:client>" % content)


def more_in_filter(content):
    return message(wanted=FILTER.replace("</x:req", content + "</x:req"))


def header(content):
    return message(headers=content)


def last_update(text):
    return client("<x:lastUpdate>%s</x:lastUpdate>" % text)


def language(text):
    return client("<x:preferredLanguage>%s</x:preferredLanguage>" % text)


def foreign(attributes):
    return header('<q:q xmlns:q="urn:q" %s/>' % attributes)


def reply_to(content, name="ReplyTo"):
    return header("<a:%s>%s</a:%s>" % (name, content, name))


def address(text):
    return "<a:Address>%s</a:Address>" % text


ROWS = [
    # xsi:nil, an xs:boolean
    ("nil, 1", client('<x:lastUpdate xsi:nil="1"/>'), ANSWER),
    ("nil, blanks", client('<x:lastUpdate xsi:nil=" true&#10;"/>'), ANSWER),
    ("nil by another prefix", client('<x:lastUpdate xmlns:i="%s" i:nil="true"/>' % XSI), ANSWER),
    ("nil with blanks inside", client('<x:lastUpdate xsi:nil="true"> \n</x:lastUpdate>'), ANSWER),
    ("nil with a comment inside", client('<x:lastUpdate xsi:nil="1"><!-- --></x:lastUpdate>'),
     ANSWER),
    ("nil with text inside", client('<x:lastUpdate xsi:nil="1">2</x:lastUpdate>'), SENDER),
    ("nil with an element inside", message(wanted=FILTER.replace("Filter>", 'Filter xsi:nil="1">',
     1)),
     SENDER),
    ("nil, TRUE", client('<x:lastUpdate xsi:nil="TRUE"/>'), SENDER),
    ("nil without its namespace", client('<x:preferredLanguage nil="TRUE"/>'), ANSWER),
    ("not nil, and empty", client('<x:lastUpdate xsi:nil="false"/>'), SENDER),
    ("nil, and then a value", more_in_filter('<x:clientVersion xsi:nil="true"/>'), SENDER),
    ("a nil request", message().replace("<x:GetPolicies>", '<x:GetPolicies xsi:nil="true">'),
     SENDER),
    ("a nil OID", more_in_filter('<x:policyOIDs><x:oid xsi:nil="true"/></x:policyOIDs>'), SENDER),
    ("no OIDs", more_in_filter("<x:policyOIDs/>"), ANSWER),
    ("no OIDs, nil", more_in_filter('<x:policyOIDs xsi:nil="true"/>'), ANSWER),
    ("no OIDs, blanks", more_in_filter("<x:policyOIDs> \n\t</x:policyOIDs>"), ANSWER),
    ("OIDs without their element", more_in_filter("<x:policyOIDs>1.2.3</x:policyOIDs>"), SENDER),
    ("xsi:type", message(wanted=FILTER.replace("Filter>", 'Filter xsi:type="x:RequestFilter">', 1)),
     ANSWER),
    # order and number
    ("the filter first", message(FILTER, CLIENT), ANSWER),
    ("two filters", message(more=FILTER), SENDER),
    ("two clients", message(CLIENT * 2), SENDER),
    # extensions: client and requestFilter have wildcards, GetPolicies and policyOIDs have none
    ("extension of client", client('<q:e xmlns:q="urn:q"><q:f g="1">t</q:f></q:e><e/>'
                                   '<x:new>1</x:new><x:preferredLanguage/>'), ANSWER),
    ("extension of requestFilter", more_in_filter('<q:e xmlns:q="urn:q">t</q:e><e/><x:new/>'),
     ANSWER),
    ("extension of GetPolicies", message(more='<q:e xmlns:q="urn:q"/>'), SENDER),
    ("extension of policyOIDs", more_in_filter("<x:policyOIDs><e/></x:policyOIDs>"), SENDER),
    ("extension of oid", more_in_filter("<x:policyOIDs><x:oid>1<e/></x:oid></x:policyOIDs>"),
     SENDER),
    ("only an extension of client", client("<e/>"), SENDER),
    ("attributes nobody knows", message().replace("<x:client>", '<x:client a="1" x:b="2">'),
     ANSWER),
    ("text in client", client("hello<x:preferredLanguage/>"), SENDER),
    ("text in s:Body", message().replace("<s:Body>", "<s:Body>hello"), SENDER),
    # prefixes
    ("the default namespace", message(
        '<client xmlns="%s"><lastUpdate i:nil="1" xmlns:i="%s"/></client>' % (soap.NS["x"], XSI)),
     ANSWER),
    ("a prefix bound anew", message('<s:client xmlns:s="%s"><s:preferredLanguage/></s:client>'
                                    % soap.NS["x"]), ANSWER),
    ("a prefix bound to another", message('<x:client xmlns:x="urn:x"><x:lastUpdate/></x:client>'),
     SENDER),
    ("no namespace", message('<client xmlns=""><lastUpdate/></client>'), SENDER),
    # lastUpdate, preferredLanguage
    ("blanks around a time", last_update("\n2009-01-01T00:00:00.5Z\t"), ANSWER),
    ("Windows' first day, far east", last_update("0001-01-01T00:00:00+14:00"), ANSWER),
    ("before 1970", last_update("1601-01-01T00:00:00"), ANSWER),
    ("an empty time", last_update(""), SENDER),
    ("a date", last_update("2009-01-01"), SENDER),
    ("a year before 1", last_update("-0001-01-01T00:00:00"), SENDER),
    ("a small z", last_update("2009-01-01T00:00:00z"), SENDER),
    ("no language", language(""), ANSWER),
    ("what is no language", language("zz_ZZ"), ANSWER),
    ("a long language", language("a" * 9000), ANSWER),
    ("blanks around a language", language("\n de-DE\t"), ANSWER),
    # addressing
    ("To must be understood", header('<a:To s:mustUnderstand="1">https://other.example/</a:To>'),
     ANSWER),
    ("To is empty", header("<a:To/>"), ANSWER),
    ("two To", header("<a:To>a</a:To><a:To>a</a:To>"), SENDER),
    ("From", header("<a:From>%s</a:From>" % address("urn:x")), ANSWER),
    ("RelatesTo, two", header("<a:RelatesTo>x</a:RelatesTo>" * 2), ANSWER),
    ("two MessageID", header("<a:MessageID>other</a:MessageID>"), SENDER),
    ("Action, blanks", header("<a:Action>\n%s\t</a:Action>" % soap.ACTION), ANSWER),
    ("Action, empty", header("<a:Action/>"), ACTION),
    ("Action in capitals", header("<a:Action>%s</a:Action>" % soap.ACTION.upper()), ACTION),
    ("Action of the answer", header("<a:Action>%s</a:Action>" % soap.RESPONSE_ACTION), ACTION),
    ("two Actions", header("<a:Action>%s</a:Action>" % soap.ACTION * 2), SENDER),
    ("two different Actions", header("<a:Action>%s</a:Action><a:Action>x</a:Action>" % soap.ACTION),
     SENDER),
    ("Action for another role", header('<a:Action s:role="urn:x">x</a:Action>'), ANSWER),
    ("addressing of 2004", header(
        '<w:To xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing" s:mustUnderstand="1"/>'),
     MUST),
    ("ReplyTo with more",
     reply_to(address(" %s\n" % soap.ANONYMOUS) + "<a:Metadata><e/></a:Metadata>"),
     ANSWER),
    ("FaultTo", reply_to(address(soap.ANONYMOUS), "FaultTo"), ANSWER),
    ("ReplyTo, empty", reply_to(""), ADDRESS),
    ("ReplyTo with an empty address", reply_to(address("")), ADDRESS),
    ("ReplyTo nobody", reply_to(address(soap.NS["a"] + "/none")), ADDRESS),
    ("FaultTo elsewhere", reply_to(address("https://other.example/"), "FaultTo"), ADDRESS),
    ("two addresses", reply_to(address(soap.ANONYMOUS) * 2), SENDER),
    ("two ReplyTo", header("<a:ReplyTo>%s</a:ReplyTo>" % address(soap.ANONYMOUS) * 2), SENDER),
    # roles and mustUnderstand
    ("mustUnderstand, blanks", foreign('s:mustUnderstand=" 1 "'), MUST),
    ("mustUnderstand, true", foreign('s:mustUnderstand="true"'), MUST),
    ("mustUnderstand, false", foreign('s:mustUnderstand=" false "'), ANSWER),
    ("mustUnderstand, yes", foreign('s:mustUnderstand="yes"'), SENDER),
    ("mustUnderstand of nobody", foreign('mustUnderstand="1"'), ANSWER),
    ("mustUnderstand without a namespace", header('<q xmlns="" s:mustUnderstand="1"/>'), MUST),
    ("role next", foreign('s:mustUnderstand="1" s:role="%snext"' % ROLE), MUST),
    ("role ultimateReceiver",
     foreign('s:mustUnderstand="1" s:role=" %sultimateReceiver "' % ROLE), MUST),
    ("role none", foreign('s:mustUnderstand="1" s:role="%snone"' % ROLE), ANSWER),
    ("role, empty", foreign('s:mustUnderstand="1" s:role=""'), MUST),
    ("role of another, and no boolean", foreign('s:mustUnderstand="yes" s:role="urn:x"'), ANSWER),
    ("relay", foreign('s:relay="true"'), ANSWER),
    # the envelope
    ("text in s:Header", header("hello"), SENDER),
    ("text in s:Envelope", message().replace("<s:Body>", "hello<s:Body>"), SENDER),
    ("two s:Header", message().replace("<s:Body>", "<s:Header/><s:Body>"), SENDER),
    ("s:Header behind s:Body", message().replace("</s:Body>", "</s:Body><s:Header/>"), SENDER),
    ("attributes of s:Body", message().replace("<s:Body>",
     '<s:Body s:encodingStyle="urn:x" Id="1">'),
     ANSWER),
    ("cut short behind s:Header", message()[:-5], SENDER),
    ("a processing instruction at the end", message() + "<?a b?>", SENDER),
]


@pytest.mark.parametrize("body, code, subcode", [(row[1], *row[2]) for row in ROWS],
                         ids=[row[0] for row in ROWS])
def test_odd_message(sample, sample_directory, body, code, subcode):
    response = soap.send(sample, body.encode())
    if code is None:
        model = soap.check_answer(response, ID)
        assert compare(model, sample_directory.answer("alice")) == []
        return
    soap.check_fault(response, code, subcode, ID)
    said = etree.fromstring(response.body).find("s:Body/s:Fault/s:Reason/s:Text", soap.NS)
    assert said.get("{http://www.w3.org/XML/1998/namespace}lang") == "en-US"
    assert said.text.isascii() and said.text.endswith(".")


@pytest.mark.parametrize("block, fault", [
    ('<q:q xmlns:q="urn:q" s:mustUnderstand="1"/>', MUST), ("<a:Action>x</a:Action>", ACTION),
    ("<a:ReplyTo>%s</a:ReplyTo>" % address("urn:x"), ADDRESS), ("<a:To/><a:To/>", SENDER),
])
def test_message_id_behind_the_fault(sample, block, fault):
    """A fault of the header waits until the header ends: the MessageID may follow."""
    request = "<x:GetPolicies>%s%s</x:GetPolicies>" % (CLIENT, FILTER)
    body = soap.envelope(block + MESSAGE_ID, request)
    soap.check_fault(soap.send(sample, body), *fault, ID)


def test_without_a_header(sample, sample_directory):
    body = soap.build("minimal").replace(b"<s:Header></s:Header>", b"")
    assert b"Header" not in body
    response = soap.send(sample, body)
    assert compare(soap.check_answer(response), sample_directory.answer("alice")) == []
    assert b"RelatesTo" not in response.body
