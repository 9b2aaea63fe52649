"""Runs one process of a peer, and takes its figures."""
import json
import math
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

LIMIT_S = 120


class Failed(Exception):
    """Why a peer has no figure."""


def run(command, env=None, stdin=subprocess.DEVNULL):
    """Output, wall seconds and peak memory in KiB of a process."""
    begin = time.perf_counter()
    try:
        process = subprocess.Popen(command, env=os.environ | (env or {}), stdin=stdin, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        out, error = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"does not end within {LIMIT_S} s")
    seconds = time.perf_counter() - begin
    if process.returncode != 0:
        lines = error.strip().splitlines() or ["no message"]
        raise Failed(f"status {process.returncode}: {lines[-1][:160]}")
    return out, seconds


def whole(command, env=None):
    """Output, status, wall seconds, and CPU seconds of all threads of a process."""
    with tempfile.TemporaryFile() as output:
        begin = time.perf_counter()
        process = subprocess.Popen(command, env=os.environ | (env or {}), stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        return output.read().decode(), process.returncode, seconds, used.ru_utime + used.ru_stime


def row(peer, module, n, reps):
    """What the engine's driver tells of a row: result, times, peak memory."""
    if peer.name == "heapwood":
        command = [str(peer.program), "bench", str(module), "--invoke", "run", "--arg", str(n), "--warmup", "1",
                   "--reps", str(reps), "--json"]
    else:
        command = [*peer.row, str(module), str(n), str(reps)]
    return json.loads(run(command, peer.env)[0])


def peak_kib(command):
    """Peak memory of a command of its own, by the system's count."""
    out, _ = run(["/usr/bin/env", "python3", str(Path(__file__).with_name("peak.py")), *command])
    return int(out.splitlines()[-1])


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def print_medians(title, seconds, engines):
    """A table of medians by program and peer, with "–" for what was not run, and each peer's geometric mean."""
    print(f"{title}\n\n| program | " + " | ".join(peer.name for peer in engines) + " |\n|---|" + "--:|" * len(engines))
    medians = {name: {peer: statistics.median(taken) for peer, taken in of.items() if taken} for name, of in seconds.items()}
    for name, of in medians.items():
        print(f"| {name} | " + " | ".join(f"{of[p.name]:.3f}" if p.name in of else "–" for p in engines) + " |")
    cells = []
    for peer in engines:
        both = [of for of in medians.values() if peer.name in of and "v8-default" in of]
        mean = geometric_mean([of[peer.name] / of["v8-default"] for of in both])
        cells.append(f"{mean:.2f}" if mean else "–")
    print("| geometric mean, of v8-default's time | " + " | ".join(cells) + " |")
