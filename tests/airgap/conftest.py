"""An upstream of the tests' own: repositories of real RPMs, their keys, their YAML files."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from citadelle.airgap import rpms
from citadelle.airgap.rpms import Request
from citadelle.airgap.solver import Resolution
from citadelle.airgap.target import Target
from citadelle.progress import Steps
from tests.airgap import _rpms
from tests.airgap._rpms import Forge, Signer, Spec
from tests.airgap._server import Mirror


@pytest.fixture(scope="session")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """Build RPMs, each once a session."""
    _rpms.require_tools()
    return Forge(tmp_path_factory.mktemp("forge"))


@pytest.fixture(scope="session")
def signer(forge: Forge) -> Iterator[Signer]:
    """The publisher of the repositories."""
    found = Signer("editeur")
    yield found
    found.close()


@pytest.fixture(scope="session")
def stranger(forge: Forge) -> Iterator[Signer]:
    """Someone whose key nobody has pinned."""
    found = Signer("inconnu")
    yield found
    found.close()


@dataclass
class Upstream:
    """Repositories below one folder, and what asks them for packages."""

    folder: Path
    forge: Forge
    signer: Signer
    base: str = ""
    top: dict[str, object] = field(default_factory=dict)
    depots: dict[str, dict[str, object]] = field(default_factory=dict)
    wanted: list[object] = field(default_factory=lambda: ["app"])
    el: str = "9"
    arch: str = "x86_64"

    def __post_init__(self) -> None:
        self.base = self.base or self.folder.as_uri()
        (self.folder / "cle.asc").write_text(self.signer.public)

    def add(self, repository: str, *specs: Spec, signed: bool = True) -> Path:
        """Add RPMs to a repository, with metadata; return its folder."""
        place = self.folder / repository
        place.mkdir(exist_ok=True)
        for spec in specs:
            rpm = self.forge.build(spec, self.signer if signed else None)
            shutil.copyfile(rpm, place / spec.file)
        _rpms.index(place)
        self.depots.setdefault(repository, {})
        return place

    def request(self) -> Request:
        """Write the YAML files; return what the operator asks for."""
        content = {
            "cles": {"k": {"source": "cle.asc", "empreintes": [self.signer.fingerprint]}},
            "depots": {
                name: {"url": f"{self.base}/{name}", "cle": "k", **options}
                for name, options in self.depots.items()
            },
            **self.top,
        }
        depots, packages = self.folder / "depots.yml", self.folder / "paquets.yml"
        depots.write_text(yaml.safe_dump(content))
        packages.write_text(yaml.safe_dump({"roles": {"test": self.wanted}}))
        target = Target(self.el, self.arch, "17")
        out = self.folder / "sortie"
        return Request(target, depots, packages, out, self.folder / "cache")

    def resolve(self) -> Resolution:
        """Choose the packages and write the lists."""
        return rpms.run(self.request(), fetch=False, steps=Steps())

    def names(self) -> list[str]:
        """Return what is chosen, as ``name-version.arch``."""
        chosen = self.resolve().packages
        return [f"{one.name}-{one.evr[2:].removesuffix('-1')}.{one.arch}" for one in chosen]

    def download(self) -> Request:
        """Choose and fetch; return what was asked for."""
        request = self.request()
        rpms.run(request, fetch=True, steps=Steps())
        return request


@pytest.fixture
def upstream(tmp_path: Path, forge: Forge, signer: Signer) -> Upstream:
    """An empty upstream over file://."""
    return Upstream(tmp_path, forge, signer)


@pytest.fixture
def mirror(upstream: Upstream) -> Iterator[Mirror]:
    """The same upstream, over HTTP."""
    with Mirror(upstream.folder) as found:
        upstream.base = found.url
        yield found


Flip = Callable[[Path, int], None]


@pytest.fixture
def flip() -> Flip:
    """Change one bit of a file, ``offset`` bytes from its start (negative: from its end)."""

    def change(path: Path, offset: int) -> None:
        content = bytearray(path.read_bytes())
        content[offset] ^= 1
        path.write_bytes(content)

    return change
