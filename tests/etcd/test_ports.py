"""The two doors of etcd: who is refused before etcd itself is asked anything.

TLS refuses with an alert (RFC 8446, 6.2); the alert is part of the fact, so that a refusal for
another reason (a typo in the test, an expired certificate) does not pass for the right one.
"""

from __future__ import annotations

import ssl

import pytest

from citadelle.topology import ETCD, Topology
from citadelle.workspace import Home
from tests.conftest import Containers
from tests.etcd import _probes
from tests.etcd._doors import DOORS, REFUSED, get, knock

CROSSED = [(door, plane) for door in DOORS for plane in _probes.EXAMPLES if plane != door]


@pytest.mark.parametrize("node", ETCD)
def test_client_enters(topology: Topology, home: Home, node: str) -> None:
    """A certificate of the plane is served: what follows is refused for its own reason."""
    tls = _probes.context(home, "dcs-client", home.pki / "dcs-client" / "operator")
    assert get(topology, "dcs-client", tls, node) == "HTTP/1.1 200 OK"


@pytest.mark.parametrize("node", ETCD)
def test_member_enters(container: Containers, topology: Topology, node: str) -> None:
    """A member's certificate, from that member, is served by the others."""
    tls = "/etc/citadelle/tls"
    command = (
        f"curl --silent --http1.1 --max-time 5 --cacert {tls}/ca-dcs-peer.crt"
        f" --cert {tls}/dcs-peer.crt --key {tls}/dcs-peer.key https://%s:%s/version"
    )
    peer = next(other for other in ETCD if other != node)
    port = str(topology.settings.etcd_peer_port)
    assert "etcdcluster" in container(node).check_output(command, peer, port)


def test_stolen_member_certificate_is_useless_elsewhere(topology: Topology, home: Home) -> None:
    """A member's certificate from another address than the member's is not served.

    Etcd looks the certificate's names up and closes when none is the caller's address.
    """
    tls = _probes.context(home, "dcs-peer", home.pki / "dcs-peer" / ETCD[1])
    try:
        served = get(topology, "dcs-peer", tls)
    except OSError:
        served = ""
    assert served == ""


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("node", ETCD)
def test_no_certificate_is_refused(topology: Topology, home: Home, door: str, node: str) -> None:
    """Being on the network proves nothing."""
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
        knock(topology, door, _probes.context(home, door, None), node)


@pytest.mark.parametrize(("door", "plane"), CROSSED)
def test_other_plane_is_refused(topology: Topology, home: Home, door: str, plane: str) -> None:
    """A certificate stolen from another plane (an application's, a proxy's) opens nothing."""
    tls = _probes.context(home, door, home.pki / plane / _probes.EXAMPLES[plane])
    with pytest.raises(ssl.SSLError, match=REFUSED):
        knock(topology, door, tls)


@pytest.mark.parametrize("door", DOORS)
def test_tls_1_2_is_refused(topology: Topology, home: Home, door: str) -> None:
    """All clients are ours: nothing old to spare, no downgrade."""
    tls = _probes.context(home, door, home.pki / door / _probes.EXAMPLES[door])
    tls.minimum_version = tls.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"):
        knock(topology, door, tls)


@pytest.mark.parametrize("door", DOORS)
def test_clear_text_is_refused(topology: Topology, door: str) -> None:
    """A request in clear gets not one byte back."""
    assert get(topology, door, None) == ""
