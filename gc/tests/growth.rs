//! An embedder that is asked before the heap grows. An allocation that has to wait for its answer has done nothing, and
//! no collection asks.

mod common;

use common::{Roots, Types};
use heapwood_gc::*;

/// A kind of allocation, of some bytes.
type Allocate = fn(&mut Setup) -> Result<u64, Exhausted>;

const KINDS: [(&str, Allocate); 6] = [
    ("young struct", |setup| {
        let Setup { heap, types, roots, .. } = setup;
        let object = heap.alloc_struct(types.structs[1].id, roots)?;
        keep(setup, object);
        Ok(16)
    }),
    ("young array", |setup| array(setup, 4000)),
    ("pretenured array", |setup| array(setup, 50_000)),
    ("large array", |setup| array(setup, 500_000)),
    ("old array", |setup| {
        let Setup { heap, types, roots, .. } = setup;
        let object = heap.alloc_old_array(types.data[0].0, 1000, roots)?;
        keep(setup, object);
        Ok(1000)
    }),
    ("immortal memory", |setup| setup.heap.alloc_immortal(1000).map(|_| 1000)),
];

struct Setup {
    heap: Heap,
    types: Types,
    roots: Roots,
    kept: usize,
}

fn setup(stress: bool) -> Setup {
    let types = Types::new();
    let stress = if stress { std::num::NonZeroU64::new(1) } else { None };
    let config = HeapConfig { max_bytes: 64 << 20, verify: true, stress, ..HeapConfig::default() };
    let heap = Heap::new(&config, types.table.clone()).unwrap();
    Setup { heap, types, roots: Roots { frames: vec![vec![0; 4096]], ..Roots::default() }, kept: 0 }
}

/// The last objects stay alive.
fn keep(setup: &mut Setup, object: u32) {
    setup.roots.frames[0][setup.kept % 64] = object;
    setup.kept += 1;
}

fn array(setup: &mut Setup, length: u32) -> Result<u64, Exhausted> {
    let Setup { heap, types, roots, .. } = setup;
    let object = heap.alloc_array(types.data[0].0, length, roots)?;
    keep(setup, object);
    Ok(length.into())
}

/// Allocates until the heap wants to grow.
fn until_asked(setup: &mut Setup, allocate: Allocate) -> WantedGrowth {
    for _ in 0..1_000_000 {
        let before = (setup.heap.stats().majors, setup.heap.stats().compactions, setup.heap.stats().stalls);
        if let Err(error) = allocate(setup) {
            assert_eq!(error.why, Refused::NotAllowed, "{error}");
            let after = (setup.heap.stats().majors, setup.heap.stats().compactions, setup.heap.stats().stalls);
            assert_eq!(before, after, "nothing is collected before the answer");
            return setup.heap.wanted_growth().expect("something is wanted");
        }
    }
    panic!("it never asked");
}

#[test]
fn each_kind_of_allocation_waits_for_the_answer() {
    for (kind, allocate) in KINDS {
        let mut setup = setup(false);
        setup.heap.ask_for_growth();
        let mut questions = 0;
        let mut allocated = 0;
        while allocated < 4 << 20 {
            match allocate(&mut setup) {
                Ok(bytes) => allocated += bytes,
                Err(error) => {
                    assert_eq!(error.why, Refused::NotAllowed, "{kind}");
                    let wanted = setup.heap.wanted_growth().unwrap();
                    let committed = setup.heap.stats().committed_bytes;
                    assert!(wanted.current < wanted.least && wanted.least <= wanted.desired, "{kind}: {wanted:?}");
                    assert!(wanted.desired <= wanted.maximum, "{kind}: {wanted:?}");
                    assert_eq!((wanted.least % (64 << 10), wanted.maximum), (0, 64 << 20), "{kind}");
                    assert!(wanted.least >= committed, "{kind}: {wanted:?} with {committed} bytes");
                    setup.heap.allow_growth(wanted.desired);
                    assert_eq!(setup.heap.wanted_growth(), None, "{kind}: allowed");
                    questions += 1;
                    setup.heap.check(&mut setup.roots);
                }
            }
        }
        assert!(questions > 0, "{kind}");
    }
}

