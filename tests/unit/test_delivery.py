"""What is delivered to each container: its own files, private to its account, nothing else."""

from __future__ import annotations

import io
import tarfile

import pytest

from citadelle import delivery
from citadelle.delivery import READERS
from citadelle.inventory import TRUSTED
from citadelle.topology import UID, Container, Role
from citadelle.workspace import Home
from tests.unit import factory
from tests.unit.pki_home import ALL, CLUSTER

CONTENT = {"a": b"1", "b": b"2"}
every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda c: c.name)


@pytest.fixture(scope="module")
def members(ready_home: Home) -> list[tarfile.TarInfo]:
    """What the archive holds."""
    with tarfile.open(fileobj=io.BytesIO(delivery.tar(CLUSTER, ready_home))) as archive:
        return archive.getmembers()


def own(members: list[tarfile.TarInfo], reader: Container) -> list[tarfile.TarInfo]:
    """Return the members that go to one container."""
    return [m for m in members if m.name.split("/")[0] == reader.name]


def test_digest_is_stable() -> None:
    """The order of the files does not matter: an unchanged container is left alone."""
    assert delivery.digest(CONTENT) == delivery.digest(dict(reversed(CONTENT.items())))


@pytest.mark.parametrize(
    "other",
    [
        {"a": b"1", "b": b"3"},
        {"a": b"1", "c": b"2"},
        {"a": b"1"},
        {"a": b"1", "b": b"2", "c": b""},
        {"a": b"", "1b": b"2"},
        {"a": b"1b2"},
    ],
)
def test_digest_changes_with_anything(other: dict[str, bytes]) -> None:
    """A byte, a name, a file: the container that reads it is replaced."""
    assert delivery.digest(other) != delivery.digest(CONTENT)


def test_digests_are_those_of_the_files(ready_home: Home) -> None:
    """One for each reader, of what it reads at its start only."""
    content = {c: delivery.files(CLUSTER, c, ready_home) for c in READERS}
    for reader, found in content.items():
        for path in delivery.RELOADED.get(reader.role, ()):
            del found[path]
    expected = {c.name: delivery.digest(found) for c, found in content.items()}

    assert delivery.digests(CLUSTER, ready_home) == expected


def test_pg_hba_alone_replaces_no_container(ready_home: Home) -> None:
    """It is read again by a running PostgreSQL; anything else of a pod is not."""
    line = "hostssl app rapports 192.0.2.0/24 scram-sha-256"
    other = factory.topology(PG_HBA_EXTRA=line)

    assert delivery.digests(other, ready_home) == delivery.digests(CLUSTER, ready_home)
    assert delivery.tar(other, ready_home) != delivery.tar(CLUSTER, ready_home)


@every_reader
def test_files_are_read_only_by_their_account(
    members: list[tarfile.TarInfo], reader: Container
) -> None:
    """Keys and passwords: not even the account itself may change them."""
    modes = {(m.isdir(), m.mode) for m in own(members, reader)}

    assert modes == {(True, 0o500), (False, 0o400)}


@every_reader
def test_files_belong_to_the_role_s_account(
    members: list[tarfile.TarInfo], reader: Container
) -> None:
    """Except a gateway's: root reads them, then becomes haproxy."""
    owner = 0 if reader.role in (Role.GATEWAY, Role.GUARD) else UID[reader.role]

    assert {(m.uid, m.gid) for m in own(members, reader)} == {(owner, owner)}


def test_archive_is_for_readers_only(members: list[tarfile.TarInfo]) -> None:
    """No path that would leave a container's directory."""
    assert {m.name.split("/")[0] for m in members} == {c.name for c in READERS}
    assert [m.name for m in members if ".." in m.name or m.name.startswith("/")] == []


def test_no_authority_s_key_is_delivered(ready_home: Home) -> None:
    """Whoever had one would issue any certificate of its plane."""
    archive = delivery.tar(CLUSTER, ready_home)

    assert [p for p in ready_home.pki.glob("*/ca.key") if p.read_bytes() in archive] == []


@every_reader
def test_container_gets_its_own_certificates_only(ready_home: Home, reader: Container) -> None:
    """And the authorities of those it talks to; HAProxy takes certificate and key in one file."""
    pem = reader.role in (Role.GATEWAY, Role.HAPROXY)
    expected = {f"tls/ca-{plane}.crt" for plane in TRUSTED[reader.role]}
    for certificate in ALL:
        if certificate.container == reader.name:
            suffixes = ("pem",) if pem else ("crt", "key")
            expected |= {f"tls/{certificate.file}.{suffix}" for suffix in suffixes}
    found = delivery.files(CLUSTER, reader, ready_home)

    assert {path for path in found if path.startswith("tls/")} == expected


def test_pem_is_certificate_then_key(ready_home: Home) -> None:
    """In the order that HAProxy wants."""
    tunnel = ready_home.pki / "tunnel"
    reader = next(c for c in READERS if c.name == "haproxy1")
    expected = b"".join((tunnel / f"haproxy1.{end}").read_bytes() for end in ("crt", "key"))

    assert delivery.files(CLUSTER, reader, ready_home)["tls/tunnel-client.pem"] == expected
