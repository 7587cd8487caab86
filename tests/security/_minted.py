"""Certificates at a door, each right but for one thing (tests/probes/minted.py makes them)."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from citadelle import x509_policy
from citadelle.doors import Door
from citadelle.inventory import Certificate, certificates
from citadelle.topology import Topology
from citadelle.workspace import Home
from citadelle.x509_policy import Pair, Validity
from tests.probes import minted
from tests.probes.minted import leaf

DAY = timedelta(days=1)


def served(topology: Topology, door: Door) -> Certificate:
    """Return a certificate that passes the door's handshake."""
    return next(c for c in reversed(certificates(topology)) if door.passes(c))


def _foreign(issuer: Pair) -> Pair:
    """Return an authority of a stranger, with the name of ours."""
    (name,) = issuer.certificate.subject
    today = Validity.of(datetime.now(UTC), days=1)
    return x509_policy.new_authority(str(name.value), today, x509.random_serial_number())


def _forged(spec: Certificate, issuer: Pair) -> Pair:
    """Name our very authority, its key's identifier included, and sign with another key."""
    return leaf(spec, Pair(issuer.certificate, ec.generate_private_key(x509_policy.CURVE())))


def _expired(spec: Certificate, issuer: Pair) -> Pair:
    now = datetime.now(UTC)
    return leaf(spec, issuer, Validity(now - 2 * DAY, now - DAY))


def _early(spec: Certificate, issuer: Pair) -> Pair:
    now = datetime.now(UTC)
    return leaf(spec, issuer, Validity(now + DAY, now + 2 * DAY))


# What is wrong, and how it is made from a certificate that the door serves and its authority.
FAULTS: dict[str, Callable[[Certificate, Pair], Pair]] = {
    "self-signed": lambda _, issuer: _foreign(issuer),
    "unknown authority of the same name": lambda spec, issuer: leaf(spec, _foreign(issuer)),
    "forged signature": _forged,
    "expired": _expired,
    "not yet valid": _early,
    "server's usage": lambda spec, issuer: leaf(replace(spec, server=True, client=False), issuer),
}


def shown(home: Home, door: Door, pair: Pair) -> ssl.SSLContext:
    """Return a context that shows a certificate at a door."""
    return minted.context(home, door.server_plane, pair)
