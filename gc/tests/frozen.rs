//! Checkpoints of a heap against the model: random programs that freeze, roll back and fork, in all modes; and that
//! collections write no page, mark or entry of what is frozen.

mod common;

use common::{Random, Saved, Value, World};
use heapwood_gc::{CageKind, Heap, HeapConfig, HeapError, Helpers};
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use std::num::NonZeroU64;
use std::sync::Arc;

fn config() -> HeapConfig {
    HeapConfig {
        max_bytes: 128 << 20,
        nursery_bytes: Some(64 << 10),
        initial_bytes: 1 << 20,
        verify: true,
        ..HeapConfig::default()
    }
}

/// The modes, each with how many steps of a program lie between two operations on checkpoints.
fn modes() -> Vec<(&'static str, HeapConfig, usize)> {
    let helpers = || Some(Arc::new(Helpers::new(2)));
    vec![
        ("default", config(), 1_500),
        ("stress", HeapConfig { stress: NonZeroU64::new(1), ..config() }, 60),
        ("marking", HeapConfig { mark_slice: NonZeroU64::new(7), ..config() }, 800),
        ("helper", HeapConfig { mark_slice: NonZeroU64::new(100), helpers: helpers(), ..config() }, 1_200),
        ("unverified", HeapConfig { verify: false, helpers: helpers(), ..config() }, 4_000),
    ]
}

/// A world with the checkpoints of the line that it comes from.
struct Line {
    world: World,
    saved: Vec<Saved>,
}

#[test]
fn the_model_agrees_after_any_order_of_checkpoints_rollbacks_and_forks() {
    let mut done = [0; 4];
    for (name, config, steps) in modes() {
        for seed in 0..4 {
            println!("{name}, seed {seed}");
            let counts = program(&config, seed, steps);
            (0..done.len()).for_each(|index| done[index] += counts[index]);
        }
    }
    println!("{done:?}");
    assert!(done.iter().all(|count| *count >= 10), "freezes, rollbacks, forks, drops: {done:?}");
}

fn program(config: &HeapConfig, seed: u64, steps: usize) -> [u64; 4] {
    let mut random = Random::new(seed + 77);
    let mut world = World::new(config, seed);
    world.collect_every = 1 + 20 * (seed as usize % 2);
    let mut lines = vec![Line { world, saved: Vec::new() }];
    let mut done = [0; 4];
    for _ in 0..24 {
        let index = random.below(lines.len());
        let count = lines.len();
        let line = &mut lines[index];
        line.world.run(random.below(steps));
        line.world.forget_exhausted();
        let choice = random.below(8);
        match choice {
            0..3 => {
                line.saved.push(line.world.freeze().unwrap());
                done[0] += 1;
            }
            3..6 if !line.saved.is_empty() => {
                // The last one more often than others.
                let at = line.saved.len() - 1 - random.below(2 * line.saved.len()) % line.saved.len() * random.below(2);
                line.world.rollback(&line.saved[at].clone()).unwrap();
                // What is younger may be rolled to as well: any of them is a state of this heap.
                done[1] += 1;
            }
            6 if !line.saved.is_empty() && count < 4 => {
                let at = random.below(line.saved.len());
                let saved = line.saved[..=at].to_vec();
                let world = line.world.fork(config, &saved[at], random.next()).unwrap();
                lines.push(Line { world, saved });
                done[2] += 1;
            }
            7 if count > 1 => {
                lines.swap_remove(index);
                done[3] += 1;
            }
            _ => {}
        }
        lines.iter_mut().for_each(|line| line.world.compare());
    }
    done
}

