"""TCP streams put together again: both directions' bytes, in order, as the ends saw them.

One stream is a pair of addresses and ports from one SYN to the next. What was captured late,
twice or never is expected: retransmissions, overlaps, 32-bit wrap, losses (RFC 9293, 3.4).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from citadelle.wire.packets import ACK, FIN, RST, SYN, Segment

WRAP, HALF = 1 << 32, 1 << 31
# How many bytes may wait for an earlier one before it is called lost: more than the kernel's
# largest default receive window (tcp_rmem, 6 MiB), which no sender may exceed.
WAITING_BYTES = 8 << 20
FIRST_BYTES = 16


class Consumer(Protocol):
    """What looks at one direction's bytes as they come."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the direction."""

    def gap(self) -> None:
        """Learn that bytes are missing between what was fed and what will be."""

    def finish(self) -> None:
        """Learn that nothing more comes."""


Content = TypeVar("Content", bound=Consumer)


class Direction(Generic[Content]):
    """One direction of a stream: hands its bytes on in order, keeps none that it has handed on.

    ``total`` counts the bytes handed on; ``lost`` those that were acknowledged or preceded
    others, and were never captured; ``gaps`` in how many places.
    """

    def __init__(self, content: Content) -> None:
        self.content = content
        self.base: int | None = None
        self.position = 0
        self.acked = 0
        self.total = self.lost = self.gaps = 0
        self.first = b""
        self.finished = False
        self._pending: dict[int, bytes] = {}
        self._waiting = 0

    def start(self, seq: int) -> None:
        """Learn the sequence number of the first byte; only the first call counts."""
        if self.base is None:
            self.base = seq % WRAP

    def push(self, seq: int, payload: bytes) -> None:
        """Take one segment's payload."""
        self.start(seq)
        ahead = self._ahead(seq)
        if ahead <= 0:
            self._deliver(payload[-ahead:] if ahead else payload)
            if self._pending:
                self._drain()
            return
        where = self.position + ahead
        known = self._pending.get(where, b"")
        if len(payload) > len(known):
            self._pending[where] = payload
            self._waiting += len(payload) - len(known)
        if self._waiting > WAITING_BYTES:
            self._skip()

    def acknowledge(self, ack: int) -> None:
        """Learn that the other end has everything before ``ack``."""
        if self.base is not None:
            self.acked = max(self.acked, self.position + self._ahead(ack))

    def conclude(self, seq: int) -> None:
        """Learn that the last byte is the one before ``seq``, a FIN's sequence number."""
        self.finished = True
        self.acknowledge(seq + 1)

    def finish(self) -> None:
        """Give up waiting for what is missing; nothing more comes."""
        while self._pending:
            self._skip()
        # A FIN takes one sequence number and is acknowledged like a byte.
        missing = self.acked - self.finished - self.position
        if missing > 0:
            self._lose(missing)
        self.content.finish()

    def _ahead(self, seq: int) -> int:
        """Return how far a sequence number is ahead of the next byte, negative when behind."""
        expected = (self.base or 0) + self.position
        return (seq - expected + HALF) % WRAP - HALF

    def _deliver(self, data: bytes) -> None:
        if not data:
            return
        self.position += len(data)
        self.total += len(data)
        if len(self.first) < FIRST_BYTES:
            self.first = (self.first + data[:FIRST_BYTES])[:FIRST_BYTES]
        self.content.feed(data)

    def _drain(self) -> None:
        """Hand on what waited for the bytes that just came."""
        for where in sorted(self._pending):
            if where > self.position:
                return
            data = self._pending.pop(where)
            self._waiting -= len(data)
            self._deliver(data[self.position - where :])

    def _skip(self) -> None:
        """Go on behind the first gap."""
        self._lose(min(self._pending) - self.position)
        self._drain()

    def _lose(self, size: int) -> None:
        self.position += size
        self.lost += size
        self.gaps += 1
        self.content.gap()


@dataclass(frozen=True)
class Ends:
    """The four numbers of a stream, the client first; addresses are packed."""

    client: bytes
    client_port: int
    server: bytes
    server_port: int


