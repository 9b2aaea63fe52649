//! The bounds of incremental markings and of sweeping, in work units: fields and roots of a slice, roots of a start,
//! blocks swept; for graphs of all shapes, and for programs that want to make a pause long.

mod common;

use common::{Random, Roots, Types};
use heapwood_gc::{GcEvent, GcEventKind, Heap, HeapConfig, Helpers, LOG_ENTRIES_MAX, LOG_FIELDS_MAX};
use heapwood_gc_abi::RawRef;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

/// Elements of an array that are scanned at a time: a slice may pass its budget by them.
const ELEMENTS_AT_ONCE: u64 = 1024;
/// Other work that a slice does not divide: an object's fields, a frame, roots between two questions.
const SLACK: u64 = 128;
/// Blocks that a step of sweeping looks at, at most.
const SWEPT_BLOCKS_MAX: u64 = 4 * 32;

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
    events: Arc<Mutex<Vec<GcEvent>>>,
    /// Nodes that die for each hundred that are kept.
    dying: usize,
    due: usize,
}

/// Fields that a slice marks at most by itself.
const SLICE_FIELDS_MAX: u64 = 100_000;

/// Bytes of the nursery, which does not grow.
const NURSERY_BYTES: u32 = 256 << 10;

fn setup(mark_slice: u64) -> Setup {
    setup_with(mark_slice, None)
}

fn setup_with(mark_slice: u64, helpers: Option<Arc<Helpers>>) -> Setup {
    let types = Types::new();
    let config = HeapConfig {
        max_bytes: 1 << 30,
        nursery_bytes: Some(NURSERY_BYTES),
        mark_slice: NonZeroU64::new(mark_slice),
        helpers,
        ..HeapConfig::default()
    };
    let mut heap = Heap::new(&config, types.table.clone()).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let roots = Roots { frames: vec![vec![0; 8]], globals: vec![0; 8], dirty: vec![false; 8], ..Roots::default() };
    Setup { heap, types, roots, events, dying: 0, due: 0 }
}

impl Setup {
    fn node(&mut self) -> RawRef {
        self.due += self.dying;
        while self.due >= 100 {
            self.due -= 100;
            self.heap.alloc_struct(self.types.structs[2].id, &mut self.roots).unwrap();
        }
        self.heap.alloc_struct(self.types.structs[2].id, &mut self.roots).unwrap()
    }

    fn slot(&mut self, slot: usize) -> &mut RawRef {
        &mut self.roots.frames.last_mut().unwrap()[slot]
    }

    /// A list of nodes in slot 0.
    fn list(&mut self, nodes: usize) {
        for _ in 0..nodes {
            let node = self.node();
            let tail = *self.slot(0);
            self.heap.write_ref(node, 4, tail);
            *self.slot(0) = node;
        }
    }

    /// A tree in slot 0.
    fn tree(&mut self, depth: u32) -> RawRef {
        let node = self.node();
        let frame = self.roots.frames.len();
        self.roots.frames.push(vec![node]);
        if depth > 0 {
            for offset in [4, 8] {
                let child = self.tree(depth - 1);
                let node = self.roots.frames[frame][0];
                self.heap.write_ref(node, offset, child);
            }
        }
        let node = self.roots.frames.pop().unwrap()[0];
        self.roots.uncover(frame - 1, &mut self.heap);
        node
    }

    /// An array of `length` nodes in slot 1.
    fn array(&mut self, length: u32) {
        *self.slot(1) = self.heap.alloc_array(self.types.refs, length, &mut self.roots).unwrap();
        for index in 0..length {
            let node = self.node();
            let array = *self.slot(1);
            self.heap.array_set_ref(array, index, node);
        }
    }

    /// Forgets what was told, then marks to the end in steps; `race` runs between them.
    fn mark(&mut self, mut race: impl FnMut(&mut Setup, usize)) -> Vec<GcEvent> {
        while self.heap.step(&mut self.roots) {}
        self.events.lock().unwrap().clear();
        self.heap.start_major(&mut self.roots);
        let mut steps = 0;
        while self.heap.is_marking() {
            race(self, steps);
            self.heap.step(&mut self.roots);
            steps += 1;
            assert!(steps < 50_000_000, "a marking does not end");
        }
        let events = self.events.lock().unwrap().clone();
        while self.heap.step(&mut self.roots) {}
        events
    }

