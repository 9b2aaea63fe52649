//! Random modules in the four modes: whatever they do, they do the same in each, and nothing crashes or hangs. In a
//! fifth one each check of fuel suspends the guest, and so do host functions.
//!
//! `HEAPWOOD_RANDOM_SEEDS=FROM..TO` picks other seeds than the few that always run. A seed is a module and the
//! arguments of its calls (`generate`); what can be observed of it is a list of texts (`observe`). Seeds run in chunks,
//! each in a process of its own, so that a crash or an endless loop names its seed.

mod common;
mod random {
    pub mod generate;
    pub mod observe;
}

use libtest_mimic::{Arguments, Failed, Trial};
use random::observe::{Event, observe, observe_suspended};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Seeds that always run.
const DEFAULT_SEEDS: Range<u64> = 0..120;
/// Seeds of a process.
const CHUNK: u64 = 40;
/// A seed hangs if it takes longer. Far above what anything takes: fuel ends every module.
const HANGS_AFTER: Duration = Duration::from_secs(300);
/// Limit of the heap in bytes: under stress, all of it is verified at each allocation.
const HEAP_MAX: u64 = 8 << 20;
/// Names the seeds of this process, if it is one that runs them.
const WORKER: &str = "HEAPWOOD_RANDOM_WORKER";

/// What the modules did, by kind.
type Totals = BTreeMap<String, u64>;

fn main() {
    if let Ok(seeds) = std::env::var(WORKER) {
        return work(parse_range(&seeds));
    }
    let seeds = std::env::var("HEAPWOOD_RANDOM_SEEDS").map_or(DEFAULT_SEEDS, |text| parse_range(&text));
    let totals = Arc::new(Mutex::new(Totals::new()));
    let chunk = |from: u64| {
        let (range, totals) = (from..seeds.end.min(from + CHUNK), totals.clone());
        Trial::test(format!("seeds {}..{}", range.start, range.end), move || run_chunk(range, &totals))
    };
    let trials = seeds.clone().step_by(CHUNK as usize).map(chunk).collect();
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials);
    let totals: Vec<_> = totals.lock().unwrap().iter().map(|(what, count)| format!("{count} {what}")).collect();
    println!("seeds {}..{}: {}", seeds.start, seeds.end, totals.join(", "));
    conclusion.exit();
}

fn parse_range(text: &str) -> Range<u64> {
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.unwrap_or_else(|| panic!("`{text}` is no range of seeds, such as 0..20000"))
}

/// Runs seeds in a process of their own, which names each of them before it begins.
fn run_chunk(seeds: Range<u64>, totals: &Mutex<Totals>) -> Result<(), Failed> {
    let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
    command.env(WORKER, format!("{}..{}", seeds.start, seeds.end)).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the worker starts");
    let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let (mut seed, mut problems, mut done) = (seeds.start, Vec::new(), false);
    loop {
        match receiver.recv_timeout(HANGS_AFTER) {
            Ok(line) => match line.split_once(' ') {
                Some(("seed", number)) => seed = number.parse().expect("a seed"),
                Some(("total", count)) => {
                    done = true;
                    let (count, what) = count.split_once(' ').expect("COUNT WHAT");
                    *totals.lock().unwrap().entry(what.to_owned()).or_default() +=
                        count.parse::<u64>().expect("a count");
                }
                _ => problems.push(line),
            },
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                problems.push(ended_badly(seed, "hangs"));
                child.kill().expect("the worker can be killed");
                break;
            }
        }
    }
    let status = child.wait().expect("the worker can be waited for");
    if problems.is_empty() && !(done && status.success()) {
        problems.push(ended_badly(seed, &format!("ended its process: {status}")));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

fn ended_badly(seed: u64, how: &str) -> String {
    let path = random::generate::module(seed).map_or(PathBuf::new(), |bytes| keep(seed, &bytes));
    format!("seed {seed} {how} ({})", path.display())
}

/// Runs seeds in this process.
fn work(seeds: Range<u64>) {
    let engines = common::modes().map(|(name, mut config)| {
        config.gc_heap_max(HEAP_MAX);
        (name, heapwood_vm::Engine::new(&config).unwrap())
    });
    let mut suspended = heapwood_vm::Config::new();
    suspended.gc_heap_max(HEAP_MAX).gc_nursery(64 << 10).consume_fuel(true);
    let suspended = heapwood_vm::Engine::new(&suspended).unwrap();
    let mut totals = Totals::new();
    for seed in seeds {
        println!("seed {seed}");
        std::io::stdout().flush().expect("the parent reads");
        let Some(bytes) = random::generate::module(seed) else { continue };
        let events = engines.each_ref().map(|(_, engine)| observe(engine, &bytes, seed));
        for event in &events[0] {
            *totals.entry(event.kind().to_owned()).or_default() += 1;
        }
        *totals.entry("modules".to_owned()).or_default() += 1;
        let others = engines.iter().map(|(mode, _)| *mode).zip(&events).skip(1);
        for (mode, other) in others.chain([("suspended", &observe_suspended(&suspended, &bytes, seed))]) {
            if let Some(difference) = difference(&events[0], other) {
                let path = keep(seed, &bytes);
                println!("{mode} is not as default: {difference} (seed {seed}, {})", path.display());
            }
        }
    }
    totals.iter().for_each(|(what, count)| println!("total {count} {what}"));
}

/// The first event that differs. What comes after a limit of the machine is not compared: it may strike elsewhere.
fn difference(default: &[Event], other: &[Event]) -> Option<String> {
    for (index, (a, b)) in default.iter().zip(other).enumerate() {
        match (a, b) {
            (Event::Limit(_), _) | (_, Event::Limit(_)) => return None,
            _ if a != b => return Some(format!("event {index} is {b:?}, not {a:?}")),
            _ => {}
        }
    }
    (default.len() != other.len()).then(|| format!("{} events, not {}", other.len(), default.len()))
}

fn keep(seed: u64, bytes: &[u8]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("random-{seed}.wasm"));
    std::fs::write(&path, bytes).expect("a module can be kept");
    path
}
