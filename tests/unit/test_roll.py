"""A roll: in which order, what stops it, what it refuses before anything is touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from invoke.exceptions import Exit

from citadelle import engine, images, lifecycle, pki, placement, reload, roll, status, switchover
from citadelle.commands import shared
from citadelle.credentials import CREDENTIALS
from citadelle.errors import CitadelleError
from citadelle.etcd import Member as EtcdMember
from citadelle.inventory import PLANES
from citadelle.machines import Roll
from citadelle.patroni import Member
from citadelle.settings import FROZEN
from citadelle.status import Status
from citadelle.topology import CONTAINERS, ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home
from tests.unit import factory

SITES = {"DATACENTERS": "dc1,dc2", "PG3_DC": "dc2", "ETCD3_DC": "dc2"}
CLUSTER = factory.topology(**SITES)
ALL = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)


def seen(
    leader: str = "pg1",
    chief: str = "etcd1",
    missing: Iterable[str] = (),
    topology: Topology = CLUSTER,
) -> Status:
    """Return a status: pg2 is the synchronous standby unless it leads; some containers missing."""
    sync = "pg2" if leader != "pg2" else "pg1"
    roles = dict.fromkeys(PG, "replica") | {leader: "leader", sync: "sync_standby"}
    states = {"leader": "running"}
    return Status(
        topology,
        "ca.crt",
        [Member(n, r, states.get(r, "streaming"), 1, 0) for n, r in roles.items()],
        [EtcdMember(name, healthy=True, leader=name == chief) for name in ETCD],
        {c.name: "absent" if c.name in missing else "healthy" for c in CONTAINERS},
    )


class Scene:
    """What a roll did, and what the cluster looks like meanwhile."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.leader = "pg1"
        self.missing: list[str] = []
        # The machine that does not come back.
        self.broken = ""

    def machine(self, _roll: Roll, name: str) -> None:
        """Restart a machine."""
        self.events.append(name)
        if name == self.broken:
            self.missing.append(name)

    def switch(self, *_: object) -> Any:  # noqa: ANN401  # an Outcome, of which one field matters
        """Hand over to pg2."""
        self.events.append(f"bascule de {self.leader}")
        self.leader = "pg2"
        return type("Outcome", (), {"problem": None})


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    """Put a fake cluster in the place of the real one."""
    found = Scene()
    monkeypatch.setattr(roll, "machine", found.machine)
    monkeypatch.setattr(roll, "BACK_SECONDS", 0)
    monkeypatch.setattr(switchover, "run", found.switch)
    monkeypatch.setattr(status, "observe", lambda *_: seen(found.leader, missing=found.missing))
    monkeypatch.setattr(
        roll, "Patroni", lambda *_: type("P", (), {"leader": lambda _: found.leader})()
    )
    monkeypatch.setattr(lifecycle, "install", lambda *_: found.events.append("install"))
    monkeypatch.setattr(lifecycle, "install_postgres", lambda *_: None)
    monkeypatch.setattr(placement, "keep_apart", lambda *_: None)
    monkeypatch.setattr(lifecycle, "settle", lambda *_: found.events.append("settle"))
    monkeypatch.setattr(reload, "pg_hba", lambda _: [])
    monkeypatch.setattr(images, "tag", lambda _: "etiquette")
    return found


@pytest.fixture
def place(ready_home: Home, tmp_path: Path) -> Home:
    """A home whose `build/compose.env` is that of the running cluster."""
    home = Home(shutil.copytree(ready_home.path, tmp_path / "home"))
    lifecycle.write_compose_env(CLUSTER, home)
    return home


def test_everything_passes_once() -> None:
    """No machine is forgotten, none comes twice."""
    assert sorted(roll.order(seen())) == sorted(ALL)


@pytest.mark.parametrize("chief", ETCD)
def test_etcd_leader_comes_last_of_its_kind(chief: str) -> None:
    """One election instead of several."""
    assert roll.order(seen(chief=chief))[: len(ETCD)][-1] == chief


@pytest.mark.parametrize(
    ("leader", "expected"), [("pg1", ["pg3", "pg2", "pg1"]), ("pg2", ["pg3", "pg1", "pg2"])]
)
def test_primary_comes_last_of_its_kind(leader: str, expected: list[str]) -> None:
    """The remote first; the synchronous standby just before: the primary goes there."""
    found = [name for name in roll.order(seen(leader)) if name in PG]

    assert found == expected


def test_primary_hands_over_before_its_turn(scene: Scene, place: Home) -> None:
    """And only then is restarted."""
    roll.run(CLUSTER, place)
    turn = scene.events.index("bascule de pg1")

    assert scene.events[turn : turn + 2] == ["bascule de pg1", "pg1"]


def test_one_machine_only(scene: Scene, place: Home) -> None:
    """--node touches no other."""
    roll.run(CLUSTER, place, "haproxy2")

    assert scene.events == ["install", "haproxy2", "settle"]


