"""Each configuration, checked by the component that will read it, before it is delivered.

The files come by the validator's standard input to a tmpfs of its own: what is refused never
lies where a container that restarts would read it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from citadelle import delivery, engine, images
from citadelle.errors import CitadelleError
from citadelle.topology import CONTAINERS, Container, Role, Topology, reader
from citadelle.workspace import Home

PLACE = "/etc/citadelle"
# The component's own validator; etcd and PgBouncer have none.
HAPROXY = ("haproxy", "-c", "-f", f"{PLACE}/haproxy.cfg")
VALIDATORS = {
    Role.PG: ("patroni", "--validate-config", "--ignore-listen-port", f"{PLACE}/patroni.yml"),
    Role.GATEWAY: HAPROXY,
    Role.HAPROXY: HAPROXY,
}
IMAGES = {Role.PG: "pg", Role.GATEWAY: "haproxy", Role.HAPROXY: "haproxy"}


def proxies(topology: Topology, home: Home, names: Iterable[str]) -> None:
    """Check load balancers and gateways; raise CitadelleError with HAProxy's own words."""
    for container in _of(names, Role.GATEWAY, Role.HAPROXY):
        _check(topology, home, container, "--network=none")


def patroni(topology: Topology, home: Home, names: Iterable[str]) -> None:
    """Check Patroni's files from inside the pod: its validator wants to reach etcd."""
    for container in _of(names, Role.PG):
        holder = f"{topology.settings.cluster_name}-{container.node}-net"
        _check(topology, home, container, f"--network=container:{holder}")


def _of(names: Iterable[str], *roles: Role) -> list[Container]:
    wanted = set(names)
    return [c for c in CONTAINERS if c.name in wanted and c.role in roles]


def _check(topology: Topology, home: Home, container: Container, network: str) -> None:
    image = images.name(topology, IMAGES[container.role])
    program = VALIDATORS[container.role]
    # The account that compose.yaml gives the container: it must be able to read the files.
    uid = reader(container.role)
    argv = ["run", "--rm", "--interactive", network, "--read-only", "--cap-drop=ALL"]
    argv += [f"--user={uid}", "--tmpfs=/run/haproxy", f"--tmpfs={PLACE}:mode=0700,uid={uid}"]
    # Its directories are read-only, and an account 0 without rights cannot write there: they are
    # made first, and left as they are.
    unpack = f"mkdir {PLACE}/tls && tar -x -C {PLACE} --strip-components=1 --no-overwrite-dir"
    files = delivery.tar(topology, home, [container])
    try:
        engine.docker(
            *argv,
            "--entrypoint=sh",
            image,
            "-c",
            f"{unpack} && exec {shlex.join(program)}",
            stdin=files,
        )
    except CitadelleError as error:
        raise CitadelleError(
            f"Configuration de {container.name} refusée par {program[0]} : {error}\n"
            "Rien n'en a été livré. Corrigez config/ ou .env, puis relancez « invoke up »."
        ) from None
