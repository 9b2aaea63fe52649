//! Listeners that panic: the heap goes on as if they had returned.
//!
//! Random programs against the model, whose listener panics at every event of a kind and is set again. A panic has to
//! come out of the operation in which the event was told, the heap has to pass its verifier and the comparison with the
//! model, and a listener that has panicked is not called again.

mod common;

use common::{Types, World};
use heapwood_gc::{
    FrameScope, GcEventKind, Heap, HeapConfig, Helpers, RootCursor, RootProvider, RootVisitor, RootWork,
};
use heapwood_gc_abi::RawRef;
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

/// Roots that count what they are told.
#[derive(Default)]
struct Counting {
    roots: Vec<RawRef>,
    after_collections: Vec<bool>,
}

impl RootProvider for Counting {
    fn frames(&mut self, _: FrameScope, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn remembered(&mut self, _: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        visitor.slots(&mut self.roots);
        RootWork { frames: 0, slots: self.roots.len() as u64, more: false }
    }

    fn all(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        self.remembered(cursor, visitor)
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        self.remembered(&mut RootCursor::default(), visitor)
    }

    fn snapshot(&mut self, _: &mut dyn RootVisitor) -> RootWork {
        RootWork::default()
    }

    fn after_collection(&mut self, promoted_all: bool) {
        self.after_collections.push(promoted_all);
    }
}

type Operation = fn(&mut Heap, &mut Counting, &Types);

/// Every operation that may stop the guest.
const OPERATIONS: [(&str, Operation); 10] = [
    ("collect_minor", |heap, roots, _| heap.collect_minor(roots)),
    ("promote_all", |heap, roots, _| heap.promote_all(roots)),
    ("collect_major", |heap, roots, _| heap.collect_major(roots)),
    ("collect_moving", |heap, roots, _| heap.collect_moving(roots)),
    ("start_major", |heap, roots, _| heap.start_major(roots)),
    ("step", |heap, roots, _| drop((0..40).map(|_| heap.step(roots)).collect::<Vec<_>>())),
    ("reserve", |heap, roots, _| {
        for _ in 0..8 {
            heap.reserve(32 << 10, roots).unwrap();
            heap.collect_minor(roots);
        }
    }),
    ("alloc_array", |heap, roots, types| {
        (0..400).for_each(|_| assert!(heap.alloc_array(types.refs, 200, roots).is_ok()));
    }),
    ("alloc_old_array", |heap, roots, types| assert!(heap.alloc_old_array(types.refs, 20_000, roots).is_ok())),
    ("alloc_weak", |heap, roots, types| assert!(heap.alloc_weak(types.ephemeron, roots).is_ok())),
];

/// Makes a heap, with a marking under way if it `marks` always, runs an operation, and says what was done and told. The
/// listener panics at the event of number `pause` (from 1) of the operation.
fn state_after(operation: Operation, marks: bool, stop: Option<u64>) -> (u64, Vec<u64>, Vec<bool>) {
    let types = Types::new();
    let config = HeapConfig {
        nursery_bytes: Some(64 << 10),
        max_bytes: 64 << 20,
        mark_slice: if marks { NonZeroU64::new(500) } else { None },
        verify: true,
        ..HeapConfig::default()
    };
    let mut heap = Heap::new(&config, types.table.clone()).unwrap();
    let mut roots = Counting::default();
    for round in 0..600 {
        let array = heap.alloc_array(types.refs, 100, &mut roots).unwrap();
        if round % 3 > 0 {
            heap.array_set_ref(array, 0, roots.roots.last().copied().unwrap_or(0));
            roots.roots.push(array);
            heap.remember_roots(1);
            if roots.roots.len() > 100 {
                heap.shade(roots.roots[0]);
                roots.roots.remove(0);
            }
        }
    }
    roots.after_collections.clear();
    let told = Arc::new(AtomicU64::new(0));
    let count = told.clone();
    heap.set_listener(Some(Box::new(move |event| {
        if Some(count.fetch_add(1, Ordering::Relaxed) + 1) == stop {
            resume_unwind(Box::new(Stopped(event.kind)));
        }
    })));
    let result = catch_unwind(AssertUnwindSafe(|| operation(&mut heap, &mut roots, &types)));
    match (result, stop) {
        (Ok(()), None) => {}
        (Err(panic), Some(stop)) if panic.is::<Stopped>() => {
            assert_eq!(told.load(Ordering::Relaxed), stop, "the listener was called again");
        }
        (Err(panic), _) => resume_unwind(panic),
        (Ok(()), Some(stop)) => panic!("the panic at event {stop} was lost"),
    }
    heap.check(&mut roots);
    let stats = heap.stats();
    let done = vec![
        stats.minors,
        stats.majors,
        stats.markings,
        stats.compactions,
        stats.evacuations,
        stats.promoted_bytes,
        stats.aged_bytes,
        stats.marked_objects,
    ];
    (told.load(Ordering::Relaxed), done, roots.after_collections)
}

#[test]
fn what_was_begun_is_done_to_its_end() {
    let mut cases = 0;
    for marks in [false, true] {
        for (name, operation) in OPERATIONS {
            let (events, done, after) = state_after(operation, marks, None);
            for stop in 1..=events {
                let (_, done_now, after_now) = state_after(operation, marks, Some(stop));
                let is_one = !matches!(name, "step" | "reserve" | "alloc_array");
                if is_one {
                    assert_eq!(done_now, done, "{name}, a panic at event {stop} of {events}");
                    assert_eq!(after_now, after, "{name}, a panic at event {stop} of {events}: what roots were told");
                } else {
                    // Several operations, of which the rest was left out.
                    assert!(after.starts_with(&after_now), "{name}, a panic at event {stop} of {events}");
                }
                cases += 1;
            }
            println!("{name}, marking: {marks}: {events} events");
        }
    }
    println!("{cases} panics");
    assert!(cases >= 60, "{cases} panics only");
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
    // Whoever works takes some time of a processor.
    let cpu_ns = world.heap.stats().helper_cpu_ns;
    assert!(cpu_ns > 1000, "helpers took {cpu_ns} ns");
    assert!(panics >= 3 && told >= panics, "{panics} panics, told {told} times");
    // The last panic comes when the heap goes, or none.
    let _ = catch_unwind(AssertUnwindSafe(|| drop(world)));
}
