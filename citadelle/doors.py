"""The doors: every TLS port that a network of the cluster reaches, and what each one asks for.

One row per target and port of the flow table (:mod:`citadelle.flows`). Tests try every
certificate of the inventory at every door; the audit and the documentation read the same rows.
What listens on a loopback only (Patroni, PostgreSQL and etcd inside their own pod, PgBouncer's
health check) is no door: no network leads there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from citadelle.inventory import Certificate
from citadelle.topology import CONTAINERS, ETCD, HAPROXY, PG, PGBOUNCER, Role, Topology

NODES = {"etcd": ETCD, "pg": PG, "haproxy": HAPROXY, "pgbouncer": PGBOUNCER}


class Protocol(StrEnum):
    """What the first bytes of a connection must be."""

    TLS = "tls"
    POSTGRES = "postgres"  # an SSLRequest, then TLS


class Demand(StrEnum):
    """When a door wants to see a client's certificate."""

    REQUIRED = "exigé"  # the handshake fails without one
    OPTIONAL = "facultatif"  # the handshake fails with a wrong one
    NEVER = "jamais demandé"


@dataclass(frozen=True)
class Place:
    """One address at which a door of a node is found."""

    node: str
    host: str
    port: int


@dataclass(frozen=True)
class Door:
    """A port, its certificates on both sides, and who guards it.

    ``port`` is a variable of ``.env``. ``client_plane`` is the only authority whose clients pass
    the handshake, None when there is none; of them, ``accepts`` names those that are served
    anything afterwards. ``guard`` is the role whose TLS it is, and whose log shows a refused
    handshake. ``service`` is the published one (``Topology.endpoint``), if any. ``sources`` is
    the only kind of node whose addresses are served at all, None for every address.
    """

    name: str
    kind: str
    network: str
    port: str
    protocol: Protocol
    server_plane: str
    client_plane: str | None
    demand: Demand
    accepts: tuple[str, ...]
    guard: Role
    service: str | None = None
    sources: str | None = None

    @property
    def end_to_end(self) -> bool:
        """Tell whether the node carries a TLS that ends in a pod behind it."""
        return self.guard is Role.PG and self.kind != "pg"

    def passes(self, certificate: Certificate) -> bool:
        """Tell whether the certificate of the inventory is good enough for the handshake."""
        return certificate.plane == self.client_plane and certificate.client

    def shows(self, node: str) -> tuple[str, ...]:
        """Return the names, in the server plane, of the certificates seen at a node's door."""
        return PG if self.end_to_end else (node,)

    def guards(self, node: str) -> tuple[str, ...]:
        """Return the containers in one of whose logs a refused handshake is found."""
        homes = PG if self.end_to_end else (node,)
        return tuple(c.name for c in CONTAINERS if c.role is self.guard and c.node in homes)

    def places(self, topology: Topology) -> tuple[Place, ...]:
        """Return where the door is found: each node's address, then the published ports."""
        port = getattr(topology.settings, self.port.lower())
        return (
            *(Place(n, str(topology.address(n, self.network)), port) for n in NODES[self.kind]),
            *(
                Place(e.node, e.host, e.port)
                for e in topology.endpoints
                if e.service == self.service
            ),
        )


def _mutual(  # noqa: PLR0913  # a row of the table
    name: str,
    kind: str,
    network: str,
    port: str,
    *,
    plane: str,
    accepts: tuple[str, ...],
    guard: Role,
) -> Door:
    """Return a door where both sides prove themselves within one plane."""
    tls, required = Protocol.TLS, Demand.REQUIRED
    return Door(name, kind, network, port, tls, plane, plane, required, accepts, guard)


def _postgresql(
    name: str,
    kind: str,
    network: str,
    port: str,
    *,
    service: str | None = None,
    sources: str | None = None,
) -> Door:
    """Return a door behind which PostgreSQL itself does the TLS.

    It serves no certificate for itself: a role, its address and its password are asked too.
    """
    protocol, optional = Protocol.POSTGRES, Demand.OPTIONAL
    planes = ("server", "pg-client")
    return Door(
        name, kind, network, port, protocol, *planes, optional, (), Role.PG, service, sources
    )


_PATRONI = tuple(f"patroni.{node}" for node in PG)

DOORS = (
    _mutual(
        "etcd-peer",
        "etcd",
        "dcs",
        "ETCD_PEER_PORT",
        plane="dcs-peer",
        accepts=ETCD,
        guard=Role.ETCD,
    ),
    _mutual(
        "etcd-client",
        "etcd",
        "dcs",
        "ETCD_CLIENT_PORT",
        plane="dcs-client",
        accepts=(*ETCD, *_PATRONI, "operator"),
        guard=Role.ETCD,
    ),
    _mutual(
        "rest",
        "pg",
        "pg",
        "PATRONI_REST_PORT",
        plane="rest",
        accepts=(*_PATRONI, *HAPROXY, "operator"),
        guard=Role.GATEWAY,
    ),
    _mutual(
        "tunnel",
        "pg",
        "pg",
        "GATEWAY_PORT",
        plane="tunnel",
        accepts=HAPROXY,
        guard=Role.GATEWAY,
    ),
    _postgresql("postgresql", "pg", "pg", "PG_PORT"),
    _postgresql("rw-pool", "haproxy", "pool", "HAPROXY_RW_PORT", sources="pgbouncer"),
    _postgresql("ro-pool", "haproxy", "pool", "HAPROXY_RO_PORT", sources="pgbouncer"),
    _postgresql("rw", "haproxy", "front", "HAPROXY_RW_PORT", service="rw"),
    _postgresql("ro", "haproxy", "front", "HAPROXY_RO_PORT", service="ro"),
    # PgBouncer asks for a certificate and knows no authority: whatever is shown is refused.
    Door(
        "pgbouncer",
        "pgbouncer",
        "front",
        "PGBOUNCER_PORT",
        Protocol.POSTGRES,
        "server",
        None,
        Demand.OPTIONAL,
        (),
        Role.PGBOUNCER,
        service="pooled",
    ),
    Door(
        "admin",
        "haproxy",
        "front",
        "HAPROXY_ADMIN_PORT",
        Protocol.TLS,
        "admin",
        None,
        Demand.NEVER,
        (),
        Role.HAPROXY,
        service="admin",
    ),
)
