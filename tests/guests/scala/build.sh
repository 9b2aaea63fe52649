#!/usr/bin/env bash
# Scala 2.13 -> JVM bytecode -> TeaVM 0.16 -> WasmGC. Needs JDK 17 and Maven; ../java/build.sh has filled the TeaVM cache.
set -euo pipefail
cd "$(dirname "$0")"; S=${SCALA_JARS:-$PWD/.cache/scala}; T=${TEAVM_JARS:?the folder of TeaVM jars that ../java/build.sh fills}; W=$(mktemp -d); mkdir -p $W/c $W/d wasm
[ -d $S ] || mvn -q -B dependency:copy-dependencies -DoutputDirectory=$S
SC=$(ls $S/*.jar | tr '\n' ':'); TV=$(find $T -name '*.jar' ! -name 'teavm-jso-impl-*' | sort | tr '\n' ':')
java -cp "$SC" scala.tools.nsc.Main -cp "$SC" -d $W/c src/Words.scala
javac -nowarn -cp "$TV:$W/c" -d $W/c src/Start.java; javac -nowarn -cp "$TV" -d $W/d ../java/driver/Drive.java
java -Xmx2g -cp "$W/d:$TV:$(ls $S/scala-library*.jar)" Drive Start $W/c wasm words.wasm fast | tail -2
java -cp "$W/c:$(ls $S/scala-library*.jar):$(find $T -name 'teavm-interop-*.jar')" Start | cmp - expected/words.out
