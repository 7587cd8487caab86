"""The inside of an etcd container: what a break-in would find there."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from citadelle.inventory import ETCD_PEER_NAME
from citadelle.topology import ETCD, UID, Role, Topology
from tests.conftest import Containers
from tests.etcd import _probes

pytestmark = pytest.mark.parametrize("node", ETCD)


def test_runs_as_its_own_account(container: Containers, node: str) -> None:
    """Real, effective, saved and file-system user are etcd's: none to climb back to."""
    assert set(_probes.process(container(node))["Uid"].split()) == {str(UID[Role.ETCD])}


@pytest.mark.parametrize("kind", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_has_no_capability(container: Containers, node: str, kind: str) -> None:
    """A flaw in etcd gives no power over the kernel, not even through a set-uid program."""
    assert int(_probes.process(container(node))[kind], 16) == 0


def test_cannot_gain_privileges(container: Containers, node: str) -> None:
    """A set-uid program gives nothing."""
    assert _probes.process(container(node))["NoNewPrivs"] == "1"


def test_system_calls_are_filtered(container: Containers, node: str) -> None:
    """The engine's seccomp filter is on (mode 2): unusual system calls are attack surface."""
    assert _probes.process(container(node))["Seccomp"] == "2"


@pytest.mark.parametrize("place", ["/", "/tmp", "/etc/citadelle", "/usr/bin"])
def test_file_system_is_read_only(container: Containers, node: str, place: str) -> None:
    """An attacker has nowhere to leave a program, nor can he change the configuration."""
    result = container(node).run("touch %s", f"{place}/probe")
    assert "Read-only file system" in result.stderr


def test_delivered_files_are_its_own_only(container: Containers, node: str) -> None:
    """Keys and configuration: mode 0400, owned by etcd."""
    assert _probes.strays(container(node), UID[Role.ETCD]) == []


def test_listens_only_where_intended(container: Containers, topology: Topology, node: str) -> None:
    """Peers and clients on the dcs network, clients on loopback: no metrics or debug port."""
    s, address = topology.settings, str(topology.address(node, "dcs"))
    assert _probes.listeners(container(node)) == {
        (address, s.etcd_peer_port),
        (address, s.etcd_client_port),
        ("127.0.0.1", s.etcd_client_port),
    }


def test_environment_holds_no_secret(container: Containers, topology: Topology, node: str) -> None:
    """The environment is shown by ``docker inspect`` and kept in crash dumps."""
    environment = container(node).file("/proc/1/environ").content_string
    values = [secret.reveal() for secret in topology.settings.secrets().values()]
    assert _probes.leaked(environment, values) == 0


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
