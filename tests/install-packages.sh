#!/usr/bin/env bash
# Installs what the tests of tests/kafka and tests/stack need from the system, on Debian and Ubuntu:
# a Java runtime (17 or later), Maven, kcat, Alertmanager, Prometheus. Does nothing when all is
# there, and starts no service. Run by root, or by who may use sudo.
set -euo pipefail

java_version() {
    { java -version 2>&1 || true; } | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1
}

# The first of some packages that this system's lists have.
first_of() {
    for package in "$@"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            echo "$package"
            return
        fi
    done
    echo "install-packages.sh: none of these is to be had: $*" >&2
    return 1
}

missing=()
[[ $(java_version) -ge 17 ]] || missing+=(Java)
command -v mvn >/dev/null || missing+=(Maven)
command -v kcat >/dev/null || missing+=(kcat)
command -v amtool >/dev/null || missing+=(Alertmanager)
command -v promtool >/dev/null || missing+=(Prometheus)
((${#missing[@]})) || exit 0
echo "Installing what the tests need: ${missing[*]}"

if ! command -v apt-get >/dev/null; then
    echo "install-packages.sh: no apt-get here. Install by other means: a Java runtime (17 or" \
        "later), Maven, kcat, Alertmanager, Prometheus; what is missing: ${missing[*]}" >&2
    exit 1
fi
as_root=()
if ((EUID)); then
    if ! command -v sudo >/dev/null; then
        echo "install-packages.sh: run this as root (there is no sudo)" >&2
        exit 1
    fi
    as_root=(sudo)
fi

# One unreachable list of somebody else's does not matter, if the packages are found.
"${as_root[@]}" apt-get update -q || echo "install-packages.sh: going on with old lists" >&2
packages=()
for name in "${missing[@]}"; do
    case $name in
        # By version, since the default of an older system may be Java 11.
        Java) package=$(first_of openjdk-{17,21,25}-jre-headless default-jre-headless) ;;
        Maven) package=maven ;;
        # What a system does not have, its tests are skipped without.
        kcat) package=$(first_of kcat) || continue ;;
        Alertmanager) package=$(first_of prometheus-alertmanager) || continue ;;
        Prometheus) package=$(first_of prometheus) || continue ;;
    esac
    packages+=("$package")
done
((${#packages[@]})) || exit 0
# Prometheus and Alertmanager would be started, now and at each boot, and take ports 9090 and 9093.
# Masked before they are there, they are not; the tests start programs of their own. (Who wants the
# services: systemctl unmask.) Without systemd, the run level of maintenance says the same.
for package in "${packages[@]}"; do
    if [[ $package == prometheus* ]] && command -v systemctl >/dev/null; then
        "${as_root[@]}" systemctl mask --quiet "$package.service"
    fi
done
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -q -y --no-install-recommends "${packages[@]}"
