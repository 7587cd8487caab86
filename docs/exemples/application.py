"""Une application ordinaire face au cluster : deux hôtes, verify-full, son seul mot de passe.

    .venv/bin/python docs/exemples/application.py

Elle ne connaît que l'autorité ``build/pki/server/ca.crt`` et les variables APP_* et *_PORT de
``.env``. Elle crée une table par PgBouncer, charge par COPY (port 5000) les noms de tous les
caractères Unicode, les relit par le port 5001 et par PgBouncer avec des requêtes préparées, et
affiche l'adresse sous laquelle le cluster la voit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
from dotenv import dotenv_values

# A committed row reaches the other datacentre's replica in milliseconds at rest.
REPLICATION_SECONDS = 30
SAMPLE = (0x41, 0xE9, 0x20AC, 0x1F600)


def uri(env: dict[str, str], ca: Path, service: str, attributes: str) -> str:
    """Return a libpq URI with both hosts of a service; the password is given apart."""
    ports = {
        "rw": ("HAPROXY1_RW_PUBLISHED_PORT", "HAPROXY2_RW_PUBLISHED_PORT"),
        "ro": ("HAPROXY1_RO_PUBLISHED_PORT", "HAPROXY2_RO_PUBLISHED_PORT"),
        "pooled": ("PGBOUNCER1_PUBLISHED_PORT", "PGBOUNCER2_PUBLISHED_PORT"),
    }[service]
    hosts = ",".join(f"{env['BIND_ADDRESS']}:{env[name]}" for name in ports)
    return (
        f"postgresql://{env['APP_USER']}@{hosts}/{env['APP_DATABASE']}"
        f"?sslmode=verify-full&sslrootcert={quote(str(ca))}"
        f"&target_session_attrs={attributes}&connect_timeout=5"
    )


def characters() -> Iterator[tuple[int, str, str]]:
    """Yield code point, name and category of every named Unicode character."""
    for code in range(sys.maxunicode + 1):
        name = unicodedata.name(chr(code), None)
        if name is not None:
            yield code, name, unicodedata.category(chr(code))


def create(pooled: psycopg.Connection) -> None:
    """Create the table, through PgBouncer."""
    with pooled.transaction():
        pooled.execute("DROP TABLE IF EXISTS unicode")
        pooled.execute("CREATE TABLE unicode (code int PRIMARY KEY, name text, category text)")


def load(rw: psycopg.Connection) -> int:
    """Load every character by COPY, through port 5000; return how many."""
    count = 0
    with rw.transaction(), rw.cursor().copy("COPY unicode FROM STDIN") as copy:
        for row in characters():
            copy.write_row(row)
            count += 1
    return count


def await_rows(ro: psycopg.Connection, expected: int) -> int:
    """Count on a replica, through port 5001, until all rows have arrived."""
    deadline = time.monotonic() + REPLICATION_SECONDS
    while True:
        found = _count(ro)
        if found == expected or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _count(connection: psycopg.Connection) -> int:
    present = connection.execute("SELECT to_regclass('unicode') IS NOT NULL").fetchone()
    if present != (True,):
        return 0
    row = connection.execute("SELECT count(*) FROM unicode").fetchone()
    return int(row[0]) if row else 0


def names(pooled: psycopg.Connection) -> list[str]:
    """Read some names through PgBouncer with a prepared statement, one transaction each."""
    found = []
    for code in SAMPLE:
        query = "SELECT name FROM unicode WHERE code = %s"
        row = pooled.execute(query, [code], prepare=True).fetchone()
        found.append(str(row[0]) if row else "")
    return found


def address(connection: psycopg.Connection) -> str:
    """Return this client's address as PostgreSQL sees it."""
    row = connection.execute("SELECT host(inet_client_addr())").fetchone()
    return str(row[0]) if row else ""


def run(home: Path) -> dict[str, object]:
    """Do everything and return what was seen."""
    env = {key: value or "" for key, value in dotenv_values(home / ".env").items()}
    ca, password = home / "build/pki/server/ca.crt", env["APP_PASSWORD"]

    def connect(service: str, attributes: str) -> psycopg.Connection:
        target = uri(env, ca, service, attributes)
        return psycopg.connect(target, password=password, autocommit=True)

    with (
        connect("pooled", "read-write") as pooled,
        connect("rw", "read-write") as rw,
        connect("ro", "prefer-standby") as ro,
    ):
        create(pooled)
        loaded = load(rw)
        return {
            "lignes_chargees": loaded,
            "lignes_relues_5001": await_rows(ro, loaded),
            "lignes_relues_pooler": _count(pooled),
            "noms_prepares": names(pooled),
            "adresse_vue_5000": address(rw),
            "adresse_vue_5001": address(ro),
        }


def main() -> None:
    """Print the result as JSON."""
    parser = argparse.ArgumentParser(description="Exemple d'application (voir l'en-tête).")
    root = Path(__file__).resolve().parents[2]
    parser.add_argument("--home", type=Path, default=root, help="dossier de .env et de build/")
    print(json.dumps(run(parser.parse_args().home), ensure_ascii=False, indent=2))


if __name__ == "__main__":
    main()
