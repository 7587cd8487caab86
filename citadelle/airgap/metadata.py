"""A repository's metadata: each file is what repomd.xml announces, or nothing is read of it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import solv

from citadelle.airgap.keys import Keyring
from citadelle.airgap.repositories import Repository
from citadelle.airgap.transport import ALGORITHMS, Remote, Transport, writing
from citadelle.errors import CitadelleError

# What a dependency may name: packages, any file of a package, modules (EL 8 and 9).
_REQUIRED, _OPTIONAL = ("primary",), ("filelists", "modules")
# The largest filelists (AppStream's) inflate to a few hundred megabytes.
_INFLATE_SECONDS = 300
_INFLATE = (
    "import sys, createrepo_c;"
    "createrepo_c.decompress_file(*sys.argv[1:], createrepo_c.AUTO_DETECT_COMPRESSION)"
)


@dataclass(frozen=True)
class Metadata:
    """A repository and its metadata files on disk, by type; compressed or not."""

    repository: Repository
    files: dict[str, Path]


def fetch(
    repository: Repository, keyring: Keyring | None, transport: Transport, cache: Path
) -> Metadata:
    """Bring a repository's metadata; files already in the cache are checked, not fetched.

    Raises:
        CitadelleError: unreachable, unsigned where a signature is asked for, or altered.
    """
    index = repository.url + "repodata/repomd.xml"
    raw = transport.small(index)
    if repository.repo_gpgcheck and keyring is not None:
        _require_signed(repository, raw, keyring, transport)
    found = {}
    for kind, remote in _announced(repository, raw, cache).items():
        name = f"{remote.digest.partition(':')[2]}-{Path(remote.url).name}"
        if not remote.is_at(cache / name):
            transport.fetch(remote, cache / name)
        found[kind] = cache / name
    return Metadata(repository, found)


def _require_signed(
    repository: Repository, raw: bytes, keyring: Keyring, transport: Transport
) -> None:
    address = repository.url + "repodata/repomd.xml.asc"
    try:
        keyring.signer(transport.small(address), raw)
    except CitadelleError as error:
        raise CitadelleError(
            f"Dépôt {repository.name} : index non prouvé ({error}). Si ce dépôt ne signe pas son "
            "index, mettez repo_gpgcheck: false ; les paquets restent contrôlés un par un."
        ) from None


def _announced(repository: Repository, raw: bytes, cache: Path) -> dict[str, Remote]:
    """Return what repomd.xml says of the files that the solver reads."""
    copy = cache / f"{repository.name}-repomd.xml"
    with writing(copy):
        cache.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(raw)
    pool = solv.Pool()  # named: a repository does not keep its pool alive
    repo = pool.add_repo(repository.name)
    if not repo.add_repomdxml(solv.xfopen(str(copy)), 0):
        raise CitadelleError(
            f"{repository.url}repodata/repomd.xml : ce n'est pas un index de dépôt RPM. "
            "Vérifiez l'adresse dans depots.yml (un portail a pu répondre à sa place)."
        )
    found = {kind: _entry(repository, repo, kind) for kind in (*_REQUIRED, *_OPTIONAL)}
    if found["primary"] is None:
        raise CitadelleError(f"Dépôt {repository.name} : repomd.xml sans « primary » ; incomplet.")
    return {kind: remote for kind, remote in found.items() if remote is not None}


def _entry(repository: Repository, repo: solv.Repo, kind: str) -> Remote | None:
    """Return one file's place, size and digest as repomd.xml has them."""
    entries = repo.Dataiterator_meta(
        solv.REPOSITORY_REPOMD_TYPE, kind, solv.Dataiterator.SEARCH_STRING
    )
    entries.prepend_keyname(solv.REPOSITORY_REPOMD)
    for entry in entries:
        position = entry.parentpos()
        path = position.lookup_str(solv.REPOSITORY_REPOMD_LOCATION) or ""
        checksum = position.lookup_checksum(solv.REPOSITORY_REPOMD_CHECKSUM)
        size = position.lookup_num(solv.REPOSITORY_REPOMD_SIZE)
        return Remote(
            address(repository, path), size, proof(checksum, f"{repository.name}, {kind}")
        )
    return None


def address(repository: Repository, path: str) -> str:
    """Return where a path of the metadata lies.

    Raises:
        CitadelleError: it would lead out of the repository.
    """
    if not path or "://" in path or path.startswith("/") or ".." in path.split("/"):
        raise CitadelleError(
            f"Dépôt {repository.name} : chemin « {path} » hors du dépôt ; métadonnées refusées."
        )
    return repository.url + path


def proof(checksum: solv.Chksum | None, what: str) -> str:
    """Return ``sha256:...``.

    Raises:
        CitadelleError: no digest, or one that proves nothing any more.
    """
    kind = checksum.typestr() if checksum is not None else "aucune"
    if checksum is None or kind not in ALGORITHMS:
        raise CitadelleError(
            f"{what} : empreinte {kind} dans les métadonnées ; il faut {', '.join(ALGORITHMS)}. "
            "Régénérez le dépôt (createrepo_c --checksum sha256)."
        )
    return f"{kind}:{checksum.hex()}"


def readable(path: Path, scratch: Path) -> Path:
    """Return a file that libsolv reads: as it is or gzip; the others inflated into ``scratch``."""
    if path.suffix in (".xml", ".gz", ".yaml"):
        return path
    plain = scratch / path.stem
    argv = [sys.executable, "-c", _INFLATE, str(path), str(plain)]
    result = subprocess.run(
        argv, capture_output=True, text=True, check=False, timeout=_INFLATE_SECONDS
    )
    if result.returncode:
        said = result.stderr.strip().splitlines()[-1:]
        raise CitadelleError(f"{path.name} : indéchiffrable {said} ; compression inconnue ?")
    return plain


def opened(path: Path) -> solv.SolvFp:
    """Return a file as libsolv reads it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return solv.xfopen_fd(path.name, descriptor)
    finally:
        os.close(descriptor)
