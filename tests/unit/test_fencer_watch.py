"""Around the fencer's judgment: the engine's words, the kernel's, the sign of life."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.fencer import child, heartbeat, pods, watch
from citadelle.fencer.pods import Pod
from citadelle.status import Fencer
from citadelle.workspace import Home
from tests.unit import factory, fencer_lab


def pod(**state: Any) -> Pod:  # noqa: ANN401  # what the engine says
    """Read a container as the engine shows it."""
    shown = {
        "Running": True,
        "Restarting": False,
        "Paused": False,
        "Pid": 7,
        "StartedAt": "2026-11-28T03:00:00.123456789Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
        **state,
    }
    return pods._pod({"Id": "abc", "Name": "/c-pg1", "State": shown}, {"c-pg1": "pg1"})


@pytest.mark.parametrize(
    ("state", "ended", "dead", "serving"),
    [
        ({}, False, False, True),
        ({"Paused": True}, False, False, False),
        ({"Running": False, "Pid": 0}, True, True, False),
        # moby shows a container that waits for its next start as running, without a process.
        ({"Restarting": True, "Pid": 0}, True, False, False),
        ({"Running": False, "Restarting": True, "Pid": 0}, True, False, False),
        ({"Running": False, "Pid": 9}, True, False, False),
    ],
    ids=["runs", "frozen", "exited", "restarting", "about to", "odd"],
)
def test_states(state: dict[str, Any], *, ended: bool, dead: bool, serving: bool) -> None:
    """Only what neither runs, nor will, nor has a process, is dead."""
    found = pod(**state)

    assert (found.ended, found.dead, found.serving) == (ended, dead, serving)


def _proc(place: Path, number: int, text: str) -> None:
    (place / str(number)).mkdir()
    (place / str(number) / "cgroup").write_text(text)


@pytest.mark.parametrize(
    "line", ["8:pids:/docker/{}\n", "0::/system.slice/docker-{}.scope\n"], ids=["v1", "v2"]
)
def test_kernel_shows_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """By their control group, with either driver of the engine."""
    monkeypatch.setattr(pods, "PROC", tmp_path)
    mine, other = fencer_lab.pod("pg1"), fencer_lab.pod("pg2")
    _proc(tmp_path, 11, line.format(mine.identity))
    _proc(tmp_path, 12, line.format(other.identity))
    (tmp_path / "13").mkdir()  # ended between the two looks

    assert pods.processes(mine) == [11]


@pytest.mark.parametrize(
    ("said", "raised"),
    [("Container abc is not running", False), ("permission denied", True)],
)
def test_container_that_ended_meanwhile_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, said: str, *, raised: bool
) -> None:
    """What counts is how it looks afterwards; any other refusal is one."""

    def refuse(*_argv: str, seconds: float) -> str:
        raise CitadelleError(f"docker kill a échoué en {seconds} s : {said}")

    monkeypatch.setattr(engine, "docker", refuse)
    if raised:
        with pytest.raises(CitadelleError, match=said):
            pods.kill(pod())
    else:
        pods.kill(pod())


# --- Sign of life --------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a home with nothing in it."""
    return Home(tmp_path)


def test_nobody_watches_before_the_first(home: Home) -> None:
    """Nor is the question a trace."""
    assert heartbeat.last(home) is None
    assert not heartbeat.file(home).exists()


def test_who_watches_is_seen(home: Home) -> None:
    """With its process, for systemd's sake or an operator's."""
    with heartbeat.only_one(home) as beat:
        beat()
        found = heartbeat.last(home)

    assert found is not None
    assert found.pid == os.getpid()


def test_who_ended_is_not(home: Home) -> None:
    """The kernel drops the lock with the process, however it ended."""
    with heartbeat.only_one(home):
        pass

    assert heartbeat.last(home) is None


def test_who_is_stuck_is_not(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the lock and does nothing."""
    with heartbeat.only_one(home):
        later = time.time() + heartbeat.STALE_SECONDS + 1
        monkeypatch.setattr(time, "time", lambda: later)

        assert heartbeat.last(home) is None


def test_only_one_watches(home: Home) -> None:
    """Two would be harmless, and one too many."""
    with (
        heartbeat.only_one(home),
        pytest.raises(CitadelleError, match="veille déjà"),
        heartbeat.only_one(home),
    ):
        pass


# --- Settings ------------------------------------------------------------------------------------


def test_fencer_is_opt_in(home: Home) -> None:
    """FENCER=non: it refuses to start, and says what to change."""
    topology = factory.topology(FENCER="non")
    with pytest.raises(CitadelleError, match="FENCER=oui"):
        watch.run(topology, home)
    with (
        pytest.raises(CitadelleError, match="FENCER=oui"),
        child.alongside(topology, home, home.path / "log"),
    ):
        pass

    assert list(home.path.iterdir()) == []


@pytest.mark.parametrize(("pid", "word"), [(None, "arrêté"), (7, "en veille")])
def test_status_tells(pid: int | None, word: str) -> None:
    """In words, on the operator's screen."""
    assert word in str(Fencer(wanted=True, pid=pid))
