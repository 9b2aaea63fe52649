//! The system refuses memory: each call of `Backing` fails once. Programs run to their end, or to an `Exhausted`, and
//! the heap stays sound and usable.

mod common;

use common::{Types, World};
use heapwood_gc::{BackingError, Heap, HeapConfig, HeapError, Helpers};
use std::num::NonZeroU64;
use std::sync::Arc;

const STEPS: usize = 6_000;

fn config(fail_call: u64) -> HeapConfig {
    HeapConfig {
        max_bytes: 64 << 20,
        nursery_bytes: Some(64 << 10),
        initial_bytes: 1 << 20,
        verify: false,
        fail_backing_call: NonZeroU64::new(fail_call),
        ..HeapConfig::default()
    }
}

#[test]
fn each_call_of_the_backing_fails_once() {
    refuse_each(&config);
}

#[test]
fn each_call_fails_once_with_slices() {
    refuse_each(&|call| HeapConfig { mark_slice: NonZeroU64::new(50), ..config(call) });
}

#[test]
fn each_call_fails_once_with_slices_and_a_helper() {
    let helpers = Arc::new(Helpers::new(1));
    refuse_each(&|call| HeapConfig {
        mark_slice: NonZeroU64::new(500),
        helpers: Some(helpers.clone()),
        ..config(call)
    });
}

fn refuse_each(config: &dyn Fn(u64) -> HeapConfig) {
    let mut world = World::new(&config(0), 7);
    world.run(STEPS);
    let calls = world.heap.backing_calls();
    assert!(calls > 40, "the program makes {calls} calls only");
    let (mut refused_births, mut exhausted) = (0, 0);
    for call in 1..=calls {
        let types = Types::new();
        let heap = match Heap::new(&config(call), types.table.clone()) {
            Ok(heap) => heap,
            Err(HeapError::Backing(BackingError { operation, .. })) => {
                assert!(call < 10, "call {call} ({operation}) is not one of the heap's birth");
                refused_births += 1;
                continue;
            }
            Err(other) => panic!("{other}"),
        };
        let mut world = World::with(heap, types, 7);
        world.run(STEPS);
        exhausted += world.is_exhausted() as u32;
        // The heap still works.
        world.heap.collect_major(&mut world.roots);
        world.run(200);
    }
    assert!(refused_births > 0, "some calls belong to the heap's birth");
    println!("{calls} calls: {refused_births} refused births, {exhausted} exhausted");
}

#[test]
fn a_refused_reach_falls_back_to_what_the_limit_needs() {
    let types = Types::new();
    let heap = Heap::new(&config(1), types.table.clone()).unwrap();
    let mut world = World::with(heap, types, 3);
    world.run(STEPS);
    assert!(!world.is_exhausted());
}

#[test]
fn a_lost_log_is_repaired_by_a_walk_of_the_heap() {
    let mut world = World::new(&HeapConfig { verify: true, ..config(0) }, 11);
    for _ in 0..30 {
        world.run(300);
        world.heap.hooks().lose_next_log = true;
        world.run(50);
    }
    // A chunk of an array whose entry is lost.
    let array = world.heap.alloc_old_array(world.types.refs, 1000, &mut world.roots).unwrap();
    world.roots.frames.push(vec![array]);
    world.heap.hooks().lose_next_log = true;
    world.heap.array_set_ref(array, 900, array);
    world.heap.collect_minor(&mut world.roots);
    let array = world.roots.frames.pop().unwrap()[0];
    world.roots.settled = world.roots.settled.min(world.roots.frames.len());
    assert_eq!(world.heap.array_get_ref(array, 900), array);
    let stats = world.heap.stats();
    assert!(stats.compactions > 10, "{} repairs", stats.compactions);
}

#[test]
fn a_small_mark_stack_overflows_and_marks_everything() {
    let mut world = World::new(&HeapConfig { verify: true, ..config(0) }, 13);
    world.heap.limit_mark_stack(16);
    world.run(STEPS);
    for _ in 0..5 {
        world.heap.collect_major(&mut world.roots);
        world.heap.collect_moving(&mut world.roots);
        world.run(500);
    }
    assert!(world.heap.stats().mark_overflows > 0);
}
