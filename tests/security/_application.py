"""Statements that an application in the wrong hands would try, and what refuses each of them.

A statement maps to the SQLSTATE of its refusal (PostgreSQL manual, appendix A). ``{app}``,
``{postgres}``, ``{replicator}`` and so on stand for the users of .env, ``{database}`` for the
application's database.
"""

from __future__ import annotations

from tests.probes.sqlstate import DENIED

NOT_SUPPORTED = "0A000"  # feature_not_supported: no such extension here, ALTER SYSTEM is off
RESERVED = "42939"  # reserved_name
CANNOT_CHANGE = "55P02"  # cant_change_runtime_param

PROGRAMS_AND_FILES = {
    "COPY (SELECT 1) TO PROGRAM 'true'": DENIED,
    "COPY pg_temp.t FROM PROGRAM 'true'": DENIED,
    "COPY (SELECT 1) TO '/run/postgresql/probe'": DENIED,
    "COPY pg_temp.t FROM '/etc/passwd'": DENIED,
    "SELECT pg_read_file('/etc/citadelle/patroni.yml')": DENIED,
    "SELECT pg_read_binary_file('PG_VERSION')": DENIED,
    "SELECT pg_ls_dir('.')": DENIED,
    "SELECT pg_ls_dir('/etc/citadelle/tls')": DENIED,
    "SELECT pg_ls_logdir()": DENIED,
    "SELECT pg_ls_waldir()": DENIED,
    "SELECT pg_ls_tmpdir()": DENIED,
    "SELECT pg_stat_file('PG_VERSION')": DENIED,
    "SELECT pg_current_logfile()": DENIED,
    "SELECT lo_import('/etc/passwd')": DENIED,
    "SELECT lo_export(1, '/run/postgresql/probe')": DENIED,
    "LOAD 'auth_delay'": DENIED,
    "LOAD '/tmp/evil'": DENIED,
}
EXTENSIONS = {
    "CREATE EXTENSION dblink": DENIED,
    "CREATE EXTENSION postgres_fdw": DENIED,
    "CREATE EXTENSION file_fdw": DENIED,
    "CREATE EXTENSION pageinspect": DENIED,
    "CREATE EXTENSION pg_surgery": DENIED,
    "CREATE EXTENSION pg_walinspect": DENIED,
    "CREATE EXTENSION adminpack": NOT_SUPPORTED,
    "CREATE EXTENSION plpython3u": NOT_SUPPORTED,
    "CREATE EXTENSION plperlu": NOT_SUPPORTED,
    "DROP EXTENSION pg_stat_statements": DENIED,
    "CREATE LANGUAGE probe HANDLER plpgsql_call_handler": DENIED,
    "CREATE FUNCTION pg_temp.f() RETURNS int LANGUAGE c AS 'libc', 'system'": DENIED,
    "CREATE FUNCTION pg_temp.f(text) RETURNS text LANGUAGE internal AS 'pg_read_file_all'": DENIED,
    "CREATE FOREIGN DATA WRAPPER probe": DENIED,
    "CREATE ACCESS METHOD probe TYPE TABLE HANDLER heap_tableam_handler": DENIED,
    "CREATE EVENT TRIGGER probe ON login EXECUTE FUNCTION pg_temp.evil()": DENIED,
    "CREATE TYPE pg_temp.probe (INPUT = int4in, OUTPUT = int4out)": DENIED,
}
ROLES = {
    "CREATE ROLE probe": DENIED,
    "CREATE ROLE probe SUPERUSER LOGIN": DENIED,
    'ALTER ROLE "{app}" SUPERUSER': DENIED,
    'ALTER ROLE "{app}" CREATEROLE': DENIED,
    'ALTER ROLE "{app}" CREATEDB': DENIED,
    'ALTER ROLE "{app}" REPLICATION': DENIED,
    'ALTER ROLE "{app}" BYPASSRLS': DENIED,
    "ALTER ROLE \"{app}\" VALID UNTIL 'infinity'": DENIED,
    'ALTER ROLE "{postgres}" PASSWORD NULL': DENIED,
    'ALTER ROLE "{pgbouncer_auth}" PASSWORD NULL': DENIED,
    'ALTER ROLE "{monitoring}" PASSWORD NULL': DENIED,
    "ALTER ROLE ALL SET search_path = evil": DENIED,
    'ALTER ROLE "{postgres}" SET search_path = evil': DENIED,
    "ALTER ROLE \"{app}\" SET log_statement = 'none'": DENIED,
    "ALTER ROLE \"{app}\" SET session_preload_libraries = 'evil'": DENIED,
    'ALTER ROLE "{app}" SET zero_damaged_pages = on': DENIED,
    'DROP ROLE "{monitoring}"': DENIED,
    'GRANT "{app}" TO "{monitoring}"': DENIED,
    'GRANT "{postgres}" TO "{app}"': DENIED,
    'GRANT pg_execute_server_program TO "{app}"': DENIED,
    'GRANT pg_read_server_files TO "{app}"': DENIED,
    'GRANT pg_write_server_files TO "{app}"': DENIED,
    'GRANT pg_read_all_data TO "{app}"': DENIED,
    'GRANT pg_write_all_data TO "{app}"': DENIED,
    'GRANT pg_signal_backend TO "{app}"': DENIED,
    'GRANT pg_create_subscription TO "{app}"': DENIED,
    'SET LOCAL ROLE "{postgres}"': DENIED,
    'SET LOCAL ROLE "{replicator}"': DENIED,
    'SET LOCAL ROLE "{rewind}"': DENIED,
    'SET LOCAL ROLE "{monitoring}"': DENIED,
    'SET LOCAL ROLE "{pgbouncer_auth}"': DENIED,
    "SET LOCAL ROLE pg_execute_server_program": DENIED,
    'SET LOCAL SESSION AUTHORIZATION "{postgres}"': DENIED,
    'SET LOCAL SESSION AUTHORIZATION "{monitoring}"': DENIED,
}
SECRETS = {
    "SELECT rolpassword FROM pg_authid": DENIED,
    "SELECT passwd FROM pg_shadow": DENIED,
    "SELECT * FROM pg_hba_file_rules": DENIED,
    "SELECT * FROM pg_ident_file_mappings": DENIED,
    "SELECT * FROM pg_file_settings": DENIED,
    "SELECT pg_show_all_file_settings()": DENIED,
    "SELECT * FROM pg_statistic": DENIED,
    "SELECT * FROM pg_subscription": DENIED,
    "SELECT umoptions FROM pg_user_mapping": DENIED,
    "SELECT * FROM pg_backend_memory_contexts": DENIED,
    "SELECT * FROM pg_shmem_allocations": DENIED,
    "SHOW data_directory": DENIED,
    "SHOW hba_file": DENIED,
    "SHOW config_file": DENIED,
    "SHOW primary_conninfo": DENIED,
    "SELECT * FROM citadelle.schema_version": DENIED,
    "SELECT * FROM citadelle.pgbouncer_lookup('{app}')": DENIED,
}
SERVER = {
    "SELECT pg_reload_conf()": DENIED,
    "SELECT pg_rotate_logfile()": DENIED,
    "SELECT pg_switch_wal()": DENIED,
    "SELECT pg_promote()": DENIED,
    "SELECT pg_wal_replay_pause()": DENIED,
    "SELECT pg_create_restore_point('probe')": DENIED,
    "SELECT pg_backup_start('probe')": DENIED,
    "SELECT pg_stat_reset()": DENIED,
    "SELECT pg_stat_statements_reset()": DENIED,
    "SELECT pg_create_physical_replication_slot('probe')": DENIED,
    "SELECT pg_create_logical_replication_slot('probe', 'pgoutput')": DENIED,
    "SELECT pg_drop_replication_slot('pg1')": DENIED,
    "SELECT pg_replication_origin_create('probe')": DENIED,
    "SELECT pg_log_backend_memory_contexts(pid) FROM pg_stat_activity": DENIED,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{postgres}'": DENIED,
    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE usename = '{postgres}'": DENIED,
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename IS NULL": DENIED,
    "CREATE SUBSCRIPTION probe CONNECTION 'host=127.0.0.1' PUBLICATION p"
    " WITH (connect = false, slot_name = NONE)": DENIED,
    "CREATE PUBLICATION probe FOR ALL TABLES": DENIED,
    "SELECT pg_import_system_collations('pg_catalog')": DENIED,
    "CHECKPOINT": DENIED,
}
CATALOGUE = {
    "CREATE TABLE pg_catalog.probe (x int)": DENIED,
    "CREATE FUNCTION pg_catalog.lower(varchar) RETURNS text LANGUAGE sql AS 'SELECT 1'": DENIED,
    "CREATE TABLE citadelle.probe (x int)": DENIED,
    "CREATE FUNCTION citadelle.pgbouncer_lookup(name) RETURNS int LANGUAGE sql AS 'SELECT 1'": (
        DENIED
    ),
    "CREATE OR REPLACE FUNCTION citadelle.pgbouncer_lookup(text)"
    " RETURNS TABLE (usename name, passwd text) LANGUAGE sql AS $$SELECT 'a'::name, 'b'$$": DENIED,
    "ALTER FUNCTION citadelle.pgbouncer_lookup(text) RESET ALL": DENIED,
    'ALTER FUNCTION citadelle.pgbouncer_lookup(text) OWNER TO "{app}"': DENIED,
    "DROP FUNCTION citadelle.pgbouncer_lookup(text)": DENIED,
    'GRANT EXECUTE ON FUNCTION citadelle.pgbouncer_lookup(text) TO "{app}"': DENIED,
    "ALTER SCHEMA citadelle RENAME TO probe": DENIED,
    'ALTER SCHEMA citadelle OWNER TO "{app}"': DENIED,
    "DROP SCHEMA citadelle CASCADE": DENIED,
    'GRANT USAGE ON SCHEMA citadelle TO "{app}"': DENIED,
    "CREATE SCHEMA pg_probe": RESERVED,
    "UPDATE pg_authid SET rolsuper = true": DENIED,
    "UPDATE pg_proc SET prosecdef = true": DENIED,
    "UPDATE pg_database SET datdba = 10": DENIED,
    "ALTER TABLE pg_class ADD COLUMN x int": DENIED,
    "LOCK TABLE pg_authid IN ACCESS EXCLUSIVE MODE": DENIED,
}
# The database is not the application's: what its owner sets there meets every role that comes in,
# the superuser included (`search_path`), and he could lock the poolers out.
DATABASE = {
    'ALTER DATABASE "{database}" SET search_path = evil, pg_catalog': DENIED,
    "ALTER DATABASE \"{database}\" SET role = '{app}'": DENIED,
    'ALTER DATABASE "{database}" ALLOW_CONNECTIONS false': DENIED,
    'ALTER DATABASE "{database}" CONNECTION LIMIT 0': DENIED,
    'ALTER DATABASE "{database}" OWNER TO "{monitoring}"': DENIED,
    'ALTER DATABASE "{database}" RESET ALL': DENIED,
    "DROP SCHEMA public CASCADE": DENIED,
    'ALTER SCHEMA public OWNER TO "{monitoring}"': DENIED,
    "ALTER DATABASE postgres SET search_path = evil": DENIED,
    "ALTER DATABASE postgres ALLOW_CONNECTIONS false": DENIED,
}
PARAMETERS = {
    "SET LOCAL log_statement = 'none'": DENIED,
    "SET LOCAL log_min_messages = 'panic'": DENIED,
    "SET LOCAL log_min_error_statement = 'panic'": DENIED,
    "SET LOCAL session_replication_role = 'replica'": DENIED,
    "SET LOCAL session_preload_libraries = 'evil'": DENIED,
    "SET LOCAL dynamic_library_path = '/tmp'": DENIED,
    "SET LOCAL allow_system_table_mods = on": DENIED,
    "SET LOCAL zero_damaged_pages = on": DENIED,
    "SET LOCAL lo_compat_privileges = on": DENIED,
    "SET LOCAL is_superuser = on": CANNOT_CHANGE,
    "SET LOCAL log_connections = off": CANNOT_CHANGE,
    "SET LOCAL ssl = off": CANNOT_CHANGE,
    "SET LOCAL hba_file = '/tmp/evil'": CANNOT_CHANGE,
    "SET LOCAL allow_alter_system = on": CANNOT_CHANGE,
}
# PostgreSQL refuses these inside a transaction, before it looks at rights: they run alone, and
# would change nothing that matters.
ALONE = {
    "ALTER SYSTEM SET application_name = 'probe'": NOT_SUPPORTED,
    "ALTER SYSTEM RESET application_name": NOT_SUPPORTED,
    "CREATE DATABASE probe_of_a_test": DENIED,
    "CREATE TABLESPACE probe_of_a_test LOCATION '/nonexistent'": DENIED,
}
TABLES = (
    PROGRAMS_AND_FILES,
    EXTENSIONS,
    ROLES,
    SECRETS,
    SERVER,
    CATALOGUE,
    DATABASE,
    PARAMETERS,
    ALONE,
)
ALL = {sql: state for table in TABLES for sql, state in table.items()}
