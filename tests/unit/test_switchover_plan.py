"""What a switchover refuses before it touches anything, and whom it chooses."""

from __future__ import annotations

from typing import Any

import pytest

from citadelle import switchover
from citadelle.switchover import LAG_BYTES, choose
from citadelle.topology import Topology
from tests.unit import factory

NEAR = factory.topology(DATACENTERS="dc1,dc2", PG3_DC="dc2")
LEADER = "pg1"


def member(**changes: object) -> dict[str, Any]:
    """Return Patroni's row of a synchronous standby that is ready, changed."""
    row = {"role": "sync_standby", "state": "streaming", "timeline": 4, "lag": 0, "replay_lag": 0}
    return {**row, **changes}


def members(**pg2: object) -> dict[str, dict[str, Any]]:
    """Return a cluster: pg1 leads, pg2 is the synchronous standby, pg3 follows."""
    return {
        "pg1": member(role="leader", state="running"),
        "pg2": member(**pg2),
        "pg3": member(role="replica"),
    }


def problems(node: str, topology: Topology = NEAR, **pg2: object) -> list[str]:
    """Return why this node is refused."""
    return switchover.target_problems(topology, members(**pg2), LEADER, node)


def test_ready_standby_is_accepted() -> None:
    """The refusals below are about what they change."""
    assert problems("pg2") == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"role": "replica"}, "n'est pas synchrone"),
        ({"state": "starting"}, "ne réplique pas"),
        ({"lag": LAG_BYTES + 1}, "est en retard"),
        ({"replay_lag": LAG_BYTES + 1}, "est en retard"),
        ({"tags": {"nofailover": True}}, "n'est jamais promu"),
        ({"pending_restart": True}, "attend un redémarrage"),
    ],
)
def test_standby_that_is_not_ready(changes: dict[str, Any], reason: str) -> None:
    """Each would lose writes, make clients wait too long, or fail."""
    [found] = problems("pg2", **changes)

    assert reason in found


def test_lag_may_be_unknown() -> None:
    """Patroni writes « unknown » for a member that does not say: not a number, not ready."""
    [found] = problems("pg2", lag="unknown")

    assert "retard" in found


def test_priority_zero_is_never_promoted() -> None:
    """What .env says counts, whatever Patroni shows."""
    [found] = problems("pg2", factory.topology(PG2_PRIORITY="0", PG3_DC="dc1"))

    assert "PRIORITY=0" in found


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ("pg1", "déjà le primaire"),
        ("pg3", "n'est pas synchrone"),
        ("pg9", "inconnu"),
        ("", "aucun réplica synchrone"),
    ],
)
def test_wrong_target(node: str, reason: str) -> None:
    """An asynchronous replica may miss acknowledged writes."""
    [found] = problems(node)

    assert reason in found


@pytest.mark.parametrize("state", [{"pause": True}, {"scheduled_switchover": {"at": "demain"}}])
def test_patroni_is_not_ready(state: dict[str, Any]) -> None:
    """In pause mode Patroni promotes nobody by itself; a scheduled switchover would come too."""
    assert len(switchover.cluster_problems(state)) == 1


def test_patroni_is_ready() -> None:
    """The refusals above are about what they say."""
    assert switchover.cluster_problems({"members": []}) == []


def test_synchronous_standby_is_chosen() -> None:
    """Without --to."""
    assert choose(NEAR, members()) == "pg2"


def test_nobody_is_chosen_without_one() -> None:
    """Then the refusal says why."""
    assert choose(NEAR, members(role="replica")) == ""


def test_preferred_datacentre_is_chosen_first() -> None:
    """With REMOTE_REPLICATION=synchrone, both may be synchronous."""
    both = {**members(), "pg3": member()}

    assert choose(NEAR, both) == "pg2"


def test_then_the_priority() -> None:
    """As Patroni would choose."""
    topology = factory.topology(PG2_PRIORITY="10", PG3_PRIORITY="90", PG3_DC="dc1")

    assert choose(topology, {**members(), "pg3": member()}) == "pg3"
