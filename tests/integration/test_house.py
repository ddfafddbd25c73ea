# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The lines that the house is built on: who includes whom, what is exported, what is documented."""

import glob
import os
import re
import subprocess

import pytest
from cep_env import SOURCE
from cep_env.httpd import module_file

# Room -> headers of ours that it may include, by the room that they belong to.
MAY_INCLUDE = {
    "access": set(),
    "directory": {"entry"},
    "policy": {"entry"},
    "caller": {"directory", "access", "entry"},
    "xcep": {"policy", "entry"},
    "cache": {"access", "caller", "directory", "entry", "policy", "xcep"},
    "server": {"access", "caller", "cache", "directory", "entry", "policy", "xcep"},
    "mod_cep.c": {"server"},
    "log.c": set(),
    "digest.c": set(),
    "octets.c": set(),
}

# Header -> its room. What is in none, everybody may use.
HEADERS = {
    "cep_entry.h": "entry", "cep_directory.h": "directory", "cep_policy.h": "policy",
    "cep_access.h": "access", "cep_caller.h": "caller", "cep_xcep.h": "xcep",
    "cep_guesses.h": "caller", "cep_answer.h": "cache", "cep_explain.h": "cache",
    "cep_snapshot.h": "cache", "cep_store.h": "cache", "cep_view.h": "cache",
    "cep_refresh.h": "cache",
    "cep_server.h": "server",
}

HTTPD = re.compile(r"^(httpd|http_\w+|ap_\w+|util_filter|scoreboard|unixd|mod_\w+|mpm_common)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
CODE = re.compile(r"CEP0[0-9]{3}")


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def sources(*patterns):
    found = []
    for pattern in patterns:
        found += glob.glob(os.path.join(SOURCE, pattern), recursive=True)
    assert found, patterns
    return sorted(found)


def room_of(path):
    return os.path.relpath(path, os.path.join(SOURCE, "mod_cep")).split(os.sep)[0]


def includes():
    for path in sources("mod_cep/**/*.c", "mod_cep/**/*.h"):
        for header in INCLUDE.findall(read(path)):
            yield path, room_of(path), header


def test_every_header_has_a_room():
    assert {os.path.basename(path) for path in sources("include/*.h")} == \
        set(HEADERS) | {"cep_log.h", "cep_digest.h", "cep_octets.h"}


def test_rooms_include_what_they_may():
    wrong = ["%s includes %s" % (path, header) for path, room, header in includes()
             if header in HEADERS and HEADERS[header] != room and
             HEADERS[header] not in MAY_INCLUDE[room]]
    assert not wrong


def test_headers_include_what_their_room_may():
    wrong = []
    for path in sources("include/*.h"):
        name = os.path.basename(path)
        room = HEADERS.get(name, "log.c")
        allowed = MAY_INCLUDE.get(room, set()) | {room}
        wrong += ["%s includes %s" % (name, header) for header in INCLUDE.findall(read(path))
                  if header in HEADERS and HEADERS[header] not in allowed]
    assert not wrong


@pytest.mark.parametrize("library,room,pattern", [
    ("httpd", "server", HTTPD),
    ("libldap", "directory", re.compile(r"^(ldap\w*|lber\w*|sasl/.*)\.h$")),
    ("libxml2", "xcep", re.compile(r"^libxml/")),
])
def test_one_room_per_library(library, room, pattern):
    users = {r for _, r, header in includes() if pattern.match(header)}
    if library == "httpd":
        users.discard("mod_cep.c")
    assert users == {room}


def users_of(pattern):
    return {os.path.basename(path) for path, _, header in includes() if re.match(pattern, header)}


def test_libldap_in_few_files():
    """ldap*.c by way of their header; nothing else of directory/ sees libldap or SASL."""
    assert users_of(r"ldap\.h$") == {"ldap_source.h"}
    for pattern in (r"ldap_source\.h$", r"openldap\.h$", r"sasl/"):
        assert all(re.match(r"ldap(_\w+)?\.c$", name) for name in users_of(pattern)), pattern


def test_kerberos_in_one_file():
    assert users_of(r"krb5|gssapi/gssapi_krb5") == {"ticket.c"}


def test_library_headers_do_not_know_httpd():
    for path in sources("include/*.h"):
        if not path.endswith("cep_server.h"):
            assert not [h for h in INCLUDE.findall(read(path)) if HTTPD.match(h)], path


def test_one_exported_symbol():
    done = subprocess.run(["nm", "-D", "--defined-only", module_file()], capture_output=True,
                          text=True, check=True)
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["cep_module"]


def test_module_is_hardened():
    done = subprocess.run(["readelf", "-Wdl", module_file()], capture_output=True, text=True,
                          check=True)
    assert "GNU_RELRO" in done.stdout
    assert "BIND_NOW" in done.stdout or "NOW" in done.stdout
    assert "TEXTREL" not in done.stdout


def test_no_banned_functions():
    banned = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|strtok|system|"
                        r"setenv|putenv)\s*\(")
    wrong = ["%s: %s" % (path, hit) for path in sources("mod_cep/**/*.[ch]", "include/*.h")
             for hit in banned.findall(re.sub(r"/\*.*?\*/", "", read(path), flags=re.S))]
    assert not wrong


