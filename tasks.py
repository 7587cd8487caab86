"""Invoke tasks: the operator's commands. Thin: what they do lives in ``citadelle/``."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator

from invoke.collection import Collection
from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task
from rich.live import Live

from citadelle import accounts, compose, engine, env, images, lifecycle, pki, settings, show, status
from citadelle import bench as bench_
from citadelle.airgap import rpms
from citadelle.audit import page as audit_page
from citadelle.audit import run as audit_run
from citadelle.errors import CitadelleError
from citadelle.patroni import Patroni
from citadelle.progress import Steps, console
from citadelle.stress import plan as stress_plan
from citadelle.stress import run as stress_run
from citadelle.topology import Topology
from citadelle.verify import REPORTS
from citadelle.wire import prove
from citadelle.wire import report as wire_report
from citadelle.workspace import ROOT, Home, home


@contextlib.contextmanager
def _operator() -> Iterator[None]:
    """Turn an operator's mistake into a message and exit code 2, Ctrl-C into 130."""
    try:
        yield
    except CitadelleError as error:
        raise Exit(f"erreur : {error}", code=2) from None
    except KeyboardInterrupt:
        raise Exit("Interrompu ; « invoke up » reprend où il en était.", code=130) from None


def _cluster() -> tuple[Topology, Home]:
    return Topology(settings.load(home().env_file)), home()


@task(name="env")
def env_(_c: Context) -> None:
    """Créer .env avec des secrets aléatoires, s'il manque."""
    with _operator():
        if env.create(home()):
            console.print(".env créé (mode 0600), secrets tirés au hasard. Relisez-le.")
        else:
            console.print(".env existe : inchangé.")
        settings.load(home().env_file)


@task
def certs(_c: Context) -> None:
    """Émettre les certificats absents ou bientôt expirés."""
    with _operator():
        if env.create(home()):
            console.print(".env créé (mode 0600), secrets tirés au hasard.")
        topology, place = _cluster()
        issued = pki.ensure(place, topology)
        for certificate in issued:
            console.print(f"  émis  {certificate.file}  ({certificate.reason})")
        console.print(
            f"{len(issued)} certificats émis. Autorité des clients : {place.pki}/server/ca.crt"
        )


@task(name="list")
def certs_list(_c: Context) -> None:
    """Montrer chaque certificat : plan, sujet, noms, usages, fin."""
    with _operator():
        topology, place = _cluster()
        console.print(show.certificates(pki.rows(place, topology)))


@task(name="check", help={"days": "Signaler ce qui expire dans ce nombre de jours."})
def certs_check(_c: Context, days: int = 15) -> None:
    """Contrôler chaînes, noms, clés et dates ; code 1 si un défaut."""
    with _operator():
        topology, place = _cluster()
        found = pki.problems(place, topology, days)
        for problem in found:
            console.print(f"[red]✘[/] {problem}")
        if found:
            raise Exit(f"{len(found)} défauts.", code=1)
        console.print(f"{len(pki.rows(place, topology))} certificats en règle.")


@task
def build(_c: Context) -> None:
    """Construire les images absentes et montrer leur taille."""
    with _operator():
        topology, place = _cluster()
        engine.require()
        pki.require(place, topology)
        images.build(topology, place, Steps())
        console.print(show.images(images.sizes(topology)))


@task
def up(_c: Context) -> None:
    """Amener le cluster à l'état décrit par .env, prêt à servir."""
    with _operator():
        topology, place = _cluster()
        lifecycle.report(topology, place, lifecycle.up(topology, place))


@task
def down(_c: Context) -> None:
    """Arrêter le cluster ; les données restent."""
    with _operator(), Steps().step("Arrêt"):
        lifecycle.down(*_cluster())


@task(
    help={
        "yes": "Ne pas demander de confirmation.",
        "images": "Supprimer aussi les images du cluster.",
        "ca": "Empreinte de l'autorité du cluster visé, si ses certificats sont perdus.",
    }
)
def destroy(_c: Context, yes: bool = False, images: bool = False, ca: str = "") -> None:
    """Supprimer le cluster ET SES DONNÉES, après confirmation."""
    with _operator():
        topology, place = _cluster()
        name, authority = topology.settings.cluster_name, ca or pki.fingerprint(place)
        if not yes and input(f"Données de « {name} » perdues. Tapez son nom : ").strip() != name:
            raise Exit("Rien n'a été supprimé.", code=2)
        removed = lifecycle.destroy(name, authority)
        if images:
            removed += lifecycle.remove_images(name, authority)
        console.print(f"{len(removed)} objets supprimés.")


