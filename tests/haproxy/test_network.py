"""Who reaches whom: what listens, and what the networks keep apart.

What is published, and the networks' own settings: tests/security/test_containers.py.
"""

from __future__ import annotations

import pytest

from citadelle.topology import ETCD, GATEWAYS, HAPROXY, PG, Topology
from tests.conftest import Containers
from tests.probes import kernel, network


def test_load_balancer_listens_only_where_intended(
    container: Containers, topology: Topology, balancer: str
) -> None:
    """Services towards applications and PgBouncer, never towards the pods; no other port."""
    s = topology.settings
    pool, front = (str(topology.address(balancer, n)) for n in ("pool", "front"))
    services = {(a, p) for a in (pool, front) for p in (s.haproxy_rw_port, s.haproxy_ro_port)}
    wanted = services | {(front, s.haproxy_admin_port)}
    assert kernel.listeners(container(balancer)) == wanted


@pytest.mark.parametrize("pod", PG)
def test_pod_listens_only_where_intended(
    container: Containers, topology: Topology, pod: str
) -> None:
    """Nothing on the dcs network; PostgreSQL for the other pods, the gateway for the rest."""
    s, address = topology.settings, str(topology.address(pod, "pg"))
    inner = {("127.0.0.1", s.pg_port), ("127.0.0.1", s.patroni_rest_port)}
    outer = {(address, p) for p in (s.pg_port, s.patroni_rest_port, s.gateway_port)}
    assert kernel.listeners(container(f"{pod}-gw")) == inner | outer


@pytest.mark.parametrize("name", [*HAPROXY, *GATEWAYS])
def test_nothing_listens_in_ipv6(container: Containers, name: str) -> None:
    """A forgotten second family is a forgotten door."""
    assert kernel.ipv6_sockets(container(name)) == ""


def test_load_balancer_reaches_the_pods_alone(
    container: Containers, topology: Topology, balancer: str
) -> None:
    """The component that faces applications is not one step from etcd, who decides all.

    It reaches PostgreSQL's own port too: pg_hba.conf, not the network, decides there.
    """
    found = network.reached(container(balancer), network.doors(topology, "etcd", "pg"))
    assert found == network.doors(topology, "pg")


@pytest.mark.parametrize("pod", PG)
def test_pod_does_not_reach_the_entrances(
    container: Containers, topology: Topology, pod: str
) -> None:
    """A pod in the wrong hands meets no door of the applications (it does meet etcd's)."""
    s = topology.settings
    dcs = {(str(topology.address(node, "dcs")), s.etcd_client_port) for node in ETCD}
    assert network.reached(container(f"{pod}-gw"), network.entrances(topology) | dcs) == dcs
