"""The running containers: each control of the audit, on the cluster itself.

What each rule refuses is shown on doctored descriptions in tests/unit/test_audit_containers.py.
"""

from __future__ import annotations

import pytest

from citadelle.audit import fleet, isolation
from citadelle.audit.containers import CONTROLS
from citadelle.audit.control import Cluster, Control
from citadelle.audit.rights import expected
from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home


@pytest.fixture(scope="module")
def cluster(topology: Topology, home: Home) -> Cluster:
    """Return the cluster as the audit sees it, read once for all these tests."""
    return Cluster(topology, home)


@pytest.mark.parametrize("control", CONTROLS, ids=lambda control: control.identifier)
def test_control_holds(cluster: Cluster, control: Control) -> None:
    """An intruder in a container finds no power, no way out and nothing of the machine."""
    finding = control.check(cluster)
    assert finding.ok, f"{control.title}\n{finding.seen}"


def test_kernel_was_asked_in_every_container(cluster: Cluster, topology: Topology) -> None:
    """A container that is not read would pass every rule about its inside."""
    assert set(fleet.kernel(cluster)) == {row.name for row in expected(topology)}


def test_trial_of_a_way_out_sees_an_open_door(cluster: Cluster, topology: Topology) -> None:
    """The same trial from the same place, towards a member that must be reached: it tells."""
    neighbour = (str(topology.address(ETCD[1], "dcs")), topology.settings.etcd_client_port)
    said = isolation.reached(cluster, ETCD[:1], neighbour)
    assert isolation.got_out(said[ETCD[0]])


def test_trial_of_a_way_out_sees_a_refusal(cluster: Cluster, topology: Topology) -> None:
    """A closed port of a machine that is reached is a way out too: packets came back."""
    closed = (str(topology.address(ETCD[1], "dcs")), topology.settings.pgbouncer_port)
    said = isolation.reached(cluster, ETCD[:1], closed)
    assert isolation.got_out(said[ETCD[0]])
