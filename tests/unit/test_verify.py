"""The verification of everything: what it counts, and with which code it ends."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from citadelle import lifecycle, sandbox, verify
from citadelle.errors import CitadelleError
from citadelle.verify import Stage
from citadelle.workspace import Home
from tests.unit import factory


def junit(tests: int = 0, failures: int = 0, errors: int = 0, skipped: int = 0) -> str:
    """Return what pytest writes."""
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    return f'<testsuites><testsuite name="pytest" {counts}/></testsuites>'


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have the reports in a directory of the test's own."""
    monkeypatch.setattr(verify, "ROOT", tmp_path)
    monkeypatch.setattr(verify, "REPORTS", tmp_path / "reports")
    (tmp_path / "reports" / "junit").mkdir(parents=True)
    return tmp_path / "reports"


class Nox:
    """Stands in for nox: writes what each session's pytest would, returns its code."""

    def __init__(self, codes: dict[str, int] | None = None, **suites: str) -> None:
        self.codes, self.suites = codes or {}, suites
        self.ran: list[str] = []

    def run(self, argv: Sequence[str], **_options: Any) -> SimpleNamespace:  # noqa: ANN401
        """Play one session."""
        name = argv[argv.index("--session") + 1]
        self.ran.append(name)
        if name in self.suites:
            path = next(word for word in argv if word.startswith("--junitxml="))
            Path(path.partition("=")[2]).write_text(self.suites[name], encoding="utf-8")
        return SimpleNamespace(returncode=self.codes.get(name, 0))


def play(monkeypatch: pytest.MonkeyPatch, nox: Nox, *names: str) -> int:
    """Return the exit code of a verification of these stages."""
    monkeypatch.setattr(subprocess, "run", nox.run)
    return verify.main(list(names))


@pytest.mark.parametrize(
    ("counts", "given", "stage"),
    [
        (junit(tests=5, skipped=2), "", Stage("unit", 1.0, passed=3, skipped=2)),
        (
            junit(tests=5, failures=1, errors=1),
            "code 1",
            Stage("unit", 1.0, passed=3, failed=2, problem="code 1"),
        ),
        (junit(), "", Stage("unit", 1.0, problem="aucun test n'a tourné")),
        (
            junit(tests=2, skipped=2),
            "",
            Stage("unit", 1.0, skipped=2, problem="aucun test n'a tourné"),
        ),
        ("<testsuites/>", "", Stage("unit", 1.0, problem="aucun test n'a tourné")),
        (junit(), "code 5", Stage("unit", 1.0, problem="code 5")),
        (None, "", Stage("unit", 1.0, problem="aucun résultat")),
        (None, "code 1", Stage("unit", 1.0, problem="code 1")),
    ],
    ids=["passés", "échoués", "vide", "sautés", "sans suite", "code", "absent", "absent et code"],
)
def test_counted(tmp_path: Path, counts: str | None, given: str, stage: Stage) -> None:
    """A stage that ran no test has failed, whatever its code."""
    path = tmp_path / "unit.xml"
    if counts is not None:
        path.write_text(counts, encoding="utf-8")

    assert verify._counted("unit", 1.0, path, given) == stage


@pytest.mark.parametrize(
    ("nox", "code"),
    [
        (Nox(unit=junit(tests=3)), 0),
        (Nox({"unit": 1}, unit=junit(tests=3, failures=1)), 1),
        (Nox({"lint": 1}, unit=junit(tests=3)), 1),
        (Nox(unit=junit()), 1),
        (Nox(), 1),
    ],
    ids=["tout passe", "test échoué", "style", "rien compté", "aucun résultat"],
)
def test_exit_code(monkeypatch: pytest.MonkeyPatch, reports: Path, nox: Nox, code: int) -> None:
    """What CI sees; a failing stage stops none of the others."""
    assert play(monkeypatch, nox, "lint", "unit") == code
    assert nox.ran == ["lint", "unit"]
    assert [row["name"] for row in json.loads((reports / "verify.json").read_text())] == nox.ran


