//! Listeners that panic: the heap goes on as if they had returned.
//!
//! Random programs against the model, whose listener panics at every event of a kind and is set again. A panic has to come out
//! of the operation in which the event was told, the heap has to pass its verifier and the comparison with the model, and
//! a listener that has panicked is not called again.

mod common;

use common::World;
use heapwood_gc::{GcEventKind, Heap, HeapConfig, Helpers};
use std::num::NonZeroU64;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the listeners here panic with.
#[derive(Debug, PartialEq, Eq)]
struct Stopped(GcEventKind);

/// Sets a listener that panics at the first event of `kind`, and that is not called again then.
fn watch(heap: &mut Heap, kind: GcEventKind) {
    let mut stopped = false;
    heap.set_listener(Some(Box::new(move |event| {
        assert!(!stopped, "a listener that has panicked was called again");
        if event.kind == kind {
            stopped = true;
            // Without a message: hundreds of these are expected.
            resume_unwind(Box::new(Stopped(event.kind)));
        }
    })));
}

/// Runs a program whose listener panics at every event of `kind`. Returns how often that was.
fn run(config: &HeapConfig, seed: u64, steps: usize, kind: GcEventKind) -> u64 {
    let mut world = World::new(config, seed);
    world.collect_every = 10;
    watch(&mut world.heap, kind);
    let mut panics = 0;
    for step in 0..steps {
        match world.step_watched() {
            Ok(Ok(())) => {}
            Ok(Err(_exhausted)) => break,
            Err(panic) => {
                let stopped = *panic.downcast::<Stopped>().unwrap_or_else(|other| resume_unwind(other));
                assert_eq!(stopped, Stopped(kind));
                panics += 1;
                watch(&mut world.heap, kind);
            }
        }
        if step % 512 == 511 {
            world.compare();
        }
    }
    world.heap.set_listener(None);
    world.heap.check(&mut world.roots);
    world.heap.collect_major(&mut world.roots);
    world.compare();
    panics
}

#[test]
fn a_panic_leaves_the_heap_whole_whatever_was_told() {
    let base = HeapConfig { max_bytes: 256 << 20, verify: true, ..HeapConfig::default() };
    let tiny = HeapConfig { nursery_bytes: Some(64 << 10), initial_bytes: 1 << 20, ..base.clone() };
    let helpers = Some(Arc::new(Helpers::new(1)));
    let configs = [
        (HeapConfig { stress: NonZeroU64::new(3), ..tiny.clone() }, 800),
        (HeapConfig { mark_slice: NonZeroU64::new(1000), ..tiny.clone() }, 4_000),
        (HeapConfig { helpers, ..tiny }, 4_000),
        (HeapConfig { max_bytes: 3 << 20, verify: false, ..base }, 25_000),
    ];
    use GcEventKind::{Evacuate, Major, MarkEnd, MarkStart, Minor, Slice, Stall};
    for kind in [Minor, Major, MarkStart, MarkEnd, Slice, Evacuate, Stall] {
        let run = |(number, (config, steps)): (usize, &(HeapConfig, usize))| {
            (0..2).map(|seed| run(config, 10 * number as u64 + seed, *steps, kind)).sum::<u64>()
        };
        let panics: u64 = configs.iter().enumerate().map(run).sum();
        println!("{panics} panics at {kind:?}");
        assert!(panics >= 3, "too few panics at {kind:?}: {panics}");
    }
}

#[test]
fn a_listener_of_helpers_that_panics_leaves_the_heap_whole() {
    let helpers = Some(Arc::new(Helpers::new(1)));
    let tiny = HeapConfig { helpers, nursery_bytes: Some(64 << 10), initial_bytes: 1 << 20, ..HeapConfig::default() };
    let mut world = World::new(&HeapConfig { verify: true, ..tiny }, 7);
    let told = Arc::new(AtomicU64::new(0));
    let watch = |heap: &mut Heap| {
        let told = told.clone();
        heap.set_helper_listener(Some(Box::new(move |_| {
            told.fetch_add(1, Ordering::Relaxed);
            resume_unwind(Box::new("a listener of helpers"));
        })));
    };
    let mut panics = 0;
    watch(&mut world.heap);
    for step in 0..40_000 {
        if world.step_watched().is_err() {
            panics += 1;
            // As an embedder would: what was noted meanwhile is told then, or nothing is set.
            let _ = catch_unwind(AssertUnwindSafe(|| watch(&mut world.heap)));
        }
        if step % 1024 == 1023 {
            world.compare();
        }
    }
    let told = told.load(Ordering::Relaxed);
    println!("{panics} panics of {told} times told");
    assert!(panics >= 3 && told >= panics, "{panics} panics, told {told} times");
    // The last panic comes when the heap goes, or none.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(world)));
}
