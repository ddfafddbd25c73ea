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
import sys
import threading
import time

import pytest

from cep_env import SAMPLE, ldif, soap
from cep_env.httpd import MPMS, daemon_user, directory_section, free_port, location_section
from conftest import start_sample
from relay import Relay
from slapd import Slapd, find_slapd
from test_reload import WORKERS_ASKED, Load, display_name, renamed, wait_for_name

TEMPLATES = "CN=Certificate Templates,CN=Public Key Services,CN=Services,CN=Configuration," \
            "DC=corp,DC=example"
SERVICES = TEMPLATES.replace("Certificate Templates", "Enrollment Services")
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
    server = start_sample(make_httpd())
    server.log.wait_for("CEP0500")
    time.sleep(3.2)  # a file that was written just now is read again
    inode = os.stat(server.snapshot_file()).st_ino
    marker = server.log.marker()
    server.stop()
    server.start()
    wait_for_reason(server, "has not been touched", marker)
    server.configure(directory_section("file:" + server.path("policy.ldif"), extra=(
        "CEPEnrollmentURI CorpCA kerberos https://new.corp.example/",)), location_section())
    server.log.allow("CEP0359")
    marker = server.log.marker()
    server.reload()
    wait_for_reason(server, "configuration", marker)
    assert os.stat(server.snapshot_file()).st_ino != inode


def test_full_refresh(make_httpd):
    server = make_httpd()
    with open(SAMPLE, encoding="utf-8") as file:
        server.write("policy.ldif", file.read())
    server.configure(directory_section("file:" + server.path("policy.ldif"),
                                       extra=("CEPFullRefresh 2s",)), location_section())
    server.start().wait_for_policy()
    server.log.wait_for("not been touched")
    server.log.wait_for("time for a full refresh", count=2, timeout=12)


def test_active_directory_is_read_when_it_has_changed(active_directory, make_httpd):
    """A flag, an ACL, the publication at a CA, a new template, a deleted CA."""
    import security_descriptor as sd
    from test_samba import login, start, write_passwords
    ad = active_directory
    server = make_httpd()
    write_passwords(server)
    start(server, ad.ldaps, extra=login(ad))
    wait_for_reason(server, "still at highestCommittedUSN", 0)
    marker = server.log.marker()
    ad.replace("CN=alice,CN=Users,DC=corp,DC=example", "description", "moves the USN")
    wait_for_reason(server, "no entry has changed", marker)

    def model():
        return soap.send(server, user="alice", password="password").model()

    def until(condition):
        """One worker may see it a moment before another; after that moment none is behind."""
        deadline = time.monotonic() + 3  # the interval is 1 s
        while not all(condition() for _ in range(WORKERS_ASKED)):
            assert time.monotonic() < deadline, server.log.tail()
            time.sleep(0.02)

    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    before = template.value("nTSecurityDescriptor")
    name = template.value("displayName").decode()
    services = [entry for entry in ad.entries if entry.is_a("pKIEnrollmentService")]
    publishers = [entry for entry in services
                  if b"CorpUser" in entry.values("certificateTemplates")]
    try:
        ad.replace(template.dn, "displayName", "Flagged")
        until(lambda: "CorpUser" in model()["policies"] and
              model()["policies"]["CorpUser"]["policyOIDReference"][2] == "Flagged")
        closed = sd.parse(before)
        closed.dacl = [ace for ace in closed.dacl if ace.type == sd.ALLOWED]
        ad.replace(template.dn, "nTSecurityDescriptor", closed.to_bytes())
        until(lambda: "CorpUser" not in (model()["policies"] or ()))
        ad.replace(template.dn, "nTSecurityDescriptor", before)
        until(lambda: "CorpUser" in model()["policies"])
        for service in publishers:
            ad.replace(service.dn, "certificateTemplates", *[
                value for value in service.values("certificateTemplates") if value != b"CorpUser"])
        until(lambda: "CorpUser" not in (model()["policies"] or ()))
    finally:
        ad.replace(template.dn, "displayName", name)
        ad.replace(template.dn, "nTSecurityDescriptor", before)
        for service in publishers:
            ad.replace(service.dn, "certificateTemplates",
                       *service.values("certificateTemplates"))
    until(lambda: "CorpUser" in model()["policies"])


