//! Evacuation of sparse blocks: random programs in which that goes on all the time, compared with a model.
//!
//! `HEAPWOOD_GC_MODEL_ROUNDS=N` runs N times as many seeds.

mod common;

use common::World;
use heapwood_gc::{GcCause, GcEvent, GcEventKind, HeapConfig, HeapStats, Helpers, Recorder};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

fn rounds() -> u64 {
    std::env::var("HEAPWOOD_GC_MODEL_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

fn config(fields: u64) -> HeapConfig {
    HeapConfig {
        max_bytes: 256 << 20,
        nursery_bytes: Some(64 << 10),
        verify: true,
        mark_slice: NonZeroU64::new(fields),
        ..HeapConfig::default()
    }
}

/// A program that keeps its objects in one array and forgets most of them now and then.
fn run(config: &HeapConfig, seed: u64, rounds: usize, steps: usize) -> HeapStats {
    let mut world = World::new(config, seed);
    world.use_directory(6_000);
    world.collect_every = 1_000_000;
    for _ in 0..rounds {
        world.run(steps);
        world.thin_out(70);
    }
    let stats = world.heap.stats();
    println!(
        "seed {seed}: {} minors, {} markings, {} blocks evacuated in {} stops ({} called off), {} bytes, live {}",
        stats.minors,
        stats.markings,
        stats.evacuated_blocks,
        stats.evacuations,
        stats.evacuations_called_off,
        stats.evacuated_bytes,
        stats.live_bytes
    );
    stats
}

#[test]
fn programs_run_as_the_model_does() {
    for fields in [600, 3_000, 20_000] {
        let mut blocks = 0;
        for seed in 0..rounds() {
            blocks += run(&config(fields), seed, 4, 12_000).evacuated_blocks;
        }
        assert!(blocks > 50, "{blocks} blocks in slices of {fields}");
    }
}

#[test]
fn with_a_helper_and_without_verifier() {
    let mut blocks = 0;
    for (helpers, verify) in
        [(None, false), (Some(Arc::new(Helpers::new(1))), true), (Some(Arc::new(Helpers::new(1))), false)]
    {
        let config = HeapConfig { helpers, verify, ..config(2_000) };
        blocks += (0..rounds()).map(|seed| run(&config, 100 + seed, 4, 12_000).evacuated_blocks).sum::<u64>();
    }
    assert!(blocks > 200, "{blocks} blocks");
}

/// What the verifier says of a program in which one kind of edge is not recorded.
fn report(skipped: Recorder, run: fn(&mut World)) -> String {
    let run = move || {
        let mut world = World::new(&config(20_000), 5);
        world.heap.hooks().skip_recording = Some(skipped);
        run(&mut world);
    };
    let panic = std::panic::catch_unwind(run).expect_err("the verifier saw nothing");
    panic.downcast_ref::<String>().expect("a message").clone()
}

fn random_program(world: &mut World) {
    world.use_directory(6_000);
    world.collect_every = 1_000_000;
    for _ in 0..10 {
        world.run(10_000);
        world.thin_out(70);
    }
}

/// Elements go from an array that is not logged to one that no marking has scanned.
fn copies_between_old_arrays(world: &mut World) {
    let (heap, roots, types) = (&mut world.heap, &mut world.roots, &world.types);
    const KEPT: u32 = 2_000;
    roots.frames[0] = vec![heap.alloc_array(types.refs, KEPT, roots).unwrap(), 0];
    for node in 0..10 * KEPT {
        let object = heap.alloc_struct(types.structs[2].id, roots).unwrap();
        heap.array_set_ref(roots.frames[0][0], node / 10, object);
    }
    let mut was_marking = false;
    for _ in 0..1_000 {
        for _ in 0..300 {
            heap.alloc_struct(types.structs[2].id, roots).unwrap();
        }
        if heap.is_marking() && !was_marking {
            roots.frames[0][1] = heap.alloc_array(types.refs, KEPT, roots).unwrap();
            heap.promote_all(roots);
            heap.array_copy(roots.frames[0][1], 0, roots.frames[0][0], 0, KEPT / 5);
        }
        was_marking = heap.is_marking();
    }
}

#[test]
fn the_verifier_sees_each_kind_of_edge_that_is_not_recorded() {
    use Recorder::*;
    for skipped in [Marking, Log, Promotion, Weak, Range, Move, Root] {
        let run = if skipped == Range { copies_between_old_arrays } else { random_program };
        let text = report(skipped, run);
        println!("{skipped:?}: {text}");
        let before = if skipped == Root { "a root references" } else { "is not recorded" };
        // Two groups may share a pause.
        let after = skipped == Move && text.contains("was left forwarded");
        let expected = text.contains("BeforeEvacuation") && text.contains(before) || after;
        assert!(text.starts_with("heap verifier") && expected, "{skipped:?}: {text}");
    }
}

#[test]
fn copies_between_old_arrays_are_recorded() {
    let mut world = World::new(&config(20_000), 5);
    copies_between_old_arrays(&mut world);
    let stats = world.heap.stats();
    assert!(stats.evacuated_blocks > 0, "{} blocks", stats.evacuated_blocks);
}

/// Whoever wants a marking now ends an evacuation that waits for minors. Its blocks are swept in one pause, whose event
/// says how many they were.
#[test]
fn blocks_that_are_swept_instead_of_evacuated_are_counted() {
    let mut world = World::new(&config(20_000), 5);
    let events: Arc<Mutex<Vec<GcEvent>>> = Arc::default();
    let sink = events.clone();
    world.heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    world.use_directory(6_000);
    world.collect_every = 1_000_000;
    let mut counts = Vec::new();
    for _ in 0..20 {
        world.run(2_000);
        world.thin_out(70);
        world.heap.start_major(&mut world.roots);
        while world.heap.step(&mut world.roots) {}
        let called_off = world.heap.stats().evacuations_called_off;
        events.lock().unwrap().clear();
        world.heap.start_major(&mut world.roots);
        if world.heap.stats().evacuations_called_off > called_off {
            let first = events.lock().unwrap()[0];
            assert_eq!((first.kind, first.cause), (GcEventKind::Slice, GcCause::Requested));
            counts.push(first.work_units);
        }
        while world.heap.step(&mut world.roots) {}
    }
    println!("{counts:?}");
    assert!(counts.iter().any(|blocks| *blocks > 8), "{counts:?} blocks");
}
