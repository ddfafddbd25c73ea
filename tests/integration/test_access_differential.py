# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The access check against an evaluator written from the specifications alone.

Random descriptors, most of them damaged in some way, meet random tokens; the C code and every
oracle must agree on each triple of descriptor, right and token. CEP_TRIPLES says how many, CEP_SEED
repeats a run.
"""

import os
import random
import struct
import uuid

import access_tool

TRIPLES = int(os.environ.get("CEP_TRIPLES", "200000"))
TRIPLES_OF_DESCRIPTOR = 16  # two rights, eight tokens
BATCH = 20000

RIGHTS = {
    "enroll": uuid.UUID("0e10c968-78fb-11d2-90d4-00c04f79dc55"),
    "autoenroll": uuid.UUID("a05b8cc2-17bc-4802-a710-e7c15ab866a2"),
}
ENROLL = RIGHTS["enroll"].bytes_le
AUTOENROLL = RIGHTS["autoenroll"].bytes_le


# --- the evaluator -------------------------------------------------------------------------------


class Unreadable(Exception):
    """The descriptor is damaged, or has no DACL: it grants nothing."""


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


# Which ACE types have the plain and the object layout: [MS-DTYP] 2.4.4.1.
PLAIN = {0x00, 0x01, 0x02, 0x03, 0x09, 0x0A, 0x0D, 0x0E, 0x11, 0x12, 0x13}
OBJECT = {0x05, 0x06, 0x07, 0x08, 0x0B, 0x0C, 0x0F, 0x10}


def read_ace(octets):
    """(type, flags, mask, object type, SID), or None for an ACE of unknown layout."""
    ace = Reader(octets)
    kind, flags = ace.take(0, 2)
    if kind not in PLAIN | OBJECT:
        return None
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
    rest, aces = Reader(octets).take(0, size)[8:], []
    for _ in range(count):
        length = Reader(rest).number(2, "H")
        need(length >= 4 and length % 4 == 0, "AceSize")
        aces.append(read_ace(Reader(rest).take(0, length)))
        rest = rest[length:]
    return aces


def read_dacl(octets):
    """[MS-DTYP] 2.4.6: the whole descriptor is checked, the DACL returned"""
    descriptor = Reader(octets)
    descriptor.take(0, 20)
    revision, control = descriptor.number(0, "B"), descriptor.number(2, "H")
    need(revision == 1 and control & 0x8000, "revision, SR")
    owner, group, sacl, dacl = (descriptor.number(at, "I") for at in (4, 8, 12, 16))
    for offset in (owner, group, sacl, dacl):
        need(offset == 0 or offset >= 20, "part inside the header")
    for offset in filter(None, (owner, group)):
        descriptor.sid(offset)
    if sacl:
        read_acl(octets[sacl:])
    need(control & 0x0004 and dacl, "no DACL, NULL DACL")
    return read_acl(octets[dacl:])


class Specification:
    """protocol: [MS-ADTS] 5.1.3.3.4 with [MS-CRTD] 2.5 and this project's decisions."""

    name = "specification"
    allow = {0x00, 0x05}
    deny = {0x01, 0x06, 0x0A, 0x0C}  # a condition is taken as met where it denies
    self_sid = bytes.fromhex("01010000000000050a000000")

    def __init__(self):
        self.last = None, None

    def dacl(self, descriptor):
        """The DACL, or None; the last one is remembered, because it is asked for many times."""
        if self.last[0] is not descriptor:
            try:
                self.last = descriptor, read_dacl(descriptor)
            except Unreadable:
                self.last = descriptor, None
        return self.last[1]

    def readable(self, descriptor):
        return self.dacl(descriptor) is not None

    def granted(self, descriptor, right, token):
        """token: a set of binary SIDs"""
        for ace in self.dacl(descriptor) or []:
            if ace is None:
                continue
            kind, flags, mask, object_type, sid = ace
            if kind not in self.allow | self.deny or flags & 0x08:
                continue
            if sid not in token or sid == self.self_sid:
                continue
            about = {None, RIGHTS[right].bytes_le} | ({bytes(16)} if kind in self.deny else set())
            if object_type not in about:
                continue
            if kind in self.deny and mask & 0x10000100:
                return False
            if kind in self.allow and mask & 0x00000100:
                return True
        return False

    def explain(self, descriptor, right, token):
        """Why this oracle may differ from the C code here; None: it may not."""
        return None


