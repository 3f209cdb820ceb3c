#!/usr/bin/env bash
# All tests: unit, storage against its model, front-door, faults (which need root), examples in the documentation,
# schemathesis over the OpenAPI document, a real relying party, and Auth0's management SDK and Deploy CLI. docs/testing.md
# says what each kind is for.
# Installs what they need where it is missing: Debian packages, npm packages pinned by tests/node/package-lock.json,
# and PyPI packages pinned by tests/schemathesis/requirements.txt.
#
#   tests/run.sh              everything
#   tests/run.sh PATTERN…     only the Rust tests whose names contain a pattern
#
# A stage that fails does not keep the others from running. The end names each, and the status is 1 if one failed.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
. tests/stages.sh

# The program that all stages use is the one that is built for the Rust tests: `cargo build` would build it, and
# what it depends on, a second time without the features that the tests' dependencies ask for.
build() {
    if ! command -v cargo > /dev/null; then
        echo "cargo is missing: install Rust 1.94 or newer" >&2
        return 1
    fi
    need cc gcc libc6-dev
    cargo test --locked --no-run
}

rust_tests() {
    # The fault tests fill up file systems of their own, and make them read-only. They need root for it.
    need mkfs.ext4 e2fsprogs
    need mount mount
    if cargo nextest --version > /dev/null 2>&1; then
        cargo nextest run --locked --no-fail-fast "$@"
    else
        cargo test --locked --no-fail-fast -- "$@"
    fi
}

documentation() { cargo test --locked --doc; }

schemathesis() {
    # It asks a service in a network of its own.
    need python3 python3
    if ! python3 -c 'import ensurepip, venv' 2> /dev/null; then install_packages "Python's venv" python3-venv; fi
    need ip iproute2
    need unshare util-linux
    tests/schemathesis/run.sh
}

node_tests() {
    need node nodejs
    need npm npm
    # Makes the certificate that the SDK is served with.
    need openssl openssl
    if [ "$(node -p 'const [major, minor] = process.versions.node.split("."); major * 1000 + +minor')" -lt 20019 ]; then
        echo "Node.js 20.19 or newer is needed for the packages under tests/node, and this is $(node --version)" >&2
        return 1
    fi
    cd tests/node
    if ! cmp -s package-lock.json node_modules/.installed-lock; then
        npm ci --no-audit --no-fund
        cp package-lock.json node_modules/.installed-lock
    fi
    npm test
}

stage "build" build
LOGOUTD_BIN=$(realpath -m "${CARGO_TARGET_DIR:-target}/debug/logoutd")
export LOGOUTD_BIN

stage_after "build" "Rust tests" rust_tests "$@"
if [ $# -gt 0 ]; then exit; fi
stage_after "build" "examples in the documentation" documentation
stage_after "build" "schemathesis over the OpenAPI document" schemathesis
stage_after "build" "a relying party with express-openid-connect, Auth0's management SDK and its Deploy CLI" node_tests