/// Old references are copied into, and filled over, arrays that are frozen: no young one is among them, and yet the
/// next marking has to look there.
#[test]
fn bulk_writes_of_old_references_into_frozen_arrays_are_found() {
    for length in [40u32, 200, 3000] {
        for fill in [false, true] {
            let mut world = World::new(&config(), 1);
            let refs = world.types.refs;
            let target = world.heap.alloc_array(refs, length, &mut world.roots).unwrap();
            world.roots.frames[0].push(target);
            let saved = world.heap.freeze(&mut world.roots).unwrap();
            let node = world.types.structs[2].id;
            let object = world.heap.alloc_struct(node, &mut world.roots).unwrap();
            world.heap.write_i32(object, 12, 4711);
            world.roots.frames[0].push(object);
            let source = world.heap.alloc_array(refs, length, &mut world.roots).unwrap();
            world.roots.frames[0].push(source);
            let (source, object) = (world.roots.frames[0][2], world.roots.frames[0][1]);
            world.heap.array_set_ref(source, length - 1, object);
            world.heap.promote_all(&mut world.roots);
            let [target, object, source] = world.roots.frames[0][..] else { unreachable!() };
            if fill {
                world.heap.array_fill_ref(target, length - 1, 1, object);
            } else {
                world.heap.array_copy(target, 0, source, 0, length);
            }
            world.roots.frames[0].truncate(1);
            world.heap.collect_major(&mut world.roots);
            world.heap.collect_moving(&mut world.roots);
            let found = world.heap.array_get_ref(world.roots.frames[0][0], length - 1);
            assert_eq!(world.heap.read_i32(found, 12), 4711);
            world.heap.rollback(&saved, &mut world.roots).unwrap();
            let at = ARRAY_ELEMENTS_OFFSET as u64 + (length as u64 - 1) * 4;
            assert_eq!(world.heap.read_ref(world.roots.frames[0][0], at), 0);
        }
    }
}

/// A graph that is not written stays in pages of the file, whatever is collected around it.
#[test]
fn collections_write_nothing_that_is_frozen() {
    let mut world = World::new(&config(), 3);
    world.run(20_000);
    world.roots.globals.iter_mut().for_each(|global| *global = 0);
    world.globals.iter_mut().for_each(|global| *global = Value::Null);
    let saved = world.freeze().unwrap();
    let before = world.heap.frozen_page_sum();
    for _ in 0..20 {
        let node = world.types.structs[2].id;
        for _ in 0..3_000 {
            world.heap.alloc_struct(node, &mut world.roots).unwrap();
        }
        world.heap.collect_minor(&mut world.roots);
        world.heap.collect_major(&mut world.roots);
        world.heap.collect_moving(&mut world.roots);
    }
    assert_eq!(world.heap.private_frozen_pages(), 0, "of {} bytes", saved.image.bytes());
    assert_eq!(world.heap.frozen_page_sum(), before);
    world.compare();
}

/// Each call of the system fails once, in each of the operations: the heap is usable afterwards, or comes to be so by
/// the same rollback.
#[test]
fn each_refused_call_leaves_a_heap_that_can_be_used_or_rolled_back() {
    let mut failures = [0; 4];
    for call in 1..400 {
        let mut world = World::new(&config(), 5);
        world.run(3_000);
        let first = world.freeze().unwrap();
        world.run(500);
        let refuse = |world: &mut World| {
            let calls = world.heap.backing_calls();
            world.heap.refuse_calls(calls + call..calls + call + 1);
            calls + call
        };
        // A freeze.
        let last = refuse(&mut world);
        let second = world.freeze();
        failures[0] += second.is_err() as u64;
        let mut is_through = world.heap.backing_calls() < last;
        world.heap.refuse_calls(0..0);
        world.compare();
        let second = second.or_else(|_| world.freeze()).unwrap();
        world.run(500);
        // Rollbacks: to what is frozen, and to what is not.
        for (index, saved) in [(1, &second), (2, &first)] {
            let last = refuse(&mut world);
            let rolled = world.rollback(saved);
            failures[index] += rolled.is_err() as u64;
            is_through &= world.heap.backing_calls() < last;
            world.heap.refuse_calls(0..0);
            if rolled.is_err() {
                world.rollback(saved).unwrap();
            }
            world.compare();
            world.run(300);
        }
        // A fork.
        let refused = HeapConfig { refused_calls: call..call + 1, ..config() };
        match world.fork(&refused, &second, 9) {
            Ok(mut fork) => {
                is_through &= fork.heap.backing_calls() < call;
                fork.compare();
                fork.run(300);
            }
            Err(error) => {
                assert!(
                    matches!(
                        error,
                        HeapError::Backing(_) | HeapError::ImageTooLarge { .. } | HeapError::ImageReach { .. }
                    ),
                    "{error}"
                );
                failures[3] += 1;
                is_through = false;
            }
        }
        if is_through {
            println!("{call} calls, {failures:?} failures");
            assert!(failures.iter().all(|count| *count >= 3), "{failures:?}");
            return;
        }
    }
    panic!("the operations make more calls than that");
}

