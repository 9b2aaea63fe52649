//! The bounds of a minor, in work units, at any survival and in any mode: bytes copied, log entries and fields, frames.

mod common;

use common::{Random, Roots, Types};
use heapwood_gc::{GcEvent, GcEventKind, Heap, HeapConfig, LOG_ENTRIES_MAX, LOG_FIELDS_MAX};
use heapwood_gc_abi::RawRef;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
    events: Arc<Mutex<Vec<GcEvent>>>,
}

fn setup(config: HeapConfig) -> Setup {
    let types = Types::new();
    let mut heap = Heap::new(&HeapConfig { max_bytes: 512 << 20, ..config }, types.table.clone()).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let roots = Roots { frames: vec![vec![0; 8]], globals: vec![0; 8], dirty: vec![false; 8], ..Roots::default() };
    Setup { heap, types, roots, events }
}

impl Setup {
    fn node(&mut self) -> RawRef {
        self.heap.alloc_struct(self.types.structs[2].id, &mut self.roots).unwrap()
    }

    /// The current node of slot 0 becomes the tail of a new one.
    fn cons(&mut self) {
        let node = self.node();
        let tail = self.roots.frames[0][0];
        self.heap.write_ref(node, 4, tail);
        self.roots.frames[0][0] = node;
    }

    fn assert_bounds(&self, eden_bytes: u64) {
        let stats = self.heap.stats();
        let young_bytes = eden_bytes + eden_bytes / 4;
        assert!(stats.minor_copied_bytes_max <= young_bytes, "{} bytes copied", stats.minor_copied_bytes_max);
        assert!(stats.minor_log_entries_max <= LOG_ENTRIES_MAX as u64, "{} log entries", stats.minor_log_entries_max);
        // The entry that reaches the cap may be large itself.
        let fields = stats.minor_log_fields_max;
        assert!(fields <= LOG_FIELDS_MAX + 10_000, "{fields} fields of log entries");
        for event in self.events.lock().unwrap().iter().filter(|event| event.kind == GcEventKind::Minor) {
            assert!(event.promoted <= young_bytes);
            assert!(event.remembered <= LOG_ENTRIES_MAX as u64);
        }
    }
}

/// Nodes of which `percent` survive the next minors in a list.
fn survival(config: HeapConfig, eden_bytes: u64, percent: usize, nodes: usize) {
    let mut setup = setup(config);
    let mut random = Random::new(percent as u64 + 1);
    for _ in 0..nodes {
        if random.below(100) < percent {
            setup.cons();
        } else {
            setup.node();
        }
    }
    assert!(setup.heap.stats().minors > 3);
    setup.assert_bounds(eden_bytes);
}

#[test]
fn at_any_survival() {
    for percent in [0, 10, 50, 100] {
        for kib in [64, 256] {
            let config = HeapConfig { nursery_bytes: Some(kib << 10), ..HeapConfig::default() };
            survival(config, (kib as u64) << 10, percent, 60_000);
        }
    }
}

#[test]
fn at_any_survival_of_a_nursery_that_adapts() {
    for percent in [0, 10, 50, 100] {
        let mut setup = setup(HeapConfig::default());
        let mut random = Random::new(percent as u64 + 1);
        for _ in 0..400_000 {
            if random.below(100) < percent as usize {
                setup.cons();
            } else {
                setup.node();
            }
        }
        // The largest nursery of the profile; survivors leave eden less of it.
        let young_bytes = setup.events.lock().unwrap().iter().map(|event| event.young_before).max();
        assert!(setup.heap.stats().minors > 3 && young_bytes <= Some(2 << 20), "{young_bytes:?} at {percent} %");
        assert!(setup.heap.stats().minor_copied_bytes_max <= 2 << 20, "{percent} %");
    }
}

#[test]
fn at_any_survival_under_stress() {
    for percent in [0, 50, 100] {
        let stress = NonZeroU64::new(97);
        let config = HeapConfig { nursery_bytes: Some(64 << 10), stress, verify: true, ..HeapConfig::default() };
        survival(config, 64 << 10, percent, 8_000);
    }
}

#[test]
fn one_huge_reference_array_rewritten_at_random() {
    let config = HeapConfig { nursery_bytes: Some(256 << 10), ..HeapConfig::default() };
    let mut setup = setup(config);
    let length = 1 << 20;
    setup.roots.frames[0][1] = setup.heap.alloc_array(setup.types.refs, length, &mut setup.roots).unwrap();
    setup.roots.frames[0][2] = setup.node();
    let mut random = Random::new(5);
    for step in 0..300_000u32 {
        let (array, value) = (setup.roots.frames[0][1], setup.roots.frames[0][2]);
        setup.heap.array_set_ref(array, random.below(length as usize) as u32, value);
        if setup.heap.wants_collection() {
            // What a poll does.
            setup.heap.collect_minor(&mut setup.roots);
        }
        if step % 8 == 0 {
            setup.roots.frames[0][2] = setup.node();
        }
    }
    let stats = setup.heap.stats();
    // A chunk weighs 64 fields.
    assert_eq!(stats.minor_log_fields_max, LOG_FIELDS_MAX, "the cap is reached, and not passed");
    setup.assert_bounds(256 << 10);
}

