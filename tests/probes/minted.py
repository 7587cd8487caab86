"""Certificates that nobody issued, made for one connection of a test by the cluster's authorities.

An authority signs with its key on the operator's disk. The made key is never on a disk: with some
of these names, it would open.
"""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadelle import pki_files, x509_policy
from citadelle.inventory import Certificate
from citadelle.workspace import Home
from citadelle.x509_policy import Pair, Validity
from tests.probes import tls


def client(
    plane: str, common_name: str, dns: tuple[str, ...] = ("probe",), *, server: bool = False
) -> Certificate:
    """Return what a client's certificate of no component says; a server's too, if asked."""
    return Certificate(plane, "probe", common_name, dns, (), server, True, "", "")


def authority(home: Home, plane: str) -> Pair:
    """Return a plane's authority, key included."""
    found = pki_files.read(home, plane, pki_files.AUTHORITY).pair
    assert found is not None
    return found


def leaf(spec: Certificate, issuer: Pair, validity: Validity | None = None) -> Pair:
    """Return a certificate and its key, valid today unless said otherwise."""
    validity = validity or Validity.of(datetime.now(UTC), days=1)
    return x509_policy.new_leaf(spec, issuer, validity, x509.random_serial_number())


def issued(home: Home, spec: Certificate) -> Pair:
    """Return a certificate by its own plane's authority, and its key."""
    return leaf(spec, authority(home, spec.plane))


def context(home: Home, trusted: str, pair: Pair) -> ssl.SSLContext:
    """Return a context that trusts one plane and shows a made certificate."""
    found = tls.context(home, trusted)
    key = pair.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # OpenSSL reads files only; this one is memory, and gone when it is closed.
    with os.fdopen(os.memfd_create("minted"), "wb") as stream:
        stream.write(pair.certificate.public_bytes(Encoding.PEM) + key)
        stream.flush()
        found.load_cert_chain(f"/proc/self/fd/{stream.fileno()}")
    return found
