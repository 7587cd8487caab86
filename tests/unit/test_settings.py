"""What ``.env`` may hold, and each thing that it may not."""

from __future__ import annotations

import pytest

from citadelle import settings
from citadelle.errors import CitadelleError
from tests.unit import factory
from tests.unit.env_files import refusal


def test_factory_is_valid() -> None:
    """The cluster from which every refusal below starts has no problem itself."""
    assert settings.parse(factory.env()).cluster_name == "citadelle"


def test_all_problems_are_reported_at_once() -> None:
    """One line each: an operator corrects the file once."""
    found = refusal(PG_PORT="80", CERT_DAYS="x", BIND_ADDRESS="ici").splitlines()

    assert [line.split()[2] for line in found] == ["BIND_ADDRESS", "PG_PORT", "CERT_DAYS"]


def test_missing_key_is_named() -> None:
    """There is no hidden default: .env says everything."""
    values = factory.env()
    del values["PG_PORT"]

    with pytest.raises(CitadelleError, match=r"^\.env : PG_PORT manque \(.*invoke env.*\)$"):
        settings.parse(values)


@pytest.mark.parametrize(
    ("name", "hint"), [("PGPORT", " (voulez-vous dire PG_PORT ?)"), ("XYZZY", "")]
)
def test_unknown_key_is_refused(name: str, hint: str) -> None:
    """A misspelt variable would be ignored silently; the close one is suggested."""
    assert refusal(**{name: "1"}) == f".env : clé inconnue {name}{hint}"


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("PG_PORT", "65536", "entre 1024 et 65535"),
        ("PG_PORT", "1023", "entre 1024 et 65535"),
        ("PG_PORT", "-1", "entre 1024 et 65535"),
        ("PG_PORT", "", "« » n'est pas un nombre"),
        ("HAPROXY1_RW_PUBLISHED_PORT", "0", "entre 1 et 65535"),
        ("HAPROXY1_RW_PUBLISHED_PORT", "65536", "entre 1 et 65535"),
        ("BASE_IMAGE", "", "vide"),
        ("CLUSTER_NAME", "", "refusé : minuscules et chiffres"),
        ("CLUSTER_NAME", "Prod", "refusé : minuscules et chiffres"),
        ("CLUSTER_NAME", "1prod", "refusé : minuscules et chiffres"),
        ("CLUSTER_NAME", "prod_", "refusé : minuscules et chiffres"),
        ("CLUSTER_NAME", "prod--a", "refusé : minuscules et chiffres"),
        ("CLUSTER_NAME", "p" * 32, "31 au plus"),
        ("APP_USER", "o'brien", "refusé : une minuscule"),
        ("APP_USER", "mon-app", "refusé : une minuscule"),
        ("APP_USER", "all", "nom réservé"),
        ("APP_USER", "public", "nom réservé"),
        ("POSTGRES_USER", "pg_super", "nom réservé"),
        ("APP_DATABASE", "mon-app", "refusé : une minuscule"),
        ("APP_DATABASE", "postgres", "nom réservé"),
        ("APP_DATABASE", "pgbouncer", "nom réservé"),
        ("APP_DATABASE", "sameuser", "nom réservé"),
        ("REMOTE_REPLICATION", "quorum", "(choix : asynchrone, secours, synchrone)"),
        ("DATACENTERS", "", "donnez au moins un centre"),
        ("PG1_DC", "lune", "centre de données inconnu « lune » (connus : dc1, dc2)"),
        ("BIND_ADDRESS", "localhost", "n'est pas une adresse IPv4"),
        ("BIND_ADDRESS", "127.0.0.256", "n'est pas une adresse IPv4"),
        ("BIND_ADDRESS", "::1", "n'est pas une adresse IPv4"),
        ("SUBNET", "10.0.0.0/24", "il faut un /22 privé"),
        ("SUBNET", "8.8.8.0/22", "il faut un /22 privé"),
        ("SUBNET", "10.209.65.0/22", "n'est pas un réseau IPv4"),
        ("SUBNET", "partout", "n'est pas un réseau IPv4"),
        ("PATRONI_TTL", "19", "entre 20 et 300"),
        ("CERT_DAYS", "398", "entre 2 et 397"),
    ],
)
def test_wrong_value_is_refused(name: str, value: str, reason: str) -> None:
    """The message names the variable and what is expected."""
    found = refusal(**{name: value})

    assert found.startswith(f".env : {name} ")
    assert reason.replace("« »", f"« {value} »") in found


@pytest.mark.parametrize(
    "value", ["123", "999.1.1.1", "1.2.3", "a..b", "-a", "a-", ".a", "a.", "a_b", "*.a", "::1"]
)
def test_neither_name_nor_address_is_refused(value: str) -> None:
    """What cannot stand in a certificate stops here, not when it is issued."""
    found = refusal(SERVER_EXTRA_NAMES=f"pg.test,{value}")

    assert (
        found == f".env : SERVER_EXTRA_NAMES : « {value} » n'est ni un nom DNS ni une adresse IPv4"
    )


@pytest.mark.parametrize("value", [f"{'a' * 64}.test", ".".join(["a" * 63] * 4)])
def test_too_long_name_is_refused(value: str) -> None:
    """A label has 63 letters at most, a name 253 (RFC 1035, 2.3.4)."""
    assert "ni un nom DNS" in refusal(SERVER_EXTRA_NAMES=value)


def test_timers_must_fit_in_the_lease() -> None:
    """Patroni would lower them silently."""
    assert "= 31 s dépasse PATRONI_TTL = 30 s" in refusal(PATRONI_LOOP_WAIT="11")


@pytest.mark.parametrize(
    ("days", "renew", "ca", "reason"),
    [
        ("90", "90", "3650", "CERT_RENEW_DAYS = 90 doit être inférieur à CERT_DAYS = 90"),
        ("90", "30", "179", "CA_DAYS = 179 doit valoir au moins deux fois CERT_DAYS = 90"),
    ],
)
def test_certificates_must_be_renewable(days: str, renew: str, ca: str, reason: str) -> None:
    """A certificate is renewed before its end, by an authority that outlives it."""
    assert refusal(CERT_DAYS=days, CERT_RENEW_DAYS=renew, CA_DAYS=ca) == f".env : {reason}"
