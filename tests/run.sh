#!/usr/bin/env bash
# All tests: unit, storage against its model, front-door, faults (which need root), schemathesis over the OpenAPI
# document, a real relying party, and Auth0's management SDK and Deploy CLI.
# Installs what they need where it is missing: Debian packages, npm packages pinned by tests/node/package-lock.json,
# and PyPI packages pinned by tests/schemathesis/requirements.txt.
#
#   tests/run.sh              everything
#   tests/run.sh PATTERN…     only the Rust tests whose names contain a pattern
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

# need COMMAND PACKAGE…: installs the Debian packages unless the command is there.
need() {
    local command=$1
    shift
    if command -v "$command" > /dev/null; then return; fi
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi
    if ! command -v apt-get > /dev/null; then
        echo "$command is missing, and there is no apt-get to install it ($*) with" >&2
        exit 1
    fi
    say "installing $* for $command"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

if ! command -v cargo > /dev/null; then
    echo "cargo is missing: install Rust 1.94 or newer" >&2
    exit 1
fi
need cc gcc libc6-dev
need node nodejs
need npm npm
# Makes the certificate that the SDK is served with.
need openssl openssl
# The fault tests fill up file systems of their own, and make them read-only. They need root for it.
need mkfs.ext4 e2fsprogs
need mount mount
# schemathesis asks a service in a network of its own.
need python3 python3
if ! python3 -c 'import ensurepip, venv' 2> /dev/null; then need python3-venv python3-venv; fi
need ip iproute2
need unshare util-linux
if [ "$(node -p 'const [major, minor] = process.versions.node.split("."); major * 1000 + +minor')" -lt 20019 ]; then
    echo "Node.js 20.19 or newer is needed for the packages under tests/node, and this is $(node --version)" >&2
    exit 1
fi

say "Rust tests"
if cargo nextest --version > /dev/null 2>&1; then
    cargo nextest run --locked --no-fail-fast "$@"
else
    cargo test --locked --no-fail-fast -- "$@"
fi
if [ $# -gt 0 ]; then exit 0; fi

say "examples in the documentation"
cargo test --locked --doc

cargo build --locked --bin logoutd
LOGOUTD_BIN=$(realpath "${CARGO_TARGET_DIR:-target}/debug/logoutd")
export LOGOUTD_BIN

say "schemathesis over the OpenAPI document"
tests/schemathesis/run.sh

say "real programs: a relying party with express-openid-connect, Auth0's management SDK and its Deploy CLI"
(
    cd tests/node
    if ! cmp -s package-lock.json node_modules/.installed-lock; then
        npm ci --no-audit --no-fund
        cp package-lock.json node_modules/.installed-lock
    fi
    npm test
)
