"""A package counts as there when a pinned key signed exactly it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from citadelle.airgap import offline, rpmfile
from citadelle.airgap.keys import Keyring
from citadelle.airgap.repositories import Key
from citadelle.airgap.transport import digest
from citadelle.errors import CitadelleError
from tests.airgap import _rpms
from tests.airgap._rpms import Forge, Signer, Spec, run
from tests.airgap.conftest import Flip, Upstream

APP = Spec("app", "2.0", content=b"contenu" * 1000)
OLDER = Spec("app", "1.0", content=b"faille" * 1000)


def stored(upstream: Upstream) -> Path:
    """Return where the package would be kept."""
    return upstream.request().repository / offline.PACKAGES / APP.file


@pytest.fixture
def place(upstream: Upstream) -> Path:
    """A repository with one signed package."""
    return upstream.add("base", APP)


def test_kept_package_convinces_rpm(upstream: Upstream, place: Path, tmp_path: Path) -> None:
    """What is kept passes rpm's own check, with the key that is delivered beside it."""
    request = upstream.download()
    database = tmp_path / "rpmdb"
    key = request.repository / "cles" / "RPM-GPG-KEY-k"
    run("rpmkeys", "--dbpath", database, "--import", key)

    said = run("rpmkeys", "--dbpath", database, "--checksig", stored(upstream))
    assert said.endswith("digests signatures OK\n")


def drop_signature(rpm: Path, upstream: Upstream, _stranger: Signer, _flip: Flip) -> None:
    """Serve the package as it was before its signature."""
    shutil.copyfile(upstream.forge.build(APP), rpm)


def sign_otherwise(rpm: Path, upstream: Upstream, stranger: Signer, _flip: Flip) -> None:
    """Serve it signed by a key that nobody has pinned."""
    shutil.copyfile(upstream.forge.build(APP, stranger), rpm)


def change_payload(rpm: Path, _upstream: Upstream, _stranger: Signer, flip: Flip) -> None:
    """Change a file inside the package."""
    flip(rpm, -20)


def change_header(rpm: Path, _upstream: Upstream, _stranger: Signer, flip: Flip) -> None:
    """Change what the package says of itself: a script would be there."""
    flip(rpm, rpm.read_bytes().rindex(b"share/app"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (drop_signature, "paquet sans signature"),
        (sign_otherwise, "n'est pas la clé épinglée k"),
        (change_payload, "le contenu n'est pas celui que l'en-tête signé annonce"),
        (change_header, "signature fausse"),
    ],
)
def test_unproven_package_is_refused(
    upstream: Upstream,
    place: Path,
    stranger: Signer,
    flip: Flip,
    change: Callable[[Path, Upstream, Signer, Flip], None],
    reason: str,
) -> None:
    """A mirror that rewrites metadata after its change makes digests match, not signatures."""
    change(place / APP.file, upstream, stranger, flip)
    _rpms.index(place)

    with pytest.raises(CitadelleError, match=f"{APP.file} .*refusé et effacé : .*{reason}"):
        upstream.download()


def test_refused_package_does_not_stay(upstream: Upstream, place: Path, forge: Forge) -> None:
    """Nobody finds it later and believes it proven."""
    shutil.copyfile(forge.build(APP), place / APP.file)
    _rpms.index(place)
    with pytest.raises(CitadelleError, match="paquet sans signature"):
        upstream.download()

    assert not stored(upstream).exists()


def test_older_version_under_a_new_name_is_refused(
    upstream: Upstream, place: Path, forge: Forge, signer: Signer
) -> None:
    """Signed, but vulnerable: a mirror that lies on the version is found out."""
    genuine, older = place / APP.file, forge.build(OLDER, signer)
    sizes = {f'package="{genuine.stat().st_size}"': f'package="{older.stat().st_size}"'}
    _rpms.rewrite(place, {**sizes, digest(genuine, "sha256"): digest(older, "sha256")})
    shutil.copyfile(older, genuine)

    with pytest.raises(CitadelleError, match=r"le fichier contient en fait app-0:1\.0-1\.noarch"):
        upstream.download()


