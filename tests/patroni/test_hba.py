"""pg_hba.conf as PostgreSQL read it: every line on every node."""

from __future__ import annotations

import pytest

from citadelle.topology import PG, Topology
from tests.probes import postgres

pytestmark = pytest.mark.parametrize("node", PG)
# Line type and method: TLS with SCRAM, the socket with the system account, or a refusal.
ALLOWED = {
    "hostssl scram-sha-256",
    "hostssl reject",
    "local peer",
    "local reject",
    "hostnossl reject",
}


def _rows(topology: Topology, node: str, columns: str, where: str = "true") -> list[str]:
    sql = f"SELECT {columns} FROM pg_hba_file_rules WHERE {where} ORDER BY rule_number;"  # noqa: S608  # ours
    return postgres.rows(topology, node, sql)


def test_no_line_in_error(topology: Topology, node: str) -> None:
    """One line in error and PostgreSQL keeps the old rules, or does not start."""
    assert _rows(topology, node, "line_number", "error IS NOT NULL") == []


def test_only_proofs_that_resist(topology: Topology, node: str) -> None:
    """No trust, password, md5, ident or cert alone; nothing that is not hostssl over TCP."""
    assert set(_rows(topology, node, "type || ' ' || auth_method")) <= ALLOWED


def test_clear_text_is_refused_for_all(topology: Topology, node: str) -> None:
    """One line refuses every connection without TLS, for every role and every address."""
    row = "database::text || user_name::text || address || auth_method"
    assert _rows(topology, node, row, "type = 'hostnossl'") == ["{all}{all}allreject"]


def test_last_line_refuses_all(topology: Topology, node: str) -> None:
    """What no line names is refused in so many words."""
    row = "type || database::text || user_name::text || address || auth_method"
    assert _rows(topology, node, row)[-1] == "hostssl{all}{all}allreject"


def test_superuser_has_three_lines(topology: Topology, node: str) -> None:
    """Socket, loopback, and nowhere else: the reject comes before any line for everybody."""
    user = topology.settings.postgres_user
    row = "type || ' ' || coalesce(address, '') || ' ' || auth_method"
    expected = ["local  peer", "hostssl 127.0.0.1 scram-sha-256", "hostssl all reject"]
    assert _rows(topology, node, row, f"'{user}' = ANY (user_name)") == expected


def test_replication_comes_from_pods_only(topology: Topology, node: str) -> None:
    """Address, certificate at the role's name and password, all three."""
    where = "'replication' = ANY (database) AND type = 'hostssl' AND auth_method <> 'reject'"
    expected = [f"{topology.address(peer, 'pg')} {{clientcert=verify-full}}" for peer in PG]
    assert _rows(topology, node, "address || ' ' || options::text", where) == expected
