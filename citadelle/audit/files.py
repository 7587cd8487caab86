"""What was delivered to each container: modes and owners, secrets and keys, read from volumes.

A short-lived container, without a network, sees all volumes read-only; it carries none of the
cluster's labels, so that nothing takes it for a part of it.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from citadelle import delivery, engine, images
from citadelle.audit import haystacks, streams
from citadelle.audit.control import Cluster
from citadelle.audit.reads import once
from citadelle.credentials import held_by
from citadelle.errors import CitadelleError
from citadelle.inventory import certificates
from citadelle.topology import Container, Topology, reader
from citadelle.workspace import Home

DIRECTORY_MODE = 0o500
PRIVATE_KEY = re.compile(
    rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----\n?", re.DOTALL
)
# The needles lie among the haystacks, in memory: each must be found there, or grep did not work.
# Its code says nothing more (2 when a file went away meanwhile); unread files are listed after.
WITNESS = "temoin"
SEARCH = (
    f"cat > {WITNESS}/aiguilles; "
    f"grep -r -s -a -o -F -H -Z -f {WITNESS}/aiguilles . ; "
    r"find . -type f ! -readable -printf '%p\0\n'; "
    r"find . -mindepth 1 -maxdepth 1 -type d -empty -printf '%p\0\n'"
)


@dataclass(frozen=True)
class File:
    """A delivered file or directory, by its path in the volume."""

    path: str
    mode: int
    uid: int
    gid: int
    directory: bool
    regular: bool
    content: bytes = b""


Delivered = dict[str, tuple[File, ...]]


@once
def delivered(cluster: Cluster) -> Delivered:
    """Return everything that each reader's volume holds, by the reader's name."""
    names = [container.name for container in delivery.READERS]
    argv = _reader(cluster, [f"conf-{name}" for name in names], "tar", "-C", "/volumes", "-c", ".")
    with streams.command(argv) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
        found = [(member.name, _file(archive, member)) for member in archive]
    return {name: tuple(_below(f"./conf-{name}", found)) for name in names}


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    source = archive.extractfile(member) if member.isfile() else None
    content = source.read() if source is not None else b""
    bits = (member.mode & 0o7777, member.uid, member.gid)
    return File(member.name, *bits, member.isdir(), member.isfile(), content)


def _below(top: str, found: Iterable[tuple[str, File]]) -> Iterator[File]:
    for path, file in found:
        if path == top or path.startswith(f"{top}/"):
            rest = path.removeprefix(top).removeprefix("/")
            yield File(rest, *(getattr(file, n) for n in File.__dataclass_fields__ if n != "path"))


@once
def in_data(cluster: Cluster) -> tuple[haystacks.Hit, ...]:
    """Return the secrets and keys found in the data of etcd and PostgreSQL.

    Raises:
        CitadelleError: when a file there cannot be read, a volume is empty, or grep fails.
    """
    needles = haystacks.of_cluster(cluster)
    volumes = [name for name in delivery.volumes() if name.startswith("data-")]
    argv = _reader(cluster, volumes, "sh", "-c", SEARCH)
    hits = set()
    with streams.command(argv, stdin=b"\n".join(needles)) as stream:
        for line in stream:
            path, _, text = line.rstrip(b"\n").partition(b"\0")
            place = path.decode(errors="replace").removeprefix("./")
            if not text:
                raise CitadelleError(f"Non lu dans les données : {place}")
            hits.add(haystacks.Hit(needles[text], place))
    found = {hit for hit in hits if hit.place.startswith(f"{WITNESS}/")}
    if {hit.name for hit in found} != set(needles.values()):
        raise CitadelleError("La recherche dans les données n'a pas trouvé ses propres témoins.")
    return tuple(sorted(hits - found))


def _reader(cluster: Cluster, volumes: Iterable[str], *command: str) -> list[str]:
    """Return the command line of a container that reads volumes, and can do nothing else."""
    name = cluster.topology.settings.cluster_name
    full = {f"{name}_{volume}": volume for volume in volumes}
    # The engine would make a missing volume without a word.
    if missing := full.keys() - set(engine.names("volume", cluster=name)):
        raise CitadelleError(f"Volumes absents : {', '.join(sorted(missing))}.")
    mounts = [
        f"--mount=type=volume,source={source},target=/volumes/{target},readonly,volume-nocopy"
        for source, target in full.items()
    ]
    program, *arguments = command
    return streams.docker(
        "run",
        "--rm",
        "--interactive",
        "--pull=never",
        "--network=none",
        "--read-only",
        "--user=0",
        "--cap-drop=ALL",
        "--cap-add=DAC_READ_SEARCH",
        "--security-opt=no-new-privileges:true",
        "--workdir=/volumes",
        f"--tmpfs=/volumes/{WITNESS}",
        "--env=LC_ALL=C",
        "--label=fr.citadelle.cluster=",
        "--label=fr.citadelle.ca=",
        *mounts,
        f"--entrypoint={program}",
        images.name(cluster.topology, "pod"),
        *arguments,
    )


def misplaced(container: Container, files: Iterable[File], expected: set[str]) -> Iterator[str]:
    """Yield delivered files that others may read, that are not listed, or that miss."""
    owner = reader(container.role)
    paths = set()
    for file in files:
        where = f"{container.name}:{file.path or '.'}"
        wanted = DIRECTORY_MODE if file.directory else delivery.MODE
        if file.mode != wanted:
            yield f"{where} : mode {file.mode:04o} au lieu de {wanted:04o}"
        if (file.uid, file.gid) != (owner, owner):
            yield f"{where} : {file.uid}:{file.gid} au lieu de {owner}:{owner}"
        if not file.directory and not file.regular:
            yield f"{where} : ni fichier ni répertoire"
        if not file.directory:
            paths.add(file.path)
    for path in sorted(paths ^ expected):
        yield f"{container.name}:{path} : {'en trop' if path in paths else 'manque'}"


def altered(
    container: Container, files: Iterable[File], expected: Mapping[str, bytes]
) -> Iterator[str]:
    """Yield delivered files that miss, or whose content is not what would be delivered now."""
    found = {file.path: file.content for file in files if file.regular}
    for path, content in sorted(expected.items()):
        if path not in found:
            yield f"{container.name}:{path} : manque"
        elif found[path] != content:
            yield f"{container.name}:{path} : autre contenu que celui du dépôt et de .env"


def misheld(
    container: Container, files: Iterable[File], needles: dict[bytes, str]
) -> Iterator[str]:
    """Yield secrets that a container's files hold without being listed, or the other way."""
    content = [(file.path, [file.content]) for file in files if file.regular]
    hits = haystacks.search(content, needles).hits
    allowed = held_by(container.role)
    for hit in hits:
        if hit.name not in allowed:
            yield f"{hit.name} en clair dans {container.name}:{hit.place}"
    for name in sorted(allowed - {hit.name for hit in hits}):
        yield f"{name} absent des fichiers de {container.name}, qui devraient l'avoir"


