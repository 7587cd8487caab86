"""By default the remote only follows: it is never counted on, and never promoted by itself."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from citadelle.progress import wait_until
from tests.arena import Arena
from tests.multidc._sites import Sites
from tests.probes import https

# Once the lease is over, an election takes one loop of Patroni and a promotion; three times that.
ELECTION_SECONDS = 10.0

pytestmark = pytest.mark.disruptive


@pytest.fixture(scope="module")
def alone(arena: Arena) -> Iterator[Sites]:
    """The primary without the other node of its datacentre; at the end, all are back."""
    sites = Sites(arena)
    assert not arena.topology.is_remote(sites.field.primary)
    sites.kill(sites.field.standby)
    try:
        sites.wait_synchronous()
        yield sites
    finally:
        sites.revive()


@pytest.fixture(scope="module")
def lost(alone: Sites) -> Sites:
    """Then without the primary: the remote is alone, with the majority of etcd."""
    alone.write()
    alone.kill(alone.field.primary)
    return alone


def test_remote_is_not_made_synchronous(alone: Sites) -> None:
    """A commit must not depend on the link to the other site, which is slower and less sure."""
    alone.write()
    assert alone.synchronous() == set()
    assert alone.members()[alone.remote].role == "replica"


def test_reads_go_to_the_other_site(alone: Sites) -> None:
    """When no replica of the load balancer's own datacentre is left."""
    alone.wait_reader("haproxy1", alone.remote)


def test_remote_is_not_promoted(lost: Sites) -> None:
    """Not even when nobody else is left and it has every byte: nobody could know that it has."""
    end = time.monotonic() + lost.arena.topology.settings.patroni_ttl + ELECTION_SECONDS

    def over() -> str | None:
        leader = lost.patroni.leader()
        assert leader is None, f"{leader} promu"
        return None if time.monotonic() > end else "bail en cours"

    wait_until(over, "Fin du bail", 2 * ELECTION_SECONDS + end - time.monotonic())

    # It says so itself: a dead node is not promoted either.
    said = lost.patroni.request(lost.remote, "GET", "/patroni", seconds=https.SECONDS).json()
    assert (said["state"], said["role"]) == ("running", "replica")
