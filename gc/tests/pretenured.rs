//! Objects of every size, young or pretenured, that get their references right after they were allocated, by each of
//! the heap's ways to write them; while nothing is going on, while a marking runs, and while blocks are evacuated.
//!
//! The references name young objects and old ones in sparse blocks, and nothing else names those afterwards. The
//! verifier runs around each collection; at the end each object has to be the one that was stored.

mod common;

use common::{Roots, StructType, Types, World, struct_type};
use heapwood_gc::{Heap, HeapConfig};
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use heapwood_gc_abi::space::{CHUNK_BYTES, CHUNKED_ARRAY_BYTES_MIN, FRESH_ARRAY_BYTES_MAX, INLINE_BYTES_MAX};
use heapwood_gc_abi::{FieldKind, RawRef, i31_encode};
use std::num::NonZeroU64;

const EDEN_BYTES: u32 = 64 << 10;
/// Where the heap treats objects otherwise than below.
const THRESHOLDS: [u32; 6] = [
    CHUNK_BYTES,
    CHUNKED_ARRAY_BYTES_MIN,
    FRESH_ARRAY_BYTES_MAX,
    // Objects up to this size are young.
    EDEN_BYTES / 4,
    // Objects up to this size are young in a large nursery. It is also the size of a block, and the largest that
    // compiled code allocates inline.
    INLINE_BYTES_MAX,
    EDEN_BYTES,
];
/// An array of as many chunks as the log's cap.
const LONG: u32 = 4096 * CHUNK_BYTES / 4;
/// Old objects that are named, and as many that are not for each of them.
const KEPT: u32 = 600;
const DROPPED: u32 = 12;
/// Slots of the roots.
const POOL: usize = 0;
const OBJECT: usize = 1;
const OTHER: usize = 2;
const YOUNG: usize = 3;
const YOUNG_COUNT: usize = 40;

/// What goes on when the object is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Nothing,
    /// A marking, in small slices.
    Marking,
    /// A marking that records the words which lead into blocks that are to be evacuated.
    Recording,
    /// The marking has ended, and the blocks are not evacuated yet.
    Moving,
}

/// How references get into the object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Stores with the barrier into an object that is old if it is large.
    Stores,
    /// Stores with the barrier into an object that is old in any case.
    OldStores,
    /// `log_fresh`, and stores without a barrier, as compiled code does.
    BornLogged,
    /// `log_fresh`, and stores without a barrier into an object that is old in any case.
    OldBornLogged,
    /// A fill with one value (arrays only).
    Fill,
    /// A copy of an array that was filled before (arrays only).
    Copy,
}

const WAYS: [Way; 6] = [Way::Stores, Way::OldStores, Way::BornLogged, Way::OldBornLogged, Way::Fill, Way::Copy];

/// A reference that is stored.
enum Value {
    Null,
    I31,
    Young(u32),
    Old(u32),
}

/// The one that is stored as the `index`th. Few are old: a block that more than 1,024 words lead to stays as it is.
fn value(index: u32) -> Value {
    match index % 8 {
        3 => Value::I31,
        5 => Value::Null,
        1 | 6 | 7 if index % 256 < 8 => Value::Old((index / 256 * 3 + index % 8) * 7 % KEPT),
        _ => Value::Young(index / 2 % YOUNG_COUNT as u32),
    }
}

struct Setting {
    world: World,
    node: StructType,
    state: State,
}

impl Setting {
    fn new(state: State) -> Setting {
        let config = HeapConfig {
            max_bytes: 64 << 20,
            nursery_bytes: Some(EDEN_BYTES),
            verify: true,
            mark_slice: if state == State::Nothing { None } else { NonZeroU64::new(200) },
            evacuate: matches!(state, State::Recording | State::Moving),
            ..HeapConfig::default()
        };
        let types = Types::new();
        let node = struct_type(&types.table, &[FieldKind::I64, FieldKind::Ref, FieldKind::I64]);
        let heap = Heap::new(&config, types.table.clone()).unwrap();
        let mut world = World::with(heap, types, 1);
        world.roots = Roots { frames: vec![vec![0; YOUNG + YOUNG_COUNT]], ..Roots::default() };
        Setting { world, node, state }
    }

    fn node(&mut self, number: u64) -> RawRef {
        let World { heap, roots, .. } = &mut self.world;
        let node = heap.alloc_struct(self.node.id, roots).unwrap();
        heap.write_i64(node, 8, number);
        node
    }

