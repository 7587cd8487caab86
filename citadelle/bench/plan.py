"""What is measured: the paths to the primary, and what is asked of each."""

from __future__ import annotations

from dataclasses import dataclass

from citadelle.topology import HAPROXY, PGBOUNCER, Topology

# The row count (scale × 100,000) fits in shared buffers.
SCALE = 5
# A measure of new connections makes this many seconds' worth of CONNECTIONS_PER_SECOND: below
# HAProxy's window (ten) and nftables' reserve (five), so that neither bound decides the result.
CONNECTION_SECONDS = 4
# The targets of the pooler: many clients that come and go against the connections that an
# application server keeps.
MANY, FEW = 2000, 100
# pgbench's own threads: one per core of the smallest machine that the project is measured on.
JOBS = 2


@dataclass(frozen=True)
class Path:
    """One way to the primary: its name, libpq's options, how many clients take it.

    ``transactions`` of each client, where there are any, replace the duration.
    """

    name: str
    target: str
    clients: int
    transactions: int = 0


@dataclass(frozen=True)
class Workload:
    """What is asked; ``options`` are pgbench's, none for a bulk copy (psql)."""

    name: str
    unit: str
    options: tuple[str, ...] = ()
    connects: bool = False


SHORT = Workload("lectures courtes", "transactions/s", ("--select-only",))
WRITES = Workload("écritures", "transactions/s", ("--skip-some-updates",))
CONNECTIONS = Workload("connexions", "connexions/s", ("--select-only", "--connect"), connects=True)
COPY = Workload("copie (COPY)", "Mo/s")


@dataclass(frozen=True)
class Plan:
    """One run: every workload on every path, ``rounds`` times; the first path is the reference."""

    title: str
    workloads: tuple[Workload, ...]
    paths: tuple[Path, ...]
    seconds: int
    rounds: int


def usual(topology: Topology, leader: str, plain: str, load: tuple[int, int, int]) -> Plan:
    """Return the four paths; ``plain`` is the bare HAProxy's address, ``load`` the options."""
    clients, seconds, rounds = load
    s = topology.settings
    paths = (
        Path("direct (TLS)", _target(topology, (leader,), s.pg_port), clients),
        # PostgreSQL's own certificate answers: the name is the primary's.
        Path(
            "HAProxy simple",
            f"{_target(topology, (leader,), s.haproxy_rw_port)} hostaddr={plain}",
            clients,
        ),
        Path("5000", _target(topology, HAPROXY[:1], s.haproxy_rw_port), clients),
        Path("PgBouncer", _target(topology, PGBOUNCER[:1], s.pgbouncer_port), clients),
    )
    workloads = (SHORT, WRITES, COPY, CONNECTIONS)
    return Plan("Débit par chemin", workloads, paths, seconds, rounds)


def many(topology: Topology, leader: str, load: tuple[int, int]) -> Plan:
    """Return the crowd at both poolers against a few direct connections.

    Through 5000 there are only as many as one load balancer takes from one address; clients that
    draw their host among two would not fall into equal halves. All do the same number of
    transactions: pgbench's clock runs while its clients connect, and 2,000 take half a minute.
    """
    seconds, rounds = load
    s = topology.settings
    held = min(FEW, s.haproxy_clients_per_address, s.direct_connections)
    ways = (
        ("direct (TLS)", (leader,), s.pg_port, FEW),
        ("5000", HAPROXY[:1], s.haproxy_rw_port, held),
        ("PgBouncer", PGBOUNCER, s.pgbouncer_port, MANY),
    )
    paths = tuple(
        Path(f"{name}, {n}", _target(topology, hosts, port), n, seconds * MANY // n)
        for name, hosts, port, n in ways
    )
    title = f"{MANY} clients de PgBouncer contre {FEW} connexions"
    return Plan(title, (SHORT, WRITES), paths, seconds, rounds)


def _target(topology: Topology, hosts: tuple[str, ...], port: int) -> str:
    """Return libpq's options; clients spread over several hosts, and try the next one."""
    s = topology.settings
    spread = " load_balance_hosts=random" if len(hosts) > 1 else ""
    account = f"user={s.app_user} dbname={s.app_database}"
    return f"host={','.join(hosts)} port={port} {account}{spread}"
