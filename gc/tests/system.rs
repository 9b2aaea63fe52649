//! A system that gives little, in truth: this program again, with limits of a shell's `ulimit`.

mod common;

use common::{Roots, Types, World};
use heapwood_gc::{Heap, HeapConfig, HeapError};
use heapwood_gc_abi::RawRef;
use std::fs::File;
use std::process::Command;

/// Names the test that this process runs, if it was started for one.
const CHILD: &str = "HEAPWOOD_TEST_CHILD";

/// Runs `body` in a process of its own that has these limits.
fn within(limits: &str, name: &str, body: impl FnOnce()) {
    if std::env::var(CHILD).is_ok_and(|child| child == name) {
        return body();
    }
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{limits} && exec \"$@\""), "sh"]).arg(program);
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(CHILD, name);
    let output = command.output().expect("a shell starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} ended with {}:\n{said}{errors}", output.status);
    assert!(said.contains("test result: ok. 1 passed"), "{name} did not run:\n{said}{errors}");
}

fn config() -> HeapConfig {
    HeapConfig { max_bytes: 64 << 20, nursery_bytes: Some(64 << 10), ..HeapConfig::default() }
}

#[test]
fn with_little_address_space_a_heap_takes_what_its_limit_needs() {
    within("ulimit -v 4000000", "with_little_address_space_a_heap_takes_what_its_limit_needs", || {
        let mut world = World::new(&config(), 3);
        world.run(3_000);
        assert_eq!(world.exhausted(), None);
    });
}

#[test]
fn without_address_space_there_is_no_heap() {
    within("ulimit -v 200000", "without_address_space_there_is_no_heap", || {
        let error = Heap::new(&config(), Types::new().table).unwrap_err();
        assert!(matches!(error, HeapError::Backing(refused) if refused.operation == "reserve"), "{error}");
    });
}

#[test]
fn without_descriptors_or_large_files_types_are_shared_all_the_same() {
    const NAME: &str = "without_descriptors_or_large_files_types_are_shared_all_the_same";
    for limits in ["ulimit -n 64", "ulimit -f 1"] {
        within(limits, NAME, || {
            let taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).take(1000).collect();
            let mut world = World::new(&config(), 3);
            world.run(3_000);
            assert_eq!(world.exhausted(), None);
            drop(taken);
        });
    }
}

/// Takes all address space but pieces of less than `least` bytes.
fn take_all(least: usize) -> Vec<Vec<u8>> {
    let mut taken = Vec::with_capacity(1 << 12);
    let mut bytes = 1 << 30;
    while bytes >= least {
        let mut piece = Vec::new();
        match piece.try_reserve_exact(bytes) {
            Ok(()) => taken.push(piece),
            Err(_) => bytes /= 2,
        }
    }
    taken
}

/// A table of ephemerons, each with a key of its own.
fn ephemerons(heap: &mut Heap, types: &Types, count: u32) -> RawRef {
    let mut roots = Roots { frames: vec![vec![0; 2]], ..Roots::default() };
    roots.frames[0][0] = heap.alloc_array(types.refs, count, &mut roots).unwrap();
    for number in 0..count {
        roots.frames[0][1] = heap.alloc_struct(types.structs[1].id, &mut roots).unwrap();
        let cell = heap.alloc_weak(types.ephemeron, &mut roots).unwrap();
        heap.init_ephemeron(cell, roots.frames[0][1], 0);
        heap.array_set_ref(roots.frames[0][0], number, cell);
    }
    roots.frames[0][0]
}

#[test]
fn a_graph_whose_lists_cannot_grow_is_refused() {
    within("ulimit -v 4000000", "a_graph_whose_lists_cannot_grow_is_refused", || {
        const COUNT: u32 = 200_000;
        let types = Types::new();
        let mut heap = Heap::new(&config(), types.table.clone()).unwrap();
        let table = ephemerons(&mut heap, &types, COUNT);
        let mut taken = Vec::new();
        // The tables are there when the roots are asked for: what grows are the lists of ephemerons that wait.
        let refused = heap.graph(|root| {
            taken = take_all(64 << 10);
            root(table);
        });
        let error = refused.map(drop).unwrap_err();
        assert!((1..u64::from(COUNT) * 16).contains(&error.bytes), "{error}");
        drop(taken);
        let graph = heap.graph(|root| root(table)).unwrap();
        assert_eq!((graph.objects(), graph.entries()), (u64::from(COUNT) + 1, 0));
    });
}
