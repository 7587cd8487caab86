"""What the templates of ``config/`` become, compared with golden files reviewed in diffs.

After a change of a template: ``pytest tests/unit/test_render.py --write-golden``.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from jinja2 import UndefinedError

from citadelle import render, show
from citadelle.topology import CONTAINERS, OPERATOR, Container
from citadelle.workspace import ROOT, Home
from tests.unit import factory
from tests.unit.pki_home import CLUSTER

GOLDEN = Path(__file__).parent / "golden"
FINGERPRINT = "0123456789abcdef"
READERS = {container.name: container for container in (*CONTAINERS, OPERATOR)}
# One of each role, and the two sides of what differs inside one: near and remote PostgreSQL.
SHOWN = ("etcd1", "pg1", "pg3", "pg1-gw", "haproxy1", "pgbouncer1-net", "pgbouncer1", "tools")
FILES = [(name, file) for name in SHOWN for file in render.TEMPLATES[READERS[name].role]]
EVERY = [(name, file) for name in READERS for file in render.TEMPLATES[READERS[name].role]]
# pg3 is in another datacentre, with its own rank: its golden file shows what that changes.
REMOTE = {"PG3_DC": "dc2", "PG3_PRIORITY": "10"}


def rendered(name: str, file: str) -> str:
    """Render one file of the cluster under test."""
    return render.files(factory.topology(**REMOTE), READERS[name], FINGERPRINT)[file]


@pytest.mark.parametrize(("name", "file"), FILES)
def test_file_is_as_reviewed(name: str, file: str, *, write_golden: bool) -> None:
    """Every change of what a component reads shows in a diff."""
    golden = GOLDEN / name / file
    if write_golden:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(rendered(name, file), encoding="utf-8")

    assert rendered(name, file) == golden.read_text(encoding="utf-8")


def test_no_golden_file_is_left_over() -> None:
    """A golden file that nothing renders would prove nothing."""
    found = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}

    assert found == {f"{name}/{file}" for name, file in FILES}


@pytest.mark.parametrize(("name", "file"), EVERY)
def test_file_starts_with_what_it_is(name: str, file: str) -> None:
    """Whoever opens it inside a container reads its name first, then comments in French."""
    first = rendered(name, file).splitlines()[0]

    assert first.lstrip("#; ").startswith(f"{file} : ")


@pytest.mark.parametrize(("name", "file"), EVERY)
def test_comments_are_kept(name: str, file: str) -> None:
    """As many comment lines as the template, or more where it repeats a block."""
    template = (ROOT / "config" / render.TEMPLATES[READERS[name].role][file]).read_text()
    comments = [line.lstrip().startswith(("#", ";;")) for line in template.splitlines()]
    kept = [line.lstrip().startswith(("#", ";;")) for line in rendered(name, file).splitlines()]

    assert sum(kept) >= sum(comments) > 0


@pytest.mark.parametrize(("name", "file"), [row for row in EVERY if row[1].endswith(".yml")])
def test_yaml_is_readable(name: str, file: str) -> None:
    """A template that breaks its indentation stops here, not in a container."""
    assert isinstance(yaml.safe_load(rendered(name, file)), dict)


def test_dynamic_configuration_is_readable() -> None:
    """It is YAML too, alone and inside patroni.yml."""
    alone = yaml.safe_load(render.dynamic_configuration(CLUSTER))

    assert yaml.safe_load(rendered("pg1", "patroni.yml"))["bootstrap"]["dcs"] == alone


def test_undefined_name_is_an_error() -> None:
    """A hole in a configuration is never rendered as an empty text."""
    with pytest.raises(UndefinedError, match="'digest' is undefined"):
        render.template("postgresql/schema.sql.j2", s=CLUSTER.settings)


def test_rendering_is_repeatable() -> None:
    """Else each ``invoke up`` would replace every container."""
    haproxy = READERS["haproxy1"]

    assert render.files(CLUSTER, haproxy, FINGERPRINT) == render.files(
        CLUSTER, haproxy, FINGERPRINT
    )


def test_haproxy_never_reads_its_password() -> None:
    """Its file holds a hash: reading it opens nothing."""
    password = CLUSTER.settings.haproxy_admin_password.reveal()

    assert password not in rendered("haproxy1", "haproxy.cfg")


@pytest.mark.parametrize("reader", READERS.values(), ids=lambda c: c.name)
def test_what_is_shown_hides_every_secret(ready_home: Home, reader: Container) -> None:
    """``invoke render`` may be copied into a ticket."""
    text = show.rendered(CLUSTER, ready_home, reader.name, "")

    assert [n for n, s in CLUSTER.settings.secrets().items() if s.reveal() in text] == []
