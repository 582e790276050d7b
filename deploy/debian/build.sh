#!/usr/bin/env bash
# Builds the Debian package of this tree, and has lintian look at it.
#
#   deploy/debian/build.sh [FOLDER]      where it goes; the current one
#
# Needs what deploy/install.sh installs, and debhelper, help2man, fakeroot and lintian.
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac
target=$(realpath "${1:-.}")
cd "$(dirname "$0")/../.."

version=$(sed -n 's/.*kVersion\[\] = "\(.*\)".*/\1/p' server/version.h)
[[ $(dpkg-parsechangelog -l deploy/debian/changelog -S Version) == "$version" ]] ||
  { echo "build.sh: deploy/debian/changelog is not of version $version" >&2; exit 1; }
# Without OpenTelemetry, which Debian 12 has among its backports only: the package would ask for them.
bazel build --repo_env=SLUICE_OTLP=off -c opt --show_progress_rate_limit=10 //server:sluiced //client/cli:sluice

work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-debian-XXXXXX")
trap 'rm -rf "$work"' EXIT
source=$work/sluice-$version
mkdir -p "$source/build/docs"
cp -r deploy/debian "$source/debian"
rm "$source"/debian/{build,test}.sh
mv "$source/debian/sluice.conf" "$source/build/"
cp deploy/systemd/sluiced.service "$source/debian/sluice.sluiced.service"
strip -o "$source/build/sluiced" bazel-bin/server/sluiced
strip -o "$source/build/sluice" bazel-bin/client/cli/sluice
cp deploy/prometheus/alerts.yaml deploy/grafana/dashboard.json CHANGELOG.md "$source/build/"
cp docs/{operations,configuration,errors,security}.md "$source/build/docs/"

(cd "$source" && VERSION=$version DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage --build=binary --no-sign -rfakeroot >../build.log 2>&1) ||
  { tail -n 40 "$work/build.log" >&2; exit 1; }
package=sluice_${version}_$(dpkg --print-architecture).deb
lintian --allow-root --fail-on error,warning --no-cfg --display-info "$work/$package"
cp "$work/$package" "$target/"
echo "$target/$package"
