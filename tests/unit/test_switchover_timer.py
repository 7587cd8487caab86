"""The dead man's switch, run by this machine's shell with a psql that only tells its orders."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from citadelle import deadman
from citadelle.deadman import ARMED, DISARM, LIMIT_SECONDS, TIMER, Switch, timer_arguments
from citadelle.poolers import Database
from citadelle.workspace import ROOT
from tests.unit.pki_home import CLUSTER

TOKEN = "0123"
DATABASES = ("app", "app_ro")
SECONDS = 20


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """A container's programs: `psql` writes down its order, `sleep` does not."""
    tool(tmp_path, "sleep", "exit 0")
    tool(
        tmp_path,
        "psql",
        'for last; do case $last in --command=*) echo "$last" >> "$LOG";; esac; done',
    )
    return tmp_path


def tool(box: Path, name: str, script: str) -> None:
    """Put a program into the container."""
    path = box / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o700)


def sh(box: Path, script: str, *arguments: str) -> int:
    """Run a script there and return its exit code."""
    path = f"{box}:{os.environ['PATH']}"
    environment = {"PATH": path, "LOG": str(box / "log"), "FILE": str(box / "token")}
    argv = ["/bin/sh", "-c", script, "garde", *arguments]
    return subprocess.run(argv, env=environment, timeout=SECONDS, check=False).returncode


def timer(box: Path) -> int:
    """Let a timer run to its end."""
    return sh(box, TIMER, str(box / "token"), TOKEN, "3", "/run/pgbouncer", "6432", *DATABASES)


def orders(box: Path) -> list[str]:
    """Return what psql was told."""
    log = box / "log"
    return log.read_text().splitlines() if log.exists() else []


def test_fires(box: Path) -> None:
    """Nobody disarmed it: each database is resumed, and the token is gone."""
    timer(box)

    assert orders(box) == [f"--command=RESUME {name}" for name in DATABASES]
    assert not (box / "token").exists()


def test_disarmed_does_not_fire(box: Path) -> None:
    """A command that ended well: a later PAUSE of the operator is his."""
    tool(box, "sleep", 'rm -f "$FILE"')
    timer(box)

    assert orders(box) == []


def test_taken_over_does_not_fire(box: Path) -> None:
    """The token is another command's now."""
    tool(box, "sleep", 'echo "autre 1" > "$FILE"')
    timer(box)

    assert orders(box) == []
    assert (box / "token").read_text() == "autre 1\n"


def test_running_timer_keeps_its_place(box: Path) -> None:
    """Two commands at once: the second one is refused, the first one's token stays."""
    mine = f"autre {os.getpid()}\n"
    (box / "token").write_text(mine)

    assert timer(box) == 3
    assert (orders(box), (box / "token").read_text()) == ([], mine)


def test_token_of_a_dead_timer_does_not_count(box: Path) -> None:
    """A timer that was killed with its container cannot block for ever."""
    with subprocess.Popen(["/bin/true"]) as gone:
        gone.wait()
    (box / "token").write_text(f"autre {gone.pid}\n")
    timer(box)

    assert len(orders(box)) == len(DATABASES)


def test_refused_resume_is_tried_again(box: Path) -> None:
    """PgBouncer that answers late is resumed all the same."""
    tool(box, "psql", 'echo x >> "$LOG"; [ "$(wc -l < "$LOG")" -ge 3 ]')
    timer(box)

    assert len(orders(box)) == 2 + len(DATABASES)


def test_not_paused_is_not_tried_again(box: Path) -> None:
    """PgBouncer refuses a RESUME of what runs: there is nothing to do."""
    tool(box, "psql", 'echo x >> "$LOG"; echo "ERROR:  database app is not paused" >&2; exit 1')
    timer(box)

    assert len(orders(box)) == len(DATABASES)


def test_armed_sees_a_living_timer(box: Path) -> None:
    """Its token, and a process that lives."""
    (box / "token").write_text(f"{TOKEN} {os.getpid()}\n")

    assert sh(box, ARMED, str(box / "token"), TOKEN) == 0


@pytest.mark.parametrize("content", ["", f"autre {os.getpid()}\n", f"{TOKEN} 999999999\n"])
def test_armed_does_not_believe_the_rest(box: Path, content: str) -> None:
    """No file yet, another command's timer, a timer that died at once."""
    if content:
        (box / "token").write_text(content)

    assert sh(box, ARMED, str(box / "token"), TOKEN) != 0


@pytest.mark.parametrize(("held", "left"), [(TOKEN, False), ("autre", True)])
def test_disarm_removes_its_own_token(box: Path, held: str, left: bool) -> None:
    """Never another command's."""
    (box / "token").write_text(f"{held} 1\n")

    assert sh(box, DISARM, str(box / "token"), TOKEN) == 0
    assert (box / "token").exists() == left


def test_disarm_twice(box: Path) -> None:
    """Nothing left to disarm is success."""
    assert sh(box, DISARM, str(box / "token"), TOKEN) == 0


def test_timer_knows_its_own_databases() -> None:
    """Each pooler resumes what it has; nothing that it is given is a secret."""
    databases = [Database(pooler, "app", False, False) for pooler in ("pgbouncer1", "pgbouncer2")]
    arguments = timer_arguments(Switch(CLUSTER, TOKEN), databases, "pgbouncer1")

    assert arguments[1:3] + arguments[5:] == [TOKEN, str(deadman.TIMER_SECONDS), "app"]
    secrets = [s.reveal() for s in CLUSTER.settings.secrets().values()]
    assert not any(secret in argument for secret in secrets for argument in arguments)


def test_limit_is_not_above_the_login_timeout() -> None:
    """Who connects at the beginning of a pause is not cut while waiting."""
    template = (ROOT / "config" / "pgbouncer" / "pgbouncer.ini.j2").read_text()
    found = re.search(r"^client_login_timeout = (\d+)$", template, re.MULTILINE)

    assert found is not None
    assert deadman.TIMER_SECONDS < LIMIT_SECONDS <= int(found[1])
