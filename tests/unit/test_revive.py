"""What `start` starts, what it leaves, and what it says of what does not start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from citadelle import engine, pki, revive, status
from citadelle.errors import CitadelleError
from citadelle.progress import Steps
from citadelle.workspace import Home
from tests.unit import factory

CLUSTER = factory.topology()
NAME = CLUSTER.settings.cluster_name


def container(status_: str, error: str = "", *, policy: str = "unless-stopped") -> dict[str, Any]:
    """Return what the engine shows of a container."""
    state = {"Status": status_, "Error": error, "Health": {"Status": "healthy"}}
    return {"State": state, "HostConfig": {"RestartPolicy": {"Name": policy}}}


REFUSAL = "cannot join network of a non running container: 5f"
RUNNING, STOPPED, FAILED = container("running"), container("exited"), container("exited", REFUSAL)
LOST = container("exited", REFUSAL, policy="no")


class Engine:
    """The engine's containers; it refuses to start those in ``broken``."""

    def __init__(self, *broken: str, **states: dict[str, Any]) -> None:
        names = {name.replace("_", "-"): state for name, state in states.items()}
        self.states = dict.fromkeys(status.EXPECTED, RUNNING) | names
        self.broken = broken
        self.started: list[str] = []

    def names(self, _kind: str, **_labels: str) -> list[str]:
        """As engine.names."""
        return [f"{NAME}-{name}" for name in self.states]

    def inspect(self, _kind: str, *names: str) -> list[dict[str, Any]]:
        """As engine.inspect."""
        return [{"Name": f"/{n}", **self.states[n.removeprefix(f"{NAME}-")]} for n in names]

    def docker(self, order: str, container: str) -> str:
        """As engine.docker."""
        name = container.removeprefix(f"{NAME}-")
        assert order == "start"
        if name in self.broken:
            raise CitadelleError("port is already allocated")
        self.started.append(name)
        self.states[name] = RUNNING
        return ""


def run(monkeypatch: pytest.MonkeyPatch, home: Home, fake: Engine) -> list[str]:
    """Run `start` on these containers; return what it started, in order."""
    for name in ("names", "inspect", "docker"):
        monkeypatch.setattr(engine, name, getattr(fake, name))
    monkeypatch.setattr(pki, "fingerprint", lambda _home: "ca")
    monkeypatch.setattr(revive, "HEALTHY_SECONDS", 0)
    revive.start(CLUSTER, home, Steps())
    return fake.started


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing in it."""
    return Home(tmp_path)


def test_networks_first(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """What lives in a network can only start after it."""
    fake = Engine(pg1=FAILED, pg1_net=FAILED, pgbouncer1=FAILED, pgbouncer1_net=FAILED)

    found = run(monkeypatch, home, fake)

    assert found == ["pg1-net", "pg1", "pgbouncer1-net", "pgbouncer1"]


def test_stopped_by_somebody_stays(
    monkeypatch: pytest.MonkeyPatch, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """A machine under repair; a lost site, even if the engine had failed to start it before."""
    fake = Engine(pg1=LOST, pg2=STOPPED, pg3_gw=FAILED)

    assert run(monkeypatch, home, fake) == ["pg3-gw"]
    assert "laissés : pg1, pg2" in capsys.readouterr().out


def test_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usual end of a restart."""
    assert run(monkeypatch, home, Engine()) == []
    assert "Rien à relancer" in capsys.readouterr().out


def test_one_that_does_not_start_holds_no_other(
    monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    """The others run; the command fails, and says why."""
    fake = Engine("haproxy1", haproxy1=FAILED, pg3_gw=FAILED)

    with pytest.raises(CitadelleError, match="haproxy1 ne part pas : port is already allocated"):
        run(monkeypatch, home, fake)
    assert fake.started == ["pg3-gw"]


def test_unhealthy_is_named(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Started is not healthy."""
    fake = Engine(pg3_gw=FAILED)
    sick = container("running")
    sick["State"]["Health"]["Status"] = "unhealthy"
    monkeypatch.setattr(fake, "docker", lambda *_: fake.states.update({"pg3-gw": sick}))

    with pytest.raises(CitadelleError, match="pg3-gw unhealthy"):
        run(monkeypatch, home, fake)


def test_no_cluster(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Nothing was ever started here."""
    fake = Engine()
    fake.states = {}

    with pytest.raises(CitadelleError, match="invoke up"):
        run(monkeypatch, home, fake)
