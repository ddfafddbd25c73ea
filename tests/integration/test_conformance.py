# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md: what it names exists, and no section of the specification is missing."""

import os
import re

import pytest

from cep_env import SOURCE

WORDS = ("MUST", "MUST NOT", "SHOULD", "text", "client")

# How many obligations in words of RFC 2119 (MUST, MUST NOT, SHOULD) bind a server in each section
# of [MS-XCEP] version 17. Those of .14 (one) and .15 (one) bind clients.
OBLIGATIONS = {
    "3.1.3": 3, "3.1.6": 1, "3.1.4.1.2.1": 2, "3.1.4.1.2.2": 0,
    **{"3.1.4.1.3.%d" % number: count for number, count in enumerate((
        9, 3, 0, 2, 1, 0, 1, 2, 5, 0,    # Attributes ... CryptoProviders
        0, 1, 0, 0, 2, 3, 0, 1, 0, 2,    # EnrollmentPermission ... PrivateKeyAttributes
        1, 3, 1, 2, 0), 1)},             # RARequirements ... SupersededPolicies
}


def read(*path):
    with open(os.path.join(SOURCE, *path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(scope="module")
def document():
    return read("docs", "conformance.md")


@pytest.fixture(scope="module")
def rows(document):
    """(section, word, what, how, proof) of each row that begins with a section's number."""
    found = [[cell.strip() for cell in line.strip("|").split(" | ")]
             for line in document.splitlines() if re.match(r"\| \d[\d.]* \| [A-Za-z ]+ \|", line)]
    return [row for row in found if row[1] in WORDS]


def is_there(path, test):
    """A C test has to be in the list that its main() runs, too."""
    if not os.path.exists(os.path.join(SOURCE, path)):
        return False
    text = read(path)
    if path.endswith(".py"):
        return re.search(r"^def %s\(" % test, text, re.M) is not None
    return re.search(r"^static void %s\(void \*\*state\)" % test, text, re.M) is not None and \
        re.search(r"^\s.*\b(TEST|cmocka_unit_test\w*)\(%s\b" % test, text, re.M) is not None


def test_named_tests_exist(document):
    named = re.findall(r"`(tests/[^`]+)::(\w+)`", document)
    assert len(named) > 100
    assert [item for item in named if not is_there(*item)] == []
    assert re.findall(r"`tests/[^`]*::[^`]*`", document) == \
        ["`%s::%s`" % item for item in named]


def test_named_sources_exist(document):
    named = set(re.findall(r"`([a-z_]+/\w+\.c)`", document))
    assert len(named) > 10
    assert [path for path in named if not os.path.exists(
        os.path.join(SOURCE, "mod_cep", path))] == []


def test_every_row_is_whole(document, rows):
    """Five cells, none empty, and a test in the last."""
    for row in rows:
        assert len(row) == 5 and all(row), row
        assert "::" in row[4], row
    # No row was overlooked for a word that is none.
    table_rows = re.findall(r"^\| \d[\d.]* \|(?:[^|\n]+\|){4}$", document, re.M)
    assert len(table_rows) == len(rows)


def test_every_obligation_has_its_row(rows):
    found = {section: 0 for section, *_ in rows}
    for section, word, *_ in rows:
        found[section] += word not in ("text", "client")
    assert {section: found.get(section) for section in OBLIGATIONS} == OBLIGATIONS


def test_codes_and_directives_exist(document):
    messages, directives = read("docs", "messages.md"), read("docs", "directives.md")
    for code in set(re.findall(r"CEP0\d{3}", document)):
        assert "### " + code in messages, code
    for directive in set(re.findall(r"CEP[A-Z][A-Za-z]+", document)):
        assert re.search(r"^### `<?%s>?`" % directive, directives, re.M), directive


def test_departures_are_linked(document, rows):
    """A row that points to the departures finds its section there."""
    part = re.search(r"^## Departures$(.*?)^## ", document, re.M | re.S).group(1)
    explained = set()
    for cell in re.findall(r"^\| (3\.[^|]*) \|", part, re.M):
        first, *more = cell.split(", ")
        explained |= {first} | {first[:first.rindex(".")] + item for item in more}
    pointing = {section for section, _, _, how, _ in rows if "(#departures)" in how}
    assert explained <= {section for section, *_ in rows}
    assert pointing - {"3.1.1"} <= explained
