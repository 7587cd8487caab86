"""What forbids a takeover, and the sentence that has to be typed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from citadelle.dr import plan
from citadelle.dr.bound import Received
from citadelle.dr.quorum import Past
from citadelle.dr.sight import Machine, Remote, Sight
from citadelle.errors import CitadelleError
from tests.unit import factory

SITES = {
    **{f"{node}_DC": "dc1" for node in ("ETCD1", "ETCD2", "PG1", "PG2", "HAPROXY1", "PGBOUNCER1")},
    **{f"{node}_DC": "dc2" for node in ("ETCD3", "PG3", "HAPROXY2", "PGBOUNCER2")},
}
TOPOLOGY = factory.topology(**SITES)
NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
BOTH = frozenset({"root", "patroni"})
PAST = Past(("etcd3",), BOTH, BOTH, open_to_all=False, leader="pg1", optime=1200)
REMOTE = Remote("pg3", "replica", 2, Received(1000, 1000, NOON))
DEAD = tuple(Machine(name, {name: "exited"}, "") for name in ("etcd1", "etcd2", "pg1", "pg2"))


def sight(**changes: Any) -> Sight:  # noqa: ANN401  # fields of Sight
    """Return what is seen when the preferred site is gone, but for ``changes``."""
    usual: dict[str, Any] = {"at": NOON + timedelta(seconds=9), "lost": DEAD, "remote": REMOTE}
    usual |= {"quorum": (), "past": PAST, "past_problem": "", "stopped": NOON}
    return Sight(**usual | changes)


def judged(**changes: Any) -> plan.Plan:  # noqa: ANN401  # fields of Sight
    """Return the plan for such a sight."""
    return plan.plan(TOPOLOGY, "pg3", sight(**changes))


def test_a_lost_site() -> None:
    """Nothing forbids it; the sentence says what the operator takes upon himself."""
    found = judged()

    assert (found.wrong, found.living) == ([], [])
    assert found.sentence == "promouvoir pg3, dc1 est perdu"


def test_a_site_that_nobody_saw_stop() -> None:
    """It may write until it is stopped: no moment bounds what it acknowledges meanwhile."""
    assert "perte inconnue" in judged(stopped=None).sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"quorum": ("etcd1", "etcd3")},
        {"lost": (Machine("pg1", {"pg1": "healthy"}, "primary, running", living=True),)},
        {"lost": (Machine("pg2", {"pg2": "paused"}, ""),)},
    ],
    ids=["quorum", "primaire", "figé"],
)
def test_a_living_site(changes: dict[str, Any]) -> None:
    """Refused, unless overridden; the sentence then says so."""
    found = judged(**changes)

    assert len(found.living) == 1
    assert found.sentence.endswith("bien que dc1 réponde")


@pytest.mark.parametrize(
    "changes",
    [{"past": None}, {"remote": Remote("pg3", "replica", 2, Received(None, None, None))}],
    ids=["etcd", "PostgreSQL"],
)
def test_an_unknown_lag(changes: dict[str, Any]) -> None:
    """It may be promoted all the same, but in so many words."""
    found = judged(**changes)

    assert found.wrong == []
    assert "perte inconnue" in found.sentence


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"remote": Remote("pg3", "?", 0, Received(None, None, None), "muet")}, "ne répond pas"),
        ({"remote": Remote("pg3", "primary", 2, Received(None, None, None))}, "déjà le primaire"),
        ({"past": None, "past_problem": "etcd3 : WAL illisible"}, "WAL illisible"),
        ({"past": Past(("etcd3",), BOTH, BOTH, True, "", None)}, "authentification"),
        ({"past": Past(("etcd3",), frozenset(), BOTH, False, "", None)}, "patroni, root"),
        ({"past": Past(("etcd1", "etcd3"), BOTH, BOTH, False, "", None)}, "membres du quorum"),
    ],
)
def test_what_cannot_be_overridden(changes: dict[str, Any], said: str) -> None:
    """The remote could not serve."""
    assert said in " ".join(judged(**changes).wrong)


@pytest.mark.parametrize(
    ("node", "said"),
    [("pg1", "est dans dc1"), ("pg9", "pas un PostgreSQL"), ("etcd3", "pas un PostgreSQL")],
)
def test_a_wrong_node(node: str, said: str) -> None:
    """Before anybody is asked anything."""
    with pytest.raises(CitadelleError, match=said):
        plan.check_node(TOPOLOGY, node)


THREE = {"DATACENTERS": "dc1,dc2,dc3"}


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PG3_PRIORITY": "0"}, "PG3_PRIORITY=0"),
        ({"ETCD3_DC": "dc1"}, "0 membres d'etcd hors de dc1"),
        (THREE | {"ETCD2_DC": "dc2", "ETCD3_DC": "dc3"}, "2 membres d'etcd hors de dc1"),
    ],
)
def test_a_layout_without_a_takeover(variables: dict[str, str], said: str) -> None:
    """Patroni would refuse it, or takes over by itself."""
    topology = factory.topology(**(SITES | {"PG3_PRIORITY": "10"} | variables))

    with pytest.raises(CitadelleError, match=said):
        plan.check_node(topology, "pg3")
