"""Ten minutes over a slow, lossy line: nobody is elected or promoted, and nothing is lost."""

from __future__ import annotations

import pytest

from citadelle.wan import steady
from citadelle.wan.link import Link
from tests.multidc._line import Arena

SLOW = Link(latency_ms=80, jitter_ms=20, loss_percent=2)
SECONDS = 600.0


@pytest.mark.slow
def test_timers_hold(arena: Arena) -> None:
    """The targets of issue 6, for etcd, Patroni and replication."""
    found = steady.run(arena.topology, arena.home, SLOW, SECONDS)
    steady.show(found)

    assert found.problems() == []
