"""The SQLSTATE of a connection that is refused: libpq keeps it to itself, its trace shows it."""

from __future__ import annotations

import re
import select
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import conninfo, pq

# PostgreSQL manual, appendix A.
ENTERED = "00000"
NOT_ALLOWED = "28000"  # invalid_authorization_specification: pg_hba.conf
WRONG_PASSWORD = "28P01"
PROTOCOL_VIOLATION = "08P01"  # PgBouncer gives all its refusals this one
DENIED = "42501"  # insufficient_privilege
# Not a SQLSTATE: the connection ended without a word of the protocol.
CUT = "coupé"
# A refusal comes in milliseconds.
ANSWER_SECONDS = 5.0
ERROR = re.compile(r'\tErrorResponse\t.* C "(?P<code>\w{5})" M "(?P<words>.*?)" [A-Z\\]')


@dataclass(frozen=True)
class Answer:
    """What a door said: a code of its protocol, and its own words."""

    code: str
    words: str = ""


def attempt(parameters: Mapping[str, object]) -> Answer:
    """Connect once with libpq's parameters, close, and return what the server said.

    Raises:
        TimeoutError: when it says nothing.
    """
    wanted = {key: str(value) for key, value in parameters.items()}
    connection = pq.PGconn.connect_start(conninfo.make_conninfo(**wanted).encode())
    # In the trace a password is only ever SCRAM's proof, made with this connection's nonce.
    with tempfile.TemporaryFile("w+") as trace:
        connection.trace(trace.fileno())
        try:
            entered = _finish(connection)
        finally:
            connection.untrace()
            said = connection.error_message.decode(errors="replace")
            connection.finish()
        trace.seek(0)
        found = ERROR.search(trace.read())
    if found:
        return Answer(found["code"], found["words"])
    return Answer(ENTERED) if entered else Answer(CUT, said)


def _finish(connection: pq.abc.PGconn) -> bool:
    """Drive the connection to its end; tell whether it opened (libpq manual, PQconnectPoll)."""
    while connection.status != pq.ConnStatus.BAD:
        state = connection.connect_poll()
        if state == pq.PollingStatus.OK:
            return True
        if state == pq.PollingStatus.FAILED:
            break
        socket = [connection.socket]
        reading = state == pq.PollingStatus.READING
        ready = select.select(
            socket if reading else [], [] if reading else socket, [], ANSWER_SECONDS
        )
        if not any(ready):
            raise TimeoutError("le serveur ne répond pas")
    return False
