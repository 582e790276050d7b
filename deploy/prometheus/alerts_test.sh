#!/usr/bin/env bash
# The alerts fire when they should, and only then.
set -euo pipefail
cd "$(dirname "$0")"
promtool check rules alerts.yaml
promtool test rules alerts_test.yaml