def test_no_tree_of_xml():
    """A message is read as events: a tree would cost 30 to 55 times its size. The one function that
    could make a tree is that of a parser with handlers of our own."""
    tree = re.compile(r"\b(xml(?:New(?:Doc|Node|Child|Prop|Ns)|AddChild|DocDump|DocGet|DocSet|"
                      r"Read|Parse|TextReader|NewTextReader|XPath|XInclude|Schema|Node|CtxtRead)\w*|"
                      r"apr_xml_parser\w*)\s*\(")
    found = [hit for path in sources("mod_cep/**/*.[ch]")
             for hit in tree.findall(re.sub(r"/\*.*?\*/", "", read(path), flags=re.S))]
    assert found == ["xmlParseChunk"]


def test_codes_and_their_documentation():
    """Every code in the source has one section in docs/messages.md, in order, and the reverse."""
    used = {code for path in sources("mod_cep/**/*.[ch]") for code in CODE.findall(read(path))}
    described = re.findall(r"^### (CEP0[0-9]{3})$", read(os.path.join(SOURCE, "docs/messages.md")),
                           re.M)
    assert described == sorted(set(described))
    assert used == set(described)


def test_every_code_has_cause_and_action():
    text = read(os.path.join(SOURCE, "docs/messages.md"))
    for section in re.split(r"^### ", text, flags=re.M)[1:]:
        for part in ("**Level:**", "**Message:**", "**Cause:**", "**Action:**"):
            assert part in section, "%s lacks %s" % (section.split("\n")[0], part)


def test_directives_and_their_documentation():
    table = read(os.path.join(SOURCE, "mod_cep/server/directives.c"))
    used = set(re.findall(r'AP_INIT_\w+\(\s*"<?(CEP\w+)"', table))
    text = read(os.path.join(SOURCE, "docs/directives.md"))
    described = re.findall(r"^### `<?(CEP\w+)>?`$", text, re.M)
    assert sorted(described) == sorted(used)
    for section in re.split(r"^### ", text, flags=re.M)[1:]:
        if section.startswith("`SetHandler"):
            continue
        for part in ("**Description:**", "**Syntax:**", "**Default:**", "**Context:**"):
            assert part in section, "%s lacks %s" % (section.split("\n")[0], part)


def test_no_decision_stands_twice():
    titles = re.findall(r"^\*\*(.{40})", read(os.path.join(SOURCE, "docs/decisions.md")), re.M)
    assert len(titles) > 50 and sorted(titles) == sorted(set(titles))


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
DEFAULTS = {
    "CEPRefreshInterval": "REFRESH_INTERVAL", "CEPFullRefresh": "FULL_REFRESH",
    "CEPMaxStale": "MAX_STALE", "CEPTimeout": "TIMEOUT", "CEPMaxRequestBody": "MAX_BODY",
    "CEPNextUpdate": "NEXT_UPDATE", "CEPTokenTTL": "TOKEN_TTL",
}


def test_defaults_are_those_of_the_code():
    code = dict(re.findall(r"^#define CEP_DEFAULT_(\w+)\s+(?:apr_time_from_sec)?\(?([\d *]+)",
                           read(os.path.join(SOURCE, "include/cep_server.h")), re.M))
    text = read(os.path.join(SOURCE, "docs/directives.md"))
    said = dict(re.findall(r"^\*\*Default:\*\* `(CEP\w+) ([^`]*)`", text, re.M))

    def number(words):
        digits, unit = re.fullmatch(r"(\d+)([smhd]?)", words).groups()
        return int(digits) * UNITS.get(unit, 1)

    failures, window = said["CEPAuthFailures"].split()
    assert number(failures) == eval(code.pop("AUTH_FAILURES"))
    assert number(window) == eval(code.pop("AUTH_WINDOW"))
    assert {name: number(said[name]) for name in DEFAULTS} == {
        name: eval(code.pop(constant)) for name, constant in DEFAULTS.items()}
    assert not code, "defaults that this test does not know"


def anchors(path):
    """What a link may name behind "#": the headings, as GitHub and others make names of them."""
    headings = re.findall(r"^#+ (.*)$", read(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-")
            for heading in headings}


def test_documents_link_to_what_exists():
    for path in sources("*.md", "docs/*.md"):
        for target, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", read(path)):
            aim = os.path.join(os.path.dirname(path), target) if target else path
            assert os.path.exists(aim), (path, target)
            assert not anchor or anchor in anchors(aim), (path, target, anchor)


def test_no_reference_data_in_the_tree(shared):
    """Nothing of the reference data is copied: it carries other licences."""
    names = {os.path.basename(path) for path in glob.glob(shared + "/**/*", recursive=True)}
    done = subprocess.run(["git", "-C", SOURCE, "ls-files"], capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip("the tree is no git checkout")
    ours = {os.path.basename(path) for path in done.stdout.splitlines()}
    assert not (names & ours) - {"adcs.schema"}
