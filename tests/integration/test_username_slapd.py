# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""AuthType CEP with mod_authnz_ldap against OpenLDAP's slapd, which also has the policy."""

import pytest

from cep_env import SAMPLE, ldif
from cep_env.httpd import directory_section, has_modules
from slapd import Slapd, find_slapd
from test_username import ask, ldap_lines, ldap_modules, location, refused, served

pytestmark = [
    pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed"),
    pytest.mark.skipif(not has_modules("authnz_ldap"),
                       reason="mod_authnz_ldap is not installed"),
]

PASSWORD = "slapd-Passw0rd"
# Two entries with one mail address, of which one could be let in.
PEOPLE = {"alice": "alice@mail.example", "bob": "team@mail.example", "carol": "team@mail.example",
          "erin": "erin@mail.example"}


def content():
    """The sample directory, with passwords and mail addresses."""
    entries = ldif.read(SAMPLE)
    for name, mail in PEOPLE.items():
        entry, = (entry for entry in entries if entry.text("sAMAccountName") == name)
        entry.set("userPassword", PASSWORD)
        entry.set("mail", mail)
    return ldif.dump(entries)


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("s"), content()) as running:
        yield running


@pytest.fixture
def make(make_httpd, slapd):
    def start(*lines):
        bind = ('AuthLDAPBindDN "%s"' % slapd.bind_dn,
                'AuthLDAPBindPassword "%s"' % slapd.password)
        server = make_httpd()
        server.configure(
            directory_section(slapd.ldap),
            location("Require valid-user", *lines, provider="by-name by-mail"),
            server=ldap_modules(ldap_lines(slapd.ldap, "sAMAccountName", *bind, name="by-name"),
                                ldap_lines(slapd.ldap, "mail", *bind, name="by-mail")))
        return server.start().wait_for_policy()
    return start


def test_good_and_bad(make):
    server = make("CEPAuthFailures off")
    for user in ("alice", "ALICE", "CORP\\alice"):
        served(ask(server, user, PASSWORD))
    bodies = {refused(ask(server, user, word)) and ask(server, user, word).body for user, word in (
        ("alice", "wrong"), ("mallory", PASSWORD), ("erin", PASSWORD),  # disabled in the directory
        ("dave", PASSWORD),  # has no password
        ("*", PASSWORD), ("alice)(objectClass=*", PASSWORD), ("a\\2a", PASSWORD),
        ("team@mail.example", PASSWORD))}  # two accounts: mod_authnz_ldap takes neither
    assert len(bodies) == 1


# What slapd takes for alice: RFC 4518, 2.2 and 2.3.
SPELLINGS = {"circled": "\u24d0lice", "ordinal": "\u00aalice", "superscript": "\u1d43lice",
             "Roman numeral": "al\u2170ce", "Kelvin's colleague": "ali\u212de",
             "bold": "\U0001d41alice", "parted": "ali\ufe0fce"}


@pytest.mark.parametrize("user", SPELLINGS.values(), ids=SPELLINGS.keys())
def test_a_spelling_is_no_new_count(make, user):
    server = make()
    server.log.expect("CEP0624")
    for _ in range(3):
        refused(ask(server, "alice", "wrong"))
    marker = server.log.marker()
    refused(ask(server, user, PASSWORD))
    assert server.log.find("CEP0622.*too many wrong passwords for it", marker)
