#!/usr/bin/env bash
# Load figures of a service under what one caller or one relying party can do to it; README.md beside this says what is measured.
#
#   tests/load/run.sh [--bin PATH] [--before PATH] [--small] [--folder FOLDER] [SECTION…]
set -euo pipefail
cd "$(dirname "$0")/../.."
# Sections keep more connections open than shells allow by default; where no more is allowed, they say so.
ulimit -S -n "$(ulimit -H -n)" 2> /dev/null || true
exec python3 tests/load/main.py "$@"
