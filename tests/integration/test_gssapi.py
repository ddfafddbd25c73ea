# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""CEPBind gssapi: the directory connection logs on by Kerberos, from a keytab."""

import os
import pathlib
import shutil
import socket
import struct
import subprocess
import time

import pytest

from cep_env import SAMPLE, evaluator, soap
from cep_env.evaluator import compare
from cep_env.httpd import daemon_user, directory_section, free_port, location_section
from cep_env.waiting import wait_until
from relay import Relay
from slapd import Slapd, find_slapd, make_certificates
from test_ldap import entries
from test_samba import ask, listed, write_passwords

TEMPLATE = b"pKICertificateTemplate"


def kerberos(ad, *more, keytab=None, timeout="2s"):
    return ("CEPBind gssapi", 'CEPKeytab "%s"' % (keytab or ad.bind_keytab),
            'CEPCACertificateFile "%s"' % ad.ca_file, "CEPTimeout " + timeout) + more


def krb5_conf(ad, kdc=None, libdefaults=""):
    """The controller's krb5.conf with another KDC or other defaults; httpd's user can read it."""
    with open(ad.krb5_conf, encoding="utf-8") as file:
        text = file.read()
    text = text.replace("[realms]", libdefaults + "\n[realms]")
    if kdc:
        text = text.replace("kdc = " + ad.address, "kdc = " + kdc)
    path = ad.path("krb5-other.conf")
    pathlib.Path(path).write_text(text)
    return {"KRB5_CONFIG": path}


