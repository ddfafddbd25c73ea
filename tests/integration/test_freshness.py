# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""policiesNotChanged: true only when nothing that this caller sees has changed since lastUpdate."""

import datetime
import time

import pytest

import security_descriptor as sd
from cep_env import SAMPLE, ldif, soap
from cep_env.httpd import MPMS, PATH, directory_section, load_modules, location_section
from cep_env.waiting import wait_until
from conftest import start_sample
from slapd import Slapd, find_slapd
from stores import Store

EVERY_WORKER = 24  # requests, each on a new connection, that meet every worker
BEGINNING = "0001-01-01T00:00:00"


def stamp(seconds=0.0):
    """Now, or seconds from now, as a client writes it."""
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def start(server, *sections, margin="0", cache=("CEPTokenCache shmcb",), entries=None):
    extra = ("CEPFreshnessMargin " + margin,) if margin is not None else ()
    return start_sample(server, *(sections or (location_section(extra=extra),)), entries=entries,
                        server=cache)


@pytest.fixture
def redis():
    """A cache that outlives the server, and its directive."""
    with Store("redis") as store:
        store.directives = load_modules("socache_redis") + (
            "CEPTokenCache redis:127.0.0.1:%d" % store.port,)
        yield store


def ask(server, last_update, user="alice", headers=None, path=PATH, **options):
    return soap.send(server, soap.build(last_update=last_update, **options), user=user,
                     headers=headers, path=path)


def is_full(response):
    """True for a full answer, False for "not changed"; both are held to their form."""
    assert response.status == 200
    assert soap.validate(response.body) == []
    model = response.model()
    if model["policies_not_changed"] is None:
        assert model["policies"] and model["cas"] and model["oids"]
        return True
    assert model["policies_not_changed"] is True
    assert model["policies"] is None and model["cas"] is None and model["oids"] is None
    assert model["policy_id"] and model["next_update_hours"]
    return False


def prime(server, user="alice", **options):
    """A first request, after which the server knows what this caller sees. Since when: a client's
    lastUpdate."""
    assert is_full(ask(server, BEGINNING, user, **options))
    return stamp(0.001)


def wait_until_full(server, last_update, user="alice"):
    wait_until(lambda: is_full(ask(server, last_update, user)), why=server.log.tail)


@pytest.mark.parametrize("mpm", MPMS)
def test_nothing_changed(make_httpd, mpm):
    server = start(make_httpd(mpm))
    seen = prime(server)
    for _ in range(EVERY_WORKER):
        assert not is_full(ask(server, seen))
    assert server.log.find("CEP0600.*body=not-changed")
    message = soap.new_message_id()
    assert ask(server, seen, message_id=message).model()["relates_to"] == message


@pytest.mark.parametrize("last_update", (
    None, BEGINNING, "1601-01-01T00:00:00Z", "1969-12-31T23:59:59.5Z", "2001-01-01T00:00:00"))
def test_older_and_absent_updates_get_everything(make_httpd, last_update):
    server = start(make_httpd())
    prime(server)
    for _ in range(3):
        assert is_full(ask(server, last_update))


def test_an_update_of_the_future_is_as_now(make_httpd):
    server = start(make_httpd(), margin="2s")
    prime(server)
    assert is_full(ask(server, "2999-01-01T00:00:00Z"))
    time.sleep(2.1)
    assert not is_full(ask(server, "2999-01-01T00:00:00Z"))
    assert not is_full(ask(server, stamp(7200)))


def test_the_first_to_ask_gets_everything(make_httpd):
    """Also with an update of now, and each caller for himself."""
    server = start(make_httpd())
    for user in ("alice", "bob"):
        assert is_full(ask(server, stamp(60), user))
        assert not is_full(ask(server, stamp(60), user))


def test_the_margin(make_httpd):
    """As long as another node may not have seen what this one sees, the full answer is given."""
    server = start(make_httpd(), margin="3s")
    prime(server)
    first = time.monotonic()
    while time.monotonic() < first + 2.5:
        assert is_full(ask(server, stamp()))
        time.sleep(0.3)
    time.sleep(first + 3.2 - time.monotonic())
    assert not is_full(ask(server, stamp()))
    assert is_full(ask(server, stamp(-2)))


