"""The verdict on one stream: who talks to whom, how it is encrypted, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from citadelle.flows import Flow, Party
from citadelle.wire import hello
from citadelle.wire.needles import Needles, Scanner
from citadelle.wire.records import SSL_ACCEPTED, SSL_REQUEST, Walker
from citadelle.wire.streams import Stream

# (source, target, port variable) -> why this row of the table cannot do better than TLS 1.2.
# Empty: every component does TLS 1.3, as docs/securite.md promises.
OLDER_TLS: Mapping[tuple[str, str, str], str] = {}

# How a clear-text stream may begin; PostgreSQL's codes are those of "Message Formats".
OPENINGS = {
    SSL_REQUEST: "SSLRequest de PostgreSQL sur un port qui n'est pas le sien",
    bytes.fromhex("0000000804d21630"): "GSSENCRequest de PostgreSQL",
    bytes.fromhex("0000001004d2162e"): "CancelRequest de PostgreSQL en clair",
    b"N": "PostgreSQL refuse TLS (N)",
    b"E": "erreur de PostgreSQL en clair",
    b"GET ": "HTTP en clair",
    b"POST ": "HTTP en clair",
    b"HTTP/": "HTTP en clair",
    b"PRI * ": "HTTP/2 en clair",
}
STARTUP = b"\x00\x03"


class Kind(StrEnum):
    """What a stream turned out to be."""

    TLS = "TLS"
    UNFINISHED = "poignée inachevée"
    SILENT = "muet"
    REFUSED = "refusé"
    UNANSWERED = "sans réponse"
    CLEAR = "en clair"
    LOST = "incomplet"


class Fault(StrEnum):
    """What may be wrong with a stream; programs compare these, people read the sentences."""

    NOT_LISTED = "hors-table"
    LEAVES = "sort-du-reseau"
    CLEAR = "pas-tls"
    OLD = "tls-ancien"
    LATE = "ouvert-avant"
    SUITE = "suite"
    CANARY = "canari"
    PROXY = "proxy"
    GAP = "trou"


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, as a code and as a French sentence."""

    fault: Fault
    text: str


class Content:
    """What looks at one direction: its records, and the canaries that must not be in it."""

    def __init__(self, walker: Walker, scanner: Scanner) -> None:
        self.walker, self.scanner = walker, scanner

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the direction."""
        self.walker.feed(data)
        self.scanner.feed(data)

    def gap(self) -> None:
        """Go on behind a hole: records cannot be followed there, canaries can be searched."""
        self.walker.gap()
        self.scanner.gap()

    def finish(self) -> None:
        """Take note that nothing more comes."""
        self.walker.finish()
        self.scanner.finish()


def contents(needles: Needles, postgres: bool, late: bool) -> tuple[Content, Content]:
    """Return what looks at the two directions of a new stream, the client's first."""
    sides = ((hello.CLIENT_HELLO, SSL_REQUEST), (hello.SERVER_HELLO, SSL_ACCEPTED))
    up, down = (
        Content(Walker(first, preamble if postgres else b"", late), Scanner(needles))
        for first, preamble in sides
    )
    return up, down


@dataclass(frozen=True)
class Place:
    """Where a stream was seen: its network, its two ends, its row of the table."""

    network: str
    source: Party
    source_address: str
    source_port: int
    target: Party
    target_address: str
    port: int
    flow: Flow | None
    leaves: bool


@dataclass(frozen=True)
class Judgement:
    """What one stream was; bytes are counts of each direction, ``start`` is seconds since 1970.

    ``talked``: it was seen from its first packet on, each side then sent application data, and
    none an alert in clear. ``first_up`` and ``first_down`` are the first bytes in hexadecimal.
    ``truncated`` counts the directions whose last record is not whole, ``skipped`` the bytes before
    the first record of a stream that was open before the capture.
    """

    place: Place
    start: float
    kind: Kind
    opened_before: bool
    talked: bool
    version: str
    suite: str
    sni: str
    alerts: tuple[str, ...]
    bytes_up: int
    bytes_down: int
    first_up: str
    first_down: str
    truncated: int
    skipped: int
    problems: tuple[Problem, ...]

    @property
    def faults(self) -> frozenset[Fault]:
        """The codes of what is wrong."""
        return frozenset(problem.fault for problem in self.problems)


