"""The two loads that go on during a fault, one through the poolers and one past them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from citadelle.stress.load import Load
from citadelle.stress.plan import Plan
from citadelle.stress.run import running
from citadelle.topology import Topology
from citadelle.workspace import Home

# Enough for a gap of a tenth of a second to be seen, little enough to leave two cores to the
# cluster.
THREADS = 4
PAUSE_SECONDS = 0.02
# As docs/exploitation.md asks of an application's pool: it leaves a pooler by itself, within the
# DRAIN_SECONDS of a roll.
LIFETIME_SECONDS = 20.0
# « In-flight only »: each client has one request on its way when the fault strikes.
IN_FLIGHT = THREADS


@dataclass(frozen=True)
class Loads:
    """Writers of the ledger: ``pooled`` by PgBouncer, ``direct`` by HAProxy."""

    pooled: Load
    direct: Load

    def unheard(self) -> list[str]:
        """Return the entrances by which no write was acknowledged yet, in French."""
        sides = (("pooler", self.pooled), ("direct", self.direct))
        return [name for name, load in sides if not load.recorder.acknowledged]

    def mark(self, text: str) -> None:
        """Put a mark on both time lines."""
        self.pooled.mark(text)
        self.direct.mark(text)


@contextmanager
def loading(topology: Topology, home: Home) -> Iterator[Loads]:
    """Run both until the block ends; their results are ready afterwards."""
    pooled = Plan(
        threads=THREADS,
        pause_seconds=PAUSE_SECONDS,
        path="pooled",
        lifetime_seconds=LIFETIME_SECONDS,
    )
    direct = Plan(threads=THREADS, pause_seconds=PAUSE_SECONDS, path="rw")
    with running(topology, home, direct) as past, running(topology, home, pooled) as through:
        yield Loads(through, past)
