"""The inside of the poolers: what a break-in would find there, and whom it would reach."""

from __future__ import annotations

import pytest

from citadelle.topology import HAPROXY, PGBOUNCER, UID, Role, Topology
from tests.haproxy import _inside
from tests.haproxy._inside import CAPABILITIES, Containers

# The first of Debian's 1.24.1 packages with the fix of CVE-2025-12819 and its kin.
OLDEST = "1.24.1-1+deb13u2"


def test_runs_as_its_own_account(container: Containers, pooler: str) -> None:
    """Real, effective, saved and file-system user: no root to climb back to."""
    (status,) = _inside.processes(container, pooler)
    assert set(status["Uid"].split()) == {str(UID[Role.PGBOUNCER])}


@pytest.mark.parametrize("kind", CAPABILITIES)
def test_has_no_capability(container: Containers, pooler: str, kind: str) -> None:
    """A flaw in PgBouncer gives no power over the kernel."""
    assert {int(status[kind], 16) for status in _inside.processes(container, pooler)} == {0}


@pytest.mark.parametrize(("field", "value"), [("NoNewPrivs", "1"), ("Seccomp", "2")])
def test_kernel_confines_it(container: Containers, pooler: str, field: str, value: str) -> None:
    """A set-uid program gives nothing; unusual system calls are filtered."""
    assert {s[field] for s in _inside.processes(container, pooler)} == {value}


def test_file_system_is_read_only(container: Containers, pooler: str) -> None:
    """An attacker has nowhere to leave a program, nor can he change the configuration."""
    places = ("", "/tmp", "/var/tmp", "/etc/citadelle", "/usr/sbin")
    assert _inside.writable(container(pooler), places) == []


def test_delivered_files_are_unreadable_to_others(container: Containers, pooler: str) -> None:
    """Keys, passwords and configuration: 0400, its own."""
    assert _inside.strays(container(pooler), UID[Role.PGBOUNCER]) == []


def test_socket_directory_is_private(container: Containers, pooler: str) -> None:
    """On this socket the process's own account is administrator without a password."""
    directory = container(pooler).file("/run/pgbouncer")
    assert (directory.mode, directory.user) == (0o700, "pgbouncer")


def test_userlist_holds_three_accounts_only(
    container: Containers, topology: Topology, pooler: str
) -> None:
    """The lookup role and the console's two accounts; applications come by auth_query."""
    s = topology.settings
    lines = container(pooler).file("/etc/citadelle/userlist.txt").content_string.splitlines()
    users = {line.split('"')[1] for line in lines if line.startswith('"')}
    assert users == {s.pgbouncer_auth_user, s.pgbouncer_admin_user, s.monitoring_user}


def test_no_other_password_is_in_its_files(
    container: Containers, topology: Topology, pooler: str
) -> None:
    """SCRAM passes through: a stolen pooler gives no application's password away."""
    own = {"PGBOUNCER_AUTH_PASSWORD", "PGBOUNCER_ADMIN_PASSWORD", "MONITORING_PASSWORD"}
    secrets = topology.settings.secrets()
    others = [secret.reveal() for name, secret in secrets.items() if name not in own]
    text = container(pooler).check_output("find /etc/citadelle -type f -exec cat {} +")
    found = _inside.leaked(text, others)
    assert found == 0


def test_environment_holds_no_secret(
    container: Containers, topology: Topology, pooler: str
) -> None:
    """The environment is shown by ``docker inspect`` and kept in crash dumps."""
    values = [secret.reveal() for secret in topology.settings.secrets().values()]
    found = _inside.leaked(container(pooler).check_output("env"), values)
    assert found == 0


def test_package_has_the_security_fixes(container: Containers, pooler: str) -> None:
    """Earlier ones let a client choose the search_path of the lookup of passwords."""
    host = container(pooler)
    version = host.check_output("dpkg-query --show --showformat='${Version}' pgbouncer")
    assert host.run("dpkg --compare-versions %s ge %s", version, OLDEST).succeeded


def test_listens_only_where_intended(
    container: Containers, topology: Topology, pooler: str
) -> None:
    """Applications' network and loopback; nothing towards the load balancers."""
    port = topology.settings.pgbouncer_port
    front = str(topology.address(pooler, "front"))
    assert _inside.listeners(container(pooler)) == {(front, port), ("127.0.0.1", port)}


def test_reaches_the_applications_doors_alone(
    container: Containers, topology: Topology, pooler: str
) -> None:
    """Neither etcd nor a pod: the component that faces applications is two steps from data."""
    s = topology.settings
    services = (s.haproxy_rw_port, s.haproxy_ro_port)
    rows = [(node, net, port) for node in HAPROXY for net in ("pool", "front") for port in services]
    rows += [(node, "front", s.haproxy_admin_port) for node in HAPROXY]
    rows += [(node, "front", s.pgbouncer_port) for node in PGBOUNCER]
    wanted = {(str(topology.address(node, net)), port) for node, net, port in rows}
    everything = _inside.members(topology) | _inside.entrances(topology)
    assert _inside.reached(container(pooler), everything) == wanted


def test_port_is_published_on_one_address_only(topology: Topology, pooler: str) -> None:
    """Published on every address, it would be open to the machine's other networks."""
    s, point = topology.settings, topology.endpoint("pooled", pooler)
    assert _inside.bindings(s.cluster_name, f"{pooler}-net") == {(s.bind_address, point.port)}
