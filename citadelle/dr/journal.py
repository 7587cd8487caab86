"""What was done of a takeover, on the operator's disk: there as long as the remote site serves.

Every step looks at the cluster itself before it acts; the journal only tells that a takeover is
under way, since when, how the lost site's containers were to restart, and what was foreseen.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from citadelle import files
from citadelle.errors import CitadelleError
from citadelle.workspace import Home


@dataclass
class Journal:
    """One takeover; times are ISO 8601 in UTC, ``steps`` seconds by title."""

    node: str
    lost: str  # datacentre
    started: str
    timeline: int
    foreseen: str  # the bound shown before the confirmation, in French
    since: float | None = None  # the same, in seconds since 1970
    until: float | None = None
    policies: dict[str, str] = field(default_factory=dict)  # restart policy by container
    out_of_reach: list[str] = field(default_factory=list)  # machines to stop by hand
    steps: dict[str, float] = field(default_factory=dict)
    recreated: bool = False  # the quorum is the remote member's: no way back but a failback
    finished: str = ""

    def save(self, home: Home) -> None:
        """Write it whole or not at all."""
        home.build.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, indent=2) + "\n"
        files.replace(home.takeover, text.encode())


def load(home: Home) -> Journal | None:
    """Return the takeover under way, if any; CitadelleError when its file is not readable."""
    try:
        values: dict[str, Any] = json.loads(home.takeover.read_text())
        return Journal(**values)
    except FileNotFoundError:
        return None
    except (ValueError, TypeError) as error:
        raise CitadelleError(
            f"{home.takeover} illisible ({error}) : est-ce bien celui d'un « invoke dr.promote » ? "
            "Remettez-le d'une sauvegarde."
        ) from None


def forget(home: Home) -> None:
    """The takeover is over, or its cluster is no more."""
    home.takeover.unlink(missing_ok=True)


def refuse(home: Home, what: str) -> None:
    """Raise CitadelleError when a takeover forbids ``what``, in French, with the way out."""
    if (under_way := load(home)) is None:
        return
    state = "sert" if under_way.finished else "prend le relais"
    advice = "« invoke dr.failback » réintègre d'abord le centre perdu"
    if not under_way.finished:
        advice = f"« invoke dr.promote --node {under_way.node} » reprend la promotion ; {advice}"
    raise CitadelleError(
        f"{what} : refusé, {under_way.node} {state} sans {under_way.lost} depuis "
        f"{under_way.started}.\n{advice}."
    )
