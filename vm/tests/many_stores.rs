//! Many stores in one process: what an idle one takes, in which order they go, and that nothing is left of them.

use heapwood_vm::{Config, Engine, Instance, Module, Result, Store};
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
        eprintln!("skipped: the system's limits are for {stores_max} stores");
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
