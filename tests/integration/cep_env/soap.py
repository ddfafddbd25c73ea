# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""GetPolicies messages: build, send, check against the schema, read into a model.

The model is the one of evaluator.py: elements by name, references resolved to what they refer to,
so that reference numbers do not matter.
"""

import base64
import contextlib
import http.client
import os
import socket
import ssl
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree

from . import TESTS, evaluator
from .httpd import PASSWORDS, PATH

NS = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://www.w3.org/2005/08/addressing",
    "x": "http://schemas.microsoft.com/windows/pki/2009/01/enrollmentpolicy",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "o": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd",
    "u": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd",
}
ACTION = NS["x"] + "/IPolicy/GetPolicies"
RESPONSE_ACTION = NS["x"] + "/IPolicy/GetPoliciesResponse"
ANONYMOUS = NS["a"] + "/anonymous"
CONTENT_TYPE = "application/soap+xml; charset=utf-8"
NIL = 'xsi:nil="true"'


# Requests.

@dataclass
class Filter:
    """requestFilter: None is nil. The default asks for everything that the server supports."""
    oids: object = None
    client: object = 0
    server: object = 0


def element(prefix, name, value):
    """<prefix:name>value</prefix:name>, nil when value is None."""
    if value is None:
        return "<%s%s %s/>" % (prefix, name, NIL)
    return "<%s%s>%s</%s%s>" % (prefix, name, value, prefix, name)


def get_policies(prefix="", last_update=None, language=None, request_filter=Filter()):
    """The child of s:Body; with prefix "" the default namespace has to be declared by it."""
    xmlns = ' xmlns="%s"' % NS["x"] if not prefix else ""
    client = element(prefix, "lastUpdate", last_update) + \
        element(prefix, "preferredLanguage", language)
    if request_filter is None:
        filtering = None
    else:
        oids = request_filter.oids
        filtering = element(prefix, "policyOIDs", None if oids is None else "".join(
            element(prefix, "oid", oid) for oid in oids)) + \
            element(prefix, "clientVersion", request_filter.client) + \
            element(prefix, "serverVersion", request_filter.server)
    return "<%sGetPolicies%s>%s%s</%sGetPolicies>" % (
        prefix, xmlns, element(prefix, "client", client),
        element(prefix, "requestFilter", filtering), prefix)


def envelope(headers, body, prefix="s"):
    return ('<%(p)s:Envelope xmlns:%(p)s="%(s)s" xmlns:a="%(a)s" xmlns:x="%(x)s" '
            'xmlns:xsi="%(xsi)s"><%(p)s:Header>%(h)s</%(p)s:Header><%(p)s:Body>%(b)s</%(p)s:Body>'
            '</%(p)s:Envelope>' % dict(NS, p=prefix, h=headers, b=body)).encode()


def new_message_id():
    return "urn:uuid:%s" % uuid.uuid4()


def build(style="cepces", message_id=None, to="https://localhost" + PATH, action=ACTION,
          headers="", **policies):
    """One request.

    windows: as [MS-XCEP] 4.1.1.1 prints it, with white space inside the addressing headers, and a
    first lastUpdate without a zone. cepces: the Linux client. minimal: nothing that may be absent.
    headers: more header elements, as text. policies: arguments of get_policies().
    """
    message_id = message_id or new_message_id()
    if style == "minimal":
        return envelope(headers, get_policies(**policies))
    if style == "cepces":
        addressing = ('<a:Action s:mustUnderstand="1">%s</a:Action><a:MessageID>%s</a:MessageID>'
                      '<a:To s:mustUnderstand="1">%s</a:To>' % (action, message_id, escape(to)))
        return envelope(addressing + headers, get_policies("x:", **policies))
    assert style == "windows"
    policies.setdefault("last_update", "0001-01-01T00:00:00")
    addressing = ('\n<a:Action s:mustUnderstand="1">\n%s\n</a:Action>\n<a:MessageID>\n%s\n'
                  '</a:MessageID>\n<a:ReplyTo>\n<a:Address>\n%s\n</a:Address>\n</a:ReplyTo>\n'
                  '<a:To s:mustUnderstand="1">\n%s\n</a:To>\n' %
                  (action, message_id, ANONYMOUS, escape(to)))
    return envelope(addressing + headers, get_policies(**policies))


STYLES = ("windows", "cepces", "minimal")

PASSWORD_TEXT = ("http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
                 "#PasswordText")


def username_token(user, password, type_attribute="", more=""):
    """The o:UsernameToken; a part that is None is left out."""
    return "<o:UsernameToken>%s%s%s</o:UsernameToken>" % (
        "" if user is None else "<o:Username>%s</o:Username>" % escape(user),
        "" if password is None else "<o:Password%s>%s</o:Password>" % (type_attribute,
                                                                       escape(password)), more)


def security(*tokens):
    return '<o:Security s:mustUnderstand="1" xmlns:o="%s" xmlns:u="%s">%s</o:Security>' % (
        NS["o"], NS["u"], "".join(tokens))


def credentials(user, password, style="windows"):
    """The Security header as that client sends it: a Timestamp and nothing else; or a Type with a
    namespace, a Nonce, and local time marked as UTC."""
    if style == "windows":
        return security(
            '<u:Timestamp u:Id="_0"><u:Created>2026-01-01T00:00:00.000Z</u:Created>'
            '<u:Expires>2026-01-01T00:05:00.000Z</u:Expires></u:Timestamp>',
            username_token(user, password))
    if style == "cepces":
        return security(username_token(
            user, password, ' o:Type="%s"' % PASSWORD_TEXT,
            "<o:Nonce>bm9uY2U=</o:Nonce><u:Created>2020-01-01T02:00:00Z</u:Created>"))
    return security(username_token(user, password, ' Type="%s"' % PASSWORD_TEXT))


# Transport.

@dataclass
class Response:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def model(self):
        return parse(self.body)


def trust(server, certificate=None, version=None):
    """A TLS context. certificate: the client's, with its key, in a PEM file; version: no other."""
    context = ssl.create_default_context(cafile=server.certificates.ca_file)
    if version:
        context.minimum_version = context.maximum_version = version
    if certificate:
        context.load_cert_chain(certificate)
    return context


