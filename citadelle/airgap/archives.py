"""Tar files that depend on their content alone: no date, no owner, a fixed order."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any, cast

from citadelle.errors import CitadelleError

_INDEX = "manifest.json"
# How many links a layer's path may go through: docker save needs one.
_LINKS = 8


def _add(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes], mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    archive.addfile(member, content)


def pack(folder: Path, target: Path, name: str, moment: int) -> None:
    """Write a folder as a tar file, below ``name``; ``moment`` dates every member."""
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(folder.rglob("*")):
            if not path.is_file():
                continue
            member = tarfile.TarInfo(f"{name}/{path.relative_to(folder).as_posix()}")
            member.size, member.mtime = path.stat().st_size, moment
            member.mode = path.stat().st_mode & 0o777
            with path.open("rb") as content:
                archive.addfile(member, content)


def rewrite_images(saved: Path, target: Path) -> None:
    """Rewrite what ``docker save`` wrote: each layer once, by its digest, in a fixed order.

    The engine dates the members, and orders images, and layers that several images share, as
    a map iterates: two archives of the same images differ. ``docker load`` reads paths from
    manifest.json, so any layout does; configurations, which the identifiers are the digests
    of, are kept byte for byte.

    Raises:
        CitadelleError: the archive is not what ``docker save`` writes.
    """
    try:
        with tarfile.open(saved) as old, tarfile.open(target, "w") as new:
            _rewrite(old, new)
    except (tarfile.TarError, KeyError, ValueError) as error:
        raise CitadelleError(
            f"Archive d'images incomprise ({error}) : moteur inconnu, ou archive abîmée."
        ) from None


def _rewrite(old: tarfile.TarFile, new: tarfile.TarFile) -> None:
    images = json.loads(_read(old, _INDEX))
    configurations: dict[str, bytes] = {}
    layers: dict[str, str] = {}
    for image in sorted(images, key=lambda one: cast("list[str]", one["RepoTags"])):
        raw = _read(old, image["Config"])
        digests = _diff_ids(json.loads(raw))
        layers |= dict(zip(digests, image["Layers"], strict=True))
        image["Layers"] = [_layer(one) for one in digests]
        image["Config"] = f"{Path(image['Config']).name.removesuffix('.json')}.json"
        configurations[image["Config"]] = raw
    for name, raw in sorted(configurations.items()):
        _add(new, name, len(raw), io.BytesIO(raw), 0o644)
    for one, path in sorted(layers.items()):
        member = _file(old, path)
        _add(new, _layer(one), member.size, _content(old, member), 0o644)
    index = _index(images)
    _add(new, _INDEX, len(index), io.BytesIO(index), 0o644)


def _index(images: Iterable[Mapping[str, Any]]) -> bytes:
    """Return manifest.json: only what ``docker load`` reads, and what other engines ignore."""
    rows = [{key: one[key] for key in ("Config", "RepoTags", "Layers")} for one in images]
    return json.dumps(sorted(rows, key=lambda one: one["RepoTags"])).encode()


def _diff_ids(configuration: Mapping[str, Any]) -> Sequence[str]:
    return cast("Sequence[str]", configuration["rootfs"]["diff_ids"])


def _layer(digest: str) -> str:
    return f"layers/{digest.removeprefix('sha256:')}.tar"


def _file(archive: tarfile.TarFile, path: str) -> tarfile.TarInfo:
    """Return a member, through links: the old layout keeps a shared layer once."""
    member = archive.getmember(path)
    for _ in range(_LINKS):
        if not member.issym():
            return member
        member = archive.getmember(_beside(member))
    raise ValueError(path)


def _beside(link: tarfile.TarInfo) -> str:
    """Return where a link of the archive leads; only ``../<folder>/layer.tar`` is known."""
    up, _, rest = link.linkname.partition("/")
    if up != ".." or link.name.count("/") != 1:
        raise ValueError(f"{link.name} -> {link.linkname}")
    return rest


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    content = archive.extractfile(member)
    if content is None:
        raise ValueError(member.name)
    return content


def _read(archive: tarfile.TarFile, path: str) -> bytes:
    return _content(archive, _file(archive, path)).read()
