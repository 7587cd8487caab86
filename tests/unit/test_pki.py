"""What `invoke certs` issues, leaves alone and renews."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509 import verification as v

from citadelle import pki, pki_files, x509_policy
from citadelle.inventory import PLANES, Certificate
from citadelle.workspace import Home
from tests.unit import factory
from tests.unit.pki_home import ALL, CLUSTER, NOW, contents, issue, label, names, stored

SERVERS = [c for c in ALL if c.server]
CLIENTS = [c for c in ALL if c.client]


def every(*specs: Certificate) -> pytest.MarkDecorator:
    """Run a test for each of these certificates."""
    return pytest.mark.parametrize("spec", specs, ids=label)


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """All certificates of a cluster, issued at NOW: read only."""
    return issue(tmp_path_factory.mktemp("home"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return others, that the test may spoil."""
    return issue(tmp_path)


# --- What is issued -------------------------------------------------------------------------------


def test_first_run_issues_everything(tmp_path: Path) -> None:
    """Six authorities and the whole inventory."""
    found = pki.ensure(Home(tmp_path), CLUSTER, NOW)

    assert names(found) == {*map(label, ALL), *(f"{plane}/ca" for plane in PLANES)}


def test_what_is_issued_has_no_problem(issued: Home) -> None:
    """What is issued and what is checked agree."""
    assert pki.problems(issued, CLUSTER, 0, NOW) == []


@pytest.mark.parametrize("plane", PLANES)
def test_authority_signs_leaves_only(issued: Home, plane: str) -> None:
    """An authority cannot create another one: path length 0, critical."""
    found = stored(issued, plane, "ca").extensions.get_extension_for_class(x509.BasicConstraints)

    assert (found.critical, found.value) == (True, x509.BasicConstraints(ca=True, path_length=0))


@pytest.mark.parametrize("plane", PLANES)
def test_authority_is_named_after_cluster_and_plane(issued: Home, plane: str) -> None:
    """Two authorities never look alike."""
    assert stored(issued, plane, "ca").subject.rfc4514_string() == f"CN=Citadelle citadelle {plane}"


@every(*SERVERS)
def test_server_is_verified_under_each_of_its_names(issued: Home, spec: Certificate) -> None:
    """A path validator that is not ours accepts the chain, for DNS names and addresses."""
    store = v.Store([stored(issued, spec.plane, "ca")])
    subjects: list[x509.DNSName | x509.IPAddress] = [x509.DNSName(name) for name in spec.dns]
    subjects += [x509.IPAddress(ip_address(ip)) for ip in spec.ips]
    for subject in subjects:
        verifier = v.PolicyBuilder().store(store).time(NOW).build_server_verifier(subject)
        assert len(verifier.verify(stored(issued, spec.plane, spec.name), [])) == 2


@every(*CLIENTS)
def test_client_is_verified_by_its_plane(issued: Home, spec: Certificate) -> None:
    """A path validator that is not ours accepts the chain, without subject as with one."""
    store = v.Store([stored(issued, spec.plane, "ca")])
    verifier = v.PolicyBuilder().store(store).time(NOW).build_client_verifier()

    assert verifier.verify(stored(issued, spec.plane, spec.name), []).chain


@every(*CLIENTS)
def test_client_is_refused_by_every_other_plane(issued: Home, spec: Certificate) -> None:
    """A stolen certificate opens the doors of its plane, no other."""
    others = v.Store([stored(issued, plane, "ca") for plane in PLANES if plane != spec.plane])
    verifier = v.PolicyBuilder().store(others).time(NOW).build_client_verifier()

    with pytest.raises(v.VerificationError):
        verifier.verify(stored(issued, spec.plane, spec.name), [])


@every(*ALL)
def test_certificate_has_exactly_the_usages_of_the_inventory(
    issued: Home, spec: Certificate
) -> None:
    """A client's certificate cannot impersonate a server, nor the other way round."""
    wanted = (("serveur",) if spec.server else ()) + (("client",) if spec.client else ())

    assert x509_policy.usages(stored(issued, spec.plane, spec.name)) == wanted


@every(*(c for c in ALL if c.plane.startswith("dcs-")))
def test_dcs_certificate_has_no_subject(issued: Home, spec: Certificate) -> None:
    """Etcd takes a client's CN for a login without password."""
    assert list(stored(issued, spec.plane, spec.name).subject) == []


