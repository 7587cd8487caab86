"""The cluster as Patroni and PostgreSQL see it, at rest."""

from __future__ import annotations

import json

import pytest

from citadelle.patroni import Patroni
from citadelle.topology import PG, Topology
from citadelle.workspace import Home
from tests.probes import postgres


def _roles(topology: Topology, home: Home) -> dict[str, str]:
    return {m.name: m.role for m in Patroni(topology, home).members()}


def test_one_leader(topology: Topology, home: Home) -> None:
    """One node, and one only, takes writes."""
    assert list(_roles(topology, home).values()).count("leader") == 1


@pytest.mark.parametrize("node", PG)
def test_only_the_leader_is_out_of_recovery(topology: Topology, leader: str, node: str) -> None:
    """PostgreSQL itself agrees with Patroni: two primaries would be a split brain."""
    recovery = postgres.rows(topology, node, "SELECT pg_is_in_recovery();")
    assert recovery == ["f" if node == leader else "t"]


def test_both_replicas_stream(topology: Topology, leader: str) -> None:
    """The primary sends to the two others, over TLS 1.3, as the replication role."""
    sql = (
        "SELECT r.application_name, r.state, s.version, r.usename FROM pg_stat_replication r"
        " JOIN pg_stat_ssl s USING (pid) ORDER BY 1;"
    )
    user = topology.settings.replicator_user
    expected = [f"{node}|streaming|TLSv1.3|{user}" for node in PG if node != leader]
    assert postgres.rows(topology, leader, sql) == expected


def test_one_synchronous_standby(topology: Topology, home: Home) -> None:
    """An acknowledged commit is on a second node."""
    assert list(_roles(topology, home).values()).count("sync_standby") == 1


def test_synchronous_standby_is_not_remote(topology: Topology, home: Home) -> None:
    """Commits do not wait for the other site, and that site is never promoted with a loss."""
    if topology.settings.remote_replication != "asynchrone":
        pytest.skip("REMOTE_REPLICATION=synchrone")
    standby = next(n for n, r in _roles(topology, home).items() if r == "sync_standby")
    assert topology.datacenter(standby) == topology.preferred_datacenter


def test_postgresql_waits_for_that_standby(topology: Topology, home: Home, leader: str) -> None:
    """What Patroni calls synchronous is what the primary waits for."""
    standby = next(n for n, r in _roles(topology, home).items() if r == "sync_standby")
    sql = "SELECT application_name FROM pg_stat_replication WHERE sync_state = 'sync';"
    names = postgres.rows(topology, leader, "SHOW synchronous_standby_names;")
    assert (names, postgres.rows(topology, leader, sql)) == ([standby], [standby])


@pytest.mark.parametrize("node", PG)
def test_tags(topology: Topology, home: Home, node: str) -> None:
    """A remote node is never synchronous when replication to it is not; priorities are .env's."""
    tags = Patroni(topology, home).request(node, "GET", "/patroni").json()["tags"]
    assert tags["sync_priority"] == topology.sync_priority(node)
    assert tags["failover_priority"] == topology.priority(node)


@pytest.mark.parametrize("name", ["ttl", "loop_wait", "retry_timeout"])
def test_timer_is_the_one_of_env(topology: Topology, home: Home, name: str) -> None:
    """What etcd holds decides how long a failover takes: .env must be what is there."""
    shared = Patroni(topology, home).request(PG[0], "GET", "/config").json()
    assert shared[name] == getattr(topology.settings, f"patroni_{name}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("synchronous_mode", True),
        ("primary_start_timeout", 0),
        ("maximum_lag_on_failover", 1048576),
    ],
)
def test_shared_setting(topology: Topology, home: Home, name: str, value: object) -> None:
    """No acknowledged write is lost, and a dead primary is replaced at once."""
    shared = Patroni(topology, home).request(PG[0], "GET", "/config").json()
    assert shared[name] == value


def test_commits_wait_for_as_many_as_env_says(topology: Topology, home: Home) -> None:
    """One standby, or one more for the other site."""
    shared = Patroni(topology, home).request(PG[0], "GET", "/config").json()
    assert shared["synchronous_node_count"] == topology.synchronous_nodes


def test_not_paused(topology: Topology, home: Home) -> None:
    """A paused Patroni does not fail over."""
    cluster = json.loads(Patroni(topology, home).request(PG[0], "GET", "/cluster").text)
    assert not cluster.get("pause", False)
