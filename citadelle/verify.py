"""Everything that can be proven, in one run: ``python -m citadelle.verify`` (`nox -s verify`).

Uses this checkout's cluster if it is running, and leaves it; otherwise brings up one of its own
beside whatever runs, and removes it afterwards. Goes on past a failing stage.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from citadelle import lifecycle, progress, sandbox, settings, status
from citadelle.errors import CitadelleError
from citadelle.progress import console
from citadelle.topology import Topology
from citadelle.workspace import HOME_VARIABLE, ROOT, Home
from citadelle.workspace import home as current_home

# Nox sessions, in the order of the report; only tests count in its last line.
STATIC = ("lint", "types", "unit")
CLUSTER = (
    "etcd",
    "patroni",
    "haproxy",
    "pgbouncer",
    "e2e",
    "security",
    "lifecycle",
    "chaos",
    "multidc",
)
WITHOUT_TESTS = ("lint", "types")
REPORTS = ROOT / "reports"


@dataclass(frozen=True)
class Stage:
    """How one stage ended; ``problem`` is empty when it passed."""

    name: str
    seconds: float
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problem: str = ""


def main(argv: list[str]) -> int:
    """Run the stages named in ``argv``, or all; return 1 when anything failed."""
    wanted = argv or [*STATIC, *CLUSTER]
    unknown = set(wanted) - {*STATIC, *CLUSTER}
    if unknown:
        known = ", ".join((*STATIC, *CLUSTER))
        console.print(f"Étape inconnue : {', '.join(sorted(unknown))} (connues : {known}).")
        return 2
    stages = [_run(name, {}) for name in STATIC if name in wanted]
    stages += _cluster_stages([name for name in CLUSTER if name in wanted])
    _report(stages)
    return 1 if any(stage.problem for stage in stages) else 0


def _cluster_stages(names: list[str]) -> list[Stage]:
    if not names:
        return []
    stages: list[Stage] = []
    start = time.monotonic()
    try:
        with _cluster() as place:
            stages.append(Stage("cluster", time.monotonic() - start))
            for name in names:
                stages.append(_run(name, {HOME_VARIABLE: str(place.path)}))
            start = time.monotonic()  # only the removal is left: what the stages showed stays
    except CitadelleError as error:
        console.print(f"[red]✘[/] {error}")
        stages.append(Stage("cluster", time.monotonic() - start, problem=str(error)))
    return stages


@contextmanager
def _cluster() -> Iterator[Home]:
    """Yield the home of a running cluster: this checkout's, or one that lasts as long."""
    mine = current_home()
    if _running(mine):
        found = settings.load(mine.env_file)
        if found.pooling == "souple":
            console.print(f"Cluster en marche : « {found.cluster_name} ».")
            yield mine
            return
        console.print("POOLING=strict ferme 5000 et 5001 aux tests : le cluster reste à l'écart.")
    topology, place = sandbox.prepare("verify")
    console.print(f"Cluster à part : « {topology.settings.cluster_name} ».")
    try:
        lifecycle.up(topology, place)
        yield place
    finally:
        sandbox.remove(place)


def _running(place: Home) -> bool:
    """Tell whether this checkout's own cluster runs: same name, same authority."""
    if not place.env_file.is_file() or not (place.pki / "server" / "ca.crt").is_file():
        return False
    topology = Topology(settings.load(place.env_file))
    return "absent" not in status.containers(topology, place).values()


def _run(name: str, environment: dict[str, str]) -> Stage:
    console.rule(name)
    start = time.monotonic()
    argv = [sys.executable, "-m", "nox", "--session", name]
    junit = _junit(name)
    if name not in WITHOUT_TESTS:
        junit.unlink(missing_ok=True)
        argv += ["--", f"--junitxml={junit}"]
    code = subprocess.run(  # our own interpreter and session names
        argv, cwd=ROOT, env={**os.environ, **environment}, check=False
    ).returncode
    seconds = time.monotonic() - start
    problem = f"code {code}" if code else ""
    if name in WITHOUT_TESTS:
        return Stage(name, seconds, problem=problem)
    return _counted(name, seconds, junit, problem)


def _junit(name: str) -> Path:
    return REPORTS / "junit" / f"{name}.xml"


def _counted(name: str, seconds: float, junit: Path, problem: str) -> Stage:
    """Return the stage with what JUnit counted; a stage that ran no test has failed."""
    if not junit.is_file():
        return Stage(name, seconds, problem=problem or "aucun résultat")
    suite = ElementTree.parse(junit).getroot().find("testsuite")  # noqa: S314  # pytest's own file
    count = (
        {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
        if suite is not None
        else {}
    )
    failed = count.get("failures", 0) + count.get("errors", 0)
    passed = count.get("tests", 0) - failed - count.get("skipped", 0)
    if not passed and not problem:
        problem = "aucun test n'a tourné"
    return Stage(name, seconds, passed, failed, count.get("skipped", 0), problem)


def _report(stages: list[Stage]) -> None:
    numbers = ("Réussis", "Échoués", "Sautés", "Durée (s)")
    grid = progress.table("Vérification", "Étape", "Résultat", *numbers, numbers=numbers)
    for s in stages:
        verdict = f"[red]✘ {s.problem}[/]" if s.problem else "[green]✔[/]"
        counts = (str(s.passed), str(s.failed), str(s.skipped))
        grid.add_row(s.name, verdict, *counts, f"{s.seconds:.0f}")
    console.print(grid)
    _write(stages)
    broken = sum(1 for s in stages if s.problem and not s.failed)
    passed = sum(s.passed for s in stages) + sum(not s.problem for s in stages if not s.passed)
    failed = sum(s.failed for s in stages) + broken
    console.print(f"Rapport : {(REPORTS / 'verify.html').relative_to(ROOT)}")
    console.print(f"{passed} passed, {failed} failed")


def _write(stages: list[Stage]) -> None:
    REPORTS.mkdir(exist_ok=True)
    rows = [asdict(stage) for stage in stages]
    (REPORTS / "verify.json").write_text(json.dumps(rows, ensure_ascii=False, indent=2))
    templates = FileSystemLoader(Path(__file__).parent / "templates")
    html = Environment(loader=templates, autoescape=True, undefined=StrictUndefined)
    page = html.get_template("verify.html.j2").render(
        stages=stages, date=datetime.now(UTC), failures=list(_failures(stages))
    )
    (REPORTS / "verify.html").write_text(page, encoding="utf-8")


def _failures(stages: list[Stage]) -> Iterator[tuple[str, str]]:
    """Yield each failed test of these stages and what pytest said; other runs left files too."""
    ran = [stage.name for stage in stages if stage.name in {*STATIC, *CLUSTER} - {*WITHOUT_TESTS}]
    for junit in (path for name in ran if (path := _junit(name)).is_file()):
        for case in ElementTree.parse(junit).getroot().iter("testcase"):  # noqa: S314  # our own
            for kind in ("failure", "error"):
                for found in case.findall(kind):
                    yield f"{case.get('classname')}.{case.get('name')}", found.text or ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
