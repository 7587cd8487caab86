"""The ledger against the primary: what was lost, what nobody wrote, what nobody can know."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from citadelle.stress.ledger import Entry, Outcome

# Enough to look at; all are counted.
EXAMPLES = 20

Key = tuple[int, int]


@dataclass(frozen=True)
class Writer:
    """Acknowledged writes of one server on one timeline; times are seconds since 1970."""

    server: int
    timeline: int
    count: int
    first_at: float
    last_at: float


@dataclass(frozen=True)
class Verdict:
    """How many writes are where they should be; ``problem`` says why it is not known.

    lost: acknowledged and missing. phantom: present and never sent, or present although the
    application was told that it was refused. In doubt: sent without an answer, either is right.
    """

    kept: int = 0
    lost: int = 0
    phantom: int = 0
    refused: int = 0
    doubt_present: int = 0
    doubt_absent: int = 0
    lost_first_at: float | None = None  # acknowledged then, in seconds since 1970
    lost_last_at: float | None = None
    lost_examples: tuple[Key, ...] = ()
    phantom_examples: tuple[Key, ...] = ()
    writers: tuple[Writer, ...] = ()
    problem: str = ""

    @property
    def doubt(self) -> int:
        """Writes sent without an answer."""
        return self.doubt_present + self.doubt_absent

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing invented, and this is known."""
        return not (self.lost or self.phantom or self.problem)


@dataclass
class _Tally:
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Key]] = field(default_factory=dict)
    writers: dict[Key, list[float]] = field(default_factory=dict)  # count, first, last
    lost_at: list[float] = field(default_factory=list)  # first, last

    def judge(self, entry: Entry, present: bool) -> None:
        """Count one write that was sent."""
        key = (entry.client, entry.sequence)
        if entry.outcome == Outcome.ACKNOWLEDGED:
            self._credit(entry)
            self.count("kept" if present else "lost", key)
            if not present:
                times = [*self.lost_at, entry.at]
                self.lost_at = [min(times), max(times)]
        elif entry.outcome == Outcome.DOUBT:
            self.count("doubt_present" if present else "doubt_absent", key)
        else:
            self.count("phantom" if present else "refused", key)

    def count(self, verdict: str, key: Key) -> None:
        """Count one row, and keep the first ones by name."""
        self.counts[verdict] = self.counts.get(verdict, 0) + 1
        examples = self.examples.setdefault(verdict, [])
        if len(examples) < EXAMPLES:
            examples.append(key)

    def verdict(self) -> Verdict:
        """Return what was counted."""
        found = [Writer(*key, int(n), *times) for key, (n, *times) in self.writers.items()]
        return Verdict(
            **self.counts,  # type: ignore[arg-type]  # the names of its fields of type int
            lost_first_at=self.lost_at[0] if self.lost_at else None,
            lost_last_at=self.lost_at[1] if self.lost_at else None,
            lost_examples=tuple(self.examples.get("lost", ())),
            phantom_examples=tuple(self.examples.get("phantom", ())),
            writers=tuple(sorted(found, key=lambda writer: writer.first_at)),
        )

    def _credit(self, entry: Entry) -> None:
        known = self.writers.setdefault((entry.server, entry.timeline), [0, entry.at, entry.at])
        known[0] += 1
        known[1] = min(known[1], entry.at)
        known[2] = max(known[2], entry.at)


def compare(sent: Iterable[Entry], present: Iterable[Key]) -> Verdict:
    """Compare both, each in order of client then sequence; one row of each in memory."""
    tally = _Tally()
    rows = iter(present)
    row = next(rows, None)
    for entry in sent:
        key = (entry.client, entry.sequence)
        while row is not None and row < key:
            tally.count("phantom", row)
            row = next(rows, None)
        here = row == key
        tally.judge(entry, here)
        if here:
            row = next(rows, None)
    while row is not None:
        tally.count("phantom", row)
        row = next(rows, None)
    return tally.verdict()
