"""The flow table: every conversation that may cross a network of the cluster, and no other.

Tests, the documentation's flow matrix and the packet capture are derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from citadelle.topology import ATTACHED, ETCD, HAPROXY, PG, PGBOUNCER, Topology

# Behind these ports PostgreSQL's protocol is spoken: TLS is asked for by an 8-byte SSLRequest.
POSTGRES_PORTS = ("PG_PORT", "HAPROXY_RW_PORT", "HAPROXY_RO_PORT", "PGBOUNCER_PORT")
# Whose place an address is that no node has: the host, or the tools container. On the network
# between HAProxy and PgBouncer nobody else has business.
STRANGERS = {"dcs": "tools", "pg": "tools", "front": "client"}


@dataclass(frozen=True)
class Flow:
    """Who talks to whom: kinds of nodes, network, port variable, encryption and proof."""

    source: str
    target: str
    network: str
    port: str
    encryption: str
    proof: str

    @property
    def postgres(self) -> bool:
        """Tell whether PostgreSQL's negotiation may precede TLS."""
        return self.port in POSTGRES_PORTS

    def number(self, topology: Topology) -> int:
        """Return the TCP port that the settings give this flow."""
        return int(getattr(topology.settings, self.port.lower()))


FLOWS = (
    Flow("etcd", "etcd", "dcs", "ETCD_PEER_PORT", "mTLS dcs-peer", "certificat, nom imposé"),
    Flow(
        "pg",
        "etcd",
        "dcs",
        "ETCD_CLIENT_PORT",
        "mTLS dcs-client",
        "certificat + mot de passe, rôle limité au préfixe du cluster",
    ),
    Flow(
        "tools",
        "etcd",
        "dcs",
        "ETCD_CLIENT_PORT",
        "mTLS dcs-client",
        "certificat + mot de passe",
    ),
    Flow("haproxy", "pg", "pg", "PATRONI_REST_PORT", "mTLS rest", "nom du certificat + chemin"),
    Flow(
        "pg",
        "pg",
        "pg",
        "PATRONI_REST_PORT",
        "mTLS rest",
        "nom du certificat + chemin, Basic Auth pour modifier",
    ),
    Flow(
        "tools",
        "pg",
        "pg",
        "PATRONI_REST_PORT",
        "mTLS rest",
        "nom du certificat, Basic Auth pour modifier",
    ),
    Flow("tools", "pg", "pg", "PG_PORT", "TLS server, verify-full", "SCRAM (mesures)"),
    Flow("pg", "pg", "pg", "PG_PORT", "TLS server, verify-full", "certificat pg-client + SCRAM"),
    Flow("haproxy", "pg", "pg", "GATEWAY_PORT", "mTLS tunnel, PROXY v2 dedans", "certificat"),
    Flow(
        "pgbouncer",
        "haproxy",
        "pool",
        "HAPROXY_RW_PORT",
        "TLS server de bout en bout, verify-full",
        "certificat pg-client + SCRAM",
    ),
    Flow(
        "pgbouncer",
        "haproxy",
        "pool",
        "HAPROXY_RO_PORT",
        "TLS server de bout en bout, verify-full",
        "certificat pg-client + SCRAM",
    ),
    Flow("client", "pgbouncer", "front", "PGBOUNCER_PORT", "TLS server", "SCRAM"),
    Flow("client", "haproxy", "front", "HAPROXY_RW_PORT", "TLS server de bout en bout", "SCRAM"),
    Flow("client", "haproxy", "front", "HAPROXY_RO_PORT", "TLS server de bout en bout", "SCRAM"),
    Flow(
        "client",
        "haproxy",
        "front",
        "HAPROXY_ADMIN_PORT",
        "HTTPS",
        "mot de passe (haché au repos)",
    ),
)


@dataclass(frozen=True)
class Party:
    """One end of a conversation; ``kind`` is as in the table, empty when nobody belongs there."""

    name: str
    kind: str


def party(topology: Topology, network: str, address: IPv4Address | IPv6Address) -> Party:
    """Return who has an address on a network."""
    for node in (*ETCD, *PG, *HAPROXY, *PGBOUNCER):
        kind = node.rstrip("0123456789")
        if network in ATTACHED[kind] and topology.address(node, network) == address:
            return Party(node, kind)
    kind = STRANGERS.get(network, "")
    if address == topology.gateway_address(network):
        return Party("machine", kind)
    if address in topology.subnets[network]:
        return Party(kind or str(address), kind)
    # Applications elsewhere reach published ports with their own address; nobody else is outside.
    return Party(str(address), kind if kind == "client" else "")


def match(topology: Topology, network: str, source: str, target: str, port: int) -> Flow | None:
    """Return the row of the table for a connection between two kinds, or None."""
    return next(
        (
            flow
            for flow in FLOWS
            if (flow.network, flow.source, flow.target) == (network, source, target)
            and flow.number(topology) == port
        ),
        None,
    )


def ports(topology: Topology) -> frozenset[int]:
    """Return every TCP port that some flow of the table goes to."""
    return frozenset(flow.number(topology) for flow in FLOWS)
