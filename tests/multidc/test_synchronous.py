"""REMOTE_REPLICATION: who a commit waits for, and who takes over, as `.env` says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from citadelle.topology import PG
from tests.arena import Arena
from tests.multidc._sites import Sites, changed, wait_primary
from tests.operator import invoke

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]


@pytest.fixture(scope="module")
def secours(arena: Arena) -> Iterator[Sites]:
    """The remote stands in for a node of the preferred datacentre, and only then."""
    with changed(arena, REMOTE_REPLICATION="secours") as now:
        sites = Sites(now)
        here = {node for node in PG if node != sites.remote}
        sites.wait_synchronous(*(here - {sites.field.primary}))
        yield sites


@pytest.fixture(scope="module")
def synchrone(arena: Arena) -> Iterator[Sites]:
    """Every commit waits for the remote too."""
    with changed(arena, REMOTE_REPLICATION="synchrone") as now:
        yield Sites(now)


def test_preferred_standby_comes_first_and_back(secours: Sites) -> None:
    """The remote takes its place while it is dead, and gives it back."""
    standby = secours.field.standby
    assert standby != secours.remote
    secours.kill(standby)
    try:
        secours.wait_synchronous(secours.remote)
    finally:
        secours.revive()
    secours.wait_synchronous(standby)


def test_stand_in_takes_over(secours: Sites) -> None:
    """It has every acknowledged write: the loss of both other nodes in turn is survived."""
    primary, standby = secours.field.primary, secours.field.standby
    secours.kill(standby)
    try:
        secours.wait_synchronous(secours.remote)
        secours.kill(primary)
        wait_primary(secours, secours.remote)
    finally:
        secours.revive()
        done = invoke(secours.arena.home, "switchover", "--to", *secours.synchronous())
        assert done.returncode == 0, done.stdout + done.stderr


def test_both_are_waited_for(synchrone: Sites) -> None:
    """One standby of the own datacentre, and one remote."""
    [standby] = {n for n in PG if not synchrone.arena.topology.is_remote(n)} - {
        synchrone.field.primary
    }
    synchrone.wait_synchronous(standby, synchrone.remote)


def test_preferred_datacentre_takes_over_first(synchrone: Sites) -> None:
    """Both have every acknowledged write; priorities decide."""
    [standby] = synchrone.synchronous() - {synchrone.remote}
    synchrone.kill(synchrone.field.primary)
    try:
        wait_primary(synchrone, standby)
    finally:
        synchrone.revive()
