"""The nodes of each datacentre, and what a client sees of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from citadelle import connect, lifecycle
from citadelle.chaos import containers
from citadelle.chaos.fault import Field
from citadelle.patroni import Member, Patroni
from citadelle.progress import wait_until
from citadelle.stress.result import Result
from citadelle.topology import PG
from tests.arena import Arena
from tests.operator import change_env, invoke

# HAProxy looks every second and believes it the second time; Patroni every two seconds.
NOTICED_SECONDS = 30.0
# The lease and an election, on a busy machine.
TAKEOVER_SECONDS = 60.0
# The last second of a load may be empty only because it was being ended.
LAST_SECONDS = 4


class Sites:
    """The cluster by its places; what was killed is brought back by :meth:`revive`."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self.field = Field(arena.topology, arena.home)
        self.patroni = Patroni(arena.topology, arena.home)
        [self.remote] = [node for node in PG if arena.topology.is_remote(node)]

    def members(self) -> dict[str, Member]:
        """Return what Patroni knows of each node."""
        return {member.name: member for member in self.patroni.members()}

    def synchronous(self) -> set[str]:
        """Return the synchronous standbys, as etcd's ``/sync`` has them."""
        return {m.name for m in self.members().values() if m.role == "sync_standby"}

    def wait_synchronous(self, *nodes: str) -> None:
        """Wait until these are the synchronous standbys, and no other."""
        wait_until(
            lambda: None if self.synchronous() == set(nodes) else f"{self.members()}",
            f"Réplicas synchrones : {', '.join(nodes) or 'aucun'}",
            NOTICED_SECONDS,
        )

    def write(self, rows: int = 1) -> None:
        """Commit rows of a kilobyte, acknowledged."""
        with connect.connection(self.arena.topology, self.arena.home, "rw") as rw:
            rw.execute("CREATE TABLE IF NOT EXISTS places (what text STORAGE EXTERNAL)")
            sql = "INSERT INTO places SELECT repeat(md5(random()::text), 32) FROM "
            rw.execute(sql + "generate_series(1, %s)", [rows])

    def reader(self, balancer: str) -> str | None:
        """Return the node to which a new connection to 5001 leads; None when it is closed.

        A pod's PostgreSQL listens on loopback and on the pod's address, which tells its name.
        """
        topology = self.arena.topology
        point = topology.endpoint("ro", balancer)
        common = connect.parameters(topology, self.arena.home, "ro")
        here = {"host": point.host, "port": str(point.port)}
        try:
            with psycopg.connect(**(common | here), autocommit=True) as client:
                row = client.execute("SHOW listen_addresses").fetchone()
        except psycopg.OperationalError:
            return None
        assert row is not None
        return next(node for node in PG if str(topology.address(node, "pg")) in row[0])

    def wait_reader(self, balancer: str, node: str | None) -> None:
        """Wait until 5001 of a load balancer leads to a node; None: to nobody."""

        def missing() -> str | None:
            found = self.reader(balancer)
            return None if found == node else str(found)

        wait_until(missing, f"5001 de {balancer} vers {node}", NOTICED_SECONDS)

    def kill(self, *names: str) -> None:
        """SIGKILL to containers, which stay dead."""
        containers.kill(self.field, *names)

    def revive(self) -> None:
        """Start again what was killed and wait until the cluster is whole."""
        containers.revive(self.field)
        lifecycle.wait_settled(self.arena.topology, self.arena.home)


def wait_primary(sites: Sites, node: str) -> None:
    """Wait until this node is the primary."""
    wait_until(
        lambda: None if sites.patroni.leader() == node else f"{sites.patroni.leader()}",
        f"{node} promu",
        TAKEOVER_SECONDS,
    )


def answered_last(result: Result) -> int:
    """Return how many requests of a load were answered in its last seconds."""
    return sum(second.answered for second in result.seconds[-LAST_SECONDS:])


def steady(seconds: float) -> None:
    """Let the load run for a while."""
    end = time.monotonic() + seconds
    wait_until(lambda: None if time.monotonic() > end else "charge", "Charge", 2 * seconds)


@contextmanager
def changed(arena: Arena, **variables: str) -> Iterator[Arena]:
    """The same cluster with other values in ``.env``, applied as an operator does, then undone."""
    before = arena.home.env_file.read_text()
    change_env(arena.home, **variables)
    try:
        _apply(arena)
        yield arena.reread()
    finally:
        arena.home.env_file.write_text(before)
        _apply(arena)


def _apply(arena: Arena) -> None:
    done = invoke(arena.home, "certs", "up")
    assert done.returncode == 0, done.stdout + done.stderr