    fn slot(&mut self, index: usize) -> &mut RawRef {
        &mut self.world.roots.frames[0][index]
    }

    /// Garbage for about one minor.
    fn churn(&mut self) {
        for _ in 0..EDEN_BYTES / 2 / 32 {
            self.node(u64::MAX);
        }
    }

    /// Old nodes in sparse blocks, and the state that is wanted.
    fn prepare(&mut self) {
        let World { heap, roots, types, .. } = &mut self.world;
        let pool = heap.alloc_old_array(types.refs, KEPT, roots).unwrap();
        *self.slot(POOL) = pool;
        for number in 0..KEPT * DROPPED {
            let node = self.node((number / DROPPED) as u64);
            let pool = *self.slot(POOL);
            self.world.heap.array_set_ref(pool, number / DROPPED, node);
        }
        self.world.heap.promote_all(&mut self.world.roots);
        let churn_until = |setting: &mut Setting, marking: bool| {
            let minors = setting.world.heap.stats().minors;
            while setting.world.heap.is_marking() != marking {
                setting.node(u64::MAX);
                assert!(setting.world.heap.stats().minors < minors + 500, "marking: {marking} is not reached");
            }
        };
        match self.state {
            State::Nothing => {}
            State::Marking | State::Recording => {
                churn_until(self, false);
                churn_until(self, true);
            }
            State::Moving => {
                churn_until(self, true);
                churn_until(self, false);
            }
        }
    }

    /// Young and old nodes, by the number that they have; 0 stands for null, 1 for an i31.
    fn young_nodes(&mut self) {
        for index in 0..YOUNG_COUNT {
            let node = self.node((KEPT + index as u32) as u64);
            *self.slot(YOUNG + index) = node;
        }
    }

    /// The reference that is stored as the `index`th.
    fn value(&mut self, index: u32) -> RawRef {
        match value(index) {
            Value::Null => 0,
            Value::I31 => i31_encode(index),
            Value::Young(young) => *self.slot(YOUNG + young as usize),
            Value::Old(old) => {
                let pool = *self.slot(POOL);
                self.world.heap.array_get_ref(pool, old)
            }
        }
    }

    /// What element or field `index` has to hold after all collections.
    fn check(&mut self, way: Way, index: u32, found: RawRef) {
        let index = if way == Way::Fill { 0 } else { index };
        let number = match value(index) {
            Value::Null => return assert_eq!(found, 0),
            Value::I31 => return assert_eq!(found, i31_encode(index)),
            Value::Young(young) => KEPT + young,
            Value::Old(old) => old,
        };
        assert!(found != 0 && found & 1 == 0, "{way:?}, {index}: {found:#x} is no object");
        assert_eq!(self.world.heap.read_i64(found, 8), number as u64, "{way:?}, {index}");
    }

    /// Forgets everything but the object, and collects until what goes on is over.
    fn finish(&mut self) {
        let pool = *self.slot(POOL);
        self.world.heap.array_fill_ref(pool, 0, KEPT, 0);
        for index in (POOL..=POOL).chain(OTHER..YOUNG + YOUNG_COUNT) {
            *self.slot(index) = 0;
        }
        let before = self.world.heap.stats();
        let mut rounds = 0;
        loop {
            self.churn();
            rounds += 1;
            let now = self.world.heap.stats();
            let over = match self.state {
                State::Nothing => true,
                State::Marking => now.markings > before.markings,
                State::Recording | State::Moving => now.evacuated_blocks > before.evacuated_blocks,
            };
            if over && rounds >= 4 {
                break;
            }
            assert!(rounds < 2_000, "{:?} does not end", self.state);
        }
        if self.state == State::Moving {
            let markings = self.world.heap.stats().markings - before.markings;
            assert!(markings <= rounds, "blocks were evacuated after another marking only");
        }
        self.world.heap.collect_major(&mut self.world.roots);
    }
}

