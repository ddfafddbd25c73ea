# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What an answer costs httpd, beside other ways to the same octets, in the same httpd.

    make -C build bench            (or: python3 tests/bench/answers.py --build build)

The measure is processor time of all of httpd's processes per request that was answered
(/proc/PID/task/*/schedstat). The ways of one group take turns, in random order, within one run; a
ratio is that of one turn, and the median of all turns is printed, with their quartiles. Each group
has a control: the first way a second time. A group whose control is not within 0.95 to 1.05 is
measured again, and called void when that does not help. Ratios are what counts: the absolute
figures are this machine's. What this httpd or this module cannot do is said to be not there.

Policies: 33, 1,000 and 10,000 templates of some 5 KB each in the answer, 15 ACEs on each, in a
slapd each; the caller's SIDs come from the token cache, as after a client's first request.
"""

import argparse
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BENCH = os.path.dirname(os.path.abspath(__file__))
TESTS = os.path.dirname(BENCH)
sys.path[:0] = [os.path.join(TESTS, "integration"), os.path.join(TESTS, "tools"), BENCH]

import security_descriptor as sd  # noqa: E402
from cep_env import SAMPLE, ldif, soap  # noqa: E402
from cep_env.httpd import Httpd, directory_section, facts  # noqa: E402
from large_directory import OID, clone  # noqa: E402
from slapd import Slapd, find_slapd  # noqa: E402

SIZES = (33, 1000, 10000)
ROUNDS = {33: 15, 1000: 15, 10000: 5}
CAS = {33: 2, 1000: 4, 10000: 10}
CONNECTIONS = {33: 8, 1000: 4, 10000: 2}
TEXT = 5000  # octets of XML for one template, about
ATTEMPTS = 3
DOMAIN = "S-1-5-21-1004336348-1177238915-682003330"
SERVER_CPU, CLIENT_CPU = "0", "1"
THREADS = 128  # a connection over TLS that has not asked yet holds one


# ---- policies ----

def descriptor(number):
    """15 ACEs as AD CS writes them; Authenticated Users may enroll, so that all are offered."""
    groups = ["%s-%d" % (DOMAIN, 1000 + (number * 7 + i) % 300) for i in range(10)]
    aces = ["(OA;;CR;Enroll;;AU)", "(OA;;CR;AutoEnroll;;AU)"]
    aces += ["(OA;;CR;%s;;%s)" % ("Enroll" if i % 2 else "AutoEnroll", group)
             for i, group in enumerate(groups)]
    aces += ["(A;;CCDCLCSWRPWPDTLOSDRCWDWO;;;%s-512)" % DOMAIN,
             "(A;;CCDCLCSWRPWPDTLOSDRCWDWO;;;%s-519)" % DOMAIN, "(A;;LCRPLORC;;;AU)"]
    return sd.from_sddl("O:%s-519G:%s-519D:PAI%s" % (DOMAIN, DOMAIN, "".join(aces))).to_bytes()


def make_policy(path, templates):
    """The sample's people, and templates like its CorpUser."""
    source = ldif.read(SAMPLE)
    sample = ldif.find(source, "CorpUser", "pKICertificateTemplate")
    issuers = [entry for entry in source if entry.is_a("pKIEnrollmentService")][:2]
    entries = [entry for entry in source if not entry.is_a("pKICertificateTemplate")
               and not entry.is_a("pKIEnrollmentService")]
    filler = ["Superseded%05d" % i for i in range(70)]
    for i in range(templates):
        cn = "Template%05d" % i
        entries.append(clone(sample, cn, displayName=["Display " + cn],
                             msPKI_Cert_Template_OID=[OID % i],
                             msPKI_Supersede_Templates=filler,
                             nTSecurityDescriptor=[descriptor(i)]))
    for i in range(CAS[templates]):
        cn = "CA%03d" % i
        entries.append(clone(issuers[i % 2], cn, certificateTemplates=[
            "Template%05d" % n for n in range(i, templates, CAS[templates])]))
    ldif.write(path, entries)


# ---- the server ----

class Bench:
    """slapd for each size, one httpd in front of all of them."""

    def __init__(self, build):
        self.programs = os.path.join(build, "tests", "bench")
        self.server = Httpd("event")
        self.folder, self.slapds, self.loads = None, {}, []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for load in self.loads:
            load.close()
        self.server.close()
        for slapd in self.slapds.values():
            slapd.stop()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, sizes):
        self.folder = tempfile.mkdtemp(prefix="cep-")
        for size in sizes:
            path = os.path.join(self.folder, "policy.ldif")
            make_policy(path, size)
            self.slapds[size] = Slapd(os.path.join(self.folder, str(size)), path,
                                      options=["sizelimit unlimited"]).start()
        self.configure(sizes)
        self.start_httpd()
        for size in sizes:
            self.server.wait_for_policy("d%d" % size, timeout=40)
            self.keep_answer(size)
        self.configure(sizes, ("ideal", "parse", "tree"))
        self.server.stop()
        self.start_httpd()
        time.sleep(1.1)  # lastUpdate has no fractions: what is asked for now was there before

    def start_httpd(self):
        """On a processor of its own, where there are two."""
        self.server.start()
        if os.cpu_count() > 1:
            subprocess.run(["taskset", "-a", "-p", "-c", SERVER_CPU,
                            str(self.server.process.pid)], stdout=subprocess.DEVNULL)
            for pid in self.server.children():
                subprocess.run(["taskset", "-a", "-p", "-c", SERVER_CPU, str(pid)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def keep_answer(self, size):
        response = soap.send(self.server, body=request_body(), path="/cep%d" % size, user=None)
        assert response.status == 200, response.body[:500]
        assert response.body.count(b"</policy>") == size
        with open(self.answer_file(size), "wb") as file:
            file.write(response.body)

    def answer_file(self, size):
        return self.server.path("answer-%d" % size)

    def locations(self, size, references):
        auth = ["AuthType Bench", "AuthName bench", "Require valid-user"]
        lines = ["<Location /cep%d>" % size, "SetHandler cep", "CEPPolicy d%d" % size,
                 "CEPRequireTLS Off", "<IfDirective CEPFreshnessMargin>", "CEPFreshnessMargin 0",
                 "</IfDirective>", *auth, "</Location>"]
        for name in references:
            lines += ["<Location /%s%d>" % (name, size), "SetHandler bench-" + name,
                      'BenchAnswer "%s" %s' % (self.answer_file(size), "tree" * (name == "tree")),
                      *auth, "</Location>"]
        if references:
            lines += ["<Location /answer-%d>" % size, *auth, "</Location>"]
        return "\n".join(lines)

    def configure(self, sizes, references=()):
        # One process, so that nothing is started or ended while it is measured.
        self.server.configure(
            *(directory_section(self.slapds[size].ldap, name="d%d" % size, refresh="1h")
              for size in sizes),
            *(self.locations(size, references) for size in sizes), log_level="warn",
            server=("CEPTokenTTL 1h",
                    "LoadModule bench_module %s/.libs/mod_bench.so" % self.programs,
                    "KeepAliveTimeout 1000", "MaxKeepAliveRequests 0", "Timeout 300",
                    "RequestReadTimeout handshake=0 header=0 body=0"))
        path = self.server.path("httpd.conf")
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name, value in (("StartServers", 1), ("ThreadsPerChild", THREADS),
                            ("MinSpareThreads", 1), ("MaxSpareThreads", THREADS),
                            ("MaxRequestWorkers", THREADS)):
            text = re.sub("^%s .*" % name, "%s %d" % (name, value), text, flags=re.M)
        self.server.write("httpd.conf", "ThreadLimit %d\n%s" % (THREADS, text))

    def cpu(self):
        """Seconds of processor time of all threads of all of httpd's processes."""
        total = 0
        for pid in [self.server.process.pid] + self.server.children():
            for thread in os.listdir("/proc/%d/task" % pid):
                with open("/proc/%d/task/%s/schedstat" % (pid, thread), encoding="ascii") as file:
                    total += int(file.read().split()[0])
        return total / 1e9

    def load(self, tls, connections, path, method="POST", headers=(), body=None):
        """A client that is ready to send this request. None when it is not answered as asked."""
        made = Load(self, tls, connections, path, method, headers, body)
        self.loads.append(made)
        return made


def request_body(last_update=None):
    return soap.build("cepces", message_id="urn:uuid:11111111-2222-3333-4444-555555555555",
                      last_update=last_update)


class Load:
    """tests/bench/load, once started for one way."""

    def __init__(self, bench, tls, connections, path, method, headers, body):
        self.bench, self.count = bench, 0
        self.file = bench.server.path("request-%d" % len(bench.loads))
        fields = ["%s %s HTTP/1.1" % (method, path), "Host: localhost", *headers]
        body = body if method == "POST" else b""
        if method == "POST":
            fields += ["Content-Type: " + soap.CONTENT_TYPE, "Content-Length: %d" % len(body)]
        with open(self.file, "wb") as file:
            file.write("\r\n".join(fields + ["", ""]).encode() + body)
        command = ["taskset", "-c", CLIENT_CPU] if os.cpu_count() > 1 else []
        self.process = subprocess.Popen(
            command + [os.path.join(bench.programs, "load"), "https" if tls else "http",
                       str(bench.server.port if tls else bench.server.http_port),
                       str(connections), self.file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def run(self, requests):
        """(processor seconds of the server for one request, octets of one answer)"""
        before = self.bench.cpu()
        self.process.stdin.write("%d\n" % requests)
        self.process.stdin.flush()
        words = dict(word.split("=") for word in self.process.stdout.readline().split())
        spent = self.bench.cpu() - before
        assert (words["answered"], words["status"]) == (str(requests), "200"), words
        return spent / requests, int(words["octets"]) / requests

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


# ---- measuring ----

class Group:
    """Ways that take turns. The first is the reference, and its own control."""

    def __init__(self, title, rounds, ways):
        self.title, self.rounds = title, rounds
        self.ways = {name: (load, requests) for name, load, requests in ways if load}
        reference = next(iter(self.ways))
        self.ways["control"] = self.ways[reference]
        self.reference = reference
        self.cost, self.octets, self.void = {}, {}, True

    def measure(self):
        for load, _ in self.ways.values():
            load.run(8)  # connections, token, shared answers: as after the first requests
        for attempt in range(ATTEMPTS):
            self.cost = {name: [] for name in self.ways}
            for _ in range(self.rounds):
                for name in random.sample(list(self.ways), len(self.ways)):
                    load, requests = self.ways[name]
                    spent, self.octets[name] = load.run(requests)
                    self.cost[name].append(spent)
            self.void = not 0.95 <= self.ratio("control", self.reference)[1] <= 1.05
            if not self.void:
                break
        return self

    def ratio(self, way, to):
        """Quartiles of the ratios of the turns, the median in the middle; None: not there."""
        if way not in self.cost or to not in self.cost:
            return None
        values = [a / b for a, b in zip(self.cost[way], self.cost[to])]
        return statistics.quantiles(values, n=4)

    def print(self):
        print("\n%s%s" % (self.title, "   VOID: the control is off" if self.void else ""))
        print("  %-34s %12s %12s %10s" % ("", "octets", "CPU us", "ratio"))
        for name in self.ways:
            low, middle, high = self.ratio(name, self.reference)
            print("  %-34s %12.0f %12.1f %10.3f [%.3f..%.3f]" % (
                name, self.octets[name], statistics.median(self.cost[name]) * 1e6, middle, low,
                high))


def ask(bench, path, last_update=None, headers=None):
    return soap.send(bench.server, body=request_body(last_update), path=path, user=None,
                     headers=headers)


def in_a_while():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 5))


def ways_of(bench, size, tls, wanted):
    """(name, load, requests of one turn) for each way that is there."""
    path, body, c = "/cep%d" % size, request_body(), CONNECTIONS[size]
    turn = {33: 150, 1000: 16, 10000: 4}[size]
    made = []
    for way in wanted:
        if way in ("ideal", "parse", "tree"):
            load = bench.load(tls, c, "/%s%d" % (way, size), body=body)
        elif way == "static":
            load = bench.load(tls, c, "/answer-%d" % size, method="GET")
        elif way == "gzip":
            accept = "Accept-Encoding: gzip"
            response = ask(bench, path, headers={"Accept-Encoding": "gzip"})
            load = bench.load(tls, c, path, headers=[accept], body=body) \
                if response.headers.get("Content-Encoding") == "gzip" else None
        elif way == "not changed":
            ask(bench, path, in_a_while())  # what this caller has seen is known from here on
            response = ask(bench, path, in_a_while())
            load = bench.load(tls, c, path, body=request_body(in_a_while())) \
                if b"<policiesNotChanged>true" in response.body else None
        else:
            load = bench.load(tls, c, path, body=body)
        made.append((way, load, max(2, turn // 8) if way == "tree" else turn))
    return made


def groups(bench, sizes):
    found = {}
    for size in sizes:
        every = ["ideal", "full", "gzip"]
        if size < 10000:
            every += ["tree"]
        if size == 33:
            every += ["parse", "static", "not changed"]
        found[size, True] = Group("%d templates, TLS 1.3, kept connections" % size, ROUNDS[size],
                                  ways_of(bench, size, True, every))
    found[33, False] = Group("33 templates, plain HTTP, kept connections", ROUNDS[33],
                             ways_of(bench, 33, False, ["ideal", "parse", "full"]))
    for group in found.values():
        group.measure().print()
    return found


# ---- memory ----

def private(pid):
    """Octets that only this process has: written, so the mapped policy is not among them."""
    with open("/proc/%d/smaps_rollup" % pid, encoding="ascii") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_Dirty"))


def image_share(pid, path):
    """Octets of the mapped policies that count for this process: its part of what is shared."""
    total, inside = 0, False
    with open("/proc/%d/smaps" % pid, encoding="ascii", errors="replace") as file:
        for line in file:
            if re.match(r"[0-9a-f]+-[0-9a-f]+ ", line):
                inside = path in line
            elif inside and line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def settled(pid):
    """private(), once it rests: what a refresh needed goes back when it has ended."""
    values = [private(pid)]
    while len(values) < 40 and values[-3:] != [values[-1]] * 3:
        time.sleep(0.3)
        values.append(private(pid))
    return values[-1]


def grown_memory(bench, way, size, requests=2000, connections=32):
    """How much a fresh child grows while it answers over TLS, in MB."""
    bench.server.stop()
    bench.configure([size], ("ideal",))
    bench.start_httpd()
    load = bench.load(True, connections, "/%s%d" % (way, size), body=request_body())
    load.run(1)  # the caller is known
    child, = bench.server.children()
    before = settled(child)
    load.run(requests)
    return (settled(child) - before) / 1e6


def one_copy(bench, size, workers=4):
    """Several processes: the parts of the mapped policy that they have together, over its size."""
    bench.server.stop()
    bench.configure([size])
    path = bench.server.path("httpd.conf")
    with open(path, encoding="utf-8") as file:
        text = file.read()
    for name, value in (("StartServers", workers), ("ThreadsPerChild", 4),
                        ("MinSpareThreads", 4 * workers), ("MaxSpareThreads", 4 * workers + 8)):
        text = re.sub("^%s .*" % name, "%s %d" % (name, value), text, flags=re.M)
    bench.server.write("httpd.conf", text)
    bench.server.start()
    for _ in range(6 * workers):  # a connection each, so that all processes come to answer
        assert ask(bench, "/cep%d" % size).status == 200
    image = bench.server.snapshot_file("d%d" % size)
    shares = [image_share(pid, image) for pid in bench.server.children()]
    return sum(share > 0 for share in shares), sum(shares) / os.path.getsize(image)


# ---- the access check ----

def access_check(bench):
    """Rows of tests/bench/access: {(templates, SIDs of the token): (ours us, plain / ours)}"""
    done = subprocess.run([os.path.join(bench.programs, "access")], capture_output=True, text=True,
                          check=True)
    print("\n" + done.stdout.rstrip())
    rows = [line.split() for line in done.stdout.splitlines()[3:]]
    return {(int(row[0]), place): (float(row[6]), float(row[9]))
            for place, row in zip([10, 100, 1000] * 3, rows)}


# ---- the rows ----

def row(number, what, goal, values):
    shown = ", ".join("not there" if value is None else
                      value if isinstance(value, str) else "%.2f" % value for value in values)
    print("%3s  %-61s %-16s %s" % (number, what, goal, shown))


def summary(found, access, memory, copies):
    tls33, tls1000, tls10000, plain = (found.get(key) for key in
                                       ((33, True), (1000, True), (10000, True), (33, False)))

    def ratio(group, way, to):
        if group is None:
            return None
        if group.void:
            return "void"
        quartiles = group.ratio(way, to)
        return quartiles and quartiles[1]

    def growth():
        if not tls33 or not tls1000:
            return None
        return "void" if tls33.void or tls1000.void else (
            statistics.median(tls1000.cost["full"]) / statistics.median(tls33.cost["full"]))

    print("\n%3s  %-61s %-16s %s" % ("", "row", "goal", "measured"))
    row(1, "full answer / ideal handler, 33, TLS", "<= 1.10", [ratio(tls33, "full", "ideal")])
    row(2, "the same, plain HTTP", "<= 1.20", [ratio(plain, "full", "ideal")])
    row(3, "the same, 1,000, TLS", "<= 1.10", [ratio(tls1000, "full", "ideal")])
    row("", "ideal handler and libxml2's reading / ideal, 33, TLS and plain", "",
        [ratio(tls33, "parse", "ideal"), ratio(plain, "parse", "ideal")])
    row("", "the same, 10,000, TLS", "", [ratio(tls10000, "full", "ideal")])
    row(4, "libxml2 tree per request / ours, TLS, 33 and 1,000", ">= 4.5, >= 12",
        [ratio(tls33, "tree", "full"), ratio(tls1000, "tree", "full")])
    row(5, "ours / httpd's static file, 33, TLS", "<= 0.75", [ratio(tls33, "full", "static")])
    row(6, "policiesNotChanged / full answer, 33, TLS", "<= 0.5",
        [ratio(tls33, "not changed", "full")])
    row(7, "gzip / uncompressed, TLS, 33 and 1,000", "<= 0.6, <= 0.2",
        [ratio(tls33, "gzip", "full"), ratio(tls1000, "gzip", "full")])
    row(8, "1,000 / 33, TLS", "<= 15", [growth()])
    row(9, "access check: plain walk / ours, 1,000 x 100 SIDs", ">= 100",
        [access[1000, 100][1]])
    row("", "access check of 10,000 x 1,000 SIDs / that answer, in %", "<= 1",
        [tls10000 and ("void" if tls10000.void else access[10000, 1000][0] / 1e4 /
                       statistics.median(tls10000.cost["full"]))])
    row(10, "private memory of a child, 2,000 requests, 33 and 1,000, MB", "<= 5, <= 8",
        [memory.get(("cep", 33)), memory.get(("cep", 1000))])
    row("", "the same of the ideal handler", "",
        [memory.get(("ideal", 33)), memory.get(("ideal", 1000))])
    row("", "parts of %d processes in the mapped policy / its size" % copies[0], "<= 1",
        [copies[1]])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)),
                        help="numbers of templates, with 33 among them")
    arguments = parser.parse_args()
    build = os.path.abspath(arguments.build)
    os.environ.setdefault("CEP_BUILDDIR", build)
    sizes = [int(size) for size in arguments.sizes.split(",")]
    if find_slapd() is None:
        print("answers: not measured, slapd is not installed")
        return
    print("%s; one processor for the server" % subprocess.run(
        [facts()["program"], "-v"], capture_output=True, text=True).stdout.splitlines()[0])
    with Bench(build) as bench:
        bench.start(sizes)
        found = groups(bench, sizes)
        memory = {(way, size): grown_memory(bench, way, size) for way in ("cep", "ideal")
                  for size in sizes if size < 10000}
        copies = one_copy(bench, sizes[-1])
        summary(found, access_check(bench), memory, copies)


if __name__ == "__main__":
    main()
