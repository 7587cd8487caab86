"""Canaries are found however they are spelled and wherever segments cut them."""

from __future__ import annotations

import base64
import os
from urllib.parse import quote

import pytest

from citadelle.errors import CitadelleError
from citadelle.wire.needles import PROXY_V2, Needles, Scanner, forms, signatures

SECRET = b"fictif.S\xc3\xa9cret/1+2 ~3"
NEEDLES = Needles({"le secret": SECRET, "autre": b"autre-valeur"})


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET, safe="").encode(),
        quote(SECRET, safe="").lower().encode().replace(b"s", b"S"),
        b"a=" + quote(SECRET, safe="").replace("%20", "+").encode(),
        *(base64.b64encode(b"x" * shift + SECRET + b"suite") for shift in range(6)),
        *(base64.urlsafe_b64encode(b"x" * shift + SECRET) for shift in range(3)),
    ],
)
def test_spelling_is_found(text: bytes) -> None:
    """Raw, URL-encoded, and in base64 at any place of a longer text."""
    assert NEEDLES.labels(b"avant" + text) == {"le secret"}


def test_basic_authentication_is_found() -> None:
    """HTTP's own spelling of a password: base64 behind a user name of any length."""
    for user in ("a", "ab", "abc"):
        header = base64.b64encode(f"{user}:autre-valeur".encode())
        assert NEEDLES.labels(b"Authorization: Basic " + header) == {"autre"}


def test_noise_holds_nothing() -> None:
    """Ciphertext gives no false alarm."""
    assert NEEDLES.labels(os.urandom(1 << 20)) == set()


def test_no_form_is_shorter_than_its_value() -> None:
    """Cutting off what neighbours decide leaves enough to be sure."""
    assert min(map(len, forms(b"123456"))) >= 6


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"\x0apostgresql", set()),
        (b"user\0postgres\0database\0app\0", {"compte"}),
        (b"\x0apostgresql user\0postgres\0", {"compte"}),
    ],
    ids=["alpn", "demarrage", "les-deux"],
)
def test_public_name_is_no_canary(text: bytes, found: set[str]) -> None:
    """The protocol is named in clear (ALPN); a user's name on its own is found all the same."""
    assert Needles({"compte": b"postgres"}).labels(text) == found


def test_short_canary_is_refused() -> None:
    """It would be found in ciphertext by chance; its label is named, its value is not."""
    with pytest.raises(CitadelleError, match="Canari trop court : compte") as caught:
        Needles({"compte": b"abc"})

    assert "abc" not in str(caught.value)


@pytest.mark.parametrize("cut", range(1, len(SECRET)))
def test_canary_is_found_across_segments(cut: int) -> None:
    """TCP cuts where it likes."""
    scanner = Scanner(NEEDLES)
    scanner.feed(b"avant" + SECRET[:cut])
    scanner.feed(SECRET[cut:] + b"suite")
    scanner.finish()

    assert scanner.labels == {"le secret"}


def test_canary_is_found_across_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor may the search's own pieces hide it."""
    monkeypatch.setattr("citadelle.wire.needles.PIECE_BYTES", 16)
    scanner = Scanner(NEEDLES)
    for byte in b"avant" * 9 + SECRET + b"suite":
        scanner.feed(bytes([byte]))

    assert scanner.labels == {"le secret"}


def test_canary_is_not_put_together_across_a_hole() -> None:
    """What was not captured between two halves was not seen."""
    scanner = Scanner(NEEDLES)
    scanner.feed(SECRET[:9])
    scanner.gap()
    scanner.feed(SECRET[9:])
    scanner.finish()

    assert scanner.labels == set()


def test_canary_behind_a_hole_is_found() -> None:
    """Records cannot be followed there, words can."""
    scanner = Scanner(NEEDLES)
    scanner.gap()
    scanner.feed(SECRET)
    scanner.finish()

    assert scanner.labels == {"le secret"}


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (PROXY_V2 + b"\x21\x11\0\x0c", "PROXY v2"),
        (b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n", "PROXY v1"),
        (b"PROXY UNKNOWN\r\n", "PROXY v1"),
    ],
)
@pytest.mark.parametrize("cut", [3, 8])
def test_proxy_header_is_found_across_segments(header: bytes, name: str, cut: int) -> None:
    """It travels inside the tunnel only: outside, anybody could write one."""
    scanner = Scanner(NEEDLES)
    scanner.feed(header[:cut])
    scanner.feed(header[cut:])
    scanner.finish()

    assert scanner.proxy == signatures(header) == {name}


def test_masked_text_keeps_the_label_only() -> None:
    """What a report quotes from the wire may be a secret."""
    assert NEEDLES.masked("hôte autre-valeur.test") == "hôte [autre].test"
