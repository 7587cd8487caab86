"""Reading https, http and file addresses the same way; downloads resume where they stopped."""

from __future__ import annotations

import errno
import hashlib
import netrc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

import httpx

from citadelle.errors import CitadelleError

# How much of a local file is read at once: Ctrl-C and the progress bar follow.
CHUNK_BYTES = 256 * 1024
# A mirror that sends nothing for so long is taken for cut.
SILENCE_SECONDS = 30
# Each attempt goes on where the one before stopped.
ATTEMPTS = 4
# repomd.xml, its signature and keys are a few kilobytes; more is a mistake or an attack.
SMALL_BYTES = 4 * 1024 * 1024
# Digests that still prove something; metadata with only md5 or sha1 is refused.
ALGORITHMS = ("sha256", "sha384", "sha512")


@dataclass(frozen=True)
class Remote:
    """A file somewhere, and what proves that one has it: size in bytes, ``sha256:...``."""

    url: str
    size: int
    digest: str

    def is_at(self, path: Path) -> bool:
        """Tell whether this very content is there."""
        return (
            path.is_file()
            and path.stat().st_size == self.size
            and digest(path, self.digest.partition(":")[0]) == self.digest.partition(":")[2]
        )


class StoppedError(Exception):
    """Another download failed, or the operator pressed Ctrl-C."""


def digest(path: Path, algorithm: str, start: int = 0) -> str:
    """Return the hexadecimal digest of a file from ``start`` bytes to its end."""
    with path.open("rb") as file:
        file.seek(start)
        return hashlib.file_digest(file, algorithm).hexdigest()


class Transport:
    """One pool of connections, safe to share between threads."""

    def __init__(self) -> None:
        self._client = httpx.Client(
            follow_redirects=True,
            timeout=SILENCE_SECONDS,
            auth=_logins(),
            headers={"accept-encoding": "identity"},  # sizes and offsets are those of the file
        )

    def __enter__(self) -> Transport:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def small(self, url: str) -> bytes:
        """Return a short file.

        Raises:
            CitadelleError: it is absent, unreachable or larger than ``SMALL_BYTES``.
        """
        received = bytearray()
        try:
            with self._open(url, 0) as (_, chunks):
                for chunk in chunks:
                    received += chunk
                    if len(received) > SMALL_BYTES:
                        raise CitadelleError(f"{url} : bien trop gros pour ce que c'est ; refusé.")
        except httpx.HTTPError as error:
            raise _unreachable(url, error) from None
        return bytes(received)

    def fetch(
        self,
        remote: Remote,
        target: Path,
        seen: Callable[[int], None] = lambda _bytes: None,
        stop: Event | None = None,
    ) -> None:
        """Bring a file; what an earlier call left in ``<target>.part`` is gone on with.

        ``seen`` is told how many bytes are there. The target only appears when its digest is right.

        Raises:
            CitadelleError: absent, unreachable, different from what was announced, disk full.
            StoppedError: ``stop`` was set meanwhile; the part file stays.
        """
        part = target.with_name(target.name + ".part")
        last: Exception | None = None
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            for _ in range(ATTEMPTS):
                last = self._append(remote, part, seen, stop or Event())
                if remote.is_at(part):
                    part.replace(target)
                    return
                if last is None:  # complete, but not what was announced: once more from nothing
                    part.unlink(missing_ok=True)
        if last is not None:
            raise _unreachable(remote.url, last)
        raise CitadelleError(
            f"{remote.url} : le contenu reçu n'est pas celui que le dépôt annonce "
            f"({remote.size} octets, {remote.digest[:23]}…). Miroir en cours de mise à jour ou "
            "altéré : relancez plus tard, ou changez de miroir dans depots.yml."
        )

    def _append(
        self, remote: Remote, part: Path, seen: Callable[[int], None], stop: Event
    ) -> Exception | None:
        """Go on with the part file; return what cut the transfer, or None when it ended."""
        if remote.is_at(part):
            return None
        have = part.stat().st_size if part.is_file() else 0
        if have >= remote.size:
            have = 0
        try:
            with self._open(remote.url, have) as (start, chunks), part.open("ab") as file:
                file.truncate(start)
                received = start
                for chunk in chunks:
                    if stop.is_set():
                        raise StoppedError
                    received += file.write(chunk)
                    seen(received)
                    if received > remote.size:
                        return None
        except httpx.HTTPError as error:
            return error
        return None

    @contextmanager
    def _open(self, url: str, start: int) -> Iterator[tuple[int, Iterator[bytes]]]:
        """Open an address near an offset; yield where the bytes really start, and the bytes."""
        if urlsplit(url).scheme == "file":
            with _file(url) as file:
                file.seek(start)
                yield start, iter(lambda: file.read(CHUNK_BYTES), b"")
            return
        headers = {"range": f"bytes={start}-"} if start else {}
        with self._client.stream("GET", url, headers=headers) as response:
            _require_encrypted(url, response)
            if response.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
                raise _refused(url, response.status_code)
            resumed = response.headers.get("content-range", "").startswith(f"bytes {start}-")
            yield start if resumed else 0, response.iter_raw()


@contextmanager
def _file(url: str) -> Iterator[BinaryIO]:
    try:
        file = Path(unquote(urlsplit(url).path)).open("rb")  # noqa: SIM115 (closed below)
    except OSError as error:
        raise CitadelleError(f"{url} : illisible ({error.strerror}). {_ABSENT}") from None
    with file:
        yield file


_ABSENT = (
    "S'il vient d'être retiré du dépôt, relancez « invoke airgap.rpms » : les paquets seront "
    "choisis de nouveau ; sinon, corrigez l'adresse dans depots.yml."
)


def _refused(url: str, status: int) -> CitadelleError:
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return CitadelleError(f"{url} : accès refusé (HTTP {status}) ; voyez ~/.netrc.")
    return CitadelleError(f"{url} : absent (HTTP {status}). {_ABSENT}")


def _unreachable(url: str, error: Exception) -> CitadelleError:
    return CitadelleError(
        f"{url} : liaison coupée ou injoignable ({type(error).__name__} {error}). Relancez la même "
        "commande : ce qui est déjà là est gardé. Derrière un proxy : HTTPS_PROXY, SSL_CERT_FILE."
    )


def _require_encrypted(url: str, response: httpx.Response) -> None:
    """Refuse that a redirection leaves https: a mirror must not lose what was asked for."""
    hops = [one.url for one in (*response.history, response)]
    if url.startswith("https:") and any(hop.scheme != "https" for hop in hops):
        raise CitadelleError(f"{url} : redirigé vers http:// ; refusé. Changez de miroir.")


def _logins() -> httpx.Auth | None:
    """Return the company mirrors' logins of ~/.netrc, if there is one."""
    try:
        return httpx.NetRCAuth()
    except FileNotFoundError:
        return None
    except netrc.NetrcParseError as error:
        raise CitadelleError(
            f"~/.netrc, ligne {error.lineno} : incorrecte ; corrigez-la."
        ) from None


@contextmanager
def writing(target: Path) -> Iterator[None]:
    """Tell in French why a file cannot be written: no room, no right."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise CitadelleError(f"{target} : {error.strerror} ; vérifiez les droits.") from None
        raise CitadelleError(
            f"Disque plein en écrivant {target.name} dans {target.parent} : libérez de la place, "
            "puis relancez la même commande, qui reprend où elle en était."
        ) from None
