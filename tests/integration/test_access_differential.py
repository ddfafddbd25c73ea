# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The access check against two other opinions: the specifications, written anew, and Samba.

Random descriptors, most of them damaged in some way, meet random tokens. On each triple of
descriptor, right and token the plain walk, the compiled list and each oracle must agree, or the
difference must be of a class that is named in access_oracles.py. CEP_TRIPLES says how many triples,
CEP_SEED repeats a run.
"""

import collections
import os
import random
import struct

import access_cases as cases
import access_oracles as oracles
import access_tool
import pytest
from cep_env import SOURCE

TRIPLES = int(os.environ.get("CEP_TRIPLES", "2000000"))
TOKENS_OF_DESCRIPTOR = 8  # and two rights
TOKENS = 64  # of a batch
DESCRIPTORS = 1000  # of a batch, compiled together
KEPT = 20  # differences that are told; the others are counted


def samba_or_none():
    try:
        return oracles.Samba()
    except ImportError:
        return None


class Run:
    """What a run has found; everything in triples."""

    def __init__(self, seed, samba):
        self.seed, self.samba = seed, samba
        self.triples = self.granted = self.unreadable = 0
        self.refused_by_samba = 0
        self.differences = collections.defaultdict(list)
        self.explained = collections.Counter()

    def differ(self, what, octets, tokens, ours, theirs, problem=None):
        told = self.differences[what]
        if len(told) < KEPT:
            held = next((token for token, one, other in zip(tokens, ours, theirs or "0" * len(ours))
                         if one != other), frozenset())
            told.append(f"mod_cep {ours} ({problem or 'ok'}), {what} {theirs}: {octets.hex()} "
                        f"{','.join(sorted(map(cases.sid_text, held))) or '-'}")

    def compare(self, octets, tokens, answer, theirs):
        """theirs: what Samba says, or None"""
        problem, walk, compiled = answer
        try:
            expected = oracles.verdicts(oracles.read_descriptor(octets)[0], tokens)
            readable = True
        except oracles.Unreadable:
            expected, readable = "0" * len(tokens), False
        if walk != expected or readable != (problem is None):
            self.differ("specification", octets, tokens, walk, expected, problem)
        if compiled != walk:
            self.differ("compiled list", octets, tokens, walk, compiled)
        if self.samba:
            self.compare_samba(octets, tokens, walk, theirs)
        self.triples += 2 * len(tokens)
        self.granted += sum(int(digit).bit_count() for digit in walk)
        self.unreadable += 0 if readable else 2 * len(tokens)

    def compare_samba(self, octets, tokens, walk, theirs):
        self.refused_by_samba += 0 if theirs else 2 * len(tokens)
        for at, why in enumerate(oracles.explain(octets, tokens, walk, theirs)):
            if why == "":
                self.differ("Samba", octets, tokens, walk, theirs)
            elif why:
                other = theirs[at] if theirs else "0"
                self.explained[why] += (int(walk[at]) ^ int(other)).bit_count()

    def batch(self, rng, wanted):
        tokens = [cases.make_token(rng) for _ in range(TOKENS)]
        questions = [
            (cases.make_damaged(rng), rng.randrange(TOKENS - TOKENS_OF_DESCRIPTOR + 1),
             TOKENS_OF_DESCRIPTOR)
            for _ in range(min(DESCRIPTORS, -(-wanted // (2 * TOKENS_OF_DESCRIPTOR))))
        ]
        texts = [list(map(cases.sid_text, token)) for token in tokens]
        if self.samba:
            self.samba.use(tokens)
        for question, answer in zip(questions, access_tool.batch(texts, questions)):
            octets, first, count = question
            theirs = self.samba.verdicts(octets, first, count) if self.samba else None
            self.compare(octets, tokens[first : first + count], answer, theirs)

    def __str__(self):
        name = f"Samba {self.samba.version}" if self.samba else "no Samba"
        return (f"CEP_SEED={self.seed}, {name}: {self.triples} triples, {self.granted} granted, "
                f"{self.unreadable} unreadable, {self.refused_by_samba} unreadable to Samba, "
                f"explained {dict(self.explained.most_common())}")


@pytest.fixture(scope="module")
def run():
    seed = os.environ.get("CEP_SEED") or random.SystemRandom().getrandbits(32)
    found = Run(int(seed), samba_or_none())
    rng = random.Random(found.seed)
    while found.triples < TRIPLES:
        found.batch(rng, TRIPLES - found.triples)
    print(f"\n{found}")
    return found


def assert_none(run, what):
    assert not run.differences[what], f"{run}\n" + "\n".join(run.differences[what])


def test_all_agree(run):
    """The plain walk and the evaluator of the specifications, without any exception."""
    assert_none(run, "specification")


def test_compiled_lists_agree(run):
    assert_none(run, "compiled list")


def test_samba_agrees(run):
    """But for the classes of access_oracles.py."""
    if not run.samba:
        pytest.skip("python3-samba is not here")
    assert_none(run, "Samba")
    assert set(run.explained) <= set(every_class())


def test_the_run_was_a_run(run):
    """Else nothing would have been compared with nothing."""
    assert run.triples >= TRIPLES
    assert run.granted > run.triples / 20
    assert run.triples / 10 < run.unreadable < run.triples * 3 / 4
    if run.samba:
        assert run.refused_by_samba < run.triples * 3 / 4


# --- the classes ---------------------------------------------------------------------------------


def every_class():
    return [*oracles.RULES, oracles.SEVERAL, *oracles.READING, *oracles.NOT_READ_BY_SAMBA]


USER, GROUP = cases.SIDS[16], cases.SIDS[4]
TOKEN = frozenset([USER, GROUP, cases.SELF])


def ace(kind, sid, mask=0x100, guid=None, extra=b""):
    body = struct.pack("<I", mask)
    if kind in cases.OBJECT:
        body += struct.pack("<I", 1 if guid else 0) + (guid or b"")
    body += sid + extra
    return struct.pack("<BBH", kind, 0, 4 + len(body)) + body


def with_dacl(*aces, **other):
    return cases.pack_descriptor({16: cases.pack_acl(aces)}, **other)


def patched(octets, at, value):
    return octets[:at] + bytes([value]) + octets[at + 1 :]


ALLOW = ace(0, USER)
SOUND = with_dacl(ALLOW)  # the ACL at 20, its ACE at 28
CONDITIONAL = ace(0x0A, GROUP, extra=b"artx")
# Of a callback object ACE for others Samba takes the flags for a SID, here of 255 subauthorities.
MISREAD = patched(ace(0x0C, cases.SIDS[0], guid=cases.ENROLL), 9, 255)

# A descriptor of each class, and what mod_cep and Samba say to TOKEN; None: it is unreadable.
OF_CLASS = {
    "ObjectType of zeros": (with_dacl(ace(6, USER, guid=cases.ZEROS), ALLOW), "0", "3"),
    "conditional denial": (with_dacl(CONDITIONAL, ALLOW), "0", "3"),
    "GENERIC_ALL denies": (with_dacl(ace(1, USER, 0x10000000), ALLOW), "0", "3"),
    "SELF": (with_dacl(ace(0, cases.SELF)), "0", "3"),
    oracles.SEVERAL: (with_dacl(CONDITIONAL, ace(1, USER, 0x10000000), ALLOW), "0", "3"),
    "no DACL": (cases.pack_descriptor({}), None, "3"),
    "revision or SR": (with_dacl(ALLOW, control=0x0004), None, "3"),
    "part in the header": (patched(SOUND, 4, 12), None, "3"),
    "out of bounds": (patched(SOUND, 22, 8), None, "3"),
    "ACL header": (patched(SOUND, 20, 5), None, "3"),
    "AceSize": (patched(with_dacl(ALLOW + b"\0"), 30, len(ALLOW) + 1), None, "3"),
    "SID": (cases.pack_descriptor({4: patched(USER, 0, 2), 16: cases.pack_acl([ALLOW])}), None,
            "3"),
    "alignment": (with_dacl(ALLOW, gaps=lambda: b"\0"), "3", None),
    "layout": (with_dacl(MISREAD, ALLOW), "3", None),
    "ACE count": (with_dacl(*[ace(1, cases.SIDS[0])] * 2000, ALLOW), "3", None),
}


@pytest.mark.parametrize("name", every_class())
def test_each_class_is_what_it_is_called(name):
    octets, ours, theirs = OF_CLASS[name]
    problem, walk, compiled = next(
        access_tool.batch([list(map(cases.sid_text, TOKEN))], [(octets, 0, 1)]))
    assert (problem is None) == (ours is not None)
    assert walk == compiled == (ours or "0")
    assert oracles.explain(octets, [TOKEN], walk, theirs) == [name]
    samba = samba_or_none()
    if not samba:
        pytest.skip("python3-samba is not here")
    samba.use([TOKEN])
    assert samba.verdicts(octets, 0, 1) == theirs


def test_each_class_is_documented():
    with open(os.path.join(SOURCE, "docs", "conformance.md"), encoding="utf-8") as file:
        part = file.read().split("\n### Differences from Samba\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in part.splitlines() if line.startswith("| ")]
    assert rows[2:] == every_class()


def test_a_sound_descriptor_is_of_no_class():
    tokens = [TOKEN, frozenset()]
    assert oracles.explain(SOUND, tokens, "30", "30") == [None, None]
    assert oracles.explain(SOUND, tokens, "30", "31") == [None, ""]
    assert oracles.explain(SOUND, tokens, "30", "00") == ["", None]
    assert oracles.explain(SOUND, tokens, "10", "30") == ["", None]
    assert oracles.explain(SOUND, tokens, "30", None) == ["", None]
    assert oracles.explain(b"", tokens, "30", None) == ["", None]
