"""Verdicts, medians, and a report that needs no network."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from citadelle.chaos import chart, command, outcome, report, watch
from citadelle.chaos.fault import Fault
from citadelle.chaos.judge import Outcome as Answer
from citadelle.chaos.outcome import Entrance, Sight
from citadelle.chaos.summary import headlines, lines
from citadelle.topology import Topology
from tests.unit import chaos_lab
from tests.unit.chaos_lab import QUIET, SEEN, TOPOLOGY

TARGET = chaos_lab.fault(max_gap_seconds=4, max_pooled_errors=2)
PROMOTES = chaos_lab.fault(promotes=True)
STAYS = chaos_lab.fault(promotes=False)
STOPS = chaos_lab.fault(min_gap_seconds=1)
WATCHED = chaos_lab.fault(watched=True)
PROMOTED = replace(SEEN, promoted=True)
# A load that wrote nothing lost nothing, and met every target.
NOTHING = replace(QUIET, writes=0, gap=None)
BAD = {
    "perdue": ({"pooled": replace(QUIET, lost=1)}, "1 écritures acquittées perdues (pooler)"),
    "perdue en direct": ({"direct": replace(QUIET, lost=2)}, "2 écritures acquittées perdues"),
    "fantôme": ({"direct": replace(QUIET, phantom=3)}, "3 écritures fantômes (direct)"),
    "inconnue": ({"pooled": replace(QUIET, unknown="muet")}, "grand livre non comparé"),
    "coupure": ({"fault": TARGET, "pooled": replace(QUIET, gap=4.1)}, "4.1 s sans écriture"),
    "aucune écriture": ({"pooled": NOTHING}, "aucune écriture acquittée (pooler)"),
    "aucune en direct": ({"direct": NOTHING}, "aucune écriture acquittée (direct)"),
    "erreurs": ({"fault": TARGET, "pooled": replace(QUIET, errors={"x": 3})}, "3 erreurs"),
    "deux primaires": ({"watch": Sight(9, 9, 1, ("pg1 après pg2",))}, "deux primaires (1 fois)"),
    "veilleur aveugle": ({"watch": Sight(9, 0, 0)}, "n'a vu aucune écriture"),
    "sans promotion": ({"fault": PROMOTES}, "aucun primaire n'a été promu"),
    "promotion": ({"fault": STAYS, "watch": PROMOTED}, "alors que rien ne devait l'être"),
    "sans coupure": ({"fault": STOPS}, "0.2 s sans écriture (au moins 1 s attendues)"),
    "incident": ({"incidents": ("pas sain",)}, "pas sain"),
}


def gaps(*seconds: float) -> list[Any]:
    """Return runs of the fault with a target, with these gaps."""
    return [
        chaos_lab.outcome(fault=TARGET, pooled=replace(QUIET, gap=gap, errors={"08006": n}))
        for n, gap in enumerate(seconds)
    ]


def test_a_fault_that_is_survived() -> None:
    """No problem at all."""
    assert chaos_lab.outcome(fault=TARGET).problems() == []


@pytest.mark.parametrize(
    "changes",
    [
        {"fault": PROMOTES, "watch": PROMOTED},
        {"fault": STAYS},
        {"fault": STOPS, "pooled": replace(QUIET, gap=1.0)},
        {"watch": PROMOTED},
    ],
    ids=["promotion", "sans promotion", "coupure", "l'une ou l'autre"],
)
def test_a_fault_that_had_its_effect(changes: dict[str, Any]) -> None:
    """It was provoked, and survived."""
    assert chaos_lab.outcome(**changes).problems() == []


def test_no_effect_in_one_run_of_many() -> None:
    """The median of the others does not provoke it."""
    runs = [chaos_lab.outcome(fault=PROMOTES, watch=w) for w in (PROMOTED, SEEN, PROMOTED)]
    (line,) = lines(runs)

    assert line.problems == ("essai 2 : la panne n'a pas eu lieu : aucun primaire n'a été promu",)
    assert not report.survived(runs)


@pytest.mark.parametrize(
    ("answers", "blind"),
    [
        ({}, True),
        ({Answer.UNREACHABLE: 14}, True),
        ({Answer.SILENT: 1, Answer.UNREACHABLE: 13}, True),
        ({Answer.SILENT: 2, Answer.UNREACHABLE: 100}, False),
        ({Answer.REFUSED: 5}, False),
        ({Answer.ACKNOWLEDGED: 30}, False),
    ],
    ids=["rien", "injoignable", "coupé en route", "muet", "refus", "acquitte"],
)
@pytest.mark.parametrize("fault", [WATCHED, chaos_lab.fault()], ids=["veillée", "non veillée"])
def test_a_watcher_who_did_not_reach_the_old_primary(
    answers: dict[str, int], blind: bool, fault: Fault
) -> None:
    """He cannot tell that it took no write; the answers of others are no help."""
    others: dict[str, int] = {Answer.ACKNOWLEDGED: 99}
    during = {"pg1": answers, "pg2": others}
    found = chaos_lab.outcome(
        fault=fault, watch=replace(SEEN, during=during), old_primary="pg1"
    ).dual()

    assert bool(found) == (blind and fault.watched)
    assert all("veilleur aveugle : ancien primaire (pg1)" in problem for problem in found)


@pytest.mark.parametrize(("changes", "problem"), BAD.values(), ids=BAD)
def test_problems(changes: dict[str, Any], problem: str) -> None:
    """Each of them alone is one."""
    (found,) = chaos_lab.outcome(**changes).problems()

    assert problem in found


def test_direct_errors_are_no_problem() -> None:
    """A direct client reconnects by itself: it is told, not judged."""
    direct = replace(QUIET, errors={"08006": 50}, gap=60.0)

    assert chaos_lab.outcome(fault=TARGET, direct=direct).problems() == []


def test_from_a_load() -> None:
    """Errors by class, lost and phantom, the longest gap."""
    found = outcome.entrance(chaos_lab.result(lost=1, phantom=2, gap=3.0, errors={"57P01": 4}))

    assert found == Entrance(1, 2, 0, 1000, 3.0, {"requête : 57P01": 4})


def test_from_a_load_that_wrote_nothing() -> None:
    """It has no gap: the whole run without a write is not one that some target may bound."""
    result = replace(chaos_lab.result(gap=3.0), writes=0)

    assert outcome.entrance(result) == Entrance(0, 0, 0, 0, None)


def test_a_load_without_a_write_in_one_run_of_many() -> None:
    """The medians of the others do not hide it."""
    runs = [chaos_lab.outcome(fault=TARGET), chaos_lab.outcome(fault=TARGET, pooled=NOTHING)]
    (line,) = lines(runs)

    assert line.problems == ("essai 2 : aucune écriture acquittée (pooler) : rien à perdre",)


def test_medians() -> None:
    """Of the gap, and the worst beside it: one slow run in five is no miss."""
    (line,) = lines(gaps(1.0, 1.5, 2.0, 2.5, 30.0))

    assert (line.runs, line.gap, line.worst_gap, line.pooled_errors) == (5, 2.0, 30.0, 2)
    assert line.problems == ()


def test_a_median_beyond_the_target() -> None:
    """It is said once, for all runs."""
    (line,) = lines(gaps(1.0, 5.0, 6.0))

    assert line.problems == ("5.0 s sans écriture (cible : 4 s)",)


def test_a_loss_in_one_run_of_many() -> None:
    """No median excuses it."""
    runs = [chaos_lab.outcome(), chaos_lab.outcome(pooled=replace(QUIET, lost=1))]
    (line,) = lines(runs)

    assert line.problems == ("essai 2 : 1 écritures acquittées perdues (pooler)",)
    assert line.lost == 1


def test_survived_needs_a_fault() -> None:
    """A campaign that played nothing has shown nothing."""
    assert not report.survived([])
    assert report.survived([chaos_lab.outcome()])


def test_json(tmp_path: Path) -> None:
    """For programs: each fault's medians, and each run."""
    report.write(TOPOLOGY, gaps(1.0, 2.0), tmp_path)
    found = json.loads((tmp_path / report.JSON).read_text())

    assert (found["survived"], len(found["runs"])) == (True, 2)
    assert found["faults"][0]["gap"] == 1.5


