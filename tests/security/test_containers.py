"""The running containers: each control of the audit, and another witness than the audit.

What each rule refuses is shown on doctored descriptions in tests/unit/test_audit_containers.py.
The audit judges by its own table (citadelle/audit/rights.py) and with its own readers; the second
half of this file uses neither, and says again, on purpose, what each container may be.
"""

from __future__ import annotations

import pytest

from citadelle.audit import fleet, isolation
from citadelle.audit.containers import CONTROLS
from citadelle.audit.control import Cluster, Control
from citadelle.audit.rights import expected
from citadelle.topology import CONTAINERS, ETCD, GUARDS, HOLDERS, PG, UID, Role, Topology
from tests.conftest import Containers
from tests.probes import kernel


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


# --- What the kernel says ------------------------------------------------------------------------

GATEWAYS = [c.name for c in CONTAINERS if c.role is Role.GATEWAY]
# They set the network of their pod, gave everything up, and sleep as nobody.
SLEEPERS = (*HOLDERS, *GUARDS)
ACCOUNTS = {c.name: UID[c.role] for c in CONTAINERS if c.role in UID}
ACCOUNTS |= dict.fromkeys(SLEEPERS, 65534)
ROOT = 0
# linux/capability.h; the setters are how the master makes a worker of another account.
NET_RAW, SETTERS = 1 << 13, 1 << 6 | 1 << 7
PROGRAMS = ("/", "/var/tmp", "/etc/citadelle", "/usr/bin", "/usr/sbin")

everywhere = pytest.mark.parametrize("name", ACCOUNTS)


@everywhere
def test_serves_from_its_own_account(container: Containers, name: str) -> None:
    """Real, effective, saved and file-system user: no root to climb back to."""
    serving = kernel.processes(container, name)[-1]
    assert set(serving["Uid"].split()) == {str(ACCOUNTS[name])}


@pytest.mark.parametrize("name", [name for name in ACCOUNTS if name not in GATEWAYS])
@pytest.mark.parametrize("kind", kernel.CAPABILITIES)
def test_has_no_capability(container: Containers, name: str, kind: str) -> None:
    """A flaw gives no power over the kernel, not even through a set-uid program."""
    assert {int(status[kind], 16) for status in kernel.processes(container, name)} == {0}


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("kind", ["CapPrm", "CapEff"])
def test_gateway_s_worker_has_net_raw_alone(container: Containers, name: str, kind: str) -> None:
    """What `usesrc` needs, and nothing that would change routes or users."""
    assert int(kernel.processes(container, name)[-1][kind], 16) == NET_RAW


@pytest.mark.parametrize("name", GATEWAYS)
def test_gateway_can_never_have_more(container: Containers, name: str) -> None:
    """The bounding set of the root master too: no NET_ADMIN, no right over others' files."""
    bounds = {int(status["CapBnd"], 16) for status in kernel.processes(container, name)}
    assert bounds == {NET_RAW | SETTERS}


@everywhere
@pytest.mark.parametrize(("field", "value"), [("NoNewPrivs", "1"), ("Seccomp", "2")])
def test_kernel_confines_it(container: Containers, name: str, field: str, value: str) -> None:
    """A set-uid program gives nothing; unusual system calls are filtered (mode 2)."""
    assert {status[field] for status in kernel.processes(container, name)} == {value}


@everywhere
def test_file_system_is_read_only(container: Containers, name: str) -> None:
    """An attacker has nowhere to leave a program, nor can he change the configuration."""
    more = ("/usr/lib/postgresql", "/opt/patroni") if name in PG else ("/tmp",)
    assert kernel.writable(container(name), (*PROGRAMS, *more)) == []


@pytest.mark.parametrize("name", [c.name for c in CONTAINERS])
def test_delivered_files_are_its_own_only(container: Containers, name: str) -> None:
    """Keys and configuration: 0400; of root where the process that serves must read no key."""
    owner = ROOT if name in (*GATEWAYS, *GUARDS) else ACCOUNTS[name]
    assert kernel.strays(container(name), owner) == []
