"""The three requests of a client: each one statement, its own transaction, prepared.

The server's own address comes from its configuration: ``inet_server_addr()`` is the pod's
loopback for everybody, because the gateway opens the last hop. The timeline is the first third
of a WAL file's name (PostgreSQL manual, 28.3), right from the moment of the promotion.
"""

from __future__ import annotations

from uuid import UUID

import psycopg

from citadelle.stress.session import Connection

TABLE = """
CREATE TABLE IF NOT EXISTS citadelle_ledger (
    run uuid, client int, sequence bigint,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    server inet, timeline int,
    PRIMARY KEY (run, client, sequence)
)"""
SERVER = "replace(current_setting('listen_addresses'), '127.0.0.1,', '')::inet"
TIMELINE = "('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int"
WRITE = f"""
INSERT INTO citadelle_ledger (run, client, sequence, server, timeline)
VALUES (%s, %s, %s, {SERVER}, {TIMELINE}) RETURNING server, timeline"""  # noqa: S608  # constants
READ = "SELECT at FROM citadelle_ledger WHERE run = %s AND client = %s AND sequence = %s"

# SQLSTATE classes after which a commit may have happened all the same: connection lost (PgBouncer
# says 08P01 of a server that died), operator intervention, system error, internal error.
DOUBTFUL = ("08", "57", "58", "XX")
COMPLETION_UNKNOWN = "40003"


def write(connection: Connection, run: UUID, client: int, sequence: int) -> tuple[int, int]:
    """Write one row; return who acknowledged it: server's IPv4 address as a number, timeline."""
    row = connection.execute(WRITE, (run, client, sequence), prepare=True).fetchone()
    if row is None:
        raise psycopg.DataError("INSERT … RETURNING n'a rien rendu")
    return int(row[0]), int(row[1])


def read(connection: Connection, run: UUID, client: int, sequence: int) -> bool:
    """Look for one row by its primary key; return whether it is there."""
    cursor = connection.execute(READ, (run, client, sequence), prepare=True)
    return cursor.fetchone() is not None


def in_doubt(error: psycopg.Error) -> bool:
    """Tell whether the statement may have been committed although it ended with this error."""
    state = error.sqlstate
    return state is None or state[:2] in DOUBTFUL or state == COMPLETION_UNKNOWN
