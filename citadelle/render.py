"""Templates of ``config/`` to text: pure, strict, nothing is written here.

An undefined name in a template is an error, and what a container reads follows from its role.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from passlib.hash import sha512_crypt

from citadelle.inventory import ETCD_PEER_NAME
from citadelle.topology import (
    ETCD,
    HAPROXY,
    LOAD_BALANCERS,
    PG,
    PGBOUNCER,
    Container,
    Role,
    Topology,
)
from citadelle.workspace import ROOT

# For each role: the file in /etc/citadelle and its template below config/.
TEMPLATES = {
    Role.ETCD: {"etcd.yml": "etcd/etcd.yml.j2"},
    Role.PG: {
        "patroni.yml": "patroni/patroni.yml.j2",
        "pg_hba.conf": "postgresql/pg_hba.conf.j2",
        "pg_ident.conf": "postgresql/pg_ident.conf.j2",
        "postgresql.base.conf": "postgresql/postgresql.base.conf.j2",
    },
    Role.GATEWAY: {"haproxy.cfg": "gateway/haproxy.cfg.j2"},
    Role.HAPROXY: {"haproxy.cfg": "haproxy/haproxy.cfg.j2"},
    Role.PGBOUNCER: {
        "pgbouncer.ini": "pgbouncer/pgbouncer.ini.j2",
        "pgbouncer_hba.conf": "pgbouncer/pgbouncer_hba.conf.j2",
        "userlist.txt": "pgbouncer/userlist.txt.j2",
    },
    Role.GUARD: {"nftables.conf": "pgbouncer/nftables.conf.j2"},
    Role.TOOLS: {
        "patronictl.yml": "tools/patronictl.yml.j2",
        "etcd_users": "tools/etcd_users.j2",
        "pgpass": "tools/pgpass.j2",
    },
}


@cache
def _environment() -> Environment:
    # Configuration files, not HTML: escaping would corrupt them.
    return Environment(  # noqa: S701
        loader=FileSystemLoader(ROOT / "config"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def template(name: str, **values: object) -> str:
    """Render one template below ``config/``; an undefined name raises UndefinedError."""
    return _environment().get_template(name).render(**values)


def files(topology: Topology, container: Container, ca_fingerprint: str) -> dict[str, str]:
    """Return what the container reads, by file name below ``/etc/citadelle``."""
    values = _common(topology, container) | _SPECIFIC[container.role](topology, container)
    if container.role is Role.HAPROXY:
        values["admin_hash"] = admin_hash(topology, ca_fingerprint)
    return {path: template(name, **values) for path, name in TEMPLATES[container.role].items()}


def dynamic_configuration(topology: Topology) -> str:
    """Return Patroni's shared configuration (YAML), kept in etcd."""
    nodes = topology.synchronous_nodes
    return template("patroni/dcs.yml.j2", s=topology.settings, synchronous_nodes=nodes)


def admin_hash(topology: Topology, ca_fingerprint: str) -> str:
    """Return the SHA-512 crypt of the HAProxy administrator's password.

    The salt derives from the cluster's authority: another cluster has another salt, and the
    same cluster renders the same file twice.
    """
    crypt = sha512_crypt.using(salt=ca_fingerprint[:16], rounds=5000)
    return str(crypt.hash(topology.settings.haproxy_admin_password.reveal()))


def _common(topology: Topology, container: Container) -> dict[str, object]:
    values: dict[str, object] = {
        "s": topology.settings,
        "node": container.node,
        "etcd": ETCD,
        "pg": PG,
        "haproxy": HAPROXY,
    }
    if container.role is not Role.TOOLS:
        values["dc"] = topology.datacenter(container.node)
    return values


def _etcd(topology: Topology, container: Container) -> dict[str, object]:
    return {
        "address": topology.address(container.node, "dcs"),
        "members": ETCD,
        "peer_name": ETCD_PEER_NAME,
    }


def _pg(topology: Topology, container: Container) -> dict[str, object]:
    remote = topology.is_remote(container.node)
    return {
        "address": topology.address(container.node, "pg"),
        "pods": [topology.address(node, "pg") for node in PG],
        "poolers": [topology.address(node, "pool") for node in PGBOUNCER],
        "remote": remote,
        "sync_priority": topology.sync_priority(container.node),
        "priority": topology.priority(container.node),
        "dcs": dynamic_configuration(topology),
    }


def _gateway(topology: Topology, container: Container) -> dict[str, object]:
    pods = [topology.address(node, network) for node in PG for network in ("dcs", "pg")]
    return {
        "address": topology.address(container.node, "pg"),
        "forbidden": [*pods, *(topology.address(node, "dcs") for node in ETCD)],
    }


def _haproxy(topology: Topology, container: Container) -> dict[str, object]:
    front = topology.address(container.node, "front")
    return {
        "front": front,
        "pool": topology.address(container.node, "pool"),
        "poolers": [topology.address(node, "pool") for node in PGBOUNCER],
        "address": {node: topology.address(node, "pg") for node in PG},
        "first": topology.reads_first(container.node),
    }


def _pgbouncer(topology: Topology, container: Container) -> dict[str, object]:
    return {
        "front": topology.address(container.node, "front"),
        "machine": topology.gateway_address("front"),
        "upstream": LOAD_BALANCERS,
    }


def _guard(topology: Topology, container: Container) -> dict[str, object]:
    """Return the pooler's own load balancer, when exactly one is in its datacentre."""
    dc = topology.datacenter(container.node)
    near = [node for node in HAPROXY if topology.datacenter(node) == dc]
    if len(near) != 1:
        return {"own": None}
    [far] = [node for node in HAPROXY if node not in near]
    return {
        "own": near[0],
        "own_address": topology.address(near[0], "pool"),
        "other_address": topology.address(far, "pool"),
    }


def _tools(_topology: Topology, _container: Container) -> dict[str, object]:
    return {"hosts": (*HAPROXY, *PGBOUNCER, *PG)}


_SPECIFIC: dict[Role, Callable[[Topology, Container], dict[str, object]]] = {
    Role.ETCD: _etcd,
    Role.PG: _pg,
    Role.GATEWAY: _gateway,
    Role.HAPROXY: _haproxy,
    Role.PGBOUNCER: _pgbouncer,
    Role.GUARD: _guard,
    Role.TOOLS: _tools,
}