@task(
    name="status",
    help={
        "json": "Écrire l'état en JSON (interface stable).",
        "watch": "Rafraîchir toutes les deux secondes jusqu'à Ctrl-C.",
    },
)
def status_(_c: Context, json: bool = False, watch: bool = False) -> None:
    """Montrer nœuds, rôles, retards, adresses ; code 1 si malsain."""
    with _operator():
        topology, place = _cluster()
        if watch:
            _watch(topology, place)
        seen = status.observe(topology, place)
        _print_status(seen, as_json=json)
        if seen.problems():
            raise Exit("", code=1)


def _print_status(seen: status.Status, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(seen.as_json(), ensure_ascii=False, indent=2) + "\n")
        return
    console.print(status.table(seen))
    for problem in seen.problems():
        console.print(f"[red]✘[/] {problem}")


def _watch(topology: Topology, place: Home) -> None:
    with contextlib.suppress(KeyboardInterrupt), Live(console=console) as live:
        while True:
            live.update(status.table(status.observe(topology, place)))
            time.sleep(2)


@task(help={"node": "Conteneur (pg1, haproxy1...) ; tous sinon.", "follow": "Suivre (Ctrl-C)."})
def logs(_c: Context, node: str = "", follow: bool = False) -> None:
    """Montrer les journaux d'un conteneur ou de tous."""
    with _operator():
        options = ["--follow"] if follow else ["--tail=200"]
        nodes = [node] if node else []
        _compose("logs", *options, *nodes)


@task(help={"path": "pooled, rw, ro, pooled_ro, ou superuser (dans le primaire)."})
def psql(_c: Context, path: str = "pooled") -> None:
    """Ouvrir psql : pooler, 5000, 5001 ou superutilisateur."""
    with _operator():
        topology, place = _cluster()
        if path == "superuser":
            leader = Patroni(topology, place).leader()
            if leader is None:
                raise CitadelleError("Aucun primaire : voir « invoke status ».")
            container = f"{topology.settings.cluster_name}-{leader}"
            _finish(engine.interactive(["exec", _tty(), container, *accounts.psql_argv(topology)]))
        else:
            _tools("psql", *show.psql_arguments(topology, path))


@task(
    name="etcdctl",
    help={"arguments": "Arguments d'etcdctl, entre guillemets.", "user": "patroni ou root."},
)
def etcdctl(_c: Context, arguments: str = "endpoint status -w table", user: str = "root") -> None:
    """Lancer etcdctl avec le certificat de l'exploitant.

    Exemple : invoke etcdctl --arguments "get --prefix --keys-only /service/citadelle/"
    """
    with _operator():
        _tools("citadelle-etcdctl", user, *arguments.split())


@task(help={"arguments": "Arguments de patronictl, entre guillemets."})
def patronictl(_c: Context, arguments: str = "list") -> None:
    """Lancer patronictl avec le certificat de l'exploitant."""
    with _operator():
        _tools("patronictl", "-c", "/etc/citadelle/patronictl.yml", *arguments.split())


@task(help={"node": "Machine à redémarrer : etcd1, pg2, haproxy1, pgbouncer1..."})
def restart(_c: Context, node: str) -> None:
    """Redémarrer une machine et attendre que le cluster soit sain."""
    with _operator(), Steps().step(f"Redémarrage de {node}"):
        lifecycle.restart(*_cluster(), node)


@task(help={"node": "Conteneur : etcd1, pg1, pg1-gw, haproxy1, pgbouncer1, tools."})
def sh(_c: Context, node: str) -> None:
    """Ouvrir un shell dans un conteneur."""
    with _operator():
        topology, _ = _cluster()
        if node == "tools":
            _tools("bash")
        container = f"{topology.settings.cluster_name}-{node}"
        _finish(engine.interactive(["exec", _tty(), container, "bash"]))


@task(help={"node": "Conteneur ; tous sinon.", "file": "Un seul fichier, par exemple patroni.yml."})
def render(_c: Context, node: str = "", file: str = "") -> None:
    """Montrer ce qu'un conteneur lira, secrets masqués."""
    with _operator():
        topology, place = _cluster()
        sys.stdout.write(show.rendered(topology, place, node, file))


@task(help={"clients": "Clients simultanés.", "seconds": "Durée de chaque mesure."})
def bench(_c: Context, clients: int = 16, seconds: int = 10) -> None:
    """Mesurer chaque chemin par rapport au TLS direct."""
    with _operator():
        bench_.report(bench_.run(*_cluster(), clients, seconds))


