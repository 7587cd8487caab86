"""The inside of an etcd container.

What all containers are like: tests/security/test_containers.py.
"""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from citadelle.inventory import ETCD_PEER_NAME
from citadelle.topology import ETCD, Topology
from tests.conftest import Containers
from tests.probes import kernel

pytestmark = pytest.mark.parametrize("node", ETCD)


def test_listens_only_where_intended(container: Containers, topology: Topology, node: str) -> None:
    """Peers and clients on the dcs network, clients on loopback: no metrics or debug port."""
    s, address = topology.settings, str(topology.address(node, "dcs"))
    assert kernel.listeners(container(node)) == {
        (address, s.etcd_peer_port),
        (address, s.etcd_client_port),
        ("127.0.0.1", s.etcd_client_port),
    }


def _certificate(container: Containers, node: str, name: str) -> x509.Certificate:
    file = container(node).file(f"/etc/citadelle/tls/{name}.crt")
    return x509.load_pem_x509_certificate(file.content)


@pytest.mark.parametrize("name", ["dcs-server", "dcs-peer"])
def test_certificate_has_no_common_name(container: Containers, node: str, name: str) -> None:
    """The JSON gateway calls etcd with the server's certificate: a CN would be a login."""
    subject = _certificate(container, node, name).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME) == []


def test_peer_certificate_carries_the_peers_name(container: Containers, node: str) -> None:
    """Besides its own name, the only one that peers accept."""
    names = _certificate(container, node, "dcs-peer").extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert set(names.value.get_values_for_type(x509.DNSName)) == {node, ETCD_PEER_NAME}
