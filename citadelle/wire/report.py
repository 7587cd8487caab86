"""What the captures prove, for people: a table, and one page that prints and needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.table import Table

from citadelle import progress
from citadelle.wire import picture
from citadelle.wire.judgement import OLDER_TLS, Judgement, Kind
from citadelle.wire.summary import Row
from citadelle.wire.verdict import Result

HTML, JSON = "wire.html", "wire.json"
TEMPLATES = Path(__file__).parents[1] / "templates"
# Alerts are part of a scenario with wrong passwords; the other kinds need no reader's attention.
NOTEWORTHY = (Kind.UNFINISHED, Kind.REFUSED, Kind.UNANSWERED)

KILO = 1000
UNITS = ("o", "ko", "Mo", "Go")


def table(result: Result) -> Table:
    """Return one line per flow of the table, and one for all that is in no flow."""
    numbers = ("Port", "Flux", "Octets")
    columns = ("De → vers", "Réseau", *numbers, "TLS", "Verdict")
    grid = progress.table("Ce qui circule", *columns, numbers=numbers)
    for row in result.rows:
        ends = f"{row.flow.source} → {row.flow.target}"
        cells = (str(row.number), str(row.streams), size(row.size), encryption(row))
        grid.add_row(ends, row.flow.network, *cells, _verdict(result, row))
    if strangers := [v for v in result.streams if v.place.flow is None]:
        total = sum(v.bytes_up + v.bytes_down for v in strangers)
        cells = ("", str(len(strangers)), size(total), "")
        grid.add_row("hors de la table", "", *cells, "[red]✘ interdit[/]")
    return grid


def _verdict(result: Result, row: Row) -> str:
    if row.faulty:
        return f"[red]✘ {row.faulty} en faute[/]"
    if row.exercised:
        return "[green]✔[/]"
    return "[red]✘ non exercé[/]" if row.flow in result.expected else "non exercé"


def size(count: int) -> str:
    """Return a number of bytes as people read it."""
    power = next((p for p in range(len(UNITS)) if count < KILO ** (p + 1)), len(UNITS) - 1)
    number = f"{count / KILO**power:.1f}" if power else str(count)
    return f"{number.replace('.', ',')} {UNITS[power]}"


def encryption(row: Row) -> str:
    """Return what a flow's streams negotiated, on one line."""
    suites = [re.sub("^TLS_|_SHA[0-9]+$", "", name) for name in row.suites]
    parts = [", ".join(v.removeprefix("TLS ") for v in row.versions), ", ".join(suites)]
    parts += [f"({row.late} déjà ouverts)"] if row.late else []
    return " ".join(part for part in parts if part)


@dataclass(frozen=True)
class Pair:
    """Two machines that talked, over one port."""

    network: str
    source: str
    target: str
    port: int
    streams: int
    size: int
    faulty: int


def pairs(streams: Sequence[Judgement]) -> list[Pair]:
    """Return who talked to whom, machine by machine."""

    def key(v: Judgement) -> tuple[str, str, str, int]:
        return v.place.network, v.place.source.name, v.place.target.name, v.place.port

    groups = ((k, list(group)) for k, group in groupby(sorted(streams, key=key), key))
    return [
        Pair(
            *k,
            len(group),
            sum(v.bytes_up + v.bytes_down for v in group),
            sum(bool(v.problems) for v in group),
        )
        for k, group in groups
    ]


def page(
    result: Result,
    steps: Sequence[tuple[str, float]],
    versions: Mapping[str, str],
    date: datetime,
) -> str:
    """Return the report as one HTML page."""
    html = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html.filters |= {"size": size, "encryption": encryption, "clock": clock}
    return html.get_template("wire.html.j2").render(
        result=result,
        faulty=[v for v in result.streams if v.problems],
        noteworthy=[v for v in result.streams if v.alerts or v.kind in NOTEWORTHY],
        pairs=pairs(result.streams),
        exceptions=OLDER_TLS,
        panels=picture.panels(result.streams),
        width=picture.WIDTH,
        box_width=picture.BOX_WIDTH,
        steps=steps,
        versions=versions,
        date=date,
    )


def clock(seconds: float) -> str:
    """Return the time of day (UTC) of a moment given in seconds since 1970."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S")


def forget(directory: Path) -> None:
    """Remove what another run wrote: until this one ends, nothing is proven."""
    for name in (HTML, JSON):
        (directory / name).unlink(missing_ok=True)


def write(
    result: Result,
    steps: Sequence[tuple[str, float]],
    directory: Path,
    versions: Mapping[str, str] | None = None,
) -> None:
    """Write ``wire.json`` and ``wire.html``.

    ``steps`` are the scenario's, with their durations in seconds; ``versions`` what ran, by name.
    """
    date = datetime.now(UTC)
    directory.mkdir(parents=True, exist_ok=True)
    rows = {
        "date": date.isoformat(timespec="seconds"),
        "versions": dict(versions or {}),
        "steps": [{"title": title, "seconds": round(seconds, 1)} for title, seconds in steps],
        **result.as_json(),
    }
    text = json.dumps(rows, ensure_ascii=False, indent=2)
    (directory / JSON).write_text(text + "\n", encoding="utf-8")
    html = page(result, steps, versions or {}, date)
    (directory / HTML).write_text(html, encoding="utf-8")