#[test]
fn wide_objects_weigh_their_fields() {
    let mut setup = setup(HeapConfig::default());
    let wide: Vec<RawRef> =
        (0..3000).map(|_| setup.heap.alloc_old_array(setup.types.refs, 62, &mut setup.roots).unwrap()).collect();
    setup.roots.frames.push(wide);
    setup.roots.frames[0][0] = setup.node();
    for index in 0..3000 {
        let (array, value) = (setup.roots.frames[1][index], setup.roots.frames[0][0]);
        setup.heap.array_set_ref(array, 5, value);
        if setup.heap.wants_collection() {
            setup.heap.collect_minor(&mut setup.roots);
            setup.roots.frames[0][0] = setup.node();
        }
    }
    let stats = setup.heap.stats();
    assert_eq!(stats.minor_log_fields_max, LOG_FIELDS_MAX.next_multiple_of(62), "2,115 arrays of 62 references");
    assert_eq!(stats.minor_log_entries_max, LOG_FIELDS_MAX.div_ceil(62));
}

#[test]
fn a_full_log_makes_the_next_allocation_collect() {
    let mut setup = setup(HeapConfig::default());
    let old: Vec<RawRef> = (0..LOG_ENTRIES_MAX)
        .map(|_| setup.heap.alloc_old_struct(setup.types.structs[1].id, &mut setup.roots).unwrap())
        .collect();
    setup.roots.frames.push(old);
    let minors = setup.heap.stats().minors;
    for index in 0..LOG_ENTRIES_MAX {
        assert!(!setup.heap.wants_collection());
        let (host, value) = (setup.roots.frames[1][index], setup.roots.frames[1][0]);
        setup.heap.write_ref(host, 4, value);
    }
    assert!(setup.heap.wants_collection());
    setup.node();
    assert!(!setup.heap.wants_collection());
    assert_eq!(setup.heap.stats().minors, minors + 1);
    assert_eq!(setup.heap.stats().minor_log_entries_max, LOG_ENTRIES_MAX as u64);
}

/// Where the survivor space overflows, objects are promoted that hold young ones: each is in the log.
#[test]
fn a_minor_that_leaves_a_full_log_asks_for_the_next() {
    const NODES: usize = 36_000;
    let mut setup = setup(HeapConfig { nursery_bytes: Some(1 << 20), verify: true, ..HeapConfig::default() });
    setup.heap.collect_minor(&mut setup.roots);
    setup.roots.frames.push(vec![0; NODES]);
    for index in 0..NODES {
        let node = setup.node();
        if let Some(earlier) = index.checked_sub(NODES / 2) {
            setup.heap.write_ref(node, 4, setup.roots.frames[1][earlier]);
        }
        setup.roots.frames[1][index] = node;
    }
    assert_eq!((setup.heap.stats().minors, setup.heap.wants_collection()), (1, false));
    // A minor that no full nursery asks for keeps what survives young as far as there is room.
    setup.heap.collect_minor(&mut setup.roots);
    assert!(setup.heap.wants_collection(), "the minor filled the log");
    let minors = setup.heap.stats().minors;
    setup.node();
    assert!(!setup.heap.wants_collection());
    assert_eq!(setup.heap.stats().minors, minors + 1);
}

/// An object is promoted while both that it names stay young.
#[test]
fn an_object_that_names_two_young_ones_is_logged_once() {
    let mut setup = setup(HeapConfig { nursery_bytes: Some(1 << 20), verify: true, ..HeapConfig::default() });
    setup.heap.collect_minor(&mut setup.roots);
    setup.roots.frames[0][2] = setup.node();
    // Where most of eden survives, the next minor promotes all.
    for _ in 0..100 {
        setup.node();
    }
    // It has survived a minor, so the next one promotes it.
    setup.heap.collect_minor(&mut setup.roots);
    for slot in 0..2 {
        setup.roots.frames[0][slot] = setup.node();
        setup.heap.write_ref(setup.roots.frames[0][2], 4 + 4 * slot as u64, setup.roots.frames[0][slot]);
    }
    setup.heap.collect_minor(&mut setup.roots);
    assert!((0..2).all(|slot| setup.heap.is_young(setup.roots.frames[0][slot])));
    assert!(!setup.heap.is_young(setup.roots.frames[0][2]));
    let log_entries = setup.heap.stats().log_entries;
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.heap.stats().log_entries, log_entries + 1);
}

