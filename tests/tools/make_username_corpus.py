#!/usr/bin/python3
# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The seeds of fuzz_username: make_username_corpus.py FOLDER writes one file for each.

Each is what stands inside of a Security header: good tokens in the forms that clients send, and the
nearest ones that are not good.
"""

import os
import sys

PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0"
TEXT, DIGEST = PROFILE + "#PasswordText", PROFILE + "#PasswordDigest"
STAMP = ("<u:Timestamp u:Id='_0'><u:Created>2026-01-15T10:00:00.000Z</u:Created>"
         "<u:Expires>2026-01-15T10:05:00.000Z</u:Expires></u:Timestamp>")
NONCE = "<o:Nonce>MTIzNDU2Nzg5MA==</o:Nonce>"
CREATED = "<u:Created>2026-01-15T10:00:00Z</u:Created>"


def token(user="<o:Username>alice</o:Username>", password="<o:Password>secret</o:Password>",
          more="", attributes=""):
    return "<o:UsernameToken%s>%s%s%s</o:UsernameToken>" % (attributes, user, password, more)


def named(text):
    return token(user="<o:Username>%s</o:Username>" % text)


def secret(text, attributes=""):
    return token(password="<o:Password%s>%s</o:Password>" % (attributes, text))


TEXTS = (
    "a", "CORP\\alice", "alice@corp.example", "CORP/alice", "WS01$", " alice ", "\n\talice\n",
    "al ice", "&lt;alice&gt;", "&amp;", "&quot;&apos;", "&#65;", "&#x1F512;", "&#10;", "&#13;",
    "&#9;a", "\u00e9", "\u4e2d\u6587", "\U0001f512", "a\u0301", "<![CDATA[alice]]>",
    "<![CDATA[<&>]]>", "a<![CDATA[]]>b", "a<!-- -->b", "<!--a-->", "", " ", "\n", "&#32;", "&#0;",
    "&a;", "&#xFFFE;", "<b/>", "a<b/>c", "\\", "\\\\", "@", "a@", "@a", "a\\", "\\a", "a\\b@c",
    "a" * 255, "a" * 256, "a" * 257, "a" * 511, "a" * 512, "a" * 513, "a" * 1023, "a" * 1024,
    "a" * 1025, "\u00e9" * 256, "\u00e9" * 257, "\u00e9" * 512, "\u00e9" * 513, "a" * 16384,
    "a" * 16385, "]]&gt;", "*", "(cn=*)", "%00", "%s%n", "../../etc/passwd", "'\"", "{0}", "$(id)")
TYPES = ("", TEXT, DIGEST, " %s " % TEXT, TEXT + "x", TEXT.lower(), "#PasswordText",
         "PasswordText", "\n%s\n" % TEXT, "urn:x", PROFILE, "&#65;")

GOOD = {
    "windows": STAMP + token(attributes=" u:Id='uuid-1'"),
    "cepces": secret("secret", " o:Type='%s'" % TEXT).replace(
        "</o:UsernameToken>", NONCE + CREATED + "</o:UsernameToken>"),
    "mdm": secret("mypassword", " o:Type='%s'" % TEXT).replace("alice", "user@contoso.com"),
    "password-first": "<o:UsernameToken><o:Password>p</o:Password><o:Username>u</o:Username>"
                      "</o:UsernameToken>",
    "spread": "\n " + token(user="\n <o:Username>alice</o:Username>\n ", more="\n ") + "\n",
    "other-prefix": "<w:UsernameToken xmlns:w='%s'><w:Username>u</w:Username><w:Password>p"
                    "</w:Password></w:UsernameToken>" % (
                        "http://docs.oasis-open.org/wss/2004/01/"
                        "oasis-200401-wss-wssecurity-secext-1.0.xsd"),
    "more": token(more=NONCE + CREATED + "<u:x>y</u:x><o:Iteration>1</o:Iteration>"),
    "token-then-stamp": token() + STAMP,
    "nonce-first": token(user=NONCE + "<o:Username>u</o:Username>"),
    "stranger-beside": token() + "<x xmlns='urn:x'><y/></x>",
}
ODD = {
    "empty": "", "blanks": " \n ", "text": "alice", "stamp-only": STAMP,
    "empty-token": "<o:UsernameToken/>", "no-user": token(user=""), "no-password": token(
        password=""), "neither": token(user="", password=""), "two-tokens": token() * 2,
    "two-users": token(user="<o:Username>a</o:Username><o:Username>b</o:Username>"),
    "two-passwords": token(password="<o:Password>a</o:Password><o:Password>b</o:Password>"),
    "two-stamps": STAMP * 2 + token(), "nested": token(more=token()),
    "in-a-stranger": "<x xmlns='urn:x'>%s</x>" % token(),
    "other-namespace": token().replace("o:", "u:"),
    "no-namespace": token().replace("o:", ""), "lower-case": token().lower().replace("o:u", "o:u"),
    "binary": "<o:BinarySecurityToken>AAAA</o:BinarySecurityToken>",
    "binary-and-token": "<o:BinarySecurityToken>AAAA</o:BinarySecurityToken>" + token(),
    "token-and-binary": token() + "<o:BinarySecurityToken>AAAA</o:BinarySecurityToken>",
    "out-of-security": token() + "</o:Security><o:Security>",
    "second-security": "</o:Security><o:Security>" + token(),
    "close-all": "</o:Security></s:Header><s:Body/></s:Envelope>",
    "comment-open": "<!--", "cdata-open": "<![CDATA[", "instruction": "<?x?>" + token(),
    "doctype": "<!DOCTYPE x>", "cut-1": token()[:-1], "cut-2": token()[:30], "nul": "a\0b",
    "no-utf8": b"<o:UsernameToken><o:Username>\xff\xfe</o:Username></o:UsernameToken>",
    "rebound": "<o:UsernameToken xmlns:o='urn:x'><o:Username>a</o:Username></o:UsernameToken>",
    "types-differ": secret("p", " Type='%s' o:Type='%s'" % (TEXT, DIGEST)),
    "types-agree": secret("p", " Type='%s' o:Type='%s'" % (TEXT, TEXT)),
    "type-of-u": secret("p", " u:Type='%s'" % DIGEST),
    "derived-key": token(more="<o:Salt>AAAA</o:Salt>"),
    "signature": token() + "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/>",
    "deep": "<b xmlns='urn:b'>" * 40, "many": "<b xmlns='urn:b'/>" * 80,
    "role": token(attributes=" s:mustUnderstand='1'"), "nil": token(
        user="<o:Username xsi:nil='true' xmlns:xsi='urn:x'/>"),
}


def main(folder):
    os.makedirs(folder, exist_ok=True)
    seeds = {"good-" + name: text for name, text in GOOD.items()}
    seeds.update({"odd-" + name: text for name, text in ODD.items()})
    for number, text in enumerate(TEXTS):
        seeds["user-%02d" % number] = named(text)
        seeds["password-%02d" % number] = secret(text)
    for number, text in enumerate(TYPES):
        for prefix in ("", "o:"):
            seeds["type-%02d%s" % (number, prefix.strip(":"))] = secret(
                "secret", " %sType='%s'" % (prefix, text))
    for name, text in seeds.items():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
