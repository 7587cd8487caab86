"""Room on the disks: looked at before anything is written, and told when it runs out."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from citadelle.airgap.transport import writing
from citadelle.errors import CitadelleError

# Manifest, index, file system overhead, in bytes.
MARGIN = 64 * 1024 * 1024
# How other programs tell that a disk is full: pip, docker, apt.
_FULL = re.compile(r"no space left|enough free space", re.IGNORECASE)


def require(needs: Mapping[Path, int]) -> None:
    """Refuse to start when what is to be written below some folders, in bytes, does not fit.

    Raises:
        CitadelleError: how much is needed, how much is free, where.
    """
    by_disk: Counter[int] = Counter()
    places: dict[int, Path] = {}
    for folder, size in needs.items():
        place = next(path for path in (folder, *folder.parents) if path.exists())
        by_disk[place.stat().st_dev] += size
        places.setdefault(place.stat().st_dev, place)
    for disk, size in by_disk.items():
        free = shutil.disk_usage(places[disk]).free
        if size + MARGIN > free:
            raise CitadelleError(
                f"Disque plein : {-(-(size + MARGIN) // 1_000_000)} Mo à écrire dans "
                f"{places[disk]}, {free // 1_000_000} Mo libres. Libérez de la place, choisissez "
                "un autre dossier (--to) ou moins de parts (--only), puis relancez."
            )


@contextmanager
def told(target: Path) -> Iterator[None]:
    """Tell in French that a disk got full, whoever saw it: this process or one that it ran."""
    try:
        with writing(target):
            yield
    except CitadelleError as error:
        if not _FULL.search(str(error)):
            raise
        raise CitadelleError(
            f"Disque plein en écrivant {target.name} dans {target.parent} : libérez de la place, "
            "puis relancez la même commande, qui reprend où elle en était."
        ) from None


def taken(folder: Path) -> int:
    """Return the bytes of the files below a folder; none when it does not exist."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