    /// Marks to the end, and leaves the sweep.
    fn mark_only(&mut self) {
        while self.heap.step(&mut self.roots) {}
        self.heap.start_major(&mut self.roots);
        while self.heap.is_marking() {
            self.heap.step(&mut self.roots);
        }
    }
}

fn of_kind(events: &[GcEvent], kind: GcEventKind) -> impl Iterator<Item = &GcEvent> {
    events.iter().filter(move |event| event.kind == kind)
}

/// A start that saw `roots` slots, slices within `budget`, an end that did nothing.
fn assert_bounds(name: &str, events: &[GcEvent], budget: u64, roots: u64) {
    let mut slices = 0;
    for slice in of_kind(events, GcEventKind::Slice) {
        slices += 1;
        let most = budget + ELEMENTS_AT_ONCE + SLACK;
        assert!(slice.work_units <= most, "{name}: {} units in a slice of {budget}", slice.work_units);
    }
    assert!(slices > 0, "{name}");
    for start in of_kind(events, GcEventKind::MarkStart) {
        assert!(start.roots <= roots, "{name}: {} roots at the start", start.roots);
        assert!(start.work_units <= roots, "{name}: {} units at the start", start.work_units);
    }
    for end in of_kind(events, GcEventKind::MarkEnd) {
        assert_eq!((end.work_units, end.roots, end.frames), (0, 0, 0), "{name}: work at the end");
    }
}

/// Slots of the topmost frames: what a start may look at.
const TOP_SLOTS: u64 = 32;

/// One shape of a graph.
type Build = fn(&mut Setup);

const SHAPES: [(&str, Build); 5] = [
    ("list", |setup| setup.list(40_000)),
    ("tree", |setup| {
        let root = setup.tree(14);
        *setup.slot(0) = root;
    }),
    ("array", |setup| setup.array(60_000)),
    ("10,000 frames deep", |setup| {
        for _ in 0..10_000 {
            setup.roots.frames.push(vec![0; 4]);
            let node = setup.node();
            *setup.slot(0) = node;
        }
        setup.roots.frames.push(vec![0; 8]);
    }),
    ("a million globals", |setup| {
        (setup.roots.globals, setup.roots.dirty) = (vec![0; 1_000_000], vec![false; 1_000_000]);
        for index in (0..1_000_000).step_by(50) {
            (setup.roots.globals[index], setup.roots.dirty[index]) = (setup.node(), true);
        }
    }),
];

#[test]
fn minors_are_bounded_at_any_survival_of_any_graph() {
    for (name, build) in SHAPES {
        for (percent, dying) in [(100, 0), (50, 100), (10, 900)] {
            let mut setup = setup(1_000);
            setup.dying = dying;
            build(&mut setup);
            // And nothing survives.
            for _ in 0..50_000 {
                setup.heap.alloc_struct(setup.types.structs[2].id, &mut setup.roots).unwrap();
            }
            let (events, stats) = (setup.events.lock().unwrap().clone(), setup.heap.stats());
            let young_bytes = (256 << 10) + (64 << 10);
            assert!(stats.minors > 3 && stats.minor_copied_bytes_max <= young_bytes, "{name}, {percent} %");
            assert!(stats.minor_log_entries_max <= LOG_ENTRIES_MAX as u64, "{name}, {percent} %");
            assert!(stats.minor_log_fields_max <= LOG_FIELDS_MAX + 10_000, "{name}, {percent} %");
            let (most, last) = of_kind(&events, GcEventKind::Minor)
                .fold((0, 0), |(most, _), minor| (minor.roots.max(most), minor.roots));
            // Frames since the last minor: those of an eden of nodes; written globals are as many at most.
            assert!(most <= 3 * young_bytes / 24 * 4, "{name}, {percent} %: {most} roots");
            assert!(last <= TOP_SLOTS, "{name}, {percent} %: {last} roots when nothing happens");
            setup.heap.check(&mut setup.roots);
        }
    }
}

#[test]
fn slices_keep_to_their_budget() {
    for (name, build) in SHAPES {
        for budget in [1, 1_000, 8_000] {
            let mut setup = setup(budget);
            build(&mut setup);
            let events = setup.mark(|_, _| {});
            assert_bounds(name, &events, budget, TOP_SLOTS);
            let slices = of_kind(&events, GcEventKind::Slice).count() as u64;
            assert!(slices >= 20_000 / (budget + ELEMENTS_AT_ONCE), "{name}: {slices} slices of {budget}");
            setup.heap.check(&mut setup.roots);
        }
    }
}

