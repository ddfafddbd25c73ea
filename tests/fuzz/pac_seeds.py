#!/usr/bin/python3
# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Write the seeds of fuzz_pac: logon information of tickets, and lists of name attributes.

    python3 tests/fuzz/pac_seeds.py [FOLDER]      (default: corpus/pac beside this file)

Logon information is KERB_VALIDATION_INFO, [MS-PAC] 2.5, serialized by [MS-RPCE] 2.2.6.1, 2.2.6.2:

    common header    version 1, endianness 0x10, length 8, filler 0xcccccccc
    private header   length of what follows (a multiple of 8), filler 0
    referent         a number that is not 0: the top-level pointer
    the structure    216 octets; each pointer in it is such a number, or 0
    the referents    what the pointers point to, in the order of the pointers:
      a string         room and length in characters with an offset between them, then UTF-16
      an array         its number of elements, the elements; then what pointers in these point to
      a SID            its number of subauthorities, then the SID of [MS-DTYP] 2.4.2.2

Every number is aligned to its own size from the end of the headers on.
"""

import base64
import os
import struct
import sys

DOMAIN = "S-1-5-21-1004336348-1177238915-682003330"
OTHER = "S-1-5-21-11-22-33"
PRINCIPAL = "alice@CORP.EXAMPLE"  # fuzz_pac.c asks for this one
EXTRA_SIDS, RESOURCE_GROUPS = 0x20, 0x200


def sid(text):
    """The binary form of S-1-..."""
    parts = [int(part, 0) for part in text.split("-")[1:]]
    return struct.pack(">BBHI", parts[0], len(parts) - 2, parts[1] >> 32, parts[1] & 0xFFFFFFFF) + \
        b"".join(struct.pack("<I", part) for part in parts[2:])


class Writer:
    """NDR: octets so far, and how many pointers there were."""

    def __init__(self):
        self.octets = bytearray()
        self.pointers = 0

    def align(self, size):
        self.octets += bytes(-len(self.octets) % size)

    def u16(self, *values):
        for value in values:
            self.align(2)
            self.octets += struct.pack("<H", value)

    def u32(self, *values):
        for value in values:
            self.align(4)
            self.octets += struct.pack("<I", value)

    def pointer(self, there):
        self.u32(0x00020000 + 4 * self.pointers if there else 0)
        self.pointers += bool(there)

    def name(self, text):
        octets = (text or "").encode("utf-16-le")
        self.u16(len(octets), len(octets))
        self.pointer(text is not None)

    def name_text(self, text):
        if text is not None:
            octets = text.encode("utf-16-le")
            self.u32(len(octets) // 2, 0, len(octets) // 2)
            self.octets += octets

    def sid(self, text):
        octets = sid(text)
        self.u32(octets[1])
        self.octets += octets

    def groups(self, groups):
        if groups:
            self.u32(len(groups))
            for rid, attributes in groups:
                self.u32(rid, attributes)

    def extra(self, sids):
        if sids:
            self.u32(len(sids))
            for _, attributes in sids:
                self.pointer(True)
                self.u32(attributes)
            for text, _ in sids:
                self.sid(text)


def logon(user=1105, primary=513, groups=((513, 7),), extra=(), resource=(),
          domain=DOMAIN, resource_domain=None, flags=None, control=0x10,
          names=("alice", "Alice A", "", "", "", "", "DC1", "CORP")):
    """The octets of logon information; flags None: as the lists need them."""
    if flags is None:
        flags = (EXTRA_SIDS if extra else 0) | (RESOURCE_GROUPS if resource else 0)
    out = Writer()
    out.pointer(True)
    out.u32(*[0] * 12)  # six times
    for name in names[:6]:
        out.name(name)
    out.u16(3, 0)  # LogonCount, BadPasswordCount
    out.u32(user, primary, len(groups))
    out.pointer(groups)
    out.u32(flags, *[0] * 4)  # then UserSessionKey
    for name in names[6:]:
        out.name(name)
    out.pointer(domain)
    out.u32(0, 0, control, *[0] * 7)  # SubAuthStatus to Reserved3
    out.u32(len(extra))
    out.pointer(extra)
    out.pointer(resource_domain)
    out.u32(len(resource))
    out.pointer(resource)
    for name in names[:6]:
        out.name_text(name)
    out.groups(groups)
    for name in names[6:]:
        out.name_text(name)
    if domain:
        out.sid(domain)
    out.extra(extra)
    if resource_domain:
        out.sid(resource_domain)
    out.groups(resource)
    out.align(8)
    return struct.pack("<BBHIII", 1, 0x10, 8, 0xCCCCCCCC, len(out.octets), 0) + bytes(out.octets)


def attribute(name, values, authenticated="true", complete="true"):
    """One attribute as mod_auth_gssapi writes it; values are (octets or None, display or None)."""
    rows = ",".join('{"raw":%s,"display":%s}' % (
        "null" if raw is None else '"%s"' % base64.b64encode(raw).decode(),
        "null" if display is None else '"%s"' % display) for raw, display in values)
    return '"%s":{"authenticated":%s,"complete":%s,"values":[%s]}' % (
        name, authenticated, complete, rows)


def listed(*attributes, name=PRINCIPAL):
    return ('{"name":"%s","attributes":{%s}}' % (name, ",".join(attributes))).encode()


def patched(octets, at, form, value):
    out = bytearray(octets)
    struct.pack_into(form, out, at, value)
    return bytes(out)


def logons():
    full = dict(groups=[(513, 7), (1200, 7)], extra=[("S-1-18-1", 7), (OTHER + "-1999", 7)],
                resource=[(2201, 0x20000007)], resource_domain=OTHER)
    sound = logon(**full)
    yield "user", sound
    yield "least", logon(user=1, primary=2, groups=(), names=[None] * 8)
    yield "computer", logon(user=1107, primary=515, groups=[(515, 7)], control=0x80,
                            extra=[("S-1-18-1", 7)], names=("WS01$", "", "", "", "", "", "D", "C"))
    yield "controller", logon(user=1000, primary=516, groups=[(516, 7)], control=0x100,
                              extra=[("S-1-5-9", 7), ("S-1-18-1", 7)])
    yield "read-only-controller", logon(primary=521, groups=[(521, 7), (498, 7)], control=0x80)
    yield "guest", logon(user=501, primary=514, groups=[(514, 7)])
    yield "other-organization", logon(extra=[("S-1-5-1000", 7)])
    yield "claims", logon(extra=[("S-1-5-21-0-0-0-496", 7), ("S-1-5-21-0-0-0-497", 7)])
    yield "history", logon(extra=[("%s-%d" % (OTHER, rid), 7) for rid in range(1100, 1140)])
    yield "many-groups", logon(groups=[(rid, 7) for rid in range(1000, 2015)])
    yield "resource-only", logon(groups=(), resource=[(9, 7)], resource_domain=DOMAIN)
    yield "resource-domain-alone", logon(resource_domain=OTHER)
    yield "long-sid", logon(extra=[("S-1-5" + "-4294967295" * 15, 7), ("S-1-16", 7)])
    yield "long-authority", logon(extra=[("S-1-0xfedcba987654-1", 7)])
    yield "odd-names", logon(names=("a", "bc", "def", "\u00e4", "\U0001f511", "", "x", "yz"))
    yield "no-names", logon(names=[None] * 8)
    yield "empty-names", logon(names=[""] * 8)
    yield "flags-alone", logon(flags=EXTRA_SIDS | RESOURCE_GROUPS)
    yield "highest-rids", logon(user=0xFFFFFFFF, primary=0xFFFFFFFE, groups=[(0xFFFFFFFD, 7)])
    # refused for what they say
    yield "bad-no-user", logon(user=0)
    yield "bad-disabled", logon(control=0x11)
    yield "bad-trust", logon(control=0x40)
    yield "bad-guest-logon", logon(flags=1)
    yield "bad-no-domain", logon(domain=None)
    yield "bad-domain", logon(domain="S-1-5-32")
    yield "bad-not-enabled", logon(groups=[(513, 3)])
    yield "bad-deny-only", logon(extra=[("S-1-18-1", 0x17)])
    yield "bad-flags", logon(flags=0, extra=[("S-1-18-1", 7)])
    yield "bad-no-resource-domain", logon(resource=[(9, 7)])
    # refused for how they say it
    yield "bad-empty", b""
    yield "bad-headers-alone", sound[:16]
    yield "bad-structure-alone", patched(sound[:240], 8, "<I", 224)
    yield "bad-cut", patched(sound[:-8], 8, "<I", len(sound) - 24)
    yield "bad-more", patched(sound + bytes(8), 8, "<I", len(sound) - 8)
    yield "bad-big-endian", patched(sound, 1, "<B", 0)
    yield "bad-null", patched(sound, 16, "<I", 0)
    yield "bad-group-count", patched(sound, 128, "<I", 0xFFFFFFFF)
    yield "bad-extra-count", patched(sound, 216, "<I", 0x20000000)
    yield "bad-resource-count", patched(sound, 228, "<I", 3)
    yield "bad-name", patched(sound, 68, "<H", 0xFFFE)


def lists():
    pac = attribute("urn:mspac:logon-info", [(logon(extra=[("S-1-18-1", 7)]), None)])
    whole = attribute("urn:mspac:", [(bytes(64), None)])
    yield "list", listed(whole, pac, attribute("urn:mspac:6", [(b"\1\2\3", None)]))
    yield "list-empty", listed()
    yield "list-without", listed(whole)
    yield "list-values", listed(attribute("urn:x", [(b"a", "a"), (None, "b"), (None, None)]), pac)
    yield "list-escapes", listed(attribute("urn:x", [(b"a", '\\"\\\\\\u0001\\u-067')]), pac)
    yield "list-bad-unsigned", listed(pac.replace('"authenticated":true', '"authenticated":false'))
    yield "list-bad-incomplete", listed(pac.replace('"complete":true', '"complete":false'))
    yield "list-bad-twice", listed(pac, pac)
    yield "list-bad-comma", listed("", pac)
    yield "list-bad-name", listed(pac, name="bob@CORP.EXAMPLE")
    yield "list-bad-injected", listed(name=PRINCIPAL + '","attributes":{' + pac + '},"x":"')
    yield "list-bad-base64", listed(pac.replace("A", "-", 1))
    yield "list-bad-logon", listed(attribute("urn:mspac:logon-info", [(bytes(40), None)]))


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else \
        os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "pac")
    os.makedirs(folder, exist_ok=True)
    for name, octets in list(logons()) + list(lists()):
        with open(os.path.join(folder, name), "wb") as file:
            file.write(octets)


if __name__ == "__main__":
    main()
