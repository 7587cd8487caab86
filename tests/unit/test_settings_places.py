"""Where ``.env`` may put the nodes: each contradiction refused, each unwise choice told."""

from __future__ import annotations

import pytest

from citadelle import settings
from tests.unit import factory
from tests.unit.env_files import refusal

# Three sites, one etcd in each: the variant of docs/trois-sites.md.
THREE = {"DATACENTERS": "dc1,dc2,temoin", "ETCD2_DC": "dc2", "ETCD3_DC": "temoin"}
PLACED = [name for name in factory.ONE_SITE if name.endswith("_DC")]


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"DATACENTERS": "dc1,dc2,dc2"}, "DATACENTERS nomme dc2 2 fois"),
        ({"DATACENTERS": "dc1,dc2,dc3"}, "DATACENTERS nomme dc3, où aucun nœud ne se trouve"),
        (
            factory.ONE_SITE | {"DATACENTERS": "dc1,dc2"},
            "DATACENTERS nomme dc2, où aucun nœud ne se trouve",
        ),
        (
            {"DATACENTERS": "a,b,c,d"} | dict(zip(PLACED, "aabaabcdcd", strict=True)),
            "DATACENTERS compte 4 centres, 3 au plus",
        ),
        (
            {"ETCD2_DC": "dc2"},
            "dc2 a la majorité d'etcd (2 sur 3, ETCD2_DC, ETCD3_DC) : la perte de ce site ou du "
            "lien arrêterait dc1",
        ),
        ({"ETCD1_DC": "dc2", "ETCD2_DC": "dc2"}, "dc2 a la majorité d'etcd (3 sur 3"),
        (THREE | {"ETCD2_DC": "temoin"}, "temoin a la majorité d'etcd (2 sur 3"),
        (
            {"PG1_DC": "dc2", "PG2_DC": "dc2"},
            "aucun PostgreSQL dans dc1, le centre préféré, où vit le primaire",
        ),
        (
            {"PG2_DC": "dc2", "PG2_PRIORITY": "20"},
            "un seul PostgreSQL dans dc1 : placez-y un second",
        ),
        (
            {f"PG{index}_PRIORITY": "0" for index in (1, 2, 3)},
            "PG1_PRIORITY, PG2_PRIORITY, PG3_PRIORITY valent toutes 0",
        ),
        (
            {"PG1_PRIORITY": "0", "PG2_PRIORITY": "0"},
            "aucun nœud de dc1 n'est promouvable (priorité 0)",
        ),
        (
            {"PG2_PRIORITY": "0"},
            "seul pg1 est promouvable parmi les nœuds synchrones : personne ne prendrait sa suite "
            "(priorité 0, REMOTE_REPLICATION=asynchrone)",
        ),
        (
            {"PG2_PRIORITY": "0", "PG3_PRIORITY": "0", "REMOTE_REPLICATION": "secours"},
            "seul pg1 est promouvable parmi les nœuds synchrones",
        ),
        (
            {
                "PG2_DC": "dc2",
                "PG2_PRIORITY": "0",
                "PG3_PRIORITY": "0",
                "REMOTE_REPLICATION": "synchrone",
            },
            "seul pg1 est promouvable parmi les nœuds synchrones",
        ),
        (
            {"PG3_PRIORITY": "100"},
            "PG3_PRIORITY = 100 (dc2) doit être inférieure à PG1_PRIORITY = 100 (dc1)",
        ),
        (
            {"PG2_PRIORITY": "5", "REMOTE_REPLICATION": "synchrone"},
            "PG3_PRIORITY = 10 (dc2) doit être inférieure à PG2_PRIORITY = 5 (dc1)",
        ),
    ],
)
def test_contradiction_is_refused(overrides: dict[str, str], reason: str) -> None:
    """One line, with its reason; nothing else is said of it."""
    [line] = refusal(**overrides).splitlines()

    assert line.startswith(f".env : {reason}")


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ({"ETCD3_DC": "dc1"}, ["dc2 a un PostgreSQL et aucun etcd"]),
        (
            THREE | {"ETCD2_DC": "dc1"},
            ["dc2 a un PostgreSQL et aucun etcd", "trois centres, mais dc1 a la majorité d'etcd"],
        ),
        (THREE, ["trois centres et REMOTE_REPLICATION=asynchrone"]),
        (
            THREE | {"REMOTE_REPLICATION": "secours"},
            ["trois centres et REMOTE_REPLICATION=secours"],
        ),
        (
            {"PG2_PRIORITY": "0", "REMOTE_REPLICATION": "secours"},
            ["pg1 est seul promouvable dans dc1"],
        ),
        (
            {"PG2_DC": "dc2", "PG2_PRIORITY": "20", "REMOTE_REPLICATION": "secours"},
            ["pg1 est seul promouvable dans dc1"],
        ),
        ({"PGBOUNCER2_DC": "dc1"}, ["dc2 a un PostgreSQL et aucun PgBouncer"]),
        (
            {"HAPROXY2_DC": "dc1"},
            ["dc2 a un PostgreSQL et aucun HAProxy", "dc2 a un PgBouncer et aucun HAProxy"],
        ),
        (
            {"HAPROXY1_DC": "dc2", "PGBOUNCER1_DC": "dc2"},
            ["dc1 a un PostgreSQL et aucun HAProxy", "dc1 a un PostgreSQL et aucun PgBouncer"],
        ),
        (
            {"REMOTE_REPLICATION": "synchrone"},
            ["REMOTE_REPLICATION=synchrone : chaque commit attend le lien"],
        ),
        (
            THREE | {"REMOTE_REPLICATION": "synchrone"},
            ["REMOTE_REPLICATION=synchrone : chaque commit attend le lien"],
        ),
    ],
)
def test_unwise_choice_is_told(overrides: dict[str, str], words: list[str]) -> None:
    """The cluster is accepted, and the operator hears the price of what was chosen."""
    found = settings.parse(factory.env(**overrides)).warnings()

    assert len(found) == len(words)
    assert all(line.startswith(word) for line, word in zip(found, words, strict=True))


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"REMOTE_REPLICATION": "secours"},
        {"PG3_PRIORITY": "0"},
        {"PG3_DC": "dc1", "PG3_PRIORITY": "0"},
        factory.ONE_SITE,
    ],
)
def test_ordinary_choice_is_silent(overrides: dict[str, str]) -> None:
    """A warning that is always there is no longer read."""
    assert settings.parse(factory.env(**overrides)).warnings() == []


def test_unreadable_variable_is_told_once() -> None:
    """Rules about places wait until every place is known."""
    [line] = refusal(PG1_PRIORITY="haute").splitlines()

    assert line.startswith(".env : PG1_PRIORITY")
