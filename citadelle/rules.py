"""What the variables of ``.env`` must be together: ports, secrets, users, timers, numbers.

Each rule gets the parsed values by field and the kind of each variable, and yields French lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from citadelle import rules_places

# A pooler's reserve (two), its lookup of a password and a reader of statistics.
POOLER_EXTRA = 4
# Superuser's reserve (PostgreSQL's default, three), Patroni's own, and a margin.
PG_RESERVED = 10


def _group(parsed: Mapping[str, object], kinds: Mapping[str, str], kind: str) -> dict[str, object]:
    """Return the parsed values of one kind by variable name."""
    return {
        name: parsed[name.lower()]
        for name, known in kinds.items()
        if known == kind and name.lower() in parsed
    }


def _shared(group: Mapping[str, object]) -> Iterator[tuple[object, str]]:
    """Yield each value that stands under several names, with these names."""
    for value, count in Counter(group.values()).items():
        if count > 1:
            yield value, ", ".join(name for name, other in group.items() if other == value)


def _ports_are_distinct(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Iterator[str]:
    for place in ("hôte", "pod", "etcd", "haproxy", "pgbouncer"):
        for value, names in _shared(_group(parsed, kinds, f"port/{place}")):
            yield f"le port {value} sert deux fois ({names}), même adresse : {place}"


def _secrets_are_distinct(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Iterator[str]:
    for _, names in _shared(_group(parsed, kinds, "secret")):
        yield f"le même secret sert deux fois ({names}) : un secret par usage"


def _users_are_distinct(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Iterator[str]:
    for value, names in _shared(_group(parsed, kinds, "user")):
        yield f"l'utilisateur « {value} » sert deux fois ({names}) : un utilisateur par rôle"


def _datacenters_are_known(parsed: Mapping[str, object], kinds: Mapping[str, str]) -> Iterator[str]:
    known = parsed.get("datacenters")
    if not isinstance(known, tuple):
        return
    if not known:
        yield "DATACENTERS est vide : donnez au moins un centre de données"
    for name, value in _group(parsed, kinds, "datacenter").items():
        if value not in known:
            yield f"{name} : centre de données inconnu « {value} » (connus : {', '.join(known)})"


def _timers_hold_together(parsed: Mapping[str, object], _kinds: Mapping[str, str]) -> Iterator[str]:
    """Patroni lowers its timers silently unless loop_wait + 2*retry_timeout <= ttl."""
    ttl, loop, retry = (parsed.get(f"patroni_{n}") for n in ("ttl", "loop_wait", "retry_timeout"))
    if not (isinstance(ttl, int) and isinstance(loop, int) and isinstance(retry, int)):
        return
    if loop + 2 * retry > ttl:
        yield (
            f"PATRONI_LOOP_WAIT + 2 × PATRONI_RETRY_TIMEOUT = {loop + 2 * retry} s dépasse "
            f"PATRONI_TTL = {ttl} s"
        )


def _certificates_are_renewed_in_time(
    parsed: Mapping[str, object], _kinds: Mapping[str, str]
) -> Iterator[str]:
    days, renew, ca = (parsed.get(n) for n in ("cert_days", "cert_renew_days", "ca_days"))
    if isinstance(days, int) and isinstance(renew, int) and renew >= days:
        yield f"CERT_RENEW_DAYS = {renew} doit être inférieur à CERT_DAYS = {days}"
    if isinstance(days, int) and isinstance(ca, int) and ca < 2 * days:
        yield f"CA_DAYS = {ca} doit valoir au moins deux fois CERT_DAYS = {days}"


def _hba_lines_name_no_internal_role(
    parsed: Mapping[str, object], kinds: Mapping[str, str]
) -> Iterator[str]:
    """Their own lines come first in pg_hba.conf anyway; a line that says otherwise misleads."""
    lines = parsed.get("pg_hba_extra")
    internal = {
        str(value): name
        for name, value in _group(parsed, kinds, "user").items()
        if name not in ("APP_USER", "MONITORING_USER")
    }
    for line in lines if isinstance(lines, tuple) else ():
        for role in line.split(" ")[2].split(","):
            if role in internal:
                yield f"PG_HBA_EXTRA : « {line} » vise {internal[role]}, rôle interne au cluster"


def _clients_leave_room(parsed: Mapping[str, object], _kinds: Mapping[str, str]) -> Iterator[str]:
    """One address never holds more than half of an entrance: others still enter."""
    names = ("pg_max_connections", "pgbouncer_pool_size", "haproxy_clients_per_address")
    maximum, pool, address = (parsed.get(name) for name in names)
    if isinstance(maximum, int) and isinstance(pool, int) and isinstance(address, int):
        direct = (maximum - 2 * (pool + POOLER_EXTRA) - PG_RESERVED) // 2
        if 2 * address > direct:
            yield (
                f"HAPROXY_CLIENTS_PER_ADDRESS = {address} dépasse la moitié des {max(direct, 0)} "
                "connexions directes par répartiteur (PG_MAX_CONNECTIONS moins les deux "
                f"PgBouncer, divisé par deux) : baissez-le, ou augmentez PG_MAX_CONNECTIONS"
            )
    clients, per_address = (
        parsed.get(name) for name in ("pgbouncer_max_clients", "pgbouncer_clients_per_address")
    )
    if isinstance(clients, int) and isinstance(per_address, int) and per_address >= clients:
        yield (
            f"PGBOUNCER_CLIENTS_PER_ADDRESS = {per_address} doit être inférieur à "
            f"PGBOUNCER_MAX_CLIENTS = {clients} : une seule adresse prendrait toutes les places"
        )


RULES = (
    _ports_are_distinct,
    _secrets_are_distinct,
    _users_are_distinct,
    _datacenters_are_known,
    rules_places.refused,
    _timers_hold_together,
    _certificates_are_renewed_in_time,
    _hba_lines_name_no_internal_role,
    _clients_leave_room,
)
# What does not stop: shown by `invoke certs`, `up` and `status`.
WARNINGS = (rules_places.warned,)
