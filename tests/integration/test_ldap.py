# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""The LDAP source against a real slapd: the same entries as from LDIF, and how it fails."""

import base64
import os
import pathlib
import subprocess
import time

import pytest

from cep_env import ldif
from slapd import Slapd, find_slapd, make_certificates

ROOT = pathlib.Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "conf.d" / "sample.ldif"
ENTRIES = pathlib.Path(os.environ.get("CEP_BUILDDIR", "build")) / "tests/integration/entries"

pytestmark = pytest.mark.skipif(find_slapd() is None, reason="slapd is not installed")


def entries(*arguments, env=None, cwd=None, timeout=60):
    """Run the program; returns (exit status, standard output, standard error)."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LDAP")}
    result = subprocess.run(
        [str(ENTRIES.resolve()), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, **(env or {})},
        cwd=cwd,
        timeout=timeout,
    )
    return result.returncode, result.stdout, result.stderr


def succeed(*arguments, **more):
    status, output, error = entries(*arguments, **more)
    assert status == 0, error
    return output


def fail(*arguments, **more):
    """The sentence with which it fails."""
    status, output, error = entries(*arguments, **more)
    assert status == 1, output + error
    assert Slapd.password not in error
    return error


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def other_name(tmp_path_factory):
    """Certificates for a server of another name."""
    return make_certificates(tmp_path_factory.mktemp("tls"), ["other.example.test"])


@pytest.fixture(scope="module")
def server(tmp_path_factory, tls):
    with Slapd(tmp_path_factory.mktemp("s"), SAMPLE, tls) as running:
        yield running


@pytest.fixture(scope="module")
def closed_server(tmp_path_factory, tls):
    """Nobody may read without a bind."""
    with Slapd(tmp_path_factory.mktemp("s"), SAMPLE, tls, anonymous="none") as running:
        yield running


@pytest.fixture(scope="module")
def misnamed_server(tmp_path_factory, other_name):
    with Slapd(tmp_path_factory.mktemp("s"), SAMPLE, other_name) as running:
        yield running


def login(server):
    return ["--bind-dn", server.bind_dn, "--password-file", server.password_file]


# --- the same from both sources -----------------------------------------------------------------


@pytest.mark.parametrize("base", ["identity", "templates", "cas", "oids"])
def test_same_as_ldif(server, base):
    expected = succeed("--url", f"file:{SAMPLE}", "--base", base)
    assert succeed("--url", server.ldap, "--base", base) == expected
    if base != "identity":
        assert expected.count("\ndn: ") > 1


def test_same_look_ups(server):
    """Every account, by every attribute that callers are looked up by."""
    names = ["sAMAccountName", "userPrincipalName", "objectSid", "member", "memberOf"]
    wanted = [f"--attribute={name}" for name in names]
    asked = 0
    for entry in ldif.read(SAMPLE):
        for name, value in ((name, value) for name in names for value in entry.values(name)):
            arguments = ["--base", "DC=corp,DC=example"]
            if name == "objectSid":
                arguments += ["--match-hex", f"{name}={value.hex()}"]
            else:
                arguments += ["--match", f"{name}={value.decode().swapcase()}"]
            for wish in wanted:
                arguments += wish.split("=")
            expected = succeed("--url", f"file:{SAMPLE}", *arguments)
            assert expected.count("\ndn: ") >= 1, (entry.dn, name)
            assert succeed("--url", server.ldap, *arguments) == expected
            asked += 1
    assert asked > 20


@pytest.mark.parametrize("scope", ["base", "one", "sub"])
@pytest.mark.parametrize("object_class", ["container", "group", "nothing"])
def test_same_scopes(server, scope, object_class):
    for base in ("DC=corp,DC=example", "CN=Users,DC=corp,DC=example", "cn=configuration,dc=CORP,"
                 "dc=example"):
        arguments = ["--base", base, "--scope", scope, "--class", object_class]
        arguments += ["--attribute", "cn", "--attribute", "objectClass"]
        expected = succeed("--url", f"file:{SAMPLE}", *arguments)
        assert succeed("--url", server.ldap, *arguments) == expected


def test_odd_values(tmp_path, tls):
    """What would change a filter or a DN if it were not escaped, and octets beside ASCII."""
    odd = ["a*b", "(x)(cn=*)", "back\\slash", "nul\\00", "L\u00e4rm \u732b", " lead", "#7"]
    odd += ["a+b,c=d;e"]
    content = ldif.read(SAMPLE)
    for number, name in enumerate(odd):
        entry = ldif.Entry(f"CN=odd{number}\\2C \\c3\\a4\\+,CN=Users,DC=corp,DC=example")
        entry.set("objectClass", "top", "user")
        entry.set("cn", f"odd{number}, \u00e4+")
        entry.set("sAMAccountName", name)
        entry.set("objectSid", bytes([1, 1, 0, 42, 40, 41, 92, 255, number, 0, 0, 0]))
        content.append(entry)
    path = tmp_path / "odd.ldif"
    ldif.write(path, content)
    with Slapd(tmp_path / "s", path, tls) as odd_server:
        for number, name in enumerate(odd):
            for match in (
                ["--match", f"sAMAccountName={name}"],
                ["--match-hex", f"objectSid=0101002a28295cff{number:02x}000000"],
            ):
                arguments = ["--base", "DC=corp,DC=example", *match]
                expected = succeed("--url", f"file:{path}", *arguments)
                assert "# 1 entries" in expected, name
                assert succeed("--url", odd_server.ldap, *arguments) == expected


def test_tree_of_openldap(tmp_path):
    """A server that names no configuration partition, as OpenLDAP."""
    with Slapd(tmp_path / "s", SAMPLE, root_dse={}) as plain:
        output = succeed("--url", plain.ldap)
        assert output.lower() == succeed("--url", f"file:{SAMPLE}").lower()
        assert "active_directory: 0" in output


def test_tree_of_active_directory(tmp_path):
    root = {
        "configurationNamingContext": "CN=Configuration,DC=corp,DC=example",
        "defaultNamingContext": "DC=east,DC=corp,DC=example",
        "supportedCapabilities": ["1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.800"],
    }
    with Slapd(tmp_path / "s", SAMPLE, root_dse=root) as plain:
        output = succeed("--url", plain.ldap)
        assert "active_directory: 1" in output
        assert "dns_domain: east.corp.example" in output
        assert "netbios_domain: (none)" in output


def test_no_configuration(tmp_path):
    text = "dn: DC=corp\nobjectClass: top\nobjectClass: domainDNS\ndc: corp\n"
    with Slapd(tmp_path / "s", text) as plain:
        assert "no configurationNamingContext" in fail("--url", plain.ldap)


@pytest.mark.parametrize(
    "names",
    [
        ["base", "pki_objects", "templates", "principals"],
        ["base", "pki_objects", "custom_templates", "custom_oids", "edge_templates"],
        ["base", "pki_objects", "enrollment_services_variants"],
    ],
)
def test_exports_of_a_real_directory(tmp_path, names):
    shared = pathlib.Path(os.environ.get("CEP_SHARED", "/nonexistent")) / "data"
    if not shared.is_dir():
        pytest.skip("needs the reference data that CEP_SHARED names")
    # RDN attributes that an export left out would be added by slapd alone.
    content = {}
    for name in names:
        for entry in ldif.read(shared / f"{name}.ldif"):
            kind, value = ldif.rdns(entry.dn)[0].split("=", 1)
            if not entry.values(kind):
                entry.set(kind, value)
            content[entry.dn.lower()] = entry
    path = tmp_path / "export.ldif"
    ldif.write(path, content.values())
    with Slapd(tmp_path / "s", path) as loaded:
        for base in ("templates", "cas", "oids", "CN=Users,DC=dom,DC=local"):
            expected = succeed("--url", f"file:{path}", "--base", base)
            assert succeed("--url", loaded.ldap, "--base", base) == expected


# --- many ---------------------------------------------------------------------------------------


def many_templates(count):
    content = ldif.read(SAMPLE)
    base = "CN=Certificate Templates,CN=Public Key Services,CN=Services,CN=Configuration"
    for number in range(count):
        entry = ldif.Entry(f"CN=many{number},{base},DC=corp,DC=example")
        entry.set("objectClass", "top", "pKICertificateTemplate")
        entry.set("cn", f"many{number}")
        content.append(entry)
    return ldif.dump(content)


def limits(paged):
    return [f"limits * size.soft=100 size.hard=100 size.prtotal={paged}"]


def test_pages(tmp_path):
    """More entries than the server hands out at once, in pages."""
    with Slapd(tmp_path / "s", many_templates(1300), options=limits("unlimited")) as big:
        arguments = ["--url", big.ldap, "--base", "templates", "--attribute", "cn"]
        output = succeed(*arguments, *login(big))
        names = {line for line in output.splitlines() if line.startswith("cn: many")}
        assert len(names) == 1300


def test_size_limit(tmp_path):
    """A server that allows no more in pages either: an error, not a part."""
    with Slapd(tmp_path / "s", many_templates(600), options=limits("550")) as big:
        error = fail("--url", big.ldap, "--base", "templates", *login(big))
        assert "Size limit exceeded (4)" in error
        assert "paged results" in error


def test_many_values(tmp_path):
    members = [f"CN=user{number},CN=Users,DC=corp,DC=example" for number in range(1700)]
    group = ldif.Entry("CN=big,CN=Users,DC=corp,DC=example")
    group.set("objectClass", "top", "group")
    group.set("cn", "big")
    group.set("member", *members)
    path = tmp_path / "big.ldif"
    ldif.write(path, ldif.read(SAMPLE) + [group])
    with Slapd(tmp_path / "s", path) as big:
        arguments = ["--base", "DC=corp,DC=example", "--match", f"member={members[1699]}"]
        output = succeed("--url", big.ldap, *arguments)
        assert output.count("\nmember: ") == 1700
        assert output == succeed("--url", f"file:{path}", *arguments)


# --- TLS ----------------------------------------------------------------------------------------


def secured(server):
    """Arguments for the two ways to TLS."""
    return [["--url", server.ldaps], ["--url", server.ldap, "--start-tls"]]


def test_tls(closed_server, tls):
    for way in secured(closed_server):
        output = succeed(*way, "--ca-file", tls.ca, *login(closed_server), "--base", "templates")
        assert output == succeed("--url", f"file:{SAMPLE}", "--base", "templates")


def test_fifty_times(server, tls):
    for way in secured(server):
        succeed(*way, "--ca-file", tls.ca, *login(server), "--repeat", 50)


def test_unknown_ca(server, tls):
    for way in secured(server):
        assert "CEPCACertificateFile" in fail(*way, "--ca-file", tls.other_ca, *login(server))
        assert "CEPCACertificateFile" in fail(*way, *login(server))  # the system's own CAs


def test_unusable_ca_file(server, tls, tmp_path):
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for way in secured(server):
        assert "cannot be read" in fail(*way, "--ca-file", tmp_path / "absent.pem")
        assert "CEPCACertificateFile" in fail(*way, "--ca-file", empty)


def test_wrong_name(misnamed_server, other_name):
    for way in secured(misnamed_server):
        error = fail(*way, "--ca-file", other_name.ca, *login(misnamed_server))
        assert "names 127.0.0.1" in error


def test_old_tls(tmp_path, tls):
    """TLS 1.1 at the most."""
    only = ["TLSCipherSuite NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0"]
    with Slapd(tmp_path / "s", SAMPLE, tls, global_options=only) as old:
        for way in secured(old):
            assert "TLS" in fail(*way, "--ca-file", tls.ca, *login(old))


def test_no_tls(tmp_path, tls):
    with Slapd(tmp_path / "s", SAMPLE) as plain:
        error = fail("--url", plain.ldap, "--start-tls", "--ca-file", tls.ca)
        assert "StartTLS: " in error
        error = fail("--url", plain.ldap.replace("ldap:", "ldaps:"), "--ca-file", tls.ca)
        assert "TLS handshake: " in error


def test_start_tls_elsewhere(server, tls):
    for url in (server.ldaps, server.ldapi):
        assert "CEPStartTLS" in fail("--url", url, "--start-tls", "--ca-file", tls.ca)


LAX = [
    {"LDAPTLS_REQCERT": "never"},
    {"LDAPTLS_REQCERT": "allow"},
    {"LDAPTLS_REQSAN": "never"},
    {"LDAPTLS_REQCERT": "never", "LDAPTLS_REQSAN": "never"},
]


@pytest.mark.parametrize("env", LAX, ids=str)
def test_environment_does_not_weaken(server, misnamed_server, tls, other_name, env):
    for way in secured(server):
        fail(*way, "--ca-file", tls.other_ca, *login(server), env=env)
        trusting = {**env, "LDAPTLS_CACERT": tls.ca, "LDAPTLS_CACERTDIR": os.path.dirname(tls.ca)}
        fail(*way, "--ca-file", tls.other_ca, *login(server), env=trusting)
    for way in secured(misnamed_server):
        fail(*way, "--ca-file", other_name.ca, *login(misnamed_server), env=env)


def test_configuration_files_do_not_weaken(server, tls, tmp_path):
    lax = "TLS_REQCERT never\nTLS_REQSAN never\nSIZELIMIT 1\nREFERRALS on\n"
    (tmp_path / "ldaprc").write_text(lax)
    (tmp_path / ".ldaprc").write_text(lax)
    env = {"LDAPCONF": str(tmp_path / "ldaprc"), "HOME": str(tmp_path), "LDAPRC": "ldaprc"}
    for way in secured(server):
        fail(*way, "--ca-file", tls.other_ca, *login(server), env=env, cwd=tmp_path)
        succeed(*way, "--ca-file", tls.ca, *login(server), env=env, cwd=tmp_path)


def test_environment_does_not_break(server, tls):
    env = {
        "LDAPURI": "ldap://192.0.2.1",
        "LDAPBASE": "DC=nowhere",
        "LDAPSIZELIMIT": "1",
        "LDAPTIMELIMIT": "1",
        "LDAPDEREF": "always",
        "LDAPTLS_CACERT": tls.other_ca,
        "LDAPTLS_CERT": "/nonexistent",
        "LDAPTLS_KEY": "/nonexistent",
        "LDAPTLS_CIPHER_SUITE": "NONE",
        "LDAPTLS_CRLFILE": "/nonexistent",
        "LDAPTLS_PEERKEY_HASH": base64.b64encode(b"no such key").decode(),
        "LDAPSASL_MECH": "GSSAPI",
        "LDAPNETWORK_TIMEOUT": "1",
    }
    expected = succeed("--url", f"file:{SAMPLE}", "--base", "templates")
    for way in secured(server):
        arguments = [*way, "--ca-file", tls.ca, *login(server), "--base", "templates"]
        assert succeed(*arguments, env=env) == expected


# --- binding ------------------------------------------------------------------------------------


def test_anonymous(server, closed_server):
    succeed("--url", server.ldap)
    fail("--url", closed_server.ldap)


def test_wrong_password(server, tls, tmp_path):
    wrong = tmp_path / "password"
    wrong.write_text("not this one\n")
    for way in [["--url", server.ldap], *secured(server)]:
        bind = ["--bind-dn", server.bind_dn, "--password-file", wrong]
        error = fail(*way, "--ca-file", tls.ca, *bind)
        assert "Invalid credentials (49)" in error
        assert "CEPBindPasswordFile" in error
        assert "not this one" not in error


def test_unusable_password_file(server, tmp_path):
    absent, empty, fifo = tmp_path / "absent", tmp_path / "empty", tmp_path / "fifo"
    empty.write_text("\n")
    os.mkfifo(fifo)
    arguments = ["--url", server.ldap, "--bind-dn", server.bind_dn, "--password-file"]
    assert "No such file" in fail(*arguments, absent)
    assert "no password" in fail(*arguments, empty)
    assert "no regular file" in fail(*arguments, fifo)
    assert "needs CEPBindPasswordFile" in fail(*arguments[:-1])


def test_external(closed_server):
    output = succeed("--url", closed_server.ldapi, "--external", "--base", "templates")
    assert output == succeed("--url", f"file:{SAMPLE}", "--base", "templates")
    fail("--url", closed_server.ldapi)
    fail("--url", closed_server.ldap, "--external")


# --- failing ------------------------------------------------------------------------------------


def test_unknown_base(server):
    error = fail("--url", server.ldap, "--base", "CN=nowhere,DC=corp,DC=example")
    assert "No such object (32)" in error
    error = fail("--url", server.ldap, "--base", "no DN")
    assert "Invalid DN syntax (34)" in error


def test_next_url(server):
    gone = "ldap://127.0.0.1:1"
    status, output, error = entries("--url", gone, "--url", server.ldap)
    assert status == 0
    assert output == succeed("--url", server.ldap)
    assert f"CEP0201: CEPDirectory test: {gone}: no connection" in error


def test_stopped_server(tmp_path, tls):
    """Connections are accepted by the kernel; nobody answers, and everybody ends in time."""
    with Slapd(tmp_path / "s", SAMPLE, tls) as stopped:
        ways = [["--url", stopped.ldap], ["--url", stopped.ldapi], *secured(stopped)]
        stopped.pause()
        for way in ways:
            before = time.monotonic()
            error = fail(*way, "--ca-file", tls.ca, "--timeout", 500, *login(stopped))
            assert "in time" in error
            assert 0.5 <= time.monotonic() - before < 3
        stopped.resume()
        for way in ways:
            succeed(*way, "--ca-file", tls.ca, *login(stopped))
