"""The door of 5000 and 5001: TLS or nothing, before anything reaches PostgreSQL."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import psycopg
import pytest

from citadelle.topology import HAPROXY, Endpoint, Topology
from citadelle.workspace import Home
from tests.haproxy import _wire
from tests.haproxy.conftest import Connect

# inspect-delay is 5 s; the rest is a slow machine.
CUT_SECONDS = 8.0
# What a client can start with and never finish.
UNFINISHED = {
    "silence": b"",
    "half an SSLRequest": _wire.SSL_REQUEST[:4],
    "half a ClientHello": bytes.fromhex("160301020001"),
}
REFUSED = {
    "startup packet in clear": _wire.startup("app_owner", "app"),
    "cancel request in clear": _wire.CANCEL_REQUEST,
    "GSSAPI request": _wire.GSS_REQUEST,
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "SSH": b"SSH-2.0-OpenSSH_10.0\r\n",
    "zeros": bytes(64),
    "PROXY v2 of our own": _wire.claim("127.0.0.1") + _wire.SSL_REQUEST,
}


def test_ssl_request_is_answered(entrance: Endpoint) -> None:
    """PostgreSQL itself agrees to TLS (and the refusals below are not a dead port)."""
    assert _wire.answer(entrance.host, entrance.port, _wire.SSL_REQUEST) == b"S"


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)
def test_anything_but_tls_is_cut_without_an_answer(entrance: Endpoint, payload: bytes) -> None:
    """User names and statements in clear, or attacks on the server, stop at the door."""
    assert _wire.answer(entrance.host, entrance.port, payload) == b""


@pytest.fixture(scope="module")
def mute(topology: Topology) -> Iterator[dict[tuple[str, str, str], tuple[socket.socket, float]]]:
    """One client per entrance and way of keeping quiet, all at once: they wait together."""
    with contextlib.ExitStack() as stack:
        opened = {}
        for service in ("rw", "ro"):
            for node in HAPROXY:
                point = topology.endpoint(service, node)
                for how, payload in UNFINISHED.items():
                    client = socket.create_connection((point.host, point.port), CUT_SECONDS)
                    stack.callback(client.close)
                    client.sendall(payload)
                    opened[service, node, how] = client, time.monotonic() + CUT_SECONDS
        yield opened


@pytest.mark.parametrize("how", UNFINISHED)
def test_client_that_does_not_finish_is_cut(
    mute: dict[tuple[str, str, str], tuple[socket.socket, float]],
    entrance: Endpoint,
    how: str,
) -> None:
    """Connections that say nothing would fill the load balancer's table for ever."""
    client, deadline = mute[entrance.service, entrance.node, how]
    client.settimeout(max(deadline - time.monotonic(), 0.1))
    assert client.recv(1) == b""


def test_libpq_without_tls_is_refused(enter: Connect) -> None:
    """An application configured without TLS does not work at all, rather than in clear."""
    with pytest.raises(psycopg.OperationalError, match="server closed the connection"):
        enter(sslmode="disable")


def test_tls_1_2_is_refused(enter: Connect) -> None:
    """PostgreSQL, at the end of the TLS, speaks 1.3 only: no downgrade to weaker suites."""
    with pytest.raises(psycopg.OperationalError, match="alert protocol version"):
        enter(ssl_max_protocol_version="TLSv1.2")


@pytest.mark.parametrize("plane", ["dcs-peer", "dcs-client", "rest", "tunnel", "pg-client"])
def test_server_is_not_vouched_for_by_another_plane(enter: Connect, home: Home, plane: str) -> None:
    """Whoever steals another authority's key cannot pass for PostgreSQL."""
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        enter(sslrootcert=str(home.pki / plane / "ca.crt"))


def test_wrong_password_is_refused(enter: Connect) -> None:
    """The entrance proves nobody: PostgreSQL still asks for the application's password."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        enter(password="not-the-password-at-all")


def test_superuser_is_refused(enter: Connect, topology: Topology) -> None:
    """Even with the right password: the real client address is not the pod's loopback."""
    s = topology.settings
    with pytest.raises(psycopg.OperationalError, match=r"pg_hba\.conf rejects connection"):
        enter(user=s.postgres_user, password=s.postgres_password.reveal())
