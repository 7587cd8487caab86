"""Replication: synchronous, encrypted and proven on both sides."""

from __future__ import annotations

from collections.abc import Iterator

from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import everywhere, judged, leader, sql, sql_command
from citadelle.topology import PG

SYNCHRONOUS = """
SELECT application_name FROM pg_stat_replication
WHERE sync_state IN ('sync', 'quorum') AND state = 'streaming';
"""
# What a replica says to the primary; the password is not in it, but in a file in memory.
RECEIVER = "SELECT conninfo FROM pg_stat_wal_receiver;"
SENDERS = """
SELECT concat_ws('|', r.application_name, s.ssl, coalesce(s.version, ''), coalesce(s.client_dn, ''))
FROM pg_stat_replication r JOIN pg_stat_ssl s USING (pid);
"""
CIS = "CIS PostgreSQL 17 v1.1.0, 7.5"


def _synchronous(cluster: Cluster) -> Finding:
    node = leader(cluster)
    found = [row for row in sql(cluster, node, SYNCHRONOUS) if row]
    faults = [] if found else [f"{node} : aucun réplica synchrone"]
    good = f"{node} attend l'accord de {', '.join(found)} à chaque validation"
    return judged(faults, good, sql_command(cluster, node, " ".join(SYNCHRONOUS.split())))


def _receivers(cluster: Cluster) -> Finding:
    s = cluster.topology.settings
    wanted = {
        "user": s.replicator_user,
        "sslmode": "verify-full",
        "sslcert": "/etc/citadelle/tls/replicator.crt",
        "sslrootcert": "/etc/citadelle/tls/ca-server.crt",
        "gssencmode": "disable",
    }
    replicas = [node for node in PG if node != leader(cluster)]

    def faults(node: str) -> Iterator[str]:
        rows = [row for row in sql(cluster, node, RECEIVER) if row]
        if not rows:
            yield "ne reçoit rien"
        for words in map(_words, rows):
            for name, value in wanted.items():
                if words.get(name) != value:
                    yield f"{name} = {words.get(name, 'absent')} (attendu : {value})"

    good = f"{', '.join(replicas)} : sslmode=verify-full, certificat du rôle {s.replicator_user}"
    return judged(everywhere(replicas, faults), good, sql_command(cluster, replicas[0], RECEIVER))


def _words(conninfo: str) -> dict[str, str]:
    pairs = (word.partition("=") for word in conninfo.split(" "))
    return {name: value for name, _, value in pairs}


def _senders(cluster: Cluster) -> Finding:
    node = leader(cluster)
    subject = f"/CN={cluster.topology.settings.replicator_user}"
    rows = [row.split("|") for row in sql(cluster, node, SENDERS) if row]
    faults = [
        f"{name} : TLS {ssl}, {version or 'en clair'}, certificat {dn or 'absent'}"
        for name, ssl, version, dn in rows
        if (version, dn) != ("TLSv1.3", subject)
    ]
    faults += [] if rows else [f"{node} : aucun réplica branché"]
    good = f"{', '.join(row[0] for row in rows)} : TLSv1.3, certificat {subject}"
    return judged(faults, good, sql_command(cluster, node, " ".join(SENDERS.split())))


CONTROLS = (
    Control("RE-01", "Une validation acquittée est sur deux nœuds", (CIS,), _synchronous),
    Control("RE-02", "Les réplicas vérifient le primaire", (CIS,), _receivers),
    Control("RE-03", "Le primaire vérifie les réplicas", (), _senders),
)
