"""The inside of a PostgreSQL container, and what no container may hold."""

from __future__ import annotations

import json

import pytest

from citadelle import engine
from citadelle.inventory import PLANES
from citadelle.topology import CONTAINERS, HOLDERS, PG, UID, Role, Topology
from citadelle.workspace import Home
from tests.conftest import Containers
from tests.etcd import _probes

NODES = pytest.mark.parametrize("node", PG)
ALL = pytest.mark.parametrize("name", [*(c.name for c in CONTAINERS), *HOLDERS])


def _secrets(topology: Topology) -> list[str]:
    return [secret.reveal() for secret in topology.settings.secrets().values()]


@NODES
def test_runs_as_its_own_account(container: Containers, node: str) -> None:
    """Real, effective, saved and file-system user are PostgreSQL's: none to climb back to."""
    assert set(_probes.process(container(node))["Uid"].split()) == {str(UID[Role.PG])}


@NODES
@pytest.mark.parametrize("kind", ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
def test_has_no_capability(container: Containers, node: str, kind: str) -> None:
    """SQL that reaches a shell reaches no power over the kernel."""
    assert int(_probes.process(container(node))[kind], 16) == 0


@NODES
@pytest.mark.parametrize(("name", "value"), [("NoNewPrivs", "1"), ("Seccomp", "2")])
def test_kernel_bounds(container: Containers, node: str, name: str, value: str) -> None:
    """A set-uid program gives nothing; unusual system calls are filtered."""
    assert _probes.process(container(node))[name] == value


@NODES
@pytest.mark.parametrize("place", ["/", "/etc/citadelle", "/usr/lib/postgresql", "/opt/patroni"])
def test_file_system_is_read_only(container: Containers, node: str, place: str) -> None:
    """Programs and configuration do not change under the server's own hand."""
    assert "Read-only file system" in container(node).run("touch %s", f"{place}/probe").stderr


@NODES
def test_delivered_files_are_its_own_only(container: Containers, node: str) -> None:
    """Keys and passwords: mode 0400, owned by the server's account."""
    assert _probes.strays(container(node), UID[Role.PG]) == []


@NODES
def test_gateway_s_files_are_root_s_only(container: Containers, node: str) -> None:
    """The gateway reads its keys before it drops root: the process that serves cannot."""
    assert _probes.strays(container(f"{node}-gw"), 0) == []


@NODES
def test_no_key_in_the_data_directory(container: Containers, node: str) -> None:
    """The rewind role may read any file there."""
    query = "find /var/lib/citadelle/pgdata -name '*.key' -o -name '*.pem' -o -name 'pgpass*'"
    assert container(node).check_output(query) == ""


@NODES
def test_pod_listens_only_where_intended(
    container: Containers, topology: Topology, node: str
) -> None:
    """PostgreSQL and Patroni on loopback; on the pg network PostgreSQL and the gateway's doors."""
    s, address = topology.settings, str(topology.address(node, "pg"))
    doors = {(address, port) for port in (s.pg_port, s.gateway_port, s.patroni_rest_port)}
    inside = {("127.0.0.1", port) for port in (s.pg_port, s.patroni_rest_port)}
    assert _probes.listeners(container(node)) == doors | inside


@NODES
@pytest.mark.parametrize("file", ["environ", "cmdline"])
def test_processes_show_no_secret(
    container: Containers, topology: Topology, node: str, file: str
) -> None:
    """Neither environment nor command line of any process: both are easily read and logged."""
    shown = container(node).run(f"cat /proc/[0-9]*/{file} | tr '\\0' '\\n'").stdout
    assert "patroni" in shown
    assert _probes.leaked(shown, _secrets(topology)) == 0


@ALL
def test_engine_shows_no_secret(topology: Topology, name: str) -> None:
    """``docker inspect`` is open to whoever reaches the engine, backups of it included."""
    found = json.dumps(engine.inspect("container", f"{topology.settings.cluster_name}-{name}"))
    assert _probes.leaked(found, _secrets(topology)) == 0


@ALL
def test_no_authority_s_key(topology: Topology, home: Home, name: str) -> None:
    """Whoever holds an authority's key is everybody: it stays on the operator's machine."""
    # The second line of a key file is the secret itself; it travels by standard input.
    lines = [(home.pki / plane / "ca.key").read_text().splitlines()[1] for plane in PLANES]
    search = "grep -rlF -f - /etc/citadelle || [ $? = 1 ]"
    container = f"{topology.settings.cluster_name}-{name}"
    found = engine.execute(container, "sh", "-c", search, stdin="\n".join(lines).encode())
    assert found == ""
