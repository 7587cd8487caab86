"""How each kind of machine is restarted: who is held meanwhile, in which order, what undoes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle import accounts, engine, machines, poolers
from citadelle.errors import CitadelleError
from citadelle.machines import Roll, machine
from citadelle.progress import Steps
from citadelle.routing import Routes
from citadelle.topology import HAPROXY, PGBOUNCER
from citadelle.workspace import Home
from tests.unit import fake_poolers
from tests.unit.pki_home import CLUSTER

LEADER, NODE = "pg1", "pg2"
PATIENCE_SECONDS = 0.05


class Lab:
    """Engine, load balancers and poolers, in one list of events."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.scene = fake_poolers.install(monkeypatch)
        self.events = self.scene.events
        self.roll = Roll(CLUSTER, Home(Path("nowhere")), Steps(), drain_seconds=PATIENCE_SECONDS)
        # Load balancers that keep counting this node among the readers.
        self.reader = ""
        # The other replica, if it serves.
        self.other = "pg3"
        monkeypatch.setattr(engine, "docker", self.docker)
        monkeypatch.setattr(accounts, "run_sql", self.sql)
        monkeypatch.setattr(machines, "renew", self.renew)
        monkeypatch.setattr(machines, "Routing", lambda *_: self)
        monkeypatch.setattr(machines, "Patroni", lambda *_: self)
        monkeypatch.setattr("citadelle.pause.Pause.left", lambda _: PATIENCE_SECONDS)
        monkeypatch.setattr(machines, "IDLE_STAGE_SECONDS", PATIENCE_SECONDS)
        monkeypatch.setattr(machines, "READER_SECONDS", PATIENCE_SECONDS)

    def leader(self) -> str:
        """Return the primary."""
        return LEADER

    def routes(self) -> Routes:
        """Return what both load balancers do."""
        readers = {self.other, self.reader} - {""}
        one = {"rw": frozenset({LEADER}), "ro": frozenset(readers)}
        return dict.fromkeys(HAPROXY, one)

    def docker(self, *argv: str, **_: object) -> str:
        """Note an order to the engine."""
        self.events.append(" ".join(argv).replace(f"{CLUSTER.settings.cluster_name}-", ""))
        return ""

    def sql(self, _topology: object, node: str, order: str) -> str:
        """Note an order to PostgreSQL."""
        self.events.append(f"{order} {node}")
        return ""

    def renew(self, _topology: object, _home: object, names: tuple[str, ...]) -> None:
        """Note a restart."""
        self.events.append(f"renew {' '.join(names)}")

    def short(self) -> list[str]:
        """Return the events, those of all poolers together as one."""
        return list(
            dict.fromkeys(event.rpartition(" pgbouncer")[0] or event for event in self.events)
        )


