"""The images: a base, Patroni's wheels, then one small image per role.

The tag is the digest of everything that goes in, so an image that exists is up to date.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from citadelle import debian, engine, pki
from citadelle.progress import Steps
from citadelle.topology import UID, Topology
from citadelle.workspace import ROOT, Home

STAGES = ("pod", "wan", "etcd", "haproxy", "pgbouncer", "pg", "tools")
SOURCES = ROOT / "docker"
LOCK = SOURCES / "patroni" / "requirements.lock"
IGNORED = ("compose.yaml", "__pycache__")
# Shared by every cluster of the checkout: wheels hold nothing of a cluster.
WHEELS = ROOT / "build" / "wheels" / "patroni"
CONTEXT = ROOT / "build" / "images"
# A slow machine with a slow mirror; a build that takes longer is stuck.
BUILD_SECONDS = 1800


def tag(topology: Topology) -> str:
    """Return the tag of the images: the digest of the Dockerfile, its files and the base."""
    total = hashlib.sha256(topology.settings.base_image.encode())
    for path in _sources():
        total.update(path.relative_to(SOURCES).as_posix().encode() + path.read_bytes())
    total.update(repr(sorted(UID.items())).encode())
    return total.hexdigest()[:12]


def _sources() -> list[Path]:
    """Return the files that images are made of; not what Python left beside those it ran."""
    found = (path for path in SOURCES.rglob("*") if path.is_file())
    return sorted(p for p in found if not set(p.relative_to(SOURCES).parts) & set(IGNORED))


def name(topology: Topology, stage: str) -> str:
    """Return an image's full name."""
    return f"{topology.settings.cluster_name}/{stage}:{tag(topology)}"


def shipped(topology: Topology, stage: str) -> str:
    """Return the name that an image travels under, from and to a network without Internet."""
    return f"citadelle-airgap/{stage}:{tag(topology)}"


def missing(topology: Topology) -> list[str]:
    """Return the stages that have no image yet."""
    present = known()
    return [stage for stage in STAGES if name(topology, stage) not in present]


def known() -> set[str]:
    """Return the names of all of the engine's images."""
    return set(engine.docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split())


def sizes(topology: Topology) -> dict[str, int]:
    """Return the size of each image, in bytes (layers that images share count in each)."""
    found = engine.inspect("image", *(name(topology, stage) for stage in STAGES))
    return dict(zip(STAGES, (int(image["Size"]) for image in found), strict=True))


def build(topology: Topology, home: Home, steps: Steps) -> None:
    """Build what is missing; nothing to do when every image is there, or was carried here."""
    _adopt(topology, home, steps)
    stages = missing(topology)
    if not stages:
        return
    base = wheels(topology, home, steps)
    _context()
    for stage in stages:
        with steps.step(f"Image {stage}"):
            _build(name(topology, stage), stage, base, _labels(topology, home))


def wheels(topology: Topology, home: Home, steps: Steps) -> str:
    """Have Patroni's wheels in ``WHEELS``; return the base image that they are for."""
    with steps.step("Image de base (Debian 13)"):
        base = debian.base_image(topology.settings)
    with steps.step("Roues Python de Patroni"):
        _wheels(topology, base, _labels(topology, home))
    return base


def _labels(topology: Topology, home: Home) -> dict[str, str]:
    return {"cluster": topology.settings.cluster_name, "ca": pki.fingerprint(home)}


def _adopt(topology: Topology, home: Home, steps: Steps) -> None:
    """Give this cluster's name and labels to images that airgap-install has loaded.

    Again when a later bundle has replaced one: its name stays as long as docker/ does.
    """
    present = known()
    for stage in (stage for stage in STAGES if shipped(topology, stage) in present):
        origin = engine.inspect("image", shipped(topology, stage))[0]["Id"]
        own = engine.inspect("image", *({name(topology, stage)} & present))
        # The image itself, where an export died before it took its second name back.
        if own and origin in (own[0]["Id"], _label(own[0], "bundle")):
            continue
        with steps.step(f"Image {stage}, du bundle"):
            marks = _marks({**_labels(topology, home), "bundle": origin})
            source = f"FROM {shipped(topology, stage)}\n".encode()
            engine.docker("build", f"--tag={name(topology, stage)}", *marks, "-", stdin=source)


