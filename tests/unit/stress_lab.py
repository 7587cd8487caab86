"""A cluster that exists only in memory, and time that passes only when told."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, cast

import psycopg

from citadelle.stress.ledger import Book
from citadelle.stress.pace import Pace
from citadelle.stress.plan import Plan
from citadelle.stress.recorder import Recorder
from citadelle.stress.result import Gap, Result
from citadelle.stress.session import Connection
from citadelle.stress.verdict import Verdict
from citadelle.stress.worker import Client

SERVER = IPv4Address("10.209.65.21")
LOST = psycopg.OperationalError("server closed the connection unexpectedly")


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: float = 100.0

    def __call__(self) -> float:
        """Return the moment that it was told, in seconds."""
        return self.now


@dataclass
class Cursor:
    """The answer to one statement."""

    row: tuple[Any, ...] | None

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the only row, if any."""
        return self.row


Step = Callable[[], object]


@dataclass
class Cluster:
    """Connections whose requests take a second, each preceded by the next step of a script."""

    clock: Clock
    script: Iterator[Step] = field(default_factory=lambda: itertools.repeat(lambda: None))
    connecting: Iterator[Step] = field(default_factory=lambda: itertools.repeat(lambda: None))
    present: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 1.0

    @contextmanager
    def borrow(self) -> Iterator[Connection]:
        """Lend itself, as if it were a connection."""
        next(self.connecting)()
        yield cast(Connection, self)

    def close(self) -> None:
        """Keep nothing."""

    def execute(self, order: str, key: tuple[uuid.UUID, int, int], *, prepare: bool) -> Cursor:
        """Let time pass, then write or read a row."""
        assert prepare
        self.clock.now += self.seconds
        next(self.script)()
        _, client, sequence = key
        if "INSERT" in order:
            self.present.append((client, sequence))
            return Cursor((SERVER, 7))
        return Cursor((0,) if (client, sequence) in self.present else None)


def fail(error: Exception) -> Step:
    """Return a step that raises."""

    def step() -> None:
        raise error

    return step


def client(plan: Plan, cluster: Cluster, directory: Path) -> Client:
    """Return the only client of a cluster, with a book of its own."""
    recorder = Recorder(writes=plan.writes, clock=cluster.clock)
    pace = Pace(plan, cluster.clock)
    return Client(uuid.uuid4(), Book(directory / "book", 0), pace, cluster, recorder)


def result(**changes: Any) -> Result:  # noqa: ANN401  # passed on
    """Return a clean run but for some of its fields."""
    values: dict[str, Any] = {
        "plan": Plan(),
        "started": "2026-11-22T10:00:00.000+00:00",
        "run": "0",
        "duration_seconds": 10.0,
        "writes": 100,
        "reads": 0,
        "p50_ms": 2.0,
        "p99_ms": 20.0,
        "max_ms": 50.0,
        "longest_gap": Gap(4.0, 2.5),
        "errors": (),
        "refusals": (),
        "unsent": 0,
        "seconds": (),
        "marks": (),
        "verdict": Verdict(kept=100),
    }
    return Result(**values | changes)
