//! Weak cells and ephemerons: what keeps what alive, in which phase of a collection, and what that costs in work units.

mod common;

use common::{Random, Roots, Types};
use heapwood_gc::{GcEvent, GcEventKind, Heap, HeapConfig, Helpers};
use heapwood_gc_abi::{RawRef, i31_encode};
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
    let mut heap = Heap::new(&HeapConfig { max_bytes: 256 << 20, ..config }, types.table.clone()).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let roots = Roots { frames: vec![vec![0; 8]], globals: vec![0; 8], dirty: vec![false; 8], ..Roots::default() };
    Setup { heap, types, roots, events }
}

fn verified() -> HeapConfig {
    HeapConfig { verify: true, ..HeapConfig::default() }
}

impl Setup {
    fn node(&mut self) -> RawRef {
        self.heap.alloc_struct(self.types.structs[1].id, &mut self.roots).unwrap()
    }

    /// A weak cell in slot `to` that names the object of slot `from`.
    fn weak(&mut self, to: usize, from: usize) {
        let cell = self.heap.alloc_weak(self.types.weak, &mut self.roots).unwrap();
        self.heap.init_weak(cell, self.roots.frames[0][from]);
        self.roots.frames[0][to] = cell;
    }

    fn ephemeron(&mut self, to: usize, key: usize, value: usize) {
        let cell = self.heap.alloc_weak(self.types.ephemeron, &mut self.roots).unwrap();
        self.heap.init_ephemeron(cell, self.roots.frames[0][key], self.roots.frames[0][value]);
        self.roots.frames[0][to] = cell;
    }

    fn get(&mut self, slot: usize) -> RawRef {
        self.heap.weak_get(self.roots.frames[0][slot])
    }

    fn pair(&mut self, slot: usize) -> Option<(RawRef, RawRef)> {
        self.heap.ephemeron_get(self.roots.frames[0][slot])
    }

    fn major(&mut self) {
        self.heap.collect_major(&mut self.roots);
    }

    /// Steps until the marking under way has ended; its sweep has not begun then.
    fn end_marking(&mut self) {
        while self.heap.is_marking() {
            self.heap.step(&mut self.roots);
        }
    }

    /// Work units of markings so far.
    fn marked_fields(&self) -> u64 {
        let events = self.events.lock().unwrap();
        let marks = |event: &&GcEvent| matches!(event.kind, GcEventKind::Major | GcEventKind::Slice);
        events.iter().filter(marks).map(|event| event.work_units).sum()
    }
}

#[test]
fn a_weak_cell_follows_what_it_names_and_forgets_it_with_its_death() {
    let mut setup = setup(verified());
    setup.roots.frames[0][0] = setup.node();
    setup.weak(1, 0);
    for round in 0..6 {
        match round {
            0 | 1 => setup.heap.collect_minor(&mut setup.roots),
            2 => setup.heap.collect_moving(&mut setup.roots),
            3 => {
                setup.heap.start_major(&mut setup.roots);
                setup.end_marking();
            }
            4 => setup.heap.collect_moving(&mut setup.roots),
            _ => setup.major(),
        }
        assert_eq!(setup.get(1), setup.roots.frames[0][0], "round {round}");
    }
    setup.roots.frames[0][0] = 0;
    setup.heap.collect_minor(&mut setup.roots);
    assert_ne!(setup.get(1), 0, "it is old: a minor does not find out");
    setup.major();
    assert_eq!(setup.get(1), 0);
}

#[test]
fn a_minor_forgets_young_objects() {
    let mut setup = setup(verified());
    setup.roots.frames[0][0] = setup.node();
    setup.weak(1, 0);
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.get(1), setup.roots.frames[0][0], "both have aged");
    setup.roots.frames[0][0] = 0;
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.get(1), 0);
}

#[test]
fn nulls_i31s_and_immortals_are_never_forgotten() {
    let mut setup = setup(verified());
    let immortal = setup.heap.alloc_immortal_object(setup.types.structs[1].id).unwrap();
    for referent in [0, i31_encode(7), immortal] {
        setup.roots.frames[0][0] = referent;
        setup.weak(1, 0);
        setup.ephemeron(2, 0, 0);
        setup.roots.frames[0][0] = 0;
        setup.heap.collect_minor(&mut setup.roots);
        setup.major();
        setup.heap.collect_moving(&mut setup.roots);
        assert_eq!(setup.get(1), referent);
        assert_eq!(setup.pair(2), (referent != 0).then_some((referent, referent)));
    }
}