def judge(stream: Stream[Content], place: Place, needles: Needles) -> Judgement:
    """Return the verdict on a finished stream."""
    up, down = stream.up.content, stream.down.content
    offer, answer = up.walker.client, down.walker.server
    return Judgement(
        place,
        stream.start,
        _kind(stream),
        stream.opened_before,
        _talked(stream),
        version=hello.version_name(answer.version) if answer else "",
        suite=hello.suite_name(answer.suite) if answer else "",
        sni=needles.masked(offer.sni) if offer else "",
        alerts=tuple(up.walker.alerts + down.walker.alerts),
        bytes_up=stream.up.total,
        bytes_down=stream.down.total,
        first_up=_first(stream.up.first, up.scanner),
        first_down=_first(stream.down.first, down.scanner),
        truncated=up.walker.truncated + down.walker.truncated,
        skipped=up.walker.skipped + down.walker.skipped,
        problems=tuple(_problems(stream, place)),
    )


def _talked(stream: Stream[Content]) -> bool:
    up, down = stream.up.content.walker, stream.down.content.walker
    if stream.opened_before or not down.server or up.alerts or down.alerts:
        return False
    return bool(up.words and down.words)


def _first(data: bytes, scanner: Scanner) -> str:
    """Return the first bytes in hexadecimal, unless they may be a part of a canary."""
    return "masqué : canari" if scanner.labels else data.hex()


def _kind(stream: Stream[Content]) -> Kind:
    up, down = stream.up.content.walker, stream.down.content.walker
    lost, seen = stream.up.gaps + stream.down.gaps, stream.up.total + stream.down.total
    if up.broken or down.broken:
        return Kind.CLEAR
    if down.server or (stream.opened_before and seen):
        return Kind.TLS
    if lost:
        return Kind.LOST
    if up.records or down.records or up.truncated:
        return Kind.UNFINISHED
    if stream.answered or stream.opened_before:
        return Kind.SILENT
    return Kind.REFUSED if stream.reset else Kind.UNANSWERED


def _problems(stream: Stream[Content], place: Place) -> Iterator[Problem]:
    if place.flow is None:
        yield Problem(Fault.NOT_LISTED, "hors de la table des flux")
    if place.leaves:
        yield Problem(Fault.LEAVES, f"sort du réseau {place.network}")
    yield from _encryption(stream, place.flow)
    if stream.opened_before:
        yield Problem(Fault.LATE, "ouvert avant la capture : poignée de main et version inconnues")
    for side, direction in (("client", stream.up), ("serveur", stream.down)):
        scanner = direction.content.scanner
        if scanner.labels:
            seen = ", ".join(sorted(scanner.labels))
            yield Problem(Fault.CANARY, f"{side} : canari lisible ({seen})")
        if scanner.proxy:
            versions = ", ".join(sorted(scanner.proxy))
            yield Problem(Fault.PROXY, f"{side} : en-tête {versions} sur le réseau")
        if direction.gaps:
            yield Problem(
                Fault.GAP, f"{side} : {direction.lost} octets manquent à la capture, non vérifiés"
            )


def _encryption(stream: Stream[Content], flow: Flow | None) -> Iterator[Problem]:
    up, down = stream.up.content.walker, stream.down.content.walker
    for side, walker, first in (
        ("client", up, stream.up.first),
        ("serveur", down, stream.down.first),
    ):
        if walker.broken:
            text = f"{side} : {walker.broken} à l'octet {walker.broken_at}"
            yield Problem(Fault.CLEAR, text + _opening(walker, first))
    if down.negotiated and not up.negotiated and not stream.opened_before:
        yield Problem(Fault.CLEAR, "serveur : accepte un TLS que le client n'a pas demandé")
    if down.records and up.negotiated and not down.negotiated:
        yield Problem(Fault.CLEAR, "serveur : n'a pas répondu à la demande de TLS")
    if down.server:
        yield from _agreement(down.server, flow)


def _agreement(answer: hello.ServerHello, flow: Flow | None) -> Iterator[Problem]:
    """Say what is wrong with what the two ends agreed on."""
    if answer.version != hello.TLS_1_3:
        if not (flow and (flow.source, flow.target, flow.port) in OLDER_TLS):
            yield Problem(Fault.OLD, f"{hello.version_name(answer.version)} négocié")
    elif answer.suite not in hello.SUITES_1_3:
        yield Problem(Fault.SUITE, f"suite inattendue : {hello.suite_name(answer.suite)}")


def _opening(walker: Walker, first: bytes) -> str:
    """Return what a direction began with, when that is what is wrong with it."""
    if walker.broken_at:
        return ""
    names = [name for start, name in OPENINGS.items() if first.startswith(start)]
    if not names and first[4:6] == STARTUP:
        names = ["démarrage de PostgreSQL en clair"]
    return f" : {names[0]}" if names else ""
