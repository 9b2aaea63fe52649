//! Functions that are compiled again do what they did before. Modules of small functions, made of seeds, that call each
//! other by name and by reference, give the same results, trap or throw at the same places with the same backtraces,
//! show the same frames to the host, and burn the same fuel, whatever was inlined behind a guard and whenever code was
//! replaced; and the heap is sound while everything moves.

mod common;
#[path = "inlining/generate.rs"]
mod generate;
#[path = "tiers/hosts.rs"]
mod hosts;
#[path = "tiers/loops.rs"]
mod loops;
#[path = "inlining/observe.rs"]
mod observe;
#[path = "common/random.rs"]
mod random;

use common::load::{load, load_file};
use generate::{Calls, module_with};
use heapwood_vm::*;
use observe::{first_difference, run};
use std::fmt::Write;

const SEEDS: u64 = 60;
const LOOP_SEEDS: u64 = 100;
/// Each function runs in the code that it had first, in code that counts, and in code in which calls are inlined.
const ARGUMENTS: [i32; 8] = [0, 7, -3, 0, 7, -3, 5, 1];

const ARGUMENTS_OF_LOOPS: [i64; 4] = [1, 0x1234_5678_9abc, -7, 1];

/// Ways of compiling again: what is seen is inlined, or a function that is never called.
fn tiers(seed: u64) -> [Tiering; 3] {
    [Tiering::Always, Tiering::Random(seed), Tiering::Random(!seed)]
}

/// How many events there were, and whether the program ended before its fuel.
fn compare(seed: u64, with_fuel: bool) -> (usize, bool) {
    let text = module_with(seed, Calls::References);
    let modes = common::modes();
    let expected = run(modes[0].1.clone().tiering(Tiering::Off), &text, with_fuel, &ARGUMENTS);
    for (mode, config) in &modes {
        for tiering in tiers(seed) {
            let mut config = config.clone();
            let found = run(config.tiering(tiering), &text, with_fuel, &ARGUMENTS);
            if let Some((left, right)) = first_difference(&expected, &found) {
                panic!("seed {seed}, fuel {with_fuel}, {mode}, {tiering:?}: before\n  {left}\nnow\n  {right}\n{text}");
            }
        }
    }
    (expected.lines().count(), !expected.contains("OutOfFuel"))
}

