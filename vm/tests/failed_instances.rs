//! Instantiations that fail leave nothing behind that nobody reaches, and what somebody reaches goes on to work.

use heapwood_vm::*;
use std::sync::Mutex;

/// What the host is told in calls.
#[derive(Default)]
struct Host {
    calls: u64,
    kept: Option<Memory>,
}

/// What others have.
const BASE: &str = r#"(module
    (type $node (sub (struct (field i32))))
    (memory (export "memory") 1 4)
    (table (export "functions") 4 funcref)
    (table (export "objects") 4 anyref)
    (global (export "object") (mut anyref) (ref.null any)))"#;

/// Modules that fail, each with where: every one defines something of each kind.
fn failing() -> Vec<(&'static str, String)> {
    let module = |name, more: &str| {
        let text = format!(
            r#"(module
            (type $own (sub (struct (field (mut i32)) (field (mut anyref)))))
            (type $other (array (mut i8)))
            (import "base" "memory" (memory $shared 1))
            (import "base" "functions" (table $functions 1 funcref))
            (import "base" "objects" (table $objects 1 anyref))
            (import "base" "object" (global $object (mut anyref)))
            (import "host" "call" (func $call (param i32)))
            (memory $own 2) (table $nulls 20 funcref) (table $own_objects 3 (ref null $own) (ref.null $own))
            (global $number (mut i64) (i64.const 1)) (global $held (mut (ref null $own)) (struct.new $own (i32.const 1) (ref.null any)))
            (global (ref $other) (array.new $other (i32.const 7) (i32.const 9)))
            (tag $tag (param i32 anyref))
            (elem (table $nulls) (i32.const 0) func $f $g) (elem $items (ref null $own) (item (struct.new $own (i32.const 2) (ref.null any))))
            (export "own" (memory $own))
            (func $f (result i32) (i32.const 5)) (func $g (call $call (i32.const 1)))
            (func $fill (param $n i32)
              (loop $l
                (global.set $held (struct.new $own (local.get $n) (global.get $held)))
                (table.set $own_objects (i32.const 1) (global.get $held))
                (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
            {more})"#
        );
        (name, text)
    };
    vec![
        module(
            "a data segment",
            r#"(data (memory $shared) (i32.const 8) "kept") (data (memory $own) (i32.const 131070) "beyond")"#,
        ),
        module("an element segment", r#"(elem (table $nulls) (i32.const 19) func $f $g)"#),
        module("an element segment of others", r#"(elem (table $functions) (i32.const 3) func $f $g)"#),
        module("the start function", "(func $start (call $fill (i32.const 5)) (unreachable)) (start $start)"),
        module(
            "the start function, which leaves objects",
            r#"(func $start (call $fill (i32.const 5))
                (table.set $objects (i32.const 0) (struct.new $own (i32.const 11) (global.get $held)))
                (global.set $object (array.new_default $other (i32.const 100))) (unreachable)) (start $start)"#,
        ),
        module(
            "the start function after a call",
            "(func $start (call $fill (i32.const 3)) (call $call (i32.const 0)) (unreachable)) (start $start)",
        ),
        module("a host function", "(func $start (call $call (i32.const 2))) (start $start)"),
        module("a limit", "(table 1000 anyref)"),
        (
            "a link",
            r#"(module (import "host" "call" (func (param i32))) (import "base" "memory" (table 1 funcref)) (memory 1))"#
                .to_owned(),
        ),
    ]
}

fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    let call = |mut caller: Caller<'_, Host>, what: i32| {
        caller.data_mut().calls += 1;
        match what {
            2 => Err(Error::msg("the host does not like it")),
            3 => {
                let own = caller.get_export("own").and_then(Extern::into_memory);
                caller.data_mut().kept = own;
                Ok(())
            }
            _ => Ok(()),
        }
    };
    linker.func_wrap("host", "call", call).unwrap();
    linker
}

/// A store with what others have, and a linker of all that.
fn world(engine: &Engine) -> (Store<Host>, Linker<Host>, Instance) {
    let mut store = Store::builder(engine).tables_max(100).build(Host::default()).unwrap();
    let mut linker = linker(engine);
    let base = Instance::new(&mut store, &Module::new(engine, BASE).unwrap(), &[]).unwrap();
    linker.instance(&mut store, "base", base).unwrap();
    (store, linker, base)
}

fn modes() -> Vec<(&'static str, Config, usize)> {
    let mut modes = vec![("default", Config::new(), 10_000)];
    let mut config = Config::new();
    config.gc_stress(1).gc_verify(true);
    modes.push(("stress", config, 60));
    let mut config = Config::new();
    config.gc_mark_slice(10).gc_nursery(64 << 10).gc_verify(true).gc_threads(1);
    modes.push(("marking all the time, on a helper", config, 500));
    modes
}

#[test]
fn nothing_is_left_of_thousands_of_instantiations_that_fail() {
    for (mode, config, times) in modes() {
        let engine = Engine::new(&config).unwrap();
        let (mut store, linker, base) = world(&engine);
        let modules: Vec<_> =
            failing().into_iter().map(|(name, text)| (name, Module::new(&engine, text).unwrap())).collect();
        let before = store.contents();
        let mut heap_after_first = 0;
        for round in 0..times / modules.len() {
            for (name, module) in &modules {
                let error = linker.instantiate(&mut store, module).unwrap_err();
                assert_eq!(store.contents(), before, "{mode}, {name}, {round}: {error}");
            }
            if round % 100 == 1 {
                store.gc().unwrap();
                let used = store.memory_stats();
                assert_eq!((used.memories.len(), used.total_pages), (1, 1), "{mode}");
                if heap_after_first == 0 {
                    heap_after_first = used.heap.used_bytes;
                }
                assert!(used.heap.used_bytes <= heap_after_first + (1 << 20), "{mode}: {} bytes", used.heap.used_bytes);
            }
        }
        // What was written elsewhere is there, and what is older works.
        let memory = base.get_memory(&mut store, "memory").unwrap();
        assert_eq!(&memory.data(&store)[8..12], b"kept");
        let objects = base.get_table(&mut store, "objects").unwrap();
        let mut scope = RootScope::new(&mut store);
        let Some(Val::AnyRef(Some(object))) = objects.get(&mut scope, 0) else { panic!("an object") };
        assert_eq!(object.field(&mut scope, 0).unwrap().i32(), Some(11), "{mode}");
        drop(scope);
        store.check_heap();
        assert!(store.data().calls > 0);
        let fits = failing()[3].1.replace("(unreachable)", "");
        let instance = linker.instantiate(&mut store, &Module::new(&engine, fits).unwrap()).unwrap();
        assert_eq!(instance.get_memory(&mut store, "own").unwrap().size(&store), 2);
    }
}

/// Where a store is told nothing of what fails, there is nothing to go on with.
#[test]
fn what_is_reached_stays_and_works() {
    for (mode, config, _) in modes() {
        let engine = Engine::new(&config).unwrap();
        let (mut store, linker, base) = world(&engine);
        let before = store.contents();
        let text = r#"(module
            (type $node (struct (field (mut i32))))
            (import "base" "functions" (table $functions 1 funcref)) (import "base" "object" (global $object (mut anyref)))
            (memory 1) (global $count (mut i32) (i32.const 40)) (tag $tag (export "tag") (param i32))
            (func $count (result i32)
              (global.set $count (i32.add (global.get $count) (i32.const 1)))
              (i32.store (i32.const 0) (global.get $count)) (i32.load (i32.const 0)))
            (elem (table $functions) (i32.const 1) func $count) MORE)"#;
        let fails = |store: &mut Store<Host>, more: &str| {
            let module = Module::new(&engine, text.replace("MORE", more)).unwrap();
            linker.instantiate(store, &module).unwrap_err()
        };
        let call = |store: &mut Store<Host>| {
            let functions = base.get_table(&mut *store, "functions").unwrap();
            let Some(Val::FuncRef(Some(func))) = functions.get(&mut *store, 1) else { panic!("a function") };
            func.typed::<(), i32>(&*store).unwrap().call(&mut *store, ()).unwrap()
        };
        fails(&mut store, r#"(data (i32.const 65536) "beyond")"#);
        assert_eq!((call(&mut store), call(&mut store)), (41, 42), "{mode}");
        fails(&mut store, "(func $start (unreachable)) (start $start)");
        store.gc().unwrap();
        assert_eq!((call(&mut store), call(&mut store)), (41, 42), "{mode}");
        assert_eq!(store.contents()[0], before[0] + 2);
        // An exception has its tag.
        let error = fails(&mut store, "(func $start (throw $tag (i32.const 7))) (start $start)");
        let ErrorKind::Exception(_) = error.kind() else { panic!("{error}") };
        store.gc().unwrap();
        assert_eq!(call(&mut store), 41);
        store.check_heap();
    }
}

#[test]
fn handles_of_what_is_gone_are_errors_and_others_stay() {
    let engine = Engine::default();
    let (mut store, linker, base) = world(&engine);
    let older = base.get_memory(&mut store, "memory").unwrap();
    let name = "(func $start (call $call (i32.const 3)) (unreachable)) (start $start)";
    let module = Module::new(
        &engine,
        failing()[3].1.replace("(func $start (call $fill (i32.const 5)) (unreachable)) (start $start)", name),
    );
    let module = module.unwrap();
    let before = store.contents();
    let mut seen = Vec::new();
    for _ in 0..100 {
        linker.instantiate(&mut store, &module).unwrap_err();
        assert_eq!(store.contents(), before);
        seen.push(store.data_mut().kept.take().unwrap());
    }
    let next = Memory::new(&mut store, MemoryType::builder().min(3).build().unwrap()).unwrap();
    for gone in seen {
        assert!(gone.read(&store, 0, &mut [0]).is_err() && gone.grow(&mut store, 1).is_err());
    }
    assert_eq!((older.size(&store), next.size(&store)), (1, 3));
    assert!(base.get_memory(&mut store, "memory").is_some());
}

/// What a host function makes while a start function runs is the host's, whatever becomes of the instance.
#[test]
fn what_the_host_makes_meanwhile_stays() {
    let engine = Engine::default();
    let inner = Module::new(&engine, r#"(module (memory (export "memory") 3))"#).unwrap();
    let mut linker: Linker<Mutex<Vec<Instance>>> = Linker::new(&engine);
    let make = move |mut caller: Caller<'_, Mutex<Vec<Instance>>>| {
        let instance = Instance::new(&mut caller, &inner, &[])?;
        caller.data_mut().get_mut().unwrap().push(instance);
        Result::Ok(())
    };
    linker.func_wrap("host", "make", make).unwrap();
    let text = r#"(module (import "host" "make" (func $make)) (memory 1)
        (func $start (call $make) (unreachable)) (start $start))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, Mutex::default());
    for _ in 0..3 {
        linker.instantiate(&mut store, &module).unwrap_err();
    }
    for instance in std::mem::take(store.data_mut().get_mut().unwrap()) {
        assert_eq!(instance.get_memory(&mut store, "memory").unwrap().size(&store), 3);
    }
}

/// A panic of the host passes through.
#[test]
fn a_panic_leaves_nothing_either() {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "panic", || -> () { panic!("of the host") }).unwrap();
    let text = r#"(module (import "host" "panic" (func $panic)) (memory 1) (start $panic))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    for _ in 0..100 {
        let run = std::panic::AssertUnwindSafe(|| linker.instantiate(&mut store, &module).map(drop));
        assert!(std::panic::catch_unwind(run).is_err());
        assert_eq!(store.contents()[..6], [0; 6]);
    }
}
