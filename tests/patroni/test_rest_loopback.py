"""Patroni's own REST door, on loopback behind the guard."""

from __future__ import annotations

import pytest

from citadelle.topology import PG, Topology
from tests.conftest import Containers

CURL = "curl --silent --max-time 3 --cacert /etc/citadelle/tls/ca-rest.crt"
KEYS = "--cert /etc/citadelle/tls/rest-client.crt --key /etc/citadelle/tls/rest-client.key"
# curl's exit codes when the peer ends TLS while it sends or receives.
TLS_ENDED = (55, 56)


@pytest.mark.parametrize("node", PG)
def test_loopback_takes_the_node_s_certificate(
    container: Containers, topology: Topology, node: str
) -> None:
    """Patroni's own door answers inside the pod: what follows is refused for its own reason."""
    port = topology.settings.patroni_rest_port
    assert container(node).run(f"{CURL} {KEYS} https://localhost:{port}/health").rc == 0


@pytest.mark.parametrize("node", PG)
def test_loopback_refuses_without_certificate(
    container: Containers, topology: Topology, node: str
) -> None:
    """Being inside the pod (a broken-in gateway) is not enough to speak to Patroni."""
    port = topology.settings.patroni_rest_port
    assert container(node).run(f"{CURL} https://localhost:{port}/health").rc in TLS_ENDED
