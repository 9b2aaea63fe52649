//! Limits of a store hold in every way in which something grows, and for that store only.
//!
//! A table of resources and of ways to take some of each; every way meets every answer: at the limit, one above it, and
//! a limiter that refuses, fails or panics. Beside the store there is always another one of the same engine.

mod common;
#[path = "store_limits/ways.rs"]
mod ways;

use common::child::in_child;
use heapwood_vm::*;
use ways::*;

fn engine(config: &mut Config) -> Engine {
    let mut features = config.enabled();
    features.set("threads", true).unwrap();
    Engine::new(config.features(features)).unwrap()
}

/// A resource of which stores have so much.
type Limit = fn(&mut StoreBuilder<Host>, u64);

/// A resource by name, ways to take it, its limit, an amount, and in which of a store's limits an amount is how much.
type Limited<'w> = (&'static str, &'w [Way], Limit, u64, (StoreResource, u64));

#[test]
fn limits_of_the_builder_hold_in_every_way_and_for_one_store() {
    use StoreResource::{Instances, Memory, TableElements};
    let resources: [Limited<'_>; 4] = [
        ("memory", MEMORY, |builder, pages| _ = builder.memory_max(pages << 16), 10, (Memory, 1 << 16)),
        ("tables", TABLES, |builder, elements| _ = builder.tables_max(elements), 1000, (TableElements, 1)),
        ("bytes of tables", &TABLES[..7], |builder, elements| _ = builder.memory_max(4 * elements), 1000, (Memory, 4)),
        ("instances", INSTANCES, |builder, count| _ = builder.instances_max(count as usize), 3, (Instances, 1)),
    ];
    let engine = engine(&mut Config::new());
    let mut cases = 0;
    for (resource, ways, limit, amount, (kind, unit)) in resources {
        let builder = |amount| {
            let mut builder = Store::builder(&engine);
            limit(&mut builder, amount);
            builder
        };
        let (small, large) = (builder(amount), builder(2 * amount));
        for way in ways {
            let what = format!("{resource}: {}", way.name);
            let mut beside = World::new(&large, false);
            let mut at_limit = World::new(&small, false);
            assert_eq!(at_limit.run(way, amount), Ended::Done, "{what}");
            assert_eq!(at_limit.limit, None, "{what}");
            let mut above = World::new(&small, false);
            assert_eq!(above.run(way, amount + 1), way.beyond, "{what}, one above");
            let said = StoreLimit { resource: kind, limit: amount * unit, wanted: (amount + 1) * unit };
            assert_eq!(above.limit, (way.beyond == Ended::Limit).then_some(said), "{what}, one above");
            above.check();
            if resource != "instances" {
                // Nothing of what failed is left.
                assert_eq!(above.run(way, amount), Ended::Done, "{what}, after one above");
            }
            assert_eq!(
                World::new(&large, false).run(way, 2 * amount + 1),
                way.beyond,
                "{what}, one above twice as much"
            );
            assert_eq!(beside.run(way, 2 * amount), Ended::Done, "{what}, beside it");
            // Without a limit of its own.
            let mut other = World::new(&Store::builder(&engine), false);
            assert_eq!(other.run(way, 2 * amount + 1), Ended::Done, "{what}, without a limit");
            cases += 5;
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 5 * (10 + 8 + 7 + 5));
}

#[test]
fn a_limiter_that_refuses_fails_or_panics_leaves_the_store_usable() {
    let engine = engine(&mut Config::new());
    let mut cases = 0;
    for (ways, is_memory, amount) in [(MEMORY, true, 10), (TABLES, false, 1000)] {
        for way in ways {
            let mut beside = World::new(&Store::builder(&engine), true);
            for (says, wanted) in
                [(Says::No, way.beyond), (Says::Fails, Ended::Failed), (Says::Panics, Ended::Panicked)]
            {
                let mut world = World::new(&Store::builder(&engine), true);
                world.store.data_mut().says = says;
                assert_eq!(world.run(way, amount), wanted, "{}: {says:?}", way.name);
                assert_eq!(world.limit, None, "{}: that was no limit of the store's", way.name);
                world.check();
                world.store.data_mut().says = Says::Yes;
                world.store.data_mut().asked.clear();
                assert_eq!(world.run(way, amount), Ended::Done, "{}: after {says:?}", way.name);
                let unit = if is_memory { 65536 } else { 1 };
                let total: usize = std::mem::take(&mut world.store.data_mut().asked)
                    .iter()
                    .map(|asked| match *asked {
                        Asked::Memory(current, desired, _) if is_memory => desired - current,
                        Asked::Table(current, desired, _) if !is_memory => desired - current,
                        Asked::Heap(..) => 0,
                        asked => panic!("{}: {asked:?}", way.name),
                    })
                    .sum();
                assert_eq!(total, amount as usize * unit, "{}: all that grew was asked for, once", way.name);
                cases += 1;
            }
            let asked = |asked: &Asked| !matches!(asked, Asked::Heap(..));
            assert!(!beside.store.data().asked.iter().any(asked), "{}: another store's limiter", way.name);
            assert_eq!(beside.run(way, amount), Ended::Done, "{}", way.name);
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 3 * (10 + 8));
}

/// What its addresses cannot reach is not said to be a limit of the store, or of the system.
#[test]
fn a_memory_without_a_maximum_ends_where_its_addresses_end() {
    let engine = engine(&mut Config::new());
    for memory_max in [u64::MAX, 4 << 30] {
        let mut store = Store::builder(&engine).memory_max(memory_max).build(()).unwrap();
        let memory = Memory::new(&mut store, MemoryType::new(1, None)).unwrap();
        for delta in [65536, u64::MAX] {
            let error = memory.grow(&mut store, delta).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("failed to grow a memory by {delta} pages: it has 1 of at most 65536 pages")
            );
            assert!(error.store_limit().is_none());
        }
    }
}

#[test]
fn a_limiter_is_told_what_is_to_grow_and_what_did_not() {
    let engine = engine(&mut Config::new());
    let mut builder = Store::builder(&engine);
    builder.memory_max(4 << 16).tables_max(40);
    let mut world = World::new(&builder, true);
    let page = 1 << 16;
    let take = |world: &mut World| -> Vec<Asked> {
        let asked = std::mem::take(&mut world.store.data_mut().asked);
        asked.into_iter().filter(|asked| !matches!(asked, Asked::Heap(..))).collect()
    };
    let memory = Memory::new(&mut world.store, MemoryType::builder().min(1).max(3).build().unwrap()).unwrap();
    assert_eq!(take(&mut world), [Asked::Memory(0, page, Some(3 * page))]);
    memory.grow(&mut world.store, 1).unwrap();
    assert_eq!(take(&mut world), [Asked::Memory(page, 2 * page, Some(3 * page))]);
    // Nothing grows.
    assert_eq!(memory.grow(&mut world.store, 0).unwrap(), 2);
    assert_eq!(take(&mut world), []);
    // Beyond the type's maximum, and beyond the store's limit.
    let error = memory.grow(&mut world.store, 2).unwrap_err();
    assert!(error.to_string().contains("it has 2 of at most 3 pages"), "{error}");
    assert_eq!(take(&mut world), [Asked::Memory(2 * page, 4 * page, Some(3 * page)), Asked::MemoryFailed]);
    assert!(!world.call("grow memory", 3).unwrap());
    assert_eq!(take(&mut world), [Asked::Memory(0, 3 * page, None), Asked::MemoryFailed]);

    let ty = TableType::new(RefType::FUNCREF, 10, Some(30));
    let table = Table::new(&mut world.store, ty, Val::FuncRef(None)).unwrap();
    table.grow(&mut world.store, 10, Val::FuncRef(None)).unwrap();
    assert_eq!(take(&mut world), [Asked::Table(0, 10, Some(30)), Asked::Table(10, 20, Some(30))]);
    let error = table.grow(&mut world.store, 11, Val::FuncRef(None)).unwrap_err();
    assert!(error.to_string().contains("it has 20 of at most 30 elements"), "{error}");
    assert_eq!(take(&mut world), [Asked::Table(20, 31, Some(30)), Asked::TableFailed]);
    assert!(!world.call("grow table", 21).unwrap());
    assert_eq!(take(&mut world), [Asked::Table(0, 21, None), Asked::TableFailed]);
}

/// Says yes, and fails when it is told that something did not grow.
struct Strict;

impl ResourceLimiter for Strict {
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> Result<bool> {
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(error.context("no memory"))
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        Err(error.context("no table"))
    }
}

#[test]
fn a_growth_that_failed_can_end_the_guest() {
    let engine = Engine::default();
    let text = "(module (memory 0 1) (table 0 1 funcref)
        (func (export \"memory\") (result i32) (memory.grow (i32.const 2)))
        (func (export \"table\") (result i32) (table.grow (ref.null func) (i32.const 2))))";
    let module = compile(&engine, text);
    let ended = |store: &mut Store<_>, name: &str| -> Result<i32> {
        let instance = Instance::new(&mut *store, &module, &[])?;
        instance.get_typed_func::<(), i32>(&mut *store, name)?.call(store, ())
    };
    let mut store = Store::new(&engine, (Strict, StoreLimits::default()));
    for name in ["memory", "table"] {
        assert_eq!(ended(&mut store, name).unwrap(), -1);
    }
    store.limiter(|(strict, _)| strict);
    for name in ["memory", "table"] {
        let error = ended(&mut store, name).unwrap_err();
        assert_eq!(error.to_string(), format!("no {name}"));
        assert!(error.backtrace().is_some_and(|backtrace| !backtrace.frames().is_empty()));
    }
    // The fixed limits do the same where they are told so, be it that they refuse or that the type does.
    for limits in [StoreLimitsBuilder::new(), StoreLimitsBuilder::new().memory_size(0).table_elements(0)] {
        store.data_mut().1 = limits.clone().build();
        store.limiter(|(_, limits)| limits);
        for name in ["memory", "table"] {
            assert_eq!(ended(&mut store, name).unwrap(), -1);
        }
        store.data_mut().1 = limits.trap_on_grow_failure(true).build();
        for name in ["memory", "table"] {
            assert!(matches!(ended(&mut store, name).unwrap_err().kind(), ErrorKind::Limit(_)));
        }
    }
}

#[test]
fn counts_of_a_limiter() {
    let engine = Engine::default();
    let everything = "(module (memory 0) (memory 0) (table 0 funcref) (table 0 funcref))";
    for (limits, fits) in [
        (StoreLimitsBuilder::new().instances(2).memories(3).tables(3), true),
        (StoreLimitsBuilder::new().instances(1), false),
        (StoreLimitsBuilder::new().memories(2), false),
        (StoreLimitsBuilder::new().tables(2), false),
    ] {
        // The helpers have one of each.
        let mut store = Store::new(&engine, (Host::new(), limits.build()));
        Instance::new(&mut store, &compile(&engine, "(module (memory 0) (table 0 funcref))"), &[]).unwrap();
        store.limiter(|(_, limits)| limits);
        let mut beside = Store::new(&engine, (Host::new(), StoreLimits::default()));
        beside.limiter(|(_, limits)| limits);
        let made = Instance::new(&mut store, &compile(&engine, everything), &[]);
        assert_eq!(made.is_ok(), fits, "{made:?}");
        let kind = made.err().map(Error::into_kind);
        assert!(matches!(kind, None | Some(ErrorKind::Limit(_))), "{kind:?}");
        // What failed left nothing: up to the limits there is room.
        assert_eq!(store.memory_stats().memories.len(), if fits { 3 } else { 1 });
        for _ in 0..5 {
            Instance::new(&mut beside, &compile(&engine, everything), &[]).unwrap();
        }
    }
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().memories(1).tables(1).build());
    store.limiter(|limits| limits);
    let memory = MemoryType::builder().build().unwrap();
    let table = TableType::new(RefType::FUNCREF, 0, None);
    for is_last in [false, true] {
        assert_eq!(Memory::new(&mut store, memory).is_err(), is_last);
        assert_eq!(Table::new(&mut store, table.clone(), Val::FuncRef(None)).is_err(), is_last);
    }
}

const MIB: u64 = 1 << 20;

/// The default mode, and one that collects at every allocation and verifies; ways that fit it.
fn heap_modes() -> [(&'static str, Config, Vec<&'static Way>); 2] {
    let mut stress = Config::new();
    stress.gc_stress(1).gc_verify(true);
    let all = HEAP.iter().chain(SMALL_OBJECTS).collect();
    [("default", Config::new(), all), ("stress", stress, HEAP.iter().collect())]
}

#[test]
fn the_limit_of_a_heap_is_that_of_its_store() {
    for (mode, mut config, ways) in heap_modes() {
        let engine = engine(config.gc_heap_max(64 * MIB));
        let (mut small, mut large) = (Store::builder(&engine), Store::builder(&engine));
        small.gc_heap_max(4 * MIB);
        large.gc_heap_max(32 * MIB);
        for way in ways {
            let what = format!("{mode}: {}", way.name);
            let mut world = World::new(&small, false);
            assert_eq!(world.run(way, MIB), Ended::Done, "{what}");
            world.check();
            assert_eq!(world.run(way, 8 * MIB), way.beyond, "{what}");
            let heap = world.store.memory_stats().heap;
            assert_eq!(heap.limit_bytes, 4 * MIB);
            // Lists beside the heap grow first and are counted afterwards.
            assert!(heap.peak_bytes <= heap.limit_bytes + (64 << 10), "{what}: {heap:?}");
            if !KEEPING.contains(&way.name) {
                world.check();
            }
            assert_eq!(World::new(&large, false).run(way, 8 * MIB), Ended::Done, "{what}, beside it");
        }
        let store = Store::new(&engine, ());
        assert_eq!(store.memory_stats().heap.limit_bytes, 64 * MIB);
    }
}

#[test]
fn a_limiter_of_the_heap_is_asked_before_it_grows() {
    let mut cases = 0;
    for (mode, mut config, ways) in heap_modes() {
        let engine = engine(config.gc_heap_max(32 * MIB));
        for way in ways {
            let what = format!("{mode}: {}", way.name);
            let mut beside = World::new(&Store::builder(&engine), true);
            for (says, wanted) in [(Says::Fails, Ended::Failed), (Says::Panics, Ended::Panicked)] {
                let mut world = World::new(&Store::builder(&engine), true);
                world.store.data_mut().says = says;
                assert_eq!(world.run(way, 2 * MIB), wanted, "{what}: {says:?}");
                world.check();
                world.store.data_mut().says = Says::Yes;
                assert_eq!(world.run(way, 2 * MIB), Ended::Done, "{what}: after {says:?}");
                cases += 1;
            }
            // It refuses from some size on: what was allowed is never exceeded, and collecting helps.
            let mut world = World::new(&Store::builder(&engine), true);
            world.store.data_mut().heap_max = (5 * MIB) as usize;
            assert_eq!(world.run(way, 16 * MIB), way.beyond, "{what}: it refuses");
            let heap = world.store.memory_stats().heap;
            let slack = 256 << 10;
            assert!(heap.peak_bytes <= 5 * MIB + slack, "{what}: {heap:?}");
            let mut allowed = 0;
            for asked in std::mem::take(&mut world.store.data_mut().asked) {
                let Asked::Heap(current, desired, maximum) = asked else { panic!("{what}: {asked:?}") };
                assert!(current >= allowed && desired > current, "{what}: {asked:?} after {allowed}");
                assert_eq!(maximum, Some((32 * MIB) as usize));
                if desired as u64 <= 5 * MIB {
                    allowed = desired;
                }
            }
            assert!(allowed > 0, "{what}");
            if !KEEPING.contains(&way.name) {
                world.check();
                assert_eq!(world.run(way, MIB), Ended::Done, "{what}: after it refused");
            }
            cases += 1;
            // It allows more: the same allocation goes on.
            let mut world = World::new(&Store::builder(&engine), true);
            assert_eq!(world.run(way, 8 * MIB), Ended::Done, "{what}: it allows");
            assert_eq!(beside.store.data().asked, [], "{what}: another store's limiter");
            assert_eq!(beside.run(way, 8 * MIB), Ended::Done, "{what}: beside it");
        }
    }
    println!("{cases} cases");
    assert_eq!(cases, 3 * (2 * 4 + 4));
}

/// A heap that may not grow is collected instead, again and again.
#[test]
fn garbage_makes_room_where_a_limiter_does_not() {
    let engine = Engine::default();
    let text = "(module (type $a (array (mut i8))) (global $kept (mut (ref null $a)) (ref.null $a))
        (func (export \"churn\") (param i32)
            (loop $more
                (global.set $kept (array.new_default $a (i32.const 20000)))
                (br_if $more (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))";
    let module = compile(&engine, text);
    let mut store = Store::new(&engine, StoreLimitsBuilder::new().gc_heap_size(6 << 20).build());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    store.limiter(|limits| limits);
    let churn = instance.get_typed_func::<i32, ()>(&mut store, "churn").unwrap();
    churn.call(&mut store, 20_000).unwrap();
    let heap = store.memory_stats().heap;
    assert!(heap.peak_bytes <= (6 << 20) + (256 << 10), "{heap:?}");
    // 400 MB went through 6 MiB, and most collections came before the heap was refused anything.
    let stats = store.gc_stats();
    assert!(stats.stalls < stats.minors / 4, "{} stalls, {} minors", stats.stalls, stats.minors);
}

#[test]
fn stacks_are_as_large_as_each_store_wants() {
    let engine = Engine::default();
    let module = compile(
        &engine,
        "(module (global $depth (export \"depth\") (mut i32) (i32.const 0))
            (func $down (export \"down\") (global.set $depth (i32.add (global.get $depth) (i32.const 1))) (call $down)))",
    );
    let depth = |bytes: Option<usize>| {
        let mut builder = Store::builder(&engine);
        if let Some(bytes) = bytes {
            builder.max_stack(bytes);
        }
        let mut store = builder.build(()).unwrap();
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let down = instance.get_typed_func::<(), ()>(&mut store, "down").unwrap();
        let error = down.call(&mut store, ()).unwrap_err();
        let trap = error.trap().unwrap();
        assert_eq!(trap.kind(), TrapKind::StackExhausted);
        assert_eq!(trap.detail(), Some(format!("limit: {} bytes", bytes.unwrap_or(MAX_STACK_DEFAULT)).as_str()));
        let depth = instance.get_global(&mut store, "depth").unwrap().get(&mut store).i32().unwrap();
        // A frame is 16 bytes at least.
        (store, depth)
    };
    // In turns, so that stacks of other stores are there to be taken.
    for _ in 0..3 {
        let (_small, shallow) = depth(Some(MAX_STACK_MIN));
        let (_default, deep) = depth(None);
        let (_medium, middle) = depth(Some(1 << 20));
        assert!(shallow > 100 && middle > 10 * shallow && deep > 10 * middle, "{shallow}, {middle}, {deep}");
    }
}

#[test]
fn nonsense_is_an_error_that_names_value_and_range() {
    let engine = Engine::default();
    for (bytes, fits) in [(0, false), (MIB - 1, false), (MIB, true), (HEAP_BYTES_LIMIT, true), (u64::MAX, false)] {
        let made = Store::builder(&engine).gc_heap_max(bytes).build(());
        assert_eq!(made.is_ok(), fits, "{bytes}: {made:?}");
        if let Err(error) = made {
            assert!(matches!(error.kind(), ErrorKind::Limit(_)));
            let says = format!("a heap of {bytes} bytes is not possible (from {MIB} to {HEAP_BYTES_LIMIT} bytes)");
            assert_eq!(error.to_string(), says);
        }
    }
    let most = MAX_STACK_MAX;
    for (bytes, fits) in
        [(0, false), (MAX_STACK_MIN - 1, false), (MAX_STACK_MIN, true), (most, true), (most + 1, false)]
    {
        let made = Store::builder(&engine).max_stack(bytes).build(());
        assert_eq!(made.is_ok(), fits, "{bytes}: {made:?}");
        if let Err(error) = made {
            let says = format!("a stack of {bytes} bytes is not possible (from {MAX_STACK_MIN} to {most} bytes)");
            assert_eq!(error.to_string(), says);
        }
    }
}

/// How many threads of this process have names that begin like this.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let comm = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.ok()?.path().join("comm")).ok();
    tasks.filter_map(comm).filter(|comm| comm.starts_with(name)).count()
}

/// All stores of an engine have the same helpers.
#[test]
fn stores_have_no_threads_of_their_own() {
    in_child("stores_have_no_threads_of_their_own", || {
        let before = threads("");
        let engine = Engine::new(Config::new().gc_threads(2).gc_mark_slice(1000)).unwrap();
        let mut worlds: Vec<World> = (0..20).map(|_| World::new(&Store::builder(&engine), false)).collect();
        for world in &mut worlds {
            assert!(world.call("keep nodes", 4 * MIB).unwrap());
            // The helpers may have had no time to end a marking meanwhile.
            world.store.gc().unwrap();
            assert!(world.store.gc_stats().markings > 0);
        }
        assert_eq!(threads("heapwood-gc"), 2);
        let others = [threads("heapwood-timer"), threads("heapwood-tier")];
        assert!(others[0] <= 1 && others[1] <= 1, "{others:?}");
        assert_eq!(threads(""), before + 2 + others[0] + others[1], "the engine's threads and nobody else");
    });
}
