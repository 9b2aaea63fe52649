#!/usr/bin/env bash
# Compiles src/NAME.kt to wasm/NAME.wasm (target wasm-wasi), each or those that are named. The modules are committed, so nobody
# needs this who does not change a program.
# Needs a JDK (17 or newer) and Maven, which fetches the compiler into a cache folder outside of the repository:
# $KOTLIN_GUEST_CACHE, or ${XDG_CACHE_HOME:-$HOME/.cache}/heapwood-guests/kotlin.
set -euo pipefail
cd "$(dirname "$0")"
KOTLIN=2.4.10 # As in pom.xml.
cache=${KOTLIN_GUEST_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/heapwood-guests/kotlin}
jars=$cache/jars-$KOTLIN
if [[ ! -e $jars/.complete ]]; then
    mkdir -p "$jars"
    mvn -q -B -f pom.xml dependency:copy-dependencies -DoutputDirectory="$jars"
    mvn -q -B -f pom.xml dependency:copy -DoutputDirectory="$jars" \
        -Dartifact="org.jetbrains.kotlin:kotlin-stdlib-wasm-wasi:$KOTLIN:klib"
    touch "$jars/.complete"
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
if (($# == 0)); then
    set -- src/*.kt
    set -- "${@#src/}"
    set -- "${@%.kt}"
fi
java -Xmx2g -cp "$jars/*" Compile.java "$jars" "$scratch" wasm src "$@"
