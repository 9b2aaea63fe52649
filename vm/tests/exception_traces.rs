//! Where an uncaught exception was thrown: its backtrace begins there, through whatever caught it and threw it again.

use heapwood_vm::*;

/// Frames by function, innermost first.
fn names(error: &Error) -> Vec<String> {
    let frames = error.backtrace().map(WasmBacktrace::frames).unwrap_or_default();
    frames.iter().map(|frame| frame.func_name().expect("a name").to_owned()).collect()
}

/// What a module's functions do with exceptions. `$n` counts down to a throw; each `$rethrow…` catches and throws
/// again.
const MODULE: &str = r#"(module
    (import "h" "call" (func $host (param i32)))
    (import "h" "throw" (func $host_throw))
    (tag $e (export "e") (param i32)) (tag $other)
    (global $kept (mut exnref) (ref.null exn))
    (type $node (struct (field (mut (ref null $node)))))
    (func $throw (export "throw") (throw $e (i32.const 7)))
    (func $deep (export "deep") (param i32)
        (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (call $throw))))
    (func $rethrow (export "rethrow") (param i32)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $deep (local.get 0))) (return))
        (throw_ref))
    (func $rethrow_tagged (export "rethrow_tagged") (param i32) (local exnref)
        (block $h (result i32 exnref)
            (try_table (catch_ref $e $h) (call $deep (local.get 0))) (return))
        (local.set 1) (drop)
        (throw_ref (local.get 1)))
    (func $passes (export "passes") (param i32)
        (block $h (try_table (catch $other $h) (call $deep (local.get 0)))))
    (func $rethrow_twice (export "rethrow_twice") (param i32)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $rethrow (local.get 0))) (return))
        (throw_ref))
    (func $rethrow_within (export "rethrow_within") (param i32)
        (block $outer (result exnref)
            (try_table (catch_all_ref $outer)
                (block $h (result exnref)
                    (try_table (catch_all_ref $h) (call $deep (local.get 0))) (return))
                (throw_ref))
            (return))
        (throw_ref))
    (func $busy (param i32) (local $i i32)
        (loop $again
            (block $h (try_table (catch_all $h) (call $deep (i32.const 2))))
            (drop (struct.new $node (ref.null $node)))
            (br_if $again (i32.gt_u (local.get 0) (local.tee $i (i32.add (local.get $i) (i32.const 1)))))))
    (func $finally (export "finally") (param i32)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $deep (i32.const 1))) (return))
        (call $busy (local.get 0))
        (throw_ref))
    (func $keep (export "keep") (param i32)
        (global.set $kept (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $deep (local.get 0))) (return))))
    (func $again (export "again") (throw_ref (global.get $kept)))
    (func $through (export "through") (param i32) (call $host (local.get 0)))
    (func $rethrow_through (export "rethrow_through") (param i32)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $through (local.get 0))) (return))
        (throw_ref))
    (func $hosts (export "hosts") (param i32)
        (block $h (result exnref)
            (try_table (catch_all_ref $h) (call $host_throw)) (return))
        (throw_ref))
    (func $loop (export "loop") (param i32) (local exnref)
        (block $end
            (loop $next
                (block $h (result exnref)
                    (try_table (catch_all_ref $h)
                        (if (ref.is_null (local.get 1)) (then (call $deep (i32.const 0))))
                        (throw_ref (local.get 1)))
                    (unreachable))
                (local.set 1)
                (br_if $next (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
        (throw_ref (local.get 1)))
    (tag $object (param (ref null $node)))
    (func $throw_object (export "throw_object") (throw $object (struct.new $node (ref.null $node))))
    (func $catches (export "catches") (param i32)
        (block $h (result (ref null $node))
            (try_table (catch $object $h) (call $throw_object)) (return))
        (throw $object))
    (func $catches_twice (export "catches_twice") (param i32)
        (block $h (result (ref null $node))
            (try_table (catch $object $h) (call $catches (i32.const 0))) (return))
        (throw $object))
    (func $another (export "another") (param i32)
        (block $h (result (ref null $node))
            (try_table (catch $object $h) (call $throw_object)) (return))
        (drop)
        (throw $object (struct.new $node (ref.null $node))))
    (func $null (export "null") (param i32)
        (block $h (result (ref null $node))
            (try_table (catch $object $h) (throw $object (ref.null $node))) (unreachable))
        (drop)
        (throw $object (ref.null $node)))
    (func $start (export "start") (param i32) (call $rethrow (local.get 0))))"#;

/// The program before with the older instructions.
const LEGACY: &str = r#"(module (tag $e (param i32)) (tag $other)
    (func $throw (throw $e (i32.const 7)))
    (func $deep (param i32)
        (if (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (call $throw))))
    (func $rethrow (export "rethrow") (param i32)
        try (call $deep (local.get 0)) catch_all rethrow 0 end)
    (func $delegates (export "delegates") (param i32)
        try try (call $deep (local.get 0)) delegate 0 catch $other end))"#;

fn engine(set: impl FnOnce(&mut Config)) -> Engine {
    let mut config = Config::new();
    set(&mut config);
    Engine::new(&config).unwrap()
}

fn linker(engine: &Engine) -> Linker<()> {
    let mut linker = Linker::new(engine);
    let call = |mut caller: Caller<'_, ()>, depth: i32| -> Result<()> {
        let deep = caller.get_export("deep").and_then(Extern::into_func).unwrap();
        deep.typed::<i32, ()>(&caller)?.call(&mut caller, depth)
    };
    let throw = |mut caller: Caller<'_, ()>| -> Result<()> {
        let tag = caller.get_export("e").and_then(Extern::into_tag).unwrap();
        Err(Exception::new(&mut caller, tag, &[Val::I32(1)])?.into())
    };
    linker.func_wrap("h", "call", call).unwrap();
    linker.func_wrap("h", "throw", throw).unwrap();
    linker
}