#[test]
fn an_image_that_does_not_fit_is_refused() {
    let mut world = World::new(&config(), 5);
    for _ in 0..60 {
        let array = world.heap.alloc_array(world.types.data[3].0, 16_000, &mut world.roots).unwrap();
        world.roots.frames[0].push(array);
    }
    let image = world.heap.freeze(&mut world.roots).unwrap();
    assert!(image.bytes() > 60 * 16_000 * 8);
    let small = HeapConfig { max_bytes: 4 << 20, ..config() };
    let error = Heap::of_image(&small, &image).unwrap_err();
    assert_eq!(error, HeapError::ImageTooLarge { max_bytes: 4 << 20 });
}

#[test]
fn an_immortal_space_that_does_not_fit_is_refused() {
    let mut world = World::new(&config(), 5);
    world.heap.alloc_immortal(8 << 20).unwrap();
    let image = world.heap.freeze(&mut world.roots).unwrap();
    assert!(image.layout().block_bytes() < 1 << 20, "the blocks alone would fit");
    let small = HeapConfig { max_bytes: 8 << 20, ..config() };
    let error = Heap::of_image(&small, &image).unwrap_err();
    assert_eq!(error, HeapError::ImageTooLarge { max_bytes: 8 << 20 });
    let copy = Heap::of_image(&HeapConfig { max_bytes: 16 << 20, ..config() }, &image).unwrap();
    assert!(copy.stats().committed_bytes > 8 << 20);
}

/// The immortal space of a sparse cage lies elsewhere than that of a whole one.
#[test]
fn a_copy_has_a_cage_of_the_form_that_the_image_has() {
    use CageKind::{Short, Sparse, Suitable};
    for (from, to) in [(Sparse, Suitable), (Sparse, Short), (Suitable, Sparse), (Short, Sparse)] {
        let mut world = World::new(&HeapConfig { cage: from, ..config() }, 5);
        world.run(2_000);
        let saved = world.freeze().unwrap();
        let mut copy = world.fork(&HeapConfig { cage: to, ..config() }, &saved, 9).unwrap();
        copy.compare();
        copy.run(500);
    }
}

#[test]
fn an_image_of_a_whole_cage_fits_no_sparse_one() {
    let mut world = World::new(&HeapConfig { cage: CageKind::Short, ..config() }, 5);
    let saved = world.freeze().unwrap();
    // The first call reserves a whole cage.
    let refused = HeapConfig { cage: CageKind::Short, refused_calls: 1..2, ..config() };
    let error = world.fork(&refused, &saved, 9).map(drop).unwrap_err();
    assert!(matches!(error, HeapError::ImageReach { .. }), "{error}");
}

/// What was handed out after a checkpoint is handed out again after a rollback, whether the checkpoint is the last one
/// or an older one.
#[test]
fn immortal_memory_behind_a_checkpoint_reads_as_zero_after_a_rollback() {
    const BYTES: u64 = 3 * 4096;
    for is_last in [true, false] {
        let mut world = World::new(&config(), 5);
        let saved = world.freeze().unwrap();
        if !is_last {
            world.freeze().unwrap();
        }
        let memory = world.heap.alloc_immortal(BYTES).unwrap();
        let mut words = memory..memory + BYTES as RawRef / 4;
        words.clone().for_each(|word| world.heap.poke(word, u32::MAX));
        world.rollback(&saved).unwrap();
        assert_eq!(world.heap.alloc_immortal(BYTES).unwrap(), memory);
        assert!(words.all(|word| world.heap.peek(word) == 0), "the last one: {is_last}");
        world.compare();
    }
}

#[test]
fn a_layout_says_where_in_the_pages_objects_lie() {
    let mut world = World::new(&config(), 5);
    let object = world.heap.alloc_struct(world.types.structs[2].id, &mut world.roots).unwrap();
    world.heap.write_i32(object, 12, 4711);
    world.roots.frames[0].push(object);
    let immortal = world.heap.alloc_immortal(64).unwrap();
    world.heap.poke(immortal, 4712);
    let image = world.heap.freeze(&mut world.roots).unwrap();
    let (layout, mut pages) = (image.layout(), Vec::new());
    image.read_pages(&mut |part| pages.extend_from_slice(part)).unwrap();
    for (object, offset, value) in [(world.roots.frames[0][0], 12, 4711u32), (immortal, 0, 4712)] {
        let at = layout.position(object).unwrap() as usize + offset;
        assert_eq!(pages[at..at + 4], value.to_le_bytes());
        assert_eq!(layout.position(object | 1), None, "a number lies nowhere, whatever its value");
    }
    assert_eq!(layout.position(0), None);
}

