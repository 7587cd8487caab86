"""A real export, and the machine without a network that receives it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from citadelle import sandbox
from citadelle.airgap import minisign
from citadelle.workspace import ROOT
from tests import operator
from tests.offline import _machine
from tests.offline._machine import BUNDLE, Machine

# Wheels and packages come from a mirror, images may have to be built: named for a slow line.
EXPORT_SECONDS = 3600
# Not build/airgap: the operator's own signing key lies there.
PURPOSE = "offline"
STATE = sandbox.home(PURPOSE).path
TARGET = "/opt/citadelle"
# Starts airgap-install, and kills it as soon as it loads images.
INTERRUPT = """
import subprocess, sys
with subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True) as install:
    for line in install.stdout:
        print(line, end="")
        if "… Images" in line:
            install.kill()
"""


@dataclass(frozen=True)
class Bundle:
    """An exported bundle."""

    folder: Path
    fingerprint: str


@pytest.fixture(scope="session")
def bundle() -> Iterator[Bundle]:
    """Export this checkout as the operator does, with a key of the test's own."""
    if os.geteuid() != 0:
        pytest.exit(
            "La machine isolée demande root (espaces de noms, second moteur).", returncode=2
        )
    signer, _ = minisign.own(STATE / "essai.key")
    _, place = sandbox.prepare(PURPOSE)
    dist = STATE / "dist"
    done = subprocess.run(
        operator.argv("airgap.export", f"--to={dist}", f"--key={STATE / 'essai.key'}"),
        cwd=ROOT,
        env=operator.environment(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=EXPORT_SECONDS,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    (folder,) = (path for path in dist.iterdir() if (path / "MANIFEST.json").is_file())
    yield Bundle(folder, signer.fingerprint)
    shutil.rmtree(dist)  # more than a gigabyte


@pytest.fixture(scope="session")
def machine(bundle: Bundle) -> Iterator[Machine]:
    """A machine without a network that has an engine, and nothing in it."""
    found = _machine.start(bundle.folder, STATE / "machine")
    try:
        found.start_engine()
        yield found
    finally:
        found.stop()


@pytest.fixture(scope="session")
def images_at_first(machine: Machine) -> str:
    """What the engine has before anything is installed."""
    return machine.run("docker", "image", "ls", "--quiet").stdout


@pytest.fixture(scope="session")
def install(bundle: Bundle) -> list[str]:
    """The command that installs."""
    return [f"{BUNDLE}/airgap-install", "--vers", TARGET, "--empreinte", bundle.fingerprint]


@pytest.fixture(scope="session")
def installed(machine: Machine, install: list[str], images_at_first: str) -> str:
    """Install, killed once while images are loaded, then run again; return what it said."""
    killed = machine.run("python3", "-c", INTERRUPT, *install).stdout
    assert "… Images" in killed, killed
    assert "Prêt" not in killed
    done = machine.run(*install)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="session")
def running(machine: Machine, installed: str) -> str:
    """Bring the cluster up as the operator does; return what it said."""
    done = machine.run("./bootstrap", "invoke", "certs", "up", cwd=TARGET)
    print(done.stdout)
    assert done.returncode == 0, done.stdout
    return done.stdout
