"""The audit's report: one page that opens offline and prints, and the same as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

import citadelle
from citadelle.audit.run import Report, State
from citadelle.verify import REPORTS

HTML, JSON = "audit.html", "audit.json"
# What a reader might believe to be in the report, and is not.
NOT_LOOKED_AT = (
    "la machine qui porte les conteneurs, son noyau, le moteur Docker et leurs réglages",
    "le poste et les habitudes de l'exploitant, la sauvegarde de build/pki et de .env",
    "le code et les requêtes des applications, les droits donnés hors de ce dépôt",
    "les failles encore inconnues, et celles publiées après la date de ce rapport",
    "la force des mots de passe choisis à la main au-delà de ce que .env impose",
    "les paquets qui circulent : « invoke prove.wire » les capture et les classe",
    "la résistance aux pannes et aux surcharges : d'autres tests la montrent",
)


def write(report: Report, folder: Path = REPORTS) -> Path:
    """Write both files into a folder and return the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / JSON).write_text(as_json(report), encoding="utf-8")
    page = folder / HTML
    page.write_text(as_html(report), encoding="utf-8")
    return page


def as_json(report: Report) -> str:
    """Return the report for programs; dates in ISO 8601."""
    found = asdict(report) | {"counts": report.counts, "failed": report.failed}
    return json.dumps(found, ensure_ascii=False, indent=2, default=str)


def as_html(report: Report) -> str:
    """Return the report for an auditor: no script, no link, nothing fetched."""
    templates = FileSystemLoader(Path(citadelle.__file__).parent / "templates")
    environment = Environment(loader=templates, autoescape=True, undefined=StrictUndefined)
    areas = [(area, list(rows)) for area, rows in groupby(report.verdicts, lambda v: v.area)]
    return environment.get_template("audit.html.j2").render(
        report=report, areas=areas, states=State, not_looked_at=NOT_LOOKED_AT
    )
