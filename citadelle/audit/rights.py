"""What each container of the cluster may be and do: one table, derived from the topology."""

from __future__ import annotations

from dataclasses import dataclass

from citadelle import delivery, images
from citadelle.topology import ATTACHED, CONTAINERS, HOLDERS, UID, Role, Topology

# The number of each capability (linux/capability.h), by the name that compose gives it.
CAPABILITIES = {
    "SETGID": 6,
    "SETUID": 7,
    "SETPCAP": 8,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
}
NONE: frozenset[str] = frozenset()
NOBODY = 65534
HOLDER = "holder"
CONF, DATA = "/etc/citadelle", "/var/lib/citadelle"


@dataclass(frozen=True)
class Rights:
    """The privileges of one kind of container.

    ``account`` is the user that the engine starts, ``processes`` the uid and capabilities of
    those that run afterwards, ``bounding`` what they could ever regain. ``tmpfs`` is where they
    may write besides their data. A container that only sleeps has no health to check.
    """

    stage: str
    account: str
    processes: frozenset[tuple[int, frozenset[str]]]
    added: frozenset[str] = NONE
    bounding: frozenset[str] = NONE
    tmpfs: frozenset[str] = frozenset()
    health: bool = True


def _own(role: Role) -> frozenset[tuple[int, frozenset[str]]]:
    """Return processes of the role's own account, without any capability."""
    return frozenset({(UID[role], NONE)})


_GATEWAY = frozenset({"NET_RAW", "SETUID", "SETGID"})
# Starts as root to set routes or a packet filter, then sleeps as nobody, without anything.
_SLEEPER = Rights(
    "pod",
    "",
    frozenset({(NOBODY, NONE)}),
    added=frozenset({"NET_ADMIN", "SETUID", "SETGID", "SETPCAP"}),
    health=False,
)
RIGHTS: dict[str, Rights] = {
    Role.ETCD: Rights("etcd", "etcd", _own(Role.ETCD)),
    Role.PG: Rights(
        "pg",
        "postgres",
        _own(Role.PG),
        tmpfs=frozenset({"/run/postgresql", "/run/patroni", "/tmp"}),  # noqa: S108  # a tmpfs there
    ),
    # The root master reads the keys; the worker that serves keeps what `usesrc` needs.
    Role.GATEWAY: Rights(
        "haproxy",
        "0",
        frozenset({(0, _GATEWAY), (UID[Role.GATEWAY], frozenset({"NET_RAW"}))}),
        added=_GATEWAY,
        bounding=_GATEWAY,
        tmpfs=frozenset({"/run/haproxy"}),
    ),
    Role.HAPROXY: Rights(
        "haproxy", "haproxy", _own(Role.HAPROXY), tmpfs=frozenset({"/run/haproxy"})
    ),
    Role.PGBOUNCER: Rights(
        "pgbouncer", "pgbouncer", _own(Role.PGBOUNCER), tmpfs=frozenset({"/run/pgbouncer"})
    ),
    Role.GUARD: _SLEEPER,
    HOLDER: _SLEEPER,
}


@dataclass(frozen=True)
class Expected:
    """One container as it must be; ``pod`` names the one whose network it shares, if any."""

    name: str
    rights: Rights
    image: str
    pod: str | None
    networks: frozenset[str]
    ports: frozenset[tuple[int, str, int]]
    mounts: frozenset[tuple[str, str, bool]]


def expected(topology: Topology) -> tuple[Expected, ...]:
    """Return every container that the topology says runs."""
    kinds = [(c.name, str(c.role), c.node) for c in CONTAINERS]
    kinds += [(name, HOLDER, name.removesuffix("-net")) for name in HOLDERS]
    names = {name for name, _, _ in kinds}
    rows = []
    for name, kind, node in kinds:
        pod = f"{node}-net" if f"{node}-net" in names - {name} else None
        rows.append(
            Expected(
                name,
                RIGHTS[kind],
                images.name(topology, RIGHTS[kind].stage),
                pod,
                frozenset() if pod else frozenset(ATTACHED[node.rstrip("0123456789")]),
                frozenset() if pod else _ports(topology, node),
                _mounts(topology, name),
            )
        )
    return tuple(rows)


def _ports(topology: Topology, node: str) -> frozenset[tuple[int, str, int]]:
    """Return (port inside, address of the machine, port of the machine) of what a node offers."""
    s = topology.settings
    inside = {
        "rw": s.haproxy_rw_port,
        "ro": s.haproxy_ro_port,
        "admin": s.haproxy_admin_port,
        "pooled": s.pgbouncer_port,
    }
    return frozenset(
        (inside[e.service], s.bind_address, e.port) for e in topology.endpoints if e.node == node
    )


def _mounts(topology: Topology, name: str) -> frozenset[tuple[str, str, bool]]:
    """Return (volume, place, writable) of each of a container's volumes."""
    volumes = {f"conf-{name}": (CONF, False), f"data-{name}": (DATA, True)}
    cluster = topology.settings.cluster_name
    known = delivery.volumes()
    return frozenset((f"{cluster}_{v}", *at) for v, at in volumes.items() if v in known)
