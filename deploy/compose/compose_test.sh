#!/usr/bin/env bash
set -euo pipefail
/usr/bin/python3 "$@"
