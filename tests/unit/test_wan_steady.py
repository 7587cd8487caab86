"""What makes ten minutes over a slow line a failure."""

from __future__ import annotations

import dataclasses

import pytest

from citadelle.wan import steady
from citadelle.wan.steady import Sample, Steady
from tests.unit import chaos_lab

CALM = Steady(
    title="remote : latency=80ms",
    remotes=("pg3",),
    elections={"etcd1": 0, "etcd2": 0, "etcd3": 0},
    samples=tuple(Sample(at, "pg1", 1, {"pg2": (0, 0.0), "pg3": (512, 0.2)}) for at in (5, 10)),
    load=chaos_lab.result(),
)


def test_calm() -> None:
    """One primary, one timeline, no election, a remote that follows."""
    assert CALM.problems() == []


SAMPLE = CALM.samples[0]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"elections": {"etcd1": 1}}, "etcd, vu de etcd1 : 1 élections"),
        ({"elections": {"etcd1": None}}, "etcd : etcd1 muet"),
        ({"samples": (SAMPLE, dataclasses.replace(SAMPLE, leader="pg2"))}, "primaires : pg1, pg2"),
        ({"samples": (SAMPLE, dataclasses.replace(SAMPLE, leader=None))}, "aucun, pg1"),
        ({"samples": (SAMPLE, dataclasses.replace(SAMPLE, timeline=2))}, "timelines : 1, 2"),
        (
            {"samples": (SAMPLE, dataclasses.replace(SAMPLE, lags={}))},
            "pg3 ne répliquait pas à 1 relevés sur 2",
        ),
        ({"line": ("pg3 : ligne à retard morte",)}, "pg3 : ligne à retard morte"),
        ({"load": chaos_lab.result(lost=1)}, "écritures perdues : 1"),
        ({"samples": ()}, "primaires : "),
    ],
)
def test_not_held(changes: dict[str, object], problem: str) -> None:
    """Each by itself is told."""
    found = dataclasses.replace(CALM, **changes)  # type: ignore[arg-type]  # fields of Steady
    assert any(problem in line for line in found.problems())


def test_lags_are_read() -> None:
    """As psql prints them, unaligned."""
    assert steady.parse("pg2|0|0\npg3|8192|0.161\n") == {"pg2": (0, 0.0), "pg3": (8192, 0.161)}


def test_first_count_is_no_change() -> None:
    """A counter runs since the member started; a silent member has none."""
    assert steady.difference(3, 3) == 0
    assert steady.difference(3, None) is None
