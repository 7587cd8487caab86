"""Three members, one leader, and what keeps their data sound."""

from __future__ import annotations

import json
import subprocess

import pytest

from citadelle.etcd import Etcd
from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home
from tests.probes.etcd import Caller

# etcd 3.5.30 closed the last way round its RBAC that is known for reads (its CHANGELOG-3.5).
OLDEST_SAFE = (3, 5, 30)
# What etcd itself says at start-up that it runs with; its YAML silently ignores unknown keys.
EFFECTIVE = {
    "auto-compaction-mode": "periodic",
    "auto-compaction-retention": "1h0m0s",
    "initial-corrupt-check": True,
    "compact-check-time-enabled": True,
    "compact-check-time-interval": "1m0s",
    "quota-backend-bytes": 2 * 1024**3,
    "heartbeat-interval": "200ms",
    "election-timeout": "2s",
    "pre-vote": True,
    "listen-metrics-urls": [],
    "force-new-cluster": False,
}


@pytest.mark.parametrize("node", ETCD)
def test_member_is_healthy(topology: Topology, home: Home, node: str) -> None:
    """Each member answers that it can serve."""
    assert Etcd(topology, home).member(node).healthy


def test_one_leader(topology: Topology, home: Home) -> None:
    """Exactly one member leads."""
    assert sum(m.leader for m in Etcd(topology, home).members()) == 1


def test_members_are_those_of_the_topology(root: Caller) -> None:
    """No other machine has joined: it would hold every key and could take the majority."""
    members = root.post("/cluster/member/list", {}).json()["members"]
    assert sorted(m["name"] for m in members) == sorted(ETCD)


def test_no_alarm(root: Caller) -> None:
    """Neither out of space (read-only) nor corrupt."""
    assert root.post("/maintenance/alarm", {"action": "GET"}).json().get("alarms", []) == []


@pytest.mark.parametrize("node", ETCD)
def test_version_has_the_security_fixes(topology: Topology, home: Home, node: str) -> None:
    """An older etcd lets an authenticated user read outside his role."""
    metrics = Etcd(topology, home)._get(node, "/metrics").text
    version = metrics.split('etcd_server_version{server_version="')[1].split('"')[0]
    assert tuple(int(part) for part in version.split(".")) >= OLDEST_SAFE


@pytest.fixture(scope="module")
def started(topology: Topology) -> dict[str, dict[str, object]]:
    """What each member logged of its configuration when it last started."""
    cluster = topology.settings.cluster_name
    return {node: _last_start(f"{cluster}-{node}") for node in ETCD}


def _last_start(container: str) -> dict[str, object]:
    """Return the fields of etcd's start-up line; etcd logs on standard error."""
    argv = ["docker", "logs", container]
    log = subprocess.run(argv, capture_output=True, text=True, check=True).stderr
    lines = [line for line in log.splitlines() if '"starting an etcd server"' in line]
    assert lines, "la ligne de démarrage n'est plus dans le journal (rotation)"
    fields: dict[str, object] = json.loads(lines[-1])
    return fields


@pytest.mark.parametrize("node", ETCD)
@pytest.mark.parametrize("name", EFFECTIVE)
def test_effective_setting(started: dict[str, dict[str, object]], node: str, name: str) -> None:
    """Compaction (else the quota fills: read-only), corruption checks and timers are in force."""
    assert started[node][name] == EFFECTIVE[name]
