// Runs a program of MoonBit that imports nothing but `spectest.print_char`: node moonbit.mjs MODULE.
import fs from 'node:fs';

const MOST = 8192;

let units = [];
const write = () => {
  if (units.length) fs.writeSync(1, String.fromCharCode(...units));
  units = [];
};
const print_char = unit => {
  units.push(unit);
  if (unit === 10 || units.length === MOST) write();
};

const module = await WebAssembly.compile(fs.readFileSync(process.argv[2]));
new WebAssembly.Instance(module, { spectest: { print_char } }).exports._start?.();
write();
