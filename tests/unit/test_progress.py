"""Waiting has a deadline and a last word; steps show what they did."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from citadelle import progress
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, wait_until


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(progress, "POLL_SECONDS", 0)


def states(*found: str | None) -> Iterator[str | None]:
    """Yield the states of a component, one at each look."""
    return iter(found)


def test_wait_ends_when_nothing_is_missing() -> None:
    """Not before, and it looks no further."""
    seen = states("arrêté", "démarre", None, "jamais vu")
    wait_until(lambda: next(seen), "Primaire", 60)

    assert next(seen) == "jamais vu"


def test_deadline_tells_what_and_the_last_state() -> None:
    """The operator reads what was awaited, how long, and what was seen instead."""
    expected = "Primaire : toujours pas après 0 s (dernier état : démarre).\nVoir les journaux."

    with pytest.raises(CitadelleError, match=f"^{re.escape(expected)}$"):
        wait_until(lambda: "démarre", "Primaire", 0, "Voir les journaux.")


def test_advice_is_optional() -> None:
    """No empty line at the end."""
    with pytest.raises(CitadelleError, match=r"démarre\)\.\Z"):
        wait_until(lambda: "démarre", "Primaire", 0)


def test_condition_is_looked_at_once_at_least() -> None:
    """A deadline of zero still accepts what is ready."""
    wait_until(lambda: None, "Primaire", 0)


def test_finished_step_is_recorded() -> None:
    """With its duration, for the report at the end."""
    steps = Steps()
    with steps.step("Livraison"):
        pass

    assert [title for title, _ in steps.durations] == ["Livraison"]


def test_failed_step_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """The last line says which step did not succeed; it is not counted."""
    steps = Steps()
    with pytest.raises(CitadelleError), steps.step("Livraison"):
        raise CitadelleError("refus")

    assert "✘ Livraison" in capsys.readouterr().out
    assert steps.durations == []
