"""How tests run the operator's commands: as he does, in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys

from citadelle.workspace import HOME_VARIABLE, ROOT, Home

COMMAND_SECONDS = 300


def environment(home: Home, **variables: str) -> dict[str, str]:
    """Return this process's environment for the cluster of ``home``."""
    return {**os.environ, HOME_VARIABLE: str(home.path), **variables}


def change_env(home: Home, **variables: str) -> None:
    """Give variables of ``.env`` other values, as an editor would."""
    lines = home.env_file.read_text().splitlines(keepends=True)
    for number, line in enumerate(lines):
        name = line.partition("=")[0]
        if name in variables:
            lines[number] = f"{name}={variables.pop(name)}\n"
    assert not variables, f"absentes de .env : {sorted(variables)}"
    home.env_file.write_text("".join(lines))


def argv(*task: str) -> list[str]:
    """Return the command line of an Invoke task."""
    return [sys.executable, "-m", "invoke", *task]


def invoke(
    home: Home, *task: str, stdin: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run one Invoke task on the cluster of ``home`` and return how it ended."""
    return subprocess.run(  # our own tasks
        argv(*task),
        cwd=ROOT,
        env=environment(home, **variables),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
