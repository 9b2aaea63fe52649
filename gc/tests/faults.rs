//! The system refuses memory: each call of `Backing` fails, once or from there on. Programs run to their end, or to an
//! `Exhausted`, and the heap stays sound and usable.

mod common;

use common::{Roots, Types, World, share};
use heapwood_gc::{BackingError, Heap, HeapConfig, HeapError, Helpers, Refused};
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::Arc;

const STEPS: usize = 6_000;

fn config(refused_calls: Range<u64>) -> HeapConfig {
    HeapConfig {
        max_bytes: 64 << 20,
        nursery_bytes: Some(64 << 10),
        initial_bytes: 1 << 20,
        verify: false,
        refused_calls,
        ..HeapConfig::default()
    }
}

/// Variants of the configuration: without a marking between minors, with slices, with slices and a helper.
fn variants() -> [HeapConfig; 3] {
    let helpers = Arc::new(Helpers::new(1));
    [
        config(0..0),
        HeapConfig { mark_slice: NonZeroU64::new(50), ..config(0..0) },
        HeapConfig { mark_slice: NonZeroU64::new(500), helpers: Some(helpers), ..config(0..0) },
    ]
}

/// Calls that the program makes, those of the heap's birth among them.
fn calls_of(variant: &HeapConfig) -> u64 {
    let mut world = World::new(variant, 7);
    let birth = world.heap.backing_calls();
    world.run(STEPS);
    let calls = world.heap.backing_calls();
    assert!(calls > birth + 40, "the program makes {} calls only", calls - birth);
    calls
}

