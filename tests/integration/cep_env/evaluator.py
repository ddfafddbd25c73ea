# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""What the answer has to be: computed from LDIF entries, apart from the C code.

    expected = Directory(entries).answer("alice")      # a model like soap.parse() returns
    differences = compare(soap.parse(body), expected)  # [] when they agree

Sources: [MS-XCEP] 3.1.4.1.3, [MS-CRTD] 2, [MS-WCCE] 2.2.2.7 and 2.2.2.11, [MS-ADTS] 5.1.3. The
cases that the specifications leave open are decided in docs/decisions.md; here they stand beside
the code that needs them.
"""

import base64
import fnmatch
import hashlib
import re
from datetime import datetime, timezone

import security_descriptor as sd

from . import ldif

GROUP_HASH, GROUP_ENCRYPTION, GROUP_PUBLIC_KEY = 1, 2, 3
GROUP_EXTENSION, GROUP_EKU, GROUP_POLICY, GROUP_TEMPLATE = 6, 7, 8, 9

AUTO_ENROLLMENT, OCSP_NOCHECK, BASIC_CONSTRAINTS_EE = 0x20, 0x1000, 0x8000
KEY_BASED_RENEWAL = 0x10000
USE_LEGACY_PROVIDER = 0x100
IS_CA, IS_CROSS_CA = 0x80, 0x800
NO_TEMPLATE_SUPPORT = 0x1

# CNG's names of algorithms: [MS-XCEP] 3.1.4.1.3.20, [MS-CRTD] 2.23.2.
ASYMMETRIC = {
    "RSA": "1.2.840.113549.1.1.1", "DSA": "1.2.840.10040.4.1", "DS": "1.2.840.10040.4.1",
    "DH": "1.2.840.10046.2.1",
    "ECDSA_P256": "1.2.840.10045.3.1.7", "ECDH_P256": "1.2.840.10045.3.1.7",
    "ECDSA_P384": "1.3.132.0.34", "ECDH_P384": "1.3.132.0.34",
    "ECDSA_P521": "1.3.132.0.35", "ECDH_P521": "1.3.132.0.35",
}
HASHES = {
    "SHA1": "1.3.14.3.2.26", "SHA256": "2.16.840.1.101.3.4.2.1",
    "SHA384": "2.16.840.1.101.3.4.2.2", "SHA512": "2.16.840.1.101.3.4.2.3",
    "MD5": "1.2.840.113549.2.5", "MD4": "1.2.840.113549.2.4", "MD2": "1.2.840.113549.2.2",
}
SYMMETRIC = {
    ("3DES", None): "1.2.840.113549.3.7", ("DES", None): "1.3.14.3.2.7",
    ("RC2", None): "1.2.840.113549.3.2",
    ("AES", 128): "2.16.840.1.101.3.4.1.2", ("AES", 192): "2.16.840.1.101.3.4.1.22",
    ("AES", 256): "2.16.840.1.101.3.4.1.42",
}

# Windows' own names. What is not here must have some name, and always the same.
EXTENSION_NAMES = {
    "1.3.6.1.4.1.311.20.2": "Certificate Template Name",
    "1.3.6.1.4.1.311.21.7": "Certificate Template Information",
    "1.3.6.1.4.1.311.21.10": "Application Policies",
    "2.5.29.15": "Key Usage",
    "2.5.29.19": "Basic Constraints",
    "2.5.29.32": "Certificate Policies",
    "2.5.29.37": "Enhanced Key Usage",
}
EKU_NAMES = {
    "1.3.6.1.5.5.7.3.1": "Server Authentication",
    "1.3.6.1.5.5.7.3.2": "Client Authentication",
    "1.3.6.1.5.5.7.3.3": "Code Signing",
    "1.3.6.1.5.5.7.3.4": "Secure Email",
    "1.3.6.1.5.5.7.3.9": "OCSP Signing",
    "1.3.6.1.4.1.311.10.3.4": "Encrypting File System",
    "1.3.6.1.4.1.311.20.2.1": "Certificate Request Agent",
    "1.3.6.1.4.1.311.20.2.2": "Smart Card Logon",
}


# DER, [X.690], as far as templates need it.

def der(tag, content):
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def der_integer(value):
    return der(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def der_oid(text):
    arcs = [int(arc) for arc in text.split(".")]
    content = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        octets = [arc & 0x7F]
        while arc > 0x7F:
            arc >>= 7
            octets.insert(0, arc & 0x7F | 0x80)
        content += bytes(octets)
    return der(0x06, content)


def der_sequence(*parts):
    return der(0x30, b"".join(parts))


def der_key_usage(octets):
    """BIT STRING whose trailing zero bits are dropped: a named bit list."""
    octets = octets.rstrip(b"\0")
    if not octets:
        return der(0x03, b"\0")
    unused = (octets[-1] & -octets[-1]).bit_length() - 1
    return der(0x03, bytes([unused]) + octets)


def der_policies(oids):
    return der_sequence(*[der_sequence(der_oid(oid)) for oid in oids])


# Values of attributes.

def unsigned(value):
    return value & 0xFFFFFFFF


def is_oid(text):
    if not text or not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+", text):
        return False
    arcs = [int(arc) for arc in text.split(".")]
    return arcs[0] <= 2 and (arcs[0] == 2 or arcs[1] < 40) and max(arcs) <= 0xFFFFFFFF


def seconds(value):
    """pKIExpirationPeriod: [MS-CRTD] 2.11. None when it is no period."""
    if value is None or len(value) != 8:
        return None
    ticks = int.from_bytes(value, "little", signed=True)
    result = -ticks // 10000000
    return result if ticks > -(1 << 63) and result > 0 else None


def once(values):
    """The values in their order, each once."""
    return list(dict.fromkeys(values))


def once_by_case(values):
    """The same for names, which do not differ by case alone; blank ones are none."""
    found = {}
    for value in values:
        if value.strip():
            found.setdefault(value.casefold(), value)
    return list(found.values())


def providers(values):
    """By number; those without one after them; the number and blanks removed."""
    numbered, others = [], []
    for value in values:
        # Real directories hold three in one value: "3,A, 2,B, 1,C".
        for part in re.split(r",(?=\s*\d+\s*,)", value):
            match = re.match(r"\s*(\d+)\s*,(.*)", part, re.S)
            if match:
                numbered.append((int(match.group(1)), match.group(2).strip()))
            else:
                others.append(part.strip())
    return once(name for name in [name for _, name in sorted(numbered)] + others if name)


def backtick_properties(values):
    """name`type`value` groups: [MS-CRTD] 2.23.2. A value without a grave accent is no group."""
    result = {}
    for value in values:
        fields = value.split("`")
        for at in range(0, len(fields) - 2, 3):
            result.setdefault(fields[at].strip(), fields[at + 2].strip())
    return result


