"""The kinds of variables of ``.env``: how each is read, and what is refused.

A kind is a dataclass field whose metadata holds a parser from text (``parse``, raising
ValueError with a French reason) and a name (``kind``) by which cross-checks group variables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import field
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import Any

# 128 bits with the 64-letter alphabet of `env.py` take 22 letters; 20 is the floor that the
# project asks of secrets chosen by hand.
SECRET_MIN_LENGTH = 20
# Letters that need no quoting in .env, YAML, SQL, INI files and URLs.
SECRET_ALPHABET = re.compile(r"[A-Za-z0-9._~-]+")
NAME_LENGTH = 31
# Of Docker's objects: parts of a repository's name are parted by one letter (OCI distribution
# specification 1.1, « Pulling manifests »).
CLUSTER_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")
# Of a role or a database: PostgreSQL, PgBouncer and pg_hba.conf take it without quotes.
SQL_NAME = re.compile(r"[a-z][a-z0-9_]*")
# Words of pg_hba.conf and of GRANT; the databases that are there already, PgBouncer's console.
KEYWORDS = frozenset(
    {"all", "none", "public", "replication", "sameuser", "samerole", "samegroup"}
    | {"current_role", "current_user", "session_user"}
)
TAKEN_DATABASES = KEYWORDS | {"postgres", "template0", "template1", "pgbouncer"}
# RFC 1123, 2.1: labels of at most 63 letters; the last one is never a number alone, so that an
# address written wrong does not pass for a name.
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOST_NAME = re.compile(rf"({LABEL}\.)*(?!\d+\Z){LABEL}")
HOST_NAME_LENGTH = 253


class Secret:
    """A text that does not show itself: ``reveal()`` is the only way to read it."""

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret itself; call it only where it is written for a component."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "<secret>"


def _kind(name: str, parse: Callable[[str], object]) -> Any:  # noqa: ANN401  # a dataclass field
    return field(metadata={"kind": name, "parse": parse})


def cluster() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for the cluster's name, which every object of the engine bears."""

    def parse(value: str) -> str:
        if not CLUSTER_NAME.fullmatch(value) or len(value) > NAME_LENGTH:
            raise ValueError(
                f"« {value} » refusé : minuscules et chiffres, « _ » ou « - » seuls entre eux, "
                f"{NAME_LENGTH} au plus"
            )
        return value

    return _kind("cluster", parse)


def user() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a user name; no two roles may share one."""
    return _kind("user", lambda value: _sql_name(value, KEYWORDS))


def database() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for the name of a database of the application's own."""
    return _kind("database", lambda value: _sql_name(value, TAKEN_DATABASES))


def _sql_name(value: str, reserved: Collection[str]) -> str:
    if not SQL_NAME.fullmatch(value) or len(value) > NAME_LENGTH:
        raise ValueError(
            f"« {value} » refusé : une minuscule, puis minuscules, chiffres ou « _ », "
            f"{NAME_LENGTH} au plus"
        )
    if value in reserved or value.startswith("pg_"):
        raise ValueError(f"« {value} » refusé : nom réservé par PostgreSQL ou PgBouncer")
    return value


def text(*, optional: bool = False) -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a free text."""

    def parse(value: str) -> str:
        if not value and not optional:
            raise ValueError("vide")
        return value

    return _kind("text", parse)


def secret() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a secret of at least SECRET_MIN_LENGTH safe letters."""

    def parse(value: str) -> Secret:
        if len(value) < SECRET_MIN_LENGTH:
            raise ValueError(f"secret trop court ({len(value)} < {SECRET_MIN_LENGTH} caractères)")
        if not SECRET_ALPHABET.fullmatch(value):
            raise ValueError("secret refusé : lettres, chiffres et « . _ ~ - » seulement")
        if len(set(value)) < SECRET_MIN_LENGTH // 2:
            raise ValueError("secret trop faible (trop peu de caractères différents)")
        return Secret(value)

    return _kind("secret", parse)


def integer(low: int, high: int) -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a whole number within bounds, both included."""
    return _kind("integer", lambda value: _bounded(value, low, high))


def port(place: str) -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a TCP port; two ports of one place must differ.

    Below 1024 a port needs a privilege that no component of the cluster has (RFC 6335, 6).
    """
    low = 1 if place == "hôte" else 1024
    return _kind(f"port/{place}", lambda value: _bounded(value, low, 65535))


