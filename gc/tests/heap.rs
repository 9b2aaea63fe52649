//! The heap's promises one by one: birth, limits, large objects, host values, types, events.

mod common;

use common::{Roots, Types, array_type, struct_type};
use heapwood_gc::{
    Collector, Exhausted, GcCause, GcEvent, GcEventKind, Heap, HeapConfig, HeapError, NoRoots, Refused, TypeDefinition,
    TypeTable,
};
use heapwood_gc_abi::header::UNLOGGED;
use heapwood_gc_abi::hot::{ALLOC_LIMIT, ALLOC_TOP};
use heapwood_gc_abi::space::{INLINE_BYTES_MAX, NULL_ZONE_BYTES};
use heapwood_gc_abi::{FieldKind, ObjectKind, RawRef, TypeId};
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};

fn config(max_mib: u64) -> HeapConfig {
    HeapConfig { max_bytes: max_mib << 20, verify: true, ..HeapConfig::default() }
}

fn roots() -> Roots {
    Roots { frames: vec![vec![0; 8]], ..Roots::default() }
}

fn heap(config: &HeapConfig) -> (Heap, Types) {
    let types = Types::new();
    (Heap::new(config, types.table.clone()).unwrap(), types)
}

#[test]
fn a_newborn_heap_uses_almost_nothing() {
    let (mut heap, types) = heap(&HeapConfig::default());
    assert!(heap.stats().committed_bytes <= 128 << 10, "{} bytes at birth", heap.stats().committed_bytes);
    for _ in 0..1000 {
        heap.alloc_struct(types.structs[1].id, &mut NoRoots).unwrap();
    }
    assert!(heap.stats().committed_bytes <= 64 << 10, "{} bytes", heap.stats().committed_bytes);
    assert_eq!(heap.stats().minors, 0);
    assert!(heap.base() % (2 << 20) == 0);
}

#[test]
fn sizes_out_of_range_are_refused_by_name() {
    let table = Arc::new(TypeTable::new().unwrap());
    let new = |config: HeapConfig| Heap::new(&config, table.clone()).unwrap_err();
    let error = new(HeapConfig { max_bytes: 16 << 30, ..HeapConfig::default() });
    assert_eq!(error, HeapError::MaxBytes { max_bytes: 16 << 30 });
    assert!(error.to_string().contains("17179869184"), "{error}");
    let error = new(HeapConfig { nursery_bytes: Some(1), ..HeapConfig::default() });
    assert_eq!(error, HeapError::NurseryBytes { nursery_bytes: 1 });
}

#[test]
fn reserve_makes_the_bump_succeed() {
    for stress in [None, NonZeroU64::new(1), NonZeroU64::new(3)] {
        let (mut heap, types) = heap(&HeapConfig { stress, nursery_bytes: Some(64 << 10), ..config(64) });
        let mut roots = roots();
        let hot = |heap: &Heap, disp: i32| heap.peek_hot(disp);
        for step in 0..5_000u32 {
            let bytes = [16, 24, 1000, INLINE_BYTES_MAX][step as usize % 4];
            if hot(&heap, ALLOC_TOP) + bytes / 4 > hot(&heap, ALLOC_LIMIT) {
                heap.reserve(bytes, &mut roots).unwrap();
            }
            let top = hot(&heap, ALLOC_TOP);
            assert!(top + bytes / 4 <= hot(&heap, ALLOC_LIMIT), "the retry succeeds");
            heap.poke_hot(ALLOC_TOP, top + bytes / 4);
            heap.poke(top, types.data[0].0.header(0));
            heap.poke(top + 1, bytes - 8);
            roots.frames[0][step as usize % 2] = top;
        }
        heap.check(&mut roots);
        assert!(heap.stats().minors > 10);
    }
}

#[test]
fn exhaustion_names_the_limit_and_leaves_the_heap_usable() {
    let (mut heap, types) = heap(&config(8));
    let mut roots = roots();
    let mut nodes = 0u64;
    let error = loop {
        let node = match heap.alloc_struct(types.structs[1].id, &mut roots) {
            Ok(node) => node,
            Err(error) => break error,
        };
        heap.write_ref(node, 4, roots.frames[0][0]);
        roots.frames[0][0] = node;
        nodes += 1;
    };
    assert_eq!(error, Exhausted { limit_bytes: 8 << 20, requested_bytes: 16, why: Refused::Limit });
    assert!(error.to_string().contains("8388608"));
    assert!(nodes * 16 > 6 << 20, "only {} bytes of 8 MiB were filled", nodes * 16);
    assert!(heap.stats().peak_bytes <= 8 << 20, "the peak of {} passes the limit", heap.stats().peak_bytes);
    heap.check(&mut roots);
    assert!(heap.alloc_array(types.data[0].0, 4 << 20, &mut roots).is_err());
    roots.frames[0][0] = 0;
    heap.alloc_array(types.data[0].0, 4 << 20, &mut roots).unwrap();
    heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
}

