#!/usr/bin/env bash
# Vérifie la couche etcd du cluster en marche (session nox « etcd »), depuis n'importe quel dossier.
# Les arguments vont à pytest : scripts/test_dck_etcd.sh -k nom_de_test -x
set -euo pipefail

root="$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")"
exec "$root/bootstrap" nox -s etcd -- "$@"
