"""Clients at work, in the background, until the plan or the caller ends them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent import futures
from datetime import UTC, datetime
from uuid import UUID

from citadelle.errors import CitadelleError
from citadelle.stress.ledger import Ledger
from citadelle.stress.memory import Memory
from citadelle.stress.pace import Pace
from citadelle.stress.plan import Plan
from citadelle.stress.recorder import Recorder, Snapshot
from citadelle.stress.result import Result, milliseconds
from citadelle.stress.session import ANSWER_SECONDS, STOP_SECONDS
from citadelle.stress.verdict import Verdict
from citadelle.stress.worker import Client, Entrance

FLUSH_SECONDS = 1.0


class Load:
    """One run: start it, mark what happens, stop it, then read ``result``."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self.plan = plan
        self.ledger = ledger
        self.started = datetime.now(UTC)
        self.recorder = Recorder(writes=plan.writes)
        self.pace = Pace(plan)
        self.memory = Memory(self.recorder.clock)
        self._result: Result | None = None
        self._ended = threading.Event()
        self._executor = futures.ThreadPoolExecutor(plan.threads + 1, "stress")
        self._clients: list[futures.Future[None]] = []
        self._flusher: futures.Future[None] | None = None

    @property
    def run(self) -> UUID:
        """The identity of the run in the ledger's table."""
        return self.ledger.run

    @property
    def result(self) -> Result:
        """What was seen; CitadelleError while the run is not over."""
        if self._result is None:
            raise CitadelleError("La charge court encore : son résultat vient après la fin.")
        return self._result

    def start(self, entrance: Entrance) -> None:
        """Let the clients go."""
        for book in self.ledger.books:
            client = Client(self.run, book, self.pace, entrance, self.recorder)
            self._clients.append(self._executor.submit(self._guarded, client.run))
        self._flusher = self._executor.submit(self._guarded, self._flush)

    def mark(self, text: str) -> None:
        """Put a mark on the time line: a fault injected, a fault ended."""
        self.recorder.mark(text)

    def stop(self) -> None:
        """Start no more requests; those in flight have STOP_SECONDS."""
        self.pace.stop()

    def wait(self, seconds: float) -> bool:
        """Wait that long at most for the clients to end; return whether they have."""
        return not futures.wait(self._clients, seconds).not_done

    def snapshot(self) -> Snapshot:
        """Return the state now."""
        return self.recorder.snapshot()

    def expired(self, since: float) -> bool:
        """Tell whether an answer awaited since this moment (clock) is awaited no longer."""
        now = self.pace.clock()
        return now - since > ANSWER_SECONDS or now - self.pace.end > STOP_SECONDS

    def end(self) -> None:
        """Stop, wait for every client, close the ledger; raise what a client died of, if any."""
        self.stop()
        futures.wait(self._clients)
        self._ended.set()
        self._executor.shutdown()
        self.ledger.close()
        self.recorder.finish(self.pace.end)
        for future in (*self._clients, *filter(None, [self._flusher])):
            future.result()

    def conclude(self, verdict: Verdict) -> None:
        """Make the result, once the ledger has been compared."""
        seen, total = self.recorder, self.recorder.total
        handled = seen.acknowledged + seen.reads + sum(e.count for e in seen.errors())
        owed = self.pace.due()
        self.memory.take()
        self._result = Result(
            plan=self.plan,
            started=self.started.isoformat(timespec="milliseconds"),
            run=str(self.run),
            duration_seconds=self.pace.end - self.pace.start,
            writes=seen.acknowledged,
            reads=seen.reads,
            p50_ms=milliseconds(total.percentile(50)),
            p99_ms=milliseconds(total.percentile(99)),
            max_ms=milliseconds(total.maximum) if total.count else None,
            longest_gap=seen.gap if self.plan.writes else None,
            errors=seen.errors(),
            refusals=seen.refusals(),
            unsent=0 if owed is None else max(0, owed - handled),
            seconds=seen.seconds(),
            marks=seen.marks(),
            verdict=verdict,
            memory=self.memory.samples(),
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        """End the whole run when a client dies of a fault of its own code, or of a full disk."""
        try:
            work()
        except BaseException:
            self.stop()
            raise

    def _flush(self) -> None:
        while not self._ended.wait(FLUSH_SECONDS):
            self.ledger.flush()
            self.memory.look()
