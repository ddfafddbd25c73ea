# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The token cache: who was looked up is known for a while, by all workers, and nobody else is."""

import contextlib
import time

import pytest

from cep_env import SAMPLE, soap
from cep_env.httpd import MPMS, directory_section, load_modules, location_section
from cep_env.waiting import wait_until
from relay import Relay
from slapd import Directory, find_slapd
from stores import Store

pytestmark = pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")

PROVIDERS = ("shmcb", "redis", "memcache")


@pytest.fixture
def make_store():
    with contextlib.ExitStack() as made:
        yield lambda kind: made.enter_context(Store(kind))


@pytest.fixture
def directory():
    with Directory() as made:
        yield made


def start(server, directory, cache, ttl="60s", timeout="1s", refresh="60s", url=None):
    """A server on slapd that keeps callers in `cache`. url: another way to the slapd."""
    provider = cache.split(":")[0]
    lines = ["CEPTokenTTL " + ttl]
    if provider not in ("none", "shmcb"):
        lines += load_modules("socache_" + provider)
    server.configure(
        directory_section(url or directory.slapd.ldap, refresh=refresh,
                          extra=("CEPTimeout " + timeout,)),
        location_section(), server=lines + ["CEPTokenCache " + cache])
    server.start()
    return server.wait_for_policy()


def cache_of(provider, make_store):
    return provider if provider == "shmcb" else "%s:127.0.0.1:%d" % (
        provider, make_store(provider).port)


def listed(server, user):
    return sorted(soap.check_answer(soap.send(server, user=user))["policies"] or {})


def is_told_to_try_again(server, user):
    response = soap.send(server, user=user)
    assert response.status == 500
    assert b"GetPoliciesResponse" not in response.body.replace(b"IPolicy/GetPolicies", b"")
    assert int(response.headers["Retry-After"]) > 0
    return soap.parse(response.body)["fault"]["code"] == "Receiver"


@pytest.mark.parametrize("provider", PROVIDERS)
def test_known_callers_need_no_directory(make_httpd, make_store, directory, provider):
    server = start(make_httpd("prefork"), directory, cache_of(provider, make_store))
    before = listed(server, "alice")
    assert before
    directory.slapd.pause()
    # Each of the processes has it: they share the cache.
    for _ in range(8):
        assert listed(server, "alice") == before
    server.log.expect("CEP0603")
    started = time.monotonic()
    assert is_told_to_try_again(server, "bob")
    assert time.monotonic() - started < 8
    directory.slapd.resume()
    time.sleep(2.5)  # for so long callers pass over a server that has failed
    assert listed(server, "bob")


@pytest.mark.parametrize("mpm", MPMS)
def test_a_hot_request_asks_the_directory_nothing(make_httpd, directory, mpm):
    """Counted where the octets pass; nor does a request that httpd refuses."""
    with Relay(("127.0.0.1", 0), ("127.0.0.1", directory.slapd.port)) as relay:
        server = start(make_httpd(mpm), directory, "shmcb", ttl="1h", refresh="1h",
                       url="ldap://127.0.0.1:%d" % relay.port)
        server.log.wait_for("CEP0500")
        assert relay.seen and relay.connections == 1  # the refresh
        expected = listed(server, "alice")
        assert expected and relay.connections == 2
        before = len(relay.seen), relay.connections
        server.log.wait_for("CEP0600.*alice")  # written when the client has its answer already
        marker = server.log.marker()
        for _ in range(24):
            assert listed(server, "alice") == expected
            soap.check_answer(soap.send(server, headers={"Accept-Encoding": "identity"},
                                        body=soap.build(request_filter=soap.Filter(["1.2.3"]))))
        server.log.expect("AH01617", count=5)
        for _ in range(5):
            assert soap.send(server, user="bob", password="wrong").status == 401
            assert soap.send(server, user=None).status == 401
        assert (len(relay.seen), relay.connections) == before
        hot = server.log.wait_for("CEP0600.*alice", marker, count=48)
        assert len(hot) == 48 and all("cache=hit" in line.text for line in hot)


def remove_from_groups(slapd, user, *groups):
    text = "".join("dn: CN=%s,CN=Users,DC=corp,DC=example\nchangetype: modify\ndelete: member\n"
                   "member: CN=%s,CN=Users,DC=corp,DC=example\n\n" % (group, user)
                   for group in groups)
    text += ("dn: CN=%s,CN=Users,DC=corp,DC=example\nchangetype: modify\ndelete: memberOf\n\n" %
             user)
    slapd.modify(text, "-c")  # where there is no memberOf, nothing is left to do


def groups_of(user):
    from cep_env import ldif
    dn = "cn=%s,cn=users,dc=corp,dc=example" % user
    return [entry.text("cn") for entry in ldif.read(SAMPLE)
            if dn in (text.lower() for text in entry.texts("member"))]


def test_a_change_is_seen_after_the_ttl(make_httpd, directory):
    server = start(make_httpd(), directory, "shmcb", ttl="3s")
    before = listed(server, "alice")
    remove_from_groups(directory.slapd, "alice", *groups_of("alice"))
    assert listed(server, "alice") == before
    wait_until(lambda: listed(server, "alice") != before, 6, lambda: "the removal has no effect")
    assert set(listed(server, "alice")) < set(before)


