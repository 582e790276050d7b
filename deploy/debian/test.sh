#!/usr/bin/env bash
# Builds the package, installs it on a Debian 12 as it comes (mmdebstrap, in a temporary folder), looks at what is there,
# lets the gateway run, and takes the package away again.
#
#   deploy/debian/test.sh          needs root; two minutes after the programs are built
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
cd "$(dirname "$0")/../.."
[[ $(id -u) -eq 0 ]] || { echo "debian/test.sh: needs root, for a chroot" >&2; exit 2; }

fail() { echo "FAILED: $*" >&2; exit 1; }
ok() { echo "ok: $*"; }
missing=()
for package in debhelper help2man fakeroot lintian mmdebstrap; do
  [[ $(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true) == "install ok installed" ]] || missing+=("$package")
done
if [[ ${#missing[@]} -gt 0 ]]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-debian-test-XXXXXX")
chmod 755 "$work"
finish() {
  status=$?
  rm -rf --one-file-system "$work"
  exit "$status"
}
trap finish EXIT

deploy/debian/build.sh "$work"
package=$(basename "$work"/*.deb)
ok "built, and lintian has nothing to say: $package"

dpkg-deb -e "$work/$package" "$work/scripts"
grep -q "deb-systemd-invoke .*try-restart\|_dh_action=try-restart" "$work/scripts/postinst" || fail "an upgrade leaves the service stopped"
grep -q 'deb-systemd-invoke stop' "$work/scripts/prerm" || fail "a removal leaves the service running"
! grep -q 'deb-systemd-invoke start' "$work/scripts/postinst" || fail "the service is started before it has a database"
ok "its scripts restart a service that runs, and end it with the package"

root=$work/root
debootstrap=(mmdebstrap --quiet --variant=apt --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include=usr-is-merged)
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  if [[ -f $file ]] && grep -qE '^Acquire::' "$file"; then debootstrap+=(--aptopt="$file"); fi
done
debootstrap+=(bookworm "$root")
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  if [[ -s $file ]]; then debootstrap+=("$file"); break; fi
done
"${debootstrap[@]}"
ok "a Debian 12 to install it on"

inside() { chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"; }
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod +x "$root/usr/sbin/policy-rc.d"
cp "$work/$package" "$root/root/"
cp /etc/resolv.conf "$root/etc/resolv.conf"
inside apt-get update -q >"$work/update.log" 2>&1 || { cat "$work/update.log" >&2; fail "apt-get update"; }
inside apt-get install -q -y --no-install-recommends "/root/$package" >"$work/install.log" 2>&1 || { cat "$work/install.log" >&2; fail "apt"; }
version=$(sed -n 's/.*kVersion\[\] = "\(.*\)".*/\1/p' server/version.h)
[[ $(inside sluiced --version) == "sluiced $version" ]] || fail "sluiced --version"
inside sluice --help >/dev/null || fail "sluice --help"
ok "both programs run with what the package brings along"
inside getent passwd sluice >/dev/null || fail "no user sluice"
[[ $(stat -c '%a' "$root/etc/sluice") == 750 && $(stat -c '%a' "$root/etc/sluice/sluice.conf") == 640 ]] || fail "modes of /etc/sluice"
[[ $(inside stat -c %G /etc/sluice/sluice.conf) == sluice ]] || fail "group of sluice.conf"
ok "settings are for the user sluice and root alone"
cmp -s deploy/systemd/sluiced.service "$root/lib/systemd/system/sluiced.service" || fail "the unit"
[[ ! -e $root/etc/systemd/system/multi-user.target.wants/sluiced.service ]] || fail "the service is enabled before it has a database"
for page in sluiced sluice; do [[ -s $root/usr/share/man/man1/$page.1.gz ]] || fail "no man page of $page"; done
zcat "$root/usr/share/man/man1/sluiced.1.gz" | grep -q 'pool_size' || fail "sluiced(1) does not have the settings"
zcat "$root/usr/share/man/man1/sluice.1.gz" | grep -q 'reset\\-pool' || fail "sluice(1) does not have the commands of admin"
ok "unit and man pages are there"

# As the service would: its user, its file.
code=0
inside setpriv --reuid=sluice --regid=sluice --clear-groups sluiced --config_file=/etc/sluice/sluice.conf >"$work/first.log" 2>&1 || code=$?
[[ $code -eq 78 ]] && grep -q 'database_url' "$work/first.log" || fail "a first start without a database: $code, $(cat "$work/first.log")"
ok "a first start says that a database is missing: exit code 78"

inside apt-get purge -q -y sluice >"$work/purge.log" 2>&1 || { cat "$work/purge.log" >&2; fail "purge"; }
# (The folder that this runs in has the name, too.)
left=$(cd "$root" && find ./usr/bin ./usr/share ./usr/lib ./etc -name '*sluice*')
[[ -z $left ]] || fail "left behind: $left"
ok "nothing is left of it after a purge"
