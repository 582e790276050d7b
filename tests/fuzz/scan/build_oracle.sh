#!/usr/bin/env bash
# build_oracle.sh DIRECTORY SHIMS: fetches the source of Debian's PostgreSQL into DIRECTORY, and builds its scanner into
# DIRECTORY/oracle.so. Nothing of it is kept in this repository. Ends with 3 if the source can not be had.
set -euo pipefail
directory=$1
here=$2
version=$(ls /usr/lib/postgresql | sort -n | tail -1)

# Beside the system's own lists, which may have no sources.
mkdir -p "$directory/apt/lists/partial" "$directory/apt/parts"
sed -n 's/^Types: .*/Types: deb-src/; p' /etc/apt/sources.list.d/debian.sources >"$directory/apt/parts/src.sources" 2>/dev/null || true
grep -hs '^deb ' /etc/apt/sources.list | sed 's/^deb /deb-src /' >"$directory/apt/parts/src.list" || true
apt=(apt-get -q -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$directory/apt/parts"
  -o Dir::State::lists="$directory/apt/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=
  -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o Acquire::Retries=1)
cd "$directory"
fetch() {
  "${apt[@]}" update || return
  # A security update's source is not on every mirror: then the release's own will do.
  local wanted
  for wanted in $(apt-cache "${apt[@]:2}" showsrc "postgresql-$version" | sed -n 's/^Version: //p' | sort -rV); do
    "${apt[@]}" source --download-only "postgresql-$version=$wanted" && return
  done
  return 1
}
fetch >fetch.log 2>&1 || exit 3
tar xf "postgresql-${version}"_*.orig.tar.* --wildcards '*/src/backend/parser/scan.l' '*/src/include/parser/scanner.h'

source=$(echo "postgresql-${version}".*/src)
mkdir -p include/parser include/common
cp "$source/include/parser/scanner.h" include/parser/
echo '#include "postgres.h"' >include/common/keywords.h
flex -b -CF -p -o scan.c "$source/backend/parser/scan.l" 2>flex.log
gcc -shared -fPIC -O2 -w -I"$here/shims" -Iinclude -I"$here" scan.c "$here/oracle.c" -o oracle.so
