# Stages of a run, to be sourced. Each runs whatever became of those before it, and the end says which passed, which
# failed and which could not be run, however the script ends.
#
#   stage NAME COMMAND…                runs COMMAND, which is a function as a rule, in a shell of its own that ends at the
#                                      first error
#   stage_after EARLIER NAME COMMAND…  the same, unless the stage EARLIER did not pass: without its product there is nothing
#                                      to run
#
# Both return 0. The script that sources this ends with status 1 if a stage failed, was skipped or was interrupted.
# It must not have `set -e`, and calls `stage` by itself on a line: in a condition, the shell would pass over errors in COMMAND.

stages_passed=()
stages_failed=()
stages_skipped=()
stage_running=

say() { printf '\n== %s\n' "$*"; }

stage() {
    local name=$1 started=$SECONDS status
    shift
    stage_running=$name
    say "$name"
    (
        trap - EXIT INT TERM
        set -euo pipefail
        "$@"
    )
    status=$?
    stage_running=
    if [ "$status" -eq 0 ]; then
        stages_passed+=("$name")
        echo "-- $name: passed after $((SECONDS - started)) s"
    else
        stages_failed+=("$name (status $status)")
        echo "-- $name: FAILED with status $status after $((SECONDS - started)) s"
    fi
}

stage_after() {
    local earlier=$1 passed
    shift
    for passed in "${stages_passed[@]}"; do
        if [ "$passed" = "$earlier" ]; then
            stage "$@"
            return
        fi
    done
    say "$1"
    echo "-- $1: NOT RUN, since \"$earlier\" did not pass"
    stages_skipped+=("$1")
}

# The last lines: a name for each stage, and the counts.
finish_stages() {
    local status=$? name
    trap - EXIT
    if [ -n "$stage_running" ]; then stages_failed+=("$stage_running (interrupted)"); fi
    say "stages"
    for name in "${stages_passed[@]}"; do echo "passed   $name"; done
    for name in "${stages_skipped[@]}"; do echo "NOT RUN  $name"; done
    for name in "${stages_failed[@]}"; do echo "FAILED   $name"; done
    printf 'stages: %d passed, %d failed, %d skipped\n' \
        ${#stages_passed[@]} ${#stages_failed[@]} ${#stages_skipped[@]}
    if [ "$status" -eq 0 ] && [ $((${#stages_failed[@]} + ${#stages_skipped[@]})) -gt 0 ]; then status=1; fi
    exit "$status"
}
trap finish_stages EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# need COMMAND PACKAGE…: installs the Debian packages unless the command is there.
need() {
    local command=$1
    shift
    if command -v "$command" > /dev/null; then return; fi
    install_packages "$command" "$@"
}

# install_packages WHAT PACKAGE…: installs the Debian packages, for WHAT.
install_packages() {
    local what=$1
    shift
    local sudo=()
    if [ "$(id -u)" -ne 0 ]; then sudo=(sudo); fi
    if ! command -v apt-get > /dev/null; then
        echo "$what is missing, and there is no apt-get to install it ($*) with" >&2
        return 1
    fi
    say "installing $* for $what"
    "${sudo[@]}" apt-get update -qq
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}