#[test]
fn a_late_marking_has_slices_of_bounded_work_whatever_the_clock_says() {
    let mut setup = setup(0);
    setup.list(1_200_000);
    setup.heap.hooks().endless_slices = true;
    let events = setup.mark(|setup, step| {
        if step == 0 {
            // More than any room, so that all that is left is due at once.
            setup.heap.alloc_old_array(setup.types.data[0].0, 256 << 20, &mut setup.roots).unwrap();
        }
    });
    assert_bounds("late", &events, SLICE_FIELDS_MAX, TOP_SLOTS);
    let most = of_kind(&events, GcEventKind::Slice).map(|slice| slice.work_units).max();
    assert!(most >= Some(SLICE_FIELDS_MAX), "nothing else has ended slices: {most:?}");
}

#[test]
fn the_sweep_goes_on_after_minors_of_a_full_log() {
    let mut setup = setup(0);
    setup.list(500_000);
    setup.array(100_000);
    *setup.slot(0) = 0;
    setup.heap.promote_all(&mut setup.roots);
    setup.mark_only();
    setup.events.lock().unwrap().clear();
    for round in 0..400 {
        // The first store into each chunk: nothing is allocated, and the log is full before they are through.
        for chunk in 0..100_000 / 32 {
            let (array, value) = (*setup.slot(1), *setup.slot(2));
            setup.heap.array_set_ref(array, chunk * 32 + round % 32, value);
            if setup.heap.wants_collection() {
                setup.heap.collect_minor(&mut setup.roots);
            }
        }
    }
    let events = setup.events.lock().unwrap().clone();
    let swept: u64 = of_kind(&events, GcEventKind::Slice).map(|event| event.work_units).sum();
    // 24 bytes a node.
    assert!(swept >= 12_000_000 / (32 << 10), "{swept} blocks in {} minors", setup.heap.stats().minors);
}

#[test]
fn mutation_that_races_each_slice_does_not_make_them_longer() {
    let mut setup = setup(1_000);
    setup.list(20_000);
    setup.array(200_000);
    let mut random = Random::new(3);
    for round in 0..3 {
        let events = setup.mark(|setup, step| {
            // While a marking is young: each store is the first into its chunk.
            for _ in 0..if step < 200 { 300 } else { 0 } {
                let (array, value) = (*setup.slot(1), *setup.slot(0));
                setup.heap.array_set_ref(array, random.below(200_000) as u32, value);
                if setup.heap.wants_collection() {
                    setup.heap.collect_minor(&mut setup.roots);
                }
            }
        });
        assert_bounds("races", &events, 1_000, TOP_SLOTS);
        for minor in of_kind(&events, GcEventKind::Minor) {
            assert!(minor.remembered <= LOG_ENTRIES_MAX as u64 && minor.work_units <= LOG_FIELDS_MAX + 10_000);
        }
        setup.heap.check(&mut setup.roots);
        assert!(setup.heap.stats().markings > round);
    }
}

#[test]
fn an_array_overwritten_at_once_while_it_is_unmarked_is_taken_over_in_slices() {
    for budget in [1, 1_000] {
        let mut setup = setup(budget);
        setup.array(100_000);
        let events = setup.mark(|setup, step| {
            if step == 0 {
                // What all its elements held belongs to the snapshot.
                let array = *setup.slot(1);
                setup.heap.array_fill_ref(array, 0, 100_000, 0);
            }
        });
        assert_bounds("fill", &events, budget, TOP_SLOTS);
        let work: u64 = of_kind(&events, GcEventKind::Slice).map(|event| event.work_units).sum();
        assert!(work >= 400_000, "{work} units for 100,000 objects that were handed over, and their fields");
    }
}

