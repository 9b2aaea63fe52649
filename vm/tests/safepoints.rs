//! References that are alive across each operation that may come to the runtime: as locals and as operands, few and
//! more than there are registers. Arrays of all sizes, references through the host, stores whose object and value are
//! one.

use heapwood_vm::*;

/// Collections at every allocation with everything verified; markings in slices of one field; a helper's markings.
fn modes() -> Vec<(&'static str, Config)> {
    let config = |set: fn(&mut Config)| {
        let mut config = Config::new();
        config.gc_nursery(64 << 10).gc_verify(true).gc_heap_max(64 << 20);
        set(&mut config);
        config
    };
    let stress = |config: &mut Config| {
        config.gc_stress(1).few_registers(true).debug_checks(true).inline(Inline::Never);
    };
    let slices = |config: &mut Config| {
        config.gc_mark_slice(1).gc_threads(0).debug_checks(true);
    };
    let helper = |config: &mut Config| {
        config.gc_mark_slice(100).gc_threads(1);
    };
    vec![("stress 1", config(stress)), ("slices of 1", config(slices)), ("a helper", config(helper))]
}

const TYPES: &str = r#"
    (type $b (sub (struct (field (mut i64)))))
    (type $n (sub (struct (field (mut (ref null $n))) (field (mut anyref)))))
    (type $d1 (sub $n (struct (field (mut (ref null $n))) (field (mut anyref)) (field i32))))
    (type $d2 (sub $d1 (struct (field (mut (ref null $n))) (field (mut anyref)) (field i32) (field i32))))
    (type $d3 (sub $d2 (struct (field (mut (ref null $n))) (field (mut anyref)) (field i32) (field i32) (field i32))))
    (type $bytes (array (mut i8)))
    (type $longs (array (mut i64)))
    (type $refs (array (mut anyref)))
    (type $fn (func (param anyref) (result anyref)))
    (import "h" "gc" (func $gc))
    (import "h" "swap" (func $swap (param anyref i64 externref) (result externref i64 anyref)))
    (tag $e (param anyref))
    (memory 1 4000)
    (data $data "0123456789abcdefghijklmnopqrstuvwxyz")
    (data $once "0123456789")
    (elem $seg anyref (item (ref.i31 (i32.const 7))) (item (struct.new_default $n)) (item (ref.null any)))
    (elem $seg2 anyref (item (ref.i31 (i32.const 7))) (item (struct.new_default $n)))
    (table $t 10000 100000 anyref)
    (table $u 10000 anyref)
    (table $ft funcref (elem $id $alloc))
    (global $g (mut anyref) (ref.null any))
    (global $old (mut (ref null $n)) (ref.null $n))
    (global $array (mut (ref null $refs)) (ref.null $refs))
    (func $id (type $fn) (local.get 0))
    (func $alloc (type $fn) (drop (struct.new_default $n)) (struct.new $b (i64.const 3)))
    (func $box (param i64) (result (ref $b)) (struct.new $b (local.get 0)))
    (func $deep (param i32) (result anyref)
      (if (result anyref) (local.get 0)
        (then (call $deep (i32.sub (local.get 0) (i32.const 1))))
        (else (struct.new_default $n))))
    (func $thrower (param anyref) (drop (struct.new_default $n)) (throw $e (local.get 0)))
    (func (export "prepare")
      (global.set $old (struct.new_default $d3 ))
      (global.set $array (array.new_default $refs (i32.const 200000)))
      (call $gc) (call $gc))"#;

