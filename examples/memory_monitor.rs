//! A ring of the last samples of a store's memory, and a report: how long, how much it grew, what its peak was.

use heapwood::{Engine, Instance, MemoryStats, Module, Result, Store};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A guest that keeps a list, and grows its memory now and then.
const GUEST: &str = r#"(module
    (type $node (struct (field (ref null $node)) (field i64 i64 i64)))
    (memory 1 64)
    (global $list (mut (ref null $node)) (ref.null $node))
    (func (export "keep") (param $nodes i32)
      (loop $l
        (global.set $list (struct.new $node (global.get $list) (i64.const 1) (i64.const 2) (i64.const 3)))
        (br_if $l (local.tee $nodes (i32.sub (local.get $nodes) (i32.const 1)))))
      (drop (memory.grow (i32.const 1))))
    (func (export "forget") (global.set $list (ref.null $node))))"#;

const SAMPLES_MAX: usize = 1000;

struct Sample {
    at: Duration,
    pages: u64,
    used_bytes: u64,
    peak_bytes: u64,
}

/// The last samples of a store.
struct Monitor {
    begin: Instant,
    samples: VecDeque<Sample>,
    taken: u64,
}

impl Monitor {
    fn new() -> Monitor {
        Monitor { begin: Instant::now(), samples: VecDeque::with_capacity(SAMPLES_MAX), taken: 0 }
    }

    fn sample(&mut self, stats: &MemoryStats) {
        if self.samples.len() == SAMPLES_MAX {
            self.samples.pop_front();
        }
        let linear = |bytes: fn(&heapwood::MemoryUse) -> u64| stats.memories.iter().map(bytes).sum::<u64>();
        self.samples.push_back(Sample {
            at: self.begin.elapsed(),
            pages: stats.total_pages,
            used_bytes: linear(|memory| memory.used_bytes) + stats.heap.used_bytes,
            peak_bytes: linear(|memory| memory.peak_bytes) + stats.heap.peak_bytes,
        });
        self.taken += 1;
    }

    fn report(&self) -> String {
        let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) else {
            return "no samples".to_owned();
        };
        let growth = last.used_bytes as i64 - first.used_bytes as i64;
        format!(
            "{} of {} samples over {:?}: {} pages, grew by {growth} bytes, peak {} bytes",
            self.samples.len(),
            self.taken,
            last.at - first.at,
            last.pages,
            last.peak_bytes
        )
    }
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, GUEST)?, &[])?;
    let keep = instance.get_typed_func::<i32, ()>(&mut store, "keep")?;
    let forget = instance.get_typed_func::<(), ()>(&mut store, "forget")?;
    let mut monitor = Monitor::new();
    for round in 0..1200 {
        keep.call(&mut store, 500)?;
        monitor.sample(&store.memory_stats());
        if round % 400 == 399 {
            forget.call(&mut store, ())?;
            store.gc()?;
            store.return_memory();
        }
    }
    let (peak, last) = (store.memory_stats().heap.peak_bytes, store.memory_stats().heap.used_bytes);
    // 400 rounds keep 200,000 objects of 32 bytes and more; afterwards they are gone.
    assert!(peak > 400 * 500 * 32 && last < peak, "peak {peak}, now {last}");
    assert_eq!((monitor.samples.len(), monitor.taken), (SAMPLES_MAX, 1200));
    Ok(monitor.report())
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok memory_monitor {}", run()?);
    Ok(())
}
