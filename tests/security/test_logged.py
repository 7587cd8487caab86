"""Every kind of refusal by TLS is in the log of whoever refused, with the source's address.

The port of the source is looked for too where it reaches the defender (nobody renews it on the
way): the line is then about this very connection, and no other.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from citadelle.doors import Door, Place, Protocol
from citadelle.topology import Role, Topology
from citadelle.workspace import Home
from tests.probes import logs, minted, tls
from tests.probes.postgres import startup
from tests.security import _matrix, _minted, _tls_hello
from tests.security._matrix import OPEN, every, named

# An authority that no door knows for clients, and one of its certificates.
STRANGER = ("server", "pg1")
OPENSSL_LISTENER = {
    "old version": "SSL handshake failure (error:0A000102:SSL routines::unsupported protocol)",
    "stranger": "SSL client certificate not trusted",
    "nobody": "SSL handshake failure (error:0A0000C7:SSL routines::peer did not return",
    "clear text": "SSL handshake failure (error:0A00009C:SSL routines::http request)",
}
# The defender's own words, by its role.
WORDS = {
    Role.ETCD: {
        "old version": "client offered only unsupported versions",
        "stranger": "certificate signed by unknown authority",
        "nobody": "client didn't provide a certificate",
        "clear text": "first record does not look like a TLS handshake",
    },
    Role.GATEWAY: OPENSSL_LISTENER,
    Role.HAPROXY: {key: OPENSSL_LISTENER[key] for key in ("old version", "clear text")},
    Role.PG: {
        "old version": "could not accept SSL connection: unsupported protocol",
        "stranger": "could not accept SSL connection: certificate verify failed",
        "clear text": "pg_hba.conf rejects connection",
    },
    Role.PGBOUNCER: {
        "old version": "TLS handshake error: handshake failed: error:0A000102",
        "stranger": "TLS handshake error: handshake failed: error:0A000086",
        "clear text": "closing because: SSL required",
    },
}
# HAProxy cuts clear text before PostgreSQL behind it: no server was chosen, by its own decision.
CUT_AT_THE_DOOR = ("<NOSRV>", " PR ")
# PgBouncer 1.24 takes who leaves before a login for a monitoring probe, and does not name him.
NAMELESS = [("pgbouncer", "old version"), ("pgbouncer", "stranger")]
SILENT = pytest.mark.xfail(
    strict=True,
    raises=AssertionError,  # the reason itself must be there: its absence is another error
    reason="PgBouncer 1.24 n'écrit pas l'adresse d'une poignée de main TLS refusée",
)
ROWS = [
    pytest.param(door, kind, marks=[SILENT] if (door.name, kind) in NAMELESS else [])
    for door in OPEN
    for kind in WORDS[door.guard]
]


def _hello(_: ssl.SSLContext, __: Place, raw: socket.socket) -> None:
    raw.sendall(_tls_hello.hello(_tls_hello.OLD_SUITES, _tls_hello.TLS_1_2))
    raw.recv(4096)


def _shake(context: ssl.SSLContext, place: Place, raw: socket.socket) -> None:
    with (
        pytest.raises(ssl.SSLError, match="ALERT"),
        context.wrap_socket(raw, server_hostname=place.node) as connection,
    ):
        connection.recv(1)


def _be_refused(home: Home, door: Door, place: Place, kind: str) -> str:
    """Be refused; return the source, as the defender would write it."""
    attempt = _hello if kind == "old version" else _shake
    shown = home.pki.joinpath(*STRANGER) if kind == "stranger" else None
    with tls.reached(door, place) as raw:
        source = raw.getsockname()
        attempt(_matrix.context(home, door, shown), place, raw)
    return _written(source, door)


def _speak_clearly(door: Door, place: Place) -> str:
    """Make the mistake of a client without TLS; return the source."""
    postgres = door.protocol is Protocol.POSTGRES
    payload = startup("app_owner", "app") if postgres else b"GET / HTTP/1.1\r\n\r\n"
    with socket.create_connection((place.host, place.port), tls.ANSWER_SECONDS) as raw:
        raw.sendall(payload)
        raw.recv(4096)
        return _written(raw.getsockname(), door)


def _written(source: tuple[str, int], door: Door) -> str:
    """PostgreSQL writes the address alone; the others, the port too."""
    return source[0] if door.guard is Role.PG else f"{source[0]}:{source[1]}"


@pytest.mark.parametrize(("door", "kind"), ROWS, ids=named)
def test_refusal_is_logged_with_its_source(
    topology: Topology, home: Home, door: Door, kind: str
) -> None:
    """Whoever tries is seen: what happened, and from where."""
    place, since = door.places(topology)[0], datetime.now(UTC)
    where = door.guards(place.node)
    words: tuple[str, ...] = (WORDS[door.guard][kind],)
    if kind == "clear text":
        source = _speak_clearly(door, place)
        if door.end_to_end:
            where, words = (place.node,), CUT_AT_THE_DOOR
    else:
        source = _be_refused(home, door, place, kind)
    named_source = () if (door.name, kind) in NAMELESS else (source,)
    assert source in logs.wait(topology, where, since, *words, *named_source)


@every(lambda door: door.name == "rest")
def test_forbidden_name_is_logged(topology: Topology, home: Home, door: Door) -> None:
    """The guard's 403 too."""
    place, since = door.places(topology)[0], datetime.now(UTC)
    context = _matrix.context(home, door, home.pki / "rest" / f"gateway.{place.node}")
    with tls.inside(context, door, place) as connection:
        connection.sendall(b"GET /config HTTP/1.1\r\nHost: x\r\n\r\n")
        connection.recv(4096)
        source = _written(connection.getsockname(), door)
    assert "GET /config" in logs.wait(topology, door.guards(place.node), since, source, " 403 ")


@every(lambda door: door.name == "tunnel")
def test_cut_name_is_logged(topology: Topology, home: Home, door: Door) -> None:
    """The tunnel's refusal of a certificate that is no load balancer's, though of its plane."""
    place, since = door.places(topology)[0], datetime.now(UTC)
    spec = replace(_minted.served(topology, door), common_name="haproxy3")
    context = _minted.shown(home, door, minted.issued(home, spec))
    with tls.inside(context, door, place) as connection:
        source = _written(connection.getsockname(), door)
        connection.recv(1)
    assert "<NOSRV>" in logs.wait(topology, door.guards(place.node), since, source, " PR ")