def test_page_is_offline(tmp_path: Path) -> None:
    """Nothing is fetched, no script: it opens from a disk, years later."""
    page = report.write(TOPOLOGY, gaps(1.0), tmp_path).read_text()

    assert re.findall(r"https?://|<script|<link|<img|@import|url\(", page) == []
    assert "<svg" in page


KEPT = ("✔ 0 écriture acquittée perdue ou fantôme.", "✔ 0 fois deux primaires à la fois.")
HEADLINES = {
    "tout vu": ({}, KEPT),
    "perdue": (
        {"direct": replace(QUIET, lost=2, phantom=1)},
        ("✘ 3 écriture acquittée perdue ou fantôme.", KEPT[1]),
    ),
    "deux primaires": (
        {"watch": Sight(9, 9, 4, ("pg1 après pg2",))},
        (KEPT[0], "✘ 4 fois deux primaires à la fois."),
    ),
    "non comparé": (
        {"pooled": replace(QUIET, unknown="muet")},
        ("✘ Non vérifié : 1 grands livres sur 4 non comparés.", KEPT[1]),
    ),
    "rien écrit": (
        {"pooled": NOTHING, "direct": NOTHING},
        ("✘ Non vérifié : 2 grands livres sur 4 non comparés.", KEPT[1]),
    ),
    "perdue et non comparé": (
        {"pooled": replace(QUIET, unknown="muet"), "direct": replace(QUIET, lost=1)},
        (
            "✘ 1 écriture acquittée perdue ou fantôme (1 grands livres sur 4 non comparés).",
            KEPT[1],
        ),
    ),
    "veilleur sans écriture": (
        {"watch": Sight(9, 0, 0)},
        (KEPT[0], "✘ Non vérifié : veilleur aveugle dans 1 essais sur 2."),
    ),
    "ancien primaire pas atteint": (
        {"fault": WATCHED},
        (KEPT[0], "✘ Non vérifié : veilleur aveugle dans 1 essais sur 2."),
    ),
}


