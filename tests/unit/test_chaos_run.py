"""The order of one experiment, and the promise that it leaves nothing broken."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from citadelle import machines, progress, signals
from citadelle.chaos import loads, mend, run
from citadelle.chaos.fault import Field
from citadelle.chaos.judge import Judge, Outcome, Sample
from citadelle.errors import CitadelleError
from citadelle.stress.ledger import Ledger
from citadelle.stress.load import Load
from citadelle.stress.plan import Plan
from citadelle.topology import HAPROXY, PG
from tests.unit import chaos_lab, factory

STEPS = [
    "sain ?",
    "veilleur",
    "charges",
    "panne",
    "remise",
    "sain ?",
    "fin charges",
    "fin veilleur",
]


class Lab:
    """Instruments that write down when they are used; health as a list of answers."""

    def __init__(self, *health: list[str]) -> None:
        self.health = list(health)
        self.journal: list[str] = []
        self.judge = Judge()
        # A probe that nobody ever answers.
        self.blind = ""
        self.loads = SimpleNamespace(
            mark=lambda _text: None,
            unheard=list,
            pooled=SimpleNamespace(result=chaos_lab.result()),
            direct=SimpleNamespace(result=chaos_lab.result()),
        )

    def tools(self) -> run.Instruments:
        """Return them as the runner takes them."""
        return run.Instruments(self.problems, self.watching, self.loading)

    def problems(self) -> list[str]:
        """Answer once from the list, its last answer ever after."""
        self.journal.append("sain ?")
        return self.health.pop(0) if len(self.health) > 1 else self.health[0]

    @contextmanager
    def watching(self) -> Iterator[Judge]:
        """See enough acknowledged writes at once."""
        self.journal.append("veilleur")
        self.judge = judge = Judge()
        for n in range(run.BASELINE_WRITES):
            judge.add(Sample("pg1", n, n + 0.1, Outcome.ACKNOWLEDGED, "pg1", 1))
        for probe in {*PG, *HAPROXY} - {"pg1", self.blind}:
            judge.add(Sample(probe, 0, 0.1, Outcome.REFUSED))
        if self.blind:
            judge.add(Sample(self.blind, 0, 0.1, Outcome.UNREACHABLE))
        try:
            yield judge
        finally:
            self.journal.append("fin veilleur")

    @contextmanager
    def loading(self) -> Iterator[Any]:
        """Lend loads whose results are known."""
        self.journal.append("charges")
        try:
            yield self.loads
        finally:
            self.journal.append("fin charges")

    def seen(self, sample: Sample) -> Callable[..., None]:
        """Return an action during which the watcher is answered this."""
        return lambda *_: self.judge.add(sample)

    def note(self, word: str) -> Callable[[Field], None]:
        """Return an action that only notes that it was done."""
        return lambda _field: self.journal.append(word)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test wait for seconds that only a cluster needs."""
    monkeypatch.setattr(progress, "POLL_SECONDS", 0.001)
    monkeypatch.setattr(run, "TAIL_SECONDS", 0.0)
    monkeypatch.setattr(run, "READY_SECONDS", 0.01)


def raising(error: BaseException) -> Callable[[Field], None]:
    """Return an action that fails."""

    def action(_field: Field) -> None:
        raise error

    return action


def test_the_order() -> None:
    """Health proven before and after; load and watcher around fault and restore."""
    lab = Lab([])
    fault = chaos_lab.fault(inject=lab.note("panne"), restore=lab.note("remise"))
    found = run.once(fault, chaos_lab.field(), lab.tools())

    assert lab.journal == STEPS
    assert found.problems() == []


def test_unhealthy_before_provokes_nothing() -> None:
    """A fault on a sick cluster proves nothing, and could lose data."""
    lab = Lab(["etcd2 ne répond pas"])
    fault = chaos_lab.fault(inject=lab.note("panne"), restore=lab.note("remise"))

    with pytest.raises(CitadelleError, match="etcd2 ne répond pas"):
        run.once(fault, chaos_lab.field(), lab.tools())
    assert set(lab.journal) == {"sain ?"}