ORACLES = [Specification]


# --- descriptors and tokens ----------------------------------------------------------------------


def sid_text(octets):
    numbers = struct.unpack(f"<{octets[1]}I", octets[8:])
    authority = int.from_bytes(octets[2:8], "big")
    first = str(authority) if authority < 1 << 32 else f"0x{authority:012X}"
    return "-".join(["S-1", first, *map(str, numbers)])


def make_sid(authority, *numbers):
    return struct.pack("<BB", 1, len(numbers)) + authority.to_bytes(6, "big") + struct.pack(
        f"<{len(numbers)}I", *numbers
    )


DOMAIN = (21, 1004336348, 1177238915, 682003330)
SIDS = [
    make_sid(1, 0),
    make_sid(3, 4),
    make_sid(5, 9),
    make_sid(5, 10),
    make_sid(5, 11),
    make_sid(5, 32, 544),
    make_sid(5, *DOMAIN),
    make_sid(5, *DOMAIN[:3], 682003331, 513),
    make_sid(5, *range(1, 16)),
    make_sid(1 << 40, 7),
] + [make_sid(5, *DOMAIN, rid) for rid in (500, 512, 513, 515, 516, 519, 1104, 1105, 1360, 66640)]

MASKS = [0x100, 0x130, 0x130, 0x110, 0xF01FF, 0xFFFFFFFF, 0x10000100]
MASKS += [0xF00FF, 0x20094, 0x10000000, 0]
GUIDS = [
    ENROLL,
    ENROLL,
    AUTOENROLL,
    AUTOENROLL,
    bytes(16),
    RIGHTS["enroll"].bytes,
    ENROLL[:15] + b"\0",
    bytes(range(16)),
]
KINDS = [0, 0, 0, 0, 1, 5, 5, 5, 5, 5, 6, 6, 9, 0xA, 0xB, 0xC, 2, 4, 7, 0x11, 0x14, 0x80]


def make_ace(rng):
    kind = rng.choice(KINDS)
    flags = rng.choice([0, 0, 0, 0, 0x10, 0x12, 0x03, 0x08, 0x1A, 0xC0])
    mask = rng.choice(MASKS) if rng.random() < 0.9 else rng.getrandbits(32)
    body = struct.pack("<I", mask)
    if kind in OBJECT:
        present = rng.choice([0, 1, 1, 1, 1, 2, 3, 3])
        body += struct.pack("<I", present | (rng.getrandbits(30) << 2 if rng.random() < 0.05 else 0))
        body += b"".join(rng.choice(GUIDS) for bit in (1, 2) if present & bit)
    body += rng.choice(SIDS)
    if kind in (9, 0xA, 0xB, 0xC):
        body += b"artx" + rng.randbytes(4 * rng.randrange(4))
    elif rng.random() < 0.1:
        body += rng.randbytes(4 * rng.randrange(1, 4))
    return struct.pack("<BBH", kind, flags, 4 + len(body)) + body


def make_acl(rng, most):
    aces = [make_ace(rng) for _ in range(rng.randrange(most + 1))]
    spare = rng.randbytes(rng.choice([0, 0, 0, 4, 7]))
    body = b"".join(aces) + spare
    revision = rng.choice([4, 4, 4, 2, 3])
    return struct.pack("<BBHHH", revision, 0, 8 + len(body), len(aces), 0) + body


def make_descriptor(rng):
    parts = {16: make_acl(rng, 10)}
    if rng.random() < 0.7:
        parts[4] = rng.choice(SIDS)
        parts[8] = rng.choice(SIDS)
    if rng.random() < 0.2:
        parts[12] = make_acl(rng, 3)
    order = list(parts)
    rng.shuffle(order)
    header, body = bytearray(struct.pack("<BBHIIII", 1, 0, 0x8004, 0, 0, 0, 0)), b""
    header[2] |= rng.choice([0, 0x10, 0xF8])
    header[3] |= rng.choice([0, 0x1C])
    for field in order:
        body += rng.randbytes(rng.choice([0, 0, 0, 1, 4]))
        struct.pack_into("<I", header, field, 20 + len(body))
        body += parts[field]
    return bytes(header) + body


