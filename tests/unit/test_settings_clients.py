"""Who enters, and how many: the extra lines of pg_hba.conf, and the bounds per address."""

from __future__ import annotations

import pytest

from citadelle import settings
from citadelle.errors import CitadelleError
from tests.unit import factory

LINE = "hostssl app rapports 192.0.2.0/24 scram-sha-256"


@pytest.mark.parametrize(
    "lines",
    [
        (),
        (LINE,),
        (LINE, "hostssl app rapports all reject"),
        ("hostssl all rapports,lecture 192.0.2.7/32 cert",),
        ("hostssl app rapports 192.0.2.0/24 scram-sha-256 clientcert=verify-full",),
        ("hostssl all all 198.51.100.0/24 reject",),
    ],
)
def test_lines_are_kept_in_order(lines: tuple[str, ...]) -> None:
    """The first line that matches decides."""
    assert settings.parse(factory.env(PG_HBA_EXTRA=" ; ".join(lines))).pg_hba_extra == lines


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("host app rapports 192.0.2.0/24 scram-sha-256", "attendu « hostssl"),
        ("hostssl app rapports", "attendu « hostssl"),
        ("hostssl app rapports 192.0.2.0/24 trust", "méthode refusée"),
        ("hostssl app rapports 192.0.2.0/24 md5", "méthode refusée"),
        ("hostssl app rapports 192.0.2.0/24 password", "méthode refusée"),
        ("hostssl app rapports all scram-sha-256", "n'est pas un réseau"),
        ("hostssl app rapports samenet scram-sha-256", "n'est pas un réseau"),
        ("hostssl app rapports 192.0.2.1/24 scram-sha-256", "n'est pas un réseau"),
        ("hostssl app rapports 127.0.0.1/32 scram-sha-256", "boucle locale"),
        ("hostssl app rapports 0.0.0.0/0 scram-sha-256", "boucle locale"),
        ("hostssl replication rapports 192.0.2.0/24 scram-sha-256", "« replication » refusé"),
        ("hostssl all all 192.0.2.0/24 scram-sha-256", "« all » refusé"),
        ("hostssl app +admins 192.0.2.0/24 scram-sha-256", "« +admins » refusé"),
        ("hostssl app @liste 192.0.2.0/24 scram-sha-256", "« @liste » refusé"),
        ("hostssl app rapports 192.0.2.0/24 scram-sha-256 map=tous", "option refusée"),
        ("hostssl app rapports 192.0.2.0/24 cert clientcert=verify-ca", "clientcert=verify-full"),
        ("hostssl sameuser rapports 192.0.2.0/24 scram-sha-256", "« sameuser » refusé"),
        ("hostssl app postgres 192.0.2.0/24 scram-sha-256", "rôle interne"),
        ("hostssl app replicator 192.0.2.0/24 scram-sha-256", "rôle interne"),
        ("hostssl app rapports,rewind 192.0.2.0/24 cert", "rôle interne"),
    ],
)
def test_line_that_weakens_is_refused(line: str, reason: str) -> None:
    """No door in clear, without a proof, or to an internal role."""
    with pytest.raises(CitadelleError, match="PG_HBA_EXTRA") as refused:
        settings.parse(factory.env(PG_HBA_EXTRA=line))

    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        # (200 - 2 × (20 + 4) - 10) / 2 = 71 direct connections: 35 for one address at most.
        ({"HAPROXY_CLIENTS_PER_ADDRESS": "36"}, "HAPROXY_CLIENTS_PER_ADDRESS"),
        ({"PG_MAX_CONNECTIONS": "50"}, "HAPROXY_CLIENTS_PER_ADDRESS"),
        ({"PGBOUNCER_POOL_SIZE": "90"}, "HAPROXY_CLIENTS_PER_ADDRESS"),
        ({"PGBOUNCER_CLIENTS_PER_ADDRESS": "1000"}, "PGBOUNCER_CLIENTS_PER_ADDRESS"),
    ],
)
def test_one_address_never_fills_an_entrance(overrides: dict[str, str], name: str) -> None:
    """Else a single client could keep all others out."""
    with pytest.raises(CitadelleError, match=name):
        settings.parse(factory.env(**overrides))


def test_largest_share_is_accepted() -> None:
    """Exactly half of the direct connections."""
    found = settings.parse(factory.env(HAPROXY_CLIENTS_PER_ADDRESS="35"))

    assert found.direct_connections == 71
    assert found.haproxy_clients_per_address == 35