/// Operations; each leaves the operand stack as it was. `$v` is a reference, `$i` a number, `$r` an array of 3,000
/// references.
const OPERATIONS: &[(&str, &str)] = &[
    ("struct.new", "(local.set $v (struct.new $n (ref.null $n) (local.get $v)))"),
    ("struct.new_default", "(local.set $v (struct.new_default $d3))"),
    ("array.new", "(local.set $v (array.new $refs (local.get $v) (i32.const 9)))"),
    ("array.new of many", "(local.set $v (array.new $refs (local.get $v) (i32.const 9000)))"),
    ("array.new_default", "(local.set $v (array.new_default $bytes (i32.const 33)))"),
    ("array.new_default of many", "(local.set $v (array.new_default $longs (i32.const 5000)))"),
    (
        "array.new_fixed",
        "(local.set $v (array.new_fixed $refs 3 (local.get $v) (struct.new_default $n) (local.get $v)))",
    ),
    ("array.new_data", "(local.set $v (array.new_data $bytes $data (i32.const 3) (i32.const 20)))"),
    ("array.new_elem", "(local.set $v (array.new_elem $refs $seg (i32.const 0) (i32.const 3)))"),
    (
        "array.init_data",
        "(array.init_data $bytes $data (array.new_default $bytes (i32.const 9)) (i32.const 1) (i32.const 2) (i32.const 3))",
    ),
    ("array.init_elem", "(array.init_elem $refs $seg (local.get $r) (i32.const 1) (i32.const 0) (i32.const 3))"),
    (
        "array.copy",
        "(array.copy $refs $refs (local.get $r) (i32.const 1) (local.get $r) (i32.const 0) (i32.const 2900))",
    ),
    (
        "array.fill of a young one",
        "(array.fill $refs (local.get $r) (i32.const 1) (struct.new_default $n) (i32.const 2900))",
    ),
    (
        "array.fill of an old one",
        "(array.fill $refs (global.get $array) (i32.const 1) (struct.new_default $n) (i32.const 199000))",
    ),
    ("array.set", "(array.set $refs (global.get $array) (i32.const 77) (struct.new_default $n))"),
    ("struct.set", "(struct.set $n 1 (global.get $old) (local.get $v))"),
    ("global.set", "(global.set $g (struct.new_default $n))"),
    ("table.set", "(table.set $t (i32.const 9) (struct.new_default $n))"),
    ("table.grow", "(drop (table.grow $t (struct.new_default $n) (i32.const 5)))"),
    ("table.grow by many", "(drop (table.grow $t (struct.new_default $n) (i32.const 5000)))"),
    ("table.fill", "(table.fill $t (i32.const 3) (struct.new_default $n) (i32.const 30))"),
    ("table.fill of many", "(table.fill $t (i32.const 3) (struct.new_default $n) (i32.const 9000))"),
    (
        "table.copy",
        "(table.set $t (i32.const 3) (local.get $v)) (table.copy $u $t (i32.const 3) (i32.const 1) (i32.const 9000))",
    ),
    ("table.init", "(table.init $t $seg2 (i32.const 3) (i32.const 0) (i32.const 2))"),
    ("elem.drop", "(elem.drop $seg2)"),
    ("memory.grow", "(i32.store (i32.const 8) (memory.grow (i32.const 1)))"),
    ("memory.fill", "(memory.fill (i32.const 3) (i32.const 1) (i32.const 50000))"),
    ("memory.copy", "(memory.copy (i32.const 3) (i32.const 1) (i32.const 50000))"),
    ("memory.init", "(memory.init $data (i32.const 3) (i32.const 1) (i32.const 20))"),
    ("data.drop", "(data.drop $once)"),
    ("call", "(local.set $v (call $alloc (local.get $v)))"),
    ("call_indirect", "(local.set $v (call_indirect $ft (type $fn) (local.get $v) (i32.const 1)))"),
    ("call_ref", "(local.set $v (call_ref $fn (local.get $v) (ref.func $alloc)))"),
    ("a deep call", "(local.set $v (call $deep (i32.const 3000)))"),
    ("the host", "(call $gc)"),
    (
        "the host with references",
        "(call $swap (local.get $v) (i64.const 5) (extern.convert_any (local.get $v))) (local.set $v) (drop) (drop)",
    ),
    (
        "throw and catch",
        "(local.set $v (block $h (result anyref) (try_table (catch $e $h) (call $thrower (local.get $v))) (unreachable)))",
    ),
    (
        "throw_ref",
        "(block $o (try_table (catch_all $o) (throw_ref (block $h (result exnref) (try_table (catch_all_ref $h) (call $thrower (local.get $v))) (unreachable)))))",
    ),
    ("ref.cast", "(drop (ref.cast (ref $d1) (global.get $old)))"),
    (
        "br_on_cast",
        "(block $o (drop (block $c (result (ref $d3)) (drop (br_on_cast $c (ref null $n) (ref $d3) (global.get $old))) (br $o))))",
    ),
    ("conversions", "(local.set $v (any.convert_extern (extern.convert_any (local.get $v))))"),
    (
        "a poll with a full log",
        "(local.set $i (i32.const 199000))
         (loop $l (array.set $refs (global.get $array) (local.get $i) (local.get $v))
           (local.set $i (i32.sub (local.get $i) (i32.const 31)))
           (br_if $l (i32.gt_s (local.get $i) (i32.const 31))))",
    ),
];

