"""Reports of another run: a command that does not go through leaves none behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import Task

from citadelle import engine, lifecycle
from citadelle.audit import run as audit_run
from citadelle.commands import proofs
from citadelle.errors import CitadelleError
from citadelle.wire import prove
from citadelle.workspace import Home
from tests.unit import factory

FILES = ("audit.html", "audit.json", "wire.html", "wire.json", "chaos.json")


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Have the reports of another run, and an engine that refuses everything."""
    for name in FILES:
        (tmp_path / name).write_text("ancien", encoding="utf-8")
    monkeypatch.setattr(proofs, "REPORTS", tmp_path)
    monkeypatch.setattr(proofs, "cluster", lambda: (factory.topology(), Home(tmp_path)))
    for module, name in ((engine, "require"), (lifecycle, "create"), (audit_run, "run")):
        monkeypatch.setattr(module, name, refuse)
    return tmp_path


def refuse(*_: object) -> None:
    """Fail as a machine without an engine does."""
    raise CitadelleError("moteur absent")


def left(reports: Path) -> set[str]:
    """Return the reports that are still there."""
    return {path.name for path in reports.iterdir()}


@pytest.mark.parametrize(
    ("command", "prefix"),
    [(proofs.audit, "audit."), (proofs.prove_wire, "wire.")],
    ids=["audit", "wire"],
)
def test_refused_command_leaves_no_report(reports: Path, command: Task[Any], prefix: str) -> None:
    """Its own is gone from the start; others stay."""
    with pytest.raises(Exit) as ended:
        command(Context())

    assert ended.value.code == 2
    assert left(reports) == {name for name in FILES if not name.startswith(prefix)}


def test_refused_capture_leaves_no_report(reports: Path) -> None:
    """`nox -s security` proves without the command."""
    with pytest.raises(CitadelleError, match="moteur absent"):
        prove.run(factory.topology(), Home(reports), reports)

    assert left(reports) == {name for name in FILES if not name.startswith("wire.")}
