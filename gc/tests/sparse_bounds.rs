//! The bounds of evacuation of sparse blocks, in work units: bytes moved and words looked at in a pause, entries of the
//! block table looked at for a choice; for fragmented heaps, popular objects and many roots.

mod common;

use common::{Random, Roots, Types};
use heapwood_gc::{GcEvent, GcEventKind, Heap, HeapConfig, HeapStats};
use heapwood_gc_abi::RawRef;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

/// What a pause may move.
const BYTES_MAX: u64 = 48 << 10;
/// Recorded words of the groups that share a pause; of one that does not.
const INCOMING_MAX: u64 = 2 * 4096;
/// Entries of the block table that a choice may look at.
const ENTRIES_MAX: u64 = 8 << 10;

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
    random: Random,
    events: Arc<Mutex<Vec<GcEvent>>>,
}

fn setup() -> Setup {
    let types = Types::new();
    let config = HeapConfig {
        max_bytes: 1 << 30,
        nursery_bytes: Some(64 << 10),
        mark_slice: NonZeroU64::new(50_000),
        ..HeapConfig::default()
    };
    let mut heap = Heap::new(&config, types.table.clone()).unwrap();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let roots = Roots { frames: vec![vec![0; 8]], globals: vec![0; 8], dirty: vec![false; 8], ..Roots::default() };
    Setup { heap, types, roots, random: Random::new(7), events }
}

impl Setup {
    fn node(&mut self) -> RawRef {
        self.heap.alloc_struct(self.types.structs[2].id, &mut self.roots).unwrap()
    }

    fn slot(&mut self, slot: usize) -> &mut RawRef {
        &mut self.roots.frames[0][slot]
    }

    /// An array of `length` nodes in a slot.
    fn array(&mut self, slot: usize, length: u32) {
        *self.slot(slot) = self.heap.alloc_array(self.types.refs, length, &mut self.roots).unwrap();
        for index in 0..length {
            let node = self.node();
            let array = *self.slot(slot);
            self.heap.array_set_ref(array, index, node);
        }
    }

    /// Forgets elements of an array, all but one of `part`.
    fn thin_out(&mut self, slot: usize, part: usize) {
        let array = *self.slot(slot);
        for index in 0..self.heap.array_length(array) {
            if self.random.below(part) != 0 {
                self.heap.array_set_ref(array, index, 0);
            }
            if self.heap.wants_collection() {
                self.heap.collect_minor(&mut self.roots);
            }
        }
    }

    /// Runs until blocks were evacuated in some markings.
    fn work(&mut self, nodes: usize) -> HeapStats {
        for _ in 0..nodes {
            self.node();
        }
        let stats = self.heap.stats();
        assert!(stats.evacuation_bytes_max <= BYTES_MAX, "{} bytes moved", stats.evacuation_bytes_max);
        let entries = stats.evacuation_entries_max;
        assert!(entries > 0 && entries <= ENTRIES_MAX, "{entries} entries looked at");
        for event in self.events.lock().unwrap().iter().filter(|event| event.kind == GcEventKind::Evacuate) {
            // Recorded words, and the words of what moved.
            assert!(event.promoted <= BYTES_MAX && event.remembered <= INCOMING_MAX + event.promoted / 4, "{event:?}");
            assert_eq!((event.roots, event.frames), (0, 0), "roots are not looked at");
        }
        stats
    }
}

#[test]
fn lists_and_arrays_of_all_densities() {
    for part in [2, 3, 5, 20, 200] {
        let mut setup = setup();
        setup.array(1, 200_000);
        setup.thin_out(1, part);
        let stats = setup.work(400_000);
        let moved = stats.evacuated_bytes as usize;
        assert!(stats.evacuated_blocks > 20 && moved > 0, "one of {part}: {} blocks", stats.evacuated_blocks);
        setup.heap.check(&mut setup.roots);
    }
}

#[test]
fn a_popular_object_stays_and_so_does_what_lies_beside_it() {
    let mut setup = setup();
    setup.array(1, 50_000);
    // A million words hold the node in the middle.
    *setup.slot(2) = setup.heap.alloc_array(setup.types.refs, 1_000_000, &mut setup.roots).unwrap();
    let array = *setup.slot(1);
    let popular = setup.heap.array_get_ref(array, 25_000);
    let array = *setup.slot(2);
    setup.heap.array_fill_ref(array, 0, 1_000_000, popular);
    setup.thin_out(1, 10);
    let array = *setup.slot(1);
    setup.heap.array_set_ref(array, 25_000, popular);
    let stats = setup.work(600_000);
    assert!(stats.evacuated_blocks > 10, "{} blocks", stats.evacuated_blocks);
    let array = *setup.slot(2);
    assert_eq!(setup.heap.array_get_ref(array, 999_999), popular, "it did not move");
    setup.heap.check(&mut setup.roots);
}

#[test]
fn a_million_roots_are_looked_at_by_the_marking_alone() {
    let mut setup = setup();
    setup.array(1, 100_000);
    setup.thin_out(1, 8);
    (setup.roots.globals, setup.roots.dirty) = (vec![0; 1_000_000], vec![false; 1_000_000]);
    let array = *setup.slot(1);
    let held: Vec<RawRef> = (0..100_000).map(|index| setup.heap.array_get_ref(array, index)).collect();
    let held: Vec<RawRef> = held.into_iter().filter(|node| *node != 0).take(300).collect();
    for (global, node) in setup.roots.globals.iter_mut().zip(held.iter().cycle()) {
        *global = *node;
    }
    let stats = setup.work(600_000);
    assert!(stats.evacuated_blocks > 10, "{} blocks", stats.evacuated_blocks);
    assert!(setup.roots.globals.iter().zip(held.iter().cycle()).all(|(now, then)| now == then), "none of them moved");
    setup.heap.check(&mut setup.roots);
}