#[test]
fn a_host_value_dies_although_weak_cells_name_its_cell() {
    let mut setup = setup(verified());
    setup.roots.frames[0][0] = setup.heap.alloc_host_value(setup.types.host, 5, &mut setup.roots).unwrap();
    setup.weak(1, 0);
    setup.heap.promote_all(&mut setup.roots);
    setup.major();
    assert_eq!((setup.get(1), setup.heap.pop_dead_host_value()), (setup.roots.frames[0][0], None));
    setup.roots.frames[0][0] = 0;
    setup.major();
    assert_eq!((setup.get(1), setup.heap.pop_dead_host_value()), (0, Some(5)));
}

#[test]
fn dead_objects_read_as_null_as_soon_as_the_marking_has_ended() {
    let mut setup = setup(verified());
    setup.roots.frames[0][0] = setup.node();
    setup.weak(1, 0);
    setup.ephemeron(2, 0, 0);
    setup.weak(3, 0);
    setup.heap.start_major(&mut setup.roots);
    setup.end_marking();
    setup.roots.frames[0][0] = 0;
    setup.heap.start_major(&mut setup.roots);
    setup.end_marking();
    assert_eq!((setup.get(1), setup.pair(2)), (0, None));
    setup.heap.check(&mut setup.roots);
    setup.heap.collect_minor(&mut setup.roots);
    while setup.heap.step(&mut setup.roots) {}
    assert_eq!(setup.get(3), 0);
}

#[test]
fn what_is_read_while_a_marking_runs_survives_it() {
    let mut setup = setup(verified());
    for slot in [0, 4] {
        let value = setup.node();
        setup.roots.frames[0][slot] = value;
    }
    setup.weak(1, 0);
    setup.ephemeron(2, 0, 4);
    setup.ephemeron(3, 0, 4);
    setup.heap.promote_all(&mut setup.roots);
    let (key, value) = setup.pair(2).unwrap();
    (setup.roots.frames[0][0], setup.roots.frames[0][4]) = (0, 0);
    setup.heap.start_major(&mut setup.roots);
    assert_eq!(setup.get(1), key);
    setup.end_marking();
    assert_eq!(setup.get(1), key, "it was read");
    assert_eq!((setup.pair(2), setup.pair(3)), (Some((key, value)), Some((key, value))), "and so its values live");
    setup.major();
    assert_eq!((setup.get(1), setup.pair(2), setup.pair(3)), (0, None, None));
}

#[test]
fn a_value_does_not_keep_its_own_key_alive() {
    let mut setup = setup(verified());
    // key -> nothing, value -> key, and a ring of two: each one's value names the other's key.
    for slot in [0, 1, 2] {
        let node = setup.node();
        setup.roots.frames[0][slot] = node;
    }
    setup.heap.write_ref(setup.roots.frames[0][1], 4, setup.roots.frames[0][0]);
    setup.ephemeron(3, 0, 1);
    setup.ephemeron(4, 0, 2);
    setup.ephemeron(5, 2, 0);
    setup.major();
    assert!((3..6).all(|slot| setup.pair(slot).is_some()));
    (setup.roots.frames[0][0], setup.roots.frames[0][1]) = (0, 0);
    setup.major();
    assert!((3..6).all(|slot| setup.pair(slot).is_some()), "the ring is held at one of its keys");
    setup.roots.frames[0][2] = 0;
    setup.major();
    assert!((3..6).all(|slot| setup.pair(slot).is_none()));
}

#[test]
fn a_new_value_of_an_old_ephemeron_lives() {
    let mut setup = setup(verified());
    setup.roots.frames[0][0] = setup.node();
    setup.ephemeron(1, 0, 0);
    setup.major();
    let young = setup.node();
    assert!(setup.heap.ephemeron_set_value(setup.roots.frames[0][1], young));
    setup.heap.collect_minor(&mut setup.roots);
    let (key, value) = setup.pair(1).unwrap();
    assert_eq!(key, setup.roots.frames[0][0]);
    assert_ne!(value, key);
    setup.heap.check(&mut setup.roots);
    setup.roots.frames[0][0] = 0;
    setup.major();
    assert!(!setup.heap.ephemeron_set_value(setup.roots.frames[0][1], 0));
}

#[test]
fn a_lost_log_is_repaired_with_weak_cells_in_the_heap() {
    let mut setup = setup(verified());
    for slot in [0, 1, 2] {
        let node = setup.node();
        setup.roots.frames[0][slot] = node;
    }
    setup.weak(3, 1);
    setup.heap.promote_all(&mut setup.roots);
    let (kept, lost) = (setup.node(), setup.node());
    setup.heap.hooks().lose_next_log = true;
    setup.heap.write_ref(setup.roots.frames[0][0], 4, kept);
    setup.roots.frames[0][4] = kept;
    setup.weak(5, 4);
    setup.roots.frames[0][4] = lost;
    setup.weak(6, 4);
    setup.weak(7, 2);
    (setup.roots.frames[0][1], setup.roots.frames[0][2], setup.roots.frames[0][4]) = (0, 0, 0);
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.heap.stats().compactions, 1);
    assert_eq!((setup.get(3), setup.get(6), setup.get(7)), (0, 0, 0));
    assert_eq!(setup.get(5), setup.heap.read_ref(setup.roots.frames[0][0], 4));
}