#[test]
fn frames_below_the_watermark_are_not_walked() {
    let mut setup = setup(HeapConfig { nursery_bytes: Some(64 << 10), ..HeapConfig::default() });
    for _ in 0..10_000 {
        setup.roots.frames.push(vec![0; 4]);
        let node = setup.node();
        *setup.roots.frames.last_mut().unwrap().first_mut().unwrap() = node;
    }
    setup.heap.promote_all(&mut setup.roots);
    let before = setup.heap.stats();
    for _ in 0..20_000 {
        setup.node();
    }
    let after = setup.heap.stats();
    let minors = after.minors - before.minors;
    assert!(minors >= 5);
    assert_eq!(after.frames - before.frames, minors, "only the frame that runs lies above the watermark");
    setup.heap.check(&mut setup.roots);
}

#[test]
fn a_fill_of_a_large_array_promotes_first() {
    let mut setup = setup(HeapConfig { verify: true, ..HeapConfig::default() });
    setup.roots.frames[0][0] = setup.heap.alloc_array(setup.types.refs, 100_000, &mut setup.roots).unwrap();
    setup.roots.frames[0][1] = setup.node();
    let (array, value) = (setup.roots.frames[0][0], setup.roots.frames[0][1]);
    assert!(setup.heap.fill_wants_promotion(array, 100_000, value));
    setup.heap.promote_all(&mut setup.roots);
    let (array, value) = (setup.roots.frames[0][0], setup.roots.frames[0][1]);
    assert!(!setup.heap.fill_wants_promotion(array, 100_000, value));
    setup.heap.array_fill_ref(array, 0, 100_000, value);
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.heap.stats().log_entries, 0, "old values need no log");
}

#[test]
fn a_copy_between_old_arrays_logs_only_what_may_be_young() {
    let mut setup = setup(HeapConfig { verify: true, ..HeapConfig::default() });
    for slot in 0..2 {
        setup.roots.frames[0][slot] = setup.heap.alloc_array(setup.types.refs, 100_000, &mut setup.roots).unwrap();
    }
    setup.roots.frames[0][2] = setup.node();
    let slots = setup.roots.frames[0].clone();
    for index in [70, 5_000, 99_999] {
        setup.heap.array_set_ref(slots[0], index, slots[2]);
    }
    setup.heap.array_copy(slots[1], 0, slots[0], 0, 100_000);
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.heap.stats().log_entries, 6, "three chunks of the source and three of the copy");
    let slots = setup.roots.frames[0].clone();
    assert_eq!(setup.heap.array_get_ref(slots[1], 99_999), slots[2]);
}

#[test]
fn the_reserve_carries_objects_that_pack_badly() {
    for nursery_kib in [64, 256] {
        for bytes in [24, 520, 1100, 9_000, 11_000, 16_400, 17_000, 22_000, 32_700] {
            let config = HeapConfig { nursery_bytes: Some(nursery_kib << 10), ..HeapConfig::default() };
            let mut setup = setup(config);
            setup.roots.frames[0].clear();
            for index in 0..(1 << 20) / bytes {
                // Now and then small ones between, so that they share no block.
                let bytes = if index % 5 == 4 { 24 } else { bytes };
                let ty = setup.types.data[0].0;
                setup.heap.reserve(bytes, &mut setup.roots).unwrap();
                let array = setup.heap.alloc_array(ty, bytes - 8, &mut setup.roots).unwrap();
                setup.roots.frames[0].push(array);
                setup.roots.settled = 0;
            }
            setup.heap.promote_all(&mut setup.roots);
            setup.heap.check(&mut setup.roots);
        }
    }
}

#[test]
fn a_large_object_leaves_the_reserve_alone() {
    for blocks in 2..40 {
        let mut setup = setup(HeapConfig { nursery_bytes: Some(256 << 10), ..HeapConfig::default() });
        setup.heap.collect_minor(&mut setup.roots);
        setup.roots.frames[0].clear();
        let ty = setup.types.data[0].0;
        for _ in 0..14 {
            let array = setup.heap.alloc_array(ty, 17_000, &mut setup.roots).unwrap();
            setup.roots.frames[0].push(array);
        }
        assert_eq!(setup.heap.stats().minors, 1, "all of them are young");
        let large = setup.heap.alloc_array(ty, blocks * (32 << 10) - 100, &mut setup.roots).unwrap();
        setup.roots.frames[0].push(large);
        setup.heap.promote_all(&mut setup.roots);
        setup.heap.check(&mut setup.roots);
    }
}
