//! Each safety net, broken on purpose: the verifier has to report it, and say where.

mod common;

use common::{Roots, Types};
use heapwood_gc::{FrameScope, Heap, HeapConfig, NoRoots, RootCursor, RootPlace, RootProvider, RootVisitor, RootWork};
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::header::{FORWARDED, LARGE, UNLOGGED};

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
}

fn setup() -> Setup {
    let types = Types::new();
    let config = HeapConfig { max_bytes: 64 << 20, verify: true, ..HeapConfig::default() };
    let heap = Heap::new(&config, types.table.clone()).unwrap();
    let roots = Roots { frames: vec![vec![0; 4]], globals: vec![0; 2], dirty: vec![false; 2], ..Roots::default() };
    Setup { heap, types, roots }
}

impl Setup {
    /// A young object with two reference fields.
    fn young(&mut self) -> RawRef {
        self.heap.alloc_struct(self.types.structs[1].id, &mut self.roots).unwrap()
    }

    /// An old object with two reference fields, in slot 0 of the frame.
    fn old(&mut self) -> RawRef {
        let old = self.heap.alloc_old_struct(self.types.structs[1].id, &mut self.roots).unwrap();
        self.roots.frames[0][0] = old;
        old
    }
}

/// Runs `collect` and returns what the verifier said.
fn report(mut setup: Setup, collect: impl FnOnce(&mut Heap, &mut Roots)) -> String {
    let run = move || collect(&mut setup.heap, &mut setup.roots);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).expect_err("the verifier saw nothing");
    let text = panic.downcast_ref::<String>().expect("a message").clone();
    assert!(text.starts_with("heap verifier"), "another panic: {text}");
    text
}

#[track_caller]
fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is not in {text:?}");
    }
}

#[test]
fn a_sound_heap_passes() {
    let mut setup = setup();
    let (old, young) = (setup.old(), setup.young());
    setup.heap.write_ref(old, 4, young);
    setup.heap.collect_minor(&mut setup.roots);
    setup.heap.collect_major(&mut setup.roots);
    setup.heap.collect_moving(&mut setup.roots);
    setup.heap.collect_minor(&mut setup.roots);
}

#[test]
fn a_barrier_that_forgets_the_log() {
    let mut setup = setup();
    let (old, young) = (setup.old(), setup.young());
    setup.heap.hooks().skip_next_log = true;
    setup.heap.write_ref(old, 4, young);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["BeforeCollection", "says that it is logged but the log lacks it", &format!("{old:#x}")]);
}

#[test]
fn a_store_without_a_barrier() {
    let mut setup = setup();
    let (old, young) = (setup.old(), setup.young());
    setup.heap.poke(old + 1, young);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["references young", "unlogged", "byte 4 of object"]);
}

#[test]
fn a_chunk_that_was_not_logged() {
    let mut setup = setup();
    let array = setup.heap.alloc_old_array(setup.types.refs, 1000, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = array;
    let young = setup.young();
    setup.heap.array_set_ref(array, 500, young);
    // In the chunk next to the one that is logged.
    setup.heap.poke(array + 2 + 512, young);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["references young", "unlogged", &format!("byte {} of object", 8 + 512 * 4)]);
}

#[test]
fn a_barrier_that_forgets_the_log_of_a_chunk() {
    let mut setup = setup();
    let array = setup.heap.alloc_old_array(setup.types.refs, 1000, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = array;
    let young = setup.young();
    setup.heap.hooks().skip_next_log = true;
    setup.heap.array_set_ref(array, 500, young);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["chunk: Some(f)", "says that it is logged but the log lacks it"]);
}

#[test]
fn a_root_that_a_stack_map_misses() {
    let mut setup = setup();
    setup.roots.hidden = setup.young();
    setup.heap.collect_minor(&mut setup.roots);
    setup.roots.show_hidden = true;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["a part of the nursery that is empty", "the frame that returns to 0xdead"]);
}

#[test]
fn a_root_that_minors_do_not_visit() {
    let mut setup = setup();
    setup.roots.hidden = setup.young();
    setup.roots.show_hidden = true;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["in a root that minors do not visit", "0xdead"]);
}

#[test]
fn a_global_whose_write_was_not_noted() {
    let mut setup = setup();
    setup.roots.globals[1] = setup.young();
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["in a root that minors do not visit", "global 1"]);
}

