# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Write the seeds of fuzz_access.c: one small input per case, named after it.

    python3 tests/tools/make_access_seeds.py tests/fuzz/corpus/access

What a fuzzer has found stands there too, under other names, and is left alone.
"""

import os
import struct
import sys

import security_descriptor as sd

DOMAIN = "S-1-5-21-11-22-33"
ME, MINE, OTHERS = DOMAIN + "-1104", DOMAIN + "-513", DOMAIN + "-514"
USER = [ME, MINE, "S-1-5-11", "S-1-1-0"]

# A DACL in SDDL, asked for USER. me, mine and others stand for SIDs.
DACLS = {
    "empty-dacl": "",
    "plain-allow": "(A;;CR;;;me)",
    "plain-deny": "(D;;CR;;;me)",
    "plain-deny-allow": "(D;;CR;;;mine)(A;;CR;;;me)",
    "plain-allow-deny": "(A;;CR;;;me)(D;;CR;;;mine)",
    "others-only": "(A;;CR;;;others)",
    "others-around": "(D;;CR;;;others)(A;;CR;;;me)(D;;CR;;;others)",
    "enroll": "(OA;;CRWPRP;Enroll;;mine)",
    "autoenroll": "(OA;;CRRP;AutoEnroll;;mine)",
    "both-rights": "(OA;;CR;Enroll;;mine)(OA;;CR;AutoEnroll;;mine)",
    "enroll-denied": "(OD;;CR;Enroll;;me)(A;;CR;;;me)",
    "autoenroll-denied": "(OD;;CR;AutoEnroll;;me)(A;;CR;;;me)",
    "another-right": "(OA;;CR;00112233-4455-6677-8899-aabbccddeeff;;me)",
    "another-right-denied": "(OD;;CR;00112233-4455-6677-8899-aabbccddeeff;;me)(A;;CR;;;me)",
    "object-without-type": "(OA;;CR;;;me)",
    "object-deny-without-type": "(OD;;CR;;;mine)(OA;;CR;Enroll;;me)",
    "zeros-allow": "(OA;;CR;00000000-0000-0000-0000-000000000000;;me)",
    "zeros-deny": "(OD;;CR;00000000-0000-0000-0000-000000000000;;me)(A;;CR;;;me)",
    "both-guids": "(OA;CI;CR;Enroll;AutoEnroll;me)",
    "inherited-guid-only": "(OA;CI;CR;;Enroll;me)",
    "inherit-only-allow": "(A;CIIO;CR;;;me)",
    "inherit-only-deny": "(D;CIIO;CR;;;me)(A;;CR;;;me)",
    "inherited-allow": "(A;CIID;CR;;;me)",
    "full-control-of-windows": "(A;;0xf00ff;;;me)",
    "full-control": "(A;;0xf01ff;;;me)",
    "read": "(A;;RCLORPLC;;;me)",
    "every-bit": "(A;;0xffffffff;;;me)",
    "no-bit": "(A;;0x0;;;me)",
    "generic-all-allow": "(A;;GA;;;me)",
    "generic-all-deny": "(D;;GA;;;mine)(A;;CR;;;me)",
    "generic-all-deny-enroll": "(OD;;GA;Enroll;;mine)(A;;CR;;;me)",
    "self-allow": "(A;;CR;;;PS)",
    "self-deny": "(D;;CR;;;PS)(A;;CR;;;me)",
    "owner-rights": "(A;;CR;;;S-1-3-4)",
    "conditional-allow": "(XA;;CR;;;me)",
    "conditional-deny": "(XD;;CR;;;mine)(A;;CR;;;me)",
    "conditional-object-allow": "(ZA;;CR;Enroll;;me)",
    "conditional-object-deny": "(ZD;;CR;Enroll;;mine)(A;;CR;;;me)",
    "same-sid-twice": "(A;;CR;;;me)(D;;CR;;;me)(A;;CR;;;me)",
    "runs": "(A;;CR;;;WD)(D;;CR;;;mine)(D;;CR;;;me)(A;;CR;;;AU)(A;;CR;;;me)(D;;CR;;;others)",
    "unsorted-run": "(A;;CR;;;DU)(A;;CR;;;AU)(A;;CR;;;WD)(A;;CR;;;DA)(A;;CR;;;ED)",
    "long-sids": "(A;;CR;;;S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15)"
                 "(D;;CR;;;S-1-0xFFFFFFFFFFFF-4294967295)",
    "template-of-windows": "(OA;;CRWPRP;Enroll;;DA)(OA;;CRWPRP;Enroll;;DU)(OA;;CRWPRP;Enroll;;EA)"
                           "(A;;0xf00ff;;;DA)(A;;0xf00ff;;;EA)(A;;RCLORPLC;;;AU)",
    "ca-of-windows": "(OA;;CR;Enroll;;AU)(A;OICI;0xf00ff;;;EA)(A;;RCLORPLC;;;AU)"
                     "(A;CIID;0xf01ff;;;EA)(A;CIID;0xf01bd;;;DA)",
}

TEXTS = {
    "text-short": "S-1-5-11",
    "text-domain": ME,
    "text-lower-case": "s-1-1-0",
    "text-hexadecimal": "S-1-0xFEDCBA987654-4294967295",
    "text-hexadecimal-small": "S-1-0x000000000005-32-544",
    "text-longest": "S-1-0xFFFFFFFFFFFF" + 15 * "-4294967295",
    "text-zeros": "S-1-0000000005-0000000011",
    "text-too-many": "S-1-5" + 16 * "-1",
    "text-too-large": "S-1-5-4294967296",
    "text-no-subauthority": "S-1-5",
    "text-bare": "S-1-",
    "text-behind": "S-1-5-11 ",
    "text-other-revision": "S-2-5-11",
}


def sids(texts):
    return bytes([len(texts)]) + b"".join(map(sd.sid_to_bytes, texts))


def item(octets):
    return struct.pack("<H", len(octets)) + octets


def descriptor(dacl):
    named = dacl.replace(";me)", ";%s)" % ME).replace(";mine)", ";%s)" % MINE)
    named = named.replace(";others)", ";%s)" % OTHERS)
    return sd.from_sddl("O:DAG:DAD:" + named, DOMAIN).to_bytes()


def patched(octets, at, form, *values):
    changed = bytearray(octets)
    struct.pack_into("<" + form, changed, at, *values)
    return bytes(changed)


def seeds():
    for name, dacl in DACLS.items():
        yield name, sids(USER) + item(descriptor(dacl))
    for name, text in TEXTS.items():
        yield name, text.encode()
    plain = descriptor("(A;;CR;;;me)")
    dacl = struct.unpack_from("<I", plain, 16)[0]
    damaged = {
        "damaged-cut": plain[:-5],
        "damaged-revision": patched(plain, 0, "B", 2),
        "damaged-not-self-relative": patched(plain, 2, "H", 0x0004),
        "damaged-no-dacl": patched(plain, 2, "H", 0x8000),
        "damaged-null-dacl": patched(plain, 16, "I", 0),
        "damaged-dacl-in-header": patched(plain, 16, "I", 4),
        "damaged-dacl-far": patched(plain, 16, "I", 0xFFFFFFF0),
        "damaged-owner-far": patched(plain, 4, "I", len(plain)),
        "damaged-acl-revision": patched(plain, dacl, "B", 9),
        "damaged-acl-size": patched(plain, dacl + 2, "H", 0xFFFF),
        "damaged-acl-reserved": patched(plain, dacl + 6, "H", 1),
        "damaged-ace-count": patched(plain, dacl + 4, "H", 2),
        "damaged-ace-size": patched(plain, dacl + 10, "H", 6),
        "damaged-ace-sid": patched(plain, dacl + 17, "B", 16),
        "unknown-ace-type": patched(plain, dacl + 8, "B", 0x77),
        "sacl-too": patched(plain, 12, "I", dacl),
    }
    for name, octets in damaged.items():
        yield name, sids(USER) + item(octets)
    yield "empty", b""
    yield "no-descriptor", sids(USER)
    yield "nobody", sids([]) + item(plain)
    yield "self-in-token", sids(USER + ["S-1-5-10"]) + item(descriptor("(A;;CR;;;PS)"))
    yield "large-token", sids([DOMAIN + "-%d" % n for n in range(1000, 1100)] + [ME]) + item(plain)
    yield "many-descriptors", sids(USER) + b"".join(
        item(descriptor(DACLS[name])) for name in list(DACLS)[:20])
    yield "equal-lists", sids(USER) + item(plain) + item(descriptor(
        "(A;CIIO;CR;;;WD)(A;;CR;;;me)(D;;CR;;;mine)"))


def main():
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, octets in seeds():
        with open(os.path.join(folder, name), "wb") as file:
            file.write(octets)


if __name__ == "__main__":
    main()