def add(ad, model, cn, **values):
    """A copy of an entry under another name and with other values ('_' stands for '-')."""
    entry = model.copy()
    entry.dn = re.sub("^CN=[^,]*", "CN=" + cn, model.dn)
    entry.set("cn", cn)
    for name, value in values.items():
        entry.set(name.replace("_", "-"), value)
    descriptor = entry.value("nTSecurityDescriptor")
    for name in ("nTSecurityDescriptor", "objectGUID", "distinguishedName", "name"):
        entry.remove(name)
    ad.modify(ldif.dump([entry]).replace("\ndn: %s\n" % entry.dn,
                                         "\ndn: %s\nchangetype: add\n" % entry.dn))
    ad.replace(entry.dn, "nTSecurityDescriptor", descriptor)
    return entry.dn


def test_active_directory_gets_objects_and_loses_them(active_directory, make_httpd):
    """A new template, which a new CA publishes; the CA is deleted, and the template."""
    from test_samba import login, start, write_passwords
    ad = active_directory
    server = make_httpd()
    write_passwords(server)
    start(server, ad.ldaps, extra=login(ad))
    wait_for_reason(server, "still at highestCommittedUSN", 0)
    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    service = next(entry for entry in ad.entries if entry.is_a("pKIEnrollmentService")
                   and b"CorpUser" in entry.values("certificateTemplates"))

    def answer():
        return soap.send(server, user="alice", password="password").body

    def in_all(*names):
        """Which of NewTemplate and NewCA are in all workers' answers."""
        deadline = time.monotonic() + 3  # the interval is 1 s
        while {tuple(name for name in ("NewTemplate", "NewCA") if name.encode() in answer())
               for _ in range(WORKERS_ASKED)} != {names}:
            assert time.monotonic() < deadline, server.log.tail()

    made = []
    try:
        made.append(add(ad, template, "NewTemplate", displayName="NewTemplate",
                        msPKI_Cert_Template_OID="1.3.6.1.4.1.311.21.8.9.9.9.1"))
        made.append(add(ad, service, "NewCA", displayName="NewCA",
                        certificateTemplates="NewTemplate",
                        msPKI_Enrollment_Servers="1\n2\n0\nhttps://NewCA.corp.example/ces\n0"))
        in_all("NewTemplate", "NewCA")
        ad.modify("dn: %s\nchangetype: delete\n" % made.pop())
        in_all()
    finally:
        for dn in reversed(made):
            ad.modify("dn: %s\nchangetype: delete\n" % dn)


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


