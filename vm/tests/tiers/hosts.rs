//! What hosts do while functions are compiled again: several threads run one module, calls are suspended, an engine
//! goes while its thread works, and the system refuses memory for new code.

use super::{common, load, load_file, loops, run_loops};
use heapwood_vm::*;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Several threads share a module whose functions each of them has compiled again as soon as it meets them.
#[test]
fn threads_share_code_that_each_of_them_replaces() {
    let mut replaced = 0;
    for seed in 0..40 {
        let text = loops::module(seed);
        let expected = run_loops(Config::new().tiering(Tiering::Off), &text, false).0;
        for tiering in [Tiering::Always, Tiering::Random(seed)] {
            let engine =
                Engine::new(Config::new().features(Features::all()).tiering(tiering).gc_nursery(64 << 10)).unwrap();
            let module = Module::new(&engine, &text).unwrap();
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let mut store = Store::new(&engine, ());
                        let instance = Instance::new(&mut store, &module, &[]).unwrap();
                        let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
                        for (argument, (result, _)) in super::ARGUMENTS_OF_LOOPS.into_iter().zip(&expected) {
                            assert_eq!(run.call(&mut store, argument).unwrap(), *result, "seed {seed}, {tiering:?}");
                        }
                    });
                }
            });
            replaced += module.replaced_frames();
        }
    }
    assert!(replaced > 60, "{replaced} frames");
}

/// A call that is suspended again and again, at polls of loops too, where its frame may just have been replaced: for
/// its fuel, or at each poll for its time. Code may be replaced while it is suspended.
#[test]
fn suspended_calls_go_on_in_newer_code() {
    let modes = common::modes_and_markings();
    for is_timed in [false, true] {
        let (mut replaced, mut suspended) = (0, 0);
        for seed in 0..100 {
            let text = loops::module(seed);
            let expected = run_loops(Config::new().tiering(Tiering::Off), &text, false).0;
            let mut config = modes[seed as usize % modes.len()].1.clone();
            let tiering = if seed % 2 == 0 { Tiering::Always } else { Tiering::Random(seed) };
            config.features(Features::all()).tiering(tiering).consume_fuel(!is_timed);
            let engine = Engine::new(&config).unwrap();
            let module = Module::new(&engine, &text).unwrap();
            let mut store = Store::new(&engine, ());
            if is_timed {
                store.time_async_yield_interval(Some(Duration::from_nanos(1))).unwrap();
            } else {
                store.set_fuel(u64::from(u32::MAX)).unwrap();
                store.fuel_async_yield_interval(Some(20 + seed)).unwrap();
            }
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
            for (argument, (result, _)) in super::ARGUMENTS_OF_LOOPS.into_iter().zip(&expected) {
                let mut call = pin!(run.call_async(&mut store, argument));
                let found = loop {
                    match call.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                        Poll::Ready(found) => break found.unwrap(),
                        Poll::Pending => suspended += 1,
                    }
                };
                assert_eq!(found, *result, "seed {seed}, timed {is_timed}");
            }
            replaced += module.replaced_frames();
        }
        println!("{replaced} frames, {suspended} suspensions");
        assert!(replaced > 60 && suspended > 1000, "{replaced} frames, {suspended} suspensions");
    }
}

/// The engine, its module and its stores go at any moment of the thread's work.
#[test]
fn an_engine_goes_while_its_thread_works() {
    let bytes = wat::parse_str(super::ACCESSORS).unwrap();
    for rounds in 0..60 {
        let engine = Engine::new(Config::new().tiering(Tiering::On)).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        // From nothing to what takes some samples: calls take a time that differs from machine to machine.
        for _ in 0..rounds {
            run.call(&mut store, 40_000).unwrap();
        }
    }
}

