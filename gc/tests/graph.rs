//! The graph of snapshots against the model of a heap, and its own memory.

mod common;

use common::{Body, Roots, Value, World, struct_type};
use heapwood_gc::{Heap, HeapConfig, HeapGraph};
use heapwood_gc_abi::{FieldKind, RawRef, is_i31};
use std::collections::{HashMap, HashSet};
use std::convert::Infallible;

fn graph<'h>(heap: &'h Heap, roots: &[RawRef]) -> HeapGraph<'h> {
    heap.graph(|visit| roots.iter().for_each(|root| visit(*root))).expect("memory for a small graph")
}

/// Numbers are those of the order of the walk, and every reference leads to an object of the graph.
fn check_numbers(graph: &HeapGraph<'_>) {
    let (mut number, mut references) = (0, 0);
    let checked: Result<(), Infallible> = graph.each_object(|object| {
        assert_eq!(graph.position(object), Some(number), "{object:#x}");
        number += 1;
        graph.each_reference(object, |_, target| {
            assert!(graph.position(target).is_some(), "{target:#x} of {object:#x} is not in the graph");
            references += 1;
        });
        Ok(())
    });
    let Ok(()) = checked;
    assert_eq!((number, references), (graph.objects(), graph.references()));
}

/// The objects that a model keeps alive, with the number of edges that leave each.
fn reachable(world: &World) -> HashMap<usize, usize> {
    let alive = world.alive();
    let is_edge = |value: &Value| matches!(value, Value::Object(object) if alive.contains(object));
    let mut edges: HashMap<usize, usize> = alive.iter().map(|at| (*at, 0)).collect();
    for at in &alive {
        let count = match &world.bodies[*at] {
            Body::Struct { refs, .. } | Body::Refs(refs) => refs.iter().filter(|value| is_edge(value)).count(),
            Body::Weak(referent) => usize::from(is_edge(referent)),
            // A value whose key may die is an edge of the key as well; one that was not found waits for a dead key.
            Body::Ephemeron(Value::Object(key), value) if alive.contains(key) => {
                *edges.get_mut(key).unwrap() += usize::from(is_edge(value));
                1 + usize::from(is_edge(value))
            }
            Body::Ephemeron(Value::Object(key), _) if !world.is_immortal(*key) => 0,
            Body::Ephemeron(Value::Null, _) | Body::Data { .. } | Body::Host(_) => 0,
            Body::Ephemeron(_, value) => usize::from(is_edge(value)),
        };
        *edges.get_mut(at).unwrap() += count;
    }
    edges
}

#[test]
fn it_has_what_the_model_reaches_and_nothing_else() {
    for seed in 0..8 {
        let config = HeapConfig { max_bytes: 64 << 20, nursery_bytes: Some(64 << 10), ..HeapConfig::default() };
        let mut world = World::new(&config, 900 + seed);
        for round in 0..6 {
            world.run(3000);
            // The model learns which ephemerons were cleared.
            world.compare_weak(false);
            let roots: Vec<RawRef> = world.roots.frames.iter().flatten().chain(&world.roots.globals).copied().collect();
            let graph = graph(&world.heap, &roots);
            check_numbers(&graph);
            let model = reachable(&world);
            let references: usize = model.values().sum();
            assert_eq!(graph.objects(), model.len() as u64, "seed {seed}, round {round}");
            assert_eq!(graph.references(), references as u64, "seed {seed}, round {round}");
            for root in roots {
                assert_eq!(graph.position(root).is_some(), root != 0 && !is_i31(root), "{root:#x}");
            }
        }
    }
}