FORWARDER = """
import socket, sys, threading
def copy(a, b):
    try:
        while True:
            data = a.recv(65536)
            if not data: break
            b.sendall(data)
    except OSError: pass
    for s in (a, b):
        try: s.shutdown(socket.SHUT_RDWR)
        except OSError: pass
listener = socket.create_server((sys.argv[1], 389))
print("up", flush=True)
while True:
    client = listener.accept()[0]
    server = socket.socket(socket.AF_UNIX)
    server.connect(sys.argv[2])
    for pair in ((client, server), (server, client)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


class BlackHole:
    """slapd in a network of its own, whose answers can be swallowed."""

    def __init__(self, slapd):
        self.name = "cep%d" % os.getpid()
        net = "10.%d.%d." % (random.randrange(1, 250), random.randrange(1, 250))
        self.here, self.there = net + "1", net + "2"
        self.ip("netns", "add", self.name)
        self.ip("link", "add", self.name + "a", "type", "veth", "peer", "name", self.name + "b",
                "netns", self.name)
        self.ip("addr", "add", self.here + "/30", "dev", self.name + "a")
        self.ip("link", "set", self.name + "a", "up")
        self.inside("addr", "add", self.there + "/30", "dev", self.name + "b")
        self.inside("link", "set", self.name + "b", "up")
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", self.name, sys.executable, "-c", FORWARDER, self.there,
             slapd.socket], stdout=subprocess.PIPE)
        assert self.process.stdout.readline() == b"up\n"

    @staticmethod
    def ip(*words):
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def inside(self, *words):
        self.ip("-n", self.name, *words)

    def swallow(self):
        self.inside("route", "add", "blackhole", self.here + "/32")

    def release(self):
        self.inside("route", "del", "blackhole", self.here + "/32")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.ip("link", "del", self.name + "a")
        self.ip("netns", "del", self.name)


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


@needs_slapd
@pytest.mark.parametrize("trouble", ("dies", "hangs", "talks nonsense", "vanishes"))
def test_directory_fails_under_load(make_httpd, tmp_path, trouble):
    """No request fails, the trouble is said once, and news come soon after the return."""
    if trouble == "vanishes" and (os.geteuid() != 0 or not shutil.which("ip")):
        pytest.skip("a network of its own needs root and iproute2")
    hole = garbage = None
    with Slapd(tmp_path / "s", SAMPLE) as slapd:
        port = slapd.port
        try:
            hole = BlackHole(slapd) if trouble == "vanishes" else None
            server = start_ldap(make_httpd(), "ldap://" + hole.there if hole else slapd.ldap)
            server.wait_for_policy()
            soap.check_answer(soap.send(server))
            server.log.expect("CEP0501")
            marker = server.log.marker()
            with Load(server) as load:
                if trouble == "hangs":
                    slapd.pause()
                elif hole:
                    hole.swallow()
                else:
                    slapd.process.kill()
                    slapd.process.wait()
                    garbage = Garbage(port) if trouble == "talks nonsense" else None
                server.log.wait_for("CEP0501", marker)
                time.sleep(2.5)
                # the record tells what the log does
                state = open(server.snapshot_file().replace(".snapshot", ".state"),
                             encoding="utf-8").read()
                assert re.search(r"^failures [1-9]", state, re.M) and "\nerror ldap://" in state
                if trouble == "hangs":
                    slapd.resume()
                elif hole:
                    hole.release()
                else:
                    if garbage:
                        garbage.close()
                    restart_on(slapd, port)
                modify(slapd, set_name(CORPUSER, "After " + trouble))
                wait_for_name(server, "After " + trouble, timeout=5)
            assert load.wrong == [] and load.count > 20
            assert len(server.log.trouble("CEP0501", marker)) == 1
        finally:
            if hole:
                hole.close()


@pytest.fixture
def two_slapds(tmp_path):
    """Two servers that do not agree: the display names of the second one say so."""
    other = ldif.read(SAMPLE)
    for entry in other:
        if entry.is_a("pKICertificateTemplate"):
            entry.set("displayName", "Second")
    ldif.write(tmp_path / "second.ldif", other)
    with Slapd(tmp_path / "1", SAMPLE) as first, \
            Slapd(tmp_path / "2", tmp_path / "second.ldif") as second:
        yield first, second


def display_names(server):
    model = soap.send(server).model()
    return {policy["policyOIDReference"][2] for policy in (model["policies"] or {}).values()}


# Octets of slapd's answers after which the connection dies: behind the bind, and between entries.
CUTS = (3000, 30000)


@needs_slapd
@pytest.mark.parametrize("after", CUTS)
def test_directory_dies_while_it_is_read(two_slapds, make_httpd, after):
    """At the start: no policy is better than a part of one. Later: the old one."""
    first, _ = two_slapds
    with Relay(("127.0.0.1", 0), ("127.0.0.1", first.port)) as relay:
        relay.cut_after = after
        server = start_ldap(make_httpd(), "ldap://127.0.0.1:%d" % relay.port)
        server.log.expect("CEP0501")
        server.log.wait_for("CEP0501")
        soap.check_fault(soap.send(server), "Receiver", "InternalServiceFault")
        assert relay.cuts
        relay.cut_after = None
        server.wait_for_policy()
        names = display_names(server)
        assert "Corp User" in names and "Second" not in names

        relay.cut_after, relay.cuts = after, 0
        server.log.expect("CEP0501")
        marker = server.log.marker()
        with Load(server) as load:
            modify(first, set_name(CORPUSER, "Third"))
            server.log.wait_for("CEP0501", marker)
            assert relay.cuts and display_names(server) == names
            relay.cut_after = None
            wait_for_name(server, "Third", timeout=5)
        assert load.wrong == []


@needs_slapd
@pytest.mark.parametrize("trouble", ("dies", "stalls", "talks nonsense"))
def test_next_server_is_read_in_the_same_run(two_slapds, make_httpd, trouble):
    """The first one fails when all but its last entries have come: the same run reads the second,
    from its beginning, and nothing of the first one gets into the policy. No run has failed."""
    first, second = two_slapds
    with Relay(("127.0.0.1", 0), ("127.0.0.1", first.port)) as relay:
        server = start_ldap(make_httpd(), "ldap://127.0.0.1:%d %s" % (relay.port, second.ldap))
        server.wait_for_policy()
        before = display_names(server)
        assert "Corp User" in before and "Second" not in before
        source = "CEP0500: .* from ldap://127.0.0.1:%d: "
        marker = server.log.marker()
        with Load(server) as load:
            relay.then, relay.cut_after = trouble, relay.longest - 300
            modify(first, set_name(CORPUSER, "Third"))
            seen, deadline = [], time.monotonic() + 6
            while {"Second"} not in seen:
                seen.append(display_names(server))
                assert time.monotonic() < deadline, server.log.tail()
        assert load.wrong == []
        assert all(names in (before, {"Second"}) for names in seen)
        # One server after the other: that the first is passed over is told once for each run.
        lines = server.log.find("CEP0201: .*; trying the next server", marker)
        assert relay.cuts == len(lines) >= 1
        assert all("ldap://127.0.0.1:%d: " % relay.port in line.text for line in lines)
        assert server.log.find(source % second.port + ".*another server", marker)
        if trouble == "dies":  # when it has recovered it is the first again
            relay.cut_after = None
            wait_for_name(server, "Third", timeout=10)


@needs_slapd
def test_all_servers_fail_on_the_way(two_slapds, make_httpd):
    """Each is asked once in a run, the log names both, and what was read before is served."""
    first, second = two_slapds
    with Relay(("127.0.0.1", 0), ("127.0.0.1", first.port)) as one, \
            Relay(("127.0.0.1", 0), ("127.0.0.1", second.port)) as two:
        server = start_ldap(make_httpd(), " ".join("ldap://127.0.0.1:%d" % relay.port
                                                   for relay in (one, two)))
        server.wait_for_policy()
        before = display_names(server)
        server.log.expect("CEP0501")
        marker = server.log.marker()
        with Load(server) as load:
            one.cut_after = two.cut_after = 3000
            modify(first, set_name(CORPUSER, "Third"))
            text = server.log.wait_for("CEP0501", marker)[0].text
            assert [text.count("ldap://127.0.0.1:%d: " % relay.port)
                    for relay in (one, two)] == [1, 1]
            assert display_names(server) == before
            two.cut_after = None
            deadline = time.monotonic() + 6
            while display_names(server) != {"Second"}:
                assert time.monotonic() < deadline, server.log.tail()
                time.sleep(0.05)
        assert load.wrong == []
        assert len(server.log.trouble("CEP0501", marker)) == 1


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
                for _ in range(3):
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
def test_cold_start(make_httpd, tmp_path):
    """Without a policy: a fault at once, and a policy within 5 s of the directory's return."""
    with Slapd(tmp_path / "s", SAMPLE) as slapd:
        port = slapd.port
        slapd.process.kill()
        slapd.process.wait()
        server = start_ldap(make_httpd(), slapd.ldap, "CEPRefreshInterval 5m")
        server.log.expect("CEP0501")
        begin = time.monotonic()
        response = soap.send(server)
        assert time.monotonic() - begin < 2
        soap.check_fault(response, "Receiver", "InternalServiceFault")
        assert int(response.headers["Retry-After"]) > 0
        time.sleep(5)  # long enough for waits to have grown
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
                                       extra=("CEPMaxStale 3s",)), location_section())
    server.start().wait_for_policy()
    soap.check_answer(soap.send(server))
    server.log.expect("CEP0501", "CEP0505")
    marker = server.log.marker()
    os.unlink(server.path("policy.ldif"))
    server.log.wait_for("CEP0505", marker)
    response = soap.send(server)
    soap.check_fault(response, "Receiver", "InternalServiceFault")
    assert int(response.headers["Retry-After"]) > 0
    time.sleep(2)
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
    time.sleep(3)
    assert display_name(server) == "Corp User"
    assert len(server.log.trouble("CEP0501", marker)) == 1
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
        time.sleep(2)
        assert display_name(server) == "Corp User"
        assert len(server.log.trouble("CEP0501", marker)) == 1
    finally:
        subprocess.run(["mount", "-o", "remount,rw", server.cache], check=True)
    wait_for_name(server, "Written again")


