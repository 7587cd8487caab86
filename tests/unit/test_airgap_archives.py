"""Archives that depend on their content alone."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from citadelle.airgap import archives
from citadelle.errors import CitadelleError

BASE, TOP = "a" * 64, "b" * 64
LAYERS = {BASE: b"du fond" * 100, TOP: b"du dessus" * 100}
IMAGES = {"base:1": [BASE], "role:1": [BASE, TOP]}


def saved(path: Path, order: list[str], mtime: int, owner: str) -> Path:
    """Write what an old engine saves: a layer once, links to it, any order, any date.

    ``owner`` is the image whose folder holds the shared layer itself.
    """
    members: dict[str, bytes | str] = {}
    index = []
    for image in order:
        name = image.partition(":")[0]
        configuration = {"rootfs": {"diff_ids": [f"sha256:{one}" for one in IMAGES[image]]}}
        config = f"{name}.json"
        members[config] = json.dumps(configuration).encode()
        paths = [f"{name}{number}/layer.tar" for number in range(len(IMAGES[image]))]
        for path_, layer in zip(paths, IMAGES[image], strict=True):
            members[path_] = LAYERS[layer]
        if image != owner:
            members[paths[0]] = f"../{owner.partition(':')[0]}0/layer.tar"
        index.append({"Config": config, "RepoTags": [image], "Layers": paths})
    members["manifest.json"] = json.dumps(index).encode()
    with tarfile.open(path, "w") as archive:
        for member, content in members.items():
            info = tarfile.TarInfo(member)
            info.mtime = mtime
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def rewritten(folder: Path, *, order: list[str], mtime: int, owner: str) -> bytes:
    """Return the rewritten archive."""
    archives.rewrite_images(saved(folder / "brut", order, mtime, owner), folder / "net")
    return (folder / "net").read_bytes()


def test_same_images_give_the_same_bytes(tmp_path: Path) -> None:
    """Whatever the order, the dates, and the image that the shared layer was saved with."""
    first = rewritten(tmp_path, order=["base:1", "role:1"], mtime=1, owner="base:1")
    second = rewritten(tmp_path, order=["role:1", "base:1"], mtime=2, owner="role:1")

    assert first == second


def test_nothing_is_lost(tmp_path: Path) -> None:
    """Each image finds its layers, from the bottom up, through the paths of the index."""
    rewritten(tmp_path, order=["role:1", "base:1"], mtime=2, owner="role:1")
    with tarfile.open(tmp_path / "net") as archive:
        read = {m.name: f.read() for m in archive if (f := archive.extractfile(m))}

    for image in json.loads(read["manifest.json"]):
        (tag,) = image["RepoTags"]
        assert [read[path] for path in image["Layers"]] == [LAYERS[one] for one in IMAGES[tag]]
        assert json.loads(read[image["Config"]])["rootfs"]["diff_ids"]


def test_shared_layer_is_kept_once(tmp_path: Path) -> None:
    """The base lies below every role."""
    rewritten(tmp_path, order=["role:1", "base:1"], mtime=2, owner="role:1")
    with tarfile.open(tmp_path / "net") as archive:
        layers = [name for name in archive.getnames() if name.startswith("layers/")]

    assert layers == [f"layers/{BASE}.tar", f"layers/{TOP}.tar"]


def test_other_archive_is_refused(tmp_path: Path) -> None:
    """Without an index there is nothing to load."""
    with tarfile.open(tmp_path / "brut", "w"):
        pass

    with pytest.raises(CitadelleError, match="Archive d'images incomprise"):
        archives.rewrite_images(tmp_path / "brut", tmp_path / "net")


def test_link_elsewhere_is_refused(tmp_path: Path) -> None:
    """Only another layer of the same archive is followed."""
    saved(tmp_path / "brut", ["base:1", "role:1"], 1, "absente/..:1")

    with pytest.raises(CitadelleError, match="Archive d'images incomprise"):
        archives.rewrite_images(tmp_path / "brut", tmp_path / "net")


def test_packed_folder_depends_on_content(tmp_path: Path) -> None:
    """Neither on dates nor on the order of creation."""
    packed = []
    for names in (("un", "deux"), ("deux", "un")):
        folder = tmp_path / names[0]
        folder.mkdir()
        for name in names:
            (folder / name).write_text(name)
        archives.pack(folder, tmp_path / "net.tar", "citadelle-1", 0)
        packed.append((tmp_path / "net.tar").read_bytes())

    assert packed[0] == packed[1]
