"""A line of pg_hba.conf for one client network: it is let in, its neighbour is not.

Through HAProxy, with TLS end to end: PostgreSQL must see each client's own address for this.
"""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

import pytest

from citadelle import accounts, engine, lifecycle, settings
from citadelle.patroni import Patroni
from citadelle.progress import wait_until
from citadelle.topology import HAPROXY, PG, PGBOUNCER, Topology
from tests.operator import change_env, invoke
from tests.security import _client
from tests.security.conftest import Copy

pytestmark = [pytest.mark.disruptive, pytest.mark.slow]

ROLE = "rapports"
QUERY = "SELECT client_addr, usename FROM pg_stat_activity WHERE pid = pg_backend_pid()"
# Last bytes of two client machines, on either side of the network's border.
INSIDE, OUTSIDE = 130, 140
LOG_SECONDS = 10.0


@dataclasses.dataclass(frozen=True)
class Opened:
    """The copy once the line is applied."""

    copy: Copy
    topology: Topology
    password: str
    restarted: bool

    def network(self) -> IPv4Network:
        """Return the network that the line lets in: eight addresses around INSIDE."""
        return network(self.topology)

    def ask(self, last: int, node: str = HAPROXY[0], **changes: str) -> _client.Answer:
        """Connect as the role of the line, from one machine of `front`."""
        port = self.topology.settings.haproxy_rw_port
        login = {"user": ROLE, "password": self.password} | changes
        source = address(self.topology, last)
        return _client.ask(self.topology, self.copy.home, source, node, port, QUERY, **login)


def network(topology: Topology) -> IPv4Network:
    """Return eight addresses around INSIDE."""
    return IPv4Network((int(address(topology, INSIDE)) & ~7, 29))


def address(topology: Topology, last: int) -> IPv4Address:
    """Return a client machine's address on `front`."""
    return topology.subnets["front"][last]


def started(topology: Topology) -> dict[str, str]:
    """Return when each PostgreSQL container was started."""
    cluster = topology.settings.cluster_name
    found = engine.inspect("container", *(f"{cluster}-{node}" for node in PG))
    return {one["Name"]: one["State"]["StartedAt"] for one in found}


def apply(copy: Copy, **variables: str) -> None:
    """Change .env as an operator does, and bring the cluster to it."""
    change_env(copy.home, **variables)
    done = invoke(copy.home, "up")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def opened(copy: Copy) -> Opened:
    """Make a role, and let one network in by .env alone."""
    password = secrets.token_urlsafe(24)
    leader = Patroni(copy.topology, copy.home).leader()
    assert leader is not None
    verifier = accounts.verifier(ROLE, password)
    database = copy.topology.settings.app_database
    accounts.run_sql(
        copy.topology,
        leader,
        f"SET log_statement = 'none'; CREATE ROLE {ROLE} LOGIN PASSWORD '{verifier}';"
        f"GRANT CONNECT ON DATABASE {database} TO {ROLE};",
    )
    before = started(copy.topology)
    line = f"hostssl {database} {ROLE} {network(copy.topology)} scram-sha-256"
    apply(copy, PG_HBA_EXTRA=line)
    topology = Topology(settings.load(copy.home.env_file))
    return Opened(copy, topology, password, started(topology) != before)


def test_line_is_applied_without_a_restart(opened: Opened) -> None:
    """No container of PostgreSQL was replaced or restarted."""
    assert not opened.restarted


@pytest.mark.parametrize("balancer", HAPROXY)
def test_network_of_the_line_enters(opened: Opened, balancer: str) -> None:
    """With its own address in pg_stat_activity."""
    answer = opened.ask(INSIDE, balancer)

    assert answer.row == [str(address(opened.topology, INSIDE)), ROLE], answer.refusal


@pytest.mark.parametrize("balancer", HAPROXY)
def test_neighbour_is_kept_out(opened: Opened, balancer: str) -> None:
    """With the right password, from the same network of the engine: refused by pg_hba.conf."""
    answer = opened.ask(OUTSIDE, balancer)

    assert answer.row == []
    assert f'pg_hba.conf rejects connection for host "{address(opened.topology, OUTSIDE)}"' in (
        answer.refusal
    )


