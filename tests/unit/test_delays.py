"""docs/delais.md against the configurations: its timers are theirs, its sums are right."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO

import pytest
from dotenv import dotenv_values

from citadelle import env, render, settings
from citadelle.chaos.catalogue import FAULTS
from citadelle.topology import CONTAINERS, Role, Topology
from citadelle.workspace import ROOT
from tests.unit.test_docs import table

PAGE = ROOT / "docs" / "delais.md"


def _cluster() -> Topology:
    """Return the cluster of .env.example."""
    text = env.fill(env.EXAMPLE.read_text(encoding="utf-8"), {})
    values = dotenv_values(stream=StringIO(text), interpolate=False)
    return Topology(settings.parse({name: value or "" for name, value in values.items()}))


CLUSTER = _cluster()


def _file(role: Role, name: str) -> str:
    container = next(c for c in CONTAINERS if c.role is role)
    return render.files(CLUSTER, container, "0" * 64)[name]


def _value(text: str, pattern: str) -> str:
    found = set(re.findall(pattern, text, re.M))
    assert len(found) == 1, (pattern, found)
    return str(found.pop())


# A line of its own, or a word of the health checks' line.
CHECKS = r"^ +(?:default-server check .*)?\b{} (\d+)(?:m?s)?\b"
# Where each component says the value of one of its timers.
SPELLED: dict[str, Callable[[str], str]] = {
    "etcd": lambda name: _value(_file(Role.ETCD, "etcd.yml"), rf"^{name}: (\d+)$"),
    "Patroni": lambda name: _value(render.dynamic_configuration(CLUSTER), rf"^{name}: (\d+)$"),
    "PostgreSQL": lambda name: _value(_file(Role.PG, "patroni.yml"), rf"^ +{name}: (\d+)s$"),
    "HAProxy": lambda name: _value(_file(Role.HAPROXY, "haproxy.cfg"), CHECKS.format(name)),
    "PgBouncer": lambda name: _value(
        _file(Role.PGBOUNCER, "pgbouncer.ini"), rf"^{name} = ([\d.]+)$"
    ),
}
TIMERS = [
    (
        name.strip("`"),
        value.split(" ")[0].replace(",", "."),
        value.split(" ")[1],
        place.split(" ")[0],
    )
    for name, value, place, _ in table(PAGE, "Les minuteries")
]


@pytest.mark.parametrize(("name", "value", "unit", "place"), TIMERS)
def test_timer_is_the_configuration_s(name: str, value: str, unit: str, place: str) -> None:
    """To the unit that the component counts in; HAProxy writes whole seconds as such."""
    said = SPELLED[place](name)
    whole_seconds = (place, unit) == ("HAProxy", "ms")
    expected = {value, str(int(value) // 1000)} if whole_seconds else {value}

    assert said in expected


def seconds(name: str, place: str) -> float:
    """Return a timer of the page in seconds."""
    value, unit = next((v, u) for n, v, u, p in TIMERS if (n, p) == (name, place))
    return float(value) / (1000 if unit == "ms" else 1)


TTL, LOOP, RETRY = (seconds(n, "Patroni") for n in ("ttl", "loop_wait", "retry_timeout"))
ELECTION = seconds("election-timeout", "etcd")
# Patroni 4.1.5 (Ha.fetch_node_status); etcd 3.5 (lessor: expired leases are looked for).
PROBE, SCAN = 2.0, 0.5
LEASE = (TTL - LOOP, TTL + SCAN)
STILL = TTL - LOOP - RETRY
# How the lock goes, for the words after the colon.
DETECTION = {
    "un tour": (0.0, LOOP),
    "bail, balayage": LEASE,
    "bail, moins un tour et `retry_timeout` où le primaire sert encore, balayage": (
        STILL,
        STILL + SCAN,
    ),
    # A member waits once to twice its timeout; leases then begin anew (lessor.Promote).
    "élection d'etcd, puis le bail entier et un délai d'élection, balayage": (
        ELECTION + TTL + ELECTION,
        2 * ELECTION + TTL + ELECTION + SCAN,
    ),
}
ROWS = table(PAGE, "La somme, panne par panne")


def interval(cell: str) -> tuple[float, float]:
    """Read « 0,3 à 1,5 », or a single number."""
    numbers = [float(text.replace(",", ".")) for text in re.findall(r"\d+(?:,\d+)?", cell)]
    return numbers[0], numbers[-1]


every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))


@every_row
def test_sum_is_right(row: tuple[str, ...]) -> None:
    """The least of every term, and the most."""
    terms = [interval(cell.partition(" : ")[0]) for cell in row[1:6]]
    total = tuple(round(sum(ends), 1) for ends in zip(*terms, strict=True))

    assert interval(row[6]) == total


@every_row
def test_terms_are_those_of_the_timers(row: tuple[str, ...]) -> None:
    """Derived: what changes in a configuration changes here."""
    span, _, words = row[1].partition(" : ")
    if "fencer" not in row[0]:
        assert interval(span) == DETECTION[words]
    assert interval(row[2]) in ((0.0, 0.0), (PROBE, PROBE))
    assert interval(row[4]) == (0.0, seconds("downinter", "HAProxy"))
    assert interval(row[5]) == (0.0, seconds("server_login_retry", "PgBouncer"))


@every_row
def test_fault_exists_and_its_target_is_possible(row: tuple[str, ...]) -> None:
    """A target that the timers cannot meet would be a promise broken from the start."""
    name = re.findall(r"`([a-z-]+)`", row[0])[0]
    fault = next(fault for fault in FAULTS if fault.name == name)
    bound = fault.fenced().max_gap_seconds if "fencer" in row[0] else fault.max_gap_seconds
    low, high = interval(row[6])

    assert bound is None or (low + high) / 2 <= bound


def test_only_the_fencer_beats_the_lease() -> None:
    """Where it is named, its most is far below the least of a lease."""
    fenced = [row for row in ROWS if "fencer" in row[0]]

    assert fenced != []
    assert all(interval(row[6])[1] < LEASE[0] for row in fenced)
