//! Random calls with arguments that mean something just often enough: no panic, no hang, nothing touched outside.

mod common;

use common::*;
use heapwood_wasi::{
    DeterministicClocks, DirAccess, MemoryInput, MemoryOutput, SeededRandom, WasiCtxBuilder, functions,
};
use proptest::prelude::*;

/// Small enough that pointers and lengths often reach the end.
const MEMORY: usize = 4096;

const NAMES: [&str; 8] = ["file", "dir", "dir/x", "..", "../beside", "link", "dir/", "."];

/// Numbers that hit descriptors, flags, pointers to names and lists, and the edges of everything.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0u64..8,
        2 => (0u64..64).prop_map(|i| 64 + 8 * i),
        2 => prop::sample::select(vec![48, 1024, 4088, 4095, 4096, 4097]),
        1 => prop::sample::select(vec![0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff, u64::MAX, 1 << 63]),
        1 => any::<u64>(),
        1 => Just(FILE_RIGHTS),
    ]
}

fn call() -> impl Strategy<Value = (usize, [u64; 9])> {
    (0..functions().len(), prop::array::uniform9(argument()))
}

/// Names at 64, 80, …; a list of buffers at 512; subscriptions with timeouts at 1024.
fn fill(memory: &mut [u8]) {
    for (i, name) in NAMES.iter().enumerate() {
        memory[64 + 16 * i..][..name.len()].copy_from_slice(name.as_bytes());
    }
    for i in 0..4 {
        memory[512 + 8 * i..][..8].copy_from_slice(&[0, 8, 0, 0, 16, 0, 0, 0]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_calls(calls in prop::collection::vec(call(), 1..80), access in any::<bool>()) {
        let scratch = Scratch::new();
        scratch.write("beside", b"untouched");
        std::fs::create_dir_all(scratch.join("root/dir")).unwrap();
        scratch.write("root/file", b"contents");
        std::os::unix::fs::symlink("../beside", scratch.join("root/link")).unwrap();
        let access = if access { DirAccess::ReadWrite } else { DirAccess::ReadOnly };
        let builder = WasiCtxBuilder::new()
            .args(["app", "x"])
            .env("K", "V")
            .stdin(MemoryInput::new("input"))
            .stdout(MemoryOutput::new(1000))
            .clocks(DeterministicClocks::new(0, 1))
            .random(SeededRandom::new(1))
            .preopen_dir(scratch.join("root"), "/", access)
            .max_file_size(1 << 16)
            .max_descriptors(12);
        let mut guest = Guest::new(builder);
        guest.memory = vec![0; MEMORY];
        fill(&mut guest.memory);
        for (function, arguments) in calls {
            let function = &functions()[function];
            let _ = guest.try_call(function.name, &arguments[..function.params.len()]);
            prop_assert_eq!(guest.memory.len(), MEMORY);
        }
        prop_assert_eq!(scratch.read("beside"), b"untouched");
        let mut outside: Vec<_> = std::fs::read_dir(scratch.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        outside.sort();
        prop_assert_eq!(outside, ["beside", "root"]);
        if access == DirAccess::ReadOnly {
            prop_assert_eq!(scratch.read("root/file"), b"contents");
            prop_assert_eq!(std::fs::read_dir(scratch.join("root")).unwrap().count(), 3);
        }
    }
}