#[test]
fn a_stale_reference_to_a_moved_object() {
    let mut setup = setup();
    let old = setup.old();
    let stale = old;
    setup.heap.collect_moving(&mut setup.roots);
    assert_ne!(setup.roots.frames[0][0], stale, "the object moved");
    setup.roots.frames[0][1] = stale;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("{stale:#x} lies in block"), "which is Free", "frame that returns to 0x0"]);
}

#[test]
fn a_forwarding_pointer_that_was_left() {
    let mut setup = setup();
    let old = setup.old();
    setup.heap.poke(old, (old + 64) | FORWARDED);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["was left forwarded to", &format!("{old:#x}")]);
}

#[test]
fn a_reference_into_the_middle_of_an_object() {
    let mut setup = setup();
    let young = setup.young();
    let ty = setup.types.structs[1].id;
    // The field looks like a header.
    setup.heap.poke(young + 2, ty.header(0));
    setup.roots.frames[0][1] = young + 2;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["is not the start of a young object"]);
}

#[test]
fn old_objects_that_overlap() {
    let mut setup = setup();
    let old = setup.heap.alloc_old_array(setup.types.data[0].0, 100, &mut setup.roots).unwrap();
    setup.roots.frames[0][0] = old;
    setup.heap.poke(old + 4, setup.types.structs[0].id.header(UNLOGGED));
    setup.roots.frames[0][1] = old + 4;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["overlaps another"]);
}

#[test]
fn a_header_without_a_type() {
    let mut setup = setup();
    let old = setup.old();
    setup.heap.poke(old, 0x00ff_ff00 | UNLOGGED);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["which names no type"]);
}

#[test]
fn an_immortal_object_with_a_mortal_field() {
    let mut setup = setup();
    let old = setup.old();
    let immortal = setup.heap.alloc_immortal_object(setup.types.structs[1].id).unwrap();
    setup.heap.poke(immortal + 1, old);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["immortal", "byte 4 of object"]);
}

#[test]
fn a_write_into_the_empty_eden() {
    let mut setup = setup();
    // Eden is cold until then.
    setup.heap.collect_minor(&mut setup.roots);
    let young = setup.young();
    setup.heap.collect_minor(&mut setup.roots);
    setup.heap.poke(young + 1, 5);
    // The next object does not cover the word, and eden is checked after the collection.
    setup.roots.frames[0][0] = 0;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["eden is not poisoned at", &format!("{:#x}", young + 1)]);
}

#[test]
fn an_overwritten_field_that_a_marking_does_not_see() {
    let run = |skip: bool| {
        let mut setup = setup();
        let host = setup.old();
        let other = setup.heap.alloc_old_struct(setup.types.structs[1].id, &mut setup.roots).unwrap();
        setup.roots.frames[0][1] = other;
        let hidden = setup.young();
        setup.heap.write_ref(host, 4, hidden);
        setup.heap.start_major(&mut setup.roots);
        // The only way to the object moves from one that is not scanned yet to one that is new.
        setup.heap.hooks().skip_snapshots = skip;
        let fresh = setup.young();
        let hidden = setup.heap.read_ref(setup.roots.frames[0][0], 4);
        setup.heap.write_ref(fresh, 4, hidden);
        setup.roots.frames[0][2] = fresh;
        setup.heap.write_ref(setup.roots.frames[0][0], 4, 0);
        (setup, hidden)
    };
    let finish = |heap: &mut Heap, roots: &mut Roots| while heap.step(roots) {};
    let (setup, hidden) = run(true);
    assert_says(&report(setup, finish), &["AfterMarking", "was not marked", &format!("{hidden:#x}")]);
    let (mut setup, _) = run(false);
    finish(&mut setup.heap, &mut setup.roots);
    assert_eq!(setup.heap.stats().markings, 1);
}

#[test]
fn a_dropped_root_that_a_marking_does_not_see() {
    let run = |skip: bool| {
        let mut setup = setup();
        let hidden = setup.young();
        setup.roots.globals[0] = hidden;
        setup.roots.dirty[0] = true;
        setup.heap.start_major(&mut setup.roots);
        setup.heap.hooks().skip_snapshots = skip;
        let hidden = setup.roots.globals[0];
        setup.heap.shade(hidden);
        setup.roots.globals[0] = 0;
        setup.roots.frames[0][2] = hidden;
        (setup, hidden)
    };
    let finish = |heap: &mut Heap, roots: &mut Roots| while heap.step(roots) {};
    let (setup, hidden) = run(true);
    assert_says(&report(setup, finish), &["AfterMarking", "was not marked", &format!("{hidden:#x}")]);
    let (mut setup, _) = run(false);
    finish(&mut setup.heap, &mut setup.roots);
}

