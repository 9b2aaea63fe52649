"""Kotlin: whole processes, and benchmarks in steady state (`kbench/`)."""
import os
from pathlib import Path

import measure
import peers

# They want arguments or input, or end otherwise than by themselves.
NOT_TIMED = {"args", "clock", "deeprec", "oom", "traps", "uncaught", "wordcount"}
STEADY_MS, WARM_MS = 150, 300


def modules():
    """By name: the programs of the repository, and with HEAPWOOD_GUESTS those that lie there."""
    folders = [peers.ROOT / "tests/guests/kotlin/wasm"]
    if os.environ.get("HEAPWOOD_GUESTS"):
        folders.append(Path(os.environ["HEAPWOOD_GUESTS"]) / "kotlin/wasm")
    found = {path.stem: path for folder in folders for path in folder.glob("*.wasm")}
    return {name: path for name, path in sorted(found.items()) if name not in NOT_TIMED and not name.endswith(".opt")}


def programs(engines, options):
    """Prints wall seconds of whole processes; false if Heapwood failed."""
    engines = [peer for peer in engines if peer.wasi]
    chosen = {name: path for name, path in modules().items() if not options.only or name in options.only}
    seconds = {name: {peer.name: [] for peer in engines} for name in chosen}
    failures = {}
    for _ in range(options.rounds):
        for name, path in chosen.items():
            for peer in engines:
                if (name, peer.name) in failures:
                    continue
                try:
                    seconds[name][peer.name].append(measure.run([*peer.wasi, str(path)], peer.env)[1])
                except measure.Failed as failure:
                    failures[name, peer.name] = failure
    measure.print_medians(f"Wall time of a process from start to exit, seconds, median of {options.rounds}.", seconds, engines)
    return print_failures(failures)


def print_failures(failures):
    for (name, peer), failure in failures.items():
        print(f"\nnot run: {name} by {peer}: {failure}")
    return not any(peer == "heapwood" for _, peer in failures)


def benchmarks(peer, module, options):
    """Nanoseconds and checksum of each benchmark of a module."""
    ms, warm = (10, 0) if options.quick else (STEADY_MS, WARM_MS)
    out, _ = measure.run([*peer.wasi, str(module), str(ms), ",".join(options.only) or "*", str(warm)], peer.env)
    return {name: (int(best), checksum) for name, checksum, best, _ in (line.split() for line in out.splitlines())}


def kbench(engines, options):
    """Prints milliseconds a run of each benchmark; false if Heapwood failed, or results differ."""
    engines = [peer for peer in engines if peer.wasi and peer.name != "wasmtime"]
    print(f"CPU milliseconds a run, best of {options.rounds} processes.")
    is_right = True
    for module in sorted((peers.HERE / "kbench/wasm").glob("*.wasm")):
        best, checksums, failures = {}, {}, {}
        for _ in range(options.rounds):
            for peer in engines:
                try:
                    for name, (ns, checksum) in benchmarks(peer, module, options).items():
                        times = best.setdefault(name, {})
                        times[peer.name] = min(ns, times.get(peer.name, ns))
                        checksums.setdefault(name, set()).add(checksum)
                except measure.Failed as failure:
                    failures[module.name, peer.name] = failure
        print_benchmarks(module.name, best, engines)
        wrong = [name for name, sums in checksums.items() if len(sums) > 1]
        for name in wrong:
            print(f"\nDIFFERENT RESULTS of {name}: {checksums[name]}")
        is_right &= print_failures(failures) and not wrong
    return is_right


def print_benchmarks(title, best, engines):
    names = [peer.name for peer in engines]
    others = [name for name in names if name != "heapwood"]
    print(f"\n| {title} | " + " | ".join([*names, *(f"of {other}" for other in others)]) + " |")
    print("|---|" + "--:|" * (len(names) + len(others)))
    ratios = {other: [] for other in others}
    for benchmark, times in best.items():
        cells = [f"{times[name] / 1e6:.2f}" if name in times else "–" for name in names]
        for other in others:
            if "heapwood" in times and other in times:
                ratios[other].append(times["heapwood"] / times[other])
                cells.append(f"{ratios[other][-1]:.2f}")
            else:
                cells.append("–")
        print(f"| {benchmark} | " + " | ".join(cells) + " |")
    means = [measure.geometric_mean(ratios[other]) for other in others]
    print("| geometric mean | " + " | " * len(names) + " | ".join(f"{mean:.2f}" if mean else "–" for mean in means) + " |")