#[test]
fn a_length_that_cannot_fit_fails_before_anything() {
    let (mut heap, types) = heap(&config(8));
    for (ty, _) in &types.data {
        for length in [u32::MAX, u32::MAX - 1, 1 << 31, (8 << 20) + 1] {
            assert!(heap.alloc_array(*ty, length, &mut NoRoots).is_err());
        }
    }
    assert_eq!((heap.stats().minors, heap.stats().majors), (0, 0));
}

#[test]
fn fragments_are_compacted_before_giving_up() {
    let (mut heap, types) = heap(&config(16));
    let mut roots = roots();
    // Fills the heap with arrays of 2 KiB and drops three in four: holes everywhere, no block free.
    let mut kept = Vec::new();
    loop {
        if heap.stats().committed_bytes > 14 << 20 {
            break;
        }
        let array = heap.alloc_old_array(types.data[0].0, 2000, &mut roots).unwrap();
        roots.frames[0].push(array);
    }
    kept.extend(roots.frames[0].iter().copied().filter(|array| *array != 0).step_by(4));
    roots.frames[0] = kept;
    let large = heap.alloc_array(types.data[0].0, 9 << 20, &mut roots).unwrap();
    roots.frames[0].push(large);
    assert!(heap.stats().compactions > 0);
    heap.check(&mut roots);
}

#[test]
fn large_objects_stay_in_place_and_are_freed() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    let large = heap.alloc_array(types.refs, 1 << 20, &mut roots).unwrap();
    roots.frames[0][0] = large;
    let used = heap.stats().committed_bytes;
    for index in 0..64 {
        let node = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
        heap.array_set_ref(large, index * 16_384, node);
    }
    heap.collect_minor(&mut roots);
    heap.collect_moving(&mut roots);
    assert_eq!(roots.frames[0][0], large);
    roots.frames[0][0] = 0;
    heap.collect_major(&mut roots);
    heap.return_memory();
    let left = heap.stats().committed_bytes;
    assert!(left < used - (3 << 20), "the pages went back: {left} of {used}");
    let again = heap.alloc_array(types.refs, 1 << 20, &mut roots).unwrap();
    assert!((0..1 << 20).all(|index| heap.array_get_ref(again, index) == 0), "fresh memory is zero");
}

#[test]
fn a_moving_collection_moves_every_small_object() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    roots.frames[0].clear();
    for _ in 0..5_000 {
        let node = heap.alloc_old_struct(types.structs[2].id, &mut roots).unwrap();
        roots.frames[0].push(node);
    }
    let before = roots.frames[0].clone();
    heap.collect_moving(&mut roots);
    let moved = before.iter().zip(&roots.frames[0]).filter(|(old, new)| old != new).count();
    assert_eq!(moved, 5_000);
}

#[test]
fn immortal_memory_lies_beyond_the_null_zone_and_is_zero() {
    let (mut heap, types) = heap(&config(64));
    let first = heap.alloc_immortal(100).unwrap();
    assert!(first as u64 * 4 >= NULL_ZONE_BYTES);
    let second = heap.alloc_immortal(1 << 20).unwrap();
    assert_eq!(second, first + 104 / 4);
    assert!((0..100).all(|index| heap.read_i64(second, index * 8) == 0));
    let a = heap.alloc_immortal_object(types.structs[1].id).unwrap();
    let b = heap.alloc_immortal_array(types.data[0].0, 10).unwrap();
    heap.init_immortal_ref(a, 4, b);
    let mut roots = roots();
    roots.frames[0][0] = a;
    heap.collect_major(&mut roots);
    heap.collect_moving(&mut roots);
    assert_eq!((roots.frames[0][0], heap.read_ref(a, 4)), (a, b));
    assert!(heap.alloc_immortal(1 << 30).is_err());
}

