"""Modules (EL 8, 9): what dnf hides is not chosen, and what is chosen dnf does not hide."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.airgap import _rpms
from tests.airgap._rpms import Spec
from tests.airgap.conftest import Upstream
from tests.airgap.test_install import Host, produced


def modular(name: str, version: str, stream: str, *tags: str) -> Spec:
    """Return a package of a stream, labelled as the distribution's builders do."""
    label = f"ModularityLabel: {name}:{stream}:1:c0ffee"
    return Spec(name, version, tags=(label, *tags))


OLD = modular("perl", "5.26", "5.26")
NEW = modular("perl", "5.30", "5.30")
APP = Spec("app", tags=("Requires: perl",))


def document(spec: Spec, stream: str) -> dict[str, object]:
    """Return a stream of modules.yaml."""
    data = {
        "name": spec.name,
        "stream": stream,
        "version": 1,
        "context": "c0ffee",
        "arch": "x86_64",
        "summary": "test",
        "description": "test",
        "license": {"module": ["MIT"]},
        "artifacts": {"rpms": [f"{spec.name}-0:{spec.version}-1.noarch"]},
    }
    return {"document": "modulemd", "version": 2, "data": data}


def default(name: str, stream: str) -> dict[str, object]:
    """Return the default of a module."""
    data = {"module": name, "stream": stream, "profiles": {}}
    return {"document": "modulemd-defaults", "version": 1, "data": data}


STREAMS = (document(OLD, "5.26"), document(NEW, "5.30"))


def add_modules(place: Path, *documents: dict[str, object]) -> None:
    """Put modules.yaml into a repository's metadata."""
    path = place / "modules.yaml"
    path.write_text(yaml.safe_dump_all(documents, explicit_start=True))
    _rpms.run("/usr/bin/modifyrepo_c", "--mdtype=modules", path, place / "repodata")
    path.unlink()


def test_default_stream_alone_is_seen(upstream: Upstream) -> None:
    """The newest version is in a stream that no host has opened: dnf would not find it."""
    add_modules(upstream.add("base", APP, OLD, NEW), *STREAMS, default("perl", "5.26"))

    assert upstream.names() == ["app-1.0.noarch", "perl-5.26.noarch"]


def test_stream_without_default_is_not_seen(upstream: Upstream) -> None:
    """EL 9 has no default streams: ordinary packages are all there is."""
    place = upstream.add("base", APP, NEW, Spec("perl", "5.16"))
    add_modules(place, STREAMS[1])

    assert upstream.names() == ["app-1.0.noarch", "perl-5.16.noarch"]


def test_disabled_module_makes_way(upstream: Upstream) -> None:
    """The distribution's PostgreSQL module would hide PGDG's packages of the same names."""
    place = upstream.add("base", APP, OLD, Spec("perl", "5.16"))
    add_modules(place, STREAMS[0], default("perl", "5.26"))
    upstream.top["modules_desactives"] = ["perl"]

    assert upstream.names() == ["app-1.0.noarch", "perl-5.16.noarch"]


def test_open_stream_hides_ordinary_packages(upstream: Upstream) -> None:
    """As dnf does: a name of an open stream comes from the module alone."""
    add_modules(upstream.add("base", APP, OLD), STREAMS[0], default("perl", "5.26"))
    upstream.add("other", Spec("perl", "6.0"))

    assert upstream.names() == ["app-1.0.noarch", "perl-5.26.noarch"]


def test_repository_without_modules(upstream: Upstream) -> None:
    """EL 10, PGDG, EPEL: nothing is hidden."""
    upstream.add("base", APP, Spec("perl", "5.16"), Spec("perl", "5.40"))

    assert upstream.names() == ["app-1.0.noarch", "perl-5.40.noarch"]


@pytest.fixture
def host(upstream: Upstream, tmp_path: Path) -> Host:
    """A host that sees the produced repository, with a package of a default stream."""
    add_modules(upstream.add("base", APP, OLD, NEW), *STREAMS, default("perl", "5.26"))
    upstream.el = "8"
    return Host(tmp_path / "racine", produced(upstream.download()))


def test_package_of_a_default_stream_installs(host: Host) -> None:
    """Dnf refuses a modular package whose module no repository describes: ours does."""
    host.dnf("install", "app")

    assert host.installed() == ["app-0:1.0-1.noarch", "perl-0:5.26-1.noarch"]


def test_dnf_needs_the_module_description(host: Host, upstream: Upstream) -> None:
    """The test above would fail without it: here it is taken away."""
    folder = upstream.request().repository
    (folder / "modules.yaml").unlink()
    _rpms.index(folder)

    with pytest.raises(AssertionError, match=r"(?i)no available modular metadata"):
        host.dnf("install", "app")
