"""The hands: what they send to the engine, and that each undoing may be done twice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from citadelle import namespace, pki
from citadelle.chaos import containers, cuts, faults_storage, mend, processes, rejoin, volumes
from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, PG, Topology
from citadelle.wan import line, netem
from citadelle.workspace import ROOT, Home
from tests.unit import chaos_lab
from tests.unit.chaos_lab import TOPOLOGY

FIRST, PEER, THIRD = (rejoin.peer_url(TOPOLOGY, node) for node in ETCD)


def use(monkeypatch: pytest.MonkeyPatch, engine: chaos_lab.Engine) -> chaos_lab.Engine:
    """Give every hand this engine."""
    for module in (containers, line, namespace, netem, processes, rejoin, volumes):
        monkeypatch.setattr(module, "engine", engine)
    monkeypatch.setattr(pki, "fingerprint", lambda _home: "ca")
    return engine


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> chaos_lab.Engine:
    """Return an engine whose containers all run."""
    return use(monkeypatch, chaos_lab.Engine())


@pytest.mark.parametrize(
    ("state", "verb"),
    [({"Paused": True}, "unpause"), ({"Running": False, "Status": "exited"}, "start")],
    ids=["figé", "mort"],
)
def test_revive(monkeypatch: pytest.MonkeyPatch, state: dict[str, Any], verb: str) -> None:
    """A frozen container is woken, a dead one started."""
    engine = use(monkeypatch, chaos_lab.Engine(pg1=state))
    field = chaos_lab.field()
    field.touched = {"pg1"}
    containers.revive(field)

    assert engine.verbs() == [(verb, "pg1")]


def test_what_runs_is_left_alone(engine: chaos_lab.Engine) -> None:
    """A restore may run twice, and after the engine's own restart."""
    field = chaos_lab.field()
    field.touched = set(containers.ORDER)
    containers.revive(field)

    assert engine.commands == []


