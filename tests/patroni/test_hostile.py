"""What a thief of Patroni's etcd password can make PostgreSQL do by writing ``/config``.

Patroni's own code merges his configuration with the local one, inside the container; nothing is
written to etcd.
"""

from __future__ import annotations

from typing import Any

import pytest

from citadelle.topology import PG, Topology
from tests.patroni import _hostile

NODE = PG[0]
EVIL = "/tmp/evil"
PARAMETERS = [
    "archive_command",
    "archive_mode",
    "archive_library",
    "archive_cleanup_command",
    "restore_command",
    "recovery_end_command",
    "shared_preload_libraries",
    "session_preload_libraries",
    "local_preload_libraries",
    "dynamic_library_path",
    "jit_provider",
    "ssl_passphrase_command",
    "hba_file",
    "ident_file",
    "ssl",
    "ssl_ca_file",
    "ssl_min_protocol_version",
    "password_encryption",
    "unix_socket_directories",
    "allow_alter_system",
    "logging_collector",
    "log_connections",
]
OPTIONS: dict[str, Any] = {
    "callbacks": {"on_start": EVIL},
    "create_replica_methods": ["evil"],
    "basebackup": ["evil"],
    "recovery_conf": {"restore_command": EVIL},
    "pre_promote": EVIL,
    "before_stop": EVIL,
    "custom_conf": EVIL,
    "bin_name": {"postgres": "evil"},
    "bin_dir": EVIL,
    "data_dir": EVIL,
    "pgpass": EVIL,
    "listen": "0.0.0.0",  # noqa: S104  # the attack
    "connect_address": "evil:5432",
    "use_unix_socket": False,
    "remove_data_directory_on_rewind_failure": True,
    "remove_data_directory_on_diverged_timelines": True,
}
HOSTILE = {
    "postgresql": OPTIONS | {"parameters": dict.fromkeys(PARAMETERS, EVIL)},
    "watchdog": {"device": EVIL},
    "log": {"level": "DEBUG"},
    "tags": {"failover_priority": 1000},
}
STANDBY = {"standby_cluster": {"host": "evil", "restore_command": EVIL}}


@pytest.fixture(scope="module")
def honest(topology: Topology) -> dict[str, Any]:
    """The configuration when etcd says nothing: what is pinned locally."""
    return _hostile.merged(topology, NODE, {"ttl": topology.settings.patroni_ttl})


@pytest.fixture(scope="module")
def attacked(topology: Topology) -> dict[str, Any]:
    """The configuration under the hostile ``/config``."""
    return _hostile.merged(topology, NODE, HOSTILE)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_is_pinned(honest: dict[str, Any], attacked: dict[str, Any], name: str) -> None:
    """No command, no library, no door of PostgreSQL is chosen by etcd."""
    found = attacked["postgresql"]["parameters"][name]
    assert found == honest["postgresql"]["parameters"][name] != EVIL


@pytest.mark.parametrize("name", OPTIONS)
def test_option_is_pinned(honest: dict[str, Any], attacked: dict[str, Any], name: str) -> None:
    """No program that Patroni runs, no place that it writes to is chosen by etcd."""
    found = attacked["postgresql"][name]
    assert found == honest["postgresql"][name] != OPTIONS[name]


@pytest.mark.parametrize("name", ["watchdog", "log", "tags"])
def test_section_is_pinned(honest: dict[str, Any], attacked: dict[str, Any], name: str) -> None:
    """Nor the watchdog's device, the log's detail or who may be promoted."""
    assert attacked[name] == honest[name] != HOSTILE[name]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Patroni 4.1.5 prend standby_cluster de etcd seul : restore_command y est exécuté",
)
def test_standby_cluster_names_no_command(topology: Topology) -> None:
    """Known hole: ``standby_cluster`` has no local counterpart that Patroni would prefer."""
    found = _hostile.merged(topology, NODE, STANDBY)
    assert found["standby_cluster"]["restore_command"] != EVIL


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Patroni 4.1.5 (build_recovery_params) croit la restore_command de la clé d'un membre",
)
def test_member_key_names_no_command(topology: Topology) -> None:
    """Known hole: a replica believes the command that the leader's key in etcd names."""
    assert _hostile.followed(topology, NODE) != EVIL