#[test]
fn pretenured_objects_wait_to_be_logged() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    let old = heap.alloc_old_struct(types.structs[1].id, &mut roots).unwrap();
    roots.frames[0][0] = old;
    assert!(heap.peek(old) & UNLOGGED != 0);
    let young = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
    heap.write_ref(old, 4, young);
    assert!(heap.peek(old) & UNLOGGED == 0, "logged once");
    heap.write_ref(old, 8, young);
    heap.collect_minor(&mut roots);
    assert!(heap.peek(old) & UNLOGGED != 0);
    let promoted = heap.read_ref(old, 4);
    assert!(heap.peek(promoted) & UNLOGGED != 0, "what an old object references is promoted at once");
    assert_eq!(heap.stats().log_entries, 1);
}

#[test]
fn survivors_age_once() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    for _ in 0..1000 {
        heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
    }
    roots.frames[0][0] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
    heap.collect_minor(&mut roots);
    assert_eq!((heap.stats().aged_bytes, heap.stats().promoted_bytes), (16, 0));
    heap.collect_minor(&mut roots);
    assert_eq!((heap.stats().aged_bytes, heap.stats().promoted_bytes), (16, 16));
}

#[test]
fn a_promoted_object_that_still_references_young_ones_is_logged() {
    // The elder is small, and copied in one go, or it is not.
    for elder in [1, 5] {
        promote_elder(elder);
    }
}

fn promote_elder(elder: usize) {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    let elder = &types.structs[elder];
    let field = elder.refs[0] as u64;
    let garbage = |heap: &mut Heap, roots: &mut Roots| {
        for _ in 0..1000 {
            heap.alloc_struct(types.structs[1].id, roots).unwrap();
        }
    };
    roots.frames[0][1] = heap.alloc_struct(elder.id, &mut roots).unwrap();
    let elder_bytes = heap.object_bytes(roots.frames[0][1]);
    garbage(&mut heap, &mut roots);
    heap.collect_minor(&mut roots);
    // The young object is met first, by the frame, and ages; then its elder is promoted.
    roots.frames[0][0] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
    heap.write_ref(roots.frames[0][1], field, roots.frames[0][0]);
    garbage(&mut heap, &mut roots);
    heap.collect_minor(&mut roots);
    assert!(heap.peek(roots.frames[0][1]) & UNLOGGED == 0, "the elder is logged");
    assert_eq!(heap.read_ref(roots.frames[0][1], field), roots.frames[0][0]);
    assert_eq!((heap.stats().aged_bytes, heap.stats().promoted_bytes), (elder_bytes + 16, elder_bytes));
    heap.collect_minor(&mut roots);
    assert_eq!(heap.stats().log_entries, 1);
    assert!(heap.peek(roots.frames[0][1]) & UNLOGGED != 0);
    assert_eq!(heap.read_ref(roots.frames[0][1], field), roots.frames[0][0]);
}

#[test]
fn arrays_above_a_kibibyte_are_copied_once() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    roots.frames[0][0] = heap.alloc_array(types.data[0].0, 1100, &mut roots).unwrap();
    heap.collect_minor(&mut roots);
    let array = roots.frames[0][0];
    assert_eq!(heap.stats().promoted_bytes, 1112);
    heap.collect_minor(&mut roots);
    assert_eq!(roots.frames[0][0], array);
}

#[test]
fn dead_host_values_are_queued_once() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    for index in 0..100 {
        let cell = heap.alloc_host_value(types.host, index, &mut roots).unwrap();
        if index == 7 {
            roots.frames[0][0] = cell;
        }
    }
    assert_eq!(heap.pop_dead_host_value(), None);
    heap.collect_minor(&mut roots);
    let mut dead: Vec<u32> = std::iter::from_fn(|| heap.pop_dead_host_value()).collect();
    dead.sort_unstable();
    assert_eq!(dead, (0..100).filter(|index| *index != 7).collect::<Vec<_>>());
    heap.collect_moving(&mut roots);
    assert_eq!(heap.read_i32(roots.frames[0][0], 4), 7);
    roots.frames[0][0] = 0;
    heap.collect_major(&mut roots);
    assert_eq!((heap.pop_dead_host_value(), heap.pop_dead_host_value()), (Some(7), None));
}

