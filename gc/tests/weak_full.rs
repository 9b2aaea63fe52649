//! A heap that is full of values whose keys are dead is not full: whatever way it comes to its emergency.

mod common;

use common::{Roots, Types};
use heapwood_gc::{Heap, HeapConfig, Helpers};
use heapwood_gc_abi::RawRef;
use std::num::NonZeroU64;
use std::sync::Arc;

const LIMIT: u64 = 16 << 20;
/// Ephemerons, and bytes of each value.
const COUNT: u32 = 40_000;
const VALUE_BYTES: u32 = 160;

/// Array of the ephemerons, array of the keys, and what is read in between.
const CELLS: usize = 0;
const KEYS: usize = 1;
const KEY: usize = 2;
const VALUE: usize = 3;
const LIST: usize = 4;

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
}

impl Setup {
    /// `COUNT` ephemerons that are held, with their keys.
    fn new(config: HeapConfig) -> Setup {
        let types = Types::new();
        let config = HeapConfig { max_bytes: LIMIT, ..config };
        let heap = Heap::new(&config, types.table.clone()).unwrap();
        let roots = Roots { frames: vec![vec![0; 8]], ..Roots::default() };
        let mut setup = Setup { heap, types, roots };
        for array in [CELLS, KEYS] {
            let made = setup.heap.alloc_old_array(setup.types.refs, COUNT, &mut setup.roots).unwrap();
            setup.roots.frames[0][array] = made;
        }
        for number in 0..COUNT {
            setup.put(number);
        }
        setup
    }

    fn put(&mut self, number: u32) {
        self.roots.frames[0][KEY] = self.node();
        let value = self.heap.alloc_array(self.types.data[0].0, VALUE_BYTES, &mut self.roots).unwrap();
        self.roots.frames[0][VALUE] = value;
        let cell = self.heap.alloc_weak(self.types.ephemeron, &mut self.roots).unwrap();
        let frame = &self.roots.frames[0];
        self.heap.init_ephemeron(cell, frame[KEY], frame[VALUE]);
        self.heap.array_set_ref(frame[CELLS], number, cell);
        self.heap.array_set_ref(frame[KEYS], number, frame[KEY]);
    }

    fn node(&mut self) -> RawRef {
        self.heap.alloc_struct(self.types.structs[1].id, &mut self.roots).unwrap()
    }

    /// Makes a list until the heap is full; its bytes.
    fn fill(&mut self) -> u64 {
        self.roots.frames[0][KEY] = 0;
        self.roots.frames[0][VALUE] = 0;
        let mut bytes = 0;
        while let Ok(node) = self.heap.alloc_struct(self.types.structs[1].id, &mut self.roots) {
            self.heap.write_ref(node, 4, self.roots.frames[0][LIST]);
            self.roots.frames[0][LIST] = node;
            bytes += 16;
        }
        bytes
    }

    fn held(&mut self) -> u32 {
        let cells = self.roots.frames[0][CELLS];
        (0..COUNT)
            .map(|number| self.heap.array_get_ref(cells, number))
            .collect::<Vec<_>>()
            .iter()
            .fold(0, |held, cell| held + u32::from(self.heap.ephemeron_get(*cell).is_some()))
    }
}

fn configurations() -> Vec<HeapConfig> {
    // A first marking comes late, or markings are under way all the time.
    let late = HeapConfig { initial_bytes: LIMIT, ..HeapConfig::default() };
    let slices = HeapConfig { mark_slice: NonZeroU64::new(100), ..HeapConfig::default() };
    let helpers = Some(Arc::new(Helpers::new(1)));
    vec![
        late.clone(),
        HeapConfig { nursery_bytes: Some(64 << 10), ..late.clone() },
        HeapConfig { helpers: helpers.clone(), ..late },
        slices.clone(),
        HeapConfig { helpers, ..slices },
    ]
}

#[test]
fn values_of_dead_keys_make_room() {
    for (number, config) in configurations().into_iter().enumerate() {
        for lose_log in [false, true] {
            let with_keys = Setup::new(config.clone()).fill();
            let mut setup = Setup::new(config.clone());
            assert_eq!(setup.held(), COUNT);
            setup.roots.frames[0][KEYS] = 0;
            setup.heap.hooks().lose_next_log = lose_log;
            let without_keys = setup.fill();
            println!("{number}, log lost: {lose_log}: {with_keys} bytes, {without_keys} bytes when the keys are dead");
            let freed = u64::from(COUNT) * u64::from(VALUE_BYTES);
            assert_eq!(setup.heap.stats().held_ephemerons, 0);
            assert!(without_keys > with_keys + freed * 9 / 10, "configuration {number}, log lost: {lose_log}");
            assert_eq!(setup.held(), 0);
        }
    }
}

/// Ephemerons themselves fill the heap: their table is part of what they take, and they are let go like anything else.
#[test]
fn ephemerons_fill_the_heap_and_go() {
    for (number, config) in configurations().into_iter().enumerate() {
        let mut setup = Setup::new(config);
        setup.roots.frames[0][CELLS] = 0;
        setup.roots.frames[0][KEYS] = 0;
        for round in 0..3 {
            // A list of keys; each but the first is the value of the one before.
            setup.roots.frames[0][LIST] = setup.node();
            let mut count = 0;
            loop {
                setup.roots.frames[0][KEY] = match setup.heap.alloc_struct(setup.types.structs[1].id, &mut setup.roots)
                {
                    Ok(node) => node,
                    Err(_) => break,
                };
                let Ok(cell) = setup.heap.alloc_weak(setup.types.ephemeron, &mut setup.roots) else { break };
                let frame = &setup.roots.frames[0];
                setup.heap.init_ephemeron(cell, frame[LIST], frame[KEY]);
                setup.heap.write_ref(frame[KEY], 4, frame[LIST]);
                setup.heap.write_ref(frame[KEY], 8, cell);
                setup.roots.frames[0][LIST] = frame[KEY];
                count += 1;
            }
            println!("{number}, round {round}: {count} ephemerons");
            assert!(count > 150_000, "configuration {number}, round {round}: only {count}");
            setup.heap.check(&mut setup.roots);
            setup.roots.frames[0][LIST] = 0;
            setup.roots.frames[0][KEY] = 0;
        }
        assert_eq!(setup.heap.stats().held_ephemerons, 0);
    }
}

/// The repair of a lost log takes ephemerons for strong: nothing is lost by that, and the next marking lets go.
#[test]
fn a_repair_keeps_values_until_the_next_marking() {
    let mut setup = Setup::new(HeapConfig { initial_bytes: LIMIT, verify: false, ..HeapConfig::default() });
    setup.heap.collect_minor(&mut setup.roots);
    setup.roots.frames[0][KEYS] = 0;
    setup.heap.hooks().lose_next_log = true;
    // The first one gets a new value, which is what the log loses.
    let value = setup.heap.alloc_array(setup.types.data[0].0, VALUE_BYTES, &mut setup.roots).unwrap();
    let cell = setup.heap.array_get_ref(setup.roots.frames[0][CELLS], 0);
    assert!(setup.heap.ephemeron_set_value(cell, value));
    setup.heap.collect_minor(&mut setup.roots);
    assert_eq!(setup.heap.stats().compactions, 1, "the log was repaired");
    setup.heap.check(&mut setup.roots);
    assert_eq!(setup.held(), COUNT);
    setup.heap.collect_major(&mut setup.roots);
    setup.heap.check(&mut setup.roots);
    // The last one's key is in the frame.
    assert_eq!(setup.held(), 1);
}