@every(*ALL)
def test_names_are_critical_only_without_subject(issued: Home, spec: Certificate) -> None:
    """RFC 5280, 4.2.1.6."""
    certificate = stored(issued, spec.plane, spec.name)
    found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)

    assert found.critical is (spec.common_name == "")


@every(*ALL)
def test_certificate_names_the_key_of_its_authority(issued: Home, spec: Certificate) -> None:
    """OpenSSL refuses an issuer whose key identifier differs (RFC 5280, 4.2.1.1)."""
    authority, leaf = stored(issued, spec.plane, "ca"), stored(issued, spec.plane, spec.name)
    own = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    named = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value

    assert named.key_identifier == own.digest


def test_certificate_starts_before_now(issued: Home) -> None:
    """A container whose clock is five minutes late accepts it."""
    found = stored(issued, "server", "pg1").not_valid_before_utc

    assert found == NOW - timedelta(minutes=5)


def test_certificate_lasts_cert_days(issued: Home) -> None:
    """CERT_DAYS is obeyed."""
    assert stored(issued, "server", "pg1").not_valid_after_utc == NOW + timedelta(days=90)


def test_certificate_never_outlives_its_authority() -> None:
    """The end of the authority bounds that of its certificates."""
    limit = NOW + timedelta(days=10)

    assert x509_policy.Validity.of(NOW, 90, limit).end == limit


def test_serials_are_unique_across_planes(issued: Home) -> None:
    """A serial names one certificate of the cluster."""
    found = [c.serial_number for p in PLANES for _, c in pki_files.certificates(issued, p)]

    assert len(set(found)) == len(ALL) + len(PLANES)


def test_serial_already_on_disk_is_not_reused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing a serial of another plane draws again."""
    (home.pki / "server/pg1.crt").unlink()
    draws = iter([stored(home, "rest", "pg1").serial_number, 42])
    monkeypatch.setattr(x509, "random_serial_number", lambda: next(draws))
    pki.ensure(home, CLUSTER, NOW)

    assert stored(home, "server", "pg1").serial_number == 42


@every(*ALL)
def test_key_is_for_its_owner_only(issued: Home, spec: Certificate) -> None:
    """Nobody else on the operator's machine reads a key."""
    assert (issued.pki / spec.plane / f"{spec.name}.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("folder", ["", *PLANES])
def test_directory_is_for_its_owner_only(issued: Home, folder: str) -> None:
    """Nobody else on the operator's machine replaces a file."""
    assert (issued.pki / folder).stat().st_mode & 0o777 == 0o700


# --- What is left alone, what is issued again -----------------------------------------------------


def test_second_run_writes_nothing(home: Home) -> None:
    """Not even the same bytes."""
    before = contents(home)

    assert pki.ensure(home, CLUSTER, NOW) == []
    assert contents(home) == before


@pytest.mark.parametrize(("left", "renewed"), [(31, 0), (30, len(ALL)), (-1, len(ALL))])
def test_certificates_are_renewed_in_time(home: Home, left: int, renewed: int) -> None:
    """CERT_RENEW_DAYS is 30; authorities stay."""
    assert len(pki.ensure(home, CLUSTER, NOW + timedelta(days=90 - left))) == renewed


@pytest.mark.parametrize(
    ("variable", "value", "affected"),
    [
        ("SERVER_EXTRA_NAMES", "db.exemple.fr", {c for c in ALL if c.plane in ("server", "admin")}),
        ("REPLICATOR_USER", "replic", {c for c in ALL if c.common_name == "replicator"}),
    ],
)
def test_change_of_env_reissues_only_what_it_affects(
    home: Home, variable: str, value: str, affected: set[Certificate]
) -> None:
    """The rest keeps its bytes: no needless restart."""
    before = contents(home)
    found = pki.ensure(home, factory.topology(**{variable: value}), NOW)
    kept = {p: c for p, c in contents(home).items() if before[p] == c}

    assert names(found) == set(map(label, affected))
    assert len(kept) == len(before) - 2 * len(affected)


@pytest.mark.parametrize("renames", range(0, 2 * (len(ALL) + len(PLANES)), 7))
def test_interrupted_run_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """Interrupted before any file (keys and certificates alternate), nothing is half written."""
    rename, left = Path.replace, iter(range(renames))

    def interrupted(path: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        pki.ensure(Home(tmp_path), CLUSTER, NOW)
    monkeypatch.undo()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == renames

    pki.ensure(Home(tmp_path), CLUSTER, NOW)
    pki.require(Home(tmp_path), CLUSTER, NOW)
