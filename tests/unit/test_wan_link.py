"""A slow line's options: what is understood, and what is refused before anything is touched."""

from __future__ import annotations

import pytest

from citadelle.errors import CitadelleError
from citadelle.wan import command
from citadelle.wan.command import Order
from citadelle.wan.link import Link, parse


@pytest.mark.parametrize(
    ("options", "link"),
    [
        (("40ms", "10ms", "1%", "100mbit"), Link(40, 10, 1, 100e6)),
        (("0.5s", "", "", ""), Link(500)),
        (("", "", "2,5 %", ""), Link(loss_percent=2.5)),
        (("", "", "", "1GBIT"), Link(rate_bits=1e9)),
        (("40ms", "40ms", "", ""), Link(40, 40)),
    ],
)
def test_understood(options: tuple[str, str, str, str], link: Link) -> None:
    """Units of tc; a decimal comma as French writes it."""
    assert parse(*options) == link


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("40", "", "", ""), "--latency : « 40 » illisible .* ms ou s"),
        (("-40ms", "", "", ""), "--latency : « -40ms » illisible"),
        (("40 minutes", "", "", ""), "illisible"),
        (("6s", "", "", ""), "au plus 5000 ms"),
        (("", "10ms", "", ""), "--jitter : 10 ms dépasse --latency"),
        (("10ms", "11ms", "", ""), "--jitter : 11 ms dépasse --latency"),
        (("", "", "100%", ""), "en dessous de 100 %"),
        (("", "", "1", ""), "--loss : « 1 » illisible"),
        (("", "", "", "10mo"), "--rate : « 10mo » illisible .* kbit ou mbit ou gbit"),
        (("", "", "", "0kbit"), "de 16kbit à 10gbit"),
        (("", "", "", "11gbit"), "de 16kbit à 10gbit"),
        (("0ms", "", "", ""), "Rien à poser"),
        (("nanms", "", "", ""), "illisible"),
    ],
)
def test_refused(options: tuple[str, str, str, str], reason: str) -> None:
    """In French, with what was expected."""
    with pytest.raises(CitadelleError, match=reason):
        parse(*options)


def test_every_problem_at_once() -> None:
    """An operator corrects a line once."""
    with pytest.raises(CitadelleError) as refused:
        parse("40", "10", "1", "100")
    assert [line.split()[0] for line in str(refused.value).splitlines()] == [
        "--latency",
        "--jitter",
        "--loss",
        "--rate",
    ]


@pytest.mark.parametrize("link", [Link(40, 10, 1, 100e6), Link(0.5), Link(0, 0, 99.9, 1e10)])
def test_words_read_back(link: Link) -> None:
    """What is told of a line is what makes it again."""
    words = dict(part.split("=") for part in str(link).split())

    assert parse(**words) == link


@pytest.mark.parametrize(
    ("flags", "order"),
    [({}, Order.SHOW), ({"cut": True}, Order.CUT), ({"off": True}, Order.OFF)],
)
def test_orders(flags: dict[str, bool], order: Order) -> None:
    """No option: nothing is changed."""
    options = {"cut": False, "off": False} | flags
    assert command.wanted("", "", "", "", site="", **options) == order


@pytest.mark.parametrize(
    ("latency", "cut", "off", "site"),
    [("40ms", True, False, ""), ("40ms", False, True, ""), ("", True, True, ""), ("", 0, 0, "dc2")],
)
def test_contradictions(latency: str, cut: bool, off: bool, site: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(CitadelleError):
        command.wanted(latency, "", "", "", cut=cut, off=off, site=site)
