# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Samba's own reader and writer of PACs, as a program: its libraries stay out of the tests.

    samba_pac.py make NUMBER SEED     random logon information: hex, a blank, the SIDs by commas
    samba_pac.py read                 lines of hex on standard input: the SIDs, or "-" and why not

SIDs are those that the structure holds: account, groups, extra SIDs, resource groups.
"""

import random
import struct
import sys

from samba.dcerpc import krb5pac, netlogon, samr, security
from samba.ndr import ndr_pack, ndr_unpack

# PACTYPE with one PAC_INFO_BUFFER, [MS-PAC] 2.3 and 2.4: number, version, type, length, offset.
HEADER = struct.Struct("<IIIIQ")
LOGON_INFO, LENGTH_AT, OFFSET_AT = 1, 12, 16
EXTRA_SIDS, RESOURCE_GROUPS = 0x20, 0x200


def rids(numbers):
    out = []
    for number in numbers:
        group = samr.RidWithAttribute()
        group.rid, group.attributes = number, 7
        out.append(group)
    return out


def extra(texts):
    out = []
    for text in texts:
        sid = netlogon.netr_SidAttr()
        sid.sid, sid.attributes = security.dom_sid(text), 7
        out.append(sid)
    return out


def random_rids(rng):
    return [rng.randrange(1, 1 << 32) for _ in range(rng.choice((0, 1, 2, 3, 20)))]


def random_sid(rng):
    return "S-1-%d" % rng.choice((1, 5, 16, 18)) + "".join(
        "-%d" % rng.randrange(1 << rng.choice((4, 10, 32))) for _ in range(rng.randint(1, 15)))


def random_domain(rng):
    return "S-1-5-21" + "".join("-%d" % rng.randrange(1 << 32) for _ in range(3))


def random_name(rng):
    return "".join(rng.choice("abcXYZ0123$ .\u00e4\u4e2d") for _ in range(rng.randrange(30)))


def make(rng):
    """Random logon information, and its SIDs."""
    domain, resource_domain = random_domain(rng), random_domain(rng)
    groups, resource = random_rids(rng), random_rids(rng)
    sids = [random_sid(rng) for _ in range(rng.choice((0, 1, 2, 9)))]
    info = krb5pac.PAC_LOGON_INFO()
    base = info.info3.base
    base.rid, base.primary_gid = rng.randrange(1, 1 << 32), rng.randrange(1, 1 << 32)
    base.domain_sid = security.dom_sid(domain)
    base.groups.count, base.groups.rids = len(groups), rids(groups)
    base.acct_flags = rng.choice((0x10, 0x80, 0x100, 0x210))
    base.user_flags = (EXTRA_SIDS if sids else 0) | (RESOURCE_GROUPS if resource else 0)
    base.logon_count = rng.randrange(1 << 16)
    for name in ("account_name", "full_name", "logon_script", "profile_path", "home_directory",
                 "home_drive", "logon_server", "logon_domain"):
        if rng.random() < 0.7:
            getattr(base, name).string = random_name(rng)
    info.info3.sidcount, info.info3.sids = len(sids), extra(sids)
    if resource:
        info.resource_groups.domain_sid = security.dom_sid(resource_domain)
        info.resource_groups.groups.count = len(resource)
        info.resource_groups.groups.rids = rids(resource)
    wanted = ["%s-%d" % (domain, rid) for rid in groups + [base.rid, base.primary_gid]] + sids + \
        ["%s-%d" % (resource_domain, rid) for rid in resource]
    return pack(info), wanted


def pack(info):
    container, buffer, pac = krb5pac.PAC_LOGON_INFO_CTR(), krb5pac.PAC_BUFFER(), krb5pac.PAC_DATA()
    container.info = info
    buffer.type, buffer.info = LOGON_INFO, container
    pac.num_buffers, pac.version, pac.buffers = 1, 0, [buffer]
    octets = ndr_pack(pac)
    length = struct.unpack_from("<I", octets, LENGTH_AT)[0]
    begin = struct.unpack_from("<Q", octets, OFFSET_AT)[0]
    return octets[begin:begin + length]


def read(octets):
    """The SIDs by commas as Samba sees them, or "-" and why not."""
    header = HEADER.pack(1, 0, LOGON_INFO, len(octets), HEADER.size)
    try:
        pac = ndr_unpack(krb5pac.PAC_DATA, header + octets, allow_remaining=True)
        info = pac.buffers[0].info.info
    except Exception as error:  # whatever it objects to
        return "- %s" % error
    if info is None or info.info3.base.domain_sid is None:
        return "- nothing"
    base, resource = info.info3.base, info.resource_groups
    found = [base.rid, base.primary_gid] + [group.rid for group in base.groups.rids or ()]
    sids = ["%s-%d" % (base.domain_sid, rid) for rid in found]
    sids += [str(extra.sid) for extra in info.info3.sids or ()]
    sids += ["%s-%d" % (resource.domain_sid, group.rid) for group in resource.groups.rids or ()]
    return ",".join(sids)


def main():
    if sys.argv[1] == "make":
        rng = random.Random(int(sys.argv[3]))
        for _ in range(int(sys.argv[2])):
            octets, sids = make(rng)
            print(octets.hex(), ",".join(sids))
        return
    for line in sys.stdin:
        print(read(bytes.fromhex(line)))


if __name__ == "__main__":
    main()
