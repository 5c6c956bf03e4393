"""Certificates for a loopback TLS server, made on the spot and valid for a day."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path


def make_certificates(folder: Path, hosts: tuple[str, ...] = ('127.0.0.1', 'localhost')) -> None:
    """Make an authority and a server certificate signed by it.

    Three PEM files are written to ``folder``: ``ca.pem`` (what a client must trust),
    ``server.pem`` and ``server.key`` (what the server loads).

    :param hosts: host names and IP addresses the server certificate is valid for
    :raises RuntimeError: when the ``cryptography`` package is not installed
    """
    try:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
    except ImportError as error:
        raise RuntimeError(
            'A receiver with TLS makes its certificates with the package "cryptography", '
            'which is not installed. Install it, or use a receiver without TLS.'
        ) from error

    now = datetime.datetime.now(datetime.UTC)

    def builder(name: str) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(common_name(name))
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
        )

    def common_name(name: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])

    def general_name(host: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            return x509.DNSName(host)

    authority_name = 'pyramid_webhooks test authority'
    authority_key = ec.generate_private_key(ec.SECP256R1())
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        builder(authority_name)
        .issuer_name(common_name(authority_name))
        .public_key(authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_cert_sign=True,
                crl_sign=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(key_identifier, critical=False)
        .sign(authority_key, hashes.SHA256())
    )

    server_key = ec.generate_private_key(ec.SECP256R1())
    server = (
        builder('pyramid_webhooks test receiver')
        .issuer_name(common_name(authority_name))
        .public_key(server_key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([general_name(host) for host in hosts]), critical=False
        )
        .add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH]), critical=False
        )
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_identifier),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )

    pem = serialization.Encoding.PEM
    (folder / 'ca.pem').write_bytes(authority.public_bytes(pem))
    (folder / 'server.pem').write_bytes(server.public_bytes(pem))
    (folder / 'server.key').write_bytes(
        server_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
