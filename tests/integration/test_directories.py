# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Two forests on one server, one of them in AD and one in a file: each for itself."""

import concurrent.futures

import pytest

from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import PASSWORDS, directory_section, location_section

CORP, OTHER = "/corp", "/other"


def other_forest():
    """The sample under other names, with a CA of another name and one template less."""
    names = ((b"DC=corp,DC=example", b"DC=other,DC=test"), (b"corp.example", b"other.test"),
             (b"Corp Issuing", b"Other Issuing"))
    entries = []
    for entry in ldif.read(SAMPLE):
        for key, (name, values) in entry.attributes.items():
            if key in ("ntsecuritydescriptor", "cacertificate", "objectguid"):
                continue
            changed = []
            for value in values:
                for old, new in names:
                    value = value.replace(old, new)
                changed.append(b"OTHER" if value == b"CORP" else value)
            entry.attributes[key] = (name, changed)
        for old, new in names:
            entry.dn = entry.dn.replace(old.decode(), new.decode())
        entries.append(entry)
    return [entry for entry in entries if entry.text("cn") != "CorpPilot"]


@pytest.fixture
def server(active_directory, make_httpd):
    ad, server = active_directory, make_httpd()
    path = server.path("other.ldif")
    ldif.write(path, other_forest())
    server.write_passwords({**PASSWORDS, "alice@other.test": "alice@other.test-password",
                            "OTHER\\alice": "OTHER\\alice-password"})
    server.configure(
        directory_section(ad.ldaps, refresh="1s", extra=(
            "CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name, "CEPTimeout 2s",
            'CEPBindPasswordFile "%s"' % ad.password_file,
            'CEPCACertificateFile "%s"' % ad.ca_file)),
        directory_section("file:" + path, name="other", refresh="1s"),
        location_section(CORP), location_section(OTHER, directory="other", name="Other policy"))
    server.start()
    server.wait_for_policy()
    return server.wait_for_policy("other")


def ask(server, path, user):
    return soap.send(server, path=path, user=user, password=user + "-password")


def test_each_has_its_own(server, active_directory):
    """Templates, CAs, policyID; and its own realm names, which are nobody's in the other one."""
    forests = {CORP: (evaluator.Directory(active_directory.entries),
                      ("alice@corp.example", "CORP\\alice")),
               OTHER: (evaluator.Directory(other_forest()), ("alice@other.test", "OTHER\\alice"))}
    answers = {}
    for path, (forest, names) in forests.items():
        for name in ("alice", *names):
            answers[path] = soap.check_answer(ask(server, path, name))
            assert compare(answers[path], forest.answer("alice")) == []
    assert answers[CORP]["policy_id"] != answers[OTHER]["policy_id"]
    assert "CorpPilot" not in answers[OTHER]["policies"]
    server.log.allow("CEP0602")
    for path, name in ((CORP, "alice@other.test"), (OTHER, "alice@corp.example"),
                       (CORP, "OTHER\\alice"), (OTHER, "CORP\\alice")):
        soap.check_fault(ask(server, path, name), "Sender", "FailedAuthentication")


def test_a_dead_one_does_not_slow_the_other(server, active_directory, tmp_path):
    """More callers wait for the dead one than it may hold up; the other one answers meanwhile, and
    is refreshed."""
    server.log.allow("CEP0501", "CEP0603", "CEP050.")
    active_directory.pause()
    try:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(ask, server, CORP, "bob") for _ in range(12)]
            for _ in range(5):
                assert "CorpUser" in soap.check_answer(ask(server, OTHER, "alice"))["policies"]
            assert not all(one.done() for one in waiting)
            entries = other_forest()
            ldif.find(entries, "CorpUser", "pKICertificateTemplate").set("revision", "4711")
            marker = server.log.marker()
            ldif.write(server.path("other.new"), entries)
            with open(server.path("other.new"), encoding="utf-8") as file:
                server.write("other.ldif", file.read())
            server.log.wait_for("CEP0500: directory other: new policy", marker)
            for one in waiting:
                response = one.result()
                assert response.status == 500 and int(response.headers["Retry-After"]) > 0
    finally:
        active_directory.resume()
