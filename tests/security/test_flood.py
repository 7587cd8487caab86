"""A flood of idle or malformed connections, from one address, on every published port at once."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from citadelle.topology import HAPROXY, PGBOUNCER
from tests.security import _flood
from tests.security.conftest import Copy

Flood = tuple[dict[str, Any], list[_flood.Writer]]

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


@cache
def _attacked(copy: Copy, mode: str) -> Flood:
    return _flood.under_load(copy.topology, copy.home, mode)


@pytest.fixture(scope="module", params=_flood.MODES)
def flood(request: pytest.FixtureRequest, copy: Copy) -> Flood:
    """One way of attacking, every door at once, honest writers beside it."""
    return _attacked(copy, request.param)


def test_writers_see_no_error(flood: Flood) -> None:
    """By the pooler and directly, by a kept connection and by a new one for each write."""
    assert {w.service: w.errors for w in flood[1] if w.errors} == {}


def test_writers_never_wait_long(flood: Flood) -> None:
    """Writes go on during the whole flood."""
    gaps = {f"{w.service}, {w.kept=}": w.longest_gap() for w in flood[1]}

    assert {path: gap for path, gap in gaps.items() if gap > GAP_SECONDS} == {}


@pytest.mark.parametrize("node", HAPROXY)
@pytest.mark.parametrize("mode", HOLDING)
def test_one_address_gets_its_share_of_a_load_balancer(copy: Copy, mode: str, node: str) -> None:
    """5000 and 5001 together: others find a place."""
    report, _ = _attacked(copy, mode)
    rows = [report[f"{service}@{node}"] for service in ("rw", "ro")]
    limit = copy.topology.settings.haproxy_clients_per_address

    assert sum(row["tried"] for row in rows) > limit
    assert 0 < sum(row["held"] for row in rows) <= limit


@pytest.mark.parametrize("door", [door for door in DOORS if door.partition("@")[0] in ALONE])
@pytest.mark.parametrize("mode", HOLDING[:2])
def test_one_address_gets_its_share_of_a_door(copy: Copy, mode: str, door: str) -> None:
    """The same at the administration page and at PgBouncer."""
    report, _ = _attacked(copy, mode)
    (limit,) = [d.limit for d in _flood.doors(copy.topology) if d.name == door]

    assert report[door]["tried"] > limit
    assert 0 < report[door]["held"] <= limit


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("mode", HOLDING)
def test_connection_without_proof_is_cut(copy: Copy, mode: str, door: str) -> None:
    """It holds its place for seconds, not for as long as it likes."""
    report, _ = _attacked(copy, mode)

    assert report[door]["longest_idle"] <= CUT_SECONDS
    assert report[door]["never_cut"] == 0
