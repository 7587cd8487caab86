"""Where each machine is: addresses, networks, datacentres and published services."""

from __future__ import annotations

import dataclasses
from ipaddress import IPv4Address

import pytest

from citadelle.topology import (
    ATTACHED,
    ETCD,
    HAPROXY,
    NETWORKS,
    PG,
    PGBOUNCER,
    Endpoint,
    Topology,
)
from tests.unit import factory

TOPOLOGY = factory.topology(SUBNET="172.20.8.0/22", BIND_ADDRESS="192.0.2.7")
NODES = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
PLACES = [(node, net) for node in NODES for net in ATTACHED[node.rstrip("0123456789")]]
ABSENT = [(node, net) for node in NODES for net in NETWORKS if (node, net) not in PLACES]


def test_addresses_are_unique() -> None:
    """One address, one machine: the bridges' own included."""
    found = [TOPOLOGY.address(*place) for place in PLACES]
    found += [TOPOLOGY.gateway_address(network) for network in NETWORKS]

    assert len(set(found)) == len(found)


@pytest.mark.parametrize(("node", "network"), PLACES)
def test_address_is_inside_its_network(node: str, network: str) -> None:
    """And its network inside SUBNET."""
    assert TOPOLOGY.address(node, network) in TOPOLOGY.subnets[network]
    assert TOPOLOGY.subnets[network].subnet_of(TOPOLOGY.settings.subnet)


@pytest.mark.parametrize(("node", "network"), ABSENT)
def test_node_has_no_address_elsewhere(node: str, network: str) -> None:
    """A flow that the segmentation forbids cannot even be written."""
    with pytest.raises(KeyError, match=f"{node} is not on network {network}"):
        TOPOLOGY.address(node, network)


@pytest.mark.parametrize(
    ("node", "network", "expected"),
    [
        ("etcd1", "dcs", "172.20.8.11"),
        ("pg3", "dcs", "172.20.8.23"),
        ("pg3", "pg", "172.20.9.23"),
        ("haproxy2", "pool", "172.20.10.32"),
        ("pgbouncer1", "front", "172.20.11.41"),
        ("tools", "pg", "172.20.9.51"),
    ],
)
def test_address_is_stable(node: str, network: str, expected: str) -> None:
    """Certificates, pg_hba and firewalls name addresses: they do not move."""
    assert TOPOLOGY.address(node, network) == IPv4Address(expected)


def test_bridge_is_the_first_address() -> None:
    """That is what the cluster sees of a client on the host."""
    assert TOPOLOGY.gateway_address("front") == IPv4Address("172.20.11.1")


def test_endpoints_are_the_published_ports() -> None:
    """Each once, on BIND_ADDRESS."""
    published = {
        int(value) for name, value in factory.env().items() if name.endswith("_PUBLISHED_PORT")
    }

    assert {e.port for e in TOPOLOGY.endpoints} == published
    assert {e.host for e in TOPOLOGY.endpoints} == {"192.0.2.7"}


@pytest.mark.parametrize(
    ("service", "nodes"),
    [("rw", HAPROXY), ("ro", HAPROXY), ("admin", HAPROXY), ("pooled", PGBOUNCER)],
)
def test_service_has_two_entrances(service: str, nodes: tuple[str, ...]) -> None:
    """In the order in which clients try them."""
    assert tuple(e.node for e in TOPOLOGY.endpoints if e.service == service) == nodes


@pytest.mark.parametrize(
    ("service", "node", "variable"),
    [
        ("rw", "haproxy1", "HAPROXY1_RW_PUBLISHED_PORT"),
        ("ro", "haproxy2", "HAPROXY2_RO_PUBLISHED_PORT"),
        ("admin", "haproxy2", "HAPROXY2_ADMIN_PUBLISHED_PORT"),
        ("pooled", "pgbouncer2", "PGBOUNCER2_PUBLISHED_PORT"),
    ],
)
def test_endpoint_is_found_by_service_and_node(service: str, node: str, variable: str) -> None:
    """Its port is the variable of that name."""
    expected = Endpoint(service, node, "192.0.2.7", int(factory.env()[variable]))

    assert TOPOLOGY.endpoint(service, node) == expected


@pytest.mark.parametrize(("dc", "remote"), [("dc1", False), ("dc2", True)])
def test_remote_means_outside_the_first_datacenter(dc: str, *, remote: bool) -> None:
    """The first of DATACENTERS is the preferred one."""
    found = factory.topology(PG3_DC=dc)

    assert (found.datacenter("pg3"), found.is_remote("pg3")) == (dc, remote)


def test_preferred_datacenter_is_the_first() -> None:
    """The order of the list decides, not the name."""
    swapped = dataclasses.replace(factory.topology().settings, datacenters=("zz", "dc1"))

    assert Topology(swapped).preferred_datacenter == "zz"


@pytest.mark.parametrize(
    ("replication", "ranks", "waited"),
    [("asynchrone", [2, 2, 0], 1), ("secours", [2, 2, 1], 1), ("synchrone", [2, 2, 1], 2)],
)
def test_synchronous_set(replication: str, ranks: list[int], waited: int) -> None:
    """Who may be a synchronous standby, in which order, and how many a commit waits for."""
    found = factory.topology(REMOTE_REPLICATION=replication)

    assert [found.sync_priority(node) for node in PG] == ranks
    assert found.synchronous_nodes == waited


def test_nothing_remote_is_waited_for_where_nothing_is() -> None:
    """With every PostgreSQL in one datacentre, `synchrone` changes nothing."""
    found = factory.topology(REMOTE_REPLICATION="synchrone", PG3_DC="dc1")

    assert found.synchronous_nodes == 1


def test_one_standby_is_enough_when_all_are_remote() -> None:
    """Whichever it is, it is outside the preferred datacentre."""
    found = factory.topology(REMOTE_REPLICATION="synchrone", PG2_DC="dc2", PG2_PRIORITY="20")

    assert found.synchronous_nodes == 1


def test_priority_is_the_node_s_own() -> None:
    """Zero stays zero: never promoted."""
    assert factory.topology(PG3_PRIORITY="0").priority("pg3") == 0


def test_published_everywhere_is_reached_on_loopback() -> None:
    """BIND_ADDRESS=0.0.0.0 is no address to connect to: local clients use 127.0.0.1."""
    found = factory.topology(BIND_ADDRESS="0.0.0.0")  # noqa: S104  # the case under test
    assert {endpoint.host for endpoint in found.endpoints} == {"127.0.0.1"}
