"""Patroni's REST API, asked as whoever shows a certificate of the plane ``rest``."""

from __future__ import annotations

import httpx

from citadelle import clients
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.probes import https

# HAProxy's own words for its 403, which Patroni does not use.
GUARD = "administrative rules"


def ask(
    topology: Topology,
    home: Home,
    certificate: str,
    order: str,
    *,
    node: str = PG[0],
    body: object = None,
    auth: tuple[str, str] | None = None,
    seconds: float = https.SECONDS,
) -> httpx.Response:
    """Send an order (``POST /path``) to one pod's guard."""
    method, path = order.split()
    return https.request(
        clients.context(home, "rest", certificate),
        method,
        topology.address(node, "pg"),
        topology.settings.patroni_rest_port,
        path,
        server_name=node,
        body=body,
        auth=auth,
        seconds=seconds,
    )


def denied(answer: httpx.Response) -> bool:
    """Tell whether the guard itself refused: its 403, and not one of Patroni's."""
    return answer.status_code == httpx.codes.FORBIDDEN and GUARD in answer.text
