//! The collector under guests: every object moves at any allocation, and everything is verified.

use heapwood_vm::*;

/// Configurations in which a mistake shows.
fn modes() -> Vec<(&'static str, Config)> {
    let mut modes = vec![("default", Config::new())];
    for (name, every) in [("stress 1", 1), ("stress 7", 7)] {
        let mut config = Config::new();
        config.gc_stress(every).gc_verify(true).gc_heap_max(64 << 20);
        modes.push((name, config));
    }
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_verify(true);
    modes.push(("small nursery", config));
    modes
}

fn run(text: &str, export: &str, arg: i32) -> Vec<(&'static str, i64)> {
    let bytes = wat::parse_str(text).unwrap();
    let run = |(name, config): (&'static str, Config)| {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, &bytes).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let func = instance.get_typed_func::<i32, i64>(&mut store, export).unwrap();
        (name, func.call(&mut store, arg).unwrap_or_else(|error| panic!("{name}: {error:?}")))
    };
    modes().into_iter().map(run).collect()
}

#[test]
fn trees_survive() {
    let results = run(
        r#"(module
            (type $node (struct (field (mut (ref null $node))) (field (mut (ref null $node))) (field (mut i32))))
            (global $kept (mut (ref null $node)) (ref.null $node))
            (table $t 4 (ref null $node))
            (func $build (param $depth i32) (result (ref $node))
              (local $l (ref null $node))
              (if (result (ref $node)) (i32.eqz (local.get $depth))
                (then (struct.new $node (ref.null $node) (ref.null $node) (i32.const 1)))
                (else
                  (local.set $l (call $build (i32.sub (local.get $depth) (i32.const 1))))
                  (struct.new $node (local.get $l) (call $build (i32.sub (local.get $depth) (i32.const 1)))
                    (local.get $depth)))))
            (func $sum (param $n (ref null $node)) (result i64)
              (if (result i64) (ref.is_null (local.get $n)) (then (i64.const 0))
                (else (i64.add (i64.extend_i32_s (struct.get $node 2 (local.get $n)))
                  (i64.add (call $sum (struct.get $node 0 (local.get $n))) (call $sum (struct.get $node 1 (local.get $n))))))))
            (func (export "run") (param $rounds i32) (result i64)
              (local $sum i64)
              (global.set $kept (call $build (i32.const 5)))
              (table.set $t (i32.const 2) (call $build (i32.const 4)))
              (loop $again
                (local.set $sum (i64.add (local.get $sum) (call $sum (call $build (i32.const 4)))))
                (struct.set $node 0 (ref.as_non_null (global.get $kept)) (call $build (i32.const 2)))
                (table.set $t (i32.and (local.get $rounds) (i32.const 3)) (call $build (i32.const 3)))
                (local.set $rounds (i32.sub (local.get $rounds) (i32.const 1)))
                (br_if $again (local.get $rounds)))
              (i64.add (local.get $sum)
                (i64.add (call $sum (global.get $kept)) (call $sum (table.get $t (i32.const 2)))))))"#,
        "run",
        30,
    );
    assert!(results.iter().all(|(_, sum)| *sum == results[0].1), "{results:?}");
}

#[test]
fn arrays_of_all_sizes_survive() {
    let results = run(
        r#"(module
            (type $bytes (array (mut i8)))
            (type $refs (array (mut (ref null $bytes))))
            (func (export "run") (param $n i32) (result i64)
              (local $a (ref null $refs)) (local $i i32) (local $sum i64)
              (local.set $a (array.new_default $refs (local.get $n)))
              (loop $fill
                (array.set $refs (local.get $a) (local.get $i)
                  (array.new $bytes (local.get $i) (i32.mul (local.get $i) (i32.const 37))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $fill (i32.lt_u (local.get $i) (local.get $n))))
              (array.copy $refs $refs (local.get $a) (i32.const 0) (local.get $a) (i32.const 5) (i32.const 20))
              (local.set $i (i32.const 0))
              (loop $add
                (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_u (i32.add
                  (array.len (array.get $refs (local.get $a) (local.get $i)))
                  (if (result i32) (local.get $i)
                    (then (array.get_u $bytes (array.get $refs (local.get $a) (local.get $i)) (local.get $i)))
                    (else (i32.const 0)))))))
                (local.set $i (i32.add (local.get $i) (i32.const 1)))
                (br_if $add (i32.lt_u (local.get $i) (local.get $n))))
              (local.get $sum)))"#,
        "run",
        100,
    );
    assert!(results.iter().all(|(_, sum)| *sum == results[0].1), "{results:?}");
}

#[test]
fn a_full_heap_is_a_trap_and_the_store_stays_usable() {
    for slice in [0, 1, 1000] {
        for threads in [0, 1] {
            let mut config = Config::new();
            config.gc_heap_max(8 << 20).gc_mark_slice(slice).gc_threads(threads);
            fill_and_go_on(&config);
        }
    }
}