/// Somebody wants to be asked about a heap that has old objects and was never ready for a collection: first of all
/// about the marks of these.
#[test]
fn whoever_comes_late_is_asked_before_the_heap_is_made_ready() {
    for (kind, allocate) in KINDS {
        let mut setup = setup(false);
        for _ in 0..30 {
            // Small enough for the heap to stay as it is.
            let Setup { heap, types, roots, .. } = &mut setup;
            let object = heap.alloc_old_array(types.data[0].0, 20_000, roots).unwrap();
            keep(&mut setup, object);
        }
        setup.heap.ask_for_growth();
        let used = setup.heap.stats().committed_bytes;
        let wanted = until_asked(&mut setup, allocate);
        assert!(wanted.current == used && wanted.least > used, "{kind}: {wanted:?}");
        setup.heap.check(&mut setup.roots);
        setup.heap.allow_growth(32 << 20);
        allocate(&mut setup).unwrap_or_else(|error| panic!("{kind}: {error}"));
        setup.heap.collect_major(&mut setup.roots);
        setup.heap.check(&mut setup.roots);
    }
}

#[test]
fn what_is_denied_is_a_limit_until_more_is_allowed() {
    for (kind, allocate) in KINDS {
        let mut setup = setup(false);
        setup.heap.ask_for_growth();
        let used = setup.heap.stats().committed_bytes;
        let wanted = until_asked(&mut setup, allocate);
        assert_eq!(wanted.current, used, "{kind}");
        setup.heap.deny_growth();
        let error = allocate(&mut setup).unwrap_err();
        setup.heap.resume_asking();
        assert_eq!((error.why, error.limit_bytes), (Refused::Limit, used), "{kind}");
        setup.heap.check(&mut setup.roots);
        setup.heap.allow_growth(32 << 20);
        allocate(&mut setup).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(setup.heap.stats().peak_bytes <= 32 << 20, "{kind}");
    }
}

/// Collections in a heap that may not grow: they never take more than was allowed, but for lists that grow first and
/// are counted afterwards, and they never make the heap ask.
#[test]
fn collections_do_not_grow_the_heap() {
    for stress in [false, true] {
        let mut setup = setup(stress);
        for _ in 0..200 {
            array(&mut setup, 20_000).unwrap();
        }
        setup.heap.ask_for_growth();
        let used = setup.heap.stats().committed_bytes;
        for round in 0..20 {
            setup.roots.frames[0][round] = 0;
            setup.heap.collect_minor(&mut setup.roots);
            setup.heap.collect_major(&mut setup.roots);
            setup.heap.collect_moving(&mut setup.roots);
            setup.heap.start_major(&mut setup.roots);
            while setup.heap.step(&mut setup.roots) {}
            let now = setup.heap.stats().committed_bytes;
            assert!(now <= used + (64 << 10), "{now} bytes after {used}");
        }
    }
}

/// A heap that nobody wants to be asked about has its limit and no other.
#[test]
fn without_a_question_nothing_changes() {
    let mut setup = setup(false);
    assert_eq!(setup.heap.wanted_growth(), None);
    let error = (0..1_000).find_map(|_| array(&mut setup, 2 << 20).err()).expect("128 MiB do not fit");
    assert_eq!((error.why, error.limit_bytes), (Refused::Limit, 64 << 20));
    assert_eq!(setup.heap.wanted_growth(), None);
}

/// What is allowed is enough for an object, and not for the tables of the blocks that it needs, or of those that the
/// next minor needs in place of the ones that the object has taken.
#[test]
fn tables_of_blocks_are_asked_for() {
    const BYTES: u64 = 1 << 20;
    for before in 0..3 {
        let mut setup = setup(false);
        for _ in 0..before {
            array(&mut setup, BYTES as u32 - 8).unwrap();
        }
        setup.heap.ask_for_growth();
        let used = setup.heap.stats().committed_bytes;
        setup.heap.allow_growth(used + BYTES + 4096);
        let mut questions = 0;
        while let Err(error) = array(&mut setup, BYTES as u32 - 8) {
            let (stats, wanted) = (setup.heap.stats(), setup.heap.wanted_growth().unwrap());
            assert_eq!(error.why, Refused::NotAllowed);
            assert_eq!((stats.majors, stats.stalls), (0, 0), "nothing is collected before the answer");
            assert!(wanted.least > used + BYTES, "{wanted:?}");
            setup.heap.allow_growth(wanted.desired);
            questions += 1;
        }
        assert!((1..4).contains(&questions), "{questions} questions after {before} objects");
    }
}
