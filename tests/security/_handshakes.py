"""TLS handshakes with the doors of the cluster: who is refused, in the door's own words."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from citadelle import clients
from citadelle.doors import DOORS, Door, Place, Protocol
from citadelle.inventory import Certificate, certificates
from citadelle.workspace import Home
from tests.security import _sqlstate
from tests.security._sqlstate import Answer
from tests.unit import factory

# A refusal comes at once; a door that says nothing for this long is a failure too.
ANSWER_SECONDS = 4.0
# An alert comes in milliseconds; silence for this long means that the handshake was accepted.
SILENCE_SECONDS = 0.3
# PostgreSQL manual, 53.7: length, then the code by which a client asks for TLS.
SSL_REQUEST = bytes.fromhex("0000000804d2162f")
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
    tls = clients.context(home, door.server_plane, None)
    if shown is not None:
        tls.load_cert_chain(f"{shown}.crt", f"{shown}.key")
    return tls


@contextlib.contextmanager
def reached(door: Door, place: Place) -> Iterator[socket.socket]:
    """Connect, up to where TLS begins."""
    with socket.create_connection((place.host, place.port), ANSWER_SECONDS) as raw:
        if door.protocol is Protocol.POSTGRES:
            raw.sendall(SSL_REQUEST)
            assert raw.recv(1) == b"S", f"{door.name} ({place.node}) ne propose pas TLS"
        yield raw


@contextlib.contextmanager
def inside(tls: ssl.SSLContext, door: Door, place: Place) -> Iterator[ssl.SSLSocket]:
    """Do the client's part of the handshake, the node's own name verified."""
    with (
        reached(door, place) as raw,
        tls.wrap_socket(raw, server_hostname=place.node) as connection,
    ):
        yield connection


def judgement(tls: ssl.SSLContext, door: Door, place: Place) -> str:
    """Return the alert that answers the client's certificate (RFC 8446, 6.2), "" when it passes.

    The server judges after the client's handshake is over (RFC 8446, 4.4.2): only reading shows
    it. Nothing is written, because bytes under way when the server closes would turn its alert
    into a mere reset. Any other failure than a server's alert is raised.
    """
    try:
        with inside(tls, door, place) as connection:
            connection.settimeout(SILENCE_SECONDS)
            with contextlib.suppress(TimeoutError):
                connection.recv(1)
    except ssl.SSLError as error:
        _, alert, name = (error.reason or "").partition("_ALERT_")
        if not alert:
            raise
        return name
    return ""


def status(tls: ssl.SSLContext, door: Door, place: Place, path: str = "/") -> int:
    """Return the status that answers a GET."""
    answer = clients.request(tls, "GET", place.host, place.port, path, server_name=place.node)
    return answer.status_code


def login(home: Home, door: Door, place: Place, **changes: object) -> Answer:
    """Log in to PostgreSQL with libpq, the node's own name verified, and return what it says."""
    return _sqlstate.attempt(
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
