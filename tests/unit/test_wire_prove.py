"""What the proof looks for: nothing of what must stay unreadable is forgotten."""

from __future__ import annotations

from citadelle.settings import FIELDS
from citadelle.wire import prove
from citadelle.wire.needles import SHORTEST, Needles
from tests.unit import factory

CANARY = "CANARI-0123456789abcdef"
LONG = "a" * SHORTEST
USERS = {name for name, field in FIELDS.items() if field.metadata["kind"] == "user"}


def test_every_secret_is_searched() -> None:
    """Each by its variable's name, with the value that the cluster has."""
    settings = factory.topology(APP_USER=LONG).settings
    found = prove.known(settings, CANARY)
    secrets = {name: value.reveal().encode() for name, value in settings.secrets().items()}

    assert secrets
    assert {name: found.get(name) for name in secrets} == secrets
    assert found.keys() == {"donnée et texte SQL", *secrets, *USERS}
    assert found["donnée et texte SQL"] == CANARY.encode()


def test_a_short_user_is_left_out() -> None:
    """It is in any ciphertext; nothing else is left out with it."""
    usual = prove.known(factory.topology(APP_USER=LONG).settings, CANARY)
    found = prove.known(factory.topology(APP_USER=LONG[1:]).settings, CANARY)

    assert usual.keys() - found.keys() == {"APP_USER"}
    assert all(label in Needles(found).labels(value) for label, value in found.items())
