"""PostgreSQL's roles, rights and code, as the catalogue of the primary says them."""

from __future__ import annotations

from collections.abc import Callable, Collection

from citadelle.audit.control import Cluster, Control, Finding
from citadelle.audit.reads import judged, leader, sql, sql_command

Check = Callable[[Cluster], Finding]
CIS = "CIS PostgreSQL 17 v1.1.0, "
LOOKUP = "citadelle.pgbouncer_lookup search_path=pg_catalog, pg_temp"

DATABASES = "SELECT datname FROM pg_database WHERE datallowconn ORDER BY 1;"
SUPERUSERS = "SELECT rolname FROM pg_roles WHERE rolsuper;"
POWERS = """
SELECT rolname || ' : ' || concat_ws(', ', CASE WHEN rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN rolcreatedb THEN 'CREATEDB' END, CASE WHEN rolbypassrls THEN 'BYPASSRLS' END,
    CASE WHEN rolreplication THEN 'REPLICATION' END)
FROM pg_roles
WHERE NOT rolsuper AND (rolcreaterole OR rolcreatedb OR rolbypassrls OR rolreplication);
"""
VERIFIERS = """
SELECT rolname || CASE WHEN rolpassword IS NULL THEN ' : sans mot de passe'
    ELSE ' : autre chose que SCRAM' END
FROM pg_authid WHERE rolcanlogin AND coalesce(rolpassword, '') NOT LIKE 'SCRAM-SHA-256$%';
"""
MEMBERS = """
SELECT m.rolname || ' dans ' || g.rolname
FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE m.rolname NOT LIKE 'pg\\_%';
"""
# Databases that nobody enters (template0) keep PostgreSQL's own rights.
PUBLIC_DATABASES = """
SELECT d.datname || ' : ' || a.privilege_type
FROM pg_database d, aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a
WHERE a.grantee = 0 AND d.datallowconn;
"""
PUBLIC_SCHEMAS = """
SELECT n.nspname || ' : CREATE' FROM pg_namespace n, aclexplode(n.nspacl) a
WHERE a.grantee = 0 AND a.privilege_type = 'CREATE';
"""
# C functions, foreign servers and subscriptions reach outside of the database. Those C functions
# that are PostgreSQL's own were made with the cluster (FirstNormalObjectId, access/transam.h); by
# their number, not by their schema: a superuser's may lie in pg_catalog too.
FOREIGN = """
SELECT 'langage ' || lanname FROM pg_language
    WHERE lanname NOT IN ('internal', 'c', 'sql', 'plpgsql')
UNION ALL SELECT 'fonction C ' || p.oid::regprocedure
    FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE l.lanname = 'c' AND p.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
UNION ALL SELECT 'extension ' || extname FROM pg_extension
    WHERE extname NOT IN ('plpgsql', 'pg_stat_statements')
UNION ALL SELECT 'serveur étranger ' || srvname FROM pg_foreign_server
UNION ALL SELECT 'souscription ' || subname FROM pg_subscription
UNION ALL SELECT 'déclencheur d''événement ' || evtname FROM pg_event_trigger;
"""
DEFINERS = """
SELECT p.oid::regproc || ' ' || coalesce(array_to_string(p.proconfig, ' '), 'sans search_path')
    || CASE WHEN has_function_privilege('public', p.oid, 'EXECUTE') THEN ' (PUBLIC)' ELSE '' END
FROM pg_proc p WHERE p.prosecdef;
"""
OVERRIDES = """
SELECT coalesce(r.rolname, 'tous') || ' : ' || array_to_string(s.setconfig, ', ')
FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole;
"""


def _only(query: str, allowed: Callable[[Cluster], Collection[str]], good: str) -> Check:
    """Return a check that one query on the primary gives these rows and no other."""

    def check(cluster: Cluster) -> Finding:
        node = leader(cluster)
        wanted = set(allowed(cluster))
        found = {row for row in sql(cluster, node, query) if row}
        faults = [f"en trop : {row}" for row in sorted(found - wanted)]
        faults += [f"absent : {row}" for row in sorted(wanted - found)]
        return judged(faults, good, _command(cluster, node, query))

    return check


