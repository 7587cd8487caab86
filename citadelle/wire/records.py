"""One direction of a stream read as TLS records, from its first byte to its last.

RFC 8446, 5.1 and 5.2: type, version 3.1 to 3.3, length, then that many bytes; nothing else may
be on the wire, but for the negotiation that PostgreSQL's protocol puts in front of it
(protocol-flow, "SSL Session Encryption").
"""

from __future__ import annotations

import re
import struct

from citadelle.wire import hello

HEADER = struct.Struct(">BHH")
CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
RECORD_VERSIONS = (0x0301, 0x0302, 0x0303)
# 2^14 bytes of text and what encryption may add to them.
LONGEST = 2**14 + 256
LONGEST_RECORD = HEADER.size + LONGEST
RECORD_START = re.compile(rb"(?=[\x14-\x17]\x03[\x01-\x03])")
HALF_START = re.compile(rb"[\x14-\x17](\x03[\x01-\x03]?)?")
# Of TLS 1.3, whose records all look like application data once there are keys: each ends with its
# real type and a tag (17 bytes). A Finished is a header and a hash (SHA-256 or SHA-384); OpenSSL
# and Go put each message of a handshake into a record of its own. An alert is two bytes.
FINISHED_SIZES = (4 + 32 + 17, 4 + 48 + 17)
ALERT_SIZE = 2 + 17
# A stream opened before the capture begins inside a record: within two of the longest, one
# begins and, unless the capture ends first, is followed by another.
LEAD_BYTES = 2 * LONGEST_RECORD
# A hello fits in one record; more would be somebody who sends without end.
LONGEST_HELLO = 1 << 16

SSL_REQUEST = bytes.fromhex("0000000804d2162f")
SSL_ACCEPTED = b"S"


