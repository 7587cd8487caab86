"""What a run says of its own memory."""

from __future__ import annotations

from citadelle.stress import memory, report
from citadelle.stress.memory import Memory
from citadelle.stress.result import Sample
from tests.unit.stress_lab import Clock, result


def test_one_sample_a_minute() -> None:
    """However often it is looked at; and one more when asked."""
    clock, sizes = Clock(), iter(range(100, 200))
    seen = Memory(clock, lambda: float(next(sizes)))
    for _ in range(600):
        seen.look()
        clock.now += 0.5
    seen.take()

    assert [sample.at for sample in seen.samples()] == [0.0, 60.0, 120.0, 180.0, 240.0, 300.0]
    assert [sample.megabytes for sample in seen.samples()] == [100, 101, 102, 103, 104, 105]


def test_resident_memory_is_this_process() -> None:
    """A buffer that is written to is seen, within a tenth."""
    before = memory.resident()
    buffer = bytearray(b"x") * 50_000_000
    grown = memory.resident() - before

    assert len(buffer) == 50_000_000
    assert 45 < grown < 55


def test_long_run_shows_its_memory() -> None:
    """After a minute, at the end of the load, at most, and once the ledger was compared."""
    samples = ((0.0, 50.0), (60.0, 71.5), (120.0, 73.5), (180.0, 72.5), (185.0, 90.5))
    seen = result(memory=tuple(Sample(*sample) for sample in samples))

    assert dict(report.rows(seen)).popitem() == (
        "Mémoire du programme : 1 min / fin / max / grand livre comparé",
        "71,5 / 72,5 / 73,5 / 90,5 Mo",
    )


def test_short_run_says_nothing_of_memory() -> None:
    """Two samples make no slope."""
    seen = result(memory=(Sample(0.0, 50.0), Sample(30.0, 60.0)))

    assert not [name for name, _ in report.rows(seen) if name.startswith("Mémoire")]