/// `count` keys, each but the first one the value of the ephemeron of the one before it. The ephemerons stand in an
/// array in slot 1, by `order`; the first key is in slot 0.
fn chain(config: HeapConfig, count: u32, order: impl Fn(u32) -> u32) -> Setup {
    let mut setup = setup(config);
    let array = setup.heap.alloc_old_array(setup.types.refs, count, &mut setup.roots).unwrap();
    setup.roots.frames[0][1] = array;
    setup.roots.frames[0][0] = setup.node();
    setup.roots.frames[0][2] = setup.roots.frames[0][0];
    for index in 0..count {
        setup.roots.frames[0][3] = setup.node();
        setup.ephemeron(4, 2, 3);
        let (array, ephemeron) = (setup.roots.frames[0][1], setup.roots.frames[0][4]);
        setup.heap.array_set_ref(array, order(index), ephemeron);
        setup.roots.frames[0][2] = setup.roots.frames[0][3];
    }
    (2..5).for_each(|slot| setup.roots.frames[0][slot] = 0);
    setup.heap.promote_all(&mut setup.roots);
    setup
}

fn count_held(setup: &mut Setup) -> u32 {
    let array = setup.roots.frames[0][1];
    let cells: Vec<RawRef> =
        (0..setup.heap.array_length(array)).map(|index| setup.heap.array_get_ref(array, index)).collect();
    cells.into_iter().map(|cell| setup.heap.ephemeron_get(cell).is_some() as u32).sum()
}

#[test]
fn a_chain_of_ephemerons_is_marked_in_linear_time_in_any_order() {
    let quiet = || HeapConfig { initial_bytes: 200 << 20, ..HeapConfig::default() };
    for (name, order) in [("in order", false), ("backwards", true)] {
        let mut each = Vec::new();
        for count in [1_000, 100_000] {
            let mut setup = chain(quiet(), count, |index| if order { count - 1 - index } else { index });
            setup.major();
            let before = setup.marked_fields();
            setup.major();
            each.push((setup.marked_fields() - before) as f64 / count as f64);
            assert_eq!(count_held(&mut setup), count, "{name}");
            setup.roots.frames[0][0] = 0;
            setup.major();
            assert_eq!(count_held(&mut setup), 0, "{name}");
            assert_eq!(setup.heap.stats().held_ephemerons, 0);
        }
        println!("{name}: {:.2} and {:.2} units for each ephemeron and its key", each[0], each[1]);
        // An element, a key of three, the ephemeron twice, a key that wakes.
        assert!(each.iter().all(|units| *units < 12.0), "{name}: {each:?}");
    }
}

/// `count` ephemerons with values of their own and one key, in an array in slot 1. A marking finds the key, which slot
/// 0 leads to in three steps, after them.
fn fan(config: HeapConfig, count: u32) -> Setup {
    let mut setup = setup(config);
    setup.roots.frames[0][1] = setup.heap.alloc_old_array(setup.types.refs, count, &mut setup.roots).unwrap();
    setup.roots.frames[0][2] = setup.node();
    for index in 0..count {
        setup.roots.frames[0][3] = setup.node();
        setup.ephemeron(4, 2, 3);
        let (array, ephemeron) = (setup.roots.frames[0][1], setup.roots.frames[0][4]);
        setup.heap.array_set_ref(array, index, ephemeron);
    }
    for _ in 0..3 {
        let node = setup.node();
        setup.heap.write_ref(node, 4, setup.roots.frames[0][2]);
        setup.roots.frames[0][2] = node;
    }
    setup.roots.frames[0] = vec![setup.roots.frames[0][2], setup.roots.frames[0][1], 0, 0, 0, 0, 0, 0];
    setup.heap.promote_all(&mut setup.roots);
    setup
}

#[test]
fn a_thousandfold_key_does_not_lengthen_a_slice() {
    let config = HeapConfig { mark_slice: NonZeroU64::new(500), initial_bytes: 200 << 20, ..HeapConfig::default() };
    let count = 50_000;
    let mut setup = fan(config, count);
    setup.end_marking();
    while setup.heap.step(&mut setup.roots) {}
    setup.events.lock().unwrap().clear();
    setup.heap.start_major(&mut setup.roots);
    setup.end_marking();
    let longest = setup.events.lock().unwrap().iter().map(|event| event.work_units).max();
    assert!(longest.unwrap() < 500 + 1024 + 64, "a slice of {longest:?} units");
    let units = setup.marked_fields();
    assert!(units > count as u64 * 9, "{units} units: the ephemerons did not wait");
    while setup.heap.step(&mut setup.roots) {}
    setup.heap.check(&mut setup.roots);
    assert_eq!(count_held(&mut setup), count);
}

