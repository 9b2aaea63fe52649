//! Many stores in one process: what an idle one takes, in which order they go, and that nothing is left of them.

mod common;

use heapwood_vm::{Caller, Config, Engine, Func, Instance, Module, Result, Store};
use std::sync::Mutex;

/// The tests measure the whole process, so they run one after another.
static ALONE: Mutex<()> = Mutex::new(());
/// Stores that are alive at once.
const STORES: usize = 10_000;
/// Mappings and private resident memory of an idle store at most.
const MAPPINGS_MAX: usize = 5;
const RESIDENT_MAX: usize = 100 << 10;

/// Mappings that the process may have for all stores together: stacks of those that ran last, the allocator's.
const MAPPINGS_SHARED: usize = 400;

/// Which of so many stores goes next.
type Next = fn(usize) -> usize;

/// A small program: it makes a list and an array, and adds up what they hold.
const PROGRAM: &str = r#"(module
    (type $node (struct (field i32) (field (ref null $node))))
    (type $numbers (array (mut i32)))
    (global $last (mut (ref null $node)) (ref.null $node))
    (func (export "run") (param $count i32) (result i32)
        (local $index i32) (local $sum i32) (local $numbers (ref $numbers))
        (local.set $numbers (array.new $numbers (i32.const 1) (local.get $count)))
        (loop $more
            (global.set $last (struct.new $node (local.get $index) (global.get $last)))
            (local.set $sum (i32.add (local.get $sum)
                (i32.add (array.get $numbers (local.get $numbers) (local.get $index))
                    (struct.get $node 0 (ref.as_non_null (global.get $last))))))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $index) (local.get $count))))
        (local.get $sum)))"#;

fn run(store: &mut Store<()>, module: &Module) -> Result<()> {
    let instance = Instance::new(&mut *store, module, &[])?;
    let run = instance.get_typed_func::<i32, i32>(&mut *store, "run")?;
    assert_eq!(run.call(&mut *store, 100)?, 100 + 99 * 100 / 2);
    Ok(())
}

fn mappings() -> usize {
    std::fs::read_to_string("/proc/self/maps").expect("mappings of this process").lines().count()
}

/// Private resident bytes of this process.
fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup").expect("memory of this process");
    let of = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).expect("a line for each kind");
        line.split_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") << 10
    };
    of("Private_Dirty:") + of("Private_Clean:")
}

fn limit(path: &str) -> usize {
    std::fs::read_to_string(path).expect("a limit of the system").trim().parse().expect("a number")
}

#[test]
fn ten_thousand_idle_stores_are_cheap_and_go_in_any_order() -> Result<()> {
    let _alone = ALONE.lock();
    let stores_max = limit("/proc/sys/vm/max_map_count") / (MAPPINGS_MAX + 1);
    if stores_max < STORES {
        common::skip("many-mappings", format!("the system's limits are for {stores_max} stores"));
        return Ok(());
    }
    let engine = Engine::new(Config::new().gc_threads(0))?;
    let module = Module::new(&engine, PROGRAM)?;
    let orders: [(&str, Next); 3] = [("first", |_| 0), ("last", |len| len - 1), ("any", |len| (len * 7919 + 31) % len)];
    // What the process and the engine have for themselves.
    let mut store = Store::new(&engine, ());
    run(&mut store, &module)?;
    let (mappings_before, resident_before) = (mappings(), resident());
    for (name, next) in orders {
        let mut stores = Vec::with_capacity(STORES);
        for _ in 0..STORES {
            let mut store = Store::try_new(&engine, ())?;
            run(&mut store, &module)?;
            stores.push(store);
        }
        let (mapped, bytes) = (mappings() - mappings_before, (resident() - resident_before) / STORES);
        println!("{name}: {mapped} mappings of {STORES} stores, {} KiB for each", bytes >> 10);
        assert!(mapped <= MAPPINGS_MAX * STORES + MAPPINGS_SHARED, "{mapped} mappings");
        assert!(bytes <= RESIDENT_MAX, "{bytes} bytes for each");
        while !stores.is_empty() {
            let len = stores.len();
            stores.swap_remove(next(len));
            if len % 1000 == 0 {
                run(stores.last_mut().unwrap_or(&mut store), &module)?;
            }
        }
        assert!(mappings() < mappings_before + MAPPINGS_SHARED, "{} mappings are left", mappings());
    }
    Ok(())
}

