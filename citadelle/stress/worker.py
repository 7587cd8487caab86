"""One client: asks, records what it was told, reconnects, until the run is over."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import psycopg

from citadelle.stress import statements
from citadelle.stress.ledger import Book, Outcome
from citadelle.stress.pace import Pace
from citadelle.stress.recorder import Recorder
from citadelle.stress.session import Connection

# Between two attempts to connect: doubled each time, from the first to the last.
FIRST_BACKOFF_SECONDS = 0.05
LAST_BACKOFF_SECONDS = 0.25
# What an error is seen at.
CONNECTING, ASKING = "connexion", "requête"


class StaleRead(psycopg.DataError):
    """A client does not find, where it wrote it, what was acknowledged to it."""


class Entrance(Protocol):
    """Where connections come from."""

    def borrow(self) -> AbstractContextManager[Connection]:
        """Lend a connection for one request; psycopg.Error when there is none."""

    def close(self) -> None:
        """Close what is kept."""


@dataclass
class Client:
    """A client and its last sequences: sent, and acknowledged (0 before the first)."""

    run_id: UUID
    book: Book
    pace: Pace
    entrance: Entrance
    recorder: Recorder
    sent: int = 0
    acknowledged: int = 0
    requests: int = 0
    backoff: float = FIRST_BACKOFF_SECONDS

    def run(self) -> None:
        """Take requests until there are no more."""
        while (due := self.pace.take()) is not None:
            self.request(due)
            self.pace.pause()

    def request(self, due: float) -> None:
        """Connect if need be and ask once; whatever goes wrong is recorded."""
        asked = False
        try:
            with self.entrance.borrow() as connection:
                asked = True
                self._ask(connection, due)
        except psycopg.Error as error:
            if asked:
                self.recorder.failed(ASKING, error)
            elif not self.pace.over():
                self.recorder.failed(CONNECTING, error)
                self._back_off()
            return
        self.backoff = FIRST_BACKOFF_SECONDS

    def _back_off(self) -> None:
        self.pace.wait(self.backoff)
        self.backoff = min(2 * self.backoff, LAST_BACKOFF_SECONDS)

    def _ask(self, connection: Connection, due: float) -> None:
        write = self._next_is_a_write()
        (self._write if write else self._read)(connection)
        self.recorder.answered(due, self.pace.clock(), write=write)

    def _next_is_a_write(self) -> bool:
        self.requests += 1
        mode = self.pace.plan.mode
        return mode == "rw" or (mode == "mixed" and self.requests % 2 == 1)

    def _write(self, connection: Connection) -> None:
        self.sent += 1
        try:
            found = statements.write(connection, self.run_id, self.book.client, self.sent)
        except psycopg.Error as error:
            doubt = statements.in_doubt(error)
            self.book.append(Outcome.DOUBT if doubt else Outcome.REFUSED, self.sent)
            raise
        self.acknowledged = self.sent
        self.book.append(Outcome.ACKNOWLEDGED, self.sent, *found)

    def _read(self, connection: Connection) -> None:
        """Read back the last acknowledged write; a run that writes nothing looks for no row."""
        last = self.acknowledged
        if not statements.read(connection, self.run_id, self.book.client, last) and last:
            raise StaleRead(
                f"écriture acquittée introuvable (client {self.book.client}, n° {last})"
            )
