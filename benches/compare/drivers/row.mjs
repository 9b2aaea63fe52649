// Times the export `run` of a module without imports, under node (V8) or bun (JavaScriptCore).
// Arguments: MODULE.wasm N REPS. The first call is a warm-up. Prints one JSON object.
import { readFileSync } from "node:fs";

const [file, n, reps] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
// CPU time of this thread in ms: it does not grow while other processes hold the processor.
const cpu = () => Number(readFileSync("/proc/thread-self/schedstat", "latin1").split(" ")[0]) / 1e6;

const instance = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {});
const result = instance.exports.run(n).toString();
const times_ms = [], cpu_ms = [];
for (let i = 0; i < reps; i++) {
  const [c, t] = [cpu(), performance.now()];
  if (instance.exports.run(n).toString() !== result) throw new Error("another result than at first");
  times_ms.push(performance.now() - t);
  cpu_ms.push(cpu() - c);
}
const peak_rss_kib = Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]);
console.log(JSON.stringify({ result, times_ms, cpu_ms, peak_rss_kib }));
