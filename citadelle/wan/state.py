"""What is in place on the line between the sites, read back from each machine's namespace."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from citadelle.topology import Topology
from citadelle.wan import crossing
from citadelle.wan.crossing import TABLE

CUT, NETEM, LINE = "cut", "netem", "nfqueue"
COMMENT = re.compile(rf'table {TABLE} {{\n\s*comment "by=(\S+) site=([^\s"]*) ?([^"]*)"')
TOOLS = {
    NETEM: "par netem (noyau), dans chaque sens",
    LINE: "par ligne à retard (NFQUEUE : le noyau n'a pas netem), dans chaque sens",
}


@dataclass(frozen=True)
class Placed:
    """What one command put in place: by which tool, for which site (empty: all), which line."""

    tool: str
    site: str = ""
    link: str = ""

    def __str__(self) -> str:
        """Return the comment that the table in each namespace carries (128 bytes at most)."""
        return f"by={self.tool} site={self.site} {self.link}".rstrip()

    @classmethod
    def read(cls, ruleset: str) -> Placed | None:
        """Return what `nft list ruleset` shows of ours, if anything."""
        found = COMMENT.search(ruleset)
        return cls(*found.groups()) if found else None

    def title(self, topology: Topology) -> str:
        """Say it in French, as an operator reads it."""
        sites = ", ".join(crossing.sites(topology, self.site))
        if self.tool == CUT:
            return f"{sites} : coupé des autres centres, dans les deux sens."
        return f"{sites} : {self.link}, {TOOLS[self.tool]}."


@dataclass(frozen=True)
class State:
    """What each machine that runs has in place, and the machines whose delay line lives."""

    topology: Topology
    seen: Mapping[str, Placed | None]
    lines: frozenset[str]

    @property
    def placed(self) -> Placed | None:
        """What is in place; one of them if an interrupted command left several."""
        return next((placed for placed in self.seen.values() if placed), None)

    def problems(self) -> list[str]:
        """Return where it is missing, other than elsewhere, or dead; in French, one per machine."""
        placed = self.placed
        if placed is None:
            return []
        return [problem for node in self._expected(placed) if (problem := self._of(node, placed))]

    def _expected(self, placed: Placed) -> list[str]:
        chosen = crossing.sites(self.topology, placed.site)
        both = crossing.ends if placed.tool == CUT else crossing.both_ends
        wanted = {found.node for found in both(self.topology, chosen)}
        return [n for n in crossing.MACHINES if n in wanted or self.seen.get(n)]

    def _of(self, node: str, placed: Placed) -> str:
        if node not in self.seen:
            return f"{node} : arrêté"
        if (found := self.seen[node]) is None:
            return f"{node} : rien (recréé ou redémarré depuis)"
        if found != placed:
            return f"{node} : {found.title(self.topology)}"
        dead = found.tool == LINE and node not in self.lines
        return f"{node} : ligne à retard morte, tout passe sans attendre" if dead else ""
