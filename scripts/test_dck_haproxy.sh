#!/usr/bin/env bash
# Teste la couche haproxy du cluster en marche ; les options passent à pytest.
#   scripts/test_dck_haproxy.sh -k tls -x
set -euo pipefail

root="$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")"
exec "$root/bootstrap" nox -s haproxy -- "$@"