#[test]
fn each_stop_is_one_event() {
    let (mut heap, types) = heap(&HeapConfig { verify: false, ..config(64) });
    let events: Arc<Mutex<Vec<GcEvent>>> = Arc::default();
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let mut roots = roots();
    roots.frames[0][0] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
    heap.collect_minor(&mut roots);
    heap.collect_major(&mut roots);
    let events = events.lock().unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.kind, event.cause)).collect();
    let stops = [GcEventKind::Minor, GcEventKind::Major, GcEventKind::Slice];
    assert_eq!(kinds, stops.map(|kind| (kind, GcCause::Requested)), "the sweep of a major is a slice");
    assert_eq!((events[0].young_before, events[0].young_after, events[0].promoted), (16, 16, 0));
    assert_eq!((events[1].young_after, events[1].promoted, events[1].old_after), (0, 16, 16));
    assert!(events[0].t_us <= events[1].t_us && events[1].pause_us > 0.0 && events[1].frames == 1);
}

/// A minor knows how many blocks the old space has, not what in them is alive.
#[test]
fn minors_tell_the_old_space_by_blocks() {
    const BLOCK_BYTES: u64 = 32 << 10;
    let (mut heap, types) = heap(&HeapConfig { verify: false, ..config(64) });
    let events: Arc<Mutex<Vec<GcEvent>>> = Arc::default();
    let sink = events.clone();
    heap.set_listener(Some(Box::new(move |event| sink.lock().unwrap().push(*event))));
    let mut roots = roots();
    for _ in 0..50_000 {
        let object = heap.alloc_struct(types.structs[2].id, &mut roots).unwrap();
        heap.write_ref(object, 4, roots.frames[0][0]);
        roots.frames[0][0] = object;
    }
    heap.collect_major(&mut roots);
    heap.collect_minor(&mut roots);
    let live_bytes = 50_000 * 24;
    let last = *events.lock().unwrap().last().unwrap();
    assert_eq!((last.kind, last.old_before), (GcEventKind::Minor, last.old_after), "nothing is promoted");
    let blocks = last.old_after / BLOCK_BYTES;
    assert_eq!(last.old_after, blocks * BLOCK_BYTES);
    assert!((live_bytes..2 * live_bytes).contains(&last.old_after), "{blocks} blocks for {live_bytes} bytes");
}

#[test]
fn without_a_collector_memory_is_handed_out_until_the_limit() {
    let (mut heap, types) = heap(&HeapConfig { collector: Collector::None, verify: false, ..config(16) });
    let mut bytes = 0;
    let mut last = 0;
    while let Ok(object) = heap.alloc_struct(types.structs[2].id, &mut NoRoots) {
        heap.write_ref(object, 4, last);
        last = object;
        bytes += 24;
    }
    assert!(bytes > 13 << 20, "{bytes} of 16 MiB");
    assert_eq!((heap.stats().minors, heap.stats().majors), (0, 0));
    let mut count = 0;
    while last != 0 {
        last = heap.read_ref(last, 4);
        count += 1;
    }
    assert_eq!(count * 24, bytes);
}

#[test]
fn types_know_their_ancestors_and_reference_maps() {
    let table = TypeTable::new().unwrap();
    let mut chain: Vec<TypeId> = Vec::new();
    for depth in 0..20usize {
        let definition = TypeDefinition {
            ancestors: &chain,
            kind: ObjectKind::Struct,
            elem_shift: 0,
            object_bytes: 16,
            ref_offsets: &[4],
        };
        let id = table.add(&definition).unwrap();
        let descriptor = table.descriptor(id);
        assert_eq!((descriptor.depth as usize, descriptor.ref_map, descriptor.ref_count), (depth, 2, 1));
        chain.push(id);
        for (level, ancestor) in chain.iter().enumerate().take(8) {
            assert_eq!(descriptor.display[level], *ancestor);
        }
        assert_eq!(descriptor.display.iter().skip(depth + 1).find(|id| **id != TypeId::NONE), None);
    }
}

#[test]
fn a_released_type_id_is_used_again_and_a_full_table_says_so() {
    let table = TypeTable::with_quota(64 * 11).unwrap();
    let ids: Vec<TypeId> = (0..10).map(|_| array_type(&table, ObjectKind::ArrayData, 0)).collect();
    let full = table.allocate(0, 0).unwrap_err();
    assert_eq!(full.types, 10);
    assert!(full.to_string().contains("10 types"));
    table.release(ids[4]);
    assert_eq!(table.allocate(0, 0).unwrap(), ids[4]);
    assert!(table.allocate(0, 0).is_err());
}