fn instantiate(config: &Config, text: &str) -> (Store<()>, Instance) {
    let engine = Engine::new(config).unwrap();
    let bytes = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let module = Module::new(&engine, bytes).unwrap();
    let mut linker = Linker::new(&engine);
    for import in module.imports() {
        let ty = import.ty.func().expect("functions only").clone();
        let func = move |mut caller: Caller<'_, ()>, params: &[Val], results: &mut [Val]| {
            caller.gc()?;
            ExternRef::new(&mut caller, 5)?;
            // What came first goes last, with a collection in between.
            for (result, param) in results.iter_mut().zip(params.iter().rev()) {
                *result = *param;
            }
            caller.gc()
        };
        linker.func_new("h", import.name, ty, func).unwrap();
    }
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// A function that has `live` references in locals and as many as operands across an operation, and what it returns.
fn across(name: usize, operation: &str, live: u64) -> (String, i64) {
    let mut text = format!(
        "(func (export \"{name}-{live}\") (result i64) (local $v anyref) (local $i i32) (local $r (ref null $refs))
           (local $sum i64) (local $top (ref null $b))"
    );
    (0..live).for_each(|at| text += &format!("(local $l{at} (ref null $b))"));
    text += "(local.set $r (array.new_default $refs (i32.const 3000))) (local.set $v (struct.new_default $n))\n";
    let mut expected = 0i64;
    for at in 0..live {
        text += &format!("(local.set $l{at} (call $box (i64.const {})))\n", at + 3);
    }
    for at in 0..live {
        text += &format!("(struct.new $b (i64.const {}))\n", at + 100);
    }
    text += operation;
    let mut add = |text: &mut String, value: u64, local: &str| {
        expected = expected.wrapping_mul(7).wrapping_add(value as i64);
        *text += &format!(
            "\n(local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 7)) (struct.get $b 0 (local.get {local}))))"
        );
    };
    for at in (0..live).rev() {
        text += "\n(local.set $top)";
        add(&mut text, at + 100, "$top");
    }
    (0..live).for_each(|at| add(&mut text, at + 3, &format!("$l{at}")));
    (text + "(local.get $sum))\n", expected)
}

#[test]
fn references_live_across_each_operation() {
    let mut text = format!("(module {TYPES}\n");
    let mut wanted = Vec::new();
    for (index, (name, operation)) in OPERATIONS.iter().enumerate() {
        for live in [2, 5, 14] {
            let (function, expected) = across(index, operation, live);
            text += &function;
            wanted.push((format!("{index}-{live}"), name, expected));
        }
    }
    text += ")";
    for (mode, config) in modes() {
        let (mut store, instance) = instantiate(&config, &text);
        instance.get_typed_func::<(), ()>(&mut store, "prepare").unwrap().call(&mut store, ()).unwrap();
        for (export, name, expected) in &wanted {
            let func = instance.get_typed_func::<(), i64>(&mut store, export).unwrap();
            let sum = func.call(&mut store, ()).unwrap_or_else(|error| panic!("{mode}, {name}: {error:?}"));
            assert_eq!(sum, *expected, "{mode}: {name} with {export}");
        }
        let stats = store.gc_stats();
        assert!(stats.minors + stats.majors > 50, "{mode}: {} minors", stats.minors);
    }
}

#[test]
fn any_number_of_references_passes_through_the_host() {
    for count in [0, 1, 2, 5, 9, 20] {
        let params = "anyref i32 ".repeat(count);
        let results = "i32 anyref ".repeat(count);
        let mut text = format!(
            "(module (type $b (struct (field i64))) (import \"h\" \"turn\" (func $turn (param {params}) (result {results})))
             (func (export \"run\") (result i64) (local $sum i64) (local $kept (ref null $b)) (local $a anyref)
               (local.set $kept (struct.new $b (i64.const 1000)))"
        );
        let mut expected = 1000i64;
        for at in 0..count {
            text += &format!("(struct.new $b (i64.const {at})) (i32.const {})", at * 10);
        }
        text += "(call $turn)\n";
        for at in 0..count {
            // The last result is the first argument.
            text += "(local.set $a) (local.set $sum (i64.add (i64.extend_i32_u) (i64.mul (i64.const 3) (i64.add
                (local.get $sum) (struct.get $b 0 (ref.cast (ref $b) (local.get $a)))))))\n";
            expected = if at == 0 { 0 } else { expected };
            expected = (expected + at as i64) * 3 + at as i64 * 10;
        }
        let expected = if count == 0 { 1000 } else { expected + 1000 };
        text += "(i64.add (local.get $sum) (struct.get $b 0 (local.get $kept)))))";
        for (mode, config) in modes() {
            let (mut store, instance) = instantiate(&config, &text);
            let run = instance.get_typed_func::<(), i64>(&mut store, "run").unwrap();
            for _ in 0..3 {
                assert_eq!(run.call(&mut store, ()).unwrap(), expected, "{mode}, {count} references");
            }
        }
    }
}

