# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""Certificates made when the tests run: a server's for loopback names, and those of clients."""

import hashlib
import ipaddress
import os
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


class Certificates:
    """ca.pem, server.pem (with its key in server.key) in a directory."""

    def __init__(self, directory, names=("localhost", "127.0.0.1")):
        self.ca_file = os.path.join(directory, "ca.pem")
        self.server_file = os.path.join(directory, "server.pem")
        self.server_key_file = os.path.join(directory, "server.key")
        ca_key = ec.generate_private_key(ec.SECP256R1())
        ca_name = common_name("mod_cep test CA")
        ca = sign(builder(ca_name, ca_name, ca_key.public_key())
                  .add_extension(x509.BasicConstraints(True, 0), True)
                  .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()),
                                 False), ca_key)
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([general_name(name) for name in names])
        server = sign(builder(common_name(names[0]), ca_name, key.public_key())
                      .add_extension(alternatives, False)
                      .add_extension(x509.BasicConstraints(False, None), True)
                      .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
                                     False)
                      .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(
                          ca_key.public_key()), False), ca_key)
        write(self.ca_file, ca.public_bytes(serialization.Encoding.PEM), 0o644)
        write(self.server_file, server.public_bytes(serialization.Encoding.PEM), 0o644)
        write(self.server_key_file, key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()), 0o600)


SID_EXTENSION = x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2")
SID_TYPE = x509.ObjectIdentifier("1.3.6.1.4.1.311.25.2.1")
UPN_TYPE = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")


def der(tag, content):
    """Short lengths only."""
    assert len(content) < 128
    return bytes([tag, len(content)]) + content


def sid_extension(sid):
    """[MS-WCCE] 2.2.2.7.7.4: GeneralNames of one otherName with an OCTET STRING."""
    oid = bytes.fromhex("060a2b060104018237190201")
    return x509.UnrecognizedExtension(
        SID_EXTENSION, der(0x30, der(0xa0, oid + der(0xa0, der(0x04, sid.encode())))))


def alternative_names(upns=(), dns=()):
    return x509.SubjectAlternativeName(
        [x509.OtherName(UPN_TYPE, der(0x0c, upn.encode())) for upn in upns] +
        [x509.DNSName(name) for name in dns])


class Client:
    """A client's certificate with its key in one PEM file, for ssl.SSLContext.load_cert_chain()."""

    def __init__(self, path, certificate, key):
        self.path = path
        self.certificate = certificate
        write(path, certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption()), 0o600)

    # The strong forms of altSecurityIdentities.

    @property
    def by_serial(self):
        names = {"2.5.4.3": "CN", "0.9.2342.19200300.100.1.25": "DC"}
        issuer = ",".join("%s=%s" % (names[part.oid.dotted_string], part.value)
                          for part in self.certificate.issuer)
        serial = self.certificate.serial_number
        octets = serial.to_bytes((serial.bit_length() + 7) // 8, "little")
        return "X509:<I>%s<SR>%s" % (issuer, octets.hex())

    @property
    def by_key_identifier(self):
        found = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
        return "X509:<SKI>" + found.value.digest.hex()

    @property
    def by_key(self):
        point = self.certificate.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return "X509:<SHA1-PUKEY>" + hashlib.sha1(point).hexdigest()

    @property
    def by_thumbprint(self):
        return "X509:<SHA1-PUKEY>" + self.certificate.fingerprint(hashes.SHA1()).hex()


class ClientAuthority:
    """A CA for clients. Files of its clients are made in a directory."""

    def __init__(self, directory, name="Client CA", above=None, days=(-1, 30)):
        self.directory = directory
        self.made = 0
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "example"),
            x509.NameAttribute(NameOID.DOMAIN_COMPONENT, "corp"),
            x509.NameAttribute(NameOID.COMMON_NAME, name)])
        issuer = above or self
        self.certificate = sign(
            builder(self.name, issuer.name, self.key.public_key(),
                    datetime.utcnow() + timedelta(days=days[0]),
                    datetime.utcnow() + timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()),
                           False), issuer.key)
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def issue(self, *extensions, subject="client", days=(-1, 30),
              usages=(ExtendedKeyUsageOID.CLIENT_AUTH,), self_signed=False):
        """A Client. days: from when until when, counted from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        name, now = common_name(subject), datetime.utcnow()
        made = builder(name, name if self_signed else self.name, key.public_key(),
                       now + timedelta(days=days[0]), now + timedelta(days=days[1]))
        made = made.add_extension(x509.BasicConstraints(False, None), True) \
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        if usages:
            made = made.add_extension(x509.ExtendedKeyUsage(usages), False)
        for extension in extensions:
            made = made.add_extension(extension, False)
        self.made += 1
        path = os.path.join(self.directory, "client-%s-%d.pem" % (
            self.certificate.serial_number, self.made))
        return Client(path, sign(made, key if self_signed else self.key), key)


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def builder(subject, issuer, public_key, begin=None, end=None):
    now = datetime.utcnow()
    return x509.CertificateBuilder(
        subject_name=subject, issuer_name=issuer, public_key=public_key,
        serial_number=x509.random_serial_number(),
        not_valid_before=begin or now - timedelta(days=1),
        not_valid_after=end or now + timedelta(days=30))


def sign(certificate, key):
    return certificate.sign(key, hashes.SHA256())


def write(path, data, mode):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
