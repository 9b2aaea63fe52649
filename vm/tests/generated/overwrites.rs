//! Every instruction that overwrites or drops a reference, and none, at the time when it matters: a marking has begun
//! and has not come to the place yet, and the only other way to the object is a local of a frame that it has seen. The
//! marking must be told of the object, or it is freed while the guest holds it. The verifier looks when the marking
//! ends.

use heapwood_vm::*;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

/// Globals that a marking visits before those of the test, and elements of the table and the large array.
const GLOBALS_BEFORE: usize = 400;
const ELEMENTS: usize = 6000;
/// Fields that a slice marks.
const SLICE: u64 = 20;

/// A place of an object: what puts `NODE` there, what reads it, and what overwrites it.
type Way = (&'static str, &'static str, &'static str, &'static str);

const WAYS: [Way; 20] = [
    ("global.set of null", "(global.set $g0 NODE)", "(global.get $g0)", "(global.set $g0 (ref.null $n))"),
    ("global.set of a young object", "(global.set $g1 NODE)", "(global.get $g1)", "(global.set $g1 (call $young))"),
    ("global.set of an import", "(global.set $far NODE)", "(global.get $far)", "(global.set $far (ref.null $n))"),
    ("set by the host", "(global.set $host NODE)", "(global.get $host)", "(call $clear)"),
    // Nothing tells the marking: it has to come to the place.
    ("left in a table", "(table.set $t (i32.const 5900) NODE)", "(table.get $t (i32.const 5900))", "(nop)"),
    (
        "left in a large array",
        "(array.set $a (global.get $large) (i32.const 5800) NODE)",
        "(array.get $a (global.get $large) (i32.const 5800))",
        "(nop)",
    ),
    (
        "table.set",
        "(table.set $t (i32.const 5000) NODE)",
        "(table.get $t (i32.const 5000))",
        "(table.set $t (i32.const 5000) (ref.null $n))",
    ),
    (
        "table.set of a young object",
        "(table.set $t (i32.const 5100) NODE)",
        "(table.get $t (i32.const 5100))",
        "(table.set $t (i32.const 5100) (call $young))",
    ),
    (
        "table.fill",
        "(table.set $t (i32.const 5200) NODE)",
        "(table.get $t (i32.const 5200))",
        "(table.fill $t (i32.const 5190) (ref.null $n) (i32.const 20))",
    ),
    (
        "table.copy",
        "(table.set $t (i32.const 5300) NODE)",
        "(table.get $t (i32.const 5300))",
        "(table.copy $t $t (i32.const 5300) (i32.const 5999) (i32.const 1))",
    ),
    (
        "table.init",
        "(table.set $t (i32.const 5400) NODE)",
        "(table.get $t (i32.const 5400))",
        "(table.init $t $nulls (i32.const 5400) (i32.const 0) (i32.const 1))",
    ),
    // The segment's expression makes the object.
    (
        "elem.drop",
        "",
        "(array.get $a (array.new_elem $a $kept (i32.const 0) (i32.const 1)) (i32.const 0))",
        "(elem.drop $kept)",
    ),
    (
        "struct.set",
        "(global.set $struct (struct.new $s NODE))",
        "(struct.get $s 0 (global.get $struct))",
        "(struct.set $s 0 (global.get $struct) (ref.null $n))",
    ),
    (
        "array.set",
        "(global.set $small (array.new_fixed $a 1 NODE))",
        "(array.get $a (global.get $small) (i32.const 0))",
        "(array.set $a (global.get $small) (i32.const 0) (ref.null $n))",
    ),
    (
        "array.set of a large array",
        "(array.set $a (global.get $large) (i32.const 2000) NODE)",
        "(array.get $a (global.get $large) (i32.const 2000))",
        "(array.set $a (global.get $large) (i32.const 2000) (ref.null $n))",
    ),
    (
        "array.fill",
        "(array.set $a (global.get $large) (i32.const 2100) NODE)",
        "(array.get $a (global.get $large) (i32.const 2100))",
        "(array.fill $a (global.get $large) (i32.const 2090) (ref.null $n) (i32.const 20))",
    ),
    (
        "array.copy",
        "(array.set $a (global.get $large) (i32.const 2200) NODE)",
        "(array.get $a (global.get $large) (i32.const 2200))",
        "(array.copy $a $a (global.get $large) (i32.const 2200) (global.get $large) (i32.const 5999) (i32.const 1))",
    ),
    (
        "array.copy into a small array",
        "(global.set $few (array.new_fixed $a 2 NODE (ref.null $n)))",
        "(array.get $a (global.get $few) (i32.const 0))",
        "(array.copy $a $a (global.get $few) (i32.const 0) (global.get $few) (i32.const 1) (i32.const 1))",
    ),
    // The first store logs the array, so that the copy goes without the runtime.
    (
        "array.copy into a logged array",
        "(global.set $logged (array.new_fixed $a 2 NODE (ref.null $n)))",
        "(array.get $a (global.get $logged) (i32.const 0))",
        "(array.set $a (global.get $logged) (i32.const 1) (ref.null $n))
         (array.copy $a $a (global.get $logged) (i32.const 0) (global.get $logged) (i32.const 1) (i32.const 1))",
    ),
    (
        "array.init_elem",
        "(array.set $a (global.get $large) (i32.const 2300) NODE)",
        "(array.get $a (global.get $large) (i32.const 2300))",
        "(array.init_elem $a $nulls (global.get $large) (i32.const 2300) (i32.const 0) (i32.const 1))",
    ),
];

