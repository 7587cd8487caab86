"""The gateways' tunnel port: only a load balancer's certificate opens it.

Certificates of another use, older versions, other requests in clear: tests/security
(test_certificates.py, test_protocols.py, test_clear_text.py).
"""

from __future__ import annotations

import contextlib
import socket

import pytest

from citadelle import clients
from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.probes import minted, postgres, proxy, tls

# An outside client, as a load balancer would announce him (RFC 5737, documentation).
OUTSIDE = proxy.claim("203.0.113.7") + postgres.SSL_REQUEST
# gateway: timeout client-hs 5s; the rest is a slow machine.
HANDSHAKE_CUT_SECONDS = 8.0


@pytest.fixture(params=PG)
def pod(request: pytest.FixtureRequest) -> str:
    """Each pod in turn."""
    return str(request.param)


@pytest.fixture
def place(topology: Topology, pod: str) -> tuple[str, int]:
    """Where the pod's gateway listens to the load balancers."""
    return str(topology.address(pod, "pg")), topology.settings.gateway_port


@pytest.mark.parametrize("balancer", HAPROXY)
def test_load_balancer_enters(home: Home, pod: str, place: tuple[str, int], balancer: str) -> None:
    """The refusals below are not a dead port."""
    context = clients.context(home, "tunnel", balancer)
    assert tls.answer(*place, OUTSIDE, context, pod) == b"S"


def _answer(home: Home, place: tuple[str, int], pod: str, name: str) -> bytes:
    """Announce a client with a certificate of the tunnel's own authority, of any name."""
    pair = minted.issued(home, minted.client("tunnel", name))
    return tls.answer(*place, OUTSIDE, minted.context(home, "tunnel", pair), pod)


@pytest.mark.parametrize("name", ["pgbouncer1", "pg1", "haproxy", "haproxy11", "HAPROXY1", ""])
def test_certificate_of_another_name_is_refused(
    home: Home, pod: str, place: tuple[str, int], name: str
) -> None:
    """The right authority is not enough: only the two load balancers announce addresses."""
    assert _answer(home, place, pod, name) == b""


def test_minted_certificate_of_a_load_balancer_enters(
    home: Home, pod: str, place: tuple[str, int]
) -> None:
    """The refusals above come from the name alone."""
    assert _answer(home, place, pod, HAPROXY[0]) == b"S"


@pytest.mark.parametrize("payload", [postgres.SSL_REQUEST, OUTSIDE])
def test_clear_text_is_refused(place: tuple[str, int], payload: bytes) -> None:
    """Nothing of a client's session crosses the pg network without the tunnel."""
    assert tls.answer(*place, payload) == b""


def test_unfinished_handshake_is_cut(topology: Topology) -> None:
    """Peers that prove nothing would fill a gateway's table (all pods wait together)."""
    port = topology.settings.gateway_port
    with contextlib.ExitStack() as stack:
        opened = [socket.create_connection((str(topology.address(pod, "pg")), port)) for pod in PG]
        for client in opened:
            stack.enter_context(client).settimeout(HANDSHAKE_CUT_SECONDS)
        assert [client.recv(1) for client in opened] == [b""] * len(PG)
