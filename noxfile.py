"""Sessions Nox de Citadelle : ce qui se vérifie sans Docker, chaque couche, puis l'ensemble.

`nox` seul : lint, types, unit (sans Docker). `nox -s etcd patroni haproxy pgbouncer` : les couches
du cluster en marche. `nox -s verify` : tout, sur le cluster en marche ou sur un cluster à part.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.2.9"
nox.options.sessions = ["lint", "types", "unit"]
# ./bootstrap has made the one environment from the hashed lock: a session adds nothing to it,
# so that what is tested is what is used, with or without a network.
nox.options.default_venv_backend = "none"


def _python(session: nox.Session, *argv: str) -> None:
    session.run(sys.executable, "-m", *argv)


def _layer(session: nox.Session, name: str, *options: str) -> None:
    _python(session, "pytest", f"tests/{name}", *options, *session.posargs)


@nox.session(tags=["static"])
def lint(session: nox.Session) -> None:
    """Style : ruff (règles et mise en forme), shellcheck."""
    _python(session, "ruff", "check", ".")
    _python(session, "ruff", "format", "--check", ".")
    scripts = ["bootstrap", ".ci/run", "docker/tools/citadelle-etcdctl"]
    scripts += ["docker/pod/hold", "docker/pod/guard"]
    scripts += sorted(str(path) for path in Path("scripts").glob("*.sh"))
    session.run("shellcheck", *scripts, external=True)


@nox.session(tags=["static"])
def types(session: nox.Session) -> None:
    """Types : mypy strict sur le paquet, les tâches et les tests."""
    _python(session, "mypy")


@nox.session
def unit(session: nox.Session) -> None:
    """Tests unitaires, sans Docker."""
    _layer(session, "unit")


@nox.session(default=False, tags=["cluster"])
def etcd(session: nox.Session) -> None:
    """Couche etcd : quorum, mTLS, droits."""
    _layer(session, "etcd")


@nox.session(default=False, tags=["cluster"])
def patroni(session: nox.Session) -> None:
    """Couche PostgreSQL et Patroni : rôles, API REST, pg_hba, réglages."""
    _layer(session, "patroni")


@nox.session(default=False, tags=["cluster"])
def haproxy(session: nox.Session) -> None:
    """Couche HAProxy : entrées, passerelles, tunnel, vraie adresse du client."""
    _layer(session, "haproxy")


@nox.session(default=False, tags=["cluster"])
def pgbouncer(session: nox.Session) -> None:
    """Couche PgBouncer : TLS, authentification, partage des connexions."""
    _layer(session, "pgbouncer")


@nox.session(default=False, tags=["cluster"])
def e2e(session: nox.Session) -> None:
    """Bout en bout : une application réelle, et ce que voit l'exploitant."""
    _layer(session, "e2e", "-m", "not slow")


@nox.session(default=False, tags=["cluster"])
def security(session: nox.Session) -> None:
    """Sécurité : ce qui circule, chaque porte, les conteneurs, les secrets, les flots."""
    _layer(session, "security")


@nox.session(default=False, tags=["cluster"])
def chaos(session: nox.Session) -> None:
    """Charge, bascule, pannes, sur un cluster à part ; « -- -m disruptive » : toutes."""
    _layer(session, "resilience", "-m", "not slow")


@nox.session(default=False, tags=["cluster"])
def multidc(session: nox.Session) -> None:
    """Deux centres de données, sur un cluster à part ; « -- -m disruptive » : tout."""
    _layer(session, "multidc", "-m", "not slow")


@nox.session(default=False)
def airgap_rpms(session: nox.Session) -> None:
    """RPM, roues, paquets Debian, images, bundle : vrais paquets faits sur place."""
    _layer(session, "airgap")


@nox.session(default=False, tags=["cluster"])
def airgap(session: nox.Session) -> None:
    """Sans Internet : du bundle à un cluster éprouvé, isolé ; « -- -m slow » : verify entier."""
    _layer(session, "offline", "-m", "not slow", "--durations=12")


@nox.session(default=False, tags=["cluster"])
def lifecycle(session: nox.Session) -> None:
    """Cycle de vie, sur un cluster à part : refus, interruptions, changement de tous les ports."""
    _layer(session, "lifecycle")


@nox.session(default=False)
def verify(session: nox.Session) -> None:
    """Tout vérifier ; rapport dans reports/. Sans cluster en marche, en monte un à part."""
    _python(session, "citadelle.verify", *session.posargs)
