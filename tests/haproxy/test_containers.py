"""The inside of the load balancers and the gateways: what a break-in would find there."""

from __future__ import annotations

import pytest

from citadelle.topology import GUARDS, HAPROXY, HOLDERS, PG, UID, Role, Topology
from tests.haproxy import _inside
from tests.haproxy._inside import CAPABILITIES, Containers

GATEWAYS = tuple(f"{pod}-gw" for pod in PG)
INSIDE = (*HAPROXY, *GATEWAYS)
NET_RAW = 1 << 13  # linux/capability.h
SETTERS = 1 << 6 | 1 << 7  # SETGID, SETUID: how the master makes a worker of another account


def worker(container: Containers, name: str) -> dict[str, str]:
    """Return the one process that talks to the network."""
    (found,) = [s for s in _inside.processes(container, name) if s["PPid"] == "1"]
    return found


@pytest.mark.parametrize("name", INSIDE)
def test_worker_runs_as_its_own_account(container: Containers, name: str) -> None:
    """Real, effective, saved and file-system user: no root to climb back to."""
    assert set(worker(container, name)["Uid"].split()) == {str(UID[Role.HAPROXY])}


@pytest.mark.parametrize("name", HAPROXY)
@pytest.mark.parametrize("kind", CAPABILITIES)
def test_load_balancer_has_no_capability(container: Containers, name: str, kind: str) -> None:
    """A flaw in HAProxy gives no power over the kernel."""
    assert {int(status[kind], 16) for status in _inside.processes(container, name)} == {0}


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("kind", ["CapPrm", "CapEff"])
def test_gateway_worker_has_net_raw_alone(container: Containers, name: str, kind: str) -> None:
    """What `usesrc` needs, and nothing that would change routes or users."""
    assert int(worker(container, name)[kind], 16) == NET_RAW


@pytest.mark.parametrize("name", GATEWAYS)
def test_gateway_can_never_have_more(container: Containers, name: str) -> None:
    """The bounding set of the root master too: no NET_ADMIN, no right over others' files."""
    bounds = {int(status["CapBnd"], 16) for status in _inside.processes(container, name)}
    assert bounds == {NET_RAW | SETTERS}


@pytest.mark.parametrize("name", [*HOLDERS, *GUARDS])
@pytest.mark.parametrize("kind", CAPABILITIES)
def test_pod_holder_has_no_capability(container: Containers, name: str, kind: str) -> None:
    """It set the routes of the pod as NET_ADMIN, then gave that up for good."""
    assert {int(status[kind], 16) for status in _inside.processes(container, name)} == {0}


@pytest.mark.parametrize("name", [*HOLDERS, *GUARDS])
def test_pod_holder_is_nobody(container: Containers, name: str) -> None:
    """It only sleeps."""
    (status,) = _inside.processes(container, name)
    assert set(status["Uid"].split()) == {"65534"}


@pytest.mark.parametrize("name", [*INSIDE, *HOLDERS, *GUARDS])
def test_no_process_can_gain_privileges(container: Containers, name: str) -> None:
    """A set-uid program gives nothing."""
    assert {s["NoNewPrivs"] for s in _inside.processes(container, name)} == {"1"}


@pytest.mark.parametrize("name", [*INSIDE, *HOLDERS, *GUARDS])
def test_system_calls_are_filtered(container: Containers, name: str) -> None:
    """The engine's seccomp filter is on (mode 2): unusual system calls are attack surface."""
    assert {s["Seccomp"] for s in _inside.processes(container, name)} == {"2"}


@pytest.mark.parametrize("name", [*INSIDE, *HOLDERS, *GUARDS])
def test_file_system_is_read_only(container: Containers, name: str) -> None:
    """An attacker has nowhere to leave a program, nor can he change the configuration."""
    places = ("", "/tmp", "/var/tmp", "/etc/citadelle", "/usr/sbin")
    assert _inside.writable(container(name), places) == []


@pytest.mark.parametrize("name", INSIDE)
def test_delivered_files_are_unreadable_to_others(container: Containers, name: str) -> None:
    """Keys and configuration: 0400; in a gateway of root, so that its worker reads no key."""
    owner = 0 if name in GATEWAYS else UID[Role.HAPROXY]
    assert _inside.strays(container(name), owner) == []


@pytest.mark.parametrize("name", INSIDE)
def test_stats_socket_is_private(container: Containers, name: str) -> None:
    """Only the account that made it may ask."""
    assert container(name).file("/run/haproxy/stats.sock").mode == 0o600


@pytest.mark.parametrize("name", INSIDE)
def test_environment_holds_no_secret(container: Containers, topology: Topology, name: str) -> None:
    """The environment is shown by ``docker inspect`` and kept in crash dumps."""
    values = [secret.reveal() for secret in topology.settings.secrets().values()]
    found = _inside.leaked(container(name).check_output("env"), values)
    assert found == 0
