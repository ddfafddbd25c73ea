# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A real Active Directory that refuses, hangs, dies and comes back."""

import time

import pytest

import black_hole
import dns
from black_hole import BlackHole
from cep_env import SAMPLE, evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import directory_section, free_port, location_section
from cep_env.waiting import wait_until
from load import Load
from relay import Relay
from samba_ad import HOST
from test_refresh import several_failures
from test_reload import display_name, wait_for_name
from test_samba import ask, configure, listed, login, start, write_passwords

TRY_AGAIN = ("Receiver", "InternalServiceFault")


def test_wrong_password(active_directory, make_httpd, lockout):
    server = make_httpd()
    file = server.write("password", "S3cret-and-wrong\n")
    configure(server, active_directory.ldaps, extra=login(active_directory, password_file=file))
    server.log.expect("CEP0501")
    server.start()
    line = server.log.wait_for("CEP0501")[0].text
    assert "Invalid credentials (49)" in line and "CEPBindPasswordFile" in line
    server.log.allow("CEP0603")
    for _ in range(10):
        soap.check_fault(ask(server), *TRY_AGAIN)
    time.sleep(4)  # several attempts
    soap.check_fault(ask(server), *TRY_AGAIN)
    # Sent once by all processes together: any more would lock the account out.
    assert active_directory.wrong_passwords("svc-cep") == 1
    server.write("password", active_directory.password + "\n")
    server.wait_for_policy()
    before = ask(server).body
    assert listed(server, "alice")
    # It becomes wrong again: the policy stays, and so do the connections that are open.
    server.log.expect("CEP0501")
    marker = server.log.marker()
    server.write("password", "S3cret-and-wrong\n")
    server.log.wait_for("CEP0501", marker)
    server.log.allow("CEP0603")  # should the other process be asked: it has no connection yet
    wait_until(lambda: ask(server).body == before)
    with open(server.path("error.log"), encoding="utf-8") as file:
        text = file.read()
    assert "S3cret" not in text and active_directory.password not in text


@pytest.mark.parametrize("way", ("ldaps", "StartTLS"))
@pytest.mark.parametrize("trouble", ("hangs", "dies"))
def test_controller_fails(active_directory, make_httpd, way, trouble):
    """Callers are told to try again, in time; what needs no directory goes on; nobody has to
    restart anything."""
    ad = active_directory
    extra = login(ad, *(("CEPStartTLS On",) if way == "StartTLS" else ()), timeout="1s")
    server = make_httpd("worker")
    write_passwords(server)
    with open(SAMPLE, encoding="utf-8") as file:
        copy = server.write("local.ldif", file.read())
    server.configure(
        directory_section(ad.ldaps if way == "ldaps" else ad.ldap, extra=extra),
        directory_section("file:" + copy, name="local", refresh=None),
        location_section(), location_section("/local", directory="local"))
    server.start().wait_for_policy().wait_for_policy("local")
    before = {ask(server).body for _ in range(6)}  # so that each process has connections
    assert len(before) == 1
    server.log.expect("CEP0501", "CEP0603")
    marker = server.log.marker()
    {"hangs": ad.pause, "dies": ad.kill}[trouble]()
    try:
        for _ in range(4):  # with and without a connection that was open before
            begin = time.monotonic()
            response = ask(server, "bob")
            assert time.monotonic() - begin < 4  # CEPTimeout is 1 s
            soap.check_fault(response, *TRY_AGAIN)
            assert int(response.headers["Retry-After"]) > 0
        begin = time.monotonic()
        soap.check_answer(ask(server, "bob", path="/local"))
        assert time.monotonic() - begin < 1  # nobody waits for the controller
        reason = server.log.wait_for("CEP0603", marker)[0].text
        assert ("in time" if trouble == "hangs" else "Connection refused") in reason
        server.log.wait_for("CEP0501", marker)
    finally:
        {"hangs": ad.resume, "dies": ad.start}[trouble]()
    # Each process finds out for itself, within seconds.
    wait_until(lambda: {ask(server).body for _ in range(6)} == before)
    server.log.wait_for("CEP0500", marker)


