"""Secrets as they may have leaked, searched at the speed of ``grep`` in whatever may hold them.

No needle is ever in a command line, in a file or in what is shown: a hit is the name of the
variable and the place.
"""

from __future__ import annotations

import base64
import gzip
import io
import os
import secrets
import shutil
import subprocess
import tarfile
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import IO, cast
from urllib.parse import quote, quote_plus

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from citadelle.audit import streams
from citadelle.audit.control import Cluster
from citadelle.errors import CitadelleError
from citadelle.settings import Settings
from citadelle.workspace import Home

Haystack = tuple[str, Iterable[bytes]]
GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"  # RFC 1952, 2.3.1; RFC 8878, 3.1.1
# Characters of base64 that a byte before the secret, or two, share with it (RFC 4648, 4).
SHARED = (0, 2, 3)
# What every search is given to find besides the needles: a search that misses it has failed.
WITNESS = "témoin"


@dataclass(frozen=True, order=True)
class Hit:
    """A secret's name and where it was found."""

    name: str
    place: str

    def __str__(self) -> str:
        return f"{self.name} trouvé dans {self.place}"


@dataclass(frozen=True)
class Result:
    """What a search found, in how many places and bytes."""

    hits: tuple[Hit, ...]
    places: int
    size: int


def base64_forms(secret: bytes) -> Iterator[bytes]:
    """Yield what base64 makes of a secret, alone or inside a longer text, in both alphabets."""
    for before, shared in enumerate(SHARED):
        whole = (before + len(secret)) * 8 // 6
        text = base64.b64encode(b"\0" * before + secret)[shared:whole]
        yield text
        yield text.translate(bytes.maketrans(b"+/", b"-_"))


def forms(secret: bytes) -> frozenset[bytes]:
    """Return the ways in which a secret may be written: raw, base64, URL-encoded."""
    encoded = {quote(secret, safe="").encode(), quote_plus(secret, safe="").encode()}
    return frozenset({secret, *base64_forms(secret), *encoded})


def of_cluster(cluster: Cluster) -> dict[bytes, str]:
    """Return everything that must be found nowhere: secrets of ``.env``, private keys."""
    return {**of_settings(cluster.topology.settings), **of_keys(cluster.home)}


def of_settings(settings: Settings) -> dict[bytes, str]:
    """Return every form of every secret of ``.env``, with its variable."""
    found = settings.secrets().items()
    return {form: name for name, secret in found for form in forms(secret.reveal().encode())}


def of_keys(home: Home) -> dict[bytes, str]:
    """Return what betrays each private key of the operator's disk, authorities' included."""
    paths = sorted(home.pki.glob("*/*.key"))
    return {form: f"clé {p.parent.name}/{p.stem}" for p in paths for form in key_forms(p)}


def key_forms(path: os.PathLike[str]) -> frozenset[bytes]:
    """Return the line of the PEM file that is secret through and through, and the number itself.

    The first line of PKCS #8 is the same for all P-256 keys but for its last 12 bytes (RFC 5958).
    """
    with open(path, "rb") as file:  # noqa: PTH123  # any path-like
        pem = file.read()
    key = cast(EllipticCurvePrivateKey, load_pem_private_key(pem, None))
    number = key.private_numbers().private_value.to_bytes((key.key_size + 7) // 8, "big")
    return frozenset({pem.splitlines()[2], number.hex().encode(), *base64_forms(number)})


def search(haystacks: Iterable[Haystack], needles: Mapping[bytes, str]) -> Result:
    """Search every place for every needle, and for a witness that must be found.

    Raises:
        CitadelleError: when grep fails or misses its witness, or when a place cannot be read.
    """
    witness = secrets.token_hex(32).encode()
    names = {**needles, witness: WITNESS}
    places = chain([(WITNESS, [witness])], haystacks)
    records, starts, end = _grep(names, places)
    offsets = [offset for offset, _ in starts]
    hits = set()
    for record in filter(None, records.split(b"\0")):
        offset, _, text = record.partition(b":")
        hits.add(Hit(names[text], starts[bisect_right(offsets, int(offset)) - 1][1]))
    if Hit(WITNESS, WITNESS) not in hits:
        raise CitadelleError("La recherche de secrets n'a pas trouvé son propre témoin.")
    found = tuple(sorted(hit for hit in hits if hit.name != WITNESS))
    # One zero byte after each place, and the witness, are not theirs.
    return Result(found, len(starts) - 1, end - len(starts) - len(witness))


def _grep(
    patterns: Iterable[bytes], haystacks: Iterable[Haystack]
) -> tuple[bytes, list[tuple[int, str]], int]:
    """Return grep's ``offset:match`` records, where each place starts, and where all ends."""
    grep = shutil.which("grep")
    if grep is None:
        raise CitadelleError("grep introuvable : installez le paquet « grep ».")
    memory = os.memfd_create("aiguilles")
    # -z: binary files have long lines, but no long stretch without a zero byte.
    argv = [grep, "-z", "-a", "-o", "-b", "-F", "-f", f"/dev/fd/{memory}"]
    try:
        os.write(memory, b"\n".join(patterns))
        with subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(memory,),
            env={"LC_ALL": "C"},
        ) as process:
            records, starts, end = _converse(process, haystacks)
    finally:
        os.close(memory)
    if process.returncode > 1:
        raise CitadelleError(f"grep a échoué (code {process.returncode}).")
    return records, starts, end


def _converse(
    process: subprocess.Popen[bytes], haystacks: Iterable[Haystack]
) -> tuple[bytes, list[tuple[int, str]], int]:
    """Write and read at the same time: either pipe may fill."""
    stdin, stdout = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
    with ThreadPoolExecutor(1) as reader:
        records = reader.submit(stdout.read)
        try:
            starts, end = _feed(stdin, haystacks)
        except BrokenPipeError:
            raise CitadelleError("grep s'est arrêté avant la fin de la recherche.") from None
        finally:
            # Without an end, grep would wait, and so would the reader.
            with suppress(BrokenPipeError):
                stdin.close()
        return records.result(), starts, end


def _feed(pipe: IO[bytes], haystacks: Iterable[Haystack]) -> tuple[list[tuple[int, str]], int]:
    """Write everything, with a zero byte after each place so that no match spans two."""
    position = 0
    starts = []
    for place, content in haystacks:
        starts.append((position, place))
        for block in chain(content, [b"\0"]):
            pipe.write(block)
            position += len(block)
    return starts, position


def plain(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file's bytes, decompressed if it is gzip.

    Raises:
        CitadelleError: for zstd, which Python's library only reads from 3.14 on, and for broken
            gzip: what cannot be read is not declared clean.
    """
    head = cast(io.BufferedReader, file).peek(len(ZSTD))
    if head.startswith(ZSTD):
        raise CitadelleError("Contenu compressé par zstd : il n'a pas pu être examiné.")
    if not head.startswith(GZIP):
        yield from streams.blocks(file)
        return
    try:
        yield from streams.blocks(cast("IO[bytes]", gzip.GzipFile(fileobj=file)))
    except (EOFError, gzip.BadGzipFile, zlib.error):
        raise CitadelleError("Contenu gzip abîmé : il n'a pas pu être examiné.") from None


def archive(stream: IO[bytes]) -> Iterator[Haystack]:
    """Yield each file of a tar stream: an image's layers, in the old and the OCI layout."""
    with tarfile.open(fileobj=stream, mode="r|") as content:
        for member in content:
            file = content.extractfile(member) if member.isfile() else None
            if file is not None:
                yield f"image, {member.name}", plain(file)