def test_the_default_margin_is_two_refresh_intervals(make_httpd):
    server = start(make_httpd(), margin=None)
    prime(server)
    assert is_full(ask(server, stamp()))
    time.sleep(2.2)
    assert not is_full(ask(server, stamp()))
    assert is_full(ask(server, stamp(-1)))


def change_template(entries):
    ldif.find(entries, "CorpUser", "pKICertificateTemplate").set("revision", "4711")


def change_acl(entries):
    """alice may still read, and may no longer enroll."""
    template = ldif.find(entries, "CorpUser", "pKICertificateTemplate")
    template.set("nTSecurityDescriptor",
                 sd.from_sddl("O:SYG:SYD:(OA;;CR;Enroll;;BA)").to_bytes())


def change_groups(entries):
    for entry in entries:
        members = [text for text in entry.texts("member")
                   if not text.lower().startswith("cn=alice,")]
        if len(members) != len(entry.texts("member")):
            entry.set("member", *members) if members else entry.remove("member")
    ldif.find(entries, "alice", "user").set("primaryGroupID", "514")


def change_ca(entries):
    ca = ldif.find(entries, "Corp Issuing CA 1", "pKIEnrollmentService")
    ca.set("certificateTemplates", *[text for text in ca.texts("certificateTemplates")
                                     if text != "CorpUser"])


@pytest.mark.parametrize("change", (change_template, change_acl, change_groups, change_ca))
def test_a_change_is_told(make_httpd, change):
    server = start(make_httpd())
    before = prime(server)
    assert not is_full(ask(server, before))
    entries = ldif.read(SAMPLE)
    change(entries)
    server.write("policy.ldif", ldif.dump(entries))
    wait_until(lambda: ask(server, before).model()["policies_not_changed"] is None,
               why=server.log.tail)
    # Whoever has that answer has the last word on it; whoever has not, gets it. Each worker.
    time.sleep(1)
    now = stamp()
    for _ in range(EVERY_WORKER):
        assert ask(server, before).model()["policies_not_changed"] is None
        assert ask(server, now).model()["policies_not_changed"] is True


@pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")
def test_another_group_in_the_directory_is_told(make_httpd, tmp_path):
    """The policy stays as it is, what this caller may do with it does not. When his token is
    looked up again, each worker knows."""
    with Slapd(tmp_path / "s", SAMPLE) as slapd:
        server = make_httpd()
        server.configure(directory_section(slapd.ldap),
                         location_section(extra=("CEPFreshnessMargin 0",)),
                         server=("CEPTokenCache shmcb", "CEPTokenTTL 1s"))
        server.start().wait_for_policy()
        full = soap.check_answer(soap.send(server))
        before, other = prime(server), prime(server, "bob")
        time.sleep(1.1)  # and a token that is looked up anew and says the same changes nothing
        assert not is_full(ask(server, before))
        slapd.modify("dn: CN=Sales,CN=Users,DC=corp,DC=example\nchangetype: modify\n"
                     "delete: member\nmember: CN=alice,CN=Users,DC=corp,DC=example\n\n"
                     "dn: CN=alice,CN=Users,DC=corp,DC=example\nchangetype: modify\n"
                     "replace: primaryGroupID\nprimaryGroupID: 514\n")
        wait_until_full(server, before)
        assert set(soap.check_answer(soap.send(server))["policies"]) < set(full["policies"])
        time.sleep(1)
        now = stamp()
        for _ in range(EVERY_WORKER):
            assert is_full(ask(server, before))
            assert not is_full(ask(server, now))
            assert not is_full(ask(server, other, "bob"))


def test_what_others_see_is_no_change(make_httpd):
    """A change that this caller cannot see is none for him, but for those who see it."""
    entries = ldif.read(SAMPLE)
    server = start(make_httpd(), entries=entries)
    alice, computer = prime(server, "alice"), prime(server, "WS01$")
    ldif.find(entries, "CorpComputer", "pKICertificateTemplate").set("revision", "4711")
    server.write("policy.ldif", ldif.dump(entries))
    wait_until_full(server, computer, "WS01$")
    time.sleep(1.1)
    for _ in range(EVERY_WORKER):
        assert not is_full(ask(server, alice, "alice"))


