"""The rules on delivered files: modes, owners, secrets and keys, each in its only place."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadelle import delivery
from citadelle.audit import files, haystacks, secrets, streams
from citadelle.audit.control import Cluster
from citadelle.audit.files import Delivered, File
from citadelle.credentials import CREDENTIALS, DOORS, held_by
from citadelle.delivery import READERS
from citadelle.errors import CitadelleError
from citadelle.etcd import PATRONI_USER
from citadelle.settings import FIELDS
from citadelle.topology import Container, Role
from citadelle.workspace import Home
from tests.unit.pki_home import CLUSTER

every_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
NEEDLES = haystacks.of_settings(CLUSTER.settings)
PG1 = next(reader for reader in READERS if reader.name == "pg1")
FILE = File("patroni.yml", 0o400, 902, 902, directory=False, regular=True)
OWNERS = files.owners(CLUSTER)


@pytest.fixture(scope="module")
def found(ready_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """Return what the audit reads when each volume holds what `invoke up` delivers."""
    archive = tmp_path_factory.mktemp("volumes") / "volumes.tar"
    made = io.BytesIO(delivery.tar(CLUSTER, ready_home))
    with tarfile.open(fileobj=made) as source, tarfile.open(archive, "w") as target:
        for member in source:
            content = source.extractfile(member)
            member.name = f"./conf-{member.name}"
            target.addfile(member, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_reader", lambda *_: ["cat", str(archive)])
        return files.delivered(Cluster(CLUSTER, ready_home))


def listed(reader: Container, home: Home) -> set[str]:
    """Return the paths that a reader's volume must hold."""
    return {*delivery.files(CLUSTER, reader, home)}


@every_reader
def test_delivered_files_are_in_order(
    found: Delivered, ready_home: Home, reader: Container
) -> None:
    """No rule cries wolf: modes, owners, list."""
    assert list(files.misplaced(reader, found[reader.name], listed(reader, ready_home))) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"mode": 0o444}, "mode 0444 au lieu de 0400"),
        ({"mode": 0o640}, "mode 0640 au lieu de 0400"),
        ({"uid": 0}, "0:902 au lieu de 902:902"),
        ({"gid": 0}, "902:0 au lieu de 902:902"),
        ({"regular": False}, "ni fichier ni répertoire"),
        ({"path": "autre"}, "pg1:autre : en trop"),
        ({"path": "autre"}, "pg1:patroni.yml : manque"),
        ({"directory": True, "mode": 0o755}, "mode 0755 au lieu de 0500"),
    ],
)
def test_file_out_of_order_is_reported(change: dict[str, object], words: str) -> None:
    """A key that another account reads is a stolen key."""
    changed = replace(FILE, **change)  # type: ignore[arg-type]  # the row's own types
    assert any(words in f for f in files.misplaced(PG1, [changed], {"patroni.yml"}))


@every_reader
def test_secrets_are_delivered_to_their_holders(found: Delivered, reader: Container) -> None:
    """The table says of each role exactly what its rendered files hold."""
    assert list(files.misheld(reader, found[reader.name], NEEDLES)) == []


def test_secret_at_the_wrong_place_is_reported(found: Delivered) -> None:
    """PostgreSQL needs no application's password: it has its verifier."""
    value = CLUSTER.settings.app_password.reveal()
    extra = replace(FILE, path="oubli", content=value.encode())
    faults = list(files.misheld(PG1, [*found["pg1"], extra], NEEDLES))
    assert faults == ["APP_PASSWORD en clair dans pg1:oubli"]


@every_reader
def test_delivered_contents_are_the_repository_s(
    found: Delivered, ready_home: Home, reader: Container
) -> None:
    """No rule cries wolf: rendered files, certificates, keys."""
    expected = delivery.files(CLUSTER, reader, ready_home)
    assert list(files.altered(reader, found[reader.name], expected)) == []


def contents(
    monkeypatch: pytest.MonkeyPatch, home: Home, volumes: Delivered, *pending: str
) -> list[str]:
    """Return what SE-12 says of these volumes, when some containers were made for others."""
    monkeypatch.setattr(files, "delivered", lambda _: volumes)
    monkeypatch.setattr(delivery, "pending", lambda *_: list(pending))
    (control,) = [c for c in secrets.CONTROLS if c.identifier == "SE-12"]
    finding = control.check(Cluster(CLUSTER, home))
    return [] if finding.ok else finding.seen.splitlines()


def test_delivered_volumes_pass(
    monkeypatch: pytest.MonkeyPatch, found: Delivered, ready_home: Home
) -> None:
    """The failures below are those of one change."""
    assert contents(monkeypatch, ready_home, found) == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("pgbouncer1", "pgbouncer_hba.conf"),
        ("pgbouncer2-net", "nftables.conf"),
        ("haproxy1", "haproxy.cfg"),
        ("pg3-gw", "haproxy.cfg"),
        ("pg2", "pg_hba.conf"),
        ("etcd3", "etcd.yml"),
        ("tools", "pgpass"),
        ("pg1", "tls/pg-server.crt"),
    ],
)
def test_file_changed_in_its_volume_is_seen(
    monkeypatch: pytest.MonkeyPatch, found: Delivered, ready_home: Home, name: str, path: str
) -> None:
    """One word more, in any reader's volume: a line « trust », a rule that lets all through."""
    changed = [replace(f, content=b"x" + f.content) if f.path == path else f for f in found[name]]
    volumes = {**found, name: tuple(changed)}

    assert contents(monkeypatch, ready_home, volumes) == [
        f"{name}:{path} : autre contenu que celui du dépôt et de .env"
    ]


