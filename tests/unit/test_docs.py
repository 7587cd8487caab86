"""The documentation says what the tables of the code say: a page that drifts is a failure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from citadelle.audit import limits, rights
from citadelle.audit.controls import CONTROLS
from citadelle.credentials import CREDENTIALS
from citadelle.credentials import DOORS as OPENED
from citadelle.doors import DOORS, Door
from citadelle.env import defaults
from citadelle.flows import FLOWS
from citadelle.settings import FIELDS, FROZEN
from citadelle.workspace import ROOT
from tasks import namespace
from tests.unit import factory

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SECURITY = ROOT / "docs" / "securite.md"
TOUR = ROOT / "docs" / "architecture.md"
NOT_COVERED = "Ce qui n'est PAS couvert"
# `SDE-NT-35` is a document of ANSSI, not a control.
IDENTIFIER = r"(?<![\w-])[A-Z]{2}-\d{2}(?!\d)"
LINK = re.compile(r"\]\(([^)\s]+)\)")
SESSION = re.compile(r"^def ([a-z]\w*)\(session", re.MULTILINE)
KNOWN = {control.identifier for control in CONTROLS}
LIMITS = {control.identifier for control in limits.CONTROLS}
CLUSTER = factory.topology()

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def text(page: Path) -> str:
    """Return a page as people read it."""
    return page.read_text(encoding="utf-8")


def section(page: Path, heading: str) -> str:
    """Return what follows a heading, up to the next one."""
    return re.split(r"^#+ ", text(page).partition(f"# {heading}\n")[2], maxsplit=1, flags=re.M)[0]


def table(page: Path, heading: str) -> list[tuple[str, ...]]:
    """Return the cells of the first table below a heading, without its own head."""
    found: list[tuple[str, ...]] = []
    for line in section(page, heading).splitlines():
        if line.startswith("|"):
            found.append(tuple(cell.strip() for cell in line.strip("|").split("|")))
        elif found:
            break
    return found[2:]


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as forges make them."""
    titles = re.findall(r"^#+ (.+)$", text(page), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def identifiers(words: str) -> Iterator[str]:
    """Yield the controls that a text names, those within « XX-01 à XX-09 » too."""
    for first, last in re.findall(rf"({IDENTIFIER})(?: à ({IDENTIFIER}))?", words):
        for number in range(int(first[3:]), int((last or first)[3:]) + 1):
            yield f"{first[:3]}{number:02}"


@every_page
def test_links_resolve(page: Path) -> None:
    """To a file of the project, and to a heading of it."""
    for link in LINK.findall(text(page)):
        if not link.startswith("http"):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.is_file(), link
            assert not anchor or anchor in anchors(target), link


@every_page
def test_quoted_tests_exist(page: Path) -> None:
    """A file named without its folder is in tests/security, as docs/securite.md says."""
    for name in re.findall(r"`((?:tests/)?[\w/]*test_\w+\.py|tests/[\w/]*)`", text(page)):
        assert (ROOT / name if "/" in name else ROOT / "tests" / "security" / name).exists(), name


@every_page
def test_quoted_controls_exist(page: Path) -> None:
    """An auditor looks them up in the report."""
    assert set(identifiers(text(page))) - KNOWN == set()


@every_page
def test_quoted_commands_exist(page: Path) -> None:
    """Tasks of Invoke and sessions of Nox."""
    tasks = {name for row in namespace.task_names.items() for name in (row[0], *row[1])}
    sessions = set(SESSION.findall(text(ROOT / "noxfile.py")))
    quoted = " ".join(re.findall(r"\bnox -s ([a-z0-9_]+(?: [a-z0-9_]+)*)", text(page)))

    assert set(re.findall(r"\binvoke ([a-z]+(?:\.[a-z]+)?)", text(page))) - tasks == set()
    assert set(quoted.split()) - sessions == set()


@pytest.mark.parametrize("name", sorted(namespace.task_names))
def test_every_command_has_its_procedure(name: str) -> None:
    """Or is at least told, under one of its names, where an operator looks."""
    names = "|".join(map(re.escape, [name, *namespace.task_names[name]]))
    page = text(ROOT / "docs" / "exploitation.md")

    assert re.search(rf"\binvoke (?:[a-z]+ )*(?:{names})(?![\w.])", page)


def test_every_module_is_in_the_tour() -> None:
    """By its file, or by the folder of its package."""
    package = ROOT / "citadelle"
    files = {path.name for path in package.glob("*.py")} - {"__init__.py"}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    quoted = re.findall(r"`([\w/]+(?:\.py)?)`", section(TOUR, "Visite du dépôt"))

    assert (files | folders) - set(quoted) == set()


@pytest.mark.parametrize("name", ["README.md", "README.fr.md", "docs/securite.md"])
def test_number_of_controls(name: str) -> None:
    """As many as the report has."""
    quoted = re.findall(r"(\d+) (?:contrôles|controls)", text(ROOT / name))

    assert set(quoted) == {str(len(CONTROLS))}


def test_every_control_stands_by_its_rule() -> None:
    """No control without a promise that it checks."""
    rules = table(SECURITY, "Les règles, et ce qui les vérifie")
    quoted = set(identifiers("\n".join(row[1] for row in rules)))

    assert quoted == KNOWN - LIMITS


def test_every_known_limit_is_told() -> None:
    """What fails on purpose is where a reader looks for it, one by one."""
    quoted = set(re.findall(IDENTIFIER, section(SECURITY, NOT_COVERED)))

    assert quoted == LIMITS


def test_every_security_test_is_named() -> None:
    """Each shows something that the page claims."""
    tests = {path.name for path in (ROOT / "tests" / "security").glob("test_*.py")}

    assert {name for name in tests if f"`{name}`" not in text(SECURITY)} == set()


def test_credentials() -> None:
    """Each password, its user, what it opens, who holds it in clear."""
    expected = [
        (
            f"`{row.secret}`",
            f"`{row.user}`",
            " ; ".join(OPENED[door] for door in row.doors),
            ", ".join(f"`{role}`" for role in row.holders) or "personne",
        )
        for row in CREDENTIALS
    ]

    assert table(SECURITY, "Les secrets") == expected


def test_capabilities() -> None:
    """What each kind of container is given, by the table that the audit goes by."""
    written = {
        name: set(re.findall(r"`(\w+)`", capabilities))
        for names, _, capabilities, _ in table(SECURITY, "Les conteneurs")
        for name in re.findall(r"`([\w-]+)`", names)
    }
    expected = {re.sub(r"\d", "N", row.name): row.rights.added for row in rights.expected(CLUSTER)}

    assert written == expected


def test_flows() -> None:
    """Firewalls are written from this table."""
    ports = defaults()
    expected = [
        (f.source, f.target, f.network, f"`{f.port}` ({ports[f.port]})", f.encryption, f.proof)
        for f in FLOWS
    ]

    assert table(ROOT / "docs" / "flux.md", "Matrice des flux") == expected


def _door(door: Door) -> tuple[str, ...]:
    plane = f"`{door.client_plane}`" if door.client_plane else "aucun plan"
    port, shown = f"`{door.port}`", f"`{door.server_plane}`"
    place = (f"`{door.name}`", door.kind, door.network, port, shown)
    return (*place, f"{plane}, {door.demand}", str(door.guard))


def test_doors() -> None:
    """What each shows, what it asks for, whose log has the refusals."""
    written = [(*row[:6], row[7]) for row in table(ROOT / "docs" / "flux.md", "Portes")]

    assert written == [_door(door) for door in DOORS]


def test_parameters() -> None:
    """Every variable of .env, with its default."""
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| ([^|]+) \|", text(ROOT / "docs/parametres.md"), re.M)
    values = defaults()
    expected = {
        name: "aléatoire"
        if field.metadata["kind"] == "secret"
        else f"`{values[name]}`"
        if values[name]
        else "vide"
        for name, field in FIELDS.items()
    }

    assert {name: cell.strip() for name, cell in rows} == expected


def test_frozen_variables_are_told() -> None:
    """The page says « figé » of those that `up` refuses to change, and of the cluster's name."""
    rows = re.findall(r"^\| `([A-Z0-9_]+)` .*\| figé", text(ROOT / "docs/parametres.md"), re.M)

    assert {*rows} == {"CLUSTER_NAME", *FROZEN}
