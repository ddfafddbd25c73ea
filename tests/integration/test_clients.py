# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""General SOAP clients, made from ?wsdl alone: python-zeep and php-soap, by every way that they know.

curl with a Kerberos ticket is in test_kerberos.py."""

import os
import shutil
import subprocess

import pytest

from cep_env import SAMPLE, evaluator, ldif
from cep_env.certs import ClientAuthority, sid_extension
from cep_env.httpd import PASSWORDS, PATH, USERNAME_TOKEN, free_port, location_section
from conftest import configure_sample
from test_certificate import account_sid

HERE = os.path.dirname(os.path.abspath(__file__))

needs_php = pytest.mark.skipif(not shutil.which("php"), reason="php is not installed")


@pytest.fixture(scope="module")
def server(make_module_httpd):
    """The sample directory; user name and password, and a virtual host for certificates."""
    server = make_module_httpd()
    authority = ClientAuthority(server.root)
    entries = ldif.read(SAMPLE)
    ldif.find(entries, "NTAuthCertificates").set("cACertificate", authority.der)
    server.client = authority.issue(sid_extension(account_sid(entries, "alice")))
    server.client_port = free_port()
    configure_sample(server, location_section(
        auth=False, extra=USERNAME_TOKEN + ("Require valid-user",)), entries=entries)
    server.add_hosts(server.certificate_host(
        server.client_port, "require", server.write("client-ca.pem", authority.pem),
        location_section(auth=False, extra=(
            "Require expr \"%{SSL_CLIENT_VERIFY} == 'SUCCESS'\"",))))
    server.start()
    return server.wait_for_policy()


@pytest.fixture(scope="module")
def offered():
    return set(evaluator.Directory(ldif.read(SAMPLE)).answer("alice")["policies"])


def address(port):
    return "https://localhost:%d%s" % (port, PATH)


def zeep_client(server, port=None, cert=None, **options):
    zeep = pytest.importorskip("zeep", reason="python3-zeep is not installed")
    import requests
    session = requests.Session()
    session.trust_env = False
    session.verify = server.certificates.ca_file
    session.cert = cert
    return zeep.Client(address(port or server.port) + "?wsdl",
                       transport=zeep.Transport(session=session), **options)


def get_policies(client):
    answer = client.service.GetPolicies(
        client={"lastUpdate": None, "preferredLanguage": "en-US"},
        requestFilter={"policyOIDs": None, "clientVersion": 0, "serverVersion": 0})
    return {policy.attributes.commonName for policy in answer.response.policies.policy}


@pytest.mark.parametrize("options", ({}, {"created": None, "nonce": "bm9uY2U="}),
                         ids=("plain", "with a nonce"))
def test_zeep_user_name(server, offered, options):
    zeep = pytest.importorskip("zeep", reason="python3-zeep is not installed")
    from zeep.wsse.username import UsernameToken
    good = UsernameToken("alice", PASSWORDS["alice"], **options)
    assert get_policies(zeep_client(server, wsse=good)) == offered
    server.log.allow("CEP0624")
    with pytest.raises(zeep.exceptions.Fault) as caught:
        get_policies(zeep_client(server, wsse=UsernameToken("alice", "wrong", **options)))
    assert [code.localname for code in caught.value.subcodes] == ["FailedAuthentication"]


def test_zeep_digest_is_refused(server):
    """The password cannot be told from its digest, so nobody could check it."""
    zeep = pytest.importorskip("zeep", reason="python3-zeep is not installed")
    from zeep.wsse.username import UsernameToken
    token = UsernameToken("alice", PASSWORDS["alice"], use_digest=True)
    with pytest.raises(zeep.exceptions.Fault) as caught:
        get_policies(zeep_client(server, wsse=token))
    assert [code.localname for code in caught.value.subcodes] == ["InvalidSecurity"]


def test_zeep_certificate(server, offered):
    assert get_policies(zeep_client(server, server.client_port, server.client.path)) == offered


def php(server, port, name, password, *certificate):
    done = subprocess.run(
        ["php", os.path.join(HERE, "client.php"), address(port),
         server.certificates.ca_file, name, password, *certificate],
        capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.returncode, done.stdout.split()


@needs_php
def test_php_user_name(server, offered):
    status, names = php(server, server.port, "alice", PASSWORDS["alice"])
    assert (status, set(names)) == (0, offered)
    status, fault = php(server, server.port, "alice", "wrong")
    assert (status, fault[0]) == (1, "s:Sender")


@needs_php
def test_php_certificate(server, offered):
    status, names = php(server, server.client_port, "", "", server.client.path)
    assert (status, set(names)) == (0, offered)
