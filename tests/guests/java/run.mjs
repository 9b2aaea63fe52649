// Minimal host for the .wasm files here. Usage: node run.mjs program.wasm   (node 24 or newer)
import fs from 'node:fs';

const file = process.argv[2];
const module = await WebAssembly.compile(fs.readFileSync(file));
const wanted = WebAssembly.Module.imports(module);

// putchar* receives one UTF-16 code unit (not a byte): astral characters arrive as two calls.
const streams = [1, 2].map(fd => {
  let units = [];
  const flush = () => { if (units.length) fs.writeSync(fd, String.fromCharCode(...units)); units = []; };
  return { put: c => { units.push(c); if (c === 10) flush(); }, flush };
});
const flushAll = () => streams.forEach(s => s.flush());

// The memory is imported; the custom section repeats the import's minimum. The maximum must not pass 32768 pages.
const requirements = JSON.parse(new TextDecoder().decode(
  WebAssembly.Module.customSections(module, 'teavm.memoryRequirements')[0]));
const maxSize = 2 ** 31 - 1;
const memory = new WebAssembly.Memory({ initial: Math.max(requirements.min, 1), maximum: (maxSize >>> 16) + 1 });
const i32 = value => new WebAssembly.Global({ value: 'i32', mutable: false }, value);

const usesWasi = wanted.some(i => i.module === 'wasi_snapshot_preview1');
const wasi = usesWasi && new (await import('node:wasi')).WASI(
  { version: 'preview1', args: ['guest', ...process.argv.slice(3)], env: {}, preopens: {}, returnOnExit: true });
const imports = {
  env: { memory },
  teavmMemory: {
    heapOffset: i32((requirements.dataSize + 7) & ~7), // first byte after static data, 8-aligned
    maxSize: i32(maxSize),                             // byte limit for the linear heap
    notifyHeapResized() {},                            // called after each memory.grow
  },
  teavm: { // only programs that use java.lang.ref import these
    createWeakRef: (value, reference, queue) => {
      if (queue !== null) objects.register(value, { queue, reference });
      return new WeakRef(value);
    },
    deref: weak => weak.deref() ?? null,
    createStringWeakRef: (value, entry) => { strings.register(value, entry); return new WeakRef(value); },
    stringDeref: weak => weak.deref() ?? null,
    getNativeOffset: time => new Date(time).getTimezoneOffset(),
  },
  teavmAsync: {
    offer: (event, run, time) => Number(setTimeout(() => call(() => run(event)), Math.max(0, time - Date.now()))),
    kill: clearTimeout,
  },
  teavmMath: Math,
  teavmDate: {
    currentTimeMillis: () => Date.now(),
    create: (...fields) => new Date(...fields).getTime(),
    createFromUTC: Date.UTC,
    dateToString: time => new Date(time).toString(),
    getYear: time => new Date(time).getFullYear(), setYear: (time, value) => new Date(time).setFullYear(value),
    getMonth: time => new Date(time).getMonth(), setMonth: (time, value) => new Date(time).setMonth(value),
    getDate: time => new Date(time).getDate(), setDate: (time, value) => new Date(time).setDate(value),
  },
  teavmConsole: { putcharStdout: streams[0].put, putcharStderr: streams[1].put },
  ...(usesWasi ? { wasi_snapshot_preview1: wasi.wasiImport } : {}),
};

const objects = new FinalizationRegistry(({ queue, reference }) =>
  call(() => instance.exports['teavm.reportGarbageCollectedValue'](queue, reference)));
const strings = new FinalizationRegistry(entry =>
  call(() => instance.exports['teavm.reportGarbageCollectedString'](entry)));

const began = performance.now();
const instance = new WebAssembly.Instance(module, imports); // runs the start function
// Whatever is called, now or later, ends the program if it throws.
const call = work => {
  try {
    return work();
  } catch (error) {
    flushAll();
    const java = error instanceof WebAssembly.Exception && error.is(instance.exports['teavm.javaException']);
    process.stderr.write(java ? 'uncaught Java exception\n' : `${error}\n`);
    process.exit(134);
  }
};
process.on('exit', () => {
  flushAll();
  if (process.env.TIME) process.stderr.write(`${(performance.now() - began).toFixed(1)} ms\n`);
});
// WASI: the memory is not exported.
const start = () => wasi.start({ exports: { _start: instance.exports._start, memory } });
process.exitCode = call(usesWasi ? start : () => instance.exports._start()) ?? 0;
