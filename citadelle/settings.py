"""The parameters of one cluster, read from ``.env``: typed, frozen, unknown keys refused.

Each field of :class:`Settings` is the variable of the same name in capitals, documented for
operators in ``.env.example``. Every problem is listed at once, one French line each.
"""

from __future__ import annotations

import dataclasses
import difflib
import io
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from dotenv.parser import parse_stream

from citadelle import variables as v
from citadelle.errors import CitadelleError
from citadelle.rules import PG_RESERVED, POOLER_EXTRA, RULES, WARNINGS
from citadelle.variables import Secret


@dataclass(frozen=True)
class Settings:
    """One cluster's parameters; ports are TCP ports, durations carry their unit in the name."""

    cluster_name: str = v.cluster()
    base_image: str = v.text()
    debian_mirror: str = v.text(optional=True)
    bind_address: str = v.address()
    subnet: IPv4Network = v.subnet()
    server_extra_names: tuple[str, ...] = v.names()

    datacenters: tuple[str, ...] = v.names()
    etcd1_dc: str = v.datacenter()
    etcd2_dc: str = v.datacenter()
    etcd3_dc: str = v.datacenter()
    pg1_dc: str = v.datacenter()
    pg2_dc: str = v.datacenter()
    pg3_dc: str = v.datacenter()
    haproxy1_dc: str = v.datacenter()
    haproxy2_dc: str = v.datacenter()
    pgbouncer1_dc: str = v.datacenter()
    pgbouncer2_dc: str = v.datacenter()
    pg1_priority: int = v.integer(0, 1000)
    pg2_priority: int = v.integer(0, 1000)
    pg3_priority: int = v.integer(0, 1000)
    remote_replication: str = v.choice("asynchrone", "secours", "synchrone")

    etcd_client_port: int = v.port("etcd")
    etcd_peer_port: int = v.port("etcd")
    pg_port: int = v.port("pod")
    patroni_rest_port: int = v.port("pod")
    gateway_port: int = v.port("pod")
    haproxy_rw_port: int = v.port("haproxy")
    haproxy_ro_port: int = v.port("haproxy")
    haproxy_admin_port: int = v.port("haproxy")
    pgbouncer_port: int = v.port("pgbouncer")
    haproxy1_rw_published_port: int = v.port("hôte")
    haproxy1_ro_published_port: int = v.port("hôte")
    haproxy1_admin_published_port: int = v.port("hôte")
    haproxy2_rw_published_port: int = v.port("hôte")
    haproxy2_ro_published_port: int = v.port("hôte")
    haproxy2_admin_published_port: int = v.port("hôte")
    pgbouncer1_published_port: int = v.port("hôte")
    pgbouncer2_published_port: int = v.port("hôte")

    app_database: str = v.database()
    postgres_user: str = v.user()
    postgres_password: Secret = v.secret()
    replicator_user: str = v.user()
    replicator_password: Secret = v.secret()
    rewind_user: str = v.user()
    rewind_password: Secret = v.secret()
    app_user: str = v.user()
    app_password: Secret = v.secret()
    monitoring_user: str = v.user()
    monitoring_password: Secret = v.secret()
    pgbouncer_auth_user: str = v.user()
    pgbouncer_auth_password: Secret = v.secret()
    pgbouncer_admin_user: str = v.user()
    pgbouncer_admin_password: Secret = v.secret()
    patroni_rest_user: str = v.user()
    patroni_rest_password: Secret = v.secret()
    haproxy_admin_user: str = v.user()
    haproxy_admin_password: Secret = v.secret()
    etcd_root_password: Secret = v.secret()
    etcd_patroni_password: Secret = v.secret()

    cert_days: int = v.integer(2, 397)
    cert_renew_days: int = v.integer(1, 200)
    ca_days: int = v.integer(30, 7300)

    patroni_ttl: int = v.integer(20, 300)
    patroni_loop_wait: int = v.integer(1, 60)
    patroni_retry_timeout: int = v.integer(3, 60)
    pg_max_connections: int = v.integer(50, 5000)
    pg_shared_buffers_mb: int = v.integer(16, 1048576)
    pgbouncer_pool_size: int = v.integer(1, 1000)
    pgbouncer_max_clients: int = v.integer(10, 50000)

    haproxy_ro_preference: str = v.choice("locale", "toutes")
    haproxy_ro_primary: str = v.choice("jamais", "secours")

    pooling: str = v.choice("souple", "strict")
    pg_hba_extra: tuple[str, ...] = v.hba_lines()
    haproxy_clients_per_address: int = v.integer(2, 4000)
    pgbouncer_clients_per_address: int = v.integer(2, 50000)
    connections_per_second: int = v.integer(5, 10000)

    fencer: str = v.choice("non", "oui")

    @property
    def pooler_connections(self) -> int:
        """The connections that one PgBouncer opens at most to one database."""
        return self.pgbouncer_pool_size + POOLER_EXTRA

    @property
    def direct_connections(self) -> int:
        """The connections that one load balancer passes at most from applications.

        What is left to PostgreSQL once both PgBouncer have theirs, shared by two load balancers:
        whatever comes by 5000 and 5001, pooled clients keep their place.
        """
        left = self.pg_max_connections - 2 * self.pooler_connections - PG_RESERVED
        return left // 2

    def warnings(self) -> list[str]:
        """Return, in French, what this cluster may be but at a price; empty when nothing is."""
        parsed = vars(self)
        return [warning for rule in WARNINGS for warning in rule(parsed, KINDS)]

    def secrets(self) -> dict[str, Secret]:
        """Return every secret by the name of its variable."""
        return {
            f.name.upper(): value
            for f in dataclasses.fields(self)
            if isinstance(value := getattr(self, f.name), Secret)
        }

    def masked(self) -> Settings:
        """Return a copy whose secrets are the names of their variables between brackets."""
        names = {name.lower(): Secret(f"[{name}]") for name in self.secrets()}
        return dataclasses.replace(self, **names)  # type: ignore[arg-type]  # fields are Secret


