# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Two forests on one server, one of them in AD and one in a file or in slapd: each for itself.

These mistakes were made, one at a time, and each was caught: a dead directory may take all threads
of a process; a file turns callers away when many come at once.
"""

import concurrent.futures

import pytest

from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import PASSWORDS, directory_section, location_section
from cep_env.waiting import wait_until
from load import Load
from slapd import Directory, find_slapd

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
                changed.append({b"CORP": b"OTHER", b"corp": b"other"}.get(value, value))
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


# ---- under load, while the other one dies ----

PROCESSES, HANG = 2, 60


def threads(each):
    return ("ThreadsPerChild %d" % each, "MinSpareThreads %d" % each,
            "MaxSpareThreads %d" % (PROCESSES * each), "MaxRequestWorkers %d" % (PROCESSES * each))


class Askers(Load):
    """Callers who ask the living directory over and over."""

    def ask(self):
        return ask(self.server, OTHER, "alice")

    def check(self, response):
        if response.status != 200 or b"CorpUser" not in response.body:
            self.wrong.append(response)


def configure_two(server, active_directory, timeout, extra=()):
    path = server.path("other.ldif")
    ldif.write(path, other_forest())
    server.configure(
        directory_section(active_directory.ldaps, refresh="1h", extra=(
            *login(active_directory), "CEPTimeout " + timeout)),
        directory_section("file:" + path, name="other", refresh="1h"),
        location_section(CORP), location_section(OTHER, directory="other"),
        server=("CEPTokenTTL 0", *extra))


def login(ad):
    return ("CEPBind simple", 'CEPBindDN "%s"' % ad.bind_name,
            'CEPBindPasswordFile "%s"' % ad.password_file,
            'CEPCACertificateFile "%s"' % ad.ca_file)


@pytest.mark.parametrize("each, most", ((25, 12), (8, 4)))
def test_nobody_waits_for_a_directory_that_hangs(active_directory, make_httpd, each, most):
    """It hangs for longer than the test takes: whoever waits for it has no answer until the end,
    and all of the living one's callers have theirs."""
    ad, server = active_directory, make_httpd()
    configure_two(server, ad, "%ds" % HANG, threads(each))
    server.log.allow("CEP0501", "CEP0603",
                     "AH10159", "AH00484")  # httpd's: nearly all threads are busy
    server.start().wait_for_policy().wait_for_policy("other")
    with Askers(server, 4) as askers, concurrent.futures.ThreadPoolExecutor(60) as pool:
        askers.wait_for_more(20)
        ad.pause()
        try:
            # Connections that are kept are there and silent, new ones too.
            waiting = [pool.submit(ask, server, CORP, "bob") for _ in range(60)]
            askers.wait_for_more(200)
            done = [one.result() for one in waiting if one.done()]
            assert 0 < len(waiting) - len(done) <= PROCESSES * most
            for response in done:  # turned away at once
                soap.check_fault(response, "Receiver", "InternalServiceFault")
                assert int(response.headers["Retry-After"]) > 0
            askers.wait_for_more(20)
        finally:
            ad.resume()
        for one in waiting:
            assert one.result().status in (200, 500)
    assert not askers.wrong


@pytest.mark.parametrize("mpm", ("event", "worker", "prefork"))
def test_a_directory_is_killed_under_load(active_directory, make_httpd, mpm):
    """The living one's callers lose no request, from before it died until it is back."""
    ad, server = active_directory, make_httpd(mpm)
    configure_two(server, ad, "2s",
                  ("MaxRequestWorkers 50",) if mpm == "prefork" else threads(25))
    server.log.allow("CEP0501", "CEP0603")
    server.start().wait_for_policy().wait_for_policy("other")
    with Askers(server, 4) as askers:
        askers.wait_for_more(50)
        soap.check_answer(ask(server, CORP, "bob"))
        ad.kill()
        try:
            for _ in range(3):
                response = ask(server, CORP, "bob")
                soap.check_fault(response, "Receiver", "InternalServiceFault")
            askers.wait_for_more(100)
        finally:
            ad.start()
        wait_until(lambda: ask(server, CORP, "bob").status == 200, 30)
        askers.wait_for_more(50)
    assert not askers.wrong


