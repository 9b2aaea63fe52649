"""Programs of other languages than Kotlin, with the host surface of each: whole processes."""
import json
import os
from pathlib import Path

import measure
import peers

# Their drivers for node: TeaVM's lies with the programs.
DRIVERS = {"moonbit": peers.DRIVERS / "moonbit.mjs", "teavm": Path("java/run.mjs")}


def cases(folder, only):
    """The programs that have a driver: name, driver, module and arguments, what they print and their status."""
    for case in json.loads((folder / "cases.json").read_text()):
        if case["host"] not in DRIVERS or only and case["name"] not in only:
            continue
        language, name = case["name"].split("/")
        expected = folder / language / "expected" / name
        code = int(expected.with_suffix(".code").read_text())
        command = [str(folder / case["wasm"]), *case.get("args", [])]
        yield case["name"], folder / DRIVERS[case["host"]], command, (expected.with_suffix(".out").read_text(), code)


def programs(engines, options):
    """Prints wall and CPU seconds of whole processes; false if Heapwood failed."""
    guests = os.environ.get("HEAPWOOD_GUESTS")
    if not guests:
        print("HEAPWOOD_GUESTS names no folder of programs: nothing is measured.")
        return True
    engines = [peer for peer in engines if peer.name in ("heapwood", "v8-liftoff", "v8-default")]
    wall, cpu, wrong = {}, {}, set()
    for _ in range(options.rounds):
        for name, driver, command, expected in cases(Path(guests), options.only):
            for peer in engines:
                before = [*peer.wasi, "--argv0", "guest"] if peer.name == "heapwood" else [*peer.wasi[:-1], str(driver)]
                out, status, seconds, cpu_seconds = measure.whole([*before, *command], peer.env)
                if (out, status) != expected:
                    wrong.add((name, peer.name))
                wall.setdefault(name, {}).setdefault(peer.name, []).append(seconds)
                cpu.setdefault(name, {}).setdefault(peer.name, []).append(cpu_seconds)
    for title, taken in (("Wall time", wall), ("CPU time of all threads", cpu)):
        print()
        measure.print_medians(f"{title} of a process from start to exit, seconds, median of {options.rounds}.", taken, engines)
    for name, peer in sorted(wrong):
        print(f"\nwrong: {name} by {peer} does not print what is expected")
    return not any(peer == "heapwood" for _, peer in wrong)
