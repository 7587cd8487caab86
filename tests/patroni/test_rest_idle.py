"""The REST guard (8008) against those who connect and say nothing."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import httpx
import pytest

from citadelle import clients
from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.probes import rest

NODE = PG[0]
# The guard cuts a handshake or a request after 5 s; the rest is the machine's own slowness. Without
# these two cuts, its next patience is 30 s (timeout client).
CUT_SECONDS = 8.0
# Five idle connections freeze Patroni's REST server when nothing guards it (patroni#3705).
IDLE = 30
# Less than the 5 s after which the guard cuts them: what they had frozen would move again.
FREE_SECONDS = 4.0


@pytest.mark.parametrize("handshaken", [False, True])
def test_idle_connection_is_cut(topology: Topology, home: Home, handshaken: bool) -> None:  # a row
    """A silent peer does not hold its place, before its certificate or after."""
    address = (str(topology.address(NODE, "pg")), topology.settings.patroni_rest_port)
    with ExitStack() as stack:
        connection = stack.enter_context(socket.create_connection(address))
        if handshaken:
            tls = clients.context(home, "rest", "operator")
            connection = stack.enter_context(tls.wrap_socket(connection, server_hostname=NODE))
        connection.settimeout(CUT_SECONDS)
        start = time.monotonic()
        while connection.recv(4096):  # a 408 may come first
            pass
    assert time.monotonic() - start < CUT_SECONDS


def test_idle_connections_freeze_nothing(topology: Topology, home: Home) -> None:
    """Anyone on the network could otherwise stop all health checks, hence all writes."""
    address = (str(topology.address(NODE, "pg")), topology.settings.patroni_rest_port)
    with ExitStack() as stack:
        for _ in range(IDLE):
            stack.enter_context(socket.create_connection(address))
        certificate, order = HAPROXY[0], "GET /health"
        answer = rest.ask(topology, home, certificate, order, node=NODE, seconds=FREE_SECONDS)
    assert answer.status_code == httpx.codes.OK