#[test]
fn one_table_serves_several_heaps() {
    let types = Types::new();
    let late = struct_type(&types.table, &[FieldKind::Ref]);
    let mut heaps: Vec<Heap> = (0..4).map(|_| Heap::new(&config(16), types.table.clone()).unwrap()).collect();
    let later = struct_type(&types.table, &[FieldKind::I64]);
    for heap in &mut heaps {
        for id in [late.id, later.id] {
            let object = heap.alloc_struct(id, &mut NoRoots).unwrap();
            assert_eq!(heap.type_of(object), id);
        }
    }
    std::thread::scope(|scope| {
        for mut heap in heaps {
            let id = later.id;
            scope.spawn(move || {
                for _ in 0..50_000 {
                    heap.alloc_struct(id, &mut NoRoots).unwrap();
                }
            });
        }
    });
}

#[test]
#[should_panic(expected = "not the layout")]
fn weak_cells_have_one_layout() {
    let table = TypeTable::new().unwrap();
    let definition =
        TypeDefinition { ancestors: &[], kind: ObjectKind::Weak, elem_shift: 0, object_bytes: 16, ref_offsets: &[4] };
    let _ = table.add(&definition);
}

#[test]
fn fields_behind_the_first_64_words_are_scanned() {
    let (mut heap, types) = heap(&config(64));
    let mut roots = roots();
    let wide = &types.structs[5];
    let object = heap.alloc_struct(wide.id, &mut roots).unwrap();
    roots.frames[0][0] = object;
    for offset in &wide.refs {
        let node: RawRef = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
        heap.write_ref(object, *offset as u64, node);
    }
    assert!(wide.refs.iter().all(|offset| *offset > 256));
    heap.collect_minor(&mut roots);
    heap.collect_major(&mut roots);
    let object = roots.frames[0][0];
    for offset in &wide.refs {
        assert_eq!(heap.type_of(heap.read_ref(object, *offset as u64)), types.structs[1].id);
    }
}

#[test]
fn the_smallest_heap_runs() {
    for nursery_bytes in [None, Some(64 << 10), Some(32 << 20)] {
        let (mut heap, types) = heap(&HeapConfig { nursery_bytes, verify: false, ..config(1) });
        let mut roots = roots();
        for step in 0..200_000 {
            let node = heap.alloc_struct(types.structs[2].id, &mut roots).unwrap();
            heap.write_ref(node, 4, roots.frames[0][step % 8]);
            roots.frames[0][step % 8] = if step % 64 < 8 { 0 } else { node };
        }
        assert!(heap.stats().peak_bytes <= 1 << 20);
        heap.check(&mut roots);
    }
}

#[test]
fn more_edges_than_their_stack_holds() {
    let config = HeapConfig { nursery_bytes: Some(4 << 20), ..config(512) };
    for promote_all in [false, true] {
        let (mut heap, types) = heap(&config);
        let mut roots = roots();
        let pair = struct_type(&types.table, &[FieldKind::Ref, FieldKind::Ref]).id;
        let length = 10_000;
        // Eden is cold until then.
        heap.collect_minor(&mut roots);
        for index in 0..length {
            // The tail comes first: it is followed while the other edges wait.
            roots.frames[0][1] = heap.alloc_struct(types.structs[2].id, &mut roots).unwrap();
            heap.write_i32(roots.frames[0][1], 12, index);
            let node = heap.alloc_struct(pair, &mut roots).unwrap();
            heap.write_ref(node, 4, roots.frames[0][0]);
            heap.write_ref(node, 8, roots.frames[0][1]);
            roots.frames[0][0] = node;
        }
        assert_eq!(heap.stats().minors, 1, "all of it is young");
        if promote_all {
            heap.promote_all(&mut roots)
        } else {
            heap.collect_minor(&mut roots)
        }
        heap.collect_minor(&mut roots);
        let stats = heap.stats();
        assert_eq!(stats.copied_objects, 2 * length as u64 * if promote_all { 1 } else { 2 });
        let mut node = roots.frames[0][0];
        for index in (0..length).rev() {
            assert_eq!(heap.read_i32(heap.read_ref(node, 8), 12), index);
            node = heap.read_ref(node, 4);
        }
        assert_eq!(node, 0);
    }
}
