"""What the engine has under a cluster's name, whatever its labels."""

from __future__ import annotations

from citadelle import engine

LABEL = "fr.citadelle.cluster"


def named(kind: str, cluster: str) -> list[str]:
    """Return the names of the containers, networks or volumes that begin with a cluster's name.

    By name, because who looks by label does not see what was made without one. A cluster whose
    name is this one's and a dash more is another: its objects say so.
    """
    everything = ["--all"] if kind == "container" else []
    field = "Names" if kind == "container" else "Name"
    listed = f'{{{{.{field}}}}} {{{{.Label "{LABEL}"}}}}'
    rows = engine.docker(kind, "ls", *everything, "--format", listed).splitlines()
    found = (row.partition(" ") for row in rows)
    mine = (f"{cluster}-", f"{cluster}_")
    return sorted(name for name, _, of in found if name.startswith(mine) and of in ("", cluster))
