"""The doors of the cluster and the certificates of its inventory: what the matrices are made of."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from citadelle.doors import DOORS, Door, Place
from citadelle.inventory import Certificate, certificates
from citadelle.workspace import Home
from tests.probes import https, sqlstate, tls
from tests.probes.sqlstate import Answer
from tests.unit import factory

# Names, planes and usages depend on no setting: the matrix exists before any .env.
CERTIFICATES = certificates(factory.topology())
# The doors that answer the operator's machine; the others only know certain addresses.
OPEN = tuple(door for door in DOORS if door.sources is None)


def named(value: object) -> str | None:
    """Name a row in pytest's output."""
    if isinstance(value, Door):
        return value.name
    return f"{value.plane}/{value.name}" if isinstance(value, Certificate) else None


def every(doors: Callable[[Door], bool]) -> pytest.MarkDecorator:
    """Run a test at each open door of this kind."""
    chosen = [door for door in OPEN if doors(door)]
    return pytest.mark.parametrize("door", chosen, ids=named)


def context(home: Home, door: Door, shown: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts the door's authority and shows any certificate.

    ``shown`` is the path of a certificate and its key, without suffix.
    """
    return tls.context(home, door.server_plane, shown)


def status(proof: ssl.SSLContext, place: Place, path: str = "/") -> int:
    """Return the status that answers a GET."""
    answer = https.request(proof, "GET", place.host, place.port, path, server_name=place.node)
    return answer.status_code


def login(home: Home, door: Door, place: Place, **changes: object) -> Answer:
    """Log in to PostgreSQL with libpq, the node's own name verified, and return what it says."""
    return sqlstate.attempt(
        {
            "host": place.node,
            "hostaddr": place.host,
            "port": place.port,
            "sslmode": "verify-full",
            "sslrootcert": home.pki / door.server_plane / "ca.crt",
            "gssencmode": "disable",
            **changes,
        }
    )