#[test]
fn a_long_list_dropped_at_once_is_swept_in_steps() {
    let mut setup = setup(0);
    setup.list(1_000_000);
    *setup.slot(0) = 0;
    while setup.heap.step(&mut setup.roots) {}
    setup.heap.start_major(&mut setup.roots);
    while setup.heap.is_marking() {
        setup.heap.step(&mut setup.roots);
    }
    setup.events.lock().unwrap().clear();
    while setup.heap.step(&mut setup.roots) {}
    let events = setup.events.lock().unwrap().clone();
    let swept: Vec<u64> = of_kind(&events, GcEventKind::Slice).map(|event| event.work_units).collect();
    // 24 bytes a node, in blocks of 32 KiB; what the nursery held died there. A slice rounds its part up, and how many
    // slices there are is up to the clock.
    let (blocks, least) = (swept.iter().sum::<u64>(), (24_000_000 - NURSERY_BYTES as u64) / (32 << 10));
    assert!(blocks >= least, "{blocks} blocks, {least} were to be swept");
    assert!(swept.iter().all(|blocks| *blocks <= SWEPT_BLOCKS_MAX), "{swept:?}");
}

#[test]
fn what_a_helper_sweeps_costs_the_mutator_a_list() {
    let mut setup = setup_with(0, Some(Arc::new(Helpers::new(1))));
    // However long the helper takes to begin.
    setup.heap.set_sweep_batch(512, 32, 32, u32::MAX);
    setup.list(200_000);
    *setup.slot(2) = *setup.slot(0);
    *setup.slot(0) = 0;
    setup.list(1_200_000);
    *setup.slot(3) = *setup.slot(0);
    *setup.slot(0) = 0;
    setup.list(50_000);
    // Some blocks are free: a mutator that is short of them sweeps, too.
    *setup.slot(2) = 0;
    setup.mark(|_, _| {});
    *setup.slot(3) = 0;
    let swept_before = setup.heap.stats().helper_swept_blocks;
    setup.heap.start_major(&mut setup.roots);
    while setup.heap.is_marking() {
        setup.heap.step(&mut setup.roots);
    }
    setup.events.lock().unwrap().clear();
    // Until memory goes back, that is.
    let used_before = setup.heap.stats().committed_bytes;
    let mut sweeping = 0;
    while setup.heap.step(&mut setup.roots) {
        std::thread::yield_now();
        if setup.heap.stats().committed_bytes == used_before {
            sweeping = setup.events.lock().unwrap().len();
        }
    }
    let stats = setup.heap.stats();
    let swept = stats.helper_swept_blocks - swept_before;
    assert!(swept >= 28_000_000 / (32 << 10), "a helper swept {swept} blocks");
    assert_eq!(stats.stalls, 0);
    let events = setup.events.lock().unwrap().clone();
    let units: Vec<u64> = of_kind(&events[..sweeping], GcEventKind::Slice).map(|event| event.work_units).collect();
    assert!(units.iter().sum::<u64>() <= swept / 16 + 8, "{units:?} for {swept} blocks");
    assert!(units.iter().all(|units| *units <= SWEPT_BLOCKS_MAX), "{units:?}");
    setup.heap.check(&mut setup.roots);
}

/// Bytes of the old space's blocks after a sweep, and after as much was promoted as fits the holes, more or less.
fn refilled(helpers: Option<Arc<Helpers>>) -> (u64, u64, u64) {
    let mut setup = setup_with(0, helpers);
    setup.heap.set_sweep_batch(100, 8, 8, u32::MAX);
    // Runs of nodes that die lie between nodes that stay: holes in each block, and blocks that become free.
    setup.array(400_000);
    setup.heap.promote_all(&mut setup.roots);
    for index in (0..400_000).filter(|index| index % 100 > 20 || index / 20_000 % 4 == 3) {
        let array = *setup.slot(1);
        setup.heap.array_set_ref(array, index, 0);
        if setup.heap.wants_collection() {
            setup.heap.collect_minor(&mut setup.roots);
        }
    }
    setup.mark(|_, _| {});
    while setup.heap.step(&mut setup.roots) {}
    let old_used = |setup: &mut Setup| {
        setup.heap.promote_all(&mut setup.roots);
        setup.events.lock().unwrap().last().unwrap().old_before
    };
    let before = old_used(&mut setup);
    setup.list(100_000);
    let after = old_used(&mut setup);
    setup.heap.check(&mut setup.roots);
    (before, after, setup.heap.stats().helper_swept_blocks)
}

#[test]
fn a_helper_finds_what_the_mutator_would_have_found() {
    let (alone, helped) = (refilled(None), refilled(Some(Arc::new(Helpers::new(1)))));
    assert!(alone.2 == 0 && helped.2 > 100, "{} blocks were swept by a helper", helped.2);
    assert_eq!((alone.0, alone.1), (helped.0, helped.1), "bytes of blocks in use after the sweep, and after refilling");
    assert!(alone.1 - alone.0 < 100_000 * 24 / 2, "most of it went into holes: {alone:?}");
}

