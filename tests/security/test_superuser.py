"""The superuser with its right password, from everywhere but the inside of its own pod.

Whoever steals POSTGRES_PASSWORD alone has nothing: no door of the network lets its user in. The
matrix of test_passwords.py holds the plain attempts at every door; these are the crooked ones.
"""

from __future__ import annotations

import itertools
import re

import pytest

from citadelle.errors import CitadelleError
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Topology
from citadelle.workspace import Home
from tests.probes import postgres, sqlstate
from tests.probes.sqlstate import CUT, ENTERED, NOT_ALLOWED
from tests.security import _logins, _tunnel
from tests.security._logins import DOORS, Door

DIRECT = [door for door in DOORS if door.direct]
POOLERS = [door for door in DOORS if door.service in ("pooled", "console")]
# libpq's parameters that a client may try to bend the judgement with.
TRICKS: dict[str, dict[str, str]] = {
    "postgres": {"dbname": "postgres"},
    "template1": {"dbname": "template1"},
    "unknown database": {"dbname": "nope"},
    "replication": {"dbname": "", "replication": "true"},
    "logical replication": {"dbname": "postgres", "replication": "database"},
    "direct TLS": {"sslnegotiation": "direct"},
    "name of Patroni": {"dbname": "postgres", "application_name": "Patroni heartbeat"},
    "another hba_file": {"options": "-c hba_file=/dev/null"},
    "another address": {"options": "-c listen_addresses=127.0.0.1"},
    "another role": {"options": "-c role=postgres -c session_authorization=postgres"},
}
# PgBouncer's words for a line of its pgbouncer_hba.conf that rejects, or for no line at all.
NO_ENTRY = "login rejected|no authentication method is found"
# Names that something on the way could take for the superuser's: {} is his.
SPELLINGS = ('"{}"', "{} ", " {}", "{}\t", "+{}", "{}@app", "\\{}")


def _show(door: Door) -> str:
    return f"{door.service}@{door.node}"


def _superuser(topology: Topology) -> dict[str, str]:
    user, password = _logins.login(topology.settings, "postgres")
    return {"user": user, "password": password}


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("door", DIRECT, ids=_show)
def test_postgresql_refuses(topology: Topology, home: Home, door: Door, trick: str) -> None:
    """PostgreSQL refuses by pg_hba.conf, before any password: nothing that is said changes it."""
    shown = _logins.place(topology, home, door) | _superuser(topology) | TRICKS[trick]
    answer = sqlstate.attempt(shown)
    assert answer.code == NOT_ALLOWED
    assert "pg_hba.conf rejects" in answer.words


@pytest.mark.parametrize("trick", [trick for trick in TRICKS if trick != "direct TLS"])
@pytest.mark.parametrize("door", POOLERS, ids=_show)
def test_pooler_refuses(topology: Topology, home: Home, door: Door, trick: str) -> None:
    """PgBouncer asks him for no password, whatever the database and the options.

    It does not know direct TLS, and waits in silence for the 8 bytes that ask for it.
    """
    shown = _logins.place(topology, home, door) | _superuser(topology) | TRICKS[trick]
    answer = sqlstate.attempt(shown)
    expected = "unsupported startup parameter" if "options" in TRICKS[trick] else NO_ENTRY
    assert answer.code == sqlstate.PROTOCOL_VIOLATION
    assert re.match(expected, answer.words)


@pytest.mark.parametrize("spelling", [*SPELLINGS, "upper", "capitalized"])
@pytest.mark.parametrize("door", DIRECT[::2], ids=_show)
def test_no_other_spelling_of_his_name_enters(
    topology: Topology, home: Home, door: Door, spelling: str
) -> None:
    """A name that pg_hba.conf's line misses would meet the lines for everybody."""
    login = _superuser(topology)
    name = login["user"]
    changed = {"upper": name.upper(), "capitalized": name.capitalize()}
    login["user"] = changed.get(spelling) or spelling.format(name)
    answer = sqlstate.attempt(_logins.place(topology, home, door) | login)
    assert (answer.code, "rejects" in answer.words) == (NOT_ALLOWED, True)