/// Each call of the system that placing new code makes is refused once, or with all that follow: functions stay as they
/// are then.
#[test]
fn functions_stay_as_they_are_where_memory_is_refused() {
    let bytes = wat::parse_str(super::ACCESSORS).unwrap();
    let run = |calls: Option<std::ops::Range<u64>>| {
        let engine = Engine::new(Config::new().tiering(Tiering::Always)).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        Engine::refuse_mappings(calls.unwrap_or(0..0));
        let results = [(); 4].map(|()| run.call(&mut store, 100));
        let all = Engine::mapping_calls();
        Engine::refuse_mappings(0..0);
        (results, all, module.hot_functions())
    };
    let (expected, all, hot) = run(None);
    let expected = expected.map(Result::unwrap);
    assert!(all >= 4 && hot == 1, "two parts of code, each made writable and executable: {all} calls, {hot} functions");
    let mut left = 0;
    for call in 1..=all {
        for calls in [call..call + 1, call..u64::MAX] {
            let (found, _, hot) = run(Some(calls.clone()));
            for (found, expected) in found.into_iter().zip(expected) {
                match found {
                    Ok(found) => assert_eq!(found, expected, "{calls:?}"),
                    // There was no stack.
                    Err(error) => assert!(error.to_string().contains("the system refused"), "{calls:?}: {error}"),
                }
            }
            left += usize::from(hot == 0);
        }
    }
    assert!(left >= 4, "{left} times a function stayed as it was");
}

/// Each call of the system that making a module, or loading it, makes is refused once, or with all that follow: where
/// there is no room for more code, functions stay as they are.
#[test]
fn functions_stay_as_they_are_where_a_module_has_no_room() {
    let bytes = wat::parse_str(super::ACCESSORS).unwrap();
    let engine = Engine::new(Config::new().tiering(Tiering::Always)).unwrap();
    let image = engine.precompile_module(&bytes).unwrap();
    let file = std::env::temp_dir().join(format!("heapwood-tiers-room-{}.hw", std::process::id()));
    std::fs::write(&file, &image).unwrap();
    let run = |module: &Module| {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        [(); 4].map(|()| run.call(&mut store, 100).unwrap())
    };
    let makers: [(&str, &dyn Fn() -> Result<Module>); 3] = [
        ("compiled", &|| Module::new(&engine, &bytes)),
        ("copied", &|| load(&engine, &image)),
        ("mapped", &|| load_file(&engine, &file)),
    ];
    for (name, make) in makers {
        Engine::refuse_mappings(0..0);
        let module = make().unwrap();
        let all = Engine::mapping_calls();
        let expected = run(&module);
        assert_eq!(module.hot_functions(), 1, "{name}");
        let mut left = 0;
        for calls in (1..=all).flat_map(|call| [call..call + 1, call..u64::MAX]) {
            Engine::refuse_mappings(calls.clone());
            let made = make();
            Engine::refuse_mappings(0..0);
            match made {
                Ok(module) => {
                    assert_eq!(run(&module), expected, "{name}, {calls:?}");
                    left += usize::from(module.hot_functions() == 0);
                }
                Err(error) => assert!(error.to_string().contains("the system refused"), "{name}, {calls:?}: {error}"),
            }
        }
        assert!(left > 0, "{name}: no module of {all} calls had no room");
    }
    std::fs::remove_file(&file).unwrap();
}

/// A single call, which the timer's samples meet: it goes on in code that counts, and then in what is made of the
/// counts, which another thread or the guest's own compiles meanwhile.
#[test]
fn a_call_that_goes_on_for_long_comes_to_newer_code() {
    let text = r#"(module
        (type $f (func (param i64) (result i64)))
        (import "h" "frames" (func $frames (result i32)))
        (elem declare func $step)
        (func $step (type $f) (i64.rotl (i64.add (local.get 0) (i64.const 7)) (i64.const 5)))
        (func (export "run") (param $rounds i64) (result i64) (local $sum i64) (local $done i64)
          (loop $again
            (local.set $sum (call_ref $f (local.get $sum) (ref.func $step)))
            (local.set $done (i64.add (local.get $done) (i64.const 1)))
            (if (i64.eqz (i64.and (local.get $done) (i64.const 0xffff)))
              (then (if (i32.ge_u (call $frames) (i32.const 2)) (then (return (local.get $done))))))
            (br_if $again (i64.lt_u (local.get $done) (local.get $rounds))))
          (i64.const 0)))"#;
    for threads in [0, 1] {
        let engine = Engine::new(Config::new().tiering(Tiering::On).tier_threads(threads)).unwrap();
        let module = Module::new(&engine, text).unwrap();
        let mut linker = Linker::<()>::new(&engine);
        let seen = module.clone();
        linker.func_wrap("h", "frames", move || seen.replaced_frames() as u32 as i32).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let run = instance.get_typed_func::<i64, i64>(&mut store, "run").unwrap();
        let rounds = run.call(&mut store, 20_000_000_000).unwrap();
        assert!(rounds > 0, "{threads} threads: {} frames", module.replaced_frames());
    }
}
