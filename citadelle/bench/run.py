"""The rounds: every path in turn, again and again, so that a drift favours none."""

from __future__ import annotations

from collections.abc import Iterator

from citadelle.bench import cpu, measure, plan, stage
from citadelle.bench.plan import Path, Plan, Workload
from citadelle.bench.result import Measure
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps
from citadelle.topology import Topology
from citadelle.workspace import Home


def usual(
    topology: Topology, home: Home, clients: int, seconds: int, rounds: int
) -> tuple[Plan, list[Measure]]:
    """Measure the four paths.

    Raises:
        CitadelleError: when a number makes no sense, there is no primary, or a tool fails.
    """
    leader = _ready(topology, home, clients, seconds, rounds)
    with stage.bare_haproxy(topology, home, leader) as plain:
        asked = plan.usual(topology, leader, plain, (clients, seconds, rounds))
        parts = cpu.components(leader) | {cpu.PLAIN: ("bench-haproxy",)}
        return asked, _run(topology, home, asked, parts)


def many(topology: Topology, home: Home, seconds: int, rounds: int) -> tuple[Plan, list[Measure]]:
    """Measure the crowd behind the poolers against a few connections; see ``usual``."""
    leader = _ready(topology, home, plan.FEW, seconds, rounds)
    crowd = plan.many(topology, leader, (seconds, rounds))
    return crowd, _run(topology, home, crowd, cpu.components(leader))


def _ready(topology: Topology, home: Home, *numbers: int) -> str:
    """Return the primary, once what was asked makes sense."""
    if min(numbers) < 1:
        raise CitadelleError("--clients, --seconds et --rounds : au moins 1.")
    if topology.settings.pooling == "strict":
        raise CitadelleError(
            "POOLING=strict ferme le chemin direct à l'application : il n'y a rien à comparer. "
            "Mesurez avec POOLING=souple."
        )
    leader = Patroni(topology, home).leader()
    if leader is None:
        raise CitadelleError("Aucun primaire : voir « invoke status ».")
    return leader


def _run(
    topology: Topology, home: Home, asked: Plan, parts: dict[str, tuple[str, ...]]
) -> list[Measure]:
    steps = Steps()
    with stage.client(topology, home) as client:
        reference = asked.paths[0].target
        with stage.tables(client, reference):
            meter = cpu.Meter(topology.settings.cluster_name, parts)
            return list(_measures(topology, client, asked, meter, steps))


def _measures(
    topology: Topology, client: stage.Client, asked: Plan, meter: cpu.Meter, steps: Steps
) -> Iterator[Measure]:
    for workload in asked.workloads:
        for number in range(1, asked.rounds + 1):
            with steps.step(f"{workload.name}, tour {number}/{asked.rounds}"):
                for path in asked.paths:
                    bound = topology.settings.connections_per_second
                    yield _measure(client, (workload, path, number), (asked.seconds, bound), meter)


def _measure(
    client: stage.Client,
    what: tuple[Workload, Path, int],
    bounds: tuple[int, int],
    meter: cpu.Meter,
) -> Measure:
    workload, path, number = what
    before = meter.read()
    done = measure.run(client, workload, path, *bounds)
    used = {part: (after - before[part]) / done.amount for part, after in meter.read().items()}
    return Measure(workload.name, path.name, number, done.rate, done.latency_ms, used)
