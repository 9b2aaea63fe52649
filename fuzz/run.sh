#!/usr/bin/env bash
# Differential fuzzing: `run.sh ci` is what `.ci/run` does, with fixed seeds; `run.sh modes FROM COUNT` and
# `run.sh v8 FROM COUNT` run others, `run.sh sum FILE…` adds up what runs counted. More options as `src/main.rs` says.
#
# V8 is node 26: the command that HEAPWOOD_NODE names, or the npm package `node`, which is put into the cache folder
# HEAPWOOD_FUZZ_CACHE (else ~/.cache/heapwood-fuzz) where npm is there.
set -euo pipefail
cd "$(dirname "$0")"

# About 90 s against modes and 60 s against V8 on two cores.
CI_MODES=5000
CI_V8=5000

jobs=$(nproc)

find_node() {
    if [[ -n ${HEAPWOOD_NODE:-} ]]; then
        return
    fi
    local cache=${HEAPWOOD_FUZZ_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/heapwood-fuzz}
    local node=$cache/node_modules/.bin/node
    if [[ ! -x $node ]] && command -v npm >/dev/null; then
        mkdir -p "$cache"
        timeout 180 npm install --silent --no-audit --no-fund --prefix "$cache" node@26 || true
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

if [[ ${1:-} != has-node ]]; then
    cargo build --release --locked --quiet
fi
case ${1:-} in
ci)
    target/release/heapwood-fuzz modes 0 "$CI_MODES" --jobs "$jobs" --every 20
    against_v8 0 "$CI_V8" --every 20
    ;;
modes)
    shift
    target/release/heapwood-fuzz modes "$@" --jobs "$jobs"
    ;;
v8)
    shift
    against_v8 "$@"
    ;;
has-node)
    has_node
    ;;
sum)
    target/release/heapwood-fuzz "$@"
    ;;
*)
    echo "usage: run.sh ci | modes FROM COUNT | v8 FROM COUNT | sum FILE…" >&2
    exit 2
    ;;
esac