def test_only_what_was_touched(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an operator stopped on purpose stays stopped."""
    engine = use(monkeypatch, chaos_lab.Engine(pg1={"Running": False}, pg2={"Running": False}))
    field = chaos_lab.field()
    field.touched = {"pg2"}
    containers.revive(field)

    assert engine.verbs() == [("start", "pg2")]


def test_touched_before_it_is_killed(engine: chaos_lab.Engine) -> None:
    """The engine may have killed one of two before it failed."""
    engine.refused = ("kill",)
    field = chaos_lab.field()
    with pytest.raises(CitadelleError):
        containers.kill(field, *containers.pod("pg1"))

    assert field.touched == {"pg1", "pg1-gw"}


@pytest.mark.parametrize(
    ("stat", "verbs"),
    [
        ("1 (patroni) T 0", ["exec", "kill", "restart"]),
        ("1 (patroni (x)) S 0", ["exec", "exec"]),
    ],
    ids=["init arrêté", "démon seul"],
)
def test_thaw(engine: chaos_lab.Engine, stat: str, verbs: list[str]) -> None:
    """A stopped init comes back by a restart: only that gives its health checks back."""
    engine.said = {"/proc/1/stat": stat}
    field = chaos_lab.field()
    field.touched = field.frozen = {"pg1"}
    containers.revive(field)

    assert [argv[0] for argv in engine.commands] == verbs


def test_gateways_wake_before_postgresql() -> None:
    """A woken zombie then meets at once the clients that were sent to it."""
    order = containers.ORDER

    assert all(order.index(f"{node}-gw") < order.index(node) for node in PG)


@pytest.mark.parametrize("node", ETCD)
def test_no_network_holder_is_touched(node: str) -> None:
    """A pod's namespace, its addresses and its cuts live in its holder."""
    assert node in containers.ORDER
    assert not any(name.endswith("-net") for name in containers.ORDER)


class Quorum:
    """etcd's answers to the requests of a rejoin."""

    calls: list[tuple[str, dict[str, object]]]
    asked: list[tuple[str, ...]]
    learners = 0

    def __init__(self, _topology: Topology, _home: Home, nodes: Sequence[str]) -> None:
        self.token = ""
        self.asked.append(tuple(nodes))

    def login(self, user: str, _password: str) -> None:
        """Note who asks."""
        self.calls.append(("login", {"user": user}))

    def call(self, path: str, body: dict[str, object]) -> dict[str, object]:
        """Know etcd1 and the lost etcd2."""
        self.calls.append((path, body))
        known = [{"ID": "11", "peerURLs": [FIRST]}, {"ID": "22", "peerURLs": [PEER]}]
        return {"members": known, "member": {"ID": "23"}}

    def counter(self, _node: str, _name: str) -> int:
        """Say whether the member only learns."""
        return self.learners


@pytest.fixture
def quorum(monkeypatch: pytest.MonkeyPatch) -> type[Quorum]:
    """Give the rejoin this quorum."""
    monkeypatch.setattr(Quorum, "calls", [], raising=False)
    monkeypatch.setattr(Quorum, "asked", [], raising=False)
    monkeypatch.setattr(rejoin, "Etcd", Quorum)
    return Quorum


def lost(node: str) -> Any:  # noqa: ANN401  # a Field
    """Return a field on which one member lost its data."""
    field = chaos_lab.field()
    field.wiped = {node}
    return field


def test_rejoin_forgets_then_expects(engine: chaos_lab.Engine, quorum: type[Quorum]) -> None:
    """As root; the old identity goes first, and the new one votes once it has caught up."""
    rejoin.rejoin(lost("etcd2"))

    assert quorum.calls == [
        ("login", {"user": "root"}),
        ("/cluster/member/list", {}),
        ("/cluster/member/remove", {"ID": "22"}),
        ("/cluster/member/add", {"peerURLs": [PEER], "isLearner": True}),
        ("/cluster/member/list", {}),
        ("/cluster/member/promote", {"ID": "23"}),
    ]


def test_rejoin_starts_once_as_existing(engine: chaos_lab.Engine, quorum: type[Quorum]) -> None:
    """Stopped, cleared of a failed start's remains, started; the delivered word comes back."""
    rejoin.rejoin(lost("etcd2"))
    last = [(argv[0], argv[-1]) for argv in engine.commands]
    name = f"{TOPOLOGY.settings.cluster_name}-etcd2"

    assert last[1:] == [
        ("stop", name),
        ("run", rejoin.DATA),
        ("run", f"etcd1={FIRST},etcd2={PEER}"),
        ("start", name),
        ("run", f"etcd1={FIRST},etcd2={PEER},etcd3={THIRD}"),
    ]
    assert [argv[-2] for argv in engine.commands if "etcd1=" in argv[-1]] == ["existing", "new"]


def test_a_member_with_data_is_not_replaced(engine: chaos_lab.Engine, quorum: type[Quorum]) -> None:
    """A second restore, or a crash between two steps, does not make it forget again."""
    engine.said = {rejoin.WAL: "0000000000000000-0000000000000000.wal"}
    rejoin.rejoin(lost("etcd2"))

    assert quorum.calls == []


def test_a_learner_with_data_is_taken_in_anew(
    engine: chaos_lab.Engine, quorum: type[Quorum], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A return that stopped before the vote: the member serves, and counts in no majority."""
    monkeypatch.setattr(quorum, "learners", 1)
    engine.said = {rejoin.WAL: "0000000000000000-0000000000000000.wal"}
    rejoin.rejoin(lost("etcd2"))

    assert quorum.calls[-1] == ("/cluster/member/promote", {"ID": "23"})


@pytest.mark.parametrize("node", ETCD)
def test_members_are_asked_of_the_others(
    engine: chaos_lab.Engine, quorum: type[Quorum], node: str
) -> None:
    """A learner answers « rpc not supported for learner » (seen with etcd1, the first asked)."""
    rejoin.rejoin(lost(node))

    assert quorum.asked == [tuple(other for other in ETCD if other != node)]


def test_no_password_on_a_command_line(engine: chaos_lab.Engine, quorum: type[Quorum]) -> None:
    """Root's password is only in the body of a request."""
    rejoin.rejoin(lost("etcd2"))
    secret = TOPOLOGY.settings.etcd_root_password.reveal()

    assert not any(secret in word for argv in engine.commands for word in argv)


def test_full_disk_needs_a_postgresql(engine: chaos_lab.Engine) -> None:
    """Limiting nobody would prove nothing: the script is told that one must be reached."""
    processes.limit_files("c-pg1", faults_storage.FULL_BYTES)
    processes.limit_files("c-pg1", None)
    needed = [argv[argv.index(processes.POSTGRES) + 1] for argv in engine.commands]

    assert needed == ["", "1"]


def test_everything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a crash nobody knows what was touched."""
    seen: dict[str, set[str]] = {"cut": set(), "touched": set(), "wiped": set(), "limited": set()}
    hands = ((cuts, "heal"), (containers, "revive"), (rejoin, "rejoin"), (faults_storage, "free"))
    for (module, undo), kind in zip(hands, seen, strict=True):
        monkeypatch.setattr(module, undo, lambda f, k=kind: seen[k].update(getattr(f, k)))

    assert mend.everything(TOPOLOGY, Home(ROOT)) == []
    assert seen["touched"] == set(containers.ORDER)
    assert seen["cut"] > {*ETCD, *PG}
    assert (seen["wiped"], seen["limited"]) == (set(ETCD), set(PG))


def test_mending_goes_on_past_a_failure(
    monkeypatch: pytest.MonkeyPatch, quorum: type[Quorum]
) -> None:
    """One container that is gone does not keep the others down."""
    stopped = {name.replace("-", "_"): {"Running": False} for name in containers.ORDER}
    engine = use(monkeypatch, chaos_lab.Engine(**stopped))
    engine.refused = (f"{TOPOLOGY.settings.cluster_name}-etcd1",)
    engine.said = {rejoin.WAL: "0.wal", "qdisc": "[]"}
    problems = mend.everything(TOPOLOGY, Home(ROOT))

    assert problems
    assert {name for verb, name in engine.verbs() if verb == "start"} == set(containers.ORDER)
