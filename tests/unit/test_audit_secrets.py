"""A secret that was planted is found, wherever and however; its value is never shown."""

from __future__ import annotations

import base64
import gzip
import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from citadelle.audit import files, haystacks, secrets, streams
from citadelle.audit.control import Cluster
from citadelle.audit.haystacks import Hit
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit.pki_home import CLUSTER

NAME = "APP_PASSWORD"
VALUE = CLUSTER.settings.secrets()[NAME].reveal().encode()
NEEDLES = haystacks.of_settings(CLUSTER.settings)
SECRETS = pytest.mark.parametrize("name", CLUSTER.settings.secrets())
# Every way in which the search promises to know a secret again.
WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "raw": lambda secret: secret,
    "in a line": lambda secret: b"password=" + secret + b"\n",
    "base64": base64.b64encode,
    "base64 after one byte": lambda secret: base64.b64encode(b"u" + secret + b"\n"),
    "base64 after two bytes": lambda secret: base64.b64encode(b"u:" + secret),
    "basic authentication": lambda secret: base64.b64encode(b"patroni:" + secret),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(b"??>" + secret + b"??>"),
    "URL": lambda secret: b"postgresql://u:" + quote(secret, safe="").encode() + b"@h",
    "binary": lambda secret: bytes(range(256)) + secret + b"\0\xff",
}
every_form = pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN)


def found(content: bytes) -> tuple[Hit, ...]:
    """Return what the search finds in one place."""
    return haystacks.search([("ici", [content])], NEEDLES).hits


@every_form
@SECRETS
def test_planted_secret_is_found(write: Callable[[bytes], bytes], name: str) -> None:
    """Each secret of .env, in each form."""
    secret = CLUSTER.settings.secrets()[name].reveal().encode()
    assert found(b"avant " + write(secret) + b" apres") == (Hit(name, "ici"),)


@pytest.mark.parametrize("odd", [b"a/b+c&d e%f=g?h", b"\xc3\xa9t\xc3\xa9 1234567890"])
@every_form
def test_secret_of_odd_letters_is_found(write: Callable[[bytes], bytes], odd: bytes) -> None:
    """Today's alphabet needs no URL encoding; another one would."""
    needles = dict.fromkeys(haystacks.forms(odd), "X")
    assert haystacks.search([("ici", [write(odd)])], needles).hits == (Hit("X", "ici"),)


def test_nothing_is_found_where_nothing_is() -> None:
    """Neither in text nor in noise, nor the beginning of a secret."""
    noise = bytes(range(256)) * 4096 + VALUE[:-1] + b"\n" + base64.b64encode(VALUE)[:12]
    assert found(noise) == ()


def test_secret_across_two_blocks_is_found() -> None:
    """A place is read in blocks that know nothing of secrets."""
    hits = haystacks.search([("ici", [VALUE[:9], VALUE[9:]])], NEEDLES).hits
    assert hits == (Hit(NAME, "ici"),)


def test_secret_across_two_places_is_none() -> None:
    """The end of a file and the beginning of the next one are not together anywhere."""
    assert haystacks.search([("a", [VALUE[:9]]), ("b", [VALUE[9:]])], NEEDLES).hits == ()


def test_places_are_told_apart() -> None:
    """An auditor must know where to look."""
    places = [("propre", [b"x" * 9999]), ("sale", [b"y", VALUE]), ("vide", [])]
    result = haystacks.search(places, NEEDLES)
    assert (result.hits, result.places, result.size) == (
        (Hit(NAME, "sale"),),
        3,
        10000 + len(VALUE),
    )


def test_hit_shows_the_variable_only() -> None:
    """Reports and test failures are read by others."""
    assert VALUE.decode() not in repr(found(VALUE))


def test_search_that_misses_its_witness_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A grep that finds nothing must not pass for a clean cluster."""
    monkeypatch.setattr("citadelle.audit.haystacks.shutil.which", lambda _: "/bin/true")
    with pytest.raises(CitadelleError, match=r"témoin|grep s'est arrêté"):
        found(VALUE * 99999)


# --- Images -----------------------------------------------------------------------------------


def tar(members: dict[str, bytes]) -> bytes:
    """Return an archive of some files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


