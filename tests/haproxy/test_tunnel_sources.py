"""What a load balancer in the wrong hands may say at the tunnel: never a trusted address.

PostgreSQL trusts some addresses more (pg_hba.conf): loopback for the superuser, the pods for
replication. The gateway opens its connection *from* the announced address, so a forged header
would be a forged identity.
"""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address

import pytest

from citadelle import clients
from citadelle.topology import ETCD, HAPROXY, PG, Topology
from citadelle.workspace import Home
from tests.probes import postgres, proxy, tls

# Written as they are announced; IPv4 addresses that IPv6 can also spell, in both spellings.
FORGED = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104  # announced, not bound
    "0.1.2.3",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:0.0.0.0",
    "fe80::1",
    "ff02::1",
    "2001:db8::7",
)
MEMBERS = (*((p, n) for p in PG for n in ("dcs", "pg")), *((e, "dcs") for e in ETCD))
LOOPBACK = proxy.addresses(IPv4Address("127.0.0.1"), IPv4Address("127.0.0.1"))
WITHOUT_ADDRESS = {
    "LOCAL": proxy.header(proxy.LOCAL, proxy.UNSPEC, b""),
    "LOCAL that carries loopback": proxy.header(proxy.LOCAL, proxy.TCP4, LOOPBACK),
    "UNSPEC": proxy.header(proxy.PROXY, proxy.UNSPEC, b""),
    "UNSPEC that carries loopback": proxy.header(proxy.PROXY, proxy.UNSPEC, LOOPBACK),
    "unix socket": proxy.header(proxy.PROXY, proxy.UNIX, bytes(216)),
    "v1 UNKNOWN": b"PROXY UNKNOWN\r\n",
    "v1 loopback": b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 5432\r\n",
    "v1 loopback in IPv6": b"PROXY TCP6 ::ffff:127.0.0.1 ::1 40000 5432\r\n",
    "no header": b"",
}


@pytest.fixture(params=PG)
def pod(request: pytest.FixtureRequest) -> str:
    """Each pod in turn."""
    return str(request.param)


class Stolen:
    """A load balancer's tunnel key in the wrong hands, at one pod's gateway."""

    def __init__(self, topology: Topology, context: ssl.SSLContext, pod: str) -> None:
        self.place = str(topology.address(pod, "pg")), topology.settings.gateway_port
        self.context, self.pod = context, pod

    def says(self, header: bytes) -> bytes:
        """Ask PostgreSQL for TLS after this PROXY header; return its answer."""
        return tls.answer(*self.place, header + postgres.SSL_REQUEST, self.context, self.pod)


@pytest.fixture
def stolen(topology: Topology, home: Home, pod: str) -> Stolen:
    """The key of haproxy1, at each pod's gateway."""
    context = clients.context(home, "tunnel", HAPROXY[0])
    return Stolen(topology, context, pod)


@pytest.mark.parametrize("source", ["203.0.113.7", "192.168.1.1", "10.0.0.1", "223.255.255.254"])
def test_outside_address_passes(stolen: Stolen, source: str) -> None:
    """Clients of anywhere pass: the refusals below are about their address alone."""
    assert stolen.says(proxy.claim(source)) == b"S"


@pytest.mark.parametrize("source", FORGED)
def test_impossible_address_is_refused(stolen: Stolen, source: str) -> None:
    """Loopback would be the superuser's line of pg_hba.conf; the others are no client's."""
    assert stolen.says(proxy.claim(source)) == b""


@pytest.mark.parametrize(("node", "network"), MEMBERS)
def test_members_address_is_refused(
    stolen: Stolen, topology: Topology, node: str, network: str
) -> None:
    """A pod's address would be the replication lines of pg_hba.conf; etcd's has no business."""
    assert stolen.says(proxy.claim(str(topology.address(node, network)))) == b""


@pytest.mark.parametrize("network", ["dcs", "pg"])
def test_pods_own_address_is_refused_in_ipv6_too(
    stolen: Stolen, topology: Topology, pod: str, network: str
) -> None:
    """The same address in the other spelling (RFC 4291, 2.5.5.2) is the same lie."""
    assert stolen.says(proxy.claim(f"::ffff:{topology.address(pod, network)}")) == b""


@pytest.mark.parametrize("header", WITHOUT_ADDRESS.values(), ids=WITHOUT_ADDRESS)
def test_header_without_a_clients_address_is_refused(stolen: Stolen, header: bytes) -> None:
    """Such headers keep the address of the connection that carries them: none may be trusted."""
    assert stolen.says(header) == b""
