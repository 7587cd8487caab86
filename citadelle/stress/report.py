"""A run for people: a table, and one page that prints and needs no network; and its JSON."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.markup import escape

from citadelle import progress
from citadelle.progress import console
from citadelle.stress import chart
from citadelle.stress.numbers import amount, count, duration
from citadelle.stress.plan import LIFETIME_SECONDS, Plan
from citadelle.stress.result import Result
from citadelle.stress.verdict import Writer
from citadelle.topology import PG, Topology

# Samples of memory, one a minute: a start, a minute later, and something to compare with.
LONG_ENOUGH = 3
TEMPLATES = Path(__file__).parents[1] / "templates"
ENTRANCES = {
    "pooled": "PgBouncer",
    "pooled_ro": "PgBouncer, lecture seule",
    "rw": "HAProxy, lecture/écriture",
    "ro": "HAProxy, lecture seule",
}
MODES = {"rw": "écritures", "ro": "lectures", "mixed": "écritures et lectures"}


def describe(plan: Plan) -> str:
    """Return what a plan does, in one line."""
    parts = [f"{plan.threads} clients", MODES[plan.mode], f"par {ENTRANCES[plan.service]}"]
    parts.append("connexions gardées (pool)" if plan.kept else "une connexion par requête")
    if plan.kept and plan.lifetime_seconds != LIFETIME_SECONDS:
        parts.append(f"remplacées avant {plan.lifetime_seconds:g} s")
    if plan.rate:
        parts.append(f"{plan.rate:g} requêtes/s, quoi qu'il arrive")
    if plan.pause_seconds:
        parts.append(f"pause de {plan.pause_seconds:g} s")
    if plan.requests:
        parts.append(f"{count(plan.requests)} requêtes au plus")
    parts.append(duration(plan.duration_seconds) if plan.duration_seconds else "jusqu'à Ctrl-C")
    return ", ".join(parts)


def rows(result: Result) -> list[tuple[str, str]]:
    """Return the figures of a run, one per line."""
    verdict = result.verdict
    latencies = (result.p50_ms, result.p99_ms, result.max_ms)
    found = [
        ("Durée", f"{amount(result.duration_seconds)} s"),
        ("Requêtes réussies", f"{count(result.answered)} ({amount(result.per_second)}/s)"),
        ("Latence p50 / p99 / max", " / ".join(map(amount, latencies)) + " ms"),
        ("Erreurs vues par l'application", count(result.error_count)),
    ]
    if result.refusals:
        hidden = sum(refusal.count for refusal in result.refusals)
        found.append(("Connexions refusées, reprises par le pool", count(hidden)))
    if result.unsent:
        found.append(("Requêtes dues, jamais envoyées", count(result.unsent)))
    if result.longest_gap:
        gap = f"{amount(result.longest_gap.seconds)} s (à {amount(result.longest_gap.at)} s)"
        found.append(("Plus longue coupure d'écriture", gap))
    if result.plan.writes:
        doubt = f"{count(verdict.doubt)}, dont présentes {count(verdict.doubt_present)}"
        found += [
            ("Écritures acquittées", count(result.writes)),
            ("Acquittées et perdues", count(verdict.lost)),
            ("Fantômes", count(verdict.phantom)),
            ("Sans réponse (les deux issues sont justes)", doubt),
        ]
    return found + _memory(result)


def _memory(result: Result) -> list[tuple[str, str]]:
    """Return what the program itself took, once a run is long enough to have a slope.

    The last sample is taken after the ledger was compared, the one before it during the load.
    """
    *during, compared = [sample.megabytes for sample in result.memory] or [0.0]
    if len(during) < LONG_ENOUGH:
        return []
    seen = " / ".join(map(amount, (during[1], during[-1], max(during), compared)))
    return [("Mémoire du programme : 1 min / fin / max / grand livre comparé", f"{seen} Mo")]


def show(result: Result) -> None:
    """Print the figures, the errors and the problems."""
    grid = progress.table("Charge", "Mesure", "Valeur", numbers=("Valeur",))
    for name, value in rows(result):
        grid.add_row(name, value)
    console.print(grid)
    for error in result.errors:
        text = f"{error.stage}, {error.name} × {count(error.count)} : {error.first_message}"
        console.print(f"[yellow]![/] {escape(text)}")
    for problem in result.problems():
        console.print(f"[red]✘[/] {escape(problem)}")


def page(result: Result, topology: Topology) -> str:
    """Return the report as one HTML page."""
    html = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html.filters |= {"amount": amount, "count": count}
    nodes = {int(topology.address(node, "pg")): node for node in PG}
    return html.get_template("stress.html.j2").render(
        cluster=topology.settings.cluster_name,
        result=result,
        started=datetime.fromisoformat(result.started),
        summary=describe(result.plan),
        rows=rows(result),
        chart=chart.draw(result),
        size=chart,
        writers=[(_name(writer, nodes), writer) for writer in result.verdict.writers],
        since=lambda at: at - datetime.fromisoformat(result.started).timestamp(),
    )


def write(result: Result, topology: Topology, directory: Path, stem: str = "stress") -> None:
    """Write the page and the JSON."""
    directory.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.as_json(), ensure_ascii=False, indent=2, allow_nan=False)
    (directory / f"{stem}.json").write_text(text + "\n", encoding="utf-8")
    (directory / f"{stem}.html").write_text(page(result, topology), encoding="utf-8")


def _name(writer: Writer, nodes: dict[int, str]) -> str:
    return nodes.get(writer.server, "inconnu")
