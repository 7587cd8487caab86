"""The delay line's clock: in order, within its bounds, with the loss and the rate asked for."""

from __future__ import annotations

import importlib.util
import itertools
import random
import statistics
from types import ModuleType
from typing import Any

import pytest

from citadelle.wan import netem
from citadelle.workspace import ROOT


def load() -> ModuleType:
    """Load the file of the image: netfilterqueue is not needed for that."""
    path = ROOT / "docker" / "wan" / "delay_line.py"
    spec = importlib.util.spec_from_file_location("delay_line", path)
    assert spec
    assert spec.loader
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


delay_line = load()
# Full packets of Ethernet, at 100 Mbit/s: one each 120 µs.
SIZE = 1500
SEED = 20261128


def line(**options: float) -> Any:  # noqa: ANN401  # a class of a file loaded by its path
    """Return a line whose chance can be played again."""
    return delay_line.Line(**{"latency": 0.0, **options}, draw=random.Random(SEED).random)  # noqa: S311  # no secret


def sent(line_: Any, period: float, count: int) -> list[tuple[float, float | None]]:  # noqa: ANN401
    """Send packets at a regular pace; return when each left and arrives."""
    times = [number * period for number in range(count)]
    return [(now, line_.due(now, SIZE)) for now in times]


@pytest.mark.parametrize("period", [0.0001, 0.003, 0.2, 5.0])
def test_delay_stays_within_jitter(period: float) -> None:
    """Whatever the pace."""
    count = int(max(2000, 20 / period))
    delays = [due - now for now, due in sent(line(latency=0.04, jitter=0.01), period, count) if due]

    assert len(delays) == count
    assert 0.03 <= min(delays) < 0.032
    assert 0.048 < max(delays) <= 0.05
    assert statistics.mean(delays) == pytest.approx(0.04, abs=0.001)


@pytest.mark.parametrize("rate", [0, 5e6, 100e6])
@pytest.mark.parametrize("period", [0.00005, 0.003, 0.2])
def test_no_packet_overtakes(period: float, rate: float) -> None:
    """TCP takes a packet that overtakes for a loss."""
    slow = line(latency=0.08, jitter=0.02, rate=rate)
    arrivals = [due for _, due in sent(slow, period, 5000) if due]

    assert all(before <= after for before, after in itertools.pairwise(arrivals))


def test_loss() -> None:
    """One packet of fifty, within four standard deviations of a binomial law."""
    lost = sum(due is None for _, due in sent(line(loss=0.02), 0.001, 20_000))

    assert abs(lost - 400) < 4 * (20_000 * 0.02 * 0.98) ** 0.5


def test_rate_bounds_what_arrives() -> None:
    """Twice as much is sent as the line carries."""
    arrivals = [due for _, due in sent(line(rate=100e6), 0.00006, 50_000) if due]
    carried = 8 * SIZE * (len(arrivals) - 1) / (arrivals[-1] - arrivals[0])

    assert carried == pytest.approx(100e6, rel=0.01)


def test_what_waits_for_its_turn_is_bounded() -> None:
    """The rest is dropped: memory is not the operator's problem."""
    flood = sent(line(rate=1e6), 0.0, 1000)
    waits = [due for _, due in flood if due]

    assert max(waits) <= delay_line.BUFFER_SECONDS + 8 * SIZE / 1e6
    assert any(due is None for _, due in flood)


def test_slowest_line_still_carries() -> None:
    """A packet longer than the buffer passes when the line is idle."""
    assert line(rate=16e3).due(0.0, SIZE) == pytest.approx(0.75)


class Packet:
    """Stands in for the kernel's: an IPv4 header, and what became of it."""

    def __init__(self) -> None:
        self.verdict = ""

    def get_payload(self) -> bytes:
        """Return a header that says 1500 bytes."""
        return bytes((0x45, 0)) + SIZE.to_bytes(2, "big") + bytes(16)

    def accept(self) -> None:
        """Note it."""
        self.verdict = "accepted"

    def drop(self) -> None:
        """Note it."""
        self.verdict = "dropped"


def test_delivers_when_due_and_says_how_long_the_next_has() -> None:
    """The process sleeps as long, no longer."""
    packets, packet = delay_line.Packets(line(latency=0.04)), Packet()
    packets.take(packet)
    due = packets.waiting[0][0]

    assert packets.deliver(due - 0.01) == pytest.approx(0.01)
    assert packet.verdict == ""
    assert packets.deliver(due) is None
    assert packet.verdict == "accepted"


def test_lost_packets_are_dropped() -> None:
    """They do not wait in the kernel."""
    packets, packet = delay_line.Packets(line(loss=1.0)), Packet()
    packets.take(packet)

    assert (packet.verdict, len(packets.waiting)) == ("dropped", 0)


def test_netem_holds_as_many_packets() -> None:
    """Two tools, one behaviour."""
    assert netem.LIMIT == delay_line.HELD