def test_the_instance_counts_too(make_httpd, redis):
    """What a location says of itself is part of the answer."""
    def section(name, hours):
        return location_section(name=name, extra=("CEPFreshnessMargin 0",
                                                  "CEPNextUpdate %d" % hours))
    server = make_httpd()
    options = dict(cache=redis.directives)
    start(server, section("One", 8), **options)
    before = prime(server)
    assert not is_full(ask(server, before))
    for name, hours in (("Two", 8), ("Two", 9)):
        server.configure(directory_section("file:" + server.path("policy.ldif")),
                         section(name, hours), server=options["cache"])
        server.reload()
        assert is_full(ask(server, before))
        assert not is_full(ask(server, stamp()))
    # And a restart alone is no change, as long as the cache lives.
    server.reload()
    assert not is_full(ask(server, stamp()))


def test_instances_do_not_share_what_was_seen(make_httpd):
    one, two = PATH, PATH + "2"
    server = start(make_httpd(), location_section(one, extra=("CEPFreshnessMargin 0",)),
                   location_section(two, extra=("CEPFreshnessMargin 0",)))
    prime(server)
    assert is_full(ask(server, stamp(), path=two))
    assert not is_full(ask(server, stamp(), path=two))


def test_another_filter_is_another_question(make_httpd):
    server = start(make_httpd())
    seen = prime(server)
    other = soap.Filter(client=2, server=2)
    assert is_full(ask(server, stamp(1), request_filter=other))
    assert not is_full(ask(server, stamp(1), request_filter=other))
    assert not is_full(ask(server, seen))


def test_a_filter_by_oid_gets_its_answer_always(make_httpd):
    server = start(make_httpd())
    prime(server)
    oid = ldif.find(ldif.read(SAMPLE), "CorpUser", "pKICertificateTemplate").text(
        "msPKI-Cert-Template-OID")
    for _ in range(3):
        model = soap.check_answer(ask(server, stamp(), request_filter=soap.Filter(oids=[oid])))
        assert list(model["policies"]) == ["CorpUser"]


@pytest.mark.parametrize("cache", (("CEPTokenCache none",), ("CEPTokenTTL 0",)))
def test_without_a_cache_nothing_is_known(make_httpd, cache):
    server = start(make_httpd(), cache=cache)
    for _ in range(3):
        assert is_full(ask(server, stamp()))


RECORD = 149  # octets of what is kept of an answer, as docs/directives.md says


def records(redis):
    """Keys of what was told to callers; who they are is kept beside it."""
    return [key for key in redis.command("KEYS", "*") if len(redis.command("GET", key)) == RECORD]


def test_a_lost_or_forged_record_is_none(make_httpd, redis):
    server = start(make_httpd(), cache=redis.directives)
    prime(server)
    keys = records(redis)
    assert len(keys) == 1
    good = redis.command("GET", keys[0])
    for forged in (b"", good[:-1], good + b"x", b"x" * len(good),
                   good[:100] + bytes([good[100] ^ 1]) + good[101:]):
        redis.command("SET", keys[0], forged)
        assert is_full(ask(server, stamp()))
        assert not is_full(ask(server, stamp()))
    # Somebody else's record, whole as it is.
    redis.command("SET", keys[0], good)
    prime(server, "bob")
    other = [key for key in records(redis) if key not in keys]
    assert len(other) == 1
    redis.command("SET", other[0], good)
    assert is_full(ask(server, stamp(), "bob"))
    assert int(redis.command("TTL", other[0])) > 23 * 3600
    redis.command("FLUSHALL")
    assert is_full(ask(server, stamp()))
    server.log.allow("redis", "socache")
    redis.stop()
    assert is_full(ask(server, stamp()))


def test_nodes_with_one_cache_are_one(make_httpd, redis):
    """What one node has told is known to the other, and what one sees newly resets it for both."""
    options = dict(cache=redis.directives)
    entries = ldif.read(SAMPLE)
    one, two = start(make_httpd(), **options), start(make_httpd(), **options)
    seen = prime(one)
    assert not is_full(ask(two, seen))
    change_template(entries)
    one.write("policy.ldif", ldif.dump(entries))
    wait_until_full(one, seen)
    time.sleep(1.1)  # until all its workers have seen it
    # The other one has not seen it: it gives what it has, in full, and so does the first again.
    assert is_full(ask(two, stamp()))
    assert is_full(ask(one, stamp()))


def test_it_is_the_same_with_gzip(make_httpd):
    server = start(make_httpd())
    seen = prime(server)
    response = ask(server, seen, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in response.headers
    assert not is_full(response)
