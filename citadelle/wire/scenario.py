"""What happens while the wire is watched: every kind of conversation that the cluster has."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from psycopg import sql

from citadelle import clients, connect, lifecycle
from citadelle.errors import CitadelleError
from citadelle.etcd import PATRONI_USER, Etcd
from citadelle.patroni import Patroni
from citadelle.progress import Steps, wait_until
from citadelle.topology import PG, Topology
from citadelle.workspace import Home

SWITCHOVER_SECONDS = 60.0
REBUILD_SECONDS = 120.0
# A statement to cancel starts in milliseconds and ends by its own timeout otherwise.
BUSY_SECONDS = 5.0
WRONG_PASSWORD = "mot-de-passe-volontairement-faux"  # noqa: S105  # wrong on purpose


@dataclass
class Scenario:
    """The conversations, in order; ``canaries`` gathers what must never be seen in clear."""

    topology: Topology
    home: Home
    canary: str
    canaries: dict[str, bytes] = field(default_factory=dict)

    def run(self, steps: Steps) -> None:
        """Play everything; raise CitadelleError at the first thing that does not go through."""
        for title, play in self._scenes():
            with steps.step(title), _as_operator_error(title):
                play()

    def _scenes(self) -> tuple[tuple[str, Callable[[], None]], ...]:
        return (
            ("Écritures et lectures par chaque entrée", self.every_entrance),
            ("Lecture directe dans un pod", self.direct),
            ("Mots de passe faux à chaque porte", self.wrong_passwords),
            ("Annulation de requêtes", self.cancels),
            ("Page d'administration", self.admin_pages),
            ("Configuration partagée de Patroni modifiée, puis remise", self.patch),
            ("Compaction d'etcd", self.compaction),
            ("Réplica reconstruit depuis rien", self.rebuild),
            ("Bascule planifiée", self.switchover),
            ("Écritures et lectures après la bascule", self.every_entrance),
        )

    def every_entrance(self) -> None:
        """Write and read rows that hold the canary, by each host of each service."""
        for service in ("rw", "pooled", "ro", "pooled_ro"):
            for options in self._each_host(service):
                with psycopg.connect(**options, autocommit=True) as connection:
                    self._write(connection) if service in ("rw", "pooled") else None
                    connection.execute(self._statement())

    def direct(self) -> None:
        """Read as the operator's measures do, past the load balancers."""
        s = self.topology.settings
        for node in PG:
            address = str(self.topology.address(node, "pg"))
            options = connect.parameters(self.topology, self.home, "rw")
            options |= {"host": node, "hostaddr": address, "port": str(s.pg_port)}
            with psycopg.connect(**options) as connection:
                connection.execute(self._statement())

    def wrong_passwords(self) -> None:
        """Fail to enter, everywhere: refusals travel too."""
        for service in ("rw", "ro", "pooled", "pooled_ro"):
            for options in self._each_host(service):
                with contextlib.suppress(psycopg.OperationalError):
                    psycopg.connect(**options | {"password": WRONG_PASSWORD}).close()
                    raise CitadelleError(f"Un mot de passe faux est entré par « {service} ».")
        with contextlib.suppress(CitadelleError):
            Etcd(self.topology, self.home).login(PATRONI_USER, WRONG_PASSWORD)
        patroni = Patroni(self.topology, self.home)
        patroni.request(PG[0], "POST", "/reload", auth=(patroni.auth[0], WRONG_PASSWORD))
        self._admin(WRONG_PASSWORD)

    def cancels(self) -> None:
        """Cancel a statement by each entrance; PgBouncer's request stays in its pod."""
        for service in ("rw", "pooled"):
            for options in self._each_host(service):
                with psycopg.connect(**options, autocommit=True) as connection:
                    self._cancel(connection)

    def admin_pages(self) -> None:
        """Read the page of each load balancer."""
        self._admin(self.topology.settings.haproxy_admin_password.reveal())

    def patch(self) -> None:
        """Change what every member reads, and put it back."""
        patroni = Patroni(self.topology, self.home)
        leader = self._leader(patroni)
        key = "maximum_lag_on_failover"
        before = patroni.request(leader, "GET", "/config").json()[key]
        for value in (before + 1, before):
            answer = patroni.request(
                leader, "PATCH", "/config", body={key: value}, auth=patroni.auth
            )
            answer.raise_for_status()

    def compaction(self) -> None:
        """Log in as both users, and compact as root."""
        s = self.topology.settings
        etcd = Etcd(self.topology, self.home)
        etcd.login(PATRONI_USER, s.etcd_patroni_password.reveal())
        self.canaries["jeton etcd de patroni"] = etcd.token.encode()
        etcd.login("root", s.etcd_root_password.reveal())
        self.canaries["jeton etcd de root"] = etcd.token.encode()
        revision = etcd.call("/kv/range", {"key": "AA=="})["header"]["revision"]
        etcd.call("/kv/compaction", {"revision": revision})

    def rebuild(self) -> None:
        """Wipe one replica that is not synchronous, and wait until it follows again."""
        patroni = Patroni(self.topology, self.home)
        node = next(m.name for m in patroni.members() if m.role == "replica")
        before = self._system_start(patroni, node)
        answer = patroni.request(
            node, "POST", "/reinitialize", body={"force": True}, auth=patroni.auth
        )
        answer.raise_for_status()

        def missing() -> str | None:
            states = {m.name: m.state for m in patroni.members()}
            if states.get(node) != "streaming":
                return states.get(node, "absent")
            return (
                None if self._system_start(patroni, node) not in ("", before) else "ancien serveur"
            )

        wait_until(missing, f"Reconstruction de {node}", REBUILD_SECONDS)

    def switchover(self) -> None:
        """Give the leadership to the synchronous standby."""
        patroni = Patroni(self.topology, self.home)
        leader = self._leader(patroni)
        target = next(m.name for m in patroni.members() if m.role == "sync_standby")
        body = {"leader": leader, "candidate": target}
        answer = patroni.request(
            leader, "POST", "/switchover", body=body, auth=patroni.auth, seconds=SWITCHOVER_SECONDS
        )
        answer.raise_for_status()
        lifecycle.wait_settled(self.topology, self.home)

    def _each_host(self, service: str) -> Iterator[dict[str, Any]]:
        """Yield the parameters of one service, one host at a time."""
        options = connect.parameters(self.topology, self.home, service)
        hosts, ports = options["host"].split(","), options["port"].split(",")
        for host, port in zip(hosts, ports, strict=True):
            yield options | {"host": host, "port": port}

    def _write(self, connection: psycopg.Connection[Any]) -> None:
        table = "CREATE TABLE IF NOT EXISTS citadelle_temoin (texte text)"
        connection.execute(table)
        connection.execute("INSERT INTO citadelle_temoin VALUES (%s)", [self.canary])

    def _statement(self) -> sql.Composed:
        """Return a statement whose very text holds the canary."""
        return sql.SQL("SELECT {} AS texte").format(sql.Literal(self.canary))

    def _cancel(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute("SET statement_timeout = '2s'")
        connection.pgconn.send_query(b"SELECT pg_sleep(30)")
        connection.cancel_safe(timeout=BUSY_SECONDS)
        while connection.pgconn.get_result() is not None:
            continue

    def _admin(self, password: str) -> None:
        s = self.topology.settings
        tls = clients.context(self.home, "admin", None)
        for point in self.topology.endpoints:
            if point.service == "admin":
                clients.request(
                    tls, "GET", point.host, point.port, "/",
                    server_name=point.node, auth=(s.haproxy_admin_user, password),
                )  # fmt: skip

    def _leader(self, patroni: Patroni) -> str:
        leader = patroni.leader()
        if leader is None:
            raise CitadelleError("Aucun primaire : voir « invoke status ».")
        return leader

    def _system_start(self, patroni: Patroni, node: str) -> str:
        """Return when a node's PostgreSQL started: it differs once the node was rebuilt."""
        try:
            found: dict[str, Any] = patroni.request(node, "GET", "/patroni").json()
        except (httpx.HTTPError, ValueError):
            return ""
        return str(found.get("postmaster_start_time") or "")


@contextlib.contextmanager
def _as_operator_error(title: str) -> Iterator[None]:
    """Say which conversation did not go through, instead of a traceback."""
    try:
        yield
    except (psycopg.Error, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines()[0]
        raise CitadelleError(f"Scénario, « {title} » : {reason}") from error