/// A world whose heap is refused calls; none if it is not born.
fn world(variant: &HeapConfig, refused_calls: Range<u64>) -> Option<World> {
    let types = Types::new();
    let call = refused_calls.start;
    match Heap::new(&HeapConfig { refused_calls, ..variant.clone() }, types.table.clone()) {
        Ok(heap) => Some(World::with(heap, types, 7)),
        Err(HeapError::Backing(BackingError { operation, .. })) => {
            assert!(call < 10, "call {call} ({operation}) is not one of the heap's birth");
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn each_call_of_the_backing_fails_once() {
    for variant in variants() {
        let calls = calls_of(&variant);
        let (mut births, mut exhausted) = (0, 0);
        for call in (1..=calls).step_by(share()) {
            let Some(mut world) = world(&variant, call..call + 1) else {
                births += 1;
                continue;
            };
            world.run(STEPS);
            // A helper's pace decides how many calls there are.
            assert!(world.heap.backing_calls() >= call || variant.helpers.is_some(), "call {call} was not made");
            exhausted += world.exhausted().is_some() as u32;
            // The heap still works.
            world.heap.collect_major(&mut world.roots);
            world.run(200);
        }
        assert!(births > 0 || share() > 1, "some calls belong to the heap's birth");
        println!("{calls} calls: {births} refused births, {exhausted} exhausted");
    }
}

#[test]
fn all_calls_fail_from_each_one_on() {
    for variant in variants() {
        let calls = calls_of(&variant);
        let (mut births, mut exhausted, mut ends) = (0, 0, 0);
        for call in (1..=calls).step_by(share()) {
            let Some(mut world) = world(&HeapConfig { verify: true, ..variant.clone() }, call..u64::MAX) else {
                births += 1;
                continue;
            };
            world.run(STEPS);
            match world.exhausted() {
                None => ends += 1,
                Some(error) => {
                    assert!(matches!(error.why, Refused::System(_)), "call {call}: {error}");
                    assert!(error.to_string().starts_with("the system refused to "), "{error}");
                    exhausted += 1;
                }
            }
            // Sound, and compared, without a byte more: collections of each kind, and whatever fits.
            world.heap.collect_minor(&mut world.roots);
            world.heap.collect_major(&mut world.roots);
            world.heap.collect_moving(&mut world.roots);
            world.run(200);
            // The system has memory again.
            world.heap.refuse_calls(0..0);
            world.forget_exhausted();
            world.run(STEPS);
            assert_eq!(world.exhausted(), None, "call {call}");
        }
        println!("{calls} calls: {births} refused births, {exhausted} exhausted, {ends} ends");
        assert!(exhausted > 20 / share(), "{exhausted} programs met a system that gives nothing");
    }
}

/// The system gives no memory from some step on, but takes back what it gets: a compaction must not count on having it
/// again.
#[test]
fn the_system_gives_no_more_and_takes_back() {
    for variant in variants() {
        let (mut exhausted, mut ends) = (0, 0);
        for steps in (0..STEPS).step_by(STEPS / 24 * share()) {
            let mut world =
                world(&HeapConfig { verify: steps % 1000 == 0, ..variant.clone() }, 0..0).expect("no refusals yet");
            world.run(steps);
            world.heap.refuse_memory();
            for _ in 0..4 {
                world.forget_exhausted();
                world.run(STEPS / 2);
                match world.exhausted() {
                    Some(error) => {
                        assert!(matches!(error.why, Refused::System(_)), "after {steps} steps: {error}");
                        exhausted += 1;
                    }
                    None => ends += 1,
                }
            }
            world.heap.collect_moving(&mut world.roots);
            world.heap.refuse_calls(0..0);
            world.forget_exhausted();
            world.run(STEPS);
            assert_eq!(world.exhausted(), None, "after {steps} steps");
        }
        println!("{exhausted} exhausted, {ends} ends");
        assert!(exhausted > 24 / share(), "{exhausted} programs met a system that gives nothing");
    }
}

/// The system gives nothing while everything survives and a marking is under way: young objects must still find room.
#[test]
fn the_reserve_of_a_full_nursery_outlives_an_emergency() {
    for variant in variants().into_iter().flat_map(|variant| {
        [64 << 10, 256 << 10].map(|bytes| HeapConfig { nursery_bytes: Some(bytes), ..variant.clone() })
    }) {
        for nodes in (1_000..200_000).step_by(7_919) {
            let types = Types::new();
            let mut heap = Heap::new(&variant, types.table.clone()).unwrap();
            let mut roots = Roots { frames: vec![vec![0]], ..Roots::default() };
            let mut made = 0;
            let error = loop {
                if made == nodes {
                    heap.refuse_memory();
                }
                match heap.alloc_struct(types.structs[1].id, &mut roots) {
                    Ok(node) => {
                        heap.write_ref(node, 4, roots.frames[0][0]);
                        roots.frames[0][0] = node;
                    }
                    Err(error) => break error,
                }
                made += 1;
            };
            assert!(matches!(error.why, Refused::System(_)), "after {made} nodes: {error}");
            heap.check(&mut roots);
            heap.collect_moving(&mut roots);
            let (mut length, mut node) = (0, roots.frames[0][0]);
            while node != 0 {
                (length, node) = (length + 1, heap.read_ref(node, 4));
            }
            assert_eq!(length, made);
        }
    }
}

#[test]
fn a_refused_reach_falls_back_to_what_the_limit_needs() {
    let types = Types::new();
    let heap = Heap::new(&config(1..2), types.table.clone()).unwrap();
    let mut world = World::with(heap, types, 3);
    world.run(STEPS);
    assert_eq!(world.exhausted(), None);
}

#[test]
fn a_lost_log_is_repaired_by_a_walk_of_the_heap() {
    let mut world = World::new(&HeapConfig { verify: true, ..config(0..0) }, 11);
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
    let mut world = World::new(&HeapConfig { verify: true, ..config(0..0) }, 13);
    world.heap.limit_mark_stack(16);
    world.run(STEPS);
    for _ in 0..5 {
        world.heap.collect_major(&mut world.roots);
        world.heap.collect_moving(&mut world.roots);
        world.run(500);
    }
    assert!(world.heap.stats().mark_overflows > 0);
}