/// The mutator reads keys in the middle of the chain and drops its head while a helper marks.
#[test]
fn ephemerons_wake_for_what_the_mutator_marks_beside_a_helper() {
    let helpers = Some(Arc::new(Helpers::new(1)));
    for (seed, mark_slice) in [(1, None), (2, NonZeroU64::new(64)), (3, NonZeroU64::new(64))] {
        for helpers in [None, helpers.clone()] {
            let count = 3_000;
            let config = HeapConfig { mark_slice, helpers, initial_bytes: 200 << 20, ..HeapConfig::default() };
            let mut setup = chain(config, count, |index| count - 1 - index);
            setup.heap.collect_major(&mut setup.roots);
            let mut random = Random::new(seed);
            let mut held = 0;
            for _ in 0..4 {
                setup.heap.start_major(&mut setup.roots);
                for _ in 0..random.below(60) {
                    setup.heap.step(&mut setup.roots);
                }
                // The chain from here on is held by the mutator alone.
                let index = random.below(count as usize / 8) as u32 + held;
                let cell = setup.heap.array_get_ref(setup.roots.frames[0][1], count - 1 - index);
                // With many shaded objects the mutator marks them itself.
                setup.heap.hooks().shade_marked = random.below(2) == 0;
                let (key, _) = setup.heap.ephemeron_get(cell).unwrap();
                setup.roots.frames[0][0] = key;
                held = index;
                setup.heap.hooks().shade_marked = false;
                setup.end_marking();
                while setup.heap.step(&mut setup.roots) {}
                setup.heap.check(&mut setup.roots);
                assert!(count_held(&mut setup) >= count - held);
            }
            setup.major();
            assert_eq!(count_held(&mut setup), count - held);
        }
    }
}

#[test]
fn without_memory_for_the_table_ephemerons_hold_their_keys_for_a_marking() {
    let mut setup = chain(HeapConfig { initial_bytes: 200 << 20, ..HeapConfig::default() }, 10_000, |index| index);
    let next = setup.heap.backing_calls() + 1;
    setup.heap.refuse_calls(next..next + 1);
    setup.roots.frames[0][0] = 0;
    setup.major();
    assert!(setup.heap.stats().held_ephemerons > 0, "the call that failed was not that of the table");
    assert_eq!(count_held(&mut setup), 10_000);
    setup.major();
    assert_eq!(count_held(&mut setup), 0);
}

#[test]
fn an_ephemeron_that_is_scanned_twice_waits_once() {
    let count = 500;
    let mut setup = fan(HeapConfig { mark_slice: NonZeroU64::new(50), ..verified() }, count);
    setup.major();
    for held in [true, false] {
        if !held {
            setup.roots.frames[0][0] = 0;
        }
        setup.heap.start_major(&mut setup.roots);
        setup.heap.hooks().shade_marked = true;
        for round in 0..40 {
            let array = setup.roots.frames[0][1];
            for index in (round..count).step_by(40) {
                let cell = setup.heap.array_get_ref(array, index);
                setup.heap.shade(cell);
            }
            setup.heap.step(&mut setup.roots);
        }
        setup.heap.hooks().shade_marked = false;
        setup.end_marking();
        while setup.heap.step(&mut setup.roots) {}
        assert_eq!(count_held(&mut setup), if held { count } else { 0 });
    }
}

/// Keys die while ephemerons wait for them, and others take their places.
#[test]
fn nobody_waits_for_a_dead_key_in_the_next_marking() {
    let mut setup = setup(verified());
    let count = 300;
    setup.roots.frames[0][1] = setup.heap.alloc_old_array(setup.types.refs, count, &mut setup.roots).unwrap();
    for round in 0..6 {
        for index in 0..count {
            // Its key lives in every second round, found by a marking after the ephemeron.
            setup.roots.frames[0][2] =
                setup.heap.alloc_old_struct(setup.types.structs[1].id, &mut setup.roots).unwrap();
            setup.roots.frames[0][3] = setup.node();
            if round % 2 == 1 {
                let (key, head) = (setup.roots.frames[0][2], setup.roots.frames[0][0]);
                setup.heap.write_ref(key, 4, head);
                setup.roots.frames[0][0] = key;
            }
            setup.ephemeron(4, 2, 3);
            let (array, ephemeron) = (setup.roots.frames[0][1], setup.roots.frames[0][4]);
            setup.heap.array_set_ref(array, index, ephemeron);
        }
        (2..5).for_each(|slot| setup.roots.frames[0][slot] = 0);
        setup.major();
        assert_eq!(count_held(&mut setup), if round % 2 == 1 { count } else { 0 });
        setup.roots.frames[0][0] = 0;
    }
}
