"""Certificates in the wrong hands: stolen ones, and ones minted with an authority's key."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadelle import clients, pki_files, x509_policy
from citadelle.inventory import Certificate
from citadelle.workspace import Home
from citadelle.x509_policy import Validity


def context(home: Home, trusted: str, shown: Path | None) -> ssl.SSLContext:
    """Return a context that trusts one plane and shows any certificate (path without suffix)."""
    tls = clients.context(home, trusted, None)
    if shown is not None:
        tls.load_cert_chain(f"{shown}.crt", f"{shown}.key")
    return tls


def mint(home: Home, directory: Path, plane: str, common_name: str) -> Path:
    """Issue a client certificate by its plane's own authority; return its path without suffix."""
    authority = pki_files.read(home, plane, "ca").pair
    assert authority is not None
    spec = Certificate(plane, "probe", common_name, ("probe",), (), False, True, "", "")
    validity = Validity.of(datetime.now(UTC), days=1)
    leaf = x509_policy.new_leaf(spec, authority, validity, x509.random_serial_number())
    stem = directory / "probe"
    stem.with_suffix(".crt").write_bytes(leaf.certificate.public_bytes(Encoding.PEM))
    key = leaf.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    stem.with_suffix(".key").write_bytes(key)
    return stem
