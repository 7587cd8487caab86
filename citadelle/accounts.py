"""PostgreSQL's roles and grants: brought to what .env says, on the primary, by its local socket.

Passwords travel as SCRAM verifiers made by libpq here, so that no server log can hold one
(RFC 5802; PostgreSQL manual, 20.5).
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from psycopg import pq

from citadelle import engine, render
from citadelle.settings import Settings
from citadelle.topology import Topology

# Roles that Patroni makes at bootstrap; here only their passwords are kept up to date.
PATRONI_ROLES = ("postgres", "replicator", "rewind")
OWN_ROLES = ("app", "monitoring", "pgbouncer_auth")


def psql_argv(topology: Topology, *, database: str = "postgres") -> list[str]:
    """Return the command that is superuser inside a PostgreSQL container (peer, local socket)."""
    s = topology.settings
    return [
        "psql",
        "--host=/run/postgresql",
        f"--port={s.pg_port}",
        f"--username={s.postgres_user}",
        f"--dbname={database}",
        "--no-psqlrc",
    ]


def run_sql(
    topology: Topology, node: str, sql: str, *, database: str = "postgres", seconds: float = 60
) -> str:
    """Run SQL as superuser on one node and return its rows, unaligned, one per line.

    What an unqualified name means is fixed: no object that a role made in ``public`` can stand
    in for the system's (PostgreSQL manual, 5.10.6).
    """
    argv = ["env", "PGOPTIONS=-c search_path=pg_catalog,pg_temp"]
    argv += [*psql_argv(topology, database=database), "--quiet", "--tuples-only", "--no-align"]
    argv += ["--set=ON_ERROR_STOP=1", "--file=-"]
    container = f"{topology.settings.cluster_name}-{node}"
    return engine.execute(container, *argv, stdin=sql.encode(), seconds=seconds)


def ensure(topology: Topology, leader: str) -> bool:
    """Create what is missing, correct what differs; return whether anything was written."""
    changed = _ensure_roles(topology, leader)
    return _ensure_schema(topology, leader) or changed


def _ensure_roles(topology: Topology, leader: str) -> bool:
    known = _verifiers(topology, leader)
    orders = []
    for prefix in (*PATRONI_ROLES, *OWN_ROLES):
        user, password = _credentials(topology.settings, prefix)
        if user in known and verifies(known[user], password):
            continue
        verb = "ALTER" if user in known else "CREATE"
        orders.append(f"{verb} ROLE \"{user}\" LOGIN PASSWORD '{verifier(user, password)}';\n")
    if orders:
        # Neither the statement nor, if it fails, its text may reach the log.
        quiet = "SET log_statement = 'none';\nSET log_min_error_statement = 'panic';\n"
        run_sql(topology, leader, quiet + "".join(orders))
    return bool(orders)


def _verifiers(topology: Topology, leader: str) -> dict[str, str]:
    sql = "SELECT rolname || ' ' || coalesce(rolpassword, '-') FROM pg_authid WHERE rolcanlogin;"
    rows = run_sql(topology, leader, sql).splitlines()
    return dict(row.split(" ", 1) for row in rows if row)


def _credentials(settings: Settings, prefix: str) -> tuple[str, str]:
    return getattr(settings, f"{prefix}_user"), getattr(settings, f"{prefix}_password").reveal()


def verifier(user: str, password: str) -> str:
    """Return a SCRAM-SHA-256 verifier with a random salt, as libpq makes it."""
    connection = pq.PGconn.connect_start(b"")
    made = connection.encrypt_password(password.encode(), user.encode(), b"scram-sha-256")
    return made.decode()


def verifies(stored: str, password: str) -> bool:
    """Tell whether a password matches a stored SCRAM-SHA-256 verifier (RFC 5802, section 3)."""
    try:
        scheme, iterations_salt, keys = stored.split("$")
        iterations, salt = iterations_salt.split(":")
        stored_key = base64.b64decode(keys.split(":")[0])
        salted = hashlib.pbkdf2_hmac(
            "sha256", password.encode(), base64.b64decode(salt), int(iterations)
        )
    except ValueError:
        return False
    if scheme != "SCRAM-SHA-256":
        return False
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)


def _ensure_schema(topology: Topology, leader: str) -> bool:
    s = topology.settings
    name = "postgresql/schema.sql.j2"
    digest = hashlib.sha256(render.template(name, s=s, digest="").encode()).hexdigest()
    if _applied(topology, leader) == digest:
        return False
    run_sql(topology, leader, render.template(name, s=s, digest=digest))
    return True


def _applied(topology: Topology, leader: str) -> str:
    database = topology.settings.app_database
    exists = f"SELECT 1 FROM pg_database WHERE datname = '{database}';"  # noqa: S608  # identifier
    if not run_sql(topology, leader, exists).strip():
        return ""
    present = "SELECT to_regclass('citadelle.schema_version') IS NOT NULL;"
    if run_sql(topology, leader, present, database=database).strip() != "t":
        return ""
    sql = "SELECT digest FROM citadelle.schema_version;"
    return run_sql(topology, leader, sql, database=database).strip()
