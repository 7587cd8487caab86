"""The images as one archive, under names that belong to no cluster."""

from __future__ import annotations

import json
from pathlib import Path

from citadelle import engine, images
from citadelle.airgap.archives import rewrite_images
from citadelle.airgap.transport import writing
from citadelle.topology import Topology

ARCHIVE, LISTING, RAW = "images.tar", "images.json", "images.partial"
BASE = "base"
_SECONDS = 1800


def sources(topology: Topology, base: str) -> dict[str, str]:
    """Return the name of each image on this machine, the base last."""
    return {stage: images.name(topology, stage) for stage in images.STAGES} | {BASE: base}


def size(topology: Topology, base: str) -> int:
    """Return at least the archive's size, in bytes: every image's own layers, and the base."""
    found = engine.inspect("image", *sources(topology, base).values())
    *stages, bottom = (int(one["Size"]) for one in found)
    return bottom + sum(one - bottom for one in stages)


def save(topology: Topology, base: str, folder: Path) -> None:
    """Write the archive and the list of what it holds. The same images give the same bytes.

    Raises:
        CitadelleError: an image is missing, disk full.
    """
    names = {stage: images.shipped(topology, stage) for stage in sources(topology, base)}
    raw = folder / RAW
    with writing(folder / ARCHIVE):
        folder.mkdir(parents=True)
        try:
            for stage, name in sources(topology, base).items():
                engine.docker("image", "tag", name, names[stage])
            engine.docker("save", f"--output={raw}", *names.values(), seconds=_SECONDS)
        finally:
            if left := images.known().intersection(names.values()):
                engine.docker("image", "rm", *left)
        rewrite_images(raw, folder / ARCHIVE)
        raw.unlink()
        found = engine.inspect("image", *sources(topology, base).values())
        rows = {
            stage: {"name": names[stage], "id": one["Id"], "size": one["Size"]}
            for stage, one in zip(names, found, strict=True)
        }
        text = json.dumps(rows, indent=1) + "\n"
        (folder / LISTING).write_text(text, encoding="utf-8")
