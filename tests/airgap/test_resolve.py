"""The closure: what dnf would install, no less and no more."""

from __future__ import annotations

import pytest

from citadelle.errors import CitadelleError
from tests.airgap._rpms import Spec
from tests.airgap._server import Mirror
from tests.airgap.conftest import Upstream

TOOL = {
    arch: Spec("tool", arch=arch, files=("/usr/bin/tool",))
    for arch in ("x86_64", "aarch64", "i686")
}
APP = Spec(
    "app",
    "2.0",
    tags=(
        "Requires: lib >= 1.1",
        "Requires: /usr/bin/tool",
        "Requires: /usr/share/deep/file",
        "Requires: capability",
        "Recommends: luxury",
    ),
)
WORLD = (
    APP,
    Spec("app", "1.0"),
    Spec("lib", "1.0"),
    Spec("lib", "1.2"),
    *TOOL.values(),
    Spec("deep", files=("/usr/share/deep/file",)),
    Spec("provider", tags=("Provides: capability = 3",)),
    Spec("luxury"),
)
CLOSURE = ["app-2.0.noarch", "deep-1.0.noarch", "lib-1.2.noarch", "provider-1.0.noarch"]


@pytest.mark.parametrize("arch", ["x86_64", "aarch64"])
def test_closure(upstream: Upstream, arch: str) -> None:
    """Newest versions, virtual provides, any file; the right architecture; nothing recommended."""
    upstream.add("base", *WORLD)
    upstream.arch = arch

    assert upstream.names() == [*CLOSURE, f"tool-1.0.{arch}"]


def test_other_architecture_is_not_there(upstream: Upstream) -> None:
    """x86_64 repositories also hold i686 packages, which a server does not want."""
    upstream.add("base", Spec("app", arch="i686"))

    with pytest.raises(CitadelleError, match=r"Aucun dépôt n'a ces paquets :\n  app "):
        upstream.resolve()


def test_closure_over_http(upstream: Upstream, mirror: Mirror) -> None:
    """The same from a mirror."""
    upstream.add("base", *WORLD)

    assert upstream.names() == [*CLOSURE, "tool-1.0.x86_64"]


@pytest.mark.parametrize(
    ("asked", "chosen"),
    [
        ("app = 1.0", "app-1.0.noarch"),
        ("app < 2.0", "app-1.0.noarch"),
        ("lib", "lib-1.2.noarch"),
        ("capability >= 2", "provider-1.0.noarch"),
        ("/usr/share/deep/file", "deep-1.0.noarch"),
        ("/usr/share/lib/data", "lib-1.2.noarch"),  # a file that no package requires
    ],
)
def test_asked_like_dnf(upstream: Upstream, asked: str, chosen: str) -> None:
    """A version, a virtual provide, a file."""
    upstream.add("base", *WORLD)
    upstream.wanted = [asked]

    assert upstream.names() == [chosen]


OLD = Spec("old", "9.0")
NEW = Spec("new", "2.0", tags=("Obsoletes: old < 10", "Provides: old = 10"))


@pytest.mark.parametrize("asked", ["old", "new"])
def test_obsoleted_package_gives_way(upstream: Upstream, asked: str) -> None:
    """As dnf does, who asks for the old name gets the new package."""
    upstream.add("base", OLD, NEW)
    upstream.wanted = [asked]

    assert upstream.names() == ["new-2.0.noarch"]


def test_epoch_wins_over_version(upstream: Upstream) -> None:
    """An epoch makes an older version number newer."""
    upstream.add("base", Spec("app", "9.0"), Spec("app", "0.5", tags=("Epoch: 1",)))

    assert [one.evr for one in upstream.resolve().packages] == ["1:0.5-1"]


def test_priority_wins_over_version(upstream: Upstream) -> None:
    """PGDG's package is taken although EPEL has a newer one of the same name."""
    upstream.add("epel", Spec("app", "3.0"))
    upstream.add("pgdg", Spec("app", "1.0"))
    upstream.depots["pgdg"]["priorite"] = 50

    assert upstream.names() == ["app-1.0.noarch"]


def test_excluded_name_is_not_there(upstream: Upstream) -> None:
    """A repository's exclusion leaves its other packages."""
    upstream.add("base", Spec("app", "3.0"), Spec("lib", "1.0"))
    upstream.add("other", Spec("app", "1.0"))
    upstream.depots["base"]["exclure"] = ["ap*"]
    upstream.wanted = ["app", "lib"]

    assert upstream.names() == ["app-1.0.noarch", "lib-1.0.noarch"]


def test_all_missing_packages_are_named(upstream: Upstream) -> None:
    """One message for all, with the roles and the repositories that were read."""
    upstream.add("base", Spec("app", "1.0"))
    upstream.wanted = ["app >= 2", "ghost"]

    with pytest.raises(CitadelleError) as error:
        upstream.resolve()
    assert "\n  app >= 2 (rôle test)\n  ghost (rôle test)\nDépôts lus : base." in str(error.value)


def test_optional_package_may_miss(upstream: Upstream) -> None:
    """It is reported, not refused."""
    upstream.add("base", Spec("app"))
    upstream.wanted = ["app", {"paquet": "ghost", "facultatif": True}]

    assert [one.package for one in upstream.resolve().absent] == ["ghost"]


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (
            Spec("app", tags=("Requires: libghost >= 3",)),
            "rien ne fournit « libghost >= 3 », dont app-1.0-1.noarch a besoin",
        ),
        (
            Spec("app", tags=("Conflicts: lib",)),
            "app-1.0-1.noarch est en conflit avec lib-1.2-1.noarch (« lib »)",
        ),
    ],
)
def test_no_solution_is_explained(upstream: Upstream, spec: Spec, reason: str) -> None:
    """Which package lacks what, or clashes with which."""
    upstream.add("base", spec, Spec("lib", "1.2"))
    upstream.wanted = ["app", "lib"]

    with pytest.raises(CitadelleError) as error:
        upstream.resolve()
    assert f"\n  {reason}\n" in str(error.value)


def test_uninstallable_update_is_not_chosen(upstream: Upstream) -> None:
    """A newer version that lacks a dependency leaves the older one."""
    broken = Spec("app", "2.0", tags=("Requires: ghost",))
    upstream.add("base", Spec("app", "1.0"), broken)

    assert upstream.names() == ["app-1.0.noarch"]
