# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Several servers of one directory: by DNS SRV or in a list, some of them hostile."""

import shlex
import socket
import struct
import subprocess
import threading
import time

import pytest

import dns as dns_server
from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import directory_section, free_port, location_section
from relay import Relay
from slapd import Slapd, find_slapd, make_certificates
from test_gssapi import kerberos
from test_ldap import ENTRIES
from test_refresh import CORPUSER, modify, set_name, start_ldap
from test_reload import Load, display_name, wait_for_name
from test_samba import ask, login, wait_until, write_passwords

DOMAIN = "ldap:///DC=corp,DC=example"
SERVICE = "_ldap._tcp.corp.example"
SITE = "_ldap._tcp.Berlin._sites.corp.example".lower()
HOST = "dc1.corp.example"

needs_dns = pytest.mark.skipif(dns_server.why_not() is not None, reason=str(dns_server.why_not()))
needs_slapd = pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")


@pytest.fixture(scope="module")
def slapd(tmp_path_factory):
    with Slapd(tmp_path_factory.mktemp("s"), SAMPLE,
               make_certificates(tmp_path_factory.mktemp("t"))) as server:
        yield server


@pytest.fixture
def make_dns():
    made = []

    def make(*arguments, **options):
        made.append(dns_server.Dns(*arguments, **options))
        return made[-1]

    yield make
    for server in made:
        server.close()


def start(server, *urls, extra=(), **options):
    write_passwords(server)
    server.configure(directory_section(*urls, extra=extra, **options), location_section())
    return server.start()