@contextlib.contextmanager
def connect(server, name="localhost", port=None, context=None, timeout=20):
    """A TLS connection as a socket. name: the one that TLS tells."""
    with socket.create_connection(("127.0.0.1", port or server.port), timeout) as plain, \
            (context or trust(server)).wrap_socket(plain, server_hostname=name) as secure:
        yield secure


class Client:
    """One connection to a server; Basic credentials for a user of the test's password file.

    port, context, name: another than the first one, than trust(), and than the address."""

    def __init__(self, server, user="alice", password=None, tls=True, timeout=20,
                 certificate=None, port=None, context=None, name="127.0.0.1"):
        self.headers = {"Content-Type": CONTENT_TYPE, "User-Agent": "MS-WebServices/1.0"}
        if user is not None:
            word = PASSWORDS[user] if password is None else password
            token = base64.b64encode(("%s:%s" % (user, word)).encode()).decode()
            self.headers["Authorization"] = "Basic " + token
        if tls:
            port, context = port or server.port, context or trust(server, certificate)
            self.connection = http.client.HTTPSConnection(name, port, timeout=timeout,
                                                          context=context)
            if name != "127.0.0.1":
                self.connection.sock = context.wrap_socket(
                    socket.create_connection(("127.0.0.1", port), timeout), server_hostname=name)
        else:
            self.connection = http.client.HTTPConnection("127.0.0.1", server.http_port,
                                                         timeout=timeout)

    def send(self, body=None, path=PATH, method="POST", headers=None, chunks=None):
        """headers: more of them, or (value None) fewer. chunks: send these instead of body."""
        fields = {**self.headers, **(headers or {})}
        fields = {name: value for name, value in fields.items() if value is not None}
        self.connection.request(method, path, body=iter(chunks) if chunks is not None else body,
                                headers=fields, encode_chunked=chunks is not None)
        response = self.connection.getresponse()
        return Response(response.status, response.headers, response.read())

    def close(self):
        self.connection.close()


def send(server, body=None, user="alice", password=None, path=PATH, method="POST", headers=None,
         chunks=None, **connection):
    """One request on a connection of its own. connection: more for Client()."""
    client = Client(server, user, password, **connection)
    try:
        return client.send(build() if body is None and chunks is None else body, path, method,
                           headers, chunks)
    finally:
        client.close()


# Answers.

_schemas = {}


def schema():
    """The strict schema of whole messages: every nillable element present, keys and references."""
    if not _schemas:
        path = os.path.join(TESTS, "schema", "soap12-xcep-strict.xsd")
        _schemas["strict"] = etree.XMLSchema(etree.parse(path))
    return _schemas["strict"]