@needs_root
@pytest.mark.parametrize("how", ("owner", "mode", "link", "garbage"))
def test_poisoned_snapshot(make_httpd, how):
    """It is not used, that is said once, and the next refresh puts a good one in its place."""
    server = start_sample(make_httpd())
    server.log.wait_for("CEP0500")
    for _ in range(WORKERS_ASKED):  # a worker that has mapped nothing yet has nothing to go on with
        assert display_name(server) == "Corp User"
    path = server.snapshot_file()
    aside = path + ".poison"
    shutil.copy(path, aside)
    if how == "owner":
        os.chown(aside, 12345, 12345)
    elif how == "mode":
        os.chmod(aside, 0o666)
    elif how == "garbage":
        os.truncate(aside, 5000)
    server.log.allow("CEP0503")
    if how == "link":
        os.symlink(aside, aside + ".link")
        os.rename(aside + ".link", path)
    else:
        os.rename(aside, path)
    for _ in range(WORKERS_ASKED):
        assert display_name(server) == "Corp User"
    deadline = time.monotonic() + 5
    while os.path.islink(path) or os.stat(path).st_uid not in (0, daemon_user().pw_uid) or \
            os.stat(path).st_mode & 0o22 or os.stat(path).st_size == 5000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert display_name(server) == "Corp User"


