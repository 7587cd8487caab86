"""Who reaches whom: what listens, what is published, and what the networks keep apart."""

from __future__ import annotations

import pytest

from citadelle import engine
from citadelle.topology import ETCD, HAPROXY, PG, Topology
from tests.haproxy import _inside
from tests.haproxy._inside import Containers


def test_load_balancer_listens_only_where_intended(
    container: Containers, topology: Topology, balancer: str
) -> None:
    """Services towards applications and PgBouncer, never towards the pods; no other port."""
    s = topology.settings
    pool, front = (str(topology.address(balancer, n)) for n in ("pool", "front"))
    services = {(a, p) for a in (pool, front) for p in (s.haproxy_rw_port, s.haproxy_ro_port)}
    wanted = services | {(front, s.haproxy_admin_port)}
    assert _inside.listeners(container(balancer)) == wanted


@pytest.mark.parametrize("pod", PG)
def test_pod_listens_only_where_intended(
    container: Containers, topology: Topology, pod: str
) -> None:
    """Nothing on the dcs network; PostgreSQL for the other pods, the gateway for the rest."""
    s, address = topology.settings, str(topology.address(pod, "pg"))
    inner = {("127.0.0.1", s.pg_port), ("127.0.0.1", s.patroni_rest_port)}
    outer = {(address, p) for p in (s.pg_port, s.patroni_rest_port, s.gateway_port)}
    assert _inside.listeners(container(f"{pod}-gw")) == inner | outer


@pytest.mark.parametrize("name", [*HAPROXY, *(f"{pod}-gw" for pod in PG)])
def test_nothing_listens_in_ipv6(container: Containers, name: str) -> None:
    """A forgotten second family is a forgotten door."""
    assert _inside.ipv6_sockets(container(name)) == ""


def test_load_balancer_reaches_the_pods_alone(
    container: Containers, topology: Topology, balancer: str
) -> None:
    """The component that faces applications is not one step from etcd, who decides all.

    It reaches PostgreSQL's own port too: pg_hba.conf, not the network, decides there.
    """
    found = _inside.reached(container(balancer), _inside.members(topology))
    assert found == _inside.pods(topology, topology.settings.pg_port)


@pytest.mark.parametrize("pod", PG)
def test_pod_does_not_reach_the_entrances(
    container: Containers, topology: Topology, pod: str
) -> None:
    """A pod in the wrong hands meets no door of the applications (it does meet etcd's)."""
    s = topology.settings
    dcs = {(str(topology.address(node, "dcs")), s.etcd_client_port) for node in ETCD}
    assert _inside.reached(container(f"{pod}-gw"), _inside.entrances(topology) | dcs) == dcs


def test_ports_are_published_on_one_address_only(topology: Topology, balancer: str) -> None:
    """Published on every address, they would be open to the machine's other networks."""
    s = topology.settings
    points = [e for e in topology.endpoints if e.node == balancer]
    wanted = {(s.bind_address, e.port) for e in points}
    assert _inside.bindings(s.cluster_name, balancer) == wanted


@pytest.mark.parametrize("name", [f"{pod}-{part}" for pod in PG for part in ("net", "gw")])
def test_pod_publishes_nothing(topology: Topology, name: str) -> None:
    """PostgreSQL is reached by the load balancers alone."""
    assert _inside.bindings(topology.settings.cluster_name, name) == set()


@pytest.mark.parametrize("network", ["dcs", "pg", "pool"])
def test_inner_network_is_internal(topology: Topology, network: str) -> None:
    """The engine drops whatever would leave it."""
    (found,) = engine.inspect("network", f"{topology.settings.cluster_name}_{network}")
    assert found["Internal"] is True
