"""What embedding costs, beside Wasmtime's crate: rows of `benches/micro.rs` and of the crate in `embedding/`, both measured
by criterion, which leaves its figures as files."""
import json
import os
import shutil
import subprocess

import peers

CRATE = peers.HERE / "embedding"
TARGET = peers.ROOT / "target/compare-embedding"
# Label, and the name of the row here and there; `None` where an engine has nothing of the kind.
ROWS = [
    ("call of an empty export", "call/from host to an empty export", "call/call"),
    ("guest calls a host function", "call/from guest to host", "call/from guest to host"),
    ("field of a bound struct, read", "host/typed, read", None),
    ("field of a bound struct, written", "host/typed, write", None),
    ("new bound struct of 3 fields", "host/typed, new", None),
    ("field as a value, read", "host/dynamic, read", "host/dynamic, read"),
    ("field as a value, written", "host/dynamic, write", "host/dynamic, write"),
    ("new struct of 3 values", "host/dynamic, new", "host/dynamic, new"),
    ("root made and dropped", "host arrays/owned handle", "host/owned handle"),
    ("64 KiB of a byte array, out", "host arrays/64 KiB out", "host arrays/64 KiB out"),
    ("64 KiB of a byte array, in", "host arrays/64 KiB in", "host arrays/64 KiB in"),
    *((f"store, instance, call, drop: {what}, {kind}", f"request/{what}/{kind}", f"request/{what}/{kind}")
      for what in ("no memory", "a memory", "Kotlin hello") for kind in ("pooled", "new")),
    ("`deserialize_file` of Kotlin's `gcbench`", "deserialize_file/gcbench", "deserialize_file"),
]


def measured(name, command, options):
    """Nanoseconds by row; nothing if it cannot be built."""
    home = peers.HOME / "criterion" / name
    shutil.rmtree(home, ignore_errors=True)
    extra = ["--quick"] if options.quick else []
    process = subprocess.run([*command, *extra], cwd=peers.ROOT, env=os.environ | {"CRITERION_HOME": str(home)},
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if process.returncode != 0:
        lines = process.stderr.strip().splitlines() or ["no message"]
        print(f"left out: {name}: {lines[-1][:160]}\n")
        return {}
    return dict(row_of(folder) for folder in (path.parent for path in home.glob("**/new/benchmark.json")))


def row_of(folder):
    about = json.loads((folder / "benchmark.json").read_text())
    # Where rounds of a loop are measured, they are the elements. Bytes are measured as a whole.
    rounds = (about.get("throughput") or {}).get("Elements", 1)
    return about["full_id"], json.loads((folder / "estimates.json").read_text())["median"]["point_estimate"] / rounds


def of_wasmtime(options):
    """Its crate is built if it is not there yet, which takes some 20 minutes on two cores; not for `--quick`."""
    program = TARGET / "release/heapwood-compare-embedding"
    if options.peers and "wasmtime" not in options.peers.split(","):
        return {}
    if not program.exists():
        if options.quick:
            print("left out: Wasmtime's crate is not built (the table builds it without --quick)\n")
            return {}
        built = subprocess.run(["cargo", "build", "--release", "--locked", "--manifest-path", str(CRATE / "Cargo.toml"), "--target-dir", str(TARGET)])
        if built.returncode != 0:
            print("left out: Wasmtime's crate cannot be built\n")
            return {}
    return measured("wasmtime", [str(program), "--bench"], options)


def table(_, options):
    """Prints the table; false if Heapwood's rows are not there."""
    names = "|".join(sorted({ours.split("/")[0] for _, ours, _ in ROWS}))
    command = ["cargo", "bench", "--quiet", "--locked", "-p", "heapwood-benches", "--bench", "micro", "--", f"^({names})/"]
    ours, theirs = measured("heapwood", command, options), of_wasmtime(options)
    print("Medians of criterion: CPU time of the thread here, wall clock there.\n\n| | heapwood | wasmtime, the crate |\n|---|--:|--:|")
    for label, here, there in ROWS:
        print(f"| {label} | {shown(ours.get(here))} | {shown(theirs.get(there))} |")
    missing = [here for _, here, _ in ROWS if here not in ours]
    if missing:
        print(f"\nnot measured: {', '.join(missing)}")
    return not missing


def shown(ns):
    if ns is None:
        return "–"
    unit, factor = next(unit for unit in [("ms", 1e6), ("us", 1e3), ("ns", 1)] if ns >= unit[1] or unit[1] == 1)
    return f"{ns / factor:.3g} {unit}"
