//! Random programs on the heap and on a model that knows nothing of collectors, compared.
//!
//! `HEAPWOOD_GC_MODEL_ROUNDS=N` runs N times as many seeds, `HEAPWOOD_SHARE=N` programs of an Nth of the steps.

mod common;

use common::{World, share};
use heapwood_gc::{HeapConfig, Helpers};
use std::num::NonZeroU64;
use std::sync::Arc;

fn rounds() -> u64 {
    std::env::var("HEAPWOOD_GC_MODEL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn run(name: &str, config: &HeapConfig, seeds: u64, steps: usize) {
    run_with(name, config, seeds, steps, |_| {});
}

/// Returns how many blocks helpers swept.
fn run_with(name: &str, config: &HeapConfig, seeds: u64, steps: usize, prepare: fn(&mut World)) -> u64 {
    let (mut cleared, mut helped) = (0, 0);
    for seed in 0..seeds * rounds() {
        let seed = seed * 1000 + name.len() as u64;
        let run = || {
            let mut world = World::new(config, seed);
            prepare(&mut world);
            // Every second program leaves it to the heap when to collect.
            world.collect_every = if seed / 1000 % 2 == 1 { 30 } else { 1 };
            world.run(steps / share());
            (world.heap.stats(), world.cleared)
        };
        match std::panic::catch_unwind(run) {
            Ok((stats, cleared_now)) => {
                cleared += cleared_now;
                helped += stats.helper_swept_blocks;
                println!(
                    "{name}, seed {seed}: {cleared_now} cleared, {} minors, {} majors ({} in slices), {} compactions, evacuated {} blocks in {} stops ({} called off), promoted {}, moved {}, logged {}, live {}",
                    stats.minors,
                    stats.majors,
                    stats.markings,
                    stats.compactions,
                    stats.evacuated_blocks,
                    stats.evacuations,
                    stats.evacuations_called_off,
                    stats.promoted_bytes,
                    stats.moved_bytes,
                    stats.log_entries,
                    stats.live_bytes
                )
            }
            Err(panic) => {
                eprintln!("{name}: seed {seed} failed");
                std::panic::resume_unwind(panic);
            }
        }
    }
    assert!(cleared > 0, "no weak cell was found cleared");
    helped
}

fn config() -> HeapConfig {
    HeapConfig { max_bytes: 256 << 20, verify: true, ..HeapConfig::default() }
}

#[test]
fn default_nursery() {
    run("default", &config(), 6, 20_000);
}

#[test]
fn tiny_nursery_and_early_majors() {
    run("tiny", &HeapConfig { nursery_bytes: Some(64 << 10), initial_bytes: 1 << 20, ..config() }, 6, 20_000);
}

#[test]
fn collection_at_every_allocation() {
    run("stress 1", &HeapConfig { stress: NonZeroU64::new(1), ..config() }, 4, 1_500);
}

#[test]
fn collection_at_every_seventh_allocation() {
    let config = HeapConfig { stress: NonZeroU64::new(7), nursery_bytes: Some(64 << 10), ..config() };
    run("stress 7", &config, 4, 6_000);
}

#[test]
fn marking_from_every_minor_on() {
    for fields in [1, 7, 1000] {
        let mark_slice = NonZeroU64::new(fields);
        let tiny = HeapConfig { mark_slice, nursery_bytes: Some(64 << 10), ..config() };
        run(&format!("marking by {fields}"), &tiny, 4, 15_000);
        run(&format!("marking by {fields}, unverified"), &HeapConfig { verify: false, ..tiny }, 4, 40_000);
    }
}

#[test]
fn marking_on_a_helper() {
    for mark_slice in [None, NonZeroU64::new(100)] {
        let helpers = Some(Arc::new(Helpers::new(2)));
        let tiny =
            HeapConfig { mark_slice, helpers, nursery_bytes: Some(64 << 10), initial_bytes: 1 << 20, ..config() };
        run("helper", &tiny, 4, 15_000);
        run("helper, unverified", &HeapConfig { verify: false, ..tiny }, 6, 60_000);
    }
}

#[test]
fn sweeping_on_a_helper_a_block_at_a_time() {
    let helpers = Some(Arc::new(Helpers::new(2)));
    let tiny = HeapConfig { helpers, nursery_bytes: Some(64 << 10), initial_bytes: 1 << 20, ..config() };
    let in_tiny_batches = |world: &mut World| world.heap.set_sweep_batch(5, 1, 1, 20);
    let verified = run_with("sweeping helper", &tiny, 4, 15_000, in_tiny_batches);
    let unverified = HeapConfig { verify: false, ..tiny };
    let helped = verified + run_with("sweeping helper, unverified", &unverified, 6, 60_000, in_tiny_batches);
    println!("helpers swept {helped} blocks");
    assert!(helped > 0, "no helper swept");
}

#[test]
fn without_verifier() {
    let config = HeapConfig { verify: false, nursery_bytes: Some(64 << 10), initial_bytes: 2 << 20, ..config() };
    run("unverified", &config, 6, 60_000);
}

#[test]
fn a_small_heap_runs_full_and_stays_usable() {
    for seed in 0..8 * rounds() {
        let helpers = (seed % 2 == 1).then(|| Arc::new(Helpers::new(1)));
        let config = HeapConfig { max_bytes: 3 << 20, helpers, ..config() };
        let mut world = World::new(&config, seed);
        world.heap.set_sweep_batch(20, 1, 1, u32::MAX);
        world.collect_every = 30;
        world.run(30_000);
        let stats = world.heap.stats();
        let (stalls, compactions) = (stats.stalls, stats.compactions);
        println!("small heap: exhausted {}, {stalls} stalls, {compactions} compactions", world.exhausted().is_some());
        world.heap.collect_major(&mut world.roots);
        world.compare();
    }
}
