"""`up` from any state: interrupted at each step, then again; on new ports; down and up."""

from __future__ import annotations

import signal
import subprocess
from functools import partial

import pytest

from citadelle import connect, engine, env, namespace, poolers, sandbox, settings, status
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.topology import Topology
from citadelle.workspace import ROOT, Home
from tests.objects import named
from tests.operator import argv, environment, invoke

Sandboxed = tuple[Topology, Home]
# Steps of `up` (their first words), in order: the interruption comes while each one runs.
STEPS = ("Livraison", "etcd, passerelles", "Quorum", "PostgreSQL : primaire", "Comptes")
ANOTHER_SHIFT = 12000
STEP_SECONDS = 180

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]


def up(home: Home) -> None:
    """Bring the cluster up or fail with what `up` said."""
    done = invoke(home, "up")
    assert done.returncode == 0, done.stdout + done.stderr


def interrupt(home: Home, step: str) -> int:
    """Press Ctrl-C as soon as ``up`` announces a step; return its exit code."""
    with subprocess.Popen(
        argv("up"),
        cwd=ROOT,
        env=environment(home),
        stdout=subprocess.PIPE,
        text=True,
        # A shell without job control starts its background jobs deaf to SIGINT, and so their
        # children: an operator's terminal does not.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509  # no threads
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.lstrip().startswith(f"… {step}"):
                process.send_signal(signal.SIGINT)
                break
        process.stdout.read()
        return process.wait(STEP_SECONDS)


@pytest.mark.parametrize("step", STEPS)
def test_interrupted(sandboxed: Sandboxed, step: str) -> None:
    """Ctrl-C during any step ends `up` with code 130."""
    assert interrupt(sandboxed[1], step) == 128 + signal.SIGINT


def test_up_after_interruptions(sandboxed: Sandboxed) -> None:
    """`up` brings a half-started cluster to running: every entrance answers."""
    topology, home = sandboxed
    up(home)
    connect.round_trip(topology, home)


def test_first_primary_is_in_the_preferred_datacentre(sandboxed: Sandboxed) -> None:
    """The node that makes the cluster is never a remote one, however fast it starts."""
    topology, home = sandboxed
    leader = Patroni(topology, home).leader()
    assert leader is not None
    assert not topology.is_remote(leader)


def test_every_port_changed_at_once(sandboxed: Sandboxed) -> None:
    """New values for every port, inside and published, and `certs up`: it works, data kept."""
    old, home = sandboxed
    text = home.env_file.read_text()
    values = sandbox.overrides("lifecycle", ANOTHER_SHIFT) | {"SUBNET": str(old.settings.subnet)}
    lines = [
        f"{name}={values[name]}\n" if (name := line.partition("=")[0]) in values else line
        for line in text.splitlines(keepends=True)
    ]
    home.env_file.write_text("".join(lines))
    new = Topology(settings.load(home.env_file))
    assert new.settings.pg_port != old.settings.pg_port
    assert {e.port for e in new.endpoints}.isdisjoint(e.port for e in old.endpoints)
    done = invoke(home, "certs", "up")
    assert done.returncode == 0, done.stdout + done.stderr
    connect.round_trip(new, home)


def test_password_changed(sandboxed: Sandboxed) -> None:
    """A new application password in .env and `up`: the new one opens, the old one does not."""
    home = sandboxed[1]
    before = Topology(settings.load(home.env_file))
    old = before.settings.app_password.reveal()
    home.env_file.write_text(home.env_file.read_text().replace(old, env.draw()))
    up(home)
    connect.round_trip(Topology(settings.load(home.env_file)), home)
    with pytest.raises(Exception, match="password authentication failed"):
        connect.connection(before, home, "rw")


def test_start_after_the_engine_failed_to(sandboxed: Sandboxed) -> None:
    """A pooler that came before its network is started; what somebody stopped stays so.

    The engine's own refusal, provoked: at a restart of the machine it depends on luck.
    """
    home = sandboxed[1]
    topology = Topology(settings.load(home.env_file))
    cluster = topology.settings.cluster_name
    pooler, network, other = (
        f"{cluster}-{n}" for n in ("pgbouncer2", "pgbouncer2-net", "haproxy2")
    )
    engine.docker("kill", pooler, network)
    with pytest.raises(CitadelleError, match="non running container"):
        engine.docker("start", pooler)
    engine.docker("start", network)
    engine.docker("stop", other)
    before = status.observe(topology, home)
    done = invoke(home, "start")
    after = status.observe(topology, home)

    assert before.unstarted == ["pgbouncer2"]
    assert done.returncode == 1, done.stdout + done.stderr
    assert "laissés : haproxy2" in done.stdout
    assert (after.unstarted, after.containers["pgbouncer2"]) == ([], "healthy")
    assert after.containers["haproxy2"] == "exited"
    up(home)


def test_edited_file_is_put_right(sandboxed: Sandboxed) -> None:
    """What a container reads is what the project and .env give, whoever was there meanwhile."""
    home = sandboxed[1]
    topology = Topology(settings.load(home.env_file))
    cluster, path = topology.settings.cluster_name, "/v/pgbouncer_hba.conf"
    volume = f"--volume={cluster}_conf-pgbouncer1:/v"
    inside = ("run", "--rm", "--user=0", "--entrypoint=sh", volume, namespace.image(topology), "-c")
    before = engine.docker(*inside, f"cat {path}")
    engine.docker(*inside, f"echo 'hostssl all all 0.0.0.0/0 trust' >> {path}; touch /v/plus")
    up(home)

    assert engine.docker(*inside, f"cat {path}; find /v -name plus") == before


def test_pooler_with_a_closed_port_is_named(sandboxed: Sandboxed) -> None:
    """What a `roll` killed while clients leave would leave: all containers are healthy."""
    home = sandboxed[1]
    topology = Topology(settings.load(home.env_file))
    with (
        connect.connection(topology, home, "pooled"),
        poolers.opened(topology, home, "pgbouncer1") as console,
    ):
        poolers.close_port(console)
        closed = status.observe(topology, home)
        done = invoke(home, "restart", "pgbouncer1")

    assert closed.containers["pgbouncer1"] == "healthy"
    assert closed.problems() == ["pgbouncer1 : son port est fermé (« invoke restart pgbouncer1 »)"]
    assert done.returncode == 0, done.stdout + done.stderr
    assert status.observe(topology, home).problems() == []


def test_down_keeps_data(sandboxed: Sandboxed) -> None:
    """`down` removes every container and `up` finds the data again."""
    home = sandboxed[1]
    topology = Topology(settings.load(home.env_file))
    with connect.connection(topology, home, "rw") as rw:
        rw.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert invoke(home, "down").returncode == 0
    assert named("container", topology.settings.cluster_name) == []
    up(home)
    with connect.connection(topology, home, "pooled") as pooled:
        assert pooled.execute("SELECT answer FROM kept").fetchone() == (42,)


def test_destroy_removes_everything(sandboxed: Sandboxed) -> None:
    """`destroy` leaves no container, network or volume of the cluster."""
    topology, home = sandboxed
    assert invoke(home, "destroy", "--yes").returncode == 0
    cluster = topology.settings.cluster_name
    kinds = ("container", "network", "volume")
    assert [name for kind in kinds for name in named(kind, cluster)] == []
