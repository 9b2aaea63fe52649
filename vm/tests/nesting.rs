//! Guests and host functions that call each other: exceptions, traps, errors, panics, interrupts and collections in
//! every order, with values in all registers and slots that have to survive them.
//!
//! `HEAPWOOD_NESTING_SEEDS=FROM..TO` picks other seeds. A seed is a program (`program`), which a model without a
//! machine runs as well (`model`).

mod common;
mod nesting {
    pub mod emit;
    pub mod host;
    pub mod model;
    pub mod numbers;
    pub mod program;
}

use common::child::in_child;
use heapwood_vm::*;
use nesting::host;
use nesting::model::Model;
use nesting::program::Program;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Seeds that always run.
const DEFAULT_SEEDS: Range<u64> = 0..300;

/// What happens in these, each of them at least so often in all.
const WANTED: [(&str, u64); 12] = [
    ("collections", 100),
    ("entries into another store", 50),
    ("errors swallowed by the host", 50),
    ("exceptions caught", 15),
    ("exceptions caught behind a host function", 50),
    ("exceptions caught by the host", 20),
    ("exceptions of the host", 50),
    ("exceptions rethrown", 3),
    ("exceptions rethrown behind a host function", 30),
    ("interrupts", 10),
    ("nested entries", 500),
    ("traps", 50),
];

fn seeds() -> Range<u64> {
    let Ok(text) = std::env::var("HEAPWOOD_NESTING_SEEDS") else { return DEFAULT_SEEDS };
    let bounds = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    bounds.unwrap_or_else(|| panic!("`{text}` is no range of seeds, such as 0..20000"))
}

#[test]
fn what_survives_a_nested_entry() {
    in_child("what_survives_a_nested_entry", || {
        let (seeds, modes) = (seeds(), common::modes_and_markings());
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        let mut cases = 0;
        for seed in seeds.clone() {
            let program = Arc::new(Program::new(seed));
            let mut model = Model::new(&program);
            let argument = seed as i64 ^ 0x1234_5678_9abc;
            let wanted = model.call(0, argument);
            for (name, config) in &modes {
                let case = format!("seed {seed}, {name}");
                let wide_memory = seed % 2 == 1;
                let found = host::run(&program, config, wide_memory, argument);
                assert_eq!(found.result, wanted, "{case}: the end");
                assert_eq!(found.log, model.log, "{case}: the log");
                for (id, word) in found.memory.iter().enumerate() {
                    assert_eq!(*word, model.memory.get(&id).copied().unwrap_or(0), "{case}: memory of {id}");
                }
                cases += 1;
            }
            model.counts.into_iter().for_each(|(what, count)| *counts.entry(what).or_default() += count);
        }
        println!("{cases} cases: {} programs in {} modes; {counts:?}", seeds.end - seeds.start, modes.len());
        if seeds == DEFAULT_SEEDS {
            assert_eq!(cases, 2100);
            for (what, least) in WANTED {
                assert!(counts.get(what).is_some_and(|count| *count >= least), "too few {what}: {counts:?}");
            }
        }
    });
}

/// The case that began it: an exception through a host function left the outer guest with the inner one's registers.
#[test]
fn an_exception_through_the_host_leaves_the_registers_of_the_outer_guest() {
    in_child("an_exception_through_the_host_leaves_the_registers_of_the_outer_guest", throw_through_the_host);
}

fn throw_through_the_host() {
    let guest = r#"(module
      (tag $e)
      (import "h" "h" (func $h))
      (memory (export "m") 1)
      (func $g (export "g") (param $a i64) (param $b i64) (param $c i64) (local $n i32)
        (local.set $n (i32.const 3))
        (loop $l
          (local.set $a (i64.xor (local.get $a) (i64.const 1)))
          (local.set $b (i64.xor (local.get $b) (i64.const 1)))
          (local.set $c (i64.xor (local.get $c) (i64.const 1)))
          (call $nop)
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_if $l (local.get $n)))
        (throw $e)
        (drop (i64.add (local.get $a) (i64.add (local.get $b) (local.get $c)))))
      (func $nop)
      (func (export "f") (param $p i32) (result i32)
        (block $c (try_table (catch $e $c) (call $h)))
        (i32.store (local.get $p) (i32.const 0x12345678))
        (i32.load (local.get $p))))"#;
    for (name, config) in common::modes_and_markings() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(guest).unwrap()).unwrap();
        let mut linker: Linker<()> = Linker::new(&engine);
        let enter = |mut caller: Caller<'_, ()>| -> Result<()> {
            let g = caller.get_export("g").and_then(Extern::into_func).unwrap();
            g.call(&mut caller, &[0x4141_4141_0000, 0x4242_4242_0000, 0x4343_4343_0000].map(Val::I64), &mut [])
        };
        linker.func_wrap("h", "h", enter).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let f = instance.get_typed_func::<i32, i32>(&mut store, "f").unwrap();
        assert_eq!(f.call(&mut store, 16).unwrap(), 0x1234_5678, "{name}");
        let memory = instance.get_memory(&mut store, "m").unwrap();
        assert_eq!(memory.data(&store)[16..20], 0x1234_5678_u32.to_le_bytes(), "{name}");
    }
}

/// What goes through thousands of entries is told of where it began, however deep that is.
#[test]
fn errors_go_through_many_entries() {
    const LEVELS: i32 = 10_000;
    let run = || {
        let engine = Engine::new(Config::new().max_stack(64 << 20)).unwrap();
        let text = r#"(module
            (import "h" "h" (func $h (param i32 i32)))
            (tag $thrown (param i32))
            (func $down (export "down") (param $levels i32) (param $how i32)
                (if (local.get $levels)
                    (then (call $h (i32.sub (local.get $levels) (i32.const 1)) (local.get $how)))
                    (else (call $end (local.get $how)))))
            (func $end (param $how i32)
                (if (i32.eq (local.get $how) (i32.const 0)) (then (unreachable)))
                (if (i32.eq (local.get $how) (i32.const 1)) (then (throw $thrown (i32.const 7))))
                (call $h (i32.const -1) (local.get $how))))"#;
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        let host = |mut caller: Caller<'_, ()>, levels: i32, how: i32| -> Result<()> {
            if levels < 0 {
                return Err(Error::msg("the host's"));
            }
            let down = caller.get_export("down").and_then(Extern::into_func).unwrap();
            down.call(&mut caller, &[Val::I32(levels), Val::I32(how)], &mut [])
        };
        linker.func_wrap("h", "h", host).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let down = instance.get_typed_func::<(i32, i32), ()>(&mut store, "down").unwrap();
        for how in 0..3 {
            let error = down.call(&mut store, (LEVELS, how)).unwrap_err();
            match how {
                0 => assert_eq!(error.trap().unwrap().kind(), TrapKind::Unreachable),
                1 => assert!(error.exception().is_some()),
                _ => assert_eq!(error.to_string(), "the host's"),
            }
            let backtrace = error.backtrace().unwrap();
            assert_eq!(backtrace.frames()[0].func_name(), Some("end"));
            let frames = backtrace.frames().len() + backtrace.omitted();
            assert!(frames > LEVELS as usize, "{frames} frames");
        }
    };
    std::thread::Builder::new().stack_size(512 << 20).spawn(run).unwrap().join().unwrap();
}
