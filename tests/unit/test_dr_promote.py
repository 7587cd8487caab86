"""What a takeover that goes on remembers, and what it asks again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from citadelle.dr import journal, promote, quorum, sight
from citadelle.dr.journal import Journal
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit import factory

NOON = datetime(2026, 1, 28, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=6)
TOPOLOGY = factory.topology()


def known() -> Journal:
    """Return a takeover confirmed at noon, of a site that was seen to stop then."""
    started = NOON.isoformat()
    return Journal("pg3", "dc1", started, 2, "au plus 3 s", since=0.0, until=NOON.timestamp())


def stopped(monkeypatch: pytest.MonkeyPatch, end: datetime | None) -> None:
    """Have the engine say when the lost site ended."""
    monkeypatch.setattr(sight, "stopped", lambda _topology, _nodes: end)


@pytest.mark.parametrize(("end", "expected"), [(NOON, False), (LATER, True), (None, True)])
def test_a_site_that_wrote_since_is_confirmed_again(
    monkeypatch: pytest.MonkeyPatch, end: datetime | None, *, expected: bool
) -> None:
    """It served hours after the sentence was typed: those hours were never agreed to."""
    stopped(monkeypatch, end)

    assert promote._outlived(TOPOLOGY, known()) is expected


@pytest.mark.parametrize(
    ("end", "said"), [(LATER, "arrêté à 2026-01-28 18:00:00 UTC"), (None, "perte sans borne")]
)
def test_what_was_foreseen_grows_until_the_stop(
    monkeypatch: pytest.MonkeyPatch, end: datetime | None, said: str
) -> None:
    """Once, however often the command is run again."""
    stopped(monkeypatch, end)
    found = known()
    for _ in range(2):
        promote._extend(TOPOLOGY, found)

    assert found.foreseen.count(said) == 1
    assert found.until is not None
    assert found.until > NOON.timestamp()


def test_new_quorum_is_noted_before_it_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A failback that took the old quorum for whole would cost the new one."""
    home = Home(tmp_path)

    def fail(*_: object) -> None:
        raise CitadelleError("tué")

    monkeypatch.setattr(quorum, "alone", lambda *_: False)
    monkeypatch.setattr(sight, "machines", lambda *_: ())
    monkeypatch.setattr(quorum, "recreate", fail)
    with pytest.raises(CitadelleError, match="tué"):
        promote._quorum(TOPOLOGY, home, known(), "etcd3")

    found = journal.load(home)
    assert found is not None
    assert found.recreated