/// A weak cell in slot 1 of the frame that names an old object, which nothing else does.
fn with_weak_cell() -> (Setup, RawRef) {
    let mut setup = setup();
    setup.roots.frames[0][0] = setup.young();
    setup.roots.frames[0][1] = setup.heap.alloc_weak(setup.types.weak, &mut setup.roots).unwrap();
    setup.heap.init_weak(setup.roots.frames[0][1], setup.roots.frames[0][0]);
    setup.heap.promote_all(&mut setup.roots);
    let referent = std::mem::take(&mut setup.roots.frames[0][0]);
    (setup, referent)
}

#[test]
fn a_weak_read_that_a_marking_does_not_see() {
    let run = |skip: bool| {
        let (mut setup, hidden) = with_weak_cell();
        setup.heap.start_major(&mut setup.roots);
        setup.heap.hooks().skip_weak_reads = skip;
        assert_eq!(setup.heap.weak_get(setup.roots.frames[0][1]), hidden);
        setup.roots.frames[0][2] = hidden;
        (setup, hidden)
    };
    let finish = |heap: &mut Heap, roots: &mut Roots| while heap.step(roots) {};
    let (setup, hidden) = run(true);
    assert_says(&report(setup, finish), &["AfterMarking", "was not marked", &format!("{hidden:#x}")]);
    let (mut setup, hidden) = run(false);
    finish(&mut setup.heap, &mut setup.roots);
    assert_eq!(setup.heap.weak_get(setup.roots.frames[0][1]), hidden);
}

#[test]
fn a_read_of_an_ephemeron_that_a_marking_does_not_see() {
    let mut setup = setup();
    setup.roots.frames[0][0] = setup.young();
    setup.roots.frames[0][1] = setup.heap.alloc_weak(setup.types.ephemeron, &mut setup.roots).unwrap();
    let key = setup.roots.frames[0][0];
    setup.heap.init_ephemeron(setup.roots.frames[0][1], key, 0);
    setup.heap.promote_all(&mut setup.roots);
    setup.roots.frames[0][0] = 0;
    setup.heap.start_major(&mut setup.roots);
    setup.heap.hooks().skip_weak_reads = true;
    let (hidden, _) = setup.heap.ephemeron_get(setup.roots.frames[0][1]).unwrap();
    setup.roots.frames[0][2] = hidden;
    let text = report(setup, |heap, roots| while heap.step(roots) {});
    assert_says(&text, &["AfterMarking", "was not marked", &format!("{hidden:#x}")]);
}

#[test]
fn a_weak_cell_that_was_not_updated() {
    let (mut setup, referent) = with_weak_cell();
    setup.heap.poke(setup.roots.frames[0][1] + 1, referent + 64);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("{:#x}", referent + 64), "byte 4 of object"]);
}

#[test]
fn a_weak_cell_that_no_list_knows() {
    let (mut setup, referent) = with_weak_cell();
    // Nothing is listed for null.
    setup.roots.frames[0][3] = setup.heap.alloc_weak(setup.types.weak, &mut setup.roots).unwrap();
    setup.heap.poke(setup.roots.frames[0][3] + 1, referent);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("names {referent:#x} weakly but is not listed"), "byte 4 of object"]);
}

#[test]
fn an_old_weak_cell_that_names_a_young_object() {
    let (mut setup, _) = with_weak_cell();
    let young = setup.young();
    setup.heap.poke(setup.roots.frames[0][1] + 1, young);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("names {young:#x} weakly, is listed as old")]);
}

#[test]
fn a_young_array_that_is_longer_than_the_nursery() {
    let mut setup = setup();
    let array = setup.heap.alloc_array(setup.types.data[0].0, 10, &mut setup.roots).unwrap();
    setup.heap.poke(array + 1, 1 << 20);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["a walk over the nursery", &format!("{array:#x} of "), "reaches beyond its space"]);
}

#[test]
fn a_reference_to_memory_that_was_given_up() {
    // What is freed is filled with this while the verifier is on.
    const POISON: u32 = 0xfbad_bad8;
    let mut setup = setup();
    let dead = setup.old();
    setup.old();
    setup.heap.collect_major(&mut setup.roots);
    assert_eq!(setup.heap.peek(dead), POISON);
    setup.roots.frames[0][1] = dead;
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["that was given up (poison)", &format!("{dead:#x}")]);
}

#[test]
fn a_small_object_that_says_that_it_is_large() {
    let mut setup = setup();
    let old = setup.old();
    setup.heap.poke(old, setup.heap.peek(old) | LARGE);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("{old:#x} has state 0xa instead of 0x2")]);
}

