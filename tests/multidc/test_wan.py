"""`invoke wan`: what the machines of two sites really see of each other, before, during, after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from citadelle import engine, namespace
from citadelle.errors import CitadelleError
from citadelle.topology import PG
from citadelle.wan import lab, line
from citadelle.wan.link import Link
from citadelle.wan.state import CUT, Placed, State
from tests.multidc._line import CONNECT_SECONDS, Arena, Ends, Measured

LATENCY, JITTER, LOSS, RATE = 40.0, 10.0, 10.0, 8e6
SLOW = Link(LATENCY, JITTER, LOSS, RATE)
CONNECTIONS, DATAGRAMS = 20, 400
# Four standard deviations of a binomial law: one run in 16 000 is beyond.
DEVIATION = 4 * (DATAGRAMS * LOSS / 100 * (1 - LOSS / 100)) ** 0.5
SIZE = 1_000_000
# Headers: 52 bytes of each 1500.
USEFUL = 1448 / 1500
# Less than one packet of a slow line waits.
NEAR_SECONDS = 0.030
FAR, NEAR = (("pg1", "pg3"), ("pg3", "pg1")), ("pg1", "pg2")


@pytest.fixture(scope="module")
def ends(arena: Arena) -> Iterator[Ends]:
    """Servers on all three PostgreSQL machines; the line is restored whatever happens."""
    found = Ends(arena.topology)
    try:
        with found.serving(*PG):
            yield found
    finally:
        lab.off(arena.topology, arena.home)


@pytest.fixture(scope="module")
def before(ends: Ends) -> Measured:
    """The line as the lab has it."""
    return ends.measure("pg1", "pg3", connections=CONNECTIONS, datagrams=DATAGRAMS)


@dataclass(frozen=True)
class Seen:
    """What machines see of each other over a slow line, and what is said of it."""

    between: dict[tuple[str, str], Measured]
    from_host: float
    placed: Placed
    state: State


@pytest.fixture(scope="module")
def slow(arena: Arena, ends: Ends, before: Measured) -> Seen:
    """Slow the line down and look at it from everywhere."""
    placed = lab.slow(arena.topology, arena.home, SLOW)
    between = {
        pair: ends.measure(*pair, connections=CONNECTIONS, datagrams=DATAGRAMS)
        for pair in (*FAR, NEAR)
    }
    state = lab.observe(arena.topology, arena.home)
    return Seen(between, ends.from_host("pg3"), placed, state)


@pytest.fixture(scope="module")
def paced(arena: Arena, ends: Ends, slow: Seen) -> dict[tuple[str, str], float]:
    """A real transfer in both directions, on a line without loss; seconds."""
    lab.slow(arena.topology, arena.home, Link(rate_bits=RATE))
    return {pair: ends.measure(*pair, size=SIZE).seconds for pair in FAR}


every_direction = pytest.mark.parametrize("pair", FAR, ids="→".join)


def test_near_before(before: Measured) -> None:
    """Otherwise the rest would prove nothing."""
    assert min(before.times) < NEAR_SECONDS
    assert before.arrived == DATAGRAMS


@every_direction
def test_delay(slow: Seen, pair: tuple[str, str]) -> None:
    """A connection takes one packet there and one back, each late by 30 to 50 ms."""
    shortest = min(slow.between[pair].times)

    assert shortest >= 2 * (LATENCY - JITTER) / 1000
    assert shortest <= 2 * (LATENCY + JITTER) / 1000 + NEAR_SECONDS


@every_direction
def test_loss_within_chance(slow: Seen, pair: tuple[str, str]) -> None:
    """As many datagrams as were asked to be lost."""
    lost = DATAGRAMS - slow.between[pair].arrived

    assert abs(lost - DATAGRAMS * LOSS / 100) <= DEVIATION


def test_same_site_is_untouched(slow: Seen) -> None:
    """Neighbours are as near as before."""
    near = slow.between[NEAR]

    assert min(near.times) < NEAR_SECONDS
    assert near.arrived == DATAGRAMS


def test_host_is_untouched(slow: Seen) -> None:
    """The operator's commands, and his clients, do not cross the line."""
    assert slow.from_host < NEAR_SECONDS


def test_says_what_is_in_place(slow: Seen) -> None:
    """On every machine, read back from its namespace."""
    assert slow.state.placed == slow.placed
    assert slow.state.problems() == []


@every_direction
def test_rate(paced: dict[tuple[str, str], float], pair: tuple[str, str]) -> None:
    """A transfer takes as long as it must, and little more."""
    least = 8 * SIZE / RATE

    assert least <= paced[pair] <= 2 * least / USEFUL


def test_dead_line_lets_everything_through(
    arena: Arena, ends: Ends, paced: dict[tuple[str, str], float]
) -> None:
    """A tool of the lab that fails does not cut a site, and the command says so."""
    for node in PG:
        engine.docker("kill", line.name(arena.topology, node))
    seen = ends.measure("pg1", "pg3", datagrams=DATAGRAMS)
    problems = lab.observe(arena.topology, arena.home).problems()

    assert seen.arrived == DATAGRAMS
    assert sorted(p.partition(" : ")[0] for p in problems) == sorted(PG)


def test_cut_is_silent(arena: Arena, ends: Ends) -> None:
    """Nobody answers and nobody refuses: a connection times out; a neighbour still answers."""
    assert lab.cut(arena.topology, arena.home).tool == CUT
    start = time.monotonic()
    with pytest.raises(CitadelleError, match="timed out"):
        ends.measure(*FAR[0], connections=1)

    assert time.monotonic() - start >= CONNECT_SECONDS
    assert min(ends.measure(*NEAR, connections=CONNECTIONS).times) < NEAR_SECONDS
    assert lab.observe(arena.topology, arena.home).problems() == []


def test_off_restores(arena: Arena, ends: Ends) -> None:
    """Nothing is left in a machine's namespace, and everything arrives; twice is as once."""
    topology, home = arena.topology, arena.home
    lab.cut(topology, home)
    assert "pg3" in lab.off(topology, home)
    assert lab.off(topology, home) == []
    image = namespace.image(topology)
    rules = namespace.run(namespace.holder(topology, "pg3"), image, "nft", "list", "ruleset")

    assert "citadelle_wan" not in rules
    assert "mangle" not in rules
    assert ends.measure(*FAR[0], datagrams=DATAGRAMS).arrived == DATAGRAMS


def test_off_after_a_crash(arena: Arena, ends: Ends) -> None:
    """A command killed between a line and its rules leaves a container: it goes too."""
    topology, home = arena.topology, arena.home
    engine.docker(*line.argv(topology, home, "pg3", SLOW))

    assert lab.off(topology, home) == ["pg3"]
    assert line.nodes(topology, home) == set()