def _label(image: Mapping[str, Any], key: str) -> str | None:
    labels: Mapping[str, str] = image["Config"]["Labels"] or {}
    return labels.get(f"fr.citadelle.{key}")


def _marks(labels: dict[str, str]) -> list[str]:
    return [f"--label=fr.citadelle.{key}={value}" for key, value in labels.items()]


def _context() -> None:
    """Lay out the build context: the sources and the wheels, nothing else."""
    if CONTEXT.exists():
        shutil.rmtree(CONTEXT)
    shutil.copytree(SOURCES, CONTEXT, ignore=shutil.ignore_patterns(*IGNORED))
    shutil.copytree(WHEELS, CONTEXT / "wheels")


def _build(image: str, stage: str, base: str, labels: dict[str, str]) -> None:
    uids = [f"--build-arg=UID_{role.upper()}={uid}" for role, uid in UID.items()]
    argv = ["build", f"--target={stage}", f"--tag={image}", f"--build-arg=BASE={base}"]
    engine.docker(*argv, *uids, *_marks(labels), str(CONTEXT), seconds=BUILD_SECONDS)


def _wheels(topology: Topology, base: str, labels: dict[str, str]) -> None:
    """Build the wheels of the lock with the image's own Python; each source's hash is checked."""
    stamp = WHEELS / "requirements.txt"
    want = f"# {hashlib.sha256(LOCK.read_bytes() + base.encode()).hexdigest()}\n"
    if stamp.is_file() and stamp.read_text().startswith(want):
        return
    if CONTEXT.exists():
        shutil.rmtree(CONTEXT)
    shutil.copytree(SOURCES, CONTEXT, ignore=shutil.ignore_patterns(*IGNORED))
    (CONTEXT / "wheels").mkdir()
    builder = name(topology, "wheels")
    _build(builder, "wheels", base, labels)
    with tempfile.TemporaryDirectory(dir=_parent(WHEELS)) as scratch:
        _run_pip(builder, Path(scratch))
        wheels = sorted(Path(scratch).glob("*.whl"))
        lines = [want, *(_requirement(wheel) for wheel in wheels)]
        (Path(scratch) / "requirements.txt").write_text("".join(lines))
        if WHEELS.exists():
            shutil.rmtree(WHEELS)
        # On the same disk: there whole, or not at all.
        Path(scratch).rename(WHEELS)


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path.parent


def _run_pip(builder: str, target: Path) -> None:
    """Run pip in the builder; this container alone gets the host's CA bundle and pip settings."""
    argv = ["run", "--rm", "--user", f"{os.getuid()}:{os.getgid()}", "--env=HOME=/tmp"]
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if bundle and Path(bundle).is_file():
        argv += [f"--volume={bundle}:/ca.crt:ro", "--env=PIP_CERT=/ca.crt"]
    passed = ("PIP_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "HTTPS_PROXY", "https_proxy", "NO_PROXY")
    argv += [f"--env={variable}" for variable in passed if variable in os.environ]
    argv += [f"--volume={LOCK}:/requirements.lock:ro", f"--volume={target}:/wheels"]
    pip = "python3 -m pip wheel --no-cache-dir --no-build-isolation --require-hashes"
    command = f"{pip} --requirement /requirements.lock --wheel-dir /wheels"
    engine.docker(*argv, "--entrypoint=sh", builder, "-c", command, seconds=BUILD_SECONDS)


def _requirement(wheel: Path) -> str:
    project, version = wheel.name.split("-")[:2]
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    return f"{project}=={version} --hash=sha256:{digest}\n"
