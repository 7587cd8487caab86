"""The benchmark's arithmetic: what the tools said, medians, processor time."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from citadelle import env
from citadelle.bench import cpu, measure, plan, report, result, stage
from citadelle.bench.result import Measure
from citadelle.errors import CitadelleError
from tests.unit import factory

CLUSTER = factory.topology()

PGBENCH = """pgbench (17.6 (Debian 17.6-0+deb13u1))
transaction type: <builtin: select only>
scaling factor: 5
query mode: simple
number of clients: 16
number of threads: 2
maximum number of tries: 1
duration: 5 s
number of transactions actually processed: 41234
number of failed transactions: 0 (0.000%)
latency average = 1.940 ms
initial connection time = 105.225 ms
tps = 8246.801234 (without initial connection time)
"""


def timings(*milliseconds: float) -> str:
    """Return what psql says of copies that took this long, of a file of 50 MB."""
    lines = [f"Time: {time:.3f} ms" for time in milliseconds]
    return "\n".join((*lines, "50000000", ""))


def measured(path: str, number: int, rate: float, used: float = 10.0) -> Measure:
    """Return a measure of short queries."""
    return Measure("lectures courtes", path, number, rate, 1000 / rate, {"primaire": used})


def test_pgbench_summary_is_read() -> None:
    """Rate, mean latency, and the transactions over which processor time is shared."""
    outcome = measure.parse_pgbench(PGBENCH)

    assert (outcome.rate, outcome.latency_ms, outcome.amount) == (8246.801234, 1.94, 41234)


@pytest.mark.parametrize(
    "text",
    ["", PGBENCH.replace("tps", "tpm"), PGBENCH.replace("processed: 41234", "processed: 0")],
)
def test_pgbench_that_measured_nothing_is_an_error(text: str) -> None:
    """No figure is better than a wrong one."""
    with pytest.raises(CitadelleError, match="pgbench n'a rien mesuré"):
        measure.parse_pgbench(text)


def test_copies_are_added_up() -> None:
    """Ten copies of 50 MB in 2 s: 250 MB/s, both directions together."""
    outcome = measure.parse_copy(timings(*[200.0] * 10))

    assert (outcome.rate, outcome.latency_ms, outcome.amount) == (250.0, None, 500.0)


@pytest.mark.parametrize("text", ["", timings(*[200.0] * 9), timings(*[1.0] * 10)[:-10]])
def test_missing_copy_is_an_error(text: str) -> None:
    """A copy that failed must not make the path look fast."""
    with pytest.raises(CitadelleError, match="psql n'a pas fait 10 copies"):
        measure.parse_copy(text)


def test_script_copies_as_often_as_the_parser_expects() -> None:
    """Both directions, the same number of times, each timed."""
    timed = measure.COPY_SCRIPT.count("\\copy")

    assert timed == 2 * measure.COPIES
    assert measure.COPY_SCRIPT.count("BEGIN;") == measure.COPY_SCRIPT.count("COMMIT;")


def test_ratio_is_taken_round_by_round() -> None:
    """A machine twice as slow in the second round changes no ratio."""
    rates = {"direct": (1000.0, 500.0, 1000.0), "5000": (600.0, 300.0, 600.0)}
    measures = [
        measured(path, number, rate)
        for number in range(3)
        for path, rate in ((path, rates[path][number]) for path in rates)
    ]

    reference, tunnel = result.rows(measures, {"lectures courtes": "transactions/s"})

    assert (reference.ratio, tunnel.ratio) == (1.0, 0.6)
    assert (tunnel.lowest, tunnel.highest) == (0.6, 0.6)
    assert (reference.rate, tunnel.rate) == (1000.0, 600.0)


def test_one_bad_round_does_not_decide() -> None:
    """Medians: of rates, of ratios, of processor time; the range tells of the bad one."""
    measures = [measured("direct", n, 1000.0) for n in range(3)]
    measures += [
        measured("5000", n, rate, used)
        for n, (rate, used) in enumerate(((600.0, 40.0), (100.0, 90.0), (700.0, 30.0)))
    ]

    tunnel = result.rows(measures, {"lectures courtes": "transactions/s"})[1]

    assert (tunnel.rate, tunnel.ratio, tunnel.cpu["primaire"]) == (600.0, 0.6, 40.0)
    assert (tunnel.lowest, tunnel.highest) == (0.1, 0.7)


V2 = "0::/system.slice/docker-abc.scope\n"
V1 = "9:name=systemd:/docker/abc\n2:cpuacct:/docker/abc\n1:cpu:/docker/abc\n0::/docker/abc\n"
JOINED = "4:cpu,cpuacct:/docker/abc\n"


def account(root: Path, place: str, text: str) -> Path:
    """Write one account."""
    path = root / place
    path.parent.mkdir(parents=True)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("groups", "place", "text"),
    [
        (V2, "system.slice/docker-abc.scope/cpu.stat", "usage_usec 1500\nuser_usec 1000\n"),
        (V1, "cpuacct/docker/abc/cpuacct.usage", "1500000\n"),
        (JOINED, "cpu,cpuacct/docker/abc/cpuacct.usage", "1500000\n"),
    ],
)
def test_account_is_found_in_either_version(
    tmp_path: Path, groups: str, place: str, text: str
) -> None:
    """Version 2 of cgroups counts microseconds, version 1 nanoseconds."""
    path = account(tmp_path, place, text)

    assert cpu.find(groups, tmp_path) == path
    assert cpu.read(path) == 1500.0


@pytest.mark.parametrize("groups", [V2, V1, "", "0::/\n"])
def test_missing_account_is_none(tmp_path: Path, groups: str) -> None:
    """As with an engine on another machine."""
    assert cpu.find(groups, tmp_path) is None


def test_every_component_is_counted_once() -> None:
    """The whole cluster, whichever node is the primary."""
    parts = cpu.components("pg2")
    names = [name for group in parts.values() for name in group]

    assert len(names) == len(set(names))
    assert (parts["primaire"], parts["passerelle"]) == (("pg2",), ("pg2-gw",))
    assert "pg2" not in parts["réplicas"]


def test_usual_paths() -> None:
    """Direct first: it is the reference; behind the bare HAProxy, the primary's certificate."""
    asked = plan.usual(CLUSTER, "pg2", "10.0.0.9", (16, 5, 3))
    s = CLUSTER.settings
    direct, bare, tunnel, pooled = (path.target for path in asked.paths)

    assert direct.startswith(f"host=pg2 port={s.pg_port} ")
    assert bare.startswith(f"host=pg2 port={s.haproxy_rw_port} ")
    assert bare.endswith(" hostaddr=10.0.0.9")
    assert tunnel.startswith(f"host=haproxy1 port={s.haproxy_rw_port} ")
    assert pooled.startswith(f"host=pgbouncer1 port={s.pgbouncer_port} ")


