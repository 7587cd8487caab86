"""etcd's leadership leaves the primary's rack, and the remote datacentre, on a real cluster."""

from __future__ import annotations

import pytest

from citadelle import lifecycle, placement
from citadelle.etcd import Etcd
from citadelle.patroni import Patroni
from citadelle.progress import Steps, wait_until
from citadelle.topology import ETCD
from tests.arena import Arena
from tests.operator import invoke

pytestmark = pytest.mark.disruptive


def chief(arena: Arena) -> str:
    """Return the etcd member that leads."""
    return next(m.name for m in Etcd(arena.topology, arena.home).members() if m.leader)


def fits(arena: Arena) -> bool:
    """Tell whether it is where it should be, for the primary of this moment."""
    primary, leader = Patroni(arena.topology, arena.home).leader(), chief(arena)
    assert primary is not None
    return not arena.topology.is_remote(leader) and not arena.topology.share_rack(leader, primary)


def lead(arena: Arena, member: str) -> None:
    """Give the leadership to a member, as nobody does on purpose."""
    etcd = Etcd(arena.topology, arena.home)
    etcd.login("root", arena.topology.settings.etcd_root_password.reveal())
    if (leader := chief(arena)) != member:
        etcd.move_leader(leader, member)

    def missing() -> str | None:
        return None if etcd.member(member).leader else "pas encore chef"

    wait_until(missing, member, placement.TRANSFER_SECONDS)


@pytest.mark.parametrize("member", ETCD)
def test_wrong_place_is_left_and_the_right_one_kept(arena: Arena, member: str) -> None:
    """Whoever leads, one healthy member of the preferred datacentre is in another rack."""
    lead(arena, member)
    before = fits(arena)
    placement.keep_apart(arena.topology, arena.home, Steps())

    assert fits(arena)
    assert not before or chief(arena) == member


@pytest.mark.slow
def test_switchover_takes_it_along(arena: Arena) -> None:
    """The new primary's rack is the one to leave."""
    lifecycle.wait_settled(arena.topology, arena.home)
    primary = Patroni(arena.topology, arena.home).leader()
    for _ in range(2):  # there and back: one of the two moves the leadership
        lifecycle.wait_settled(arena.topology, arena.home)
        assert invoke(arena.home, "switchover").returncode == 0
        assert fits(arena)
    assert Patroni(arena.topology, arena.home).leader() == primary
