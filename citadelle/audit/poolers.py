"""PgBouncer: its effective settings, and who is refused for real."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

import psycopg

from citadelle import connect
from citadelle.audit import versions
from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import everywhere, inside, inside_command, judged, once
from citadelle.topology import PGBOUNCER

Check = Callable[[Cluster], Finding]
KEYS = "/etc/citadelle/tls"
# Flaws before authentication, fixed upstream in 1.25.2 (NEWS.md); Debian has the fixes in 1.24.1.
FIXED = (1, 25, 2)
FIXED_BY_DEBIAN = re.compile(r"1\.24\.1-1\+deb13u([2-9]|[1-9]\d+)$")

CLIENTS = {
    "client_tls_sslmode": "require",
    "client_tls_protocols": "tlsv1.3",
    "client_tls_cert_file": f"{KEYS}/pgbouncer-server.crt",
}
SERVERS = {
    "server_tls_sslmode": "verify-full",
    "server_tls_protocols": "tlsv1.3",
    "server_tls_ca_file": f"{KEYS}/ca-server.crt",
    "server_tls_cert_file": f"{KEYS}/pg-client.crt",
}
# What PgBouncer says to a password that SCRAM does not prove. Any other words mean that nobody
# looked at it: a line « trust » of pgbouncer_hba.conf, which SHOW CONFIG does not show.
WRONG_PASSWORD = "SASL authentication failed"  # noqa: S105  # no secret
TRACES = {"log_connections": "1", "log_disconnections": "1", "log_pooler_errors": "1"}


def _console(cluster: Cluster) -> tuple[str, ...]:
    """Return the order that asks the private socket, open to the process's account alone."""
    port = cluster.topology.settings.pgbouncer_port
    options = ("--no-password", "--no-psqlrc", "--quiet", "--tuples-only", "--no-align")
    place = ("--host=/run/pgbouncer", f"--port={port}", "--username=pgbouncer")
    return ("psql", *place, *options, "--command=SHOW CONFIG", "pgbouncer")


@once
def configuration(cluster: Cluster, node: str) -> Mapping[str, str]:
    """Return what the running pooler goes by."""
    rows = inside(cluster, node, *_console(cluster)).splitlines()
    return dict(row.split("|")[:2] for row in rows if "|" in row)


def _command(cluster: Cluster) -> str:
    return inside_command(cluster, PGBOUNCER[0], *_console(cluster))


def _set(expected: Mapping[str, str]) -> Check:
    """Return a check that every pooler runs with these values."""

    def check(cluster: Cluster) -> Finding:
        faults = everywhere(PGBOUNCER, lambda node: _differences(cluster, node, expected))
        return judged(faults, _shown(expected), _command(cluster))

    return check


def _differences(cluster: Cluster, node: str, expected: Mapping[str, str]) -> Iterator[str]:
    found = configuration(cluster, node)
    for name, value in expected.items():
        if found.get(name) != value:
            yield f"{name} = « {found.get(name, 'absent')} » (attendu : « {value} »)"


def _shown(expected: Mapping[str, str]) -> str:
    return ", ".join(f"{name} = « {value} »" for name, value in expected.items())


def _proofs(cluster: Cluster) -> Finding:
    expected = _accounts(cluster)

    def faults(node: str) -> Iterator[str]:
        yield from _differences(cluster, node, expected)
        said = wrong_password(cluster, node)
        if WRONG_PASSWORD not in said:
            yield f"mot de passe faux : {said or 'entré'}"

    good = f"{_shown(expected)} ; mot de passe faux : « {WRONG_PASSWORD} »"
    return judged(everywhere(PGBOUNCER, faults), good, _command(cluster))


def _accounts(cluster: Cluster) -> Mapping[str, str]:
    s = cluster.topology.settings
    return {
        "auth_type": "hba",
        "auth_hba_file": "/etc/citadelle/pgbouncer_hba.conf",
        "auth_file": "/etc/citadelle/userlist.txt",
        "auth_user": s.pgbouncer_auth_user,
        "auth_query": "SELECT usename, passwd FROM citadelle.pgbouncer_lookup($1)",
        "admin_users": s.pgbouncer_admin_user,
        "stats_users": s.monitoring_user,
        "unix_socket_mode": str(0o700),
    }