/// `make (len)` keeps an array of each kind in a table, `check (len)` says whether they hold what they should.
const ARRAYS: &str = r#"(module
    (type $bytes (array (mut i8))) (type $longs (array (mut i64))) (type $refs (array (mut i31ref)))
    (table $t 3 anyref)
    (func (export "make") (param $n i32) (local $i i32)
      (local $b (ref null $bytes)) (local $l (ref null $longs)) (local $r (ref null $refs))
      (local.set $b (array.new_default $bytes (local.get $n)))
      (local.set $l (array.new_default $longs (i32.shr_u (local.get $n) (i32.const 3))))
      (local.set $r (array.new_default $refs (i32.shr_u (local.get $n) (i32.const 2))))
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
        (array.set $bytes (local.get $b) (local.get $i) (local.get $i))
        (if (i32.lt_u (local.get $i) (array.len (local.get $l)))
          (then (array.set $longs (local.get $l) (local.get $i) (i64.extend_i32_u (local.get $i)))))
        (if (i32.lt_u (local.get $i) (array.len (local.get $r)))
          (then (array.set $refs (local.get $r) (local.get $i) (ref.i31 (local.get $i)))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
      (table.set $t (i32.const 0) (local.get $b))
      (table.set $t (i32.const 1) (local.get $l))
      (table.set $t (i32.const 2) (local.get $r)))
    (func (export "check") (param $n i32) (result i32) (local $i i32) (local $good i32)
      (local $b (ref null $bytes)) (local $l (ref null $longs)) (local $r (ref null $refs))
      (local.set $b (ref.cast (ref $bytes) (table.get $t (i32.const 0))))
      (local.set $l (ref.cast (ref $longs) (table.get $t (i32.const 1))))
      (local.set $r (ref.cast (ref $refs) (table.get $t (i32.const 2))))
      (local.set $good (i32.and (i32.eq (array.len (local.get $b)) (local.get $n)) (i32.and
        (i32.eq (array.len (local.get $l)) (i32.shr_u (local.get $n) (i32.const 3)))
        (i32.eq (array.len (local.get $r)) (i32.shr_u (local.get $n) (i32.const 2))))))
      (block $end (loop $next
        (br_if $end (i32.ge_u (local.get $i) (local.get $n)))
        (local.set $good (i32.and (local.get $good)
          (i32.eq (array.get_u $bytes (local.get $b) (local.get $i)) (i32.and (local.get $i) (i32.const 255)))))
        (if (i32.lt_u (local.get $i) (array.len (local.get $l)))
          (then (local.set $good (i32.and (local.get $good)
            (i64.eq (array.get $longs (local.get $l) (local.get $i)) (i64.extend_i32_u (local.get $i)))))))
        (if (i32.lt_u (local.get $i) (array.len (local.get $r)))
          (then (local.set $good (i32.and (local.get $good)
            (i32.eq (i31.get_u (array.get $refs (local.get $r) (local.get $i))) (local.get $i))))))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $next)))
      (local.get $good)))"#;

#[test]
fn arrays_of_all_sizes_move() {
    // Around what is copied word by word, once only (1 KiB), what is pretenured (a quarter of eden, 32 KiB), and
    // blocks.
    let around = |bytes: i32| (bytes - 24..=bytes + 8).step_by(4);
    let sizes: Vec<i32> =
        (0..140).chain([1 << 10, 2 << 10, 16 << 10, 32 << 10, 64 << 10].into_iter().flat_map(around)).collect();
    for (mode, config) in modes() {
        let (mut store, instance) = instantiate(&config, ARRAYS);
        let make = instance.get_typed_func::<i32, ()>(&mut store, "make").unwrap();
        let check = instance.get_typed_func::<i32, i32>(&mut store, "check").unwrap();
        for &size in &sizes {
            make.call(&mut store, size).unwrap();
            assert_eq!(check.call(&mut store, size).unwrap(), 1, "{mode}, {size} bytes");
            store.gc().unwrap();
            assert_eq!(check.call(&mut store, size).unwrap(), 1, "{mode}, {size} bytes after a collection");
        }
    }
}

