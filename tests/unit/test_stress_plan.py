"""A plan that contradicts itself is refused, in French, every reason at once."""

from __future__ import annotations

from typing import Any

import pytest

from citadelle.errors import CitadelleError
from citadelle.stress import plan
from citadelle.stress.plan import Plan


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threads": 0}, "--threads : 0 n'est pas entre 1 et 1000"),
        ({"threads": 1001}, "--threads : 1001"),
        ({"pause_seconds": -1}, "--pause : -1 s est négatif"),
        ({"duration_seconds": 0}, "--duration : 0 doit être positif"),
        ({"requests": -5}, "--requests : -5 doit être positif"),
        ({"rate": 0.0}, "--rate : 0 doit être positif"),
        ({"lifetime_seconds": 0.0}, "--lifetime : 0 doit être positif"),
        ({"mode": "write"}, "--mode : « write » inconnu"),
        ({"path": "direct"}, "--path : « direct » inconnu"),
        ({"path": "ro"}, "--path ro mène aux réplicas"),
        ({"path": "ro", "mode": "mixed"}, "--path ro mène aux réplicas"),
        ({"rate": 10.0, "pause_seconds": 1.0}, "retirez --pause"),
        ({"fail_on": {"gaps": 3}}, "« gaps » inconnu .*voulez-vous dire gap"),
        ({"fail_on": {"errors": -1}}, "errors=-1 est négatif"),
        ({"fail_on": {"gap": 3}, "mode": "ro"}, "--mode ro n'en fait aucune"),
    ],
)
def test_contradiction_is_refused(changes: dict[str, Any], reason: str) -> None:
    """The operator reads which option, and why."""
    with pytest.raises(CitadelleError, match=reason):
        Plan(**changes)


def test_every_contradiction_is_told() -> None:
    """One correction, not one per attempt."""
    with pytest.raises(CitadelleError) as refused:
        Plan(threads=0, mode="write", path="direct")

    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("mode", "path", "service"),
    [
        ("rw", "pooled", "pooled"),
        ("mixed", "pooled", "pooled"),
        ("ro", "pooled", "pooled_ro"),
        ("rw", "rw", "rw"),
        ("ro", "rw", "rw"),
        ("ro", "ro", "ro"),
    ],
)
def test_service(mode: str, path: str, service: str) -> None:
    """Reads alone go to the pooler's read-only database."""
    assert Plan(mode=mode, path=path).service == service


def test_thresholds_are_parsed() -> None:
    """As on the command line."""
    assert plan.thresholds("gap=3, errors=0,p99=12.5") == {"gap": 3, "errors": 0, "p99": 12.5}


@pytest.mark.parametrize("text", ["gap", "gap=trois", "=", "gap=1=2", "gap=nan", "gap=inf"])
def test_unreadable_threshold_is_refused(text: str) -> None:
    """A threshold that is silently dropped would never fail."""
    with pytest.raises(CitadelleError, match="illisible"):
        plan.thresholds(text)


def test_zero_options_mean_no_limit() -> None:
    """What Invoke passes when an option is not given."""
    found = plan.from_options(
        threads=8,
        pause=0.0,
        duration=0.0,
        requests=0,
        mode="rw",
        path="pooled",
        rate=0.0,
        reconnect=False,
        lifetime=3600.0,
        fail_on="",
    )
    assert found == Plan()
