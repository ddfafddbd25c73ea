#!/usr/bin/python3
# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Write conf.d/sample.ldif: a small forest with AD CS, for the demonstration and the tests.

    tests/tools/make_sample.py [FILE]

The output depends on this file alone, but for the CA certificates: when FILE exists, its
certificates are kept, so that a change of one template changes that template only. Delete FILE
to get new certificates. Attribute forms: [MS-CRTD] 2, [MS-WCCE] 2.2.2.11, [MS-ADTS] 6.1.
"""

import base64
import hashlib
import os
import re
import struct
import sys
import textwrap
import uuid
from datetime import datetime

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

import security_descriptor  # noqa: E402

DOMAIN_DN = "DC=corp,DC=example"
CONFIG_DN = "CN=Configuration," + DOMAIN_DN
SCHEMA_DN = "CN=Schema," + CONFIG_DN
PKI_DN = "CN=Public Key Services,CN=Services," + CONFIG_DN
DOMAIN_SID = "S-1-5-21-2716443681-1129846205-3517726490"

# The forest's own arc below Microsoft's 1.3.6.1.4.1.311.21.8, as AD makes one per forest.
FOREST_OID = "1.3.6.1.4.1.311.21.8.9104377.2360845.7745926.10483217.4417390.118"
HIGH_ASSURANCE = FOREST_OID + ".1.402"
BUILD_SIGNING = FOREST_OID + ".7716204.3358119"

# Rights as Windows writes them on templates: Enroll and AutoEnroll by object ACEs that carry
# CR|WP|RP (0x130); "Full Control" is 0xF00FF and holds no Enroll; read is 0x20094.
FULL = "(A;;0xf00ff;;;%s)"
READ = "(A;;0x20094;;;AU)"

# RIDs of the groups, users and computers below.
RIDS = {
    "Sales": 1110, "Departments": 1111, "Certificate Users": 1112, "Sales Partners": 1113,
    "Certificates Suspended": 1114, "Web Administrators": 1115, "Developers": 1116,
    "alice": 1201, "bob": 1202, "carol": 1203, "dave": 1204, "erin": 1205, "frank": 1206,
    "grace": 1207, "WS01$": 1301, "DC1$": 1001, "CA1$": 1302,
}

# Durations of pKIExpirationPeriod and pKIOverlapPeriod in days.
YEAR, WEEK = 365, 7

CLIENT_AUTH = "1.3.6.1.5.5.7.3.2"
SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
CODE_SIGNING = "1.3.6.1.5.5.7.3.3"
SECURE_EMAIL = "1.3.6.1.5.5.7.3.4"
OCSP_SIGNING = "1.3.6.1.5.5.7.3.9"
KDC_AUTH = "1.3.6.1.5.2.3.5"
SMARTCARD_LOGON = "1.3.6.1.4.1.311.20.2.2"
REQUEST_AGENT = "1.3.6.1.4.1.311.20.2.1"
EFS = "1.3.6.1.4.1.311.10.3.4"

KEY_USAGE, SAN, BASIC_CONSTRAINTS = "2.5.29.15", "2.5.29.17", "2.5.29.19"
CERT_POLICIES = "2.5.29.32"

RSA_SCHANNEL = "Microsoft RSA SChannel Cryptographic Provider"
ENHANCED = "Microsoft Enhanced Cryptographic Provider v1.0"
BASE = "Microsoft Base Cryptographic Provider v1.0"
SMART_CARD_CSP = "Microsoft Base Smart Card Crypto Provider"
SOFTWARE_KSP = "Microsoft Software Key Storage Provider"
PLATFORM_KSP = "Microsoft Platform Crypto Provider"

OCSP_KEY_SDDL = "D:P(A;;FA;;;BA)(A;;FA;;;SY)(A;;GR;;;NS)"


def sid(name):
    return "%s-%d" % (DOMAIN_SID, RIDS[name])


def guid(name):
    """A GUID that depends on the name alone."""
    return uuid.uuid5(uuid.UUID("5f2c0f0e-6d35-4c1b-9d3c-0f6f5a3f9c21"), name).bytes_le


def signed(value):
    """AD stores flags as signed 32-bit integers."""
    return value - (1 << 32) if value & 0x80000000 else value


def period(days):
    """Eight octets, little-endian, negative, in units of 100 ns: [MS-CRTD] 2.11."""
    return struct.pack("<q", -days * 86400 * 10000000)


def properties(**values):
    """The backtick form of msPKI-RA-Application-Policies of CNG templates: [MS-CRTD] 2.23.2."""
    names = {
        "ra": ("msPKI-RA-Application-Policies", "PZPWSTR"),
        "algorithm": ("msPKI-Asymmetric-Algorithm", "PZPWSTR"),
        "hash": ("msPKI-Hash-Algorithm", "PZPWSTR"),
        "key_sddl": ("msPKI-Key-Security-Descriptor", "PZPWSTR"),
        "usage": ("msPKI-Key-Usage", "DWORD"),
        "symmetric": ("msPKI-Symmetric-Algorithm", "PZPWSTR"),
        "symmetric_length": ("msPKI-Symmetric-Key-Length", "DWORD"),
    }
    return ["".join("%s`%s`%s`" % (names[key] + (values[key],)) for key in names if key in values)]


def explain(sddl):
    """The text form for a comment: one ACE a line, accounts of this file by name."""
    for name in RIDS:
        sddl = sddl.replace(sid(name), "<%s>" % name)
    return "nTSecurityDescriptor:\n  " + sddl.replace("(", "\n  (")


def template_sddl(enroll=(), autoenroll=(), deny=()):
    """Deny first, then Enroll, AutoEnroll, full control, read: the canonical order."""
    text = "O:EAG:EAD:PAI"
    text += "".join("(OD;;0x130;Enroll;;%s)" % who for who in deny)
    text += "".join("(OA;;0x130;Enroll;;%s)" % who for who in enroll)
    text += "".join("(OA;;0x130;AutoEnroll;;%s)" % who for who in autoenroll)
    return text + FULL % "DA" + FULL % "EA" + READ


# What a template is unless it says otherwise.
DEFAULTS = {
    "display": None, "minor": 0, "validity": YEAR, "renewal": 6 * WEEK, "flags": 0, "enrollment": 0,
    "private_key": 0, "name": 0, "key_size": 2048, "key_spec": 1, "key_usage": b"\xa0\x00",
    "csps": (), "ekus": (), "policies": (), "critical": (KEY_USAGE,), "depth": 0, "supersedes": (),
    "ra_signatures": 0, "ra_application": (), "ra_policies": (), "deny": (), "autoenroll": (),
}

TEMPLATES = [
    dict(cn="User", schema=1, revision=3, minor=1, arc="1.1",
         flags=0x1023A, enrollment=0x29, private_key=0x10, name=0xA6000000,
         csps=("2," + BASE, "1," + ENHANCED), ekus=(EFS, SECURE_EMAIL, CLIENT_AUTH),
         enroll=("DA", "DU", "EA"),
         note="Schema version 1, as every forest has it: all domain users may enroll, nobody"
              " enrolls automatically. The provider list is numbered and out of order on"
              " purpose: the number decides."),
    dict(cn="Machine", display="Computer", schema=1, revision=5, minor=1, arc="1.14",
         flags=0x10260, name=0x18000000, csps=("1," + RSA_SCHANNEL,),
         ekus=(CLIENT_AUTH, SERVER_AUTH), enroll=("DA", "DC", "EA"),
         note="Schema version 1 for computers: flag 0x40 says that it is for a machine."),
    dict(cn="WebServer", display="Web Server", schema=1, revision=4, minor=1, arc="1.16",
         flags=0x10241, name=1, validity=2 * YEAR, csps=("1," + RSA_SCHANNEL,), ekus=(SERVER_AUTH,),
         enroll=("DA", "EA", sid("Web Administrators")),
         note="Schema version 1 with the subject in the request: for a few trusted people only."),
    dict(cn="CorpUser", display="Corp User", schema=2, revision=100, minor=7,
         arc="14212871.5310262.1", flags=0x2023A, enrollment=0x29, private_key=0x01010010,
         name=0xA6000000, csps=("1," + ENHANCED, "2," + BASE), supersedes=("User",),
         ekus=(CLIENT_AUTH, SECURE_EMAIL, EFS),
         enroll=("DA", sid("Certificate Users")), autoenroll=(sid("Certificate Users"),),
         deny=(sid("Certificates Suspended"),),
         note="Schema version 2, automatic enrollment for a group of groups, and an explicit deny"
              " for those whose certificates are suspended. It supersedes User."),
    dict(cn="CorpComputer", display="Corp Computer", schema=2, revision=101, minor=0,
         arc="14212871.5310262.2", flags=0x20260, enrollment=0x20, private_key=0x01010000,
         name=0x18000000, csps=("1," + RSA_SCHANNEL,), supersedes=("Machine",),
         ekus=(CLIENT_AUTH, SERVER_AUTH), enroll=("DA", "DC", "EA"), autoenroll=("DC",),
         note="Schema version 2, automatic enrollment for all domain computers. Both CAs"
              " publish it."),
    dict(cn="CorpDomainController", display="Corp Domain Controller", schema=2, revision=110,
         minor=2, arc="14212871.5310262.3", flags=0x2026C, enrollment=0x28, private_key=0x01010000,
         name=0x09000000, csps=("1," + RSA_SCHANNEL,), critical=(SAN, KEY_USAGE),
         ekus=(CLIENT_AUTH, SERVER_AUTH, SMARTCARD_LOGON, KDC_AUTH),
         enroll=("DA", "EA", "ED"), autoenroll=("ED",),
         note="Schema version 2 for domain controllers of the whole forest: S-1-5-9, which stands"
              " in no list of members. A critical extension that the template does not carry"
              " (2.5.29.17) is named, as in the real ones."),
    dict(cn="CorpCodeSigning", display="Corp Code Signing", schema=2, revision=100, minor=3,
         arc="14212871.5310262.4", flags=0x20220, enrollment=0x8002, private_key=0x01010000,
         name=0x80000000, key_size=3072, key_spec=2, key_usage=b"\x80\x00", csps=("1," + ENHANCED,),
         ekus=(CODE_SIGNING, BUILD_SIGNING), policies=(HIGH_ASSURANCE,),
         critical=(KEY_USAGE, CERT_POLICIES, BASIC_CONSTRAINTS), enroll=(sid("Developers"),),
         note="Schema version 2 with a certificate policy, an application policy of the forest's"
              " own, the approval of a CA manager (0x2) and basic constraints for end entities"
              " (0x8000)."),
    dict(cn="CorpSmartcard", display="Corp Smart Card", schema=2, revision=100, minor=12,
         arc="14212871.5310262.5", flags=0x2022A, enrollment=0x100, private_key=0x01010020,
         name=0x82000000, csps=("1," + SMART_CARD_CSP,), ekus=(SMARTCARD_LOGON, CLIENT_AUTH),
         ra_signatures=1, ra_application=(REQUEST_AGENT,), ra_policies=(HIGH_ASSURANCE,),
         enroll=("DA", sid("Certificate Users")),
         note="Schema version 2 that an enrollment agent must sign (RA requirements as plain"
              " OIDs)."),
    dict(cn="CorpSubCA", display="Corp Subordinate CA", schema=2, revision=100, minor=1,
         arc="14212871.5310262.6", flags=0x202D1, private_key=0x01010010, name=1,
         validity=5 * YEAR, key_size=4096, key_spec=2, key_usage=b"\x86\x00",
         csps=("1," + ENHANCED,),
         critical=(KEY_USAGE, BASIC_CONSTRAINTS), depth=0, enroll=("EA",),
         note="Schema version 2 for a CA below ours: basic constraints with path length 0."),
    dict(cn="CorpDeviceECC", display="Corp Device (ECDSA)", schema=3, revision=100, minor=4,
         arc="14212871.5310262.7", flags=0x20260, enrollment=0x20, private_key=0x02020001,
         name=0x18000000, key_size=256, key_usage=b"\x80", csps=("1," + SOFTWARE_KSP,),
         ekus=(CLIENT_AUTH, SERVER_AUTH),
         ra_application=properties(algorithm="ECDSA_P256", hash="SHA256", usage=2, symmetric="AES",
                                   symmetric_length=256),
         enroll=("DA", "DC", "EA"), autoenroll=("DC",),
         note="Schema version 3: CNG. Algorithm, hash and key archival stand in one value of"
              " msPKI-RA-Application-Policies, as name, type and value between grave accents."),
    dict(cn="CorpOCSP", display="Corp OCSP Response Signing", schema=3, revision=101, minor=0,
         arc="14212871.5310262.8", flags=0x20240, enrollment=0x5000, private_key=0x03030000,
         name=0x18000000, validity=14, renewal=2, key_spec=2, key_usage=b"\x80\x00",
         ekus=(OCSP_SIGNING,),
         ra_application=properties(algorithm="RSA", hash="SHA384", key_sddl=OCSP_KEY_SDDL, usage=2),
         enroll=("EA", sid("CA1$")),
         note="Schema version 3 without a provider list, with an SDDL for the private key and the"
              " OCSP no-check extension (0x1000)."),
    dict(cn="CorpLaptop", display="Corp Laptop (TPM)", schema=4, revision=100, minor=9,
         arc="14212871.5310262.9", flags=0x20260, enrollment=0x20, private_key=0x06061000,
         name=0x18000000, csps=("1," + PLATFORM_KSP, "2," + SOFTWARE_KSP), ekus=(CLIENT_AUTH,),
         ra_application=properties(algorithm="RSA", hash="SHA256", usage=0xFFFFFF),
         enroll=("DC",), autoenroll=("DC",),
         note="Schema version 4, Windows 10 and Server 2016, the TPM before software, key"
              " attestation where the machine can (0x1000)."),
    dict(cn="CorpKeyRenewal", display="Corp Key-based Renewal", schema=4, revision=100, minor=2,
         arc="14212871.5310262.10", flags=0x20241, enrollment=0x10060, private_key=0x05050080,
         name=9, validity=90, renewal=21, csps=("1," + SOFTWARE_KSP,),
         ekus=(CLIENT_AUTH, SERVER_AUTH),
         ra_application=properties(algorithm="ECDSA_P384", hash="SHA384", usage=2),
         enroll=(sid("Web Administrators"),), autoenroll=(sid("Web Administrators"),),
         note="Schema version 4 for machines outside the domain: they renew with the certificate"
              " that they have (0x10000 and 0x40, subject in the request, the old subject kept)."),
    dict(cn="CorpLegacyDevice", display="Corp Legacy Device", schema=4, revision=100, minor=1,
         arc="14212871.5310262.11", flags=0x20241, private_key=0x04040110, name=1,
         csps=("1," + RSA_SCHANNEL,), ekus=(CLIENT_AUTH,), ra_signatures=1,
         ra_application=(REQUEST_AGENT, BUILD_SIGNING), enroll=(sid("Developers"),),
         note="Schema version 4 with a legacy provider (private key flag 0x100): then RA"
              " requirements are plain OIDs again."),
    dict(cn="CorpPrivileged", display="Corp Privileged Accès", schema=4, revision=100, minor=5,
         arc="14212871.5310262.12", flags=0x20220, enrollment=0x100, private_key=0x04040020,
         name=0x82000000, key_size=521, key_usage=b"\x88", csps=("1," + SMART_CARD_CSP,),
         ekus=(SMARTCARD_LOGON, CLIENT_AUTH), policies=(HIGH_ASSURANCE,), ra_signatures=2,
         ra_policies=(HIGH_ASSURANCE,),
         ra_application=properties(ra=REQUEST_AGENT + "," + BUILD_SIGNING, algorithm="ECDH_P521",
                                   hash="SHA512", usage=4),
         enroll=("DA", sid("Developers")),
         note="Schema version 4 with RA requirements in the form of CNG templates: two"
              " signatures, two application policies, one issuance policy."),
    dict(cn="CorpPilot", display="Corp Pilot", schema=2, revision=100, minor=1,
         arc="14212871.5310262.13", flags=0x20220, private_key=0x01010000, name=0x82000000,
         csps=("1," + ENHANCED,), ekus=(CLIENT_AUTH,), enroll=("AU",),
         note="No CA publishes this one: it is offered to nobody, although everybody may enroll."),
]

ENROLLMENT = "https://ces.corp.example/%s_CES_%s/service.svc/CES"


def servers(ca, *rows):
    """msPKI-Enrollment-Servers: priority, authentication, renewal only, URI, key-based renewal."""
    names = {1: "Anonymous", 2: "Kerberos", 4: "UsernamePassword", 8: "Certificate"}
    return ["%d\n%d\n%d\n%s\n%d" % (priority, auth, renewal, ENROLLMENT % (ca, names[auth]), kbr)
            for priority, auth, renewal, kbr in rows]


CAS = [
    dict(cn="Corp Issuing CA 1", host="ca1.corp.example", key="rsa",
         validity=((2026, 2041), (2026, 2056)),
         templates=("User", "Machine", "WebServer", "CorpUser", "CorpComputer",
                    "CorpDomainController", "CorpCodeSigning", "CorpSmartcard", "CorpSubCA",
                    "CorpOCSP", "CorpLegacyDevice"),
         servers=servers("Corp%20Issuing%20CA%201", (1, 2, 0, 0), (2, 4, 0, 0), (3, 8, 0, 0)),
         sddl="O:EAG:EAD:AI(OA;;CR;Enroll;;AU)(A;OICI;0xf00ff;;;EA)(A;OICI;0xf00ff;;;%s)" + READ,
         note="The CA for people and Windows machines. Everyone who logged on may enroll here,"
              " each template still decides for itself. Two certificates: the CA was renewed,"
              " the newer one counts. Enrollment by Kerberos, by user name, by certificate."),
    dict(cn="Corp Issuing CA 2", host="ca2.corp.example", key="ec",
         validity=((2026, 2056),),
         templates=("CorpComputer", "CorpDeviceECC", "CorpLaptop", "CorpKeyRenewal",
                    "CorpPrivileged"),
         servers=servers("Corp%20Issuing%20CA%202", (1, 4, 0, 0), (1, 8, 1, 1), (5, 1, 1, 0)),
         sddl="O:EAG:EAD:AI(OA;;CR;Enroll;;" + sid("Developers") + ")(OA;;CR;Enroll;;"
              + sid("Web Administrators") + ")(A;OICI;0xf00ff;;;EA)(A;OICI;0xf00ff;;;%s)" + READ,
         note="The CA for devices. Only two groups may enroll here. Enrollment by user name; two"
              " addresses take renewals only: one by certificate with key-based renewal, one"
              " without authentication."),
]


# A value that needs no base64: RFC 2849, SAFE-STRING, without a blank at the end.
SAFE = re.compile(rb"[^\0-\x1f :<\x80-\xff]([^\0\n\r\x80-\xff]*[^\0-\x20\x80-\xff])?")


class Ldif:
    """Collects the text: comments, folded lines, base64 where RFC 2849 asks for it."""

    def __init__(self):
        self.lines = []

    def comment(self, text):
        for paragraph in text.split("\n"):
            self.lines += textwrap.wrap(paragraph, 98, initial_indent="# ", subsequent_indent="# ",
                                        break_long_words=False, break_on_hyphens=False) or ["#"]

    def entry(self, dn, classes, attributes, note=None):
        self.lines.append("")
        if note:
            self.comment(note)
        self.value("dn", dn)
        for name in classes:
            self.value("objectClass", name)
        for name, values in attributes:
            if isinstance(values, (str, bytes, int)):
                values = [values]
            for value in values:
                self.value(name, value)

    def value(self, name, value):
        data = value if isinstance(value, bytes) else str(value).encode()
        if isinstance(value, bytes) or not SAFE.fullmatch(data):
            line = "%s:: %s" % (name, base64.b64encode(data).decode())
        else:
            line = "%s: %s" % (name, data.decode())
        self.lines.append(line[:76])
        self.lines += [" " + line[at:at + 75] for at in range(76, len(line), 75)]

    def text(self):
        return "\n".join(self.lines) + "\n"


def issuing_dn(ca):
    return "CN=%s,CN=Enrollment Services,%s" % (ca["cn"], PKI_DN)


def existing_certificates(path):
    """The cACertificate values of an LDIF file, by DN, in their order."""
    found = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            text = file.read().replace("\n ", "")
        for block in text.split("\n\n"):
            dn = re.search(r"^dn: (.*)$", block, re.M)
            values = re.findall(r"^cACertificate:: (.*)$", block, re.M)
            if dn and values:
                found[dn.group(1)] = [base64.b64decode(value) for value in values]
    return found


def make_certificates():
    """A root and the CAs below it. The private keys are not kept: nobody can issue with these."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509.oid import NameOID

    def key(kind):
        if kind == "rsa":
            return rsa.generate_private_key(65537, 2048)
        return ec.generate_private_key(ec.SECP256R1())

    def certificate(cn, public, issuer, issuer_key, first, last, month=1):
        def name(text):
            return x509.Name([x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
                              x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "corp"),
                              x509.NameAttribute(NameOID.COMMON_NAME, text)])
        made = x509.CertificateBuilder(
            subject_name=name(cn), issuer_name=name(issuer), public_key=public,
            serial_number=x509.random_serial_number(), not_valid_before=datetime(first, month, 1),
            not_valid_after=datetime(last, 1, 1)
        ).add_extension(x509.BasicConstraints(True, None), True
        ).add_extension(x509.KeyUsage(True, False, False, False, False, True, True, False, False),
                        True
        ).add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False
        ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
            issuer_key.public_key()), False)
        return made.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    root_key = key("rsa")
    root = certificate("Corp Root CA", root_key.public_key(), "Corp Root CA", root_key, 2026, 2056)
    made = {"CN=Corp Root CA,CN=Certification Authorities," + PKI_DN: [root]}
    for ca in CAS:
        values = []
        for number, (first, last) in enumerate(ca["validity"]):
            values.append(certificate(ca["cn"], key(ca["key"]).public_key(), "Corp Root CA",
                                      root_key, first, last, 1 + 2 * number))
        made[issuing_dn(ca)] = values
    return made


