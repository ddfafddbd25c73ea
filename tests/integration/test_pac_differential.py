# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Logon information of tickets, against Samba's own reader and writer of it.

CEP_PACS says how many are made, CEP_SEED repeats a run.
"""

import os
import random
import subprocess

import pytest

from cep_env import TESTS

PYTHON = "/usr/bin/python3"  # the one that has Samba's modules
SAMBA_PAC = os.path.join(TESTS, "integration", "samba_pac.py")
PACS = int(os.environ.get("CEP_PACS", "2000"))
DAMAGED = 40  # of each
ADDED = {"S-1-1-0", "S-1-5-2", "S-1-5-11", "S-1-5-15"}


def samba(*arguments, data=None):
    done = subprocess.run([PYTHON, SAMBA_PAC, *arguments], input=data, capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def pacs():
    """(octets, SIDs) as Samba writes them."""
    probe = subprocess.run([PYTHON, "-c", "import samba.dcerpc.krb5pac"], capture_output=True)
    if probe.returncode:
        pytest.skip("python3-samba is not installed")
    seed = os.environ.get("CEP_SEED") or str(random.randrange(1 << 32))
    print("CEP_SEED=" + seed)
    random.seed(seed)
    lines = [line.split() for line in samba("make", str(PACS), seed)]
    return [(bytes.fromhex(octets), set(sids.split(","))) for octets, sids in lines]


def ours(octets):
    """For each the SIDs, or why it is refused (a str)."""
    program = os.path.join(os.environ.get("CEP_BUILDDIR", "build"), "tests", "unit", "pac_tool")
    if not os.access(program, os.X_OK):
        pytest.fail("%s is missing: set CEP_BUILDDIR, and run make check" % program)
    done = subprocess.run([program], input="".join(one.hex() + "\n" for one in octets),
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [line if line.startswith("-") else set(line.split())
            for line in done.stdout.splitlines()]


def canonical(sids):
    """Samba writes large authorities without leading zeros."""
    parts = [sid.split("-") for sid in sids]
    return {("%d" % int(authority, 0), *rest) for _, _, authority, *rest in parts}


def test_same_sids(pacs):
    for (octets, sids), answer in zip(pacs, ours(octets for octets, _ in pacs)):
        assert canonical(answer) == canonical(sids | ADDED), octets.hex()


def damage(octets):
    """One to three octets changed, most often near the begin, where the numbers are."""
    out = bytearray(octets)
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(out)) if random.random() < 0.5 else \
            random.randrange(min(len(out), 300))
        out[at] = random.choice((0, 1, 2, 3, 4, 5, 7, 8, 0x10, 0x20, 0x7F, 0x80, 0xFF,
                                 random.randrange(256), out[at] ^ 1 << random.randrange(8)))
    return bytes(out)


def test_damaged_ones(pacs):
    """What we accept Samba reads, too, and to the same SIDs: we are the stricter one.

    But for names that are no UTF-16: Samba converts names, we pass them over."""
    damaged = [damage(octets) for octets, _ in pacs[:PACS // 10] for _ in range(DAMAGED)]
    theirs = samba("read", data="".join(octets.hex() + "\n" for octets in damaged))
    accepted = refused = 0
    for octets, answer, sids in zip(damaged, ours(damaged), theirs):
        if isinstance(answer, str):
            refused += 1
            continue
        if "Character Conversion Error" in sids:
            continue
        accepted += 1
        assert not sids.startswith("-"), (sids, octets.hex())
        assert canonical(answer - ADDED) == canonical(set(sids.split(",")) - ADDED), octets.hex()
    print("accepted %d, refused %d" % (accepted, refused))
    assert accepted and refused
