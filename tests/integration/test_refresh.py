# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Refreshing against real directories: what changes is seen, what has not is not read again, and
whatever becomes of the directory, of the disk and of httpd's children, callers are answered."""

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import ExitStack

import pytest

import black_hole
from black_hole import BlackHole
from cep_env import SAMPLE, ldif, soap
from cep_env.httpd import MPMS, daemon_user, directory_section, location_section
from conftest import start_sample
from relay import Relay
from slapd import Slapd, find_slapd
from test_reload import (
    WORKERS_ASKED, Load, WholeLoad, all_renamed, display_name, renamed, wait_for_name)

TEMPLATES = "CN=Certificate Templates,CN=Public Key Services,CN=Services,CN=Configuration," \
            "DC=corp,DC=example"
CORPUSER = "CN=CorpUser," + TEMPLATES

needs_slapd = pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to mount")


# --- what has changed ----------------------------------------------------------------------------


def modify(slapd, changes):
    subprocess.run(["ldapmodify", "-Q", "-Y", "EXTERNAL", "-H", slapd.ldapi], input=changes,
                   text=True, check=True, capture_output=True)


def wait_for_reason(server, reason, marker, source=""):
    return server.log.wait_for(r"CEP0500: .*%s.*\(.*%s" % (re.escape(source), reason), marker)


def set_name(dn, name):
    return "dn: %s\nchangetype: modify\nreplace: displayName\ndisplayName: %s\n" % (dn, name)


def in_all_workers(server, name):
    """One worker may see it a moment before another; after that moment none is behind."""
    deadline = time.monotonic() + 3
    while {display_name(server) for _ in range(WORKERS_ASKED)} != {name}:
        assert time.monotonic() < deadline, server.log.tail()


@pytest.fixture(params=("syncprov", "plain"))
def openldap(request, tmp_path):
    if find_slapd() is None:
        pytest.skip("slapd is not installed")
    sync = request.param == "syncprov"
    with Slapd(tmp_path / "s", SAMPLE, options=("overlay syncprov",) if sync else (),
               global_options=("moduleload syncprov",) if sync else ()) as server:
        server.sync = sync
        yield server


