#!/usr/bin/env bash
# Installe sur la machine de l'opérateur ce qui sert hors des conteneurs.
#
#   sans option   outils de diagnostic : psql, etcdctl, patronictl, openssl, curl, jq, tcpdump, socat
#   --engine      Docker Engine, Compose v2 et, sur la famille Debian, mmdebstrap ; démarre le démon
#
# Familles : Debian et Ubuntu (apt) ; RHEL, Rocky, Alma 8 à 10 et Fedora (dnf).
# Une seconde exécution n'a rien à faire. Aucun dépôt n'est ajouté : seuls ceux que la machine
# connaît déjà sont utilisés. patronictl vient de l'index de pip, aux hachages du projet.
set -euo pipefail

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"  # dockerd, iptables, tcpdump : absents de certains PATH
export DEBIAN_FRONTEND=noninteractive

ROOT="$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")"
readonly ROOT
readonly PATRONI_LOCK="$ROOT/docker/patroni/requirements.lock"
readonly PLUGIN=/usr/local/lib/docker/cli-plugins/docker-compose
readonly ENGINE_LOG=/var/log/citadelle-dockerd.log
readonly ENGINE_DEADLINE=120  # secondes ; après une coupure, le démon relève d'abord chaque conteneur
readonly ANSWER_TIMEOUT=20    # secondes pour une réponse d'un démon, même chargé
readonly LISTS_MAX_AGE=1440   # minutes : au-delà, les versions listées ont pu quitter le miroir

# outil | usage | paquet Debian et Ubuntu | paquet RHEL et Fedora
readonly DIAGNOSTIC_TOOLS="psql|requêtes SQL, état de la réplication|postgresql-client|postgresql
etcdctl|quorum, membres et clés d'etcd|etcd-client|etcd
patronictl|état du cluster, bascules|python3-venv + pip (verrou)|python3 >= 3.11 + pip (verrou)
openssl|certificats et poignées de main TLS|openssl|openssl
curl|API REST de Patroni, pages HAProxy|curl|curl
jq|lecture des réponses JSON|jq|jq
tcpdump|preuve du chiffrement sur le réseau|tcpdump|tcpdump
socat|connexions et sockets brutes|socat|socat"
readonly ENGINE_TOOLS='dockerd|moteur de conteneurs|docker.io|moby-engine (Fedora) ou docker-ce
docker|client du moteur|docker.io, docker-cli (Debian 13+)|docker-cli (Fedora) ou docker-ce-cli
compose|docker compose, version 2|docker-compose (trixie), docker-compose-v2|docker-compose (Fedora) ou docker-compose-plugin
mmdebstrap|image de base sans registre|mmdebstrap|sans objet
iptables|réseaux des conteneurs|iptables|iptables
ca-certificates|autorités des téléchargements HTTPS|ca-certificates|ca-certificates'

say() { printf '%s\n' "$*"; }
warn() { printf 'install_local_tools : %s\n' "$*" >&2; }
die() { local code=$1; shift; warn "$*"; exit "$code"; }
have() { command -v "$1" >/dev/null 2>&1; }

usage() {
    cat <<'HELP'
Usage : scripts/install_local_tools.sh [OPTIONS]

Sans option : installe les outils de diagnostic (psql, etcdctl, patronictl, openssl, curl, jq,
tcpdump, socat). Annonce ce qui sera fait avant de le faire ; ne refait rien.

  --engine     Docker Engine, Compose v2 et mmdebstrap au lieu des outils ; démarre le démon
  --list       les outils, leur usage et le paquet de chaque famille
  --check      ce qui est présent et en quelle version ; code 1 s'il manque quelque chose
  --dry-run    ce qui serait fait, sans le faire
  -y, --yes    ne demande pas de confirmation
  -h, --help   cette aide

--list, --check et --dry-run se combinent avec --engine et ne demandent pas d'être root.
Codes : 0 réussi, 1 échec ou manque, 2 option inconnue, droits ou distribution.
HELP
}

# --- Ce que la machine est -----------------------------------------------------------------------

# shellcheck source=/dev/null  # le fichier est celui de la machine
os_release() { (. /etc/os-release && printf '%s' "${!1:-}") 2>/dev/null || true; }

