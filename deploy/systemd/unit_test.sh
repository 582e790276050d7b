#!/usr/bin/env bash
# The unit is one that systemd understands, and leaves little to break out of.
set -euo pipefail
unit=$1 sluiced=$2 sluice=$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# The programs are not installed here, and verify looks for them.
sed -e "s|/usr/bin/sluiced|$(realpath "$sluiced")|; s|/usr/bin/sluice |$(realpath "$sluice") |" "$unit" >"$work/sluiced.service"
verified=$(systemd-analyze verify --man=no "$work/sluiced.service" 2>&1) || { echo "$verified"; exit 1; }
# Also what it only warns of (a name that it does not know), if it is about this unit.
if grep -F sluiced.service <<<"$verified"; then exit 1; fi
# 0 is none, 10 all that a service can do to its host; most of Debian's have above 9.
systemd-analyze security --offline=true --threshold=20 --no-pager "$work/sluiced.service" | tail -n 1
