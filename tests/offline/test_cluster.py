"""The cluster and its tests, where nothing can be fetched."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from citadelle.images import STAGES
from citadelle.progress import wait_until
from tests.offline._machine import Machine
from tests.offline.conftest import TARGET

# What needs no cluster, then each layer.
LAYERS = ("types", "unit", "etcd", "patroni", "haproxy", "pgbouncer")
# What the application says through the pooler, and what it is answered.
SQL = """
import sys
from citadelle import connect, settings
from citadelle.topology import Topology
from citadelle.workspace import home
topology = Topology(settings.load(home().env_file))
with connect.connection(topology, home(), "pooled") as connection:
    done = connection.execute(sys.argv[1])
    print(*(done.fetchone() or ()) if done.description else "")
"""
# From the engine's answer to a healthy cluster: a lease to expire, an election, crash recoveries.
POWER_SECONDS = 180


def images(machine: Machine, *options: str) -> set[str]:
    """Return the repositories of the engine's images."""
    shown = machine.run("docker", "image", "ls", "--format", "{{.Repository}}", *options)
    return set(shown.stdout.split())


def identities(machine: Machine) -> set[str]:
    """Return what each name of an image stands for."""
    form = "{{.Repository}}:{{.Tag}} {{.ID}}"
    return set(
        machine.run("docker", "image", "ls", "--no-trunc", "--format", form).stdout.split("\n")
    )


def test_up(running: str) -> None:
    """From the bundle's images: no base image is looked for."""
    assert "Prêt en" in running
    assert "Image de base" not in running


@pytest.mark.parametrize("stage", STAGES)
def test_image_is_the_cluster_s(machine: Machine, running: str, stage: str) -> None:
    """Its name and its labels: that is how `destroy --images` finds it."""
    assert f"citadelle/{stage}" in images(machine, "--filter=label=fr.citadelle.cluster=citadelle")


@pytest.mark.parametrize("layer", LAYERS)
def test_layer(machine: Machine, running: str, layer: str) -> None:
    """The same session of Nox as anywhere."""
    done = machine.run("./bootstrap", "nox", "-s", layer, cwd=TARGET)
    print(done.stdout[-3000:])

    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout or layer == "types"


def test_tests_change_no_image(machine: Machine, running: str) -> None:
    """What they leave in the checkout is no source of an image: none is built again."""
    before = identities(machine)
    done = machine.run("./bootstrap", "invoke", "build", cwd=TARGET)

    assert done.returncode == 0, done.stdout
    assert identities(machine) == before


def test_install_again_over_a_running_cluster(
    machine: Machine, running: str, install: list[str]
) -> None:
    """Its settings and its containers stay."""
    before = machine.run("sh", "-c", f"docker ps --quiet; cat {TARGET}/.env").stdout
    done = machine.run(*install)

    assert done.returncode == 0, done.stdout
    assert "modifié" not in done.stdout
    assert machine.run("sh", "-c", f"docker ps --quiet; cat {TARGET}/.env").stdout == before


def sql(machine: Machine, query: str) -> str:
    """Run a statement as the application; return the first row that it is answered."""
    done = machine.run("./bootstrap", "python", "-c", SQL, query, cwd=TARGET)
    assert done.returncode == 0, done.stdout
    return done.stdout.strip()


def test_power_cut(machine: Machine, running: str) -> None:
    """All processes of all nodes die at once: the cluster comes back by itself, its data with it.

    But for what the engine did not manage to start, which `start` does; a machine's unit runs it.
    """
    sql(machine, "CREATE TABLE kept AS SELECT 42 AS answer")
    machine.restart()
    began = time.monotonic()
    started = machine.run("./bootstrap", "invoke", "start", cwd=TARGET)
    print(started.stdout)

    def missing() -> str | None:
        seen = machine.run("./bootstrap", "invoke", "status", cwd=TARGET)
        return seen.stdout if seen.returncode else None

    wait_until(missing, "Cluster sain", POWER_SECONDS)
    print(f"sain {time.monotonic() - began:.1f} s après le moteur")

    assert started.returncode == 0, started.stdout
    assert sql(machine, "SELECT answer FROM kept") == "42"


@pytest.fixture
def refreshed(machine: Machine, running: str) -> Iterator[None]:
    """Another image under the name of the bundle's; the bundle's own afterwards."""
    listed = ("docker", "image", "ls", "citadelle-airgap/pod", "--no-trunc", "--format")
    name, first = machine.run(*listed, "{{.Repository}}:{{.Tag}} {{.ID}}").stdout.split()
    later = f"echo 'FROM {name}' | docker build --quiet --label=essai=1 --tag={name} -"
    assert machine.run("sh", "-c", later).returncode == 0
    yield
    assert machine.run("docker", "image", "tag", first, name).returncode == 0


def test_refreshed_image(machine: Machine, refreshed: None) -> None:
    """A later bundle replaces an image under the same name: the cluster takes it."""
    done = machine.run("./bootstrap", "invoke", "build", cwd=TARGET)

    assert done.returncode == 0, done.stdout
    assert "Image pod, du bundle" in done.stdout
    assert "Image etcd" not in done.stdout
    assert "citadelle/pod" in images(machine, "--filter=label=essai=1")


def test_destroy_leaves_what_was_carried(machine: Machine, running: str) -> None:
    """The cluster's images go, the bundle's stay for the next cluster."""
    done = machine.run(*("./bootstrap", "invoke", "destroy", "--yes", "--images"), cwd=TARGET)

    assert done.returncode == 0, done.stdout
    # But for the layers of an image whose name another one has taken (test_refreshed_image).
    left = images(machine, "--filter=dangling=false")
    assert left == {f"citadelle-airgap/{stage}" for stage in (*STAGES, "base")}
