"""`invoke certs` never replaces an authority on which valid certificates depend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from citadelle import pki
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit import factory
from tests.unit.pki_home import CLUSTER, NOW, contents, copy, copy_pair, issue, names, stored

END = NOW + timedelta(days=3650)  # CA_DAYS of the factory


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return certificates that the test may spoil."""
    return issue(tmp_path)


LOSS: dict[str, tuple[Callable[[Home], object], str]] = {
    "no certificate": (lambda h: (h.pki / "rest/ca.crt").unlink(), "ca.crt : absent"),
    "no key": (lambda h: (h.pki / "rest/ca.key").unlink(), "ca.key : absent"),
    "not PEM": (lambda h: (h.pki / "rest/ca.crt").write_text("?"), "ca.crt : illisible"),
    "not a key": (lambda h: (h.pki / "rest/ca.key").write_text("?"), "ca.key : illisible"),
    "other key": (lambda h: copy(h, "tunnel/ca.key", "rest/ca.key"), "ne correspond pas à ca.crt"),
    "other plane": (
        lambda h: copy_pair(h, "tunnel/ca", "rest/ca"),
        "sujet « CN=Citadelle citadelle tunnel », attendu « CN=Citadelle citadelle rest »",
    ),
    "a leaf": (
        lambda h: copy_pair(h, "rest/pg1", "rest/ca"),
        "n'est pas signé par lui-même",
    ),
}
lost = pytest.mark.parametrize(("loss", "text"), LOSS.values(), ids=LOSS)


@lost
def test_authority_with_valid_certificates_is_never_replaced(
    home: Home, loss: Callable[[Home], object], text: str
) -> None:
    """The refusal names the file and the reason."""
    loss(home)

    with pytest.raises(CitadelleError, match=r"^build/pki/rest/ca\.(crt|key) : ") as caught:
        pki.ensure(home, CLUSTER, NOW)
    assert text in str(caught.value)


@lost
def test_refusal_comes_before_any_writing(
    home: Home, loss: Callable[[Home], object], text: str
) -> None:
    """What is due on another plane is not issued either."""
    loss(home)
    (home.pki / "dcs-peer/etcd1.crt").unlink()
    before = contents(home)

    with pytest.raises(CitadelleError, match="Rien n'a été écrit"):
        pki.ensure(home, CLUSTER, NOW)
    assert contents(home) == before


@lost
def test_authority_is_replaced_once_its_certificates_expired(
    home: Home, loss: Callable[[Home], object], text: str
) -> None:
    """Nothing depends on it any more."""
    loss(home)
    later = NOW + timedelta(days=91)

    assert "rest/ca" in names(pki.ensure(home, CLUSTER, later))
    pki.require(home, CLUSTER, later)


def test_authority_is_protected_by_certificates_out_of_the_inventory(home: Home) -> None:
    """A certificate that the inventory forgot is still in someone's hands."""
    plane = home.pki / "rest"
    kept = (plane / "pg1.crt").read_bytes()
    for path in plane.iterdir():
        path.unlink()
    (plane / "ancien.crt").write_bytes(kept)

    with pytest.raises(CitadelleError, match=r"encore valides \(ancien\)"):
        pki.ensure(home, CLUSTER, NOW)


def test_plane_moved_away_is_renewed_alone(home: Home) -> None:
    """What the refusal advises works."""
    (home.pki / "rest").rename(home.path / "ancien")
    found = pki.ensure(home, CLUSTER, NOW)

    assert {item.plane for item in found} == {"rest"}
    pki.require(home, CLUSTER, NOW)


def test_authority_that_covers_a_whole_certificate_stays(home: Home) -> None:
    """One day more than CERT_DAYS is enough."""
    found = pki.ensure(home, CLUSTER, END - timedelta(days=91))

    assert [item for item in found if item.name == "ca"] == []


def test_authority_too_short_for_a_certificate_is_refused(home: Home) -> None:
    """Replacing it is the operator's decision: every container of the plane restarts."""
    pki.ensure(home, CLUSTER, END - timedelta(days=91))

    with pytest.raises(CitadelleError, match=r"ca\.crt : expire le .* : déplacez build/pki/"):
        pki.ensure(home, CLUSTER, END - timedelta(days=90))


def test_authority_too_short_for_a_certificate_is_replaced_when_free(home: Home) -> None:
    """No valid certificate depends on it: a plane that slept for years starts anew."""
    pki.ensure(home, CLUSTER, END - timedelta(days=90))

    assert stored(home, "rest", "ca").not_valid_after_utc > END


def test_renamed_cluster_is_refused(home: Home) -> None:
    """Authorities of another cluster do not serve this one."""
    other = factory.topology(CLUSTER_NAME="autre")

    with pytest.raises(CitadelleError, match="attendu « CN=Citadelle autre rest »"):
        pki.ensure(home, other, NOW)
