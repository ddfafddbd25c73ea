# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The directory changes, httpd restarts, processes die: the policy follows and nobody waits."""

import os
import re
import signal
import time

import pytest

from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import MPMS, directory_section, location_section
from cep_env.waiting import wait_until
from conftest import start_sample
from load import Load

WORKERS_ASKED = 24  # enough requests, each on a new connection, to meet every worker


def renamed(display_name):
    """The sample directory with another display name for CorpUser."""
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "CorpUser", "pKICertificateTemplate").set("displayName", display_name)
    return entries


def all_renamed(display_name):
    """The sample directory with one display name for all templates."""
    entries = ldif.read(SAMPLE)
    for entry in entries:
        if entry.is_a("pKICertificateTemplate"):
            entry.set("displayName", display_name)
    return entries


def display_name(server, **options):
    """What CorpUser is called at this moment, or None after a fault."""
    model = soap.send(server, **options).model()
    return None if model["fault"] else model["policies"]["CorpUser"]["policyOIDReference"][2]


def wait_for_name(server, name, timeout=8):
    wait_until(lambda: display_name(server) == name, timeout, server.log.tail)


@pytest.mark.parametrize("mpm", MPMS)
def test_change_reaches_all_workers(make_httpd, mpm):
    server = start_sample(make_httpd(mpm))
    assert display_name(server) == "Corp User"
    for name in ("Second", "Third"):
        entries = renamed(name)
        server.write("policy.ldif", ldif.dump(entries))
        wait_for_name(server, name)
        # One worker may see it a moment before another; after that moment none is behind.
        time.sleep(1)
        expected = evaluator.Directory(entries).answer("alice")
        for _ in range(WORKERS_ASKED):
            assert compare(soap.check_answer(soap.send(server)), expected) == []


def test_same_content_is_no_change(make_httpd):
    server = start_sample(make_httpd())
    server.log.wait_for("CEP0500")
    before = os.stat(server.snapshot_file()).st_ino
    marker = server.log.marker()
    with open(SAMPLE, encoding="utf-8") as file:
        server.write("policy.ldif", file.read() + "\n# a comment\n")
    time.sleep(3)
    assert os.stat(server.snapshot_file()).st_ino == before
    assert not server.log.find("CEP0500.* new policy", marker)


@pytest.mark.parametrize("ttl", ("0", "1h"))
def test_accounts_follow_too(make_httpd, ttl):
    """Who leaves a group loses what the group may; who is disabled gets nothing. Nobody waits for
    CEPTokenTTL, although callers are kept."""
    server = make_httpd()
    server.write("policy.ldif", ldif.dump(ldif.read(SAMPLE)))
    server.configure(directory_section("file:" + server.path("policy.ldif")), location_section(),
                     server=("CEPTokenTTL " + ttl,))
    server.start().wait_for_policy()
    for _ in range(WORKERS_ASKED):
        assert display_name(server) == "Corp User"
    kept = "hit" if ttl == "1h" else "miss"
    server.log.wait_for("CEP0600.*cache=" + kept, count=WORKERS_ASKED - 1)
    entries = ldif.read(SAMPLE)
    alice = ldif.find(entries, "alice")
    alice.remove("memberOf")
    sales = ldif.find(entries, "Sales")
    sales.set("member", *[value for value in sales.values("member") if b"alice" not in value])
    server.write("policy.ldif", ldif.dump(entries))
    expected = evaluator.Directory(entries).answer("alice")
    assert "CorpUser" not in expected["policies"]
    wait_until(lambda: not any(compare(soap.send(server).model(), expected)
                               for _ in range(WORKERS_ASKED)), 8)
    alice.set("userAccountControl", "514")
    server.write("policy.ldif", ldif.dump(entries))
    wait_until(lambda: all(soap.send(server).status != 200 for _ in range(WORKERS_ASKED)), 8)
    soap.check_fault(soap.send(server), "Sender", "FailedAuthentication")


def test_broken_replacement_changes_nothing(make_httpd):
    """The old policy stays in force, for every caller, and the trouble is told once."""
    server = start_sample(make_httpd())
    expected = evaluator.Directory(ldif.read(SAMPLE))
    assert compare(soap.check_answer(soap.send(server)), expected.answer("alice")) == []
    server.log.expect("CEP0501")
    server.write("policy.ldif", "dn: DC=corp,DC=example\nthis is no LDIF\n")
    line = server.log.wait_for("CEP0501")[0]
    assert "policy.ldif:2:" in line.text
    for caller in ("alice", "bob", "WS01$") * 4:
        model = soap.check_answer(soap.send(server, user=caller))
        assert compare(model, expected.answer(caller)) == []
    time.sleep(3)
    assert len(server.log.trouble("CEP0501")) == 1
    server.write("policy.ldif", ldif.dump(renamed("Repaired")))
    wait_for_name(server, "Repaired")


