"""Metadata that were changed, swapped or invented are not read."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from citadelle.errors import CitadelleError
from tests.airgap import _rpms
from tests.airgap._rpms import Signer, Spec
from tests.airgap._server import Mirror
from tests.airgap.conftest import Flip, Upstream

APP = Spec("app", tags=("Requires: lib",))
LIB = Spec("lib")
WHEEL = Path(sys.executable).with_name("createrepo_c")


@pytest.mark.parametrize("kind", ["primary", "filelists"])
def test_altered_file_is_refused(upstream: Upstream, flip: Flip, kind: str) -> None:
    """repomd.xml's digest does not match: a damaged or hostile mirror."""
    place = upstream.add("base", APP, LIB)
    flip(next(place.glob(f"repodata/*{kind}.xml.gz")), 40)

    with pytest.raises(CitadelleError, match=f"{kind}.* n'est pas celui que le dépôt annonce"):
        upstream.resolve()


def test_damaged_cache_is_not_used(upstream: Upstream, flip: Flip) -> None:
    """What lies in the cache is checked like what was fetched, then fetched again."""
    upstream.add("base", APP, LIB)
    upstream.resolve()
    flip(next(upstream.request().cache.rglob("*primary.xml.gz")), 40)

    assert upstream.names() == ["app-1.0.noarch", "lib-1.0.noarch"]


def test_unchanged_metadata_are_fetched_once(upstream: Upstream, mirror: Mirror) -> None:
    """A second call costs the mirror one small file."""
    place = upstream.add("base", APP, LIB)
    upstream.resolve()
    upstream.resolve()

    assert len(mirror.asked(_rpms.primary(place).name)) == 1


def test_older_metadata_leave_the_cache(upstream: Upstream) -> None:
    """One set of files per target, whatever the number of updates."""
    upstream.add("base", APP, LIB)
    upstream.resolve()
    upstream.add("base", Spec("app", "2.0"))
    upstream.resolve()

    assert len(list(upstream.request().cache.rglob("*primary.xml.gz"))) == 1


def test_portal_page_is_no_index(upstream: Upstream) -> None:
    """A captive portal or a proxy answers with a page of its own."""
    place = upstream.add("base", APP, LIB)
    (place / "repodata" / "repomd.xml").write_text("<html><body>Connexion</body></html>")

    with pytest.raises(CitadelleError, match=r"repomd\.xml"):
        upstream.resolve()


def test_missing_index_is_told(upstream: Upstream) -> None:
    """A wrong address in depots.yml."""
    place = upstream.add("base", APP, LIB)
    (place / "repodata" / "repomd.xml").unlink()

    with pytest.raises(CitadelleError, match=r"repomd\.xml : illisible .* depots\.yml"):
        upstream.resolve()


@pytest.mark.parametrize("weak", ["md5", "sha1"])
def test_weak_digest_is_refused(upstream: Upstream, weak: str) -> None:
    """Another file with the same MD5 or SHA-1 can be made."""
    place = upstream.add("base", APP, LIB)
    _rpms.index(place, "--checksum", weak)

    with pytest.raises(CitadelleError, match=f"empreinte {weak} dans les métadonnées"):
        upstream.resolve()


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('href="app-', 'href="../../etc/app-', "chemin « ../../etc/app-"),
        ('href="app-', 'href="https://ailleurs.invalid/app-', "hors du dépôt"),
        ("<name>app</name>", "<name>app</name><!-- -->", ""),
        ('<location href="app-', '<location xml:base="http://x.invalid" href="app-', "xml:base"),
        ('ver="1.0" rel="1"', 'ver="1.0/../../x" rel="1"', "métadonnées hostiles"),
    ],
)
def test_hostile_paths_are_refused(upstream: Upstream, old: str, new: str, reason: str) -> None:
    """A mirror must not choose what is read or written outside its folder."""
    place = upstream.add("base", Spec("app"))
    _rpms.rewrite(place, {old: new})
    if not reason:  # the rewriting itself harms nothing
        assert upstream.names() == ["app-1.0.noarch"]
        return

    with pytest.raises(CitadelleError, match=re.escape(reason)):
        upstream.resolve()


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz", "zstd"])
def test_compressions(upstream: Upstream, compression: str) -> None:
    """Each one in use: gz by EL 8 and 9, zstd by recent repositories, xz and bz2 by older ones."""
    place = upstream.add("base", APP, LIB)
    _rpms.index(place, "--general-compress-type", compression, program=WHEEL)

    assert upstream.names() == ["app-1.0.noarch", "lib-1.0.noarch"]


def signed(place: Path, upstream: Upstream, _stranger: Signer) -> None:
    """Sign the index as PGDG does."""
    upstream.signer.detach(place / "repodata" / "repomd.xml")


def test_signed_index(upstream: Upstream, stranger: Signer) -> None:
    """The index of PGDG proves where it comes from."""
    signed(upstream.add("base", APP, LIB), upstream, stranger)
    upstream.depots["base"]["repo_gpgcheck"] = True

    assert upstream.names() == ["app-1.0.noarch", "lib-1.0.noarch"]


def tampered(place: Path, upstream: Upstream, stranger: Signer) -> None:
    """Change the index after its signature."""
    signed(place, upstream, stranger)
    with (place / "repodata" / "repomd.xml").open("a") as file:
        file.write("\n")


def foreign(place: Path, _upstream: Upstream, stranger: Signer) -> None:
    """Sign the index with a key that nobody has pinned."""
    stranger.detach(place / "repodata" / "repomd.xml")


def unsigned(_place: Path, _upstream: Upstream, _stranger: Signer) -> None:
    """Leave the index without signature."""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (tampered, "signature fausse"),
        (foreign, "n'est pas la clé épinglée k"),
        (unsigned, r"repomd\.xml\.asc : illisible"),
    ],
)
def test_unproven_index_is_refused(
    upstream: Upstream,
    stranger: Signer,
    change: Callable[[Path, Upstream, Signer], None],
    reason: str,
) -> None:
    """A mirror cannot hide an update where the index is signed."""
    change(upstream.add("base", APP, LIB), upstream, stranger)
    upstream.depots["base"]["repo_gpgcheck"] = True

    with pytest.raises(CitadelleError, match=f"index non prouvé .*{reason}"):
        upstream.resolve()