fn instance_in(engine: &Engine, store: &mut Store<()>, text: &str) -> Instance {
    let module = Module::new(engine, wat::parse_str(text).unwrap()).unwrap();
    linker(engine).instantiate(store, &module).unwrap()
}

fn thrown(store: &mut Store<()>, instance: Instance, name: &str, arg: i32) -> Error {
    let error = match instance.get_typed_func::<i32, ()>(&mut *store, name) {
        Ok(func) => func.call(&mut *store, arg).unwrap_err(),
        Err(_) => instance.get_typed_func::<(), ()>(&mut *store, name).unwrap().call(&mut *store, ()).unwrap_err(),
    };
    assert!(error.exception().is_some(), "{name}: {error}");
    error
}

/// `throw`, so many `deep` after the innermost, then these.
fn deep_then(depth: usize, rest: &[&str]) -> Vec<String> {
    let deep = std::iter::repeat_n("deep", depth + 1);
    std::iter::once("throw").chain(deep).chain(rest.iter().copied()).map(str::to_owned).collect()
}

#[test]
fn a_backtrace_begins_at_the_first_throw() {
    for stress in [0, 1] {
        let engine = engine(|config| _ = config.gc_stress(stress).gc_verify(stress != 0));
        let mut store = Store::new(&engine, ());
        let instance = instance_in(&engine, &mut store, MODULE);
        for (name, rest) in [
            ("deep", &[][..]),
            ("rethrow", &["rethrow"]),
            ("rethrow_tagged", &["rethrow_tagged"]),
            ("passes", &["passes"]),
            ("rethrow_twice", &["rethrow", "rethrow_twice"]),
            ("rethrow_within", &["rethrow_within"]),
            ("start", &["rethrow", "start"]),
            ("through", &["through"]),
            ("rethrow_through", &["through", "rethrow_through"]),
        ] {
            for depth in [0, 1, 5] {
                let error = thrown(&mut store, instance, name, depth);
                assert_eq!(names(&error), deep_then(depth as usize, rest), "{name} {depth}");
            }
        }
        // A throw in a loop that catches it again and again adds nothing.
        for rounds in [1, 2, 200] {
            let error = thrown(&mut store, instance, "loop", rounds);
            assert_eq!(names(&error), deep_then(0, &["loop"]), "{rounds}");
        }
        assert_eq!(names(&thrown(&mut store, instance, "hosts", 0)), ["hosts"]);
    }
}

