#!/usr/bin/env bash
# Rebuilds wasm/*.wasm from src/*.java. Needs JDK 17+ and Maven; jars are kept in a cache folder.
# Usage: ./build.sh [Program ...]
set -euo pipefail
cd "$(dirname "$0")"
cache=${XDG_CACHE_HOME:-$HOME/.cache}/heapwood-guests/teavm
if ! [ -e "$cache/done" ]; then
  mkdir -p "$cache"
  mvn -q -B -f pom.xml dependency:copy-dependencies -DoutputDirectory="$cache/jars"
  touch "$cache/done"
fi
# teavm-jso-impl would rewrite every program onto JavaScript objects: keep it off the class path.
classpath=$(find "$cache/jars" -name '*.jar' ! -name 'teavm-jso-impl-*' | sort | tr '\n' ':')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
javac -nowarn -cp "$classpath" -d "$work/driver" driver/Drive.java
mkdir -p wasm
[ $# -gt 0 ] || set -- $(basename -s .java src/*.java)
for name; do
  options=
  ! grep -q 'compiled strict' "src/$name.java" || options=strict
  ! grep -q 'Compiled with names' "src/$name.java" || options+=' named'
  javac -nowarn -cp "$classpath" -d "$work/$name" "src/$name.java"
  java -Xmx2g -cp "$work/driver:$classpath" Drive "$name" "$work/$name" wasm "${name,,}.wasm" $options \
    >"$work/log" || { cat "$work/log"; exit 1; }
  echo "$name: $(stat -c %s "wasm/${name,,}.wasm") bytes $options"
done
