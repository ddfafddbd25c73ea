# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Self-relative security descriptors: build them from SDDL, parse them, write them as SDDL.

Layout: [MS-DTYP] 2.4.2 (SID), 2.4.4 (ACE), 2.4.5 (ACL), 2.4.6 (descriptor). The text form is
SDDL, [MS-DTYP] 2.5.1, with two additions that keep templates readable: the object types may be
written "Enroll" and "AutoEnroll", and SID aliases of a domain need that domain's SID.

Nothing here is shared with the C code: tests compare the two.
"""

import re
import struct
import uuid
from dataclasses import dataclass, field
from typing import List, Optional

ENROLL = uuid.UUID("0e10c968-78fb-11d2-90d4-00c04f79dc55")
AUTOENROLL = uuid.UUID("a05b8cc2-17bc-4802-a710-e7c15ab866a2")
OBJECT_TYPES = {"Enroll": ENROLL, "AutoEnroll": AUTOENROLL}

# [MS-ADTS] 5.1.3.2; the order is the one in which SDDL writes them.
RIGHTS = {
    "CC": 0x1, "DC": 0x2, "LC": 0x4, "SW": 0x8, "RP": 0x10, "WP": 0x20, "DT": 0x40, "LO": 0x80,
    "CR": 0x100, "SD": 0x10000, "RC": 0x20000, "WD": 0x40000, "WO": 0x80000,
    "GA": 0x10000000, "GX": 0x20000000, "GW": 0x40000000, "GR": 0x80000000,
}
CONTROL_ACCESS = RIGHTS["CR"]

ACE_FLAGS = {"OI": 0x1, "CI": 0x2, "NP": 0x4, "IO": 0x8, "ID": 0x10, "SA": 0x40, "FA": 0x80}
INHERIT_ONLY = ACE_FLAGS["IO"]

ALLOWED, DENIED, ALLOWED_OBJECT, DENIED_OBJECT = 0x00, 0x01, 0x05, 0x06
ALLOWED_CALLBACK, DENIED_CALLBACK = 0x09, 0x0A
ALLOWED_CALLBACK_OBJECT, DENIED_CALLBACK_OBJECT = 0x0B, 0x0C
ACE_TYPES = {
    "A": ALLOWED, "D": DENIED, "OA": ALLOWED_OBJECT, "OD": DENIED_OBJECT,
    "XA": ALLOWED_CALLBACK, "XD": DENIED_CALLBACK,
    "ZA": ALLOWED_CALLBACK_OBJECT, "ZD": DENIED_CALLBACK_OBJECT,
}
OBJECT_ACES = (ALLOWED_OBJECT, DENIED_OBJECT, ALLOWED_CALLBACK_OBJECT, DENIED_CALLBACK_OBJECT)

# Aliases with a fixed SID, and aliases that are a RID of the domain. [MS-DTYP] 2.4.2.4.
WELL_KNOWN = {
    "WD": "S-1-1-0", "NU": "S-1-5-2", "ED": "S-1-5-9", "PS": "S-1-5-10", "AU": "S-1-5-11",
    "SY": "S-1-5-18", "BA": "S-1-5-32-544", "BU": "S-1-5-32-545",
}
DOMAIN_RIDS = {
    "LA": 500, "DA": 512, "DU": 513, "DG": 514, "DC": 515, "DD": 516, "CA": 517, "EA": 519,
}

# Control bits. Windows' own templates carry 0x9C04: SR, PD, SI, DI, DP.
SELF_RELATIVE = 0x8000
DACL_PRESENT = 0x0004
TEMPLATE_CONTROL = 0x9C04


def sid_to_bytes(text):
    """The binary form of S-1-...; the authority is big-endian, the rest little-endian."""
    parts = text.split("-")
    if len(parts) < 3 or parts[0] != "S" or parts[1] != "1" or len(parts) > 18:
        raise ValueError("no SID: %r" % text)
    authority = int(parts[2], 0)
    subauthorities = [int(part) for part in parts[3:]]
    return (bytes([1, len(subauthorities)]) + authority.to_bytes(6, "big")
            + struct.pack("<%dI" % len(subauthorities), *subauthorities))


def sid_from_bytes(data):
    """The S-1-... form of the SID at the start of data."""
    if len(data) < 8 or data[0] != 1 or data[1] > 15 or len(data) < 8 + 4 * data[1]:
        raise ValueError("no SID")
    authority = int.from_bytes(data[2:8], "big")
    subauthorities = struct.unpack_from("<%dI" % data[1], data, 8)
    text = "0x%x" % authority if authority >= 1 << 32 else "%d" % authority
    return "-".join(["S", "1", text] + ["%d" % value for value in subauthorities])


def sid_length(data):
    sid_from_bytes(data)
    return 8 + 4 * data[1]


@dataclass
class Ace:
    type: int
    flags: int
    mask: int
    sid: str
    object_type: Optional[uuid.UUID] = None
    inherited_object_type: Optional[uuid.UUID] = None
    tail: bytes = b""  # condition of a callback ACE, or padding

    def to_bytes(self):
        body = struct.pack("<I", self.mask)
        if self.type in OBJECT_ACES:
            present = (1 if self.object_type else 0) | (2 if self.inherited_object_type else 0)
            body += struct.pack("<I", present)
            for guid in (self.object_type, self.inherited_object_type):
                body += guid.bytes_le if guid else b""
        body += sid_to_bytes(self.sid) + self.tail
        return struct.pack("<BBH", self.type, self.flags, 4 + len(body)) + body


@dataclass
class SecurityDescriptor:
    owner: Optional[str] = None
    group: Optional[str] = None
    dacl: Optional[List[Ace]] = field(default_factory=list)  # None: no DACL
    control: int = TEMPLATE_CONTROL

    def to_bytes(self):
        """Header, DACL, owner, group: the order in which domain controllers store them."""
        parts, offsets, at = [], {"dacl": 0, "owner": 0, "group": 0}, 20
        blocks = {"dacl": None if self.dacl is None else acl_to_bytes(self.dacl),
                  "owner": sid_to_bytes(self.owner) if self.owner else None,
                  "group": sid_to_bytes(self.group) if self.group else None}
        for name, block in blocks.items():
            if block is not None:
                offsets[name] = at
                parts.append(block)
                at += len(block)
        header = struct.pack("<BBHIIII", 1, 0, self.control, offsets["owner"], offsets["group"],
                             0, offsets["dacl"])
        return header + b"".join(parts)


def acl_to_bytes(aces):
    body = b"".join(ace.to_bytes() for ace in aces)
    revision = 4 if any(ace.type in OBJECT_ACES for ace in aces) else 2
    return struct.pack("<BBHHH", revision, 0, 8 + len(body), len(aces), 0) + body


def parse(data):
    """A SecurityDescriptor, or ValueError for everything that does not read to the end."""
    if len(data) < 20 or data[0] != 1:
        raise ValueError("no security descriptor")
    control, owner, group, _, dacl = struct.unpack_from("<HIIII", data, 2)
    if not control & SELF_RELATIVE:
        raise ValueError("not self-relative")
    result = SecurityDescriptor(control=control, dacl=None)
    if owner:
        result.owner = sid_from_bytes(data[owner:])
    if group:
        result.group = sid_from_bytes(data[group:])
    if control & DACL_PRESENT and dacl:
        result.dacl = parse_acl(data, dacl)
    return result


def parse_acl(data, offset):
    if offset < 20 or len(data) - offset < 8:
        raise ValueError("the DACL lies outside")
    revision, _, size, count, _ = struct.unpack_from("<BBHHH", data, offset)
    if revision not in (2, 4) or size < 8 or size > len(data) - offset:
        raise ValueError("the DACL does not fit")
    aces, at, end = [], offset + 8, offset + size
    for _ in range(count):
        if end - at < 8:
            raise ValueError("an ACE does not fit")
        length = struct.unpack_from("<H", data, at + 2)[0]
        if length < 8 or length > end - at:
            raise ValueError("an ACE does not fit")
        ace = parse_ace(data[at:at + length])
        if ace:
            aces.append(ace)
        at += length
    return aces


def parse_ace(data):
    """One ACE, or None for a type that says nothing about access."""
    kind, flags = data[0], data[1]
    if kind not in ACE_TYPES.values():
        return None
    mask = struct.unpack_from("<I", data, 4)[0]
    at, guids = 8, [None, None]
    if kind in OBJECT_ACES:
        if len(data) < 12:
            raise ValueError("an ACE does not fit")
        present = struct.unpack_from("<I", data, at)[0]
        at += 4
        for i in (0, 1):
            if present & (1 << i):
                if len(data) - at < 16:
                    raise ValueError("an ACE does not fit")
                guids[i] = uuid.UUID(bytes_le=bytes(data[at:at + 16]))
                at += 16
    length = sid_length(data[at:])
    return Ace(kind, flags, mask, sid_from_bytes(data[at:]), guids[0], guids[1],
               bytes(data[at + length:]))


def from_sddl(text, domain=None, control=TEMPLATE_CONTROL):
    """Build a descriptor from O:..G:..D:(type;flags;rights;object;inherited;sid)...

    domain is the SID that DA, DU and the like belong to. The flags behind "D:" (P, AI, ...) are
    accepted and ignored: control says them in full.
    """
    match = re.fullmatch(r"(?:O:([^:]+?))?(?:G:([^:]+?))?(?:D:([A-Z]*)((?:\([^()]*\))*))?", text)
    if not match:
        raise ValueError("no SDDL: %r" % text)
    owner, group, _, aces = match.groups()
    result = SecurityDescriptor(owner=owner and sid_from_sddl(owner, domain),
                                group=group and sid_from_sddl(group, domain), control=control)
    result.dacl = None if aces is None else [
        ace_from_sddl(ace, domain) for ace in re.findall(r"\(([^()]*)\)", aces)]
    return result


def ace_from_sddl(text, domain):
    fields = text.split(";")
    if len(fields) != 6 or fields[0] not in ACE_TYPES:
        raise ValueError("no ACE: %r" % text)
    kind, flags, rights, object_type, inherited, sid = fields
    return Ace(ACE_TYPES[kind], sum(ACE_FLAGS[flag] for flag in re.findall("..", flags)),
               rights_from_sddl(rights), sid_from_sddl(sid, domain),
               guid_from_sddl(object_type), guid_from_sddl(inherited))


def rights_from_sddl(text):
    if text.lower().startswith("0x"):
        return int(text, 16)
    return sum(RIGHTS[right] for right in re.findall("..", text))


def guid_from_sddl(text):
    if not text:
        return None
    return OBJECT_TYPES.get(text) or uuid.UUID(text)


def sid_from_sddl(text, domain):
    if text.startswith("S-1-"):
        return text
    if text in WELL_KNOWN:
        return WELL_KNOWN[text]
    if text in DOMAIN_RIDS and domain:
        return "%s-%d" % (domain, DOMAIN_RIDS[text])
    raise ValueError("unknown SID: %r" % text)


def to_sddl(descriptor, domain=None):
    """The text form; the inverse of from_sddl() but for control."""
    names = {sid: alias for alias, sid in WELL_KNOWN.items()}
    if domain:
        names.update({"%s-%d" % (domain, rid): alias for alias, rid in DOMAIN_RIDS.items()})
    text = ""
    for letter, sid in (("O", descriptor.owner), ("G", descriptor.group)):
        text += "%s:%s" % (letter, names.get(sid, sid)) if sid else ""
    if descriptor.dacl is not None:
        text += "D:" + "".join(ace_to_sddl(ace, names) for ace in descriptor.dacl)
    return text


def ace_to_sddl(ace, names):
    kinds = {value: name for name, value in ACE_TYPES.items()}
    guids = {value: name for name, value in OBJECT_TYPES.items()}
    known = sum(RIGHTS.values())
    if ace.mask & ~known:
        rights = "0x%x" % ace.mask
    else:
        rights = "".join(name for name, bit in RIGHTS.items() if ace.mask & bit)
    return "(%s;%s;%s;%s;%s;%s)" % (
        kinds[ace.type], "".join(name for name, bit in ACE_FLAGS.items() if ace.flags & bit),
        rights, guids.get(ace.object_type, ace.object_type or ""),
        guids.get(ace.inherited_object_type, ace.inherited_object_type or ""),
        names.get(ace.sid, ace.sid))
