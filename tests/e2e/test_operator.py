"""What the operator's commands say and do on a running cluster."""

from __future__ import annotations

import json
import time

import pytest

from citadelle import delivery, engine, pki
from citadelle.progress import wait_until
from citadelle.status import EXPECTED
from citadelle.topology import NETWORKS, PG, Topology
from citadelle.workspace import Home
from tests.objects import named
from tests.operator import invoke

# The project's promise for `up` when there is nothing to do.
IDLE_UP_SECONDS = 10
PROMOTABLE = "promotable_without_loss"
# Nobody writes, and every node is on one machine: a lag beyond would be a wrong measure.
AT_REST_SECONDS = 5
# A lag is unknown for a moment (citadelle/lag.py): while something is left to replay and none was
# ever measured, or when a busy primary did not tell in time.
LAGS_SECONDS = 15.0


def started(topology: Topology) -> dict[str, str]:
    """Return when each container started."""
    cluster = topology.settings.cluster_name
    names = [f"{cluster}-{name}" for name in EXPECTED]
    return {c["Name"]: c["State"]["StartedAt"] for c in engine.inspect("container", *names)}


def test_status_json_is_healthy(home: Home, topology: Topology) -> None:
    """`status --json` exits 0, says healthy and names the primary."""
    done = invoke(home, "status", "--json")
    seen = json.loads(done.stdout)
    assert (done.returncode, seen["healthy"]) == (0, True)
    assert seen["leader"] in PG


def test_status_json_keys(home: Home, topology: Topology) -> None:
    """The JSON interface is stable: these keys, these nested keys."""
    seen = json.loads(invoke(home, "status", "--json").stdout)
    keys = {"healthy", "leader", "members", "etcd", "endpoints", "ca", "fencer", "warnings"}
    assert set(seen) == {*keys, "better_etcd_leader", "unstarted"}
    place = {"name", "role", "state", "timeline", "dc"}
    assert set(seen["members"][0]) == {*place, "lag_bytes", "lag_seconds", PROMOTABLE}
    assert set(seen["etcd"][0]) == {"name", "healthy", "leader"}
    assert set(seen["endpoints"]) == {"rw", "ro", "pooled", "admin"}


def test_status_knows_who_could_take_over(home: Home, topology: Topology) -> None:
    """The synchronous standby and nobody else, and how late each node is, at rest."""
    members = json.loads(invoke(home, "status", "--json").stdout)["members"]
    assert [m["role"] for m in members if m[PROMOTABLE]] == ["sync_standby"]

    def late() -> str | None:
        seen = json.loads(invoke(home, "status", "--json").stdout)["members"]
        lags = {m["name"]: m["lag_seconds"] for m in seen}
        assert all(lag is None or lag >= 0 for lag in lags.values()), lags
        small = {name for name, lag in lags.items() if lag is not None and lag < AT_REST_SECONDS}
        return None if small == set(PG) else f"{lags}"

    wait_until(late, f"Retards de moins de {AT_REST_SECONDS} s", LAGS_SECONDS)


def up_again(home: Home, topology: Topology) -> float:
    """Run `up` on the running cluster, which restarts nothing; return its seconds."""
    before, start = started(topology), time.monotonic()
    done = invoke(home, "up")
    seconds = time.monotonic() - start
    assert done.returncode == 0, done.stderr
    assert started(topology) == before
    return seconds


def test_up_again_restarts_nothing(home: Home, topology: Topology) -> None:
    """`up` on a running cluster is quick and leaves every container alone.

    A run that is too slow may have had a neighbour on the machine: the next one tells.
    """
    seconds = up_again(home, topology)
    if seconds >= IDLE_UP_SECONDS:
        seconds = min(seconds, up_again(home, topology))
    assert seconds < IDLE_UP_SECONDS


def test_render_shows_no_secret(home: Home, topology: Topology) -> None:
    """`render` shows what containers read, without any secret of .env."""
    shown = invoke(home, "render").stdout
    assert "scope: " + topology.settings.cluster_name in shown
    assert not [n for n, s in topology.settings.secrets().items() if s.reveal() in shown]


@pytest.mark.parametrize("path", ["pooled", "pooled_ro", "rw", "ro", "superuser"])
def test_psql_connects(home: Home, topology: Topology, path: str) -> None:
    """`psql` reaches every path; only the superuser's is the superuser."""
    orders = "\\pset format unaligned\n\\t\nSELECT 'je suis ' || current_user;\n"
    done = invoke(home, "psql", f"--path={path}", stdin=orders)
    s = topology.settings
    user = s.postgres_user if path == "superuser" else s.app_user
    assert f"je suis {user}" in done.stdout, done.stderr


def test_etcdctl_reads_the_leader_key(home: Home, topology: Topology) -> None:
    """`etcdctl` speaks as user patroni, with the operator's certificate."""
    key = f"/service/{topology.settings.cluster_name}/leader"
    done = invoke(home, "etcdctl", "--arguments", f"get --print-value-only {key}")
    assert done.stdout.strip() in PG, done.stderr


def test_patronictl_lists_members(home: Home, topology: Topology) -> None:
    """`patronictl list` shows the three nodes."""
    shown = invoke(home, "patronictl").stdout
    assert all(node in shown for node in PG)


def test_certificates_are_in_order(home: Home, topology: Topology) -> None:
    """`certs.check` finds nothing to say about what `certs` has issued."""
    done = invoke(home, "certs.check")
    assert done.returncode == 0, done.stdout


def expected(topology: Topology) -> dict[str, list[str]]:
    """Return the names of all that a cluster at rest is made of, by kind."""
    cluster = topology.settings.cluster_name
    return {
        "container": sorted(f"{cluster}-{name}" for name in EXPECTED),
        "network": sorted(f"{cluster}_{name}" for name in NETWORKS),
        "volume": sorted(f"{cluster}_{name}" for name in delivery.volumes()),
    }


@pytest.mark.parametrize("kind", ["container", "network", "volume"])
def test_everything_carries_the_labels(home: Home, topology: Topology, kind: str) -> None:
    """What bears this name is what is expected, and all of it bears this authority's label."""
    cluster, ca = topology.settings.cluster_name, pki.fingerprint(home)
    wanted = expected(topology)[kind]
    assert named(kind, cluster) == wanted
    assert engine.names(kind, cluster=cluster, ca=ca) == wanted


def test_no_secret_in_containers_definitions(topology: Topology) -> None:
    """`docker inspect` of every container shows none of the secrets of .env."""
    cluster = topology.settings.cluster_name
    shown = json.dumps(engine.inspect("container", *engine.names("container", cluster=cluster)))
    secrets = topology.settings.secrets()
    assert not [name for name, secret in secrets.items() if secret.reveal() in shown]
