#!/usr/bin/env bash
# Vérifie tout le cluster (même chose que « nox -s verify ») : statique, unitaire, chaque couche,
# bout en bout. Arguments : noms d'étapes, par exemple « etcd patroni » ; toutes par défaut.
set -euo pipefail
root="$(cd "$(dirname "$0")/.." && pwd)"
exec "$root/bootstrap" nox -s verify -- "$@"
