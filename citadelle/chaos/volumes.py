"""What lies in a node's volumes, changed from a short-lived container without network."""

from __future__ import annotations

from collections.abc import Sequence

from citadelle import engine
from citadelle.chaos.fault import Field

# A data directory of some Gio goes within seconds.
SECONDS = 120
WIPE = 'find "/volume/$1" -mindepth 1 -delete'
# Prints what a directory holds; an absent one holds nothing.
CONTENT = 'if [ -d "/volume/$1" ]; then ls -A "/volume/$1"; fi'


def wipe(field: Field, node: str, directory: str, uid: int) -> None:
    """Delete all that a directory of a node's data volume holds, as its owner."""
    run(field, f"data-{node}", WIPE, directory, user=uid)


def content(field: Field, node: str, directory: str, uid: int) -> list[str]:
    """Return the names in a directory of a node's data volume."""
    return run(field, f"data-{node}", CONTENT, directory, user=uid).split()


def run(
    field: Field,
    volume: str,
    script: str,
    *arguments: str,
    user: int,
    rights: Sequence[str] = (),
) -> str:
    """Run a shell script on one of the cluster's volumes, mounted at /volume."""
    mount = f"{field.topology.settings.cluster_name}_{volume}:/volume"
    argv = ["run", "--rm", "--network=none", "--read-only", f"--user={user}:{user}"]
    argv += ["--cap-drop=ALL", *(f"--cap-add={right}" for right in rights)]
    argv += ["--security-opt=no-new-privileges:true", f"--volume={mount}", "--entrypoint=sh"]
    return engine.docker(*argv, field.image, "-c", script, "sh", *arguments, seconds=SECONDS)
