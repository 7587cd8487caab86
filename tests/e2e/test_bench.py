"""A second of every measure on the real cluster: the tools are understood, nothing stays."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from citadelle import connect, engine
from citadelle.bench import plan, run
from citadelle.bench.plan import Plan
from citadelle.bench.result import Measure
from citadelle.topology import Topology
from citadelle.workspace import Home

# Minutes of pgbench: on demand (« nox -s e2e -- -m slow »).
pytestmark = pytest.mark.slow

CLIENTS = 4
# What must have worked on each path of a short query; idle components work a little too.
ON_THE_WAY = {
    "direct (TLS)": (),
    "HAProxy simple": ("HAProxy simple",),
    "5000": ("répartiteurs", "passerelle"),
    "PgBouncer": ("PgBouncer", "répartiteurs", "passerelle"),
}


@dataclass(frozen=True)
class Run:
    """What was asked, and what came of it."""

    plan: Plan
    measures: list[Measure]


@pytest.fixture(scope="module")
def usual(topology: Topology, home: Home) -> Run:
    """One round of one second on the four paths."""
    return Run(*run.usual(topology, home, CLIENTS, 1, 1))


def test_every_measure_has_a_rate(usual: Run) -> None:
    """Four workloads on four paths, each once."""
    wanted = {(w.name, p.name) for w in usual.plan.workloads for p in usual.plan.paths}

    assert {(m.workload, m.path) for m in usual.measures} == wanted
    assert len(usual.measures) == len(wanted)
    assert all(m.rate > 0 for m in usual.measures)


@pytest.mark.parametrize("path", ON_THE_WAY)
def test_processor_time_is_where_the_path_goes(usual: Run, path: str) -> None:
    """Each component on the way works more for a query than when it is not on the way."""
    short = {m.path: m.cpu for m in usual.measures if m.workload == plan.SHORT.name}

    assert short[path]["primaire"] > 1
    assert short[path]["client"] > 1
    idle = short["direct (TLS)"]
    assert [part for part in ON_THE_WAY[path] if short[path][part] < 2 * idle[part]] == []


def test_nothing_is_left(usual: Run, topology: Topology, home: Home) -> None:
    """No container, no table."""
    assert usual.measures
    cluster = topology.settings.cluster_name
    names = engine.docker("ps", "--all", "--format", "{{.Names}}").split()
    assert [name for name in names if name.startswith(f"{cluster}-bench")] == []
    with connect.connection(topology, home, "rw") as session:
        found = session.execute("SELECT count(*) FROM pg_tables WHERE tablename ~ '^pgbench'")
        assert found.fetchone() == (0,)


def test_crowd_gets_in(topology: Topology, home: Home) -> None:
    """2,000 clients at the poolers, as shipped: no bound and no memory limit is in the way."""
    asked, measures = run.many(topology, home, 1, 1)

    assert len(measures) == len(asked.workloads) * len(asked.paths)
    assert all(m.rate > 0 for m in measures)
