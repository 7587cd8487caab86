"""Each container of ``docker/compose.yaml`` is where the topology says, under its own name."""

from __future__ import annotations

from typing import Any

import pytest

from citadelle.delivery import volumes
from citadelle.topology import ATTACHED, CONTAINERS, ETCD, HAPROXY, HOLDERS, NETWORKS, PG, PGBOUNCER
from tests.unit.composed import SERVICES, TOPOLOGY, VALUES, composed

NODES = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)


def networks(node: str) -> dict[str, Any]:
    """Return the networks of a node; those of a pod are its holder's."""
    service = f"{node}-net" if node in (*PG, *PGBOUNCER) else node
    found: dict[str, Any] = SERVICES[service]["networks"]
    return found


@pytest.mark.parametrize("node", NODES)
def test_node_is_on_its_networks_only(node: str) -> None:
    """With its fixed addresses: the segmentation is the topology's."""
    kind = node.rstrip("0123456789")
    expected = {net: {"ipv4_address": str(TOPOLOGY.address(node, net))} for net in ATTACHED[kind]}

    assert networks(node) == expected


def test_tools_are_on_their_networks_only() -> None:
    """Without a fixed address: several may run at once."""
    assert tuple(SERVICES["tools"]["networks"]) == ATTACHED["tools"]


@pytest.mark.parametrize("name", [*PG, *(f"{node}-gw" for node in PG), *PGBOUNCER])
def test_pod_lives_in_its_holder_s_network(name: str) -> None:
    """No network of its own beside it."""
    service = SERVICES[name]

    assert service["network_mode"] == f"service:{name.removesuffix('-gw')}-net"
    assert "networks" not in service


@pytest.mark.parametrize("network", NETWORKS)
def test_network_has_its_subnet(network: str) -> None:
    """And the cluster's name."""
    found = composed()["networks"][network]

    assert found["name"] == f"citadelle_{network}"
    assert found["ipam"] == {"config": [{"subnet": str(TOPOLOGY.subnets[network])}]}


@pytest.mark.parametrize("name", [*(c.name for c in CONTAINERS), *HOLDERS])
def test_container_has_the_cluster_s_name(name: str) -> None:
    """Else two clusters of one machine could not live together."""
    assert SERVICES[name]["container_name"] == f"citadelle-{name}"


@pytest.mark.parametrize("name", SERVICES)
def test_container_has_the_cluster_s_labels(name: str) -> None:
    """``invoke destroy`` removes what carries them, and nothing else."""
    labels = SERVICES[name]["labels"]

    assert labels["fr.citadelle.cluster"] == "citadelle"
    assert labels["fr.citadelle.ca"] == VALUES["CA_FINGERPRINT"]


@pytest.mark.parametrize("name", [c.name for c in CONTAINERS])
def test_container_carries_its_own_digest(name: str) -> None:
    """A change of its files replaces this container, and this one alone."""
    assert SERVICES[name]["labels"]["fr.citadelle.config"] == f"empreinte-{name}"


def test_volumes_are_those_delivered() -> None:
    """All external: no compose command removes data."""
    expected = {name: {"external": True, "name": f"citadelle_{name}"} for name in volumes()}

    assert composed()["volumes"] == expected


def test_published_ports_are_the_endpoints() -> None:
    """Nothing else is open on the host."""
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    published = sorted(port.rpartition(":")[0] for port in ports)

    assert published == sorted(f"{e.host}:{e.port}" for e in TOPOLOGY.endpoints)
