"""Who reaches whom: what listens, what is published, and what the networks keep apart."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host

from citadelle import engine
from citadelle.topology import ETCD, HAPROXY, PG, Topology
from tests.etcd import _probes

# An allowed connection takes milliseconds; a packet that is dropped is never answered.
REACH_SECONDS = 2
Containers = Callable[[str], Host]


def reaches(host: Host, address: str, port: int) -> bool:
    """Tell whether a TCP connection opens from inside a container."""
    dial = f"exec 3<>/dev/tcp/{address}/{port}"
    return bool(host.run(f"timeout {REACH_SECONDS} bash -c %s", dial).rc == 0)


def test_load_balancer_listens_only_where_intended(
    container: Containers, topology: Topology, balancer: str
) -> None:
    """Services towards applications and PgBouncer, never towards the pods; no other port."""
    s = topology.settings
    pool, front = (str(topology.address(balancer, n)) for n in ("pool", "front"))
    services = {(a, p) for a in (pool, front) for p in (s.haproxy_rw_port, s.haproxy_ro_port)}
    wanted = services | {(front, s.haproxy_admin_port)}
    assert _probes.listeners(container(balancer)) == wanted


@pytest.mark.parametrize("pod", PG)
def test_pod_listens_only_where_intended(
    container: Containers, topology: Topology, pod: str
) -> None:
    """Nothing on the dcs network; PostgreSQL for the other pods, the gateway for the rest."""
    s, address = topology.settings, str(topology.address(pod, "pg"))
    assert _probes.listeners(container(f"{pod}-gw")) == {
        ("127.0.0.1", s.pg_port),
        ("127.0.0.1", s.patroni_rest_port),
        (address, s.pg_port),
        (address, s.patroni_rest_port),
        (address, s.gateway_port),
    }


@pytest.mark.parametrize("name", [*HAPROXY, *(f"{pod}-gw" for pod in PG)])
@pytest.mark.parametrize("table", ["tcp6", "udp6"])
def test_nothing_listens_in_ipv6(container: Containers, name: str, table: str) -> None:
    """A forgotten second family is a forgotten door."""
    command = f"tail -n +2 /proc/net/{table} 2>/dev/null || true"
    assert container(name).check_output(command) == ""


@pytest.mark.parametrize("pod", PG)
def test_load_balancer_reaches_the_gateways(
    container: Containers, topology: Topology, balancer: str, pod: str
) -> None:
    """The refusals below are not a probe that never works."""
    address = str(topology.address(pod, "pg"))
    assert reaches(container(balancer), address, topology.settings.gateway_port)


@pytest.mark.parametrize("etcd", ETCD)
@pytest.mark.parametrize("port", ["etcd_client_port", "etcd_peer_port"])
def test_load_balancer_does_not_reach_etcd(
    container: Containers, topology: Topology, balancer: str, etcd: str, port: str
) -> None:
    """The component that faces applications is not one step from who decides the primary."""
    address = str(topology.address(etcd, "dcs"))
    assert not reaches(container(balancer), address, getattr(topology.settings, port))


@pytest.mark.parametrize("port", ["haproxy_rw_port", "haproxy_admin_port"])
@pytest.mark.parametrize("network", ["front", "pool"])
def test_pod_does_not_reach_the_load_balancers(
    container: Containers, topology: Topology, balancer: str, port: str, network: str
) -> None:
    """A pod in the wrong hands meets no door of the applications."""
    address = str(topology.address(balancer, network))
    assert not reaches(container("pg1-gw"), address, getattr(topology.settings, port))


def test_ports_are_published_on_one_address_only(topology: Topology, balancer: str) -> None:
    """Published on every address, they would be open to the machine's other networks."""
    (found,) = engine.inspect("container", f"{topology.settings.cluster_name}-{balancer}")
    bound = {(b["HostIp"], int(b["HostPort"])) for b in _bindings(found["NetworkSettings"])}
    points = [e for e in topology.endpoints if e.node == balancer]
    assert bound == {(topology.settings.bind_address, e.port) for e in points}


def _bindings(network: dict[str, dict[str, list[dict[str, str]] | None]]) -> list[dict[str, str]]:
    return [binding for some in network["Ports"].values() for binding in some or []]


@pytest.mark.parametrize("name", [f"{pod}-{part}" for pod in PG for part in ("net", "gw")])
def test_pod_publishes_nothing(topology: Topology, name: str) -> None:
    """PostgreSQL is reached by the load balancers alone."""
    (found,) = engine.inspect("container", f"{topology.settings.cluster_name}-{name}")
    assert _bindings(found["NetworkSettings"]) == []


@pytest.mark.parametrize("network", ["dcs", "pg", "pool"])
def test_inner_network_is_internal(topology: Topology, network: str) -> None:
    """The engine drops whatever would leave it."""
    (found,) = engine.inspect("network", f"{topology.settings.cluster_name}_{network}")
    assert found["Internal"] is True
