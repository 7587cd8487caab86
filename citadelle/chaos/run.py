"""Faults played one after the other: health proven, load on, fault, restore, health proven."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from citadelle import connect, engine, status
from citadelle.chaos import mend, outcome
from citadelle.chaos.fault import Fault, Field
from citadelle.chaos.judge import Judge
from citadelle.chaos.judge import Outcome as Answer
from citadelle.chaos.loads import Loads, loading
from citadelle.chaos.outcome import Outcome
from citadelle.chaos.watch import watching
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, wait_until
from citadelle.signals import terminated_as_interrupted, uninterrupted
from citadelle.topology import HAPROXY, PG, Topology
from citadelle.workspace import Home

# The cluster is at rest before a fault: whatever the last one left is over.
READY_SECONDS = 120.0
# The loads and the watcher are at work: what is seen later is the fault's doing.
BASELINE_SECONDS = 30.0
# Each load's first acknowledged write: a pool connects within one.
FIRST_WRITE_SECONDS = 30.0
# How long the loads go on once all is well again: errors that come late are seen.
TAIL_SECONDS = 3.0
# A wait for time to pass never fails: the deadline is this much later.
SLACK_SECONDS = 60.0
# Acknowledged writes of the watcher that make a baseline: two seconds of the three probes that
# lead to the primary.
BASELINE_WRITES = 30


@dataclass(frozen=True)
class Instruments:
    """How the cluster is looked at and loaded; tests bring their own."""

    problems: Callable[[], list[str]]
    watching: Callable[[], AbstractContextManager[Judge]]
    loading: Callable[[], AbstractContextManager[Loads]]


def instruments(topology: Topology, home: Home) -> Instruments:
    """Return those of a real cluster."""
    return Instruments(
        lambda: problems(topology, home),
        lambda: watching(topology, home),
        lambda: loading(topology, home),
    )


def problems(topology: Topology, home: Home) -> list[str]:
    """Return what keeps the cluster from full health; empty when every entrance serves too."""
    if found := status.observe(topology, home).problems():
        return found
    try:
        connect.round_trip(topology, home)
    except psycopg.Error as error:
        return [f"une entrée ne sert pas : {' '.join(str(error).split())}"]
    return []


def require(topology: Topology) -> None:
    """Raise CitadelleError unless faults can be provoked, and seen, on this cluster."""
    if topology.settings.pooling == "strict":
        raise CitadelleError(
            "POOLING=strict : le veilleur ne peut pas écrire sur chaque PostgreSQL. Lancez les "
            "pannes sur un cluster en POOLING=souple (« nox -s chaos » en monte un)."
        )
    engine.require()


def once(fault: Fault, field: Field, tools: Instruments, hold: float | None = None) -> Outcome:
    """Play one fault on a healthy cluster and return what was seen.

    ``hold`` (seconds) replaces the fault's own duration.

    Raises:
        CitadelleError: with nothing touched when the cluster is not healthy, or does not take
            writes; KeyboardInterrupt passes once everything is restored.
    """
    _await_health(tools, READY_SECONDS, "Rien n'a été provoqué. Voir « invoke status ».")
    started = datetime.now(UTC).isoformat(timespec="seconds")
    incidents: list[str] = []
    with tools.watching() as judge:
        with tools.loading() as loads:
            _baseline(judge, loads)
            held, during = _suffer(fault, field, loads, judge, incidents, hold)
            healthy = _recover(fault, tools, incidents)
            loads.mark("cluster sain" if healthy is not None else "cluster malsain")
            let_pass(TAIL_SECONDS, "Suite de la charge")
        seen = outcome.sight(judge, during)
    return Outcome(
        fault=fault.held(hold, field.topology),
        started=started,
        held_seconds=held,
        health_seconds=healthy,
        pooled=outcome.entrance(loads.pooled.result),
        direct=outcome.entrance(loads.direct.result),
        watch=seen,
        notes=tuple(field.notes),
        foretold=field.foretold,
        old_primary=field.old_primary,
        incidents=tuple(incidents),
    )


def _suffer(
    fault: Fault,
    field: Field,
    loads: Loads,
    judge: Judge,
    incidents: list[str],
    hold: float | None,
) -> tuple[float, Counter[tuple[str, Answer]]]:
    """Provoke the fault, hold it, and undo it whatever happens.

    Return how long it lasted, and the watcher's answers once it was there and until it is undone:
    a healthy primary answered before, and one that is healed answers after.
    """
    start = time.monotonic()
    field.mark = loads.mark
    loads.mark(fault.title)
    before = judge.tally()
    try:
        fault.inject(field)
        before = judge.tally()
        let_pass(fault.hold(field.topology) if hold is None else hold, f"Panne « {fault.name} »")
    except (CitadelleError, psycopg.Error) as error:
        incidents.append(f"injection : {error}")
    finally:
        with uninterrupted():
            during = judge.tally() - before
            _restore(fault, field, incidents)
    loads.mark("fin de la panne")
    return time.monotonic() - start, during


def _restore(fault: Fault, field: Field, incidents: list[str]) -> None:
    """Undo what the fault did; if that fails, undo whatever any fault may have done."""
    try:
        fault.restore(field)
    except (CitadelleError, psycopg.Error) as error:
        incidents.append(f"remise en état : {error}")
        incidents += mend.everything(field.topology, field.home)


def _recover(fault: Fault, tools: Instruments, incidents: list[str]) -> float | None:
    """Return the seconds to full health; None, with the reason, when the deadline passes."""
    start = time.monotonic()
    try:
        _await_health(tools, fault.deadline_seconds, "Voir « invoke status ».")
    except CitadelleError as error:
        incidents.append(str(error))
        return None
    return time.monotonic() - start


def _await_health(tools: Instruments, seconds: float, advice: str) -> None:
    wait_until(lambda: "; ".join(tools.problems()) or None, "Cluster sain", seconds, advice)


def _baseline(judge: Judge, loads: Loads) -> None:
    """Wait until every place is seen: at rest a replica says no, a load balancer leads on.

    And until each load writes: one that never did would have nothing to lose.
    """

    def missing() -> str | None:
        if blind := sorted({*PG, *HAPROXY} - judge.answered):
            return f"{', '.join(blind)} : aucune réponse au veilleur"
        seen = judge.acknowledged
        return None if seen >= BASELINE_WRITES else f"{seen} écritures acquittées"

    def unheard() -> str | None:
        names = ", ".join(loads.unheard())
        return f"aucune écriture acquittée ({names})" if names else None

    wait_until(missing, "Veilleur à l'œuvre", BASELINE_SECONDS, "Rien n'a été provoqué.")
    wait_until(unheard, "Charges à l'œuvre", FIRST_WRITE_SECONDS, "Rien n'a été provoqué.")


def let_pass(seconds: float, what: str) -> None:
    """Let time pass: the load goes on, nothing is waited for."""
    end = time.monotonic() + seconds

    def left() -> str | None:
        rest = end - time.monotonic()
        return f"encore {rest:.0f} s" if rest > 0 else None

    wait_until(left, what, seconds + SLACK_SECONDS)


def campaign(
    topology: Topology,
    home: Home,
    turns: Sequence[Fault],
    seen: Callable[[Outcome], None],
    hold: float | None = None,
) -> None:
    """Play one fault after the other and show each outcome to ``seen``.

    Raises:
        CitadelleError: when the cluster does not come back to health between two faults.
    """
    require(topology)
    steps, tools = Steps(), instruments(topology, home)
    with terminated_as_interrupted():
        for number, fault in enumerate(turns, 1):
            with steps.step(f"{number}/{len(turns)} {fault.title}"):
                found = once(fault, Field(topology, home), tools, hold)
            seen(found)
