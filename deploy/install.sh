#!/usr/bin/env bash
# Installs what building, testing and running Sluice needs, on Debian 12. Does nothing,
# and needs no root, when all of it is there. With --otlp also what traces by OTLP need, where that is to be had.
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
# Traces by OTLP are built in where this is there (third_party/opentelemetry.bzl).
otlp=opentelemetry-cpp-dev
[[ ${1:-} == --otlp && $(dpkg-query -W -f='${Status}' "$otlp" 2>/dev/null || true) != "install ok installed" ]] || otlp=
[[ ${#missing[@]} -gt 0 || -n $otlp ]] || exit 0

as_root=()
if [[ $(id -u) -ne 0 ]]; then
  command -v sudo >/dev/null || { echo "install.sh: needs root or sudo for: ${missing[*]:-} $otlp" >&2; exit 1; }
  as_root=(sudo)
fi

echo "Installing packages: ${missing[*]:-} $otlp"
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
if [[ ${#missing[@]} -gt 0 ]]; then
  "${as_root[@]}" apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi

# Debian 12 has it among its backports, which are asked for this one package, and stay switched off. Without them
# everything else works.
if [[ -n $otlp ]]; then
  [[ -n $(apt-cache policy | grep bookworm/main) ]] || "${as_root[@]}" apt-get update -q
  mirror=$(apt-cache policy | sed -n 's|.* \(https\?://[^ ]*\) bookworm/main .*|\1|p' | head -n 1)
  sources=$(mktemp -d)
  chmod 755 "$sources"
  mkdir -p "$sources/lists/partial"
  printf 'deb %s %s main\n' "$mirror" bookworm "$mirror" bookworm-backports >"$sources/sources.list"
  apt=(apt-get -q -o "Dir::Etc::sourcelist=$sources/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$sources/lists")
  if ! { "${as_root[@]}" "${apt[@]}" update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${apt[@]}" install -y --no-install-recommends "$otlp"; }; then
    echo "install.sh: no $otlp to be had: sluiced is built without OTLP" >&2
  fi
  "${as_root[@]}" rm -rf "$sources"
fi
