"""Each configuration, checked by the component that will read it, before anything starts."""

from __future__ import annotations

from collections.abc import Iterable

from citadelle import engine, images
from citadelle.errors import CitadelleError
from citadelle.topology import CONTAINERS, Container, Role, Topology, reader

# The component's own validator; etcd and PgBouncer have none.
HAPROXY = ("haproxy", "-c", "-f", "/etc/citadelle/haproxy.cfg")
VALIDATORS = {
    Role.PG: ("patroni", "--validate-config", "--ignore-listen-port", "/etc/citadelle/patroni.yml"),
    Role.GATEWAY: HAPROXY,
    Role.HAPROXY: HAPROXY,
}
IMAGES = {Role.PG: "pg", Role.GATEWAY: "haproxy", Role.HAPROXY: "haproxy"}


def proxies(topology: Topology, names: Iterable[str]) -> None:
    """Check load balancers and gateways; raise CitadelleError with HAProxy's own words."""
    for container in _of(names, Role.GATEWAY, Role.HAPROXY):
        _check(topology, container, "--network=none")


def patroni(topology: Topology, names: Iterable[str]) -> None:
    """Check Patroni's files from inside the pod: its validator wants to reach etcd."""
    for container in _of(names, Role.PG):
        holder = f"{topology.settings.cluster_name}-{container.node}-net"
        _check(topology, container, f"--network=container:{holder}")


def _of(names: Iterable[str], *roles: Role) -> list[Container]:
    wanted = set(names)
    return [c for c in CONTAINERS if c.name in wanted and c.role in roles]


def _check(topology: Topology, container: Container, network: str) -> None:
    cluster = topology.settings.cluster_name
    image = images.name(topology, IMAGES[container.role])
    program, *arguments = VALIDATORS[container.role]
    argv = ["run", "--rm", network, "--read-only", "--tmpfs=/run/haproxy", "--cap-drop=ALL"]
    argv += [f"--volume={cluster}_conf-{container.name}:/etc/citadelle:ro"]
    # The account that compose.yaml gives the container: it must be able to read the files.
    argv += [f"--user={reader(container.role)}"]
    try:
        engine.docker(*argv, f"--entrypoint={program}", image, *arguments)
    except CitadelleError as error:
        raise CitadelleError(
            f"Configuration de {container.name} refusée par {program} : {error}\n"
            "Corrigez config/ ou .env, puis relancez « invoke up »."
        ) from None
