"""Clients held at the poolers for a moment: what happens behind does not reach them.

PAUSE waits for the transactions in progress, closes every connection to PostgreSQL, and lets
clients queue. RESUME comes whatever happens: from here at the end of the block, from the timers
of ``deadman`` if this process dies.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

import psycopg

from citadelle import deadman, poolers
from citadelle.errors import CitadelleError
from citadelle.poolers import Connection, Database, Order
from citadelle.progress import Steps, wait_until
from citadelle.topology import Topology
from citadelle.workspace import Home

# How long PAUSE may wait for the transactions in progress, in seconds; every client waits too.
PAUSE_SECONDS = 2.0
# Opening a connection to PostgreSQL takes some 30 ms; a busy pooler opens one after another.
QUIET_SECONDS = 2.0
QUIET_POLL_SECONDS = 0.002
# Kept for RESUME itself, before the timers of the containers do it.
MARGIN_SECONDS = 1.0


@dataclass
class Pause:
    """The databases that are held; ``durations`` (seconds) and ``expired`` once resumed."""

    orders: dict[str, Connection]
    deadline: float
    held: dict[Database, float] = field(default_factory=dict)
    durations: dict[Database, float] = field(default_factory=dict)
    expired: list[Database] = field(default_factory=list)

    def resume(self, wanted: Callable[[Database], bool] = lambda _: True) -> None:
        """Let the clients of some databases, or of all that are left, go on."""
        problems = []
        for database in [d for d in self.held if wanted(d)]:
            since = self.held.pop(database)
            try:
                still = poolers.resume(self.orders[database.pooler], database.name)
            except psycopg.Error as error:
                problems.append(f"{poolers.names([database])} ({error})")
                continue
            self.durations[database] = time.monotonic() - since
            if not still:
                self.expired.append(database)
        if problems:
            raise CitadelleError(
                f"RESUME refusé : {', '.join(problems)}. La garde du conteneur le fera dans "
                f"{deadman.LIMIT_SECONDS} s au plus ; vérifiez avec « invoke status »."
            )

    def left(self) -> float:
        """Return how many seconds may still pass before clients must go on."""
        return max(0.0, self.deadline - time.monotonic())

    def problem(self) -> str | None:
        """Return what clients may have noticed, in French."""
        if not self.expired:
            return None
        return (
            f"La garde a rendu la main avant la fin ({deadman.LIMIT_SECONDS} s) : "
            f"{poolers.names(self.expired)}. Des clients ont pu voir des erreurs."
        )


@contextmanager
def paused(
    topology: Topology,
    home: Home,
    steps: Steps,
    wanted: Callable[[Database], bool] = lambda _: True,
) -> Iterator[Pause]:
    """Hold the clients of every pooler (of the wanted databases) during the block.

    Raises:
        CitadelleError: before anything is held when a pooler does not answer or is paused
            already, and with everything resumed when a transaction lasts too long.
    """
    with ExitStack() as stack:
        with steps.step("Consoles et garde des PgBouncer"):
            orders = stack.enter_context(poolers.consoles(topology, home))
            databases = [d for d in found(topology, orders) if wanted(d)]
            waiting = [
                Order(d, f"PAUSE {d.name}", stack.enter_context(_opened(topology, home, d)))
                for d in databases
            ]
            deadline = time.monotonic() + deadman.TIMER_SECONDS - MARGIN_SECONDS
            switch = deadman.arm(topology, databases)
        pause = Pause(orders, deadline)
        try:
            with steps.step("PAUSE des PgBouncer"):
                _hold(pause, waiting)
            yield pause
        finally:
            # In this order: where RESUME fails, the timers stay.
            pause.resume()
            switch.disarm()


def found(topology: Topology, orders: dict[str, Connection]) -> list[Database]:
    """Return the databases of every pooler; CitadelleError when one is paused on purpose."""
    databases = [d for name, c in orders.items() for d in poolers.databases(topology, name, c)]
    stopped = [name for name, connection in orders.items() if poolers.paused(connection)]
    already = stopped + [poolers.names([d]) for d in databases if d.paused]
    if already:
        raise CitadelleError(
            f"Déjà en pause : {', '.join(already)}. Rien n'a été touché : RESUME d'abord, ou "
            "demandez à qui l'a posée."
        )
    return databases


def _opened(topology: Topology, home: Home, database: Database) -> closing[Connection]:
    return poolers.opened(topology, home, database.pooler)


def _hold(pause: Pause, waiting: Sequence[Order]) -> None:
    """Pause everything or nothing."""
    _quiet(pause.orders)
    start = time.monotonic()
    # Noted before the order is sent: from then on, the end of the block resumes it.
    pause.held = {order.database: start for order in waiting}
    missed = poolers.give(waiting, PAUSE_SECONDS, pause.orders.values())
    if missed:
        reasons = {order.error or f"plus de {PAUSE_SECONDS:.0f} s" for order in missed}
        raise CitadelleError(
            f"PAUSE impossible sur {poolers.names(o.database for o in missed)} "
            f"({', '.join(sorted(reasons))}) : une transaction dure. Rien n'a été changé, les "
            "clients continuent. Voir pg_stat_activity (« invoke psql --path superuser »)."
        )


def _quiet(orders: dict[str, Connection]) -> None:
    """Wait for a moment without a connection being opened to PostgreSQL.

    PAUSE would close it, and PgBouncer takes that for a failed login: the first queries after
    RESUME would be refused ("server login has been failing", check_fast_fail in src/objects.c).
    """

    def missing() -> str | None:
        opening = sum(poolers.logging_in(connection) for connection in orders.values())
        return f"{opening} connexions en train de s'ouvrir" if opening else None

    advice = "Rien n'a été changé. Réessayez : PostgreSQL répond-il (« invoke status ») ?"
    wait_until(missing, "Calme des PgBouncer", QUIET_SECONDS, advice, poll=QUIET_POLL_SECONDS)
