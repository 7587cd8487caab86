"""The inside of the poolers: what a break-in would find there, and whom it would reach.

What all containers are like: tests/security/test_containers.py.
"""

from __future__ import annotations

from citadelle.topology import HAPROXY, PGBOUNCER, Topology
from tests.conftest import Containers
from tests.probes import kernel, network

# The first of Debian's 1.24.1 packages with the fix of CVE-2025-12819 and its kin.
OLDEST = "1.24.1-1+deb13u2"


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
    # A number, so that a failure shows none of them.
    found = sum(value in text for value in others)
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
    assert kernel.listeners(container(pooler)) == {(front, port), ("127.0.0.1", port)}


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
    everything = network.doors(topology, "etcd", "pg") | network.entrances(topology)
    assert network.reached(container(pooler), everything) == wanted
