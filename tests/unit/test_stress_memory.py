"""An hour of load costs no more memory than a minute: what is kept does not grow with requests."""

from __future__ import annotations

import gc
import sys

import pytest

from citadelle.stress.ledger import RECORD, Ledger, Outcome
from citadelle.stress.recorder import Recorder
from citadelle.stress.verdict import compare
from tests.unit.stress_lab import LOST, Clock

SAMPLES = 5_000_000
WARM_UP = 50_000
# As 1,500 requests per second for an hour: the samples are spread over this time, in seconds.
SPAN = 3600
# Live Python objects, whatever their number of samples: buffers, first messages, free lists.
BLOCKS = 2000
CLIENTS = 16


def push(recorder: Recorder, clock: Clock, ledger: Ledger, first: int, last: int) -> None:
    """Answer and record writes, an error now and then."""
    step = SPAN / SAMPLES
    answered, books = recorder.answered, [book.append for book in ledger.books]
    for n in range(first, last):
        clock.now += step
        answered(clock.now - 1e-4 * (n % 9973 + 1), clock.now, write=True)
        books[n % CLIENTS](Outcome.ACKNOWLEDGED, n // CLIENTS + 1, 0x0AD14115, 7)
        if n % 10_000 == 0:
            recorder.failed("requête", LOST)


def blocks() -> int:
    """Return how many blocks Python's allocator has handed out."""
    gc.collect()
    return sys.getallocatedblocks()


@pytest.fixture(scope="module")
def pushed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, Ledger, int]:
    """All samples, and by how many blocks memory has grown since the first ones."""
    clock = Clock()
    recorder = Recorder(clock=clock)
    ledger = Ledger(tmp_path_factory.mktemp("ledger"), CLIENTS)
    push(recorder, clock, ledger, 0, WARM_UP)
    before = blocks()
    push(recorder, clock, ledger, WARM_UP, SAMPLES)
    return recorder, ledger, blocks() - before


def test_objects_do_not_accumulate(pushed: tuple[Recorder, Ledger, int]) -> None:
    """Five million requests leave the same objects behind as fifty thousand."""
    _, _, grown = pushed

    assert grown < BLOCKS


def test_a_second_costs_forty_bytes(pushed: tuple[Recorder, Ledger, int]) -> None:
    """The only thing that grows with time: 144 kB for an hour."""
    recorder, _, _ = pushed
    recorder.finish(recorder.clock())
    closed = recorder._closed

    assert len(closed) * closed.itemsize <= 40 * (SPAN + 1)
    assert recorder.total.count == SAMPLES


def test_every_sample_is_compared_in_flat_memory(pushed: tuple[Recorder, Ledger, int]) -> None:
    """Both sides are streams; one row of each is in memory."""
    _, ledger, _ = pushed
    ledger.close()
    size = sum(path.stat().st_size for path in ledger.directory.iterdir())
    each = SAMPLES // CLIENTS
    present = ((client, n) for client in range(CLIENTS) for n in range(1, each + 1))
    before = blocks()
    verdict = compare(ledger.entries(), present)
    grown = blocks() - before
    ledger.remove()

    assert (verdict.kept, verdict.clean, size) == (SAMPLES, True, SAMPLES * RECORD.size)
    assert grown < BLOCKS