@pytest.mark.parametrize(("changes", "texts"), HEADLINES.values(), ids=HEADLINES)
def test_headlines(changes: dict[str, Any], texts: tuple[str, str], tmp_path: Path) -> None:
    """What was not compared, or not seen, is not said to be right; another run is no help."""
    runs = [chaos_lab.outcome(), chaos_lab.outcome(**changes)]
    shown = headlines(lines(runs))
    page = report.write(TOPOLOGY, runs, tmp_path).read_text()

    assert tuple(headline.text for headline in shown) == texts
    for headline in shown:
        assert headline.kept == headline.text.startswith("✔")
        assert f'<p class="{"ok" if headline.kept else "ko"}">{headline.text}</p>' in page


def test_headlines_of_nothing() -> None:
    """A campaign that played nothing has shown nothing."""
    assert [headline.kept for headline in headlines([])] == [False, False]


def test_cells_of_what_is_not_known(tmp_path: Path) -> None:
    """Neither a zero nor « non »: in the page and at the operator's terminal."""
    unknown = chaos_lab.outcome(pooled=replace(QUIET, unknown="muet"), watch=Sight(9, 0, 0))
    page = report.write(TOPOLOGY, [unknown], tmp_path).read_text()

    assert page.count('<td class="n ko">?') == 3
    assert list(report.table(lines([unknown])).columns[1].cells) == ["?"]


def test_page_escapes_what_it_shows(tmp_path: Path) -> None:
    """An error message is text, whatever it holds."""
    shown = chaos_lab.outcome(incidents=("<script>alert(1)</script>",))
    page = report.write(TOPOLOGY, [shown], tmp_path).read_text()

    assert "&lt;script&gt;" in page


def test_no_secret_in_the_reports(tmp_path: Path) -> None:
    """They are handed around."""
    report.write(TOPOLOGY, gaps(1.0), tmp_path)
    written = "".join(path.read_text() for path in tmp_path.iterdir())

    assert not any(s.reveal() in written for s in TOPOLOGY.settings.secrets().values())


@pytest.mark.parametrize(
    ("changes", "css"),
    [
        ({}, "ok"),
        ({"pooled": replace(QUIET, gap=9.0)}, "ko"),
        ({"fault": chaos_lab.fault()}, "free"),
    ],
    ids=["tenue", "dépassée", "sans cible"],
)
def test_bars(changes: dict[str, Any], css: str) -> None:
    """A colour says whether the target is met."""
    (bar,) = chart.draw(lines([chaos_lab.outcome(**{"fault": TARGET, **changes})])).bars

    assert bar.css == css


def test_bars_share_a_scale() -> None:
    """A bar that reaches its target's line ends on it, within the drawing."""
    slow = chaos_lab.fault(name="lente", max_gap_seconds=25)
    found = [chaos_lab.outcome(fault=slow, pooled=replace(QUIET, gap=25.0)), *gaps(2.5)]
    bars = chart.draw(lines(found)).bars

    assert bars[0].width == bars[0].target == chart.WIDTH - chart.LEFT - chart.RIGHT
    assert bars[1].width == pytest.approx(bars[0].width / 10, abs=0.1)


def test_report_survives_an_interrupted_campaign(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was seen before Ctrl-C is written all the same."""

    def campaign(*arguments: Any) -> None:  # noqa: ANN401
        arguments[3](chaos_lab.outcome())
        raise KeyboardInterrupt

    def write(_topology: Topology, seen: Sequence[outcome.Outcome]) -> Path:
        written.append(len(seen))
        return tmp_path / "x"

    written: list[int] = []
    monkeypatch.setattr(command, "campaign", campaign)
    monkeypatch.setattr(watch, "clear", lambda _topology, _home: None)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(report, "write", write)
    with pytest.raises(KeyboardInterrupt):
        command.play(TOPOLOGY, chaos_lab.field().home, [TARGET], 1, None)

    assert written == [1]
