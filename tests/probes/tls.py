"""A port from a client's side: bytes in clear or inside TLS, handshakes, and what comes back."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from citadelle import clients
from citadelle.doors import DOORS, Door, Place, Protocol
from citadelle.workspace import Home
from tests.probes import postgres

T = TypeVar("T")
R = TypeVar("R")

# A refusal comes in milliseconds; a door that neither answers nor closes for this long is open.
ANSWER_SECONDS = 4.0
# How long a counter-proof listens before it says that no refusal came: milliseconds are enough for
# one, a second on a busy machine. No door cuts who says nothing in less than five.
SILENCE_SECONDS = 2.0


def named(name: str) -> Door:
    """Return a door of the table."""
    (found,) = [door for door in DOORS if door.name == name]
    return found


def context(home: Home, trusted: str, shown: Path | None = None) -> ssl.SSLContext:
    """Return a context that trusts one plane and shows any certificate.

    ``shown`` is the path of a certificate and its key, without suffix.
    """
    tls = clients.context(home, trusted, None)
    if shown is not None:
        tls.load_cert_chain(f"{shown}.crt", f"{shown}.key")
    return tls


def answer(
    host: str,
    port: int,
    payload: bytes,
    tls: ssl.SSLContext | None = None,
    server_name: str | None = None,
    seconds: float = ANSWER_SECONDS,
) -> bytes:
    """Send bytes (inside TLS if given a context) and return the first answer, empty if closed.

    Raises:
        ssl.SSLError: when TLS itself is refused.
        TimeoutError: when the connection stays open without an answer.
    """
    with (
        socket.create_connection((host, port), seconds) as raw,
        tls.wrap_socket(raw, server_hostname=server_name) if tls else raw as connection,
    ):
        connection.sendall(payload)
        with contextlib.suppress(ConnectionError, ssl.SSLEOFError):
            return connection.recv(4096)
    return b""


@contextlib.contextmanager
def reached(door: Door, place: Place) -> Iterator[socket.socket]:
    """Connect, up to where TLS begins."""
    with socket.create_connection((place.host, place.port), ANSWER_SECONDS) as raw:
        if door.protocol is Protocol.POSTGRES:
            raw.sendall(postgres.SSL_REQUEST)
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


def judgement(
    tls: ssl.SSLContext, door: Door, place: Place, seconds: float = ANSWER_SECONDS
) -> str:
    """Return the alert that answers the client's certificate (RFC 8446, 6.2), "" when none comes.

    The server judges after the client's handshake is over (RFC 8446, 4.4.2): only reading shows
    it. Nothing is written, because bytes under way when the server closes would turn its alert
    into a mere reset. Any other failure than a server's alert is raised.
    """
    try:
        with inside(tls, door, place) as connection:
            connection.settimeout(seconds)
            with contextlib.suppress(TimeoutError):
                connection.recv(1)
    except ssl.SSLError as error:
        _, alert, name = (error.reason or "").partition("_ALERT_")
        if not alert:
            raise
        return name
    return ""


def passes(tls: ssl.SSLContext, door: Door, place: Place) -> bool:
    """Tell whether a certificate is taken: no alert in the time in which a refusal brings one."""
    return not judgement(tls, door, place, SILENCE_SECONDS)


def at_once(question: Callable[[T], R], items: Iterable[T]) -> dict[T, R]:
    """Ask about all the items at the same time: silence takes its whole time for each."""
    asked = tuple(items)
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(question, asked), strict=True))
