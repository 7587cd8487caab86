"""Canaries: what must never be readable on the wire, searched in every byte of a capture."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from urllib.parse import quote, quote_plus

from citadelle.errors import CitadelleError

# Shorter ones occur by chance: with 6 bytes, in 100 MB of ciphertext, once in 3 million captures.
SHORTEST = 6
# A stream's bytes are searched in pieces of about this size.
PIECE_BYTES = 1 << 18

# Names of protocols, public by nature, in which a user's name may stand: libpq 17 says this one
# in clear in its ClientHello (ALPN), and the superuser is often called postgres.
PUBLIC = (b"postgresql",)

# HAProxy, "The PROXY protocol", 2.1 and 2.2.
PROXY_V1 = (b"PROXY TCP", b"PROXY UNKNOWN")
PROXY_V2 = bytes.fromhex("0d0a0d0a000d0a515549540a")
PROXY = {"PROXY v1": PROXY_V1, "PROXY v2": (PROXY_V2,)}


def forms(value: bytes) -> set[bytes]:
    """Return how a value may be spelled: raw, base64 at any of 3 alignments, URL-encoded."""
    found = {value, quote(value, safe="").encode(), quote_plus(value).encode()}
    found |= {_lower_escapes(form) for form in (quote(value, safe=""), quote_plus(value))}
    for shift in range(3):
        # What the neighbours' bits decide too is cut off at both ends.
        first, last = -(-shift * 8 // 6), (shift + len(value)) * 8 // 6
        padded = bytes(shift) + value
        found |= {
            encode(padded)[first:last]
            for encode in (base64.standard_b64encode, base64.urlsafe_b64encode)
        }
    return found


def _lower_escapes(text: str) -> bytes:
    """Return a URL-encoded text with its escapes in lower case."""
    head, *rest = text.split("%")
    return "%".join([head, *(part[:2].lower() + part[2:] for part in rest)]).encode()


class Needles:
    """Every form of every canary, by label; ``longest``: of a form or a PROXY mark, in bytes.

    Raises:
        CitadelleError: when a canary is so short that it would be found by chance.
    """

    def __init__(self, canaries: Mapping[str, bytes]) -> None:
        short = sorted(label for label, value in canaries.items() if len(value) < SHORTEST)
        if short:
            raise CitadelleError(
                f"Canari trop court : {', '.join(short)} (au moins {SHORTEST} octets)."
            )
        self.forms = [
            (label, form) for label, value in canaries.items() for form in sorted(forms(value))
        ]
        marks = [mark for group in PROXY.values() for mark in group]
        self.longest = max(map(len, [form for _, form in self.forms] + marks))

    def labels(self, data: bytes) -> set[str]:
        """Return the labels of the canaries in ``data``."""
        return {label for label, form in self.forms if form in data and _is_apart(form, data)}

    def masked(self, text: str) -> str:
        """Return a text with its canaries replaced by their labels."""
        for label, form in sorted(self.forms, key=lambda pair: -len(pair[1])):
            text = text.replace(form.decode("utf-8", "surrogateescape"), f"[{label}]")
        return text


def _is_apart(form: bytes, data: bytes) -> bool:
    """Tell whether a form that is in ``data`` is there on its own, outside a public name."""
    for name in PUBLIC:
        if form in name:
            data = data.replace(name, b"\n")
    return form in data


def signatures(data: bytes) -> set[str]:
    """Return the versions of the PROXY protocol whose header is in ``data``."""
    return {name for name, marks in PROXY.items() if any(mark in data for mark in marks)}


class Scanner:
    """Searches one direction of a stream as it comes: what is cut by segments is found too."""

    def __init__(self, needles: Needles) -> None:
        self.labels: set[str] = set()
        self.proxy: set[str] = set()
        self._needles = needles
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._parts.append(data)
        self._size += len(data)
        if self._size >= PIECE_BYTES:
            rest = self._search()[1 - self._needles.longest :]
            self._parts, self._size = [rest], len(rest)

    def gap(self) -> None:
        """Search what came; what follows does not belong to it."""
        self._search()
        self._parts, self._size = [], 0

    def finish(self) -> None:
        """Search what is left."""
        self.gap()

    def _search(self) -> bytes:
        data = b"".join(self._parts)
        self.labels |= self._needles.labels(data)
        self.proxy |= signatures(data)
        return data