class Walker:
    """The records of one direction, read as they come.

    ``first``: the handshake message that must come first (from a client its hello, from a server
    its own); ``preamble``: what may stand before it; ``late``: the stream's beginning was not
    captured.

    ``broken`` is empty, or says why the bytes from offset ``broken_at`` on are no TLS.
    ``words``: records of application data, alerts left out; those of a handshake under keys too,
    where its end can be told by its size (elsewhere they count).
    ``truncated``: the last record is not whole. ``skipped``: bytes of a late stream before its
    first recognised record.
    """

    def __init__(self, first: int, preamble: bytes = b"", late: bool = False) -> None:
        self.first, self.preamble, self.late = first, preamble, late
        self.negotiated = False
        self.records = 0
        self.words = 0
        self.skipped = 0
        self.broken = ""
        self.broken_at = 0
        self.truncated = False
        self.client: hello.ClientHello | None = None
        self.server: hello.ServerHello | None = None
        self.retried = False
        self.alerts: list[str] = []
        self._stopped = False
        self._started = False
        self._agreed = False
        self._finished = False
        self._at = 0  # offset in the stream of what is in _held
        self._held = b""
        self._body = 0  # bytes still to come of a record whose content does not matter
        self._handshake = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the direction."""
        if self._stopped or self.broken:
            return
        size = len(data)
        if self._body >= size:
            self._body -= size
            self._at += size
            return
        self._at += self._body
        self._held += data[self._body :] if self._body else data
        self._body = 0
        if self._started or self._start():
            self._walk()

    def gap(self) -> None:
        """Stop: what follows a hole cannot be cut into records."""
        self.finish()
        self._stopped = True

    def finish(self) -> None:
        """Judge what is left at the end of the capture, or at a hole."""
        if self._stopped or self.broken:
            return
        if self._started or not self._held:
            self._conclude()
        elif self._start(last=True):
            self._walk()
            self._conclude()

    def _conclude(self) -> None:
        """Judge what is held after the last whole record."""
        if self.broken:
            return
        self.truncated = bool(self._body or self._held)
        if self._held and not HALF_START.fullmatch(self._held[:3]):
            self._break("octets qui ne commencent pas un enregistrement TLS", 0)

    def _start(self, last: bool = False) -> bool:
        """Pass what may stand before the first record; False while more bytes are needed."""
        if self.preamble and not self.negotiated:
            if self.preamble.startswith(self._held) and self._held != self.preamble and not last:
                return False
            if self._held.startswith(self.preamble):
                self.negotiated = True
                self._pass(len(self.preamble))
                if not self._held:
                    return False
        if self.late and not last and len(self._held) < LEAD_BYTES:
            return False
        if self.late and not self._synchronise():
            return False
        self._started = True
        return True

    def _synchronise(self) -> bool:
        """Find the first offset from which records follow one another to the end."""
        for candidate in RECORD_START.finditer(self._held, 0, LONGEST_RECORD + 3):
            offset = candidate.start()
            whole = _chain(self._held, offset)
            if whole > 0 or (whole == 0 and offset == 0):
                self.skipped = offset
                self._pass(offset)
                self._agreed = self._held[0] != HANDSHAKE
                return True
        self._break("aucun enregistrement TLS reconnu", 0)
        return False

    def _pass(self, size: int) -> None:
        self._held = self._held[size:]
        self._at += size

    def _break(self, reason: str, offset: int) -> None:
        self.broken, self.broken_at = reason, self._at + offset

    def _walk(self) -> None:
        """Cut whole records off; of application data, only lengths are kept."""
        held, end, at = self._held, len(self._held), 0
        while end - at >= HEADER.size:
            kind, version, size = HEADER.unpack_from(held, at)
            if not _valid(kind, version, size):
                self._break("pas un enregistrement TLS", at)
                return
            if kind != APPLICATION:
                if end - at - HEADER.size < size:
                    break
                body = held[at + HEADER.size : at + HEADER.size + size]
                if problem := self._control(kind, body):
                    self._break(problem, at)
                    return
            elif not self._agreed and not self.late:
                self._break("données sans poignée de main TLS", at)
                return
            else:
                self._hear(size)
            self.records += 1
            at += HEADER.size + size
        self._at += min(at, end)
        self._body, self._held = max(at - end, 0), held[at:]

    def _hear(self, size: int) -> None:
        """Count a record of application data; what came until a Finished belongs to it."""
        if size in FINISHED_SIZES and not self._finished:
            self._finished, self.words = True, 0
        elif size != ALERT_SIZE:
            self.words += 1

    def _control(self, kind: int, body: bytes) -> str:
        """Look at a record that is not application data; return what is wrong with it."""
        if kind == ALERT:
            # Encrypted ones (TLS 1.2) are longer: level and description are two bytes.
            if len(body) == 2:  # noqa: PLR2004
                self.alerts.append(hello.alert_name(body[1]))
            return ""
        if kind == CHANGE_CIPHER_SPEC:
            return "" if body == b"\x01" else "ChangeCipherSpec inattendu"
        if self.server is not None and self.server.version == hello.TLS_1_3:
            return "poignée de main en clair après les clés"
        if self._agreed:
            return ""
        self._handshake += body
        try:
            return self._hello()
        except ValueError:
            return "message TLS illisible"

    def _hello(self) -> str:
        """Read the hello once it is whole; return what is wrong with it."""
        held = self._handshake
        if held and held[0] != self.first:
            # A late stream may begin in the middle of a handshake.
            self._agreed = self.late
            return "" if self.late else "la poignée de main ne commence pas par un « Hello »"
        if len(held) > LONGEST_HELLO:
            return "« Hello » trop long"
        size = 4 + int.from_bytes(held[1:4])
        if len(held) < max(size, 4):
            return ""
        body, self._handshake = held[4:size], held[size:]
        if self.first == hello.CLIENT_HELLO:
            self.client, self._agreed = hello.client_hello(body), True
            return ""
        answer = hello.server_hello(body)
        if answer.retry:
            self.retried = True
            return self._hello() if self._handshake else ""
        self.server, self._agreed = answer, True
        return ""


def _valid(kind: int, version: int, size: int) -> bool:
    return (
        CHANGE_CIPHER_SPEC <= kind <= APPLICATION and version in RECORD_VERSIONS and size <= LONGEST
    )


def _chain(data: bytes, at: int) -> int:
    """Return how many whole records follow one another to the end, -1 if something else does."""
    whole = 0
    while len(data) - at >= HEADER.size:
        kind, version, size = HEADER.unpack_from(data, at)
        if not _valid(kind, version, size):
            return -1
        at += HEADER.size + size
        whole += at <= len(data)
    rest = data[at : at + 3]
    return -1 if rest and not HALF_START.fullmatch(rest) else whole