def container(ldif, dn, note=None, classes=("top", "container"), more=()):
    cn = dn.split(",")[0].split("=")[1]
    ldif.entry(dn, classes, [("cn", cn), ("name", cn)] + list(more), note)


def write_domain(ldif):
    ldif.entry(DOMAIN_DN, ("top", "domain", "domainDNS"),
               [("dc", "corp"), ("name", "corp"), ("objectGUID", guid(DOMAIN_DN)),
                ("objectSid", security_descriptor.sid_to_bytes(DOMAIN_SID)), ("instanceType", 5)],
               "The domain. Accounts are looked up below it.")
    for name in ("Users", "Computers"):
        container(ldif, "CN=%s,%s" % (name, DOMAIN_DN))
    ldif.entry("OU=Domain Controllers," + DOMAIN_DN, ("top", "organizationalUnit"),
               [("ou", "Domain Controllers"), ("name", "Domain Controllers")])
    ldif.entry(CONFIG_DN, ("top", "configuration"),
               [("cn", "Configuration"), ("name", "Configuration"),
                ("objectGUID", guid(CONFIG_DN)), ("instanceType", 13)],
               "The configuration partition of the forest. Its objectGUID is what the policy's"
               " identifier is derived from.")
    container(ldif, "CN=Partitions," + CONFIG_DN,
              "The domain's names: corp.example and CORP. Callers may be alice, CORP\\alice or"
              " alice@corp.example.", ("top", "crossRefContainer"))
    ldif.entry("CN=CORP,CN=Partitions," + CONFIG_DN, ("top", "crossRef"),
               [("cn", "CORP"), ("name", "CORP"), ("nCName", DOMAIN_DN),
                ("dnsRoot", "corp.example"), ("nETBIOSName", "CORP"), ("systemFlags", 3)])
    container(ldif, "CN=Services," + CONFIG_DN)
    container(ldif, PKI_DN, "Everything that follows down to the accounts is Public Key Services:"
                            " what AD CS keeps in the configuration partition.")
    for name in ("Certificate Templates", "Enrollment Services", "Certification Authorities", "AIA",
                 "CDP", "KRA"):
        container(ldif, "CN=%s,%s" % (name, PKI_DN))


