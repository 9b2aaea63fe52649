"""Peak memory of Kotlin programs, as the system counts it: the largest resident set of the whole process."""
import statistics

import kotlin
import measure

QUICK = ["hello", "exceptions"]


def table(engines, options):
    """Prints the table; false if Heapwood failed."""
    engines = [peer for peer in engines if peer.wasi]
    only = options.only or (QUICK if options.quick else None)
    chosen = {name: path for name, path in kotlin.modules().items() if not only or name in only}
    failures = {}
    print(f"Peak memory of a process from start to exit, MB, median of {options.rounds}.\n")
    print("| program | " + " | ".join(peer.name for peer in engines) + " |\n|---|" + "--:|" * len(engines))
    for name, path in chosen.items():
        cells = []
        for peer in engines:
            try:
                peaks = [measure.peak_kib([*peer.wasi, str(path)]) for _ in range(options.rounds)]
                cells.append(f"{statistics.median(peaks) / 1024:.0f}")
            except measure.Failed as failure:
                failures[name, peer.name] = failure
                cells.append("–")
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)
    return kotlin.print_failures(failures)
