//! Random programs over graphs of objects: what they compute is what an independent model computes, however the heap is
//! collected meanwhile.
//!
//! `HEAPWOOD_GRAPH_SEEDS=FROM..TO` picks other seeds than the few that always run. The seed and mode that run are in
//! the file `graphs-running` of the target's `tmp` folder, in case the process ends; a program that fails is kept
//! there.

mod graphs {
    pub mod emit;
    pub mod host;
    pub mod model;
    pub mod program;
    pub mod random;
    pub mod skeleton;
}

use graphs::host::{self, Host};
use graphs::model::Model;
use graphs::{random, skeleton};
use heapwood_vm::*;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Seeds that always run.
const DEFAULT_SEEDS: Range<u64> = 0..40;
/// Fuel and mask of the runs that follow each other in a store: for modes that look at everything all the time.
const SHORT: &[(i32, i32)] = &[(25, 0x3f), (40, 0xff)];
/// Fuel and mask of runs for modes that look at the heap at each collection.
const MEDIUM: &[(i32, i32)] = &[(100, 0x3ff), (200, 0x7ff)];
/// Fuel and mask of runs for the other modes.
const LONG: &[(i32, i32)] =
    &[(300, 0xfff), (1500, 0x1fff), (60, 0x3fff), (1500, 0x7f), (500, 0x7f), (500, 0x7f), (500, 0x7f), (900, 0x3ff)];
/// Stack of the model.
const MODEL_STACK_BYTES: usize = 512 << 20;

type Runs = &'static [(i32, i32)];

struct Mode {
    name: String,
    engine: Engine,
    runs: Runs,
}

fn mode(name: impl Into<String>, runs: Runs, set: impl FnOnce(&mut Config)) -> Mode {
    let mut config = Config::new();
    config.gc_heap_max(512 << 20);
    set(&mut config);
    Mode { name: name.into(), engine: Engine::new(&config).unwrap(), runs }
}

/// The four modes, and markings that start at every minor, with slices of different sizes, with and without a helper.
fn modes() -> Vec<Mode> {
    let mut modes = vec![
        mode("default", LONG, |_| {}),
        mode("stress 1", SHORT, |config| {
            config.gc_stress(1).gc_verify(true);
        }),
        mode("stress 11, slices of 5", SHORT, |config| {
            config.gc_stress(11).gc_verify(true).gc_mark_slice(5);
        }),
        mode("nursery of 64k", LONG, |config| {
            config.gc_nursery(64 << 10);
        }),
        mode("no guards", MEDIUM, |config| {
            config.memory32_guard(false).memory64_guard(false).few_registers(true).debug_checks(true);
        }),
    ];
    for fields in [1, 7, 1000] {
        for threads in [0, 1] {
            for (verify, runs) in [(false, LONG), (true, MEDIUM)] {
                let verified = if verify { ", verified" } else { "" };
                modes.push(mode(format!("slices of {fields}, {threads} helpers{verified}"), runs, |config| {
                    config.gc_nursery(64 << 10).gc_mark_slice(fields).gc_threads(threads).gc_verify(verify);
                }));
            }
        }
    }
    modes
}

/// The sums of runs, by the model.
fn predict(program: &graphs::program::Program, runs: Runs) -> (Vec<i32>, usize) {
    std::thread::scope(|scope| {
        let model = std::thread::Builder::new().stack_size(MODEL_STACK_BYTES).spawn_scoped(scope, || {
            let mut model = Model::new(program);
            (runs.iter().map(|(fuel, mask)| model.run(*fuel, *mask)).collect(), model.objects())
        });
        model.expect("a thread").join().expect("the model runs")
    })
}

/// Runs a program by the guest; the store lives on with what it made.
fn run(mode: &Mode, bytes: &[u8]) -> Result<(Vec<i32>, HeapStats)> {
    let module = Module::new(&mode.engine, bytes)?;
    let mut store = Store::new(&mode.engine, Host::default());
    let instance = host::linker(&mode.engine, &module)?.instantiate(&mut store, &module)?;
    let run = instance.get_typed_func::<(i32, i32), i32>(&mut store, "run")?;
    let mut sums = Vec::new();
    for (fuel, mask) in mode.runs {
        sums.push(run.call(&mut store, (*fuel, *mask))?);
    }
    store.gc()?;
    Ok((sums, store.gc_stats()))
}

fn temporary(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("HEAPWOOD_GRAPH_SEEDS") else { return DEFAULT_SEEDS };
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.unwrap_or_else(|| panic!("`{text}` is no range of seeds, such as 0..2000"))
}

#[test]
fn programs_compute_what_the_model_does() {
    let (modes, mut failures, mut objects) = (modes(), Vec::new(), 0);
    let (mut markings, mut minors, mut compactions) = (0, 0, 0);
    for seed in seeds() {
        let program = random::program(seed);
        let text = skeleton::module(&program);
        let bytes = wat::parse_str(&text).unwrap_or_else(|error| {
            std::fs::write(temporary("graph-bad.wat"), &text).unwrap();
            panic!("seed {seed}: {error}")
        });
        let expected = [SHORT, MEDIUM, LONG].map(|runs| (runs, predict(&program, runs)));
        objects += expected[2].1.1;
        for mode in &modes {
            std::fs::write(temporary("graphs-running"), format!("seed {seed}, {}", mode.name)).unwrap();
            let (_, (wanted, _)) = expected.iter().find(|(runs, _)| *runs == mode.runs).unwrap();
            let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(mode, &bytes)));
            let problem = match run {
                Ok(Ok((sums, stats))) => {
                    (markings, minors) = (markings + stats.markings, minors + stats.minors);
                    compactions += stats.compactions;
                    (sums != *wanted).then(|| format!("{sums:?}, not {wanted:?}"))
                }
                Ok(Err(error)) => Some(format!("{error:?}")),
                Err(_) => Some("panic".to_owned()),
            };
            if let Some(problem) = problem {
                std::fs::write(temporary(&format!("graph-{seed}.wat")), &text).unwrap();
                failures.push(format!("seed {seed}, {}: {problem}", mode.name));
            }
        }
    }
    println!("{objects} objects of the long runs; {minors} minors, {markings} markings, {compactions} compactions");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // One seed alone may be a short program.
    let is_busy = markings > 100 && minors > markings && compactions > 0;
    assert!(is_busy || seeds().count() < DEFAULT_SEEDS.count(), "the collector was idle");
}