#[test]
fn calls_by_reference_do_the_same_when_their_functions_are_compiled_again() {
    let start = std::env::var("HEAPWOOD_TIERS_FROM").map_or(0, |from| from.parse().expect("a number"));
    let count = std::env::var("HEAPWOOD_TIERS_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    let mut events = 0;
    for seed in start..start + count {
        let (found, ends) = compare(seed, true);
        events += found;
        // Without fuel, programs that would burn too much are left out.
        if ends {
            events += compare(seed, false).0;
        }
    }
    println!("{events} events");
    assert!(events as u64 > 50 * count, "{events} events");
}

/// What a module's `run` gives for some arguments, the last memory and burnt fuel; and how many frames were replaced.
fn run_loops(config: &Config, text: &str, with_fuel: bool) -> (Vec<(i64, u64)>, u64) {
    let engine = Engine::new(config.clone().features(Features::all()).consume_fuel(with_fuel)).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut store = Store::new(&engine, ());
    if with_fuel {
        store.set_fuel(u64::from(u32::MAX)).unwrap();
    }
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
    let results = ARGUMENTS_OF_LOOPS.map(|argument| {
        let result = run.call(&mut store, argument).unwrap();
        (result, if with_fuel { store.get_fuel().unwrap() } else { 0 })
    });
    (results.to_vec(), module.replaced_frames())
}

/// Frames go on in newer code in the middle of loops, with all that they hold.
#[test]
fn loops_go_on_in_newer_code() {
    let start = std::env::var("HEAPWOOD_TIERS_FROM").map_or(0, |from| from.parse().expect("a number"));
    let count = std::env::var("HEAPWOOD_TIERS_SEEDS").map_or(LOOP_SEEDS, |seeds| seeds.parse().expect("a number"));
    let modes = common::modes_and_markings();
    let mut replaced = 0;
    for seed in start..start + count {
        let text = loops::module(seed);
        let with_fuel = seed % 2 == 0;
        let expected = run_loops(modes[0].1.clone().tiering(Tiering::Off), &text, with_fuel).0;
        for (mode, config) in &modes {
            for tiering in tiers(seed) {
                let (found, frames) = run_loops(config.clone().tiering(tiering), &text, with_fuel);
                assert_eq!(found, expected, "seed {seed}, {mode}, {tiering:?}\n{text}");
                replaced += frames;
            }
        }
    }
    println!("{replaced} frames went on in newer code");
    assert!(replaced > 20 * count, "{replaced} frames");
}

/// As [`run_loops`] of a wild module: what its calls end with, with backtraces, and what the host sees meanwhile.
fn run_wild(config: &Config, text: &str, with_fuel: bool) -> (String, u64) {
    struct Seen {
        text: String,
        /// Calls back that are left.
        calls: u32,
    }
    let engine = Engine::new(config.clone().features(Features::all()).consume_fuel(with_fuel)).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut linker = Linker::<Seen>::new(&engine);
    let look = |mut caller: Caller<'_, Seen>, value: i64| -> Result<i64> {
        let trace = caller.stack_trace();
        let line = format!("looked {value}:{}\n", observe::frames(Some(&trace.backtrace(&caller)?)));
        caller.data_mut().text.push_str(&line);
        if value & 3 == 2 {
            caller.gc()?;
        }
        if value & 1 == 0 || caller.data().calls == 0 {
            return Ok(value.wrapping_mul(3));
        }
        caller.data_mut().calls -= 1;
        let Some(Extern::Func(run)) = caller.get_export("run") else { panic!("it exports a function") };
        run.typed::<i64, i64>(&caller)?.call(&mut caller, value)
    };
    linker.func_wrap("h", "look", look).unwrap();
    let mut store = Store::new(&engine, Seen { text: String::new(), calls: 0 });
    if with_fuel {
        store.set_fuel(u64::from(u32::MAX)).unwrap();
    }
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
    for argument in ARGUMENTS_OF_LOOPS {
        store.data_mut().calls = 3;
        let line = match run.call(&mut store, argument) {
            Ok(value) => format!("returned {value}"),
            Err(error) => {
                let what = error.trap().map_or("threw".to_owned(), |trap| format!("{:?}", trap.kind()));
                format!("{what}:{}", observe::frames(error.backtrace()))
            }
        };
        let fuel = if with_fuel { store.get_fuel().unwrap() } else { 0 };
        writeln!(store.data_mut().text, "{line}, {fuel} left").unwrap();
    }
    (store.into_data().text, module.replaced_frames())
}

/// Frames that go on in newer code trap, throw, and are shown to the host like others.
#[test]
fn wild_loops_go_on_in_newer_code() {
    let start = std::env::var("HEAPWOOD_TIERS_FROM").map_or(0, |from| from.parse().expect("a number"));
    let count = std::env::var("HEAPWOOD_TIERS_SEEDS").map_or(LOOP_SEEDS, |seeds| seeds.parse().expect("a number"));
    let modes = common::modes_and_markings();
    let (mut replaced, mut trapped) = (0, 0);
    for seed in start..start + count {
        let text = loops::wild_module(seed);
        let with_fuel = seed % 2 == 0;
        let expected = run_wild(modes[0].1.clone().tiering(Tiering::Off), &text, with_fuel).0;
        trapped += usize::from(expected.contains("Unreachable") || expected.contains("Memory"));
        for (mode, config) in &modes {
            for tiering in tiers(seed) {
                let (found, frames) = run_wild(config.clone().tiering(tiering), &text, with_fuel);
                if let Some((left, right)) = first_difference(&expected, &found) {
                    panic!("seed {seed}, {mode}, {tiering:?}: before\n  {left}\nnow\n  {right}\n{text}");
                }
                replaced += frames;
            }
        }
    }
    println!("{replaced} frames went on in newer code, {trapped} programs trapped");
    assert!(replaced > 20 * count, "{replaced} frames");
}