def write_template(ldif, values):
    t = {**DEFAULTS, **values}
    dn = "CN=%s,CN=Certificate Templates,%s" % (t["cn"], PKI_DN)
    sddl = template_sddl(t["enroll"], t["autoenroll"], t["deny"])
    attributes = [
        ("cn", t["cn"]), ("name", t["cn"]), ("displayName", t["display"] or t["cn"]),
        ("distinguishedName", dn), ("objectGUID", guid(dn)), ("instanceType", 4),
        ("showInAdvancedViewOnly", "TRUE"),
        ("objectCategory", "CN=PKI-Certificate-Template," + SCHEMA_DN),
        ("flags", signed(t["flags"])), ("revision", t["revision"]),
        ("msPKI-Template-Schema-Version", t["schema"]),
        ("msPKI-Template-Minor-Revision", t["minor"]),
        ("msPKI-Cert-Template-OID", FOREST_OID + "." + t["arc"]),
        ("pKIExpirationPeriod", period(t["validity"])), ("pKIOverlapPeriod", period(t["renewal"])),
        ("pKIDefaultKeySpec", t["key_spec"]), ("pKIKeyUsage", t["key_usage"]),
        ("pKIMaxIssuingDepth", t["depth"]), ("pKICriticalExtensions", t["critical"]),
        ("pKIExtendedKeyUsage", t["ekus"]), ("pKIDefaultCSPs", t["csps"]),
        ("msPKI-Minimal-Key-Size", t["key_size"]), ("msPKI-RA-Signature", t["ra_signatures"]),
        ("msPKI-Enrollment-Flag", signed(t["enrollment"])),
        ("msPKI-Private-Key-Flag", signed(t["private_key"])),
        ("msPKI-Certificate-Name-Flag", signed(t["name"])),
        ("msPKI-RA-Application-Policies", t["ra_application"]),
        ("msPKI-RA-Policies", t["ra_policies"]),
        ("msPKI-Certificate-Application-Policy", t["ekus"] if t["schema"] > 1 else ()),
        ("msPKI-Certificate-Policy", t["policies"]),
        ("msPKI-Supersede-Templates", t["supersedes"]),
        ("nTSecurityDescriptor",
         security_descriptor.from_sddl(sddl, DOMAIN_SID).to_bytes()),
    ]
    ldif.entry(dn, ("top", "pKICertificateTemplate"), attributes,
               "%s\n%s" % (t["note"], explain(sddl)))


