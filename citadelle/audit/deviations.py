"""The reviewed deviations, ``config/audit/ecarts.yml``: which failures are accepted, until when.

A deviation that covers nothing any more is itself a problem: the file must say what is true.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from citadelle.errors import CitadelleError
from citadelle.workspace import ROOT

FILE = ROOT / "config" / "audit" / "ecarts.yml"
# What each entry holds, as its author writes it, and the type that YAML gives it.
KEYS = {
    "controle": str,
    "justification": str,
    "relu_par": str,
    "le": date,
    "revoir_avant": date,
}
OPTIONAL = {"selon_la_machine": bool}


@dataclass(frozen=True)
class Deviation:
    """One accepted failure; it is worth nothing from ``until`` on.

    ``varies``: the control may pass elsewhere, and then the entry is not stale.
    """

    identifier: str
    justification: str
    reviewer: str
    reviewed: date
    until: date
    varies: bool = False

    def covers(self, today: date) -> bool:
        """Tell whether the review still holds."""
        return self.reviewed <= today < self.until


def load(file: Path = FILE) -> dict[str, Deviation]:
    """Return the deviations by control.

    Raises:
        CitadelleError: with every problem of the file, one line each.
    """
    try:
        entries = yaml.safe_load(file.read_text(encoding="utf-8")) or []
    except (OSError, yaml.YAMLError) as error:
        raise CitadelleError(f"{file.name} illisible : {error}") from None
    if not isinstance(entries, list):
        raise CitadelleError(f"{file.name} : attendu une liste d'écarts")
    problems = [problem for entry in entries for problem in _problems(entry)]
    count = Counter(str(e.get("controle")) for e in entries if isinstance(e, Mapping))
    problems += [f"{name} : écart écrit {n} fois" for name, n in count.items() if n > 1]
    if problems:
        raise CitadelleError("\n".join(f"{file.name} : {problem}" for problem in problems))
    return {entry["controle"]: _deviation(entry) for entry in entries}


def _problems(entry: object) -> Iterator[str]:
    if not isinstance(entry, Mapping):
        yield f"« {entry} » n'est pas un écart"
        return
    name = entry.get("controle", "?")
    for key in set(entry) - {*KEYS, *OPTIONAL}:
        yield f"{name} : clé inconnue « {key} »"
    for key, kind in KEYS.items():
        if key not in entry:
            yield f"{name} : « {key} » manque"
        # The very type: a datetime is a date too, and does not compare with one.
        elif type(entry[key]) is not kind or not str(entry[key]).strip():
            yield f"{name} : « {key} » illisible"
    for key, kind in OPTIONAL.items():
        if not isinstance(entry.get(key, False), kind):
            yield f"{name} : « {key} » vaut true ou false"


def _deviation(entry: Mapping[str, Any]) -> Deviation:
    return Deviation(
        entry["controle"],
        entry["justification"].strip(),
        entry["relu_par"],
        entry["le"],
        entry["revoir_avant"],
        entry.get("selon_la_machine", False),
    )


def stale(
    deviations: Mapping[str, Deviation], passed: Mapping[str, bool], today: date
) -> Iterator[str]:
    """Yield, in French, each deviation that must leave the file or be reviewed again.

    ``passed`` tells of every known control whether it passed.
    """
    for name, deviation in deviations.items():
        if name not in passed:
            yield f"{name} : aucun contrôle de ce nom"
        elif passed[name] and not deviation.varies:
            yield f"{name} : le contrôle est conforme, retirez l'écart"
        if not deviation.covers(today):
            yield f"{name} : relu le {deviation.reviewed}, à revoir avant le {deviation.until}"