#[test]
fn a_huge_dead_array_is_given_back_in_steps() {
    let mut setup = setup(0);
    setup.heap.alloc_array(setup.types.refs, 32 << 20, &mut setup.roots).unwrap();
    let full = setup.heap.stats().committed_bytes;
    assert!(full > 128 << 20);
    while setup.heap.step(&mut setup.roots) {}
    setup.heap.start_major(&mut setup.roots);
    while setup.heap.is_marking() {
        setup.heap.step(&mut setup.roots);
    }
    let (mut before, mut most, mut steps) = (setup.heap.stats().committed_bytes, 0, 0);
    loop {
        let more = setup.heap.step(&mut setup.roots);
        let now = setup.heap.stats().committed_bytes;
        most = most.max(before - now);
        (before, steps) = (now, steps + 1);
        if !more {
            break;
        }
    }
    assert!(before < 16 << 20, "{before} bytes are kept");
    // 32 blocks count as 8 swept ones: a step that hurries gives back 16 times as many.
    assert!(most <= 16 * (1 << 20) + (1 << 20), "{most} bytes given back in one of {steps} steps");
}

/// As large as the type allows in memory: `--ignored`, in release.
#[test]
#[ignore = "takes 400 MB and some seconds"]
fn a_hundred_million_elements_rewritten_at_random() {
    rewritten_at_random(100_000_000, 3_000_000);
}

#[test]
fn a_large_array_rewritten_at_random() {
    rewritten_at_random(2_000_000, 200_000);
}

/// A reference array rewritten at random, in a marking that is always under way.
fn rewritten_at_random(length: u32, stores: u32) {
    let mut setup = setup(4_000);
    *setup.slot(1) = setup.heap.alloc_array(setup.types.refs, length, &mut setup.roots).unwrap();
    let mut random = Random::new(9);
    for store in 0..stores {
        if store % 16 == 0 {
            *setup.slot(2) = setup.node();
        }
        let (array, value) = (*setup.slot(1), *setup.slot(2));
        setup.heap.array_set_ref(array, random.below(length as usize) as u32, value);
        if setup.heap.wants_collection() {
            setup.heap.collect_minor(&mut setup.roots);
        }
    }
    let (stats, events) = (setup.heap.stats(), setup.events.lock().unwrap().clone());
    assert!(of_kind(&events, GcEventKind::MarkStart).count() > 0);
    assert_bounds("random stores", &events, 4_000, TOP_SLOTS);
    assert!(stats.minor_log_entries_max <= LOG_ENTRIES_MAX as u64 && stats.minor_log_fields_max <= LOG_FIELDS_MAX + 64);
    assert_eq!(stats.stalls, 0);
}

#[test]
fn frames_pushed_and_popped_at_every_minor_are_not_walked_again() {
    let mut setup = setup(1_000);
    let mut frames_max = 0;
    for round in 0..6 {
        for _ in 0..20_000 {
            setup.roots.frames.push(vec![0; 4]);
            let node = setup.node();
            *setup.slot(0) = node;
            // What a poll does at the soft limit of the stack.
            if setup.roots.frames.len() - setup.roots.settled > 1_000 {
                setup.heap.promote_all(&mut setup.roots);
            }
        }
        setup.heap.collect_minor(&mut setup.roots);
        for _ in 0..20_000 {
            setup.roots.frames.pop();
            let top = setup.roots.frames.len() - 1;
            setup.roots.uncover(top, &mut setup.heap);
        }
        setup.heap.collect_minor(&mut setup.roots);
        let events = std::mem::take(&mut *setup.events.lock().unwrap());
        frames_max = of_kind(&events, GcEventKind::Minor).map(|event| event.frames).fold(frames_max, u64::max);
        let starts = of_kind(&events, GcEventKind::MarkStart).map(|event| event.frames).max();
        assert!(starts.is_none_or(|frames| frames <= 1_001), "{starts:?} frames at a start, round {round}");
    }
    assert!(frames_max > 0 && frames_max <= 1_001, "{frames_max} frames in one minor");
    setup.heap.check(&mut setup.roots);
}