def write_cas(ldif, certificates):
    root = "CN=Corp Root CA,CN=Certification Authorities," + PKI_DN
    authority = ("top", "certificationAuthority")
    lists = [("certificateRevocationList", b"\0"), ("authorityRevocationList", b"\0")]
    ldif.entry(root, authority, [("cn", "Corp Root CA"), ("name", "Corp Root CA"),
                                 ("cACertificate", certificates[root])] + lists,
               "The root. Its key and those of the CAs below were thrown away when this file was"
               " made: nobody can issue certificates with them.")
    issuing = []
    for ca in CAS:
        dn = issuing_dn(ca)
        issuing += certificates[dn]
        sddl = ca["sddl"] % sid("CA1$")
        descriptor = security_descriptor.from_sddl(sddl, DOMAIN_SID, 0x8C04)
        ldif.entry(dn, ("top", "pKIEnrollmentService"), [
            ("cn", ca["cn"]), ("name", ca["cn"]), ("displayName", ca["cn"]),
            ("distinguishedName", dn), ("objectGUID", guid(dn)), ("instanceType", 4),
            ("showInAdvancedViewOnly", "TRUE"),
            ("objectCategory", "CN=PKI-Enrollment-Service," + SCHEMA_DN), ("flags", 10),
            ("dNSHostName", ca["host"]), ("cACertificate", certificates[dn]),
            ("cACertificateDN", "CN=%s, DC=corp, DC=example" % ca["cn"]),
            ("certificateTemplates", ca["templates"]),
            ("msPKI-Enrollment-Servers", ca["servers"]),
            ("nTSecurityDescriptor", descriptor.to_bytes()),
        ], "%s\n%s\nmsPKI-Enrollment-Servers, five lines in each value: priority, authentication"
           " (1 none, 2 Kerberos, 4 user name, 8 certificate), renewal only, address, key-based"
           " renewal:\n%s" % (ca["note"], explain(sddl),
                              "\n".join("  " + value.replace("\n", "|")
                                        for value in ca["servers"])))
    ldif.entry("CN=NTAuthCertificates," + PKI_DN, authority,
               [("cn", "NTAuthCertificates"), ("name", "NTAuthCertificates"),
                ("cACertificate", issuing)] + lists,
               "CAs whose certificates Active Directory accepts for logon.")


