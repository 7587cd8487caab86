"""Licence texts that travel with what they cover, and the names that an SBOM gives them."""

from __future__ import annotations

import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email.message import Message
from email.parser import Parser
from pathlib import Path, PurePosixPath

from citadelle.airgap import lock
from citadelle.audit import streams
from citadelle.errors import CitadelleError

# In a wheel's dist-info, or its licenses/ (PEP 639); older wheels have them at its top.
_TEXT = re.compile(
    r"\.dist-info/(licen[cs]es/.+|(?:LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*)$", re.I
)
# The machine-readable copyright format of Debian (DEP-5): one short name per paragraph.
_SHORT = re.compile(r"^License:[ \t]+(\S.*)$", re.MULTILINE)
_DOCS = "/usr/share/doc"


def of_wheel(wheel: Path) -> dict[str, bytes]:
    """Return the licence texts of a wheel by their place, ``<project>/<file>``."""
    project = lock.identity(wheel)[0]
    with zipfile.ZipFile(wheel) as archive:
        found = ((name, _TEXT.search(name)) for name in archive.namelist())
        return {
            f"{project}/{_safe(match.group(1))}": archive.read(name)
            for name, match in found
            if match is not None and not name.endswith("/")
        }


def metadata(wheel: Path) -> Message:
    """Return a wheel's own description of itself."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return Parser().parsestr(archive.read(name).decode("utf-8", "replace"), headersonly=True)


def names_of_wheel(about: Message) -> list[str]:
    """Return the licences that a wheel declares: SPDX expression, classifiers, or a word."""
    if expression := about.get("License-Expression"):
        return [expression]
    classifiers = [str(one) for one in about.get_all("Classifier", [])]
    found = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License ::")]
    return found or str(about.get("License", "")).strip().splitlines()[:1]


def names_of_copyright(text: str) -> list[str]:
    """Return the short names that a Debian copyright file gives, each once, in its order."""
    return list(dict.fromkeys(one.strip() for one in _SHORT.findall(text)))


def of_image(argv: Iterable[str]) -> dict[str, bytes]:
    """Return the copyright file of each Debian package that an image holds.

    ``argv`` runs a command in the image. Packages of one source may share a file, by a link.
    """
    script = f"cd {_DOCS} && tar --create --dereference --hard-dereference --file=- */copyright"
    with streams.command([*argv, script]) as stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        return {name: content for member in tar for name, content in _copyright(tar, member)}


def _copyright(tar: tarfile.TarFile, member: tarfile.TarInfo) -> Iterator[tuple[str, bytes]]:
    content = tar.extractfile(member)
    if content is not None:
        yield PurePosixPath(member.name).parent.name, content.read()


def write(folder: Path, texts: Mapping[str, bytes]) -> None:
    """Write texts below a folder."""
    for place, text in sorted(texts.items()):
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text)


def _safe(place: str) -> str:
    parts = PurePosixPath(place).parts
    if ".." in parts or PurePosixPath(place).is_absolute():
        raise CitadelleError(f"Roue au contenu suspect : {place}.")
    return "/".join(parts)