/// A world with an array of nodes of which most are dead. Returns the array.
fn sparse_world(nodes: u32) -> (World, RawRef) {
    let mut world = World::new(&config(), 5);
    let World { heap, types, roots, .. } = &mut world;
    let array = heap.alloc_old_array(types.refs, nodes, roots).unwrap();
    roots.frames[0].push(array);
    for index in 0..nodes {
        let node = heap.alloc_struct(types.structs[2].id, roots).unwrap();
        heap.write_i32(node, 12, index);
        heap.array_set_ref(roots.frames[0][0], index, node);
    }
    heap.promote_all(roots);
    (0..nodes).filter(|index| index % 20 != 0).for_each(|index| heap.array_set_ref(array, index, 0));
    (world, array)
}

/// Stores a new node in an element of an old array. The log is lost meanwhile.
fn lose_log(world: &mut World, array: RawRef, index: u32) {
    let node = world.heap.alloc_struct(world.types.structs[2].id, &mut world.roots).unwrap();
    world.heap.write_i32(node, 12, index);
    world.heap.hooks().lose_next_log = true;
    world.heap.array_set_ref(array, index, node);
}

#[test]
fn a_freeze_compacts_after_it_has_repaired_a_lost_log() {
    const NODES: u32 = 20_000;
    let (mut world, array) = sparse_world(NODES);
    world.heap.collect_minor(&mut world.roots);
    lose_log(&mut world, array, 7);
    let image = world.heap.freeze(&mut world.roots).unwrap();
    // 24 bytes for each node.
    assert!(image.bytes() < u64::from(NODES) * 24 / 2, "{} bytes", image.bytes());
    let array = world.roots.frames[0][0];
    for index in (0..NODES).filter(|index| *index == 7 || index % 20 == 0) {
        let node = world.heap.array_get_ref(array, index);
        assert_eq!(world.heap.read_i32(node, 12), index);
    }
}

#[test]
fn a_rollback_forgets_a_log_that_was_lost() {
    let (mut world, _) = sparse_world(2_000);
    let image = world.heap.freeze(&mut world.roots).unwrap();
    let array = world.roots.frames[0][0];
    lose_log(&mut world, array, 7);
    world.heap.rollback(&image, &mut world.roots).unwrap();
    assert_eq!(world.heap.array_get_ref(array, 7), 0);
    // No chunk counts as logged: this store is found.
    let node = world.heap.alloc_struct(world.types.structs[2].id, &mut world.roots).unwrap();
    world.heap.write_i32(node, 12, 4711);
    world.heap.array_set_ref(array, 7, node);
    let log_entries = world.heap.stats().log_entries;
    world.heap.collect_minor(&mut world.roots);
    assert_eq!(world.heap.stats().log_entries, log_entries + 1);
    assert_eq!(world.heap.read_i32(world.heap.array_get_ref(array, 7), 12), 4711);
}

/// The system has no memory for the list of what was written.
#[test]
fn what_is_not_listed_as_written_is_found_by_a_walk_of_the_heap() {
    let (mut world, _) = sparse_world(2_000);
    let image = world.heap.freeze(&mut world.roots).unwrap();
    let compactions = world.heap.stats().compactions;
    let array = world.roots.frames[0][0];
    let node = world.heap.alloc_struct(world.types.structs[2].id, &mut world.roots).unwrap();
    world.heap.write_i32(node, 12, 4711);
    world.heap.refuse_memory();
    world.heap.array_set_ref(array, 7, node);
    world.heap.refuse_calls(0..0);
    assert!(world.heap.wants_collection());
    world.heap.collect_minor(&mut world.roots);
    assert_eq!(world.heap.stats().compactions, compactions + 1);
    world.heap.collect_major(&mut world.roots);
    let array = world.roots.frames[0][0];
    assert_eq!(world.heap.read_i32(world.heap.array_get_ref(array, 7), 12), 4711);
    // It is a state of this heap all the same.
    world.heap.rollback(&image, &mut world.roots).unwrap();
    assert_eq!(world.heap.array_get_ref(array, 7), 0);
}
