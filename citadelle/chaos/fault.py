"""What a fault is, and the cluster as a fault finds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from citadelle import namespace
from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd
from citadelle.patroni import Patroni
from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home

# Full health after a fault: containers' health checks (every 5 s), a replica that catches up.
HEALTH_SECONDS = 90.0
# The same when a node copies all its data again, or every component restarts in turn.
REBUILD_SECONDS = 240.0
# Beyond the lease, so that the standby is promoted (etcd's expiry 0.5 s, a probe 2 s, promotion
# 1 s: components.md, 1.3) and is seen to serve while the fault still lasts.
PAST_LEASE_SECONDS = 8.0


class Field:
    """The cluster as a fault finds it: who was what is asked once, and remembered.

    What the hands change is recorded here first, so that a restore knows where to look.
    """

    def __init__(self, topology: Topology, home: Home) -> None:
        self.topology = topology
        self.home = home
        self.touched: set[str] = set()  # containers
        self.frozen: set[str] = set()  # containers with processes stopped by a signal
        self.cut: set[str] = set()  # nodes whose packets are dropped or delayed
        self.limited: set[str] = set()  # nodes whose PostgreSQL cannot extend a file
        self.wiped: set[str] = set()  # etcd members without data
        self.notes: list[str] = []  # French, for the report
        # Between which moments (seconds since 1970) acknowledged writes may be lost, if foretold.
        self.foretold: tuple[float, float] | None = None
        self.mark: Callable[[str], None] = lambda _text: None  # on the loads' time lines

    def container(self, name: str) -> str:
        """Return the engine's name of one of the topology's containers."""
        return f"{self.topology.settings.cluster_name}-{name}"

    @cached_property
    def image(self) -> str:
        """The image of the pods' networks (nft, tc), by the digest that runs now."""
        return namespace.image(self.topology)

    @cached_property
    def primary(self) -> str:
        """The node that was the primary when this was first asked."""
        return _known(Patroni(self.topology, self.home).leader(), "primaire")

    @property
    def old_primary(self) -> str:
        """The primary that the fault struck; empty when it never asked who that was."""
        return str(vars(self).get("primary", ""))

    @cached_property
    def standby(self) -> str:
        """The synchronous standby when this was first asked."""
        members = Patroni(self.topology, self.home).members()
        name = next((m.name for m in members if m.role == "sync_standby"), None)
        return _known(name, "réplica synchrone")

    @cached_property
    def etcd_leader(self) -> str:
        """The etcd member that led when this was first asked."""
        members = Etcd(self.topology, self.home).members()
        return _known(next((m.name for m in members if m.leader), None), "chef d'etcd")

    @property
    def etcd_followers(self) -> tuple[str, ...]:
        """The etcd members that did not lead."""
        return tuple(node for node in ETCD if node != self.etcd_leader)


def _known(name: str | None, what: str) -> str:
    if name is None:
        raise CitadelleError(f"Pas de {what} : voir « invoke status ».")
    return name


@dataclass(frozen=True)
class Fault:
    """One fault: how to provoke and undo it, what is expected of the cluster.

    ``restore`` is idempotent and may run without ``inject`` having run to its end. The fault is
    held ``hold_seconds``, counted from the end of the lease when ``past_lease``. The deadline
    runs from the end of the restore to full health. ``max_gap_seconds`` bounds the longest time
    without a write acknowledged to pooled clients, ``max_pooled_errors`` the errors that they
    see; both come from the targets of issue 4 and are None where it sets none. A fencer has a
    target of its own, ``fenced_gap_seconds``. They see no error at all after the marks in
    ``quiet``, until the next mark.

    What must be seen, else nothing was survived: ``promotes`` tells whether a primary begins a
    timeline, ``min_gap_seconds`` for how long at least pooled clients write nothing. None where
    either may happen. ``watched``: the old primary stays within the watcher's reach, who must
    have asked it while the fault lasted: else nobody knows whether it took writes.
    """

    name: str
    title: str
    what: str
    inject: Callable[[Field], None]
    restore: Callable[[Field], None]
    expectation: str
    hold_seconds: float = 0.0
    past_lease: bool = False
    deadline_seconds: float = HEALTH_SECONDS
    max_gap_seconds: float | None = None
    fenced_gap_seconds: float | None = None
    max_pooled_errors: int | None = None
    loses_nothing: bool = True
    quiet: tuple[str, ...] = ()
    promotes: bool | None = None
    min_gap_seconds: float | None = None
    watched: bool = False

    def hold(self, topology: Topology) -> float:
        """Return how long the fault lasts on this cluster, in seconds."""
        return self.hold_seconds + (topology.settings.patroni_ttl if self.past_lease else 0)

    def fenced(self) -> Fault:
        """Return the same fault, as it is judged while a fencer watches: it shortens gaps."""
        bound = self.max_gap_seconds if self.fenced_gap_seconds is None else self.fenced_gap_seconds
        title = f"{self.title}, avec le fencer"
        return replace(self, title=title, max_gap_seconds=bound, min_gap_seconds=None)

    def held(self, seconds: float | None, topology: Topology) -> Fault:
        """Return the same fault as it is judged when held that long (None: its own duration).

        Undone before its time, it promises nothing: a lease may not even have ended.
        """
        if seconds is None or seconds >= self.hold(topology):
            return self
        return replace(self, promotes=None, min_gap_seconds=None, watched=False)