/// `$deep` calls itself in the first round of its loop: its frames wait in old code, and each goes on in the newer one
/// when it is the innermost again, with what it held all the while.
const DEEP_LOOPS: &str = r#"(module
    (type $o (struct (field (mut i64)) (field (mut (ref null $o)))))
    (type $f (func (param i64 (ref null $o)) (result i64)))
    (elem declare func $mix)
    (func $mix (type $f)
      (i64.rotl (i64.add (local.get 0) (struct.get $o 0 (ref.as_non_null (local.get 1)))) (i64.const 5)))
    (func $deep (param $depth i64) (param $from (ref null $o)) (result i64)
      (local $n i32) (local $sum i64) (local $own (ref null $o))
      (local.set $own (struct.new $o (local.get $depth) (local.get $from)))
      (struct.new $o (i64.mul (local.get $depth) (i64.const 3)) (local.get $own))
      (i64.const -9)
      (local.set $n (i32.const 4))
      (loop $again
        (if (i32.and (i32.eq (local.get $n) (i32.const 4)) (i64.ne (local.get $depth) (i64.const 0)))
          (then (local.set $sum (call $deep (i64.sub (local.get $depth) (i64.const 1)) (local.get $own)))))
        (local.set $own (struct.new $o (local.get $sum) (local.get $own)))
        (local.set $sum (call_ref $f (local.get $sum) (local.get $own) (ref.func $mix)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.set $sum (i64.add (local.get $sum)))
      (local.set $own (struct.get $o 1))
      (i64.xor (local.get $sum) (struct.get $o 0 (local.get $own))))
    (func (export "run") (param i64) (result i64)
      (call $deep (i64.or (i64.and (local.get 0) (i64.const 0x1f)) (i64.const 0x80)) (ref.null $o))))"#;

#[test]
fn frames_that_waited_go_on_in_newer_code() {
    let modes = common::modes_and_markings();
    let expected = run_loops(modes[0].1.clone().tiering(Tiering::Off), DEEP_LOOPS, true).0;
    for (mode, config) in &modes {
        for tiering in tiers(5) {
            let (found, frames) = run_loops(config.clone().tiering(tiering), DEEP_LOOPS, true);
            assert_eq!(found, expected, "{mode}, {tiering:?}");
            assert!(frames > 100 || tiering != Tiering::Always, "{mode}: {frames} frames");
        }
    }
}

/// A module whose function calls one of many by reference.
const ACCESSORS: &str = r#"(module
    (type $f (func (param i32) (result i32)))
    (table $t 3 (ref null $f))
    (elem (table $t) (i32.const 0) (ref null $f) (ref.func $one) (ref.func $two) (ref.func $three))
    (func $one (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $two (param i32) (result i32) (i32.mul (local.get 0) (i32.const 3)))
    (func $three (param i32) (result i32) (i32.xor (local.get 0) (i32.const 5)))
    (func (export "run") (param $n i32) (result i32) (local $sum i32)
      (loop $again
        (local.set $sum (call_ref $f (local.get $sum) (table.get $t (i32.rem_u (local.get $n) (i32.const 3)))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum)))"#;

/// What is called often is inlined: the function is compiled again, and its frames name what is inlined there.
#[test]
fn a_function_that_runs_often_is_compiled_again() {
    let results = [Tiering::Off, Tiering::Always].map(|tiering| {
        let engine = Engine::new(Config::new().tiering(tiering)).unwrap();
        let module = Module::new(&engine, ACCESSORS).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        let results = [0; 4].map(|_| run.call(&mut store, 100).unwrap());
        (results, module.hot_functions())
    });
    assert_eq!(results[0].0, results[1].0);
    assert_eq!((results[0].1, results[1].1), (0, 1));
}

/// Modules of images are compiled again as others are: of one that is copied, and of a file.
#[test]
fn modules_of_images_are_compiled_again() {
    let file = std::env::temp_dir().join(format!("heapwood-tiers-{}.hw", std::process::id()));
    let results = [Tiering::Off, Tiering::Always].map(|tiering| {
        let engine = Engine::new(Config::new().tiering(tiering)).unwrap();
        let image = engine.precompile_module(&wat::parse_str(ACCESSORS).unwrap()).unwrap();
        std::fs::write(&file, &image).unwrap();
        [load(&engine, &image).unwrap(), load_file(&engine, &file).unwrap()].map(|module| {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            let results = [0; 4].map(|_| run.call(&mut store, 100).unwrap());
            let is_tiered = tiering != Tiering::Off;
            assert_eq!(module.hot_functions() == 1 && module.replaced_frames() > 0, is_tiered, "{tiering:?}");
            results
        })
    });
    std::fs::remove_file(&file).unwrap();
    assert!(results.as_flattened().iter().all(|found| *found == results[0][0]), "{results:?}");
}

/// The code of an image has the heads that are learned of the same function compiled once more, in an engine that has
/// other ids for the module's types.
#[test]
fn loops_of_images_go_on_in_newer_code() {
    let mut replaced = 0;
    for seed in 0..40 {
        let text = loops::module(seed);
        let mut config = common::modes()[seed as usize % 5].1.clone();
        config.features(Features::all()).tiering(Tiering::Always);
        let expected = run_loops(config.clone().tiering(Tiering::Off), &text, false).0;
        let image = Engine::new(&config).unwrap().precompile_module(&wat::parse_str(&text).unwrap()).unwrap();
        let engine = Engine::new(&config).unwrap();
        let _others = Module::new(&engine, "(module (type (func (param f32))) (type (struct (field i8))))").unwrap();
        let module = load(&engine, &image).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
        for (argument, (result, _)) in ARGUMENTS_OF_LOOPS.into_iter().zip(&expected) {
            assert_eq!(run.call(&mut store, argument).unwrap(), *result, "seed {seed}\n{text}");
        }
        replaced += module.replaced_frames();
    }
    assert!(replaced > 60, "{replaced} frames");
}

/// A module whose functions return what their instance holds; it calls what is in a table of whoever made it.
const SHARED: &str = r#"(module
    (type $f (func (result i32)))
    (import "m" "t" (table $t 2 (ref null $f)))
    (global $own (mut i32) (i32.const 0))
    (func $get (type $f) (global.get $own))
    (elem declare func $get)
    (func (export "set") (param $at i32) (param $value i32)
      (global.set $own (local.get $value))
      (table.set $t (local.get $at) (ref.func $get)))
    (func (export "run") (param $n i32) (result i32) (local $sum i32)
      (loop $again
        (local.set $sum (i32.add (i32.mul (local.get $sum) (i32.const 3))
          (call_ref $f (table.get $t (i32.and (local.get $n) (i32.const 1))))))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum)))"#;

/// A function of another instance of the module is another function, which has other globals.
#[test]
fn a_guard_tells_instances_apart() {
    for tiering in [Tiering::Off, Tiering::Always, Tiering::Random(1), Tiering::Random(2), Tiering::Random(3)] {
        let engine = Engine::new(Config::new().tiering(tiering)).unwrap();
        let module = Module::new(&engine, SHARED).unwrap();
        let mut store = Store::new(&engine, ());
        let Some(ExternType::Table(ty)) = module.imports().next().map(|import| import.ty) else { panic!("a table") };
        let table = Table::new(&mut store, ty, Val::FuncRef(None)).unwrap();
        let instances = [0, 1].map(|_| Instance::new(&mut store, &module, &[table.into()]).unwrap());
        for (at, instance) in (0..).zip(instances) {
            let set = instance.get_typed_func::<(i32, i32), ()>(&mut store, "set").unwrap();
            set.call(&mut store, (at, at + 5)).unwrap();
        }
        let sum = |n: i32| (1..=n).rev().fold(0i32, |sum, n| sum.wrapping_mul(3).wrapping_add(5 + (n & 1)));
        for _ in 0..5 {
            for instance in instances {
                let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
                assert_eq!(run.call(&mut store, 40).unwrap(), sum(40), "{tiering:?}");
            }
        }
        assert_eq!(module.hot_functions() > 0, tiering != Tiering::Off, "{tiering:?}");
    }
}

/// Stores of two threads share the code, which a third one replaces: all go on, and both come to the new code.
#[test]
fn code_is_replaced_while_other_stores_run() {
    let engine = Engine::new(Config::new().tiering(Tiering::On)).unwrap();
    let module = Module::new(&engine, ACCESSORS).unwrap();
    let expected = {
        let engine = Engine::default();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &Module::new(&engine, ACCESSORS).unwrap(), &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        run.call(&mut store, 10_000).unwrap()
    };
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut store = Store::new(&engine, ());
                let instance = Instance::new(&mut store, &module, &[]).unwrap();
                let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
                let mut after = 0;
                while after < 100 {
                    assert_eq!(run.call(&mut store, 10_000).unwrap(), expected);
                    after += usize::from(module.hot_functions() > 0);
                }
            });
        }
    });
    let recompiled: Vec<_> = module.recompiled().map(|again| (again.function, again.counts)).collect();
    assert_eq!(recompiled, [(3, true), (3, false)]);
}