#[test]
fn an_object_of_the_log_that_says_it_is_not_logged() {
    let mut setup = setup();
    let (old, young) = (setup.old(), setup.young());
    setup.heap.write_ref(old, 4, young);
    setup.heap.poke(old, setup.heap.peek(old) | UNLOGGED);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["is logged but its state says otherwise", "the log"]);
}

#[test]
fn an_object_that_is_logged_twice() {
    let mut setup = setup();
    let (old, young) = (setup.old(), setup.young());
    setup.heap.write_ref(old, 4, young);
    setup.heap.poke(old, setup.heap.peek(old) | UNLOGGED);
    setup.heap.write_ref(old, 8, young);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["is logged twice", "the log"]);
}

#[test]
fn a_young_object_in_the_log() {
    let mut setup = setup();
    let young = setup.young();
    setup.heap.poke(young, setup.heap.peek(young) | UNLOGGED);
    setup.heap.write_ref(young, 4, 0);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("{young:#x} is logged but not old")]);
}

#[test]
fn references_to_no_space() {
    // Where no block was taken yet, and behind the immortal objects.
    for (reference, says) in [(0x4000_0000, "lies beyond the old space"), (0x900_0000, "lies in no space")] {
        let mut setup = setup();
        setup.roots.frames[0][1] = reference;
        let text = report(setup, |heap, roots| heap.collect_minor(roots));
        assert_says(&text, &[&format!("{reference:#x} {says}")]);
    }
}

#[test]
fn an_immortal_object_without_a_type() {
    let mut setup = setup();
    let immortal = setup.heap.alloc_immortal_object(setup.types.structs[1].id).unwrap();
    setup.heap.poke(immortal, 0x00ff_ff00);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &["which names no type", "the list of immortal objects"]);
}

#[test]
fn a_weak_cell_that_is_listed_twice() {
    let mut setup = setup();
    let young = setup.young();
    setup.roots.frames[0][0] = young;
    let cell = setup.heap.alloc_weak(setup.types.weak, &mut setup.roots).unwrap();
    setup.heap.init_weak(cell, setup.roots.frames[0][0]);
    setup.heap.init_weak(cell, setup.roots.frames[0][0]);
    let text = report(setup, |heap, roots| heap.collect_minor(roots));
    assert_says(&text, &[&format!("the weak cell {cell:#x} is listed twice")]);
}

/// A root outside of frames, which minors are shown as if it were one of a frame.
struct Misplaced {
    place: RootPlace,
    root: RawRef,
    /// Whether minors are shown it at all.
    shown: bool,
}

impl RootProvider for Misplaced {
    fn frames(&mut self, scope: FrameScope, visitor: &mut dyn RootVisitor) -> RootWork {
        if self.shown && scope == FrameScope::Recent {
            visitor.slot(&mut self.root);
        }
        RootWork::default()
    }

    fn remembered(&mut self, cursor: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        NoRoots.remembered(cursor, visitor)
    }

    fn all(&mut self, _: &mut RootCursor, visitor: &mut dyn RootVisitor) -> RootWork {
        visitor.place(self.place);
        visitor.slot(&mut self.root);
        RootWork::default()
    }

    fn begin_snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        NoRoots.begin_snapshot(visitor)
    }

    fn snapshot(&mut self, visitor: &mut dyn RootVisitor) -> RootWork {
        NoRoots.snapshot(visitor)
    }
}

#[test]
fn each_place_of_a_root_has_a_name() {
    for (place, name) in [
        (RootPlace::Frame(0xabc), "the frame that returns to 0xabc"),
        (RootPlace::Global(7), "global 7"),
        (RootPlace::Table(3, 9), "element 9 of table 3"),
        (RootPlace::Handle(2), "host handle 2"),
        (RootPlace::Other(1), "root 1"),
    ] {
        let mut setup = setup();
        let mut roots = Misplaced { place, root: setup.young(), shown: false };
        let text = report(setup, |heap, _| heap.collect_minor(&mut roots));
        assert_says(&text, &["in a root that minors do not visit", name]);
    }
}

#[test]
fn a_global_that_a_minor_leaves_young() {
    let mut setup = setup();
    let mut roots = Misplaced { place: RootPlace::Global(4), root: setup.young(), shown: true };
    let text = report(setup, |heap, _| heap.collect_minor(&mut roots));
    assert_says(&text, &["AfterMinor", "in a remembered root after a collection", "global 4"]);
}