class Rejected(Exception):
    """This object is left out."""


class Template:
    """One pKICertificateTemplate: the element model, and what decides who gets it."""

    def __init__(self, entry):
        self.entry = entry
        self.cn = entry.text("cn")
        if not self.cn:
            raise Rejected("no cn")
        self.schema = entry.integer("msPKI-Template-Schema-Version", 1)
        if not 1 <= self.schema <= 4:
            raise Rejected("schema version")
        self.oid = entry.text("msPKI-Cert-Template-OID")
        if not is_oid(self.oid):
            raise Rejected("template OID")
        self.revision = entry.integer("revision", 0)
        if self.revision <= 0:
            raise Rejected("revision")
        self.minor = unsigned(entry.integer("msPKI-Template-Minor-Revision", 0))
        self.validity = seconds(entry.value("pKIExpirationPeriod"))
        self.renewal = seconds(entry.value("pKIOverlapPeriod"))
        if self.validity is None or self.renewal is None:
            raise Rejected("period")
        self.enrollment = self.flags("msPKI-Enrollment-Flag")
        self.private_key = self.flags("msPKI-Private-Key-Flag")
        self.general = self.flags("flags")
        self.is_cng = self.schema == 3 or (self.schema == 4 and
                                           not self.private_key & USE_LEGACY_PROVIDER)
        application = entry.texts("msPKI-RA-Application-Policies")
        properties = backtick_properties(application)
        self.properties = properties if self.is_cng else {}
        if any("`" in value for value in application):
            # Also where the template keeps to legacy providers: real ones do. Then only the RA
            # policies count, for the others speak of CNG.
            application = properties.get("msPKI-RA-Application-Policies", "").split(",")
        self.ra_ekus = once(oid.strip() for oid in application if oid.strip())
        self.ra_policies = once(entry.texts("msPKI-RA-Policies"))
        self.ekus = once(entry.texts("pKIExtendedKeyUsage"))
        newer = self.schema > 1
        self.app_policies = once(entry.texts("msPKI-Certificate-Application-Policy")) \
            if newer else []
        self.cert_policies = once(entry.texts("msPKI-Certificate-Policy")) if newer else []
        self.key_usage = (entry.value("pKIKeyUsage") or b"").rstrip(b"\0")
        if len(self.key_usage) > 2 or len(self.key_usage) == 2 and self.key_usage[1] & 0x7F:
            raise Rejected("key usage")  # RFC 5280 4.2.1.3 knows nine bits
        for oid in self.ekus + self.app_policies + self.cert_policies + self.ra_ekus + \
                self.ra_policies:
            if not is_oid(oid):
                raise Rejected("OID")

    def flags(self, name):
        return unsigned(self.entry.integer(name, 0))

    def extensions(self):
        """(OID, DER) in the order of the real answers: [MS-XCEP] 4.1.1.2."""
        result = []
        if self.schema == 1:
            name = der(0x1E, self.cn.encode("utf-16-be"))
            result.append(("1.3.6.1.4.1.311.20.2", name))
        else:
            information = der_sequence(der_oid(self.oid), der_integer(self.revision),
                                       der_integer(self.minor))
            result.append(("1.3.6.1.4.1.311.21.7", information))
        if self.ekus:
            result.append(("2.5.29.37", der_sequence(*[der_oid(oid) for oid in self.ekus])))
        if self.key_usage:  # without a bit there is no extension: RFC 5280 4.2.1.3
            result.append(("2.5.29.15", der_key_usage(self.key_usage)))
        if self.app_policies:
            result.append(("1.3.6.1.4.1.311.21.10", der_policies(self.app_policies)))
        if self.general & (IS_CA | IS_CROSS_CA):
            depth = self.entry.integer("pKIMaxIssuingDepth", -1)
            path = der_integer(depth) if 0 <= depth < 0xFFFFFFFF else b""
            result.append(("2.5.29.19", der_sequence(b"\x01\x01\xff", path)))
        elif self.enrollment & BASIC_CONSTRAINTS_EE:
            result.append(("2.5.29.19", der_sequence()))
        if self.cert_policies:
            result.append(("2.5.29.32", der_policies(self.cert_policies)))
        if self.schema > 1 and self.enrollment & OCSP_NOCHECK:
            result.append(("1.3.6.1.5.5.7.48.1.5", b"\x05\x00"))
        return result

    def symmetric(self):
        name = self.properties.get("msPKI-Symmetric-Algorithm")
        length = self.properties.get("msPKI-Symmetric-Key-Length", "")
        if not name or not re.fullmatch(r"\d+", length) or int(length) == 0:
            return None
        oid = SYMMETRIC.get((name, int(length))) or SYMMETRIC.get((name, None))
        return (oid, int(length)) if oid else None

    def model(self, names, ca_keys, autoenroll):
        """Every element of CertificateEnrollmentPolicy: [MS-XCEP] 3.1.4.1.3.1, 3.1.4.1.3.7."""
        entry, props = self.entry, self.properties
        critical = [text.strip() for text in entry.texts("pKICriticalExtensions")]
        key_spec = entry.integer("pKIDefaultKeySpec")
        algorithm, hashing = props.get("msPKI-Asymmetric-Algorithm"), props.get(
            "msPKI-Hash-Algorithm")
        symmetric = self.symmetric()
        signatures = entry.integer("msPKI-RA-Signature", 0)
        usage = props.get("msPKI-Key-Usage", "")
        return {
            "policyOIDReference": names.template(self),
            "cAs": sorted(ca_keys),
            "commonName": self.cn,
            "policySchema": self.schema,
            "validityPeriodSeconds": self.validity,
            "renewalPeriodSeconds": self.renewal,
            "enroll": True,
            "autoEnroll": autoenroll,
            "minimalKeyLength": entry.integer("msPKI-Minimal-Key-Size") or 2048,
            "keySpec": key_spec if key_spec in (1, 2) else None,
            "keyUsageProperty": int(usage) if re.fullmatch(r"\d+", usage) else None,
            "permissions": props.get("msPKI-Key-Security-Descriptor") or None,
            "algorithmOIDReference": (ASYMMETRIC[algorithm], GROUP_PUBLIC_KEY, algorithm)
            if algorithm in ASYMMETRIC else None,
            "cryptoProviders": providers(entry.texts("pKIDefaultCSPs")) or None,
            "majorRevision": self.revision,
            "minorRevision": self.minor,
            "supersededPolicies": once_by_case(
                entry.texts("msPKI-Supersede-Templates")) or None,
            "privateKeyFlags": self.private_key,
            "subjectNameFlags": self.flags("msPKI-Certificate-Name-Flag"),
            # All bits but 0x20: [MS-XCEP] does not list it, Windows does not send it.
            "enrollmentFlags": self.enrollment & ~AUTO_ENROLLMENT,
            "generalFlags": self.general,
            "hashAlgorithmOIDReference": names.other(HASHES[hashing], GROUP_HASH)
            if hashing in HASHES else None,
            "rARequirements": {
                "rASignatures": signatures,
                "rAEKUs": [names.other(oid, GROUP_EKU) for oid in self.ra_ekus] or None,
                "rAPolicies": [names.other(oid, GROUP_POLICY) for oid in self.ra_policies] or None,
            } if signatures > 0 else None,
            "keyArchivalAttributes": {
                "symmetricAlgorithmOIDReference": names.other(symmetric[0], GROUP_ENCRYPTION),
                "symmetricAlgorithmKeyLength": symmetric[1],
            } if symmetric else None,
            "extensions": [{
                "oIDReference": names.other(oid, GROUP_EXTENSION),
                "critical": oid in critical,
                "value": base64.b64encode(value).decode(),
            } for oid, value in self.extensions()],
        }

    def named_oids(self, names):
        """What only the extensions name: listed in the OID table, although nothing refers."""
        return [names.other(oid, GROUP_EKU) for oid in self.ekus + self.app_policies] + \
            [names.other(oid, GROUP_POLICY) for oid in self.cert_policies]


