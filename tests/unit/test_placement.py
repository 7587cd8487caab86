"""Where etcd's leader should be, for every place of the primary."""

from __future__ import annotations

import pytest

from citadelle.etcd import Member
from citadelle.placement import better
from citadelle.topology import ETCD
from tests.unit import factory

# Two of each in the preferred datacentre, one of each elsewhere, as in .env.example.
CLUSTER = factory.topology(ETCD3_DC="dc2", PG3_DC="dc2")


def members(leader: str, *, silent: tuple[str, ...] = ()) -> list[Member]:
    """Return the members as seen from outside."""
    return [Member(name, name not in silent, name == leader) for name in ETCD]


@pytest.mark.parametrize(
    ("primary", "leader", "expected"),
    [
        ("pg1", "etcd1", "etcd2"),
        ("pg1", "etcd2", None),
        ("pg1", "etcd3", "etcd2"),
        ("pg2", "etcd1", None),
        ("pg2", "etcd2", "etcd1"),
        ("pg2", "etcd3", "etcd1"),
        # The primary is remote: both members of the preferred datacentre fit.
        ("pg3", "etcd1", None),
        ("pg3", "etcd2", None),
        ("pg3", "etcd3", "etcd1"),
    ],
)
def test_place(primary: str, leader: str, expected: str | None) -> None:
    """In the preferred datacentre, in another rack than the primary; quiet when it fits."""
    assert better(CLUSTER, primary, members(leader)) == expected


def test_silent_member_is_not_asked() -> None:
    """The one that fits is dead: the leader stays, in the primary's rack or not."""
    assert better(CLUSTER, "pg1", members("etcd1", silent=("etcd2",))) is None


def test_remote_member_is_never_chosen() -> None:
    """A leader far away slows every write down, for a risk that is small."""
    sites = {"DATACENTERS": "dc1,dc2,dc3", "ETCD2_DC": "dc2", "ETCD3_DC": "dc3"}
    alone = factory.topology(**sites, PG3_DC="dc2")

    assert better(alone, "pg1", members("etcd1")) is None


def test_no_leader_is_left_to_etcd() -> None:
    """An election goes on."""
    assert better(CLUSTER, "pg1", members("")) is None


def test_rack_is_within_a_datacentre() -> None:
    """The same number in two places is two racks."""
    order = {"PG1_PRIORITY": "10", "PG2_PRIORITY": "100", "PG3_PRIORITY": "90"}
    apart = factory.topology(**order, ETCD1_DC="dc1", PG1_DC="dc2", PG3_DC="dc1")

    assert better(apart, "pg1", members("etcd1")) is None