def test_openldap_is_read_when_it_has_changed(openldap, make_httpd):
    server = make_httpd()
    server.configure(directory_section(openldap.ldap), location_section())
    server.start().wait_for_policy()
    still = "still at contextCSN" if openldap.sync else "no entry has changed"
    wait_for_reason(server, still, 0)
    # What is no template, CA or OID does not matter, though contextCSN moves.
    marker = server.log.marker()
    modify(openldap, set_name("CN=alice,CN=Users,DC=corp,DC=example", "Alice"))
    wait_for_reason(server, "no entry has changed", marker)
    assert not server.log.find(r"CEP0500.*(have changed|new policy)", marker)
    # A changed template, one that goes, one that comes back.
    modify(openldap, set_name(CORPUSER, "Second"))
    wait_for_reason(server, "entries have changed", marker)
    in_all_workers(server, "Second")
    modify(openldap, "dn: %s\nchangetype: delete\n" % CORPUSER)
    deadline = time.monotonic() + 3
    while "CorpUser" in (soap.send(server).model()["policies"] or ()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    wait_for_reason(server, still, server.log.marker())


def test_mark_survives_a_restart(make_httpd):
    """Another process, and another life of the server, knows what was read."""
    server = make_httpd()
    server.configure(directory_section("file:" + SAMPLE), location_section())
    server.start().wait_for_policy()
    wait_for_reason(server, "has not been touched", 0)
    inode = os.stat(server.snapshot_file()).st_ino
    marker = server.log.marker()
    server.stop()
    server.start()
    wait_for_reason(server, "has not been touched", marker)
    server.configure(directory_section("file:" + SAMPLE, extra=(
        "CEPEnrollmentURI CorpCA kerberos https://new.corp.example/",)), location_section())
    server.log.allow("CEP0359")
    marker = server.log.marker()
    server.reload()
    wait_for_reason(server, "configuration", marker)
    assert os.stat(server.snapshot_file()).st_ino != inode


def test_full_refresh(make_httpd):
    server = make_httpd()
    server.configure(directory_section("file:" + SAMPLE, extra=("CEPFullRefresh 2s",)),
                     location_section())
    server.start().wait_for_policy()
    server.log.wait_for("not been touched")
    server.log.wait_for("time for a full refresh", count=2, timeout=12)


# --- the directory fails -------------------------------------------------------------------------


class Garbage(threading.Thread):
    """Listens where the directory was and answers what is no LDAP."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        self.start()

    def run(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            with connection:
                try:
                    connection.recv(100)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def restart_on(slapd, port):
    """slapd again on the port that httpd knows."""
    slapd.process = subprocess.Popen(
        [find_slapd(), "-h", "ldap://127.0.0.1:%d/ %s/" % (port, slapd.ldapi), "-d", "0", "-f",
         slapd.directory / "slapd.conf"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    slapd.port = port
    assert slapd._listens()


def start_ldap(server, urls, *more):
    """A server whose callers are remembered, so that requests need no directory."""
    server.configure(directory_section(urls, extra=("CEPTimeout 1s",) + more), location_section(),
                     server=("CEPTokenTTL 1h",))
    return server.start()


def several_failures(server, marker):
    """Wait for them; they are one trouble, which is told once."""
    server.log.wait_for("CEP0501", marker, count=2)
    assert len(server.log.trouble("CEP0501", marker)) == 1


@needs_slapd
@pytest.mark.parametrize("trouble", ("dies", "hangs", "talks nonsense", "vanishes"))
def test_directory_fails_under_load(make_httpd, tmp_path, trouble):
    """No request fails, the trouble is said once, and news come soon after the return."""
    if trouble == "vanishes" and black_hole.why_not():
        pytest.skip(black_hole.why_not())
    with Slapd(tmp_path / "s", SAMPLE) as slapd, ExitStack() as stack:
        port, url = slapd.port, slapd.ldap
        if trouble == "vanishes":
            hole = stack.enter_context(BlackHole(("127.0.0.1", port)))
            url = "ldap://" + hole.address
        server = start_ldap(make_httpd(), url)
        server.wait_for_policy()
        soap.check_answer(soap.send(server))
        server.log.expect("CEP0501")
        marker = server.log.marker()
        with Load(server) as load:
            if trouble == "hangs":
                slapd.pause()
            elif trouble == "vanishes":
                hole.swallow()
            else:
                slapd.process.kill()
                slapd.process.wait()
                garbage = Garbage(port) if trouble == "talks nonsense" else None
            several_failures(server, marker)
            # the record tells what the log does
            with open(server.snapshot_file().replace(".snapshot", ".state"),
                      encoding="utf-8") as file:
                state = file.read()
            assert re.search(r"^failures [1-9]", state, re.M) and "\nerror ldap://" in state
            if trouble == "hangs":
                slapd.resume()
            elif trouble == "vanishes":
                hole.release()
            else:
                if garbage:
                    garbage.close()
                restart_on(slapd, port)
            modify(slapd, set_name(CORPUSER, "After " + trouble))
            wait_for_name(server, "After " + trouble, timeout=5)
        assert load.wrong == [] and load.count > 20
        assert len(server.log.trouble("CEP0501", marker)) == 1


# Octets of slapd's answers after which the connection dies: behind the bind, and between entries.
CUTS = (3000, 30000)


@needs_slapd
@pytest.mark.parametrize("after", CUTS)
def test_directory_dies_while_it_is_read(make_httpd, tmp_path, after):
    """At the start: no policy is better than a part of one. Later: the old one."""
    with Slapd(tmp_path / "s", SAMPLE) as slapd, \
            Relay(("127.0.0.1", 0), ("127.0.0.1", slapd.port)) as relay:
        relay.cut_after = after
        server = start_ldap(make_httpd(), "ldap://127.0.0.1:%d" % relay.port)
        server.log.expect("CEP0501")
        server.log.wait_for("CEP0501")
        soap.check_fault(soap.send(server), "Receiver", "InternalServiceFault")
        assert relay.cuts
        relay.cut_after = None
        server.wait_for_policy()
        before = soap.send(server, soap.build(message_id="urn:same")).body

        relay.cut_after, relay.cuts = after, 0
        server.log.expect("CEP0501")
        marker = server.log.marker()
        with Load(server) as load:
            modify(slapd, set_name(CORPUSER, "Second"))
            server.log.wait_for("CEP0501", marker)
            assert relay.cuts
            assert soap.send(server, soap.build(message_id="urn:same")).body == before
            relay.cut_after = None
            wait_for_name(server, "Second", timeout=5)
        assert load.wrong == []


@needs_slapd
def test_graceful_restart_while_a_directory_hangs(make_httpd, tmp_path):
    """It holds nothing up: neither the restart, nor callers of another directory; its own callers
    are told to try again, in time, and are answered soon after it is back."""
    with Slapd(tmp_path / "s", SAMPLE) as slapd:
        server = make_httpd()
        server.configure(
            directory_section("file:" + SAMPLE),
            directory_section(slapd.ldap, name="hangs", extra=("CEPTimeout 1s",)),
            location_section(), location_section("/hangs", directory="hangs"))
        server.start().wait_for_policy().wait_for_policy("hangs")
        server.log.expect("CEP0501", "CEP0603")
        slapd.pause()
        try:
            server.log.wait_for("CEP0501")
            with Load(server) as load:
                for _ in range(2):
                    begin = time.monotonic()
                    server.reload()
                    soap.check_fault(soap.send(server, path="/hangs"), "Receiver",
                                     "InternalServiceFault")
                    assert time.monotonic() - begin < 4
            assert load.wrong == [] and load.count > 20
        finally:
            slapd.resume()
        modify(slapd, set_name(CORPUSER, "After the restarts"))
        deadline = time.monotonic() + 7
        while b"After the restarts" not in soap.send(server, path="/hangs").body:
            assert time.monotonic() < deadline, server.log.tail()
            time.sleep(0.05)


@needs_slapd
@pytest.mark.parametrize("trouble", ("is dead", "hangs"))
def test_cold_start(make_httpd, tmp_path, trouble):
    """Without a policy: a fault at once, and a policy within 5 s of the directory's return."""
    with Slapd(tmp_path / "s", SAMPLE) as slapd:
        port = slapd.port
        if trouble == "hangs":
            slapd.pause()
        else:
            slapd.process.kill()
            slapd.process.wait()
        server = start_ldap(make_httpd(), slapd.ldap, "CEPRefreshInterval 5m")
        server.log.expect("CEP0501")
        begin = time.monotonic()
        response = soap.send(server)
        assert time.monotonic() - begin < 2
        soap.check_fault(response, "Receiver", "InternalServiceFault")
        assert int(response.headers["Retry-After"]) > 0
        # Waits would have grown.
        server.log.wait_for("CEP0501", count=1 if trouble == "hangs" else 3)
        if trouble == "hangs":
            slapd.resume()
        else:
            restart_on(slapd, port)
        server.wait_for_policy(timeout=5)
        soap.check_answer(soap.send(server))


def test_cold_start_with_a_policy_from_before(make_httpd):
    """The directory has gone, the server starts: an answer at once."""
    server = start_sample(make_httpd())
    before = soap.send(server, soap.build(message_id="urn:same")).body
    server.stop()
    os.unlink(server.path("policy.ldif"))
    server.log.expect("CEP0501")
    server.start()
    begin = time.monotonic()
    assert soap.send(server, soap.build(message_id="urn:same")).body == before
    assert time.monotonic() - begin < 2


def test_too_old(make_httpd):
    """CEPMaxStale: said once, a fault with Retry-After, and it ends by itself."""
    server = make_httpd()
    with open(SAMPLE, encoding="utf-8") as file:
        text = file.read()
    server.write("policy.ldif", text)
    server.configure(directory_section("file:" + server.path("policy.ldif"),
                                       extra=("CEPMaxStale 2s",)), location_section())
    server.start().wait_for_policy()
    soap.check_answer(soap.send(server))
    server.log.expect("CEP0501", "CEP0505")
    marker = server.log.marker()
    os.unlink(server.path("policy.ldif"))
    server.log.wait_for("CEP0505", marker)
    response = soap.send(server)
    soap.check_fault(response, "Receiver", "InternalServiceFault")
    assert int(response.headers["Retry-After"]) > 0
    server.log.wait_for("CEP0501", server.log.marker(), count=2)
    assert len(server.log.trouble("CEP050[15]", marker)) == 2
    server.write("policy.ldif", text)
    deadline = time.monotonic() + 5
    while soap.send(server).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)


