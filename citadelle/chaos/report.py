"""What was seen of every fault: a table, one page that prints and needs no network, and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.markup import escape
from rich.table import Table

from citadelle import progress
from citadelle.chaos import chart
from citadelle.chaos.catalogue import FAULTS, SHORT
from citadelle.chaos.loads import THREADS
from citadelle.chaos.outcome import Outcome
from citadelle.chaos.summary import Line, headlines, lines
from citadelle.progress import console
from citadelle.stress.numbers import amount, count
from citadelle.topology import Topology
from citadelle.verify import REPORTS

TEMPLATES = Path(__file__).parents[1] / "templates"
HTML, JSON = "chaos.html", "chaos.json"
# What a fencer of the run says meanwhile.
FENCER_LOG = REPORTS / "fencer.log"
NUMBERS = ("Perdues", "Coupure (s)", "Pooler", "Direct", "Santé (s)")


def catalogue() -> Table:
    """Return every fault as a table; those of every verification are marked."""
    grid = progress.table("Pannes (✔ : dans chaque vérification)", "Panne", "", "Ce qui est fait")
    for fault in FAULTS:
        grid.add_row(fault.name, "✔" if fault.name in SHORT else "", fault.what)
    return grid


def table(found: Sequence[Line]) -> Table:
    """Return one row per fault; times and errors are medians."""
    grid = progress.table("Pannes", "Panne", *NUMBERS, "Verdict", numbers=NUMBERS)
    for line in found:
        grid.add_row(
            line.fault.name,
            "?" if line.uncompared else str(line.lost + line.phantom),
            amount(line.gap),
            count(line.pooled_errors),
            count(line.direct_errors),
            amount(line.health),
            "[red]✘[/]" if line.problems else "[green]✔[/]",
        )
    return grid


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the table, then what went wrong, fault by fault."""
    found = lines(outcomes)
    console.print(table(found))
    for line in found:
        for problem in line.problems:
            console.print(f"[red]✘[/] {line.fault.name} : {escape(problem)}")


def write(topology: Topology, outcomes: Sequence[Outcome], folder: Path = REPORTS) -> Path:
    """Write both files into a folder and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(as_json(topology, outcomes), encoding="utf-8")
    page = folder / HTML
    page.write_text(as_html(topology, outcomes), encoding="utf-8")
    return page


def survived(outcomes: Sequence[Outcome]) -> bool:
    """Tell whether there was any fault, and every one went as it should."""
    return bool(outcomes) and not any(line.problems for line in lines(outcomes))


def as_json(topology: Topology, outcomes: Sequence[Outcome]) -> str:
    """Return the report for programs; times in seconds, dates in ISO 8601."""
    content = {
        "cluster": topology.settings.cluster_name,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "survived": survived(outcomes),
        "faults": [line.as_json() for line in lines(outcomes)],
        "runs": [outcome.as_json() for outcome in outcomes],
    }
    return json.dumps(content, ensure_ascii=False, indent=2)


def as_html(topology: Topology, outcomes: Sequence[Outcome]) -> str:
    """Return the report for people: no script, no link, nothing fetched."""
    html = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html.filters.update(amount=amount, count=count)
    found = lines(outcomes)
    return html.get_template("chaos.html.j2").render(
        cluster=topology.settings.cluster_name,
        date=datetime.now(UTC),
        lines=found,
        headlines=headlines(found),
        chart=chart.draw(found),
        size=chart,
        samples=sum(o.watch.samples for o in outcomes),
        threads=THREADS,
    )
