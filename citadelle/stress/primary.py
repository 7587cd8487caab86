"""The ledger's table: made before a run, read in order after it, cleared."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg

from citadelle import connect
from citadelle.errors import CitadelleError
from citadelle.progress import wait_until
from citadelle.stress import statements
from citadelle.stress.session import DEAD_PEER, PatientConnection
from citadelle.stress.verdict import Key
from citadelle.topology import Topology
from citadelle.workspace import Home

# How long the primary may take to come back after the fault that the run went through: a lease,
# a promotion, a crash recovery.
READ_SECONDS = 180
# Rows per page: some milliseconds of work, a megabyte at most in memory.
PAGE = 10_000
# Rows left by a run that was killed, or kept to be examined, go after this.
KEEP = timedelta(days=7)

PAGE_OF_ROWS = """
SELECT client, sequence FROM citadelle_ledger
WHERE run = %s AND (client, sequence) > (%s, %s) ORDER BY client, sequence LIMIT %s"""
FORGET = "DELETE FROM citadelle_ledger WHERE at < now() - %s"
ERASE = "DELETE FROM citadelle_ledger WHERE run = %s AND client = %s AND sequence <= %s"

T = TypeVar("T")


class Primary:
    """The primary, as the application reaches it: 5000, or the poolers when POOLING=strict."""

    def __init__(self, topology: Topology, home: Home) -> None:
        service = "pooled" if topology.settings.pooling == "strict" else "rw"
        self._parameters = connect.parameters(topology, home, service) | DEAD_PEER
        self._connection: psycopg.Connection[Any] | None = None

    def prepare(self) -> None:
        """Make the table and write to it once; CitadelleError when the cluster does not write."""
        try:
            with PatientConnection.connect(**self._parameters) as connection:
                # Two runs that start together would both create the table, and one would fail.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('citadelle_ledger'))")
                connection.execute(statements.TABLE)
                connection.execute(FORGET, (KEEP,))
                statements.write(connection, run := uuid4(), 0, 0)
                connection.execute(ERASE, (run, 0, 0))
        except psycopg.Error as error:
            raise CitadelleError(
                f"Le cluster n'accepte pas d'écriture : {' '.join(str(error).split())}\n"
                "Voir « invoke status »."
            ) from None

    def rows(self, run: UUID) -> Iterator[Key]:
        """Yield the keys of a run in order, a page in memory at a time.

        A page that fails is asked again, until READ_SECONDS: CitadelleError then.
        """
        last: Key = (-1, -1)
        while page := self._retried(partial(_page, run=run, last=last)):
            yield from page
            last = page[-1]

    def erase(self, run: UUID, sent: dict[int, int]) -> None:
        """Delete the rows of a run, given the last sequence of each client."""
        for client, last in sent.items():
            for upto in (*range(PAGE, last, PAGE), last):
                self._retried(partial(_erase, key=(run, client, upto)))

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _retried(self, work: Callable[[psycopg.Connection[Any]], T]) -> T:
        """Do it on the primary, anew after a lost connection; CitadelleError in the end."""
        found: list[T] = []

        def attempt() -> str | None:
            try:
                if self._connection is None:
                    self._connection = PatientConnection.connect(**self._parameters)
                with self._connection.transaction():
                    _refuse_a_replica(self._connection)
                    found.append(work(self._connection))
            except psycopg.Error as error:
                self.close()
                return " ".join(str(error).split())
            return None

        what = "Comparaison du grand livre au primaire"
        wait_until(attempt, what, READ_SECONDS, "Voir « invoke status ».")
        return found[-1]


def _refuse_a_replica(connection: psycopg.Connection[Any]) -> None:
    """What a replica lacks is not lost."""
    if connection.execute("SELECT pg_is_in_recovery()").fetchone() != (False,):
        raise psycopg.OperationalError("l'entrée des écritures mène à un réplica")


def _erase(connection: psycopg.Connection[Any], key: tuple[UUID, int, int]) -> None:
    connection.execute(ERASE, key)


def _page(connection: psycopg.Connection[Any], run: UUID, last: Key) -> list[Key]:
    rows = connection.execute(PAGE_OF_ROWS, (run, *last, PAGE)).fetchall()
    return [(client, sequence) for client, sequence in rows]