def validate(body):
    """Complaints of the schema, [] when there are none."""
    checker = schema()
    if checker.validate(etree.fromstring(body)):
        return []
    return [str(error) for error in checker.error_log]


def find(node, path):
    return node.find(path, NS)


def text(node, path, convert=str):
    """The element's value, None when it is nil; it has to be there."""
    child = find(node, path)
    assert child is not None, "%s is missing in %s" % (path, etree.QName(node).localname)
    if child.get("{%s}nil" % NS["xsi"]) == "true":
        assert not len(child) and not child.text, "%s is nil and not empty" % path
        return None
    return convert(child.text or "")


def children(node, path, item):
    """The items of a collection, None when it is nil; a collection is never empty."""
    child = find(node, path)
    assert child is not None, "%s is missing" % path
    if child.get("{%s}nil" % NS["xsi"]) == "true":
        return None
    items = child.findall(item, NS)
    assert items, "%s is empty and not nil" % path
    return items


def boolean(value):
    assert value in ("true", "false"), value
    return value == "true"


def values(nodes, convert=str):
    return None if nodes is None else [convert(node.text or "") for node in nodes]


def parse(body):
    """The model of an answer or a fault."""
    root = etree.fromstring(body)
    model = {
        "action": text(root, "s:Header/a:Action"),
        "relates_to": root.findtext("s:Header/a:RelatesTo", None, NS),
        "fault": None,
    }
    fault = find(root, "s:Body/s:Fault")
    if fault is not None:
        model["fault"] = parse_fault(root, fault)
        return model
    answer = find(root, "s:Body/x:GetPoliciesResponse")
    response = find(answer, "x:response")
    table = parse_oids(children(answer, "x:oIDs", "x:oID"))
    cas, ca_keys = parse_cas(children(answer, "x:cAs", "x:cA"))
    policies = children(response, "x:policies", "x:policy")
    model.update(
        policy_id=text(response, "x:policyID"),
        friendly_name=text(response, "x:policyFriendlyName"),
        next_update_hours=text(response, "x:nextUpdateHours", int),
        policies_not_changed=text(response, "x:policiesNotChanged", boolean),
        oids=table and set(table.values()), cas=cas, policies=None)
    if policies is not None:
        read = [parse_policy(policy, table, ca_keys) for policy in policies]
        model["policies"] = {policy["commonName"]: policy for policy in read}
        assert len(model["policies"]) == len(read), "a commonName occurs twice"
    return model


def qualified(node):
    """A QName in text, as {namespace}local."""
    prefix, _, local = node.text.strip().rpartition(":")
    return "{%s}%s" % (node.nsmap[prefix or None], local)


def parse_fault(root, fault):
    subcode = find(fault, "s:Code/s:Subcode/s:Value")
    understood = root.findall("s:Header/s:NotUnderstood", NS)
    return {
        "code": etree.QName(qualified(find(fault, "s:Code/s:Value"))).localname,
        "subcode": None if subcode is None else etree.QName(qualified(subcode)).localname,
        "reason": text(fault, "s:Reason/s:Text"),
        "not_understood": [node.get("qname") for node in understood],
    }


def parse_oids(nodes):
    """Number -> (value, group, name)."""
    if nodes is None:
        return None
    table = {}
    for node in nodes:
        number = text(node, "x:oIDReferenceID", int)
        assert number not in table, "oIDReferenceID %d occurs twice" % number
        table[number] = (text(node, "x:value"), text(node, "x:group", int),
                         text(node, "x:defaultName"))
    assert len(set(table.values())) == len(table), "an OID is listed twice"
    return table


def parse_cas(nodes):
    """key -> CA, and number -> key."""
    if nodes is None:
        return None, {}
    cas, keys = {}, {}
    for node in nodes:
        uris = [{
            "clientAuthentication": text(uri, "x:clientAuthentication", int),
            "uri": text(uri, "x:uri"),
            "priority": text(uri, "x:priority", int),
            "renewalOnly": text(uri, "x:renewalOnly", boolean),
        } for uri in children(node, "x:uris", "x:cAURI")]
        certificate = text(node, "x:certificate")
        key = evaluator.ca_key(base64.b64decode(certificate, validate=True), uris)
        number = text(node, "x:cAReferenceID", int)
        assert number not in keys and key not in cas, "a CA occurs twice"
        keys[number] = key
        cas[key] = {"uris": uris, "certificate": certificate,
                    "enrollPermission": text(node, "x:enrollPermission", boolean)}
    return cas, keys


