"""One measure: what is asked of pgbench or psql, and what their words say."""

from __future__ import annotations

import re
from dataclasses import dataclass

from citadelle.bench.plan import CONNECTION_SECONDS, COPY, JOBS, Path, Workload
from citadelle.bench.stage import Client
from citadelle.errors import CitadelleError

# What a client needs around the measured time: 2,000 TLS handshakes on two cores.
MARGIN_SECONDS = 120.0
# Where the number of transactions is fixed: less than any path was ever seen to do.
SLOWEST_PER_SECOND = 50.0
MEGA = 1_000_000
# A copy in each direction, this many times: a second or so on the slowest path measured.
COPIES = 5
DATA = "/tmp/pgbench.copy"  # noqa: S108  # a tmpfs of the client's container
# Out: the whole table. In: a temporary table, neither logged nor replicated, so that the path is
# what is measured; one transaction each, as PgBouncer lends a connection for no longer.
COPY_OUT = f"\\copy pgbench_accounts to {DATA}\n"
COPY_IN = f"""BEGIN;
CREATE TEMPORARY TABLE pgbench_copy (LIKE pgbench_accounts) ON COMMIT DROP;
\\timing on
\\copy pgbench_copy from {DATA}
\\timing off
COMMIT;
"""
COPY_SCRIPT = (
    f"\\timing on\n{COPY_OUT * COPIES}\\timing off\n{COPY_IN * COPIES}\\! wc -c < {DATA}\n"
)


@dataclass(frozen=True)
class Outcome:
    """A rate in the workload's unit, a mean latency, and what was done (transactions or MB)."""

    rate: float
    latency_ms: float | None
    amount: float


def run(client: Client, workload: Workload, path: Path, seconds: int, per_second: int) -> Outcome:
    """Do it; ``seconds`` is its length, ``per_second`` the bound on one address's connections."""
    work = path.clients * path.transactions / SLOWEST_PER_SECOND if path.transactions else seconds
    limit = work + MARGIN_SECONDS
    if workload is COPY:
        return parse_copy(client.psql(path.target, COPY_SCRIPT, limit))
    if workload.connects:
        each = max(1, CONNECTION_SECONDS * per_second // path.clients)
        length = f"--transactions={each}"
    elif path.transactions:
        length = f"--transactions={path.transactions}"
    else:
        length = f"--time={seconds}"
    shared = (f"--client={path.clients}", f"--jobs={JOBS}", length, "--no-vacuum")
    return parse_pgbench(client.pgbench(*workload.options, *shared, path.target, seconds=limit))


def parse_pgbench(text: str) -> Outcome:
    """Return the figures of pgbench's summary.

    Raises:
        CitadelleError: when it has none, or some clients were lost on the way.
    """
    rate = re.search(r"^tps = ([\d.]+)", text, re.MULTILINE)
    latency = re.search(r"^latency average = ([\d.]+) ms", text, re.MULTILINE)
    done = re.search(r"^number of transactions actually processed: (\d+)", text, re.MULTILINE)
    if rate is None or latency is None or done is None or not int(done[1]):
        raise CitadelleError(f"pgbench n'a rien mesuré :\n{text[-500:]}")
    return Outcome(float(rate[1]), float(latency[1]), int(done[1]))


def parse_copy(text: str) -> Outcome:
    """Return the figures of psql's answers to ``COPY_SCRIPT``: both directions together."""
    times = [float(t) for t in re.findall(r"^Time: ([\d.]+) ms", text, re.MULTILINE)]
    size = re.search(r"^(\d+)$", text, re.MULTILINE)
    if len(times) != 2 * COPIES or size is None:
        raise CitadelleError(f"psql n'a pas fait {2 * COPIES} copies :\n{text[-500:]}")
    volume = 2 * COPIES * int(size[1]) / MEGA
    return Outcome(volume / (sum(times) / 1000), None, volume)
