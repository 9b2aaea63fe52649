//! Stores that are made anew in the place of others: handles of before are errors, and no byte of before is to be seen.

use heapwood_vm::{AnyRef, Config, Engine, Func, Global, Instance, Memory, Module, Result, Rooted, Store, Val};
use std::fs::File;
use std::hint::black_box;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

/// The tests look at the whole process, so they run one after another.
static ALONE: Mutex<()> = Mutex::new(());

/// Keeps a list and an array, and hands both out; `secret` fills objects, the memory and the stack with a number.
const PROGRAM: &str = r#"(module
    (type $node (struct (field i64 i64) (field (ref null $node))))
    (type $numbers (array (mut i64)))
    (memory (export "memory") 1)
    (table (export "table") 4 (ref null any))
    (global $last (export "last") (mut (ref null $node)) (ref.null $node))
    (func $deep (param $number i64) (param $depth i32)
        (local $copy i64)
        (local.set $copy (local.get $number))
        (if (local.get $depth)
            (then (call $deep (local.get $number) (i32.sub (local.get $depth) (i32.const 1)))))
        (i64.store (i32.const 64) (local.get $copy)))
    (func (export "secret") (param $a i64) (param $b i64) (param $count i32)
        (local $number i64) (local $index i32)
        (local.set $number (i64.xor (local.get $a) (local.get $b)))
        (call $deep (local.get $number) (i32.const 1000))
        (table.set (i32.const 0) (array.new $numbers (local.get $number) (i32.const 20000)))
        (table.set (i32.const 1) (array.new $numbers (local.get $number) (i32.const 200)))
        (loop $more
            (global.set $last (struct.new $node (local.get $number) (local.get $number) (global.get $last)))
            (i64.store (i32.shl (local.get $index) (i32.const 3)) (local.get $number))
            (local.set $index (i32.add (local.get $index) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $index) (local.get $count)))))
    (func (export "length") (result i32)
        (local $node (ref null $node)) (local $length i32)
        (local.set $node (global.get $last))
        (block $end
            (loop $next
                (br_if $end (ref.is_null (local.get $node)))
                (local.set $length (i32.add (local.get $length) (i32.const 1)))
                (local.set $node (struct.get $node 2 (local.get $node)))
                (br $next)))
        (local.get $length)))"#;

/// What the guest computes from two numbers, and what this program never has in one piece.
const HALVES: (i64, i64) = (0x5e1f_77a3_90c4_2b6d, 0x13d5_c2e8_4f0a_9971u64 as i64);

fn fill(store: &mut Store<u32>, module: &Module, count: i32) -> Result<Instance> {
    let instance = Instance::new(&mut *store, module, &[])?;
    let secret = instance.get_typed_func::<(i64, i64, i32), ()>(&mut *store, "secret")?;
    secret.call(&mut *store, (HALVES.0, HALVES.1, count))?;
    let length = instance.get_typed_func::<(), i32>(&mut *store, "length")?;
    assert_eq!(length.call(&mut *store, ())?, count);
    Ok(instance)
}

/// Things of a store that handles name.
struct Handles {
    instance: Instance,
    func: Func,
    memory: Memory,
    global: Global,
    object: Rooted<AnyRef>,
}

fn handles(store: &mut Store<u32>, instance: Instance) -> Result<Handles> {
    let global = instance.get_global(&mut *store, "last").expect("exported");
    let Val::AnyRef(Some(object)) = global.get(&mut *store) else { panic!("a list") };
    Ok(Handles {
        instance,
        func: instance.get_func(&mut *store, "length").expect("exported"),
        memory: instance.get_memory(&mut *store, "memory").expect("exported"),
        global,
        object,
    })
}

/// Whether each handle is refused, by an error or by a panic, in a store that is another now.
fn are_stale(store: &mut Store<u32>, old: &Handles) -> [bool; 5] {
    let refused =
        |act: &mut dyn FnMut() -> bool| std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or(true);
    [
        refused(&mut || old.instance.get_func(&mut *store, "length").is_none()),
        refused(&mut || old.func.call(&mut *store, &[], &mut [Val::I32(0)]).is_err()),
        refused(&mut || old.memory.data(&*store).is_empty()),
        refused(&mut || matches!(old.global.get(&mut *store), Val::I32(_))),
        refused(&mut || old.object.kind(&*store).is_err()),
    ]
}