# --- the disk fails ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(make_httpd):
    """A server whose CEPCacheDir is a file system of its own."""
    server = make_httpd()
    user = daemon_user()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k,mode=750,uid=%d,gid=%d" % (
        user.pw_uid, user.pw_gid), "tmpfs", server.cache], check=True)
    yield server
    server.stop()
    subprocess.run(["umount", server.cache], check=True)


@needs_root
def test_full_disk(small_disk):
    server = start_sample(small_disk)
    server.log.wait_for("CEP0500")
    filler = os.path.join(server.cache, "filler")
    server.log.expect("CEP0501")
    server.log.allow("CEP0504", "CEP0661")
    with pytest.raises(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    marker = server.log.marker()
    server.write("policy.ldif", ldif.dump(renamed("Too much")))
    server.log.wait_for("No space left", marker)
    several_failures(server, marker)
    assert display_name(server) == "Corp User"
    assert len(server.log.trouble("CEP0504", marker)) <= 1
    os.unlink(filler)
    wait_for_name(server, "Too much")


@needs_root
def test_read_only_disk(small_disk):
    server = start_sample(small_disk)
    server.log.wait_for("CEP0500")
    server.log.expect("CEP0501")
    server.log.allow("CEP0504", "CEP0661")
    marker = server.log.marker()
    subprocess.run(["mount", "-o", "remount,ro", server.cache], check=True)
    try:
        server.write("policy.ldif", ldif.dump(renamed("Written again")))
        server.log.wait_for("Read-only", marker)
        several_failures(server, marker)
        assert display_name(server) == "Corp User"
    finally:
        subprocess.run(["mount", "-o", "remount,rw", server.cache], check=True)
    wait_for_name(server, "Written again")


def poison(path, how):
    aside = path + ".poison"
    shutil.copy(path, aside)
    if how == "owner":
        os.chown(aside, 12345, 12345)
    elif how == "mode":
        os.chmod(aside, 0o666)
    elif how == "garbage":
        os.truncate(aside, 5000)
    if how == "link":
        os.symlink(aside, aside + ".link")
        os.rename(aside + ".link", path)
    else:
        os.rename(aside, path)


def is_poisoned(path):
    return os.path.islink(path) or os.stat(path).st_uid not in (0, daemon_user().pw_uid) or \
        os.stat(path).st_mode & 0o22 or os.stat(path).st_size == 5000


def has_mapped(pid, path):
    with open("/proc/%d/maps" % pid, encoding="utf-8") as file:
        return path + "\n" in file.read()


@needs_root
def test_poisoned_snapshots(make_httpd):
    """They are not used, that is said once by each process, and the next refresh puts good ones in
    their place."""
    ways = ("owner", "mode", "link", "garbage")  # a directory for each
    server = make_httpd()
    server.configure(*(directory_section("file:" + SAMPLE, name=how, refresh="9s") for how in ways),
                     *(location_section("/" + how, directory=how) for how in ways))
    server.start()
    for how in ways:
        server.wait_for_policy(how)
    server.log.wait_for("CEP0500", count=len(ways))

    def ask_all():
        for how in ways * (WORKERS_ASKED // 4):
            assert display_name(server, path="/" + how) == "Corp User"

    deadline = time.monotonic() + 10
    while not all(has_mapped(pid, server.snapshot_file(how))
                  for pid in server.children() for how in ways):
        ask_all()  # a worker that has mapped nothing yet has nothing to go on with
        assert time.monotonic() < deadline
    server.log.expect(*("CEP0503: .*/%s.snapshot" % how for how in ways))
    for how in ways:
        poison(server.snapshot_file(how), how)
    for _ in range(3):
        time.sleep(0.5)
        ask_all()
    deadline = time.monotonic() + 12
    while any(is_poisoned(server.snapshot_file(how)) for how in ways):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    ask_all()
    for how in ways:
        said = [re.search(r"\[pid (\d+)", line.text).group(1)
                for line in server.log.find("CEP0503: .*/%s.snapshot" % how)]
        assert len(said) == len(set(said))


@pytest.mark.parametrize("how", ("gone", "damaged"))
def test_new_processes_and_no_snapshot(make_httpd, how):
    """The file was taken away or damaged, and those who had mapped it have ended: the next to be
    asked says so, and does not wait for the next look at the directory, which is an hour away."""
    server = make_httpd()
    server.configure(directory_section("file:" + SAMPLE, refresh="1h"), location_section())
    server.start().wait_for_policy()
    server.log.wait_for("CEP0500")
    path = server.snapshot_file()
    if how == "gone":
        os.unlink(path)
    else:
        shutil.copy(path, path + ".poison")
        os.truncate(path + ".poison", 5000)
        shutil.chown(path + ".poison", os.stat(path).st_uid)
        os.rename(path + ".poison", path)
        server.log.expect("CEP0503")
    server.log.kills = True
    for pid in server.children():
        os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 8
    while display_name(server) != "Corp User":
        assert time.monotonic() < deadline, server.log.tail()
        time.sleep(0.1)
    assert server.log.find("CEP0500.*no snapshot that can be used")


@needs_root
def test_cache_dir_is_no_link(make_httpd):
    server = make_httpd()
    os.rename(server.cache, server.path("elsewhere"))
    os.symlink(server.path("elsewhere"), server.cache)
    server.configure(directory_section("file:" + SAMPLE), location_section())
    status, output = server.configtest()
    assert status != 0 and "CEP0104" in output and "symbolic link" in output


@pytest.mark.parametrize("before", ("absent", "root's", "not named"))
def test_cache_dir_is_made(make_httpd, before):
    """It becomes httpd's user's own; without the directive it is "cep" in httpd's run-time directory."""
    server = make_httpd()
    user = daemon_user()
    server.cache = server.path("cep" if before == "not named" else "made")
    if before == "root's":
        os.mkdir(server.cache, 0o700)
    server.configure(directory_section("file:" + SAMPLE), location_section(),
                     cache=before != "not named")
    assert server.configtest()[0] == 0
    assert os.path.exists(server.cache) == (before == "root's")  # a test changes nothing
    server.start().wait_for_policy()
    soap.check_answer(soap.send(server))
    for path in (server.cache, server.snapshot_file()):
        info = os.stat(path)
        assert info.st_mode & 0o027 == 0
        assert info.st_uid == (user.pw_uid if user else os.geteuid())


@pytest.mark.parametrize("wrong, sentence", (
    ("somebody else's", "belongs neither to root nor to httpd's user"),
    ("a file", "is no directory"),
    ("in no directory", "make the directory above it first")))
def test_cache_dir_is_refused(make_httpd, wrong, sentence):
    server = make_httpd()
    server.cache = server.path("made")
    if wrong == "a file":
        server.write("made", "")
    elif wrong == "in no directory":
        server.cache += "/deeper"
    elif os.geteuid() != 0:
        pytest.skip("needs root, to give a directory away")
    else:
        os.mkdir(server.cache, 0o700)
        os.chown(server.cache, 12345, 12345)
    server.configure(directory_section("file:" + SAMPLE), location_section())
    status, output = server.configtest()
    if wrong != "in no directory":  # which is made at the start
        assert status != 0 and "CEP0104" in output and sentence in output
    server.log.allow("CEP0104", "AH00020")
    with pytest.raises(AssertionError) as ended:
        server.start()
    assert "CEP0104" in str(ended.value) and sentence in str(ended.value)


# --- children are killed -------------------------------------------------------------------------


class PatientLoad(WholeLoad):
    """Whoever was talking to a child that is killed loses the connection. He connects again, and
    that must work; and no answer is ever wrong."""

    def __init__(self, server, threads=4):
        super().__init__(server, threads)
        self.lost = 0

    def run(self):
        while not self.end.is_set():
            for attempt in range(6):
                try:
                    response = soap.send(self.server)
                    break
                except Exception as error:  # whatever it is, the connection has gone
                    self.lost += 1
                    if attempt == 5:
                        self.wrong.append(repr(error))
                        response = None
            if response is not None:
                self.check(response)
            self.count += 1


def refresher(server):
    """The child that refreshes: who wrote the last of its lines."""
    lines = server.log.find(r"CEP050[01]: ")
    return int(re.search(r"\[pid (\d+)", lines[-1].text).group(1)) if lines else None


@pytest.mark.parametrize("mpm", MPMS)
def test_children_are_killed_under_load(make_httpd, mpm):
    """kill -9 of any child, and of the one that refreshes, again and again. CEP_KILLS: how often,
    for a long run; else some 3 s."""
    kills = int(os.environ.get("CEP_KILLS", 0))
    server = make_httpd(mpm)
    start_sample(server, entries=all_renamed("The beginning"))
    server.log.wait_for("CEP0500")
    server.log.kills = True
    chance = random.Random(7)
    end = time.monotonic() + 3
    done = 0
    with PatientLoad(server) as load:
        while done < kills or (not kills and time.monotonic() < end):
            time.sleep(chance.uniform(0.05, 0.35))
            if done % 5 == 0:
                server.write("policy.ldif", ldif.dump(all_renamed("Name %d" % done)))
            children = server.children()
            if not children:
                continue
            target = refresher(server) if done % 3 == 0 else None
            try:
                os.kill(target if target in children else chance.choice(children), signal.SIGKILL)
            except ProcessLookupError:
                continue
            done += 1
        server.write("policy.ldif", ldif.dump(all_renamed("The end")))
        wait_for_name(server, "The end", timeout=15)
    print("%d kills, %d answers, %d connections lost" % (done, load.count, load.lost))
    assert load.wrong == [] and load.count > 20
    assert load.lost <= done * len(load.threads)
    assert sorted(name for name in os.listdir(server.cache) if name.endswith(".new")) == []
