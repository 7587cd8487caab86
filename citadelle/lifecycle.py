"""From files to a running cluster and back: the edge that runs things, in order."""

from __future__ import annotations

from pathlib import Path

import psycopg

from citadelle import (
    accounts,
    compose,
    connect,
    delivery,
    engine,
    etcd,
    files,
    images,
    moves,
    pki,
    placement,
    preflight,
    reload,
    renewal,
    status,
    validate,
)
from citadelle.dr import journal
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console, wait_until
from citadelle.topology import ETCD, HAPROXY, PG, PGBOUNCER, Role, Topology
from citadelle.wan import line
from citadelle.workspace import Home

# Named deadlines, in seconds, for a machine of two slow cores.
PRIMARY_SECONDS = 180
REPLICAS_SECONDS = 240
ENTRANCES_SECONDS = 60
HEALTH_SECONDS = 120
# Compose recreates or stops containers; PostgreSQL alone may take a minute to stop.
COMPOSE_SECONDS = 300


def up(topology: Topology, home: Home) -> Steps:
    """Bring the cluster to what .env says, from any state; do nothing that is done already.

    Raises:
        CitadelleError: before anything is touched when something is missing, or naming the
            step that did not reach its state in time.
    """
    journal.refuse(home, "Démarrer")
    steps = Steps()
    install(topology, home, steps)
    with steps.step("etcd, passerelles, répartiteurs et PgBouncer"):
        _start(home, *_before_patroni())
    with steps.step("Quorum d'etcd, authentification"):
        etcd.wait_quorum(topology, home)
        etcd.ensure_auth(topology, home)
    install_postgres(topology, home, steps)
    with steps.step("PostgreSQL : primaire"):
        if not etcd.initialized(topology, home):
            # The first to come makes the cluster: not a node of the remote datacentre.
            _start(home, *(node for node in PG if not topology.is_remote(node)))
            _wait_primary(topology, home)
        _start(home)
        _wait_primary(topology, home)
    with steps.step("Comptes et configuration partagée"):
        settle(topology, home)
    with steps.step("PostgreSQL : réplicas"):
        _wait_replicas(topology, home)
    if reloaded := reload.pg_hba(topology):
        console.print(f"  pg_hba.conf relu sans redémarrage : {', '.join(reloaded)}")
    with steps.step("Écriture et lecture par chaque entrée"):
        _wait_entrances(topology, home)
    with steps.step("Santé de tous les conteneurs"):
        _wait_healthy(topology, home)
    placement.keep_apart(topology, home, steps)
    return steps


def create(topology: Topology, home: Home) -> Steps:
    """Make everything that `up` then starts, networks included, and start nothing."""
    journal.refuse(home, "Créer")
    steps = Steps()
    install(topology, home, steps)
    delivery.deliver(topology, home, images.name(topology, "pod"))
    with steps.step("Réseaux et conteneurs"):
        engine.docker(*compose.command(home.compose_env, "create"), seconds=COMPOSE_SECONDS)
    return steps


def install(topology: Topology, home: Home, steps: Steps) -> None:
    """Bring images and delivered files up to date, but for PostgreSQL's: `install_postgres`.

    What HAProxy refuses is delivered to nobody: a container that restarts by itself would read
    it. Where the containers are from now on is written down as soon as etcd has been told.
    """
    with steps.step("Vérifications"):
        preflight.check(topology, home)
    images.build(topology, home, steps)
    if pending := delivery.pending(topology, home):
        with steps.step("Configurations relues par HAProxy"):
            validate.proxies(topology, home, pending)
    old = moves.old_etcd(topology, home)
    if old is not None and engine.names("volume", cluster=topology.settings.cluster_name):
        with steps.step("etcd : nouveau port des membres"):
            moves.move_peers(old, topology, home)
    write_compose_env(topology, home)
    with steps.step("Livraison des fichiers"):
        others = [c for c in delivery.READERS if c.role is not Role.PG]
        delivery.deliver(topology, home, images.name(topology, "pod"), others)


def install_postgres(topology: Topology, home: Home, steps: Steps) -> None:
    """Deliver PostgreSQL's files once Patroni has accepted them; its validator asks etcd."""
    with steps.step("Configurations relues par Patroni, et livrées"):
        validate.patroni(topology, home, delivery.pending(topology, home))
        nodes = [c for c in delivery.READERS if c.role is Role.PG]
        delivery.deliver(topology, home, images.name(topology, "pod"), nodes)


def compose_values(topology: Topology, home: Home) -> dict[str, str]:
    """Return what ``build/compose.env`` should say: compose's variables, what is remembered."""
    values = compose.values(
        topology, pki.fingerprint(home), images.tag(topology), delivery.digests(topology, home)
    )
    return values | compose.remembered(topology, pki.authorities(home))


def write_compose_env(topology: Topology, home: Home) -> Path:
    """Write ``build/compose.env``, what compose.yaml needs besides itself; no secret in it.

    Only for whoever applies it: it is the memory of what the cluster runs on, which ``roll`` and
    :mod:`citadelle.moves` compare with ``.env``.
    """
    home.build.mkdir(parents=True, exist_ok=True)
    files.replace(home.compose_env, compose.env_file(compose_values(topology, home)).encode())
    return home.compose_env


