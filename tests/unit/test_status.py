"""What is said of each node: how late it is, and whether it could take over without a loss."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console

from citadelle import lag, status
from citadelle.etcd import Member as Etcd
from citadelle.patroni import Member
from citadelle.status import Status
from citadelle.topology import CONTAINERS, ETCD, Topology
from tests.unit import factory

CLUSTER = factory.topology()
HEALTH = {c.name: "healthy" for c in CONTAINERS}


def seen(
    *members: Member, seconds: dict[str, float] | None = None, topology: Topology = CLUSTER
) -> Status:
    """Return a status with these members."""
    return Status(topology, "ca.crt", list(members), [], HEALTH, seconds=seconds or {})


def replica(role: str = "sync_standby", state: str = "streaming", name: str = "pg2") -> Member:
    """Return a member that follows."""
    return Member(name, role, state, 1, 0)


def told(status_: Status) -> dict[str, Any]:
    """Return the JSON of the first member."""
    found: dict[str, Any] = status_.as_json()["members"][0]
    return found


@pytest.mark.parametrize(
    ("role", "state", "priority", "expected"),
    [
        ("sync_standby", "streaming", "100", True),
        # No primary: nothing to stream from, and nothing is missing.
        ("sync_standby", "running", "100", True),
        ("sync_standby", "starting", "100", False),
        ("sync_standby", "stopped", "100", False),
        ("sync_standby", "streaming", "0", False),
        ("replica", "streaming", "100", False),
        ("leader", "running", "100", False),
    ],
)
def test_promotable_without_loss(role: str, state: str, priority: str, *, expected: bool) -> None:
    """In the synchronous set, running, and not barred."""
    topology = factory.topology(PG2_PRIORITY=priority, REMOTE_REPLICATION="secours")
    found = seen(replica(role, state), topology=topology)

    assert told(found)["promotable_without_loss"] is expected


def test_stranger_is_not_promotable() -> None:
    """A name that .env does not have."""
    assert told(seen(replica(name="pg9")))["promotable_without_loss"] is False


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("pg2|0\npg3|12.503991\n", {"pg2": 0.0, "pg3": 12.503991}),
        ("pg2|\n", {}),
        ("SET\n", {}),
        ("", {}),
    ],
)
def test_lag_is_read(rows: str, expected: dict[str, float]) -> None:
    """A NULL is no zero."""
    assert lag.parse(rows) == expected


def test_lag_without_primary_is_unknown() -> None:
    """Nobody is asked."""
    assert lag.seconds(CLUSTER, None) == {}


@pytest.mark.parametrize(("seconds", "expected"), [({"pg2": 1.25}, 1.25), ({}, None)])
def test_lag_in_json(seconds: dict[str, float], expected: float | None) -> None:
    """Unknown is null."""
    assert told(seen(replica(), seconds=seconds))["lag_seconds"] == expected


@pytest.mark.parametrize(
    ("seconds", "size", "expected"),
    [({"pg2": 1.25}, 16, "16 o, 1,2 s"), ({}, None, "? o, ? s"), ({"pg2": 0.0}, 0, "0 o, 0,0 s")],
)
def test_lag_in_the_table(seconds: dict[str, float], size: int | None, expected: str) -> None:
    """Bytes and seconds; unknown is a question mark."""
    found = seen(Member("pg2", "sync_standby", "streaming", 1, size), seconds=seconds)

    assert expected in printed(found)


@pytest.mark.parametrize(
    ("role", "expected"), [("sync_standby", "pg2 (dc1)"), ("replica", "aucun nœud")]
)
def test_table_says_who_could_take_over(role: str, expected: str) -> None:
    """In words, below the nodes."""
    found = printed(seen(replica(role)))

    assert f"Promouvable sans perte en ce moment : {expected}." in found


def test_json_has_the_warnings() -> None:
    """A supervision sees them without reading the screen."""
    topology = factory.topology(PGBOUNCER2_DC="dc1")

    assert len(seen(topology=topology).as_json()["warnings"]) == 1


@pytest.mark.parametrize("learner", [True, False])
def test_etcd_member_without_a_vote_is_a_problem(*, learner: bool) -> None:
    """It answers, and the loss of one other member would take the majority away."""
    etcd = [Etcd("etcd1", healthy=True, leader=True), Etcd("etcd2", True, False, learner=learner)]
    found = Status(CLUSTER, "ca.crt", [], etcd, HEALTH, seconds={}).problems()

    assert ("etcd2 n'a pas de voix (learner)" in found) is learner


@pytest.mark.parametrize("paused", [True, False])
def test_maintenance_is_a_problem(*, paused: bool) -> None:
    """Nobody would be promoted, and nothing else shows it."""
    found = Status(CLUSTER, "ca.crt", [], [], HEALTH, paused=paused).problems()

    assert any("Patroni est en pause" in problem for problem in found) is paused


@pytest.mark.parametrize("closed", [True, False])
def test_pooler_that_takes_nobody_is_a_problem(*, closed: bool) -> None:
    """Its container is healthy, and no client comes in."""
    names = ["pgbouncer1"] if closed else []
    found = Status(CLUSTER, "ca.crt", [], [], HEALTH, closed=names).problems()

    assert any("pgbouncer1 : son port est fermé" in problem for problem in found) is closed


@pytest.mark.parametrize(("chief", "expected"), [("etcd1", "etcd2"), ("etcd2", None)])
def test_misplaced_etcd_leader_is_told(chief: str, expected: str | None) -> None:
    """After a failover, until `up` moves it; it is no problem of health."""
    etcd = [Etcd(name, healthy=True, leader=name == chief) for name in ETCD]
    found = Status(CLUSTER, "ca.crt", [replica("leader", "running", "pg1")], etcd, HEALTH)

    assert found.as_json()["better_etcd_leader"] == expected
    assert ("Chef d'etcd mal placé" in printed(found)) is (expected is not None)


def printed(found: Status) -> str:
    """Return the table as a terminal of 80 columns shows it."""
    screen = Console(width=80)
    with screen.capture() as capture:
        screen.print(status.table(found))
    return capture.get()
