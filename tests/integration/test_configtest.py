# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Configuration errors speak at `apachectl configtest`, in a sentence that says what to do.

To add one: a line in WRONG with the sections and a part of the sentence.
"""

import pytest

from cep_env import SAMPLE
from cep_env.httpd import directory_section, location_section

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
    # times and numbers
    ("interval of nothing", [section("CEPRefreshInterval 0"), LOCATION], "CEPRefreshInterval 0"),
    ("no interval", [section("CEPRefreshInterval soon"), LOCATION], "a time such as"),
    ("negative interval", [section("CEPRefreshInterval -5s"), LOCATION], "a time such as"),
    ("interval that overflows", [section("CEPRefreshInterval 99999999999999999999d"), LOCATION],
     "a time such as"),
    ("timeout of nothing", [section("CEPTimeout 0"), LOCATION], "a time such as"),
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
    ("limits", [section("CEPRefreshInterval 1", "CEPMaxStale 365d", "CEPTimeout 100ms"),
                location_section(extra=("CEPNextUpdate 8760", "CEPMaxRequestBody 1048576"))]),
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