def write_oids(ldif):
    container(ldif, "CN=OID," + PKI_DN,
              "Names of OIDs. flags: 1 template, 2 issuance policy, 3 application policy.",
              ("top", "msPKI-Enterprise-Oid"), [("msPKI-Cert-Template-OID", FOREST_OID)])

    def entry(oid, display, kind, more=(), note=None):
        # AD's own form of the name: the last arc, a dot, 32 hexadecimal digits.
        cn = "%s.%s" % (oid.split(".")[-1], hashlib.md5(oid.encode()).hexdigest().upper())
        dn = "CN=%s,CN=OID,%s" % (cn, PKI_DN)
        ldif.entry(dn, ("top", "msPKI-Enterprise-Oid"),
                   [("cn", cn), ("name", cn), ("displayName", display), ("flags", kind),
                    ("objectGUID", guid(dn)), ("msPKI-Cert-Template-OID", oid)] + list(more), note)

    entry(HIGH_ASSURANCE, "Corp High Assurance", 2,
          [("msPKI-OIDLocalizedName", ["1031,Corp Hohe Vertrauensstufe",
                                       "1036,Corp haute assurance"]),
           ("msPKI-OID-CPS", "https://pki.corp.example/cps")],
          "An issuance policy with names in German (1031) and French (1036).")
    entry(BUILD_SIGNING, "Corp Build Signing", 3, note="An application policy of the forest's own.")
    for number, template in enumerate(t for t in TEMPLATES if t["schema"] > 1):
        note = None if number else "One object for each template of schema version 2 and later."
        entry(FOREST_OID + "." + template["arc"], template.get("display") or template["cn"], 1,
              note=note)


