//! What programs hardly ever do, and what hardly ever happens to them: the heap copes.

mod common;

use common::{Roots, Types, World};
use heapwood_gc::*;
use heapwood_gc_abi::RawRef;
use std::sync::Arc;

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
}

fn config() -> HeapConfig {
    HeapConfig { max_bytes: 64 << 20, nursery_bytes: Some(64 << 10), verify: true, ..HeapConfig::default() }
}

fn setup(config: &HeapConfig) -> Setup {
    let types = Types::new();
    let heap = Heap::new(config, types.table.clone()).unwrap();
    Setup { heap, types, roots: Roots { frames: vec![vec![0; 64]], ..Roots::default() } }
}

impl Setup {
    fn young(&mut self) -> RawRef {
        self.heap.alloc_struct(self.types.structs[1].id, &mut self.roots).unwrap()
    }

    fn bytes(&mut self, length: u32) -> Result<RawRef, Exhausted> {
        self.heap.alloc_old_array(self.types.data[0].0, length, &mut self.roots)
    }

    fn finish_marking(&mut self) {
        while self.heap.step(&mut self.roots) {}
    }
}

/// Stores into each chunk of an array with no collection between them. Returns how often the heap was repaired then.
fn fill_the_log(elements: u32, refuse: bool) -> u64 {
    let mut setup = setup(&config());
    let array = setup.heap.alloc_old_array(setup.types.refs, elements, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = array;
    let young = setup.young();
    setup.roots.frames[0][1] = young;
    if refuse {
        setup.heap.refuse_memory();
    }
    (0..elements).step_by(32).for_each(|index| setup.heap.array_set_ref(array, index, young));
    assert!(setup.heap.wants_collection());
    setup.heap.refuse_calls(0..0);
    setup.heap.collect_minor(&mut setup.roots);
    let (array, young) = (setup.roots.frames[0][0], setup.roots.frames[0][1]);
    for index in 0..elements {
        let expected = if index % 32 == 0 { young } else { 0 };
        assert_eq!(setup.heap.array_get_ref(array, index), expected, "element {index}");
    }
    setup.heap.stats().compactions
}

#[test]
fn the_log_grows_until_a_collection_comes() {
    assert_eq!(fill_the_log(1_000_000, false), 0, "the log lost nothing");
}

#[test]
fn a_log_that_cannot_grow_is_repaired() {
    assert_eq!(fill_the_log(1_000_000, true), 1, "the system refused");
}

#[test]
fn what_is_shaded_goes_to_the_marker_if_its_list_cannot_grow() {
    let mut setup = setup(&config());
    let array = setup.heap.alloc_old_array(setup.types.refs, 100_000, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = array;
    for index in 0..100_000 {
        let node = setup.young();
        setup.heap.array_set_ref(setup.roots.frames[0][0], index, node);
    }
    setup.heap.promote_all(&mut setup.roots);
    setup.heap.start_major(&mut setup.roots);
    setup.heap.refuse_memory();
    let array = setup.roots.frames[0][0];
    for index in 0..100_000 {
        let node = setup.heap.array_get_ref(array, index);
        setup.heap.shade(node);
    }
    assert!(setup.heap.shaded_waiting() < 100_000, "the list has grown");
    setup.heap.refuse_calls(0..0);
    setup.finish_marking();
    setup.heap.check(&mut setup.roots);
}

/// What waits in the list, and what finds no room in it, is all that still holds these nodes in the snapshot.
#[test]
fn a_list_that_is_full_goes_to_the_marker() {
    const NODES: usize = 50_000;
    let mut setup = setup(&config());
    let array = setup.heap.alloc_old_array(setup.types.refs, NODES as u32, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = array;
    for index in 0..NODES as u32 {
        let node = setup.young();
        setup.heap.array_set_ref(setup.roots.frames[0][0], index, node);
    }
    setup.roots.frames.push(vec![0; NODES]);
    setup.heap.start_major(&mut setup.roots);
    let array = setup.roots.frames[0][0];
    let mut most = 0;
    for index in 0..NODES {
        // A frame that was shown already holds the node, and the array does not any more.
        setup.roots.frames[1][index] = setup.heap.array_get_ref(array, index as u32);
        setup.heap.array_set_ref(array, index as u32, 0);
        most = most.max(setup.heap.shaded_waiting());
        if index == 0 {
            setup.heap.refuse_memory();
        }
    }
    assert!(most > 100 && setup.heap.shaded_waiting() < most, "{most} references waited at once");
    setup.heap.refuse_calls(0..0);
    setup.finish_marking();
    assert!(setup.roots.frames[1].iter().all(|node| setup.heap.type_of(*node) == setup.types.structs[1].id));
    setup.heap.check(&mut setup.roots);
}

#[test]
fn a_marking_ends_however_much_is_shaded() {
    let mark_slice = std::num::NonZeroU64::new(8_000);
    let mut setup = setup(&HeapConfig { mark_slice, ..config() });
    let nodes = 100_000;
    let array = setup.heap.alloc_old_array(setup.types.refs, nodes, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = array;
    for index in 0..nodes {
        let node = setup.young();
        setup.heap.array_set_ref(setup.roots.frames[0][0], index, node);
    }
    setup.heap.start_major(&mut setup.roots);
    let mut slices = 0;
    while setup.heap.is_marking() {
        // As a guest does that writes all of it, again and again.
        for index in 0..nodes {
            let node = setup.heap.array_get_ref(setup.roots.frames[0][0], index);
            setup.heap.shade(node);
        }
        setup.heap.step(&mut setup.roots);
        slices += 1;
        assert!(slices <= 100, "{} references wait", setup.heap.shaded_waiting());
    }
}

#[test]
fn helpers_that_do_not_start_are_done_without() {
    let helpers = Some(Arc::new(Helpers::new(0)));
    let mut world = World::new(&HeapConfig { helpers, mark_slice: None, ..config() }, 5);
    for _ in 0..8 {
        world.run(3_000);
        world.heap.start_major(&mut world.roots);
        while world.heap.step(&mut world.roots) {}
    }
    assert_eq!(world.exhausted(), None);
    let stats = world.heap.stats();
    assert!(stats.markings >= 8 && stats.helper_swept_blocks == 0, "{stats:?}");
}

/// One root, whose slot a provider shows more than once.
struct Twice(RawRef);

impl RootProvider for Twice {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        if scope != FrameScope::Settling {
            visitor.slot(&mut self.0);
            visitor.slot(&mut self.0);
        }
        RootWork::default()
    }

    fn remembered(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        NoRoots.remembered(cursor, visitor)
    }

    fn all(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        NoRoots.all(cursor, visitor)
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        visitor.slot(&mut self.0);
        visitor.slot(&mut self.0);
        RootWork::default()
    }

    fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        NoRoots.snapshot(visitor)
    }
}

#[test]
fn a_root_that_is_shown_twice_moves_once() {
    let mut setup = setup(&config());
    let mut roots = Twice(setup.young());
    for _ in 0..3 {
        setup.heap.collect_minor(&mut roots);
        setup.heap.check(&mut roots);
    }
    assert_eq!(setup.heap.stats().markings, 0);
    setup.heap.collect_major(&mut roots);
    setup.heap.collect_moving(&mut roots);
    assert_eq!(setup.heap.read_ref(roots.0, 4), 0);
}

#[test]
fn a_marking_without_roots_finds_nothing() {
    let mut setup = setup(&config());
    for _ in 0..1000 {
        setup.young();
    }
    setup.heap.start_major(&mut NoRoots);
    while setup.heap.step(&mut NoRoots) {}
    assert_eq!(setup.heap.stats().markings, 1);
    setup.heap.check(&mut NoRoots);
}

#[test]
fn a_heap_without_a_collector_collects_nothing() {
    let mut setup = setup(&HeapConfig { collector: Collector::None, verify: false, ..config() });
    let young = setup.young();
    setup.heap.collect_minor(&mut setup.roots);
    setup.heap.promote_all(&mut setup.roots);
    setup.heap.collect_major(&mut setup.roots);
    setup.heap.collect_moving(&mut setup.roots);
    assert_eq!(setup.heap.read_ref(young, 4), 0);
    let stats = setup.heap.stats();
    assert_eq!((stats.minors, stats.majors, stats.compactions), (0, 0, 0));
    let error = setup.heap.freeze(&mut setup.roots).map(drop).unwrap_err();
    assert!(matches!(error, FreezeError::NoCollector), "{error}");
}

#[test]
fn immortal_memory_has_an_end() {
    let mut setup = setup(&config());
    let error = setup.heap.alloc_immortal(600 << 20).unwrap_err();
    assert_eq!(error.why, Refused::Limit);
    setup.heap.alloc_immortal(600 << 10).unwrap();
}

/// What is refused is not counted, and smaller requests go on.
#[test]
fn immortal_memory_counts_against_the_limit() {
    let mut setup = setup(&config());
    let used = setup.heap.stats().committed_bytes;
    let error = setup.heap.alloc_immortal(65 << 20).unwrap_err();
    assert_eq!(error.why, Refused::Limit);
    assert_eq!(setup.heap.stats().committed_bytes, used);
    setup.heap.alloc_immortal(8 << 20).unwrap();
    assert!(setup.heap.stats().committed_bytes >= used + (8 << 20));
}

/// Runs of free blocks that are all too short, while the heap's limit would allow another.
#[test]
fn address_space_in_pieces_ends_before_the_limit_does() {
    // The cage has no more address space than the limit needs.
    let mut setup = setup(&HeapConfig { max_bytes: 16 << 20, cage: CageKind::Sparse, verify: false, ..config() });
    for slot in 0..14 {
        setup.roots.frames[0][slot] = setup.bytes(1 << 20).unwrap();
    }
    (0..14).filter(|slot| slot % 3 != 0).for_each(|slot| setup.roots.frames[0][slot] = 0);
    setup.heap.collect_major(&mut setup.roots);
    let mut kept = 14;
    let error = loop {
        match setup.bytes(3 << 20) {
            Ok(array) => setup.roots.frames[0][kept] = array,
            Err(error) => break error,
        }
        kept += 1;
    };
    // Heaps of other tests may lie behind this one, so that it is not extended as far as the limit needs.
    assert!(matches!(error.why, Refused::Limit | Refused::Reach { .. }), "{error}");
    let used = setup.heap.stats().committed_bytes;
    assert!(used + (3 << 20) < 16 << 20, "the limit would allow another: {kept} arrays, {used} bytes in use");
    // What fits a piece still finds its place.
    setup.roots.frames[0][1] = setup.bytes(2 << 20).unwrap();
    setup.heap.check(&mut setup.roots);
}

/// The heap is full to the last page; what a dead object took is neither taken back by the system nor within the limit.
#[test]
fn a_large_object_dies_in_a_full_heap_and_the_system_takes_nothing_back() {
    // Some blocks and a page.
    const LENGTH: u32 = (640 << 10) + 100;
    let mut setup = setup(&HeapConfig { max_bytes: 8 << 20, verify: false, ..config() });
    setup.roots.frames[0][0] = setup.bytes(LENGTH).unwrap();
    setup.roots.frames[0][1] = setup.heap.alloc_old_array(setup.types.refs, 2_000, &mut setup.roots).unwrap();
    let mut kept = 0;
    for length in [256 << 10, 33 << 10, 4 << 10] {
        while let Ok(array) = setup.bytes(length) {
            setup.heap.array_set_ref(setup.roots.frames[0][1], kept, array);
            kept += 1;
        }
    }
    println!("{kept} arrays, {} bytes in use", setup.heap.stats().committed_bytes);
    setup.roots.frames[0][0] = 0;
    let calls = setup.heap.backing_calls();
    setup.heap.refuse_calls(calls..u64::MAX);
    setup.heap.collect_major(&mut setup.roots);
    setup.heap.refuse_calls(0..0);
    // Whoever gets the memory finds it empty.
    let again = setup.bytes(600 << 10).unwrap();
    setup.roots.frames[0][0] = again;
    setup.heap.check(&mut setup.roots);
}

#[test]
fn a_heap_for_throughput_runs_programs() {
    let config = HeapConfig { profile: GcProfile::Throughput, nursery_bytes: None, ..config() };
    let mut world = World::new(&config, 17);
    world.run(20_000);
    assert_eq!(world.exhausted(), None);
}

#[test]
fn its_parts_have_a_debug_form() {
    let setup = setup(&config());
    assert!(format!("{:?}", setup.heap).starts_with("Heap { base: "));
    assert_eq!(format!("{:?}", Helpers::new(3)), "Helpers { threads: 3, .. }");
    assert!(TypeTable::new().unwrap().is_empty() && !setup.types.table.is_empty());
}
