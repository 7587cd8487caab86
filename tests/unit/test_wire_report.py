"""The report says what was seen, prints without a network, and is the same for the same packets."""

from __future__ import annotations

import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

import pytest
from rich.console import Console

from citadelle.flows import FLOWS
from citadelle.topology import NETWORKS
from citadelle.wire import picture, report
from citadelle.wire.verdict import Result
from tests.unit.wire_lab import CANARY, exercise, judged, talk

STEPS = [("Bascule planifiée", 12.34)]
VERSIONS = {"PostgreSQL": "17.6"}
DATE = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
SCAN = talk("dcs", "etcd1", "pg1", 22).open().up(b"GET / HTTP/1.0\r\n<script>")


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A correct cluster's verdict."""
    return judged(tmp_path_factory.mktemp("juste"))


@pytest.fixture(scope="module")
def refuted(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The verdict on a cluster where somebody speaks clear text, and says the canary."""
    words = talk("dcs", "etcd1", "pg1", 23).open().up(CANARY)
    frames = SCAN.frames + words.frames
    return judged(tmp_path_factory.mktemp("faux"), {"dcs": frames})


def html(result: Result) -> str:
    """Return the page."""
    return report.page(result, STEPS, VERSIONS, DATE)


def text(result: Result) -> str:
    """Return the table as an operator sees it."""
    console = Console(width=80, file=io.StringIO())
    with console.capture() as shown:
        console.print(report.table(result))
    return shown.get()


def test_table_has_a_line_per_flow(proven: Result) -> None:
    """Ports and what was negotiated, within 80 columns."""
    shown = text(proven)

    assert shown.count("✔") == len(FLOWS)
    assert "hors de la table" not in shown
    assert all(str(row.number) in shown for row in proven.rows)


def test_table_shows_what_is_in_no_flow(refuted: Result) -> None:
    """What is not in the table is the first thing to look at."""
    assert re.search(r"hors de la table +2 .*interdit", text(refuted))


def test_table_shows_idle_flows(tmp_path: Path) -> None:
    """Expected or not."""
    frames: dict[str, list[bytes]] = {network: [] for network in NETWORKS}
    frames["dcs"] = exercise(FLOWS[0])
    shown = text(judged(tmp_path, frames=frames, expected=FLOWS[:2]))

    assert (shown.count("✔"), shown.count("✘ non exercé")) == (1, 1)
    assert shown.count("non exercé") == len(FLOWS) - 1


def test_page_is_the_same_for_the_same_packets(proven: Result, tmp_path: Path) -> None:
    """An auditor may compare two runs."""
    assert html(proven) == html(judged(tmp_path))


def test_page_needs_no_network(proven: Result) -> None:
    """It is read where there is none: nothing in it is loaded from elsewhere."""
    assert not re.search(r"(src|href)=|url\((?!#)|@import|<script|https?://", html(proven))


def test_page_says_the_verdict(proven: Result, refuted: Result) -> None:
    """First of all."""
    assert "aucun octet hors de TLS" in html(proven)
    assert "TLS 1.3 : 15" in " ".join(html(proven).split())
    assert "La preuve n&#39;est pas faite" in html(refuted) or "n'est pas faite" in html(refuted)


def test_page_names_the_faulty_stream(refuted: Result) -> None:
    """Who, to whom, and its first bytes."""
    page = html(refuted)

    assert b"GET / HTTP/1.0\r\n".hex() in page
    assert "client : pas un enregistrement TLS" in page


def test_page_has_the_context(proven: Result) -> None:
    """When, what ran, what was played, what the witness proved."""
    page = html(proven)

    for words in ("02/01/2026 à 03:04", "PostgreSQL 17.6", "Bascule planifiée", "12.3", "✔ vu"):
        assert words in page


def test_no_canary_is_shown(refuted: Result) -> None:
    """Neither as it is nor in hexadecimal: a report is handed on."""
    shown = html(refuted) + json.dumps(refuted.as_json())

    assert CANARY.decode() not in shown
    assert CANARY[:16].hex() not in shown
    assert "le canari" in shown


def test_what_was_searched_is_told(proven: Result) -> None:
    """By its label, found or not: an auditor sees that no secret was forgotten."""
    assert proven.as_json()["canaries"] == ["le canari"]
    assert "Canaris cherchés (1) : le canari." in html(proven)
    assert CANARY.decode() not in html(proven) + json.dumps(proven.as_json())


def test_each_network_has_its_picture(proven: Result) -> None:
    """Well-formed drawings, an arrow per kind of conversation, none red."""
    drawings = [
        ElementTree.fromstring(found)  # noqa: S314  # our own page
        for found in re.findall(r"<svg.*?</svg>", html(proven), re.DOTALL)
    ]

    assert [d.get("aria-label") for d in drawings] == [f"Réseau {n}" for n in NETWORKS]
    assert sum(len(d.findall("line")) for d in drawings) == len(FLOWS)
    assert not [line for d in drawings for line in d.findall("line[@class='ko']")]


def test_faulty_conversation_is_red(refuted: Result) -> None:
    """And says how many."""
    (panel,) = (p for p in picture.panels(refuted.streams) if p.network == "dcs")

    assert sorted(a.label for a in panel.arrows if a.faulty) == [
        "22 : 1 flux, dont 1 en faute",
        "23 : 1 flux, dont 1 en faute",
    ]


def test_boxes_do_not_overlap(refuted: Result) -> None:
    """Whatever the number of conversations; arrows touch the boxes of their ends."""
    for panel in picture.panels(refuted.streams):
        for x in (0, picture.WIDTH - picture.BOX_WIDTH):
            column = sorted((b for b in panel.boxes if b.x == x), key=lambda b: b.y)
            ends = [b.y + b.height for b in column]
            assert all(end < b.y for end, b in zip(ends, column[1:], strict=False))
            assert ends[-1] <= panel.height


def test_files_are_written(refuted: Result, tmp_path: Path) -> None:
    """For people and for programs."""
    report.write(refuted, STEPS, tmp_path / "rapports", VERSIONS)
    found = json.loads((tmp_path / "rapports" / "wire.json").read_text(encoding="utf-8"))

    assert (tmp_path / "rapports" / "wire.html").is_file()
    assert found["steps"] == [{"title": "Bascule planifiée", "seconds": 12.3}]
    assert (found["proven"], found["versions"]) == (False, VERSIONS)


def test_json_has_stable_keys(refuted: Result) -> None:
    """What the audit reads."""
    found = refuted.as_json()
    stream = found["streams"][-1]

    assert set(found) == {
        "cluster",
        "proven",
        "problems",
        "canaries",
        "witnesses",
        "flows",
        "streams",
        "witness_streams",
        "neighbours",
    }
    assert {"network", "source", "target", "port", "flow", "kind", "version"} <= set(stream)
    assert found["flows"][0]["streams"] == 1
    assert found["flows"][0]["flow"]["port"] == FLOWS[0].port


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 o"),
        (999, "999 o"),
        (1000, "1,0 ko"),
        (3_210_000, "3,2 Mo"),
        (5 * 10**12, "5000,0 Go"),
    ],
)
def test_sizes_are_readable(count: int, shown: str) -> None:
    """Decimal units and comma."""
    assert report.size(count) == shown
