"""What a slow line is like, as an operator types it; nothing is touched by a wrong value."""

from __future__ import annotations

import re
from dataclasses import dataclass

from citadelle.errors import CitadelleError

# Each unit in that of the field: milliseconds, percent, bits per second (tc's own words).
DURATIONS = {"ms": 1.0, "s": 1000.0}
SHARES = {"%": 1.0}
RATES = {"kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
VALUE = re.compile(r"(\d+(?:[.,]\d+)?) *([a-z%]+)", re.IGNORECASE)
# Beyond any line on Earth; a satellite is at 300 ms.
MAX_LATENCY_MS = 5000.0
# Below, TCP's first packet alone takes more than a second; above, no delay line follows.
MIN_RATE, MAX_RATE = 16e3, 10e9
ALL_LOST = 100.0


@dataclass(frozen=True)
class Link:
    """One direction of a line: what a packet waits, how likely it is lost, bits per second.

    ``rate_bits`` 0 is no bound. The delay of a packet is ``latency_ms`` plus or minus
    ``jitter_ms`` at most.
    """

    latency_ms: float = 0.0
    jitter_ms: float = 0.0
    loss_percent: float = 0.0
    rate_bits: float = 0.0

    def __str__(self) -> str:
        """Return it in the words of the command's options."""
        parts = [
            f"latency={self.latency_ms:g}ms" if self.latency_ms else "",
            f"jitter={self.jitter_ms:g}ms" if self.jitter_ms else "",
            f"loss={self.loss_percent:g}%" if self.loss_percent else "",
            f"rate={_rate(self.rate_bits)}" if self.rate_bits else "",
        ]
        return " ".join(filter(None, parts))


def parse(latency: str = "", jitter: str = "", loss: str = "", rate: str = "") -> Link:
    """Return the line of a command's options, empty where the operator gave none.

    Raises:
        CitadelleError: with every problem, one line each.
    """
    problems: list[str] = []
    values = []
    options = (("latency", latency, DURATIONS), ("jitter", jitter, DURATIONS))
    for name, text, units in (*options, ("loss", loss, SHARES), ("rate", rate, RATES)):
        try:
            values.append(_number(name, text, units) if text else 0.0)
        except ValueError as problem:
            problems.append(str(problem))
    link = Link() if problems else Link(*values)
    problems += [] if problems else _bounds(link, rated=bool(rate))
    if problems:
        raise CitadelleError("\n".join(problems))
    return link


def _rate(bits: float) -> str:
    unit = max((u for u in RATES if RATES[u] <= bits), key=RATES.__getitem__)
    return f"{bits / RATES[unit]:.10g}{unit}"


def _number(name: str, text: str, units: dict[str, float]) -> float:
    found = VALUE.fullmatch(text.strip())
    unit = found[2].lower() if found else ""
    if not found or unit not in units:
        raise ValueError(
            f"--{name} : « {text} » illisible (attendu : un nombre positif et son unité, "
            f"{' ou '.join(units)})."
        )
    return float(found[1].replace(",", ".")) * units[unit]


def _bounds(link: Link, *, rated: bool) -> list[str]:
    found = []
    if link.latency_ms > MAX_LATENCY_MS:
        found.append(f"--latency : {link.latency_ms:g} ms, au plus {MAX_LATENCY_MS:g} ms.")
    if link.jitter_ms > link.latency_ms:
        found.append(
            f"--jitter : {link.jitter_ms:g} ms dépasse --latency ({link.latency_ms:g} ms) : "
            "un paquet arriverait avant d'être parti."
        )
    if link.loss_percent >= ALL_LOST:
        found.append("--loss : en dessous de 100 % ; « invoke wan --cut » coupe tout.")
    if rated and not MIN_RATE <= link.rate_bits <= MAX_RATE:
        found.append("--rate : de 16kbit à 10gbit.")
    if link == Link():
        found.append("Rien à poser : donnez --latency, --loss ou --rate, ou bien --off.")
    return found
