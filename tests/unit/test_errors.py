"""An operator's mistake gives one message and exit code 2, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from citadelle.workspace import ROOT, Home
from tests.unit.env_files import write_env


def invoke(home: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a task on a home, without any program on PATH: docker cannot be reached."""
    variables = {k: v for k, v in os.environ.items() if k != "PATH"}
    return subprocess.run(
        [sys.executable, "-m", "invoke", *argv],
        cwd=ROOT,
        env=variables | {"PATH": str(home / "vide"), "CITADELLE_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_up_without_certificates_says_how_to_issue_them(tmp_path: Path) -> None:
    """First of all: neither an engine nor an image is needed to know it."""
    write_env(tmp_path)
    found = invoke(tmp_path, "up")

    assert found.returncode == 2
    assert "erreur : certificats absents : lancez « invoke certs »" in found.stderr


def test_up_without_engine_says_how_to_install_it(ready_home: Home) -> None:
    """The message of the missing program, not its absence in a traceback."""
    found = invoke(ready_home.path, "up")

    assert found.returncode == 2
    assert "docker introuvable : lancez « ./bootstrap »" in found.stderr


def test_unknown_key_is_named(tmp_path: Path) -> None:
    """With the variable that was meant."""
    write_env(tmp_path, PGPORT="5432")
    found = invoke(tmp_path, "certs")

    assert found.returncode == 2
    assert "erreur : .env : clé inconnue PGPORT (voulez-vous dire PG_PORT ?)" in found.stderr


def test_open_file_is_refused(tmp_path: Path) -> None:
    """Before anything is done with its secrets."""
    write_env(tmp_path).chmod(0o644)
    found = invoke(tmp_path, "certs")

    assert found.returncode == 2
    assert "chmod 600" in found.stderr


@pytest.mark.parametrize("task", ["build", "down", "status", "certs.list", "certs.check", "render"])
def test_absent_file_says_what_to_do(tmp_path: Path, task: str) -> None:
    """Whatever the first command of a new operator."""
    found = invoke(tmp_path, task)

    assert found.returncode == 2
    assert found.stderr == "erreur : .env absent : lancez « invoke env » pour le créer.\n"


@pytest.mark.parametrize(
    "task", ["up", "build", "status", "render", "destroy", "logs", "psql", "etcdctl", "patronictl"]
)
def test_task_without_certificates_refuses(tmp_path: Path, task: str) -> None:
    """A traceback would hide what to do."""
    write_env(tmp_path)
    found = invoke(tmp_path, task)

    assert found.returncode == 2
    assert found.stderr.startswith("erreur : ")


@pytest.mark.parametrize("task", ["build", "status", "restart --node=pg1", "destroy --yes"])
def test_task_without_engine_refuses(ready_home: Home, task: str) -> None:
    """The same for docker: the message of the missing program."""
    found = invoke(ready_home.path, *task.split())

    assert found.returncode == 2
    assert "docker introuvable : lancez « ./bootstrap »" in found.stderr


@pytest.mark.parametrize(
    ("task", "option", "value"),
    [
        ("roll", "--drain", "30s"),
        ("chaos.run", "--runs", "cinq"),
        ("stress", "--pause", "10ms"),
        ("stress", "--duration", "nan"),
    ],
)
def test_number_that_is_none_is_refused(tmp_path: Path, task: str, option: str, value: str) -> None:
    """In French, with what was typed."""
    write_env(tmp_path)
    found = invoke(tmp_path, task, option, value)

    assert found.returncode == 2
    assert f"erreur : « {value} » n'est pas un nombre" in found.stderr
    assert "Traceback" not in found.stderr