def test_no_acknowledged_write_before_provokes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A watcher that sees nothing at rest would see nothing during the fault."""
    monkeypatch.setattr(run, "BASELINE_SECONDS", 0.01)
    lab = Lab([])
    monkeypatch.setattr(lab, "watching", lambda: nullcontext(Judge()))
    fault = chaos_lab.fault(inject=lab.note("panne"))

    with pytest.raises(CitadelleError, match="Veilleur"):
        run.once(fault, chaos_lab.field(), lab.tools())
    assert "panne" not in lab.journal


@pytest.mark.parametrize("blind", ["pg2", "haproxy1"])
def test_blind_probe_provokes_nothing(monkeypatch: pytest.MonkeyPatch, blind: str) -> None:
    """Two primaries would go unseen: a zombie is only seen by the probe that asks it directly."""
    monkeypatch.setattr(run, "BASELINE_SECONDS", 0.01)
    lab = Lab([])
    lab.blind = blind
    fault = chaos_lab.fault(inject=lab.note("panne"))

    with pytest.raises(CitadelleError, match=f"{blind} : aucune réponse au veilleur"):
        run.once(fault, chaos_lab.field(), lab.tools())
    assert "panne" not in lab.journal


def test_a_load_that_does_not_write_provokes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing would be lost of it, whatever the fault did."""
    monkeypatch.setattr(run, "FIRST_WRITE_SECONDS", 0.01)
    lab = Lab([])
    lab.loads.unheard = lambda: ["pooler"]
    fault = chaos_lab.fault(inject=lab.note("panne"))

    with pytest.raises(CitadelleError, match=r"Charges à l'œuvre.*écriture acquittée \(pooler\)"):
        run.once(fault, chaos_lab.field(), lab.tools())
    assert "panne" not in lab.journal


@pytest.mark.parametrize(
    ("pooled", "direct", "unheard"),
    [(0, 0, ["pooler", "direct"]), (0, 1, ["pooler"]), (1, 0, ["direct"]), (1, 1, [])],
)
def test_loads_that_do_not_write_yet(
    tmp_path: Path, pooled: int, direct: int, unheard: list[str]
) -> None:
    """Each by its own entrance: one that writes says nothing of the other."""
    sides = [Load(Plan(threads=1), Ledger(tmp_path, 1)) for _ in range(2)]
    for load, writes in zip(sides, (pooled, direct), strict=True):
        load.recorder.acknowledged = writes
        load.ledger.close()

    assert loads.Loads(*sides).unheard() == unheard


def test_restored_when_the_injection_fails() -> None:
    """Half of a fault may have been provoked; and the report says so."""
    lab = Lab([])
    broken = raising(CitadelleError("le moteur refuse"))
    fault = chaos_lab.fault(inject=broken, restore=lab.note("remise"))
    found = run.once(fault, chaos_lab.field(), lab.tools())

    assert "remise" in lab.journal
    assert found.problems() == ["injection : le moteur refuse"]


def test_restored_when_the_wait_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ends the time that the fault is held."""
    lab = Lab([])
    monkeypatch.setattr(run, "let_pass", raising_pass)
    fault = chaos_lab.fault(inject=lab.note("panne"), restore=lab.note("remise"))

    with pytest.raises(ZeroDivisionError):
        run.once(fault, chaos_lab.field(), lab.tools())
    assert lab.journal == ["sain ?", "veilleur", "charges", "panne", "remise", *STEPS[-2:]]


def raising_pass(_seconds: float, _what: str) -> None:
    """Fail as no code of ours should."""
    raise ZeroDivisionError


def test_restored_on_interrupt() -> None:
    """Ctrl-C during the fault: restored first, then the command ends."""
    lab = Lab([])
    fault = chaos_lab.fault(inject=raising(KeyboardInterrupt()), restore=lab.note("remise"))

    with pytest.raises(KeyboardInterrupt):
        run.once(fault, chaos_lab.field(), lab.tools())
    assert "remise" in lab.journal


@pytest.mark.parametrize("number", signals.SIGNALS, ids=lambda number: number.name)
def test_restore_is_not_interrupted(number: signal.Signals) -> None:
    """A second Ctrl-C must not leave a pod cut from its cluster."""
    lab = Lab([])

    def restore(_field: Field) -> None:
        os.kill(os.getpid(), number)
        lab.journal.append("remise")

    run.once(chaos_lab.fault(restore=restore), chaos_lab.field(), lab.tools())

    assert "remise" in lab.journal


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize("number", signals.ENDINGS, ids=lambda number: number.name)
def test_a_polite_kill_restores_too(number: signal.Signals) -> None:
    """SIGTERM and SIGHUP, whose defaults end Python without a `finally`."""
    with pytest.raises(KeyboardInterrupt), signals.terminated_as_interrupted():
        os.kill(os.getpid(), number)

    assert signal.getsignal(number) is signal.SIG_DFL


def test_nohup_is_kept() -> None:
    """Who wants to outlive his terminal does."""
    kept = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signals.terminated_as_interrupted():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, kept)


def test_a_restore_that_fails_calls_for_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last resort looks everywhere; what it cannot do is told."""
    monkeypatch.setattr(mend, "everything", lambda _topology, _home: ["pg1 : absent"])
    lab = Lab([])
    fault = chaos_lab.fault(restore=raising(CitadelleError("pg1 ne repart pas")))
    found = run.once(fault, chaos_lab.field(), lab.tools())

    assert found.problems() == ["remise en état : pg1 ne repart pas", "pg1 : absent"]