#[test]
fn a_store_that_was_reset_is_as_new() -> Result<()> {
    let _alone = ALONE.lock();
    for (stress, pooled) in [(0, 4), (1, 4), (7, 0), (0, 0)] {
        let mut config = Config::new();
        config.gc_stress(stress).gc_verify(true).pooled_stores(pooled);
        let engine = Engine::new(&config)?;
        let module = Module::new(&engine, PROGRAM)?;
        let mut store = Store::builder(&engine).memory_max(1 << 20).build(0)?;
        for round in 0..6 {
            let count = if stress == 0 { 3000 } else { 40 };
            let instance = fill(&mut store, &module, count)?;
            let old = handles(&mut store, instance)?;
            *store.data_mut() += 1;
            store.reset()?;
            assert_eq!(*store.data(), round + 1);
            assert_eq!(are_stale(&mut store, &old), [true; 5], "stress {stress}, round {round}");
            // Names of the new store's things are no names of the old one's, though they have the same numbers.
            let instance = fill(&mut store, &module, 20)?;
            assert_eq!(are_stale(&mut store, &old), [true; 5], "stress {stress}, round {round}");
            let memory = instance.get_memory(&mut store, "memory").expect("exported");
            // The limits are those of before.
            assert!(memory.grow(&mut store, 100).is_err());
            store.gc()?;
        }
    }
    Ok(())
}

/// Addresses of pages that are there, in all anonymous mappings of this process that could belong to a store.
fn pages() -> Vec<u64> {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("mappings of this process");
    let pagemap = File::open("/proc/self/pagemap").expect("pages of this process");
    let mut found = Vec::new();
    for line in maps.lines().filter(|line| line.split_whitespace().count() == 5) {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        let parse = |text: &str| u64::from_str_radix(text, 16).expect("an address");
        let (first, last) = (parse(start) >> 12, parse(end) >> 12);
        // 16 MiB of entries at a time.
        for from in (first..last).step_by(2 << 20) {
            let mut entries = vec![0u8; (last - from).min(2 << 20) as usize * 8];
            if pagemap.read_exact_at(&mut entries, from * 8).is_err() {
                continue;
            }
            let entries = entries.chunks_exact(8).map(|entry| u64::from_le_bytes(entry.try_into().expect("8 bytes")));
            found.extend(
                entries.enumerate().filter(|(_, entry)| entry >> 62 != 0).map(|(at, _)| (from + at as u64) << 12),
            );
        }
    }
    found
}

/// The line of the mapping that a page is in.
fn mapping_of(page: u64) -> String {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("mappings of this process");
    let parse = |text: &str| u64::from_str_radix(text, 16).expect("an address");
    let is_in = |line: &&str| {
        let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).expect("a range");
        (parse(start)..parse(end)).contains(&page)
    };
    maps.lines().find(is_in).unwrap_or("no mapping").to_owned()
}

/// How often the guest's number is to be found, and the last page where it is.
fn secrets() -> (usize, u64) {
    let memory = File::open("/proc/self/mem").expect("memory of this process");
    // The number itself must not come to lie anywhere.
    let (a, b) = black_box(HALVES);
    let mut bytes = [0; 4096];
    let (mut count, mut last) = (0, 0);
    for page in pages() {
        if memory.read_exact_at(&mut bytes, page).is_ok() {
            let words = bytes.chunks_exact(8).map(|word| i64::from_le_bytes(word.try_into().expect("8 bytes")));
            let here = words.filter(|word| black_box(*word ^ black_box(a)) == b).count();
            (count, last) = (count + here, if here > 0 { page } else { last });
        }
        bytes.fill(0);
    }
    (count, last)
}

#[test]
fn nothing_is_left_of_a_store_that_is_gone() -> Result<()> {
    let _alone = ALONE.lock();
    let engine = Engine::new(Config::new().gc_threads(0).pooled_stores(2))?;
    let module = Module::new(&engine, PROGRAM)?;
    for (count, collects) in [(10, false), (8000, true)] {
        let mut store = Store::new(&engine, 0);
        fill(&mut store, &module, count)?;
        if collects {
            store.gc()?;
        }
        let (count_alive, _) = secrets();
        assert!(count_alive > 20_000, "the number is in objects, memory and stack: {count_alive} times");
        drop(store);
        // Another tenant has the same address space and stack.
        let mut other = Store::new(&engine, 0);
        let instance = Instance::new(&mut other, &module, &[])?;
        let length = instance.get_typed_func::<(), i32>(&mut other, "length")?;
        assert_eq!(length.call(&mut other, ())?, 0);
        let (left, page) = secrets();
        assert_eq!(left, 0, "{count} objects: the last page is {page:#x} of {}", mapping_of(page));
    }
    Ok(())
}
