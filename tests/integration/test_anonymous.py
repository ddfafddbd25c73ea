# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""No user, no byte of policy, whatever the configuration says and however the request comes."""

import os

import pytest

from cep_env import http2, soap
from cep_env.certs import ClientAuthority
from cep_env.httpd import BASIC, MPMS, PATH, free_port, load_modules, location_section
from cep_env.leaks import leaks_of
from conftest import configure_sample, start_sample

DENIED = ("Sender", "FailedAuthentication")

# Configurations that let everybody through to the handler; AuthType or not, no user is there.
OPEN = {
    "/granted": ("Require all granted",),
    "/granted-basic": BASIC + ("Require all granted",),
    "/nothing-at-all": (),
    "/none": ("AuthType None", "Require all granted"),
    "/any": BASIC + ("<RequireAny>", "Require all granted", "Require valid-user", "</RequireAny>"),
    "/either": BASIC + ("Require ip 127.0.0.1", "Require valid-user"),
    "/not-none": BASIC + ("<RequireAll>", "Require all granted", "<RequireNone>",
                          "Require all denied", "</RequireNone>", "</RequireAll>"),
    "/satisfy": BASIC + ("Satisfy Any", "Order allow,deny", "Allow from all",
                         "Require valid-user"),
    "/env": ("SetEnv REMOTE_USER alice", "SetEnv SSL_CLIENT_VERIFY SUCCESS",
             "Require all granted"),
    "/headers": ("RequestHeader set Remote-User alice", "RequestHeader set X-Remote-User alice",
                 "Require all granted"),
    # A script that reads the password makes httpd believe the name: nobody has checked it.
    "/script": BASIC + ("Require all granted", 'LuaHookFixups "${ROOT}/peek.lua" peek'),
    "/handler-by-rule": BASIC + ("Require all granted", "RewriteEngine On",
                                 "RewriteRule .* - [H=cep]"),
    "/usertype": ("AuthType CEP", "Require all granted"),
}

# AuthType and nothing to say who is let in: an instance lies in no <Directory>, so that the Require
# of one does not count either, and httpd itself refuses.
NOTHING_REQUIRED = "/nothing-required"

# Requests that are redirected, included or made an error document of another location.
SSI, OUTER, INNER, ERROR = "/page.shtml", "/outer", "/inner", "/error"


def sections(server):
    lines = load_modules("rewrite", "include", "access_compat", "authz_host", "alias", "lua",
                         *(() if server.mpm == "prefork" else ("http2",)))
    server.write("peek.lua", "function peek(r)\n  local p = r.basic_auth_pw\n"
                 "  return apache2.DECLINED\nend\n")
    server.write("page.shtml", 'begin <!--#include virtual="%s" --> end' % PATH)
    instances = [location_section(path, auth=False, extra=extra)
                 for path, extra in {**OPEN, "/nothing-required": BASIC}.items()]
    os.makedirs(server.path("docs/hop"), exist_ok=True)
    server.write("docs/hop/file", "file")
    return lines, [
        *instances, location_section(), location_section(NOTHING_REQUIRED, auth=False, extra=BASIC),
        '<Location "%s">' % SSI, "SetOutputFilter INCLUDES", "Options +Includes", "</Location>",
        # Below a directory mod_rewrite makes an internal redirect, and keeps POST.
        'Alias "/hop" "${ROOT}/docs/hop"', '<Directory "${ROOT}/docs/hop">', "RewriteEngine On",
        "RewriteRule ^to-basic$ %s [L]" % PATH, "RewriteRule ^to-open$ /granted-basic [L]",
        "</Directory>",
        '<Location "%s">' % ERROR, "ErrorDocument 403 " + PATH, "Require all denied",
        "</Location>",
        '<Location "%s-open">' % ERROR, "ErrorDocument 403 /granted", "Require all denied",
        "</Location>",
        *(["Protocols h2 http/1.1"] if server.mpm != "prefork" else []),
    ]


def start(server):
    lines, inner = sections(server)
    # The configuration is as bad as its warnings say.
    server.log.allow("CEP0118", "CEP0119")
    return start_sample(server, "\n".join(inner), server=("CEPTokenTTL 0", *lines))


