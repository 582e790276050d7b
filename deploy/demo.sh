#!/usr/bin/env bash
# From clone to first row: installs what is missing, builds, starts a private PostgreSQL and
# a PgBouncer in transaction mode in a temporary directory, serves them with sluiced, and
# shows what it can do. Then keeps serving until Ctrl-C.
#
#   deploy/demo.sh          the tour, then serve
#   deploy/demo.sh --once   the tour, then end
#
# With DATABASE_URL set, that database is served instead; nothing is written to it.
set -euo pipefail
cd "$(dirname "$0")/.."

once=false
case "${1:-}" in
  "") ;;
  --once) once=true ;;
  -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) echo "demo.sh: unknown argument $1; see --help" >&2; exit 2 ;;
esac

say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
work=$(mktemp -d /tmp/sluice-demo-XXXXXX)
chmod 755 "$work"
pids=()

finish() {
  trap - EXIT INT TERM
  # The last one started is the first to go: gateway, pooler, database.
  for ((i = ${#pids[@]} - 1; i >= 0; i--)); do
    kill -INT "${pids[i]}" 2>/dev/null || continue
    wait "${pids[i]}" 2>/dev/null || true
  done
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A server of ours, in the background. PostgreSQL and PgBouncer refuse to run as root.
serve() {
  local log=$1
  shift
  "$@" >"$work/$log" 2>&1 &
  pids+=($!)
}
as_user=()
if [[ $(id -u) -eq 0 ]]; then
  as_user=(setpriv --reuid=postgres --regid=postgres --clear-groups)
fi

await() {
  local what=$1 log=$2
  shift 2
  for _ in $(seq 300); do
    "$@" >/dev/null 2>&1 && return
    kill -0 "${pids[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  echo "$what does not start:" >&2
  cat "$work/$log" >&2
  exit 1
}

say "1. Install what is missing"
deploy/install.sh
echo "all there"

say "2. Build (some minutes the first time, seconds after that)"
started=$SECONDS
bazel build -c opt --show_progress_rate_limit=10 //server:sluiced //client/cli:sluice
sluiced=$PWD/bazel-bin/server/sluiced
sluice=$PWD/bazel-bin/client/cli/sluice
echo "built in $((SECONDS - started)) s"

own_database=true
if [[ -n ${DATABASE_URL:-} ]]; then
  own_database=false
  say "3. Your database"
  "$sluice" doctor
else
  say "3. A private PostgreSQL, and a PgBouncer with 15 connections to it"
  bin=$(find /usr/lib/postgresql -name initdb -printf '%h\n' | sort -V | tail -n 1)
  [[ $(id -u) -ne 0 ]] || chown postgres "$work"
  "${as_user[@]}" "$bin/initdb" -D "$work/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 -N --no-instructions \
    >"$work/initdb.log" 2>&1 || { cat "$work/initdb.log" >&2; exit 1; }
  serve postgres.log "${as_user[@]}" "$bin/postgres" -D "$work/data" -c listen_addresses= \
    -c unix_socket_directories="$work" -c fsync=off
  await PostgreSQL postgres.log "$bin/pg_isready" -q -h "$work"
  cat >"$work/pgbouncer.ini" <<INI
[databases]
* = host=$work user=postgres
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $work
auth_type = any
pool_mode = transaction
default_pool_size = 15
max_client_conn = 200
INI
  serve pgbouncer.log "${as_user[@]}" /usr/sbin/pgbouncer "$work/pgbouncer.ini"
  await PgBouncer pgbouncer.log "$bin/pg_isready" -q -h "$work" -p 6432
  export DATABASE_URL="postgresql://postgres@/postgres?host=$work&port=6432"
  echo "PostgreSQL $("$bin/postgres" --version | awk '{print $3}') and $(/usr/sbin/pgbouncer --version | head -n 1), in $work"
fi

say "4. The gateway"
# The port that everybody tries first; another one if it is taken.
port=7432
if (exec 3<>/dev/tcp/127.0.0.1/7432) 2>/dev/null; then port=0; fi
serve sluiced.log "$sluiced" --listen="127.0.0.1:$port" --port_file="$work/port" --log_format=text
await sluiced sluiced.log test -s "$work/port"
SLUICE_TARGET=$(cat "$work/port")
export SLUICE_TARGET
await "the gateway's database" sluiced.log "$sluice" health
echo "serving on $SLUICE_TARGET"

timed() {
  printf '\n$ sluice'
  local word
  for word in "$@"; do
    if [[ $word =~ ^[A-Za-z0-9_./:=-]+$ ]]; then printf ' %s' "$word"; else printf " '%s'" "${word//\'/\'\\\'\'}"; fi
  done
  printf '\n'
  local begin end
  begin=$(date +%s%N)
  "$sluice" "$@"
  end=$(date +%s%N)
  echo "[$(((end - begin) / 1000000)) ms, the start of the command included]"
}

say "5. The tour"
timed query "SELECT \$1 AS hello, current_setting('jit') AS jit" world
if $own_database; then
  timed query "CREATE TABLE people (id int8 PRIMARY KEY, name text, born date)"
  timed query "INSERT INTO people VALUES (1, \$1, \$2), (2, \$3, NULL) RETURNING *" "Ada" 1815-12-10 "O'Brien; DROP TABLE people"
  timed query --json "SELECT * FROM people ORDER BY id"
fi
timed batch "SELECT 1 AS first" "SELECT 2 AS second" "SELECT now() AS third"
timed ping -n 3
timed health
if $own_database; then
  timed doctor
fi

if $once; then
  say "Done."
  exit 0
fi
say "Serving on $SLUICE_TARGET until Ctrl-C. In another terminal:"
echo "  export SLUICE_TARGET=$SLUICE_TARGET"
echo "  $sluice query 'SELECT version()'"
wait "${pids[-1]}"
