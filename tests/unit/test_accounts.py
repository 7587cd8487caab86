"""SCRAM verifiers: a password never reaches the server, and is recognised without it."""

from __future__ import annotations

import pytest

from citadelle.accounts import psql_argv, verifier, verifies
from tests.unit.pki_home import CLUSTER

# RFC 7677, section 3 (user « user », password « pencil »); the server key below signs the
# exchange printed there: v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=.
RFC_7677 = (
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
)


def test_rfc_vector_verifies() -> None:
    """Not only our own verifiers: those of the standard."""
    assert verifies(RFC_7677, "pencil")


def test_own_verifier_verifies() -> None:
    """What libpq makes here, PostgreSQL stores as it is."""
    assert verifies(verifier("app", "fictif.0123456789"), "fictif.0123456789")


@pytest.mark.parametrize("password", ["Pencil", "pencil ", "", "fictif"])
def test_wrong_password_does_not_verify(password: str) -> None:
    """Then ``invoke up`` sets the one of .env."""
    assert not verifies(RFC_7677, password)


@pytest.mark.parametrize(
    "stored",
    [
        "",
        "-",
        "pencil",
        "md5" + "0" * 32,
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$4096$a:b",
        RFC_7677.replace("256", "1", 1),
        RFC_7677.replace("4096", "beaucoup"),
        RFC_7677.replace("4096", "0"),
        RFC_7677.replace("4096", "4095"),
        RFC_7677.replace("6gQ==", "6gQ"),
        RFC_7677.replace("T4qY=", "T4qY"),
    ],
)
def test_unusable_verifier_does_not_verify(stored: str) -> None:
    """An old md5 or a damaged value is replaced, not an error."""
    assert not verifies(stored, "pencil")


def test_salt_is_random() -> None:
    """Equal passwords do not show."""
    assert verifier("app", "fictif") != verifier("app", "fictif")


def test_verifier_does_not_hold_the_password() -> None:
    """It is what travels and what logs might show."""
    assert "fictif" not in verifier("app", "fictif")


def test_superuser_s_psql_has_no_password() -> None:
    """The local socket and the system account suffice: no secret on a command line."""
    argv = " ".join(psql_argv(CLUSTER))

    assert [n for n, s in CLUSTER.settings.secrets().items() if s.reveal() in argv] == []
