"""Certificates made for a test by the cluster's own authorities; they live in ``tmp_path``."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from citadelle import x509_policy
from citadelle.inventory import Certificate
from citadelle.workspace import Home
from citadelle.x509_policy import Pair, Validity


def mint(home: Home, directory: Path, spec: Certificate) -> Path:
    """Issue a certificate by its plane's own authority; return its path without suffix."""
    authority = home.pki / spec.plane
    key = serialization.load_pem_private_key((authority / "ca.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    issuer = Pair(x509.load_pem_x509_certificate((authority / "ca.crt").read_bytes()), key)
    validity = Validity.of(datetime.now(UTC), days=1)
    leaf = x509_policy.new_leaf(spec, issuer, validity, secrets.randbits(64))
    stem = directory / spec.name
    stem.with_suffix(".crt").write_bytes(leaf.certificate.public_bytes(serialization.Encoding.PEM))
    stem.with_suffix(".key").write_bytes(
        leaf.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return stem


def client_of(plane: str, common_name: str, dns: tuple[str, ...]) -> Certificate:
    """Return what a certificate made for a test says; it takes both sides, like a member's."""
    return Certificate(plane, "probe", common_name, dns, (), True, True, "", "")
