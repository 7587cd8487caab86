"""Citadelle: an ultra-secure, highly available PostgreSQL cluster that proves its promises.

Data flows one way: .env -> settings -> topology -> (pki | render | compose) -> delivery ->
lifecycle. Only ``engine``, ``delivery`` and ``lifecycle`` run anything.
"""