fn fill_and_go_on(config: &Config) {
    let engine = Engine::new(config).unwrap();
    let text = r#"(module
        (type $n (struct (field (ref null $n)) (field i64)))
        (global $all (mut (ref null $n)) (ref.null $n))
        (func (export "fill") (result i64)
          (loop $l (global.set $all (struct.new $n (global.get $all) (i64.const 1))) (br $l))
          (unreachable))
        (func (export "length") (result i32) (local $n (ref null $n)) (local $count i32)
          (local.set $n (global.get $all))
          (block $end (loop $l
            (br_if $end (ref.is_null (local.get $n)))
            (local.set $count (i32.add (local.get $count) (i32.const 1)))
            (local.set $n (struct.get $n 0 (local.get $n)))
            (br $l)))
          (local.get $count))
        (func (export "clear") (global.set $all (ref.null $n)))
        (func (export "large") (drop (array.new_default $a (i32.const 0x7fffffff))))
        (type $a (array (mut i64))))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let fill = instance.get_typed_func::<(), i64>(&mut store, "fill").unwrap();
    let clear = instance.get_typed_func::<(), ()>(&mut store, "clear").unwrap();
    let length = instance.get_typed_func::<(), i32>(&mut store, "length").unwrap();
    let large = instance.get_typed_func::<(), ()>(&mut store, "large").unwrap();
    for _ in 0..2 {
        let error = fill.call(&mut store, ()).unwrap_err();
        assert_eq!(error.trap().unwrap().kind(), TrapKind::HeapExhausted);
        assert!(error.to_string().contains("8388608"), "{error}");
        // What the list held before it was full is there: most of the 8 MiB in nodes of 24 bytes.
        assert!(length.call(&mut store, ()).unwrap() > 150_000);
        store.gc().unwrap();
        assert!(length.call(&mut store, ()).unwrap() > 150_000);
        clear.call(&mut store, ()).unwrap();
        assert_eq!(length.call(&mut store, ()).unwrap(), 0);
    }
    let error = large.call(&mut store, ()).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::AllocationTooLarge);
}

#[test]
fn references_in_host_calls_survive_collections() {
    for (name, config) in modes() {
        let engine = Engine::new(&config).unwrap();
        let text = r#"(module
            (type $s (struct (field i32)))
            (import "h" "swap" (func $swap (param anyref externref funcref) (result externref anyref funcref)))
            (func $f (result i32) (i32.const 77)) (elem declare func $f)
            (type $fn (func (result i32)))
            (func (export "run") (param externref) (result externref i32 i32)
              (local $x externref) (local $y anyref) (local $z funcref)
              (call $swap (struct.new $s (i32.const 5)) (local.get 0) (ref.func $f))
              (local.set $z) (local.set $y) (local.set $x)
              (local.get $x)
              (struct.get $s 0 (ref.cast (ref $s) (local.get $y)))
              (call_ref $fn (ref.cast (ref $fn) (local.get $z)))))"#;
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let ty = module.imports().next().unwrap().ty.func().unwrap().clone();
        let swap = Func::new(&mut store, ty, |mut caller, params, results| {
            for _ in 0..3 {
                ExternRef::new(&mut caller, 1u32)?;
            }
            results.copy_from_slice(&[params[1], params[0], params[2]]);
            Ok(())
        });
        let instance = Instance::new(&mut store, &module, &[swap.into()]).unwrap();
        let run = instance.get_func(&mut store, "run").unwrap();
        for round in 0..5u32 {
            let value = ExternRef::new(&mut store, round).unwrap();
            let mut results = [Val::I32(0); 3];
            run.call(&mut store, &[Val::ExternRef(Some(value))], &mut results).unwrap();
            store.gc().unwrap();
            let Val::ExternRef(Some(back)) = results[0] else { panic!("{name}: {results:?}") };
            assert_eq!(back.data(&store).unwrap().unwrap().downcast_ref::<u32>(), Some(&round), "{name}");
            assert_eq!((results[1].i32(), results[2].i32()), (Some(5), Some(77)), "{name}");
        }
    }
}

#[test]
fn owned_roots_keep_and_release() {
    let mut config = Config::new();
    config.gc_verify(true);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    struct Counted(std::sync::Arc<()>);
    let alive = std::sync::Arc::new(());
    let value = Counted(alive.clone());
    let root = {
        let value = ExternRef::new(&mut store, value).unwrap();
        value.to_owned(&mut store).unwrap()
    };
    store.gc().unwrap();
    assert_eq!(std::sync::Arc::strong_count(&alive), 2);
    let back = root.to_rooted(&mut store).unwrap();
    let data = back.data(&store).unwrap().unwrap().downcast_ref::<Counted>().unwrap();
    assert!(std::sync::Arc::ptr_eq(&data.0, &alive));
    drop(store);
    drop(root);
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "the store's values go with it");
}