def opened(dns, tmp_path, *arguments):
    """The server that a fresh process opens, or the sentence with which it fails."""
    command = shlex.split(dns.wrapper(tmp_path)) + [str(ENTRIES.resolve()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    lines = [line.split("opened ")[1] for line in done.stderr.splitlines() if "opened " in line]
    return lines[0] if done.returncode == 0 else done.stderr


# ---- by the DNS ----

@needs_dns
@pytest.mark.parametrize("url, way", [
    (DOMAIN.replace("ldap", "ldaps", 1), lambda ad: login(ad)),
    (DOMAIN, lambda ad: login(ad, "CEPStartTLS On")),
    (DOMAIN, lambda ad: kerberos(ad)),
    (DOMAIN, lambda ad: kerberos(ad, "CEPStartTLS On", "CEPSite Berlin")),
], ids=("ldaps", "StartTLS", "sealed", "site"))
def test_active_directory_by_dns(active_directory, make_httpd, make_dns, monkeypatch, url, way):
    """Certificate and service principal are those of the name that the DNS gave. The first server
    does not run. The DNS is not asked for each connection."""
    ad, server = active_directory, make_httpd()
    dns = make_dns({SERVICE: [(0, 100, 389, "dc0.corp.example"), (1, 0, 389, HOST)]},
                   {"dc0.corp.example": "127.0.0.9", HOST: ad.address})
    monkeypatch.setenv("CEP_WRAPPER", dns.wrapper(server.root))
    monkeypatch.setenv("KRB5_CONFIG", ad.krb5_conf)
    start(server, url, extra=way(ad)).wait_for_policy()
    expected = evaluator.Directory(ad.entries)
    for caller in ("alice", "bob", "WS01$"):
        assert compare(soap.check_answer(ask(server, caller)), expected.answer(caller)) == []
    assert server.log.find("opened %s://%s" % (url.split(":")[0], HOST))
    assert set(dns.asked) == {SERVICE} | ({SITE} if "CEPSite Berlin" in way(ad) else set())
    assert len(dns.asked) <= 2 * 4  # at most once for each process and name


@needs_dns
@needs_slapd
def test_priority_weight_and_site(slapd, make_dns, tmp_path):
    port, hosts = slapd.port, dict.fromkeys(("a.test", "b.test", "c.test"), "127.0.0.1")
    everywhere = [(20, 100, port, "b.test"), (10, 0, port, "a.test"), (30, 9, port, "c.test")]
    dns = make_dns({SERVICE: everywhere, SITE: [(50, 0, port, "c.test")]}, hosts)
    assert opened(dns, tmp_path, "--url", DOMAIN) == "ldap://a.test:%d" % port
    assert opened(dns, tmp_path, "--url", DOMAIN, "--site", "Berlin") == "ldap://c.test:%d" % port
    # A site without servers of its own: those of the domain.
    assert opened(dns, tmp_path, "--url", DOMAIN, "--site", "Rome") == "ldap://a.test:%d" % port
    # All of the site's are dead: those of the domain.
    dns.services[SITE] = [(0, 0, free_port(), "c.test")]
    assert opened(dns, tmp_path, "--url", DOMAIN, "--site", "Berlin") == "ldap://a.test:%d" % port
    dns.services[SERVICE] = [(0, 90, port, "a.test"), (0, 10, port, "b.test")]
    chosen = [opened(dns, tmp_path, "--url", DOMAIN) for _ in range(60)]
    assert chosen.count("ldap://a.test:%d" % port) > 35
    assert len(chosen) == chosen.count("ldap://a.test:%d" % port) + chosen.count(
        "ldap://b.test:%d" % port)


@needs_dns
@needs_slapd
@pytest.mark.parametrize("services, mode, sentence", [
    ({}, "answers", "the DNS has no such records"),
    ({SERVICE: []}, "answers", "the DNS has no such records"),
    ({SERVICE: [(0, 0, 389, "")]}, "answers", "the DNS has no such records"),
    ({SERVICE: [(0, 0, 389, "a b;c")]}, "answers", "the DNS has no such records"),
    ({SERVICE: [(0, 0, 0, "a.test")]}, "answers", "the DNS has no such records"),
    ({SERVICE: [(0, 0, 389, "a.test")]}, "garbage", "_ldap._tcp.corp.example"),
    ({SERVICE: [(0, 0, 389, "a.test")]}, "silent", "check the DNS servers in /etc/resolv.conf"),
], ids=("unknown", "empty", "no service", "no host name", "no port", "garbage", "silent"))
def test_dns_that_is_of_no_use(make_dns, slapd, tmp_path, services, mode, sentence):
    """A sentence, in time; and the next URL of the list is tried all the same."""
    dns = make_dns(services, {}, mode=mode)
    arguments = ("--timeout", "1000", "--url", DOMAIN)
    assert sentence in opened(dns, tmp_path, *arguments)
    assert opened(dns, tmp_path, *arguments, "--url", slapd.ldap) == slapd.ldap


@needs_dns
@pytest.mark.parametrize("count", (20, 200))
def test_many_records(make_dns, tmp_path, count):
    """More than are tried at a time, and more than are read of one answer."""
    dns = make_dns({SERVICE: [(i, 0, 1, "h%d.test" % i) for i in range(count)]},
                   {"h%d.test" % i: "127.0.0.1" for i in range(count)})
    error = opened(dns, tmp_path, "--url", DOMAIN)
    assert "h8.test port 1 (Connection refused)" in error and "h9.test" not in error


# ---- hostile servers in a list ----

def silent(connection):
    connection.recv(1)
    connection.settimeout(30)
    while connection.recv(65536):
        pass


def after_bind(octets):
    """Answer the first request with these octets and then nothing more."""
    def behave(connection):
        connection.recv(65536)
        connection.sendall(octets)
        silent(connection)
    return behave


def reset(connection):
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


HOSTILE = {
    "silent": silent,
    "half a message": after_bind(bytes.fromhex("30840000001002010161")),
    "2 GiB": after_bind(bytes.fromhex("30847fffffff02010161")),
    "garbage": after_bind(b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(range(256))),
    "reset": reset,
    "closed": lambda connection: connection.recv(1),
    "referral": after_bind(bytes.fromhex("3027020101650a0a010a04000400a30204003000") + b"\0" * 20),
    "another message": after_bind(bytes.fromhex("300c02017f61070a010004000400")),
    "bind refused": after_bind(bytes.fromhex("300c02010161070a013104000400")),
}


class Hostile:
    def __init__(self, behave):
        self.behave, self.connections, self.held = behave, 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.behave(connection)
        except OSError:
            pass
        connection.close()

    def close(self):
        self.listener.close()


@pytest.fixture
def hostile():
    made = []

    def make(name):
        made.append(Hostile(HOSTILE[name]))
        return made[-1]

    yield make
    for server in made:
        server.close()


@needs_slapd
@pytest.mark.parametrize("scheme", ("ldap", "ldaps"))
@pytest.mark.parametrize("trouble", HOSTILE)
def test_first_server_is_hostile(make_httpd, hostile, slapd, tmp_path, trouble, scheme):
    """Policy and callers come from the second, and soon nobody spends time on the first: the
    number of connections to it says so."""
    bad, server = hostile(trouble), make_httpd()
    ca = server.write("slapd-ca.pem", open(slapd.tls.ca, encoding="ascii").read())
    start(server, "%s://127.0.0.1:%d" % (scheme, bad.port), getattr(slapd, scheme),
          extra=("CEPTimeout 1s", 'CEPCACertificateFile "%s"' % ca))
    server.wait_for_policy()
    for _ in range(40):
        assert ask(server).status == 200
    assert server.log.find("CEP0201")
    assert 1 <= bad.connections <= 2 * (4 + 2)  # by two processes, within a few seconds


@needs_slapd
def test_wrong_certificate_and_size_limit(make_httpd, slapd, tmp_path_factory):
    """The first has a certificate of somebody else, the second cuts answers short, the third is good."""
    with Slapd(tmp_path_factory.mktemp("s"), SAMPLE, make_certificates(
            tmp_path_factory.mktemp("t"), ["other.test"])) as other, \
            Slapd(tmp_path_factory.mktemp("s"), SAMPLE, slapd.tls,
                  options=("limits * size.soft=2 size.hard=2 size.prtotal=2",)) as small:
        server = make_httpd()
        with open(slapd.tls.ca, encoding="ascii") as file:
            ca = server.write("slapd-ca.pem", file.read())
        start(server, other.ldaps, small.ldaps, slapd.ldaps,
              extra=('CEPCACertificateFile "%s"' % ca,))
        server.wait_for_policy()
        passed_over = [line.text for line in server.log.find("CEP0201")]
        assert "CEPCACertificateFile holds the CA" in passed_over[0]
        assert small.ldaps in passed_over[1] and "imit" in passed_over[1]
        assert server.log.wait_for("CEP0500")[0].text.count(slapd.ldaps)  # in the first run
        wait_until(lambda: ask(server).status == 200)


class OtherPassword(Slapd):
    password = "An0ther-Passw0rd"


@needs_slapd
def test_bind_refused(make_httpd, slapd, tmp_path_factory):
    """The first server does not know the account's password: policy and callers come from the
    second; and the first has not been sent the password again and again."""
    with OtherPassword(tmp_path_factory.mktemp("s"), SAMPLE, slapd.tls) as other, \
            Relay(("127.0.0.1", 0), ("127.0.0.1", other.tls_port)) as relay:
        server = make_httpd()
        with open(slapd.tls.ca, encoding="ascii") as file:
            ca = server.write("slapd-ca.pem", file.read())
        with open(slapd.password_file, encoding="ascii") as file:
            word = server.write("password", file.read())
        start(server, "ldaps://127.0.0.1:%d" % relay.port, slapd.ldaps, extra=(
            'CEPCACertificateFile "%s"' % ca, "CEPBind simple", 'CEPBindDN "%s"' % slapd.bind_dn,
            'CEPBindPasswordFile "%s"' % word))
        server.wait_for_policy()
        for _ in range(24):
            assert ask(server).status == 200
        server.log.wait_for("CEP0500.*" + slapd.ldaps)
        assert "nvalid credentials" in server.log.find("CEP0201")[0].text
        assert slapd.password not in "".join(line.text for line in server.log.lines(0)[0])
        sent = [line for line in server.log.find("CEP0201") if "nvalid credentials" in line.text]
        assert len(sent) == 1


@needs_slapd
def test_another_server_is_read_anew(make_httpd, tmp_path):
    """What one server calls its newest change says nothing about another one: equal marks of two
    servers with different content do not make them equal."""
    content = ldif.read(SAMPLE)
    for entry in content:
        if any(map(entry.is_a, ("pKICertificateTemplate", "pKIEnrollmentService",
                                "msPKI-Enterprise-Oid"))):
            entry.set("entryCSN", "20260101000000.000000Z#000000#000#000000")
    ldif.write(tmp_path / "first.ldif", content)
    ldif.find(content, "CorpUser", "pKICertificateTemplate").set("displayName", "Second")
    ldif.write(tmp_path / "second.ldif", content)
    with Slapd(tmp_path / "1", tmp_path / "first.ldif") as first, \
            Slapd(tmp_path / "2", tmp_path / "second.ldif") as second:
        server = make_httpd()
        server.configure(directory_section(first.ldap, second.ldap, extra=("CEPTimeout 1s",)),
                         location_section())
        server.start().wait_for_policy()
        server.log.wait_for("CEP0500.*no entry has changed")
        assert display_name(server) == "Corp User"
        marker = server.log.marker()
        server.log.allow("CEP0501")  # when it dies in the middle of a refresh
        first.stop()
        wait_until(lambda: display_name(server) == "Second")
        server.log.wait_for(r"CEP0500.*%s.*another server was asked" % second.ldap, marker)


@needs_slapd
def test_dead_and_known_to_be(make_httpd, hostile, slapd):
    """One server, which falls silent: the first callers wait, the others are told at once; it is
    asked again now and then, and its return is noticed."""
    server = start(make_httpd("worker"), slapd.ldap, extra=("CEPTimeout 1s",)).wait_for_policy()
    assert ask(server).status == 200
    server.log.expect("CEP0501", "CEP0603")
    slapd.pause()
    try:
        marker = server.log.marker()
        for _ in range(25):
            soap.check_fault(ask(server), "Receiver", "InternalServiceFault")
        texts = [line.text for line in server.log.find("CEP0603", marker)]
        assert sum("not tried again for 2 s after" in text for text in texts) >= 10
        assert all("in time" in text for text in texts)  # the reason is told each time
        server.log.wait_for("CEP0501", marker)
    finally:
        slapd.resume()
    wait_until(lambda: ask(server).status == 200)
    server.log.wait_for("CEP0500", marker)


# ---- servers that fail while they are read ----

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
def test_server_without_templates(make_httpd, tmp_path):
    """A replica that lacks them, or shows them to others only: the next one has them."""
    kept = [entry for entry in ldif.read(SAMPLE) if "CN=Certificate Templates," not in entry.dn]
    ldif.write(tmp_path / "poor.ldif", kept)
    with Slapd(tmp_path / "1", tmp_path / "poor.ldif") as poor, \
            Slapd(tmp_path / "2", SAMPLE) as good:
        server = start_ldap(make_httpd(), poor.ldap + " " + good.ldap).wait_for_policy()
        assert "Corp User" in display_names(server)
        line = server.log.find("CEP0201")[0].text
        assert poor.ldap in line and "no container CN=Certificate Templates" in line
        server.log.wait_for("CEP0500: .* from %s: .*no entry has changed" % good.ldap)
