"""A slow line in user space, for a kernel without netem: packets wait here before they go on.

Runs in a side container of the machine that receives them, in its network namespace. The kernel
keeps the packets (NFQUEUE); this process knows their sizes, and says when each may go on. Only
what arrives is delayed: a packet held on its way out still counts as unsent for its socket, and
TCP then sends two at a time (TCP small queues; seen: 1 Mbit/s instead of 80).

    delay_line.py LATENCY_MS JITTER_MS LOSS_PERCENT RATE_BITS

A rate of 0 is no bound.
"""

from __future__ import annotations

import contextlib
import random
import select
import sys
import time
from collections import deque
from collections.abc import Callable
from typing import Any

# The kernel's queue; the rule that fills it: citadelle/wan/line.py.
QUEUE = 0
# Packets that the kernel keeps, beyond which it drops: 30 MB of full packets, a second of delay
# at 240 Mbit/s.
HELD = 20_000
# The kernel's messages about them, not yet read: about 1 kB each.
SOCKET_BYTES = 32 * 1024 * 1024
# What waits for its turn at most, as in a router's buffer; the rest is dropped (tail drop).
BUFFER_SECONDS = 0.1
# An IPv4 header holds the size of its packet; nothing else of it is read.
HEADER_BYTES = 20
# The delay goes from one drawn value to the next in this many times the jitter: it then changes
# by half a second per second at most, and no packet overtakes the one before.
PERIOD = 4


class Line:
    """When a packet arrives over a line: times and delays in seconds, rate in bits per second.

    First in, first out: the delay wanders between ``latency - jitter`` and ``latency + jitter``
    instead of jumping, as on a real line, where packets of one path seldom overtake each other.
    """

    def __init__(
        self,
        latency: float,
        jitter: float = 0.0,
        loss: float = 0.0,
        rate: float = 0.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.latency, self.jitter, self.loss, self.rate = latency, jitter, loss, rate
        self._draw = draw
        self._free = 0.0  # when the last packet has left its sender
        self._period, self._ends = 0, (self._drawn(), self._drawn())

    def due(self, now: float, size: int) -> float | None:
        """Return when a packet of ``size`` bytes arrives that is sent now; None when it is lost."""
        if self.loss and self._draw() < self.loss:
            return None
        start = max(now, self._free)
        if start - now > BUFFER_SECONDS:
            return None
        self._free = start + (8 * size / self.rate if self.rate else 0.0)
        return self._free + self._delay(self._free)

    def _delay(self, moment: float) -> float:
        if not self.jitter:
            return self.latency
        length = PERIOD * self.jitter
        period = int(moment / length)
        if period != self._period:
            left = self._ends[1] if period == self._period + 1 else self._drawn()
            self._period, self._ends = period, (left, self._drawn())
        part = moment / length - period
        return self._ends[0] * (1 - part) + self._ends[1] * part

    def _drawn(self) -> float:
        return self.latency + self.jitter * (2 * self._draw() - 1)


class Packets:
    """The packets that are on their way, in order."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.waiting: deque[tuple[float, Any]] = deque()

    def take(self, packet: Any) -> None:  # noqa: ANN401  # netfilterqueue's Packet, untyped
        """Put a packet on the line, or lose it."""
        size = int.from_bytes(packet.get_payload()[2:4], "big")
        due = self.line.due(time.monotonic(), size)
        if due is None:
            packet.drop()
        else:
            self.waiting.append((due, packet))

    def deliver(self, now: float) -> float | None:
        """Let go every packet whose time has come; return how long the next one has, if any."""
        while self.waiting and self.waiting[0][0] <= now:
            self.waiting.popleft()[1].accept()
        return self.waiting[0][0] - now if self.waiting else None


def main(argv: list[str]) -> None:
    """Serve the kernel's queue until the container is removed."""
    # Only the image has it; tests load this file without.
    from netfilterqueue import COPY_PACKET, NetfilterQueue  # noqa: PLC0415

    latency, jitter, loss, rate = (float(word) for word in argv)
    packets = Packets(Line(latency / 1000, jitter / 1000, loss / 100, rate))
    queue = NetfilterQueue()
    queue.bind(QUEUE, packets.take, HELD, COPY_PACKET, HEADER_BYTES, SOCKET_BYTES)
    wait = None
    while True:
        if select.select([queue.get_fd()], [], [], wait)[0]:
            # Nothing to read after all is no error.
            with contextlib.suppress(BlockingIOError):
                queue.run(block=False)
        wait = packets.deliver(time.monotonic())


if __name__ == "__main__":
    main(sys.argv[1:])
