"""The parts of a bundle, each written into a folder of its own below the growing bundle."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from citadelle import images
from citadelle.airgap import debs, imagefiles, licences, room, sbom, source
from citadelle.airgap import wheels as wheels_
from citadelle.airgap.rpms import FOLDER as RPMS
from citadelle.errors import CitadelleError
from citadelle.progress import Steps, console
from citadelle.topology import Topology
from citadelle.workspace import ROOT

# Roles whose image holds Patroni's wheels besides Debian packages.
_WITH_PATRONI = ("pg", "tools")
# Sizes seen in November 2026, rounded up, in bytes: to tell beforehand that a disk is too small.
_WHEELS, _DEBIAN, _SBOM, _SOURCES = 250_000_000, 270_000_000, 30_000_000, 20_000_000


@dataclass(frozen=True)
class Making:
    """A bundle being made: what of, and where it grows."""

    topology: Topology
    base: str
    machine: str
    folder: Path
    steps: Steps

    def images(self) -> Mapping[str, str]:
        """Return the name of each image on this machine."""
        return imagefiles.sources(self.topology, self.base)


def tools(making: Making) -> None:
    """Write the two programs of the other side."""
    for path in source.tools():
        shutil.copyfile(path, making.folder / path.name)
        (making.folder / path.name).chmod(0o755)


def repository(making: Making) -> None:
    """Write the commit."""
    with making.steps.step("Dépôt"):
        source.archive(making.folder / "repository")


def wheels(making: Making) -> None:
    """Write every Python's wheels."""
    wheels_.gather(making.folder / "wheels", making.machine, making.steps)


def images_(making: Making) -> None:
    """Write the images' archive."""
    with making.steps.step("Images"):
        imagefiles.save(making.topology, making.base, making.folder / "images")


def debian(making: Making) -> None:
    """Write the Debian packages."""
    debs.gather(making.folder / "debian", making.topology.settings, making.steps)


def rpms(making: Making) -> None:
    """Copy what ``invoke airgap.rpms`` has left: lists, and packages if they were fetched."""
    if not any(RPMS.rglob("*.txt")):
        console.print(
            "  [yellow]![/] Pas de RPM : dist/rpms est vide. Pour des machines RHEL, lancez "
            "d'abord « invoke airgap.rpms --download »."
        )
        return
    with making.steps.step("RPM"):
        unfinished = shutil.ignore_patterns("*.part")
        shutil.copytree(RPMS, making.folder / "rpms", ignore=unfinished)


def inventory(making: Making) -> None:
    """Write the SBOMs and licences of the wheels and images that the bundle holds."""
    packed = sorted(making.folder.glob("wheels/**/*.whl"))
    listing = making.folder / "images" / imagefiles.LISTING
    texts = {"LICENSE": (ROOT / "LICENSE").read_bytes()}
    with making.steps.step("SBOM et licences"):
        if packed:
            _write_sbom(making, "wheels", sbom.of_wheels(packed))
            texts |= {f"python/{k}": v for w in packed for k, v in licences.of_wheel(w).items()}
        if listing.is_file():
            found = list(_looks(making, json.loads(listing.read_text(encoding="utf-8"))))
            _write_sbom(making, "images", _components(found))
            _tell_unlicensed(set().union(*(one.unlicensed() for _, one in found)))
            debian_texts = chain.from_iterable(one.texts.items() for _, one in found)
            texts |= {f"debian/{name}.txt": text for name, text in debian_texts}
        licences.write(making.folder / "licences", texts)


def _looks(
    making: Making, listing: Mapping[str, Mapping[str, str]]
) -> Iterator[tuple[str, sbom.Image]]:
    for stage, image in making.images().items():
        row = listing[stage]
        yield stage, sbom.look(image, row["name"], row["id"])


def _tell_unlicensed(packages: set[str]) -> None:
    if packages:
        console.print(
            f"  [yellow]![/] {len(packages)} paquets Debian sans fichier de licence : "
            f"{', '.join(sorted(packages))}. Une base (BASE_IMAGE) qui les efface ?"
        )


def _components(found: list[tuple[str, sbom.Image]]) -> Iterator[sbom.Component]:
    patroni = sbom.of_wheels(images.WHEELS.glob("*.whl"))
    yield from patroni
    for stage, image in found:
        yield image.component(patroni if stage in _WITH_PATRONI else [])
        yield from image.packages


def _write_sbom(
    making: Making, what: str, components: Iterator[sbom.Component] | list[sbom.Component]
) -> None:
    target = making.folder / "sbom" / f"{what}.cdx.json"
    target.parent.mkdir(exist_ok=True)
    text = sbom.document(components, f"citadelle-{what}", source.version(), source.dated())
    target.write_text(text, encoding="utf-8")


# In the order in which they are made: the inventory reads what the others have written.
PARTS: Mapping[str, Callable[[Making], None]] = {
    "repository": repository,
    "wheels": wheels,
    "images": images_,
    "debian": debian,
    "rpms": rpms,
    "sbom": inventory,
}


def require(wanted: Collection[str]) -> None:
    """Refuse an inventory of nothing.

    Raises:
        CitadelleError: neither wheels nor images are wanted.
    """
    if "sbom" in wanted and {"wheels", "images"}.isdisjoint(wanted):
        raise CitadelleError(
            "La part « sbom » décrit les roues et les images : ajoutez « wheels » ou « images » à "
            "--only, ou retirez « sbom »."
        )


def needs(making: Making, wanted: tuple[str, ...], *, tar: bool) -> dict[Path, int]:
    """Return the bytes that are to be written, by folder: the bundle, what is kept for the next."""
    sizes = {"repository": _SOURCES, "wheels": _WHEELS, "debian": _DEBIAN, "sbom": _SBOM}
    sizes["rpms"] = room.taken(RPMS)
    if "images" in wanted:
        sizes["images"] = imagefiles.size(making.topology, making.base)
    total = sum(sizes[part] for part in wanted)
    # Beside the archive of the images, for a while, what docker has saved; or the single file.
    total += max(total if tar else 0, sizes.get("images", 0))
    kept = {"wheels": wheels_.CACHE, "debian": debs.CACHE}
    missing = {kept[p]: max(0, sizes[p] - room.taken(kept[p])) for p in kept if p in wanted}
    return {making.folder: total, **missing}
