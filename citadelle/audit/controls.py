"""Every control, by area, in the order of the report."""

from __future__ import annotations

from citadelle.audit import (
    balancers,
    certificates,
    containers,
    dcs,
    hba,
    limits,
    parameters,
    patroni,
    poolers,
    replication,
    roles,
    secrets,
    tls,
)
from citadelle.audit.control import Control

AREAS: tuple[tuple[str, tuple[Control, ...]], ...] = (
    ("TLS et ports", tls.CONTROLS),
    ("Certificats", certificates.CONTROLS),
    ("PostgreSQL : qui entre", hba.CONTROLS),
    ("PostgreSQL : réglages et fichiers", parameters.CONTROLS),
    ("PostgreSQL : rôles et droits", roles.CONTROLS),
    ("Réplication", replication.CONTROLS),
    ("Patroni", patroni.CONTROLS),
    ("etcd", dcs.CONTROLS),
    ("HAProxy et passerelles", balancers.CONTROLS),
    ("PgBouncer", poolers.CONTROLS),
    ("Conteneurs", containers.CONTROLS),
    ("Secrets", secrets.CONTROLS),
    ("Limites connues", limits.CONTROLS),
)
CONTROLS = tuple(control for _, controls in AREAS for control in controls)
