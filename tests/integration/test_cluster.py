# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Several nodes behind a balancer: the same octets, callers known to all, and one that dies."""

import os
import subprocess
import threading
import time

import pytest

from cep_env import SAMPLE, SOURCE, ldif, soap
from cep_env.httpd import PASSWORDS, PATH, directory_section, load_modules, location_section
from cep_env.waiting import wait_until
from slapd import Directory, find_slapd
from stores import Store
from test_tokens import listed

pytestmark = pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")

CONF = os.path.join(SOURCE, "conf.d")
NODES = 3
CALLERS = ("alice", "bob", "carol", "dave", "frank", "grace", "WS01$", "DC1$")
ALIAS = {"Host": "localhost"}  # the name in the nodes' certificates; an address is none to httpd
BALANCER = ("proxy", "proxy_http", "slotmem_shm", "proxy_balancer", "lbmethod_byrequests")


@pytest.fixture(params=("redis", "memcache"))
def provider(request):
    return request.param


@pytest.fixture
def store(provider):
    with Store(provider) as made:
        yield made


@pytest.fixture
def directory():
    with Directory() as made:
        yield made


def start_node(server, directory, store):
    server.configure(
        directory_section(directory.slapd.ldap, refresh="1h", extra=("CEPTimeout 1s",)),
        location_section(extra=('Header set X-CEP-Content "%{CEP_CONTENT}e"',)),
        server=("CEPTokenTTL 1h", *load_modules("socache_" + store.kind),
                "CEPTokenCache %s:127.0.0.1:%d" % (store.kind, store.port)))
    server.start()
    return server.wait_for_policy()


@pytest.fixture
def nodes(make_httpd, directory, store):
    return [start_node(make_httpd(), directory, store) for _ in range(NODES)]


def start_balancer(server, nodes):
    """conf.d/cep-balancer.conf as it stands, but for the nodes' names and their CAs."""
    with open(os.path.join(CONF, "cep-balancer.conf"), encoding="utf-8") as file:
        text = file.read()
    authorities = ""
    for number, node in enumerate(nodes, 1):
        name = '"https://cep%d.corp.example"' % number
        assert name in text
        text = text.replace(name, '"https://localhost:%d"' % node.port)
        with open(node.certificates.ca_file, encoding="ascii") as file:
            authorities += file.read()
    usual = '"/etc/ssl/certs/ca-certificates.crt"'
    assert usual in text
    text = text.replace(usual, '"%s"' % server.write("nodes.pem", authorities))
    server.configure(text, cache=False, server=load_modules(*BALANCER))
    return server.start()


def compare(nodes, user="alice", path=PATH):
    """The script of conf.d on all nodes."""
    bundle = nodes[0].path("all.pem")
    with open(bundle, "w", encoding="ascii") as file:
        for node in nodes:
            with open(node.certificates.ca_file, encoding="ascii") as one:
                file.write(one.read())
    return subprocess.run(
        [os.path.join(CONF, "cep-compare"),
         *("https://localhost:%d%s" % (node.port, path) for node in nodes),
         "--", "--cacert", bundle, "--user", "%s:%s" % (user, PASSWORDS[user])],
        capture_output=True, text=True, timeout=60)


def test_same_octets(nodes):
    for caller in CALLERS:
        done = compare(nodes, caller)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(done.stdout.splitlines()) == NODES
        assert len({line.split()[0] for line in done.stdout.splitlines()}) == 1
    responses = [soap.send(node) for node in nodes]
    assert len({response.headers["X-CEP-Content"] for response in responses}) == 1
    assert len(responses[0].headers["X-CEP-Content"]) == 64


@pytest.mark.parametrize("provider", ("redis",), indirect=True)
def test_compare_tells_the_difference(make_httpd, nodes):
    other = make_httpd()
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "CorpUser", "pKICertificateTemplate").set("displayName", "Another name")
    path = other.path("policy.ldif")
    ldif.write(path, entries)
    other.configure(directory_section("file:" + path), location_section())
    other.start()
    other.wait_for_policy()
    done = compare(nodes[:2] + [other])
    assert done.returncode == 1 and "the answers differ" in done.stderr
    other.stop()
    done = compare(nodes[:2] + [other])
    assert done.returncode == 2 and "no answer from" in done.stderr


def test_callers_are_known_to_all(nodes, directory):
    """Who has asked one node is known to the others, also without the directory."""
    expected = {caller: listed(nodes[0], caller) for caller in ("alice", "WS01$")}
    directory.slapd.stop()
    for node in nodes[1:]:
        for caller, templates in expected.items():
            assert templates and listed(node, caller) == templates
        node.log.expect("CEP0603")
        assert soap.send(node, user="bob").status == 500


class Asker(threading.Thread):
    """Asks the balancer over one connection, until told to stop. Keeps when what went wrong."""

    def __init__(self, server, expected, stop):
        super().__init__()
        self.server, self.expected, self.stop = server, expected, stop
        self.answered, self.lost = 0, []

    def run(self):
        client = None
        while not self.stop.is_set():
            start, wrong = time.monotonic(), None
            try:
                client = client or soap.Client(self.server)
                response = client.send(soap.build(message_id="urn:same"), headers=ALIAS)
                if (response.status, response.body) != (200, self.expected):
                    wrong = "status %d: %r" % (response.status, response.body[:200])
            except OSError as error:
                wrong = repr(error)
            if wrong:
                self.lost.append((start, wrong))
                client = None
            else:
                self.answered += 1


@pytest.mark.parametrize("provider", ("redis",), indirect=True)
def test_one_node_dies_under_load(make_httpd, nodes):
    balancer = start_balancer(make_httpd(), nodes)
    expected = soap.send(nodes[0], soap.build(message_id="urn:same")).body
    stop = threading.Event()
    askers = [Asker(balancer, expected, stop) for _ in range(8)]
    for asker in askers:
        asker.start()

    def answered():
        return sum(asker.answered for asker in askers)

    def wait_for(count):
        goal = answered() + count
        wait_until(lambda: answered() >= goal, 30, lambda: [asker.lost for asker in askers])

    try:
        wait_for(300)
        balancer.log.allow("proxy", "AH01114", "AH00957", "AH01102", "AH00898")
        group = nodes[1].process.pid
        nodes[1].kill()
        while nodes[1].group_lives(group):
            time.sleep(0.001)
        dead = time.monotonic()
        wait_for(600)
    finally:
        stop.set()
        for asker in askers:
            asker.join(30)
    lost = [one for asker in askers for one in asker.lost]
    assert not [one for one in lost if one[0] > dead], "lost after the node was dead"
    assert len(lost) <= len(askers), lost
    # It comes back, and takes its part again.
    nodes[1].log.expect("AH00098")
    nodes[1].start()
    marker = nodes[1].log.marker()

    def takes_part():
        assert soap.send(balancer, soap.build(message_id="urn:same"),
                         headers=ALIAS).body == expected
        return nodes[1].log.find("CEP0600", marker)

    wait_until(takes_part, 20)
