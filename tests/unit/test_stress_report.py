"""The report: whole without a network, exact, and nobody's text is markup."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from citadelle.stress import chart, live, report
from citadelle.stress.plan import Plan
from citadelle.stress.recorder import Snapshot
from citadelle.stress.result import ErrorClass, Gap, Mark, Result, Second
from citadelle.stress.verdict import Verdict, Writer
from tests.unit import factory
from tests.unit.stress_lab import result

TOPOLOGY = factory.topology()
HOSTILE = "<script>alert('é')</script>"
ERROR = ErrorClass("requête", "57", 4, "terminating connection", 3.0)
WRITER = Writer(int(TOPOLOGY.address("pg2", "pg")), 7, 100, 1795341600.0, 1795341610.0)


def seconds(count: int = 10, silent: tuple[int, ...] = ()) -> tuple[Second, ...]:
    """Return a time line with seconds in which nothing was answered."""
    return tuple(
        Second(at, 0, 4, None, None, None) if at in silent else Second(at, 100, 0, 2.0, 20.0, 50.0)
        for at in range(count)
    )


def full(**changes: Any) -> Result:  # noqa: ANN401  # passed on
    """Return a run through a fault."""
    values: dict[str, Any] = {
        "seconds": seconds(silent=(4, 5)),
        "marks": (Mark(4.0, "postgres tué"), Mark(6.0, "reparti")),
        "errors": (ERROR,),
        "refusals": (ERROR,),
        "verdict": Verdict(kept=100, doubt_present=1, doubt_absent=3, writers=(WRITER,)),
    }
    return result(**values | changes)


def page(found: Result) -> str:
    """Return the HTML page."""
    return report.page(found, TOPOLOGY)


def svg(found: Result) -> ElementTree.Element:
    """Return the chart, which must be well-formed."""
    match = re.search(r"<svg.*?</svg>", page(found), re.DOTALL)
    assert match
    return ElementTree.fromstring(match[0])  # noqa: S314  # our own page


@pytest.mark.parametrize(
    "changes",
    [
        {"marks": (Mark(1.0, HOSTILE),)},
        {"errors": (ErrorClass("requête", "57", 1, HOSTILE, 0.0),)},
        {"errors": (ErrorClass("requête", HOSTILE, 1, "", 0.0),)},
        {"refusals": (ErrorClass("connexion", "57", 1, HOSTILE, 0.0),)},
        {"verdict": Verdict(problem=HOSTILE)},
    ],
    ids=["mark", "message", "class", "refusal", "verdict"],
)
def test_text_is_escaped(changes: dict[str, Any]) -> None:
    """An error's message comes from a server: it is shown, never run."""
    text = page(full(**changes))

    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_page_needs_no_network() -> None:
    """Neither script, nor font, nor image from elsewhere."""
    assert re.findall(r"https?://|<script|<link|<img|@import", page(full())) == []


@pytest.mark.parametrize("changes", [{}, {"seconds": (), "marks": (), "longest_gap": None}])
def test_chart_is_well_formed(changes: dict[str, Any]) -> None:
    """Three panels, even when nothing was seen."""
    assert len([g for g in svg(full(**changes)) if g.tag == "g"]) == 4


def test_marks_are_vertical_lines() -> None:
    """One per panel, where the axis says that second is."""
    lines = [e for e in svg(full()).iter("line") if e.get("class") == "mark"]
    places = sorted({float(e.get("x1", 0)) for e in lines})
    width = chart.WIDTH - chart.LEFT - chart.RIGHT

    assert all(e.get("x1") == e.get("x2") for e in lines)
    assert len(lines) == 6
    assert places == pytest.approx([chart.LEFT + width * 0.4, chart.LEFT + width * 0.6])


def test_outage_breaks_the_latency_line() -> None:
    """It is not joined over, as if somebody had been answered."""
    drawn = chart.draw(full())

    assert [len(line.stretches) for line in drawn.panels[2].lines] == [2, 2, 2]
    assert [len(line.stretches) for line in drawn.panels[0].lines] == [1]


def test_cut_second_is_not_drawn_as_an_outage() -> None:
    """A rate needs a whole second; the end of the run left a part of one."""
    line = chart.draw(full(seconds=seconds(11), duration_seconds=10.4)).panels[0].lines[0]

    assert len(line.stretches[0].split()) == 10


def test_long_run_is_drawn_in_bounded_detail() -> None:
    """A day on one page; a single bad second still shows as the worst of its column."""
    day = list(seconds(86_400))
    day[50_000] = Second(50_000, 1, 0, 2.0, 20.0, 9000.0)
    drawn = chart.draw(full(seconds=tuple(day), duration_seconds=86_400.0))
    _, _, maximum = drawn.panels[2].lines
    points = maximum.stretches[0].split()
    heights = [float(point.split(",")[1]) for point in points]

    assert len(points) <= chart.COLUMNS
    assert heights.count(min(heights)) == 1


def test_json_is_strict(tmp_path: Path) -> None:
    """No NaN; the thresholds and the verdict are in it."""
    found = full(plan=Plan(fail_on={"gap": 1.0}))
    report.write(found, TOPOLOGY, tmp_path)
    read = json.loads((tmp_path / "stress.json").read_text(encoding="utf-8"))

    assert read == json.loads(json.dumps(found.as_json()))
    assert read["plan"]["fail_on"] == {"gap": 1.0}
    assert (read["verdict"]["kept"], read["longest_gap_seconds"]) == (100, 2.5)
    assert len(read["problems"]) == 1


def test_writer_has_its_name() -> None:
    """The reader sees pg2, not an address."""
    assert "<td>pg2<td" in page(full())


def test_problem_is_on_the_page() -> None:
    """A failed run does not look like a good one."""
    text = page(full(verdict=Verdict(lost=2, lost_examples=((0, 5), (1, 7)))))

    assert "✘ écritures perdues : 2" in text
    assert "0, 5 ; 1, 7" in text
    assert "✔ Aucune écriture" not in text


def test_table_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures, errors, problems: an operator without a browser knows."""
    report.show(full(plan=Plan(fail_on={"errors": 0})))
    shown = capsys.readouterr().out

    assert "2,5 s (à 4,0 s)" in shown
    assert "requête, 57 × 4 : terminating connection" in shown
    assert "✘ errors : 4" in shown


def test_markup_in_a_message_is_not_run(capsys: pytest.CaptureFixture[str]) -> None:
    """Rich would take brackets for a style, and fail on an unknown one."""
    report.show(full(errors=(ErrorClass("requête", "57", 1, "[/red][bold]", 0.0),)))

    assert "[/red][bold]" in capsys.readouterr().out


def test_live_line() -> None:
    """Elapsed, rate, latencies, gap, errors by class, in that order."""
    seen = Snapshot(75.2, 9000, seconds()[0], (ERROR,), 2.5)

    assert live.line(seen).plain == (
        "1 min 15 s  100 req/s  p50/p99 2,0/20,0 ms  coupure max 2,5 s  requête 57 × 4"
    )


def test_live_line_before_anything() -> None:
    """A run that has just begun, and does not write."""
    assert live.line(Snapshot(0.2, 0, None, (), None)).plain == "0 s  aucune erreur"


def test_gap_is_shaded() -> None:
    """From its start, as wide as it lasted."""
    width = chart.WIDTH - chart.LEFT - chart.RIGHT

    assert chart.draw(full(longest_gap=Gap(4.0, 2.0))).gap == pytest.approx(
        (chart.LEFT + width * 0.4, width * 0.2), abs=0.2
    )