def test_first_machine_that_does_not_come_back_stops_it(scene: Scene, place: Home) -> None:
    """The others are untouched, and named."""
    scene.broken = "pg2"
    expected = r"(?s)pg2 .*machines pas touchées : pg1, haproxy1, haproxy2, pgbouncer1, pgbouncer2"
    with pytest.raises(CitadelleError, match=expected):
        roll.run(CLUSTER, place)

    assert scene.events[-1] == "pg2"


def test_unhealthy_cluster_is_refused(scene: Scene, place: Home) -> None:
    """Before anything is delivered or restarted."""
    scene.missing = ["haproxy1"]
    with pytest.raises(CitadelleError, match="haproxy1 : absent"):
        roll.run(CLUSTER, place)

    assert scene.events == []


def test_unknown_machine_is_refused(scene: Scene, place: Home) -> None:
    """With the names that there are."""
    with pytest.raises(CitadelleError, match=r"Machine inconnue : pg9 .connues : etcd1"):
        roll.run(CLUSTER, place, "pg9")

    assert scene.events == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [("PG_PORT", "5433"), ("SUBNET", "10.209.68.0/22"), ("GATEWAY_PORT", "8444")],
)
def test_change_of_the_whole_is_refused(
    scene: Scene, place: Home, variable: str, value: str
) -> None:
    """Old and new machines would not find each other: that is `invoke up`'s."""
    changed = factory.topology(
        DATACENTERS="dc1,dc2", PG3_DC="dc2", ETCD3_DC="dc2", **{variable: value}
    )
    with pytest.raises(CitadelleError, match=r"Pas machine par machine.*invoke up"):
        roll.run(changed, place)

    assert scene.events == []


@pytest.mark.parametrize(
    ("variable", "value"), [("PGBOUNCER_POOL_SIZE", "21"), ("PATRONI_TTL", "40")]
)
def test_change_of_files_is_taken(scene: Scene, place: Home, variable: str, value: str) -> None:
    """Each machine alone can take it."""
    changed = factory.topology(
        DATACENTERS="dc1,dc2", PG3_DC="dc2", ETCD3_DC="dc2", **{variable: value}
    )
    roll.run(changed, place)

    assert set(ALL) <= set(scene.events)


def test_new_image_is_taken(scene: Scene, place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ordinary reason for a roll."""
    monkeypatch.setattr(images, "tag", lambda _: "nouvelle")
    roll.run(CLUSTER, place)

    assert set(ALL) <= set(scene.events)


@pytest.mark.parametrize("plane", PLANES)
def test_new_authority_is_refused(
    scene: Scene, place: Home, monkeypatch: pytest.MonkeyPatch, plane: str
) -> None:
    """Old and new machines would not trust each other."""
    renewed = pki.authorities(place) | {plane: "autre"}
    monkeypatch.setattr(pki, "authorities", lambda _: renewed)
    with pytest.raises(CitadelleError, match=f"AUTHORITY_{plane.upper().replace('-', '_')} "):
        roll.run(CLUSTER, place)

    assert scene.events == []


@pytest.mark.parametrize("secret", [c.secret for c in CREDENTIALS])
def test_new_password(scene: Scene, place: Home, secret: str) -> None:
    """One by which machines prove themselves to each other waits for `up`; others are taken."""
    changed = factory.topology(**SITES, **{secret: "un.tout.autre.secret.0123"})
    if next(c.rolling for c in CREDENTIALS if c.secret == secret):
        roll.run(changed, place)
        return
    with pytest.raises(CitadelleError, match="un mot de passe interne change"):
        roll.run(changed, place)

    assert scene.events == []


def test_what_was_never_noted_is_no_change(scene: Scene, place: Home) -> None:
    """The cluster was brought up by a version that did not note it."""
    lines = place.compose_env.read_text().splitlines(keepends=True)
    noted = ("AUTHORITY_", "INTERNAL_SECRETS", *FROZEN)
    kept = [line for line in lines if not line.startswith(noted)]
    assert len(kept) == len(lines) - len(PLANES) - 1 - len(FROZEN)
    place.compose_env.write_text("".join(kept))
    roll.run(CLUSTER, place)

    assert set(ALL) <= set(scene.events)


def test_looking_leaves_the_memory_of_what_runs(
    scene: Scene, place: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`.env` has another port already: a command that only looks must not take it for applied."""
    changed = factory.topology(**SITES, GATEWAY_PORT="15999")
    monkeypatch.setattr(shared, "cluster", lambda: (changed, place))
    monkeypatch.setattr(engine, "interactive", lambda _: 0)
    with pytest.raises(Exit):
        shared.compose_run("logs")
    with pytest.raises(CitadelleError, match="GATEWAY_PORT change"):
        roll.run(changed, place)

    assert scene.events == []
