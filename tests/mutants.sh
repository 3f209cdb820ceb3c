#!/usr/bin/env bash
# Mutation tests: faults are put into the code one by one, and a test should fail for each. docs/testing.md has what came of it.
#
#   tests/mutants.sh                        every module below: hours, a day on two cores
#   tests/mutants.sh MODULE…                some of them; a module is a file or folder of src, such as token or domain/retry.rs
#   tests/mutants.sh --shard 0/8 MODULE…    an eighth of them; 1/8 to 7/8 are the rest, on other machines or days
#   tests/mutants.sh --since REV MODULE…    only faults in lines that changed since REV
#   tests/mutants.sh --again MODULE…        tries what was missed once more: after tests were written for it
#   tests/mutants.sh --anew MODULE…         forgets what earlier runs found: after the module was changed
#   tests/mutants.sh --units MODULE…        only the first of the two passes
#
# There are two passes. The first tries each mutant with the unit tests of its module (for storage, the storage tests too), in a
# crate that is cut down to the module and what it imports: that is built in seconds. The second tries what they missed with
# all unit, storage and front-door tests: minutes each. (Not the fault tests, which fill up file systems.)
# A run that was stopped goes on where it was when it is started again. Results are kept in target/mutants/MODULE:
# `missed` and `timeout` name what no test caught, `caught` and `unviable` (did not compile) the others.
# cargo-mutants and cargo-nextest are installed where they are missing. The status is 0 whether or not a mutant was missed,
# and 1 if a module could not be tried, such as when its tests fail without a mutant.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD

MODULES=(domain token egress access intake delivery storage)

shard=() since='' again='' anew='' units=''
while [ $# -gt 0 ]; do
    case $1 in
        --shard | --since)
            if [ $# -lt 2 ]; then
                echo "$1 needs a value" >&2
                exit 2
            fi
            if [ "$1" = --shard ]; then shard=(--shard "$2"); else since=$2; fi
            shift 2
            ;;
        --again) again=yes && shift ;;
        --anew) anew=yes && shift ;;
        --units) units=yes && shift ;;
        -*)
            echo "unknown option $1; the first lines of $0 have all of them" >&2
            exit 2
            ;;
        *) break ;;
    esac
