"""pg_hba.conf of each PostgreSQL: who may enter from where, by what proof.

The view reads the file, not what was loaded (manual, 52.10): that these are the rules in force
is asked apart, by every control.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import everywhere, judged, once, sql, sql_command
from citadelle.topology import PG, PGBOUNCER, Topology

QUERY = """
SELECT concat_ws('|', line_number, coalesce(error, ''), coalesce(type, ''),
    coalesce(array_to_string(database, ','), ''), coalesce(array_to_string(user_name, ','), ''),
    coalesce(address, ''), coalesce(netmask, ''), coalesce(auth_method, ''),
    coalesce(array_to_string(options, ','), ''))
FROM pg_hba_file_rules ORDER BY line_number;
"""
SHOWN_QUERY = "SELECT * FROM pg_hba_file_rules ORDER BY line_number"
# As citadelle/reload.py does: `change` is when the file was written, and a file that was there
# before the server started is older than what it loaded. In whole seconds: a change within the
# second of the last reading passes.
UNREAD = """
SELECT 'pg_hba.conf changé le ' || date_trunc('second', file.change)
    || ', après sa dernière lecture : ces règles ne sont pas celles en vigueur'
FROM pg_stat_file(current_setting('hba_file')) AS file
WHERE file.change > pg_conf_load_time();
"""
TCP = ("host", "hostssl")
HOST_MASK = "255.255.255.255"
# SCRAM (RFC 7677) or a certificate over TCP, the system account over the socket; or a refusal.
PROOFS = {"hostssl": ("scram-sha-256", "cert", "reject"), "local": ("peer", "reject")}
CIS = "CIS PostgreSQL 17 v1.1.0, 5.4"
MANUAL = "Manuel PostgreSQL 17, 20.1"


@dataclass(frozen=True)
class Rule:
    """One line; ``error`` is empty when PostgreSQL understood it."""

    number: str
    error: str
    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str
    mask: str
    method: str
    options: tuple[str, ...]

    def __str__(self) -> str:
        words = (self.kind, ",".join(self.databases), ",".join(self.users), self.address)
        return f"ligne {self.number} ({' '.join(words)} {self.method})"

    @property
    def for_all(self) -> bool:
        """Tell whether the line speaks of everybody, everywhere, for all ordinary databases."""
        return (self.databases, self.users, self.address) == (("all",), ("all",), "all")


@once
def rules(cluster: Cluster, node: str) -> tuple[Rule, ...]:
    """Return a node's lines in the order in which PostgreSQL tries them."""
    return tuple(_rule(row) for row in sql(cluster, node, QUERY) if row)


def _rule(row: str) -> Rule:
    number, error, kind, databases, users, address, mask, method, options = row.split("|")
    lists = (tuple(databases.split(",")), tuple(users.split(",")))
    return Rule(number, error, kind, *lists, address, mask, method, tuple(options.split(",")))


def admitted(found: tuple[Rule, ...], user: str, database: str) -> Iterator[Rule]:
    """Yield the TCP lines that may let a role into a database, up to the one that refuses it."""
    for rule in found:
        if rule.kind not in TCP or not _may_match(rule, user, database):
            continue
        if rule.method != "reject":
            yield rule
        elif rule.address == "all":
            return


def _may_match(rule: Rule, user: str, database: str) -> bool:
    """``all`` names no replication (manual, 20.1); groups and patterns may name anybody."""
    everything = {"all"} if database != "replication" else set()
    refuses = rule.method == "reject"
    users = {user, "all"} & set(rule.users) or (not refuses and _pattern(rule.users))
    databases = ({database} | everything) & set(rule.databases)
    return bool(users) and bool(databases or (not refuses and _pattern(rule.databases)))


def _pattern(words: tuple[str, ...]) -> bool:
    return any(word.startswith(("/", "+", "same")) for word in words)


def _check(cluster: Cluster, good: str, faults: list[str]) -> Finding:
    unread = everywhere(PG, lambda node: (row for row in sql(cluster, node, UNREAD) if row))
    command = sql_command(cluster, PG[0], SHOWN_QUERY)
    return judged([*unread, *faults], f"{', '.join(PG)} : {good}", command)


