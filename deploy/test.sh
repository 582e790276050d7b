#!/usr/bin/env bash
# Installs what is missing and runs every test: deploy/test.sh [bazel test options or targets]
set -euo pipefail
cd "$(dirname "$0")/.."

deploy/install.sh --otlp
targets=("$@")
[[ ${#targets[@]} -gt 0 ]] || targets=(//...)

log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
bazel test --show_progress_rate_limit=10 --curses=no "${targets[@]}" 2>&1 | tee "$log" || status=$?

passed=$(grep -cE '^//.* PASSED' "$log" || true)
failed=$(grep -cE '^//.* (FAILED|TIMEOUT|NO STATUS|FAILED TO BUILD|FLAKY)' "$log" || true)
echo "$passed passed, $failed failed"
exit "$status"