class Names:
    """The OID table's names; None stands for "some name"."""

    def __init__(self, entries):
        self.forest = {}
        for entry in entries:
            oid, name = entry.text("msPKI-Cert-Template-OID"), entry.text("displayName")
            if is_oid(oid) and name:
                self.forest.setdefault(oid, name)

    def template(self, template):
        return (template.oid, GROUP_TEMPLATE, template.entry.text("displayName") or template.cn)

    def other(self, oid, group):
        name = self.forest.get(oid) if group in (GROUP_EKU, GROUP_POLICY) else None
        if group == GROUP_EKU:
            name = name or EKU_NAMES.get(oid)
        if group == GROUP_EXTENSION:
            name = EXTENSION_NAMES.get(oid)
        return (oid, group, name)


class Service:
    """One pKIEnrollmentService that can be offered."""

    def __init__(self, entry, now, configured_uris):
        self.entry = entry
        self.cn = entry.text("cn")
        if not self.cn or entry.integer("flags", 0) & NO_TEMPLATE_SUPPORT:
            raise Rejected("no templates")
        self.certificate = newest_certificate(entry.values("cACertificate"), now)
        self.key_based = set()  # (authentication, URI) whose fifth line is 1
        configured = [row for ca, row in configured_uris if ca.lower() == self.cn.lower()]
        self.uris = sorted(configured or self.directory_uris(),
                           key=lambda uri: (uri["priority"], uri["clientAuthentication"],
                                            uri["uri"]))
        if not self.certificate or not self.uris:
            raise Rejected("no certificate or no URI")
        self.templates = {text.casefold() for text in entry.texts("certificateTemplates")}
        self.key = ca_key(self.certificate, self.uris)

    def directory_uris(self):
        """msPKI-Enrollment-Servers: priority, authentication, renewal only, URI, key-based."""
        result = []
        for value in self.entry.texts("msPKI-Enrollment-Servers"):
            lines = [line.strip() for line in value.split("\n")]
            if len(lines) < 4 or not lines[3] or lines[1] not in ("1", "2", "4", "8") or \
                    not re.fullmatch(r"\d+", lines[0]) or int(lines[0]) > 0xFFFFFFFF or \
                    lines[2] not in ("0", "1") or not lines[3].lower().startswith("https://"):
                continue
            result.append({"clientAuthentication": int(lines[1]), "uri": lines[3],
                           "priority": int(lines[0]), "renewalOnly": lines[2] == "1"})
            if len(lines) > 4 and lines[4] == "1":
                self.key_based.add((int(lines[1]), lines[3]))
        return result

    def for_renewal(self):
        """The CA with what takes renewals by the old key, or None when nothing does."""
        copy = object.__new__(Service)
        copy.__dict__.update(self.__dict__)
        copy.uris = []
        for uri in self.uris:
            key = (uri["clientAuthentication"], uri["uri"])
            if uri["clientAuthentication"] != 8 and key not in self.key_based or \
                    key in [(other["clientAuthentication"], other["uri"]) for other in copy.uris]:
                continue
            copy.uris.append(dict(uri, renewalOnly=True))
        copy.key = ca_key(copy.certificate, copy.uris)
        return copy if copy.uris else None


