#!/usr/bin/env bash
# build_oracle.sh DIRECTORY HERE: fetches the source of Debian's PostgreSQL into DIRECTORY, and builds its scanner into
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
mkdir -p include/{parser,common,port,mb}
cp "$source/include/parser/scanner.h" include/parser/
for header in postgres.h common/{string,keywords}.h parser/{parser,scansup}.h port/pg_bitutils.h mb/pg_wchar.h; do
  echo '#include "shims.h"' >"include/$header"
done
: >include/parser/kwlist.h
printf '#include "shims.h"\n#include "parser/scanner.h"\ntypedef core_YYSTYPE YYSTYPE;\n' >include/parser/gramparse.h
flex -b -CF -p -o scan.c "$source/backend/parser/scan.l" 2>flex.log
gcc -shared -fPIC -O2 -w -Iinclude -I"$here" scan.c "$here/oracle.c" -o oracle.so
