"""`invoke chaos.run`: faults on the cluster of the home, and their report whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext

from rich.markup import escape

from citadelle.chaos import mend, report, watch
from citadelle.chaos.catalogue import FAULTS, SHORT, named
from citadelle.chaos.fault import Fault
from citadelle.chaos.outcome import Outcome
from citadelle.chaos.run import campaign
from citadelle.dr import journal
from citadelle.errors import CitadelleError
from citadelle.fencer import child
from citadelle.progress import console
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home


def chosen(names: str, *, everything: bool) -> tuple[Fault, ...]:
    """Return the faults of a comma-separated list, all of them, or the short set.

    Raises:
        CitadelleError: for a name that is no fault's, or for both choices at once.
    """
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if wanted and everything:
        raise CitadelleError("--all ou --fault, pas les deux.")
    return FAULTS if everything else named(*(wanted or SHORT))


def play(  # one run
    topology: Topology,
    home: Home,
    faults: Sequence[Fault],
    runs: int,
    hold: float | None,
    *,
    fenced: bool = False,
) -> bool:
    """Play the faults, ``runs`` times over; return whether all were survived.

    ``fenced`` has a fencer watch meanwhile, and judges by its targets.

    The report holds what was seen so far even when a fault ends the whole.
    """
    journal.refuse(home, "Provoquer des pannes")
    if runs < 1 or (hold is not None and hold <= 0):
        raise CitadelleError("--runs et --duration doivent être positifs.")
    outcomes: list[Outcome] = []
    turns = [fault.fenced() if fenced else fault for fault in faults] * runs
    fencer = child.alongside(topology, home, report.FENCER_LOG) if fenced else nullcontext()

    def seen(outcome: Outcome) -> None:
        outcomes.append(outcome)
        for problem in outcome.problems():
            console.print(f"    [red]✘[/] {escape(problem)}")

    try:
        with fencer:
            campaign(topology, home, turns, seen, hold)
    finally:
        if outcomes:
            report.show(outcomes)
            page = report.write(topology, outcomes)
            console.print(f"Rapport : {page.relative_to(ROOT)} et {report.JSON}")
            _clear(topology, home)
    return report.survived(outcomes)


def restore(topology: Topology, home: Home) -> bool:
    """Undo whatever a fault may have left; return whether all of it is undone."""
    journal.refuse(home, "Tout remettre en état")
    problems = mend.everything(topology, home)
    for problem in problems:
        console.print(f"[red]✘[/] {escape(problem)}")
    if not problems:
        console.print("Plus aucune panne provoquée. « invoke status » dit si le cluster est sain.")
    return not problems


def _clear(topology: Topology, home: Home) -> None:
    try:
        watch.clear(topology, home)
    except CitadelleError as error:
        console.print(f"La table citadelle_watch reste : {escape(str(error))}")