@pytest.fixture(scope="module", params=MPMS)
def server(request, make_module_httpd):
    return start(make_module_httpd(request.param))


@pytest.mark.parametrize("user", (None, "alice"))
@pytest.mark.parametrize("path", OPEN)
def test_open_to_all(server, leaks, path, user):
    """With and without a name that nobody checks: the password is wrong."""
    server.log.expect("CEP0601")
    leaks.check_refused(soap.send(server, user=user, password="wrong", path=path), 500, *DENIED)


@pytest.mark.parametrize("user", (None, "alice"))
@pytest.mark.parametrize("method", ("GET", "POST"))
def test_nothing_required(server, leaks, method, user):
    server.log.expect("AH01627")
    leaks.check_refused(soap.send(server, user=user, path=NOTHING_REQUIRED, method=method),
                        500, "Receiver", "InternalServiceFault")


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("method", ("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "PROPFIND"))
def test_methods(server, leaks, method, path):
    client = soap.Client(server, user=None)
    response = client.send(method=method, path=path)
    client.close()
    # The page, what is allowed, or nothing.
    assert response.status == (200 if method in ("GET", "HEAD", "OPTIONS") else 405)
    leaks.check(response)


def test_nothing_required(server, leaks):
    """AuthType without Require: httpd itself asks for the missing half."""
    for method in ("GET", "POST", "OPTIONS", "PUT"):
        server.log.expect("AH01627")
        leaks.check_refused(soap.send(server, path="/nothing-required", method=method), 500,
                            "Receiver", "InternalServiceFault")


def test_http2(server, leaks):
    if server.mpm == "prefork":
        pytest.skip("mod_http2 does not work in prefork")
    pytest.importorskip("h2")
    server.log.expect("CEP0601", count=len(OPEN))
    for path in OPEN:
        leaks.check_refused(http2.send(server, path, soap.build()), 500, *DENIED)
        response = http2.send(server, path, method="HEAD")
        assert (response.status, response.body) == (200, b"")


@pytest.mark.parametrize("user", (None, "alice"))
@pytest.mark.parametrize("method", ("GET", "POST"))
def test_included_in_a_page(server, leaks, method, user):
    """A sub-request: refused even with the user's good password."""
    server.log.allow("AH01390", "AH01374", "unable to include")
    response = soap.send(server, user=user, path=SSI, method=method)
    leaks.check(response)
    assert b"begin" in response.body and b"Envelope" not in response.body


@pytest.mark.parametrize("path", (ERROR, ERROR + "-open"))
@pytest.mark.parametrize("method", ("GET", "POST"))
def test_as_an_error_document(server, leaks, method, path):
    server.log.expect("AH01630")
    marker = server.log.marker()
    response = soap.send(server, path=path, method=method)
    assert response.status == 403
    assert server.log.find("CEP0630", marker)
    leaks.check(response)
    assert b"Fault" not in response.body


def test_redirected_within_httpd(server, leaks):
    """The target asks for the user itself."""
    soap.check_answer(soap.send(server, path="/hop/to-basic"))
    leaks.check_refused(soap.send(server, user=None, path="/hop/to-basic"), 401, *DENIED)
    server.log.expect("AH01617")
    leaks.check_refused(soap.send(server, password="wrong", path="/hop/to-basic"), 401, *DENIED)
    server.log.expect("CEP0601")
    leaks.check_refused(soap.send(server, path="/hop/to-open"), 500, *DENIED)


def test_of_two_users_on_one_connection(server, leaks):
    """The user of a request is gone with it."""
    client = soap.Client(server)
    soap.check_answer(client.send(soap.build()))
    leaks.check_refused(client.send(soap.build(), headers={"Authorization": None}), 401, *DENIED)
    client.close()


# Client certificates.

@pytest.fixture(scope="module")
def tls_server(make_module_httpd, tmp_path_factory):
    server = make_module_httpd()
    ca = ClientAuthority(str(tmp_path_factory.mktemp("clients")))
    stranger = ClientAuthority(str(tmp_path_factory.mktemp("strangers")), "Stranger CA")
    server.known, server.stranger = ca.issue(), stranger.issue()
    server.fake = server.write("fake-users", "CN=client:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n"
                               "/CN=client:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
    fake = location_section("/fake", auth=False, extra=(
        "AuthType Basic", 'AuthName "CEP"', "AuthBasicProvider file",
        'AuthUserFile "%s"' % server.fake, "SSLOptions +FakeBasicAuth", "Require valid-user"))
    open_one = location_section("/open", auth=False, extra=("Require all granted",))
    cas = server.write("cas.pem", ca.pem)
    server.optional, server.unverified, server.none = free_port(), free_port(), free_port()
    server.log.allow("CEP0118", "CEP0119", "AH02225")
    by_name = ("SSLUserName SSL_TLS_SNI", "Require all granted")
    configure_sample(server)
    server.add_hosts(
        server.certificate_host(server.optional, "optional", cas, open_one, fake),
        server.certificate_host(
            server.unverified, "optional_no_ca", cas, open_one, fake,
            location_section("/named", auth=False, extra=(
                "SSLUserName SSL_CLIENT_S_DN_CN", "Require valid-user"))),
        server.certificate_host(
            server.none, None, cas, open_one,
            location_section("/by-server-name", auth=False, extra=by_name),
            location_section("/by-server-name-none", auth=False,
                             extra=("AuthType None",) + by_name),
            location_section("/by-server-name-basic", auth=False, extra=BASIC + by_name)))
    return server.start().wait_for_policy()


def connect(server, client, port, path, headers=None):
    return soap.send(server, user=None, path=path, headers=headers, port=port,
                     certificate=client and client.path)


@pytest.fixture(scope="module")
def tls_leaks(tls_server):
    return leaks_of(tls_server)


def test_optional_and_absent(tls_server, tls_leaks):
    tls_server.log.expect("CEP0601", count=2)
    for port in (tls_server.optional, tls_server.none):
        tls_leaks.check_refused(connect(tls_server, None, port, "/open"), 500, *DENIED)


def test_unverified(tls_server, tls_leaks):
    tls_server.log.expect("CEP0609", count=2)
    for path in ("/open", "/named"):
        tls_leaks.check_refused(connect(tls_server, tls_server.stranger, tls_server.unverified,
                                        path), 500, *DENIED)


@pytest.mark.parametrize("path", ("/by-server-name", "/by-server-name-none",
                                  "/by-server-name-basic"))
def test_a_variable_is_no_user(tls_server, tls_leaks, path):
    """SSLUserName takes any variable of mod_ssl's, here the name that the client asks for."""
    server = tls_server
    server.log.expect("CEP0601")
    context = soap.trust(server)
    context.check_hostname = False
    response = soap.send(server, user=None, path=path, headers={"Host": "alice"}, name="alice",
                         port=server.none, context=context)
    tls_leaks.check_refused(response, 500, *DENIED)


def test_fake_basic_auth(tls_server, tls_leaks):
    """mod_ssl makes a user of the certificate's name. No account has such a name, and where the
    certificate was not verified it is nobody's at all."""
    server = tls_server
    server.log.allow("AH01617", "AH01618", "CEP0609")
    for client, port in ((server.known, server.optional), (server.stranger, server.unverified)):
        response = connect(server, client, port, "/fake")
        tls_leaks.check_refused(response, response.status, *DENIED)
        assert response.status in (401, 500)
    tls_leaks.check_refused(connect(server, None, server.optional, "/fake"), 401, *DENIED)


def test_name_of_a_certificate_by_hand(tls_server, tls_leaks):
    """Without a certificate: its name and the word that mod_ssl would use."""
    import base64
    word = base64.b64encode(b"/CN=client:password").decode()
    tls_server.log.allow("AH02041", "AH01618", "AH02035")
    response = connect(tls_server, None, tls_server.optional, "/fake",
                       {"Authorization": "Basic " + word})
    tls_leaks.check_refused(response, response.status, *DENIED)
    assert response.status in (401, 403)
