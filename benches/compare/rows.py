"""The table of rows: small programs without imports, one thing each, in `rows/`."""
import functools
import json
import math
import subprocess

import measure
import peers

FOLDER = peers.HERE / "rows"
REPS = 3
BASE = "v8-liftoff"
# The CPU clock of JavaScript engines moves in ticks of the scheduler: rows below this are measured by the wall clock.
CPU_MS_MIN = 40


@functools.cache
def all_rows():
    return json.loads((FOLDER / "rows.json").read_text())


@functools.cache
def binaries():
    """The rows as binaries, which the other engines need."""
    out = peers.HOME / "rows"
    subprocess.run(["cargo", "run", "--quiet", "--release", "--locked", "--example", "wat2wasm", str(out), *map(str, sorted(FOLDER.glob("*.wat")))],
                   cwd=peers.ROOT, check=True)
    return out


def checked(peer, module, row, quick, reps=REPS):
    """The figures of a row, if its result is right."""
    size, checksum = (row["quick"], row["quick_checksum"]) if quick else (row["n"], row["checksum"])
    figures = measure.row(peer, module, size, reps)
    if figures["result"] != checksum:
        raise measure.Failed(f"WRONG RESULT {figures['result']}, not {checksum}")
    return figures


def table(engines, options):
    """Prints the table; false if Heapwood failed somewhere, or somebody had a wrong result."""
    folder = binaries()
    chosen = {name: row for name, row in all_rows().items() if not options.only or name in options.only}
    cpu, wall = ({name: {} for name in chosen} for _ in range(2))
    failures = {}
    for turn in range(options.rounds):
        for name, row in chosen.items():
            for peer in engines if turn % 2 == 0 else engines[::-1]:
                if (name, peer.name) in failures:
                    continue
                try:
                    figures = checked(peer, folder / f"{name}.wasm", row, options.quick)
                    for times, clock in ((cpu[name], "cpu_ms"), (wall[name], "times_ms")):
                        times[peer.name] = min([*figures[clock], times.get(peer.name, math.inf)])
                except measure.Failed as failure:
                    failures[name, peer.name] = failure
    by_wall = [name for name in chosen if min(cpu[name].values(), default=0) < CPU_MS_MIN]
    best = {name: wall[name] if name in by_wall else cpu[name] for name in chosen}
    names = [peer.name for peer in engines]
    base = BASE if BASE in names else names[-1]
    print(f"CPU time of the thread that runs, best of {options.rounds} processes with {REPS} repetitions, relative to {base}.\n")
    print(f"| row | {base} ms | " + " | ".join(name for name in names if name != base) + " |")
    print("|---|--:|" + "--:|" * (len(names) - 1))
    for name in chosen:
        print_row(name, best[name], base, names)
    for label, group in (("gc", ["gc"]), ("other", ["other"]), ("all", ["gc", "other"])):
        print_mean(label, [name for name in chosen if chosen[name]["group"] in group], best, base, names)
    if by_wall:
        print(f"\nBy the wall clock, since somebody took less than {CPU_MS_MIN} ms: {', '.join(by_wall)}.")
    for (name, peer), failure in failures.items():
        print(f"\nnot run: {name} by {peer}: {failure}")
    return not any(peer == "heapwood" or "WRONG" in str(failure) for (_, peer), failure in failures.items())


def print_row(name, times, base, names):
    others = [other for other in names if other != base]
    ratios = {other: times[other] / times[base] for other in others if other in times and base in times}
    least = min([1.0, *ratios.values()])
    cells = [cell(ratios.get(other), least) for other in others]
    print(f"| {name} | {times[base]:.0f} | " if base in times else f"| {name} | – | ", end="")
    print(" | ".join(cells) + " |")


def cell(ratio, least):
    if ratio is None:
        return "–"
    return f"**{ratio:.2f}**" if ratio == least else f"{ratio:.2f}"


def print_mean(label, names_of_rows, best, base, names):
    others = [other for other in names if other != base]
    means = {}
    for other in others:
        both = [name for name in names_of_rows if other in best[name] and base in best[name]]
        means[other] = measure.geometric_mean([best[name][other] / best[name][base] for name in both])
    if any(means.values()):
        least = min([1.0, *filter(None, means.values())])
        print(f"| geometric mean, {label} | | " + " | ".join(cell(means[other], least) for other in others) + " |")
