"""pg_hba.conf under the audit's eyes: each line that must not be there is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from citadelle.audit import hba
from citadelle.audit.control import Cluster
from citadelle.topology import PG
from citadelle.workspace import Home
from tests.unit import factory

TOPOLOGY = factory.topology()
S = TOPOLOGY.settings
POD, POOLER = TOPOLOGY.address("pg1", "pg"), TOPOLOGY.address("pgbouncer1", "pool")
HOST = "255.255.255.255"
PROVEN = f"{HOST}|scram-sha-256|clientcert=verify-full"
# The shape of config/postgresql/pg_hba.conf.j2, as PostgreSQL says that it read it.
GOOD = [
    f"local|all|{S.postgres_user}|||peer|map=serveur",
    f"hostssl|all|{S.postgres_user}|127.0.0.1|{HOST}|scram-sha-256|",
    f"hostssl|all|{S.postgres_user}|all||reject|",
    "local|all|all|||reject|",
    "hostnossl|all|all|all||reject|",
    f"hostssl|replication|{S.replicator_user}|{POD}|{PROVEN}",
    "hostssl|replication|all|all||reject|",
    f"hostssl|postgres|{S.rewind_user},{S.replicator_user}|{POD}|{PROVEN}",
    f"hostssl|all|{S.rewind_user},{S.replicator_user}|all||reject|",
    f"hostssl|{S.app_database}|{S.pgbouncer_auth_user}|{POOLER}|{PROVEN}",
    f"hostssl|all|{S.pgbouncer_auth_user}|all||reject|",
    f"hostssl|{S.app_database}|{S.app_user}|all||scram-sha-256|",
    "hostssl|all|all|all||reject|",
]
EVERYBODY = "hostssl|all|all|10.0.0.0|255.0.0.0|scram-sha-256|"


def faults(
    monkeypatch: pytest.MonkeyPatch, lines: list[str], error: str = "", unread: str = ""
) -> set[str]:
    """Return the controls that fail on a file of these lines; the first may be in error.

    ``unread`` is the node that did not read its file again.
    """
    rows = [f"{n}|{'' if n > 1 else error}|{line}" for n, line in enumerate(lines, 1)]

    def sql(_cluster: Cluster, node: str, query: str) -> tuple[str, ...]:
        if query == hba.UNREAD:
            return ("pg_hba.conf changé",) if node == unread else ("",)
        return tuple(rows)

    monkeypatch.setattr(hba, "sql", sql)
    cluster = Cluster(TOPOLOGY, Home(Path("/nowhere")))
    return {c.identifier for c in hba.CONTROLS if not c.check(cluster).ok}


def test_our_file_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """The failures below are those of one line."""
    assert faults(monkeypatch, GOOD) == set()


@pytest.mark.parametrize(
    ("line", "place", "control"),
    [
        ("host|app|app|all||scram-sha-256|", 0, "PG-01"),
        ("hostnossl|app|app|all||trust|", 0, "PG-01"),
        ("hostgssenc|app|app|all||scram-sha-256|", 0, "PG-01"),
        ("hostssl|app|app|all||md5|", 0, "PG-02"),
        ("hostssl|app|app|all||password|", 0, "PG-02"),
        ("hostssl|app|app|all||trust|", 0, "PG-02"),
        ("local|app|app|||trust|", 0, "PG-02"),
        (EVERYBODY, 0, "PG-03"),
        (f"hostssl|postgres|{S.postgres_user}|{POD}|{PROVEN}", 2, "PG-03"),
        (f"hostssl|replication|{S.postgres_user}|{POD}|{PROVEN}", 5, "PG-03"),
        ("hostssl|all|+admins|all||scram-sha-256|", 0, "PG-03"),
        (f"hostssl|postgres|{S.rewind_user}|all||scram-sha-256|", 0, "PG-04"),
        (f"hostssl|all|{S.replicator_user}|{POD}|{HOST}|scram-sha-256|", 0, "PG-04"),
        (f"hostssl|postgres|{S.rewind_user}|{POD}|255.255.255.0|scram-sha-256|", 0, "PG-04"),
        (EVERYBODY, 9, "PG-04"),
        ("local|all|app|||peer|", 0, "PG-05"),
        ("hostssl|app|app|all||scram-sha-256|", len(GOOD), "PG-06"),
    ],
)
def test_one_line_more_is_seen(
    monkeypatch: pytest.MonkeyPatch, line: str, place: int, control: str
) -> None:
    """An opening, wherever it stands in the file, turns its control red."""
    assert control in faults(monkeypatch, [*GOOD[:place], line, *GOOD[place:]])


@pytest.mark.parametrize("place", [2, 8, 10])
def test_line_behind_a_refusal_opens_nothing(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    """PostgreSQL stops at the first line that matches: what follows is no fault."""
    behind = [*GOOD[:-1], EVERYBODY, GOOD[-1]]
    assert faults(monkeypatch, behind) == set()
    without = [line for n, line in enumerate(behind) if n != place]
    assert faults(monkeypatch, without) != set()


def test_line_in_error_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL would keep the rules of before, or not start."""
    assert "PG-06" in faults(monkeypatch, ["||||||", *GOOD], error="invalid IP address")


@pytest.mark.parametrize("node", PG)
def test_file_that_was_not_read_is_seen(monkeypatch: pytest.MonkeyPatch, node: str) -> None:
    """Good lines say nothing of a server that still goes by those of before."""
    assert faults(monkeypatch, GOOD, unread=node) == {c.identifier for c in hba.CONTROLS}


def test_empty_file_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing read is not nothing wrong."""
    assert "PG-06" in faults(monkeypatch, [])


def test_each_node_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """One open node is enough for a thief."""
    bad = GOOD[:-1]

    def sql(_cluster: Cluster, node: str, query: str) -> tuple[str, ...]:
        lines = (bad if node == PG[-1] else GOOD) if query == hba.QUERY else ()
        return tuple(f"1||{line}" for line in lines)

    monkeypatch.setattr(hba, "sql", sql)
    (control,) = [c for c in hba.CONTROLS if c.identifier == "PG-06"]
    finding = control.check(Cluster(TOPOLOGY, Home(Path("/nowhere"))))
    assert finding.seen == f"{PG[-1]} : la dernière ligne ne refuse pas tout"
