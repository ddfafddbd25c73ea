# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The same directory from a file and from a real slapd: the same bytes, on each way to it."""

import contextlib
import os
import time

import pytest

from cep_env import evaluator, ldif, soap
from cep_env.evaluator import compare
from cep_env.httpd import directory_section, location_section
from cep_env.waiting import wait_until
from slapd import Directory, find_slapd
from test_main import CALLERS

pytestmark = pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")


@pytest.fixture
def make_directory():
    with contextlib.ExitStack() as made:
        yield lambda **options: made.enter_context(Directory(**options))


@pytest.fixture(scope="module")
def directory():
    with Directory() as made:
        yield made


def configure(server, *urls, extra=()):
    server.configure(directory_section(*urls, extra=extra), location_section())


def start(server, *urls, extra=()):
    configure(server, *urls, extra=extra)
    server.start()
    server.wait_for_policy()
    return server


def bodies(server):
    return {caller: soap.send(server, soap.build(message_id="urn:same"), user=caller).body
            for caller in CALLERS + ("dave", "erin", "nobody")}


def ways(directory):
    """name -> URL and directives"""
    slapd = directory.slapd
    return {
        "anonymous": (slapd.ldap, ()),
        "StartTLS": (slapd.ldap, directory.simple("CEPStartTLS On", directory.ca())),
        "ldaps": (slapd.ldaps, directory.simple(directory.ca())),
    }


@pytest.mark.parametrize("way", ("anonymous", "StartTLS", "ldaps"))
def test_same_bytes_as_the_file(sample, sample_directory, make_httpd, directory, way):
    url, extra = ways(directory)[way]
    server = start(make_httpd(), url, extra=extra)
    assert bodies(server) == bodies(sample)
    for caller in CALLERS:
        assert compare(soap.check_answer(soap.send(server, user=caller)),
                       sample_directory.answer(caller)) == []


def test_over_the_local_socket(sample, make_httpd, directory):
    """ldapi:// with a simple bind: the workers run as another user than slapd's."""
    os.chmod(directory.slapd.socket, 0o777)
    server = start(make_httpd("prefork"), directory.slapd.ldapi, extra=directory.simple())
    assert bodies(server) == bodies(sample)


def test_pages(sample, make_httpd, make_directory):
    """A server that hands out five entries at a time is read to the end."""
    reader = "cn=reader,dc=corp,dc=example"
    directory = make_directory(options=(
        'limits dn.exact="%s" size.soft=5 size.hard=5 size.prtotal=unlimited' % reader,))
    server = start(make_httpd(), directory.slapd.ldaps, extra=directory.simple(directory.ca()))
    assert bodies(server) == bodies(sample)


def test_second_url_when_the_first_is_down(sample, make_httpd, directory):
    from cep_env.httpd import free_port
    server = start(make_httpd(), "ldap://127.0.0.1:%d" % free_port(), directory.slapd.ldap)
    assert bodies(server) == bodies(sample)


@pytest.mark.parametrize("wrong", ("password", "name", "CA"))
def test_bind_that_fails(make_httpd, directory, wrong):
    """Said once, without the password; nobody gets a policy."""
    server = make_httpd()
    word = server.write("password", "S3cret-and-wrong\n")
    extra = list(directory.simple(directory.ca()))
    if wrong == "password":
        extra[2] = 'CEPBindPasswordFile "%s"' % word
    elif wrong == "name":
        extra[1] = 'CEPBindDN "cn=nobody,dc=corp,dc=example"'
    else:
        extra[-1] = 'CEPCACertificateFile "%s"' % directory.tls.other_ca
    server.log.expect("CEP0501")
    configure(server, directory.slapd.ldaps, extra=extra)
    server.start()
    line = server.log.wait_for("CEP0501")[0]
    assert directory.slapd.ldaps in line.text
    if wrong != "CA":
        assert "nvalid credentials" in line.text
    soap.check_fault(soap.send(server), "Receiver", "InternalServiceFault")
    with open(server.path("error.log"), encoding="utf-8") as file:
        text = file.read()
    assert "S3cret" not in text and directory.slapd.password not in text
    if wrong == "password":  # repaired without a restart
        server.write("password", directory.slapd.password + "\n")
        server.wait_for_policy()
        soap.check_answer(soap.send(server))


def test_directory_goes_and_comes_back(make_httpd, make_directory):
    """Policy stays; callers cannot be looked up meanwhile, and that is said quickly."""
    directory = make_directory()
    server = start(make_httpd(), directory.slapd.ldap, extra=("CEPTimeout 1s",))
    soap.check_answer(soap.send(server))
    port = directory.slapd.port
    server.log.expect("CEP0501", "CEP0603")
    directory.slapd.stop()
    server.log.wait_for("CEP0501")
    begin = time.monotonic()
    response = soap.send(server)
    assert time.monotonic() - begin < 5
    soap.check_fault(response, "Receiver", "InternalServiceFault")
    assert int(response.headers["Retry-After"]) > 0
    directory.slapd.start(port)
    wait_until(lambda: soap.send(server).status == 200)


def test_directory_that_hangs(make_httpd, make_directory):
    """slapd stops in its tracks with connections open: requests end within the deadline."""
    directory = make_directory()
    server = start(make_httpd(), directory.slapd.ldap, extra=("CEPTimeout 1s",))
    soap.check_answer(soap.send(server))
    server.log.expect("CEP0603")
    server.log.allow("CEP0501")
    directory.slapd.pause()
    begin = time.monotonic()
    response = soap.send(server)
    taken = time.monotonic() - begin
    directory.slapd.resume()
    soap.check_fault(response, "Receiver", "InternalServiceFault")
    assert taken < 8
    wait_until(lambda: soap.send(server).status == 200)


def test_hanging_directory_and_stop(make_httpd, make_directory):
    """httpd stops although a refresh waits for the directory."""
    directory = make_directory()
    server = start(make_httpd(), directory.slapd.ldap, extra=("CEPTimeout 5s",))
    directory.slapd.pause()
    time.sleep(2.5)
    server.log.allow("CEP0501", "AH00045", "AH00046")
    begin = time.monotonic()
    server.stop(timeout=30)
    assert time.monotonic() - begin < 15
    directory.slapd.resume()


def test_real_forest(shared, make_httpd, make_directory):
    """The reference forest: the same bytes from the file and from slapd."""
    from test_reference import CALLERS as KINDS, forest, start_forest
    entries = forest(shared)
    one = start_forest(make_httpd(), entries)
    directory = make_directory(text=ldif.dump(entries))
    two = make_httpd()
    two.log.allow(r"CEP03\d\d")
    with open(one.path("users"), encoding="utf-8") as file:
        users = file.read()
    configure(two, directory.slapd.ldap)
    two.write("users", users)
    two.start()
    two.wait_for_policy()
    expected = evaluator.Directory(entries)
    for caller in KINDS.values():
        answers = [soap.send(server, soap.build(message_id="a"), user=caller,
                             password=caller + "-password") for server in (one, two)]
        assert answers[0].body == answers[1].body
        assert compare(answers[1].model(), expected.answer(caller)) == []


def test_cold_start_from_the_snapshot(make_httpd, make_directory):
    """A server that starts while the directory is down has its policy and says so."""
    directory = make_directory()
    server = start(make_httpd(), directory.slapd.ldap, extra=("CEPTimeout 1s",))
    server.stop()
    directory.slapd.stop()
    server.log.expect("CEP0501", "CEP0603")
    server.start()
    server.log.wait_for("CEP0501")
    soap.check_fault(soap.send(server), "Receiver", "InternalServiceFault")
