"""Where etcd's leader should be: with the preferred datacentre, and not in the primary's rack.

``etcdN`` and ``pgN`` of one datacentre are taken for two machines of one rack. A rack that takes
both leaders away at once costs an election of etcd, which gives the dead primary's lease its full
length again (etcd 3.5, ``lessor.Promote``), before the standby may be promoted.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape

from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd, Member
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console, wait_until
from citadelle.topology import Topology
from citadelle.workspace import Home

# The target catches up with the log first: one election timeout (config/etcd), and two slow cores.
TRANSFER_SECONDS = 10.0


def better(topology: Topology, primary: str, members: Sequence[Member]) -> str | None:
    """Return the etcd member that should lead instead of today's leader.

    None when today's fits, or when no healthy member fits better.
    """
    leader = next((m.name for m in members if m.leader), None)
    voters = [m for m in members if m.healthy and not m.learner]
    fitting = [m.name for m in voters if _fits(topology, m.name, primary)]
    if leader is None or leader in fitting or not fitting:
        return None
    return fitting[0]


def _fits(topology: Topology, member: str, primary: str) -> bool:
    return not topology.is_remote(member) and not topology.share_rack(member, primary)


def keep_apart(topology: Topology, home: Home, steps: Steps) -> None:
    """Move etcd's leadership where it should be, if it is not.

    A failure is told and stops no command: nothing that runs depends on the place.
    """
    problem = ""
    with steps.step("Chef d'etcd hors du rack du primaire"):
        try:
            _keep_apart(topology, home)
        except CitadelleError as error:
            problem = str(error)
    if problem:
        console.print(f"[yellow]![/] Chef d'etcd laissé où il est : {escape(problem)}")


def _keep_apart(topology: Topology, home: Home) -> None:
    etcd, primary = Etcd(topology, home), Patroni(topology, home).leader()
    members = etcd.members()
    target = better(topology, primary, members) if primary else None
    if target is None:
        return
    etcd.login("root", topology.settings.etcd_root_password.reveal())
    etcd.move_leader(next(m.name for m in members if m.leader), target)

    def missing() -> str | None:
        return None if etcd.member(target).leader else f"{target} ne mène pas encore"

    wait_until(missing, "Chef d'etcd", TRANSFER_SECONDS)