def ca_key(certificate, uris):
    """A CA's identity in models: its certificate, and its URIs should two share one."""
    digest = hashlib.sha256(certificate)
    digest.update(repr(sorted(uri["uri"] for uri in uris)).encode())
    return digest.hexdigest()[:16]


def newest_certificate(values, now):
    """Of the certificates that are valid now, the one with the latest notBefore."""
    from cryptography import x509
    best = None
    for value in values:
        try:
            certificate = x509.load_der_x509_certificate(value)
            first, last = certificate.not_valid_before, certificate.not_valid_after
        except ValueError:
            continue
        if first <= now <= last and (best is None or first > best[0]):
            best = (first, value)
    return best[1] if best else None


GENERIC_ALL = 0x10000000


def granted(descriptor, right, sids):
    """The first ACE that matches decides: [MS-ADTS] 5.1.3.3.4, [MS-CRTD] 2.5.

    What cannot be read grants nothing, and so does a missing DACL.
    """
    try:
        dacl = sd.parse(descriptor or b"").dacl
    except ValueError:
        return False
    for ace in dacl or ():
        if ace.flags & sd.INHERIT_ONLY or ace.sid not in sids:
            continue
        # Where it is not clear what an ACE is about (generic bits, a GUID of zeros), it denies and
        # does not grant.
        applies = ace.object_type in (None, right)
        if ace.mask & sd.CONTROL_ACCESS and (
                ace.type == sd.ALLOWED or ace.type == sd.ALLOWED_OBJECT and applies):
            return True
        if ace.mask & (sd.CONTROL_ACCESS | GENERIC_ALL) and (
                ace.type in (sd.DENIED, sd.DENIED_CALLBACK) or
                ace.type in (sd.DENIED_OBJECT, sd.DENIED_CALLBACK_OBJECT) and
                (applies or ace.object_type.int == 0)):
            return False
    return False