/// Stores into arrays around the size from which chunks are logged, as neighbours, before and after promotion: each
/// chunk is logged once, whatever the chunks and arrays beside it are.
#[test]
fn each_chunk_of_an_array_remembers_what_is_stored_into_it() {
    let results = run(
        r#"(module
            (type $box (struct (field i32)))
            (type $list (array (mut (ref null $box))))
            (type $lists (array (mut (ref null $list))))
            (func $churn (param $n i32)
              (loop $l
                (drop (array.new $list (ref.null $box) (i32.const 50)))
                (local.set $n (i32.sub (local.get $n) (i32.const 1)))
                (br_if $l (i32.gt_s (local.get $n) (i32.const 0)))))
            (func $length (param $k i32) (result i32)
              (select
                (i32.add (i32.const 3) (i32.rem_u (local.get $k) (i32.const 7)))
                (i32.add (i32.const 60) (i32.rem_u (local.get $k) (i32.const 9)))
                (i32.and (local.get $k) (i32.const 1))))
            ;; Stores a new box at every `$step`-th index of every array, one array after the other or across them.
            (func $fill (param $lists (ref $lists)) (param $step i32) (param $from i32) (param $value i32)
              (local $k i32) (local $i i32) (local $list (ref null $list))
              (loop $next
                (local.set $list (array.get $lists (local.get $lists) (local.get $k)))
                (local.set $i (local.get $from))
                (loop $l
                  (if (i32.lt_u (local.get $i) (array.len (local.get $list)))
                    (then
                      (array.set $list (local.get $list) (local.get $i)
                        (struct.new $box (i32.add (local.get $value) (i32.add (local.get $i) (i32.mul (local.get $k) (i32.const 1000))))))
                      (local.set $i (i32.add (local.get $i) (local.get $step)))
                      (br $l))))
                (local.set $k (i32.add (local.get $k) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $k) (array.len (local.get $lists))))))
            (func $check (param $lists (ref $lists)) (param $step i32) (param $from i32) (param $value i32) (result i64)
              (local $k i32) (local $i i32) (local $list (ref null $list)) (local $count i64)
              (loop $next
                (local.set $list (array.get $lists (local.get $lists) (local.get $k)))
                (local.set $i (local.get $from))
                (loop $l
                  (if (i32.lt_u (local.get $i) (array.len (local.get $list)))
                    (then
                      (if (i32.ne (struct.get $box 0 (array.get $list (local.get $list) (local.get $i)))
                                  (i32.add (local.get $value) (i32.add (local.get $i) (i32.mul (local.get $k) (i32.const 1000)))))
                        (then (unreachable)))
                      (local.set $count (i64.add (local.get $count) (i64.const 1)))
                      (local.set $i (i32.add (local.get $i) (local.get $step)))
                      (br $l))))
                (local.set $k (i32.add (local.get $k) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $k) (array.len (local.get $lists)))))
              (local.get $count))
            (func (export "run") (param $churn i32) (result i64)
              (local $lists (ref $lists)) (local $k i32) (local $count i64) (local $round i32)
              (local.set $lists (array.new $lists (ref.null $list) (i32.const 40)))
              (loop $next
                (array.set $lists (local.get $lists) (local.get $k)
                  (array.new $list (ref.null $box) (call $length (local.get $k))))
                (local.set $k (i32.add (local.get $k) (i32.const 1)))
                (br_if $next (i32.lt_u (local.get $k) (i32.const 40))))
              (loop $again
                (call $churn (local.get $churn))
                (call $fill (local.get $lists) (i32.const 1) (i32.const 0) (local.get $round))
                (call $churn (local.get $churn))
                (call $fill (local.get $lists) (i32.const 31) (i32.const 1) (i32.const 70000))
                (call $fill (local.get $lists) (i32.const 31) (i32.const 1) (i32.const 90000))
                (call $churn (local.get $churn))
                (local.set $count (i64.add (local.get $count)
                  (call $check (local.get $lists) (i32.const 31) (i32.const 1) (i32.const 90000))))
                (call $fill (local.get $lists) (i32.const 31) (i32.const 0) (i32.const 50000))
                (call $fill (local.get $lists) (i32.const 32) (i32.const 32) (i32.const 50000))
                (call $churn (local.get $churn))
                (local.set $count (i64.add (local.get $count)
                  (call $check (local.get $lists) (i32.const 32) (i32.const 32) (i32.const 50000))))
                (local.set $round (i32.add (local.get $round) (i32.const 1)))
                (br_if $again (i32.lt_u (local.get $round) (i32.const 2))))
              (local.get $count)))"#,
        "run",
        320,
    );
    // Small arrays between large ones: indices 1, 32 and 63, then 32 and 64, as far as they go.
    let lengths = (0..40u64).map(|k| if k & 1 != 0 { 3 + k % 7 } else { 60 + k % 9 });
    let count: u64 = lengths.map(|len| (len - 1).div_ceil(31) + len.saturating_sub(32).div_ceil(32)).sum();
    for (mode, result) in results {
        assert_eq!(result, 2 * count as i64, "{mode}");
    }
}
