#!/bin/sh
# Installs the Debian or Ubuntu packages that the tests need. Silent when none is missing.
# As root it installs them; otherwise it prints the one line to run and fails.
# PYTHON names the interpreter that will run the tests: pyscard is compiled for it.
set -eu

PYTHON=${PYTHON:-python3}
POLICY=/usr/sbin/policy-rc.d

needed="pcscd vsmartcard-vpcd opensc pcsc-tools util-linux mount libpcsclite-dev swig gcc libc6-dev openssl unifont curl valgrind"
needed="$needed softhsm2 libbcpkix-java clang libclang-rt-dev"  # keys' libraries: tests/skf, and who else reads signatures
needed="$needed qemu-system-x86 busybox-static kmod udev usbutils libccid libusb-1.0-0 bluez dbus"  # the guest: tests/vm
# Ubuntu has no package of that name, and not the kernel of the guest that would need it.
grep -q '^ID=ubuntu' /etc/os-release || needed="$needed usbip"

has_headers() {
    "$PYTHON" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))'
}

is_installed() {
    dpkg-query -W -f '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

has_headers || needed="$needed $("$PYTHON" -c 'import sys; print("python%d.%d-dev" % sys.version_info[:2])')"

has_browser() {
    command -v chromium || command -v chromium-browser || command -v google-chrome
}

has_browser >/dev/null || needed="$needed chromium"

command -v javac >/dev/null || needed="$needed default-jdk-headless"

missing=
for package in $needed; do
    is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "sudo apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

# Once vsmartcard-vpcd is there, the machine's own pcscd would listen on 0.0.0.0:35963 as soon as it starts. The
# tests run their own, so the installation starts no service; a policy that is already there is left to decide.
if [ ! -e "$POLICY" ]; then
    trap 'rm -f "$POLICY"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$POLICY"
    chmod 755 "$POLICY"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update
# shellcheck disable=SC2086  # one word per package
apt-get install -y --no-install-recommends $missing

case $missing in
*vsmartcard-vpcd*)
    echo "Note: when this machine's own pcscd starts, it now listens on 0.0.0.0:35963-35964 (/etc/reader.conf.d/vpcd)." >&2
    ;;
esac
