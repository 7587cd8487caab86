"""The credentials: what each secret of ``.env`` opens, and who may hold it in clear.

The audit checks the delivered files against this table, and docs/securite.md follows it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from citadelle.etcd import PATRONI_USER
from citadelle.topology import Role
from citadelle.variables import Secret

# Every door that a password is part of the proof of; a certificate is another part of most.
DOORS = {
    "postgresql-loopback": "PostgreSQL, superutilisateur, boucle locale du pod",
    "postgresql-replication": "PostgreSQL, réplication entre pods",
    "postgresql-rewind": "PostgreSQL, rembobinage entre pods (base postgres)",
    "postgresql-lookup": "PostgreSQL, recherche des empreintes par PgBouncer",
    "postgresql-application": "PostgreSQL, bases applicatives (5000, 5001, PgBouncer)",
    "pooler": "PgBouncer, bases mises en commun",
    "console": "PgBouncer, console d'administration",
    "rest": "API REST de Patroni, ce qui modifie l'état",
    "admin": "page d'administration de HAProxy",
    "etcd": "etcd, port des clients",
}


@dataclass(frozen=True)
class Credential:
    """One secret: whose it is, the doors of DOORS that it opens, who holds it in clear.

    ``user`` is a variable of ``.env``, or the name itself where etcd imposes it (``root``) or
    Patroni's own configuration does (``patroni``). ``holders`` are the roles whose delivered
    files hold the secret; nobody else's may. ``rolling``: it may change machine by machine, for
    no two machines prove themselves to each other by it.
    """

    user: str
    secret: str
    doors: tuple[str, ...]
    holders: tuple[Role, ...]
    rolling: bool = False


CREDENTIALS = (
    Credential("POSTGRES_USER", "POSTGRES_PASSWORD", ("postgresql-loopback",), (Role.PG,)),
    Credential("REPLICATOR_USER", "REPLICATOR_PASSWORD", ("postgresql-replication",), (Role.PG,)),
    Credential("REWIND_USER", "REWIND_PASSWORD", ("postgresql-rewind",), (Role.PG,)),
    # `invoke bench` and the operator's psql; PostgreSQL and PgBouncer know its SCRAM verifier.
    Credential(
        "APP_USER",
        "APP_PASSWORD",
        ("postgresql-application", "pooler"),
        (Role.TOOLS,),
        rolling=True,
    ),
    # In PgBouncer's list because it reads the console's statistics.
    Credential(
        "MONITORING_USER",
        "MONITORING_PASSWORD",
        ("postgresql-application", "pooler", "console"),
        (Role.PGBOUNCER,),
        rolling=True,
    ),
    Credential(
        "PGBOUNCER_AUTH_USER",
        "PGBOUNCER_AUTH_PASSWORD",
        ("postgresql-lookup",),
        (Role.PGBOUNCER,),
    ),
    Credential("PGBOUNCER_ADMIN_USER", "PGBOUNCER_ADMIN_PASSWORD", ("console",), (Role.PGBOUNCER,)),
    Credential("PATRONI_REST_USER", "PATRONI_REST_PASSWORD", ("rest",), (Role.PG, Role.TOOLS)),
    # Hashed in haproxy.cfg.
    Credential("HAPROXY_ADMIN_USER", "HAPROXY_ADMIN_PASSWORD", ("admin",), (), rolling=True),
    Credential("root", "ETCD_ROOT_PASSWORD", ("etcd",), (Role.TOOLS,)),
    Credential(PATRONI_USER, "ETCD_PATRONI_PASSWORD", ("etcd",), (Role.PG, Role.TOOLS)),
)


def held_by(role: Role) -> frozenset[str]:
    """Return the secrets that the delivered files of a role hold in clear."""
    return frozenset(c.secret for c in CREDENTIALS if role in c.holders)


def internal_digest(secrets: Mapping[str, Secret]) -> str:
    """Return the SHA-256 (hexadecimal) of all secrets that cannot change machine by machine.

    Of all together, each of 20 letters at least: whoever reads the digest can try no single one.
    """
    total = hashlib.sha256()
    for credential in CREDENTIALS:
        if not credential.rolling:
            total.update(f"{credential.secret}={secrets[credential.secret].reveal()}\n".encode())
    return total.hexdigest()
