"""Each configuration, checked by the component that will read it, before anything starts."""

from __future__ import annotations

from collections.abc import Iterable

from citadelle import engine, images
from citadelle.errors import CitadelleError
from citadelle.topology import CONTAINERS, Container, Role, Topology
from citadelle.workspace import Home

# The component's own validator; etcd and PgBouncer have none.
VALIDATORS = {
    Role.PG: ("patroni", "--validate-config", "--ignore-listen-port", "/etc/citadelle/patroni.yml"),
    Role.GATEWAY: ("haproxy", "-c", "-q", "-f", "/etc/citadelle/haproxy.cfg"),
    Role.HAPROXY: ("haproxy", "-c", "-q", "-f", "/etc/citadelle/haproxy.cfg"),
}
IMAGES = {Role.PG: "pg", Role.GATEWAY: "haproxy", Role.HAPROXY: "haproxy"}


def check(topology: Topology, home: Home, names: Iterable[str]) -> None:
    """Raise CitadelleError with the validator's words for the first file that it refuses."""
    wanted = set(names)
    for container in CONTAINERS:
        if container.name in wanted and container.role in VALIDATORS:
            _check(topology, container)


def _check(topology: Topology, container: Container) -> None:
    cluster = topology.settings.cluster_name
    image = images.name(topology, IMAGES[container.role])
    hosts = [f"--add-host={n}:{a}" for n, a in topology.hosts[container.node].items()]
    program, *arguments = VALIDATORS[container.role]
    argv = ["run", "--rm", "--read-only", "--tmpfs=/run/haproxy", "--cap-drop=ALL", *hosts]
    argv += [f"--volume={cluster}_conf-{container.name}:/etc/citadelle:ro"]
    argv += ["--user=0"] if container.role is Role.GATEWAY else []
    try:
        engine.docker(*argv, "--network=none", f"--entrypoint={program}", image, *arguments)
    except CitadelleError as error:
        raise CitadelleError(
            f"Configuration de {container.name} refusée par {program} : {error}\n"
            "Corrigez config/ ou .env, puis relancez « invoke up »."
        ) from None