/// Chains of ephemerons in which each value is the next one's key, in the best and in the worst order: looked at once
/// each.
#[test]
fn a_hundred_thousand_ephemerons_that_wait_for_each_other() {
    const COUNT: u32 = 100_000;
    let config = HeapConfig { max_bytes: 64 << 20, ..HeapConfig::default() };
    for (upwards, holds_first) in [(true, true), (false, true), (false, false)] {
        let types = common::Types::new();
        let mut heap = Heap::new(&config, types.table.clone()).unwrap();
        let mut roots = Roots { frames: vec![vec![0; 4]], ..Roots::default() };
        roots.frames[0][0] = heap.alloc_array(types.refs, COUNT, &mut roots).unwrap();
        roots.frames[0][1] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
        roots.frames[0][2] = roots.frames[0][1];
        for number in 0..COUNT {
            roots.frames[0][3] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
            let cell = heap.alloc_weak(types.ephemeron, &mut roots).unwrap();
            let (table, key, value) = (roots.frames[0][0], roots.frames[0][2], roots.frames[0][3]);
            heap.init_ephemeron(cell, key, value);
            heap.array_set_ref(table, if upwards { number } else { COUNT - 1 - number }, cell);
            roots.frames[0][2] = value;
        }
        let table = roots.frames[0][0];
        let first = if holds_first { roots.frames[0][1] } else { 0 };
        let graph = graph(&heap, &[table, first]);
        check_numbers(&graph);
        let (cells, keys) = (u64::from(COUNT), if holds_first { u64::from(COUNT) + 1 } else { 0 });
        assert_eq!(graph.objects(), 1 + cells + keys);
        assert_eq!(graph.entries() as u64, if holds_first { cells } else { 0 });
        // Of the table, and for each entry the weak edge to the key and those of cell and key to the value.
        assert_eq!(graph.references(), cells + if holds_first { 3 * cells } else { 0 });
    }
}

/// Several ephemerons of one key, whether the key is found before them, after them or never.
#[test]
fn ephemerons_that_wait_for_the_same_key() {
    const COUNT: u32 = 5;
    let types = common::Types::new();
    let mut heap =
        Heap::new(&HeapConfig { max_bytes: 64 << 20, ..HeapConfig::default() }, types.table.clone()).unwrap();
    let mut roots = Roots { frames: vec![vec![0; 3]], ..Roots::default() };
    roots.frames[0][0] = heap.alloc_array(types.refs, COUNT, &mut roots).unwrap();
    roots.frames[0][1] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
    for number in 0..COUNT {
        roots.frames[0][2] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
        let cell = heap.alloc_weak(types.ephemeron, &mut roots).unwrap();
        let (table, key, value) = (roots.frames[0][0], roots.frames[0][1], roots.frames[0][2]);
        heap.init_ephemeron(cell, key, value);
        heap.array_set_ref(table, number, cell);
    }
    let (table, key) = (roots.frames[0][0], roots.frames[0][1]);
    let cells = u64::from(COUNT);
    for (roots, has_key) in [([table, key], true), ([key, table], true), ([table, 0], false)] {
        let graph = graph(&heap, &roots);
        check_numbers(&graph);
        assert_eq!(graph.objects(), 1 + cells + if has_key { 1 + cells } else { 0 });
        assert_eq!(graph.entries() as u64, if has_key { cells } else { 0 });
        assert_eq!(graph.references(), cells + if has_key { 3 * cells } else { 0 });
    }
}

#[test]
fn a_full_heap_of_the_widest_and_the_deepest_graph_needs_less_than_a_tenth() {
    let config = HeapConfig { max_bytes: 24 << 20, ..HeapConfig::default() };
    let types = common::Types::new();
    let node = struct_type(&types.table, &[FieldKind::Ref, FieldKind::Ref]);
    let mut heap = Heap::new(&config, types.table.clone()).unwrap();
    let mut roots = Roots { frames: vec![vec![0; 4]], ..Roots::default() };
    // An array that names 200,000 nodes at once, far more than the stack holds, then a list until the heap is full.
    let wide = heap.alloc_array(types.refs, 200_000, &mut roots).unwrap();
    roots.frames[0][0] = wide;
    for index in 0..200_000 {
        let leaf = heap.alloc_struct(node.id, &mut roots).unwrap();
        let wide = roots.frames[0][0];
        heap.array_set_ref(wide, index, leaf);
    }
    let mut length = 0;
    while let Ok(next) = heap.alloc_struct(node.id, &mut roots) {
        heap.write_ref(next, 4, roots.frames[0][1]);
        roots.frames[0][1] = next;
        length += 1;
    }
    let committed = heap.stats().committed_bytes;
    let graph = graph(&heap, &roots.frames[0]);
    check_numbers(&graph);
    assert_eq!(graph.objects(), 200_001 + length);
    assert_eq!(graph.references(), 200_000 + length - 1);
    assert!(length > 100_000, "the list has {length} nodes");
    assert!(graph.table_bytes() as u64 * 10 < committed, "{} bytes for {committed}", graph.table_bytes());
    let positions: HashSet<u64> = (0..4).filter_map(|root| graph.position(roots.frames[0][root])).collect();
    assert_eq!(positions.len(), 2);
}