def test_an_old_token_helps_out_for_a_while_only(make_httpd, directory):
    """Six times CEPTokenTTL when the directory does not answer."""
    server = start(make_httpd(), directory, "shmcb", ttl="1s", timeout="300ms")
    before = listed(server, "alice")
    assert listed(server, "alice") == before
    directory.slapd.pause()
    time.sleep(2.5)
    assert listed(server, "alice") == before
    told = [line.text.split("cache=")[1] for line in server.log.wait_for("CEP0600", count=3)]
    assert (told[0], told[2]) == ("miss", "stale")
    assert told[1] in ("hit", "miss")  # a slow machine may need more than a second in between
    time.sleep(4.5)
    server.log.expect("CEP0603")
    assert is_told_to_try_again(server, "alice")
    directory.slapd.resume()
    time.sleep(2.5)
    assert listed(server, "alice") == before


def test_nobody_stays_nobody_for_a_moment(make_httpd, directory):
    server = start(make_httpd(), directory, "shmcb", ttl="60s")
    first = soap.send(server, soap.build(message_id="urn:x"), user="nobody")
    assert soap.parse(first.body)["fault"]["subcode"] == "FailedAuthentication"
    directory.slapd.pause()
    again = soap.send(server, soap.build(message_id="urn:x"), user="nobody")
    assert again.body == first.body
    directory.slapd.resume()


def test_machines_share_what_they_know(make_httpd, make_store, directory):
    cache = cache_of("redis", make_store)
    one = start(make_httpd(), directory, cache)
    two = start(make_httpd(), directory, cache)
    before = listed(one, "alice")
    directory.slapd.pause()
    assert listed(two, "alice") == before
    directory.slapd.resume()


def test_what_the_cache_says_is_not_believed_blindly(make_httpd, make_store, directory):
    """Damaged entries, and the entry of somebody else under a name, are not used."""
    store = make_store("redis")
    server = start(make_httpd(), directory, "redis:127.0.0.1:%d" % store.port)
    keys, expected = {}, {}
    for user in ("alice", "dave"):
        expected[user] = listed(server, user)
        new = [key for key in store.command("KEYS", "*") if key not in keys.values()]
        assert len(new) == 1
        keys[user] = new[0]
    assert expected["alice"] and not expected["dave"]
    alice = store.command("GET", keys["alice"])
    server.log.expect("CEP0240")
    for forged in (alice, alice[:-1], b"x" * len(alice), alice.replace(b"alice", b"dave1")):
        store.command("SET", keys["dave"], forged)
        assert listed(server, "dave") == []
    assert store.command("GET", keys["dave"]) not in (alice, b"x" * len(alice))


def test_without_the_cache_all_goes_on(make_httpd, make_store, directory):
    store = make_store("redis")
    server = start(make_httpd(), directory, "redis:127.0.0.1:%d" % store.port)
    before = listed(server, "alice")
    server.log.allow("redis", "socache")
    store.stop()
    assert listed(server, "alice") == before
    assert listed(server, "bob")


def begin(server, user):
    """Send a request; its answer is read later."""
    client, body = soap.Client(server, user), soap.build()
    client.connection.connect()
    client.connection.putrequest("POST", soap.PATH)
    for name, value in {**client.headers, "Content-Length": str(len(body))}.items():
        client.connection.putheader(name, value)
    client.connection.endheaders(body)
    return client


def test_a_flood_of_names_leaves_the_known_ones_alone(make_httpd, directory):
    """The directory stalls while many strangers ask: known callers are answered at once."""
    server = start(make_httpd("event"), directory, "shmcb", timeout="2s")
    before = listed(server, "alice")
    directory.slapd.pause()
    server.log.expect("CEP0603")
    strangers = [begin(server, "bob") for _ in range(20)]
    started = time.monotonic()
    assert listed(server, "alice") == before
    assert time.monotonic() - started < 1
    for client in strangers:
        assert client.connection.getresponse().status == 500
        client.close()
    # 16 may wait; what is beyond is refused without waiting.
    assert time.monotonic() - started < 15
    directory.slapd.resume()


@pytest.mark.parametrize("ttl", ("60s", "0"))
def test_many_at_once_are_one_question(make_httpd, directory, ttl):
    """First requests of one caller that come together, with and without a cache: of one process."""
    server = make_httpd("event")
    server.configure(
        directory_section(directory.slapd.ldap, refresh="60s", extra=("CEPTimeout 10s",)),
        location_section(), server=(
            "CEPTokenTTL " + ttl, "ServerLimit 1", "StartServers 1", "ThreadsPerChild 32",
            "MinSpareThreads 1", "MaxSpareThreads 32", "MaxRequestWorkers 32"))
    server.start()
    server.wait_for_policy()
    expected = listed(server, "bob")
    marker = server.log.marker()
    directory.slapd.pause()
    try:
        clients = [begin(server, "alice") for _ in range(12)]
        server.log.wait_for("is asked who alice is", marker, timeout=5)
        time.sleep(0.5)  # the others wait for its answer, and ask nothing themselves
    finally:
        directory.slapd.resume()
    for client in clients:
        response = client.connection.getresponse()
        body = response.read()
        client.close()
        assert response.status == 200 and soap.parse(body)["policies"]
    questions = [line for line in server.log.lines(marker)[0]
                 if line.matches("is asked who alice is")]
    assert len(questions) == 1
    assert listed(server, "bob") == expected


def test_nothing_is_kept_without_a_ttl(make_httpd, directory):
    server = start(make_httpd(), directory, "shmcb", ttl="0", timeout="300ms")
    assert listed(server, "alice")
    directory.slapd.pause()
    server.log.expect("CEP0603")
    assert is_told_to_try_again(server, "alice")
    directory.slapd.resume()
