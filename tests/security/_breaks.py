"""Ways to break a promise of the copy, each with the control that must notice, and its repair."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from citadelle import accounts, compose, engine, images, pki
from citadelle.chaos.processes import reload_haproxy
from citadelle.etcd import PATRONI_ROLE, READWRITE, Etcd
from citadelle.patroni import Patroni
from citadelle.progress import wait_until
from citadelle.topology import HAPROXY, PG, TOOLS
from tests.security.conftest import Copy

POD, BALANCER = PG[0], HAPROXY[1]
# A free port of the pod's address: 0.0.0.0 would be the same fault.
LISTENER_PORT = 8080
START_SECONDS = 30.0


@dataclass(frozen=True)
class Break:
    """One broken promise: ``controls`` are the identifiers of those that must go red."""

    name: str
    controls: tuple[str, ...]
    broken: Callable[[Copy], contextlib.AbstractContextManager[None]]


def _name(copy: Copy, container: str) -> str:
    return f"{copy.topology.settings.cluster_name}-{container}"


def _in_volume(copy: Copy, container: str, script: str, stdin: bytes = b"") -> str:
    """Run a script as root on the delivered files of a container."""
    volume = f"{copy.topology.settings.cluster_name}_conf-{container}"
    argv = ["run", "--rm", "--interactive", "--network=none", "--user=0", f"--volume={volume}:/v"]
    image = images.name(copy.topology, "pod")
    return engine.docker(*argv, "--entrypoint=sh", image, "-euc", script, stdin=stdin)


@contextlib.contextmanager
def _edited(copy: Copy, container: str, file: str, script: str) -> Iterator[None]:
    """Change one delivered file for a moment; ``script`` edits ``$file``."""
    saved = f"cp -p /v/{file} /v/.avant"
    _in_volume(copy, container, f"{saved}; file=/v/{file}; {script}")
    try:
        yield
    finally:
        _in_volume(copy, container, f"cat /v/.avant > /v/{file}; rm /v/.avant")


def _reload(copy: Copy) -> None:
    accounts.run_sql(copy.topology, POD, "SELECT pg_reload_conf();")


@contextlib.contextmanager
def _hba_line(copy: Copy, line: str) -> Iterator[None]:
    try:
        with _edited(copy, POD, "pg_hba.conf", f"sed -i '1i {line}' $file"):
            _reload(copy)
            yield
    finally:
        # The file is restored; without this, the server would keep the line in its memory.
        _reload(copy)


def open_pg_hba(copy: Copy) -> contextlib.AbstractContextManager[None]:
    """Put a line before all others that lets anybody in without TLS or password."""
    return _hba_line(copy, "host all all 0.0.0.0/0 trust")


def superuser_by_network(copy: Copy) -> contextlib.AbstractContextManager[None]:
    """Let the superuser in from the network, with a password and TLS."""
    user = copy.topology.settings.postgres_user
    return _hba_line(copy, f"hostssl all {user} 0.0.0.0/0 scram-sha-256")


@contextlib.contextmanager
def verify_none(copy: Copy) -> Iterator[None]:
    """Make a load balancer take any pod for the right one: in its file, then in its process."""
    container = _name(copy, BALANCER)
    script = "sed -i 's/verify required/verify none/' $file"
    with _edited(copy, BALANCER, "haproxy.cfg", script):
        reload_haproxy(container)
        yield
    # Without it the repaired file would be newer than the process: red still, and rightly so.
    reload_haproxy(container)


@contextlib.contextmanager
def clear_listener(copy: Copy) -> Iterator[None]:
    """Open a port in clear inside a pod."""
    container, address = _name(copy, POD), str(copy.topology.address(POD, "pg"))
    serve = ("python3", "-m", "http.server", "--bind", address, str(LISTENER_PORT))
    engine.docker("exec", "--detach", container, *serve, "--directory=/tmp")
    opened = f"exec 3<>/dev/tcp/{address}/{LISTENER_PORT}"

    def missing() -> str | None:
        said = engine.execute(container, "bash", "-c", f"({opened}) 2>&1 && echo ouvert; :")
        return None if "ouvert" in said else said.strip()

    wait_until(missing, "Port en clair", START_SECONDS)
    try:
        yield
    finally:
        engine.execute(container, "pkill", "--full", "http.server")


@contextlib.contextmanager
def secret_in_a_log(copy: Copy) -> Iterator[None]:
    """Write a password where the engine keeps what a container says; its log lives on."""
    secret = copy.topology.settings.app_password.reveal()
    script = "cat > /proc/1/fd/2"
    said = f"authentification de app avec {secret}\n".encode()
    engine.execute(_name(copy, POD), "sh", "-c", script, stdin=said)
    yield


@contextlib.contextmanager
def secret_in_an_environment(copy: Copy) -> Iterator[None]:
    """Start a container of the cluster's that has a password as a variable."""
    cluster, secret = copy.topology.settings.cluster_name, copy.topology.settings.app_password
    name = f"{cluster}-intrus"
    labels = {"cluster": cluster, "ca": pki.fingerprint(copy.home)}
    argv = ["run", "--detach", f"--name={name}", f"--env=PGPASSWORD={secret.reveal()}"]
    argv += [f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()]
    engine.docker(*argv, "--network=none", images.name(copy.topology, "tools"), "sleep", "600")
    try:
        yield
    finally:
        engine.docker("rm", "--force", name)