@pytest.fixture
def environment(active_directory, monkeypatch):
    """What httpd is started with: where the KDC is, and nothing else of Kerberos."""
    for name in [name for name in os.environ if name.startswith("KRB5")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("KRB5_CONFIG", active_directory.krb5_conf)
    return monkeypatch


def start(server, *sections, log_level="info cep:debug ssl:warn", **options):
    write_passwords(server)
    server.configure(*sections, log_level=log_level, **options)
    return server.start()


def read(ad, url, *arguments, keytab=None, env=None):
    return entries("--url", url, "--keytab", keytab or ad.bind_keytab, "--ca-file", ad.ca_file,
                   *arguments, env={"KRB5_CONFIG": ad.krb5_conf, **(env or {})})


def refused(*arguments, **options):
    status, output, error = read(*arguments, **options)
    assert status == 1, output + error
    return error


WAYS = {"sealed": ("ldap", ()), "ldaps": ("ldaps", ()), "StartTLS": ("ldap", ("CEPStartTLS On",))}


@pytest.mark.parametrize("way", WAYS)
def test_each_way(active_directory, environment, make_httpd, way):
    """Policy and callers come as they do with a password."""
    ad, (scheme, more) = active_directory, WAYS[way]
    server = start(make_httpd(), directory_section(getattr(ad, scheme), extra=kerberos(ad, *more)),
                   location_section()).wait_for_policy()
    expected = evaluator.Directory(ad.entries)
    for caller in ("alice", "bob", "WS01$"):
        assert compare(soap.check_answer(ask(server, caller)), expected.answer(caller)) == []


def test_sealed_on_the_wire(active_directory):
    """What is in the directory cannot be seen in between; nor can a password, there is none."""
    ad = active_directory
    with Relay(("127.0.0.2", 0), (ad.address, 389)) as relay:
        status, output, error = read(ad, "ldap://127.0.0.2:%d" % relay.port, "--base", "templates")
        assert status == 0 and TEMPLATE.decode() in output, error
        assert relay.connections == 1 and b"GSSAPI" in relay.seen
        assert TEMPLATE not in relay.seen and b"CN=Configuration" not in relay.seen


@pytest.fixture(scope="module")
def bound_slapd(active_directory, tmp_path_factory):
    """An OpenLDAP server that checks channel bindings, as a hardened controller does."""
    if find_slapd() is None:
        pytest.skip("slapd is not installed")
    tls = make_certificates(tmp_path_factory.mktemp("t"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("KRB5_KTNAME", "FILE:" + active_directory.ldap_keytab)
        environment.setenv("KRB5_CONFIG", active_directory.krb5_conf)
        environment.setenv("KRB5RCACHENAME", "none:")
        with Slapd(tmp_path_factory.mktemp("s"), SAMPLE, tls, anonymous="none", global_options=(
                "sasl-host 127.0.0.1", "sasl-realm CORP.EXAMPLE",
                "sasl-cbinding tls-endpoint")) as server:
            yield server


def test_bound_to_the_channel(active_directory, bound_slapd, tmp_path):
    """Somebody in the middle with a certificate that is trusted passes the logon on: refused. So
    is one without TLS that a server would seal: TLS was asked for."""
    ad, slapd = active_directory, bound_slapd
    ca = ("--ca-file", slapd.tls.ca)
    status, output, error = read(ad, slapd.ldaps, *ca, "--base", "templates")
    assert status == 0 and TEMPLATE.decode() in output, error
    other = make_certificates(tmp_path)
    with Relay(("127.0.0.1", 0), ("127.0.0.1", slapd.tls_port),
               (other.certificate, other.key)) as relay:
        url = "ldaps://127.0.0.1:%d" % relay.port
        error = refused(ad, url, "--ca-file", other.ca)
        assert "binding by SASL GSSAPI" in error
        assert b"GSSAPI" in relay.seen  # TLS was no obstacle


def ktutil(path, *commands):
    subprocess.run(["ktutil"], input="\n".join((*commands, "wkt %s" % path, "quit", "")),
                   text=True, check=True, capture_output=True)
    os.chmod(path, 0o644)
    return str(path)


def wrong_keytab(path, principal="svc-cep@CORP.EXAMPLE"):
    return ktutil(path, "addent -password -p %s -k 1 -e aes256-cts" % principal, "S3cret-and-wrong")


def test_keytabs(active_directory, tmp_path):
    ad = active_directory
    error = refused(ad, ad.ldap, keytab=wrong_keytab(tmp_path / "wrong"))
    assert "logging on with the keytab" in error and "export the keytab anew" in error
    error = refused(ad, ad.ldap, "--principal", "nobody@CORP.EXAMPLE")
    assert "nobody@CORP.EXAMPLE" in error and "check CEPPrincipal" in error
    error = refused(ad, ad.ldap, keytab=wrong_keytab(tmp_path / "unknown", "who@CORP.EXAMPLE"))
    assert "check CEPPrincipal" in error
    assert "No such file" in refused(ad, ad.ldap, keytab=tmp_path / "absent")
    (tmp_path / "empty").write_bytes(b"")
    refused(ad, ad.ldap, keytab=tmp_path / "empty")
    assert read(ad, ad.ldap, "--principal", "svc-cep")[0] == 0  # the default realm


def test_wrong_keytab_does_not_lock_out(active_directory, environment, make_httpd, tmp_path,
                                        lockout):
    """The KDC counts wrong keys as wrong passwords: all processes together try them once."""
    ad = active_directory
    server = make_httpd()
    path = server.path("keytab")
    shutil.copy(wrong_keytab(tmp_path / "wrong"), path)
    os.chmod(path, 0o644)
    server.log.expect("CEP0501")
    server.log.allow("CEP0603")
    start(server, directory_section(ad.ldap, extra=kerberos(ad, keytab=path)), location_section())
    server.log.wait_for("CEP0501")
    for _ in range(5):
        soap.check_fault(ask(server), "Receiver", "InternalServiceFault")
    time.sleep(4)  # several attempts
    assert ad.wrong_passwords("svc-cep") == 1
    shutil.copy(ad.bind_keytab, path)
    server.wait_for_policy()
    wait_until(lambda: ask(server).status == 200)


def test_host_without_a_service(active_directory):
    """The server has to be named as its service principal is; the DNS is not believed."""
    ad = active_directory
    with Relay(("127.0.0.3", 0), (ad.address, 389)) as relay:
        error = refused(ad, "ldap://127.0.0.3:%d" % relay.port)
        assert "name the server in CEPURL by the DNS name" in error
        assert b"GSSAPI" not in relay.seen


def test_another_server_cannot_take_its_place(active_directory, bound_slapd):
    """The ticket is for the host of the URL: who has other keys cannot answer with them."""
    ad = active_directory
    with Relay(("127.0.0.2", 0), ("127.0.0.1", bound_slapd.port)) as relay:
        assert "binding by SASL GSSAPI" in refused(ad, "ldap://127.0.0.2:%d" % relay.port)


def test_canonical_names_do_not_matter(active_directory):
    """libkrb5's own default is to ask the DNS what a host is called."""
    env = krb5_conf(active_directory)
    path = pathlib.Path(env["KRB5_CONFIG"])
    path.write_text(path.read_text().replace("dns_canonicalize_hostname = false", "").replace(
        "rdns = false", "").split("[domain_realm]")[0])
    with Relay(("127.0.0.2", 0), (active_directory.address, 389)) as relay:
        status, _, error = read(active_directory, "ldap://127.0.0.2:%d" % relay.port, env=env)
        assert status == 0, error


@pytest.mark.parametrize("trouble", ("refuses", "is silent"))
def test_dead_kdc(active_directory, trouble):
    """Our own deadline ends the wait: libkrb5 alone would take half a minute."""
    ad = active_directory
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if trouble == "is silent" else free_port()
        env = krb5_conf(ad, kdc="127.0.0.1:%d" % port)
        begin = time.monotonic()
        error = refused(ad, ad.ldap, "--timeout", "1000", env=env)
        assert time.monotonic() - begin < 5
        assert "the realm's KDC runs" in error
        assert trouble == "refuses" or "no answer in time" in error


def test_dead_kdc_and_the_server(active_directory, environment, make_httpd):
    """httpd starts, callers are told to try again, and all comes when the KDC does."""
    ad, port = active_directory, free_port()
    environment.setenv("KRB5_CONFIG", krb5_conf(ad, kdc="127.0.0.1:%d" %
                                                port)["KRB5_CONFIG"])
    server = make_httpd()
    server.log.expect("CEP0501")
    start(server, directory_section(ad.ldap, extra=kerberos(ad)), location_section())
    assert "the realm's KDC runs" in server.log.wait_for("CEP0501")[0].text
    soap.check_fault(ask(server), "Receiver", "InternalServiceFault")
    with Relay(("127.0.0.1", port), (ad.address, 88)):
        server.wait_for_policy()
        wait_until(lambda: ask(server).status == 200)


def as_requests(relay):
    """Log-ons that were asked of the KDC: [APPLICATION 10], behind the length that TCP wants."""
    return sum(1 for at in range(len(relay.seen) - 5)
               if relay.seen[at] == 0x6a and at >= 4 and
               struct.unpack(">I", relay.seen[at - 4:at])[0] in range(100, 2000))


def test_short_tickets(active_directory, environment, make_httpd):
    """Renewed before they end, and no request notices. AD's KDC has none of less than two minutes:
    this one is renewed after 13 seconds."""
    ad = active_directory
    with Relay(("127.0.0.1", 0), (ad.address, 88)) as relay:
        environment.setenv("KRB5_CONFIG", krb5_conf(
            ad, kdc="127.0.0.1:%d" % relay.port,
            libdefaults="ticket_lifetime = 130s")["KRB5_CONFIG"])
        server = start(make_httpd("worker"),
                       directory_section(ad.ldap, extra=kerberos(ad)), location_section())
        server.wait_for_policy()
        before, begin = ask(server).body, time.monotonic()
        asked = as_requests(relay)
        while time.monotonic() - begin < 17:
            assert ask(server).body == before
            time.sleep(0.1)
        assert as_requests(relay) > asked
        # Few: one for each process and server, not one for each connection.
        assert as_requests(relay) <= 20
    # The KDC is gone, the tickets are not.
    assert ask(server).body == before


def test_several_keytabs(active_directory, bound_slapd, environment, make_httpd):
    """Accounts and servers side by side in the same processes, asked at the same time."""
    ad, slapd, httpd = active_directory, bound_slapd, make_httpd()
    ca = httpd.write("slapd-ca.pem", pathlib.Path(slapd.tls.ca).read_text())  # for httpd's user
    other = ("CEPBind gssapi", 'CEPKeytab "%s"' % ad.second_keytab, "CEPPrincipal svc-two",
             'CEPCACertificateFile "%s"' % ca, "CEPTimeout 2s")
    server = start(
        httpd, directory_section(ad.ldap, extra=kerberos(ad)),
        directory_section(ad.ldaps, name="again", extra=kerberos(
            ad, "CEPPrincipal svc-two@CORP.EXAMPLE", keytab=ad.second_keytab)),
        directory_section(slapd.ldaps, name="other", extra=other),
        location_section(), location_section("/again", directory="again"),
        location_section("/other", directory="other"))
    for name in ("corp", "again", "other"):
        server.wait_for_policy(name)
    for _ in range(5):
        bodies = {ask(server, "alice", **({"path": path} if path else {})).status
                  for path in (None, "/again", "/other")}
        assert bodies == {200}


def test_no_secret_and_no_trace(active_directory, environment, make_httpd):
    """The loudest log has no key of the keytab; no variable is set, no file is left."""
    ad = active_directory
    user = daemon_user()
    caches = set(pathlib.Path("/tmp").glob("krb5cc_%d*" % user.pw_uid)) if user else set()
    server = start(make_httpd("worker"), directory_section(ad.ldap, extra=kerberos(ad)),
                   location_section(), log_level="trace8").wait_for_policy()
    assert listed(server, "alice")
    keys = subprocess.run(["klist", "-k", "-K", ad.bind_keytab], capture_output=True, text=True,
                          check=True).stdout
    keys = [word[3:-1] for word in keys.split() if word.startswith("(0x")]
    assert keys
    with open(server.path("error.log"), "rb") as file:
        text = file.read().lower()
    for key in keys:
        assert key.encode() not in text and bytes.fromhex(key) not in text
    for child in server.children():
        variables = pathlib.Path("/proc/%d/environ" % child).read_bytes()
        assert b"KRB5CCNAME" not in variables and b"KRB5_CLIENT_KTNAME" not in variables
        files = [os.readlink(link) for link in pathlib.Path("/proc/%d/fd" % child).iterdir()]
        assert not [name for name in files if "krb5" in name]
    if user:
        assert set(pathlib.Path("/tmp").glob("krb5cc_%d*" % user.pw_uid)) == caches