#[test]
fn a_payload_that_is_thrown_again_in_a_new_exception_keeps_it() {
    let engine = engine(|_| ());
    let mut store = Store::new(&engine, ());
    let instance = instance_in(&engine, &mut store, MODULE);
    for (name, expected) in [
        ("catches", &["throw_object", "catches"][..]),
        ("catches_twice", &["throw_object", "catches", "catches_twice"]),
        ("another", &["another"]),
        ("null", &["null"]),
    ] {
        assert_eq!(names(&thrown(&mut store, instance, name, 0)), expected, "{name}");
    }
}

#[test]
fn the_older_instructions_keep_it_too() {
    let engine = engine(|_| ());
    let mut store = Store::new(&engine, ());
    let instance = instance_in(&engine, &mut store, LEGACY);
    for name in ["rethrow", "delegates"] {
        assert_eq!(names(&thrown(&mut store, instance, name, 3)), deep_then(3, &[name]));
    }
}

#[test]
fn offsets_are_those_of_calls_and_of_the_throw() {
    let engine = engine(|_| ());
    let mut store = Store::new(&engine, ());
    let instance = instance_in(&engine, &mut store, MODULE);
    let offsets =
        |error: Error| -> Vec<_> { error.backtrace().unwrap().frames().iter().map(FrameInfo::module_offset).collect() };
    let direct = offsets(thrown(&mut store, instance, "deep", 2));
    let caught = offsets(thrown(&mut store, instance, "rethrow", 2));
    assert_eq!(direct[..], caught[..4]);
    let within = offsets(thrown(&mut store, instance, "start", 2));
    assert_eq!(within[..5], caught[..]);
}

#[test]
fn of_a_deep_stack_both_ends_are_kept() {
    let engine = engine(|_| ());
    let mut store = Store::new(&engine, ());
    let instance = instance_in(&engine, &mut store, MODULE);
    for name in ["deep", "rethrow", "start"] {
        let error = thrown(&mut store, instance, name, 1000);
        let frames = names(&error);
        assert_eq!((frames.len(), frames[0].as_str(), frames[63].as_str()), (64, "throw", name));
        let all = 1002 + ["deep", "rethrow", "start"].iter().position(|known| *known == name).unwrap();
        assert_eq!(error.backtrace().unwrap().omitted(), all - 64, "{name}");
    }
}

#[test]
fn an_exception_that_is_kept_keeps_it_while_few_others_are_thrown() {
    for stress in [0, 1] {
        let engine = engine(|config| _ = config.gc_stress(stress).gc_verify(stress != 0).gc_nursery(64 << 10));
        let mut store = Store::new(&engine, ());
        let instance = instance_in(&engine, &mut store, MODULE);
        for others in [0, 1, 5, 12] {
            let error = thrown(&mut store, instance, "finally", others);
            assert_eq!(names(&error), deep_then(1, &["finally"]), "{others}");
        }
        // Its record is gone then: it begins where it is thrown again.
        assert_eq!(names(&thrown(&mut store, instance, "finally", 1000)), ["finally"]);
        // Another call throws it.
        instance.get_typed_func::<i32, ()>(&mut store, "keep").unwrap().call(&mut store, 2).unwrap();
        assert_eq!(names(&thrown(&mut store, instance, "again", 0)), deep_then(2, &["keep", "again"]));
    }
}

#[test]
fn after_a_rollback_and_in_another_store_no_exception_has_the_trace_of_another() {
    let engine = engine(|_| ());
    let mut store = Store::new(&engine, ());
    let instance = instance_in(&engine, &mut store, MODULE);
    let keep = |store: &mut Store<()>, depth| {
        instance.get_typed_func::<i32, ()>(&mut *store, "keep").unwrap().call(&mut *store, depth).unwrap();
    };
    keep(&mut store, 1);
    let checkpoint = store.checkpoint().unwrap();
    keep(&mut store, 2);
    store.rollback(&checkpoint).unwrap();
    // What the exception is that the checkpoint has, and that later ones got other numbers.
    assert_eq!(names(&thrown(&mut store, instance, "again", 0)), ["again"]);
    // A fork gives its exceptions numbers that the checkpoint's do not have.
    let mut fork = checkpoint.fork(()).unwrap();
    let forked = fork.instances().next().unwrap();
    for depth in 0..10 {
        let error = thrown(&mut fork, forked, "rethrow", depth);
        assert_eq!(names(&error), deep_then(depth as usize, &["rethrow"]));
    }
    assert_eq!(names(&thrown(&mut fork, forked, "again", 0)), ["again"]);
}
