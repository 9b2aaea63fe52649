"""Pauses of the collectors, as the engines tell them: Heapwood by `bench --json`, V8 by `--trace-gc`, JavaScriptCore by its
log. Wasmtime tells none."""
import re

import measure
import rows

PROGRAMS = ["gcbench", "binary_trees"]
V8_PAUSE = re.compile(r"ms: (?:Scavenge|[^\n]*?Mark-Compact|[^\n]*?Minor\S*)[^\n]*? MB,(?: pooled: [\d.]+ MB,)? ([\d.]+) / ")
V8_STEPS = re.compile(r"\+ ([\d.]+) ms in (\d+) steps[^\n]*?biggest step ([\d.]+) ms")
JSC_PAUSE = re.compile(r"\bp=([\d.]+)ms")


def of_heapwood(peer, module, row, quick):
    """Longest, total, and number of pauses, in ms."""
    kinds = rows.checked(peer, module, row, quick, reps=1)["gc"].values()
    return max(kind.get("max_us", 0) for kind in kinds) / 1e3, sum(kind.get("total_us", 0) for kind in kinds) / 1e3, sum(kind["count"] for kind in kinds)


def of_log(peer, module, row, quick):
    program, *rest = peer.row
    size = row["quick"] if quick else row["n"]
    out = measure.run(["sh", "-c", '"$@" 2>&1', "sh", program, *peer.log_args, *rest, str(module), str(size), "1"], peer.env | peer.log_env)[0]
    pauses = [float(ms) for ms in (V8_PAUSE if peer.log_args else JSC_PAUSE).findall(out)]
    steps = V8_STEPS.findall(out)
    longest = max([0.0, *pauses, *(float(biggest) for _, _, biggest in steps)])
    total = sum(pauses) + sum(float(ms) for ms, _, _ in steps)
    return longest, total, len(pauses) + sum(int(count) for _, count, _ in steps)


def table(engines, options):
    """Prints the table; false if Heapwood failed."""
    engines = [peer for peer in engines if peer.name == "heapwood" or peer.log_args or peer.log_env]
    folder = rows.binaries()
    print("Longest / total ms / number of pauses, a warm-up call and one more; the run with the shortest longest of each.\n")
    print("| | " + " | ".join(peer.name for peer in engines) + " |\n|---|" + "--:|" * len(engines))
    for name in options.only or PROGRAMS:
        cells = []
        for peer in engines:
            take = of_heapwood if peer.name == "heapwood" else of_log
            longest, total, count = min(take(peer, folder / f"{name}.wasm", rows.all_rows()[name], options.quick) for _ in range(options.rounds))
            cells.append(f"{longest:.2f} / {total:.0f} / {count:,}")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return True
