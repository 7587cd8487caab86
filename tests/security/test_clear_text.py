"""What each door says to who speaks in clear: nothing of use, and no longer than it must."""

from __future__ import annotations

import contextlib
import socket

import pytest

from citadelle.doors import DOORS, Door, Place, Protocol
from citadelle.topology import Role, Topology
from tests.probes.postgres import SSL_REQUEST, startup
from tests.probes.tls import ANSWER_SECONDS, SILENCE_SECONDS, at_once
from tests.security._matrix import OPEN, every, named

CLEAR = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "startup packet": startup("app_owner", "app"),
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
}
WAITED = (Role.PGBOUNCER, "HTTP")
# Who answers anything: SQLSTATE 28000 and 08P01, in PostgreSQL's protocol and nothing else.
SQLSTATE = {
    (Role.PG, "startup packet"): b"\0C28000\0",
    (Role.PGBOUNCER, "startup packet"): b"\0C08P01\0MSSL required\0",
    (Role.PGBOUNCER, "zeros"): b"\0C08P01\0Mbad packet header",
    (Role.PGBOUNCER, "ones"): b"\0C08P01\0Mbad packet header",
}
DIRECT = [(d, what) for d in OPEN for what in CLEAR if (d.guard, what) != WAITED]


def _answer(place: Place, payload: bytes, seconds: float) -> tuple[bytes, bool]:
    """Send bytes in clear; return all that is answered, and whether the door then closed.

    A reset closes too, and may come before the connection is seen to be open.
    """
    said = b""
    with (
        contextlib.suppress(ConnectionResetError),
        socket.create_connection((place.host, place.port), ANSWER_SECONDS) as connection,
    ):
        connection.sendall(payload)
        connection.settimeout(seconds)
        try:
            while more := connection.recv(4096):
                said += more
        except TimeoutError:
            return said, False
    return said, True


@pytest.mark.parametrize(("door", "what"), DIRECT, ids=named)
def test_clear_text_is_cut(topology: Topology, door: Door, what: str) -> None:
    """Nothing useful is said to who speaks in clear, and the connection ends at once.

    HAProxy cuts what PostgreSQL behind it would have answered: it never crosses a network.
    """
    words = SQLSTATE.get((door.guard, what), b"") if not door.end_to_end else b""
    for place in door.places(topology):
        said, closed = _answer(place, CLEAR[what], ANSWER_SECONDS)
        assert (closed, said[:1]) == (True, b"E" if words else b"")
        assert words in said


@every(lambda door: door.guard is Role.PGBOUNCER)
def test_http_gets_no_word_from_the_pooler(topology: Topology, door: Door) -> None:
    """It takes a request for the head of a long packet, and waits for the rest in silence.

    How long (client_login_timeout), and that it then closes: test_flood.py.
    """
    places = door.places(topology)
    found = at_once(lambda place: _answer(place, CLEAR["HTTP"], SILENCE_SECONDS), places)
    assert found == dict.fromkeys(places, (b"", False))


@pytest.mark.parametrize(
    "door", [d for d in DOORS if d.protocol is Protocol.POSTGRES and d.sources], ids=named
)
def test_address_that_is_not_a_pooler_s_is_cut(topology: Topology, door: Door) -> None:
    """On the network between HAProxy and PgBouncer, nobody else gets even a word about TLS."""
    for place in door.places(topology):
        assert _answer(place, SSL_REQUEST, ANSWER_SECONDS) == (b"", True)