def test_results_of_another_run_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, reports: Path
) -> None:
    """A session that writes none must not pass by what an earlier one left."""
    (reports / "junit" / "unit.xml").write_text(junit(tests=3), encoding="utf-8")

    assert play(monkeypatch, Nox(), "unit") == 1


def test_unknown_stage(monkeypatch: pytest.MonkeyPatch, reports: Path) -> None:
    """A misspelt name verifies nothing, and says so."""
    nox = Nox(unit=junit(tests=3))

    assert play(monkeypatch, nox, "unit", "unti") == 2
    assert nox.ran == []


def failing(name: str) -> str:
    """Return the JUnit of a suite with one failed test of this name."""
    case = f'<testcase classname="c" name="{name}"><failure>pourquoi {name}</failure></testcase>'
    suite = '<testsuite name="pytest" tests="1" failures="1" errors="0" skipped="0">'
    return f"<testsuites>{suite}{case}</testsuite></testsuites>"


def test_failures_of_this_run_only(monkeypatch: pytest.MonkeyPatch, reports: Path) -> None:
    """Those of stages that did not run now, or that write no results, are another run's."""
    for name in ("chaos", "lint", "cluster", "autre"):
        (reports / "junit" / f"{name}.xml").write_text(failing(f"ancien_{name}"), encoding="utf-8")
    play(monkeypatch, Nox({"unit": 1}, unit=failing("nouveau")), "lint", "unit")
    page = (reports / "verify.html").read_text(encoding="utf-8")

    assert "pourquoi nouveau" in page
    assert "ancien" not in page


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Have a cluster apart that comes up at once."""
    place = Home(tmp_path / "apart")
    monkeypatch.setattr(verify, "_running", lambda _place: False)
    monkeypatch.setattr(sandbox, "prepare", lambda _purpose: (factory.topology(), place))
    monkeypatch.setattr(lifecycle, "up", lambda *_: None)
    monkeypatch.setattr(sandbox, "remove", lambda _place: [])


def rows(reports: Path) -> list[tuple[str, str]]:
    """Return the name and the problem of each stage."""
    found = json.loads((reports / "verify.json").read_text())
    return [(row["name"], row["problem"]) for row in found]


def refuse(*_: object) -> None:
    """Fail as the engine does."""
    raise CitadelleError("réseau encore occupé")


@pytest.mark.usefixtures("apart")
def test_cluster_that_cannot_be_removed(monkeypatch: pytest.MonkeyPatch, reports: Path) -> None:
    """It fails the verification; what the stages showed is still in the report."""
    monkeypatch.setattr(sandbox, "remove", refuse)
    code = play(monkeypatch, Nox(etcd=junit(tests=3), e2e=junit(tests=2)), "etcd", "e2e")

    assert code == 1
    assert rows(reports) == [
        ("cluster", ""),
        ("etcd", ""),
        ("e2e", ""),
        ("cluster", "réseau encore occupé"),
    ]


@pytest.mark.usefixtures("apart")
def test_cluster_that_does_not_come_up(monkeypatch: pytest.MonkeyPatch, reports: Path) -> None:
    """No stage of it ran."""
    monkeypatch.setattr(lifecycle, "up", refuse)
    nox = Nox(etcd=junit(tests=3))

    assert play(monkeypatch, nox, "etcd") == 1
    assert rows(reports) == [("cluster", "réseau encore occupé")]
    assert nox.ran == []


@pytest.mark.usefixtures("apart")
def test_cluster_that_comes_and_goes(monkeypatch: pytest.MonkeyPatch, reports: Path) -> None:
    """All is well."""
    assert play(monkeypatch, Nox(etcd=junit(tests=3)), "etcd") == 0
    assert rows(reports) == [("cluster", ""), ("etcd", "")]