def _encrypted(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        for rule in rules(cluster, node):
            if rule.kind not in ("hostssl", "local") and rule.method != "reject":
                yield f"{rule} accepte sans TLS"

    return _check(cluster, "aucune ligne n'accepte sans TLS", everywhere(PG, faults))


def _proofs(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        for rule in rules(cluster, node):
            if rule.method not in PROOFS.get(rule.kind, ("reject",)):
                yield f"{rule} : preuve trop faible"

    return _check(cluster, "SCRAM, certificat, peer (socket) ou refus", everywhere(PG, faults))


def _databases(topology: Topology) -> tuple[str, ...]:
    return ("postgres", topology.settings.app_database, "replication")


def _superuser(cluster: Cluster) -> Finding:
    user = cluster.topology.settings.postgres_user

    def faults(node: str) -> Iterator[str]:
        for database in _databases(cluster.topology):
            for rule in admitted(rules(cluster, node), user, database):
                if (rule.address, rule.mask) != ("127.0.0.1", HOST_MASK):
                    yield f"{rule} laisse entrer {user} ({database})"

    good = f"{user} n'entre que par la socket et 127.0.0.1"
    return _check(cluster, good, everywhere(PG, faults))


def _internal(cluster: Cluster) -> Finding:
    places = _places(cluster.topology)

    def faults(node: str) -> Iterator[str]:
        for user, addresses in places.items():
            for database in _databases(cluster.topology):
                for rule in admitted(rules(cluster, node), user, database):
                    exact = rule.address in addresses and rule.mask == HOST_MASK
                    if not exact or "clientcert=verify-full" not in rule.options:
                        yield f"{rule} : {user} d'ailleurs, ou sans certificat à son nom"

    good = f"{', '.join(places)} : adresses du cluster, certificat à leur nom et SCRAM"
    return _check(cluster, good, everywhere(PG, faults))


def _places(topology: Topology) -> dict[str, set[str]]:
    """Return the addresses from which each internal role works."""
    s = topology.settings
    pods = {str(topology.address(node, "pg")) for node in PG}
    poolers = {str(topology.address(node, "pool")) for node in PGBOUNCER}
    return {s.replicator_user: pods, s.rewind_user: pods, s.pgbouncer_auth_user: poolers}


def _socket(cluster: Cluster) -> Finding:
    s = cluster.topology.settings
    allowed = {s.postgres_user, s.replicator_user}

    def faults(node: str) -> Iterator[str]:
        for rule in rules(cluster, node):
            if rule.kind == "local" and rule.method != "reject" and not set(rule.users) <= allowed:
                yield f"{rule} ouvre la socket"

    return _check(cluster, f"socket : {', '.join(sorted(allowed))} seuls", everywhere(PG, faults))


def _closed(cluster: Cluster) -> Finding:
    def faults(node: str) -> Iterator[str]:
        found = rules(cluster, node)
        yield from (f"{rule} : {rule.error}" for rule in found if rule.error)
        if not found or not (found[-1].for_all and found[-1].method == "reject"):
            yield "la dernière ligne ne refuse pas tout"

    good = "aucune ligne en erreur, la dernière refuse tout"
    return _check(cluster, good, everywhere(PG, faults))


CONTROLS = (
    Control("PG-01", "Aucune entrée par TCP sans TLS", (CIS, MANUAL), _encrypted),
    Control("PG-02", "Aucune preuve faible (trust, password, md5, ident)", (CIS, MANUAL), _proofs),
    Control("PG-03", "Le superutilisateur n'entre pas par le réseau", (), _superuser),
    Control("PG-04", "Rôles internes : leur adresse, leur certificat, leur secret", (), _internal),
    Control(
        "PG-05",
        "La socket Unix est réservée aux comptes du système",
        ("CIS PostgreSQL 17 v1.1.0, 5.3",),
        _socket,
    ),
    Control("PG-06", "Ce qu'aucune ligne ne nomme est refusé", (MANUAL,), _closed),
)
