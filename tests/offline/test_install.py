"""The bundle is verified where it arrives; what is installed is what it holds."""

from __future__ import annotations

import json
import shlex

import pytest

from tests.offline._machine import BUNDLE, Machine
from tests.offline.conftest import TARGET, Bundle

# A bundle that can be written, over the one that cannot.
WRITABLE = """
set -e
mkdir -p /run/over/up /run/over/work /run/over/bundle
mountpoint -q /run/over/bundle || mount -t overlay overlay \
  -o lowerdir=/mnt,upperdir=/run/over/up,workdir=/run/over/work /run/over/bundle
printf X | dd of=/run/over/bundle/"$1" bs=1 seek=100 conv=notrunc status=none
"""


def test_verify(machine: Machine, bundle: Bundle) -> None:
    """By the program that came with it, and nothing but Python."""
    done = machine.run(f"{BUNDLE}/airgap-verify", "--empreinte", bundle.fingerprint)
    print(done.stdout)

    assert done.returncode == 0, done.stdout
    assert "Bundle intact" in done.stdout


@pytest.mark.parametrize("name", ["repository/citadelle.tar", "images/images.json"])
def test_altered(machine: Machine, bundle: Bundle, name: str) -> None:
    """One byte: refused by name, nothing installed, nothing loaded."""
    before = image_ids(machine)
    assert machine.run("sh", "-c", WRITABLE, "sh", name).returncode == 0
    install = "/run/over/bundle/airgap-install"
    done = machine.run(install, "--vers", "/opt/autre", "--empreinte", bundle.fingerprint)

    assert done.returncode == 1
    assert f"{name} : contenu modifié" in done.stdout
    assert machine.run("ls", "/opt/autre").returncode != 0
    assert image_ids(machine) == before


def test_images_are_those_signed(machine: Machine, installed: str) -> None:
    """Each by its identifier."""
    listed = json.loads(machine.run("cat", f"{BUNDLE}/images/images.json").stdout)
    shown = machine.run("docker", "image", "ls", "--no-trunc", "--format", "{{json .}}").stdout
    rows = map(json.loads, shown.splitlines())
    known = {f"{row['Repository']}:{row['Tag']}": row["ID"] for row in rows}

    assert {image["name"]: image["id"] for image in listed.values()}.items() <= known.items()


def test_debian_without_an_engine(machine: Machine, installed: str, install: list[str]) -> None:
    """A bare Debian gets Docker, Compose and venv out of the bundle; it has no daemon to start."""
    tools = images_named(machine, "citadelle-airgap/tools")
    there = f"{shlex.join(install)}; dockerd --version; docker compose version; python3 -m venv /v"
    done = machine.run(
        *("docker", "run", "--rm", "--network=none", "--user=0", f"--volume={BUNDLE}:{BUNDLE}:ro"),
        *(tools, "sh", "-c", there),
    )

    assert done.returncode == 0, done.stdout
    assert (
        "apparmor, ca-certificates, docker-cli, docker-compose, docker.io, iptables" in done.stdout
    )
    assert "le moteur Docker (ou Compose v2) ne répond pas : démarrez-le" in done.stdout
    assert "Docker Compose version" in done.stdout


def image_ids(machine: Machine) -> list[str]:
    """Return the engine's images; it lists those of one second in any order."""
    return sorted(machine.run("docker", "image", "ls", "--quiet").stdout.split())


def images_named(machine: Machine, repository: str) -> str:
    """Return the full name of the engine's image of a repository."""
    shown = machine.run("docker", "image", "ls", repository, "--format={{.Repository}}:{{.Tag}}")
    return shown.stdout.strip()


def test_missing_wheel(machine: Machine, installed: str) -> None:
    """Said with the package's name and what to do: no wait for an index that does not answer."""
    machine.run(
        "sh", "-c", f"cp -r {TARGET} /opt/sans && rm -r /opt/sans/.venv /opt/sans/wheels/rich-*"
    )
    done = machine.run("env", "CITADELLE_NO_ENGINE=1", "./bootstrap", "true", cwd="/opt/sans")
    machine.run("rm", "-r", "/opt/sans")

    assert done.returncode == 2
    assert "No matching distribution found for rich" in done.stdout
    assert "le dossier wheels/ doit contenir" in done.stdout
