"""What the kernel says inside a container: pure rules over /proc, read in one command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from citadelle.audit.rights import CAPABILITIES, DATA, Expected

# One reading of everything. A process may end between its listing and its reading: it is then
# not there any more, and process 1, which must be, is checked below.
READ = (
    'for file in /proc/[0-9]*/status; do cat "$file" 2>/dev/null; done; '
    "echo ===; cat /proc/self/mounts; echo ===; cat /proc/net/route"
)
# The kernel's and the engine's own file systems (OCI runtime specification, config-linux).
SYSTEM = ("/proc", "/dev", "/sys")
FILTERED = "2"  # SECCOMP_MODE_FILTER (linux/seccomp.h)
TMPFS_FLAGS = {"nosuid", "nodev", "noexec"}


@dataclass(frozen=True)
class Mount:
    """A mounted file system, as /proc/self/mounts has it."""

    place: str
    kind: str
    options: frozenset[str]


@dataclass(frozen=True)
class Inside:
    """The container's own processes (/proc/<pid>/status), its mounts, its routes."""

    processes: tuple[dict[str, str], ...]
    mounts: tuple[Mount, ...]
    default_routes: tuple[str, ...]


KernelRule = Callable[[Expected, Inside], Iterator[str]]


def parse(text: str) -> Inside:
    """Return what READ printed."""
    statuses, mounts, routes = text.split("===\n")
    rows = (line.split() for line in mounts.splitlines())
    return Inside(
        _own([_fields(part) for part in f"\n{statuses}".split("\nName:")[1:]]),
        tuple(Mount(row[1], row[2], frozenset(row[3].split(","))) for row in rows),
        tuple(row.split()[0] for row in routes.splitlines()[1:] if row.split()[1] == "0" * 8),
    )


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in f"Name:{text}".splitlines())
    return {key: value.strip() for key, _, value in lines}


def _own(statuses: list[dict[str, str]]) -> tuple[dict[str, str], ...]:
    """Return process 1 and those that descend from it; `docker exec` starts others beside."""
    family = {"1"}
    for _ in statuses:  # as deep as there are processes
        family |= {s["Pid"] for s in statuses if s["PPid"] in family}
    return tuple(s for s in statuses if s["Pid"] in family)


def accounts(expected: Expected, found: Inside) -> Iterator[str]:
    """Yield processes of another account, or that could take one back."""
    for process in found.processes:
        if len(set(process["Uid"].split())) > 1:
            yield f"processus {process['Name']} : plusieurs comptes ({process['Uid']})"
        if process["Uid"].split()[0] != "0" and "0" in process["Gid"].split():
            yield f"processus {process['Name']} : groupe root"
    seen = {int(uid) for process in found.processes for uid in process["Uid"].split()}
    wanted = {uid for uid, _ in expected.rights.processes}
    if seen != wanted:
        yield f"comptes des processus : {sorted(seen)} au lieu de {sorted(wanted)}"


def capabilities(expected: Expected, found: Inside) -> Iterator[str]:
    """Yield processes that have, or could regain, what the table does not give."""
    for process in found.processes:
        uid = int(process["Uid"].split()[0])
        allowed = [_mask(names) for owner, names in expected.rights.processes if owner == uid]
        for kind in ("CapPrm", "CapEff"):
            if (mask := int(process[kind], 16)) not in allowed:
                yield f"processus {process['Name']} (uid {uid}) : {kind} = {mask:#x}"
        rest = {"CapBnd": _mask(expected.rights.bounding), "CapInh": 0, "CapAmb": 0}
        for kind, wanted in rest.items():
            if (mask := int(process[kind], 16)) != wanted:
                yield f"processus {process['Name']} : {kind} = {mask:#x} au lieu de {wanted:#x}"
    if not any(process["Pid"] == "1" for process in found.processes):
        yield "processus 1 non lu"


def no_new_privileges(_: Expected, found: Inside) -> Iterator[str]:
    """Yield processes that a set-uid program would raise."""
    for process in found.processes:
        if process["NoNewPrivs"] != "1":
            yield f"processus {process['Name']} : NoNewPrivs = {process['NoNewPrivs']}"


def system_calls(_: Expected, found: Inside) -> Iterator[str]:
    """Yield processes without a filter of system calls."""
    for process in found.processes:
        if process["Seccomp"] != FILTERED:
            yield f"processus {process['Name']} : Seccomp = {process['Seccomp']}"


def writable_places(expected: Expected, found: Inside) -> Iterator[str]:
    """Yield file systems that can be written but for data and the listed tmpfs."""
    data = {DATA} if any(place == DATA for _, place, _ in expected.mounts) else set()
    for mount in found.mounts:
        if mount.place.startswith(SYSTEM) or "rw" not in mount.options:
            continue
        if mount.place in expected.rights.tmpfs:
            if missing := TMPFS_FLAGS - mount.options:
                yield f"{mount.place} sans {', '.join(sorted(missing))}"
        elif mount.place not in data:
            yield f"{mount.place} inscriptible"
    if not any(mount.place == "/" for mount in found.mounts):
        yield "montage de la racine non lu"


def _mask(names: frozenset[str]) -> int:
    return sum(1 << CAPABILITIES[name] for name in names)