def test_wrong_password_of_the_network_is_refused(opened: Opened) -> None:
    """The line asks for a proof, too."""
    answer = opened.ask(INSIDE, password="mot-de-passe-faux")  # wrong on purpose

    assert f'password authentication failed for user "{ROLE}"' in answer.refusal


@pytest.mark.parametrize("last", [INSIDE, OUTSIDE])
def test_postgresql_s_log_names_the_client(opened: Opened, last: int) -> None:
    """Who was let in, and who was not."""
    opened.ask(last)
    source = str(address(opened.topology, last))
    _await_log(opened.topology, PG, lambda line: source in line and ROLE in line)


def test_pgbouncer_s_log_names_the_client(opened: Opened) -> None:
    """PgBouncer's own clients: their address is in its log, PostgreSQL sees the pooler's."""
    pooler, s = PGBOUNCER[0], opened.topology.settings
    source = address(opened.topology, INSIDE)
    answer = _client.ask(opened.topology, opened.copy.home, source, pooler, s.pgbouncer_port, QUERY)

    assert answer.row == [str(opened.topology.address(pooler, "pool")), s.app_user], answer.refusal
    wanted = f"{s.app_database}/{s.app_user}@{source}:"
    _await_log(opened.topology, (pooler,), lambda line: wanted in line)


def test_pooler_s_console_is_closed_to_other_machines(opened: Opened) -> None:
    """Its administrator may change who enters: with his right password, from here only."""
    s = opened.topology.settings
    source = address(opened.topology, INSIDE)
    login = {"user": s.pgbouncer_admin_user, "password": s.pgbouncer_admin_password.reveal()}
    answer = _client.ask(
        opened.topology,
        opened.copy.home,
        source,
        PGBOUNCER[0],
        s.pgbouncer_port,
        "SHOW VERSION",
        dbname="pgbouncer",
        **login,
    )

    assert answer.row == []
    assert "login rejected" in answer.refusal


def _await_log(topology: Topology, nodes: tuple[str, ...], wanted: object) -> None:
    assert callable(wanted)
    cluster = topology.settings.cluster_name

    def missing() -> str | None:
        for node in nodes:
            lines = engine.logs(f"{cluster}-{node}").splitlines()
            if any(wanted(line) for line in lines):
                return None
        return "aucune ligne"

    wait_until(missing, f"Journal de {', '.join(nodes)}", LOG_SECONDS)


@pytest.fixture(scope="module")
def strict(copy: Copy) -> Iterator[Topology]:
    """Mandatory pooling, by .env alone; then what these tests changed is put back."""
    apply(copy, POOLING="strict", PG_HBA_EXTRA="")
    yield Topology(settings.load(copy.home.env_file))
    apply(copy, POOLING="souple")
    lifecycle.wait_settled(Topology(settings.load(copy.home.env_file)), copy.home)


@pytest.mark.parametrize("port", ["haproxy_rw_port", "haproxy_ro_port"])
def test_strict_pooling_refuses_the_application_directly(
    strict: Topology, copy: Copy, port: str
) -> None:
    """With its right password: only PgBouncer's addresses and certificate open."""
    number = getattr(strict.settings, port)
    source = address(strict, INSIDE)
    answer = _client.ask(strict, copy.home, source, HAPROXY[0], number, QUERY)

    assert f'pg_hba.conf rejects connection for host "{source}"' in answer.refusal


@pytest.mark.parametrize("pooler", PGBOUNCER)
def test_strict_pooling_lets_the_application_in_by_the_pooler(
    strict: Topology, copy: Copy, pooler: str
) -> None:
    """The way that is left."""
    port, source = strict.settings.pgbouncer_port, address(strict, INSIDE)
    answer = _client.ask(strict, copy.home, source, pooler, port, QUERY)

    assert answer.row == [str(strict.address(pooler, "pool")), strict.settings.app_user]