class View:
    """What an instance shows: CEPTemplates, CEPTemplateRights, CEPKeyBasedRenewal, versions."""

    def __init__(self, *templates, rights="enroll", renewal=False, maximum=6, lenient=False):
        self.included = [text.casefold() for text in templates if not text.startswith("!")]
        self.excluded = [text[1:].casefold() for text in templates if text.startswith("!")]
        self.rights, self.renewal = rights, renewal
        self.maximum, self.lenient = maximum, lenient

    def shows(self, cn):
        """Exclusions win; without inclusions everything else is shown."""
        def among(patterns):
            return any(fnmatch.fnmatchcase(cn.casefold(), pattern) for pattern in patterns)

        return not among(self.excluded) and (not self.included or among(self.included))

    def versions(self, request_filter):
        """(client, server) for soap.Filter or None: the table in [MS-XCEP] v18 3.1.4.1.3.22."""
        def limit(said, default):
            if said is None or said < 0:
                said = 0 if self.lenient else default
            return min(said or self.maximum, self.maximum)

        if request_filter is None:
            return limit(None, 3), self.maximum
        return limit(request_filter.client, 3), limit(request_filter.server, 3)


class Directory:
    """A forest, read from LDIF entries."""

    def __init__(self, entries, now=None, configured_uris=()):
        self.entries = entries
        self.now = now or datetime.now(timezone.utc).replace(tzinfo=None)
        configuration = [entry.dn for entry in entries if entry.is_a("configuration")]
        self.base = "CN=Public Key Services,CN=Services," + configuration[0] \
            if configuration else None
        self.names = Names(self.below("OID", "msPKI-Enterprise-Oid"))
        self.rejected = {}
        self.services = self.read("Enrollment Services", "pKIEnrollmentService",
                                  lambda entry: Service(entry, self.now, configured_uris))
        self.templates = self.read("Certificate Templates", "pKICertificateTemplate", Template)

    def below(self, container, object_class):
        base = "CN=%s,%s" % (container, self.base)
        return [entry for entry in self.entries
                if entry.is_a(object_class) and ldif.is_within(entry.dn, base)]

    def read(self, container, object_class, make):
        found = {}
        for entry in self.below(container, object_class):
            try:
                made = make(entry)
            except Rejected as reason:
                self.rejected[entry.text("cn") or entry.dn] = str(reason)
                continue
            found.setdefault(made.cn.casefold(), []).append(made)
        # Of names that differ in case only, the first by octets stays.
        return [min(group, key=lambda item: item.cn.encode()) for group in found.values()]

    # Accounts.

    def account(self, name):
        """The entry that a name stands for, or None: also for disabled accounts."""
        bare = name
        found = []
        if "@" in name:
            found = [entry for entry in self.entries
                     if (entry.text("userPrincipalName") or "").lower() == name.lower()]
            bare = name.split("@")[0]
        elif "\\" in name:
            bare = name.split("\\")[1]
        found = found or [entry for entry in self.entries
                          if (entry.text("sAMAccountName") or "").lower() == bare.lower()
                          and entry.is_a("user")]
        if len(found) != 1 or found[0].integer("userAccountControl", 0) & 0x2:
            return None
        return found[0]

    def sids(self, account):
        """objectSid, all groups by member, memberOf and primaryGroupID, well-known SIDs."""
        sid = sd.sid_from_bytes(account.value("objectSid"))
        result = {sid, "S-1-1-0", "S-1-5-2", "S-1-5-15"}
        if not sid.endswith("-501"):  # Guest is not an authenticated user
            result.add("S-1-5-11")
        domain, control = sid.rsplit("-", 1)[0], account.integer("userAccountControl", 0)
        if control & 0x2000:
            result.add("S-1-5-9")
        # Read-only domain controllers are in a group that lists no members: [MS-ADTS] 6.1.1.6.14.
        if control & 0x1000 and control & 0x04000000:
            result.add(domain + "-498")
        for attribute in ("tokenGroups", "sIDHistory"):
            result |= {sd.sid_from_bytes(value) for value in account.values(attribute)}
        primary = account.integer("primaryGroupID")
        waiting, seen = [account.dn], set()
        if primary:
            primary_sid = "%s-%d" % (domain, primary)
            result.add(primary_sid)
            waiting += [entry.dn for entry in self.entries if entry.is_a("group")
                        and entry.value("objectSid") == sd.sid_to_bytes(primary_sid)]
        while waiting:
            dn = ldif.split_dn(waiting.pop())
            if dn in seen:
                continue
            seen.add(dn)
            for entry in self.entries:
                here = ldif.split_dn(entry.dn)
                if here == dn:
                    if entry.is_a("group") and entry.value("objectSid"):
                        result.add(sd.sid_from_bytes(entry.value("objectSid")))
                    waiting += entry.texts("memberOf")
                if entry.is_a("group") and dn in map(ldif.split_dn, entry.texts("member")):
                    waiting.append(entry.dn)
        return result

    # Answers.

    def answer(self, name, versions=None, oids=None, view=View()):
        """The model of the answer to a caller, or None when the caller is nobody."""
        account = self.account(name)
        return None if account is None else self.answer_for(self.sids(account), versions, oids,
                                                            view)

    def publishers(self, template, view):
        """The CAs that publish it, as the view lists them."""
        found = [service for service in self.services
                 if template.cn.casefold() in service.templates]
        return [service for service in map(Service.for_renewal, found) if service] \
            if view.renewal else found

    def answer_for(self, sids, versions=None, oids=None, view=View()):
        """versions: (highest client, highest server) that may be listed; oids: a filter."""
        policies, used, table = {}, {}, set()
        for template in self.templates:
            publishers = self.publishers(template, view)
            enroll, autoenroll = rights(template, sids, view)
            if not publishers or not enroll or not view.shows(template.cn) or \
                    oids and template.oid not in oids or \
                    versions and not passes(template.private_key, *versions):
                continue
            policy = template.model(self.names, [service.key for service in publishers],
                                    autoenroll)
            policies[template.cn] = policy
            used.update((service.key, service) for service in publishers)
            table |= references(policy) | set(template.named_oids(self.names))
        cas = {key: {
            "uris": service.uris,
            "certificate": base64.b64encode(service.certificate).decode(),
            "enrollPermission": view.renewal or granted(
                service.entry.value("nTSecurityDescriptor"), sd.ENROLL, sids),
        } for key, service in used.items()}
        return {"policies": policies or None, "cas": cas or None, "oids": table or None}


