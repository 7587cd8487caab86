"""Signals to the processes inside a container, by what their command line starts with.

In ``pgN``, process 1 is Patroni acting as init; the daemon is its child, PostgreSQL its adopted
child (patroni/__main__.py). From inside, a kernel lets nobody kill or stop process 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from citadelle import engine
from citadelle.errors import CitadelleError
from citadelle.progress import wait_until

# Basic regular expressions on a process's command line, its arguments separated by blanks.
PATRONI = "^/opt/patroni/bin/python3 /opt/patroni/bin/patroni "
POSTGRES = r"^\(postgres:\|/usr/lib/postgresql/[0-9]*/bin/postgres \)"
HAPROXY = "^/usr/sbin/haproxy "
# Patroni's `data_dir` (config/patroni/patroni.yml.j2).
PGDATA = "/var/lib/citadelle/pgdata"

# $1: command line; $2: empty if one process at least must be reached; then the command that gets
# the number of each process but the first. One that is gone meanwhile is no failure.
EACH = """
pattern=$1; reached=$2; shift 2
for directory in /proc/[0-9]*; do
  pid=${directory#/proc/}
  if [ "$pid" != 1 ] && tr '\\0' ' ' 2>/dev/null < "$directory/cmdline" | grep -q "$pattern"; then
    if "$@" "$pid"; then reached=1; fi
  fi
done
[ -n "$reached" ]
"""
# The engine notes the end of a container in milliseconds, on a busy machine in seconds.
END_SECONDS = 10.0
POSTMASTER = f'read -r pid < {PGDATA}/postmaster.pid && kill -KILL "$pid"'


def each(container: str, pattern: str, *command: str, user: str = "", needed: bool = True) -> None:
    """Run a command with the number of each matching process as its last argument.

    Raises:
        CitadelleError: when it succeeded for none although one is needed.
    """
    options = [f"--user={user}"] if user else []
    reached = "" if needed else "1"
    engine.docker("exec", *options, container, "sh", "-c", EACH, "sh", pattern, reached, *command)


@contextmanager
def _may_end(container: str) -> Iterator[None]:
    """Take the end of the container for success: it takes the shell with it, mid-sentence."""
    before = _life(container)
    try:
        yield
    except CitadelleError as error:
        said = str(error)
        wait_until(lambda: said if _life(container) == before else None, container, END_SECONDS)


def _life(container: str) -> tuple[bool, str]:
    """Return whether the container runs, and since when."""
    state = engine.inspect("container", container)[0]["State"]
    return state["Running"], state["StartedAt"]


def kill_postmaster(container: str) -> None:
    """SIGKILL to PostgreSQL's first process, as the account that it runs under."""
    engine.execute(container, "sh", "-c", POSTMASTER)


def kill_patroni(container: str) -> None:
    """SIGKILL to Patroni's daemon; its init, unless stopped, ends the container then."""
    with _may_end(container):
        each(container, PATRONI, "kill", "-KILL")


def freeze_patroni(container: str) -> None:
    """SIGSTOP to Patroni's daemon: PostgreSQL goes on, nobody keeps its lease."""
    each(container, PATRONI, "kill", "-STOP")


def thaw(container: str) -> None:
    """SIGCONT to Patroni's daemon; no effect on one that is not stopped."""
    each(container, PATRONI, "kill", "-CONT", needed=False)


def crash_haproxy(container: str, user: str) -> None:
    """SIGKILL to HAProxy's worker: its master gives up, the engine starts the container again."""
    with _may_end(container):
        each(container, HAPROXY, "kill", "-KILL", user=user)


def reload_haproxy(container: str) -> None:
    """Have HAProxy's master read its files again and replace its worker."""
    engine.execute(container, "sh", "-c", "kill -USR2 1")


def limit_files(container: str, soft: int | None) -> None:
    """Bound the size of the files that PostgreSQL's processes may write, in bytes; None: free.

    Only the soft limit moves, so that the same account can lift it again; a PostgreSQL that
    Patroni started meanwhile never had it.
    """
    value = "unlimited" if soft is None else str(soft)
    command = 'prlimit --fsize="$1:" --pid "$2"'
    each(container, POSTGRES, "sh", "-c", command, "sh", value, needed=soft is not None)


def init_is_stopped(container: str) -> bool:
    """Tell whether process 1 is stopped by a signal (proc_pid_stat(5), state T)."""
    fields = engine.execute(container, "cat", "/proc/1/stat").rpartition(")")[2].split()
    return fields[0] == "T"
