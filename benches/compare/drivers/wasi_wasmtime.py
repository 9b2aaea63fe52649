"""Runs a WASI preview1 command under Wasmtime. Arguments: MODULE.wasm ARGS..."""
import os
import sys

import wasmtime

config = wasmtime.Config()
for feature in ("wasm_gc", "wasm_function_references", "wasm_exceptions"):
    setattr(config, feature, True)
engine = wasmtime.Engine(config)
module = wasmtime.Module.from_file(engine, sys.argv[1])
linker = wasmtime.Linker(engine)
linker.define_wasi()
store = wasmtime.Store(engine)
wasi = wasmtime.WasiConfig()
wasi.argv = [os.path.basename(sys.argv[1]), *sys.argv[2:]]
wasi.inherit_stdin()
wasi.inherit_stdout()
wasi.inherit_stderr()
store.set_wasi(wasi)
try:
    linker.instantiate(store, module).exports(store)["_start"](store)
except wasmtime.ExitTrap as exit:
    sys.exit(exit.code)
except (wasmtime.Trap, wasmtime.WasmtimeError) as error:
    sys.exit(f"{error}")
