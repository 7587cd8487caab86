"""The audit's report: safe to open, complete, and no more than it claims."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from citadelle.audit import page
from citadelle.audit.deviations import Deviation
from citadelle.audit.run import Report, State, Verdict

HOSTILE = "<script>alert('x')</script>"
DEVIATION = Deviation("XX-02", "Justification.", "rôle", date(2026, 11, 1), date(2026, 12, 1))
ROW = ("Aire", "XX-01", "Titre", ("CIS PostgreSQL 17, 6.8",))
VERDICTS = (
    Verdict(*ROW, State.CONFORMING, "tout va bien", "docker exec x"),
    Verdict("Aire", "XX-02", "Autre", (), State.JUSTIFIED, "manque", "cat y", DEVIATION),
    Verdict("Autre aire", "XX-03", "Mauvais", (), State.FAILING, HOSTILE, HOSTILE),
    Verdict("Autre aire", "XX-04", "Muet", (), State.UNKNOWN, "pas de réponse", ""),
)
REPORT = Report(
    "essai",
    datetime(2026, 11, 22, 10, 30, tzinfo=UTC),
    {"PostgreSQL": "17.12"},
    VERDICTS,
    ("XX-09 : aucun contrôle de ce nom",),
)


@pytest.fixture(scope="module")
def html() -> str:
    """The page of a report with one control of each state."""
    return page.as_html(REPORT)


@pytest.mark.parametrize(
    "text",
    [
        "« essai »",
        "22/11/2026 à 10:30",
        "17.12",
        "XX-01",
        "CIS PostgreSQL 17, 6.8",
        "tout va bien",
        "docker exec x",
        "Justification.",
        "01/12/2026",
        "XX-09 : aucun contrôle de ce nom",
        *(str(state) for state in State),
    ],
)
def test_page_says(html: str, text: str) -> None:
    """An auditor finds the cluster, the date, the versions, each control and its evidence."""
    assert text in html


def test_what_was_seen_is_escaped(html: str) -> None:
    """What a component says is shown, never run by the auditor's browser."""
    assert ("<script" in html, html.count("&lt;script&gt;")) == (False, 2)


def test_page_fetches_nothing(html: str) -> None:
    """It opens offline, and tells nobody that it was opened."""
    assert re.findall(r"""(?:src|href)\s*=|url\(|@import|https?://""", html) == []


@pytest.mark.parametrize("text", ["pas une certification", *page.NOT_LOOKED_AT])
def test_page_says_what_it_does_not_claim(html: str, text: str) -> None:
    """Nobody takes the report for more than it is."""
    assert text.replace("'", "&#39;") in html or text in html


def test_json_holds_the_same() -> None:
    """Programs read states, counts and the end of each deviation."""
    found = json.loads(page.as_json(REPORT))
    assert [row["state"] for row in found["verdicts"]] == [str(v.state) for v in VERDICTS]
    assert (found["failed"], found["counts"]) == (True, dict.fromkeys(map(str, State), 1))


def test_both_files_are_written(tmp_path: Path) -> None:
    """Side by side, the page's path returned."""
    written = page.write(REPORT, tmp_path / "reports")
    assert written.read_text(encoding="utf-8") == page.as_html(REPORT)
    assert (
        json.loads((written.parent / page.JSON).read_text(encoding="utf-8"))["cluster"] == "essai"
    )
