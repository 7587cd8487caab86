"""Who crosses the line between sites, and the rules that say so."""

from __future__ import annotations

import re
from ipaddress import IPv4Address

import pytest

from citadelle.errors import CitadelleError
from citadelle.topology import Topology
from citadelle.wan import crossing
from citadelle.wan.crossing import MACHINES, NETWORKS, Crossing
from tests.unit import factory

REMOTE = ("etcd3", "pg3", "haproxy2", "pgbouncer2")
TWO = factory.topology(**{f"{node.upper()}_DC": "dc2" for node in REMOTE})
THREE = factory.topology(
    DATACENTERS="dc1,dc2,dc3",
    ETCD2_DC="dc2",
    ETCD3_DC="dc3",
    PG3_DC="dc2",
    HAPROXY2_DC="dc2",
    PGBOUNCER2_DC="dc2",
)


def ends(topology: Topology, site: str = "") -> dict[str, set[str]]:
    """Return the peers of each machine at the chosen end."""
    found = crossing.ends(topology, crossing.sites(topology, site))
    return {c.node: set(c.peers) for c in found}


def test_the_remote_alone_is_cut() -> None:
    """By default: the machines outside the preferred datacentre."""
    assert set(ends(TWO)) == set(REMOTE)


def test_both_ends_slow_down() -> None:
    """Each machine that has somebody on the other side."""
    found = crossing.both_ends(TWO, crossing.sites(TWO))

    assert {c.node for c in found} == set(MACHINES)


def test_each_pair_of_machines_once_in_each_direction() -> None:
    """A packet that waited twice would be twice as late."""
    both = {c.node: c.peers for c in crossing.both_ends(THREE, crossing.sites(THREE))}

    for node, peers in both.items():
        assert len(peers) == len(set(peers))
        assert all(node in both[peer] for peer in peers)


def test_same_site_is_untouched() -> None:
    """Nobody is cut from a neighbour."""
    for node, peers in ends(TWO).items():
        assert not any(TWO.datacenter(peer) == TWO.datacenter(node) for peer in peers)


def test_only_who_shares_a_network() -> None:
    """No flow leads from etcd to a pooler."""
    assert ends(TWO)["etcd3"] == {"etcd1", "etcd2", "pg1", "pg2"}
    assert ends(TWO)["pgbouncer2"] == {"haproxy1", "pgbouncer1"}


def test_one_site_of_three() -> None:
    """The witness stays reachable for the preferred datacentre."""
    found = ends(THREE, "dc2")

    assert set(found) == {"etcd2", "pg3", "haproxy2", "pgbouncer2"}
    assert {"etcd1", "etcd3"} <= found["etcd2"]


def test_a_site_that_is_none() -> None:
    """Refused, with those that are."""
    with pytest.raises(CitadelleError, match=r"« dc9 » inconnu \(dc1, dc2\)"):
        crossing.sites(TWO, "dc9")


def test_one_datacentre_has_no_line() -> None:
    """Said, instead of a success without effect."""
    with pytest.raises(CitadelleError, match="pas de lien entre centres"):
        crossing.sites(factory.topology(**factory.ONE_SITE))


@pytest.mark.parametrize("rules", [crossing.cut, crossing.marked, crossing.classed])
def test_clients_and_the_host_are_no_peers(rules: object) -> None:
    """No address of `front`, no bridge's own: operators and applications are not slowed."""
    assert callable(rules)
    peers = crossing.both_ends(TWO, ("dc2",))
    text = "".join(rules(TWO, found, "by=cut site=") for found in peers)
    seen = {IPv4Address(a) for a in re.findall(r"\d+\.\d+\.\d+\.\d+", text)}

    assert seen
    assert not any(address in TWO.subnets["front"] for address in seen)
    assert all(any(address in TWO.subnets[name] for name in NETWORKS) for address in seen)
    assert not seen & {TWO.gateway_address(name) for name in NETWORKS}


def test_a_cut_drops_both_directions_on_every_network() -> None:
    """pg3 and pg1 meet on two networks."""
    text = crossing.cut(TWO, Crossing("pg3", ("pg1",)), "by=cut site=")
    addresses = f"{{ {TWO.address('pg1', 'dcs')}, {TWO.address('pg1', 'pg')} }}"

    assert f"ip saddr {addresses} drop" in text
    assert f"ip daddr {addresses} drop" in text
    assert "reject" not in text


def test_loopback_is_never_slowed() -> None:
    """The gateway speaks to PostgreSQL from the clients' own addresses."""
    text = crossing.cut(TWO, Crossing("pg3", ("pg1",)), "by=cut site=")

    assert text.index('iif "lo" accept') < text.index("ip saddr")
    assert text.index('oif "lo" accept') < text.index("ip daddr")
