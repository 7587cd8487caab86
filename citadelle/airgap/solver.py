"""The closure of what is wanted, computed by libsolv: the solver of dnf itself."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import solv

from citadelle.airgap import metadata
from citadelle.airgap.metadata import Metadata
from citadelle.airgap.modules import Modules
from citadelle.airgap.repositories import Repository
from citadelle.airgap.target import Target
from citadelle.airgap.transport import Remote
from citadelle.airgap.wanted import Wanted
from citadelle.errors import CitadelleError

# More is noise: the first ones name the cause.
SHOWN_PROBLEMS = 10
# Names, versions and architectures become file names: nothing else may be in them.
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]*")


@dataclass(frozen=True)
class Package:
    """One RPM to fetch; ``evr`` is epoch:version-release, ``built`` seconds since 1970."""

    name: str
    evr: str
    arch: str
    repository: Repository
    remote: Remote
    built: int

    @property
    def identity(self) -> str:
        """Return ``name-epoch:version-release.arch``, as an RPM's header says it."""
        return f"{self.name}-{self.evr}.{self.arch}"

    @property
    def file(self) -> str:
        """Return the file name that rpm gives a package."""
        return f"{self.name}-{self.evr.partition(':')[2]}.{self.arch}.rpm"


@dataclass(frozen=True)
class Resolution:
    """What is to be fetched; ``absent`` are optional packages that no repository has."""

    packages: tuple[Package, ...]
    absent: tuple[Wanted, ...]
    modules: str


