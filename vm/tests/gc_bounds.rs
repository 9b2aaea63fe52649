//! What a stop may cost under guests with many roots: counted in work units, at any survival, whatever the guest does.

mod common {
    pub mod bounds;
}

use common::bounds::{CHURN, assert_bounds, instantiate, of_kind, store};
use heapwood_vm::*;

fn any(heap: HeapType) -> RefType {
    RefType { nullable: true, heap }
}

#[test]
fn a_million_globals_a_hundred_thousand_handles_and_a_large_table_do_not_make_stops_longer() {
    let (mut store, events) = store(20_000);
    let instance = instantiate(&mut store, format!("(module {CHURN})"));
    let churn = instance.get_typed_func::<(i32, i32), ()>(&mut store, "churn").unwrap();
    let ty = GlobalType::new(ValType::Ref(any(HeapType::Extern)), true);
    for _ in 0..1_000_000 {
        Global::new(&mut store, ty.clone(), Val::ExternRef(None)).unwrap();
    }
    let table = TableType::new(any(HeapType::Extern), 1_000_000, None);
    Table::new(&mut store, table, Val::ExternRef(None)).unwrap();
    let mut handles = Vec::new();
    for index in 0..100_000u32 {
        let mut scope = RootScope::new(&mut store);
        let value = ExternRef::new(&mut scope, index).unwrap();
        handles.push(value.to_owned(&mut scope).unwrap());
    }
    assert_bounds("setup", &events, 20_000);
    let mut markings = 0;
    for keep in [0, 10, 2, 1] {
        churn.call(&mut store, (300_000, keep)).unwrap();
        markings += assert_bounds("churn", &events, 20_000);
    }
    // Handles and globals are shown in slices.
    assert!(markings > 0);
    drop(handles);
    churn.call(&mut store, (300_000, 0)).unwrap();
    assert_bounds("after the handles", &events, 20_000);
}

/// Writes young references to tables, as fast as instructions can, without allocating between them.
const TABLES: &str = r#"
    (table $a 1000000 (ref null $n)) (table $b 1000000 (ref null $n))
    (func $random (param i32) (result i32)
      (i32.rem_u (i32.mul (i32.add (local.get 0) (i32.const 77)) (i32.const 1664525)) (i32.const 1000000)))
    (func $new (result (ref $n)) (struct.new $n (ref.null $n) (i64.const 5)))
    (func (export "set") (param $n i32) (local $node (ref null $n))
      (local.set $node (call $new))
      (loop $l
        (table.set $a (call $random (local.get $n)) (local.get $node))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $l (local.get $n))))
    (func (export "fill") (param i32)
      (table.fill $a (i32.const 3) (call $new) (i32.const 999990)))
    (func (export "fills") (param $n i32) (local $node (ref null $n))
      (local.set $node (call $new))
      (loop $l
        (table.fill $a (i32.rem_u (i32.mul (local.get $n) (i32.const 3000)) (i32.const 990000)) (local.get $node) (i32.const 3000))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br_if $l (local.get $n))))
    (func (export "copy") (param i32)
      (table.set $a (i32.const 777777) (call $new))
      (table.copy $b $a (i32.const 5) (i32.const 0) (i32.const 999990))
      (table.copy $a $a (i32.const 5) (i32.const 0) (i32.const 999990)))
    (func (export "grow") (param i32)
      (drop (table.grow $b (call $new) (i32.const 500000))))
    (func (export "read") (param i32) (result i64)
      (struct.get $n 1 (table.get $a (local.get 0))))"#;

#[test]
fn tables_written_at_random_filled_and_copied_leave_little_to_a_minor() {
    let (mut store, events) = store(2000);
    let instance = instantiate(&mut store, format!("(module {CHURN} {TABLES})"));
    let churn = instance.get_typed_func::<(i32, i32), ()>(&mut store, "churn").unwrap();
    let read = instance.get_typed_func::<i32, i64>(&mut store, "read").unwrap();
    for round in 0..2 {
        for (name, times) in [("fill", 1), ("set", 60_000), ("fills", 700), ("copy", 1), ("grow", 1)] {
            let write = instance.get_typed_func::<i32, ()>(&mut store, name).unwrap();
            write.call(&mut store, times).unwrap();
            churn.call(&mut store, (20_000, 7)).unwrap();
            assert_bounds(&format!("{name}, round {round}"), &events, 2000);
            assert_eq!(read.call(&mut store, 500_000).unwrap(), 5);
        }
    }
    store.gc().unwrap();
    assert_eq!(read.call(&mut store, 777_782).unwrap(), 5);
}

