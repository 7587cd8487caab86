"""What the cluster is worth: its speed, its load, its security."""

from __future__ import annotations

from invoke.context import Context
from invoke.exceptions import Exit
from invoke.tasks import task

from citadelle import engine
from citadelle.audit import page as audit_page
from citadelle.audit import run as audit_run
from citadelle.bench import report as bench_report
from citadelle.bench import run as bench_run
from citadelle.commands.numbers import Number, Whole
from citadelle.commands.shared import cluster, operator
from citadelle.errors import CitadelleError
from citadelle.progress import console
from citadelle.stress import plan as stress_plan
from citadelle.stress import run as stress_run
from citadelle.verify import REPORTS
from citadelle.wan import link as wan_link
from citadelle.wan import steady
from citadelle.wire import prove
from citadelle.wire import report as wire_report
from citadelle.workspace import ROOT


@task(
    help={
        "clients": "Clients simultanés.",
        "seconds": "Durée de chaque mesure ; avec --many, transactions de chaque client.",
        "rounds": "Tours ; les médianes en sont prises.",
        "many": "2 000 clients de PgBouncer contre 100 connexions.",
    }
)
def bench(
    _c: Context,
    clients: int = Whole(16),
    seconds: int = Whole(5),
    rounds: int = Whole(3),
    many: bool = False,
) -> None:
    """Mesurer chaque chemin par rapport au TLS direct.

    Direct, un HAProxy nu, 5000 et PgBouncer, tour à tour ; débit, et temps processeur de chaque
    composant : reports/bench.html et bench.json (bench_many avec --many).
    """
    with operator():
        place = cluster()
        if many:
            found = bench_run.many(*place, seconds, rounds)
        else:
            found = bench_run.usual(*place, clients, seconds, rounds)
        bench_report.write(*found, place[0], "bench_many" if many else "bench")


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
        "lifetime": "Âge auquel le pool du client remplace une connexion (s).",
        "fail_on": "Seuils : gap=3,errors=0,p99=200 (s, nombre, ms).",
    }
)
def stress(
    _c: Context,
    threads: int = Whole(8),
    pause: float = Number(0.0),
    duration: float = Number(60.0),
    requests: int = Whole(0),
    mode: str = "rw",
    path: str = "pooled",
    rate: float = Number(0.0),
    reconnect: bool = False,
    lifetime: float = Number(stress_plan.LIFETIME_SECONDS),
    fail_on: str = "",
) -> None:
    """Charger le cluster et compter chaque écriture acquittée.

    Chaque écriture acquittée est notée, puis cherchée sur le primaire. Code 1 si l'une manque ou
    si un seuil est dépassé ; reports/stress.html et stress.json.
    """
    with operator():
        plan = stress_plan.from_options(
            threads=threads,
            pause=pause,
            duration=duration,
            requests=requests,
            mode=mode,
            path=path,
            rate=rate,
            reconnect=reconnect,
            lifetime=lifetime,
            fail_on=fail_on,
        )
        if stress_run.main(*cluster(), plan):
            raise Exit("La charge a échoué (voir ci-dessus).", code=1)


@task
def audit(_c: Context) -> None:
    """Contrôler la sécurité du cluster et écrire le rapport.

    Chaque contrôle, sa référence, ce qui a été vu et la commande pour le revoir :
    reports/audit.html (imprimable, sans réseau) et audit.json. Code 1 si un point demande une
    décision ; les écarts acceptés sont dans config/audit/ecarts.yml.
    """
    with operator():
        # A refused run must not leave another one's report behind as if it were its own.
        for name in (audit_page.HTML, audit_page.JSON):
            (REPORTS / name).unlink(missing_ok=True)
        found = audit_run.run(*cluster())
        written = audit_page.write(found)
        audit_run.show(found)
        console.print(f"Rapport : {written.relative_to(ROOT)}")
        if found.failed:
            raise Exit("L'audit demande une décision (voir ci-dessus).", code=1)


@task(
    name="wan",
    help={
        "latency": "Retard dans chaque sens.",
        "jitter": "Ce que le retard varie.",
        "loss": "Part des paquets perdus, dans chaque sens.",
        "duration": "Secondes.",
    },
)
def prove_wan(
    _c: Context,
    latency: str = "80ms",
    jitter: str = "20ms",
    loss: str = "2%",
    duration: float = Number(600.0),
) -> None:
    """Montrer que les délais tiennent sur un lien lent.

    Éloigne les centres, charge légèrement, compte élections, primaires et retards, puis rétablit le
    lien : reports/wan.json. Code 1 si quelque chose n'a pas tenu.
    """
    with operator():
        link = wan_link.parse(latency, jitter, loss)
        if duration <= 0:
            raise CitadelleError(f"--duration : {duration:g} doit être positif.")
        found = steady.run(*cluster(), link, duration)
        steady.show(found)
        console.print(f"Rapport : {steady.write(found, REPORTS).relative_to(ROOT)}")
        if found.problems():
            raise Exit("Quelque chose n'a pas tenu (voir ci-dessus).", code=1)


@task(name="wire")
def prove_wire(_c: Context) -> None:
    """Capturer tout ce qui circule, sur un cluster à part, et le juger.

    Monte un cluster, lui fait tout faire (bascule, réplica reconstruit, annulations, mots de
    passe faux...), juge chaque octet de chaque réseau : reports/wire.html et wire.json.
    """
    with operator():
        wire_report.forget(REPORTS)
        engine.require()
        result = prove.on_a_cluster_apart(REPORTS)
        console.print(wire_report.table(result))
        for problem in result.problems:
            console.print(f"[red]✘[/] {problem}")
        console.print("Rapport : reports/wire.html")
        if result.problems:
            raise Exit(f"{len(result.problems)} problèmes.", code=1)