detect_family() {
    DISTRO=$(os_release ID)
    RELEASE=$(os_release VERSION_ID)
    case " $DISTRO $(os_release ID_LIKE) " in
        *' ubuntu '*) FAMILY=apt DISTRO=ubuntu ;;
        *' debian '*) FAMILY=apt DISTRO=debian ;;
        *' fedora '* | *' rhel '*) FAMILY=dnf ;;
        *) FAMILY=unknown ;;
    esac
    readonly FAMILY DISTRO RELEASE
}

# Debian 12 et avant ne fournissent que Compose v1 ; sans VERSION_ID, c'est testing ou sid.
old_debian() { [[ $DISTRO == debian && -n $RELEASE && ${RELEASE%%.*} -le 12 ]]; }

usable_python() {
    local candidate
    for candidate in python3.13 python3.12 python3.11 python3.14 python3; do
        if "$candidate" -c \
            'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

engine_alive() { timeout "$ANSWER_TIMEOUT" docker version >/dev/null 2>&1; }

# --- Ce qui est là -------------------------------------------------------------------------------

if [[ $EUID -eq 0 ]]; then
    readonly PATRONICTL_HOME=/opt/citadelle/patronictl PATRONICTL_LINK=/usr/local/bin/patronictl
else
    readonly PATRONICTL_HOME="$HOME/.local/share/citadelle/patronictl"
    readonly PATRONICTL_LINK="$HOME/.local/bin/patronictl"
fi

patronictl_stamp() { sha256sum <"$PATRONI_LOCK"; }

patronictl_ready() {
    local stamp="$PATRONICTL_HOME/.lock-sha256"
    if [[ -d $PATRONICTL_HOME ]]; then
        [[ -x $PATRONICTL_LINK && -f $stamp && "$(<"$stamp")" == "$(patronictl_stamp)" ]]
    else
        have patronictl
    fi
}

present() {
    case $1 in
        compose) docker compose version >/dev/null 2>&1 ;;
        ca-certificates) [[ -s /etc/ssl/certs/ca-certificates.crt || -s /etc/pki/tls/certs/ca-bundle.crt ||
            -d /etc/pki/ca-trust/extracted/pem ]] ;;
        mmdebstrap) [[ $FAMILY != apt ]] || have mmdebstrap ;;
        patronictl) patronictl_ready ;;
        *) have "$1" ;;
    esac
}

version_of() {
    local text=
    case $1 in
        compose) text=$(docker compose version --short) ;;
        etcdctl) text=$(etcdctl version) ;;
        patronictl) text=$({ [[ -x $PATRONICTL_LINK ]] && "$PATRONICTL_LINK" version; } ||
            patronictl version) ;;
        openssl) text=$(openssl version) ;;
        socat) text=$(socat -V | sed -n 's/^socat version \([^ ]*\).*/\1/p') ;;
        ca-certificates) text=présent ;;
        mmdebstrap) text=$(have mmdebstrap && mmdebstrap --version || echo 'sans objet') ;;
        *) text=$("$1" --version 2>&1) ;;
    esac 2>/dev/null || true
    text=${text%%$'\n'*}
    printf '%s' "${text:0:60}"
}

# --- Tableaux ------------------------------------------------------------------------------------

