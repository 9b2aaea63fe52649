# Sourced by `.ci/run` and `.ci/full`: data from outside of the repository, steps, and what may be skipped.

step() {
    printf '\n== %s (after %d s)\n' "$*" "$SECONDS"
}

# A skip of a script's own, in the form of tests/common/skip.rs.
skipped() { # ID WHAT
    echo "SKIPPED $1: $2"
    echo "$1: $2" >>"$HEAPWOOD_SKIPS"
}

find_shared_data() {
    local shared=../shared pair name folder
    for pair in HEAPWOOD_SPEC=spec HEAPWOOD_WASI_TESTSUITE=wasi-testsuite HEAPWOOD_GUESTS=guests; do
        name=${pair%%=*}
        folder=$shared/${pair#*=}
        if [[ -n ${!name:-} ]]; then
            echo "$name is ${!name}"
        elif [[ -d $folder ]]; then
            export "$name=$(realpath "$folder")"
        else
            echo "$name is not set and $folder is not there; its tests say what they leave out"
        fi
    done
}

begin_skips() {
    export HEAPWOOD_SKIPS
    mkdir -p target
    HEAPWOOD_SKIPS=$PWD/target/skips.txt
    : >"$HEAPWOOD_SKIPS"
}

# Fails on a skip that `.ci/allowed-skips` does not allow.
check_skips() {
    local refused=0 line id
    while IFS= read -r line; do
        id=${line%%:*}
        if skip_is_allowed "$id"; then
            echo "skipped, as allowed: $line"
        else
            echo "NOT ALLOWED to be skipped: $line"
            refused=1
        fi
    done < <(sort -u "$HEAPWOOD_SKIPS")
    return "$refused"
}

skip_is_allowed() { # ID
    local id when name rest
    while read -r id when name rest; do
        [[ $id == "$1" ]] || continue
        [[ $when == always ]] && return 0
        [[ $when == unless && -z ${!name:-} ]] && return 0
    done < <(grep -v '^#' .ci/allowed-skips)
    return 1
}
