"""The journal of a takeover: found again, and in the way of what would wreck it."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import lifecycle, sandbox
from citadelle.chaos import command
from citadelle.chaos.catalogue import FAULTS
from citadelle.dr import journal
from citadelle.dr.journal import Journal
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home whose remote site serves alone."""
    place = Home(tmp_path)
    Journal("pg3", "dc1", "2026-11-28T12:00:00+00:00", 2, "au plus 3 s").save(place)
    return place


def test_found_again(home: Home) -> None:
    """By the next command, steps included."""
    known = journal.load(home)
    assert known is not None
    known.steps["promu"] = 4.2
    known.save(home)

    again = journal.load(home)
    assert again is not None
    assert (again.node, again.steps) == ("pg3", {"promu": 4.2})


def test_none_without_a_takeover(tmp_path: Path) -> None:
    """And then nothing is refused."""
    assert journal.load(Home(tmp_path)) is None
    journal.refuse(Home(tmp_path), "Démarrer")


def test_unreadable_is_not_absent(home: Home) -> None:
    """A truncated journal must not let `up` start the lost site."""
    home.takeover.write_text('{"node": "pg3"')

    with pytest.raises(CitadelleError, match="illisible"):
        journal.refuse(home, "Démarrer")


def test_up(home: Home) -> None:
    """It would start the lost site."""
    with pytest.raises(CitadelleError, match=r"dr\.failback"):
        lifecycle.up(TOPOLOGY, home)


def test_create(home: Home) -> None:
    """It would make containers anew, which restart by themselves."""
    with pytest.raises(CitadelleError, match=r"dr\.failback"):
        lifecycle.create(TOPOLOGY, home)


def test_down(home: Home) -> None:
    """The fence is in the containers."""
    with pytest.raises(CitadelleError, match=r"dr\.failback"):
        lifecycle.down(TOPOLOGY, home)


def test_restart(home: Home) -> None:
    """Of a machine of the lost site."""
    with pytest.raises(CitadelleError, match=r"dr\.failback"):
        lifecycle.restart(TOPOLOGY, home, "pg1")


def test_faults(home: Home) -> None:
    """Their restore starts whatever does not run."""
    with pytest.raises(CitadelleError, match=r"dr\.failback"):
        command.play(TOPOLOGY, home, FAULTS, 1, None)
    with pytest.raises(CitadelleError, match=r"dr\.failback"):
        command.restore(TOPOLOGY, home)


def test_a_removed_cluster_is_forgotten(home: Home) -> None:
    """The next one of the same home starts as usual."""
    sandbox.remove(home)

    assert journal.load(home) is None