/// A store that goes back to a checkpoint, and stores that are made of it, run the code that there is.
#[test]
fn checkpoints_and_code_that_is_replaced_go_together() {
    let engine = Engine::new(Config::new().tiering(Tiering::Always)).unwrap();
    let module = Module::new(&engine, ACCESSORS).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    let first = run.call(&mut store, 50).unwrap();
    let checkpoint = store.checkpoint().unwrap();
    for _ in 0..4 {
        assert_eq!(run.call(&mut store, 50).unwrap(), first);
    }
    assert_eq!(module.hot_functions(), 1);
    store.rollback(&checkpoint).unwrap();
    assert_eq!(run.call(&mut store, 50).unwrap(), first);
    let mut fork = checkpoint.fork(()).unwrap();
    let instance = fork.instances().next().unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut fork, "run").unwrap();
    assert_eq!(run.call(&mut fork, 50).unwrap(), first);
}

/// There is room for so many functions and no more: the others stay as they are.
#[test]
fn functions_stay_as_they_are_when_there_is_no_more_room() {
    let mut text = "(module (type $f (func (param i32) (result i32))) (elem declare func $g)
        (func $g (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))"
        .to_owned();
    const FUNCTIONS: usize = 400;
    for function in 0..FUNCTIONS {
        write!(
            text,
            "(func (export \"f{function}\") (param i32) (result i32)
               (loop (local.set 0 (call_ref $f (local.get 0) (ref.func $g)))
                 (br_if 0 (i32.rem_u (local.get 0) (i32.const 20))))
               (i32.add (local.get 0) (i32.const {function})))"
        )
        .unwrap();
    }
    text.push(')');
    let engine = Engine::new(Config::new().tiering(Tiering::Always)).unwrap();
    let module = Module::new(&engine, &text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for _ in 0..3 {
        for function in 0..FUNCTIONS {
            let run = instance.get_typed_func::<i32, i32>(&mut store, &format!("f{function}")).unwrap();
            assert_eq!(run.call(&mut store, 1).unwrap(), 20 + function as i32);
        }
    }
    assert_eq!(module.recompiled().count(), 256);
}