def test_a_file_turns_nobody_away(make_httpd):
    """More callers at once than may wait for a server, and the file is yet to be read."""
    server = make_httpd()
    path = server.path("other.ldif")
    entries = other_forest()
    user = next(entry for entry in entries if entry.text("sAMAccountName") == "dave")
    for number in range(3000):  # so that it takes a while
        one = user.copy()
        one.dn = one.dn.replace("dave", "more%d" % number)
        one.set("cn", "more%d" % number)
        one.set("sAMAccountName", "more%d" % number)
        one.set("userPrincipalName", "more%d@other.test" % number)
        one.attributes.pop("objectguid", None)
        sid = bytearray(one.value("objectSid"))
        sid[-4:] = (100000 + number).to_bytes(4, "little")
        one.set("objectSid", bytes(sid))
        entries.append(one)
    ldif.write(path, entries)
    server.configure(
        directory_section("file:" + path, refresh="1h"), location_section(OTHER),
        server=("StartServers 1", "ThreadsPerChild 64", "ThreadLimit 64", "MinSpareThreads 1",
                "MaxSpareThreads 64", "MaxRequestWorkers 64"))
    server.start().wait_for_policy()
    with concurrent.futures.ThreadPoolExecutor(48) as pool:
        for response in pool.map(lambda _: ask(server, OTHER, "alice"), range(48)):
            assert "CorpUser" in soap.check_answer(response)["policies"]


# ---- two forests over LDAP ----

@pytest.fixture
def forests(active_directory, make_httpd):
    """AD, and a slapd with another forest: each with its realms, its account and its CA."""
    if find_slapd() is None:
        pytest.skip("slapd is not installed")
    server = make_httpd()
    names = ("alice", "alice@corp.example", "alice@other.test", "CORP\\alice", "OTHER\\alice",
             "alice@branch.other.test", "alice@corp.branch")
    server.write_passwords({name: name + "-password" for name in names})

    def configure(corp_ca, other_ca):
        server.configure(
            directory_section(active_directory.ldaps, extra=(
                *login(active_directory)[:3], corp_ca, "CEPTimeout 2s", "CEPRealm corp.branch")),
            directory_section(other.slapd.ldaps, name="other", extra=(
                *other.simple(), other_ca, "CEPRealm branch.other.test")),
            location_section(CORP), location_section(OTHER, directory="other"))
        return server

    with Directory(text=ldif.dump(other_forest())) as other:
        yield configure, 'CEPCACertificateFile "%s"' % active_directory.ca_file, other.ca()
        server.stop()  # or it would miss the slapd


def test_two_forests(forests, active_directory):
    """Who is somebody in one of them is nobody in the other one."""
    configure, corp_ca, other_ca = forests
    server = configure(corp_ca, other_ca).start().wait_for_policy().wait_for_policy("other")
    content = {CORP: (evaluator.Directory(active_directory.entries),
                      ("alice", "alice@corp.example", "CORP\\alice", "alice@corp.branch")),
               OTHER: (evaluator.Directory(other_forest()),
                       ("alice", "alice@other.test", "OTHER\\alice", "alice@branch.other.test"))}
    ids = set()
    for path, (forest, names) in content.items():
        for name in names:
            model = soap.check_answer(ask(server, path, name))
            assert compare(model, forest.answer("alice")) == [], (path, name)
            ids.add((path, model["policy_id"]))
    assert len(ids) == len({policy_id for _, policy_id in ids}) == 2
    bodies = set()
    for path, others in ((CORP, content[OTHER][1][1:]), (OTHER, content[CORP][1][1:])):
        for name in others:
            response = ask(server, path, name)
            soap.check_fault(response, "Sender", "FailedAuthentication")
            assert b"Corp" not in response.body and b"Other" not in response.body
            bodies.add(response.body.split(b"RelatesTo")[0])
    assert len(bodies) == 1


def test_each_by_its_own_ca(forests):
    """Exchanged, neither is read: no directory trusts the CA of another one."""
    configure, corp_ca, other_ca = forests
    server = configure(other_ca, corp_ca)
    server.log.expect("CEP0501.*directory corp", "CEP0501.*directory other")
    server.start()
    for name in ("corp", "other"):
        line = server.log.wait_for("CEP0501.*directory %s" % name)[0].text
        assert "certificate" in line.lower(), line
    server.log.allow("CEP0604", "CEP0501", "CEP06[0-9]+")
    for path in (CORP, OTHER):
        assert ask(server, path, "alice").status == 500