/// Makes an array of `length` references.
fn make_array(setting: &mut Setting, way: Way, length: u32) {
    let refs = setting.world.types.refs;
    if way == Way::Copy {
        let World { heap, roots, .. } = &mut setting.world;
        let other = heap.alloc_array(refs, length, roots).unwrap();
        *setting.slot(OTHER) = other;
        for index in 0..length {
            let value = setting.value(index);
            let other = *setting.slot(OTHER);
            setting.world.heap.array_set_ref(other, index, value);
        }
    }
    let World { heap, roots, .. } = &mut setting.world;
    let array = match way {
        Way::OldStores | Way::OldBornLogged => heap.alloc_old_array(refs, length, roots).unwrap(),
        _ => heap.alloc_array(refs, length, roots).unwrap(),
    };
    *setting.slot(OBJECT) = array;
    match way {
        Way::Stores | Way::OldStores => {
            for index in 0..length {
                let value = setting.value(index);
                setting.world.heap.array_set_ref(array, index, value);
            }
        }
        Way::BornLogged | Way::OldBornLogged => {
            setting.world.heap.log_fresh(array);
            for index in 0..length {
                let value = setting.value(index);
                setting.world.heap.poke(array + ARRAY_ELEMENTS_OFFSET / 4 + index, value);
            }
        }
        Way::Fill => {
            let value = setting.value(0);
            if setting.world.heap.fill_wants_promotion(array, length, value) {
                setting.world.heap.promote_all(&mut setting.world.roots);
            }
            let (value, array) = (setting.value(0), *setting.slot(OBJECT));
            setting.world.heap.array_fill_ref(array, 0, length, value);
        }
        Way::Copy => {
            let other = *setting.slot(OTHER);
            setting.world.heap.array_copy(array, 0, other, 0, length);
        }
    }
}

/// Makes a struct of `count` references.
fn make_struct(setting: &mut Setting, way: Way, ty: &StructType) {
    let World { heap, roots, .. } = &mut setting.world;
    let object = match way {
        Way::OldStores | Way::OldBornLogged => heap.alloc_old_struct(ty.id, roots).unwrap(),
        _ => heap.alloc_struct(ty.id, roots).unwrap(),
    };
    *setting.slot(OBJECT) = object;
    if matches!(way, Way::BornLogged | Way::OldBornLogged) {
        setting.world.heap.log_fresh(object);
    }
    for (index, offset) in (0..).zip(&ty.refs) {
        let value = setting.value(index);
        match way {
            Way::BornLogged | Way::OldBornLogged => setting.world.heap.poke(object + offset / 4, value),
            _ => setting.world.heap.write_ref(object, *offset as u64, value),
        }
    }
}

/// Numbers of references such that an object of `header` bytes and them is just below, at and above each threshold.
fn counts(header: u32, most: u32) -> Vec<u32> {
    let around = |bytes: u32| (bytes - header) / 4;
    let mut counts: Vec<u32> = THRESHOLDS.iter().flat_map(|bytes| around(*bytes) - 2..=around(*bytes) + 2).collect();
    counts.extend([0, 1, most]);
    counts.retain(|count| *count <= most);
    counts.sort_unstable();
    counts.dedup();
    counts
}

fn arrays(state: State) -> usize {
    let mut cases = 0;
    for length in counts(8, LONG) {
        for way in WAYS {
            let mut setting = Setting::new(state);
            setting.prepare();
            setting.young_nodes();
            make_array(&mut setting, way, length);
            setting.finish();
            for index in 0..length {
                let array = *setting.slot(OBJECT);
                let found = setting.world.heap.array_get_ref(array, index);
                setting.check(way, index, found);
            }
            cases += 1;
        }
    }
    cases
}

fn structs(state: State) -> usize {
    let mut cases = 0;
    for count in counts(4, 10_000) {
        for way in WAYS.into_iter().filter(|way| !matches!(way, Way::Fill | Way::Copy)) {
            let mut setting = Setting::new(state);
            let ty = struct_type(&setting.world.types.table, &vec![FieldKind::Ref; count as usize]);
            setting.prepare();
            setting.young_nodes();
            make_struct(&mut setting, way, &ty);
            setting.finish();
            for (index, offset) in (0..).zip(&ty.refs) {
                let object = *setting.slot(OBJECT);
                let found = setting.world.heap.read_ref(object, *offset as u64);
                setting.check(way, index, found);
            }
            cases += 1;
        }
    }
    cases
}

macro_rules! in_all_states {
    ($($name:ident: $state:ident,)*) => {
        $(#[test]
        fn $name() {
            let (arrays, structs) = (arrays(State::$state), structs(State::$state));
            println!("{:?}: {arrays} arrays, {structs} structs", State::$state);
            assert_eq!((arrays, structs), (198, 112), "cases");
        })*
    };
}

in_all_states! {
    while_nothing_goes_on: Nothing,
    while_a_marking_runs: Marking,
    while_a_marking_records_edges: Recording,
    while_blocks_are_to_be_evacuated: Moving,
}