def write_accounts(ldif):
    members, groups = {}, {}

    def user_dn(name):
        return "CN=%s,CN=Users,%s" % (name, DOMAIN_DN)

    def join(member_dn, group):
        members.setdefault(group, []).append(member_dn)
        groups.setdefault(member_dn, []).append(user_dn(group))

    computers = {"WS01$": ("CN=WS01,CN=Computers," + DOMAIN_DN, 4096, 515),
                 "CA1$": ("CN=CA1,CN=Computers," + DOMAIN_DN, 4096, 515),
                 "DC1$": ("CN=DC1,OU=Domain Controllers," + DOMAIN_DN, 0x82000, 516)}
    users = [
        ("alice", 512, 513, ["Sales"], "Alice may enroll by way of Sales, Departments and"
                                       " Certificate Users: three groups, one in the other."),
        ("bob", 512, 513, ["Developers", "Web Administrators"],
         "Bob signs code and looks after web servers."),
        ("carol", 512, 513, ["Sales", "Certificates Suspended"],
         "Carol is in an allowed and in a denied group: denied wins."),
        ("dave", 512, 514, [], "Dave is an external: no group, and Domain Guests as primary group."
                               " Nothing is offered to him."),
        ("erin", 514, 513, ["Sales"], "Erin left: her account is disabled (0x2)."),
        ("frank", 512, 513, ["Sales"], "Frank's logon name in the form of an address differs from"
                                       " his account name."),
        ("grace", 512, 513, ["Domain Admins", "Enterprise Admins"],
         "Grace looks after the forest."),
    ]
    for name, _, _, memberships, _ in users:
        for group in memberships:
            join(user_dn(name), group)
    join(user_dn("Sales"), "Departments")
    join(user_dn("Developers"), "Departments")
    join(user_dn("Departments"), "Certificate Users")
    join(user_dn("Departments"), "Sales Partners")
    join(user_dn("Sales Partners"), "Departments")

    def account(dn, name, classes, number, more, note=None):
        cn = dn.split(",")[0][3:]
        ldif.entry(dn, classes, [
            ("cn", cn), ("name", cn), ("distinguishedName", dn), ("objectGUID", guid(dn)),
            ("objectSid", security_descriptor.sid_to_bytes("%s-%d" % (DOMAIN_SID, number))),
            ("sAMAccountName", name)] + more + [("memberOf", groups.get(dn, ()))], note)

    # Primary groups (Domain Users and its like) list no members: each account names its own.
    notes = {
        "Domain Admins": "Groups. member and memberOf say the same from both ends, as in AD; who"
                         " has a group as primary group (primaryGroupID) is not in its list.",
        "Departments": "Departments and Sales Partners hold each other: a cycle.",
        "Certificates Suspended": "Denied on CorpUser, whatever else its members are in.",
    }
    well_known = {"Domain Admins": 512, "Domain Users": 513, "Domain Guests": 514,
                  "Domain Computers": 515, "Domain Controllers": 516, "Enterprise Admins": 519}
    names = list(well_known) + [name for name, rid in RIDS.items() if 1110 <= rid < 1200]
    for name in names:
        account(user_dn(name), name, ("top", "group"), well_known.get(name) or RIDS[name],
                [("groupType", signed(0x80000002)), ("member", members.get(name, ()))],
                notes.get(name))
    user = ("top", "person", "organizationalPerson", "user")
    for name, control, primary, _, note in users:
        upn = "f.ohara" if name == "frank" else name
        account(user_dn(name), name, user, RIDS[name],
                [("sn", name.capitalize()), ("userPrincipalName", upn + "@corp.example"),
                 ("mail", upn + "@corp.example"),
                 ("userAccountControl", control), ("primaryGroupID", primary)], note)
    for name, (dn, control, primary) in computers.items():
        account(dn, name, user + ("computer",), RIDS[name],
                [("dNSHostName", name.rstrip("$").lower() + ".corp.example"),
                 ("userAccountControl", control), ("primaryGroupID", primary)],
                {"WS01$": "Computers: a workstation, the host of the first CA, and a domain"
                          " controller (0x2000 in userAccountControl)."}.get(name))


