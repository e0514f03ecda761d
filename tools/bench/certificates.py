"""Certificates for a mesh that is measured with TLS: an authority for the moment, and a server's."""

from __future__ import annotations

import datetime as dt
import ipaddress
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


class Authority:
    """An authority whose key is forgotten once it has signed one certificate for loopback."""

    def __init__(self, folder: Path) -> None:
        self._ca, self._certificate, self._key = (folder / f"{name}.pem" for name in ("ca", "server", "key"))
        authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name, server = _name("medmesh bench"), _name("localhost")
        ca = _builder(name, name, authority).add_extension(x509.BasicConstraints(True, None), critical=True)
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        certificate = _builder(server, name, key).add_extension(x509.SubjectAlternativeName(names), False)
        self._ca.write_bytes(_pem(ca.sign(authority, hashes.SHA256())))
        self._certificate.write_bytes(_pem(certificate.sign(authority, hashes.SHA256())))
        self._key.touch(mode=0o600)
        self._key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )

    def variables(self) -> dict[str, str]:
        """What turns TLS on, to the services and between them."""
        return {
            "MEDMESH_TLS_CERTIFICATE": str(self._certificate),
            "MEDMESH_TLS_KEY": str(self._key),
            "MEDMESH_TLS_UPSTREAM_CA": str(self._ca),
        }

    def credentials(self) -> grpc.ChannelCredentials:
        """A client's."""
        return grpc.ssl_channel_credentials(self._ca.read_bytes())


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer, public_key=key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)
