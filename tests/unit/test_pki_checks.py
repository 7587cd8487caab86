"""What `invoke certs.check` reports, what stops `invoke up`, what `invoke certs.list` shows."""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from citadelle import pki, pki_files, x509_policy
from citadelle.errors import CitadelleError
from citadelle.pki_files import Kind
from citadelle.topology import CONTAINERS, OPERATOR
from citadelle.workspace import Home
from tests.unit.pki_home import ALL, CLUSTER, NOW, copy, copy_pair, issue, names, stored

REST = next(c for c in ALL if (c.plane, c.name) == ("rest", "pg1"))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return certificates that the test may spoil."""
    return issue(tmp_path)


def refusal(home: Home, now: datetime = NOW) -> str:
    """Return why `invoke up` would not start."""
    with pytest.raises(CitadelleError) as caught:
        pki.require(home, CLUSTER, now)
    return str(caught.value)


def forge(home: Home, serial: int = 1, **changes: object) -> None:
    """Replace rest/pg1 by a certificate that its own authority signed, but different."""
    authority = pki_files.read(home, "rest", "ca").pair
    assert authority is not None
    other = dataclasses.replace(REST, **changes)  # type: ignore[arg-type]  # names of fields
    validity = x509_policy.Validity.of(NOW, 90)
    pki_files.write(home, "rest", "pg1", x509_policy.new_leaf(other, authority, validity, serial))


def shift(path: Path) -> None:
    """Put a directory in the place of a file."""
    path.unlink()
    path.mkdir()


DAMAGE: dict[str, tuple[Callable[[Home], object], str]] = {
    "no certificate": (lambda h: (h.pki / "rest/pg1.crt").unlink(), "pg1.crt : absent"),
    "no key": (lambda h: (h.pki / "rest/pg1.key").unlink(), "pg1.key : absent"),
    "not PEM": (lambda h: (h.pki / "rest/pg1.crt").write_text("?"), "pg1.crt : illisible"),
    "not a key": (lambda h: (h.pki / "rest/pg1.key").write_text("?"), "pg1.key : illisible"),
    "directory": (lambda h: shift(h.pki / "rest/pg1.key"), "pg1.key : illisible"),
    "other key": (
        lambda h: copy(h, "rest/pg2.key", "rest/pg1.key"),
        "pg1.key : ne correspond pas à pg1.crt",
    ),
    "other plane": (lambda h: copy(h, "tunnel/pg1.crt", "rest/pg1.crt"), "plan « tunnel »"),
    "other name": (lambda h: forge(h, dns=("pg2",)), "noms (SAN) « pg2 », attendu « pg1 »"),
    "other usage": (lambda h: forge(h, client=True), "« serveur, client », attendu « serv"),
    "other subject": (lambda h: forge(h, common_name="pg2"), "sujet « CN=pg2 », attendu"),
    "same serial": (
        lambda h: forge(h, serial=stored(h, "dcs-peer", "etcd1").serial_number),
        "même numéro de série que build/pki/dcs-peer/etcd1.crt",
    ),
}
damaged = pytest.mark.parametrize(("damage", "text"), DAMAGE.values(), ids=DAMAGE)


@damaged
def test_damage_is_reported(home: Home, damage: Callable[[Home], object], text: str) -> None:
    """The report names the file, and only that certificate."""
    damage(home)
    found = pki.problems(home, CLUSTER, 0, NOW)

    assert names(found) == {"rest/pg1"}
    assert text in "\n".join(map(str, found))


@damaged
def test_damage_stops_up(home: Home, damage: Callable[[Home], object], text: str) -> None:
    """Nothing starts on a certificate that cannot serve; the refusal names the file."""
    damage(home)

    assert "build/pki/rest/pg1." in refusal(home)


@pytest.mark.parametrize("name", sorted(set(DAMAGE) - {"directory"}))
def test_damage_is_repaired(home: Home, name: str) -> None:
    """Only the damaged certificate is issued again."""
    DAMAGE[name][0](home)

    assert names(pki.ensure(home, CLUSTER, NOW)) == {"rest/pg1"}
    pki.require(home, CLUSTER, NOW)


def test_unwritable_place_is_an_operator_error(home: Home) -> None:
    """What the disk refuses is said without traceback."""
    shift(home.pki / "rest/pg1.key")

    with pytest.raises(CitadelleError, match=r"build/pki/rest : écriture impossible"):
        pki.ensure(home, CLUSTER, NOW)


def test_certificate_of_another_plane_is_refused_by_name(home: Home) -> None:
    """The refusal says which file, and whose certificate it is."""
    copy_pair(home, "tunnel/pg1", "server/pg1")

    assert (
        "build/pki/server/pg1.crt : n'est pas signé par l'autorité du plan « server », "
        "mais par celle du plan « tunnel »"
    ) in refusal(home)


def test_certificate_of_an_unknown_authority_is_refused(home: Home, tmp_path: Path) -> None:
    """The same names, signed by the same plane of another installation."""
    other = issue(tmp_path / "autre")
    (home.pki / "rest/pg1.crt").write_bytes((other.pki / "rest/pg1.crt").read_bytes())

    assert "plan « rest », mais par une inconnue" in refusal(home)


@pytest.mark.parametrize("name", ["pg1", "ca"])
def test_exposed_key_is_reported(home: Home, name: str) -> None:
    """A key that the group may read is no longer a secret."""
    (home.pki / f"rest/{name}.key").chmod(0o640)

    assert [p.kind for p in pki.problems(home, CLUSTER, 0, NOW)] == [Kind.OPEN]


def test_exposed_key_stops_up(home: Home) -> None:
    """The refusal says how to close it."""
    (home.pki / "rest/pg1.key").chmod(0o644)

    assert "pg1.key : clé lisible par d'autres (droits 0644) : « chmod 600 »" in refusal(home)


def test_exposed_key_is_not_replaced_silently(home: Home) -> None:
    """Whether someone has read it is for the operator to say."""
    (home.pki / "rest/pg1.key").chmod(0o640)

    assert pki.ensure(home, CLUSTER, NOW) == []


@pytest.mark.parametrize(("days", "reported"), [(89, 0), (90, len(ALL)), (3650, len(ALL) + 7)])
def test_coming_expiry_is_reported(home: Home, days: int, reported: int) -> None:
    """Certificates last 90 days here, authorities 3650: both are watched."""
    found = pki.problems(home, CLUSTER, days, NOW)

    assert len(found) == reported
    assert {p.kind for p in found} <= {Kind.SOON}


def test_coming_expiry_does_not_stop_up(home: Home) -> None:
    """The last second counts."""
    pki.require(home, CLUSTER, NOW + timedelta(days=90, seconds=-1))


def test_expired_certificate_stops_up(home: Home) -> None:
    """The refusal gives the date."""
    assert "expiré depuis le 2026-05-30" in refusal(home, NOW + timedelta(days=90))


def test_certificate_of_the_future_stops_up(home: Home) -> None:
    """A machine whose clock went back would present what nobody accepts."""
    assert "pas encore valide (dès le 2026-03-01 11:55 UTC)" in refusal(
        home, NOW - timedelta(hours=1)
    )


def test_refusal_fits_on_a_screen(home: Home) -> None:
    """A heading, five problems, how many more, the advice."""
    assert len(refusal(home, NOW + timedelta(days=90)).splitlines()) == 8


def test_up_without_certificates_says_what_to_run(tmp_path: Path) -> None:
    """Nothing has been issued yet."""
    assert refusal(Home(tmp_path)).startswith("certificats absents : lancez « invoke certs »")


def test_up_with_one_missing_file_names_it(home: Home) -> None:
    """The rest is there."""
    (home.pki / "rest/pg1.key").unlink()

    assert refusal(home).endswith("« invoke certs » (build/pki/rest/pg1.key)")


def test_up_with_missing_and_wrong_files_tells_the_wrong_ones(home: Home) -> None:
    """A certificate put in the place of another must not pass for a forgotten run."""
    (home.pki / "rest/pg1.key").unlink()
    copy_pair(home, "tunnel/pg2", "rest/pg2")

    assert "rest/pg2.crt : n'est pas signé" in refusal(home)


def test_list_shows_each_plane_with_its_authority_first(home: Home) -> None:
    """Everything issued is listed."""
    rows = pki.rows(home, CLUSTER, NOW)

    assert len(rows) == len(ALL) + 7
    assert [
        r.name for a, r in zip([None, *rows], rows, strict=False) if not a or a.plane != r.plane
    ] == ["ca"] * 7


def test_list_says_what_a_certificate_is(home: Home) -> None:
    """One row, as the operator reads it."""
    found = next(r for r in pki.rows(home, CLUSTER, NOW) if (r.plane, r.name) == ("server", "pg1"))

    assert dataclasses.astuple(found)[2:-1] == (
        "CN=pg1",
        ("haproxy", "haproxy1", "haproxy2", "localhost", "pg1", "127.0.0.1"),
        ("serveur",),
        NOW + timedelta(days=90),
        90,
    )


def test_fingerprint_is_that_of_the_authority_of_servers(home: Home) -> None:
    """What `openssl x509 -fingerprint -sha256` shows, its first 16 digits."""
    der = stored(home, "server", "ca").public_bytes(Encoding.DER)

    assert pki.fingerprint(home) == hashlib.sha256(der).hexdigest()[:16]


def test_fingerprint_without_certificates_says_what_to_run(tmp_path: Path) -> None:
    """Nothing has been issued yet."""
    with pytest.raises(CitadelleError, match="certificats absents : lancez « invoke certs »"):
        pki.fingerprint(Home(tmp_path))


@pytest.mark.parametrize(
    "identity",
    [lambda c: (c.plane, c.name), lambda c: (c.container, c.file)],
    ids=["on the operator's disk", "in the container"],
)
def test_place_of_a_certificate_is_its_own(identity: Callable[[object], object]) -> None:
    """Two certificates of the inventory never overwrite each other."""
    assert Counter(map(identity, ALL)).most_common(1)[0][1] == 1


def test_certificate_is_never_named_like_an_authority() -> None:
    """It would overwrite the authority."""
    assert pki_files.AUTHORITY not in {c.name for c in ALL}


def test_certificate_goes_to_a_known_container() -> None:
    """Each one is delivered to a container that reads it."""
    assert {c.container for c in ALL} <= {c.name for c in (*CONTAINERS, OPERATOR)}