def test_file_taken_away(make_httpd):
    server = start_sample(make_httpd())
    soap.check_answer(soap.send(server))
    server.log.expect("CEP0501")
    os.unlink(server.path("policy.ldif"))
    server.log.wait_for("CEP0501")
    for _ in range(WORKERS_ASKED):
        soap.check_answer(soap.send(server))


class WholeLoad(Load):
    """On a directory of all_renamed(): no answer has a part of one policy and a part of another."""

    def __init__(self, server, threads=4):
        super().__init__(server, threads)
        self.whole = set(evaluator.Directory(ldif.read(SAMPLE)).answer("alice")["policies"])
        self.names = set()

    def check(self, response):
        super().check(response)
        policies = soap.parse(response.body)["policies"] or {}
        names = {policy["policyOIDReference"][2] for policy in policies.values()}
        if set(policies) != self.whole or len(names) != 1:
            self.wrong.append((names, sorted(policies)))
        self.names |= names


@pytest.mark.parametrize("mpm", MPMS)
def test_graceful_restart_under_load(make_httpd, mpm):
    """CEP_RESTARTS: how many, for a long run."""
    restarts = int(os.environ.get("CEP_RESTARTS", 3))
    server = start_sample(make_httpd(mpm))
    with Load(server) as load:
        for _ in range(restarts):
            time.sleep(0.5)
            server.reload()
        time.sleep(0.5)
    print("%d restarts, %d answers" % (restarts, load.count))
    assert load.wrong == []
    assert load.count > 20
    server.write("policy.ldif", ldif.dump(renamed("After the restarts")))
    wait_for_name(server, "After the restarts", timeout=15)


def test_change_under_load(make_httpd):
    """Every answer is the old policy or the new one, whole."""
    server = start_sample(make_httpd(), entries=all_renamed("Name 0"))
    with WholeLoad(server) as load:
        for number in range(1, 5):
            server.write("policy.ldif", ldif.dump(all_renamed("Name %d" % number)))
            wait_for_name(server, "Name %d" % number)
    assert load.wrong == []
    assert load.names == {"Name %d" % number for number in range(5)}


def test_refresh_goes_on_after_a_graceful_restart(make_httpd):
    server = start_sample(make_httpd())
    server.reload()
    server.write("policy.ldif", ldif.dump(renamed("After")))
    wait_for_name(server, "After")


def begin(server):
    """A request of which the last octets are missing."""
    body = soap.build()
    client = soap.Client(server)
    client.connection.putrequest("POST", soap.PATH)
    for name, value in {**client.headers, "Content-Length": str(len(body))}.items():
        client.connection.putheader(name, value)
    client.connection.endheaders(body[:-10])
    return client, body[-10:]


@pytest.mark.parametrize("mpm", MPMS)
def test_old_children_see_new_policy(make_httpd, mpm):
    """Whoever is still busy when httpd restarts gracefully answers by the policy of that moment."""
    server = start_sample(make_httpd(mpm))
    for _ in range(WORKERS_ASKED):  # all of them have mapped the policy of now
        assert display_name(server) == "Corp User"
    old = server.children()
    clients = [begin(server) for _ in range(3)]
    time.sleep(0.5)  # they have been taken
    server.reload()
    server.write("policy.ldif", ldif.dump(renamed("New")))
    wait_for_name(server, "New")
    time.sleep(1.1)  # a process looks once a second
    marker = server.log.marker()
    for client, rest in clients:
        client.connection.send(rest)
        model = soap.parse(client.connection.getresponse().read())
        assert model["policies"]["CorpUser"]["policyOIDReference"][2] == "New"
        client.close()
    pids = {int(re.search(r"\[pid (\d+)", line.text).group(1))
            for line in server.log.wait_for("CEP0600", marker, count=len(clients))}
    assert pids <= set(old)


