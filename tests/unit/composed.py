"""``docker/compose.yaml`` as compose reads it, with the values of factory's cluster."""

from __future__ import annotations

import re
from string import Template
from typing import Any

import yaml

from citadelle import compose
from citadelle.topology import CONTAINERS, ETCD, PG
from tests.unit import factory

SOURCE = compose.FILE.read_text(encoding="utf-8")
TOPOLOGY = factory.topology(BIND_ADDRESS="192.0.2.7")
VALUES = compose.values(
    TOPOLOGY, "0123456789abcdef", "etiquette", {c.name: f"empreinte-{c.name}" for c in CONTAINERS}
)
VARIABLES = set(re.findall(r"\$\{(\w+)\}", SOURCE))
WITH_DATA = (*ETCD, *PG)


def composed() -> dict[str, Any]:
    """Return the file's content; KeyError when it uses a variable that has no value."""
    found: dict[str, Any] = yaml.safe_load(Template(SOURCE).substitute(VALUES))
    return found


SERVICES: dict[str, dict[str, Any]] = composed()["services"]
