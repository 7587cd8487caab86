"""A flood of idle or malformed connections, from one address, on every published port at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from citadelle.topology import HAPROXY, PGBOUNCER
from tests.security import _flood
from tests.security.conftest import Copy

# By the name of the way of attacking: what each door granted, and the honest writers.
Attacked = Callable[[str], tuple[dict[str, Any], list[_flood.Writer]]]

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]

DOORS = [
    *(f"{service}@{node}" for service in ("rw", "ro", "admin") for node in HAPROXY),
    *(f"pooled@{node}" for node in PGBOUNCER),
]
# Doors with a count of their own.
ALONE = ("admin", "pooled")
# The ways that keep a connection open; what is unintelligible is cut at once.
HOLDING = [mode for mode in _flood.MODES if mode != "inintelligible"]
# What an honest client may wait for one write while two cores also serve the flood.
GAP_SECONDS = 3.0
# The patience of each door (inspect-delay 5 s; PostgreSQL's authentication_timeout, PgBouncer's
# client_login_timeout and the page's client timeout, 10 s), plus half as much: its clock starts
# when it has read the last word, and two cores serve the whole flood.
CUT_SECONDS = 15.0


@pytest.fixture(scope="module")
def attacked(copy: Copy) -> Attacked:
    """Attack in one way, every door at once, honest writers beside it; once for each way."""
    return cache(lambda mode: _flood.under_load(copy.topology, copy.home, mode))


@pytest.mark.parametrize("mode", _flood.MODES)
def test_writers_see_no_error(attacked: Attacked, mode: str) -> None:
    """By the pooler and directly, by a kept connection and by a new one for each write."""
    _, writers = attacked(mode)

    assert {f"{w.service}, {w.kept=}": w.errors for w in writers if w.errors} == {}


@pytest.mark.parametrize("mode", _flood.MODES)
def test_writers_never_wait_long(attacked: Attacked, mode: str) -> None:
    """Writes go on during the whole flood, to its end."""
    _, writers = attacked(mode)
    assert [f"{w.service}, {w.kept=}" for w in writers if w.stuck()] == []
    gaps = {f"{w.service}, {w.kept=}": w.longest_gap() for w in writers}

    assert {path: gap for path, gap in gaps.items() if gap > GAP_SECONDS} == {}


@pytest.mark.parametrize("node", HAPROXY)
@pytest.mark.parametrize("mode", HOLDING)
def test_one_address_gets_its_share_of_a_load_balancer(
    attacked: Attacked, copy: Copy, mode: str, node: str
) -> None:
    """5000 and 5001 together: others find a place."""
    report, _ = attacked(mode)
    rows = [report[f"{service}@{node}"] for service in ("rw", "ro")]
    limit = copy.topology.settings.haproxy_clients_per_address

    assert sum(row["tried"] for row in rows) > limit
    assert 0 < sum(row["held"] for row in rows) <= limit


@pytest.mark.parametrize("door", [door for door in DOORS if door.partition("@")[0] in ALONE])
@pytest.mark.parametrize("mode", HOLDING[:2])
def test_one_address_gets_its_share_of_a_door(
    attacked: Attacked, copy: Copy, mode: str, door: str
) -> None:
    """The same at the administration page and at PgBouncer."""
    report, _ = attacked(mode)
    (limit,) = [d.limit for d in _flood.doors(copy.topology) if d.name == door]

    assert report[door]["tried"] > limit
    assert 0 < report[door]["held"] <= limit


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mode", HOLDING)
def test_connection_without_proof_is_cut(attacked: Attacked, mode: str, door: str) -> None:
    """It holds its place for seconds, not for as long as it likes."""
    report, _ = attacked(mode)

    assert _flood.MODES[mode] > CUT_SECONDS
    assert report[door]["longest_idle"] <= CUT_SECONDS
