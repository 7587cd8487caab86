"""TCP streams are put together as the ends saw them, whatever the capture did to their packets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from citadelle.wire import packets, streams
from citadelle.wire.packets import ACK, RST, SYN, Segment
from citadelle.wire.streams import Stream, Streams
from tests.unit.pcaps import EPHEMERAL, Talk

A, B = "10.0.0.1", "10.0.0.2"
PORT = 443


@dataclass
class Heard:
    """Keeps what it is fed, a hole as one ``|``."""

    data: bytes = b""
    finished: bool = field(default=False)

    def feed(self, data: bytes) -> None:
        """Keep."""
        self.data += data

    def gap(self) -> None:
        """Mark."""
        self.data += b"|"

    def finish(self) -> None:
        """Take note."""
        self.finished = True


def follow(frames: list[bytes]) -> list[Stream[Heard]]:
    """Return the streams of these frames."""
    found = Streams(lambda _ends, _late: (Heard(), Heard()), frozenset({PORT}))
    for frame in frames:
        segment = packets.decode(0.0, frame)
        assert isinstance(segment, Segment)
        found.feed(segment)
    return found.finish()


def talk(up_seq: int = 1000, down_seq: int = 9000) -> Talk:
    """Return a connection from A to B."""
    return Talk(A, B, PORT, up_seq=up_seq, down_seq=down_seq)


def one(frames: list[bytes]) -> Stream[Heard]:
    """Return the only stream of these frames."""
    (stream,) = follow(frames)
    return stream


def test_both_directions_are_read() -> None:
    """The client is who sent the first SYN."""
    stream = one(talk().open().up(b"question").down(b"answer").close().frames)

    assert (stream.up.content.data, stream.down.content.data) == (b"question", b"answer")
    assert stream.ends.client_port == EPHEMERAL
    assert not stream.opened_before


def test_totals_and_first_bytes_are_kept() -> None:
    """For the report: how much, and how it began."""
    stream = one(talk().open().up(b"0123456789").up(b"abcdefghij").frames)

    assert (stream.up.total, stream.up.first) == (20, b"0123456789abcdef")


def test_retransmission_is_heard_once() -> None:
    """Neither a copy nor an overlap adds bytes."""
    t = talk().open().send(True, ACK, b"abcdef")
    t.up_seq -= 6
    t.send(True, ACK, b"abcdef")
    t.up_seq -= 3
    t.send(True, ACK, b"defghi").send(False, ACK)

    assert one(t.frames).up.content.data == b"abcdefghi"


def test_reordered_segments_are_sorted() -> None:
    """The bridge of a machine with several cores may show them out of order."""
    t = talk().open().send(True, ACK, b"un").send(True, ACK, b"deux").send(True, ACK, b"trois")
    a, b, c = t.frames[3:]
    stream = one([*t.frames[:3], c, b, a])

    assert (stream.up.content.data, stream.up.gaps) == (b"undeuxtrois", 0)


def test_sequence_numbers_wrap() -> None:
    """After 2^32 comes 0: also in the middle of a segment, also out of order."""
    t = talk(up_seq=streams.WRAP - 4).open()
    t.send(True, ACK, b"abcdef").send(True, ACK, b"ghi")

    assert one([*t.frames[:3], t.frames[4], t.frames[3]]).up.content.data == b"abcdefghi"


def test_hole_is_marked() -> None:
    """Bytes that were not captured were not looked at: the report must say so."""
    t = talk().open().send(True, ACK, b"un").send(True, ACK, b"deux").send(True, ACK, b"trois")
    stream = one([*t.frames[:4], t.frames[5]])

    assert stream.up.content.data == b"un|trois"
    assert (stream.up.gaps, stream.up.lost, stream.up.total) == (1, 4, 7)


def test_lost_end_is_marked() -> None:
    """What the other end acknowledged was sent, even if nothing follows it."""
    t = talk().open().up(b"un").up(b"perdu").close()
    del t.frames[5]
    stream = one(t.frames)

    assert (stream.up.content.data, stream.up.lost) == (b"un|", 5)


def test_lost_end_before_a_fin_is_marked() -> None:
    """A FIN has a sequence number: it tells what came before it."""
    t = talk().open().send(True, ACK, b"perdu").send(True, packets.FIN | ACK)
    del t.frames[3]

    assert one(t.frames).up.lost == 5


def test_lost_first_answer_is_marked() -> None:
    """The SYN-ACK and the first answer were missed: the client's ACK tells where it began."""
    t = talk().open().up(b"question").down(b"un").down(b"deux")
    kept = [frame for i, frame in enumerate(t.frames) if i not in (1, 5)]

    assert one(kept).down.content.data == b"|deux"


