"""What the place of a node changes in what it reads."""

from __future__ import annotations

import re

import pytest

from citadelle import render
from citadelle.topology import CONTAINERS, Topology
from tests.unit import factory

READERS = {container.name: container for container in CONTAINERS}
# Everything in the preferred datacentre but one PostgreSQL and one etcd.
NEAR = {"HAPROXY2_DC": "dc1", "PGBOUNCER2_DC": "dc1"}


def text(name: str, file: str, topology: Topology) -> str:
    """Return a file as its container reads it."""
    return render.files(topology, READERS[name], "0123456789abcdef")[file]


def reads(balancer: str, **variables: str) -> dict[str, bool]:
    """Return, by server of the backend of reads, whether it is a backup only."""
    found = text(balancer, "haproxy.cfg", factory.topology(**variables))
    backend = found.partition("\nbackend ro\n")[2].partition("\nlisten ")[0]
    lines = re.findall(r"^    server (\w+) .*track check_ro/\1( backup)?$", backend, re.M)
    return {name: bool(backup) for name, backup in lines}


@pytest.mark.parametrize(
    ("balancer", "variables", "backups"),
    [
        ("haproxy1", {}, {"pg3"}),
        ("haproxy2", {}, {"pg1", "pg2"}),
        ("haproxy1", {"HAPROXY_RO_PREFERENCE": "toutes"}, set()),
        ("haproxy1", {"PG3_DC": "dc1"}, set()),
        # Its own datacentre has no PostgreSQL: all are as far.
        ("haproxy2", {"PG3_DC": "dc1"}, set()),
    ],
)
def test_reads_prefer_the_own_datacentre(
    balancer: str, variables: dict[str, str], backups: set[str]
) -> None:
    """The others are asked when nobody is left there."""
    found = reads(balancer, **variables)

    assert {name for name, backup in found.items() if backup} == backups
    assert len(found) == 3


@pytest.mark.parametrize(("word", "times"), [("jamais", 0), ("secours", 2)])
def test_primary_reads_only_on_demand(word: str, times: int) -> None:
    """On both frontends of 5001, and on no other."""
    found = text("haproxy1", "haproxy.cfg", factory.topology(HAPROXY_RO_PRIMARY=word))

    assert found.count("use_backend rw if { nbsrv(ro) eq 0 }") == times


@pytest.mark.parametrize(
    ("pooler", "own", "other"),
    [
        ("pgbouncer1", "10.209.66.31", "10.209.66.32"),
        ("pgbouncer2", "10.209.66.32", "10.209.66.31"),
    ],
)
def test_pooler_is_led_to_its_own_load_balancer(pooler: str, own: str, other: str) -> None:
    """And to the other one while a port of its own is lost."""
    found = text(f"{pooler}-net", "nftables.conf", factory.topology())

    assert f"tcp dport @perdu dnat ip to {other}\n" in found
    assert re.search(rf"ip daddr {other} tcp dport {{ \d+, \d+ }} dnat ip to {own}\n", found)


@pytest.mark.parametrize("pooler", ["pgbouncer1", "pgbouncer2"])
def test_pooler_without_a_preference_is_not_led(pooler: str) -> None:
    """Both load balancers in one datacentre: none is nearer."""
    assert "dnat" not in text(f"{pooler}-net", "nftables.conf", factory.topology(**NEAR))
