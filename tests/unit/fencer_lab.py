"""A fencer's seams, faked: three containers, one lock, and a record of what was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from citadelle.errors import CitadelleError
from citadelle.fencer.fence import Hands
from citadelle.fencer.lock import Lock
from citadelle.fencer.pods import Pod

HELD = Lock("pg1", "42", synchronous="pg1", standbys=("pg2",), paused=False)
# As long as Patroni runs, `started` is long ago.
LONG_AGO = datetime.now(UTC) - timedelta(hours=1)


def pod(node: str) -> Pod:
    """Return a container that runs."""
    return Pod(
        node=node,
        container=f"citadelle-{node}",
        identity=f"id-of-{node}",
        running=True,
        restarting=False,
        paused=False,
        pid=100,
        started=LONG_AGO,
        finished="0001-01-01T00:00:00Z",
    )


def dead(found: Pod, finished: str = "2026-11-28T03:00:00Z") -> Pod:
    """Return the same container, ended, and left so by the engine."""
    return replace(found, running=False, restarting=False, paused=False, pid=0, finished=finished)


def restarting(found: Pod) -> Pod:
    """Return the same container between its end and the engine's next start of it."""
    return replace(dead(found), running=True, restarting=True)


def revived(found: Pod, seconds: float) -> Pod:
    """Return the same container, ended and started again by the engine that long ago."""
    started = datetime.now(UTC) - timedelta(seconds=seconds)
    return replace(found, pid=200, started=started, finished="2026-11-28T03:00:00Z")


@dataclass
class World:
    """What the fencer would find; ``done`` is what it did, in order."""

    pods: dict[str, Pod] = field(default_factory=lambda: {n: pod(n) for n in ("pg1", "pg2", "pg3")})
    lock: Lock = HELD
    processes: dict[str, list[int]] = field(
        default_factory=lambda: {"pg1": [], "pg2": [201], "pg3": [301]}
    )
    before_look: Callable[[], None] = lambda: None
    after_read: Callable[[], None] = lambda: None
    engine_answers: bool = True
    etcd_answers: bool = True
    done: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def hands(self) -> Hands:
        """Return the seams."""
        return Hands(
            look=self._look,
            asked=self._asked,
            kill=self._kill,
            processes=lambda seen: self.processes[seen.node],
            start=self._start,
            say=self.said.append,
        )

    def _look(self) -> dict[str, Pod]:
        self.before_look()
        if not self.engine_answers:
            raise CitadelleError("docker container a échoué : le moteur ne répond pas")
        return dict(self.pods)

    @contextmanager
    def _asked(self, through: list[str]) -> Iterator[Asked]:
        if not self.etcd_answers or not through:
            raise CitadelleError("Verrou illisible")
        question = Asked(self, self.lock)
        self.after_read()
        yield question

    def _kill(self, seen: Pod) -> None:
        self.done.append(f"kill {seen.identity}")
        self.pods[seen.node] = dead(self.pods[seen.node], "2026-11-28T03:00:01Z")

    def _start(self, seen: Pod) -> None:
        self.done.append(f"start {seen.identity}")
        ended = self.pods[seen.node].finished
        self.pods[seen.node] = replace(revived(pod(seen.node), 0), finished=ended)


@dataclass(frozen=True)
class Asked:
    """The lock as it was read."""

    world: World
    lock: Lock

    def release(self) -> bool:
        """Compare and delete, as etcd does."""
        now = self.world.lock
        here = (self.lock.holder, self.lock.revision) == (now.holder, now.revision)
        self.world.done.append("release" if here else "release refused")
        if here:
            self.world.lock = replace(now, holder="", revision="0")
        return here
