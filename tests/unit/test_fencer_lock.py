"""The fencer's talk with a survivor's pod: one answer, one order at most, no endless wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.fencer import lock

LOCK = (
    '{"holder": "pg1", "revision": "42", "synchronous": "pg1", "standbys": ["pg2"],'
    ' "paused": false}'
)
# What stands in for a pod, by its name: a program of a few lines.
PODS = {
    "good": f"print('{LOCK}', flush=True); print(str(input() == 'pg1 42').lower())",
    "curious": f"import sys; print('{LOCK}', flush=True); open(HEARD, 'w').write(sys.stdin.read())",
    "cut off": "raise SystemExit('aucun membre ne répond')",
    "frozen": "input()",
    "odd": "print('bonjour')",
    "gone": f"print('{LOCK}', flush=True)",
    "dead after": f"print('{LOCK}', flush=True); input(); raise SystemExit('etcd perdu')",
}


@pytest.fixture(autouse=True)
def trace(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Have a program answer instead of a container; return where the curious one writes."""
    path = str(tmp_path_factory.mktemp("pod") / "heard")

    def converse(container: str, *_argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", PODS[container].replace("HEARD", repr(path))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    monkeypatch.setattr(engine, "converse", converse)
    return path


def test_lock_is_read_then_ended() -> None:
    """By its holder and its revision, as they were read."""
    with lock.asked(["good"]) as question:
        assert question.lock == lock.Lock("pg1", "42", "pg1", ("pg2",), paused=False)
        assert question.release() is True


def test_nothing_asked_is_nothing_said(trace: str) -> None:
    """The pod sees the end of its input, and no order."""
    with lock.asked(["curious"]):
        pass

    assert Path(trace).read_text() == ""


@pytest.mark.parametrize("first", ["cut off", "frozen", "odd"])
def test_next_survivor_is_asked(monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """When one cannot reach etcd, or does not answer."""
    monkeypatch.setattr(lock, "READ_SECONDS", 5.0 if first != "frozen" else 0.2)
    if first == "frozen":
        with pytest.raises(CitadelleError, match="pas de réponse"), lock.asked([first]):
            pass
    else:
        with lock.asked([first, "good"]) as question:
            assert question.lock.holder == "pg1"


@pytest.mark.parametrize(
    ("pods", "reason"), [([], "aucun autre pod"), (["cut off"], "aucun membre ne répond")]
)
def test_nobody_to_ask_is_an_error(pods: list[str], reason: str) -> None:
    """Nothing is known of the lock then, so nothing is done to it."""
    with pytest.raises(CitadelleError, match=reason), lock.asked(pods):
        pass


def test_answer_that_is_lost_is_an_error() -> None:
    """The lock may be ended or not: the next look tells."""
    with lock.asked(["dead after"]) as question, pytest.raises(CitadelleError, match="etcd perdu"):
        question.release()


def test_pod_that_is_gone_before_the_order_is_an_error() -> None:
    """Nothing was told to it; the fencer itself goes on."""

    def order_too_late() -> None:
        with lock.asked(["gone"]) as question:
            question.process.wait()
            question.release()

    with pytest.raises(CitadelleError, match="ne répond plus"):
        order_too_late()
