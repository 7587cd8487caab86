"""The inside of the load balancers and the gateways: what a break-in would find there."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from testinfra.host import Host

from citadelle.topology import HAPROXY, HOLDERS, PG, UID, Role, Topology
from tests.etcd import _probes

GATEWAYS = tuple(f"{pod}-gw" for pod in PG)
INSIDE = (*HAPROXY, *GATEWAYS)
NET_RAW = 1 << 13  # linux/capability.h
SETTERS = 1 << 6 | 1 << 7  # SETGID, SETUID: how the master makes a worker of another account

Containers = Callable[[str], Host]


def processes(host: Host) -> list[dict[str, str]]:
    """Return /proc/<pid>/status of the container's own processes, not of this very command."""
    text = host.check_output("cat /proc/[0-9]*/status")
    found = [_fields(part) for part in ("\n" + text).split("\nName:")[1:]]
    return [fields for fields in found if fields["Pid"] == "1" or fields["PPid"] == "1"]


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in f"Name:{text}".splitlines())
    return {key: value.strip() for key, _, value in lines}


def worker(host: Host) -> dict[str, str]:
    """Return the one process that talks to the network."""
    (found,) = [status for status in processes(host) if status["PPid"] == "1"]
    return found


@pytest.mark.parametrize("name", INSIDE)
def test_worker_runs_as_its_own_account(container: Containers, name: str) -> None:
    """Real, effective, saved and file-system user: no root to climb back to."""
    assert set(worker(container(name))["Uid"].split()) == {str(UID[Role.HAPROXY])}


@pytest.mark.parametrize("name", HAPROXY)
@pytest.mark.parametrize("kind", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_load_balancer_has_no_capability(container: Containers, name: str, kind: str) -> None:
    """A flaw in HAProxy gives no power over the kernel."""
    assert {int(status[kind], 16) for status in processes(container(name))} == {0}


@pytest.mark.parametrize("name", GATEWAYS)
@pytest.mark.parametrize("kind", ["CapPrm", "CapEff"])
def test_gateway_worker_has_net_raw_alone(container: Containers, name: str, kind: str) -> None:
    """What `usesrc` needs, and nothing that would change routes or users."""
    assert int(worker(container(name))[kind], 16) == NET_RAW


@pytest.mark.parametrize("name", GATEWAYS)
def test_gateway_can_never_have_more(container: Containers, name: str) -> None:
    """The bounding set of the root master too: no NET_ADMIN, no right over others' files."""
    bounds = {int(status["CapBnd"], 16) for status in processes(container(name))}
    assert bounds == {NET_RAW | SETTERS}


@pytest.mark.parametrize("name", HOLDERS)
@pytest.mark.parametrize("kind", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_pod_holder_has_no_capability(container: Containers, name: str, kind: str) -> None:
    """It set the routes of the pod as NET_ADMIN, then gave that up for good."""
    assert int(_probes.process(container(name))[kind], 16) == 0


@pytest.mark.parametrize("name", HOLDERS)
def test_pod_holder_is_nobody(container: Containers, name: str) -> None:
    """It only sleeps."""
    assert set(_probes.process(container(name))["Uid"].split()) == {"65534"}


@pytest.mark.parametrize("name", [*INSIDE, *HOLDERS])
def test_no_process_can_gain_privileges(container: Containers, name: str) -> None:
    """A set-uid program gives nothing."""
    assert {status["NoNewPrivs"] for status in processes(container(name))} == {"1"}


@pytest.mark.parametrize("name", [*INSIDE, *HOLDERS])
@pytest.mark.parametrize("place", ["/", "/tmp", "/etc/citadelle", "/usr/sbin"])
def test_file_system_is_read_only(container: Containers, name: str, place: str) -> None:
    """An attacker has nowhere to leave a program, nor can he change the configuration."""
    assert "Read-only file system" in container(name).run("touch %s", f"{place}/probe").stderr


@pytest.mark.parametrize("name", INSIDE)
def test_delivered_files_are_unreadable_to_others(container: Containers, name: str) -> None:
    """Keys and configuration: 0400; in a gateway of root, so that its worker reads no key."""
    owner = 0 if name in GATEWAYS else UID[Role.HAPROXY]
    assert _probes.strays(container(name), owner) == []


@pytest.mark.parametrize("name", INSIDE)
def test_stats_socket_is_private(container: Containers, name: str) -> None:
    """Only the account that made it may ask."""
    assert container(name).file("/run/haproxy/stats.sock").mode == 0o600


@pytest.mark.parametrize("name", INSIDE)
def test_environment_holds_no_secret(container: Containers, topology: Topology, name: str) -> None:
    """The environment is shown by ``docker inspect`` and kept in crash dumps."""
    values = [secret.reveal() for secret in topology.settings.secrets().values()]
    environment = container(name).check_output("tr '\\0' '\\n' < /proc/self/environ")
    assert _probes.leaked(environment, values) == 0
