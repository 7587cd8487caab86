"""A benchmark for people: a table, and one page that prints and needs no network; and its JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Table

from citadelle import progress
from citadelle.bench import result
from citadelle.bench.plan import Plan
from citadelle.bench.result import Measure, Row
from citadelle.progress import console
from citadelle.stress.numbers import amount, count
from citadelle.topology import Topology
from citadelle.workspace import ROOT

TEMPLATES = Path(__file__).parents[1] / "templates"


def show(plan: Plan, found: list[Row]) -> None:
    """Print throughput, then the processor time of each workload."""
    numbers = ("débit", "latence (ms)", "rapport")
    grid = progress.table(plan.title, "Charge", "Chemin", *numbers, numbers=numbers)
    for row in found:
        cells = (f"{amount(row.rate)} {row.unit}", amount(row.latency_ms), ratio(row.ratio))
        grid.add_row(row.workload, row.path, *cells)
    console.print(grid)
    for workload in dict.fromkeys(row.workload for row in found):
        console.print(processor([row for row in found if row.workload == workload]))


def processor(rows: list[Row]) -> Table:
    """Return one workload's processor time: a column per path, so that 80 columns hold it."""
    paths = tuple(row.path for row in rows)
    one = rows[0].unit.removesuffix("/s").removesuffix("s")
    title = f"Temps processeur, {rows[0].workload} (µs par {one})"
    grid = progress.table(title, "Composant", *paths, numbers=paths)
    for part in rows[0].cpu:
        grid.add_row(part, *(amount(row.cpu[part]) for row in rows))
    grid.add_row("total", *(amount(row.total) for row in rows))
    return grid


def ratio(value: float) -> str:
    """Return a ratio as French readers write it."""
    return f"{value:.2f}".replace(".", ",")


def page(plan: Plan, found: list[Row], topology: Topology, when: datetime) -> str:
    """Return the report as one HTML page."""
    html = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html.filters |= {"amount": amount, "count": count, "ratio": ratio}
    return html.get_template("bench.html.j2").render(
        cluster=topology.settings.cluster_name,
        plan=plan,
        rows=found,
        parts=tuple(found[0].cpu),
        when=when,
    )


def write(plan: Plan, measures: list[Measure], topology: Topology, stem: str) -> None:
    """Show the medians, and write ``reports/<stem>.html`` and its JSON."""
    found = result.rows(measures, {w.name: w.unit for w in plan.workloads})
    show(plan, found)
    directory = ROOT / "reports"
    directory.mkdir(exist_ok=True)
    content = {"title": plan.title, "seconds": plan.seconds, "rounds": plan.rounds}
    content |= result.as_json(found, measures)
    text = json.dumps(content, ensure_ascii=False, indent=2, allow_nan=False)
    (directory / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    now = datetime.now(UTC)
    (directory / f"{stem}.html").write_text(page(plan, found, topology, now), encoding="utf-8")
    console.print(f"Rapport : reports/{stem}.html")
