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
        self.after = RUNNING

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
        self.states[name] = self.after
        return ""


def run(monkeypatch: pytest.MonkeyPatch, home: Home, fake: Engine) -> list[str]:
    """Run `start` on these containers; return what it leaves."""
    for name in ("names", "inspect", "docker"):
        monkeypatch.setattr(engine, name, getattr(fake, name))
    monkeypatch.setattr(pki, "fingerprint", lambda _home: "ca")
    monkeypatch.setattr(revive, "HEALTHY_SECONDS", 0)
    return revive.start(CLUSTER, home, Steps())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with nothing in it."""
    return Home(tmp_path)


def test_networks_first(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """What lives in a network can only start after it."""
    fake = Engine(pg1=FAILED, pg1_net=FAILED, pgbouncer1=FAILED, pgbouncer1_net=FAILED)

    assert run(monkeypatch, home, fake) == []
    assert fake.started == ["pg1-net", "pg1", "pgbouncer1-net", "pgbouncer1"]


def test_made_and_never_run(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """The power went while `up` replaced it, and the engine failed on it afterwards."""
    fake = Engine(pg3_gw=container("created", REFUSAL))

    assert run(monkeypatch, home, fake) == []
    assert fake.started == ["pg3-gw"]


def test_stopped_by_somebody_stays(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Told, and left: a machine under repair, a `roll` cut short, a container not made yet."""
    fake = Engine(pg2=STOPPED, haproxy2=container("created"), pg3_gw=FAILED)
    del fake.states["pgbouncer2"]

    assert run(monkeypatch, home, fake) == ["pg2", "haproxy2", "pgbouncer2"]
    assert fake.started == ["pg3-gw"]


def test_lost_site_stays(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Even if the engine had failed to start it before: its restart is forbidden."""
    fake = Engine(pg1=LOST, pg3_gw=FAILED)

    assert run(monkeypatch, home, fake) == []
    assert fake.started == ["pg3-gw"]


def test_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, home: Home, capsys: pytest.CaptureFixture[str]
) -> None:
    """The usual end of a restart."""
    assert run(monkeypatch, home, Engine()) == []
    assert "Rien à relancer" in capsys.readouterr().out


def test_one_that_does_not_start_holds_no_other(
    monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    """The others run; the engine's reason is told, and what is late beside it."""
    fake = Engine("haproxy1", haproxy1=FAILED, pg3_gw=FAILED)
    sick = container("running")
    sick["State"]["Health"]["Status"] = "unhealthy"
    fake.after = sick

    with pytest.raises(CitadelleError) as told:
        run(monkeypatch, home, fake)
    assert fake.started == ["pg3-gw"]
    assert "haproxy1 ne part pas : port is already allocated" in str(told.value)
    assert "pg3-gw unhealthy" in str(told.value)


def test_no_cluster(monkeypatch: pytest.MonkeyPatch, home: Home) -> None:
    """Nothing was ever started here."""
    fake = Engine()
    fake.states = {}

    with pytest.raises(CitadelleError, match="invoke up"):
        run(monkeypatch, home, fake)
