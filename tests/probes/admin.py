"""HAProxy's administration page, the load balancer's own name verified."""

from __future__ import annotations

import httpx

from citadelle.topology import Topology
from citadelle.workspace import Home
from tests.probes import https, tls

DOOR = tls.named("admin")


def ask(
    topology: Topology,
    home: Home,
    balancer: str,
    method: str = "GET",
    *,
    auth: tuple[str, str] | None = None,
) -> httpx.Response:
    """Send one request to the page, at its published port."""
    point, context = topology.endpoint("admin", balancer), tls.context(home, DOOR.server_plane)
    return https.request(
        context, method, point.host, point.port, "/", server_name=balancer, auth=auth
    )