# La largeur de printf se compte en octets : les octets de suite d'UTF-8 n'occupent pas de colonne.
cell() {
    local width=$1 text=$2 LC_ALL=C
    local columns=${text//[$'\x80'-$'\xbf']/}
    printf '%s%*s' "$text" $((width > ${#columns} ? width - ${#columns} : 1)) ''
}

print_list() {
    local tool purpose apt dnf
    while IFS='|' read -r tool purpose apt dnf; do
        cell 17 "$tool"; cell 40 "$purpose"; cell 44 "$apt"; say "$dnf"
    done <<<"OUTIL|USAGE|DEBIAN ET UBUNTU|RHEL ET FEDORA"$'\n'"$TOOLS"
}

print_check() {
    local tool missing=0
    while IFS='|' read -r tool _; do
        cell 17 "$tool"
        if present "$tool"; then say "$(version_of "$tool")"; else say MANQUE; missing=1; fi
    done <<<"$TOOLS"
    if [[ $SET == engine ]]; then
        cell 17 démon
        if engine_alive; then say "répond"; else say "NE RÉPOND PAS"; missing=1; fi
    fi
    return "$missing"
}

# --- Plan : ce qui manque, et d'où cela viendra --------------------------------------------------

PACKAGES=() STEPS=() NOTES=()
readonly STEP_COMPOSE='Compose v2, pris du paquet docker-compose de Debian 13 (trixie)'
readonly STEP_START='démarrage du démon Docker'
readonly STEP_PATRONICTL="patronictl dans $PATRONICTL_HOME (verrou docker/patroni/requirements.lock)"

plan_patronictl() {
    STEPS+=("$STEP_PATRONICTL")
    usable_python >/dev/null && return
    case $FAMILY-${RELEASE%%.*} in
        apt-*) PACKAGES+=(python3 python3-venv) ;;
        dnf-8 | dnf-9) PACKAGES+=(python3.12) ;;  # python3 y est en 3.6 et 3.9
        dnf-*) PACKAGES+=(python3) ;;
    esac
}

plan_etcdctl() {
    if [[ $FAMILY == apt ]]; then
        PACKAGES+=(etcd-client)
    elif dnf_offers etcd; then
        PACKAGES+=(etcd)
    else
        NOTES+=("etcdctl : absent des dépôts configurés (paquet etcd de PGDG-extras) ; il reste" \
            "         utilisable dans les conteneurs etcd.")
    fi
}

dnf_offers() { dnf -q list --available "$@" >/dev/null 2>&1; }

plan_diagnostics() {
    local tool apt dnf
    while IFS='|' read -r tool _ apt dnf; do
        present "$tool" && continue
        case $tool in
            patronictl) plan_patronictl ;;
            etcdctl) plan_etcdctl ;;
            *) if [[ $FAMILY == apt ]]; then PACKAGES+=("$apt"); else PACKAGES+=("$dnf"); fi ;;
        esac
    done <<<"$TOOLS"
}

plan_engine_apt() {
    have dockerd || PACKAGES+=(docker.io)
    if ! have docker && [[ $DISTRO == debian ]] && ! old_debian; then
        PACKAGES+=(docker-cli)  # séparé de docker.io depuis Debian 13
    fi
    present iptables || PACKAGES+=(iptables)
    present ca-certificates || PACKAGES+=(ca-certificates)
    present mmdebstrap || PACKAGES+=(mmdebstrap)
    # Sans apparmor_parser, Docker lance les conteneurs sans profil et ne le dit pas.
    [[ -d /sys/kernel/security/apparmor ]] && ! have apparmor_parser && PACKAGES+=(apparmor)
    present compose && return
    if [[ $DISTRO == ubuntu ]]; then
        PACKAGES+=(docker-compose-v2)
    elif old_debian; then
        STEPS+=("$STEP_COMPOSE")
    else
        PACKAGES+=(docker-compose)
    fi
}

plan_engine_dnf() {
    local wanted=()
    present iptables || PACKAGES+=(iptables)
    present ca-certificates || PACKAGES+=(ca-certificates)
    have dockerd && have docker && present compose && return
    if dnf_offers docker-ce || dnf_offers docker-compose-plugin; then
        wanted=(docker-ce docker-ce-cli containerd.io docker-compose-plugin)
    elif dnf_offers moby-engine; then
        wanted=(moby-engine docker-cli docker-compose)
    else
        die 2 "aucun dépôt configuré ne fournit Docker : ajoutez le dépôt officiel de Docker" \
            "(docker-ce, docker-ce-cli, containerd.io, docker-compose-plugin), puis relancez."
    fi
    PACKAGES+=("${wanted[@]}")
}

make_plan() {
    if [[ $FAMILY == unknown ]]; then
        die 2 "distribution non prise en charge. À installer vous-même :" \
            "$(cut -d'|' -f1 <<<"$TOOLS" | paste -sd' ')."
    fi
    if [[ $SET == diagnostics ]]; then plan_diagnostics; return; fi
    "plan_engine_$FAMILY"
    engine_alive || STEPS+=("$STEP_START")
}

