# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Finished answers: their gzip form, their buckets, their files, and what a hot request costs."""

import contextlib
import copy
import glob
import gzip
import os
import re
import shutil
import socket
import subprocess
import time
import zlib

import pytest

from cep_env import SAMPLE, TESTS, ldif, soap
from cep_env.httpd import MPMS, PATH, PASSWORDS, load_modules, location_section
from conftest import start_sample
from slapd import Slapd, find_slapd

GZIP = {"Accept-Encoding": "gzip"}
MESSAGE = "urn:uuid:0123"


def many(count):
    """The sample with count copies of CorpUser, each an own template that alice may enroll for."""
    entries = ldif.read(SAMPLE)
    template = ldif.find(entries, "CorpUser", "pKICertificateTemplate")
    ca = ldif.find(entries, "Corp Issuing CA 1", "pKIEnrollmentService")
    for number in range(count):
        name = "Copy%05d" % number
        entry = copy.deepcopy(template)
        entry.dn = entry.dn.replace("CorpUser", name)
        entry.set("cn", name)
        entry.set("displayName", name)
        entry.set("msPKI-Cert-Template-OID", "1.3.6.1.4.1.311.21.8.1.%d" % (number + 1))
        entries.append(entry)
        ca.add("certificateTemplates", name)
    return entries


def start(server, *sections, entries=None, lines=(), cache="CEPTokenCache shmcb", url=None):
    return start_sample(server, *sections, entries=entries, url=url, refresh="60s",
                        server=lines + (cache,))


@pytest.fixture(scope="module")
def large(make_module_httpd):
    """An answer of some 300 templates."""
    return start(make_module_httpd(), entries=many(300))


def both(server, user="alice"):
    """The plain answer and the compressed one, to the same message."""
    body = soap.build(message_id=MESSAGE)
    return soap.send(server, body, user), soap.send(server, body, user, headers=GZIP)


# The gzip form.

@pytest.mark.parametrize("user", ("alice", "bob", "WS01$", "dave"))
def test_gzip_is_the_same_answer(sample, user):
    plain, packed = both(sample, user)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "ETag" not in packed.headers
    for response in (plain, packed):
        assert response.headers["Vary"] == "Accept-Encoding"
        assert int(response.headers["Content-Length"]) == len(response.body)
    assert len(packed.body) < len(plain.body)
    # Python's own reader checks length and checksum, too.
    assert gzip.decompress(packed.body) == plain.body
    one = zlib.decompressobj(31)
    assert one.decompress(packed.body) == plain.body and one.eof and not one.unused_data


def test_the_clients_text_is_not_compressed(sample):
    """RelatesTo stands in the octets as it is: no length tells what else is in the answer."""
    for message in ("urn:uuid:" + "a" * 500, "urn:" + "commonName" * 40):
        response = soap.send(sample, soap.build(message_id=message), headers=GZIP)
        assert message.encode() in response.body
        assert gzip.decompress(response.body).count(message.encode()) == 1


@pytest.mark.parametrize("accepted, wanted", (
    ("gzip", True), ("GZIP", True), ("x-gzip", True), ("deflate, gzip", True),
    ("gzip;q=0.5", True), ("gzip ; q=1.000", True), ("br;q=1, gzip;q=0.8, *;q=0.1", True),
    ("*", True), ("identity, gzip", True), ("identity;q=0.5, gzip;q=0.5", True),
    ("gzip;Q=0.001", True), ("identity;q=0, *", True), ("gzip;q=0, x-gzip", True),
    ("", False), ("identity", False), ("gzip;q=0", False), ("gzip; q=0.000", False),
    ("gzip;q=0, *", False), ("*;q=0", False), ("identity;q=1, gzip;q=0.5", False),
    ("deflate, br", False), ("gzipp", False), ("gzi", False), ("gzip;q=2", False),
    ("gzip;q=x", False), ("gzip;x=1", False), ("gzip;q=1.001", False), (",,;", False),
))
def test_accept_encoding(sample, accepted, wanted):
    response = soap.send(sample, soap.build(message_id=MESSAGE),
                         headers={"Accept-Encoding": accepted})
    assert response.headers.get("Content-Encoding") == ("gzip" if wanted else None)
    assert response.headers["Vary"] == "Accept-Encoding"


