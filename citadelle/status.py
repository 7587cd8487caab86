"""The state of the cluster: for the operator a table, for programs a stable JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from citadelle import engine, pki
from citadelle.etcd import Etcd
from citadelle.etcd import Member as EtcdMember
from citadelle.patroni import Member, Patroni
from citadelle.topology import CONTAINERS, HOLDERS, PG, Topology
from citadelle.workspace import ROOT, Home

SERVICES = {"rw": "lecture/écriture", "ro": "lecture seule", "pooled": "PgBouncer", "admin": "page d'administration"}


@dataclass(frozen=True)
class Status:
    """What was seen at one moment."""

    topology: Topology
    ca: str
    members: list[Member]
    etcd: list[EtcdMember]
    containers: dict[str, str]

    @property
    def leader(self) -> str | None:
        """The running primary."""
        return next((m.name for m in self.members if m.role == "leader"), None)

    def problems(self) -> list[str]:
        """Return what keeps the cluster from being healthy, in French; empty when it is."""
        found = [f"{c} : {state}" for c, state in self.containers.items() if state != "healthy"]
        found += [f"{m.name} ne répond pas" for m in self.etcd if not m.healthy]
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
            "etcd": [
                {"name": m.name, "healthy": m.healthy, "leader": m.leader} for m in self.etcd
            ],
            "endpoints": endpoints,
            "ca": self.ca,
        }

    def _member_json(self, member: Member) -> dict[str, Any]:
        dc = self.topology.datacenter(member.name) if member.name in PG else None
        return {**vars(member), "dc": dc}


def observe(topology: Topology, home: Home) -> Status:
    """Look at every component once; what does not answer is reported, not raised."""
    ca = home.pki / "server" / "ca.crt"
    shown = ca.relative_to(ROOT) if ca.is_relative_to(ROOT) else ca
    return Status(
        topology,
        str(shown),
        Patroni(topology, home).members(),
        Etcd(topology, home).members(),
        containers(topology, home),
    )


def containers(topology: Topology, home: Home) -> dict[str, str]:
    """Return the health of each container: ``healthy`` or the engine's word for its state."""
    cluster = topology.settings.cluster_name
    names = engine.names("container", cluster=cluster, ca=pki.fingerprint(home))
    states = {}
    for found in engine.inspect("container", *names):
        state = found["State"]
        health = state.get("Health", {}).get("Status", "healthy")
        name = found["Name"].removeprefix(f"/{cluster}-")
        states[name] = health if state["Status"] == "running" else state["Status"]
    expected = (*(c.name for c in CONTAINERS), *HOLDERS)
    return {name: states.get(name, "absent") for name in expected}


def table(status: Status) -> Table:
    """Return the members, their roles and addresses as a table."""
    grid = Table(title=f"Cluster {status.topology.settings.cluster_name}", title_justify="left")
    for column in ("Nœud", "Centre", "Rôle", "État", "TL", "Retard (octets)", "Adresse"):
        grid.add_column(column)
    for etcd in status.etcd:
        grid.add_row(
            etcd.name,
            status.topology.datacenter(etcd.name),
            "etcd, chef" if etcd.leader else "etcd",
            "sain" if etcd.healthy else "[red]muet[/]",
            "",
            "",
            f"{status.topology.address(etcd.name, ETCD_NETWORK)}",
        )
    for member in status.members:
        _add_member(grid, status, member)
    for e in status.topology.endpoints:
        health = status.containers[e.node]
        state = "sain" if health == "healthy" else f"[red]{health}[/]"
        dc = status.topology.datacenter(e.node)
        grid.add_row(e.node, dc, SERVICES[e.service], state, "", "", f"{e.host}:{e.port}")
    return grid


ETCD_NETWORK = "dcs"
ROLES = {"leader": "primaire", "sync_standby": "réplica synchrone", "replica": "réplica"}


def _add_member(grid: Table, status: Status, member: Member) -> None:
    good = "running" if member.role == "leader" else "streaming"
    grid.add_row(
        member.name,
        status.topology.datacenter(member.name) if member.name in PG else "?",
        ROLES.get(member.role, member.role),
        member.state if member.state == good else f"[red]{member.state}[/]",
        str(member.timeline or "?"),
        "?" if member.lag_bytes is None else str(member.lag_bytes),
        f"{status.topology.address(member.name, 'pg')}" if member.name in PG else "?",
    )