done
if [ $# -gt 0 ]; then MODULES=("$@"); fi

for tool in mutants nextest; do
    if ! cargo "$tool" --version > /dev/null 2>&1; then cargo install --locked --quiet "cargo-$tool"; fi
done

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
# Mutants are built in a copy of the tree, whose path is new in each run; what the program depends on is built once.
export CARGO_TARGET_DIR=$target/mutants/build
# Faults to be told apart need no debugging symbols, and links are quicker without.
export CARGO_PROFILE_DEV_DEBUG=0
# One order for sort and comm.
export LC_ALL=C

# lines FILE…: the lines of those that exist, sorted.
lines() {
    local file
    for file in "$@"; do
        if [ -e "$file" ]; then cat "$file"; fi
    done | sort -u
}

count() { lines "$1" | wc -l; }

# keep FILE FOUND…: adds the lines of FOUND to FILE.
keep() {
    local file=$1
    lines "$@" > "$file.new"
    mv "$file.new" "$file"
}

# Takes over what a pass found, also one that was stopped.
collect() {
    local unit=unit/mutants.out all=all-tests/mutants.out kind
    for kind in caught unviable; do keep $kind $unit/$kind.txt $all/$kind.txt; done
    keep missed-by-units $unit/missed.txt $unit/timeout.txt
    for kind in missed timeout; do keep $kind $all/$kind.txt; done
    rm -rf unit all-tests
}

# imports MODULE…: the modules of src that the code of these names.
imports() {
    local module path
    for module in "$@"; do
        path=$repository/src/$module
        if [ ! -d "$path" ]; then path=$path.rs; fi
        # Comments do not count.
        grep -rhv '^ *//' "$path" | grep -o 'crate::[a-z_0-9]*' | sed 's/crate:://'
    done | sort -u
}

# cut_down MODULE FOLDER: a crate of this module and all that it imports, with their unit tests. The layers make it small.
cut_down() {
    local modules=$1 more folder=$2 name
    while more=$( (echo "$modules" && imports $modules) | sort -u) && [ "$more" != "$modules" ]; do modules=$more; done
    rm -rf "$folder"
    mkdir -p "$folder/src" "$folder/tests"
    cp -r "$repository/Cargo.lock" "$repository/.cargo" "$repository/fixtures" "$folder"
    sed '/^default-run/d; /^\[\[bench\]\]/,/^$/d' "$repository/Cargo.toml" > "$folder/Cargo.toml"
    for name in $modules; do
        if [ -d "$repository/src/$name" ]; then
            cp -r "$repository/src/$name" "$folder/src"
        else
            cp "$repository/src/$name.rs" "$folder/src"
        fi
        echo "pub mod $name;"
    done > "$folder/src/lib.rs"
    if [ "$1" = storage ]; then cp -r "$repository/tests/storage" "$folder/tests"; fi
}

# pass NAME TREE TODO TESTS…: the mutants that the file TODO names, in the crate TREE, with the tests that cargo's options choose.
pass() {
    local name=$1 tree=$2 todo=$3 status=0
    shift 3
    if [ ! -s "$todo" ]; then return; fi
    # `--iterate` leaves out what it finds here.
    mkdir -p "$name/mutants.out"
    comm -23 all "$todo" > "$name/mutants.out/previously_caught.txt"
    # `--cargo-arg` and not arguments of the tests: what is not tested need not be built either.
    cargo mutants --dir "$tree" --file "$source" --iterate --output "$name" --jobs 1 --no-shuffle --colors never \
        "${@/#/--cargo-arg=}" || status=$?
    collect
    # 2: some were missed, 3: some took too long. Everything else is no result.
    if [ "$status" -ne 0 ] && [ "$status" -ne 2 ] && [ "$status" -ne 3 ]; then
        echo "cargo mutants ended with status $status" >&2
        exit 1
    fi
}

# mutants OPTION…: the names of this module's, sorted.
mutants() { cargo mutants --dir "$repository" --file "$source" --list --colors never "$@" | sort; }

# module NAME: both passes, in the folder of its results.
module() {
    local source=src/$1 options=("${shard[@]}") top=${1%%/*} tests=(--lib)
    if [ -d "$repository/$source" ]; then source="$source/**"; fi
    mkdir -p "$target/mutants/$1"
    cd "$target/mutants/$1"
    collect
    if [ -n "$again" ]; then rm -f missed timeout ${units:+missed-by-units}; fi
    if [ -n "$since" ]; then
        git -C "$repository" diff "$since" > diff
        options+=(--in-diff diff)
    fi
    mutants > all
    mutants "${options[@]}" > chosen

    lines caught unviable missed-by-units | comm -23 chosen - > todo
    printf '\n== %s: %d mutants, %d of them to be tried with the unit tests\n' "$1" "$(count chosen)" "$(count todo)"
    cut_down "${top%.rs}" "$PWD/tree"
    if [ "$top" = storage ]; then tests+=(--test=storage); fi
    pass unit "$PWD/tree" todo "${tests[@]}"

    if [ -z "$units" ]; then
        lines caught unviable missed timeout | comm -13 - missed-by-units | comm -12 - chosen > todo
        printf '\n== %s: %d to be tried with the storage and front-door tests too\n' "$1" "$(count todo)"
        pass all-tests "$repository" todo --lib --test=storage --test=suite
    fi
    rm -rf all chosen todo diff tree
}

failed=0
for name in "${MODULES[@]}"; do
    if [ ! -e "src/$name" ]; then
        echo "there is no src/$name" >&2
        exit 2
    fi
    if [ -n "$anew" ]; then rm -rf "$target/mutants/$name"; fi
    # In a shell of its own: what goes wrong with one module does not end the run.
    set +e
    (
        set -e
        module "$name"
    )
    if [ $? -ne 0 ]; then failed=1; fi
    set -e
done

# The last column: what the unit tests missed and the others have not been tried with yet.
printf '\n%-28s %8s %8s %8s %8s %16s\n' module caught missed timeout unviable 'missed by units'
for module in "${MODULES[@]}"; do
    cd "$target/mutants/$module"
    waiting=$(lines caught missed timeout | comm -13 - <(lines missed-by-units) | wc -l)
    printf '%-28s %8d %8d %8d %8d %16d\n' "$module" "$(count caught)" "$(count missed)" "$(count timeout)" \
        "$(count unviable)" "$waiting"
done
exit "$failed"
