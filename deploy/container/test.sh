#!/usr/bin/env bash
# Builds the image of deploy/container/Dockerfile from nothing, without a container engine (buildah
# with its chroot isolation, on a Debian that mmdebstrap makes), and runs what came out: as the
# image's user, in a read-only root, against a private PostgreSQL.
#
#   deploy/container/test.sh          needs root; some 10 minutes on 2 cores
#
# SLUICE_IMAGE_BAZEL_FLAGS (--jobs=2) goes to `bazel build`. All that is made is in a temporary
# directory and gone at the end; TMPDIR says where, and needs 3 GB.
set -euo pipefail
cd "$(dirname "$0")/../.."

case "${1:-}" in
  "") ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "container/test.sh: unknown argument $1; see --help" >&2; exit 2 ;;
esac
[[ $(id -u) -eq 0 ]] || { echo "container/test.sh: needs root, for chroot and mounts" >&2; exit 2; }

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
fail() { echo "FAILED: $*" >&2; exit 1; }
work=$(mktemp -d "${TMPDIR:-/tmp}/sluice-container-XXXXXX")
chmod 755 "$work"
pids=()
builder=

finish() {
  status=$?
  trap - EXIT INT TERM
  # A build is the first process of a namespace of its own: all in it goes with it, mounts, too.
  if [[ -n $builder ]]; then
    kill -KILL "$builder" 2>/dev/null || true
    wait "$builder" 2>/dev/null || true
    sleep 1
  fi
  # The last one started is the first to go: gateway, database.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -INT "${pids[i]}" 2>/dev/null || continue
    wait "${pids[i]}" 2>/dev/null || true
  done
  rm -rf --one-file-system "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs something long: in the background, as a trap would have to wait for the foreground.
build() {
  local log=$work/$1 status=0
  shift
  TMPDIR=$work unshare --mount --pid --fork --kill-child --mount-proc -- "$@" >"$log" 2>&1 &
  builder=$!
  wait "$builder" || status=$?
  builder=
  [[ $status -eq 0 ]] || { tail -n 60 "$log" >&2; fail "$1 ended with $status; its last lines are above"; }
}

serve() {
  local log=$1
  shift
  "$@" >"$work/$log" 2>&1 &
  pids+=($!)
}

# Ends what was served, by a signal; its exit code goes to code.
end() {
  local pid left=()
  code=0
  kill "-$1" "$2"
  wait "$2" || code=$?
  for pid in "${pids[@]}"; do [[ $pid == "$2" ]] || left+=("$pid"); done
  pids=("${left[@]}")
}

await() {
  local what=$1 log=$2
  shift 2
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  cat "$work/$log" >&2
  fail "$what"
}

# The exit code and the output of a command, for check.
try() {
  code=0
  output=$("$@" 2>&1) || code=$?
}
check() {
  local what=$1 want_code=$2 want=$3
  [[ $code -eq $want_code ]] || fail "$what: exit code $code, not $want_code: $output"
  [[ $output =~ $want ]] || fail "$what: no \"$want\" in: $output"
  echo "ok: $what"
}

say "1. Install what is missing"
missing=()
for package in buildah mmdebstrap binutils postgresql; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing+=("$package")
done
# install.sh keeps Debian from starting a PostgreSQL of its own.
[[ " ${missing[*]} " != *" postgresql "* ]] || deploy/install.sh
if [[ ${#missing[@]} -gt 0 ]]; then
  apt-get update -q
  DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "${missing[@]}"
fi
echo "all there"

export BUILDAH_ISOLATION=chroot REGISTRY_AUTH_FILE=$work/no-registry.json
echo '{}' >"$REGISTRY_AUTH_FILE"
buildah=(buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run")
base=localhost/debian:bookworm-slim
image=localhost/sluice:test

say "2. A Debian 12 to build on, as slim as the real one (a minute)"
started=$SECONDS
# How this machine reaches its mirror is the base's business, and never the Dockerfile's.
# With usrmerge, which apt would choose, comes all of Perl: 49 MB.
debootstrap=(mmdebstrap --quiet --variant=minbase --skip=output/dev
  --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr --include=usr-is-merged)
for path in doc man info locale groff lintian linda; do
  debootstrap+=(--dpkgopt="path-exclude=/usr/share/$path/*")
done
debootstrap+=(--dpkgopt='path-include=/usr/share/doc/*/copyright')
for file in /etc/apt/apt.conf /etc/apt/apt.conf.d/*; do
  if [[ -f $file ]] && grep -qE '^Acquire::' "$file"; then debootstrap+=(--aptopt="$file"); fi
done
debootstrap+=(bookworm "$work/base.tar")
for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
  if [[ -s $file ]]; then debootstrap+=("$file"); break; fi
done
build mmdebstrap.log "${debootstrap[@]}"
container=$("${buildah[@]}" from scratch)
"${buildah[@]}" add --quiet "$container" "$work/base.tar" / >/dev/null
"${buildah[@]}" config --cmd /bin/bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
"${buildah[@]}" commit --quiet --format docker --rm "$container" "$base" >/dev/null
rm "$work/base.tar"
echo "made in $((SECONDS - started)) s"

say "3. The image"
started=$SECONDS
build build.log "${buildah[@]}" build --format docker --pull-never -f deploy/container/Dockerfile \
  --build-arg BASE="$base" --build-arg BAZEL_FLAGS="${SLUICE_IMAGE_BAZEL_FLAGS---jobs=2}" \
  --build-arg REVISION="$(git rev-parse HEAD 2>/dev/null || true)" -t "$image" .
echo "built in $((SECONDS - started)) s"
! grep -iE '^warning' "$work/build.log" >&2 || true

say "4. What the image says of itself"
of_image() { "${buildah[@]}" inspect --type image --format "$1" "$image"; }
label() { of_image "{{index .Docker.Config.Labels \"org.opencontainers.image.$1\"}}"; }
is() {
  [[ $2 == "$3" ]] || fail "$1: \"$2\", not \"$3\""
  echo "ok: $1: $2"
}
is "user" "$(of_image '{{.Docker.Config.User}}')" 65532:65532
is "entry point" "$(of_image '{{.Docker.Config.Entrypoint}}')" "[/usr/bin/sluiced]"
is "ports" "$(of_image '{{range $port, $_ := .Docker.Config.ExposedPorts}}{{$port}} {{end}}')" "7432/tcp 7433/tcp 7434/tcp "
is "stop signal" "$(of_image '{{.Docker.Config.StopSignal}}')" SIGTERM
is "health check's kind" "$(of_image '{{index .Docker.Config.Healthcheck.Test 0}}')" CMD-SHELL
health=$(of_image '{{index .Docker.Config.Healthcheck.Test 1}}')
[[ $health =~ ^/usr/bin/sluice\ health\ --timeout= ]] || fail "the health check is $health"
echo "ok: health check: $health"
is "licence" "$(label licenses)" MIT
is "title" "$(label title)" Sluice
version=$(sed -n 's/.*kVersion\[\] = "\(.*\)".*/\1/p' server/version.h)
is "version, as of server/version.h" "$(label version)" "$version"

say "5. What is in it"
container=$("${buildah[@]}" from --pull-never "$image")
in_container() { "${buildah[@]}" run "$container" -- "$@"; }
try in_container id -u
check "runs as 65532" 0 '^65532$'
try in_container /usr/bin/sluiced --version
check "sluiced --version" 0 "^sluiced ${version//./\\.}\$"
try in_container /usr/bin/sluice --version
check "sluice --version" 0 "${version//./\\.}"
try in_container /usr/bin/sluice --help
check "sluice --help" 0 'Exit codes: 0 done'
root=$("${buildah[@]}" mount "$container")
try chroot "$root" dpkg-query -W -f '${Package}\n'
unwanted=$(grep -E -- '-dev$|^g\+\+|^gcc-12$|^bazel|jdk|^perl$' <<<"$output" || true)
[[ $code -eq 0 && -z $unwanted ]] || fail "packages that only a build needs: $unwanted"
echo "ok: $(wc -l <<<"$output") packages, none of a build's"
for program in sluiced sluice; do
  ! readelf -S "$root/usr/bin/$program" | grep -q '\.symtab' || fail "$program is not stripped"
done
echo "ok: stripped"
linked=$(chroot "$root" sh -c 'ldd /usr/bin/sluiced /usr/bin/sluice')
[[ $linked != *"not found"* ]] || fail "libraries are missing: $linked"
# What is asked for by name is really used, itself or what only it brings.
libraries=$(readelf -d "$root/usr/bin/sluiced" "$root/usr/bin/sluice" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p' | sort -u)
owners=$(while read -r library; do
  chroot "$root" dpkg-query -S "*/$library" 2>/dev/null | cut -d: -f1
done <<<"$libraries" | sort -u)
asked=$(sed -n '/^FROM \${BASE}$/,$s/^ \{8\}\(lib[^ ]*\) \\$/\1/p' deploy/container/Dockerfile | sort)
unused=$(comm -13 <(echo "$owners") <(echo "$asked"))
[[ -n $asked && -z $unused ]] || fail "the image installs what nothing is linked to: $unused"
unnamed=$(comm -23 <(echo "$owners") <(echo "$asked") | tr '\n' ' ')
echo "ok: $(wc -l <<<"$asked") packages of libraries asked for, all used; with them or the base: $unnamed"

say "6. Serving, in a read-only root"
bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' | sort -V | tail -n 1)
as_postgres=(setpriv --reuid=postgres --regid=postgres --clear-groups)
mkdir "$work/shared" "$work/shared/database" "$work/shared/gateway"
chown postgres "$work/shared/database"
chown 65532:65532 "$work/shared/gateway"
"${as_postgres[@]}" "$bin/initdb" -D "$work/shared/database/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N \
  --no-instructions >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; fail "initdb"; }
serve_database() {
  serve postgres.log "${as_postgres[@]}" "$bin/postgres" -D "$work/shared/database/data" -c listen_addresses= \
    -c unix_socket_directories="$work/shared/database" -c fsync=off
  await "PostgreSQL does not start" postgres.log "$bin/pg_isready" -q -h "$work/shared/database"
}

# Becomes a command in the image: of its user, without this machine's environment, all of it
# read-only but for /mnt. Each step becomes the next one: the process id stays what it was.
enter='
  mkdir -p "$0/proc" "$0/dev"
  mount --bind "$0" "$0"
  mount --bind "$1" "$0/mnt"
  mount -t proc -o ro proc "$0/proc"
  mount --rbind /dev "$0/dev"
  mount -o remount,bind,ro "$0"
  cd "$0"
  root=$0
  shift
  exec chroot --userspec=65532:65532 --groups= "$root" /usr/bin/env -i "$@"'
inside() { exec unshare --mount -- sh -euc "$enter" "$root" "$work/shared" "$@"; }
ask_health() { inside "SLUICE_ADMIN_TARGET=$admin" /bin/sh -c "$health"; }
is_health() { [[ $(ask_health 2>/dev/null) == "$1" ]]; }

try inside /usr/bin/touch /tmp/written
check "nothing can be written" 1 'Read-only file system'
try inside DATABASE_URL=postgresql://nobody@127.0.0.1/none SLUICE_LISTEN=0.0.0.0:0 /usr/bin/sluiced
check "no door without TLS: exit code 78" 78 'tls_cert'

serve_database
database=${pids[-1]}
serve sluiced.log inside "DATABASE_URL=postgresql://postgres@/postgres?host=/mnt/database" \
  /usr/bin/sluiced --listen=127.0.0.1:0 --port_file=/mnt/gateway/port --admin_listen=off \
  --admin_grpc_listen=127.0.0.1:0 --log_format=json
await "sluiced does not start" sluiced.log test -s "$work/shared/gateway/port"
target=$(cat "$work/shared/gateway/port")
await "sluiced does not say where its operators' port is" sluiced.log grep -q admin_grpc "$work/sluiced.log"
admin=$(sed -n 's/.*"admin_grpc":"\([^"]*\)".*/\1/p' "$work/sluiced.log")
await "sluiced does not get ready" sluiced.log is_health SERVING
is "sluiced's user" "$(stat -c %u "/proc/${pids[-1]}")" 65532
try inside /usr/bin/sluice --target "$target" query --csv 'SELECT 1 AS one'
check "sluice query" 0 $'^one\r?\n1'
try ask_health
check "the health check of one that serves: exit code 0" 0 '^SERVING$'
try in_container /bin/sh -c "SLUICE_ADMIN_TARGET=$admin; $health"
check "the same by buildah run" 0 '^SERVING$'

end INT "$database"
await "health does not notice that the database is gone" sluiced.log is_health NOT_SERVING
try ask_health
check "the health check of one without its database: exit code 1" 1 '^NOT_SERVING$'

end "$(of_image '{{.Docker.Config.StopSignal}}')" "${pids[-1]}"
is "exit code after the stop signal" "$code" 0
try ask_health
check "the health check where nobody serves: exit code 1" 1 .

say "7. How big it is"
bytes=$(du -sx --apparent-size -B1 "$root" | cut -f1)
base_bytes=$(du -sx --apparent-size -B1 "$("${buildah[@]}" mount "$("${buildah[@]}" from --pull-never "$base")")" | cut -f1)
"${buildah[@]}" push --quiet --format docker "$image" "docker-archive:$work/image.tar"
gzip -c "$work/image.tar" | wc -c >"$work/image.size"
mb() { echo "$((($1 + 500000) / 1000000)) MB"; }
echo "$(mb "$bytes") unpacked, $(mb "$base_bytes") of it the base; $(mb "$(cat "$work/image.size")") compressed"
[[ $bytes -lt 200000000 ]] || fail "the image is too big"

say "All of it holds."