def _nowhere(query: str, good: str, allowed: Callable[[Cluster], Collection[str]]) -> Check:
    """Return a check that in no database one query gives rows beyond the allowed ones.

    The application's must be among those that were read, and have these.
    """

    def check(cluster: Cluster) -> Finding:
        node, application = leader(cluster), cluster.topology.settings.app_database
        databases = [name for name in sql(cluster, node, DATABASES) if name]
        found = {name: sql(cluster, node, query, name) for name in databases}
        faults = [
            f"{database} : {row}"
            for database, rows in found.items()
            for row in rows
            if row and row not in allowed(cluster)
        ]
        if application not in found:
            faults.append(f"{application} : base non lue")
        missing = set(allowed(cluster)) - set(found.get(application, ()))
        faults += [f"{application} : absent : {row}" for row in sorted(missing)]
        command = _command(cluster, node, query, application)
        return judged(faults, f"{', '.join(databases)} : {good}", command)

    return check


def _command(cluster: Cluster, node: str, query: str, database: str = "postgres") -> str:
    return sql_command(cluster, node, " ".join(query.split()), database)


def _nothing(_cluster: Cluster) -> tuple[str, ...]:
    return ()


CONTROLS = (
    Control(
        "PG-30",
        "Un seul superutilisateur",
        (CIS + "4.3",),
        _only(
            SUPERUSERS,
            lambda c: [c.topology.settings.postgres_user],
            "celui de POSTGRES_USER",
        ),
    ),
    Control(
        "PG-31",
        "Aucun pouvoir de plus aux autres rôles",
        (CIS + "4.3", CIS + "7.1"),
        _only(
            POWERS,
            lambda c: [f"{c.topology.settings.replicator_user} : REPLICATION"],
            "REPLICATION pour le seul rôle de réplication ; ni CREATEROLE, ni CREATEDB, "
            "ni BYPASSRLS",
        ),
    ),
    Control(
        "PG-32",
        "Tout compte a un mot de passe, en SCRAM",
        (CIS + "4.10",),
        _only(VERIFIERS, _nothing, "toutes les empreintes sont SCRAM-SHA-256"),
    ),
    Control(
        "PG-33",
        "Aucun rôle n'en hérite d'un autre, sauf la supervision",
        ("Manuel PostgreSQL 17, 21.5",),
        _only(
            MEMBERS,
            lambda c: [f"{c.topology.settings.monitoring_user} dans pg_monitor"],
            "la supervision dans pg_monitor, rien d'autre : ni fichiers, ni programmes du serveur",
        ),
    ),
    Control(
        "PG-34",
        "PUBLIC n'a aucun droit sur les bases",
        (),
        _only(PUBLIC_DATABASES, _nothing, "ni CONNECT, ni TEMPORARY, sur aucune base ouverte"),
    ),
    Control(
        "PG-35",
        "PUBLIC ne crée rien dans les schémas",
        ("Manuel PostgreSQL 17, 5.10",),
        _nowhere(PUBLIC_SCHEMAS, "CREATE sur aucun schéma", _nothing),
    ),
    Control(
        "PG-36",
        "Aucun code ni lien vers l'extérieur",
        (),
        _nowhere(
            FOREIGN, "ni langage, fonction C, extension, serveur étranger ou souscription", _nothing
        ),
    ),
    Control(
        "PG-37",
        "Une seule fonction aux droits de son auteur",
        (CIS + "4.5",),
        _nowhere(
            DEFINERS,
            "pgbouncer_lookup seule, search_path fixé, fermée à PUBLIC",
            lambda _c: (LOOKUP,),
        ),
    ),
    Control(
        "PG-38",
        "Aucun réglage propre à un rôle ou à une base",
        (),
        _only(OVERRIDES, _nothing, "pg_db_role_setting est vide"),
    ),
)
