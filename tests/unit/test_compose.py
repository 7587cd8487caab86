"""Each container of ``docker/compose.yaml`` is as locked as the design says."""

from __future__ import annotations

import pytest

from citadelle.topology import CONTAINERS, GUARDS, HOLDERS, NETWORKS, TOOLS
from tests.unit.composed import SERVICES, SOURCE, VALUES, VARIABLES, WITH_DATA, composed
from tests.unit.pki_home import CLUSTER

# What each kind may do beyond an ordinary process, and nothing more.
CAPABILITIES = {
    **{name: ["NET_ADMIN", "SETUID", "SETGID", "SETPCAP"] for name in (*HOLDERS, *GUARDS)},
    **{f"pg{number}-gw": ["NET_RAW", "SETUID", "SETGID"] for number in (1, 2, 3)},
}
# Values that compose.yaml has no use for today, and why they are there.
UNUSED = {
    "ETCD_PEER_PORT",  # these three are in delivered files only
    "GATEWAY_PORT",
    "PG_PORT",
    "UID_ETCD",  # no tmpfs: the image gives the account
    "UID_GATEWAY",  # the same account as HAProxy
}

every_service = pytest.mark.parametrize("name", SERVICES)


def test_services_are_those_of_the_topology() -> None:
    """No container that the rest of the code does not know."""
    assert set(SERVICES) == {*(c.name for c in CONTAINERS), *HOLDERS, TOOLS}


@every_service
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cap_drop", ["ALL"]),
        ("read_only", True),
        ("security_opt", ["no-new-privileges:true"]),
        ("pull_policy", "never"),
    ],
)
def test_service_is_hardened(name: str, key: str, value: object) -> None:
    """An intruder gains no right, writes nothing that lasts, is replaced by no pulled image."""
    assert SERVICES[name].get(key) == value


@every_service
@pytest.mark.parametrize("key", ["mem_limit", "pids_limit"])
def test_service_is_bounded(name: str, key: str) -> None:
    """A container that runs wild cannot take the machine's memory or processes."""
    assert SERVICES[name].get(key)


@every_service
@pytest.mark.parametrize("key", ["privileged", "devices", "pid", "ipc", "userns_mode", "cgroup"])
def test_service_shares_nothing_of_the_host(name: str, key: str) -> None:
    """Each of these would open the host to an intruder."""
    assert key not in SERVICES[name]


@every_service
def test_service_restarts_after_a_crash(name: str) -> None:
    """Except the operator's tools, which live as long as a command."""
    assert SERVICES[name]["restart"] == ("no" if name == TOOLS else "unless-stopped")


@every_service
def test_service_adds_only_its_capabilities(name: str) -> None:
    """Only holders (routes) and gateways (usesrc) need any."""
    assert SERVICES[name].get("cap_add", []) == CAPABILITIES.get(name, [])


@every_service
def test_service_mounts_its_own_volumes_only(name: str) -> None:
    """Files delivered read-only, data where there are some: no other container's, no host path."""
    expected = [] if name in HOLDERS else [f"conf-{name}:/etc/citadelle:ro"]
    expected += [f"data-{name}:/var/lib/citadelle"] if name in WITH_DATA else []

    assert SERVICES[name].get("volumes", []) == expected


@every_service
def test_service_publishes_on_the_bind_address_only(name: str) -> None:
    """Without an address Docker opens every interface of the host, past its firewall."""
    ports = SERVICES[name].get("ports", [])

    assert [port for port in ports if not port.startswith("192.0.2.7:")] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_only_front_has_a_way_out(network: str) -> None:
    """An internal network has no route to the outside, in either direction."""
    assert composed()["networks"][network].get("internal", False) is (network != "front")


def test_front_does_not_masquerade() -> None:
    """It is published, but what is inside cannot reach out."""
    options = composed()["networks"]["front"]["driver_opts"]

    assert options == {"com.docker.network.bridge.enable_ip_masquerade": "false"}


def test_variables_are_the_values() -> None:
    """An unknown variable would be empty; a value that nothing reads would be a lie."""
    assert set(VALUES) == VARIABLES | UNUSED
    assert VARIABLES.isdisjoint(UNUSED)


@pytest.mark.parametrize("name", CLUSTER.settings.secrets())
def test_no_secret_reaches_compose(name: str) -> None:
    """What compose knows, ``docker inspect`` shows."""
    secret = CLUSTER.settings.secrets()[name].reveal()

    assert name not in SOURCE
    assert [key for key, value in VALUES.items() if secret in value] == []