def test_fixed_work_has_the_time_that_it_needs() -> None:
    """A crowd's 40,000 writes take minutes, whatever the length of the other measures."""
    limits: list[float] = []

    class Client:
        def pgbench(self, *_argv: str, seconds: float) -> str:
            limits.append(seconds)
            return PGBENCH

    for path in plan.many(CLUSTER, "pg1", (20, 1)).paths:
        measure.run(Client(), plan.WRITES, path, 20, 300)  # type: ignore[arg-type]  # a client

    # 234 per second were measured (docs/performances.md).
    assert min(limits) > 40_000 / 234


def test_crowd_fits_the_bounds_as_shipped() -> None:
    """2,000 at two poolers, 50 at a load balancer: within what .env.example allows."""
    limits = {n: v for n, v in env.defaults().items() if re.search("CLIENTS|CONNECTIONS|POOL_", n)}
    shipped = factory.topology(**limits)
    s = shipped.settings
    few, tunnel, crowd = plan.many(shipped, "pg1", (5, 3)).paths

    assert {p.clients * p.transactions for p in (few, tunnel, crowd)} == {5 * plan.MANY}
    assert crowd.clients / 2 * 1.1 < s.pgbouncer_clients_per_address
    assert crowd.clients / 2 < s.pgbouncer_max_clients
    assert tunnel.clients == min(s.haproxy_clients_per_address, s.direct_connections) == 50
    assert few.clients == plan.FEW < s.pg_max_connections
    assert "host=pgbouncer1,pgbouncer2 " in crowd.target
    assert crowd.target.endswith(" load_balance_hosts=random")


def test_page_says_what_was_measured() -> None:
    """Medians, range and processor time, in French."""
    asked = plan.usual(CLUSTER, "pg1", "10.0.0.9", (16, 5, 3))
    measures = [
        measured(path.name, 1, rate)
        for path, rate in zip(asked.paths, (1000.0, 800.0, 600.0, 400.0), strict=True)
    ]
    found = result.rows(measures, {w.name: w.unit for w in asked.workloads})
    html = report.page(asked, found, CLUSTER, datetime(2026, 11, 28, tzinfo=UTC))

    assert "28/11/2026" in html
    for text in ("HAProxy simple", "<strong>0,60</strong>", "transactions/s", "primaire"):
        assert text in html


def test_bare_haproxy_leads_to_the_primary() -> None:
    """No TLS of its own, no check: the comparison is with a relay and nothing more."""
    text = stage.configuration(CLUSTER, "pg2")

    assert f"server pg2 {CLUSTER.address('pg2', 'pg')}:{CLUSTER.settings.pg_port}\n" in text
    assert " ssl " not in text.partition("\nglobal\n")[2]
