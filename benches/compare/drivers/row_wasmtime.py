"""Times the export `run` of a module without imports, under Wasmtime. Arguments: MODULE.wasm N REPS.

The first call is a warm-up. Prints one JSON object."""
import json
import re
import sys
import time

import wasmtime

file, n, reps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
config = wasmtime.Config()
for feature in ("wasm_gc", "wasm_function_references", "wasm_exceptions", "wasm_memory64", "wasm_tail_call"):
    setattr(config, feature, True)
engine = wasmtime.Engine(config)
store = wasmtime.Store(engine)
run = wasmtime.Instance(store, wasmtime.Module.from_file(engine, file), []).exports(store)["run"]
result = run(store, n)
times_ms, cpu_ms = [], []
for _ in range(reps):
    cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
    assert run(store, n) == result, "another result than at first"
    times_ms.append((time.perf_counter_ns() - wall) / 1e6)
    cpu_ms.append((time.thread_time_ns() - cpu) / 1e6)
peak_rss_kib = int(re.search(r"VmHWM:\s*(\d+)", open("/proc/self/status").read())[1])
print(json.dumps({"result": str(result), "times_ms": times_ms, "cpu_ms": cpu_ms, "peak_rss_kib": peak_rss_kib}))
