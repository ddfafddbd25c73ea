#!/usr/bin/env python3
# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Makes the seeds of tests/fuzz/fuzz_certificate: certificates for it, sound and odd.

    make_certificate_corpus.py DIRECTORY

Keys and times are new at each run; the seeds in the tree are one run's.
"""

import datetime
import hashlib
import os
import sys

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ALICE, COMPUTER = "S-1-5-21-1-2-3-1104", "S-1-5-21-1-2-3-1105"
SID_TYPE, UPN_TYPE = "1.3.6.1.4.1.311.25.2.1", "1.3.6.1.4.1.311.20.2.3"


def der(tag, *parts):
    content = b"".join(parts)
    if len(content) < 128:
        return bytes([tag, len(content)]) + content
    length = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def oid(text):
    arcs = [int(arc) for arc in text.split(".")]
    content = bytes([arcs[0] * 40 + arcs[1]])
    for arc in arcs[2:]:
        octets = [arc & 0x7f]
        while arc > 0x7f:
            arc >>= 7
            octets.insert(0, 0x80 | arc & 0x7f)
        content += bytes(octets)
    return der(6, content)


def other_name(type_id, tag, value):
    return der(0xa0, oid(type_id), der(0xa0, der(tag, value)))


def sid(text, tag=4):
    return raw("1.3.6.1.4.1.311.25.2", der(0x30, other_name(SID_TYPE, tag, text.encode())))


def raw(type_id, value):
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(type_id), value)


def names(*parts):
    return raw("2.5.29.17", der(0x30, *parts))


def upn(text, tag=12):
    return other_name(UPN_TYPE, tag, text if isinstance(text, bytes) else text.encode())


def dns(text):
    return der(0x82, text if isinstance(text, bytes) else text.encode())


def common_name(text="CA"):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(*extensions, issuer=None, serial=0x0102030405, key=None, subject="owner"):
    key = key or KEY
    now = datetime.datetime(2026, 1, 1)
    made = x509.CertificateBuilder(
        subject_name=common_name(subject), issuer_name=issuer or common_name(),
        public_key=key.public_key(), serial_number=serial, not_valid_before=now,
        not_valid_after=now + datetime.timedelta(days=9999))
    for extension in extensions:
        made = made.add_extension(extension, False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return made.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


def serial_form(octets, issuer="CN=CA"):
    return "X509:<I>%s<SR>%s" % (issuer, octets)


def key_form(key=None):
    point = (key or KEY).public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return "X509:<SHA1-PUKEY>" + hashlib.sha1(point).hexdigest()


def name(*pairs):
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


def changed(data, old, new):
    assert data.count(old) >= 1 and len(old) == len(new), old
    return data.replace(old, new)


def seeds():
    """name -> (lines, certificate)"""
    plain = certificate()
    identifier = x509.SubjectKeyIdentifier.from_public_key(KEY.public_key())
    ski = certificate(identifier)
    ski_form = "X509:<SKI>" + identifier.digest.hex()
    thumbprint = "X509:<SHA1-PUKEY>" + hashlib.sha1(plain).hexdigest()
    both = certificate(sid(ALICE), names(upn("alice@corp.example")))
    corp = name((NameOID.DOMAIN_COMPONENT, "example"), (NameOID.DOMAIN_COMPONENT, "corp"),
                (NameOID.COMMON_NAME, "Corp CA"))
    quoted = name((NameOID.COUNTRY_NAME, "US"), (NameOID.ORGANIZATION_NAME, "Corp, \"Inc.\""),
                  (NameOID.STATE_OR_PROVINCE_NAME, " x "), (NameOID.EMAIL_ADDRESS, "a@b"))
    accents = name((NameOID.COMMON_NAME, "M\u00fcller \u4e2d \U0001f600"))
    many = x509.Name([
        x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, "a"),
                                        x509.NameAttribute(NameOID.SURNAME, "b")])])
    unknown = name((NameOID.USER_ID, "x"))
    all_keys = name(*[(kind, "v") for kind in (
        NameOID.COMMON_NAME, NameOID.SURNAME, NameOID.SERIAL_NUMBER, NameOID.LOCALITY_NAME,
        NameOID.STREET_ADDRESS, NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.TITLE,
        NameOID.GIVEN_NAME)])
    long_oid = "1.2." + ".".join(["4294967295"] * 40)
    rsa_key = rsa.generate_private_key(65537, 1024)
    found = {
        "plain": ("", plain),
        "rsa": ("", certificate(sid(ALICE), key=rsa_key)),
        "ed25519": ("", certificate(sid(ALICE), key=ed25519.Ed25519PrivateKey.generate())),
        "sid-alice": ("", certificate(sid(ALICE))),
        "sid-computer": ("M1\n", certificate(sid(COMPUTER))),
        "sid-unknown": ("", certificate(sid("S-1-5-21-9-9-9-9"))),
        "sid-off": ("M2\n", certificate(sid(ALICE))),
        "sid-octets": ("", certificate(sid("S-1-5"))),
        "sid-longest": ("", certificate(sid("S-1-281474976710655" + "-4294967295" * 15))),
        "sid-hex": ("", certificate(sid("S-1-0x123456789ABC-1"))),
        "sid-utf8": ("", certificate(sid(ALICE, 12))),
        "sid-two-names": ("", certificate(raw("1.3.6.1.4.1.311.25.2", der(
            0x30, other_name(SID_TYPE, 4, ALICE.encode()),
            other_name(SID_TYPE, 4, COMPUTER.encode()))))),
        "sid-empty": ("", certificate(raw("1.3.6.1.4.1.311.25.2", b""))),
        "sid-nothing": ("", certificate(raw("1.3.6.1.4.1.311.25.2", der(0x30)))),
        "sid-trailing": ("", certificate(raw("1.3.6.1.4.1.311.25.2", der(
            0x30, other_name(SID_TYPE, 4, ALICE.encode())) + b"\0"))),
        "sid-twice": ("", changed(certificate(sid(ALICE), raw(
            "1.3.6.1.4.1.311.25.3", der(0x30, other_name(SID_TYPE, 4, ALICE.encode())))),
            oid("1.3.6.1.4.1.311.25.3"), oid("1.3.6.1.4.1.311.25.2"))),
        "upn-alice": ("M4\n", certificate(names(upn("alice@corp.example")))),
        "upn-case": ("M12\n", certificate(names(upn("ALICE@CORP.EXAMPLE")))),
        "upn-computer": ("M4\n", certificate(names(upn("ws01$@corp.example")))),
        "upn-elsewhere": ("M4\n", certificate(names(upn("alice@other.example")))),
        "upn-bare": ("M4\n", certificate(names(upn("alice")))),
        "upn-service": ("M4\n", certificate(names(upn("host/a@corp.example")))),
        "upn-two": ("", certificate(names(upn("alice@corp.example"), upn("b@corp.example")))),
        "upn-octets": ("", certificate(names(upn(b"\xff\xfe@x")))),
        "upn-nul": ("", certificate(names(upn("alice@corp.example\0.x")))),
        "upn-wrong-type": ("", certificate(names(upn("alice@corp.example", 22)))),
        "upn-longest": ("", certificate(names(upn("a" * 500 + "@corp.exampl")))),
        "dns-computer": ("M8\n", certificate(names(dns("ws01.corp.example")))),
        "dns-two": ("M8\n", certificate(names(dns("ws01.corp.example"), dns("ws01")))),
        "dns-nul": ("", certificate(names(dns(b"ws01\0.corp")))),
        "names-all-kinds": ("", certificate(names(
            upn("alice@corp.example"), dns("ws01.corp.example"), der(0x81, b"a@b"),
            der(0x86, b"tag:microsoft.com,2022-09-14:sid:" + ALICE.encode()),
            der(0x87, b"\x7f\0\0\x01"), der(0x88, b"\x2a\x03"),
            der(0xa4, common_name("x").public_bytes()),
            other_name("1.3.6.1.4.1.311.25.1", 4, b"0123456789abcdef")))),
        "names-nothing": ("", certificate(names())),
        "names-no-sequence": ("", certificate(raw("2.5.29.17", der(5)))),
        "names-disagree": ("", certificate(names(upn("alice@corp.example"),
                                                 dns("ws01.corp.example")))),
        "sid-and-upn": ("", both),
        "sid-against-upn": ("M4\n", certificate(sid(COMPUTER), names(upn("alice@corp.example")))),
        "serial-alice": ("A" + serial_form("0504030201") + "\nM2\n", plain),
        "serial-both": ("A%s\nB%s\n" % ((serial_form("0504030201"),) * 2), plain),
        "serial-high": ("B" + serial_form("0180") + "\n", certificate(serial=0x8001)),
        "serial-high-padded": ("B" + serial_form("018000") + "\n", certificate(serial=0x8001)),
        "serial-longest": ("", certificate(serial=(1 << 159) - 1)),
        "key-identifier": ("B" + ski_form + "\n", ski),
        "key-identifier-odd": ("", certificate(raw("2.5.29.14", der(4)))),
        "key-identifier-long": ("", certificate(raw("2.5.29.14", der(4, b"x" * 64)))),
        "key-hash": ("A" + key_form() + "\n", plain),
        "thumbprint": ("A" + thumbprint + "\n", plain),
        "forms-disagree": ("A%s\nB%s\n" % (key_form(), ski_form), ski),
        "sid-against-altsecid": ("B" + key_form() + "\n", certificate(sid(ALICE))),
        "weak-forms": ("AX509:<I>CN=CA<S>CN=owner\nAX509:<S>CN=owner\nAX509:<RFC822>a@b\n", plain),
        "issuer-corp": ("A" + serial_form("01", "DC=example,DC=corp,CN=Corp CA") + "\n",
                        certificate(issuer=corp, serial=1)),
        "issuer-quoted": ("A" + serial_form("01", 'C=US,O="Corp, ""Inc.""",S=" x ",E=a@b') + "\n",
                          certificate(issuer=quoted, serial=1)),
        "issuer-accents": ("", certificate(issuer=accents)),
        "issuer-two-values": ("", certificate(issuer=many)),
        "issuer-unknown-key": ("", certificate(issuer=unknown)),
        "issuer-all-keys": ("", certificate(issuer=all_keys)),
        "issuer-teletex": ("", changed(certificate(issuer=name((NameOID.COMMON_NAME, "telex"))),
                                       b"\x0c\x05telex", b"\x14\x05telex")),
        "issuer-bmp": ("", changed(certificate(issuer=name((NameOID.COMMON_NAME, "abcdef"))),
                                   b"\x0c\x06abcdef", b"\x1e\x06\0a\0b\0c")),
        "subject-control": ("", certificate(subject="a\nb\0c")),
        "usage-client": ("", certificate(x509.ExtendedKeyUsage(
            [ExtendedKeyUsageOID.CLIENT_AUTH]))),
        "usage-broken": ("", certificate(raw("2.5.29.37", der(5)))),
        "constraints": ("", certificate(x509.BasicConstraints(True, 1))),
        "names-long-oid": ("", certificate(names(other_name(long_oid, 4, b"x")))),
        "cut": ("", plain[:-1]),
        "trailing": ("", plain + b"\0"),
        "empty": ("", b""),
        "sequence": ("", der(0x30)),
    }
    return {key: lines.encode() + b"\0" + data for key, (lines, data) in found.items()}


def main():
    for key, data in seeds().items():
        with open(os.path.join(sys.argv[1], key), "wb") as file:
            file.write(data)


if __name__ == "__main__":
    main()
