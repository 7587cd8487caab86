"""Cancelling a statement, as a driver does when its user gives up."""

from __future__ import annotations

from typing import Any

import psycopg

from citadelle.progress import wait_until

# A statement starts in milliseconds.
START_SECONDS = 5.0
BUSY = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event = 'PgSleep'"


def outcome(connection: psycopg.Connection[Any], watcher: psycopg.Connection[Any]) -> str:
    """Cancel a statement that sleeps; return how it ended, at the latest by its own timeout."""
    connection.execute("BEGIN")
    connection.execute("SET LOCAL statement_timeout = '4s'")
    pid = connection.execute("SELECT pg_backend_pid()").fetchone()
    connection.pgconn.send_query(b"SELECT pg_sleep(30)")
    wait_until(
        lambda: None if watcher.execute(BUSY, pid).fetchone() else "pas commencée",
        "la requête à annuler",
        START_SECONDS,
    )
    connection.cancel_safe(timeout=START_SECONDS)
    result = connection.pgconn.get_result()
    while connection.pgconn.get_result() is not None:
        continue
    assert result is not None
    return result.error_message.decode()