@pytest.mark.parametrize("trouble", ("hangs", "dies", "is cut off"))
def test_controller_fails_under_load(active_directory, make_httpd, trouble):
    """Who was looked up before is answered all the time; news come soon after the return."""
    ad = active_directory
    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    name = template.value("displayName").decode()
    with Relay((ad.address, 0), (ad.address, 389)) as relay:
        server = make_httpd()
        server.configure(
            directory_section("ldap://%s:%d" % (ad.address, relay.port),
                              extra=login(ad, "CEPStartTLS On", timeout="1s")), location_section(),
            server=("CEPTokenTTL 1h",))
        server.start().wait_for_policy()
        wait_until(lambda: soap.send(server).status == 200)
        server.log.expect("CEP0501")
        server.log.allow("CEP0603")
        marker = server.log.marker()
        try:
            with Load(server) as load:
                if trouble == "is cut off":
                    relay.cut_after = 200
                else:
                    {"hangs": ad.pause, "dies": ad.kill}[trouble]()
                server.log.wait_for("CEP0501", marker)
                time.sleep(2)
                relay.cut_after = None
                {"hangs": ad.resume, "dies": ad.start}.get(trouble, lambda: None)()
                ad.replace(template.dn, "displayName", "After it " + trouble)
                wait_for_name(server, "After it " + trouble, timeout=7)
            assert load.wrong == [] and load.count > 20
            assert len(server.log.trouble("CEP0501", marker)) == 1
        finally:
            ad.replace(template.dn, "displayName", name)


@pytest.mark.skipif(black_hole.why_not() is not None, reason=str(black_hole.why_not()))
@pytest.mark.skipif(dns.why_not() is not None, reason=str(dns.why_not()))
def test_controller_vanishes_under_load(active_directory, make_httpd, monkeypatch):
    """Packets to it get lost: nothing is closed, nothing refused. Who was looked up before is
    answered all the time, others are told to try again, and news come soon after the return."""
    ad = active_directory
    template = ldif.find(ad.entries, "CorpUser", "pKICertificateTemplate")
    name = template.value("displayName").decode()
    with BlackHole((ad.address, 389)) as hole, dns.Dns({}, {HOST: hole.address}) as names:
        server = make_httpd()
        monkeypatch.setenv("CEP_WRAPPER", names.wrapper(server.root))
        server.configure(
            directory_section("ldap://" + HOST, extra=login(ad, "CEPStartTLS On", timeout="1s")),
            location_section(), server=("CEPTokenTTL 1h",))
        server.start().wait_for_policy()
        wait_until(lambda: soap.send(server).status == 200)
        server.log.expect("CEP0501", "CEP0603")
        marker = server.log.marker()
        try:
            with Load(server) as load:
                hole.swallow()
                several_failures(server, marker)
                reason = server.log.find("CEP0501", marker)[-1].text
                assert HOST in reason and "refused" not in reason and "unreachable" not in reason
                begin = time.monotonic()
                soap.check_fault(soap.send(server, user="bob"), *TRY_AGAIN)
                assert time.monotonic() - begin < 4  # CEPTimeout is 1 s
                ad.replace(template.dn, "displayName", "After it vanished")  # by another way
                assert display_name(server) == name
                hole.release()
                wait_for_name(server, "After it vanished", timeout=7)
                wait_until(lambda: soap.send(server, user="bob").status == 200)
            assert load.wrong == [] and load.count > 20
            assert len(server.log.trouble("CEP0501", marker)) == 1
        finally:
            ad.replace(template.dn, "displayName", name)


def test_known_callers_go_on(active_directory, make_httpd):
    """With CEPTokenTTL: who was looked up before needs no controller; what changed in AD counts
    after that time."""
    ad = active_directory
    server = make_httpd()
    write_passwords(server)
    server.configure(directory_section(ad.ldaps, extra=login(ad, timeout="1s")),
                     location_section(), server=("CEPTokenTTL 2s",))
    server.start().wait_for_policy()
    before = ask(server).body
    server.log.expect("CEP0501", "CEP0603")
    marker = server.log.marker()
    ad.kill()
    try:
        begin = time.monotonic()
        while time.monotonic() - begin < 3:  # longer than CEPTokenTTL
            assert ask(server).body == before
            time.sleep(0.1)
        soap.check_fault(ask(server, "bob"), *TRY_AGAIN)
        server.log.wait_for("CEP0501", marker)
    finally:
        ad.start()
    wait_until(lambda: ask(server, "bob").status == 200)
    ad.member("Sales", "alice", "delete")
    try:
        begin = time.monotonic()
        wait_until(lambda: listed(server, "alice") == {"User"})
        assert time.monotonic() - begin < 3
    finally:
        ad.member("Sales", "alice", "add")
    server.log.wait_for("CEP0500", marker)


def test_second_controller(active_directory, make_httpd):
    """The first does not run: callers and policy come from the second."""
    ad = active_directory
    server = start(make_httpd(), "ldaps://127.0.0.1:%d" % free_port(), ad.ldaps, extra=login(ad))
    expected = evaluator.Directory(ad.entries).answer("alice")
    assert compare(soap.check_answer(ask(server)), expected) == []
