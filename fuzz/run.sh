#!/usr/bin/env bash
# Differential fuzzing with fixed seeds: `run.sh ci` is what `.ci/run` does, `run.sh full` what `.ci/full` does.
# `run.sh modes FROM COUNT` and `run.sh v8 FROM COUNT` run other seeds; more options as `src/main.rs` says.
#
# V8 is node 26: the command that HEAPWOOD_NODE names, or the npm package `node`, which is put into the cache folder
# HEAPWOOD_FUZZ_CACHE (else ~/.cache/heapwood-fuzz) where npm is there.
set -euo pipefail
cd "$(dirname "$0")"

# About 90 s against modes and 60 s against V8 on two cores.
CI_MODES=5000
CI_V8=5000
FULL_MODES=300000
FULL_V8=50000

jobs=$(nproc)

find_node() {
    if [[ -n ${HEAPWOOD_NODE:-} ]]; then
        return
    fi
    local cache=${HEAPWOOD_FUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/heapwood-fuzz}
    local node=$cache/node_modules/.bin/node
    if [[ ! -x $node ]] && command -v npm >/dev/null; then
        mkdir -p "$cache"
        npm install --silent --no-audit --no-fund --prefix "$cache" node@26 || true
    fi
    if [[ -x $node ]]; then
        export HEAPWOOD_NODE=$node
    fi
}

has_node() {
    find_node
    local version
    version=$("${HEAPWOOD_NODE:-node}" --version 2>/dev/null || true)
    [[ $version == v26.* ]]
}

against_v8() {
    if has_node; then
        target/release/heapwood-fuzz v8 "$@" --jobs "$jobs"
    else
        local what="no comparison with V8: node 26 is not here (HEAPWOOD_NODE, or the npm package node@26)"
        echo "SKIPPED fuzz-v8: $what"
        if [[ -n ${HEAPWOOD_SKIPS:-} ]]; then
            echo "fuzz-v8: $what" >>"$HEAPWOOD_SKIPS"
        fi
    fi
}

cargo build --release --locked --quiet
case ${1:-} in
ci)
    target/release/heapwood-fuzz modes 0 "$CI_MODES" --jobs "$jobs" --every 20
    against_v8 0 "$CI_V8" --every 20
    ;;
full)
    target/release/heapwood-fuzz modes 1000000 "$FULL_MODES" --jobs "$jobs" --table
    against_v8 1000000 "$FULL_V8" --every 4
    ;;
modes)
    shift
    target/release/heapwood-fuzz modes "$@" --jobs "$jobs"
    ;;
v8)
    shift
    against_v8 "$@"
    ;;
*)
    echo "usage: run.sh ci | full | modes FROM COUNT | v8 FROM COUNT" >&2
    exit 2
    ;;
esac
