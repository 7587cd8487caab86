"""The flow table: every conversation that may cross a network of the cluster, and no other.

Tests, the documentation's flow matrix and the packet capture are derived from it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Flow:
    """Who talks to whom: kinds of nodes, network, port variable, encryption and proof."""

    source: str
    target: str
    network: str
    port: str
    encryption: str
    proof: str


FLOWS = (
    Flow("etcd", "etcd", "dcs", "ETCD_PEER_PORT", "mTLS dcs-peer", "certificat, nom imposé"),
    Flow(
        "pg",
        "etcd",
        "dcs",
        "ETCD_CLIENT_PORT",
        "mTLS dcs-client",
        "certificat + mot de passe, rôle limité au préfixe du cluster",
    ),
    Flow(
        "tools",
        "etcd",
        "dcs",
        "ETCD_CLIENT_PORT",
        "mTLS dcs-client",
        "certificat + mot de passe",
    ),
    Flow("haproxy", "pg", "pg", "PATRONI_REST_PORT", "mTLS rest", "nom du certificat + chemin"),
    Flow(
        "pg",
        "pg",
        "pg",
        "PATRONI_REST_PORT",
        "mTLS rest",
        "nom du certificat + chemin, Basic Auth pour modifier",
    ),
    Flow(
        "tools",
        "pg",
        "pg",
        "PATRONI_REST_PORT",
        "mTLS rest",
        "nom du certificat, Basic Auth pour modifier",
    ),
    Flow("tools", "pg", "pg", "PG_PORT", "TLS server, verify-full", "SCRAM (mesures)"),
    Flow("pg", "pg", "pg", "PG_PORT", "TLS server, verify-full", "certificat pg-client + SCRAM"),
    Flow("haproxy", "pg", "pg", "GATEWAY_PORT", "mTLS tunnel, PROXY v2 dedans", "certificat"),
    Flow(
        "pgbouncer",
        "haproxy",
        "pool",
        "HAPROXY_RW_PORT",
        "TLS server de bout en bout, verify-full",
        "certificat pg-client + SCRAM",
    ),
    Flow(
        "pgbouncer",
        "haproxy",
        "pool",
        "HAPROXY_RO_PORT",
        "TLS server de bout en bout, verify-full",
        "certificat pg-client + SCRAM",
    ),
    Flow("client", "pgbouncer", "front", "PGBOUNCER_PORT", "TLS server", "SCRAM"),
    Flow("client", "haproxy", "front", "HAPROXY_RW_PORT", "TLS server de bout en bout", "SCRAM"),
    Flow("client", "haproxy", "front", "HAPROXY_RO_PORT", "TLS server de bout en bout", "SCRAM"),
    Flow(
        "client",
        "haproxy",
        "front",
        "HAPROXY_ADMIN_PORT",
        "HTTPS",
        "mot de passe (haché au repos)",
    ),
)