@pytest.fixture
def lab(monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A fake cluster."""
    return Lab(monkeypatch)


def test_etcd_holds_nobody(lab: Lab) -> None:
    """Quorum stays with the two others."""
    machine(lab.roll, "etcd2")

    assert lab.events == ["renew etcd2"]


def test_replica_leaves_readers_first(lab: Lab) -> None:
    """Readers alone wait, until no load balancer sends them there; its door opens last."""
    machine(lab.roll, NODE)

    assert lab.short() == [
        f"CHECKPOINT; {NODE}",
        "arm",
        "PAUSE app_ro",
        f"stop {NODE}-gw",
        "RESUME app_ro",
        "disarm",
        f"renew {NODE}-net {NODE}",
        f"renew {NODE}-net {NODE}-gw",
    ]


def test_replica_that_readers_do_not_leave_serves_again(lab: Lab) -> None:
    """Nothing else was touched, nobody is paused."""
    lab.reader = NODE
    with pytest.raises(CitadelleError, match=f"encore des lectures vers {NODE}"):
        machine(lab.roll, NODE)

    assert lab.scene.paused == set()
    assert f"start {NODE}-gw" in lab.events
    assert not any(event.startswith("renew") for event in lab.events)


def test_only_replica_keeps_its_readers(lab: Lab) -> None:
    """The other one is late, and gets none: readers would have nobody."""
    lab.reader, lab.other = NODE, ""
    with pytest.raises(CitadelleError, match=f"pas d'autre réplica assez à jour que {NODE}"):
        machine(lab.roll, NODE)

    assert lab.events == [f"CHECKPOINT; {NODE}"]


def test_primary_is_never_restarted(lab: Lab) -> None:
    """It hands over first: see citadelle/roll.py."""
    with pytest.raises(CitadelleError, match="est le primaire"):
        machine(lab.roll, LEADER)

    assert lab.events == []


def test_load_balancer_holds_everybody(lab: Lab) -> None:
    """Every pooler has connections through it."""
    machine(lab.roll, "haproxy1")

    expected = ["arm", "PAUSE app", "PAUSE app_ro", "renew haproxy1", "RESUME app", "RESUME app_ro"]
    assert lab.short() == [*expected, "disarm"]


def test_load_balancer_is_not_restarted_during_a_failover(lab: Lab) -> None:
    """The load balancers do not agree with Patroni: not the moment."""
    lab.reader = LEADER
    with pytest.raises(CitadelleError, match="pas le moment"):
        machine(lab.roll, "haproxy1")

    assert lab.events == []


def test_slow_load_balancer_does_not_hold_for_ever(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Clients go on through the other one; the operator reads that they may have seen errors."""

    def renew(*_: object) -> None:
        lab.reader = LEADER

    monkeypatch.setattr(machines, "renew", renew)
    machine(lab.roll, "haproxy1")

    assert lab.scene.paused == set()
    assert any("ont pu voir des erreurs" in note for note in lab.roll.notes)


def test_pooler_whose_clients_left_is_restarted(lab: Lab) -> None:
    """The port closes to new clients first; nothing to tell."""
    machine(lab.roll, "pgbouncer1")

    assert lab.short() == ["SHUTDOWN WAIT_FOR_CLIENTS", "renew pgbouncer1-net"]
    assert lab.roll.notes == []


def test_idle_clients_are_closed_after_the_drain(lab: Lab) -> None:
    """Who tests an idle connection opens another one, without an error."""
    lab.scene.clients = [3, 3, 0]
    lab.roll.drain_seconds = 0
    machine(lab.roll, "pgbouncer1")

    assert lab.short()[1] == f"SET client_idle_timeout = '{machines.IDLE_SECONDS[0]}'"
    assert len(lab.short()) == 3
    assert ["3 clients n'étaient pas partis" in note for note in lab.roll.notes] == [True]


def test_interrupted_drain_leaves_no_closed_port(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while clients leave: only a restart opens the port again."""

    def interrupted(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(poolers, "clients", interrupted)
    with pytest.raises(KeyboardInterrupt):
        machine(lab.roll, "pgbouncer1")

    assert lab.short() == ["SHUTDOWN WAIT_FOR_CLIENTS", "renew pgbouncer1-net"]


def test_clients_without_a_break_are_cut_between_transactions(lab: Lab) -> None:
    """PAUSE lets the transactions end; the operator reads how many connections were cut."""
    lab.scene.clients = [3] * 100
    machine(lab.roll, "pgbouncer1")

    assert lab.short()[-3:] == ["PAUSE app", "PAUSE app_ro", "renew pgbouncer1-net"]
    assert "3 clients sans répit" in lab.roll.notes[-1]


@pytest.mark.parametrize("pooler", PGBOUNCER)
def test_pooler_s_network_comes_with_it(lab: Lab, pooler: str) -> None:
    """A changed packet filter is replaced too; an unchanged one stays (see renewal)."""
    machine(lab.roll, pooler)

    assert lab.events[-1] == f"renew {pooler}-net {pooler}"