@needs_root
def test_cache_dir_is_no_link(make_httpd):
    server = make_httpd()
    os.rename(server.cache, server.path("elsewhere"))
    os.symlink(server.path("elsewhere"), server.cache)
    server.configure(directory_section("file:" + SAMPLE), location_section())
    status, output = server.configtest()
    assert status != 0 and "CEP0104" in output and "symbolic link" in output


# --- children are killed -------------------------------------------------------------------------


class PatientLoad(Load):
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
                model = soap.parse(response.body)
                if response.status != 200 or not model["policies"]:
                    self.wrong.append(model["fault"] or model)
            self.count += 1


def refresher(server):
    """The child that refreshes: who wrote the last of its lines."""
    lines = server.log.find(r"CEP050[01]: ")
    return int(re.search(r"\[pid (\d+)", lines[-1].text).group(1)) if lines else None


@pytest.mark.parametrize("mpm", MPMS)
def test_children_are_killed_under_load(make_httpd, mpm):
    """kill -9 of any child, and of the one that refreshes, again and again. CEP_KILLS: how often,
    for a long run; else some 7 s."""
    kills = int(os.environ.get("CEP_KILLS", 0))
    server = start_sample(make_httpd(mpm))
    server.log.wait_for("CEP0500")
    server.log.kills = True
    chance = random.Random(7)
    end = time.monotonic() + 7
    done = 0
    with PatientLoad(server) as load:
        while done < kills or (not kills and time.monotonic() < end):
            time.sleep(chance.uniform(0.05, 0.35))
            if done % 5 == 0:
                server.write("policy.ldif", ldif.dump(renamed("Name %d" % done)))
            children = server.children()
            if not children:
                continue
            target = refresher(server) if done % 3 == 0 else None
            try:
                os.kill(target if target in children else chance.choice(children), signal.SIGKILL)
            except ProcessLookupError:
                continue
            done += 1
        server.write("policy.ldif", ldif.dump(renamed("The end")))
        wait_for_name(server, "The end", timeout=15)
    print("%d kills, %d answers, %d connections lost" % (done, load.count, load.lost))
    assert load.wrong == [] and load.count > 20
    assert load.lost <= done * len(load.threads)
    assert sorted(name for name in os.listdir(server.cache) if name.endswith(".new")) == []
