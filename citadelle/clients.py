"""HTTPS clients of the operator: his certificates, the components' real names verified.

The operator's machine reaches the cluster's internal networks by address (it runs the engine);
the name in the certificate is still the one that is checked.
"""

from __future__ import annotations

import ssl
from ipaddress import IPv4Address
from typing import Any

import httpx

from citadelle import pki
from citadelle.errors import CitadelleError
from citadelle.workspace import Home

# One answer: etcd and Patroni answer in milliseconds, or are in trouble.
TIMEOUT_SECONDS = 3.0


def context(home: Home, plane: str, name: str | None = "operator") -> ssl.SSLContext:
    """Return a TLS 1.3 context that trusts one plane and shows one of its certificates.

    Raises:
        CitadelleError: when the certificates are not issued yet.
    """
    try:
        tls = ssl.create_default_context(cafile=str(home.pki / plane / "ca.crt"))
        tls.minimum_version = ssl.TLSVersion.TLSv1_3
        if name is not None:
            stem = home.pki / plane / name
            tls.load_cert_chain(stem.with_name(f"{name}.crt"), stem.with_name(f"{name}.key"))
    except FileNotFoundError:
        raise CitadelleError(pki.ABSENT) from None
    return tls


def request(  # noqa: PLR0913  # one HTTP request
    tls: ssl.SSLContext,
    method: str,
    address: IPv4Address | str,
    port: int,
    path: str,
    *,
    server_name: str,
    body: object = None,
    headers: dict[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    seconds: float = TIMEOUT_SECONDS,
) -> httpx.Response:
    """Send one request to an address, checking the certificate against ``server_name``.

    Raises:
        httpx.HTTPError: when no answer comes within ``seconds``.
    """
    arguments: dict[str, Any] = {"json": body} if body is not None else {}
    with httpx.Client(verify=tls, timeout=seconds, trust_env=False) as client:
        return client.request(
            method,
            f"https://{address}:{port}{path}",
            headers={"Host": f"{server_name}:{port}", **(headers or {})},
            auth=auth,
            extensions={"sni_hostname": server_name},
            **arguments,
        )
