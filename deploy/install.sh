#!/usr/bin/env bash
# Installs what building, testing and running Sluice needs, on Debian 12. Does nothing,
# and needs no root, when all of it is there.
set -euo pipefail

packages=(
  bazel-bootstrap bazel-bootstrap-data bazel-rules-java bazel-rules-proto bazel-platforms bazel-skylib
  g++ libc6-dev
  libgrpc++-dev protobuf-compiler-grpc libprotobuf-dev protobuf-compiler libabsl-dev
  libpqxx-dev libpq-dev libssl-dev libjemalloc-dev nlohmann-json3-dev libcli11-dev
  libedit-dev prometheus-cpp-dev libcpp-httplib-dev
  libgtest-dev libgmock-dev libbenchmark-dev
  grpc-proto golang-github-gogo-googleapis-dev
  postgresql pgbouncer openssl less libnss-wrapper flex bzip2 prometheus chromium chromium-driver
  python3 python3-grpcio python3-protobuf python3-yaml
  systemd
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)
  [[ $status == "install ok installed" ]] || missing+=("$package")
done
[[ ${#missing[@]} -gt 0 ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "install.sh: needs root or sudo for: ${missing[*]}" >&2; exit 1; }
  as_root=(sudo)
fi

echo "Installing ${#missing[@]} packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
# Debian's packages would start a PostgreSQL cluster, a pooler and a Prometheus of the system; we start our own.
if [[ ! -e /usr/sbin/policy-rc.d ]]; then
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee /usr/sbin/policy-rc.d >/dev/null
  "${as_root[@]}" chmod +x /usr/sbin/policy-rc.d
  trap '"${as_root[@]}" rm -f /usr/sbin/policy-rc.d' EXIT
fi
"${as_root[@]}" mkdir -p /etc/postgresql-common
if [[ ! -e /etc/postgresql-common/createcluster.conf ]]; then
  echo "create_main_cluster = false" | "${as_root[@]}" tee /etc/postgresql-common/createcluster.conf >/dev/null
fi
"${as_root[@]}" apt-get update -q
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