def test_file_that_misses_is_seen(
    monkeypatch: pytest.MonkeyPatch, found: Delivered, ready_home: Home
) -> None:
    """Nothing read is not nothing wrong."""
    said = contents(monkeypatch, ready_home, {**found, "pgbouncer1-net": ()})

    assert said == ["pgbouncer1-net:nftables.conf : manque"]


def test_container_made_for_other_files_is_seen(
    monkeypatch: pytest.MonkeyPatch, found: Delivered, ready_home: Home
) -> None:
    """Delivered, and not read: PgBouncer and the packet filter read their files at their start."""
    said = contents(monkeypatch, ready_home, found, "pgbouncer2")

    assert said == ["pgbouncer2 : démarré avec d'autres fichiers (« invoke up »)"]


def test_absent_secret_is_reported(found: Delivered) -> None:
    """The table would promise what is not so."""
    kept = [file for file in found["pg1"] if file.path != "patroni.yml"]
    faults = list(files.misheld(PG1, kept, NEEDLES))
    assert "POSTGRES_PASSWORD absent des fichiers de pg1, qui devraient l'avoir" in faults


def test_keys_are_with_their_owners(found: Delivered, ready_home: Home) -> None:
    """No rule cries wolf."""
    assert list(files.strange_keys(found, files.keys_of(ready_home), OWNERS)) == []


def with_key(found: Delivered, home: Home, pem: bytes) -> list[str]:
    """Return what is said when one more key lies in haproxy1's volume."""
    extra = replace(FILE, path="tls/oubli.key", content=b"\n" + pem)
    volumes = {**found, "haproxy1": (*found["haproxy1"], extra)}
    return list(files.strange_keys(volumes, files.keys_of(home), OWNERS))


@pytest.mark.parametrize("key", ["server/ca", "tunnel/pg1", "rest/operator"])
def test_key_of_another_is_reported(found: Delivered, ready_home: Home, key: str) -> None:
    """An authority's key makes anyone; another's key makes one its owner."""
    pem = (ready_home.pki / f"{key}.key").read_bytes()
    assert with_key(found, ready_home, pem) == [f"clé {key} dans haproxy1:tls/oubli.key"]


def test_unknown_key_is_reported(found: Delivered, ready_home: Home) -> None:
    """Nobody issued it."""
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    assert with_key(found, ready_home, pem) == ["clé inconnue dans haproxy1:tls/oubli.key"]


def test_broken_key_is_reported(found: Delivered, ready_home: Home) -> None:
    """What looks like a key and cannot be read is not passed over."""
    marker = b"PRIVATE" + b" KEY"  # apart: what looks for keys in this repository finds none
    pem = b"-----BEGIN %b-----\nAAAA\n-----END %b-----\n" % (marker, marker)
    assert with_key(found, ready_home, pem) == ["clé inconnue dans haproxy1:tls/oubli.key"]


def test_missing_key_is_reported(found: Delivered, ready_home: Home) -> None:
    """A volume without its keys was not read, or not delivered."""
    volumes = {**found, "etcd1": ()}
    faults = list(files.strange_keys(volumes, files.keys_of(ready_home), OWNERS))
    assert faults == [
        "clé dcs-client/etcd1 absente de etcd1",
        "clé dcs-peer/etcd1 absente de etcd1",
    ]


def test_reader_sees_volumes_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, ready_home: Home
) -> None:
    """It runs as root beside the cluster: no network, nothing to write, no label of the cluster."""
    monkeypatch.setattr("citadelle.engine.names", lambda *_argv, **_labels: ["citadelle_conf-pg1"])
    monkeypatch.setattr(streams, "docker", lambda *argv: list(argv))
    argv = files._reader(Cluster(CLUSTER, ready_home), ["conf-pg1"], "tar", "-c")
    hard = {"--network=none", "--read-only", "--cap-drop=ALL", "--cap-add=DAC_READ_SEARCH"}
    mounts = [word for word in argv if word.startswith(("--mount", "--volume"))]
    assert (hard - {*argv}, ["readonly" in mount for mount in mounts]) == (set(), [True])


def test_missing_volume_is_not_made(monkeypatch: pytest.MonkeyPatch, ready_home: Home) -> None:
    """`docker run` would create it, empty and clean."""
    monkeypatch.setattr("citadelle.engine.names", lambda *_argv, **_labels: [])
    with pytest.raises(CitadelleError, match="Volumes absents : citadelle_conf-pg1"):
        files._reader(Cluster(CLUSTER, ready_home), ["conf-pg1"], "tar")


# --- The table of credentials -----------------------------------------------------------------


def test_every_secret_has_its_row() -> None:
    """A new secret without doors and holders would be checked nowhere."""
    assert sorted(c.secret for c in CREDENTIALS) == sorted(CLUSTER.settings.secrets())


def test_users_are_variables_or_imposed_names() -> None:
    """One source for user names."""
    users = {name for name, field in FIELDS.items() if field.metadata["kind"] == "user"}
    assert {c.user for c in CREDENTIALS} == {*users, "root", PATRONI_USER}


def test_doors_are_known_and_all_used() -> None:
    """A door that no secret opens, or that has no description, is a mistake."""
    assert {door for c in CREDENTIALS for door in c.doors} == set(DOORS)


@pytest.mark.parametrize("role", [Role.ETCD, Role.GATEWAY, Role.HAPROXY, Role.GUARD])
def test_these_roles_hold_no_password(role: Role) -> None:
    """They prove themselves by certificates alone; HAProxy knows a hash."""
    assert held_by(role) == frozenset()