def interesting(rng, size):
    return rng.choice(
        [0, 1, 3, 4, 7, 8, 15, 16, 19, 20, 0x7FFF, 0xFFFC, 0xFFFF, 0x80000000, 0xFFFFFFFF, size]
        + [size - 1, size + 1, rng.randrange(size + 1)]
    )


def mutate(rng, descriptor):
    """One small damage."""
    octets = bytearray(descriptor)
    if not octets:
        return octets
    at = rng.randrange(min(len(octets), 64) if rng.random() < 0.5 else len(octets))
    way = rng.randrange(8)
    if way == 0:
        octets[at] ^= 1 << rng.randrange(8)
    elif way == 1:
        octets[at] = rng.randrange(256)
    elif way == 2:
        del octets[at:]
    elif way == 3:
        del octets[at : at + rng.choice([1, 4, 16])]
    elif way == 4:
        octets[at:at] = rng.randbytes(rng.choice([1, 4, 16]))
    elif way == 5 and at + 2 <= len(octets):
        struct.pack_into("<H", octets, at, interesting(rng, len(octets)) & 0xFFFF)
    elif way == 6 and at + 4 <= len(octets):
        struct.pack_into("<I", octets, at, interesting(rng, len(octets)) & 0xFFFFFFFF)
    else:
        field = rng.choice([4, 8, 12, 16])
        if len(octets) >= 20:
            struct.pack_into("<I", octets, field, interesting(rng, len(octets)) & 0xFFFFFFFF)
    return octets


def make_triples(rng, count):
    """Descriptor, right and token; each descriptor several times in a row."""
    triples = []
    while len(triples) < count:
        descriptor = make_descriptor(rng)
        for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 4])):
            descriptor = mutate(rng, descriptor)
        descriptor = bytes(descriptor)
        for _ in range(TRIPLES_OF_DESCRIPTOR // 2):
            token = frozenset(rng.sample(SIDS, rng.choice([0, 1, 2, 4, 8, 16])))
            for right in RIGHTS:
                triples.append((descriptor, right, token))
    return triples[:count]


# --- the comparison ------------------------------------------------------------------------------


def seed_of_run():
    seed = os.environ.get("CEP_SEED")
    return int(seed) if seed else random.SystemRandom().getrandbits(32)


def differences(oracle, triples, answers):
    """Unexplained ones as text; explained ones are only counted, by class."""
    found, explained = [], {}
    for (descriptor, right, token), answer in zip(triples, answers):
        if oracle.granted(descriptor, right, token) == answer:
            continue
        why = oracle.explain(descriptor, right, token)
        if why:
            explained[why] = explained.get(why, 0) + 1
            continue
        sids = ",".join(sorted(map(sid_text, token)))
        found.append(f"{oracle.name} says {not answer}: {descriptor.hex()} {right} {sids}")
    return found, explained


def test_all_agree():
    seed = seed_of_run()
    print(f"CEP_SEED={seed} CEP_TRIPLES={TRIPLES}")
    rng = random.Random(seed)
    oracles = [oracle() for oracle in ORACLES]
    done = granted = unreadable = 0
    while done < TRIPLES:
        triples = make_triples(rng, min(BATCH, TRIPLES - done))
        texts = [(sd, right, [sid_text(sid) for sid in token]) for sd, right, token in triples]
        answers = access_tool.granted(texts)
        for oracle in oracles:
            found, explained = differences(oracle, triples, answers)
            assert not found, f"CEP_SEED={seed}, {len(found)} differences, the first:\n{found[0]}"
            print(f"{oracle.name}: explained {explained}")
        descriptors = list(dict.fromkeys(sd for sd, _, _ in triples))
        problems = access_tool.problems(descriptors)
        specification = Specification()
        wrong = [
            f"{problem}: {sd.hex()}"
            for sd, problem in zip(descriptors, problems)
            if specification.readable(sd) != (problem is None)
        ]
        assert not wrong, f"CEP_SEED={seed}\n{wrong[0]}"
        done += len(triples)
        granted += sum(answers)
        unreadable += sum(problem is not None for problem in problems) * TRIPLES_OF_DESCRIPTOR
    print(f"{done} triples, {granted} granted, about {unreadable} of unreadable descriptors")
    # else the run has compared nothing with nothing
    assert granted > done / 20
    assert done / 10 < unreadable < done * 3 / 4