@dataclass
class Stream(Generic[Content]):
    """One connection; ``opened_before``: its SYN was not captured, ``isn`` is then None.

    ``start`` is the time of its first packet, in seconds since 1970.
    """

    ends: Ends
    start: float
    isn: int | None
    up: Direction[Content]
    down: Direction[Content]
    answered: bool = False
    reset: bool = False

    @property
    def opened_before(self) -> bool:
        """Tell whether the connection was open when the capture began."""
        return self.isn is None

    def take(self, s: Segment, from_client: bool) -> None:
        """Take one segment of this stream."""
        mine, other = (self.up, self.down) if from_client else (self.down, self.up)
        syn = bool(s.flags & SYN)
        if syn:
            mine.start(s.seq + 1)
        if s.flags & ACK:
            if not self.opened_before:
                other.start(s.ack)
            other.acknowledge(s.ack)
            self.answered |= not from_client and not s.flags & RST
        self.reset |= bool(s.flags & RST)
        if s.payload:
            mine.push(s.seq + syn, s.payload)
        if s.flags & FIN:
            mine.conclude(s.seq + syn + len(s.payload))


class Streams(Generic[Content]):
    """Every stream of one capture, in the order of their first packets.

    ``contents`` makes what looks at the two directions of a new stream, the client's first, from
    its ends and whether its beginning is missing. ``server_ports`` tells who is the client then.
    """

    def __init__(
        self,
        contents: Callable[[Ends, bool], tuple[Content, Content]],
        server_ports: frozenset[int],
    ) -> None:
        self._contents = contents
        self._server_ports = server_ports
        self._live: dict[tuple[bytes, int, bytes, int], Stream[Content]] = {}
        self.all: list[Stream[Content]] = []

    def feed(self, s: Segment) -> None:
        """Give a segment to its stream."""
        forward = (s.source, s.source_port, s.target, s.target_port)
        backward = (s.target, s.target_port, s.source, s.source_port)
        if s.flags & SYN:
            self._begin(s, forward, backward)
        if (stream := self._live.get(forward)) is not None:
            stream.take(s, from_client=True)
        elif (stream := self._live.get(backward)) is not None:
            stream.take(s, from_client=False)
        else:
            stream = self._join(s, forward, backward)
            stream.take(s, from_client=stream.ends.client_port == s.source_port)

    def finish(self) -> list[Stream[Content]]:
        """Close every stream and return them."""
        for stream in self.all:
            stream.up.finish()
            stream.down.finish()
        return self.all

    def _begin(
        self,
        s: Segment,
        forward: tuple[bytes, int, bytes, int],
        backward: tuple[bytes, int, bytes, int],
    ) -> None:
        """Open a stream at its SYN, or at the answer when the SYN itself was missed."""
        key, isn = (backward, s.ack - 1) if s.flags & ACK else (forward, s.seq)
        known = self._live.get(key)
        if known is not None and known.isn == isn % WRAP:
            return  # sent again
        self._live.pop(forward, None)
        self._live.pop(backward, None)
        self._open(s, Ends(*key), isn % WRAP)

    def _join(
        self,
        s: Segment,
        forward: tuple[bytes, int, bytes, int],
        backward: tuple[bytes, int, bytes, int],
    ) -> Stream[Content]:
        """Open a stream in its middle: the server is where a known port is, else the lower."""
        known = [port in self._server_ports for port in (s.source_port, s.target_port)]
        to_server = known[1] if known[0] != known[1] else s.target_port < s.source_port
        return self._open(s, Ends(*(forward if to_server else backward)), None)

    def _open(self, s: Segment, ends: Ends, isn: int | None) -> Stream[Content]:
        up, down = self._contents(ends, isn is None)
        stream = Stream(ends, s.time, isn, Direction(up), Direction(down))
        if isn is not None:
            stream.up.start(isn + 1)
        self._live[(ends.client, ends.client_port, ends.server, ends.server_port)] = stream
        self.all.append(stream)
        return stream
