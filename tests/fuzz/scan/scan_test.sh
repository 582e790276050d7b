#!/usr/bin/env bash
# The gateway's scanner beside PostgreSQL's own, which is built here and now from Debian's source package.
#   bazel test //tests/fuzz/scan:scan_test --test_arg=--inputs=20000000 --test_timeout=3600
set -euo pipefail
here=$PWD/tests/fuzz/scan
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT
status=0
bash "$here/build_oracle.sh" "$directory" "$here" || status=$?
if [[ $status -eq 3 ]]; then
  echo "SKIPPED: the source of PostgreSQL can not be had here:"
  tail -3 "$directory/fetch.log"
  exit 0
fi
[[ $status -eq 0 ]] || exit "$status"
"$here/compare" "$directory/oracle.so" "$@"