LAYER = tar({"etc/passe": b"x" * 5000 + VALUE})
IMAGES = {
    "layer": {"0123/layer.tar": LAYER, "manifest.json": b"[]"},
    "gzip layer": {"blobs/sha256/0123": gzip.compress(LAYER), "index.json": b"{}"},
    "gzip layer in parts": {"blobs/sha256/0123": gzip.compress(b"x") + gzip.compress(LAYER)},
    "configuration": {"0123.json": b'{"Env": ["P=' + VALUE + b'"]}'},
}


def image_hits(members: dict[str, bytes]) -> tuple[Hit, ...]:
    """Return what is found in an image as `docker save` gives it."""
    return haystacks.search(haystacks.archive(io.BytesIO(tar(members))), NEEDLES).hits


@pytest.mark.parametrize("members", IMAGES.values(), ids=IMAGES)
def test_secret_in_an_image_is_found(members: dict[str, bytes]) -> None:
    """In the engine's old layout, in the OCI one, compressed or not."""
    place = next(iter(members))
    assert image_hits(members) == (Hit(NAME, f"image, {place}"),)


@pytest.mark.parametrize("content", [b"\x28\xb5\x2f\xfd....", gzip.compress(LAYER)[:-9]])
def test_unreadable_layer_is_not_clean(content: bytes) -> None:
    """What could not be searched is said, never passed over."""
    with pytest.raises(CitadelleError, match="pas pu être examiné"):
        image_hits({"blobs/sha256/0123": content})


# --- Keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("spread", [b"\n", b"", b"\\n"], ids=["lines", "one line", "JSON"])
def test_authority_s_key_is_found(ready_home: Home, spread: bytes) -> None:
    """As the file itself, and as it may stand in a description or a variable."""
    lines = (ready_home.pki / "server" / "ca.key").read_bytes().splitlines()
    needles = haystacks.of_keys(ready_home)
    hits = haystacks.search([("ici", [spread.join(lines)])], needles).hits
    assert hits == (Hit("clé server/ca", "ici"),)


def test_certificates_are_no_keys(ready_home: Home) -> None:
    """They are delivered everywhere, and hold the public half."""
    content = [(p.name, [p.read_bytes()]) for p in ready_home.pki.glob("*/*.crt")]
    assert haystacks.search(content, haystacks.of_keys(ready_home)).hits == ()


# --- Controls, on planted places --------------------------------------------------------------


@pytest.fixture
def cluster(ready_home: Home) -> Cluster:
    """Return a cluster that does not run: these controls are shown other places."""
    return Cluster(CLUSTER, ready_home)


def printing(monkeypatch: pytest.MonkeyPatch, path: Path, content: bytes) -> None:
    """Let every docker command that is streamed print this."""
    path.write_bytes(content)
    monkeypatch.setattr(streams, "docker", lambda *_: ["cat", str(path)])


@pytest.mark.parametrize("leak", [VALUE, base64.b64encode(VALUE)], ids=["raw", "base64"])
def test_secret_in_a_log_turns_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Cluster, leak: bytes
) -> None:
    """And the finding names the variable and the container, not the value."""
    printing(monkeypatch, tmp_path / "log", b"LOG: connecting with " + leak + b"\n")
    finding = secrets._logs(cluster)
    assert (finding.ok, f"{NAME} trouvé dans docker logs" in finding.seen) == (False, True)
    assert VALUE.decode() not in str(finding)


def test_empty_logs_turn_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Cluster
) -> None:
    """Nothing read is nothing proven."""
    printing(monkeypatch, tmp_path / "log", b"")
    assert "rien n'a été lu" in secrets._logs(cluster).seen


def test_clean_log_is_green(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Cluster
) -> None:
    """The control does not cry wolf."""
    printing(monkeypatch, tmp_path / "log", b"LOG: database system is ready\n")
    assert secrets._logs(cluster).ok


