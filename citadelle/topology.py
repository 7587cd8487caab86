"""The cluster's machines, networks, addresses and ports: one source, everything else derives.

Names are constants, so that tests can be listed before any ``.env`` exists; datacentres,
ports and addresses come from the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network

from citadelle.settings import Settings

ETCD = ("etcd1", "etcd2", "etcd3")
PG = ("pg1", "pg2", "pg3")
HAPROXY = ("haproxy1", "haproxy2")
PGBOUNCER = ("pgbouncer1", "pgbouncer2")
# Both load balancers under one name: PgBouncer compares the whole `host=` with the certificate,
# so a list of two names would never match (seen with 1.24.1).
LOAD_BALANCERS = "haproxy"
TOOLS = "tools"

# The order is the third byte's offset in SUBNET; add new ones at the end.
NETWORKS = ("dcs", "pg", "pool", "front")
# design: PgBouncer cannot reach etcd or a pod, etcd cannot reach PostgreSQL.
ATTACHED = {
    "etcd": ("dcs",),
    "pg": ("dcs", "pg"),
    "haproxy": ("pg", "pool", "front"),
    "pgbouncer": ("pool", "front"),
    "tools": ("dcs", "pg", "front"),
}
# Last byte of the first node of each kind; .1 is the bridge's own address.
FIRST_HOST = {"etcd": 11, "pg": 21, "haproxy": 31, "pgbouncer": 41, "tools": 51}


class Role(StrEnum):
    """What a container runs; the image and the delivered files follow from it."""

    ETCD = "etcd"
    PG = "pg"
    GATEWAY = "gateway"
    HAPROXY = "haproxy"
    PGBOUNCER = "pgbouncer"
    GUARD = "guard"
    TOOLS = "tools"


# The account that each role runs as: in Debian's range of system accounts (policy, 9.2.2), as the
# packages' own scripts demand of an account that exists before them.
UID = {
    Role.ETCD: 901,
    Role.PG: 902,
    Role.GATEWAY: 903,
    Role.HAPROXY: 903,
    Role.PGBOUNCER: 904,
    Role.TOOLS: 905,
}
# These start as root, read their files, then give up what they can (docker/pod, HAProxy's `user`):
# a capability to read another account's files is not among those they have.
READ_AS_ROOT = (Role.GATEWAY, Role.GUARD)


def reader(role: Role) -> int:
    """Return the uid that owns, and alone reads, the delivered files of a role."""
    return 0 if role in READ_AS_ROOT else UID[role]


@dataclass(frozen=True)
class Container:
    """A long-lived container that reads delivered files; in a pod, several share one node."""

    name: str
    role: Role
    node: str


CONTAINERS = (
    *(Container(name, Role.ETCD, name) for name in ETCD),
    *(Container(name, Role.PG, name) for name in PG),
    *(Container(f"{name}-gw", Role.GATEWAY, name) for name in PG),
    *(Container(name, Role.HAPROXY, name) for name in HAPROXY),
    *(Container(f"{name}-net", Role.GUARD, name) for name in PGBOUNCER),
    *(Container(name, Role.PGBOUNCER, name) for name in PGBOUNCER),
)
# Runs only while an operator's command does (`invoke etcdctl`, `patronictl`, `bench`).
OPERATOR = Container(TOOLS, Role.TOOLS, TOOLS)
# The doors of PostgreSQL's pods; then what holds the network namespaces of PgBouncer's, with their
# packet filter.
GATEWAYS = tuple(c.name for c in CONTAINERS if c.role is Role.GATEWAY)
GUARDS = tuple(c.name for c in CONTAINERS if c.role is Role.GUARD)
# What else compose starts: the containers that hold the network namespaces of PostgreSQL's pods.
HOLDERS = tuple(f"{name}-net" for name in PG)


@dataclass(frozen=True)
class Endpoint:
    """Where a client on the host reaches a published service."""

    service: str
    node: str
    host: str
    port: int


@dataclass(frozen=True)
class Topology:
    """Addresses, datacentres and ports of one cluster."""

    settings: Settings

    @cached_property
    def subnets(self) -> dict[str, IPv4Network]:
        """One /24 per network."""
        return dict(zip(NETWORKS, self.settings.subnet.subnets(new_prefix=24), strict=True))

    def address(self, node: str, network: str) -> IPv4Address:
        """Return the fixed address of a node on a network; KeyError if it is not attached."""
        kind = node.rstrip("0123456789")
        if network not in ATTACHED[kind]:
            raise KeyError(f"{node} is not on network {network}")
        index = int(node.removeprefix(kind) or 1)
        return self.subnets[network][FIRST_HOST[kind] + index - 1]

    def gateway_address(self, network: str) -> IPv4Address:
        """Return the bridge's address: what the cluster sees of a client on the host."""
        return self.subnets[network][1]

    def datacenter(self, node: str) -> str:
        """Return the datacentre that .env gives the node."""
        return str(getattr(self.settings, f"{node}_dc"))

    @property
    def preferred_datacenter(self) -> str:
        """The first of DATACENTERS: the primary lives there, commits are synchronous there."""
        return self.settings.datacenters[0]

    def is_remote(self, node: str) -> bool:
        """Tell whether the node is outside the preferred datacentre."""
        return self.datacenter(node) != self.preferred_datacenter

    def share_rack(self, etcd: str, pg: str) -> bool:
        """Tell whether an etcd member and a PostgreSQL node fail together: same number, same place.

        ``etcdN`` and ``pgN`` of one datacentre stand for two machines of one rack.
        """
        same = etcd.removeprefix("etcd") == pg.removeprefix("pg")
        return same and self.datacenter(etcd) == self.datacenter(pg)

    def priority(self, node: str) -> int:
        """Return the failover priority of a PostgreSQL node (0: never promoted)."""
        return int(getattr(self.settings, f"{node}_priority"))

    def reads_first(self, balancer: str) -> tuple[str, ...]:
        """Return the PostgreSQL nodes that a load balancer sends reads to before the others.

        Those of its own datacentre, unless .env treats all alike or there is none.
        """
        near = tuple(node for node in PG if self.datacenter(node) == self.datacenter(balancer))
        return near if near and self.settings.haproxy_ro_preference == "locale" else PG

    def sync_priority(self, node: str) -> int:
        """Return the rank of a PostgreSQL node as a synchronous standby (0: never one).

        Patroni replaces one by another of a higher rank as soon as it streams (sync.py,
        _ReplicaList): two ranks, and not `priority`, so that equals do not swap.
        """
        if not self.is_remote(node):
            return 2
        return 0 if self.settings.remote_replication == "asynchrone" else 1

    @property
    def synchronous_nodes(self) -> int:
        """How many standbys a commit waits for.

        One; but with REMOTE_REPLICATION=synchrone as many as make one of them remote, whoever of
        the preferred datacentre is the primary: its loss then loses nothing.
        """
        preferred = [node for node in PG if not self.is_remote(node)]
        everywhere = self.settings.remote_replication == "synchrone" and len(preferred) < len(PG)
        return len(preferred) if everywhere else 1

    @cached_property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Published services, the first node of each kind first."""
        s = self.settings
        # Published everywhere: this machine's clients use loopback, which certificates carry.
        host = "127.0.0.1" if s.bind_address == "0.0.0.0" else s.bind_address  # noqa: S104
        rows = [
            (service, node, f"{node}_{service}_published_port")
            for service in ("rw", "ro", "admin")
            for node in HAPROXY
        ]
        rows += [("pooled", node, f"{node}_published_port") for node in PGBOUNCER]
        return tuple(
            Endpoint(service, node, host, getattr(s, variable)) for service, node, variable in rows
        )

    def endpoint(self, service: str, node: str) -> Endpoint:
        """Return one published service: ``rw``, ``ro``, ``admin`` or ``pooled``."""
        return next(e for e in self.endpoints if (e.service, e.node) == (service, node))
