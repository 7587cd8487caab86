"""What a running component reads again without a restart: PostgreSQL's pg_hba.conf.

``delivery.RELOADED`` names the files: a change of these alone replaces no container.
"""

from __future__ import annotations

from citadelle import accounts
from citadelle.errors import CitadelleError
from citadelle.topology import PG, Topology

# What PostgreSQL would not take, as it sees the file (manual, 52.10).
ERRORS = """
SELECT line_number || ' : ' || error FROM pg_hba_file_rules WHERE error IS NOT NULL;
"""
# `change` is when the delivery wrote the file. Rules are read by the postmaster soon afterwards.
RELOAD = """
SELECT pg_reload_conf() FROM pg_stat_file(current_setting('hba_file')) AS file
WHERE file.change > pg_conf_load_time();
"""


def pg_hba(topology: Topology) -> list[str]:
    """Make each node read its pg_hba.conf again if it is newer; return the nodes that do.

    Raises:
        CitadelleError: when PostgreSQL would refuse a line; the rules in force stay.
    """
    for node in PG:
        if wrong := accounts.run_sql(topology, node, ERRORS).strip():
            raise CitadelleError(
                f"pg_hba.conf de {node}, ligne {wrong}. Les règles en vigueur restent, mais "
                "PostgreSQL ne redémarrerait pas : corrigez PG_HBA_EXTRA dans .env, puis "
                "« invoke up »."
            )
    return [node for node in PG if accounts.run_sql(topology, node, RELOAD).strip() == "t"]