def ensure_compose_env(topology: Topology, home: Home) -> Path:
    """Return ``build/compose.env`` as the cluster's last change left it; write it if absent."""
    name = topology.settings.cluster_name
    if compose.read_env(home.compose_env).get("CLUSTER_NAME") == name:
        return home.compose_env
    return write_compose_env(topology, home)


def down(topology: Topology, home: Home) -> None:
    """Stop and remove containers and networks; the volumes stay.

    Raises:
        CitadelleError: during a takeover: containers made anew would restart the lost site.
    """
    journal.refuse(home, "Arrêter")
    if not home.compose_env.is_file() and not status.inspected(topology, home):
        return
    environment = ensure_compose_env(topology, home)
    # Not compose's: they would outlive the networks that they slow down.
    for owner in line.OWNERS:
        line.remove(topology, home, owner)
    # PostgreSQL first: without etcd, Patroni could neither release its lease nor stop quickly.
    for order in (("stop", *PG), ("down",)):
        engine.docker(*compose.command(environment, *order), seconds=COMPOSE_SECONDS)


def destroy(cluster: str, ca: str) -> list[str]:
    """Remove everything that carries both labels, and nothing else; return what was removed."""
    removed = []
    kinds = (("container", ("--force",)), ("network", ()), ("volume", ("--force",)))
    for kind, options in kinds:
        found = engine.names(kind, cluster=cluster, ca=ca)
        if found:
            engine.docker(kind, "rm", *options, *found, seconds=COMPOSE_SECONDS)
        removed += [f"{kind} {name}" for name in found]
    return removed


def remove_images(cluster: str, ca: str) -> list[str]:
    """Remove the images that carry both labels; return their names."""
    found = [name for name in engine.names("image", cluster=cluster, ca=ca) if "<none>" not in name]
    if found:
        engine.docker("image", "rm", *found)
    return found


def restart(topology: Topology, home: Home, node: str) -> None:
    """Restart the containers of one machine, its network excepted."""
    journal.refuse(home, f"Redémarrer {node}")
    machines = (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
    if node not in machines:
        raise CitadelleError(f"Machine inconnue : {node} (connues : {', '.join(machines)}).")
    names = [name for name in renewal.services(node) if name not in renewal.NETWORKS]
    cluster = topology.settings.cluster_name
    engine.docker("restart", "--time=60", *(f"{cluster}-{name}" for name in names))
    _wait_healthy(topology, home)


def _before_patroni() -> tuple[str, ...]:
    """Everything but Patroni: etcd's authentication must be on before the first one starts."""
    pods = [f"{node}-{part}" for node in PG for part in ("net", "gw")]
    return (*ETCD, *pods, *HAPROXY, *PGBOUNCER)


def _start(home: Home, *services: str) -> None:
    argv = ("up", "--detach", "--no-build", "--remove-orphans", *services)
    engine.docker(*compose.command(home.compose_env, *argv), seconds=COMPOSE_SECONDS)


def _wait_primary(topology: Topology, home: Home) -> None:
    patroni = Patroni(topology, home)

    def missing() -> str | None:
        return None if patroni.leader() else _states(patroni)

    wait_until(missing, "Primaire", PRIMARY_SECONDS, "Voir « invoke logs --node pg1 ».")


def _wait_replicas(topology: Topology, home: Home) -> None:
    patroni = Patroni(topology, home)

    def missing() -> str | None:
        members = patroni.members()
        streaming = sum(m.state == "streaming" for m in members)
        synchronous = any(m.role == "sync_standby" for m in members)
        return None if streaming == len(PG) - 1 and synchronous else _states(patroni)

    wait_until(missing, "Réplicas", REPLICAS_SECONDS, "Voir « invoke logs --node pg2 ».")


def _states(patroni: Patroni) -> str:
    members = patroni.members()
    return ", ".join(f"{m.name} {m.role} {m.state}" for m in members) or "aucun nœud ne répond"


def settle(topology: Topology, home: Home) -> None:
    """Bring accounts and the shared configuration to what .env says, through the primary."""
    patroni = Patroni(topology, home)
    leader = patroni.leader()
    if leader is None:
        raise CitadelleError("Le primaire vient de disparaître : relancez « invoke up ».")
    accounts.ensure(topology, leader)
    patroni.ensure_dynamic_configuration()


def wait_settled(topology: Topology, home: Home) -> None:
    """Wait until a primary serves, both replicas follow and every entrance leads to them."""
    _wait_primary(topology, home)
    _wait_replicas(topology, home)
    _wait_entrances(topology, home)


def _wait_entrances(topology: Topology, home: Home) -> None:
    """Wait until a row written through each R/W entrance reads back through each other."""

    def missing() -> str | None:
        try:
            connect.round_trip(topology, home)
        except (psycopg.Error, CitadelleError) as error:
            return str(error).strip().splitlines()[0]
        return None

    wait_until(missing, "Écriture puis lecture", ENTRANCES_SECONDS, "Voir « invoke status ».")


def _wait_healthy(topology: Topology, home: Home) -> None:
    def missing() -> str | None:
        return "; ".join(status.observe(topology, home).problems()) or None

    wait_until(missing, "Cluster sain", HEALTH_SECONDS, "Voir « invoke status ».")


def report(topology: Topology, home: Home, steps: Steps) -> None:
    """Show members, roles and addresses, then how long everything took."""
    console.print(status.table(status.observe(topology, home)))
    total = sum(seconds for _, seconds in steps.durations)
    console.print(f"Prêt en {total:.0f} s. Autorité des clients : build/pki/server/ca.crt")