def refused(cluster: Cluster, node: str, **changes: str) -> str:
    """Return PgBouncer's reason for refusing a login, empty when it lets in."""
    point = cluster.topology.endpoint("pooled", node)
    common = connect.parameters(cluster.topology, cluster.home, "pooled")
    here = {"host": point.host, "port": str(point.port)}
    try:
        psycopg.connect(**(common | here | changes)).close()
    except psycopg.OperationalError as error:
        return str(error).strip().splitlines()[-1].rpartition("failed: ")[2]
    return ""


def wrong_password(cluster: Cluster, node: str) -> str:
    """Return PgBouncer's answer to the application with a password that is not its own."""
    return refused(cluster, node, password="audit-mot-de-passe-faux")  # noqa: S106  # no secret


def login_command(cluster: Cluster, words: str) -> str:
    """Return how an auditor tries the same; psql asks for the password."""
    point = cluster.topology.endpoint("pooled", PGBOUNCER[0])
    database = cluster.topology.settings.app_database
    return f'psql "host={point.host} port={point.port} dbname={database} {words}"'


def _superuser(cluster: Cluster) -> Finding:
    s = cluster.topology.settings
    secret = s.postgres_password.reveal()

    def faults(node: str) -> Iterator[str]:
        said = refused(cluster, node, user=s.postgres_user, password=secret)
        if not re.search("no such user|login rejected", said):
            yield f"{s.postgres_user}, bon mot de passe : {said or 'entré'}"

    good = f"{s.postgres_user} avec son bon mot de passe : refusé"
    command = login_command(cluster, f"user={s.postgres_user} sslmode=require")
    return judged(everywhere(PGBOUNCER, faults), good, command)


def _clear(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        said = refused(cluster, node, sslmode="disable")
        if "SSL required" not in said:
            yield f"sans TLS : {said or 'entré'}"

    command = login_command(cluster, "sslmode=disable")
    return judged(everywhere(PGBOUNCER, faults), "sans TLS : « SSL required »", command)


def _search_path(cluster: Cluster) -> Finding:
    """A client's search_path must never meet the lookup of passwords (CVE-2025-12819)."""

    def faults(node: str) -> Iterator[str]:
        found = configuration(cluster, node)
        for name in ("track_extra_parameters", "ignore_startup_parameters"):
            if "search_path" in found.get(name, ""):
                yield f"{name} = {found[name]}"

    good = "aucun search_path de client n'atteint la recherche des empreintes"
    return judged(everywhere(PGBOUNCER, faults), good, _command(cluster))


def _version(cluster: Cluster) -> Finding:
    found = {node: text.split()[-1] for node, text in versions.said(cluster, "PgBouncer").items()}
    faults = [
        f"{node} : {text}"
        for node, text in found.items()
        if versions.numbers(text) < FIXED and not FIXED_BY_DEBIAN.match(text)
    ]
    good = f"{', '.join(sorted(set(found.values())))} (au moins 1.25.2, ou 1.24.1-1+deb13u2)"
    command = inside_command(cluster, PGBOUNCER[0], "dpkg-query", "--show", "pgbouncer")
    return judged(faults, good, command)


CONTROLS = (
    Control("PB-01", "Clients en TLS 1.3 seulement", (), _set(CLIENTS)),
    Control("PB-02", "PostgreSQL vérifié de bout en bout", (), _set(SERVERS)),
    Control("PB-03", "Preuves et comptes exacts", (), _proofs),
    Control("PB-04", "Le superutilisateur n'entre pas", (), _superuser),
    Control("PB-05", "Rien en clair", (), _clear),
    Control("PB-06", "La recherche des empreintes ne se détourne pas", (), _search_path),
    Control("PB-07", "Connexions et erreurs tracées", (), _set(TRACES)),
    Control("PB-08", "Version corrigée de PgBouncer", (), _version),
)
