// Runs a WASI preview1 command. Arguments: MODULE.wasm [--dir HOST::GUEST] ARGS...
import { readFileSync } from 'node:fs';
import { WASI } from 'node:wasi';
const a = process.argv.slice(2); const file = a.shift(); let pre = {};
while (a[0] === '--dir') { a.shift(); const [h, g] = a.shift().split('::'); pre[g] = h; }
const wasi = new WASI({ version: 'preview1', args: [file.split('/').pop(), ...a], env: {}, preopens: pre, returnOnExit: true });
const m = await WebAssembly.compile(readFileSync(file));
const inst = await WebAssembly.instantiate(m, wasi.getImportObject());
let code = 0;
try {
  if (inst.exports._start) code = wasi.start(inst) ?? 0;
  else { wasi.initialize(inst); }
} catch (e) { process.stderr.write('[host] uncaught: ' + (e?.stack ?? String(e)) + '\n'); code = 134; }
process.exitCode = code;
