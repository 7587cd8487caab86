"""Do the timers hold over a slow line? Leaders, timelines and lags watched under a light load."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from citadelle import accounts, progress
from citadelle.errors import CitadelleError
from citadelle.etcd import Etcd
from citadelle.patroni import Patroni
from citadelle.progress import console
from citadelle.signals import terminated_as_interrupted, uninterrupted
from citadelle.stress import live
from citadelle.stress.load import Load
from citadelle.stress.plan import Plan
from citadelle.stress.result import Result
from citadelle.stress.run import running
from citadelle.topology import ETCD, PG, Topology
from citadelle.wan import lab
from citadelle.wan.link import Link
from citadelle.workspace import Home

# How often everybody is asked; Patroni itself looks every `loop_wait`.
PERIOD_SECONDS = 5.0
# An application at rest: what is tested are the timers, not the throughput.
THREADS, WRITES_PER_SECOND = 2, 20.0
ELECTIONS = "etcd_server_leader_changes_seen_total"
# `replay_lag` is NULL once a standby has replayed everything and nothing new came (manual, 27.2.4).
LAG = """
SELECT application_name, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint,
    coalesce(extract(epoch FROM replay_lag), 0)
FROM pg_stat_replication WHERE state = 'streaming';"""


@dataclass(frozen=True)
class Sample:
    """What was seen ``at`` seconds after the start; lags by node, in bytes and in seconds."""

    at: float
    leader: str | None
    timeline: int | None
    lags: Mapping[str, tuple[int, float]]


@dataclass(frozen=True)
class Steady:
    """A run: elections that each etcd member saw during it (None: silent), samples, the load.

    ``line`` is what was wrong with the slow line at the end, in French, by machine.
    """

    title: str
    remotes: tuple[str, ...]
    elections: Mapping[str, int | None]
    samples: tuple[Sample, ...]
    load: Result
    line: tuple[str, ...] = ()

    def problems(self) -> list[str]:
        """Return, in French, what did not hold; empty when everything did."""
        found = [
            f"etcd, vu de {n} : {count} élections" for n, count in self.elections.items() if count
        ]
        found += [f"etcd : {n} muet" for n, count in self.elections.items() if count is None]
        for what, values in (("primaires", self.leaders), ("timelines", self.timelines)):
            found += [f"{what} : {', '.join(map(str, values))}"] if len(values) != 1 else []
        for node in self.remotes:
            absent = len(self.samples) - len(self.lags(node))
            total = len(self.samples)
            found += [f"{node} ne répliquait pas à {absent} relevés sur {total}"] if absent else []
        return [*found, *self.line, *self.load.problems()]

    @property
    def leaders(self) -> list[str]:
        """The primaries seen, sorted; « aucun » for a sample without one."""
        return sorted({sample.leader or "aucun" for sample in self.samples})

    @property
    def timelines(self) -> list[int]:
        """The timelines seen, sorted."""
        return sorted({sample.timeline for sample in self.samples if sample.timeline})

    def lags(self, node: str) -> list[tuple[int, float]]:
        """Return each lag seen of a replica, in bytes and seconds."""
        return [sample.lags[node] for sample in self.samples if node in sample.lags]


def run(topology: Topology, home: Home, link: Link, seconds: float) -> Steady:
    """Slow the line down, load and watch for so long, and restore the line whatever happens.

    Raises:
        CitadelleError: when a line is in place already, or the cluster takes no write.
    """
    if lab.observe(topology, home).placed:
        raise CitadelleError("Un lien est déjà ralenti ou coupé : « invoke wan --off » d'abord.")
    before = _elections(topology, home)
    plan = Plan(threads=THREADS, rate=WRITES_PER_SECOND, duration_seconds=seconds)
    with terminated_as_interrupted():
        try:
            placed = lab.slow(topology, home, link)
            console.print(placed.title(topology))
            with running(topology, home, plan) as load:
                samples = tuple(_watch(topology, home, load))
            after = _elections(topology, home)
            line = tuple(lab.observe(topology, home).problems())
        finally:
            with uninterrupted():
                lab.off(topology, home)
    changes = {node: difference(before[node], after[node]) for node in ETCD}
    remotes = tuple(node for node in PG if topology.is_remote(node))
    return Steady(placed.title(topology), remotes, changes, samples, load.result, line)


def _watch(topology: Topology, home: Home, load: Load) -> Iterable[Sample]:
    patroni, start = Patroni(topology, home), time.monotonic()
    while not load.wait(PERIOD_SECONDS):
        console.print(live.line(load.snapshot()))
        leader = patroni.leader()
        timeline = next((m.timeline for m in patroni.members() if m.name == leader), None)
        lags = parse(accounts.run_sql(topology, leader, LAG)) if leader else {}
        yield Sample(time.monotonic() - start, leader, timeline, lags)


def parse(rows: str) -> dict[str, tuple[int, float]]:
    """Read ``name|bytes|seconds`` lines."""
    found = (row.split("|") for row in rows.splitlines() if row)
    return {name: (int(size), float(seconds)) for name, size, seconds in found}


def _elections(topology: Topology, home: Home) -> dict[str, int | None]:
    etcd = Etcd(topology, home)
    return {node: etcd.counter(node, ELECTIONS) for node in ETCD}


def difference(before: int | None, after: int | None) -> int | None:
    """Return what a counter gained; None when it was not read both times."""
    return None if before is None or after is None else after - before


def show(found: Steady) -> None:
    """Print the figures, then what did not hold."""
    grid = progress.table("Lien lent", "Mesure", "Valeur")
    grid.add_row("lien", found.title)
    grid.add_row("durée", f"{found.load.duration_seconds:.0f} s, {len(found.samples)} relevés")
    changes = ", ".join(f"{n} {'?' if c is None else c}" for n, c in found.elections.items())
    grid.add_row("élections d'etcd", changes)
    grid.add_row("primaires vus", ", ".join(found.leaders))
    grid.add_row("timelines vues", ", ".join(map(str, found.timelines)))
    for node in found.remotes:
        grid.add_row(f"retard de {node}", _lag(found.lags(node)))
    verdict, load = found.load.verdict, found.load
    grid.add_row("écritures acquittées", f"{load.writes}, {verdict.lost} perdues")
    grid.add_row("erreurs", f"{load.error_count}")
    grid.add_row("p50, p99 (ms)", f"{load.p50_ms}, {load.p99_ms}")
    console.print(grid)
    for problem in found.problems():
        console.print(f"[red]✘[/] {problem}")


def _lag(lags: list[tuple[int, float]]) -> str:
    if not lags:
        return "inconnu"
    sizes, times = zip(*lags, strict=True)
    return (
        f"médiane {statistics.median(sizes):.0f} o, {statistics.median(times):.2f} s ; "
        f"maximum {max(sizes)} o, {max(times):.2f} s"
    )


def write(found: Steady, reports: Path) -> Path:
    """Write everything that was seen as reports/wan.json; return its path."""
    reports.mkdir(exist_ok=True)
    shown = {
        "title": found.title,
        "problems": found.problems(),
        "elections": dict(found.elections),
        "samples": [asdict(sample) for sample in found.samples],
        "load": found.load.as_json(),
    }
    path = reports / "wan.json"
    path.write_text(json.dumps(shown, ensure_ascii=False, indent=2), encoding="utf-8")
    return path
