"""The two doors of etcd: who is served.

Whom TLS refuses there, and in what words, is in tests/security (test_certificates.py,
test_protocols.py, test_clear_text.py).
"""

from __future__ import annotations

import ssl

import pytest

from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home
from tests.conftest import Containers
from tests.probes import tls

# Without a DNS in network `dcs`, looking a name up takes etcd twenty seconds.
LOOKUP_SECONDS = 60.0


def _get(
    topology: Topology,
    port: int,
    context: ssl.SSLContext,
    node: str,
    seconds: float = tls.ANSWER_SECONDS,
) -> str:
    """Ask for what both doors answer to whoever passes their TLS; return its first line."""
    request = f"GET /version HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n".encode()
    place = str(topology.address(node, "dcs"))
    answer = tls.answer(place, port, request, context, node, seconds)
    return answer.decode(errors="replace").partition("\r\n")[0]


@pytest.mark.parametrize("node", ETCD)
def test_client_enters(topology: Topology, home: Home, node: str) -> None:
    """A certificate of the plane is served: what follows is refused for its own reason."""
    context = tls.context(home, "dcs-client", home.pki / "dcs-client" / "operator")
    port = topology.settings.etcd_client_port
    assert _get(topology, port, context, node) == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("node", ETCD)
def test_member_enters(container: Containers, topology: Topology, node: str) -> None:
    """A member's certificate, from that member, is served by the others."""
    own = "/etc/citadelle/tls"
    command = (
        f"curl --silent --http1.1 --max-time 5 --cacert {own}/ca-dcs-peer.crt"
        f" --cert {own}/dcs-peer.crt --key {own}/dcs-peer.key https://%s:%s/version"
    )
    peer = next(other for other in ETCD if other != node)
    port = str(topology.settings.etcd_peer_port)
    assert "etcdcluster" in container(node).check_output(command, peer, port)


def test_stolen_member_certificate_is_useless_elsewhere(topology: Topology, home: Home) -> None:
    """A member's certificate from another address than the member's is not served.

    Etcd looks the certificate's names up, once the handshake is over, and closes when none is the
    caller's address: the request is still on its way, or was not read. A port where nobody listens,
    or that keeps quiet, is no refusal.
    """
    context = tls.context(home, "dcs-peer", home.pki / "dcs-peer" / ETCD[1])
    try:
        port = topology.settings.etcd_peer_port
        served = _get(topology, port, context, ETCD[0], LOOKUP_SECONDS)
    except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
        served = ""
    assert served == ""
