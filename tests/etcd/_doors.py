"""The two doors of an etcd member, one per plane: between members, and for clients."""

from __future__ import annotations

import ssl

from citadelle.topology import ETCD, Topology
from tests.etcd import _probes

NODE = ETCD[0]
DOORS = ("dcs-peer", "dcs-client")
# Every refusal of a certificate by Go's TLS, whether the authority or the name is wrong.
REFUSED = "UNKNOWN_CA|BAD_CERTIFICATE"


def _port(topology: Topology, door: str) -> int:
    s = topology.settings
    return {"dcs-peer": s.etcd_peer_port, "dcs-client": s.etcd_client_port}[door]


def knock(topology: Topology, door: str, tls: ssl.SSLContext, node: str = NODE) -> None:
    """Show a certificate and return when it is taken; ssl.SSLError when it is refused."""
    _probes.handshake(tls, topology.address(node, "dcs"), _port(topology, door), node)


def get(topology: Topology, door: str, tls: ssl.SSLContext | None, node: str = NODE) -> str:
    """Ask for what both doors answer to whoever passes their TLS."""
    address = topology.address(node, "dcs")
    return _probes.first_line(tls, address, _port(topology, door), node, "/version")
