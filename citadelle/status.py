"""The state of the cluster: for the operator a table, for programs a stable JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from citadelle import engine, lag, pki, placement, poolers, progress
from citadelle.etcd import Etcd
from citadelle.etcd import Member as EtcdMember
from citadelle.fencer import heartbeat
from citadelle.patroni import Member, Patroni
from citadelle.topology import CONTAINERS, HAPROXY, HOLDERS, PG, PGBOUNCER, Topology
from citadelle.workspace import ROOT, Home

SERVICES = ("rw", "ro", "pooled", "admin")
# What holds a network comes before what lives in it.
EXPECTED = (*HOLDERS, *(c.name for c in CONTAINERS))


@dataclass(frozen=True)
class Fencer:
    """Whether .env wants a fencer, and the process that watches, if any."""

    wanted: bool
    pid: int | None

    def __str__(self) -> str:
        if self.pid is None:
            return "Fencer : arrêté (« invoke fencer ») ; un primaire mort coûte tout le bail"
        return f"Fencer : en veille (processus {self.pid})"


@dataclass(frozen=True)
class Status:
    """What was seen at one moment."""

    topology: Topology
    ca: str
    members: list[Member]
    etcd: list[EtcdMember]
    containers: dict[str, str]
    fencer: Fencer = Fencer(wanted=False, pid=None)
    # By replica; one whose lag is unknown is absent.
    seconds: dict[str, float] = field(default_factory=dict)
    # Patroni's maintenance mode.
    paused: bool = False
    # Containers that the engine failed to start again.
    unstarted: list[str] = field(default_factory=list)
    # Poolers that run, and take no client.
    closed: list[str] = field(default_factory=list)

    @property
    def leader(self) -> str | None:
        """The running primary."""
        return next((m.name for m in self.members if m.role == "leader"), None)

    @property
    def better_chief(self) -> str | None:
        """The etcd member that had better lead; after a failover nobody has moved it yet."""
        return placement.better(self.topology, self.leader, self.etcd) if self.leader else None

    def lag_seconds(self, member: Member) -> float | None:
        """Return how late a member's data are, in seconds; None when unknown."""
        return 0.0 if member.role == "leader" else self.seconds.get(member.name)

    def promotable_without_loss(self, member: Member) -> bool:
        """Tell whether it could take over now with every acknowledged write.

        Every commit waited for it (Patroni's role comes from ``/sync`` in etcd, also while there
        is no primary), its PostgreSQL runs, and .env does not bar it.
        """
        ready = member.role == "sync_standby" and member.state in ("streaming", "running")
        return ready and member.name in PG and self.topology.priority(member.name) > 0

    def problems(self) -> list[str]:
        """Return what keeps the cluster from being healthy, in French; empty when it is."""
        found = [f"{c} : {state}" for c, state in self.containers.items() if state != "healthy"]
        found += [f"{p} : son port est fermé (« invoke restart {p} »)" for p in self.closed]
        found += [f"{m.name} ne répond pas" for m in self.etcd if not m.healthy]
        found += [f"{m.name} n'a pas de voix (learner)" for m in self.etcd if m.learner]
        if sum(m.leader for m in self.etcd) != 1:
            found.append("etcd n'a pas un chef et un seul")
        return found + self._replication_problems()

    def _replication_problems(self) -> list[str]:
        states = {m.name: m for m in self.members}
        found = [f"{node} absent du cluster PostgreSQL" for node in PG if node not in states]
        if sum(m.role == "leader" and m.state == "running" for m in self.members) != 1:
            found.append("pas de primaire en service")
        found += [
            f"{m.name} ne réplique pas ({m.state})"
            for m in self.members
            if m.role != "leader" and m.state != "streaming"
        ]
        if self.paused:
            found.append("Patroni est en pause, personne ne serait promu (« patronictl resume »)")
        if not any(m.role == "sync_standby" for m in self.members):
            found.append("pas de réplica synchrone")
        return found

    def as_json(self) -> dict[str, Any]:
        """Return the stable interface documented in docs/exploitation.md."""
        endpoints: dict[str, list[dict[str, Any]]] = {service: [] for service in SERVICES}
        for e in self.topology.endpoints:
            endpoints[e.service].append({"host": e.host, "port": e.port})
        return {
            "healthy": not self.problems(),
            "leader": self.leader,
            "members": [self._member_json(m) for m in self.members],
            "etcd": [{"name": m.name, "healthy": m.healthy, "leader": m.leader} for m in self.etcd],
            "better_etcd_leader": self.better_chief,
            "unstarted": self.unstarted,
            "endpoints": endpoints,
            "ca": self.ca,
            "fencer": {"wanted": self.fencer.wanted, "running": self.fencer.pid is not None},
            "warnings": self.topology.settings.warnings(),
        }

    def _member_json(self, member: Member) -> dict[str, Any]:
        dc = self.topology.datacenter(member.name) if member.name in PG else None
        return {
            **vars(member),
            "dc": dc,
            "lag_seconds": self.lag_seconds(member),
            "promotable_without_loss": self.promotable_without_loss(member),
        }


