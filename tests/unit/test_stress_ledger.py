"""What was sent against what is there: lost, phantom, in doubt."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from citadelle.stress.ledger import CHUNK, RECORD, Entry, Ledger, Outcome
from citadelle.stress.verdict import EXAMPLES, Key, Verdict, compare

ACKNOWLEDGED, REFUSED, DOUBT = Outcome


def sent(*outcomes: Outcome, client: int = 0) -> list[Entry]:
    """Return the writes of a client: the first has sequence 1."""
    return [Entry(outcome, client, n, float(n), 5, 1) for n, outcome in enumerate(outcomes, 1)]


def verdict(entries: list[Entry], present: list[Key]) -> Verdict:
    """Compare lists."""
    return compare(entries, present)


def test_all_present_is_clean() -> None:
    """Several clients, in order."""
    entries = sent(ACKNOWLEDGED, ACKNOWLEDGED) + sent(ACKNOWLEDGED, client=1)
    found = verdict(entries, [(0, 1), (0, 2), (1, 1)])

    assert (found.kept, found.clean) == (3, True)


@pytest.mark.parametrize("missing", [(0, 1), (0, 3), (1, 1), (1, 2)])
def test_acknowledged_and_missing_is_lost(missing: Key) -> None:
    """First, middle or last."""
    entries = sent(*[ACKNOWLEDGED] * 3) + sent(*[ACKNOWLEDGED] * 2, client=1)
    found = verdict(entries, [(e.client, e.sequence) for e in entries if e[1:3] != missing])

    assert (found.lost, found.lost_examples, found.phantom) == (1, (missing,), 0)
    assert not found.clean


@pytest.mark.parametrize("invented", [(0, 0), (0, 4), (1, 3), (7, 1)])
def test_present_and_never_sent_is_a_phantom(invented: Key) -> None:
    """Before, between, after, or of a client that does not exist."""
    entries = sent(*[ACKNOWLEDGED] * 3) + sent(*[ACKNOWLEDGED] * 2, client=1)
    found = verdict(entries, sorted([*((e.client, e.sequence) for e in entries), invented]))

    assert (found.phantom, found.phantom_examples, found.lost) == (1, (invented,), 0)
    assert not found.clean


def test_refused_and_present_is_a_phantom() -> None:
    """The application was told that nothing was written."""
    found = verdict(sent(REFUSED, REFUSED), [(0, 2)])

    assert (found.refused, found.phantom) == (1, 1)


def test_doubt_is_never_lost_nor_phantom() -> None:
    """Sent without an answer: both outcomes are right, and both are counted."""
    found = verdict(sent(DOUBT, ACKNOWLEDGED, DOUBT), [(0, 1), (0, 2)])

    assert (found.doubt_present, found.doubt_absent, found.clean) == (1, 1, True)


def test_everything_lost_is_counted_and_sampled() -> None:
    """An empty primary: all are counted, the first are named."""
    found = verdict(sent(*[ACKNOWLEDGED] * 1000), [])

    assert (found.lost, len(found.lost_examples)) == (1000, EXAMPLES)


def test_writers_are_told_apart() -> None:
    """A failover shows as another server on another timeline, in the order of time."""
    entries = [
        Entry(ACKNOWLEDGED, 0, 1, 20.0, 22, 2),
        Entry(ACKNOWLEDGED, 1, 1, 10.0, 21, 1),
        Entry(ACKNOWLEDGED, 1, 2, 30.0, 22, 2),
    ]
    found = verdict(entries, [(0, 1), (1, 1), (1, 2)])

    assert [(w.server, w.timeline, w.count, w.first_at, w.last_at) for w in found.writers] == [
        (21, 1, 1, 10.0, 10.0),
        (22, 2, 2, 20.0, 30.0),
    ]


def test_ledger_reads_back_what_it_wrote(tmp_path: Path) -> None:
    """In the primary key's order, across the buffer's boundary, whoever wrote first."""
    ledger = Ledger(tmp_path, 2)
    many = CHUNK // RECORD.size + 10
    before = time.time()
    ledger.books[1].append(Outcome.DOUBT, 1)
    for sequence in range(1, many):
        ledger.books[0].append(Outcome.ACKNOWLEDGED, sequence, 0xFFFFFFFF, 70_000)
    ledger.close()
    entries = list(ledger.entries())

    assert [(e.client, e.sequence) for e in entries] == [*((0, n) for n in range(1, many)), (1, 1)]
    assert entries[0]._replace(at=0) == (Outcome.ACKNOWLEDGED, 0, 1, 0, 0xFFFFFFFF, 70_000)
    assert before <= entries[0].at <= time.time()


def test_flushed_records_are_on_disk(tmp_path: Path) -> None:
    """Another process could read them while the run goes on."""
    ledger = Ledger(tmp_path, 1)
    ledger.books[0].append(Outcome.ACKNOWLEDGED, 1)
    ledger.flush()
    size = sum(path.stat().st_size for path in ledger.directory.iterdir())
    ledger.close()

    assert size == RECORD.size


def test_removed_ledger_leaves_nothing(tmp_path: Path) -> None:
    """After a clean verdict."""
    ledger = Ledger(tmp_path, 3)
    ledger.close()
    ledger.remove()

    assert list(tmp_path.iterdir()) == []