def rights(template, sids, view):
    """(enroll, autoEnroll) that the view goes by. Renewal asks for the old key and nothing else."""
    if view.renewal:
        allowed = bool(template.enrollment & KEY_BASED_RENEWAL)
        return allowed, allowed
    descriptor = template.entry.value("nTSecurityDescriptor")
    autoenroll = granted(descriptor, sd.AUTOENROLL, sids)
    enroll = granted(descriptor, sd.ENROLL, sids)
    return enroll and (autoenroll or view.rights == "enroll"), autoenroll


def passes(private_key, client, server):
    """[MS-XCEP] 3.1.4.1.3.22."""
    return private_key & 0x0F000000 <= client << 24 and private_key & 0x000F0000 <= server << 16


def references(policy):
    """All OID references of one policy."""
    found = {policy["policyOIDReference"], policy["algorithmOIDReference"],
             policy["hashAlgorithmOIDReference"]}
    found |= {extension["oIDReference"] for extension in policy["extensions"] or ()}
    requirements, archival = policy["rARequirements"], policy["keyArchivalAttributes"]
    if requirements:
        found |= set(requirements["rAEKUs"] or ()) | set(requirements["rAPolicies"] or ())
    if archival:
        found.add(archival["symmetricAlgorithmOIDReference"])
    return found - {None}