def observe(topology: Topology, home: Home) -> Status:
    """Look at every component once; what does not answer is reported, not raised."""
    ca = home.pki / "server" / "ca.crt"
    shown = ca.relative_to(ROOT) if ca.is_relative_to(ROOT) else ca
    members, paused = Patroni(topology, home).view()
    found = inspected(topology, home)
    words = health(found)
    leader = next((m.name for m in members if m.role == "leader"), None)
    return Status(
        topology,
        str(shown),
        members,
        Etcd(topology, home).members(),
        words,
        _fencer(topology, home),
        lag.seconds(topology, leader),
        paused,
        unstarted(found),
        [p for p in PGBOUNCER if words[p] == "healthy" and not poolers.listens(topology, p)],
    )


def _fencer(topology: Topology, home: Home) -> Fencer:
    beat = heartbeat.last(home)
    return Fencer(topology.settings.fencer == "oui", beat.pid if beat else None)


def inspected(topology: Topology, home: Home) -> dict[str, dict[str, Any]]:
    """Return what `docker inspect` says of each container that exists, by its own name."""
    cluster = topology.settings.cluster_name
    names = engine.names("container", cluster=cluster, ca=pki.fingerprint(home))
    found = engine.inspect("container", *names)
    return {c["Name"].removeprefix(f"/{cluster}-"): c for c in found}


def containers(topology: Topology, home: Home) -> dict[str, str]:
    """Return the health of each container: ``healthy`` or the engine's word for its state."""
    return health(inspected(topology, home))


def health(found: dict[str, dict[str, Any]]) -> dict[str, str]:
    """Return one word for each container of the topology, from what was inspected."""
    return {name: _word(found[name]["State"]) if name in found else "absent" for name in EXPECTED}


def _word(state: dict[str, Any]) -> str:
    if state["Status"] != "running":
        return str(state["Status"])
    return str(state.get("Health", {}).get("Status", "healthy"))


def unstarted(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the containers that the engine failed to start, those that hold a network first.

    What somebody stopped or killed bears no error.
    """
    return [name for name in _down(found) if found[name]["State"]["Error"]]


def stopped(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the containers that are absent or down, though the engine did not fail to start."""
    failed, down = unstarted(found), _down(found)
    return [n for n in EXPECTED if n not in found or (n in down and n not in failed)]


def _down(found: dict[str, dict[str, Any]]) -> list[str]:
    """Return the containers that do not run; a lost site's are forbidden to (``dr/fence.py``)."""
    return [
        name
        for name in EXPECTED
        if name in found
        and found[name]["State"]["Status"] in ("created", "exited")
        and found[name]["HostConfig"]["RestartPolicy"]["Name"] != "no"
    ]


def table(status: Status) -> Table:
    """Return the nodes, their roles and addresses as a table of 80 columns."""
    s = status.topology.settings
    title = f"Cluster {s.cluster_name} (ports publiés sur {s.bind_address})"
    grid = progress.table(title, "Nœud", "Centre", "Rôle", "État", "TL", "Retard", "Adresse, ports")
    for etcd in status.etcd:
        role = "etcd, chef" if etcd.leader else "etcd"
        address = f"{status.topology.address(etcd.name, 'dcs')}"
        dc = status.topology.datacenter(etcd.name)
        grid.add_row(etcd.name, dc, role, _state(etcd.healthy, "sain", "muet"), "", "", address)
    for member in status.members:
        _add_member(grid, status, member)
    for node in (*HAPROXY, *PGBOUNCER):
        _add_entrance(grid, status, node)
    grid.caption, grid.caption_justify = "\n".join(_remarks(status)), "left"
    return grid


def _remarks(status: Status) -> list[str]:
    found = [_promotable(status)]
    if target := status.better_chief:
        found.append(f"Chef d'etcd mal placé, {target} conviendrait mieux : « invoke up ».")
    if left := status.unstarted:
        found.append(f"Docker n'a pas su relancer {', '.join(left)} : « invoke start ».")
    return found


def _promotable(status: Status) -> str:
    """Return, in words, who could take over now without losing an acknowledged write."""
    found = [m.name for m in status.members if status.promotable_without_loss(m)]
    shown = ", ".join(f"{name} ({status.topology.datacenter(name)})" for name in found)
    return f"Promouvable sans perte en ce moment : {shown or 'aucun nœud'}."


ROLES = {"leader": "primaire", "sync_standby": "réplica sync.", "replica": "réplica"}


def _state(good: bool, yes: str, no: str) -> str:  # a choice of words
    return yes if good else f"[red]{no}[/]"


def _lag(size: int | None, seconds: float | None) -> str:
    """Return bytes and seconds; what is unknown is a question mark, never a zero."""
    shown = "?" if seconds is None else f"{seconds:.1f}".replace(".", ",")
    return f"{'?' if size is None else size} o, {shown} s"


def _add_member(grid: Table, status: Status, member: Member) -> None:
    good = "running" if member.role == "leader" else "streaming"
    known = member.name in PG
    grid.add_row(
        member.name,
        status.topology.datacenter(member.name) if known else "?",
        ROLES.get(member.role, member.role),
        _state(member.state == good, member.state, member.state),
        str(member.timeline or "?"),
        _lag(member.lag_bytes, status.lag_seconds(member)),
        f"{status.topology.address(member.name, 'pg')}" if known else "?",
    )


def _add_entrance(grid: Table, status: Status, node: str) -> None:
    points = [e for e in status.topology.endpoints if e.node == node]
    health = status.containers[node]
    grid.add_row(
        node,
        status.topology.datacenter(node),
        "PgBouncer" if node in PGBOUNCER else "répartiteur",
        _state(health == "healthy", "sain", health),
        "",
        "",
        " ".join(str(e.port) for e in points),
    )