@contextlib.contextmanager
def capability(copy: Copy) -> Iterator[None]:
    """Give a load balancer a capability and a writable root, by a second compose file."""
    override = copy.home.build / "trop.yaml"
    override.write_text(f"services: {{{BALANCER}: {{cap_add: [NET_ADMIN], read_only: false}}}}\n")
    _recreate(copy, override)
    try:
        yield
    finally:
        override.unlink()
        _recreate(copy)


def _recreate(copy: Copy, *more: Path) -> None:
    files = [f"--file={path}" for path in more]
    argv = compose.command(copy.home.compose_env, *files, "up", "--detach", "--no-deps", BALANCER)
    engine.docker(*argv)


@contextlib.contextmanager
def application_superuser(copy: Copy) -> Iterator[None]:
    """Make the application's role a superuser."""
    leader = Patroni(copy.topology, copy.home).leader()
    assert leader is not None
    role = copy.topology.settings.app_user
    accounts.run_sql(copy.topology, leader, f'ALTER ROLE "{role}" SUPERUSER;')
    try:
        yield
    finally:
        accounts.run_sql(copy.topology, leader, f'ALTER ROLE "{role}" NOSUPERUSER;')


@contextlib.contextmanager
def wide_etcd_role(copy: Copy) -> Iterator[None]:
    """Let etcd's user patroni write a key of another cluster."""
    etcd = Etcd(copy.topology, copy.home)
    etcd.login("root", copy.topology.settings.etcd_root_password.reveal())
    key: dict[str, object] = {"key": "L2F1dHJl", "range_end": ""}  # /autre
    grant: dict[str, object] = {"name": PATRONI_ROLE, "perm": {"permType": READWRITE, **key}}
    etcd.call("/auth/role/grant", grant)
    try:
        yield
    finally:
        etcd.call("/auth/role/revoke", {"role": PATRONI_ROLE, **key})


def readable_key(copy: Copy) -> contextlib.AbstractContextManager[None]:
    """Let every account of a container read PostgreSQL's private key."""
    return _mode(copy, POD, "tls/pg-server.key", "0444")


@contextlib.contextmanager
def _mode(copy: Copy, container: str, file: str, mode: str) -> Iterator[None]:
    _in_volume(copy, container, f"chmod {mode} /v/{file}")
    try:
        yield
    finally:
        _in_volume(copy, container, f"chmod 0400 /v/{file}")


@contextlib.contextmanager
def authority_key(copy: Copy) -> Iterator[None]:
    """Leave an authority's private key among a container's files."""
    key = (copy.home.pki / "server" / "ca.key").read_bytes()
    owner = "chown --reference=/v/pgpass /v/tls/ca.key; chmod 0400 /v/tls/ca.key"
    _in_volume(copy, TOOLS, f"cat > /v/tls/ca.key; {owner}", stdin=key)
    try:
        yield
    finally:
        _in_volume(copy, TOOLS, "rm /v/tls/ca.key")


BREAKS = (
    Break("pg_hba ouvert, en clair et sans mot de passe", ("PG-01", "PG-02"), open_pg_hba),
    Break("superutilisateur par le réseau", ("PG-03",), superuser_by_network),
    Break("verify none", ("HA-01", "SE-12"), verify_none),
    Break("port d'écoute en clair", ("TL-07",), clear_listener),
    Break("secret dans l'environnement", ("SE-02", "CT-01"), secret_in_an_environment),
    Break("capacité de trop, racine inscriptible", ("CT-03", "CT-06"), capability),
    Break("application superutilisateur", ("PG-30",), application_superuser),
    Break("rôle d'etcd élargi", ("ET-03",), wide_etcd_role),
    Break("clé privée lisible par tous", ("SE-09",), readable_key),
    Break("clé d'autorité dans un conteneur", ("SE-11",), authority_key),
)
# What it leaves cannot be taken back: a container's log.
LASTING = Break("secret dans un journal", ("SE-04",), secret_in_a_log)
