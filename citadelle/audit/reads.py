"""What one audit asks of the cluster: each question is put once, whatever controls need it.

Beside each reading stands the command by which an auditor does it himself.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Concatenate, ParamSpec, TypeVar

import httpx

from citadelle import accounts, engine
from citadelle.audit.control import Cluster, Finding
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.topology import PG

P = ParamSpec("P")
T = TypeVar("T")
# A finding is read on a page: the first faults are enough to act.
SHOWN_FAULTS = 5


def once(read: Callable[Concatenate[Cluster, P], T]) -> Callable[Concatenate[Cluster, P], T]:
    """Keep the answers for as long as this very Cluster lives: a new run looks again.

    They lie in the object itself, as those of ``functools.cached_property`` do.
    """

    @functools.wraps(read)
    def answered(cluster: Cluster, /, *args: P.args, **kwargs: P.kwargs) -> T:
        answers = vars(cluster).setdefault("answers", {})
        key = (read, args, tuple(sorted(kwargs.items())))
        if key not in answers:
            answers[key] = read(cluster, *args, **kwargs)
        found: T = answers[key]
        return found

    return answered


def judged(faults: Iterable[str], good: str, command: str) -> Finding:
    """Return the faults, or what was found in their place."""
    found = list(faults)
    more = len(found) - SHOWN_FAULTS
    found[SHOWN_FAULTS:] = [f"… et {more} de plus"] if more > 0 else []
    return Finding(not found, "\n".join(found) or good, command)


def everywhere(nodes: Iterable[str], faults: Callable[[str], Iterable[str]]) -> list[str]:
    """Return the faults of each node, its name before each."""
    return [f"{node} : {fault}" for node in nodes for fault in faults(node)]


def container(cluster: Cluster, name: str) -> str:
    """Return the engine's name of a container of the topology."""
    return f"{cluster.topology.settings.cluster_name}-{name}"


@once
def inside(cluster: Cluster, name: str, *argv: str) -> str:
    """Run a command that only reads, inside a container; CitadelleError when it fails."""
    return engine.execute(container(cluster, name), *argv)


def inside_command(cluster: Cluster, name: str, *argv: str) -> str:
    """Return how an auditor runs the same."""
    return " ".join(map(_quoted, ("docker", "exec", container(cluster, name), *argv)))


def _quoted(word: str) -> str:
    """Quote for a shell, in the way that reads best: SQL has its own single quotes."""
    if "'" in word and not set(word) & set('"$`\\!'):
        return f'"{word}"'
    return shlex.quote(word)


@once
def sql(cluster: Cluster, node: str, query: str, database: str = "postgres") -> tuple[str, ...]:
    """Run one query as superuser by a node's socket: one text per row, columns parted by ``|``."""
    return tuple(accounts.run_sql(cluster.topology, node, query, database=database).splitlines())


def sql_command(cluster: Cluster, node: str, query: str, database: str = "postgres") -> str:
    """Return how an auditor runs the same."""
    argv = accounts.psql_argv(cluster.topology, database=database)
    return inside_command(cluster, node, *argv, f"--command={query}")


@once
def parameters(cluster: Cluster, node: str) -> Mapping[str, str]:
    """Return every effective setting of a node, in PostgreSQL's own unit."""
    rows = sql(cluster, node, "SELECT name || '=' || setting FROM pg_settings;")
    return {name: value for name, _, value in (row.partition("=") for row in rows)}


def parameters_command(cluster: Cluster, names: Iterable[str]) -> str:
    """Return how an auditor reads the same settings on one node."""
    listed = ", ".join(f"'{name}'" for name in names)
    query = f"SELECT name, setting FROM pg_settings WHERE name IN ({listed})"  # noqa: S608  # ours
    return sql_command(cluster, PG[0], query)


@once
def leader(cluster: Cluster) -> str:
    """Return the primary; CitadelleError when there is none."""
    found = Patroni(cluster.topology, cluster.home).leader()
    if found is None:
        raise CitadelleError("aucun primaire : voir « invoke status »")
    return found


@once
def answer(cluster: Cluster, node: str, path: str) -> Any:  # noqa: ANN401  # JSON
    """Return what one pod's API answers to a GET; CitadelleError when it does not."""
    try:
        return Patroni(cluster.topology, cluster.home).request(node, "GET", path).json()
    except (httpx.HTTPError, ValueError) as error:
        raise CitadelleError(f"{node} : l'API REST ne répond pas ({error})") from error
