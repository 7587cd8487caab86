"""Nothing secret leaves: what is planted anywhere in a bundle is found, and named."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from citadelle.airgap import leaks, minisign
from citadelle.airgap.minisign import Signer
from citadelle.audit import haystacks
from citadelle.errors import CitadelleError
from citadelle.workspace import Home
from tests.unit import factory, pki_home

CLUSTER = factory.topology()
NAME, SECRET = next(iter(CLUSTER.settings.secrets().items()))
VALUE = SECRET.reveal().encode()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A cluster's private keys."""
    return pki_home.issue(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """The operator's key."""
    return minisign.own(tmp_path_factory.mktemp("key") / "citadelle.key")[0]


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle without any secret."""
    (tmp_path / "images").mkdir()
    (tmp_path / "MANIFEST.json").write_text("{}")
    (tmp_path / "images" / "images.tar").write_bytes(tarred(b"rien"))
    return tmp_path


@pytest.fixture
def search(home: Home, signer: Signer, bundle: Path) -> Callable[[], haystacks.Result]:
    """Search the bundle as an export does."""
    needles = leaks.needles(CLUSTER, home, signer)
    return lambda: leaks.require_none(bundle, needles)


def tarred(content: bytes, name: str = "etc/conf") -> bytes:
    """Return a tar file with one member."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def pem(signer: Signer) -> bytes:
    """Return a private key as a file has it."""
    return signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_clean_bundle_passes(search: Callable[[], haystacks.Result]) -> None:
    """And how much was read is told."""
    assert search().places == 2


@pytest.mark.parametrize(
    ("name", "planted"),
    [
        pytest.param("conf", VALUE, id="plain"),
        pytest.param("conf", base64.b64encode(b"user:" + VALUE), id="base64"),
        pytest.param("layers/1.tar", tarred(VALUE), id="layer"),
        pytest.param("layers/1.tar", gzip.compress(tarred(VALUE)), id="compressed-layer"),
        pytest.param("layers/1.tar", tarred(gzip.compress(VALUE)), id="compressed-in-layer"),
    ],
)
def test_secret_is_found(
    bundle: Path, search: Callable[[], haystacks.Result], name: str, planted: bytes
) -> None:
    """As it is, encoded, in an image's layer, compressed."""
    (bundle / "images" / "autre.tar").write_bytes(tarred(planted, name))

    with pytest.raises(CitadelleError, match=f"Rien n'est livré : {NAME} trouvé dans images/autre"):
        search()


def test_value_is_not_told(bundle: Path, search: Callable[[], haystacks.Result]) -> None:
    """The variable and the place are enough."""
    (bundle / "fuite.txt").write_bytes(VALUE)

    with pytest.raises(CitadelleError) as caught:
        search()
    assert VALUE.decode() not in str(caught.value)


@pytest.mark.parametrize("written", [pem, lambda signer: signer.secret.hex().encode()])
def test_signing_key_is_found(
    bundle: Path,
    signer: Signer,
    search: Callable[[], haystacks.Result],
    written: Callable[[Signer], bytes],
) -> None:
    """Whoever had it could sign another bundle."""
    (bundle / "fuite.txt").write_bytes(written(signer))

    with pytest.raises(CitadelleError, match="clé de signature trouvé"):
        search()


def test_cluster_s_key_is_found(
    bundle: Path, home: Home, search: Callable[[], haystacks.Result]
) -> None:
    """An authority's, copied below a folder of the bundle."""
    (bundle / "ca.key").write_bytes((home.pki / "server" / "ca.key").read_bytes())

    with pytest.raises(CitadelleError, match=r"clé server/ca trouvé dans ca\.key"):
        search()


def test_anyone_s_key_is_found(
    bundle: Path, signer: Signer, search: Callable[[], haystacks.Result]
) -> None:
    """A private key that this cluster knows nothing of."""
    stranger = pem(minisign.own(bundle / "cle")[0])
    (bundle / "cle").unlink()
    (bundle / "cle.pub").unlink()
    (bundle / "fuite.txt").write_bytes(stranger)

    with pytest.raises(CitadelleError, match=r"clé privée trouvée dans fuite\.txt"):
        search()


@pytest.mark.parametrize("cut", range(0, 96, 8))
def test_key_across_two_blocks_is_found(signer: Signer, cut: int) -> None:
    """Files are read in pieces, which may end anywhere."""
    content = b"x" * 200 + pem(signer)
    found: list[str] = []
    pieces = [content[: 200 + cut], content[200 + cut :]]
    list(leaks._watched("ici", pieces, found))

    assert found == ["ici"]


GNUTLS = "usr/lib/x86_64-linux-gnu/libgnutls.so.30"


def layer(name: str, content: bytes) -> bytes:
    """Return an archive of images with one file."""
    return tarred(tarred(content, name), "layers/1.tar")


def test_key_in_a_layer_is_found(
    bundle: Path, signer: Signer, search: Callable[[], haystacks.Result]
) -> None:
    """The file of the image is named."""
    stranger = pem(minisign.own(bundle.parent / "cle" / "autre.key")[0])
    (bundle / "images" / "images.tar").write_bytes(layer("etc/ssl/private/x.key", stranger))

    with pytest.raises(CitadelleError, match=r"layers/1\.tar:etc/ssl/private/x\.key"):
        search()


def test_public_private_key_passes(
    bundle: Path, signer: Signer, search: Callable[[], haystacks.Result]
) -> None:
    """GnuTLS's own test keys, which everyone has."""
    stranger = pem(minisign.own(bundle.parent / "cle" / "autre.key")[0])
    (bundle / "images" / "images.tar").write_bytes(layer(GNUTLS, stranger))

    assert search().places == 2


def test_secret_beside_a_public_key_is_found(
    bundle: Path, search: Callable[[], haystacks.Result]
) -> None:
    """What is allowed there is others' keys, not ours."""
    (bundle / "images" / "images.tar").write_bytes(layer(GNUTLS, VALUE))

    with pytest.raises(CitadelleError, match=f"{NAME} trouvé dans images"):
        search()


def test_program_that_reads_keys_passes(
    bundle: Path, signer: Signer, search: Callable[[], haystacks.Result]
) -> None:
    """It holds the first and the last line of every PEM key, and no key."""
    first, _, last = pem(signer).splitlines()
    (bundle / "programme").write_bytes(b'"' + first + b'"\0"' + last + b'"')

    assert search().places == 3
