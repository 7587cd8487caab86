"""What every command shares: the cluster that it is about, and how its errors are told."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from invoke.exceptions import Exit

from citadelle import compose, engine, lifecycle, settings
from citadelle.errors import CitadelleError
from citadelle.progress import console
from citadelle.signals import terminated_as_interrupted
from citadelle.topology import Topology
from citadelle.workspace import Home, home


@contextlib.contextmanager
def operator(resume: str = "« invoke up » reprend où il en était") -> Iterator[None]:
    """Turn an operator's mistake into a message and exit code 2, Ctrl-C into 130.

    The end of the operator's session counts as Ctrl-C: what was begun is undone.
    """
    try:
        with terminated_as_interrupted():
            yield
    except EOFError:
        raise Exit(
            "erreur : pas de terminal pour confirmer ; rien n'a été touché.", code=2
        ) from None
    except CitadelleError as error:
        raise Exit(f"erreur : {error}", code=2) from None
    except KeyboardInterrupt:
        raise Exit(f"Interrompu ; {resume}.", code=130) from None


def cluster() -> tuple[Topology, Home]:
    """Return this home's cluster, as ``.env`` describes it."""
    return Topology(settings.load(home().env_file)), home()


def warn(topology: Topology) -> None:
    """Tell what ``.env`` allows itself at a price; nothing stops for it."""
    for warning in topology.settings.warnings():
        console.print(f"[yellow]⚠[/] .env : {warning}")


def tty() -> str:
    """Return docker's option for a command that may have a terminal."""
    return "-it" if sys.stdin.isatty() else "-i"


def finish(code: int) -> None:
    """End with a command's own exit code."""
    raise Exit("", code=code)


def compose_run(*argv: str) -> None:
    """Run a compose command on the operator's terminal, and end with its exit code."""
    topology, place = cluster()
    environment = lifecycle.ensure_compose_env(topology, place)
    finish(engine.interactive(compose.command(environment, *argv)))


def tools_run(*argv: str) -> None:
    """Run a command in a tools container that lives as long as the command."""
    terminal = [] if sys.stdin.isatty() else ["--no-TTY"]
    compose_run("run", "--rm", "--no-deps", *terminal, "tools", *argv)
