# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Configuration errors speak at `apachectl configtest`, in a sentence that says what to do.

To add one: a line in WRONG with the sections and a part of the sentence. What is no error is
warned of: WARNED and QUIET.
"""

import os
import re

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from cep_env import SAMPLE
from cep_env.certs import ClientAuthority, alternative_names
from cep_env.httpd import (
    BASIC, directory_section, free_port, has_modules, load_modules, location_section)

SERVER_AUTH, CLIENT_AUTH = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
ANY_USAGE = ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE

FILE = "file:" + SAMPLE
LDAP = "ldap://dc1.corp.example"
LOCATION = location_section()


def directory(*urls, **options):
    return directory_section(*urls, refresh=None, **options)


def section(*lines):
    """A directory section with more lines."""
    return directory(FILE, extra=lines)


def username(*lines):
    return location_section(auth=False, extra=("AuthType CEP", "Require valid-user") + lines)


WRONG = [
    # the section itself
    ("no name", ["<CEPDirectory>\nCEPURL %s\n</CEPDirectory>" % FILE, LOCATION], "needs a name"),
    ("odd name", [directory(FILE, name="../corp"), LOCATION], "needs a name"),
    ("twice", [directory(FILE), directory(FILE), LOCATION], "already defined at"),
    ("inside a host", [directory(FILE), "ServerAlias x\n" + directory(FILE, name="two")],
     "cannot occur within <VirtualHost> section"),
    ("outside", [directory(FILE), "CEPURL " + FILE], "belongs inside <CEPDirectory>"),
    ("what is for instances inside", [section("CEPRequireTLS Off"), LOCATION],
     "CEPRequireTLS at "),
    ("what is httpd's inside", [section("ServerName other"), LOCATION],
     "does not belong inside <CEPDirectory>"),
    ("what is httpd's, with an inside of its own",
     [section("<Location /x>", "</Location>"), LOCATION], "does not belong inside <CEPDirectory>"),
    ("what is for the whole server inside", [section("CEPTokenTTL 5m"), LOCATION],
     "CEPTokenTTL is for the whole server"),
    ("a section inside", [section("<CEPDirectory two>", "CEPURL " + FILE, "</CEPDirectory>"),
                          LOCATION], "<CEPDirectory at "),
    # CEPURL
    ("no URL", [directory(), LOCATION], "has no CEPURL"),
    ("not a URL", [directory("dc1.corp.example"), LOCATION], "does not begin with ldap://"),
    ("http", [directory("http://dc1.corp.example"), LOCATION], "does not begin with ldap://"),
    ("no host", [directory("ldap://"), LOCATION], "host name is missing"),
    ("bad port", [directory("ldap://dc1:99999"), LOCATION], "port is larger than 65535"),
    ("DN in the URL", [directory("ldap://dc1/DC=corp"), LOCATION], "DN, scope or filter"),
    ("file without a path", [directory("file:"), LOCATION], "path of the file is missing"),
    ("file beside ldap", [directory(FILE, LDAP), LOCATION], "must be its only CEPURL"),
    # binding
    ("unknown bind", [section("CEPBind ntlm"), LOCATION], "CEPBind must be"),
    ("simple without a name", [directory("ldaps://dc1", extra=("CEPBind simple",)), LOCATION],
     "needs CEPBindDN and CEPBindPasswordFile"),
    ("name without simple", [directory("ldaps://dc1", extra=("CEPBindDN cn=x",)), LOCATION],
     "of no use without CEPBind simple"),
    ("password in clear", [directory(LDAP, extra=(
        "CEPBind simple", "CEPBindDN cn=x", 'CEPBindPasswordFile "${ROOT}/users"')), LOCATION],
     "password in clear"),
    ("no password file", [directory("ldaps://dc1", extra=(
        "CEPBind simple", "CEPBindDN cn=x", "CEPBindPasswordFile /nonexistent")), LOCATION],
     "CEPBindPasswordFile /nonexistent cannot be read"),
    ("external over ldap", [directory(LDAP, extra=("CEPBind external",)), LOCATION],
     "goes with ldapi:// only"),
    ("StartTLS over ldaps", [directory("ldaps://dc1", extra=("CEPStartTLS On",)), LOCATION],
     "goes with ldap:// only"),
    ("no CA file", [directory("ldaps://dc1", extra=("CEPCACertificateFile /nonexistent",)),
                    LOCATION], "CEPCACertificateFile /nonexistent cannot be read"),
    ("gssapi without a keytab", [directory(LDAP, extra=("CEPBind gssapi",)), LOCATION],
     "CEPBind gssapi needs CEPKeytab"),
    ("keytab without gssapi", [directory(LDAP, extra=("CEPKeytab x",)), LOCATION],
     "of no use without CEPBind gssapi"),
    ("principal without gssapi", [directory(LDAP, extra=("CEPPrincipal x",)), LOCATION],
     "of no use without CEPBind gssapi"),
    ("no keytab file", [directory(LDAP, extra=("CEPBind gssapi", "CEPKeytab FILE:/nonexistent")),
                        LOCATION], "CEPKeytab /nonexistent cannot be used"),
    ("no keytab at all", [directory(LDAP, extra=(
        "CEPBind gssapi", 'CEPKeytab "${ROOT}/users"')), LOCATION], "cannot be used"),
    ("a device", [directory(LDAP, extra=("CEPBind gssapi", "CEPKeytab /dev/zero")), LOCATION],
     "CEPKeytab /dev/zero cannot be used"),
    ("gssapi over ldapi", [directory("ldapi://", extra=(
        "CEPBind gssapi", 'CEPKeytab "${ROOT}/users"')), LOCATION],
     "goes with ldap:// and ldaps:// only"),
    ("gssapi and a name", [directory(LDAP, extra=(
        "CEPBind gssapi", "CEPBindDN cn=x", 'CEPKeytab "${ROOT}/users"')), LOCATION],
     "of no use without CEPBind simple"),
    ("no domain", [directory("ldap:///CN=x,DC=corp"), LOCATION], "no DN of a domain"),
    ("site of no domain", [directory(LDAP, extra=("CEPSite Berlin",)), LOCATION],
     "CEPSite is of no use without a domain"),
    ("odd site", [directory("ldap:///DC=corp", extra=("CEPSite a.b",)), LOCATION],
     "must be the name of a site"),
    ("longest site and one more", [directory("ldap:///DC=corp", extra=(
        "CEPSite " + "a" * 64,)), LOCATION], "must be the name of a site"),
    # times and numbers
    ("interval of nothing", [section("CEPRefreshInterval 0"), LOCATION], "CEPRefreshInterval 0"),
    ("no interval", [section("CEPRefreshInterval soon"), LOCATION], "a time such as"),
    ("negative interval", [section("CEPRefreshInterval -5s"), LOCATION], "a time such as"),
    ("interval that overflows", [section("CEPRefreshInterval 99999999999999999999d"), LOCATION],
     "a time such as"),
    ("timeout of nothing", [section("CEPTimeout 0"), LOCATION], "a time such as"),
    ("no full refresh", [section("CEPFullRefresh 0"), LOCATION], "CEPFullRefresh 0"),
    ("full refresh beyond a week", [section("CEPFullRefresh 8d"), LOCATION], "CEPFullRefresh 8d"),
    ("stale before refreshed", [section("CEPRefreshInterval 1h", "CEPMaxStale 5m"), LOCATION],
     "CEPMaxStale is shorter than CEPRefreshInterval"),
    ("StartTLS maybe", [section("CEPStartTLS maybe"), LOCATION], "On or Off"),
    # CEPEnrollmentURI
    ("URI cut short", [section('CEPEnrollmentURI "CA 1" kerberos'), LOCATION],
     "needs the CA's name"),
    ("URI by post", [section('CEPEnrollmentURI "CA 1" post https://x/'), LOCATION],
     "is no authentication"),
    ("URI by http", [section('CEPEnrollmentURI "CA 1" kerberos http://x/'), LOCATION],
     "does not begin with https://"),
    ("URI with more", [section('CEPEnrollmentURI "CA 1" kerberos https://x/ often'), LOCATION],
     "is none of priority"),
    ("URI of negative priority", [section('CEPEnrollmentURI "CA 1" 2 https://x/ priority=-1'),
                                  LOCATION], "is none of priority"),
    # an instance
    ("no such directory", [directory(FILE), location_section(directory="other")],
     "there is no <CEPDirectory other>"),
    ("instance without a directory", [directory(FILE), location_section(directory=None)],
     "needs CEPPolicy"),
    ("empty name", [directory(FILE), location_section(extra=('CEPPolicyName ""',))],
     "CEPPolicyName"),
    ("name with a control character", [directory(FILE), location_section(name="a\tb")],
     "control characters"),
    ("next update of nothing", [directory(FILE), location_section(extra=("CEPNextUpdate 0",))],
     "CEPNextUpdate must be"),
    ("next update in a year and an hour", [directory(FILE), location_section(
        extra=("CEPNextUpdate 8761",))], "CEPNextUpdate must be"),
    ("a year and a day's margin", [directory(FILE), location_section(
        extra=("CEPFreshnessMargin 366d",))], "CEPFreshnessMargin 366d: a time such as"),
    ("tiny body", [directory(FILE), location_section(extra=("CEPMaxRequestBody 1023",))],
     "CEPMaxRequestBody must be"),
    ("huge body", [directory(FILE), location_section(extra=("CEPMaxRequestBody 1048577",))],
     "CEPMaxRequestBody must be"),
    ("TLS perhaps", [directory(FILE), location_section(extra=("CEPRequireTLS perhaps",))],
     "On or Off"),
    ("PAC perhaps", [directory(FILE), location_section(extra=("CEPRequirePAC perhaps",))],
     "On or Off"),
    ("PAC that nobody hands on", [directory(FILE), location_section(extra=("CEPRequirePAC On",))],
     "say GssapiNameAttributes json"),
    ("mapping by nothing", [directory(FILE), location_section(
        extra=("CEPCertificateMapping",))], "CEPCertificateMapping needs one or more of sid"),
    ("mapping by mail", [directory(FILE), location_section(
        extra=("CEPCertificateMapping sid mail",))],
     "CEPCertificateMapping: mail is none of sid, altsecid, upn and dns"),
    ("next update in no time", [directory(FILE), location_section(
        extra=("CEPNextUpdate 8 -1",))], "CEPNextUpdate: the spread must be"),
    ("next update spread over a year and an hour", [directory(FILE), location_section(
        extra=("CEPNextUpdate 8 8753",))], "CEPNextUpdate: the spread must be"),
    ("name in no language", [directory(FILE), location_section(
        extra=('CEPPolicyName "Richtlinie" de_CH',))], "CEPPolicyName: de_CH is no language tag"),
    ("name in a language of nine letters", [directory(FILE), location_section(
        extra=('CEPPolicyName "Richtlinie" abcdefghi',))], "is no language tag"),
    ("name in a language with a digit", [directory(FILE), location_section(
        extra=('CEPPolicyName "Richtlinie" d3',))], "CEPPolicyName: d3 is no language tag"),
    ("name in half a language", [directory(FILE), location_section(
        extra=('CEPPolicyName "Richtlinie" de-',))], "CEPPolicyName: de- is no language tag"),
    ("templates without a name", [directory(FILE), location_section(
        extra=("CEPTemplates",))], "CEPTemplates requires at least one argument"),
    ("the exclusion of nothing", [directory(FILE), location_section(extra=("CEPTemplates !",))],
     "CEPTemplates: ! names nothing"),
    ("a template in and out", [directory(FILE), location_section(
        extra=("CEPTemplates User Corp*", "CEPTemplates !corp*"))],
     "CEPTemplates: !corp* is both included and excluded"),
    ("a template of control characters", [directory(FILE), location_section(
        extra=('CEPTemplates "a\tb"',))], "holds control characters"),
    ("a template that is too long", [directory(FILE), location_section(
        extra=("CEPTemplates " + 1025 * "a",))], "is longer than the name of any template"),
    ("rights to read", [directory(FILE), location_section(extra=("CEPTemplateRights read",))],
     "CEPTemplateRights must be enroll or autoenroll"),
    ("a generous filter", [directory(FILE), location_section(
        extra=("CEPVersionFilter generous",))], "CEPVersionFilter must be spec or lenient"),
    ("version 0", [directory(FILE), location_section(extra=("CEPMaxVersion 0",))],
     "CEPMaxVersion must be"),
    ("version 16", [directory(FILE), location_section(extra=("CEPMaxVersion 16",))],
     "CEPMaxVersion must be"),
    ("renewal perhaps", [directory(FILE), location_section(
        extra=("CEPKeyBasedRenewal perhaps",))], "On or Off"),
    ("renewal by Kerberos", [directory(FILE), location_section(
        auth=False, extra=("CEPKeyBasedRenewal On", "AuthType GSSAPI", "Require valid-user"))],
     "CEP0130: CEPKeyBasedRenewal On at "),
    ("renewal by Kerberos, said before", [directory(FILE), location_section(
        auth=False, extra=("AuthType negotiate", "Require valid-user", "CEPKeyBasedRenewal on"))],
     "and AuthType negotiate do not go together"),
    ("renewal with a PAC", [directory(FILE), location_section(
        extra=("CEPKeyBasedRenewal On", "CEPRequirePAC On"))],
     "and CEPRequirePAC On would refuse everybody"),
    # AuthType CEP
    ("provider that is not there", [directory(FILE), username("CEPAuthProvider ldap2")],
     'there is no provider "ldap2"'),
    ("provider before its alias", [directory(FILE), username("CEPAuthProvider later"),
                                   "AuthName x"], 'there is no provider "later"'),
    ("provider for nobody", [directory(FILE), location_section(extra=("CEPAuthProvider file",))],
     "CEPAuthProvider at"),
    ("failures for nobody", [directory(FILE), location_section(extra=("CEPAuthFailures off",))],
     "is of no use without AuthType CEP"),
    ("no failures", [directory(FILE), username("CEPAuthFailures 0 30m")],
     "needs a number from 1 to 1000"),
    ("failures beyond the limit", [directory(FILE), username("CEPAuthFailures 1001 30m")],
     "needs a number from 1 to 1000"),
    ("failures without a window", [directory(FILE), username("CEPAuthFailures 3")],
     "needs a number from 1 to 1000"),
    ("short window", [directory(FILE), username("CEPAuthFailures 3 999ms")], "a time such as"),
    ("long window", [directory(FILE), username("CEPAuthFailures 3 25h")], "a time such as"),
    ("cache directory in a host", [directory(FILE), "CEPCacheDir /tmp"], "CEPCacheDir"),
]

# No error although one might think so.
RIGHT = [
    ("minimal", [directory(FILE), LOCATION]),
    ("nothing at all", []),
    ("directory that nobody uses", [directory(FILE)]),
    ("two directories", [directory(FILE), directory(LDAP, name="other"), LOCATION]),
    ("several servers", [directory(LDAP, "ldaps://dc2.corp.example:3269", extra=(
        "CEPTimeout 500ms",)), LOCATION]),
    ("limits", [section("CEPRefreshInterval 1", "CEPFullRefresh 7d", "CEPMaxStale 365d", "CEPTimeout 100ms"),
                location_section(extra=("CEPNextUpdate 8760", "CEPMaxRequestBody 1048576"))]),
    ("domains", [directory("ldap:///DC=corp,DC=example", "ldaps:///dc=corp%2cdc=example", extra=(
        "CEPSite " + "a" * 63,)), LOCATION]),
    ("no margin", [directory(FILE), location_section(extra=("CEPFreshnessMargin 0",))]),
    ("a year's margin", [directory(FILE), location_section(extra=("CEPFreshnessMargin 365d",))]),
    ("conditions inside a section", [section(
        "<IfModule cep_module>", "CEPMaxStale 2h", "</IfModule>", "<IfDefine !Nothing>",
        "CEPTimeout 1s", "</IfDefine>", 'IncludeOptional "${ROOT}/none*.conf"'), LOCATION]),
    ("a file that is not there yet", [directory("file:/nonexistent.ldif"), LOCATION]),
    ("no PAC wanted", [directory(FILE), location_section(extra=("CEPRequirePAC Off",))]),
    ("all mappings, in any order and case", [directory(FILE), location_section(
        extra=("CEPCertificateMapping DNS upn AltSecId sid sid",))]),
    ("limits of a view", [directory(FILE), location_section(extra=(
        "CEPNextUpdate 1 8759", "CEPMaxVersion 15", "CEPTemplates " + 1024 * "a",
        "CEPTemplates !" + 1024 * "b", 'CEPPolicyName "Name" abcdefgh-12345678'))]),
    ("no renewal by Kerberos", [directory(FILE), location_section(
        auth=False, extra=("CEPKeyBasedRenewal Off", "AuthType Negotiate", "Require valid-user"))]),
    ("renewal here, Kerberos there", [directory(FILE), location_section(
        extra=("CEPKeyBasedRenewal On",)), location_section("/kerberos", auth=False, extra=(
            "AuthType Negotiate", "Require valid-user"))]),
    ("user name and password", [directory(FILE), username()]),
    ("with all words", [directory(FILE), username("CEPAuthProvider file file",
                                                  "CEPAuthFailures 1000 24h")]),
    ("not counted", [directory(FILE), username("CEPAuthFailures OFF").replace(
        "AuthType CEP", "AuthType cep")]),
    ("type in quotes", [directory(FILE), username("CEPAuthFailures 3 30m").replace(
        "AuthType CEP", 'AuthType "CEP"')]),
    ("provider inherited", ["CEPAuthProvider file", directory(FILE), username()]),
    ("inherited", ["CEPPolicy corp", directory(FILE), location_section(directory=None)]),
]


@pytest.mark.parametrize("sections, sentence", [row[1:] for row in WRONG],
                         ids=[row[0] for row in WRONG])
def test_wrong(make_httpd, sections, sentence):
    server = make_httpd()
    server.configure(*sections)
    server.log.allow("CEP0101", "CEP0102", "CEP0130")  # configtest may write to the log as well
    server.log.allow("CEP0101", "CEP0102", "CEP0110")  # configtest may write to the log as well
    status, output = server.configtest()
    assert status != 0, "accepted: " + output
    assert sentence in output + server.log.tail(), output


@pytest.mark.parametrize("sections", [row[1] for row in RIGHT], ids=[row[0] for row in RIGHT])
def test_right(make_httpd, sections):
    server = make_httpd()
    server.configure(*sections)
    status, output = server.configtest()
    assert (status, output.strip()) == (0, "Syntax OK")


# Warnings: what is no fault and yet will not do.

USER = BASIC + ("Require valid-user",)
CEP = "/ADPolicyProvider_CEP_Kerberos/service.svc/CEP"
MATCH = r'"(?i)^/ADPolicyProvider_CEP_Kerberos/service\.svc/CEP$"'


def plain(*lines, path="/x", kind="Location"):
    """A section with a handler and what else is given."""
    text = path if path.startswith('"') else '"%s"' % path
    return "<%s %s>\n%s\n</%s>" % (kind, text, "\n".join(
        ("SetHandler cep", "CEPPolicy corp") + lines), kind)


def section_of(kind, argument, *lines):
    return "<%s %s>\n%s\n</%s>" % (kind, argument, "\n".join(lines), kind)


def gss(*lines, **options):
    return plain("AuthType GSSAPI", 'AuthName "CEP"', "Require valid-user", *lines, **options)


KRB5, TLS_ONLY = "GssapiAllowedMech krb5", "GssapiSSLonly On"

# name, what stands in the virtual host with TLS, the codes that are expected there
WARNED = [
    ("no authentication", [plain("Require all granted")], {"CEP0118"}),
    ("nothing at all", [plain()], {"CEP0118"}),
    ("AuthType None", [plain("AuthType None", "Require valid-user")], {"CEP0118"}),
    ("no Require", [plain(*BASIC)], {"CEP0119"}),
    ("all granted", [plain(*BASIC, "Require all granted")], {"CEP0119"}),
    ("granted beside a user", [plain(*USER, "Require all granted")], {"CEP0119"}),
    ("one policyID for two views", [plain(*USER, "CEPPolicyID x", path="/one"), plain(
        *USER, "CEPPolicyID x", "CEPTemplates Corp*", path="/two")], {"CEP0131"}),
    ("one for two rights", ["CEPPolicyID x", plain(*USER, path="/one"), plain(
        *USER, "CEPTemplateRights autoenroll", path="/two")], {"CEP0131"}),
    ("any of both", [plain(*BASIC, "<RequireAny>", "Require all granted", "Require valid-user",
                           "</RequireAny>")], {"CEP0119"}),
    ("addresses only", [plain(*BASIC, "Require ip 10.0.0.0/8")], {"CEP0119"}),
    ("satisfied by an address", [plain(*USER, "Satisfy Any")], {"CEP0119"}),
    ("anybody's word", [plain("AuthType Basic", 'AuthName "CEP"', "AuthBasicProvider file anon",
                              'AuthUserFile "${ROOT}/users"', "Require valid-user")],
     {"CEP0126"}),
    ("anybody's word in a token", [plain("AuthType CEP", "CEPAuthProvider anon",
                                         "Require valid-user")], {"CEP0126"}),
    ("elsewhere", [plain("Require all granted"), section_of("Location", '"/y"', *USER)],
     {"CEP0118"}),
    ("below", [plain("Require all granted"), section_of("Location", '"/x/y"', *USER)],
     {"CEP0118"}),
    ("documents of others", [plain(path="/x"), section_of("Directory", '"/srv/other"', *USER)],
     {"CEP0118"}),
    ("another pattern", [plain(path=MATCH, kind="LocationMatch"),
                         section_of("LocationMatch", '"(?i)^/KeyBased"', *USER)], {"CEP0118"}),
    ("any mechanism", [gss(TLS_ONLY)], {"CEP0123"}),
    ("NTLM", [gss(TLS_ONLY, KRB5 + " ntlmssp")], {"CEP0123"}),
    ("bound to a connection", [gss(TLS_ONLY, KRB5, "GssapiConnectionBound On")], {"CEP0124"}),
    ("certificate in a section", [plain("SSLVerifyClient require", "Require ssl-verify-client")],
     {"CEP0127"}),
]

# Nothing to warn of.
QUIET = [
    ("one policyID for one view", ["CEPPolicyID x", "CEPTemplates User", plain(
        *USER, "CEPTemplates Corp* user", "CEPTemplates USER", path="/one"), plain(
            *USER, "CEPTemplates user corp*", path="/two"), plain(
                *USER, "CEPTemplates Corp* User", "CEPKeyBasedRenewal On", path="/three")]),
    ("a policyID for each view", [plain(*USER, "CEPPolicyID x", path="/one"), plain(
        *USER, "CEPPolicyID y", "CEPTemplates Corp*", path="/two")]),
    ("no policyID for two views", [plain(*USER, path="/one"), plain(
        *USER, "CEPTemplates Corp*", path="/two")]),
    ("user", [plain(*USER)]),
    ("group", [plain(*BASIC, "Require user alice bob")]),
    ("expression", [plain(*BASIC, 'Require expr "%{REMOTE_USER} != \'\'"')]),
    ("all of several", [plain(*BASIC, "<RequireAll>", "Require all granted", "Require valid-user",
                              "</RequireAll>")]),
    ("closed", [plain(*BASIC, "Require all denied")]),
    ("user of the whole site", [section_of("Location", '"/"', *USER), plain()]),
    ("user of what is above", [section_of("Location", '"/x/"', *USER), plain(path="/x/y")]),
    ("user of a wildcard", [section_of("Location", '"/*/y"', *USER), plain(path="/x/y")]),
    ("user of the document root", [section_of("Directory", '"${ROOT}"', *USER), plain()]),
    ("user of a pattern", [section_of("LocationMatch", '"service\\.svc/CEP$"', *USER),
                           plain(path=CEP)]),
    ("patterns", [section_of("LocationMatch", '"(?i)service\\.svc/CEP$"', *USER),
                  plain(path=MATCH, kind="LocationMatch")]),
    ("pattern that nobody can read", [section_of("Location", '"/a"', *USER), plain(
        path='"^/(a|b)+/CEP$"', kind="LocationMatch")]),
    ("the old way of a pattern", [section_of("Location", '~ "^/x"', *USER), plain()]),
    ("said twice", [section_of("Location", '"/x"', *USER), plain()]),
    ("in IfModule and IfDefine", [
        "<IfModule cep_module>\n<IfDefine !NoCep>\n%s\n</IfDefine>\n</IfModule>" % plain(
            "<IfModule ssl_module>", *USER, "</IfModule>")]),
    ("included", ["Define CEP_PATH /x\nInclude ${ROOT}/more.conf"]),
    ("Kerberos", [gss(TLS_ONLY, KRB5)]),
    ("Kerberos in quotes", [gss(TLS_ONLY, KRB5.replace("krb5", '"krb5"'))]),
    ("Kerberos for TLS alone", [gss(KRB5)]),
    ("on a condition", [plain("<If \"%{HTTP_HOST} != ''\">", *USER, "</If>")]),
]


def warnings(server, outer=(), inner=(), host=()):
    """Codes that configtest tells, and those in the log after a start."""
    # httpd's user may not be let into the folder of the source.
    with open(SAMPLE, encoding="utf-8") as file:
        copy = server.write("policy.ldif", file.read())
    server.configure(directory("file:" + copy), server=(
        "CEPTokenTTL 0",
        *load_modules("authz_host", "access_compat", "authn_anon", "auth_gssapi")))
    text = open(server.path("httpd.conf"), encoding="utf-8").read().split("<VirtualHost")[0]
    server.write("more.conf", plain(*USER, path="${CEP_PATH}"))
    server.write("httpd.conf", text + "\n".join([
        *outer, *server.host(server.port, inner, True), *host]) + "\n")
    status, output = server.configtest()
    assert status == 0, output
    told = re.findall(r"^(CEP\d{4}): ", output, re.M)
    assert all(re.search(r"%s: .* at \S+:\d+: .*; \w+" % code, output) for code in told), output
    server.log.allow(*set(told), "AH01597")
    server.start()
    server.stop()
    logged = [line.code for line in server.log.find("CEP01")]
    assert sorted(logged) == sorted(told), (logged, output)
    return set(told)


needs_gssapi = pytest.mark.skipif(not has_modules("auth_gssapi"),
                                  reason="mod_auth_gssapi is not installed")


@needs_gssapi
@pytest.mark.parametrize("sections, codes", [row[1:] for row in WARNED],
                         ids=[row[0] for row in WARNED])
def test_warned(make_httpd, sections, codes):
    assert warnings(make_httpd(), inner=sections) == codes


@needs_gssapi
@pytest.mark.parametrize("sections", [row[1] for row in QUIET], ids=[row[0] for row in QUIET])
def test_nothing_to_warn_of(make_httpd, sections):
    assert warnings(make_httpd(), inner=sections) == set()


# TLS: outside of hosts, in the host with TLS, in a host without (open to others), codes
EVERYWHERE = plain(*USER)
CLEAR = plain("CEPRequireTLS Off", *USER)
PLAIN_HOST = [
    ("in both hosts", (), [EVERYWHERE], [EVERYWHERE], set()),
    ("in the main server", [EVERYWHERE], (), (), set()),
    ("without TLS only", (), (), [EVERYWHERE], {"CEP0120"}),
    ("another one without TLS", (), [EVERYWHERE], [plain(*USER, path="/y")], {"CEP0120"}),
    ("allowed in clear", (), (), [CLEAR], {"CEP0121"}),
    ("allowed in clear everywhere", ["CEPRequireTLS Off", EVERYWHERE], (), (), {"CEP0121"}),
    ("allowed where there is TLS", (), [CLEAR], (), set()),
    ("tickets in clear", (), (), [gss(KRB5)], {"CEP0120", "CEP0125"}),
    ("no tickets in clear", [gss(KRB5, TLS_ONLY)], (), (), set()),
    ("tickets in clear in the main server", [gss(KRB5)], (), (), {"CEP0125"}),
]


@needs_gssapi
@pytest.mark.parametrize("outer, inner, plain_host, codes", [row[1:] for row in PLAIN_HOST],
                         ids=[row[0] for row in PLAIN_HOST])
def test_plain_http(make_httpd, outer, inner, plain_host, codes):
    server = make_httpd()
    port = free_port()
    host = ["Listen %d http" % port, "<VirtualHost *:%d>" % port, "ServerName localhost",
            *plain_host, "</VirtualHost>"]
    assert warnings(server, outer, inner, host) == codes


def test_plain_http_on_this_machine(make_httpd):
    """TLS ends in front, on the same machine."""
    server = make_httpd()
    for listen, address in (("127.0.0.1:%d", "127.0.0.1:%d"), ("127.0.0.1:%d", "*:%d")):
        port = free_port()
        assert warnings(server, host=["Listen %s http" % listen % port, "<VirtualHost %s>" % (
            address % port), CLEAR, "</VirtualHost>"]) == set()
        server.log.check()
        os.remove(server.path("error.log"))


@pytest.mark.parametrize("options, code", [
    ({}, None), ({"usages": ()}, None), ({"usages": (ANY_USAGE,)}, None),
    ({"usages": (CLIENT_AUTH,)}, "lacks the purpose serverAuth"),
    ({"usages": (CLIENT_AUTH, SERVER_AUTH)}, None),
    ({"usages": (SERVER_AUTH,), "days": (-9, -1)}, "has expired"),
    ({"usages": (SERVER_AUTH,), "days": (1, 9)}, "is not valid yet"),
])
def test_server_certificate(make_httpd, tmp_path, options, code):
    server = make_httpd()
    made = ClientAuthority(str(tmp_path)).issue(
        alternative_names(dns=["localhost"]), **{"usages": (SERVER_AUTH,), **options})
    server.certificates.server_file = server.certificates.server_key_file = made.path
    server.configure(directory(FILE), EVERYWHERE, plain(*USER, path="/y"))
    status, output = server.configtest()
    assert status == 0
    if not code:
        assert output.strip() == "Syntax OK"
        return
    assert output.count("CEP0122") == 1  # once, though two instances show it
    assert code in output and made.path in output


def test_whoever_serves_nothing_is_not_warned(make_httpd):
    server = make_httpd()
    server.configure(directory(FILE), section_of("Location", '"/x"', "Require all granted"))
    assert server.configtest()[1].strip() == "Syntax OK"


def test_without_watchdog(make_httpd):
    """A module that is missing is named at the start."""
    server = make_httpd()
    server.configure(directory(FILE), LOCATION)
    text = open(server.path("httpd.conf"), encoding="utf-8").read()
    if "mod_watchdog.so" not in text:
        pytest.skip("mod_watchdog is built into this httpd")
    server.write("httpd.conf", "\n".join(line for line in text.splitlines()
                                         if "mod_watchdog.so" not in line))
    server.log.allow("CEP0103", "AH00020")
    with pytest.raises(AssertionError) as ended:
        server.start()
    assert "mod_watchdog" in str(ended.value)


@pytest.mark.parametrize("mode", (0o777, 0o770))
def test_cache_directory_that_others_may_write(make_httpd, mode):
    import os
    server = make_httpd()
    server.configure(directory(FILE), LOCATION)
    os.chmod(server.cache, mode)
    server.log.allow("CEP0104", "AH00020")
    with pytest.raises(AssertionError) as ended:
        server.start()
    assert "CEP0104" in str(ended.value)
