"""The container engine: the only place that runs ``docker``."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from citadelle.errors import CitadelleError

# What a failed command said, at most; the rest is in the component's own log.
ERROR_LINES = 8
# An image that is built or loaded is the longest; who cannot wait says so.
PATIENCE_SECONDS = 600.0


def docker(*argv: str, stdin: bytes | None = None, seconds: float = PATIENCE_SECONDS) -> str:
    """Run ``docker`` and return its standard output.

    Raises:
        CitadelleError: when the engine is absent, the command fails or takes too long.
    """
    try:
        result = subprocess.run(
            [client(), *argv], input=stdin, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise CitadelleError(
            f"docker {argv[0]} n'a pas fini en {seconds:.0f} s : voir « docker ps »."
        ) from None
    if result.returncode:
        said = (result.stdout + result.stderr).decode(errors="replace").strip().splitlines()
        tail = "\n".join(said[-ERROR_LINES:])
        raise CitadelleError(f"docker {' '.join(argv[:2])} a échoué : {tail}")
    return result.stdout.decode(errors="replace")


def interactive(argv: Sequence[str]) -> int:
    """Run ``docker`` on the operator's terminal and return its exit code."""
    return subprocess.run([client(), *argv], check=False).returncode


def background(argv: Sequence[str], output: Path, messages: Path) -> subprocess.Popen[bytes]:
    """Start ``docker`` and return at once; what it says goes to two files."""
    with output.open("wb") as out, messages.open("wb") as err:
        return subprocess.Popen([client(), *argv], stdout=out, stderr=err)


def follow(*argv: str) -> subprocess.Popen[str]:
    """Start ``docker`` and return at once; its standard output is there to read line by line."""
    return subprocess.Popen(
        [client(), *argv], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def converse(container: str, *argv: str) -> subprocess.Popen[bytes]:
    """Start a command inside a container and return at once, to talk with it by its pipes.

    What it says on both its outputs comes by the same one, its errors last.
    """
    return subprocess.Popen(
        [client(), "exec", "--interactive", container, *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def require() -> None:
    """Raise CitadelleError unless an engine and Compose v2 answer."""
    try:
        docker("info", "--format", "{{.ServerVersion}}", seconds=30)
    except CitadelleError as error:
        raise CitadelleError(
            f"Le moteur Docker ne répond pas : lancez « ./bootstrap » (ou démarrez-le).\n{error}"
        ) from None
    try:
        docker("compose", "version", seconds=30)
    except CitadelleError:
        raise CitadelleError(
            "Compose v2 manque (docker compose) : lancez "
            "« scripts/install_local_tools.sh --engine »."
        ) from None


def inspect(kind: str, *names: str, seconds: float = PATIENCE_SECONDS) -> list[dict[str, Any]]:
    """Return what the engine knows of some objects of one kind (container, volume, ...)."""
    if not names:
        return []
    found: list[dict[str, Any]] = json.loads(docker(kind, "inspect", *names, seconds=seconds))
    return found


def names(kind: str, **labels: str) -> list[str]:
    """Return the names of the objects of a kind that carry all labels, sorted."""
    filters = [f"--filter=label=fr.citadelle.{key}={value}" for key, value in labels.items()]
    templates = {"container": "{{.Names}}", "image": "{{.Repository}}:{{.Tag}}"}
    everything = ["--all"] if kind == "container" else []
    output = docker(kind, "ls", *everything, *filters, "--format", templates.get(kind, "{{.Name}}"))
    return sorted(set(output.split()))


def execute(container: str, *argv: str, stdin: bytes | None = None, seconds: float = 60) -> str:
    """Run a command inside a container and return its standard output."""
    options = ["--interactive"] if stdin is not None else []
    return docker("exec", *options, container, *argv, stdin=stdin, seconds=seconds)


def logs(container: str, since: str = "") -> str:
    """Return a container's log, both of its streams, possibly since a moment (RFC 3339)."""
    options = [f"--since={since}"] if since else []
    result = subprocess.run(
        [client(), "logs", *options, container],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    said = result.stdout.decode(errors="replace")
    if result.returncode:
        raise CitadelleError(f"docker logs {container} a échoué : {said.strip()}")
    return said


def client() -> str:
    """Return the path of the engine's command; CitadelleError when it is not installed."""
    path = shutil.which("docker")
    if path is None:
        raise CitadelleError("docker introuvable : lancez « ./bootstrap », qui l'installe.")
    return path
