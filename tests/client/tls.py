"""Certificates for servers of the tests: good ones, and each kind of bad one.

They have all that RFC 5280 wants of them, on which Python insists from 3.13 on.
"""

from __future__ import annotations

import ipaddress
import ssl
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

_DAY = timedelta(days=1)
_USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
           "key_cert_sign", "crl_sign", "encipher_only", "decipher_only")


class Authority:
    """An authority whose certificate is in the file ``path``, and which makes certificates for 127.0.0.1."""

    def __init__(self, folder: Path, name: str = "Authority of the tests") -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign(self._name, self._key, authority=True)
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def context(self, address: str = "127.0.0.1", days: int = 1, protocols: list[str] | None = None) -> ssl.SSLContext:
        """Make the context of a server: for this address, and expired if ``days`` is negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
        certificate = self._sign(name, key, address, days)
        path = self._folder / "server.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        if protocols:
            context.set_alpn_protocols(protocols)
        return context

    def _sign(
        self, name: x509.Name, key: ec.EllipticCurvePrivateKey, address: str = "127.0.0.1", days: int = 1,
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(timezone.utc)
        usage = dict.fromkeys(_USAGES, False)
        usage.update(key_cert_sign=True, crl_sign=True) if authority else usage.update(digital_signature=True)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            x509.CertificateBuilder(self._name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - 10 * _DAY).not_valid_after(now + days * _DAY)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .add_extension(x509.KeyUsage(**usage), critical=True)
            .add_extension(own, critical=False)
            .add_extension(signers, critical=False)
            .sign(self._key, hashes.SHA256()))