print_plan() {
    local line
    for line in "${NOTES[@]}"; do say "$line"; done
    if [[ ${#PACKAGES[@]} -eq 0 && ${#STEPS[@]} -eq 0 ]]; then
        if [[ ${#NOTES[@]} -eq 0 ]]; then say "Rien à faire : tout est là."; else say "Rien d'autre à faire."; fi
        return
    fi
    say "À faire :"
    [[ ${#PACKAGES[@]} -eq 0 ]] || say "  - paquets ($FAMILY) : ${PACKAGES[*]}"
    for line in "${STEPS[@]}"; do say "  - $line"; done
}

needs_root() {
    [[ $SET == engine || ${#PACKAGES[@]} -gt 0 ]] && [[ $EUID -ne 0 ]]
}

confirm() {
    [[ $ASSUME_YES == 1 || ! -t 0 ]] && return
    local answer
    read -r -p "Continuer ? [o/N] " answer
    [[ $answer == [oOyY]* ]] || die 1 "abandon : rien n'a été changé."
}

# --- Paquets -------------------------------------------------------------------------------------

apt_refresh() {
    local lists=/var/lib/apt/lists
    if ! compgen -G "$lists/*_Packages*" >/dev/null ||
        [[ -n $(find "$lists" -maxdepth 0 -mmin +"$LISTS_MAX_AGE") ]]; then
        say "Mise à jour de la liste des paquets…"
        apt-get -qq update
    fi
}

install_packages() {
    [[ ${#PACKAGES[@]} -eq 0 ]] && return
    say "Installation de : ${PACKAGES[*]}…"
    if [[ $FAMILY == apt ]]; then
        apt_refresh
        # Une liste récente mais périmée par une mise à jour du miroir se répare en la relisant.
        apt_install || { apt-get -qq update && apt_install; }
    else
        dnf -q -y install --setopt=install_weak_deps=False "${PACKAGES[@]}"
    fi || die 1 "l'installation des paquets a échoué (messages ci-dessus)."
}

# dpkg raconte chaque paquet sur sa sortie ; ses erreurs, elles, restent visibles.
apt_install() {
    apt-get -qq install -y --no-install-recommends "${PACKAGES[@]}" </dev/null >/dev/null
}

# --- patronictl ----------------------------------------------------------------------------------

install_patronictl() {
    local python
    python=$(usable_python) ||
        die 1 "patronictl demande Python >= 3.11 (avec venv), que cette distribution n'a pas."
    say "Installation de patronictl, chaque paquet vérifié par son hachage…"
    rm -rf "$PATRONICTL_HOME"
    mkdir -p "$(dirname "$PATRONICTL_HOME")" "$(dirname "$PATRONICTL_LINK")"
    "$python" -m venv "$PATRONICTL_HOME"
    "$PATRONICTL_HOME/bin/python" -m pip install -qq --disable-pip-version-check \
        --require-hashes --requirement "$PATRONI_LOCK" ||
        die 1 "pip a échoué (message ci-dessus) ; patronictl reste utilisable dans les conteneurs."
    ln -sfn "$PATRONICTL_HOME/bin/patronictl" "$PATRONICTL_LINK"
    patronictl_stamp >"$PATRONICTL_HOME/.lock-sha256"  # en dernier : une reprise refait tout
}

# --- Compose v2 sur Debian 12 --------------------------------------------------------------------

debian_mirror() {
    # shellcheck disable=SC2016  # $(REPO_URI) est un champ d'apt
    apt-get indextargets --format '$(REPO_URI)|$(LABEL)' 'Created-By: Packages' |
        sed -n 's/|Debian$//p' | head -n 1
}

# Un état d'apt privé : ni les sources, ni les listes, ni le cache de la machine ne changent.
trixie_apt() {
    local state=$1; shift
    apt-get -qq \
        -o Dir::Etc::sourcelist="$state/trixie.list" -o Dir::Etc::sourceparts=- \
        -o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache" "$@"
}

# Les étapes sont chaînées : appelée dans une condition, la fonction échappe à « set -e ».
extract_compose() {
    local work=$1 mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mirror=$(debian_mirror)
    [[ -n $mirror ]] || { apt-get -qq update; mirror=$(debian_mirror); }
    [[ -n $mirror && -r $keyring ]] ||
        die 1 "aucun miroir Debian dans les sources d'apt, ou $keyring absent."
    say "deb [signed-by=$keyring] $mirror trixie main" >"$work/trixie.list"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/deb" "$work/root" &&
        chmod 755 "$work" && chown -R _apt "$work/lists" "$work/cache" "$work/deb" &&
        trixie_apt "$work" update &&
        (cd "$work/deb" && trixie_apt "$work" download docker-compose) &&
        dpkg-deb -x "$work"/deb/docker-compose_*.deb "$work/root" &&
        install -D -m 755 "$(find "$work/root" -path '*/cli-plugins/docker-compose')" "$PLUGIN"
}

install_compose() {
    say "Compose v2 depuis Debian 13…"
    WORK=$(mktemp -d)
    trap 'rm -rf "$WORK"' EXIT
    extract_compose "$WORK" ||
        die 1 "le paquet docker-compose de Debian 13 n'a pas pu être obtenu (messages ci-dessus)."
    docker compose version >/dev/null || { rm -f "$PLUGIN"; die 1 "Compose v2 ne s'exécute pas ici."; }
    say "Compose $(docker compose version --short) installé : $PLUGIN"
}

# --- Démon ---------------------------------------------------------------------------------------

process_is() {
    local file=$1 name=$2 pid
    # Par le lien vers l'exécutable : un processus tué que personne n'a relevé (zombie) garde son
    # nom, pas ce lien.
    [[ -s $file ]] && pid=$(<"$file") && [[ $(readlink "/proc/$pid/exe" 2>/dev/null) == */"$name" ]]
}

drop_stale_pid() {
    local file=$1 name=$2
    [[ -e $file ]] || return 0
    process_is "$file" "$name" && return
    say "Fichier de pid périmé, supprimé : $file"
    rm -f "$file"
}

launch_dockerd() {
    drop_stale_pid /run/docker/containerd/containerd.pid containerd
    drop_stale_pid /var/run/docker.pid dockerd
    process_is /var/run/docker.pid dockerd && return  # il démarre : l'attendre suffit
    # Le verrou de ce script (descripteur 8) ne doit pas survivre dans le démon.
    setsid dockerd >>"$ENGINE_LOG" 2>&1 </dev/null 8>&- &
    DOCKERD_PID=$!
}

daemon_died() { [[ -n ${DOCKERD_PID:-} ]] && ! kill -0 "$DOCKERD_PID" 2>/dev/null; }

engine_log_tail() {
    if [[ -d /run/systemd/system ]]; then
        journalctl -u docker -n 20 --no-pager
    else
        tail -n 20 "$ENGINE_LOG"
    fi
}

wait_for_engine() {
    local start=$SECONDS
    until engine_alive; do
        if ((SECONDS - start > ENGINE_DEADLINE)) || daemon_died; then
            warn "le démon ne répond pas après $((SECONDS - start)) s ; fin de son journal :"
            engine_log_tail >&2 || true
            exit 1
        fi
        sleep 0.5
    done
    say "Le démon répond (Docker Engine $(docker version --format '{{.Server.Version}}'))."
}

start_engine() {
    engine_alive && return
    [[ -z ${DOCKER_HOST:-} ]] || die 1 "DOCKER_HOST=$DOCKER_HOST ne répond pas : ce n'est pas le" \
        "démon de cette machine. Réglez ou retirez DOCKER_HOST, puis relancez."
    say "Démarrage du démon Docker…"
    if [[ -d /run/systemd/system ]]; then
        systemctl enable --now --quiet docker || true  # l'échec est dit par l'attente, avec le journal
    else
        launch_dockerd
    fi
    wait_for_engine
}

# --- Point d'entrée ------------------------------------------------------------------------------

apply_plan() {
    local step
    if [[ $EUID -eq 0 ]]; then
        exec 8>/run/lock/citadelle-tools.lock
        flock 8
    fi
    install_packages
    for step in "${STEPS[@]}"; do
        case $step in
            "$STEP_COMPOSE") install_compose ;;
            "$STEP_PATRONICTL") install_patronictl ;;
            "$STEP_START") start_engine ;;
        esac
    done
    say "Terminé."
}

MODE=install SET=diagnostics ASSUME_YES=0
for argument in "$@"; do
    case $argument in
        --list) MODE=list ;;
        --check) MODE=check ;;
        --dry-run) MODE=dry-run ;;
        --engine) SET=engine ;;
        -y | --yes) ASSUME_YES=1 ;;
        -h | --help) usage; exit 0 ;;
        *) die 2 "option inconnue : $argument (aide : --help)" ;;
    esac
done
if [[ $SET == engine ]]; then TOOLS=$ENGINE_TOOLS; else TOOLS=$DIAGNOSTIC_TOOLS; fi
readonly MODE SET ASSUME_YES TOOLS

detect_family
case $MODE in
    list) print_list; exit 0 ;;
    check) if print_check; then exit 0; else exit 1; fi ;;
esac

make_plan
print_plan
[[ $MODE == dry-run ]] && exit 0
[[ ${#PACKAGES[@]} -eq 0 && ${#STEPS[@]} -eq 0 ]] && exit 0
if needs_root; then die 2 "il faut être root : relancez avec « sudo $0 »."; fi
confirm
apply_plan