def test_closed_connection_lacks_nothing() -> None:
    """A FIN is acknowledged like a byte, but is none."""
    stream = one(talk().open().up(b"x").down(b"y").close().frames)

    assert (stream.up.gaps, stream.down.gaps) == (0, 0)
    assert stream.up.content.finished


def test_too_much_waiting_is_a_hole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: what no receive window could hold is not waited for."""
    monkeypatch.setattr(streams, "WAITING_BYTES", 8)
    t = talk().open().send(True, ACK, b"perdu")
    for _ in range(5):
        t.send(True, ACK, b"suit")
    found: Streams[Heard] = Streams(lambda _ends, _late: (Heard(), Heard()), frozenset({PORT}))
    for frame in [*t.frames[:3], *t.frames[4:]]:
        segment = packets.decode(0.0, frame)
        assert isinstance(segment, Segment)
        found.feed(segment)

    assert found.all[0].up.content.data == b"|" + b"suit" * 5


def test_used_again_tuple_is_another_stream() -> None:
    """Ports are used again: what the first stream negotiated says nothing about the second."""
    first = talk().open().up(b"un").close()
    second = talk(up_seq=700000, down_seq=80).open().up(b"deux")
    found = follow(first.frames + second.frames)

    assert [stream.up.content.data for stream in found] == [b"un", b"deux"]


def test_used_again_by_the_other_end() -> None:
    """The next connection may go the other way."""
    first = talk().open().up(b"un").close()
    second = Talk(B, A, EPHEMERAL, client_port=PORT, up_seq=5).open().up(b"deux")
    found = follow(first.frames + second.frames)

    assert [(s.ends.client_port, s.up.content.data) for s in found] == [
        (EPHEMERAL, b"un"),
        (PORT, b"deux"),
    ]


def test_repeated_syn_is_the_same_stream() -> None:
    """A lost SYN is sent again with the same number."""
    t = talk().open().up(b"un")

    assert one([t.frames[0], *t.frames]).up.content.data == b"un"


def test_syn_seen_only_in_its_answer_opens_a_stream() -> None:
    """The first packet of a capture may be a SYN-ACK: nothing of the payload is missing."""
    stream = one(talk().open().up(b"un").frames[1:])

    assert (stream.opened_before, stream.ends.client_port) == (False, EPHEMERAL)


@pytest.mark.parametrize("first", ["client", "server"])
def test_stream_opened_before_is_marked(first: str) -> None:
    """Who is the client follows from the known port, whoever speaks first."""
    t = talk()
    t = t.up(b"question") if first == "client" else t.down(b"answer")
    stream = one(t.frames)

    assert stream.opened_before
    assert (stream.ends.client_port, stream.up.gaps, stream.down.gaps) == (EPHEMERAL, 0, 0)


def test_lower_port_serves_when_none_is_known() -> None:
    """An unknown service of a stream opened before: ephemeral ports are high."""
    stream = one(Talk(A, B, 9).up(b"x").frames)

    assert stream.ends.server_port == 9


def test_keepalive_of_a_stream_opened_before_is_no_hole() -> None:
    """A keep-alive probe carries the number before the next byte, and nothing else."""
    t = talk()
    t.up_seq -= 1
    t.send(True, ACK)
    t.up_seq += 1
    stream = one(t.up(b"un").frames)

    assert (stream.up.content.data, stream.up.gaps) == (b"un", 0)


def test_refusal_is_told_from_silence() -> None:
    """RST answers a SYN when nobody listens; a firewall does not answer at all."""
    refused, silent = one(talk().refuse().frames), one(talk().send(True, SYN).frames)

    assert (refused.answered, refused.reset) == (False, True)
    assert (silent.answered, silent.reset) == (False, False)


def test_reset_after_the_answer_is_no_refusal() -> None:
    """HAProxy's checks end with RST: they were connections all the same."""
    stream = one(talk().open().send(True, RST).frames)

    assert (stream.answered, stream.reset) == (True, True)