# --- A load balancer's stolen tunnel key, and a forged PROXY header ------------------------------

LOOPBACKS = ("127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1", "::ffff:7f00:1", "::7f00:1")
# Members that may be the source of a real connection through a load balancer, or are near one.
NEIGHBOURS = [
    *((node, "pool") for node in (*PGBOUNCER, *HAPROXY)),
    *((node, "front") for node in HAPROXY),
    *((node, "pg") for node in HAPROXY),
]


@pytest.mark.parametrize("claimed", LOOPBACKS)
@pytest.mark.parametrize("pod", PG)
def test_claimed_loopback_does_not_reach_postgresql(
    topology: Topology, home: Home, pod: str, claimed: str
) -> None:
    """Loopback is the line that lets him in: the gateway cuts whoever claims it."""
    answer = _tunnel.attempt(topology, home, pod, claimed, "postgres", dbname="postgres")
    assert answer.code == CUT


@pytest.mark.parametrize(("node", "network"), NEIGHBOURS)
@pytest.mark.parametrize("pod", PG)
def test_claimed_neighbour_is_refused(
    topology: Topology, home: Home, pod: str, node: str, network: str
) -> None:
    """No address that the gateway lets a load balancer claim is one of his."""
    claimed = str(topology.address(node, network))
    answer = _tunnel.attempt(topology, home, pod, claimed, "postgres", dbname="postgres")
    assert answer.code == NOT_ALLOWED
    assert re.search(f'rejects connection for host "{claimed}"', answer.words)


@pytest.mark.parametrize("pod", PG)
def test_another_user_enters_the_same_way(topology: Topology, home: Home, pod: str) -> None:
    """The counter-proof: through the same stolen key, a user of the network is let in."""
    answer = _tunnel.attempt(topology, home, pod, "203.0.113.7", "monitoring", dbname="postgres")
    assert answer.code == ENTERED


# --- From the inside of other containers, and of his own pod by the wrong address ----------------


def _inside(topology: Topology, container: str, host: str, address: str, port: int) -> str:
    """Try from a container; return the words of the refusal."""
    login = _logins.login(topology.settings, "postgres")
    options = f"host={host} hostaddr={address} port={port} dbname=postgres sslmode=require"
    with pytest.raises(CitadelleError) as refused:
        postgres.psql(topology, container, login, f"{options} connect_timeout=5", "SELECT 1")
    return str(refused.value)


@pytest.mark.parametrize(("pod", "target"), list(itertools.product(PG, PG)))
def test_pods_address_is_not_the_inside(topology: Topology, pod: str, target: str) -> None:
    """From another pod, or from his own by its network address: a broken-in pod has itself."""
    address = str(topology.address(target, "pg"))
    words = _inside(topology, pod, target, address, topology.settings.pg_port)
    assert f'rejects connection for host "{topology.address(pod, "pg")}"' in words


@pytest.mark.parametrize("pooler", PGBOUNCER)
@pytest.mark.parametrize("balancer", HAPROXY)
def test_pooler_s_place_is_refused(topology: Topology, pooler: str, balancer: str) -> None:
    """A broken-in pooler does not become superuser by way of the load balancers."""
    address = str(topology.address(balancer, "pool"))
    words = _inside(topology, pooler, balancer, address, topology.settings.haproxy_rw_port)
    assert f'rejects connection for host "{topology.address(pooler, "pool")}"' in words


def test_etcd_reaches_no_postgresql(topology: Topology, home: Home) -> None:
    """... and no member of etcd's address may even be claimed at a gateway."""
    claims = [str(topology.address(node, "dcs")) for node in ETCD]
    answers = [_tunnel.attempt(topology, home, PG[0], claim, "postgres") for claim in claims]
    assert {answer.code for answer in answers} == {CUT}
