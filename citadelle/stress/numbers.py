"""Numbers as French readers write them."""

from __future__ import annotations

MINUTE = 60
HOUR = 3600
# Below, a decimal says something.
SMALL = 100


def count(number: float) -> str:
    """Return a whole number, its thousands apart (narrow no-break space)."""
    return f"{number:,.0f}".replace(",", "\u202f")


def amount(number: float | None) -> str:
    """Return a measure with as many decimals as it deserves; a dash when there is none."""
    if number is None:
        return "–"
    if number >= SMALL:
        return count(number)
    return (f"{number:.2f}" if number < 1 else f"{number:.1f}").replace(".", ",")


def duration(seconds: float) -> str:
    """Return a duration as h, min and s."""
    whole = int(seconds)
    if whole >= HOUR:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE:02} min"
    return f"{whole // MINUTE} min {whole % MINUTE:02} s" if whole >= MINUTE else f"{whole} s"
