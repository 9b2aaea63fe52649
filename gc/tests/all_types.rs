//! Every id that the type table gives, with an object of each: collections cost exactly what they cost with a few
//! types.

mod common;

use common::Roots;
use heapwood_gc::{GcEvent, GcEventKind, Heap, HeapConfig, TypeDefinition, TypeTable};
use heapwood_gc_abi::{ObjectKind, TypeId};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// Ids of types without ancestors: the table of 128 MiB by descriptors of 64 bytes, less the first and the last one.
const IDS: usize = (128 << 20) / 64 - 2;
/// What a slice marks where the program does not allocate meanwhile, and the elements that it scans at once.
const SLICE_UNITS_MAX: u64 = 8_000 + 1_024;

/// Adds types of 16 bytes with two references until `count` ids are taken, or the table is full.
fn add_types(table: &TypeTable, count: usize) -> Vec<TypeId> {
    let definition = TypeDefinition {
        ancestors: &[],
        kind: ObjectKind::Struct,
        elem_shift: 0,
        object_bytes: 16,
        ref_offsets: &[4, 8],
    };
    let mut ids = Vec::new();
    while ids.len() < count {
        match table.add(&definition) {
            Ok(id) => ids.push(id),
            Err(full) => {
                let text = full.to_string();
                assert!(text.contains(&table.len().to_string()), "{text} does not name the number of types");
                break;
            }
        }
    }
    ids
}

/// What a program cost, in units that do not depend on time.
#[derive(PartialEq, Eq, Debug)]
struct Cost {
    /// Of each minor: bytes promoted, log entries, roots, units.
    minors: Vec<[u64; 4]>,
    /// Of the slices of a marking, together.
    marking: u64,
    major: u64,
    compaction: u64,
    live_bytes: u64,
}

/// Makes `IDS` objects of the types in turns, in a list with a second link, and collects in all ways.
fn cost(table: &Arc<TypeTable>, ids: &[TypeId]) -> Cost {
    // No marking begins by itself.
    let config = HeapConfig {
        max_bytes: 1 << 30,
        initial_bytes: 900 << 20,
        nursery_bytes: Some(256 << 10),
        ..HeapConfig::default()
    };
    let mut heap = Heap::new(&config, table.clone()).unwrap();
    let events = Arc::new(Mutex::new(Vec::<GcEvent>::new()));
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let take = |kind| -> Vec<GcEvent> {
        let events = std::mem::take(&mut *events.lock().unwrap());
        events.into_iter().filter(|event| event.kind == kind).collect()
    };
    let units = |kind| take(kind).iter().map(|event| event.work_units).sum();
    let mut roots = Roots { frames: vec![vec![0; 2]], ..Roots::default() };
    for number in 0..IDS {
        // Neighbours in the heap have ids that are far from each other.
        let ty = ids[number * 7_919 % ids.len()];
        let object = heap.alloc_struct(ty, &mut roots).unwrap();
        let frame = &mut roots.frames[0];
        heap.write_ref(object, 4, frame[0]);
        if number % 100 == 0 {
            frame[1] = object;
        }
        heap.write_ref(object, 8, frame[1]);
        frame[0] = object;
    }
    heap.promote_all(&mut roots);
    let minors = take(GcEventKind::Minor);
    let minors = minors.iter().map(|event| [event.promoted, event.remembered, event.roots, event.work_units]).collect();
    heap.start_major(&mut roots);
    while heap.is_marking() {
        heap.step(&mut roots);
    }
    let slices = take(GcEventKind::Slice);
    let longest = slices.iter().map(|event| event.work_units).max().unwrap();
    assert!(longest <= SLICE_UNITS_MAX, "{longest} units in a slice");
    let marking = slices.iter().map(|event| event.work_units).sum();
    heap.collect_major(&mut roots);
    let major = units(GcEventKind::Major);
    heap.collect_moving(&mut roots);
    let compaction = units(GcEventKind::Major);
    // Everything is there, and of its type.
    let (mut found, mut object) = (HashSet::new(), roots.frames[0][0]);
    let mut count = 0;
    while object != 0 {
        found.insert(heap.type_of(object));
        count += 1;
        object = heap.read_ref(object, 4);
    }
    assert_eq!((count, found.len()), (IDS, ids.len()));
    Cost { minors, marking, major, compaction, live_bytes: heap.stats().live_bytes }
}

#[test]
fn collections_cost_the_same_with_every_id_in_use() {
    let table = || Arc::new(TypeTable::new().unwrap());
    let (few, all) = (table(), table());
    let ids = add_types(&few, 5);
    let few = cost(&few, &ids);
    let ids = add_types(&all, usize::MAX);
    assert_eq!(ids.len(), IDS);
    println!("{IDS} objects: {} minors, {} units of marking", few.minors.len(), few.marking);
    assert_eq!(cost(&all, &ids), few);
}
