# SPDX-License-Identifier: Apache-2.0
"""Certificates that tests make when they run: no key is in the tree."""
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

NOW = datetime.datetime.utcnow()
DAY = datetime.timedelta(days=1)
KINDS = {'rsa': lambda: rsa.generate_private_key(65537, 2048), 'p256': lambda: ec.generate_private_key(ec.SECP256R1()),
         'p384': lambda: ec.generate_private_key(ec.SECP384R1()), 'p521': lambda: ec.generate_private_key(ec.SECP521R1()),
         'ed25519': ed25519.Ed25519PrivateKey.generate}


class Entity:
    """A certificate, made for one test, and its key."""

    def __init__(self, name, by=None, kind='p256', san=None, ca=False, until=NOW + 365 * DAY):
        self.key, by = KINDS[kind](), by or self
        self.name = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, 'DE'), x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Example'),
                               x509.NameAttribute(NameOID.COMMON_NAME, name)])
        b = x509.CertificateBuilder().subject_name(self.name).issuer_name(by.name).public_key(self.key.public_key())
        b = b.serial_number(x509.random_serial_number()).not_valid_before(NOW - 30 * DAY).not_valid_after(until)
        b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), False)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), False)
        if ca:
            b = b.add_extension(x509.BasicConstraints(True, None), True)
            b = b.add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), True)
        if san:
            b = b.add_extension(x509.SubjectAlternativeName([san if isinstance(san, x509.GeneralName) else x509.DNSName(san)]), False)
        self.x = b.sign(by.key, None if isinstance(by.key, ed25519.Ed25519PrivateKey) else hashes.SHA256())

    def pem(self, *more):
        return b''.join(e.x.public_bytes(serialization.Encoding.PEM) for e in (self, *more))

    def private(self):
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def crl(self, *revoked):
        b = x509.CertificateRevocationListBuilder().issuer_name(self.name).last_update(NOW - DAY).next_update(NOW + 30 * DAY)
        b = b.add_extension(x509.CRLNumber(1), False)
        b = b.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False)
        for e in revoked:
            b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(e.x.serial_number).revocation_date(NOW - DAY).build())
        return b.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
