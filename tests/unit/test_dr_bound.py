"""What may be lost: bounded by what is known, « inconnue » otherwise, and never zero by default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from citadelle.dr.bound import UNKNOWN, Received, bound
from citadelle.dr.sight import received

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=4)
HAS = Received(received=1000, replayed=900, last_commit=NOON)


def test_seconds_from_the_last_commit_to_the_end() -> None:
    """Whatever is lost was committed between the two."""
    assert bound(HAS, 1200, LATER).seconds == pytest.approx(4)


def test_bytes_that_are_known_to_be_missing() -> None:
    """The primary's noted position minus what arrived."""
    assert bound(HAS, 1200, LATER).missing_bytes == 200


def test_more_received_than_noted() -> None:
    """The note is a loop of Patroni old: not a proof that nothing is lost."""
    found = bound(HAS, 900, LATER)

    assert found.missing_bytes == 0
    assert "ensuite, inconnu" in str(found)


@pytest.mark.parametrize(
    ("has", "optime"),
    [(Received(None, None, None), 1200), (HAS, None), (Received(1, 1, None), 1200)],
    ids=["rien", "sans battement", "sans transaction"],
)
def test_unknown_is_said(has: Received, optime: int | None) -> None:
    """One missing fact is enough."""
    found = bound(has, optime, LATER)

    assert not found.known
    assert UNKNOWN in str(found)


def test_site_that_nobody_saw_stop_has_no_bound() -> None:
    """It may write on while the operator reads: seconds so far are no maximum."""
    found = bound(HAS, 1200, LATER, ended=False)

    assert not found.known
    assert str(found).startswith(f"{UNKNOWN}, aucun arrêt constaté (au plus 4.0 s")


def test_commits_later_than_the_end() -> None:
    """Clocks differ: never a negative duration."""
    assert bound(HAS, 1200, NOON - timedelta(seconds=1)).seconds == 0


def test_positions_as_postgresql_prints_them() -> None:
    """A replica that restarted alone has received nothing since, but has what it replayed."""
    assert received("", "900", "1764331200.5") == Received(
        900, 900, datetime.fromtimestamp(1764331200.5, UTC)
    )
    assert received("", "", "") == Received(None, None, None)
