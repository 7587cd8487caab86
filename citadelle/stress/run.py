"""`invoke stress`, and the same load around a fault: ``with running(...) as load``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from citadelle import connect
from citadelle.errors import CitadelleError
from citadelle.progress import console
from citadelle.stress import live, report
from citadelle.stress.ledger import Ledger
from citadelle.stress.load import Load
from citadelle.stress.plan import Plan
from citadelle.stress.primary import Primary
from citadelle.stress.session import PerRequest, Pooled
from citadelle.stress.verdict import Verdict, compare
from citadelle.stress.worker import Entrance
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home

REPORTS = ROOT / "reports"


@contextmanager
def running(topology: Topology, home: Home, plan: Plan) -> Iterator[Load]:
    """Run the load while the body lasts, then compare the ledger: ``load.result`` is ready.

    The run may end before the body, by its plan; it is stopped at the end of the body in any
    case. What is kept on disk and in the table is removed unless writes are lost or invented.

    Raises:
        CitadelleError: when the cluster takes no write at the start, or the plan's entrance is
            closed to applications.
    """
    if topology.settings.pooling == "strict" and plan.path != "pooled":
        raise CitadelleError("POOLING=strict : seul --path pooled est ouvert aux applications.")
    primary = Primary(topology, home)
    primary.prepare()
    load = Load(plan, Ledger(home.build / "stress", plan.threads))
    entrance = _entrance(topology, home, load)
    try:
        load.start(entrance)
        yield load
    finally:
        try:
            load.end()
        finally:
            entrance.close()
        load.conclude(_verdict(primary, load))


def main(topology: Topology, home: Home, plan: Plan, reports: Path = REPORTS) -> int:
    """Run, show the run as it goes, write reports/stress.html and .json; return the exit code.

    1 when writes are lost or invented, a threshold is exceeded or nothing succeeded. Ctrl-C ends
    the load, not the command: what was seen so far is compared and reported.
    """
    console.print(report.describe(plan))
    with running(topology, home, plan) as load:
        try:
            live.follow(load)
        except KeyboardInterrupt:
            load.stop()
            console.print("Interrompu : voici les résultats jusqu'ici.")
        console.print("Comparaison du grand livre au primaire…")
    report.show(load.result)
    report.write(load.result, topology, reports)
    console.print(f"Rapport : {reports.name}/stress.html et stress.json")
    return 1 if load.result.problems() else 0


def _entrance(topology: Topology, home: Home, load: Load) -> Entrance:
    parameters = connect.parameters(topology, home, load.plan.service)
    if not load.plan.kept:
        return PerRequest(parameters, load.expired)
    return Pooled(parameters, load.expired, load.plan, load.recorder.refused, load.pace.over)


def _verdict(primary: Primary, load: Load) -> Verdict:
    """Compare, then clear what is of no further use; what cannot be done is in the verdict."""
    verdict = Verdict()
    try:
        verdict = compare(load.ledger.entries(), primary.rows(load.run))
        if verdict.clean:
            primary.erase(load.run, load.ledger.sent())
            load.ledger.remove()
    except CitadelleError as error:
        return replace(verdict, problem=str(error))
    finally:
        primary.close()
    return verdict
