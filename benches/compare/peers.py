"""The engines that Heapwood is compared with: how each is installed, and how it is driven.

Everything is installed into a folder of its own: HEAPWOOD_PEERS, by default ~/.cache/heapwood-peers; HEAPWOOD_NODE names a
node that is there already."""
import os
import platform
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HOME = Path(os.environ.get("HEAPWOOD_PEERS") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "heapwood-peers")
NPM_PACKAGES = ["node@26", "bun@1"]
PIP_PACKAGES = ["wasmtime"]
NODE = Path(os.environ.get("HEAPWOOD_NODE") or HOME / "npm/node_modules/.bin/node")
BUN = HOME / "npm/node_modules/.bin/bun"
PYTHON = HOME / "venv/bin/python"
DRIVERS = HERE / "drivers"


@dataclass
class Peer:
    name: str
    program: Path
    row: list  # what runs a row: followed by MODULE N REPS
    wasi: list  # what runs a WASI command: followed by MODULE ARGS
    version: list  # prints the version
    env: dict = field(default_factory=dict)
    # How it is asked for a log of pauses: arguments behind the program, and environment.
    log_args: list = field(default_factory=list)
    log_env: dict = field(default_factory=dict)

    def is_installed(self):
        return self.program.exists()

    def version_text(self):
        return subprocess.run(self.version, capture_output=True, text=True).stdout.strip().splitlines()[0]


def all_peers():
    node, bun, python = str(NODE), str(BUN), str(PYTHON)
    v8 = [node, "-p", "'V8 ' + process.versions.v8 + ' (node ' + process.versions.node + ')'"]
    row, wasi = str(DRIVERS / "row.mjs"), str(DRIVERS / "wasi.mjs")
    return [
        Peer("v8-liftoff", NODE, [node, "--liftoff-only", "--no-wasm-lazy-compilation", row],
             [node, "--no-warnings", "--liftoff-only", wasi], v8, log_args=["--trace-gc"]),
        Peer("v8-default", NODE, [node, row], [node, "--no-warnings", wasi], v8, log_args=["--trace-gc"]),
        # JavaScriptCore has 64-bit memories behind an option.
        Peer("jsc-default", BUN, [bun, row], [], [bun, "-p", "'JavaScriptCore (bun ' + Bun.version + ')'"],
             {"BUN_JSC_useWasmMemory64": "1"}, log_env={"BUN_JSC_logGC": "1"}),
        Peer("wasmtime", PYTHON, [python, str(DRIVERS / "row_wasmtime.py")], [python, str(DRIVERS / "wasi_wasmtime.py")],
             [python, "-c", "from importlib.metadata import version; print('Wasmtime', version('wasmtime'), '(Python)')"]),
    ]


def heapwood(program):
    return Peer("heapwood", Path(program), [], [program, "run"], [program, "--version"])


def install():
    """Installs what is missing, and says what could not be installed."""
    HOME.mkdir(parents=True, exist_ok=True)
    if not (NODE.exists() and BUN.exists()):
        folder = HOME / "npm"
        folder.mkdir(exist_ok=True)
        (folder / "package.json").write_text("{}")
        attempt(["npm", "install", "--no-audit", "--no-fund", *NPM_PACKAGES], folder)
    if not PYTHON.exists():
        attempt([sys.executable, "-m", "venv", str(HOME / "venv")], HOME)
        attempt([str(PYTHON), "-m", "pip", "install", "--quiet", *PIP_PACKAGES], HOME)


def attempt(command, folder):
    print("installing:", " ".join(command), file=sys.stderr)
    try:
        subprocess.run(command, cwd=folder, check=True, stdout=sys.stderr)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"not installed: {error}", file=sys.stderr)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return f"{os.cpu_count()} cores of {model}, Linux {platform.release()}"
