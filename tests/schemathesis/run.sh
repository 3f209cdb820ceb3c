#!/usr/bin/env bash
# schemathesis over the OpenAPI document of a service that runs: no fault, and no answer that is not documented.
#
#   tests/schemathesis/run.sh             all of it: so many cases of each operation as schemathesis.toml says
#   tests/schemathesis/run.sh OPTION…     more options for `schemathesis run`, such as --include-operation-id getSession
#
# LOGOUTD_BIN names the program; where that is not set it is built as the Rust tests build it. schemathesis is installed from PyPI, in the versions of
# requirements.txt, into the folder of build products. The service and schemathesis run in a network of their own,
# which has a loopback interface and nothing else: registered clients get URIs that schemathesis makes up.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

if [ "${1:-}" != --inside ]; then
    if [ -z "${LOGOUTD_BIN:-}" ]; then
        # With the features that the tests' dependencies ask for, which `--examples` brings in: so nothing is built twice.
        cargo build --locked --lib --bins --examples
        LOGOUTD_BIN=$target/debug/logoutd
    fi
    venv=$target/schemathesis
    if ! cmp -s "$here/requirements.txt" "$venv/installed.txt"; then
        rm -rf "$venv"
        python3 -m venv "$venv"
        "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
        cp "$here/requirements.txt" "$venv/installed.txt"
    fi
    export LOGOUTD_BIN VENV=$venv
    user=()
    if [ "$(id -u)" -ne 0 ]; then user=(--map-root-user); fi
    exec unshare --net "${user[@]}" "$here/run.sh" --inside "$@"
fi
shift
ip link set lo up

work=$(mktemp -d)
service=
finish() {
    if [ -n "$service" ]; then
        kill -TERM "$service" 2> /dev/null || true
        wait "$service" || true
    fi
    rm -rf "$work"
}
trap finish EXIT

# The network is ours alone, and so are its ports.
export LOGOUTD_URL=http://127.0.0.1:8081 LOGOUTD_TOKEN=a-bootstrap-token-for-schemathesis
(
    cd "$work"
    # Settings of whoever runs this are not the service's.
    exec env -i PATH="$PATH" LOGOUTD_BOOTSTRAP_TOKEN="$LOGOUTD_TOKEN" \
        "$LOGOUTD_BIN" serve --config "$here/config.toml" 2> "$work/log"
) &
service=$!
if ! "$VENV/bin/python" "$here/seed.py" "$work" "$service"; then
    tail -n 20 "$work/log" >&2
    exit 1
fi
cp "$here/schemathesis.toml" "$work"

# run URL OPTION…
run() {
    local url=$1 status=0
    shift
    (cd "$work" && "$VENV/bin/schemathesis" run openapi.json --url "$url" --no-color "$@") || status=$?
    if [ "$status" -ne 0 ]; then
        echo "schemathesis ended with status $status on $url" >&2
        failed=1
    fi
}

failed=0
run "$LOGOUTD_URL" --exclude-path-regex '^/\.well-known/' "$@"
if [ $# -eq 0 ]; then
    # What server.listen has and management.listen does not.
    run http://127.0.0.1:8080 --include-path-regex '^/\.well-known/'
fi
if grep -q '"level":"ERROR"' "$work/log"; then
    echo "the service logged errors:" >&2
    grep '"level":"ERROR"' "$work/log" | head -n 20 >&2
    failed=1
fi
if ! kill -0 "$service" 2> /dev/null; then
    echo "the service ended by itself:" >&2
    tail -n 20 "$work/log" >&2
    failed=1
fi
exit "$failed"