class Sack:
    """All packages of all repositories, as dnf would see them on a host of the target."""

    def __init__(self, target: Target, found: Sequence[Metadata], disabled: Iterable[str]) -> None:
        self.pool = solv.Pool()
        self.pool.setdisttype(solv.Pool.DISTTYPE_RPM)
        self.pool.setarch(target.arch)
        self.modules = Modules(disabled=tuple(disabled))
        with tempfile.TemporaryDirectory() as scratch:
            for one in found:
                self._add(one, Path(scratch))
        self._hide((target.arch, "noarch"))
        self.pool.addfileprovides()
        self.pool.createwhatprovides()

    def _add(self, one: Metadata, scratch: Path) -> None:
        repo = self.pool.add_repo(one.repository.name)
        repo.priority = -one.repository.priority  # libsolv: the highest wins; dnf: the lowest
        repo.appdata = one.repository
        files = {kind: metadata.readable(path, scratch) for kind, path in one.files.items()}
        read = repo.add_rpmmd(metadata.opened(files["primary"]), None, 0)
        if read and "filelists" in files:
            flags = solv.Repo.REPO_LOCALPOOL | solv.Repo.REPO_EXTEND_SOLVABLES
            read = repo.add_rpmmd(metadata.opened(files["filelists"]), "FL", flags)
        if not read:
            raise CitadelleError(
                f"Dépôt {one.repository.name} : métadonnées illisibles ({self.pool.errstr}). "
                "Le miroir est peut-être en cours de mise à jour : relancez plus tard."
            )
        if "modules" in files:
            self.modules.add(files["modules"])

    def _hide(self, architectures: tuple[str, ...]) -> None:
        """Leave out other architectures, excluded names and what modules hide."""
        closed, names = self.modules.hidden()
        shown = self.modules.shown()
        self._seen = {
            one.id
            for one in self.pool.solvables
            if one.arch in architectures
            and not any(fnmatchcase(one.name, glob) for glob in one.repo.appdata.excluded)
            and _identity(one) not in closed
            and (one.name not in names or _identity(one) in shown)
        }
        self.pool.set_considered_list(sorted(self._seen))

    def resolve(self, wanted: Sequence[Wanted]) -> Resolution:
        """Return the closure of what is wanted, from an empty host.

        Raises:
            CitadelleError: a package is not there, or no set satisfies all dependencies.
        """
        jobs, absent = [], []
        for one in wanted:
            candidates = self._candidates(one.package)
            if candidates:
                jobs.append(self._job(candidates))
            else:
                absent.append(one)
        self._require_found([one for one in absent if not one.optional])
        solver = self.pool.Solver()
        solver.set_flag(solv.Solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
        problems = solver.solve(jobs)
        if problems:
            raise CitadelleError(_explained(problems))
        chosen = sorted(map(_package, solver.transaction().newsolvables()), key=_order)
        kept = self.modules.kept({one.identity for one in chosen})
        return Resolution(tuple(chosen), tuple(absent), kept)

    def _candidates(self, spec: str) -> list[solv.XSolvable]:
        """Return who bears the name, else provides it or has the file; and, like dnf, its heirs."""
        kind = solv.Selection
        for where in (kind.SELECTION_NAME, kind.SELECTION_PROVIDES, kind.SELECTION_FILELIST):
            found = self.pool.select(spec, where | kind.SELECTION_REL).solvables()
            if found:
                break
        newer = [
            other
            for one in found
            for other in self.pool.whatmatchessolvable(solv.SOLVABLE_OBSOLETES, one)
            if other.name != one.name
        ]
        return [one for one in (*found, *newer) if one.id in self._seen]

    def _job(self, candidates: Sequence[solv.XSolvable]) -> solv.Job:
        several = self.pool.towhatprovides([one.id for one in candidates])
        how = solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE_ONE_OF
        return self.pool.Job(how, several)

    def _require_found(self, missing: Sequence[Wanted]) -> None:
        if missing:
            asked = "".join(f"\n  {one.package} (rôle {one.role})" for one in missing)
            names = ", ".join(repo.name for repo in self.pool.repos)
            raise CitadelleError(
                f"Aucun dépôt n'a ces paquets :{asked}\nDépôts lus : {names}. Corrigez le nom ou "
                "la version dans paquets.yml, ajoutez un dépôt dans depots.yml, ou mettez "
                "facultatif: true."
            )


def _package(found: solv.XSolvable) -> Package:
    repository: Repository = found.repo.appdata
    where = f"Dépôt {repository.name}, paquet {found.name}"
    for part in (found.name, found.evr.replace(":", ""), found.arch):
        if not _SAFE.fullmatch(part):
            raise CitadelleError(
                f"{where} : nom ou version « {part} » refusé ; métadonnées hostiles."
            )
    if found.lookup_str(solv.SOLVABLE_MEDIABASE):
        raise CitadelleError(f"{where} : xml:base désigne un autre serveur ; refusé.")
    remote = Remote(
        metadata.address(repository, found.lookup_location()[0]),
        found.lookup_num(solv.SOLVABLE_DOWNLOADSIZE),
        metadata.proof(found.lookup_checksum(solv.SOLVABLE_CHECKSUM), where),
    )
    built = found.lookup_num(solv.SOLVABLE_BUILDTIME)
    return Package(found.name, _evr(found), found.arch, repository, remote, built)


def _evr(found: solv.XSolvable) -> str:
    return found.evr if ":" in found.evr else f"0:{found.evr}"


def _identity(found: solv.XSolvable) -> str:
    return f"{found.name}-{_evr(found)}.{found.arch}"


def _order(package: Package) -> tuple[str, str, str]:
    return package.name, package.evr, package.arch


def _explained(problems: Sequence[solv.Problem]) -> str:
    """Return in French why there is no solution."""
    lines = []
    for problem in problems[:SHOWN_PROBLEMS]:
        lines += [f"\n  {_reason(rule.info())}" for rule in problem.findallproblemrules()]
    return (
        "Ces paquets ne peuvent pas être installés ensemble :"
        + "".join(dict.fromkeys(lines))
        + "\nAjoutez le dépôt qui manque dans depots.yml, ou corrigez paquets.yml."
    )


def _reason(info: solv.Ruleinfo) -> str:
    who = str(info.solvable) if info.solvable else "la demande"
    if info.type == solv.Solver.SOLVER_RULE_PKG_NOTHING_PROVIDES_DEP:
        return f"rien ne fournit « {info.dep} », dont {who} a besoin"
    if info.type == solv.Solver.SOLVER_RULE_PKG_REQUIRES:
        return f"{who} a besoin de « {info.dep} », que seuls des paquets écartés fournissent"
    if info.type == solv.Solver.SOLVER_RULE_PKG_CONFLICTS:
        return f"{who} est en conflit avec {info.othersolvable} (« {info.dep} »)"
    if info.type == solv.Solver.SOLVER_RULE_PKG_OBSOLETES:
        return f"{who} remplace {info.othersolvable} (« {info.dep} »)"
    if info.type == solv.Solver.SOLVER_RULE_PKG_SAME_NAME:
        return f"{who} et {info.othersolvable} : une seule version peut être installée"
    return str(info.problemstr())