def test_weak_signature_is_refused(upstream: Upstream, place: Path, forge: Forge) -> None:
    """Two packages with the same SHA-1 can be made: the signature of one would fit the other."""
    shutil.copyfile(forge.build(APP), place / APP.file)
    upstream.signer.sign(place / APP.file, "sha1")
    _rpms.index(place)

    with pytest.raises(CitadelleError, match="trop faible"):
        upstream.download()


def test_unsigned_repository_when_told_so(upstream: Upstream) -> None:
    """A company's own repository over file://, with gpgcheck: false."""
    upstream.add("base", APP, signed=False)
    upstream.depots["base"]["gpgcheck"] = False

    assert upstream.download().repository.joinpath("repodata/repomd.xml").is_file()


def test_other_pinned_key_does_not_count(upstream: Upstream, stranger: Signer) -> None:
    """EPEL's key does not vouch for PostgreSQL: a key is bound to its repositories."""
    upstream.add("base", APP)
    (upstream.folder / "autre.asc").write_text(stranger.public)
    keys = {
        "k": {"source": "cle.asc", "empreintes": [upstream.signer.fingerprint]},
        "autre": {"source": "autre.asc", "empreintes": [stranger.fingerprint]},
    }
    upstream.top["cles"] = keys
    upstream.depots["base"]["cle"] = "autre"

    with pytest.raises(CitadelleError, match="n'est pas la clé épinglée autre"):
        upstream.download()


def test_only_the_pinned_fingerprint_counts(stranger: Signer, tmp_path: Path) -> None:
    """A key that found its way into the keyring file is still not the pinned one."""
    key = Key("k", "file:///k", ("A" * 40,))
    signed = tmp_path / "texte"
    signed.write_bytes(b"texte")
    stranger.detach(signed)
    binary = tmp_path / "k.gpg"
    run("gpg", "--dearmor", "--output", binary, stranger.public_file)
    ring = Keyring(key, binary, binary)

    with pytest.raises(CitadelleError, match="pas de signature valide de la clé k"):
        ring.signer(Path(f"{signed}.asc").read_bytes(), b"texte")


def test_key_with_another_fingerprint_is_refused(upstream: Upstream, stranger: Signer) -> None:
    """The key's address was taken over: what is there is not what was pinned."""
    upstream.add("base", APP)
    (upstream.folder / "cle.asc").write_text(stranger.public)

    expected = f"empreinte attendue {upstream.signer.fingerprint}, trouvée {stranger.fingerprint}"
    with pytest.raises(CitadelleError, match=expected):
        upstream.resolve()


def test_other_keys_of_a_file_are_left_out(upstream: Upstream, stranger: Signer) -> None:
    """A second key in the file is neither believed nor delivered."""
    upstream.add("base", APP)
    (upstream.folder / "cle.asc").write_text(upstream.signer.public + stranger.public)
    delivered = upstream.download().repository / "cles" / "RPM-GPG-KEY-k"

    listing = run("gpg", "--with-colons", "--show-keys", delivered)
    assert [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")] == [
        upstream.signer.fingerprint
    ]


@pytest.mark.parametrize("content", [b"", b"<html>", b"\xed\xab\xee\xdb" + b"\0" * 200])
def test_other_files_are_no_packages(tmp_path: Path, content: bytes) -> None:
    """A page, nothing, or a file that only starts like one."""
    path = tmp_path / "faux.rpm"
    path.write_bytes(content)

    with pytest.raises(CitadelleError, match=r"faux\.rpm : ce n'est pas un paquet RPM"):
        rpmfile.read(path)


@pytest.mark.parametrize("size", [50, 120, 500, 1500])
def test_truncated_header_is_no_package(tmp_path: Path, forge: Forge, size: int) -> None:
    """Wherever it was cut."""
    path = tmp_path / "coupe.rpm"
    path.write_bytes(forge.build(APP).read_bytes()[:size])

    with pytest.raises(CitadelleError, match="ce n'est pas un paquet RPM"):
        rpmfile.read(path)