def _bounded(value: str, low: int, high: int) -> int:
    if not re.fullmatch(r"\d{1,9}", value) or not low <= int(value) <= high:
        raise ValueError(f"« {value} » n'est pas un nombre entre {low} et {high}")
    return int(value)


def choice(*choices: str) -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for one of the given words."""

    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"« {value} » refusé (choix : {', '.join(choices)})")
        return value

    return _kind("choice", parse)


def datacenter() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for the name of a datacentre; that it is listed is checked later."""
    return _kind("datacenter", str)


def names() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a comma-separated list of names or addresses, possibly empty."""

    def parse(value: str) -> tuple[str, ...]:
        items = tuple(item.strip() for item in value.split(",") if item.strip())
        for item in items:
            if not is_address(item) and not _is_host_name(item):
                raise ValueError(f"« {item} » n'est ni un nom DNS ni une adresse IPv4")
        return items

    return _kind("names", parse)


def _is_host_name(text: str) -> bool:
    return len(text) <= HOST_NAME_LENGTH and HOST_NAME.fullmatch(text) is not None


def is_address(text: str) -> bool:
    """Tell an IPv4 address from a name, or from a wrong address."""
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def address() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for an IPv4 address of the host."""

    def parse(value: str) -> str:
        try:
            return str(IPv4Address(value))
        except ValueError:
            raise ValueError(f"« {value} » n'est pas une adresse IPv4") from None

    return _kind("address", parse)


# Roles that an operator made, whose names need no quotes here.
HBA_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}")
HBA_METHODS = ("scram-sha-256", "cert", "reject")
HBA_OPTIONS = ("clientcert=verify-ca", "clientcert=verify-full")


def hba_lines() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for lines of pg_hba.conf, parted by semicolons, possibly none.

    Only what keeps the cluster's promises: TLS, and a proof that resists (PostgreSQL 17 manual,
    20.1 and 20.3).
    """

    def parse(value: str) -> tuple[str, ...]:
        lines = (" ".join(line.split()) for line in value.split(";"))
        return tuple(_hba_line(line) for line in lines if line)

    return _kind("hba", parse)


def _hba_line(line: str) -> str:
    words = line.split(" ")
    if len(words) < 5 or words[0] != "hostssl":  # noqa: PLR2004  # the columns of pg_hba.conf
        raise ValueError(f"« {line} » : attendu « hostssl BASE UTILISATEUR RÉSEAU MÉTHODE »")
    _, databases, users, network, method, *options = words
    if method not in HBA_METHODS:
        raise ValueError(f"« {line} » : méthode refusée (choix : {', '.join(HBA_METHODS)})")
    for name in (*databases.split(","), *users.split(",")):
        if name == "all" and (method == "reject" or name not in users.split(",")):
            continue
        if name in KEYWORDS or not HBA_NAME.fullmatch(name):
            raise ValueError(f"« {line} » : « {name} » refusé, nommez bases et rôles")
    _hba_options(line, method, options)
    if network != "all" or method != "reject":
        _client_network(line, network)
    return line


def _hba_options(line: str, method: str, options: Collection[str]) -> None:
    if unknown := set(options) - set(HBA_OPTIONS):
        raise ValueError(f"« {line} » : option refusée « {unknown.pop()} »")
    # PostgreSQL refuses the whole file then, at its next start too (parse_hba_auth_opt in hba.c).
    if method == "cert" and "clientcert=verify-ca" in options:
        raise ValueError(f"« {line} » : « cert » vérifie le nom, donc clientcert=verify-full")


def _client_network(line: str, network: str) -> None:
    try:
        found = IPv4Network(network)
    except ValueError:
        raise ValueError(f"« {line} » : « {network} » n'est pas un réseau IPv4") from None
    if found.overlaps(IPv4Network("127.0.0.0/8")):
        raise ValueError(f"« {line} » : la boucle locale n'est pas un réseau de clients")


def subnet() -> Any:  # noqa: ANN401  # a dataclass field
    """Return a field for a /22, cut into one /24 per network of the cluster (RFC 1918)."""

    def parse(value: str) -> IPv4Network:
        try:
            network = IPv4Network(value)
        except ValueError:
            raise ValueError(f"« {value} » n'est pas un réseau IPv4 (ex. 10.209.64.0/22)") from None
        if network.prefixlen != 22 or not network.is_private:  # noqa: PLR2004  # four /24
            raise ValueError(f"« {value} » refusé : il faut un /22 privé (quatre réseaux /24)")
        return network

    return _kind("subnet", parse)