/// Stores whose operands are one another: in objects that are old when `$x` comes from a global, new otherwise.
const STORES: &[&str] = &[
    "(struct.set $n 0 (local.get $x) (local.get $x))",
    "(struct.set $n 0 (local.get $x) (local.tee $x (struct.new $n (local.get $x) (i64.const 4))))",
    "(struct.set $n 0 (local.tee $x (struct.new $n (local.get $x) (i64.const 5))) (local.get $x))",
    "(struct.set $n 0 (local.get $x) (struct.new $n (struct.get $n 0 (local.get $x)) (i64.const 6)))
     (local.set $x (struct.get $n 0 (local.get $x)))",
    "(local.set $x (struct.get $n 0 (local.get $x)))
     (struct.set $n 0 (local.get $x) (struct.new $n (ref.null $n) (i64.const 7)))",
    "(array.set $a (local.get $r) (i32.const 40) (local.get $x))
     (local.set $x (array.get $a (local.get $r) (i32.const 40)))
     (struct.set $n 0 (local.get $x) (struct.new $n (local.get $x) (i64.const 8)))
     (local.set $x (struct.get $n 0 (local.get $x)))",
    "(array.set $a (local.get $r) (i32.wrap_i64 (struct.get $n 1 (local.get $x)))
       (local.tee $x (struct.new $n (local.get $x) (i64.const 9))))
     (local.set $x (array.get $a (local.get $r) (i32.const 3)))",
    "(array.copy $a $a (local.get $r) (i32.const 1) (local.get $r) (i32.const 0) (i32.const 90))
     (array.set $a (local.get $r) (i32.const 1) (local.get $x))",
];

#[test]
fn stores_whose_object_and_value_are_one() {
    let mut text = String::from(
        "(module (type $n (struct (field (mut (ref null $n))) (field (mut i64)))) (type $a (array (mut (ref null $n))))
         (import \"h\" \"gc\" (func $gc))
         (global $old (mut (ref null $n)) (ref.null $n)) (global $array (mut (ref null $a)) (ref.null $a))
         (func $sum (param $x (ref null $n)) (result i64) (local $s i64) (local $k i32)
           (block $end (loop $l
             (br_if $end (ref.is_null (local.get $x)))
             (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 5)) (struct.get $n 1 (local.get $x))))
             (local.set $x (struct.get $n 0 (local.get $x)))
             (br_if $l (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (i32.const 20)))))
           (local.get $s))
         (func (export \"prepare\") (local $i i32)
           (global.set $array (array.new $a (struct.new $n (ref.null $n) (i64.const 2)) (i32.const 100)))
           (global.set $old (struct.new $n (struct.new $n (struct.new $n (ref.null $n) (i64.const 1)) (i64.const 2)) (i64.const 3))))\n",
    );
    for (index, store) in STORES.iter().enumerate() {
        // Twice, with a collection between: the second store finds the object logged or not.
        text += &format!(
            "(func (export \"{index}\") (result i64) (local $x (ref null $n)) (local $r (ref null $a)) (local $s i64)
               (local.set $x (global.get $old)) (local.set $r (global.get $array))
               {store} (local.set $s (call $sum (local.get $x)))
               (call $gc)
               (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 11)) (call $sum (local.get $x))))
               (i64.add (local.get $s) (call $sum (array.get $a (local.get $r) (i32.const 3)))))\n"
        );
    }
    text += ")";
    let run = |config: &Config, collect: bool| {
        let mut sums = Vec::new();
        for index in 0..STORES.len() {
            let (mut store, instance) = instantiate(config, &text);
            instance.get_typed_func::<(), ()>(&mut store, "prepare").unwrap().call(&mut store, ()).unwrap();
            if collect {
                store.gc().unwrap();
            }
            let func = instance.get_typed_func::<(), i64>(&mut store, &index.to_string()).unwrap();
            sums.push(func.call(&mut store, ()).unwrap());
        }
        sums
    };
    let mut never = Config::new();
    never.gc_none(true);
    let expected = run(&never, false);
    for (mode, config) in modes() {
        assert_eq!(run(&config, true), expected, "{mode}, old objects");
        assert_eq!(run(&config, false), expected, "{mode}, young objects");
    }
}
