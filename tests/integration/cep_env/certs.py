# Copyright 2026 the mod_cep authors. SPDX-License-Identifier: Apache-2.0
"""A CA and a server certificate for loopback names, made when the tests run."""

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


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def general_name(text):
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def builder(subject, issuer, public_key):
    now = datetime.utcnow()
    return x509.CertificateBuilder(
        subject_name=subject, issuer_name=issuer, public_key=public_key,
        serial_number=x509.random_serial_number(), not_valid_before=now - timedelta(days=1),
        not_valid_after=now + timedelta(days=30))


def sign(certificate, key):
    return certificate.sign(key, hashes.SHA256())


def write(path, data, mode):
    with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "wb") as file:
        file.write(data)
