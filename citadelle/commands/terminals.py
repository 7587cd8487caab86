"""A terminal on each component, with the operator's own certificates."""

from __future__ import annotations

import shlex
import sys

from invoke.context import Context
from invoke.tasks import task

from citadelle import accounts, engine, show
from citadelle.commands.shared import cluster, finish, operator, tools_run, tty
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.workspace import ROOT


@task(help={"path": "pooled, rw, ro, pooled_ro, ou superuser (dans le primaire)."})
def psql(_c: Context, path: str = "pooled") -> None:
    """Ouvrir psql : pooler, 5000, 5001 ou superutilisateur."""
    with operator():
        topology, place = cluster()
        if path == "superuser":
            leader = Patroni(topology, place).leader()
            if leader is None:
                raise CitadelleError("Aucun primaire : voir « invoke status ».")
            container = f"{topology.settings.cluster_name}-{leader}"
            finish(engine.interactive(["exec", tty(), container, *accounts.psql_argv(topology)]))
        else:
            tools_run("psql", *show.psql_arguments(topology, path))


@task(
    name="etcdctl",
    help={"arguments": "Arguments d'etcdctl, entre guillemets.", "user": "patroni ou root."},
)
def etcdctl(_c: Context, arguments: str = "endpoint status -w table", user: str = "root") -> None:
    """Lancer etcdctl avec le certificat de l'exploitant.

    Exemple : invoke etcdctl --arguments "get --prefix --keys-only /service/citadelle/"
    """
    with operator():
        tools_run("citadelle-etcdctl", user, *words(arguments))


def words(text: str) -> list[str]:
    """Return arguments as a shell would part them; CitadelleError when a quote is left open."""
    try:
        return shlex.split(text)
    except ValueError:
        raise CitadelleError(f"« {text} » : guillemet jamais refermé.") from None


@task(help={"arguments": "Arguments de patronictl, entre guillemets."})
def patronictl(_c: Context, arguments: str = "list") -> None:
    """Lancer patronictl avec le certificat de l'exploitant."""
    with operator():
        tools_run("patronictl", "-c", "/etc/citadelle/patronictl.yml", *words(arguments))


@task(help={"node": "Conteneur : etcd1, pg1, pg1-gw, haproxy1, pgbouncer1, tools."})
def sh(_c: Context, node: str) -> None:
    """Ouvrir un shell dans un conteneur."""
    with operator():
        topology, _ = cluster()
        if node == "tools":
            tools_run("bash")
        container = f"{topology.settings.cluster_name}-{node}"
        finish(engine.interactive(["exec", tty(), container, "bash"]))


@task(help={"check": "Dire seulement ce qui est présent ou manque.", "dry_run": "Ne rien faire."})
def tools(c: Context, check: bool = False, dry_run: bool = False) -> None:
    """Installer les outils de diagnostic hors conteneurs."""
    option = "--check" if check else "--dry-run" if dry_run else ""
    c.run(f"bash '{ROOT}/scripts/install_local_tools.sh' {option}", pty=sys.stdin.isatty())
