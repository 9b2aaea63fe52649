"""What a process costs that does next to nothing, from its start to its exit."""
import statistics
import tempfile
from pathlib import Path

import kotlin
import measure

# Processes of each peer, for each round.
PROCESSES = 10
# `_start`, which returns, and a memory of one page, without which node starts nothing.
EMPTY = bytes.fromhex("0061736d01000000 01040160 0000 03020100 0503010001"
                      "0713 02 066d656d6f7279 0200 065f7374617274 0000 0a040102000b")


def commands(engines, folder):
    """By program: the command of each peer that runs it."""
    empty = folder / "empty.wasm"
    empty.write_bytes(EMPTY)
    hello = kotlin.modules()["hello"]
    found = {"nothing": {}, "Kotlin's hello": {}, "the same, compiled before": {}}
    for peer in engines:
        found["nothing"][peer.name] = [*peer.wasi, str(empty)]
        found["Kotlin's hello"][peer.name] = [*peer.wasi, str(hello)]
        if peer.name == "heapwood":
            image = folder / "hello.image"
            measure.run([str(peer.program), "compile", str(hello), "-o", str(image)])
            found["the same, compiled before"][peer.name] = [*peer.wasi, "--precompiled", str(image)]
    return found


def table(engines, options):
    """Prints wall and CPU milliseconds, and peak memory; false if Heapwood failed."""
    engines = [peer for peer in engines if peer.wasi]
    count = 1 if options.quick else PROCESSES * options.rounds
    with tempfile.TemporaryDirectory() as folder:
        programs = commands(engines, Path(folder))
        taken, failed = {}, set()
        for _ in range(count):
            for name, of in programs.items():
                for peer in engines:
                    if peer.name not in of:
                        continue
                    _, status, wall, cpu = measure.whole(of[peer.name], peer.env)
                    if status != 0:
                        failed.add((name, peer.name))
                    taken.setdefault((name, peer.name), []).append((wall * 1e3, cpu * 1e3))
        print(f"Wall ms / CPU ms of all threads / peak MB, of a process from start to exit; medians of {count}.\n")
        print("| | " + " | ".join(peer.name for peer in engines) + " |\n|---|" + "--:|" * len(engines))
        for name, of in programs.items():
            cells = [figures(taken, failed, name, peer, of) for peer in engines]
            print(f"| {name} | " + " | ".join(cells) + " |")
    print_before(engines)
    for name, peer in sorted(failed):
        print(f"\nnot run: {name} by {peer}")
    return not any(peer == "heapwood" for _, peer in failed)


def figures(taken, failed, name, peer, of):
    if peer.name not in of or (name, peer.name) in failed:
        return "–"
    wall, cpu = (statistics.median(times) for times in zip(*taken[name, peer.name]))
    return f"{wall:.1f} / {cpu:.1f} / {measure.peak_kib(of[peer.name]) / 1024:.0f}"


def print_before(engines):
    """What runs before the engine does, where an engine is driven by a language of its own."""
    for peer in engines:
        if peer.name == "wasmtime":
            times = [measure.run([str(peer.program), "-c", "import wasmtime"])[1] * 1e3 for _ in range(3)]
            print(f"\nOf Wasmtime's time Python and its package take {statistics.median(times):.0f} ms.")