def test_health_that_does_not_come_back() -> None:
    """The deadline is the fault's own; the last state is in the report."""
    lab = Lab([], ["pg2 ne réplique pas (starting)"])
    found = run.once(chaos_lab.fault(deadline_seconds=0.01), chaos_lab.field(), lab.tools())

    assert found.health_seconds is None
    assert "pg2 ne réplique pas" in found.problems()[0]


def test_held_beyond_the_lease() -> None:
    """The lease is the cluster's own; an explicit duration replaces it."""
    topology = factory.topology(PATRONI_TTL="44", PATRONI_LOOP_WAIT="1")

    assert chaos_lab.fault(hold_seconds=8, past_lease=True).hold(topology) == 52
    assert chaos_lab.fault(hold_seconds=8).hold(topology) == 8


def test_an_explicit_duration() -> None:
    """`--duration` holds every fault as long."""
    lab = Lab([])
    found = run.once(chaos_lab.fault(hold_seconds=3600), chaos_lab.field(), lab.tools(), 0.01)

    assert 0.01 <= found.held_seconds < 60


def test_an_injection_that_does_nothing() -> None:
    """Where a promotion is certain, none seen is a failure: the fault was not provoked."""
    found = run.once(chaos_lab.fault(promotes=True), chaos_lab.field(), Lab([]).tools())

    assert found.problems() == ["la panne n'a pas eu lieu : aucun primaire n'a été promu"]


def test_a_promotion_of_the_judge_is_told() -> None:
    """An acknowledgement on a newer timeline, during the fault."""
    lab = Lab([])
    promotion = lab.seen(Sample("pg2", 99, 99.1, Outcome.ACKNOWLEDGED, "pg2", 2))
    fault = chaos_lab.fault(promotes=True, inject=promotion)

    assert run.once(fault, chaos_lab.field(), lab.tools()).problems() == []


@pytest.mark.parametrize("name", ["", "pg1"])
def test_the_old_primary(name: str) -> None:
    """As the fault knew it; nobody asks for it when it did not."""
    field = chaos_lab.field()
    if name:
        vars(field)["primary"] = name

    assert run.once(chaos_lab.fault(), field, Lab([]).tools()).old_primary == name


def test_answers_while_the_fault_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither those before it struck, nor those once it is undone, tell what happened in it."""
    lab = Lab([])
    refused = lab.seen(Sample("pg1", 0, 0.1, Outcome.REFUSED))
    silent = lab.seen(Sample("pg1", 0, 0.1, Outcome.SILENT))
    monkeypatch.setattr(run, "let_pass", lambda _s, what: silent() if "Panne" in what else None)
    fault = chaos_lab.fault(inject=refused, restore=refused)
    found = run.once(fault, chaos_lab.field(), lab.tools())

    assert {
        probe: {k: v for k, v in seen.items() if v} for probe, seen in found.watch.during.items()
    } == {"pg1": {"sans réponse": 1}}


@pytest.mark.parametrize(("hold", "promotes"), [(0.01, None), (0.02, True), (0.03, True)])
def test_cut_short_it_promises_nothing(hold: float, promotes: bool | None) -> None:
    """`--duration` below a fault's own: the lease may not have ended."""
    fault = chaos_lab.fault(promotes=True, min_gap_seconds=1, watched=True, hold_seconds=0.02)
    judged = run.once(fault, chaos_lab.field(), Lab([]).tools(), hold).fault

    assert judged.promotes is promotes
    assert (judged.min_gap_seconds is None) == (promotes is None)
    assert judged.watched == bool(promotes)


def test_strict_pooling_is_refused() -> None:
    """The watcher cannot write past the poolers there: it would prove nothing."""
    with pytest.raises(CitadelleError, match="POOLING=strict"):
        run.require(factory.topology(POOLING="strict"))


def test_pooled_clients_leave_within_a_drain() -> None:
    """What docs/exploitation.md asks of applications that must see no error during a roll."""
    assert loads.LIFETIME_SECONDS < machines.DRAIN_SECONDS
