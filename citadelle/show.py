"""What the operator asks to see: tables and texts, nothing is changed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from rich.table import Table

from citadelle import pki, progress, render
from citadelle.delivery import READERS
from citadelle.errors import CitadelleError
from citadelle.topology import HAPROXY, PGBOUNCER, Topology
from citadelle.workspace import Home


def certificates(rows: Sequence[pki.Row]) -> Table:
    """Return the certificates as a table, one row each."""
    columns = ("Plan", "Nom", "Sujet", "Noms (SAN)", "Usages", "Fin", "Jours", "SHA-256")
    grid = progress.table(f"{len(rows)} certificats", *columns)
    for row in rows:
        grid.add_row(
            row.plane,
            row.name,
            row.subject,
            ", ".join(row.sans),
            ", ".join(row.usages),
            f"{row.expiry:%Y-%m-%d}",
            str(row.days_left),
            row.fingerprint,
        )
    return grid


def images(sizes: Mapping[str, int]) -> Table:
    """Return the images and their sizes; layers that they share count in each."""
    size = "Taille (Mo)"
    grid = progress.table("Images", "Image", size, numbers=(size,))
    for name, number in sizes.items():
        grid.add_row(name, f"{number / 1e6:.0f}")
    return grid


def psql_arguments(topology: Topology, path: str) -> list[str]:
    """Return psql's arguments for a path, as seen from the tools container."""
    s = topology.settings
    ports = {"rw": s.haproxy_rw_port, "ro": s.haproxy_ro_port}
    pooled = {"pooled": s.app_database, "pooled_ro": f"{s.app_database}_ro"}
    if path not in (*ports, *pooled):
        raise CitadelleError(f"Chemin inconnu : {path} (pooled, pooled_ro, rw, ro ou superuser).")
    hosts, port = (PGBOUNCER, s.pgbouncer_port) if path in pooled else (HAPROXY, ports[path])
    return [
        f"--host={','.join(hosts)}",
        f"--port={port}",
        f"--username={s.app_user}",
        f"--dbname={pooled.get(path, s.app_database)}",
    ]


def rendered(topology: Topology, home: Home, node: str, file: str) -> str:
    """Return the rendered files of one container or all, secrets as ``<NAME>``."""
    masked = dataclasses.replace(topology, settings=topology.settings.masked())
    known = [reader.name for reader in READERS]
    if node and node not in known:
        raise CitadelleError(f"Conteneur inconnu : {node} (connus : {', '.join(known)}).")
    blocks = []
    for reader in READERS:
        if node in ("", reader.name):
            for path, text in render.files(masked, reader, pki.fingerprint(home)).items():
                if file in ("", path):
                    blocks.append(f"### {reader.name} : /etc/citadelle/{path}\n{text}")
    if not blocks:
        raise CitadelleError(f"Fichier inconnu : {file} (sans --file : tous, avec leurs noms).")
    return "\n".join(blocks)
