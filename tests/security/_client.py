"""An application on a machine of its own: a container with a chosen address on `front`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from citadelle import connect, engine, images
from citadelle.topology import Topology
from citadelle.workspace import Home

SCRIPT = Path(__file__).with_name("_query.py")
SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """What the statement returned, or why there is nothing."""

    row: list[str]
    refusal: str


def ask(  # who, from where, to where, what
    topology: Topology,
    home: Home,
    source: IPv4Address,
    node: str,
    port: int,
    statement: str,
    **changes: str,
) -> Answer:
    """Run one statement as the application, from ``source``, by a node's own address and name."""
    options: dict[str, Any] = connect.parameters(topology, home, "rw")
    options |= {"host": node, "hostaddr": str(topology.address(node, "front")), "port": str(port)}
    options |= changes
    ca = (home.pki / "server" / "ca.crt").read_text()
    orders = {"options": options, "ca": ca, "sql": statement}
    cluster = topology.settings.cluster_name
    argv = ["run", "--rm", "--interactive", "--read-only", "--tmpfs=/tmp:mode=1777"]
    argv += ["--cap-drop=ALL", f"--network={cluster}_front", f"--ip={source}"]
    argv += [images.name(topology, "tools"), "/opt/patroni/bin/python", "-"]
    # The orders hold a password: after the script, on standard input, never in argv.
    text = SCRIPT.read_text().replace("sys.argv[1]", repr(json.dumps(orders)))
    return Answer(**json.loads(engine.docker(*argv, stdin=text.encode(), seconds=SECONDS)))
