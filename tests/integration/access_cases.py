# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Random security descriptors, damage to them, and random tokens. SIDs are octets."""

import struct
import uuid

RIGHTS = {
    "enroll": uuid.UUID("0e10c968-78fb-11d2-90d4-00c04f79dc55"),
    "autoenroll": uuid.UUID("a05b8cc2-17bc-4802-a710-e7c15ab866a2"),
}
ENROLL = RIGHTS["enroll"].bytes_le
AUTOENROLL = RIGHTS["autoenroll"].bytes_le
ZEROS = bytes(16)

# Which ACE types have the plain and the object layout: [MS-DTYP] 2.4.4.1.
PLAIN = {0x00, 0x01, 0x02, 0x03, 0x09, 0x0A, 0x0D, 0x0E, 0x11, 0x12, 0x13}
OBJECT = {0x05, 0x06, 0x07, 0x08, 0x0B, 0x0C, 0x0F, 0x10}


def make_sid(authority, *numbers):
    return struct.pack("<BB", 1, len(numbers)) + authority.to_bytes(6, "big") + struct.pack(
        f"<{len(numbers)}I", *numbers
    )


def sid_text(octets):
    numbers = struct.unpack(f"<{octets[1]}I", octets[8:])
    authority = int.from_bytes(octets[2:8], "big")
    first = str(authority) if authority < 1 << 32 else f"0x{authority:012X}"
    return "-".join(["S-1", first, *map(str, numbers)])


DOMAIN = (21, 1004336348, 1177238915, 682003330)
SELF = make_sid(5, 10)
SIDS = [
    make_sid(1, 0),
    make_sid(3, 4),
    make_sid(5, 9),
    SELF,
    make_sid(5, 11),
    make_sid(5, 32, 544),
    make_sid(5, *DOMAIN),
    make_sid(5, *DOMAIN[:3], 682003331, 513),
    make_sid(5, *range(1, 16)),
    make_sid(1 << 40, 7),
] + [make_sid(5, *DOMAIN, rid) for rid in (500, 512, 513, 515, 516, 519, 1104, 1105, 1360, 66640)]
# Seldom: so that the table of a compiled batch is long, and most of it is not the caller's.
MORE_SIDS = [make_sid(5, *DOMAIN, 2000 + 257 * n) for n in range(200)]

MASKS = [0x100, 0x130, 0x130, 0x110, 0xF01FF, 0xFFFFFFFF, 0x10000100]
MASKS += [0xF00FF, 0x20094, 0x10000000, 0]
GUIDS = [
    ENROLL,
    ENROLL,
    AUTOENROLL,
    AUTOENROLL,
    ZEROS,
    RIGHTS["enroll"].bytes,
    ENROLL[:15] + b"\0",
    bytes(range(16)),
]
KINDS = [0, 1, 5, 5, 5, 6] * 9 + [9, 0xA, 0xB, 0xC, 2, 4, 7, 0x11, 0x14, 0x80]


def any_sid(rng):
    return rng.choice(MORE_SIDS if rng.random() < 0.1 else SIDS)


def make_ace(rng):
    kind = rng.choice(KINDS)
    flags = rng.choice([0, 0, 0, 0, 0x10, 0x12, 0x03, 0x08, 0x1A, 0xC0])
    mask = rng.choice(MASKS) if rng.random() < 0.9 else rng.getrandbits(32)
    body = struct.pack("<I", mask)
    if kind in OBJECT:
        present = rng.choice([0, 1, 1, 1, 1, 2, 3, 3])
        unknown_bits = rng.getrandbits(30) << 2 if rng.random() < 0.05 else 0
        body += struct.pack("<I", present | unknown_bits)
        body += b"".join(rng.choice(GUIDS) for bit in (1, 2) if present & bit)
    body += any_sid(rng)
    if kind in (9, 0xA, 0xB, 0xC):
        body += b"artx" + rng.randbytes(4 * rng.randrange(4))
    elif rng.random() < 0.1:
        body += rng.randbytes(4 * rng.randrange(1, 4))
    return struct.pack("<BBH", kind, flags, 4 + len(body)) + body


def pack_acl(aces, spare=b"", revision=4):
    body = b"".join(aces) + spare
    return struct.pack("<BBHHH", revision, 0, 8 + len(body), len(aces), 0) + body


def make_acl(rng, most):
    aces = [make_ace(rng) for _ in range(rng.randrange(most + 1))]
    spare = rng.randbytes(rng.choice([0] * 14 + [4, 7]))
    return pack_acl(aces, spare, rng.choice([4, 4, 4, 2, 3]))


def pack_descriptor(parts, control=0x8004, gaps=None):
    """parts: field of the header (4, 8, 12, 16) -> octets, in the order in which they lie."""
    header, body = bytearray(struct.pack("<BBHIIII", 1, 0, control, 0, 0, 0, 0)), b""
    for field, octets in parts.items():
        body += gaps() if gaps else b""
        struct.pack_into("<I", header, field, 20 + len(body))
        body += octets
    return bytes(header) + body


def make_descriptor(rng):
    parts = {16: make_acl(rng, 10)}
    if rng.random() < 0.7:
        parts[4] = rng.choice(SIDS)
        parts[8] = rng.choice(SIDS)
    if rng.random() < 0.2:
        parts[12] = make_acl(rng, 3)
    order = list(parts)
    rng.shuffle(order)
    control = 0x8004 | rng.choice([0, 0x10, 0xF8]) | rng.choice([0, 0x1C]) << 8
    return pack_descriptor({field: parts[field] for field in order}, control,
                           lambda: rng.randbytes(rng.choice([0] * 20 + [1, 4, 4])))


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


def make_damaged(rng):
    """A descriptor with no, some or much damage."""
    descriptor = make_descriptor(rng)
    for _ in range(rng.choice([0, 0, 0, 0, 0, 1, 1, 2, 4])):
        descriptor = mutate(rng, descriptor)
    return bytes(descriptor)


def make_token(rng):
    sids = rng.sample(SIDS, rng.choice([0, 1, 2, 4, 8, 8, 16, 16]))
    sids += rng.sample(MORE_SIDS, rng.choice([0, 0, 1, 3, 20, 150]))
    return frozenset(sids)
