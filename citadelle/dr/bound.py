"""What may be lost when the remote site is promoted: bounded by what is known, never guessed.

The remote replays commits in the primary's order, each with its time. Whatever it lacks was
committed after the last one that it replayed, and before the lost site stopped: that bounds the
seconds. In bytes, only a lower bound is known: what the primary had written when Patroni last
noted its position, minus what arrived; what it wrote afterwards nobody can tell from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

UNKNOWN = "inconnue"


@dataclass(frozen=True)
class Received:
    """What the remote PostgreSQL has; WAL positions in bytes, times in UTC; None: not known."""

    received: int | None
    replayed: int | None
    last_commit: datetime | None


@dataclass(frozen=True)
class Bound:
    """``missing_bytes``: known to be missing, at least. ``seconds``: between which moments.

    Not ``ended``: nobody saw the lost site stop, so it may write on after ``until``.
    """

    missing_bytes: int | None
    since: datetime | None
    until: datetime
    ended: bool

    @property
    def seconds(self) -> float | None:
        """How long the lost site may have acknowledged writes that the remote lacks."""
        return None if self.since is None else max(0.0, (self.until - self.since).total_seconds())

    @property
    def known(self) -> bool:
        """Both are known, and will not grow."""
        return self.ended and self.missing_bytes is not None and self.seconds is not None

    def __str__(self) -> str:
        seconds = UNKNOWN
        if self.since is not None and self.seconds is not None:
            seconds = (
                f"au plus {self.seconds:.1f} s d'écritures, de {clock(self.since)} à "
                f"{clock(self.until)}"
            )
            if not self.ended:
                seconds = f"{UNKNOWN}, aucun arrêt constaté ({seconds}, et ce qui suit)"
        return f"{seconds} ; {size(self.missing_bytes)}"


def bound(remote: Received, optime: int | None, until: datetime, *, ended: bool = True) -> Bound:
    """Return the bound; ``optime`` is the primary's last position that Patroni noted (bytes)."""
    missing = None
    if optime is not None and remote.received is not None:
        missing = max(0, optime - remote.received)
    return Bound(missing, remote.last_commit, until, ended)


def size(missing: int | None) -> str:
    """Return the missing bytes in French; 0 is not « nothing is lost »."""
    if missing is None:
        return f"octets : {UNKNOWN}"
    if missing == 0:
        return "aucun octet manquant au dernier battement noté ; ensuite, inconnu"
    return f"au moins {missing} octets de WAL manquent"


def clock(moment: datetime) -> str:
    """Return a moment as the operator reads it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