def test_no_gzip_turns_it_off(make_httpd):
    server = start_sample(make_httpd(), location_section(extra=("SetEnv no-gzip",)))
    response = soap.send(server, headers=GZIP)
    assert "Content-Encoding" not in response.headers
    soap.check_answer(response)


def test_mod_deflate_leaves_it_alone(make_httpd):
    server = start(make_httpd(), location_section(extra=("SetOutputFilter DEFLATE",)),
                   lines=load_modules("filter", "deflate"))
    plain, packed = both(server)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body


def curl(server, *options):
    done = subprocess.run(
        ["curl", "-sS", "--cacert", server.certificates.ca_file, "-u",
         "alice:" + PASSWORDS["alice"], "-H", "Content-Type: " + soap.CONTENT_TYPE,
         "--data-binary", "@-", *options, "https://127.0.0.1:%d%s" % (server.port, PATH)],
        input=soap.build(message_id=MESSAGE), capture_output=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_reads_it(large):
    plain = soap.send(large, soap.build(message_id=MESSAGE)).body
    assert curl(large) == plain
    assert curl(large, "--compressed") == plain


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_http2(make_httpd):
    server = start(make_httpd(), entries=many(300),
                   lines=load_modules("http2") + ("Protocols h2 http/1.1",))
    plain = soap.send(server, soap.build(message_id=MESSAGE)).body
    for options in ((), ("--compressed",)):
        assert curl(server, "--http2", *options) == plain
    heads = curl(server, "--http2", "--compressed", "-D", "/dev/stderr", "-o", "/dev/null", "-w",
                 "%{http_version}")
    assert heads == b"2"


# Buckets.

@pytest.fixture(scope="module")
def test_module(tmp_path_factory):
    """The module that tells buckets, compiled by apxs."""
    folder = tmp_path_factory.mktemp("module")
    source = shutil.copy(os.path.join(TESTS, "integration", "modules", "mod_cep_test.c"), folder)
    program = os.environ.get("CEP_APXS") or shutil.which("apxs") or shutil.which("apxs2")
    subprocess.run([program, "-c", source], cwd=folder, check=True, capture_output=True)
    folder.chmod(0o755)
    return glob.glob(str(folder) + "/.libs/mod_cep_test.so")[0]


@pytest.mark.parametrize("templates", (0, 40, 1000))
@pytest.mark.parametrize("coding", ("identity", "gzip"))
def test_buckets_are_large(make_httpd, test_module, templates, coding):
    """All but the first and the last have 16 KiB at least: small ones become small TLS records."""
    server = start(make_httpd(), location_section(extra=("SetOutputFilter CEPTEST",)),
                   entries=many(templates),
                   lines=('LoadModule cep_test_module "%s"' % test_module,
                          "LogLevel cep_test:info"))
    marker = server.log.marker()
    response = soap.send(server, headers={"Accept-Encoding": coding})
    line = server.log.wait_for(r"buckets:", marker)
    text = next(item.text for item in server.log.lines(marker)[0] if "buckets:" in item.text)
    lengths = [int(number) for number in re.findall(r" [\w-]+:(\d+)", text.split("buckets:")[1])]
    assert sum(lengths) == len(response.body), line
    assert all(length >= 16384 for length in lengths[1:-1]), text
    assert len(lengths) <= 2 + len(response.body) // 16384
    assert lengths[0] < 2048  # only the head is made for the request


# Files and processes.

def answer_files(server, ending=""):
    return sorted(glob.glob(server.cache + "/corp.answers/*" + ending))


@pytest.mark.parametrize("mpm", MPMS)
def test_all_workers_share_one_file(make_httpd, mpm):
    server = start(make_httpd(mpm))
    for _ in range(24):
        soap.check_answer(soap.send(server))
    assert len(answer_files(server)) == 1
    made = server.log.lines(0)[0]
    assert sum(line.matches("CEP0600.*body=made") for line in made) <= \
        len(server.children())
    assert any(line.matches("CEP0600.*body=hit") for line in made)
    for path in answer_files(server):
        assert os.stat(path).st_mode & 0o777 == 0o600
    assert any(mappings(pid, ".answers/") for pid in server.children())


def mappings(pid, path):
    """(permissions, {field: KiB}) of each mapping of a file of that path, by smaps."""
    with open("/proc/%d/smaps" % pid, encoding="utf-8") as file:
        parts = re.split(r"^([0-9a-f]+-[0-9a-f]+ .*)$", file.read(), flags=re.M)[1:]
    return [(head.split()[1], {name: int(size) for name, size in
                               re.findall(r"^(\w+): +(\d+) kB$", fields, re.M)})
            for head, fields in zip(parts[::2], parts[1::2]) if path in head]


@pytest.mark.parametrize("mpm", MPMS)
def test_one_copy_of_the_policy(make_httpd, mpm):
    """Of the snapshot and of a finished answer, whatever the number of processes: nobody has pages
    of his own, and the shares of all of them (Pss) are not more than the files."""
    server = start(make_httpd(mpm), entries=many(300))
    for _ in range(24):
        soap.check_answer(soap.send(server))
    answer, = answer_files(server)
    for path in (server.snapshot_file(), answer):
        found = [mapping for pid in server.children() for mapping in mappings(pid, path)]
        assert len(found) >= 2  # or there would be nothing to share
        for permissions, fields in found:
            assert permissions == "r--s"
            assert fields["Private_Dirty"] == fields["Anonymous"] == 0
        pages = -(-os.path.getsize(path) // 4096) * 4
        assert pages / 2 < sum(fields["Pss"] for _, fields in found) <= pages


def test_a_full_disk_stops_nobody(make_httpd):
    """The directory of answers cannot be made: answers are given, and it is said once a process."""
    server = make_httpd()
    server.write("cache/corp.answers", "a file in the place of the directory")
    start(server)
    server.log.expect("CEP0661")
    for _ in range(12):
        soap.check_answer(soap.send(server, headers=None))
        assert soap.send(server, headers=GZIP).headers["Content-Encoding"] == "gzip"
    said = [line for line in server.log.lines(0)[0] if line.matches("CEP0661")]
    assert 1 <= len(said) <= len(server.children()) + 1


def test_a_damaged_answer_is_not_sent(make_httpd):
    server = start(make_httpd("event"))
    good = soap.send(server, soap.build(message_id=MESSAGE)).body
    path, = answer_files(server)
    server.stop()
    with open(path, "r+b") as file:
        file.seek(8000)
        file.write(b"x" * 100)
    server.start()
    server.log.expect("CEP0660")
    for _ in range(24):
        assert soap.send(server, soap.build(message_id=MESSAGE)).body == good


def test_no_file_is_looked_for(make_httpd):
    """map_to_storage: neither a file nor .htaccess stands behind an instance."""
    server = make_httpd()
    other = location_section("/other", directory=None, auth=False).replace("SetHandler cep\n",
                                                                           "SetHandler none\n")
    server.write(".htaccess", "Header always set X-Walked 1\n")
    start_sample(server, location_section(),
                 other.replace('    CEPPolicyName "Corp policy"\n', ""),
                 '<Directory "${ROOT}">\nAllowOverride All\n</Directory>')
    response = soap.send(server)
    soap.check_answer(response)
    assert "X-Walked" not in response.headers
    assert soap.send(server, path="/other").headers["X-Walked"] == "1"


def test_another_handler_is_refused(make_httpd):
    """Without <Directory>'s protection nothing but the instance may answer."""
    server = make_httpd()
    section = location_section(extra=('SetHandler "%{reqenv:LATE}"',
                                      "SetEnvIf Request_Method POST LATE=server-status"))
    start_sample(server, "SetEnvIf Request_Method POST LATE=cep",
                 section.replace("    SetHandler cep\n", ""))
    server.log.expect("CEP0663")
    assert soap.send(server).status == 500


# And no pool keeps memory for the next request.
ONE_WORKER = ("StartServers 1", "MinSpareServers 1", "MaxSpareServers 1", "MaxRequestWorkers 1",
              "ServerLimit 1", "MaxMemFree 1")


def traced(server, calls, requests):
    """What the one worker asks of the system for some requests, and how many seconds they took."""
    client = soap.Client(server)
    try:
        for _ in range(3):
            client.send(soap.build())
        pid, = server.children()
        trace = server.path("trace")
        process = subprocess.Popen(["strace", "-f", "-p", str(pid), "-o", trace, "-e",
                                    "trace=" + calls], stderr=subprocess.PIPE)
        if b"attached" not in process.stderr.readline():
            process.kill()
            process.wait()
            pytest.skip("strace may not attach here")
        began = time.monotonic()
        for _ in range(requests):
            soap.check_answer(client.send(soap.build()))
        seconds = time.monotonic() - began
        process.terminate()
        process.wait(10)
    finally:
        client.close()
    with open(trace, encoding="utf-8", errors="replace") as file:
        return file.read(), seconds


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("source", ("file", "slapd"))
def test_a_hot_request_opens_nothing(make_httpd, tmp_path, monkeypatch, source):
    """No file, no directory, no memory of more than 64 KiB: exact, so no clock is needed."""
    if source == "slapd" and find_slapd() is None:
        pytest.skip("slapd is not installed")
    # The C library asks the system for each piece of such a size. By itself it does so for larger
    # ones only, and keeps them when they are given back.
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65537")
    server, entries = make_httpd("prefork"), many(300)
    server.log.allow("AH00161")  # one worker is all that is wanted
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(Slapd(tmp_path / "s", ldif.dump(entries), options=(
            "sizelimit unlimited",))).ldap if source == "slapd" else None
        start(server, entries=entries, lines=ONE_WORKER, url=url)
        calls, seconds = traced(
            server, "open,openat,stat,lstat,newfstatat,fstat,access,statx,mmap,mremap,brk,connect,"
            "pread64", 10)
    named = re.findall(r"(\w+)\((?:AT_FDCWD, )?\"([^\"]+)\"", calls)
    # The passwords are mod_authn_file's. The snapshot, and the LDIF file, are looked at once a second.
    watched = [server.snapshot_file()] + [server.path("cache/corp.ldif")] * (source == "file")
    assert {path for _, path in named} <= {*watched, server.path("users")}
    for path in watched:
        looks = [call for call, name in named if name == path]
        assert len(looks) <= seconds + 1 and not [call for call in looks if "open" in call]
    assert "connect(" not in calls and "pread64(" not in calls
    sizes = [int(size) for size in re.findall(r"mmap\(NULL, (\d+), [^\n]*MAP_ANON", calls)]
    assert not [size for size in sizes if size > 65536], sizes
    assert "mremap(" not in calls


# Slow readers.

# Clients that never read, and threads: of an httpd in its usual size.
SLOW_CLIENTS, THREADS = 140, 128


def ask_and_never_read(server):
    client = soap.Client(server)
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    raw.settimeout(20)
    raw.connect(("127.0.0.1", server.port))
    client.connection.sock = client.connection._context.wrap_socket(
        raw, server_hostname="127.0.0.1")
    body = soap.build()
    client.connection.putrequest("POST", PATH)
    for name, value in {**client.headers, "Content-Length": str(len(body))}.items():
        client.connection.putheader(name, value)
    client.connection.endheaders(body)
    return client


def shipped(directive):
    """A line of conf.d/cep.conf that is to be uncommented."""
    with open(os.path.join(os.path.dirname(SAMPLE), "cep.conf"), encoding="utf-8") as file:
        return re.search(r"^#(%s .*)$" % directive, file.read(), re.M).group(1)


def test_slow_readers_stop_nobody(make_httpd):
    """More clients that do not read the largest answer than there are workers, as cep.conf says
    how: all are answered, and so is who comes after them."""
    server = start(make_httpd("event"), entries=many(2500), lines=(
        shipped("FlushMaxThreshold"), "Timeout 300", "StartServers 2", "ServerLimit 2",
        "ThreadsPerChild 64", "MinSpareThreads 1", "MaxSpareThreads %d" % THREADS,
        "MaxRequestWorkers %d" % THREADS))
    assert len(soap.send(server).body) > 4 << 20
    clients = []
    try:
        for _ in range(SLOW_CLIENTS):
            clients.append(ask_and_never_read(server))
        small = soap.build(request_filter=soap.Filter(oids=["1.2.3"]))
        for _ in range(5):
            assert soap.send(server, small).status == 200
        # Nobody waits for a thread in vain, either: the last of them has been given his answer.
        clients[-1].connection.sock.settimeout(20)
        assert clients[-1].connection.sock.recv(12) == b"HTTP/1.1 200"
    finally:
        for client in clients:
            client.close()
