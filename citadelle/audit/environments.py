"""Command lines and environments of the containers' processes, as each of their accounts sees."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

from citadelle import engine
from citadelle.audit.control import Cluster
from citadelle.audit.haystacks import Haystack
from citadelle.audit.reads import container
from citadelle.audit.rights import Expected
from citadelle.errors import CitadelleError

# A process that ended meanwhile has nothing to show; one that is there and hides says so.
READ = (
    "for file in /proc/[0-9]*/environ /proc/[0-9]*/cmdline; do "
    'if cat "$file" 2>/dev/null; then echo "=== lu $file"; '
    'elif [ -e "$file" ]; then echo "=== caché $file"; fi; done'
)
SAID = re.compile(r"=== (lu|caché) (\S+)")


def shown(cluster: Cluster, rows: Iterable[Expected], hidden: list[str]) -> Iterator[Haystack]:
    """Yield what processes show to the machine and to each account inside their container.

    ``hidden`` gets the files that no account inside can read: the kernel keeps those of a
    process that changed its account (prctl(2), PR_SET_DUMPABLE).

    Raises:
        CitadelleError: when even the first process of a container hides from all its accounts.
    """
    with ThreadPoolExecutor() as pool:
        for row, texts in pool.map(lambda row: (row, _texts(cluster, row)), rows):
            yield from ((place, [text.encode()]) for place, text in texts.items())
            hidden += [f"{row.name}:{file}" for file in _closed(row.name, texts.values())]


def _texts(cluster: Cluster, row: Expected) -> dict[str, str]:
    """Return what one container's processes show, by who looks."""
    name = container(cluster, row.name)
    found = {f"docker top {name}": engine.docker("top", name)}
    for uid in sorted({uid for uid, _ in row.rights.processes}):
        text = engine.docker("exec", "--user", str(uid), name, "sh", "-c", READ)
        found[f"/proc de {name} (uid {uid})"] = text
    return found


def _closed(name: str, texts: Iterable[str]) -> list[str]:
    """Return the files that nobody inside could read."""
    states: dict[str, set[str]] = {}
    for text in texts:
        for state, file in SAID.findall(text):
            states.setdefault(file, set()).add(state)
    if "lu" not in states.get("/proc/1/environ", set()):
        raise CitadelleError(f"{name} : environnement du processus 1 illisible.")
    return sorted(file for file, seen in states.items() if "lu" not in seen)
