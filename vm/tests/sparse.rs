//! Guests and hosts whose objects move out of sparse blocks: all ways to hold one old object from another, from
//! globals, tables, handles and frames. Next to each reference lies the number that its object has to have.

use heapwood_vm::*;

/// `fill(n)` makes n nodes, `thin(seed)` forgets four of five, `work(n)` moves references about, `check` counts wrong
/// ones.
const GUEST: &str = r#"(module
    (type $n (struct (field (mut (ref null $n))) (field (mut i64)) (field i64)))
    (type $refs (array (mut (ref null $n))))
    (type $numbers (array (mut i64)))
    (global $all (mut (ref null $refs)) (ref.null $refs))
    (global $copy (mut (ref null $refs)) (ref.null $refs))
    (global $g (export "g") (mut anyref) (ref.null any))
    (global $g_number (mut i64) (i64.const -1))
    (global $h (export "h") (mut anyref) (ref.null any))
    (global $h_number (mut i64) (i64.const -1))
    (table $t (export "t") 48 anyref)
    (global $t_numbers (mut (ref null $numbers)) (ref.null $numbers))
    (global $random (mut i64) (i64.const 88172645463325252))
    (func $next (param $below i32) (result i32)
      (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 13))))
      (global.set $random (i64.xor (global.get $random) (i64.shr_u (global.get $random) (i64.const 7))))
      (global.set $random (i64.xor (global.get $random) (i64.shl (global.get $random) (i64.const 17))))
      (i32.rem_u (i32.wrap_i64 (i64.shr_u (global.get $random) (i64.const 20))) (local.get $below)))
    (func $number (param $o anyref) (result i64)
      (if (ref.is_null (local.get $o)) (then (return (i64.const -1))))
      (struct.get $n 2 (ref.cast (ref $n) (local.get $o))))
    (func $any (result (ref null $n))
      (array.get $refs (global.get $all) (call $next (array.len (global.get $all)))))
    (func (export "fill") (param $count i32) (local $i i32)
      (global.set $all (array.new $refs (ref.null $n) (local.get $count)))
      (global.set $copy (array.new $refs (ref.null $n) (local.get $count)))
      (global.set $t_numbers (array.new $numbers (i64.const -1) (i32.const 48)))
      (table.fill $t (i32.const 0) (ref.null any) (i32.const 48))
      (loop $l
        (array.set $refs (global.get $all) (local.get $i)
          (struct.new $n (ref.null $n) (i64.const -1) (i64.extend_i32_u (local.get $i))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (local.get $count)))))
    (func (export "thin") (local $i i32)
      (loop $l
        (if (call $next (i32.const 5))
          (then (array.set $refs (global.get $all) (local.get $i) (ref.null $n))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (array.len (global.get $all)))))
      (array.fill $refs (global.get $copy) (i32.const 0) (ref.null $n) (array.len (global.get $copy))))
    (func $deep (param $depth i32) (param $mine (ref null $n)) (result i64) (local $number i64)
      (local.set $number (call $number (local.get $mine)))
      (if (local.get $depth)
        (then (drop (call $deep (i32.sub (local.get $depth) (i32.const 1)) (call $any))))
        (else (call $garbage (i32.const 3000))))
      (i64.ne (local.get $number) (call $number (local.get $mine)))
      i64.extend_i32_u)
    (func $garbage (param $count i32) (local $o (ref null $n))
      (loop $l
        (local.set $o (struct.new $n (local.get $o) (i64.const 0) (i64.const 0)))
        (if (i32.eqz (i32.and (local.get $count) (i32.const 15))) (then (local.set $o (ref.null $n))))
        (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
    (func (export "work") (param $count i32) (result i64) (local $wrong i64) (local $a (ref null $n)) (local $b (ref null $n)) (local $at i32)
      (loop $l
        (local.set $a (call $any)) (local.set $b (call $any))
        (if (i32.eqz (ref.is_null (local.get $a))) (then
          (struct.set $n 0 (local.get $a) (local.get $b))
          (struct.set $n 1 (local.get $a) (call $number (local.get $b)))))
        (if (i32.eqz (call $next (i32.const 8))) (then
          (global.set $g (local.get $b))
          (global.set $g_number (call $number (local.get $b)))
          (local.set $at (call $next (i32.const 24)))
          (table.set $t (local.get $at) (local.get $b))
          (array.set $numbers (global.get $t_numbers) (local.get $at) (call $number (local.get $b)))))
        (if (i32.eqz (call $next (i32.const 64))) (then
          (local.set $at (call $next (i32.const 24)))
          (table.copy $t $t (i32.const 24) (local.get $at) (i32.const 8))
          (array.copy $numbers $numbers (global.get $t_numbers) (i32.const 24) (global.get $t_numbers) (local.get $at) (i32.const 8))
          (table.fill $t (i32.const 32) (local.get $b) (i32.const 4))
          (array.fill $numbers (global.get $t_numbers) (i32.const 32) (call $number (local.get $b)) (i32.const 4))
          (local.set $at (call $next (i32.sub (array.len (global.get $all)) (i32.const 40))))
          (array.copy $refs $refs (global.get $copy) (local.get $at) (global.get $all) (local.get $at) (i32.const 40))
          (local.set $wrong (i64.add (local.get $wrong) (call $deep (i32.const 40) (call $any))))))
        (call $garbage (i32.const 64))
        (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
      (local.get $wrong))
    (func $differ (param $o anyref) (param $number i64) (result i64)
      (i64.extend_i32_u (i64.ne (call $number (local.get $o)) (local.get $number))))
    (func (export "check") (result i64) (local $i i32) (local $wrong i64) (local $o (ref null $n))
      (local.set $wrong (i64.add (call $differ (global.get $g) (global.get $g_number))
        (call $differ (global.get $h) (global.get $h_number))))
      (loop $l
        (local.set $wrong (i64.add (local.get $wrong)
          (call $differ (table.get $t (local.get $i)) (array.get $numbers (global.get $t_numbers) (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (i32.const 48))))
      (local.set $i (i32.const 0))
      (loop $l
        (local.set $o (array.get $refs (global.get $all) (local.get $i)))
        (if (i32.eqz (ref.is_null (local.get $o))) (then
          (local.set $wrong (i64.add (local.get $wrong) (call $differ (local.get $o) (i64.extend_i32_u (local.get $i)))))
          (local.set $wrong (i64.add (local.get $wrong)
            (call $differ (struct.get $n 0 (local.get $o)) (struct.get $n 1 (local.get $o)))))))
        (local.set $o (array.get $refs (global.get $copy) (local.get $i)))
        (if (i32.eqz (ref.is_null (local.get $o))) (then
          (local.set $wrong (i64.add (local.get $wrong) (call $differ (local.get $o) (i64.extend_i32_u (local.get $i)))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $l (i32.lt_u (local.get $i) (array.len (global.get $all)))))
      (local.get $wrong))
    (func (export "set_g_number") (param i64) (global.set $g_number (local.get 0)))
    (func (export "set_h_number") (param i64) (global.set $h_number (local.get 0)))
    (func (export "set_t_number") (param $i i32) (param i64)
      (array.set $numbers (global.get $t_numbers) (local.get $i) (local.get 1)))
    (func (export "get") (result anyref) (call $any)))"#;

const NODES: i32 = 100_000;

/// The number of a node.
fn number(store: &mut impl AsContextMut, node: Rooted<AnyRef>) -> i64 {
    match node.field(&mut *store, 2).unwrap() {
        Val::I64(number) => number,
        other => panic!("{other:?}"),
    }
}

struct Guest {
    store: Store<()>,
    instance: Instance,
}

impl Guest {
    fn new(config: &Config) -> Guest {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        Guest { store, instance }
    }

    fn call<P: WasmParams, R: WasmResults>(&mut self, name: &str, params: P) -> R {
        self.instance.get_typed_func::<P, R>(&mut self.store, name).unwrap().call(&mut self.store, params).unwrap()
    }

    /// The host takes hold of nodes, the guest works, and the host looks at them again and puts them elsewhere.
    fn host_round(&mut self, owned: &mut Vec<(Root<AnyRef>, i64)>) {
        let (instance, mut scope) = (self.instance, RootScope::new(&mut self.store));
        let get = instance.get_func(&mut scope, "get").unwrap();
        let work = instance.get_typed_func::<i32, i64>(&mut scope, "work").unwrap();
        let (g, t) = (instance.get_global(&mut scope, "g").unwrap(), instance.get_table(&mut scope, "t").unwrap());
        let set_g = instance.get_typed_func::<i64, ()>(&mut scope, "set_g_number").unwrap();
        let h = instance.get_global(&mut scope, "h").unwrap();
        let set_h = instance.get_typed_func::<i64, ()>(&mut scope, "set_h_number").unwrap();
        let set_t = instance.get_typed_func::<(i32, i64), ()>(&mut scope, "set_t_number").unwrap();
        let mut held = Vec::new();
        for _ in 0..12 {
            let mut result = [Val::I32(0)];
            get.call(&mut scope, &[], &mut result).unwrap();
            if let [Val::AnyRef(Some(node))] = result {
                let expected = number(&mut scope, node);
                held.push((node, expected));
            }
        }
        // A global that only the host sets, all the time.
        for index in 0..30 {
            let mut scope = RootScope::new(&mut scope);
            let mut result = [Val::I32(0)];
            get.call(&mut scope, &[], &mut result).unwrap();
            if let [Val::AnyRef(Some(node))] = result {
                let expected = number(&mut scope, node);
                if index % 5 == 0 {
                    // The only root that holds it.
                    owned.push((node.to_owned(&mut scope).unwrap(), expected));
                    continue;
                }
                h.set(&mut scope, Val::AnyRef(Some(node))).unwrap();
                set_h.call(&mut scope, expected).unwrap();
            }
            assert_eq!(work.call(&mut scope, 20).unwrap(), 0, "frames {index}");
        }
        for (index, (node, expected)) in (0..).zip(held) {
            assert_eq!(number(&mut scope, node), expected, "a handle of a scope");
            t.set(&mut scope, 36 + index, Val::AnyRef(Some(node))).unwrap();
            set_t.call(&mut scope, (36 + index as i32, expected)).unwrap();
            g.set(&mut scope, Val::AnyRef(Some(node))).unwrap();
            set_g.call(&mut scope, expected).unwrap();
        }
    }
}

fn run(name: &str, config: &Config) -> u64 {
    let mut guest = Guest::new(config);
    let mut owned = Vec::new();
    for _ in 0..2 {
        guest.call::<i32, ()>("fill", NODES);
        for _ in 0..2 {
            assert_eq!(guest.call::<i32, i64>("work", 500), 0, "{name}: frames");
            guest.call::<(), ()>("thin", ());
            for _ in 0..4 {
                guest.host_round(&mut owned);
                assert_eq!(guest.call::<(), i64>("check", ()), 0, "{name}");
            }
        }
        for (root, expected) in owned.drain(..) {
            let mut scope = RootScope::new(&mut guest.store);
            let node = root.to_rooted(&mut scope).unwrap();
            assert_eq!(number(&mut scope, node), expected, "{name}: an owned handle");
        }
    }
    let stats = guest.store.gc_stats();
    println!(
        "{name}: {} minors, {} markings, {} blocks evacuated in {} stops",
        stats.minors, stats.markings, stats.evacuated_blocks, stats.evacuations
    );
    stats.evacuated_blocks
}

#[test]
fn objects_move_out_of_sparse_blocks_under_guest_and_host() {
    for (fields, threads, verify) in
        [(3_000, 0, true), (20_000, 0, true), (20_000, 1, true), (3_000, 0, false), (20_000, 1, false)]
    {
        let mut config = Config::new();
        config.gc_nursery(64 << 10).gc_mark_slice(fields).gc_threads(threads).gc_verify(verify).gc_heap_max(128 << 20);
        let blocks = run(&format!("slices of {fields}, {threads} helpers, verify {verify}"), &config);
        // With a helper its pace decides how many markings there are.
        let least = if threads == 0 { 30 } else { 1 };
        assert!(blocks >= least, "{blocks} blocks in slices of {fields}");
    }
}
