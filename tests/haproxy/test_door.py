"""The door of 5000 and 5001: TLS or nothing, before anything reaches PostgreSQL.

Other beginnings in clear, older versions, other authorities, other accounts: tests/security
(test_clear_text.py, test_protocols.py, test_servers.py, test_passwords.py).
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator

import psycopg
import pytest

from citadelle.topology import HAPROXY, Endpoint, Topology
from tests.haproxy.conftest import Connect
from tests.probes import postgres, proxy, tls

# inspect-delay is 5 s; the rest is a slow machine.
CUT_SECONDS = 8.0
# What a client can start with and never finish.
UNFINISHED = {
    "silence": b"",
    "half an SSLRequest": postgres.SSL_REQUEST[:4],
    "half a ClientHello": bytes.fromhex("160301020001"),
}
REFUSED = {
    "cancel request in clear": postgres.CANCEL_REQUEST,
    "GSSAPI request": postgres.GSS_REQUEST,
    "SSH": b"SSH-2.0-OpenSSH_10.0\r\n",
    "PROXY v2 of our own": proxy.claim("127.0.0.1") + postgres.SSL_REQUEST,
}


def test_ssl_request_is_answered(entrance: Endpoint) -> None:
    """PostgreSQL itself agrees to TLS (and the refusals below are not a dead port)."""
    assert tls.answer(entrance.host, entrance.port, postgres.SSL_REQUEST) == b"S"


@pytest.mark.parametrize("payload", REFUSED.values(), ids=REFUSED)
def test_anything_but_tls_is_cut_without_an_answer(entrance: Endpoint, payload: bytes) -> None:
    """User names and statements in clear, or attacks on the server, stop at the door."""
    assert tls.answer(entrance.host, entrance.port, payload) == b""


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


def test_wrong_password_is_refused(enter: Connect) -> None:
    """The entrance proves nobody: PostgreSQL still asks for the application's password."""
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        enter(password="not-the-password-at-all")
