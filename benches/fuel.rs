//! What counting fuel costs: the 31 Kotlin benchmarks of `compare/kbench` in an engine that counts and in one that does
//! not, by turns, and the ratios of the best times. `cargo bench --bench fuel -- [NAME,…]`; a few minutes.
//!
//! The programs measure themselves, by the CPU time of their thread, and compare their results.

use heapwood::wasi::{self, MemoryOutput, WasiCtx};
use heapwood::{Config, Engine, InstancePre, Linker, Module, Store};
use std::collections::BTreeMap;
use std::fs;

/// Milliseconds that a program runs, and runs before that, in a round.
const RUN_MS: &str = "60";
const WARM_MS: &str = "60";
const ROUNDS: usize = 3;
const MODULES: [&str; 2] = ["kbench-a", "kbench-a.opt"];

/// An engine with the module ready in it.
struct Side {
    engine: Engine,
    instance: InstancePre<WasiCtx>,
    counts: bool,
}

impl Side {
    fn new(bytes: &[u8], counts: bool) -> Side {
        let engine = Engine::new(Config::new().consume_fuel(counts)).expect("an engine");
        let module = Module::new(&engine, bytes).expect("compiles");
        let mut linker = Linker::new(&engine);
        wasi::add_to_linker(&mut linker, |wasi| wasi).expect("new names");
        let instance = linker.instantiate_pre(&module).expect("linked");
        Side { engine, instance, counts }
    }

    /// Nanoseconds of the best run of each program.
    fn run(&self, names: &str) -> BTreeMap<String, f64> {
        let output = MemoryOutput::new(1 << 20);
        let builder = WasiCtx::builder().args(["kbench", RUN_MS, names, WARM_MS]).stdout(output.clone());
        let mut store = Store::new(&self.engine, builder.build().expect("a context"));
        if self.counts {
            store.set_fuel(u64::MAX).expect("fuel is counted");
        }
        let instance = self.instance.instantiate(&mut store).expect("instantiates");
        let start = instance.get_typed_func::<(), ()>(&mut store, "_start").expect("exported");
        let ended = start.call(&mut store, ());
        let output = output.contents();
        let text = String::from_utf8_lossy(&output);
        // A program that ends by `proc_exit(0)` has not failed.
        assert!(!text.is_empty() && !text.contains("MISMATCH"), "{ended:?}: {text}");
        text.lines().map(|line| line.split(' ').collect::<Vec<_>>()).map(best_of).collect()
    }
}

/// `name checksum best median`
fn best_of(line: Vec<&str>) -> (String, f64) {
    let [name, _, best, _] = line[..] else { panic!("no line of results: {line:?}") };
    (name.to_owned(), best.parse().expect("nanoseconds"))
}

fn main() {
    let names = std::env::args().skip(1).find(|arg| !arg.starts_with('-')).unwrap_or_else(|| "*".to_owned());
    for name in MODULES {
        let path = format!("{}/compare/kbench/wasm/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
        let bytes = fs::read(path).expect("a guest of the repository");
        let sides = [Side::new(&bytes, false), Side::new(&bytes, true)];
        let mut best: BTreeMap<String, [f64; 2]> = BTreeMap::new();
        for round in 0..ROUNDS {
            for index in [round % 2, 1 - round % 2] {
                for (program, ns) in sides[index].run(&names) {
                    let place = &mut best.entry(program).or_insert([f64::MAX; 2])[index];
                    *place = place.min(ns);
                }
            }
        }
        print(name, &best);
    }
}

fn print(module: &str, best: &BTreeMap<String, [f64; 2]>) {
    println!("\n| {module} | without, ms | with fuel | ratio |\n|---|--:|--:|--:|");
    for (program, [without, with]) in best {
        println!("| {program} | {:.2} | {:.2} | {:.2} |", without / 1e6, with / 1e6, with / without);
    }
    let logarithms: f64 = best.values().map(|[without, with]| (with / without).ln()).sum();
    println!("| geometric mean | | | {:.3} |", (logarithms / best.len() as f64).exp());
}