def public_key(pem: bytes) -> bytes:
    """Return the public half (DER) of a private key; ValueError when it is none."""
    key = load_pem_private_key(pem, None)
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def keys_of(home: Home) -> dict[bytes, str]:
    """Return each private key of the operator's disk, as ``plane/name`` by its public half."""
    paths = sorted(home.pki.glob("*/*.key"))
    return {public_key(path.read_bytes()): f"{path.parent.name}/{path.stem}" for path in paths}


def owners(topology: Topology) -> dict[str, str]:
    """Return the container that each certificate, as ``plane/name``, is for."""
    return {f"{c.plane}/{c.name}": c.container for c in certificates(topology)}


def strange_keys(found: Delivered, keys: dict[bytes, str], owners: dict[str, str]) -> Iterator[str]:
    """Yield private keys outside their only owner's volume, and owners without theirs."""
    held = set()
    for name, files in sorted(found.items()):
        for file in files:
            for match in PRIVATE_KEY.finditer(file.content):
                key = keys.get(_public(match.group()), "inconnue")
                held.add((key, name))
                if owners.get(key) != name:
                    yield f"clé {key} dans {name}:{file.path}"
    for key, owner in sorted(owners.items()):
        if (key, owner) not in held:
            yield f"clé {key} absente de {owner}"


def _public(pem: bytes) -> bytes:
    """Return the public half, nothing for what looks like a key and cannot be read as one."""
    try:
        return public_key(pem)
    except (ValueError, TypeError):
        return b""
