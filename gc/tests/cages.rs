//! Address space of heaps: of every limit in every shape, extended in place or not, from a pool or new.

mod common;

use common::{Roots, Types, World};
use heapwood_gc::{CageKind, CagePool, Heap, HeapConfig, Refused};
use std::sync::Arc;

const KINDS: [CageKind; 3] = [CageKind::Suitable, CageKind::Short, CageKind::Sparse];

fn config(max_bytes: u64, cage: CageKind) -> HeapConfig {
    HeapConfig { max_bytes, cage, verify: true, ..HeapConfig::default() }
}

#[test]
fn heaps_of_all_limits_run_in_all_cages() {
    for shift in 20..34 {
        // The largest limit is less than a power of two.
        let max_bytes = (1u64 << shift).min(heapwood_gc::HEAP_BYTES_LIMIT);
        for kind in KINDS {
            let mut world = World::new(&config(max_bytes, kind), shift);
            world.run(800);
            let error = world.exhausted();
            assert!(shift < 23 || error.is_none(), "{max_bytes} bytes, {kind:?}: {error:?}");
            world.heap.collect_moving(&mut world.roots);
        }
    }
}

/// Allocates arrays of a MiB until the heap is exhausted; says how many, and why.
fn fill(heap: &mut Heap, types: &Types, roots: &mut Roots) -> (usize, Refused) {
    loop {
        match heap.alloc_old_array(types.data[0].0, (1 << 20) - 8, roots) {
            Ok(array) => roots.frames[0].push(array),
            Err(error) => {
                assert!(matches!(error.why, Refused::Limit | Refused::Reach { .. }), "{error}");
                return (roots.frames[0].len(), error.why);
            }
        }
    }
}

#[test]
fn a_cage_is_extended_in_place_as_far_as_the_limit_needs() {
    let config = HeapConfig { verify: false, ..config(256 << 20, CageKind::Sparse) };
    let types = Types::new();
    let mut heap = Heap::new(&config, types.table.clone()).unwrap();
    let mut roots = Roots { frames: vec![Vec::new()], ..Roots::default() };
    let (count, why) = fill(&mut heap, &types, &mut roots);
    assert!(count > 200 && why == Refused::Limit, "{count} MiB, {why:?}");
    // What lies beyond the first reach is the heap's like all else.
    heap.check(&mut roots);
    for (index, array) in roots.frames[0].iter().enumerate() {
        heap.array_fill_bits(*array, 0, 64, index as u128);
    }
    heap.collect_major(&mut roots);
    roots.frames[0].truncate(10);
    heap.collect_major(&mut roots);
    assert!(fill(&mut heap, &types, &mut roots).0 > 200);
}

#[test]
fn where_an_extension_is_refused_the_error_says_what_the_heap_has() {
    let config = HeapConfig { verify: false, ..config(256 << 20, CageKind::Sparse) };
    let types = Types::new();
    let mut heap = Heap::new(&config, types.table.clone()).unwrap();
    let mut roots = Roots { frames: vec![Vec::new()], ..Roots::default() };
    heap.refuse_extensions();
    let (count, why) = fill(&mut heap, &types, &mut roots);
    let Refused::Reach { bytes } = why else { panic!("{count} MiB, {why:?}") };
    assert!(count as u64 > bytes >> 21 && (count as u64) <= bytes >> 20, "{count} MiB of {bytes} bytes");
    let error = heap.alloc_old_array(types.data[0].0, 1 << 20, &mut roots).unwrap_err().to_string();
    assert!(error.contains(&format!("the {bytes} bytes of address space")), "{error}");
    // What dies makes room.
    roots.frames[0].truncate(2);
    assert!(heap.alloc_old_array(types.data[0].0, 1 << 20, &mut roots).is_ok());
    heap.check(&mut roots);
}

#[test]
fn a_cage_of_the_pool_is_like_a_new_one() {
    let pool = Arc::new(CagePool::new(2));
    let types = Types::new();
    let config = HeapConfig { pool: Some(pool.clone()), ..config(64 << 20, CageKind::Suitable) };
    let mut bases = Vec::new();
    for round in 0..8 {
        let heap = Heap::new(&config, types.table.clone()).unwrap();
        assert!(pool.is_empty());
        bases.push(heap.base());
        let mut world = World::with(heap, Types::of(types.table.clone()), round);
        world.run(if round % 2 == 0 { 3_000 } else { 30 });
        assert_eq!(world.exhausted(), None);
        drop(world);
        assert_eq!(pool.len(), 1);
    }
    assert!(bases.iter().all(|base| *base == bases[0]), "one cage serves all: {bases:x?}");
    // Another table of types needs another cage.
    let others = Types::new();
    let other = Heap::new(&config, others.table.clone()).unwrap();
    assert!(pool.len() == 1 && other.base() != bases[0]);
    drop(other);
    // No more are kept than the pool has room for.
    let heaps: Vec<Heap> = (0..5).map(|_| Heap::new(&config, types.table.clone()).unwrap()).collect();
    drop(heaps);
    assert_eq!(pool.len(), 2);
}