@task(
    help={
        "threads": "Clients simultanés.",
        "pause": "Secondes entre deux requêtes d'un client.",
        "duration": "Secondes au plus (0 : jusqu'à Ctrl-C).",
        "requests": "Requêtes au plus (0 : sans limite).",
        "mode": "rw, ro ou mixed.",
        "path": "pooled, rw ou ro.",
        "rate": "Requêtes par seconde imposées (0 : au plus vite).",
        "reconnect": "Une connexion par requête.",
        "fail_on": "Seuils : gap=3,errors=0,p99=200 (s, nombre, ms).",
    }
)
def stress(
    _c: Context,
    threads: int = 8,
    pause: float = 0.0,
    duration: float = 60.0,
    requests: int = 0,
    mode: str = "rw",
    path: str = "pooled",
    rate: float = 0.0,
    reconnect: bool = False,
    fail_on: str = "",
) -> None:
    """Charger le cluster et compter chaque écriture acquittée.

    Chaque écriture acquittée est notée, puis cherchée sur le primaire. Code 1 si l'une manque ou
    si un seuil est dépassé ; reports/stress.html et stress.json.
    """
    with _operator():
        plan = stress_plan.from_options(
            threads=threads,
            pause=pause,
            duration=duration,
            requests=requests,
            mode=mode,
            path=path,
            rate=rate,
            reconnect=reconnect,
            fail_on=fail_on,
        )
        if stress_run.main(*_cluster(), plan):
            raise Exit("La charge a échoué (voir ci-dessus).", code=1)


@task
def audit(_c: Context) -> None:
    """Contrôler la sécurité du cluster et écrire le rapport.

    Chaque contrôle, sa référence, ce qui a été vu et la commande pour le revoir :
    reports/audit.html (imprimable, sans réseau) et audit.json. Code 1 si un point demande une
    décision ; les écarts acceptés sont dans config/audit/ecarts.yml.
    """
    with _operator():
        found = audit_run.run(*_cluster())
        written = audit_page.write(found)
        audit_run.show(found)
        console.print(f"Rapport : {written.relative_to(ROOT)}")
        if found.failed:
            raise Exit("L'audit demande une décision (voir ci-dessus).", code=1)


@task(name="wire")
def prove_wire(_c: Context) -> None:
    """Capturer tout ce qui circule, sur un cluster à part, et le juger.

    Monte un cluster, lui fait tout faire (bascule, réplica reconstruit, annulations, mots de
    passe faux...), juge chaque octet de chaque réseau : reports/wire.html et wire.json.
    """
    with _operator():
        engine.require()
        result = prove.on_a_cluster_apart(REPORTS)
        console.print(wire_report.table(result))
        for problem in result.problems:
            console.print(f"[red]✘[/] {problem}")
        console.print("Rapport : reports/wire.html")
        if result.problems:
            raise Exit(f"{len(result.problems)} problèmes.", code=1)


@task(
    name="rpms",
    help={
        "el": "Version majeure de la famille RHEL : 8, 9 ou 10.",
        "arch": "x86_64 ou aarch64.",
        "pg": "Version majeure de PostgreSQL.",
        "download": "Télécharger, vérifier, et faire un dépôt pour dnf.",
        "depots": "Autre fichier de dépôts que config/airgap/depots.yml.",
        "to": "Dossier où écrire, à la place de dist/rpms.",
    },
)
def airgap_rpms(
    _c: Context,
    el: str = "9",
    arch: str = "x86_64",
    pg: str = "17",
    download: bool = False,
    depots: str = "",
    to: str = "",
) -> None:
    """Choisir et prendre les RPM d'une machine RHEL."""
    with _operator():
        request = rpms.requested(el, arch, pg, depots, to)
        rpms.report(request, rpms.run(request, fetch=download, steps=Steps()))


@task(help={"check": "Dire seulement ce qui est présent ou manque.", "dry_run": "Ne rien faire."})
def tools(c: Context, check: bool = False, dry_run: bool = False) -> None:
    """Installer les outils de diagnostic hors conteneurs."""
    option = "--check" if check else "--dry-run" if dry_run else ""
    c.run(f"bash '{ROOT}/scripts/install_local_tools.sh' {option}", pty=sys.stdin.isatty())


def _tty() -> str:
    return "-it" if sys.stdin.isatty() else "-i"


def _finish(code: int) -> None:
    raise Exit("", code=code)


def _compose(*argv: str) -> None:
    topology, place = _cluster()
    lifecycle.write_compose_env(topology, place)
    _finish(engine.interactive(compose.command(place.compose_env, *argv)))


def _tools(*argv: str) -> None:
    """Run a command in a tools container that lives as long as the command."""
    terminal = [] if sys.stdin.isatty() else ["--no-TTY"]
    _compose("run", "--rm", "--no-deps", *terminal, "tools", *argv)


namespace = Collection(
    *(env_, build, up, down, destroy, status_, logs, psql, etcdctl, patronictl),
    *(restart, sh, render, bench, stress, audit, tools),
)
_certs = Collection("certs")
_certs.add_task(certs, name="issue", default=True)  # type: ignore[arg-type]  # `task` is untyped
_certs.add_task(certs_list)
_certs.add_task(certs_check)
namespace.add_collection(_certs)
_prove = Collection("prove")
_prove.add_task(prove_wire)
namespace.add_collection(_prove)
_airgap = Collection("airgap")
_airgap.add_task(airgap_rpms)
namespace.add_collection(_airgap)
