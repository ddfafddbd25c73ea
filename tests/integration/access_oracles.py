# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Two opinions on access that owe nothing to mod_cep's code.

One is written here, from the specifications alone. The other is Samba's sec_access_check_ds(),
called in its own library; samba.security.access_check() is not it, and does not know object ACEs.

Where Samba decides otherwise by a rule of its own the class of the difference has a name in RULES,
READING or NOT_READ_BY_SAMBA; docs/conformance.md lists the same names.

A verdict is a digit: 1 for Enroll, plus 2 for AutoEnroll.
"""

import ctypes
import re
import struct

from access_cases import AUTOENROLL, ENROLL, OBJECT, PLAIN, SELF, ZEROS

DIGITS = "0123"

# --- the specifications --------------------------------------------------------------------------

# Rules by which mod_cep decides and Samba does not.
RULES = {
    "ObjectType of zeros": "denies here; Samba: another right than the one asked for",
    "conditional denial": "denies here; Samba 4.17 passes it over",
    "GENERIC_ALL denies": "here; Samba: a bit that nobody asked for",
    "SELF": "nobody here; Samba: whoever's token holds S-1-5-10",
}
OURS = frozenset(RULES)
SEVERAL = "several of these rules"


class Unreadable(Exception):
    """The descriptor is damaged, or has no DACL: it grants nothing."""


# Why mod_cep refuses a descriptor, and Samba may read it.
READING = {
    "no DACL": "DP is clear, or there is no offset of a DACL",
    "revision or SR": "a descriptor of another revision than 1, or not marked self-relative",
    "part in the header": "owner, group or an ACL begins before octet 20",
    "out of bounds": "an ACE lies beyond AclSize, AclSize beyond the descriptor",
    "ACL header": "a revision other than 2 to 4, AclSize below 8, a reserved field that is not 0",
    "AceSize": "below 4, or no multiple of 4",
    "SID": "a revision other than 1, or more than 15 subauthorities",
}

# Why Samba refuses a descriptor that mod_cep reads, or reads other octets of it.
NOT_READ_BY_SAMBA = {
    "alignment": "a part begins at no multiple of 4: Samba reads from the next one on",
    "layout": "an ACE whose type Samba 4.17 does not know: it takes the SID from behind the mask",
    "ACE count": "more than 2,000 ACEs in one ACL",
}


def need(condition, why):
    if not condition:
        raise Unreadable(why)


class Reader:
    """Octets with a bound; whatever lies outside is Unreadable."""

    def __init__(self, octets):
        self.octets = octets

    def take(self, at, length):
        need(0 <= at and at + length <= len(self.octets), "out of bounds")
        return self.octets[at : at + length]

    def number(self, at, form):
        return struct.unpack("<" + form, self.take(at, struct.calcsize(form)))[0]

    def sid(self, at):
        """[MS-DTYP] 2.4.2.2"""
        revision, count = self.take(at, 2)
        need(revision == 1 and count <= 15, "SID")
        return self.take(at, 8 + 4 * count)


def read_ace(octets):
    """(type, flags, mask, object type, SID); of an ACE of unknown layout only the type."""
    ace = Reader(octets)
    kind, flags = ace.take(0, 2)
    if kind not in PLAIN | OBJECT:
        return kind, 0, 0, None, None
    mask, at, object_type = ace.number(4, "I"), 8, None
    if kind in OBJECT:
        present, at = ace.number(8, "I"), 12
        if present & 1:
            object_type, at = ace.take(at, 16), at + 16
        if present & 2:
            ace.take(at, 16)
            at += 16
    return kind, flags, mask, object_type, ace.sid(at)


def read_acl(octets):
    """[MS-DTYP] 2.4.5; a list of ACEs"""
    header = Reader(octets)
    revision, size, count, reserved = (
        header.number(0, "B"),
        header.number(2, "H"),
        header.number(4, "H"),
        header.number(6, "H"),
    )
    need(revision in (2, 3, 4) and size >= 8 and reserved == 0, "ACL header")
    rest, at, aces = Reader(Reader(octets).take(0, size)), 8, []
    for _ in range(count):
        length = rest.number(at + 2, "H")
        need(length >= 4 and length % 4 == 0, "AceSize")
        aces.append(read_ace(rest.take(at, length)))
        at += length
    return aces


def read_descriptor(octets):
    """[MS-DTYP] 2.4.6: the ACEs of the DACL and of the SACL; all else is checked as well"""
    descriptor = Reader(octets)
    descriptor.take(0, 20)
    revision, control = descriptor.number(0, "B"), descriptor.number(2, "H")
    need(revision == 1 and control & 0x8000, "revision or SR")
    owner, group, sacl, dacl = (descriptor.number(at, "I") for at in (4, 8, 12, 16))
    for offset in (owner, group, sacl, dacl):
        need(offset == 0 or offset >= 20, "part in the header")
    for offset in filter(None, (owner, group)):
        descriptor.sid(offset)
    audited = read_acl(octets[sacl:]) if sacl else []
    need(control & 0x0004 and dacl, "no DACL")
    return read_acl(octets[dacl:]), audited


def steps(aces, guid, rules):
    """(SID, granted?) of each ACE that says something about a right, in the order of the DACL."""
    allow, deny = {0x00, 0x05}, {0x01, 0x06}
    denying = 0x00000100
    if "conditional denial" in rules:
        deny |= {0x0A, 0x0C}
    if "GENERIC_ALL denies" in rules:
        denying |= 0x10000000
    for kind, flags, mask, object_type, sid in aces:
        if flags & 0x08 or (sid == SELF and "SELF" in rules):
            continue
        if object_type not in (None, guid) and \
                not (object_type == ZEROS and kind in deny and "ObjectType of zeros" in rules):
            continue
        if kind in allow and mask & 0x00000100:
            yield sid, True
        elif kind in deny and mask & denying:
            yield sid, False


def first_held(decisions, token):
    for sid, granted in decisions:
        if sid in token:
            return granted
    return False


def verdicts(aces, tokens, rules=OURS):
    """A digit for each token (a set of SIDs): [MS-ADTS] 5.1.3.3.4 with [MS-CRTD] 2.5."""
    enroll, autoenroll = (list(steps(aces, guid, rules)) for guid in (ENROLL, AUTOENROLL))
    return "".join(
        DIGITS[first_held(enroll, token) + 2 * first_held(autoenroll, token)] for token in tokens
    )


# --- Samba ---------------------------------------------------------------------------------------


class ObjectTree(ctypes.Structure):
    """struct object_tree of one node: what is still to be granted of one right."""

    _fields_ = [
        ("remaining", ctypes.c_uint32),
        ("guid", ctypes.c_uint8 * 16),
        ("children_count", ctypes.c_int),
        ("children", ctypes.c_void_p),
    ]


def loaded_library(name):
    """A library that this process has loaded already, wherever it lies."""
    with open("/proc/self/maps", encoding="utf-8") as maps:
        for line in maps:
            if re.search(rf"/{name}[^/]*\.so", line):
                # PyDLL: _pytalloc_get_ptr() works on Python's objects, and must hold its lock
                return ctypes.PyDLL("/" + line.split("/", 1)[1].rstrip())
    raise ImportError(f"python3-samba has loaded no {name}")


class Samba:
    """sec_access_check_ds(), or ImportError."""

    CONTROL_ACCESS = 0x100

    def __init__(self):
        from samba import ndr, version
        from samba.dcerpc import security

        self.version = version
        self._unpack, self._security = ndr.ndr_unpack, security
        self._pointer = loaded_library("libpytalloc-util")._pytalloc_get_ptr
        self._pointer.argtypes, self._pointer.restype = [ctypes.py_object], ctypes.c_void_p
        self._check = loaded_library("libsamba-security").sec_access_check_ds
        self._check.restype = ctypes.c_uint32
        self._check.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint32] + \
            [ctypes.c_void_p] * 3
        self._granted = ctypes.c_uint32()
        self._trees = [
            ObjectTree(0, (ctypes.c_uint8 * 16)(*guid), 0, None) for guid in (ENROLL, AUTOENROLL)
        ]
        self._tokens, self._addresses = [], []

    def use(self, tokens):
        """The tokens that verdicts() is asked about; they cost more than descriptors."""
        self._tokens = [self._security.token() for _ in tokens]
        for theirs, ours in zip(self._tokens, tokens):
            theirs.sids = [self._unpack(self._security.dom_sid, sid) for sid in sorted(ours)]
            theirs.num_sids = len(ours)
        self._addresses = [self._pointer(token) for token in self._tokens]

    def verdicts(self, octets, first, count):
        """A digit for each of count tokens, or None where Samba cannot read the descriptor."""
        try:
            descriptor = self._unpack(self._security.descriptor, octets, allow_remaining=True)
        except RuntimeError:
            return None
        address, granted = self._pointer(descriptor), ctypes.addressof(self._granted)
        enroll, autoenroll = self._trees
        trees = ctypes.addressof(enroll), ctypes.addressof(autoenroll)
        answers = []
        for token in self._addresses[first : first + count]:
            # the check takes what it grants from the tree
            enroll.remaining = autoenroll.remaining = self.CONTROL_ACCESS
            answer = 0
            for bit, tree in enumerate(trees, 1):
                if self._check(address, token, self.CONTROL_ACCESS, granted, tree, None) == 0:
                    answer += bit
            answers.append(DIGITS[answer])
        return "".join(answers)


# Types that Samba 4.17 reads as [MS-DTYP] lays them out.
KNOWN_TO_SAMBA = (PLAIN | OBJECT) - {0x0B, 0x0C, 0x0F, 0x10}


def misread_by_samba(octets, dacl, sacl):
    """Why Samba may have read something else than is there, or nothing; None: it may not."""
    if any(offset % 4 for offset in struct.unpack_from("<4I", octets, 4)):
        return "alignment"
    if any(ace[0] not in KNOWN_TO_SAMBA for ace in dacl + sacl):
        return "layout"
    if max(len(dacl), len(sacl)) > 2000:
        return "ACE count"
    return None


def explain_by_rules(dacl, tokens, ours, theirs):
    """The rule that makes the difference, where Samba says what it must say by its own rules."""
    expected = verdicts(dacl, tokens)
    by_their_rules = verdicts(dacl, tokens, frozenset())
    without = [(name, verdicts(dacl, tokens, OURS - {name})) for name in RULES]
    for at, digit in enumerate(theirs):
        if digit != by_their_rules[at]:
            yield ""
        elif digit == ours[at]:
            yield None
        elif ours[at] != expected[at]:
            yield ""
        else:
            yield next((name for name, single in without if single[at] == digit), SEVERAL)


def explain(octets, tokens, ours, theirs):
    """What separates Samba's verdicts (None: it cannot read the descriptor) from mod_cep's.

    For each token the name of a class, None where they agree, "" where nothing explains it.
    """
    told = theirs or "0" * len(tokens)
    try:
        dacl, sacl = read_descriptor(octets)
    except Unreadable as why:
        return [None if one == other else str(why) if one == "0" else ""
                for one, other in zip(ours, told)]
    reason = misread_by_samba(octets, dacl, sacl)
    if theirs is None or reason in ("alignment", "ACE count"):
        return [None if one == other else reason or "" for one, other in zip(ours, told)]
    return list(explain_by_rules(dacl, tokens, ours, theirs))
