"""depots.yml and paquets.yml: every mistake is told, and nothing unproven is accepted."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from citadelle.airgap import repositories, wanted
from citadelle.airgap.target import Target
from citadelle.errors import CitadelleError

TARGET = Target("9", "x86_64", "17")
FINGERPRINT = "A" * 40
KEYS = {"k": {"source": "cle.asc", "empreintes": [FINGERPRINT]}}


def load(tmp_path: Path, repository: object, **top: object) -> repositories.Depots:
    """Load a depots.yml with one repository."""
    path = tmp_path / "depots.yml"
    path.write_text(yaml.safe_dump({"cles": KEYS, "depots": {"base": repository}, **top}))
    return repositories.load(path, TARGET)


def good(**options: object) -> dict[str, object]:
    """Return a repository that is right, but for ``options``."""
    return {"url": "https://m.invalid/r", "cle": "k", **options}


WRONG_REPOSITORIES = {
    "clé inconnue « prioritee » (voulez-vous dire « priorite » ?)": good(prioritee=1),
    "« url » manque": {"cle": "k"},
    "« cle » manque": {"url": "https://m.invalid/r"},
    "clé « autre » absente": good(cle="autre"),
    "« gpgcheck » vaut true ou false, pas « non »": good(gpgcheck="non"),
    "« priorite » est un nombre": good(priorite="haute"),
    "« exclure » est une liste": good(exclure="a"),
    "variable inconnue « {archi} » (voulez-vous dire « arch » ?)": good(
        url="https://m.invalid/{archi}"
    ),
    "https://, http:// ou file:// attendu": good(url="ftp://m.invalid/r"),
    "pas d'identifiants dans l'adresse": good(url="https://moi:secret@m.invalid/r"),
    "http:// sans gpgcheck": {"url": "http://m.invalid/r", "gpgcheck": False},
    "un chemin local s'écrit file:///chemin": good(url="file://srv/r"),
    "aucun dépôt pour el9-x86_64": good(el=[8]),
    "un groupe « clé: valeur » est attendu": "https://m.invalid/r",
}


@pytest.mark.parametrize(("reason", "repository"), WRONG_REPOSITORIES.items())
def test_wrong_repository_is_told(tmp_path: Path, reason: str, repository: object) -> None:
    """What is wrong, and the name that was probably meant."""
    with pytest.raises(CitadelleError, match=re.escape(reason)):
        load(tmp_path, repository)


@pytest.mark.parametrize(
    ("reason", "key"),
    [
        ("« empreintes » est vide", {"source": "cle.asc"}),
        ("40 chiffres hexadécimaux", {"source": "cle.asc", "empreintes": ["350D275D"]}),
        ("« source » manque", {"empreintes": [FINGERPRINT]}),
    ],
)
def test_wrong_key_is_told(tmp_path: Path, reason: str, key: object) -> None:
    """A short key identifier can be forged: only a whole fingerprint pins a key."""
    with pytest.raises(CitadelleError, match=reason):
        load(tmp_path, good(), cles={"k": key})


def test_password_in_an_address_is_not_repeated(tmp_path: Path) -> None:
    """Not even in the message that refuses it."""
    with pytest.raises(CitadelleError) as error:
        load(tmp_path, good(url="https://moi:secret@m.invalid/r"))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "url", ["https://m.invalid/r", "http://m.invalid/r", "file:///srv/r", "https://m.invalid/r///"]
)
def test_address_ends_with_one_slash(tmp_path: Path, url: str) -> None:
    """Paths of the metadata are put behind it."""
    (found,) = load(tmp_path, good(url=url)).repositories

    assert found.url == url.rstrip("/") + "/"


def test_variables_may_differ_by_release(tmp_path: Path) -> None:
    """A minor version, the name of a repository."""
    variables = {"racine": "https://m.invalid/", "version": {"8": "8.10", "9": "9.6"}}
    repository = good(url="{racine}/{version}/{arch}/{pg}")
    (found,) = load(tmp_path, repository, variables=variables).repositories

    assert found.url == "https://m.invalid/9.6/x86_64/17/"


def test_key_file_lies_beside_the_yaml(tmp_path: Path) -> None:
    """A key that came by another way than the network."""
    (key,) = load(tmp_path, good()).signers()

    assert key.source == (tmp_path / "cle.asc").as_uri()


def test_fingerprint_may_be_written_in_groups(tmp_path: Path) -> None:
    """As publishers print it."""
    spaced = {"k": {"source": "cle.asc", "empreintes": ["aaaa " * 10]}}
    (key,) = load(tmp_path, good(), cles=spaced).signers()

    assert key.fingerprints == (FINGERPRINT,)


def test_other_distributions_are_left_out(tmp_path: Path) -> None:
    """Rocky's and Alma's repositories are not mixed."""
    with pytest.raises(CitadelleError, match=r"aucun dépôt .* la distribution « rocky »"):
        load(tmp_path, good(distribution="alma"), distribution="rocky")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ("paquet", "une liste de paquets"),
        ([{"paquet": "a", "facultatif": "oui"}], "true ou false"),
        ([{"paquets": "a"}], "voulez-vous dire « paquet »"),
        (["a{pgg}"], "variable inconnue"),
        ([{"paquet": "a", "el": [8]}], "aucun paquet demandé pour el9-x86_64"),
    ],
)
def test_wrong_package_is_told(tmp_path: Path, entries: object, reason: str) -> None:
    """In paquets.yml too."""
    path = tmp_path / "paquets.yml"
    path.write_text(yaml.safe_dump({"roles": {"test": entries}}))

    with pytest.raises(CitadelleError, match=reason):
        wanted.load(path, TARGET)


@pytest.mark.parametrize(
    ("text", "reason"), [("a: [", "YAML incorrect"), (None, "illisible"), ("- a", "clé: valeur")]
)
def test_unreadable_file_is_told(tmp_path: Path, text: str | None, reason: str) -> None:
    """Missing, or not YAML."""
    path = tmp_path / "depots.yml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(CitadelleError, match=rf"depots\.yml : .*{reason}"):
        repositories.load(path, TARGET)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (("7", "x86_64", "17"), "--el 7 : inconnu ; choisissez 8, 9, 10"),
        (("9", "ppc64le", "17"), "--arch ppc64le : inconnu"),
        (("9", "x86_64", "9.6"), "--pg 9.6 : version majeure"),
    ],
)
def test_unknown_target_is_told(values: tuple[str, str, str], reason: str) -> None:
    """The options of the command."""
    with pytest.raises(CitadelleError, match=reason):
        Target(*values)