def test_policy_by_another_process(make_httpd):
    """Two servers with one CEPCacheDir: what one publishes both serve, and only one has read it."""
    server = start_sample(make_httpd())
    other = make_httpd()
    source = directory_section("file:" + server.path("policy.ldif"), refresh="1h")
    other.cache = server.cache
    other.configure(source, location_section())
    other.start()
    try:
        for _ in range(WORKERS_ASKED):
            assert display_name(other) == "Corp User"
        other.log.wait_for("CEP0500")
        marker = other.log.marker()
        server.write("policy.ldif", ldif.dump(renamed("Elsewhere")))
        wait_for_name(server, "Elsewhere")
        time.sleep(1.1)  # a process looks once a second
        for _ in range(WORKERS_ASKED):
            assert display_name(other) == "Elsewhere"
        assert not other.log.find("CEP0500", marker)
    finally:
        other.stop()


def test_graceful_restart_takes_a_new_configuration(make_httpd):
    server = start_sample(make_httpd())
    server.configure(directory_section("file:" + server.path("policy.ldif")),
                     location_section(name="Another name"))
    server.reload()
    wait_until(lambda: soap.send(server).model().get("friendly_name") == "Another name", 5)


def test_snapshot_outlives_the_server(make_httpd):
    """After a restart the policy is there at once, before the directory was looked at."""
    server = start_sample(make_httpd())
    server.stop()
    server.start()
    soap.check_answer(soap.send(server))


def test_killed_and_started_again(make_httpd):
    """Death without warning leaves nothing that keeps the next life from working."""
    server = start_sample(make_httpd())
    server.kill()
    os.unlink(server.path("httpd.pid"))
    server.start()
    server.write("policy.ldif", ldif.dump(renamed("Second life")))
    wait_for_name(server, "Second life")


@pytest.mark.parametrize("mpm", MPMS)
def test_killed_children_are_replaced(make_httpd, mpm):
    """The child that refreshes dies; another one takes over."""
    server = start_sample(make_httpd(mpm))
    for pid in server.children():
        os.kill(pid, signal.SIGTERM)
    time.sleep(2)
    server.write("policy.ldif", ldif.dump(renamed("After the funeral")))
    wait_for_name(server, "After the funeral", timeout=15)


@pytest.fixture(scope="module")
def large():
    """LDIF text that takes a while to read: 4,000 templates more."""
    entries = ldif.read(SAMPLE)
    model = ldif.find(entries, "CorpUser", "pKICertificateTemplate")
    for number in range(4000):
        entry = model.copy()
        entry.dn = entry.dn.replace("CN=CorpUser,", "CN=Copy%d," % number)
        entry.set("cn", "Copy%d" % number)
        entry.set("msPKI-Cert-Template-OID", "1.2.3.%d" % number)
        entries.append(entry)
    return ldif.dump(entries)


@pytest.mark.parametrize("mpm", MPMS)
def test_end_in_the_middle_of_a_refresh(make_httpd, large, mpm):
    """A child may be told to end at any moment of its background work: it ends, and cleanly."""
    server = make_httpd(mpm)
    server.write("policy.ldif", large)
    server.configure(directory_section("file:" + server.path("policy.ldif")), location_section())
    for delay in (0, 0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.3):
        if os.path.exists(server.snapshot_file()):
            os.unlink(server.snapshot_file())
        server.start()
        time.sleep(delay)
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 5
    server.start()
    server.wait_for_policy()
    soap.check_answer(soap.send(server))


def test_graceful_restart_in_the_middle_of_a_refresh(make_httpd, large):
    server = make_httpd()
    server.write("policy.ldif", large)
    server.configure(directory_section("file:" + server.path("policy.ldif")), location_section())
    server.start()
    for delay in (0, 0.05, 0.1, 0.2):
        time.sleep(delay)
        server.reload()
    server.wait_for_policy()
    soap.check_answer(soap.send(server))


def private_memory(pid):
    """Octets that the process has for itself."""
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_Dirty"))


def test_refreshing_leaves_no_copy_in_memory(make_httpd, large):
    """The policy is mapped, once for all; who made it keeps nothing of it."""
    server = make_httpd()
    server.write("policy.ldif", large)
    server.configure(directory_section("file:" + server.path("policy.ldif")), location_section())
    server.start().wait_for_policy()
    server.log.wait_for("CEP0500: .*not been touched", timeout=30)  # it has been read several times
    image = os.path.getsize(server.snapshot_file())
    for pid in server.children():
        assert private_memory(pid) < image / 2