/// Resident memory and mappings do not grow with the number of stores that were made, from the pool or new, one after
/// another or some at a time.
#[test]
fn memory_is_flat_over_many_creations() -> Result<()> {
    let _alone = ALONE.lock();
    const CREATIONS: usize = 100_000;
    for (pooled, alive, creations) in [(4, 1, CREATIONS), (4, 8, CREATIONS / 10), (0, 1, CREATIONS / 10)] {
        let engine = Engine::new(Config::new().gc_threads(0).pooled_stores(pooled))?;
        let module = Module::new(&engine, PROGRAM)?;
        let mut stores: Vec<Store<()>> = Vec::new();
        let mut before = (0, 0);
        for index in 0..creations {
            if stores.len() == alive {
                stores.swap_remove(index % alive);
            }
            let mut store = Store::try_new(&engine, ())?;
            run(&mut store, &module)?;
            stores.push(store);
            if index == creations / 10 {
                before = (resident(), mappings());
            }
        }
        let after = (resident(), mappings());
        println!("{pooled} pooled, {alive} alive: {before:?} bytes and mappings, then {after:?}");
        // A byte for each creation would be 90,000.
        assert!(after.0 < before.0 + (64 << 10).max(creations / 2), "{before:?} bytes and mappings, then {after:?}");
        assert!(after.1 < before.1 + 50, "{before:?} bytes and mappings, then {after:?}");
    }
    Ok(())
}

/// A guest that keeps values on its stack while it calls itself and, at the bottom, the host.
const DEEP: &str = r#"(module
    (import "host" "below" (func $below (param i64) (result i64)))
    (func $deep (export "deep") (param $depth i32) (param $seed i64) (result i64)
        (local $kept i64)
        (local.set $kept (i64.mul (local.get $seed) (i64.const 6364136223846793005)))
        (i64.add (local.get $kept)
            (if (result i64) (i32.eqz (local.get $depth))
                (then (call $below (local.get $seed)))
                (else (call $deep (i32.sub (local.get $depth) (i32.const 1))
                    (i64.add (local.get $seed) (i64.const 1))))))))"#;

/// What `deep` returns if the host returns its argument.
fn model(depth: i32, seed: u64) -> u64 {
    let own = seed.wrapping_mul(6_364_136_223_846_793_005);
    own.wrapping_add(if depth == 0 { seed } else { model(depth - 1, seed + 1) })
}

type Inner = Option<Box<(Store<()>, heapwood_vm::TypedFunc<(i32, i64), i64>)>>;

/// A host function that calls the guest of another store, if it has one: two stacks are in use then.
fn below(mut caller: Caller<'_, Inner>, seed: i64) -> Result<i64> {
    let Some(inner) = caller.data_mut() else { return Ok(seed) };
    let (store, deep) = &mut **inner;
    let answer = deep.call(store, (3, seed))?;
    assert_eq!(answer.cast_unsigned(), model(3, seed.cast_unsigned()), "the inner guest");
    Ok(seed)
}

/// Stacks go from idle stores to those that run, on other threads too; nobody ever runs on the stack of somebody else.
#[test]
fn threads_take_stacks_from_each_others_idle_stores() -> Result<()> {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 20_000;
    let _alone = ALONE.lock();
    let engine = Engine::new(Config::new().gc_threads(0))?;
    let module = Module::new(&engine, DEEP)?;
    let plain = |store: &mut Store<()>| -> Result<heapwood_vm::TypedFunc<(i32, i64), i64>> {
        let host = Func::wrap(&mut *store, |seed: i64| seed);
        Instance::new(&mut *store, &module, &[host.into()])?.get_typed_func(&mut *store, "deep")
    };
    let worker = |thread: u64| -> Result<()> {
        let mut stores = Vec::new();
        for index in 0..24 {
            let inner = match index % 3 {
                0 => {
                    let mut store = Store::new(&engine, ());
                    let deep = plain(&mut store)?;
                    Some(Box::new((store, deep)))
                }
                _ => None,
            };
            let mut store = Store::new(&engine, inner);
            let host = Func::wrap(&mut store, below);
            let deep = Instance::new(&mut store, &module, &[host.into()])?
                .get_typed_func::<(i32, i64), i64>(&mut store, "deep")?;
            stores.push((store, deep));
        }
        let mut seed = thread;
        for round in 0..ROUNDS {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (store, deep) = &mut stores[(seed >> 33) as usize % 24];
            let depth = (seed >> 40) as i32 % 40;
            let answer = deep.call(store, (depth, round.cast_signed()))?;
            assert_eq!(answer.cast_unsigned(), model(depth, round), "depth {depth}, round {round}");
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || worker(thread))).collect();
        threads.into_iter().try_for_each(|thread| thread.join().expect("no assertion failed"))
    })
}

/// An engine keeps stacks for stores that ran last; those of another size are of no use to one that runs now.
#[test]
fn stores_with_stacks_of_several_sizes_run_in_turns() {
    let _alone = ALONE.lock().unwrap();
    let engine = Engine::new(&Config::new()).unwrap();
    let module = Module::new(&engine, PROGRAM).unwrap();
    let mut stores: Vec<_> = (0..90)
        .map(|n| Store::builder(&engine).max_stack([256 << 10, 512 << 10, 1 << 20][n / 30]).build(()).unwrap())
        .collect();
    for round in 0..3 {
        for n in 0..stores.len() {
            // One size after the other, then all in turns.
            let n = if round == 0 { n } else { n * 31 % 90 };
            run(&mut stores[n], &module).unwrap();
        }
    }
}
