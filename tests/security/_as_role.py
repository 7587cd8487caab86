"""What a role could do if it were in: statements run as that role, one by one, each undone.

The superuser's own session takes the role's place (SET SESSION AUTHORIZATION): no door is needed,
and what is judged is the role's rights alone.
"""

from __future__ import annotations

from collections.abc import Mapping

from citadelle.settings import Settings
from citadelle.topology import Topology
from tests.probes import postgres
from tests.security import _logins

# psql keeps the SQLSTATE of each statement; what they return is of no interest.
SESSION = """\\set ON_ERROR_STOP off
\\o /dev/null
SET SESSION AUTHORIZATION "{user}";
"""
STATEMENT = "BEGIN;\n{sql};\n\\echo :SQLSTATE\nROLLBACK;\n"


def states(topology: Topology, node: str, account: str, sql: Mapping[str, str]) -> dict[str, str]:
    """Return the SQLSTATE of each statement, run as an account in the application's database.

    In a statement, ``{app}`` and ``{postgres}`` stand for those users.
    """
    s = topology.settings
    user, _ = _logins.login(s, account)
    body = "".join(STATEMENT.format(sql=_named(s, text)) for text in sql.values())
    script = SESSION.format(user=user) + body
    found = postgres.rows(topology, node, script, database=s.app_database)
    return dict(zip(sql, found, strict=True))


def _named(settings: Settings, text: str) -> str:
    return text.format(app=settings.app_user, postgres=settings.postgres_user)
