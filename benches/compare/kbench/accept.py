#!/usr/bin/env python3
"""accept.py a|b...: runs wasm/kbench-X.wasm under node, node --liftoff-only and Heapwood and, where all agree, writes X/sums.kt.

Only after a change of a program is this to be run; build with an X/sums.kt whose function returns null first (--clear X)."""
import os, subprocess, sys
HERE = os.path.dirname(os.path.abspath(__file__))
NODE = os.environ.get('NODE26') or 'node'
HW = os.environ.get('HEAPWOOD') or 'heapwood'
HEAD = '// Written by accept.py: the checksums that node, node --liftoff-only and Heapwood agreed on.\npackage kb\n\n'
if sys.argv[1] == '--clear':
    for s in sys.argv[2:]:
        open(f'{HERE}/{s}/sums.kt', 'w').write(HEAD + 'fun expectedSum(name: String): Long? = null\n')
    sys.exit(0)
for s in sys.argv[1:]:
    seen = []
    for kind in ['wasm', 'opt.wasm']:
        m = f'{HERE}/wasm/kbench-{s}.{kind}'
        for argv in [[HW, 'run'], [NODE, '--no-warnings', HERE + '/../drivers/wasi.mjs'], [NODE, '--no-warnings', '--liftoff-only', HERE + '/../drivers/wasi.mjs']]:
            out = subprocess.run([*argv, m, '0', '*', '0'], capture_output=True, text=True, check=True).stdout
            seen.append([tuple(l.split()[:2]) for l in out.splitlines()])
    bad = [x for row in zip(*seen) if len(set(row)) > 1 for x in [row]]
    if bad or len({len(x) for x in seen}) > 1:
        sys.exit(f'they differ: {bad}')
    lit = lambda v: 'Long.MIN_VALUE' if v == str(-2**63) else v + 'L'
    open(f'{HERE}/{s}/sums.kt', 'w').write(HEAD + 'fun expectedSum(name: String): Long? = when (name) {\n' +
        ''.join(f'    "{n}" -> {lit(v)}\n' for n, v in seen[0]) + '    else -> null\n}\n')
    print(f'{s}: {len(seen[0])} checksums agree in {len(seen)} runs')