/// A module with many globals, all written at once.
#[test]
fn globals_all_written_between_two_allocations_ask_for_a_collection() {
    const GLOBALS: usize = 20_000;
    let mut text = format!("(module {CHURN}");
    (0..GLOBALS).for_each(|index| text += &format!("(global $g{index} (mut (ref null $n)) (ref.null $n))\n"));
    text += "(func (export \"write\") (local $node (ref null $n)) (local $again i32)
        (local.set $node (struct.new $n (ref.null $n) (i64.const 5)))\n";
    // Between polls 500 of them.
    for part in 0..GLOBALS / 500 {
        text += &format!("(local.set $again (i32.const 2)) (loop $l{part}\n");
        for index in part * 500..(part + 1) * 500 {
            text += &format!("(global.set $g{index} (local.get $node))\n");
        }
        text += &format!(
            "(local.set $again (i32.sub (local.get $again) (i32.const 1))) (br_if $l{part} (local.get $again)))\n"
        );
    }
    text += "))";
    let (mut store, events) = store(1000);
    let instance = instantiate(&mut store, &text);
    let write = instance.get_typed_func::<(), ()>(&mut store, "write").unwrap();
    write.call(&mut store, ()).unwrap();
    let minors = of_kind(&events.lock().unwrap(), GcEventKind::Minor).map(|event| event.roots).collect::<Vec<_>>();
    assert!(minors.len() >= 2, "{minors:?}: the written globals weigh in the log");
    assert!(minors.iter().all(|roots| *roots <= 4096 + 2 * 500 + 64), "{minors:?} roots");
    assert_bounds("globals", &events, 1000);
}

/// `n` frames deep, each with a node; at the bottom, `times` times: 200 frames up and down with allocations.
const DEEP: &str = r#"
    (func $deep (export "deep") (param $n i32) (param $times i32) (result i64)
      (local $mine (ref null $n)) (local $sum i64)
      (local.set $mine (struct.new $n (ref.null $n) (i64.extend_i32_u (local.get $n))))
      (if (local.get $n)
        (then
          (local.set $sum (call $deep (i32.sub (local.get $n) (i32.const 1)) (local.get $times))))
        (else (loop $l
          (if (local.get $times)
            (then
              (call $churn (i32.const 3000) (i32.const 0))
              (local.set $sum (i64.add (local.get $sum) (call $deep (i32.const 20000) (i32.const 0))))
              (local.set $times (i32.sub (local.get $times) (i32.const 1)))
              (br $l))))))
      (i64.add (local.get $sum) (struct.get $n 1 (local.get $mine))))"#;

#[test]
fn twenty_thousand_frames_pushed_and_popped_at_every_minor() {
    let (mut store, events) = store(1000);
    let instance = instantiate(&mut store, format!("(module {CHURN} {DEEP})"));
    let deep = instance.get_typed_func::<(i32, i32), i64>(&mut store, "deep").unwrap();
    for (depth, times) in [(10_000, 20), (100, 30)] {
        let sum = |n: i64| n * (n + 1) / 2;
        let expected = sum(depth as i64) + times as i64 * sum(20_000);
        assert_eq!(deep.call(&mut store, (depth, times)).unwrap(), expected);
        let minors = of_kind(&events.lock().unwrap(), GcEventKind::Minor).count();
        assert!(minors > 40, "{minors} minors");
        assert!(assert_bounds("deep", &events, 1000) > 0, "no marking ended");
    }
}

/// As many type ids as a module may have, with an object of each.
#[test]
fn thousands_of_types_in_use() {
    const TYPES: usize = 4000;
    let mut text = String::from("(module (table $t 4000 anyref)");
    for index in 0..TYPES {
        // Each a type of its own, some with supertypes.
        let parent = if index % 7 > 0 { format!(" $t{}", index - 1) } else { String::new() };
        let fields = "(field (mut anyref))".repeat(1 + index % 7);
        // What makes its group different from all others.
        let number: String = (0..12).map(|bit| format!("(field i{})", 32 << (index >> bit & 1))).collect();
        text += &format!("(rec (type $t{index} (sub{parent} (struct {fields}))) (type (struct {number})))\n");
    }
    text += "(func (export \"make\")";
    for index in 0..TYPES {
        text += &format!("(table.set $t (i32.const {index}) (struct.new_default $t{index}))\n");
    }
    text += ") (func (export \"check\") (result i32) (local $n i32)";
    for index in 0..TYPES {
        text += &format!(
            "(local.set $n (i32.add (local.get $n) (ref.test (ref $t{index}) (table.get $t (i32.const {index})))))\n"
        );
    }
    text += "(local.get $n)))";
    let (mut store, events) = store(100);
    let instance = instantiate(&mut store, &text);
    let make = instance.get_typed_func::<(), ()>(&mut store, "make").unwrap();
    let check = instance.get_typed_func::<(), i32>(&mut store, "check").unwrap();
    for _ in 0..3 {
        make.call(&mut store, ()).unwrap();
        assert_eq!(check.call(&mut store, ()).unwrap(), TYPES as i32);
    }
    assert_bounds("types", &events, 100);
}