def test_secret_in_a_description_turns_red(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    """A variable of a container, as `docker inspect` shows it to all."""
    described = '[{"Config": {"Env": ["PGPASSWORD=' + VALUE.decode() + '"]}}]'
    monkeypatch.setattr("citadelle.engine.docker", lambda *_argv: described)
    monkeypatch.setattr("citadelle.engine.names", lambda *_argv, **_labels: ["objet"])
    assert f"{NAME} trouvé dans docker container inspect" in secrets._descriptions(cluster).seen


def test_secret_in_a_process_turns_red(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    """A command line is read by every account of the machine."""
    shown = "PID CMD\n1 psql password=" + VALUE.decode() + "\n=== lu /proc/1/environ\n"
    monkeypatch.setattr("citadelle.engine.docker", lambda *_argv: shown)
    assert f"{NAME} trouvé dans /proc de " in secrets._processes(cluster).seen


def test_hidden_first_process_is_not_clean(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    """An environment that was not read is not declared free of secrets."""
    monkeypatch.setattr("citadelle.engine.docker", lambda *_argv: "=== caché /proc/1/environ\n")
    with pytest.raises(CitadelleError, match="processus 1 illisible"):
        secrets._processes(cluster)


def test_secret_in_a_report_turns_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Cluster
) -> None:
    """Reports are sent to others."""
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "junit.xml").write_bytes(b"<failure>" + VALUE)
    monkeypatch.setattr(secrets, "ROOT", tmp_path)
    assert secrets._reports(cluster).seen == f"{NAME} trouvé dans reports/junit.xml"


def test_own_keys_and_env_are_not_reports(ready_home: Home, cluster: Cluster) -> None:
    """They hold the secrets by right, mode 0600."""
    names = {path.name for path in secrets.written(cluster, ready_home.path)}
    assert {name for name in names if name == ".env" or name.endswith(".key")} == set()


@pytest.mark.skipif(
    shutil.which("git") is None, reason="git absent : un bundle s'installe sans lui"
)
def test_secret_of_an_old_commit_turns_red(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cluster: Cluster
) -> None:
    """A file that was removed is still in the history."""
    author = ["-c", "user.name=x", "-c", "user.email=x@x", "-c", "commit.gpgsign=false"]
    git = ["git", "-C", str(tmp_path), *author]
    subprocess.run([*git, "init", "--quiet"], check=True)
    (tmp_path / "notes").write_bytes(VALUE)
    for order in (["add", "notes"], ["commit", "-qm", "a"], ["rm", "-q", "notes"]):
        subprocess.run([*git, *order], check=True)
    subprocess.run([*git, "commit", "-qm", "b"], check=True)
    monkeypatch.setattr(secrets, "ROOT", tmp_path)
    assert secrets._history(cluster).seen == f"{NAME} trouvé dans historique git"


def test_failed_command_does_not_repeat_what_it_said() -> None:
    """A log that cannot be read to its end may have shown a secret before."""
    argv = ["sh", "-c", f"echo {VALUE.decode()}; exit 3"]
    with pytest.raises(CitadelleError) as error, streams.command(argv, both=True):
        pass
    assert (VALUE.decode() in str(error.value), "code 3" in str(error.value)) == (False, True)


@pytest.fixture
def volumes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return a directory that stands for the data volumes, and a reader that reads it."""
    (tmp_path / files.WITNESS).mkdir()
    (tmp_path / "data-pg1").mkdir()
    (tmp_path / "data-pg1" / "PG_VERSION").write_text("17\n")
    argv = ["env", f"--chdir={tmp_path}", "LC_ALL=C"]
    monkeypatch.setattr(files, "_reader", lambda _cluster, _volumes, *command: [*argv, *command])
    return tmp_path


def test_clean_data_is_green(volumes: Path, cluster: Cluster) -> None:
    """The control does not cry wolf."""
    assert secrets._data(cluster).ok


def test_secret_in_data_turns_red(volumes: Path, cluster: Cluster) -> None:
    """The rewind role reads any file there."""
    (volumes / "data-pg1" / "base").write_bytes(b"\0\1" + VALUE + b"\0")
    assert secrets._data(cluster).seen == f"{NAME} trouvé dans data-pg1/base"


def test_empty_volume_is_not_clean(volumes: Path, cluster: Cluster) -> None:
    """A volume that was not mounted would look like this."""
    (volumes / "data-etcd1").mkdir()
    with pytest.raises(CitadelleError, match="Non lu dans les données : data-etcd1"):
        secrets._data(cluster)
