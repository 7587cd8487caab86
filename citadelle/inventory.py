"""The inventory of certificates: one table from which all are issued, delivered and checked.

Seven planes, one authority each. A plane says who may talk to whom; a certificate of one plane
opens no door of another.
"""

from __future__ import annotations

from dataclasses import dataclass

from citadelle.topology import ETCD, HAPROXY, LOAD_BALANCERS, PG, PGBOUNCER, TOOLS, Role, Topology
from citadelle.variables import is_address

PLANES = ("dcs-peer", "dcs-client", "rest", "tunnel", "server", "pg-client", "admin")

# The authorities that each role needs to recognise those it talks to.
TRUSTED = {
    Role.ETCD: ("dcs-peer", "dcs-client"),
    Role.PG: ("dcs-client", "rest", "server", "pg-client"),
    Role.GATEWAY: ("rest", "tunnel"),
    Role.HAPROXY: ("rest", "tunnel"),
    Role.PGBOUNCER: ("server",),
    Role.GUARD: (),
    Role.TOOLS: ("dcs-client", "rest", "server"),
}

# Every etcd member carries this name besides its own: the only one that peers accept.
ETCD_PEER_NAME = "etcd-peer"


@dataclass(frozen=True)
class Certificate:
    """One certificate to issue.

    ``common_name`` may be empty: on plane ``dcs-client`` it must be, because etcd takes a
    client's CN for a password-less login (etcd 3.5, ``AuthInfoFromTLS``).
    ``container`` reads it as ``/etc/citadelle/tls/<file>.crt`` and ``.key``.
    """

    plane: str
    name: str
    common_name: str
    dns: tuple[str, ...]
    ips: tuple[str, ...]
    server: bool
    client: bool
    container: str
    file: str


def certificates(topology: Topology) -> tuple[Certificate, ...]:
    """Return every certificate of the cluster, in the order of the planes."""
    return (
        *_dcs(),
        *_rest(),
        *_tunnel(),
        *_server(topology),
        *_pg_clients(topology),
        *_admin(topology),
    )


def _dcs() -> list[Certificate]:
    rows = []
    for node in ETCD:
        names = (node, ETCD_PEER_NAME)
        rows.append(_both("dcs-peer", node, "", names, node, "dcs-peer"))
    # The JSON gateway calls etcd itself with the server's certificate: both usages (and,
    # for the same reason as above, no CN).
    for node in ETCD:
        loop = ("localhost",)
        rows.append(
            _both("dcs-client", node, "", (node, *loop), node, "dcs-server", ips=("127.0.0.1",))
        )
    rows += [_client("dcs-client", f"patroni.{node}", "", node, "dcs-client") for node in PG]
    return [*rows, _client("dcs-client", "operator", "", TOOLS, "dcs-client")]


def _rest() -> list[Certificate]:
    rows = []
    for node in PG:
        gateway = f"{node}-gw"
        loop = f"loopback.{node}"
        rows += [
            _server_("rest", node, (node,), (), gateway, "rest-server"),
            _client("rest", f"gateway.{node}", f"gateway.{node}", gateway, "rest-client"),
            _server_("rest", loop, (loop, "localhost"), ("127.0.0.1",), node, "rest-server"),
            _client("rest", f"patroni.{node}", f"patroni.{node}", node, "rest-client"),
        ]
    rows += [_client("rest", node, node, node, "rest-client") for node in HAPROXY]
    return [*rows, _client("rest", "operator", "operator", TOOLS, "rest-client")]


def _tunnel() -> list[Certificate]:
    return [
        *(_server_("tunnel", node, (node,), (), f"{node}-gw", "tunnel-server") for node in PG),
        *(_client("tunnel", node, node, node, "tunnel-client") for node in HAPROXY),
    ]


def _server(topology: Topology) -> list[Certificate]:
    """Return the only certificates that applications see.

    PostgreSQL carries every name under which its clients reach HAProxy, because their TLS
    runs end to end through it.
    """
    dns, ips = _published(topology)
    balancers = (LOAD_BALANCERS, *HAPROXY)
    return [
        *(_server_("server", n, (n, *balancers, *dns), ips, n, "pg-server") for n in PG),
        *(_server_("server", n, (n, *dns), ips, n, "pgbouncer-server") for n in PGBOUNCER),
    ]


def _admin(topology: Topology) -> list[Certificate]:
    """Return the administration pages' certificates.

    Not of plane ``server``: with one of those, and the same names, a load balancer that was
    taken could stand in for PostgreSQL before the clients whose connections it carries.
    """
    dns, ips = _published(topology)
    return [_server_("admin", n, (n, *dns), ips, n, "admin-server") for n in HAPROXY]


def _published(topology: Topology) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names and the addresses under which clients reach the published ports."""
    extra = topology.settings.server_extra_names
    dns = ("localhost", *(name for name in extra if not is_address(name)))
    ips = ("127.0.0.1", *(name for name in extra if is_address(name)))
    if topology.settings.bind_address not in (*ips, "0.0.0.0"):  # noqa: S104  # compared only
        ips = (*ips, topology.settings.bind_address)
    return dns, ips


def _pg_clients(topology: Topology) -> list[Certificate]:
    """Return the certificates of PostgreSQL's own clients: the CN is the database role."""
    s = topology.settings
    rows = []
    for node in PG:
        rows += [
            _client("pg-client", f"replicator.{node}", s.replicator_user, node, "replicator"),
            _client("pg-client", f"rewind.{node}", s.rewind_user, node, "rewind"),
        ]
    return [
        *rows,
        *(_client("pg-client", n, s.pgbouncer_auth_user, n, "pg-client") for n in PGBOUNCER),
    ]


def _both(  # noqa: PLR0913  # a row of the table
    plane: str,
    name: str,
    common_name: str,
    dns: tuple[str, ...],
    container: str,
    file: str,
    *,
    ips: tuple[str, ...] = (),
) -> Certificate:
    return Certificate(plane, name, common_name, dns, ips, True, True, container, file)


def _server_(
    plane: str,
    name: str,
    dns: tuple[str, ...],
    ips: tuple[str, ...],
    container: str,
    file: str,
) -> Certificate:
    return Certificate(plane, name, name, dns, ips, True, False, container, file)


def _client(plane: str, name: str, common_name: str, container: str, file: str) -> Certificate:
    return Certificate(plane, name, common_name, (name,), (), False, True, container, file)