def parse_policy(policy, table, ca_keys):
    attributes = find(policy, "x:attributes")
    private = find(attributes, "x:privateKeyAttributes")

    def reference(node, path):
        number = text(node, path, int)
        return None if number is None else table[number]

    def references(node, path):
        numbers = values(children(node, path, "x:oIDReference"), int)
        return None if numbers is None else [table[number] for number in numbers]

    def number(path, node=attributes):
        return text(node, path, int)

    ca_numbers = values(children(policy, "x:cAs", "x:cAReference"), int)
    requirements = find(attributes, "x:rARequirements")
    archival = find(attributes, "x:keyArchivalAttributes")
    extensions = children(attributes, "x:extensions", "x:extension")
    nil = "{%s}nil" % NS["xsi"]
    return {
        "policyOIDReference": reference(policy, "x:policyOIDReference"),
        "cAs": None if ca_numbers is None else sorted(ca_keys[item] for item in ca_numbers),
        "commonName": text(attributes, "x:commonName"),
        "policySchema": number("x:policySchema"),
        "validityPeriodSeconds": number("x:certificateValidity/x:validityPeriodSeconds"),
        "renewalPeriodSeconds": number("x:certificateValidity/x:renewalPeriodSeconds"),
        "enroll": text(attributes, "x:permission/x:enroll", boolean),
        "autoEnroll": text(attributes, "x:permission/x:autoEnroll", boolean),
        "minimalKeyLength": number("x:minimalKeyLength", private),
        "keySpec": number("x:keySpec", private),
        "keyUsageProperty": number("x:keyUsageProperty", private),
        "permissions": text(private, "x:permissions"),
        "algorithmOIDReference": reference(private, "x:algorithmOIDReference"),
        "cryptoProviders": values(children(private, "x:cryptoProviders", "x:provider")),
        "majorRevision": number("x:revision/x:majorRevision"),
        "minorRevision": number("x:revision/x:minorRevision"),
        "supersededPolicies": values(children(attributes, "x:supersededPolicies",
                                              "x:commonName")),
        "privateKeyFlags": number("x:privateKeyFlags"),
        "subjectNameFlags": number("x:subjectNameFlags"),
        "enrollmentFlags": number("x:enrollmentFlags"),
        "generalFlags": number("x:generalFlags"),
        "hashAlgorithmOIDReference": reference(attributes, "x:hashAlgorithmOIDReference"),
        "rARequirements": None if requirements.get(nil) == "true" else {
            "rASignatures": number("x:rASignatures", requirements),
            "rAEKUs": references(requirements, "x:rAEKUs"),
            "rAPolicies": references(requirements, "x:rAPolicies"),
        },
        "keyArchivalAttributes": None if archival.get(nil) == "true" else {
            "symmetricAlgorithmOIDReference": reference(archival,
                                                        "x:symmetricAlgorithmOIDReference"),
            "symmetricAlgorithmKeyLength": number("x:symmetricAlgorithmKeyLength", archival),
        },
        "extensions": None if extensions is None else [{
            "oIDReference": reference(node, "x:oIDReference"),
            "critical": text(node, "x:critical", boolean),
            "value": text(node, "x:value"),
        } for node in extensions],
    }


def check_answer(response, message_id=None):
    """What holds for every GetPoliciesResponse. Its model."""
    assert response.status == 200, (response.status, response.body[:500])
    assert response.headers["Content-Type"] == CONTENT_TYPE
    assert int(response.headers["Content-Length"]) == len(response.body)
    assert validate(response.body) == []
    model = parse(response.body)
    assert model["fault"] is None
    assert model["action"] == RESPONSE_ACTION
    if message_id:
        assert model["relates_to"] == message_id
    assert model["policies_not_changed"] is None  # false confuses clients: nil instead
    return model


def check_fault(response, code, subcode=None, message_id=None):
    """What holds for every fault. Its model."""
    assert response.status == 500, (response.status, response.body[:500])
    assert response.headers["Content-Type"] == CONTENT_TYPE
    assert b"GetPoliciesResponse" not in response.body.replace(
        RESPONSE_ACTION.encode(), b"")
    assert validate(response.body) == []
    model = parse(response.body)
    assert model["fault"] and (model["fault"]["code"], model["fault"]["subcode"]) == \
        (code, subcode), model
    assert model["fault"]["reason"]
    if message_id:
        assert model["relates_to"] == message_id
    return model
