"""One audit: every control put to the running cluster, its answer set against the deviations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum

import httpx
import psycopg
from rich.markup import escape

from citadelle import progress, status
from citadelle.audit import deviations as reviewed
from citadelle.audit import versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.controls import AREAS
from citadelle.audit.deviations import Deviation
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from citadelle.topology import Topology
from citadelle.workspace import Home

# A component that does not answer, or answers something else than it should.
UNANSWERED = (CitadelleError, OSError, psycopg.Error, httpx.HTTPError, LookupError, ValueError)


class State(StrEnum):
    """How a control ended, as the report says it."""

    CONFORMING = "conforme"
    JUSTIFIED = "écart justifié"
    FAILING = "non conforme"
    UNKNOWN = "non vérifiable"


# Areas judged at the same time: enough to hide the waiting, few enough for two cores.
AT_ONCE = 4
FAILURES = (State.FAILING, State.UNKNOWN)


@dataclass(frozen=True)
class Verdict:
    """One control and what came of it; ``deviation`` is set when it is what makes it acceptable."""

    area: str
    identifier: str
    title: str
    references: tuple[str, ...]
    state: State
    seen: str
    command: str
    deviation: Deviation | None = None


@dataclass(frozen=True)
class Report:
    """One audit of one cluster, its secrets masked."""

    cluster: str
    date: datetime
    versions: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    stale: tuple[str, ...]

    @property
    def counts(self) -> dict[State, int]:
        """How many controls ended in each state."""
        found = Counter(verdict.state for verdict in self.verdicts)
        return {state: found[state] for state in State}

    @property
    def failed(self) -> bool:
        """Tell whether anything asks for a decision."""
        return bool(self.stale) or any(self.counts[state] for state in FAILURES)


def run(topology: Topology, home: Home) -> Report:
    """Put every control to the cluster.

    Raises:
        CitadelleError: when the cluster does not run, or the deviations cannot be read.
    """
    if "absent" in status.containers(topology, home).values():
        raise CitadelleError("Aucun cluster en marche : lancez « invoke certs up ».")
    deviations, now = reviewed.load(), datetime.now(UTC)
    cluster, steps = Cluster(topology, home), Steps()
    verdicts = _verdicts(cluster, deviations, now.date(), steps)
    with steps.step("Versions"):
        found = versions.all_said(cluster)
    return report(topology, verdicts, found, deviations, now)


def _verdicts(
    cluster: Cluster, deviations: Mapping[str, Deviation], today: date, steps: Steps
) -> list[Verdict]:
    """Judge several areas at once, because most of the time is spent waiting for the engine.

    A question that two of them put at the same moment is put twice: the answer is the same.
    """

    def area(name: str, controls: Sequence[Control]) -> list[Verdict]:
        return [judge(name, control, cluster, deviations, today) for control in controls]

    pool, found = ThreadPoolExecutor(AT_ONCE), list[Verdict]()
    try:
        # From the end, where the search for secrets is: it takes longest.
        pending = {name: pool.submit(area, name, rows) for name, rows in reversed(AREAS)}
        count = sum(len(controls) for _, controls in AREAS)
        with steps.step(f"{count} contrôles en {len(AREAS)} domaines, plusieurs à la fois"):
            for name, _ in AREAS:
                found += pending[name].result()
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def report(
    topology: Topology,
    verdicts: Sequence[Verdict],
    found: Mapping[str, str],
    deviations: Mapping[str, Deviation],
    now: datetime,
) -> Report:
    """Return the report of some verdicts, with the deviations that they leave without object."""
    passed = {verdict.identifier: verdict.state is State.CONFORMING for verdict in verdicts}
    stale = tuple(reviewed.stale(deviations, passed, now.date()))
    return Report(topology.settings.cluster_name, now, dict(found), tuple(verdicts), stale)


def judge(
    area: str,
    control: Control,
    cluster: Cluster,
    deviations: Mapping[str, Deviation],
    today: date,
) -> Verdict:
    """Put one control to the cluster; what cannot be seen is not taken for right."""
    try:
        finding = control.check(cluster)
    except UNANSWERED as error:
        kind = "" if isinstance(error, CitadelleError) else f"{type(error).__name__} : "
        return _verdict(area, control, cluster, State.UNKNOWN, Finding(False, f"{kind}{error}", ""))
    if finding.ok:
        return _verdict(area, control, cluster, State.CONFORMING, finding)
    deviation = deviations.get(control.identifier)
    if deviation is None or not deviation.covers(today):
        return _verdict(area, control, cluster, State.FAILING, finding)
    return _verdict(area, control, cluster, State.JUSTIFIED, finding, deviation)


def _verdict(
    area: str,
    control: Control,
    cluster: Cluster,
    state: State,
    finding: Finding,
    deviation: Deviation | None = None,
) -> Verdict:
    seen, command = masked(cluster, finding.seen), masked(cluster, finding.command)
    row = (area, control.identifier, control.title, control.references)
    return Verdict(*row, state, seen, command, deviation)


def masked(cluster: Cluster, text: str) -> str:
    """Return the text without any secret of the settings, should a control have let one in."""
    for name, secret in cluster.topology.settings.secrets().items():
        text = text.replace(secret.reveal(), f"[{name}]")
    return text


def show(found: Report) -> None:
    """Print what asks for a decision, then the counts."""
    grid = progress.table("À décider", "Contrôle", "État", "Constat")
    for verdict in found.verdicts:
        if verdict.state in FAILURES:
            grid.add_row(verdict.identifier, f"[red]{verdict.state}[/]", escape(verdict.seen))
    for problem in found.stale:
        name, _, reason = problem.partition(" : ")
        grid.add_row(name, "[red]écart périmé[/]", escape(reason))
    if found.failed:
        progress.console.print(grid)
    counts = (f"{state} : {count}" for state, count in found.counts.items())
    progress.console.print(", ".join(counts))