HEADER = """Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0

A sample directory for mod_cep: the forest corp.example with its certificate templates, two CAs \
and a few accounts. Use it with "CEPURL file:/path/to/sample.ldif" to see the module at work \
without a directory server, or as a pattern for a policy file of your own.

Nothing here is secret and no account has a password: httpd checks who the caller is (for example \
with a password file), this file says what the caller may enroll for.

Form: LDIF content records (RFC 2849). Lines that begin with a blank continue the line above, "::" \
means base64. Attributes are the ones that Active Directory has, in AD's own form: flags are \
signed 32-bit numbers, periods are 8 octets (negative, in 100 ns), security descriptors are \
binary; their text form (SDDL) stands in the comment above each. In the SDDL "Enroll" and \
"AutoEnroll" stand for the GUIDs of these rights, DA Domain Admins, DU Domain Users, DC Domain \
Computers, EA Enterprise Admins, AU Authenticated Users, ED Enterprise Domain Controllers, and a \
name in angle brackets for the SID of that account.

Made by tests/tools/make_sample.py; change that and run it."""


def main(path):
    certificates = existing_certificates(path)
    if not all(issuing_dn(ca) in certificates for ca in CAS):
        certificates = make_certificates()
    ldif = Ldif()
    ldif.comment(HEADER)
    ldif.lines += ["", "version: 1"]
    write_domain(ldif)
    for template in TEMPLATES:
        write_template(ldif, template)
    write_cas(ldif, certificates)
    write_oids(ldif)
    write_accounts(ldif)
    with open(path, "w", encoding="utf-8") as file:
        file.write(ldif.text())


if __name__ == "__main__":
    here = os.path.dirname(os.path.abspath(__file__))
    main(sys.argv[1] if len(sys.argv) > 1 else
         os.path.join(here, "..", "..", "conf.d", "sample.ldif"))
