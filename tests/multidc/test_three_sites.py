"""Three sites, one etcd in each: the loss of the preferred one is survived without a human."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from citadelle import status
from citadelle.chaos import containers
from citadelle.stress.plan import Plan
from citadelle.stress.result import Result
from citadelle.stress.run import running
from citadelle.topology import PG
from tests.arena import Arena, raised
from tests.multidc._sites import Sites, answered_last, steady, wait_primary

# As docs/centres.md has it.
THREE = {
    "DATACENTERS": "dc1,remote,temoin",
    "ETCD1_DC": "dc1",
    "ETCD2_DC": "remote",
    "ETCD3_DC": "temoin",
    "REMOTE_REPLICATION": "synchrone",
}

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]


@dataclass(frozen=True)
class Loss:
    """What was seen while the preferred datacentre was lost under load."""

    promotable: set[str]
    result: Result


@pytest.fixture(scope="module")
def loss() -> Iterator[Loss]:
    """Every container of the preferred datacentre dies at once, while clients write."""
    with raised("temoin", **THREE) as arena:
        sites = Sites(arena)
        sites.wait_synchronous(*(node for node in PG if node != sites.field.primary))
        seen = status.observe(arena.topology, arena.home)
        promotable = {m.name for m in seen.members if seen.promotable_without_loss(m)}
        with running(arena.topology, arena.home, Plan(threads=4)) as load:
            steady(3)
            sites.kill(*preferred(arena))
            wait_primary(sites, sites.remote)
            steady(10)
        yield Loss(promotable, load.result)


def preferred(arena: Arena) -> list[str]:
    """Return the containers of the preferred datacentre."""
    here = arena.topology.preferred_datacenter
    return [
        name
        for name in containers.ORDER
        if arena.topology.datacenter(name.removesuffix("-gw")) == here
    ]


def test_status_knew_it(loss: Loss) -> None:
    """The remote was among those that could take over without a loss."""
    assert "pg3" in loss.promotable


def test_writes_go_on(loss: Loss) -> None:
    """Through the other site's pooler and load balancer, after the lease."""
    assert answered_last(loss.result) > 0


def test_nothing_is_lost(loss: Loss) -> None:
    """Every acknowledged write had waited for the remote."""
    assert loss.result.writes > 0
    assert (loss.result.verdict.problem, loss.result.verdict.lost) == ("", 0)
    assert loss.result.verdict.phantom == 0
