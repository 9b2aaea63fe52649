//! Random programs on the heap and its model while a model checker chooses when the helper runs: one that marks and
//! sweeps, in all orders of what happens at locks, channels and threads.
//!
//! `cargo test -p heapwood-gc --features shuttle --test orders`; without the feature there is nothing here.
#![cfg(feature = "shuttle")]

mod common;

use common::World;
use heapwood_gc::{HeapConfig, Helpers};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Programs of `steps` operations in as many orders as there are programs. Returns how many blocks helpers swept.
fn run(programs: usize, steps: usize, verify: bool) -> u64 {
    let swept = Arc::new(AtomicU64::new(0));
    let total = swept.clone();
    let mut config = Config::new();
    // Programs and the verifier need more than a coroutine's usual stack.
    config.stack_size = 1 << 20;
    let check = move || {
        let helpers = Some(Arc::new(Helpers::new(1)));
        let mark_slice = NonZeroU64::new(100);
        let nursery_bytes = Some(64 << 10);
        let config =
            HeapConfig { max_bytes: 64 << 20, verify, helpers, mark_slice, nursery_bytes, ..HeapConfig::default() };
        let seed = 1 + (total.fetch_add(1 << 40, Ordering::Relaxed) >> 40);
        let mut world = World::new(&config, seed);
        let (most, portion) = [(3, 1), (20, 1), (20, 7)][seed as usize % 3];
        world.heap.set_sweep_batch(most, 1, portion, seed as u32 % 4);
        world.run(steps);
        total.fetch_add(world.heap.stats().helper_swept_blocks, Ordering::Relaxed);
    };
    Runner::new(RandomScheduler::new(programs), config).run(check);
    swept.load(Ordering::Relaxed) & ((1 << 40) - 1)
}

#[test]
fn a_helper_marks_and_sweeps_in_any_order() {
    assert!(run(200, 3_000, false) > 100, "the helper hardly swept");
}

#[test]
fn the_verifier_finds_nothing_in_any_order() {
    assert!(run(50, 1_500, true) > 10, "the helper hardly swept");
}
