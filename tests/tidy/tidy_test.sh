#!/usr/bin/env bash
# Runs the house rules on the tree that this test was built from.
set -euo pipefail
exec /usr/bin/python3 tests/tidy/tidy.py "$(dirname "$(realpath README.md)")"
