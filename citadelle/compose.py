"""What compose is told: the values of ``docker/compose.yaml`` and the command lines, as data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from citadelle import credentials, workspace
from citadelle.settings import FIELDS, FROZEN
from citadelle.topology import (
    ATTACHED,
    CONTAINERS,
    ETCD,
    HAPROXY,
    NETWORKS,
    PG,
    PGBOUNCER,
    UID,
    Topology,
)
from citadelle.workspace import ROOT

FILE = ROOT / "docker" / "compose.yaml"
INTERNAL_SECRETS = "INTERNAL_SECRETS"


def values(
    topology: Topology, ca_fingerprint: str, image_tag: str, digests: Mapping[str, str]
) -> dict[str, str]:
    """Return every variable of compose.yaml; none is a secret.

    ``digests`` are those of the delivered files by container: a changed one makes compose
    replace that container, an unchanged one leaves it alone.
    """
    s = topology.settings
    ports = {
        name: str(getattr(s, field.name))
        for name, field in FIELDS.items()
        if field.metadata["kind"].startswith("port/")
    }
    return {
        "CLUSTER_NAME": s.cluster_name,
        "BIND_ADDRESS": s.bind_address,
        "CA_FINGERPRINT": ca_fingerprint,
        "ORIGIN": workspace.origin(),
        "IMAGE_TAG": image_tag,
        **ports,
        **{f"SUBNET_{net.upper()}": str(topology.subnets[net]) for net in NETWORKS},
        **_addresses(topology),
        **{f"UID_{role.upper()}": str(uid) for role, uid in UID.items()},
        **{f"CONFIG_{_variable(c.name)}": digests[c.name] for c in CONTAINERS},
    }


def _addresses(topology: Topology) -> dict[str, str]:
    return {
        f"ADDRESS_{network.upper()}_{_variable(node)}": str(topology.address(node, network))
        for node in (*ETCD, *PG, *HAPROXY, *PGBOUNCER)
        for network in ATTACHED[node.rstrip("0123456789")]
    }


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


def remembered(topology: Topology, authorities: Mapping[str, str]) -> dict[str, str]:
    """Return what compose.yaml does not use, and what must not change, or not bit by bit.

    ``authorities`` are their digests by plane. No secret is told, only that one has changed.
    """
    settings = topology.settings
    return {
        **{f"AUTHORITY_{_variable(plane)}": digest for plane, digest in authorities.items()},
        **{name: str(getattr(settings, name.lower())) for name in FROZEN},
        INTERNAL_SECRETS: credentials.internal_digest(settings.secrets()),
    }


def read_env(path: Path) -> dict[str, str]:
    """Return what a ``build/compose.env`` says; nothing when there is none."""
    if not path.is_file():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def env_file(content: Mapping[str, str]) -> str:
    """Return the text of ``build/compose.env``."""
    return "".join(f"{name}={value}\n" for name, value in content.items())


def command(env: Path, *argv: str) -> list[str]:
    """Return the docker arguments of a compose command on this cluster."""
    return ["compose", "--env-file", str(env), "--file", str(FILE), *argv]