# Any right of the group or of other accounts: .env holds every secret.
OTHERS = stat.S_IRWXG | stat.S_IRWXO

# What the first start writes into the data: another value would be another cluster's.
FROZEN = ("APP_DATABASE", "POSTGRES_USER", "REPLICATOR_USER", "REWIND_USER", "APP_USER")

FIELDS = {field.name.upper(): field for field in dataclasses.fields(Settings)}
KINDS: dict[str, str] = {name: field.metadata["kind"] for name, field in FIELDS.items()}


def load(env_file: Path) -> Settings:
    """Read and check ``.env``.

    Raises:
        CitadelleError: with every problem found, one line each, or when other accounts may
            read the file.
    """
    values, problems = _open(env_file)
    return _check(values, problems)


def missing(env_file: Path) -> list[str]:
    """Return the variables that ``.env`` does not have, in the order of the example.

    Raises:
        CitadelleError: when the file cannot be read, or lines of it cannot.
    """
    values, problems = _open(env_file)
    if problems:
        raise CitadelleError("\n".join(f".env : {problem}" for problem in problems))
    return [name for name in FIELDS if name not in values]


def parse(values: Mapping[str, str]) -> Settings:
    """Check the variables given as text; raise CitadelleError as :func:`load` does."""
    return _check(values, [])


def _open(env_file: Path) -> tuple[dict[str, str], list[str]]:
    """Return what :func:`_read` does, of a file that nobody else may read."""
    if not env_file.is_file():
        raise CitadelleError(f"{env_file.name} absent : lancez « invoke env » pour le créer.")
    mode = stat.S_IMODE(env_file.stat().st_mode)
    if mode & OTHERS:
        raise CitadelleError(
            f"{env_file.name} est ouvert à d'autres comptes (mode {mode:04o}) : "
            f"lancez « chmod 600 {env_file} »."
        )
    return _read(env_file)


def _read(env_file: Path) -> tuple[dict[str, str], list[str]]:
    """Return the variables of the file and the problems of its lines."""
    values: dict[str, str] = {}
    problems = []
    try:
        text = env_file.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return {}, ["le fichier n'est pas du texte UTF-8 : réenregistrez-le"]
    except OSError as error:
        raise CitadelleError(
            f"{env_file} illisible ({error.strerror}) : est-ce bien votre compte ?"
        ) from None
    with io.StringIO(text) as stream:
        for binding in parse_stream(stream):
            line = binding.original.line
            if binding.error or (binding.key and binding.value is None):
                problems.append(f"ligne {line} illisible (attendu : NOM=valeur)")
            elif binding.key in values:
                problems.append(f"ligne {line} : {binding.key} est défini deux fois")
            elif binding.key and binding.value is not None:
                values[binding.key] = binding.value
    return values, problems


def _check(values: Mapping[str, str], problems: list[str]) -> Settings:
    problems += _unknown(values)
    parsed: dict[str, object] = {}
    for name, field in FIELDS.items():
        if name not in values:
            problems.append(f"{name} manque (« invoke env » l'ajoute)")
            continue
        try:
            parsed[field.name] = field.metadata["parse"](values[name].strip())
        except ValueError as problem:
            problems.append(f"{name} : {problem}")
    problems += [problem for rule in RULES for problem in rule(parsed, KINDS)]
    if problems:
        raise CitadelleError("\n".join(f".env : {problem}" for problem in problems))
    return Settings(**parsed)  # type: ignore[arg-type]  # each parser returns its field's type


def _unknown(values: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(set(values) - set(FIELDS)):
        close = difflib.get_close_matches(name, FIELDS, n=1)
        hint = f" (voulez-vous dire {close[0]} ?)" if close else ""
        yield f"clé inconnue {name}{hint}"
