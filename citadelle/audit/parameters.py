"""PostgreSQL's effective settings, its files and its version, on every node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from citadelle.audit import versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import (
    everywhere,
    inside,
    inside_command,
    judged,
    parameters,
    parameters_command,
    sql,
    sql_command,
)
from citadelle.topology import PG, UID, Role

Check = Callable[[Cluster], Finding]
CIS = "CIS PostgreSQL 17 v1.1.0, "
KEYS = "/etc/citadelle/tls"
# PostgreSQL's own default (RFC 7677 recommends no fewer).
SCRAM_ITERATIONS = 4096
# May 2026: eleven flaws, some before authentication (PostgreSQL, release notes of 17.10).
FIXED = (17, 10)

TLS = {"ssl": "on", "ssl_min_protocol_version": "TLSv1.3"}
FILES = {
    "ssl_cert_file": f"{KEYS}/pg-server.crt",
    "ssl_key_file": f"{KEYS}/pg-server.key",
    "ssl_ca_file": f"{KEYS}/ca-pg-client.crt",
    "hba_file": "/etc/citadelle/pg_hba.conf",
    "ident_file": "/etc/citadelle/pg_ident.conf",
}
# No command, no library that somebody could have PostgreSQL run.
COMMANDS = {
    "archive_library": "",
    "archive_cleanup_command": "",
    "restore_command": "",
    "recovery_end_command": "",
    "ssl_passphrase_command": "",
    "shared_preload_libraries": "pg_stat_statements",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "dynamic_library_path": "$libdir",
}
CONNECTIONS = {"log_connections": "on", "log_disconnections": "on"}
STATEMENTS = {"log_statement": "ddl", "log_min_error_statement": "error"}
QUIET = {
    "debug_print_parse": "off",
    "debug_print_rewritten": "off",
    "debug_print_plan": "off",
    "log_hostname": "off",
    "log_timezone": "UTC",
}
DURABILITY = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "data_checksums": "on",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
}
# When, who, which database, from where, with what program.
PREFIX = ("%m", "%p", "%u", "%d", "%h", "%a")


def _set(wanted: Mapping[str, str]) -> Check:
    """Return a check that every node runs with these values."""

    def check(cluster: Cluster) -> Finding:
        def faults(node: str) -> Iterator[str]:
            for name, value in wanted.items():
                found = parameters(cluster, node).get(name, "absent")
                if found != value:
                    yield f"{name} = « {found} » (attendu : « {value} »)"

        good = ", ".join(f"{name} = « {value} »" for name, value in wanted.items())
        return judged(everywhere(PG, faults), good, parameters_command(cluster, wanted))

    return check


def _key_files(cluster: Cluster) -> Finding:
    owner = str(UID[Role.PG])
    argv = ("find", KEYS, "-name", "*.key", "-printf", "%m %U %p\\n")

    def faults(node: str) -> Iterator[str]:
        files = inside(cluster, node, *argv).splitlines()
        if not files:
            yield "aucune clé trouvée"
        for row in files:
            if not row.startswith(f"400 {owner} "):
                yield f"{row} (attendu : 400 {owner})"
        if parameters(cluster, node)["data_directory"].startswith(KEYS):
            yield "clés dans le répertoire des données"

    good = "toutes les clés : mode 400, compte postgres, hors du répertoire des données"
    return judged(everywhere(PG, faults), good, inside_command(cluster, PG[0], *argv))


def _scram(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)
        if found["password_encryption"] != "scram-sha-256":  # noqa: S105  # a method, not a secret
            yield f"password_encryption = {found['password_encryption']}"
        if int(found["scram_iterations"]) < SCRAM_ITERATIONS:
            yield f"scram_iterations = {found['scram_iterations']}"

    names = ("password_encryption", "scram_iterations")
    good = f"scram-sha-256, au moins {SCRAM_ITERATIONS} tours"
    return judged(everywhere(PG, faults), good, parameters_command(cluster, names))


def _listening(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)
        wanted = f"127.0.0.1,{cluster.topology.address(node, 'pg')}"
        if found["listen_addresses"] != wanted:
            yield f"écoute sur {found['listen_addresses']} (attendu : {wanted})"
        if found["unix_socket_permissions"] != "0700":
            yield f"socket en mode {found['unix_socket_permissions']}"

    names = ("listen_addresses", "unix_socket_permissions")
    good = "boucle locale et adresse du pod ; socket en mode 0700"
    return judged(everywhere(PG, faults), good, parameters_command(cluster, names))


def _pinned(cluster: Cluster) -> Finding:
    query = (
        "SELECT coalesce(name, '?') || ' ' || coalesce(error, 'fixé par ALTER SYSTEM') "
        "FROM pg_file_settings WHERE error IS NOT NULL OR sourcefile LIKE '%auto.conf';"
    )

    def faults(node: str) -> Iterator[str]:
        if parameters(cluster, node)["allow_alter_system"] != "off":
            yield "ALTER SYSTEM est permis"
        yield from sql(cluster, node, query)

    good = "ALTER SYSTEM refusé, postgresql.auto.conf sans effet, aucune ligne en erreur"
    return judged(everywhere(PG, faults), good, sql_command(cluster, PG[0], query))


def _prefix(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)["log_line_prefix"]
        if missing := [word for word in PREFIX if word not in found]:
            yield f"log_line_prefix sans {', '.join(missing)}"

    command = parameters_command(cluster, ("log_line_prefix",))
    good = "date, processus, rôle, base, adresse du client et application"
    return judged(everywhere(PG, faults), good, command)


def _timeouts(cluster: Cluster) -> Finding:
    names = ("authentication_timeout", "wal_receiver_timeout")

    def faults(node: str) -> Iterator[str]:
        found = parameters(cluster, node)
        # Seconds; PostgreSQL's default of one minute lets unproven connections pile up.
        if int(found["authentication_timeout"]) > 10:  # noqa: PLR2004  # config/patroni
            yield f"authentication_timeout = {found['authentication_timeout']} s"
        if found["wal_receiver_timeout"] == "0":
            yield "wal_receiver_timeout désactivé"

    good = "une connexion sans preuve est coupée en 10 s, un flux de réplication muet aussi"
    return judged(everywhere(PG, faults), good, parameters_command(cluster, names))


def _version(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = versions.said(cluster, "PostgreSQL")[node]
        if versions.numbers(found) < FIXED:
            yield f"PostgreSQL {found}"

    wanted = ".".join(map(str, FIXED))
    good = f"PostgreSQL {versions.said(cluster, 'PostgreSQL')[PG[0]]} (au moins {wanted})"
    return judged(everywhere(PG, faults), good, sql_command(cluster, PG[0], "SELECT version()"))


def _data_directory(cluster: Cluster) -> Finding:
    path = parameters(cluster, PG[0])["data_directory"]
    argv = ("stat", "--format=%a %u", path)

    def faults(node: str) -> Iterator[str]:
        found = inside(cluster, node, *argv).strip()
        if found != f"700 {UID[Role.PG]}":
            yield f"{path} : mode et compte {found} (attendu : 700 {UID[Role.PG]})"

    command = inside_command(cluster, PG[0], *argv)
    return judged(everywhere(PG, faults), f"{path} : mode 700, compte postgres", command)


CONTROLS = (
    Control("PG-10", "TLS actif, 1.3 au moins", (CIS + "6.8", CIS + "6.9"), _set(TLS)),
    Control("PG-11", "Clés, pg_hba et pg_ident hors des données", (), _set(FILES)),
    Control(
        "PG-12", "Clés illisibles aux autres comptes", ("Manuel PostgreSQL 17, 18.9",), _key_files
    ),
    Control("PG-13", "Mots de passe en SCRAM", ("Manuel PostgreSQL 17, 20.5",), _scram),
    Control("PG-14", "Écoute bornée au pod, socket privée", (CIS + "5.2",), _listening),
    Control("PG-15", "Configuration non modifiable par SQL", (), _pinned),
    Control("PG-16", "Aucune commande ni bibliothèque imposée", (), _set(COMMANDS)),
    Control(
        "PG-17",
        "Connexions et déconnexions tracées",
        (CIS + "3.1.20", CIS + "3.1.21"),
        _set(CONNECTIONS),
    ),
    Control("PG-18", "Le journal dit qui, d'où, quand", (CIS + "3.1.24",), _prefix),
    Control(
        "PG-19",
        "DDL et ordres en erreur tracés",
        (CIS + "3.1.15", CIS + "3.1.25"),
        _set(STATEMENTS),
    ),
    Control(
        "PG-20",
        "Réplication tracée",
        (CIS + "7.2",),
        _set({"log_replication_commands": "on"}),
    ),
    Control(
        "PG-21",
        "Rien de superflu dans le journal, heure UTC",
        tuple(CIS + f"3.1.{item}" for item in (16, 17, 18, 23, 26)),
        _set(QUIET),
    ),
    Control(
        "PG-22", "Rien n'affaiblit la durabilité", ("Manuel PostgreSQL 17, 28",), _set(DURABILITY)
    ),
    Control("PG-23", "Délais d'authentification et de réplication", (), _timeouts),
    Control("PG-24", "Version corrigée de PostgreSQL", (CIS + "1.5",), _version),
    Control(
        "PG-25", "Répertoire des données privé", ("Manuel PostgreSQL 17, 18.2",), _data_directory
    ),
)
