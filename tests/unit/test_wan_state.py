"""What is said to be in place: read back from the namespaces, never remembered."""

from __future__ import annotations

import pytest

from citadelle import namespace
from citadelle.wan.crossing import MACHINES, TABLE
from citadelle.wan.state import CUT, LINE, NETEM, Placed, State
from tests.unit.test_wan_crossing import REMOTE, TWO

SLOW = Placed(LINE, "", "latency=40ms jitter=10ms")
# nft's longest comment (NFTNL_UDATA_COMMENT_MAXLEN).
LONGEST = 128


def state(placed: Placed, *missing: str, lines: frozenset[str] = frozenset(MACHINES)) -> State:
    """Return a state where all machines run and all but these have it in place."""
    seen = {node: None if node in missing else placed for node in MACHINES}
    if placed.tool == CUT:
        seen = {node: seen[node] if node in REMOTE else None for node in MACHINES}
    return State(TWO, seen, lines)


@pytest.mark.parametrize(
    "placed", [SLOW, Placed(CUT), Placed(CUT, "dc2"), Placed(NETEM, "dc2", "loss=1%")]
)
def test_read_back_from_the_comment(placed: Placed) -> None:
    """As nft prints a table, among others."""
    text = namespace.table(TABLE, [], [], str(placed)).replace("  comment", "\tcomment")
    assert Placed.read(f"table inet other {{\n}}\n{text}") == placed


def test_nothing_of_ours() -> None:
    """Another table's comment is not taken for ours."""
    other = namespace.table("inet other", [], [], str(SLOW))
    assert Placed.read(other) is None


def test_longest_comment_fits() -> None:
    """Whatever is asked for."""
    worst = Placed(LINE, "d" * 40, "latency=4999.5ms jitter=4999.5ms loss=99.99% rate=9999999kbit")
    assert len(str(worst)) < LONGEST


def test_whole() -> None:
    """Nothing to add."""
    assert state(SLOW).problems() == []
    assert state(Placed(CUT)).problems() == []


def test_nothing_in_place() -> None:
    """No machine is then expected to have anything."""
    assert State(TWO, dict.fromkeys(MACHINES), frozenset()).problems() == []


def test_recreated_machine() -> None:
    """It came back without its rules."""
    assert state(SLOW, "pg3").problems() == ["pg3 : rien (recréé ou redémarré depuis)"]


def test_cut_is_expected_at_one_end() -> None:
    """A machine of the preferred datacentre has nothing to hold."""
    assert state(Placed(CUT), "etcd3").problems() == ["etcd3 : rien (recréé ou redémarré depuis)"]


def test_stopped_machine() -> None:
    """Its namespace is gone."""
    found = state(SLOW)
    seen = {node: placed for node, placed in found.seen.items() if node != "pg3"}

    assert State(TWO, seen, found.lines).problems() == ["pg3 : arrêté"]


def test_dead_line_is_told() -> None:
    """It lets everything through: a slow line that is none would mislead."""
    lines = frozenset(MACHINES) - {"pg1"}
    problems = state(SLOW, lines=lines).problems()

    assert problems == ["pg1 : ligne à retard morte, tout passe sans attendre"]


def test_netem_needs_no_line() -> None:
    """The kernel does it."""
    assert state(Placed(NETEM, "", "loss=1%"), lines=frozenset()).problems() == []


def test_interrupted_between_two_commands() -> None:
    """Some machines have the old line, some the new one."""
    found = state(SLOW)
    other = Placed(LINE, "", "latency=80ms")
    problems = State(TWO, {**found.seen, "pg3": other}, found.lines).problems()

    assert [problem.partition(" :")[0] for problem in problems] == ["pg3"]


def test_says_which_tool() -> None:
    """Either netem or the delay line: an operator compares figures."""
    assert "netem" in Placed(NETEM, "", "loss=1%").title(TWO).partition("noyau n'a")[0]
    assert "NFQUEUE" in SLOW.title(TWO)
    assert "coupé" in Placed(CUT).title(TWO)
