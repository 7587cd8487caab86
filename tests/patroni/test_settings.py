"""PostgreSQL's settings on every node: what protects, pinned where etcd cannot reach."""

from __future__ import annotations

import pytest

from citadelle.topology import PG, Topology
from tests.probes import postgres

PINNED = {
    # TLS, and nothing old.
    "ssl": "on",
    "ssl_min_protocol_version": "TLSv1.3",
    "ssl_cert_file": "/etc/citadelle/tls/pg-server.crt",
    "ssl_key_file": "/etc/citadelle/tls/pg-server.key",
    "ssl_ca_file": "/etc/citadelle/tls/ca-pg-client.crt",
    # Who enters.
    "password_encryption": "scram-sha-256",
    "hba_file": "/etc/citadelle/pg_hba.conf",
    "ident_file": "/etc/citadelle/pg_ident.conf",
    "authentication_timeout": "10",
    "unix_socket_directories": "/run/postgresql",
    "unix_socket_permissions": "0700",
    # No command, no library, no configuration from elsewhere.
    "allow_alter_system": "off",
    "archive_mode": "off",
    "archive_command": "(disabled)",  # how PostgreSQL shows it while archive_mode is off
    "archive_library": "",
    "archive_cleanup_command": "",
    "restore_command": "",
    "recovery_end_command": "",
    "ssl_passphrase_command": "",
    "shared_preload_libraries": "pg_stat_statements",
    "session_preload_libraries": "",
    "local_preload_libraries": "",
    "dynamic_library_path": "$libdir",
    "jit_provider": "llvmjit",
    # Data: a page that changed on disk is noticed, an acknowledged commit is on disk.
    "data_checksums": "on",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "wal_log_hints": "on",
    # A silent peer does not hold commits for a minute.
    "wal_sender_timeout": "10000",
    "wal_receiver_timeout": "10000",
    # Traces.
    "logging_collector": "off",
    "log_connections": "on",
    "log_disconnections": "on",
    "log_replication_commands": "on",
    "log_statement": "ddl",
    "log_line_prefix": "%m [%p] %q%u@%d %h %a ",
}


@pytest.fixture(scope="module")
def values(topology: Topology) -> dict[str, dict[str, str]]:
    """Every setting of every node, in its own unit."""
    sql = "SELECT name || '|' || setting FROM pg_settings;"
    return {
        node: dict(row.split("|", 1) for row in postgres.rows(topology, node, sql) if "|" in row)
        for node in PG
    }


@pytest.mark.parametrize("node", PG)
@pytest.mark.parametrize("name", PINNED)
def test_setting(values: dict[str, dict[str, str]], node: str, name: str) -> None:
    """The server runs with this value."""
    assert values[node][name] == PINNED[name]


@pytest.mark.parametrize("node", PG)
def test_listens_on_loopback_and_pod_address(
    values: dict[str, dict[str, str]], topology: Topology, node: str
) -> None:
    """Not on the etcd network, nor on an interface added later."""
    expected = f"127.0.0.1,{topology.address(node, 'pg')}"
    assert values[node]["listen_addresses"] == expected


@pytest.mark.parametrize("node", PG)
def test_no_error_in_configuration(topology: Topology, node: str) -> None:
    """A line that PostgreSQL could not read would leave a default in force."""
    sql = "SELECT name FROM pg_file_settings WHERE error IS NOT NULL;"
    assert postgres.rows(topology, node, sql) == []


@pytest.mark.parametrize("node", PG)
def test_alter_system_left_nothing(topology: Topology, node: str) -> None:
    """A stolen superuser session does not leave a setting behind."""
    sql = "SELECT count(*) FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf';"
    assert postgres.rows(topology, node, sql) == ["0"]
