"""The file of accepted deviations: what it must say, and when an entry is stale."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
import yaml

from citadelle.audit import deviations
from citadelle.audit.controls import CONTROLS
from citadelle.audit.deviations import Deviation
from citadelle.errors import CitadelleError

ENTRY: dict[str, object] = {
    "controle": "XX-01",
    "justification": "Parce que.",
    "relu_par": "responsable",
    "le": date(2026, 11, 1),
    "revoir_avant": date(2026, 12, 1),
}
TODAY = date(2026, 11, 22)
ACCEPTED = Deviation("XX-01", "Parce que.", "responsable", date(2026, 11, 1), date(2026, 12, 1))


def _file(folder: Path, *entries: object) -> Path:
    path = folder / "ecarts.yml"
    path.write_text(yaml.safe_dump(list(entries), allow_unicode=True), encoding="utf-8")
    return path


def test_entry_is_read(tmp_path: Path) -> None:
    """What the file says is what the audit obeys."""
    assert deviations.load(_file(tmp_path, ENTRY)) == {"XX-01": ACCEPTED}


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({k: v for k, v in ENTRY.items() if k != "justification"}, "« justification » manque"),
        (ENTRY | {"justification": " "}, "« justification » illisible"),
        (ENTRY | {"revoir_avant": "bientôt"}, "« revoir_avant » illisible"),
        (ENTRY | {"relu": "moi"}, "clé inconnue « relu »"),
        (ENTRY | {"selon_la_machine": "oui"}, "true ou false"),
        ("XX-01", "n'est pas un écart"),
    ],
)
def test_bad_entry_is_refused(tmp_path: Path, entry: object, problem: str) -> None:
    """A deviation that does not say why, by whom or until when excuses nothing."""
    with pytest.raises(CitadelleError, match=problem):
        deviations.load(_file(tmp_path, entry))


def test_entry_written_twice_is_refused(tmp_path: Path) -> None:
    """Two reasons for one failure: one of them was forgotten."""
    with pytest.raises(CitadelleError, match="XX-01 : écart écrit 2 fois"):
        deviations.load(_file(tmp_path, ENTRY, ENTRY))


def test_unreadable_file_is_refused(tmp_path: Path) -> None:
    """No file, no deviation: the audit says so instead of failing on every known limit."""
    with pytest.raises(CitadelleError, match="illisible"):
        deviations.load(tmp_path / "absent.yml")


@pytest.mark.parametrize(
    ("day", "covered"),
    [(date(2026, 10, 31), False), (TODAY, True), (date(2026, 12, 1), False)],
)
def test_review_holds_between_its_dates(day: date, covered: bool) -> None:
    """An acceptance ends: somebody must look again."""
    assert ACCEPTED.covers(day) is covered


@pytest.mark.parametrize(
    ("passed", "day", "problem"),
    [
        ({"YY-01": True}, TODAY, "aucun contrôle de ce nom"),
        ({"XX-01": True}, TODAY, "retirez l'écart"),
        ({"XX-01": False}, date(2027, 1, 1), "à revoir avant le 2026-12-01"),
    ],
)
def test_stale_entry_is_reported(passed: dict[str, bool], day: date, problem: str) -> None:
    """The file says what is true, no less and no more."""
    (found,) = deviations.stale({"XX-01": ACCEPTED}, passed, day)
    assert problem in found


def test_useful_entry_is_not_stale() -> None:
    """The reports above are about the entry's fault alone."""
    assert list(deviations.stale({"XX-01": ACCEPTED}, {"XX-01": False}, TODAY)) == []


def test_entry_that_depends_on_the_machine_may_be_without_object() -> None:
    """A laptop whose disk is encrypted is no reason to edit the project's file."""
    varying = Deviation(**{**vars(ACCEPTED), "varies": True})
    assert list(deviations.stale({"XX-01": varying}, {"XX-01": True}, TODAY)) == []


def test_project_s_file_names_known_controls() -> None:
    """A renamed control would lose its deviation silently."""
    assert set(deviations.load()) <= {control.identifier for control in CONTROLS}