# Comparison.

_seen_names = {}  # names that nobody told us: (value, group) -> name, so that they stay the same


def same_oid(got, wanted):
    if got is None or wanted is None:
        return got == wanted
    if got[:2] != wanted[:2]:
        return False
    if wanted[2] is not None:
        return got[2] == wanted[2]
    return bool(got[2]) and _seen_names.setdefault(got[:2], got[2]) == got[2]


def is_oid_triple(value):
    return isinstance(value, tuple) and len(value) == 3


# Lists that [MS-XCEP] declares unordered and that carry nothing in their order. Providers and
# extensions are compared in order: clients try providers in the order in which they stand.
UNORDERED = ("supersededPolicies", "rAEKUs", "rAPolicies", "cAs")


def compare(model, expected):
    """Differences between what came and what had to come, one line each."""
    result = []
    if model.get("fault"):
        return ["a fault came: %s" % (model["fault"],)]
    for name in ("policies", "cas"):
        compare_value(name, model[name], expected[name], result)
    compare_table(model["oids"], expected["oids"], result)
    return result


def compare_value(path, got, wanted, result):
    if is_oid_triple(got) or is_oid_triple(wanted):
        if not same_oid(got, wanted):
            result.append("%s: %r, expected %r" % (path, got, wanted))
    elif isinstance(got, dict) and isinstance(wanted, dict):
        for key in sorted(set(got) | set(wanted)):
            if key not in wanted:
                result.append("%s/%s: not expected" % (path, key))
            elif key not in got:
                result.append("%s/%s: missing" % (path, key))
            else:
                compare_value("%s/%s" % (path, key), got[key], wanted[key], result)
    elif isinstance(got, list) and isinstance(wanted, list) and len(got) == len(wanted):
        if path.rsplit("/", 1)[-1] in UNORDERED:
            got, wanted = sorted(got, key=str), sorted(wanted, key=str)
        for number, (one, other) in enumerate(zip(got, wanted)):
            compare_value("%s[%d]" % (path, number), one, other, result)
    elif got != wanted:
        result.append("%s: %r, expected %r" % (path, got, wanted))


def compare_table(got, wanted, result):
    """Each row once, none that nobody uses, none missing."""
    got, wanted = list(got or ()), list(wanted or ())
    for row in got:
        match = next((other for other in wanted if same_oid(row, other)), None)
        if match is None:
            result.append("oIDs: %r: not expected" % (row,))
        else:
            wanted.remove(match)
    result += ["oIDs: %r: missing" % (row,) for row in wanted]
