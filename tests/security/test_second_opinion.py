"""A second opinion: nmap, with a TLS and a port scanner of its own, from each network.

It shares no code with the project: what it finds open, and what it negotiates, is compared with
the tables of doors and networks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from xml.etree import ElementTree

import pytest

from citadelle import engine, images
from citadelle.doors import DOORS, NODES, Door, Protocol
from citadelle.topology import ATTACHED, Topology

SCAN_SECONDS = 120
# One node of each kind, on each of its networks: TL-07 reads what listens on every one.
PLACES = [(nodes[0], network) for kind, nodes in NODES.items() for network in ATTACHED[kind]]
# What nmap calls the three suites of RFC 8446 that every component offers, all authenticated.
SUITES = {
    "TLS_AKE_WITH_AES_128_GCM_SHA256",
    "TLS_AKE_WITH_AES_256_GCM_SHA384",
    "TLS_AKE_WITH_CHACHA20_POLY1305_SHA256",
}
# nmap starts PostgreSQL's TLS on its registered port only: here, doors that begin with TLS.
TLS_DOORS = [
    pytest.param(door, node, id=f"{door.name}-{node}")
    for door in DOORS
    if door.protocol is Protocol.TLS
    for node in NODES[door.kind]
]

Scan = Callable[..., ElementTree.Element]


@pytest.fixture(scope="module")
def scan(topology: Topology) -> Scan:
    """Run nmap in a container on the node's own network, and return its XML."""

    def run(node: str, network: str, *options: str) -> ElementTree.Element:
        cluster = topology.settings.cluster_name
        argv = ["run", "--rm", "--read-only", "--cap-drop=ALL", f"--network={cluster}_{network}"]
        nmap = ["nmap", "-Pn", "-n", "-sT", "--unprivileged", "-oX", "-", *options]
        target = str(topology.address(node, network))
        said = engine.docker(
            *argv, images.name(topology, "tools"), *nmap, target, seconds=SCAN_SECONDS
        )
        return ElementTree.fromstring(said)  # noqa: S314  # nmap's own output

    return cache(run)


def _number(topology: Topology, door: Door) -> int:
    return int(getattr(topology.settings, door.port.lower()))


@pytest.mark.parametrize(("node", "network"), PLACES)
def test_open_ports_are_the_doors(topology: Topology, scan: Scan, node: str, network: str) -> None:
    """All 65,535 TCP ports of each address: those of the table answer, no other."""
    found = scan(node, network, "-p-", "-T5")
    opened = {int(p.get("portid", 0)) for p in found.iter("port") if _is_open(p)}
    expected = {
        _number(topology, door)
        for door in DOORS
        if node in NODES[door.kind] and door.network == network
    }

    assert opened == expected


def _is_open(port: ElementTree.Element) -> bool:
    state = port.find("state")
    return state is not None and state.get("state") == "open"


@pytest.mark.parametrize(("door", "node"), TLS_DOORS)
def test_door_negotiates_tls_1_3_only(
    topology: Topology, scan: Scan, door: Door, node: str
) -> None:
    """With its own TLS, nmap gets no older version and no suite without authentication."""
    options = ("--script=ssl-enum-ciphers", f"-p{_number(topology, door)}")
    found = scan(node, door.network, *options)
    versions = {t.get("key") for s in found.iter("script") for t in s.findall("table")}
    suites = {e.text for e in found.iter("elem") if e.get("key") == "name"}

    assert versions == {"TLSv1.3"}
    assert suites
    assert suites <= SUITES
