"""What a stress run does, for how long, and what it must not exceed."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from citadelle.errors import CitadelleError

MODES = ("rw", "ro", "mixed")
PATHS = ("pooled", "rw", "ro")
# Each client is a thread of one Python process: beyond, the client is what is measured.
MAX_THREADS = 1000
# How long a pool keeps a connection: psycopg_pool's own default (`max_lifetime`).
LIFETIME_SECONDS = 3600.0
# What `fail_on` may name, with the unit that operators read; all are maxima but the last.
THRESHOLDS = {
    "errors": "erreurs",
    "gap": "s sans écriture acquittée",
    "p50": "ms (p50)",
    "p99": "ms (p99)",
    "max": "ms (maximum)",
    "throughput": "requêtes/s (minimum)",
}


@dataclass(frozen=True)
class Plan:
    """One run; with neither duration nor requests it lasts until it is stopped.

    ``path`` is the entrance: the poolers, or the load balancers' R/W or R/O port. ``mixed`` is
    one write, one read in turn. ``rate`` (requests per second, all threads together) makes an
    open loop: latency counts from the moment when a request was due. Not ``kept``: a connection
    per request, and no pool. Kept, the pool replaces each connection before it is
    ``lifetime_seconds`` old, between two requests. ``fail_on`` maps names of THRESHOLDS to
    numbers in their units.

    Raises:
        CitadelleError: with every contradiction, one line each.
    """

    threads: int = 8
    pause_seconds: float = 0.0
    duration_seconds: float | None = None
    requests: int | None = None
    mode: str = "rw"
    path: str = "pooled"
    rate: float | None = None
    kept: bool = True
    lifetime_seconds: float = LIFETIME_SECONDS
    fail_on: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        problems = [*self._numbers(), *self._choices(), *self._thresholds()]
        if problems:
            raise CitadelleError("\n".join(problems))

    @property
    def writes(self) -> bool:
        """Tell whether some requests write."""
        return self.mode != "ro"

    @property
    def service(self) -> str:
        """The entrance by its name in :mod:`citadelle.connect`."""
        return "pooled_ro" if self.path == "pooled" and not self.writes else self.path

    def _numbers(self) -> Iterator[str]:
        if not 1 <= self.threads <= MAX_THREADS:
            yield f"--threads : {self.threads} n'est pas entre 1 et {MAX_THREADS}."
        if self.pause_seconds < 0:
            yield f"--pause : {self.pause_seconds:g} s est négatif."
        for option, value in (
            ("--duration", self.duration_seconds),
            ("--requests", self.requests),
            ("--rate", self.rate),
            ("--lifetime", self.lifetime_seconds),
        ):
            if value is not None and value <= 0:
                yield f"{option} : {value:g} doit être positif."

    def _choices(self) -> Iterator[str]:
        if self.mode not in MODES:
            yield f"--mode : « {self.mode} » inconnu ({', '.join(MODES)})."
        if self.path not in PATHS:
            yield f"--path : « {self.path} » inconnu ({', '.join(PATHS)})."
        if self.path == "ro" and self.writes:
            yield "--path ro mène aux réplicas, qui n'écrivent pas : ajoutez --mode ro."
        if self.rate and self.pause_seconds:
            yield "--rate fixe déjà la cadence : retirez --pause."

    def _thresholds(self) -> Iterator[str]:
        for name, limit in self.fail_on.items():
            if name not in THRESHOLDS:
                yield _unknown(name)
            elif limit < 0:
                yield f"--fail-on : {name}={limit:g} est négatif."
        if "gap" in self.fail_on and not self.writes:
            yield "--fail-on gap mesure les écritures : --mode ro n'en fait aucune."


def thresholds(text: str) -> dict[str, float]:
    """Parse ``--fail-on``: ``gap=3,errors=0``; decimal point or not.

    Raises:
        CitadelleError: for an entry that is not ``name=number``.
    """
    found = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = entry.partition("=")
        try:
            if not math.isfinite(value := float(number)):
                raise ValueError(number)
            found[name.strip()] = value
        except ValueError:
            raise CitadelleError(
                f"--fail-on : « {entry} » illisible (attendu : nom=nombre, comme gap=3)."
            ) from None
    return found


def from_options(  # noqa: PLR0913  # one argument per option of the task
    *,
    threads: int,
    pause: float,
    duration: float,
    requests: int,
    mode: str,
    path: str,
    rate: float,
    reconnect: bool,
    lifetime: float,
    fail_on: str,
) -> Plan:
    """Return the plan of a command line, where 0 means « no limit »."""
    return Plan(
        threads=threads,
        pause_seconds=pause,
        duration_seconds=duration or None,
        requests=requests or None,
        mode=mode,
        path=path,
        rate=rate or None,
        kept=not reconnect,
        lifetime_seconds=lifetime,
        fail_on=thresholds(fail_on),
    )


def _unknown(name: str) -> str:
    close = difflib.get_close_matches(name, THRESHOLDS, n=1)
    hint = f", voulez-vous dire {close[0]} ?" if close else ""
    return f"--fail-on : « {name} » inconnu ({', '.join(THRESHOLDS)}{hint})."
