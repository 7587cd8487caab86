"""Looking at both sites without changing anything: who answers, what the remote has."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx

from citadelle import accounts, engine, renewal, status
from citadelle.dr import quorum
from citadelle.dr.bound import Bound, Received, bound
from citadelle.dr.quorum import Past
from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd
from citadelle.patroni import Patroni
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home

MACHINES = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
CONNECT_SECONDS = 2.0
# One row: positions as bytes since 0/0, times as seconds since 1970; empty where NULL.
POSITIONS = """
SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn() - '0/0', pg_last_wal_replay_lsn() - '0/0',
    extract(epoch FROM pg_last_xact_replay_timestamp())"""


@dataclass(frozen=True)
class Machine:
    """One machine of the lost site, by the engine and by the network.

    ``containers`` are the engine's words for those that run; ``answer`` is what the network
    says, in French, empty when it says nothing. ``living``: it may take writes or make a quorum.
    """

    name: str
    containers: dict[str, str]
    answer: str
    living: bool = False


@dataclass(frozen=True)
class Remote:
    """The node to promote; ``problem`` says why it cannot tell what it has, in French."""

    node: str
    role: str
    timeline: int
    received: Received
    problem: str = ""


@dataclass(frozen=True)
class Sight:
    """Both sites at one moment."""

    at: datetime
    lost: tuple[Machine, ...]
    remote: Remote
    quorum: tuple[str, ...]  # etcd members that see a leader, wherever they are
    past: Past | None
    past_problem: str
    stopped: datetime | None  # when the engine saw the last PostgreSQL of the lost site end

    @property
    def bound(self) -> Bound:
        """What may be lost."""
        optime = self.past.optime if self.past else None
        ended = self.stopped is not None
        return bound(self.remote.received, optime, self.stopped or self.at, ended=ended)


def look(topology: Topology, home: Home, node: str) -> Sight:
    """Ask every machine of the preferred site, and the remote; nothing is changed.

    A rehearsal of the quorum on a copy is part of it, unless etcd has one.
    """
    members = [member.name for member in Etcd(topology, home).members() if member.healthy]
    past, problem = (None, "") if members else _past(topology, home)
    return Sight(
        at=datetime.now(UTC),
        lost=machines(topology, home),
        remote=remote(topology, home, node),
        quorum=tuple(members),
        past=past,
        past_problem=problem,
        stopped=stopped(topology, lost(topology, PG)),
    )


def lost(topology: Topology, nodes: Iterable[str] = MACHINES) -> tuple[str, ...]:
    """Return those of the nodes that are in the preferred datacentre, the one that is lost."""
    return tuple(node for node in nodes if not topology.is_remote(node))


def witnesses(topology: Topology) -> tuple[str, ...]:
    """Return the etcd members out of the preferred datacentre."""
    return tuple(node for node in ETCD if topology.is_remote(node))


def machines(topology: Topology, home: Home) -> tuple[Machine, ...]:
    """Return every machine of the preferred datacentre as it is now."""
    states = status.containers(topology, home)
    nodes = lost(topology)
    with ThreadPoolExecutor(len(nodes)) as pool:
        answers = list(pool.map(lambda node: _answer(topology, home, node), nodes))
    return tuple(
        Machine(node, {c: states[c] for c in renewal.services(node)}, *answer)
        for node, answer in zip(nodes, answers, strict=True)
    )


def _answer(topology: Topology, home: Home, node: str) -> tuple[str, bool]:
    """Return what the network says of one machine, and whether it lives."""
    if node in ETCD:
        healthy = Etcd(topology, home).member(node).healthy
        return ("a la majorité d'etcd", True) if healthy else ("", False)
    return _postgres(topology, home, node) if node in PG else ("", False)


def _postgres(topology: Topology, home: Home, node: str) -> tuple[str, bool]:
    try:
        row = Patroni(topology, home).request(node, "GET", "/patroni").json()
        role, state = str(row.get("role", "?")), str(row.get("state", "?"))
    except (httpx.HTTPError, ValueError):
        # Patroni may be dead and PostgreSQL alive: then nothing tells that it takes no writes.
        is_open = _open(topology, node)
        return ("PostgreSQL écoute, sans Patroni", True) if is_open else ("", False)
    return f"Patroni répond : {role}, {state}", role in ("primary", "master")


def _open(topology: Topology, node: str) -> bool:
    address = (str(topology.address(node, "pg")), topology.settings.pg_port)
    try:
        socket.create_connection(address, CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def remote(topology: Topology, home: Home, node: str) -> Remote:
    """Return what one node says of itself, by its local socket and by Patroni."""
    nothing = Received(None, None, None)
    try:
        row = Patroni(topology, home).request(node, "GET", "/patroni").json()
        role, timeline = str(row.get("role", "?")), int(row.get("timeline") or 0)
        recovering, *values = accounts.run_sql(topology, node, POSITIONS).strip().split("|")
    except (httpx.HTTPError, ValueError, CitadelleError) as error:
        return Remote(node, "?", 0, nothing, " ".join(str(error).split()) or type(error).__name__)
    if recovering != "t":
        return Remote(node, role, timeline, nothing)
    return Remote(node, role, timeline, received(*values))


def received(position: str, replayed: str, commit: str) -> Received:
    """Return the row of POSITIONS as values; what PostgreSQL does not know is None.

    A replica that restarted without its primary has received nothing since, but has all that it
    replayed.
    """
    first, second = (int(text) if text else None for text in (position, replayed))
    known = [value for value in (first, second) if value is not None]
    moment = datetime.fromtimestamp(float(commit), UTC) if commit else None
    return Received(max(known, default=None), second, moment)


def _past(topology: Topology, home: Home) -> tuple[Past | None, str]:
    last = witnesses(topology)
    if len(last) != 1:
        return None, ""
    try:
        return quorum.rehearse(topology, home, last[0]), ""
    except (CitadelleError, ValueError) as error:
        return None, str(error)


def stopped(topology: Topology, nodes: Iterable[str]) -> datetime | None:
    """Return when the engine saw the last of these containers end; None if one did not."""
    ends = []
    for node in nodes:
        try:
            state = engine.inspect("container", f"{topology.settings.cluster_name}-{node}")
        except CitadelleError:
            return None
        if state[0]["State"]["Status"] in ("running", "paused", "restarting"):
            return None
        # To the second, upwards: an upper bound.
        end = datetime.fromisoformat(state[0]["State"]["FinishedAt"][:19] + "+00:00")
        ends.append(end + timedelta(seconds=1))
    return max(ends, default=None)