/// `$d` has no code at first, since it is inlined wherever it is called; where `$a` is inlined itself, it lies too
/// deep.
const DEEP: &str = r#"(module
    (type $f (func (param i32) (result i32)))
    (elem declare func $a)
    (func $d (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
    (func $c (param i32) (result i32) (i32.mul (call $d (local.get 0)) (i32.const 3)))
    (func $b (param i32) (result i32) (i32.xor (call $c (local.get 0)) (i32.const 5)))
    (func $a (type $f) (i32.sub (call $b (local.get 0)) (i32.const 2)))
    (func $run (export "run") (param $n i32) (result i32) (local $sum i32)
      (loop $again
        (local.set $sum (call_ref $f (local.get $sum) (ref.func $a)))
        (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
      (local.get $sum)))"#;

/// What code that is compiled again calls, and what had no code, is compiled with it, and is there first.
#[test]
fn functions_without_code_get_some_with_what_calls_them() {
    let engine = Engine::new(Config::new().tiering(Tiering::Always)).unwrap();
    let module = Module::new(&engine, DEEP).unwrap();
    assert!(module.function_code(0).is_none(), "no code calls it");
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    let step = |sum: i32| (sum.wrapping_add(1).wrapping_mul(3) ^ 5).wrapping_sub(2);
    let expected = (0..60).fold(0, |sum, _| step(sum));
    for _ in 0..4 {
        assert_eq!(run.call(&mut store, 60).unwrap(), expected);
    }
    let recompiled: Vec<_> = module.recompiled().map(|again| (again.function, again.counts)).collect();
    assert_eq!(recompiled, [(4, true), (3, false), (4, false), (0, false)], "functions, and whether they count");
}

/// As [`DEEP`], but `$d` may be compiled again itself, and behind it in the code lies another function. So many others
/// are compiled again before.
fn deep_behind(fillers: usize) -> String {
    let pause = "(local $i i32) (local.set $i (i32.const 2))
        (loop (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))";
    let filler = "(param i32) (loop (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))";
    let filled: String = (0..fillers).map(|at| format!("(func $p{at} {filler}")).collect();
    let fill: String = (0..fillers).map(|at| format!("(call $p{at} (i32.const 4))")).collect();
    format!(
        "(module
            (type $f (func (param i32) (result i32)))
            (global $fn (mut (ref null $f)) (ref.null $f))
            (elem declare func $a $leaf)
            (func $leaf (type $f) {pause} (i32.add (local.get 0) (i32.const 1)))
            (func $d (param i32) (result i32) (call_ref $f (local.get 0) (global.get $fn)))
            (func (export \"other\") (param i32) (result i32) {pause} (i32.const 666))
            (func $c (param i32) (result i32) (i32.mul (call $d (local.get 0)) (i32.const 3)))
            (func $b (param i32) (result i32) (i32.xor (call $c (local.get 0)) (i32.const 5)))
            (func $a (type $f) (i32.sub (call $b (local.get 0)) (i32.const 2)))
            (func $run (param $n i32) (result i32) (local $sum i32)
              (loop $again
                (local.set $sum (call_ref $f (local.get $sum) (ref.func $a)))
                (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
              (local.get $sum))
            {filled}
            (func (export \"go\") (result i32) (local $i i32)
              (global.set $fn (ref.func $leaf))
              (local.set $i (i32.const 4))
              (loop {fill} (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
              (local.set $i (i32.const 6))
              (loop (drop (call $run (i32.const 60)))
                (br_if 0 (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
              (call $run (i32.const 60))))"
    )
}

/// Wherever the room ends: a function that had no code at first keeps what it has.
#[test]
fn a_function_without_code_at_first_keeps_its_own_when_the_room_ends() {
    let go = |text: &str, tiering: Tiering| {
        let engine = Engine::new(Config::new().tiering(tiering)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let go = instance.get_typed_func::<(), i32>(&mut store, "go").unwrap();
        (go.call(&mut store, ()).unwrap(), module.recompiled().count())
    };
    let expected = go(&deep_behind(0), Tiering::Off).0;
    let parts: Vec<usize> = (236..=260)
        .map(|fillers| {
            let (result, parts) = go(&deep_behind(fillers), Tiering::Always);
            assert_eq!(result, expected, "behind {fillers} functions");
            parts
        })
        .collect();
    // One part may have two functions.
    assert!(parts[0] < 256 && parts.contains(&257) && parts[24] == 256, "the room ends somewhere: {parts:?}");
}
