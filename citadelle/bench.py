"""Throughput and latency of each path, relative to direct TLS in the same run (pgbench).

Figures of one machine mean little; ratios taken in one run, by the same client, do.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from rich.table import Table

from citadelle import compose, engine, lifecycle, progress
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console
from citadelle.topology import HAPROXY, PGBOUNCER, Topology
from citadelle.workspace import ROOT, Home

# What each workload asks of pgbench; the row count (scale × 100,000) fits in shared buffers.
SCALE = 5
WORKLOADS = {
    "lectures courtes": ("--select-only",),
    "écritures": ("--skip-some-updates",),
    "connexions": ("--select-only", "--connect"),
}
BASELINE = "direct"
# pgbench's own duration, and what a container needs around it.
MARGIN_SECONDS = 120


@dataclass(frozen=True)
class Result:
    """One workload on one path; ``ratio`` is its rate over direct TLS's."""

    workload: str
    path: str
    per_second: float
    latency_ms: float
    ratio: float


def run(topology: Topology, home: Home, clients: int, seconds: int) -> list[Result]:
    """Measure every workload on every path and remove the benchmark's tables.

    Raises:
        CitadelleError: when there is no primary or pgbench fails.
    """
    if topology.settings.pooling == "strict":
        raise CitadelleError(
            "POOLING=strict ferme le chemin direct à l'application : il n'y a rien à comparer. "
            "Mesurez avec POOLING=souple."
        )
    leader = Patroni(topology, home).leader()
    if leader is None:
        raise CitadelleError("Aucun primaire : voir « invoke status ».")
    steps = Steps()
    lifecycle.write_compose_env(topology, home)
    with _tables(topology, home, leader, steps):
        return list(_measure(topology, home, leader, (clients, seconds), steps))


def table(results: list[Result]) -> Table:
    """Return the results as a table."""
    numbers = ("par seconde", "latence (ms)", "rapport")
    title = "Débit par chemin (direct = TLS vers le primaire)"
    grid = progress.table(title, "Charge", "Chemin", *numbers, numbers=numbers)
    for r in results:
        grid.add_row(
            r.workload, r.path, f"{r.per_second:.0f}", f"{r.latency_ms:.2f}", f"{r.ratio:.2f}"
        )
    return grid


def save(results: list[Result]) -> str:
    """Write ``reports/bench.json`` and return its name."""
    target = ROOT / "reports" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps([asdict(r) for r in results], ensure_ascii=False, indent=2))
    return str(target.relative_to(ROOT))


def _paths(topology: Topology, leader: str) -> dict[str, tuple[str, ...]]:
    """Return libpq's options for each path, as the tools container sees it."""
    s = topology.settings
    return {
        BASELINE: (f"--host={leader}", f"--port={s.pg_port}"),
        "5000": (f"--host={HAPROXY[0]}", f"--port={s.haproxy_rw_port}"),
        "pooler": (f"--host={PGBOUNCER[0]}", f"--port={s.pgbouncer_port}"),
    }


def _measure(
    topology: Topology, home: Home, leader: str, load: tuple[int, int], steps: Steps
) -> Iterator[Result]:
    clients, seconds = load
    for workload, options in WORKLOADS.items():
        baseline = 0.0
        for path, target in _paths(topology, leader).items():
            with steps.step(f"{workload}, {path} ({seconds} s, {clients} clients)"):
                shared = (f"--client={clients}", "--jobs=2", f"--time={seconds}", "--no-vacuum")
                argv = (*options, *shared, *target)
                text = _pgbench(topology, home, *argv, seconds=seconds)
            rate, latency = _parse(text)
            baseline = baseline or rate
            yield Result(workload, path, rate, latency, rate / baseline)


def _parse(text: str) -> tuple[float, float]:
    """Return transactions per second and mean latency (ms) from pgbench's summary."""
    rate = re.search(r"^tps = ([\d.]+)", text, re.MULTILINE)
    latency = re.search(r"^latency average = ([\d.]+) ms", text, re.MULTILINE)
    if rate is None or latency is None:
        raise CitadelleError(f"pgbench n'a rien mesuré :\n{text[-500:]}")
    return float(rate[1]), float(latency[1])


@contextmanager
def _tables(topology: Topology, home: Home, leader: str, steps: Steps) -> Iterator[None]:
    """Create pgbench's tables, and drop them whatever happens."""
    target = _paths(topology, leader)[BASELINE]
    with steps.step("Tables de pgbench"):
        _pgbench(topology, home, "--initialize", f"--scale={SCALE}", *target, seconds=60)
    try:
        yield
    finally:
        _pgbench(topology, home, "--initialize", "--init-steps=d", *target, seconds=60)


def _pgbench(topology: Topology, home: Home, *argv: str, seconds: int) -> str:
    s = topology.settings
    command = ("pgbench", *argv, f"--username={s.app_user}", s.app_database)
    options = ("run", "--rm", "--no-deps", "--no-TTY", "tools")
    line = compose.command(home.compose_env, *options, *command)
    return engine.docker(*line, seconds=seconds + MARGIN_SECONDS)


def report(results: list[Result]) -> None:
    """Show the table and say where the JSON is."""
    console.print(table(results))
    console.print(f"Détail : {save(results)}")
