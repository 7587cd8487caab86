"""Certificates made for one connection of a test by the cluster's own authorities."""

from __future__ import annotations

import secrets
import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from citadelle import x509_policy
from citadelle.inventory import Certificate
from citadelle.workspace import Home
from citadelle.x509_policy import Pair, Validity
from tests.etcd import _probes


def context(home: Home, trusted: str, directory: Path, spec: Certificate) -> ssl.SSLContext:
    """Issue a certificate by its plane's own authority and return a context that shows it.

    Its key is on the disk only while it is loaded: with some of these names, it opens.
    """
    authority = home.pki / spec.plane
    key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    issuer = Pair(x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes()), key)
    validity = Validity.of(datetime.now(UTC), days=1)
    leaf = x509_policy.new_leaf(spec, issuer, validity, secrets.randbits(64))
    stem = directory / spec.name
    stem.with_suffix(".crt").write_bytes(_pem(leaf.certificate))
    stem.with_suffix(".key").write_bytes(_pem(leaf.key))
    try:
        return _probes.context(home, trusted, stem)
    finally:
        stem.with_suffix(".key").unlink()


def _pem(item: x509.Certificate | ec.EllipticCurvePrivateKey) -> bytes:
    if isinstance(item, x509.Certificate):
        return item.public_bytes(serialization.Encoding.PEM)
    return item.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def client_of(plane: str, common_name: str, dns: tuple[str, ...]) -> Certificate:
    """Return what a certificate made for a test says; it takes both sides, like a member's."""
    return Certificate(plane, "probe", common_name, dns, (), True, True, "", "")
