"""The proof proves something only where there is no network: first of all, that there is none."""

from __future__ import annotations

import subprocess

import pytest

from citadelle.workspace import ROOT
from tests.offline._machine import Machine

# Reserved for documentation (RFC 5737, RFC 3849): nobody's, and what any default route leads to.
OUTSIDE = ("192.0.2.1", "2001:db8::1")
# A network namespace where a default route exists, as the probe's own proof.
WITH_ROUTE = """
set -e
ip link add d0 type veth peer name d1; ip link set d0 up; ip link set d1 up
ip address add 192.0.2.2/24 dev d0; ip -6 address add 2001:db8::2/64 dev d0 nodad
exec ip route get "$1"
"""


@pytest.mark.parametrize("address", OUTSIDE)
def test_no_route(machine: Machine, address: str) -> None:
    """The kernel knows no way out."""
    done = machine.run("ip", "route", "get", address)

    assert done.returncode != 0
    assert "unreachable" in done.stdout


@pytest.mark.parametrize("address", OUTSIDE)
def test_a_route_would_be_seen(address: str) -> None:
    """The same question, where there is one."""
    argv = ["unshare", "--net", "sh", "-c", WITH_ROUTE, "sh", address]

    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_no_device_but_the_engine_s(machine: Machine) -> None:
    """Nothing leads to this machine: loopback, bridges, and what hangs on them."""
    links = machine.run("ip", "-brief", "link").stdout.splitlines()
    kinds = {line.split()[0].split("@")[0].rstrip("0123456789abcdef") for line in links}

    assert kinds <= {"lo", "docker", "br-", "veth"}


def test_no_resolver(machine: Machine) -> None:
    """No name of the outside has an address."""
    assert machine.run("getent", "hosts", "www.example.org").returncode != 0
    assert machine.run("cat", "/etc/resolv.conf").stdout == ""


def test_engine_had_no_image(images_at_first: str) -> None:
    """All that it has is what airgap-install loads."""
    assert images_at_first == ""


def test_this_checkout_is_out_of_reach(machine: Machine) -> None:
    """Nor what was built in it."""
    assert machine.run("ls", "-A", str(ROOT)).stdout == ""


def test_bundle_is_read_only(machine: Machine) -> None:
    """As a disk whose switch is on: nothing needs to write there."""
    assert machine.run("touch", "/mnt/x").returncode != 0
