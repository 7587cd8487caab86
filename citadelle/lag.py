"""How late each replica is, in seconds, as the primary's own statistics say.

On a replica, ``now() - pg_last_xact_replay_timestamp()`` grows while nobody writes: the primary
knows better, because it knows whether there is anything left to replay.
"""

from __future__ import annotations

from citadelle import accounts
from citadelle.errors import CitadelleError
from citadelle.topology import Topology

# ``replay_lag`` is that of the last answer: a standby that fell silent is later by its silence.
# NULL, and so unknown, when something is left to replay and none was ever measured (PostgreSQL
# manual, 27.2.4). By the socket: it works without load balancers.
SQL = """
SET statement_timeout = '2s';
SELECT application_name, CASE
    WHEN replay_lsn >= pg_current_wal_lsn() THEN 0
    ELSE extract(epoch FROM replay_lag + greatest(now() - reply_time, interval '0')) END
FROM pg_stat_replication WHERE state = 'streaming';
"""
# A frozen primary answers nothing: the rest of the status is told without it.
LIMIT_SECONDS = 6


def seconds(topology: Topology, leader: str | None) -> dict[str, float]:
    """Return the lag of each replica that streams from the primary; unknown ones are left out."""
    if leader is None:
        return {}
    try:
        rows = accounts.run_sql(topology, leader, SQL, seconds=LIMIT_SECONDS)
    except CitadelleError:
        return {}
    return parse(rows)


def parse(rows: str) -> dict[str, float]:
    """Read ``name|seconds`` lines; a name without a number is unknown."""
    pairs = (row.split("|") for row in rows.splitlines() if "|" in row)
    return {name: float(value) for name, value in pairs if value}