const TYPES: &str = r#"
    (type $n (struct (field i64) (field (mut (ref null $n)))))
    (type $a (array (mut (ref null $n))))
    (type $s (struct (field (mut (ref null $n)))))"#;

fn number(way: usize) -> i64 {
    1000 + way as i64
}

/// The library's global, behind as many others.
fn library() -> String {
    let others = "(global (mut (ref null $n)) (ref.null $n))".repeat(GLOBALS_BEFORE);
    format!(r#"(module {TYPES} {others} (global (export "far") (mut (ref null $n)) (ref.null $n)))"#)
}

fn program() -> String {
    let node = |way: usize| format!("(struct.new $n (i64.const {}) (ref.null $n))", number(way));
    let of_segment = WAYS.iter().position(|way| way.0 == "elem.drop").expect("a way");
    let others = "(global (mut (ref null $n)) (ref.null $n))".repeat(GLOBALS_BEFORE);
    let mut text = format!(
        r#"(module {TYPES}
            (import "library" "far" (global $far (mut (ref null $n))))
            (import "h" "starts" (func $starts (result i32))) (import "h" "ends" (func $ends (result i32)))
            (import "h" "clear" (func $clear))
            {others}
            (global $g0 (mut (ref null $n)) (ref.null $n)) (global $g1 (mut (ref null $n)) (ref.null $n))
            (global $host (export "host") (mut (ref null $n)) (ref.null $n))
            (global $struct (mut (ref null $s)) (ref.null $s))
            (global $few (mut (ref null $a)) (ref.null $a)) (global $logged (mut (ref null $a)) (ref.null $a))
            (global $small (mut (ref null $a)) (ref.null $a)) (global $large (mut (ref null $a)) (ref.null $a))
            (table $t {ELEMENTS} (ref null $n))
            (elem $nulls (ref null $n) (item (ref.null $n)))
            (elem $kept (ref null $n) (item {kept}))
            (func $young (result (ref $n)) (struct.new $n (i64.const 5) (ref.null $n)))
            (func $churn (param $count i32)
              (loop $l
                (drop (struct.new $n (i64.const 0x6666) (ref.null $n)))
                (br_if $l (local.tee $count (i32.sub (local.get $count) (i32.const 1))))))
            (func (export "prepare") (global.set $large (array.new_default $a (i32.const {ELEMENTS})))"#,
        kept = node(of_segment),
    );
    for (k, (_, put, ..)) in WAYS.iter().enumerate() {
        text += &put.replace("NODE", &node(k));
    }
    text += ")";
    for (name, _, read, overwrite) in WAYS {
        writeln!(
            text,
            r#"(func (export "{name}") (result i64) (local $x (ref null $n)) (local $before i32)
                 (local.set $before (call $starts))
                 (loop $l (call $churn (i32.const 20)) (br_if $l (i32.eq (call $starts) (local.get $before))))
                 (local.set $before (call $ends))
                 (local.set $x {read})
                 {overwrite}
                 (loop $l (call $churn (i32.const 100)) (br_if $l (i32.eq (call $ends) (local.get $before))))
                 ;; What was found dead is swept, and its memory used again.
                 (call $churn (i32.const 20000))
                 (struct.get $n 0 (local.get $x)))"#
        )
        .unwrap();
    }
    text + ")"
}

#[test]
fn what_is_overwritten_while_a_marking_runs_stays_alive() {
    let mut config = Config::new();
    config.gc_nursery(64 << 10).gc_mark_slice(SLICE).gc_threads(0).gc_heap_max(64 << 20).gc_verify(true);
    let engine = Engine::new(&config).unwrap();
    let mut store = Store::new(&engine, ());
    // Markings that began, and that ended.
    let told = Arc::new(Mutex::new((0, 0)));
    let sink = told.clone();
    store.on_gc(move |event| match event.kind {
        GcEventKind::MarkStart => sink.lock().unwrap().0 += 1,
        GcEventKind::MarkEnd => sink.lock().unwrap().1 += 1,
        _ => {}
    });
    let mut linker: Linker<()> = Linker::new(&engine);
    let (starts, ends) = (told.clone(), told.clone());
    linker.func_wrap("h", "starts", move || -> i32 { starts.lock().unwrap().0 }).unwrap();
    linker.func_wrap("h", "ends", move || -> i32 { ends.lock().unwrap().1 }).unwrap();
    let clear = |mut caller: Caller<'_, ()>| -> Result<()> {
        let global = caller.get_export("host").and_then(Extern::into_global).unwrap();
        global.set(&mut caller, Val::AnyRef(None))
    };
    linker.func_wrap("h", "clear", clear).unwrap();
    let compile = |text: String| Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let library = linker.instantiate(&mut store, &compile(library())).unwrap();
    linker.instance(&mut store, "library", library).unwrap();
    let instance = linker.instantiate(&mut store, &compile(program())).unwrap();
    instance.get_typed_func::<(), ()>(&mut store, "prepare").unwrap().call(&mut store, ()).unwrap();
    store.gc().unwrap();
    for (k, (name, ..)) in WAYS.iter().enumerate() {
        let run = instance.get_typed_func::<(), i64>(&mut store, name).unwrap();
        assert_eq!(run.call(&mut store, ()).unwrap(), number(k), "{name}");
    }
    let (starts, ends) = *told.lock().unwrap();
    println!("{} ways, {starts} markings began, {ends} ended", WAYS.len());
    assert!(ends >= WAYS.len() as i32);
}
