//! Functions that nothing can enter have no code, and all others have: one row for each way to enter a function.

use crate::common::load::load;
use heapwood_vm::*;

/// What a function `$f` of type `$ty`, i32 to i32, is, what calls it, whether it has code then, and what `run(5)`
/// gives.
struct Row {
    what: &'static str,
    /// The function, and what else is in the module.
    fields: &'static str,
    /// Code of `run`, which has the local 0 and leaves an i32.
    run: &'static str,
    has_code: bool,
    result: i32,
}

const SUCCESSOR: &str = "(func $f (type $ty) local.get 0 i32.const 1 i32.add)";
const CALL: &str = "local.get 0 call $f";
const NOTHING: &str = "local.get 0";
const BY_REFERENCE: &str = "local.get 0 i32.const 0 call_indirect $t (type $ty)";

/// Of rows whose function is the successor of its argument, `fields` are what else is there.
#[rustfmt::skip]
const SUCCESSORS: [Row; 16] = [
    Row { what: "called, and inlined", fields: "", run: CALL, has_code: false, result: 6 },
    Row { what: "called often, and inlined", fields: "", run: "local.get 0 call $f call $f call $f call $f", has_code: false, result: 9 },
    Row { what: "not called", fields: "", run: NOTHING, has_code: false, result: 5 },
    Row { what: "called by code that is not reached", fields: "", run: "local.get 0 return local.get 0 call $f", has_code: false, result: 5 },
    Row { what: "called by a function without code", fields: "(func $g (type $ty) local.get 0 call $f)", run: "local.get 0 call $g", has_code: false, result: 6 },
    Row { what: "called by a function that is not called", fields: "(func $g (type $ty) local.get 0 call $f)", run: NOTHING, has_code: false, result: 5 },
    Row { what: "called by a tail call", fields: "", run: "local.get 0 return_call $f", has_code: true, result: 6 },
    Row { what: "called by a tail call of a function", fields: "(func $g (type $ty) local.get 0 return_call $f)", run: "local.get 0 call $g", has_code: true, result: 6 },
    Row { what: "exported", fields: r#"(export "f" (func $f))"#, run: NOTHING, has_code: true, result: 5 },
    Row { what: "in an active segment", fields: "(table $t 1 funcref) (elem (table $t) (i32.const 0) func $f)", run: BY_REFERENCE, has_code: true, result: 6 },
    Row { what: "in a segment of expressions", fields: "(table $t 1 funcref) (elem (table $t) (i32.const 0) funcref (ref.func $f))", run: BY_REFERENCE, has_code: true, result: 6 },
    Row { what: "in a passive segment", fields: "(table $t 1 funcref) (elem $e func $f)",
        run: "(table.init $t $e (i32.const 0) (i32.const 0) (i32.const 1)) local.get 0 i32.const 0 call_indirect $t (type $ty)", has_code: true, result: 6 },
    Row { what: "declared", fields: "(elem declare func $f)", run: "local.get 0 ref.func $f call_ref $ty", has_code: true, result: 6 },
    Row { what: "in a global", fields: "(global $g (ref $ty) (ref.func $f))", run: "local.get 0 global.get $g call_ref $ty", has_code: true, result: 6 },
    Row { what: "in a table's initial value", fields: "(table $t 1 (ref $ty) (ref.func $f))", run: BY_REFERENCE, has_code: true, result: 6 },
    Row { what: "in an object of a constant", fields: "(type $s (struct (field (ref $ty)))) (global $g (ref $s) (struct.new $s (ref.func $f)))",
        run: "local.get 0 global.get $g struct.get $s 0 call_ref $ty", has_code: true, result: 6 },
];

#[rustfmt::skip]
const OTHERS: [Row; 11] = [
    Row { what: "with many locals", fields: "(func $f (type $ty) (local i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) local.get 0)",
        run: CALL, has_code: true, result: 5 },
    Row { what: "recursive", fields: "(func $f (type $ty) local.get 0 i32.eqz if (result i32) i32.const 3 else local.get 0 i32.const 1 i32.sub call $f end)",
        run: CALL, has_code: true, result: 3 },
    Row { what: "recursive, and not called", fields: "(func $f (type $ty) local.get 0 call $f)", run: NOTHING, has_code: false, result: 5 },
    Row { what: "recursive through another", fields: "(func $g (type $ty) local.get 0 i32.eqz if (result i32) i32.const 3 else local.get 0 call $f end)
        (func $f (type $ty) local.get 0 i32.const 1 i32.sub call $g)", run: CALL, has_code: true, result: 3 },
    Row { what: "four calls deep", fields: "(func $a (type $ty) local.get 0 call $b) (func $b (type $ty) local.get 0 call $c) (func $c (type $ty) local.get 0 call $f)
        (func $f (type $ty) local.get 0 i32.const 1 i32.add)", run: "local.get 0 call $a", has_code: true, result: 6 },
    Row { what: "three calls deep", fields: "(func $a (type $ty) local.get 0 call $b) (func $b (type $ty) local.get 0 call $f)
        (func $f (type $ty) local.get 0 i32.const 1 i32.add)", run: "local.get 0 call $a", has_code: false, result: 6 },
    Row { what: "with a loop", fields: "(func $f (type $ty) loop end local.get 0)", run: NOTHING, has_code: true, result: 5 },
    Row { what: "with a handler", fields: "(tag $e) (func $f (type $ty) block try_table (catch $e 0) end end local.get 0)", run: CALL, has_code: true, result: 5 },
    Row { what: "with a throw", fields: "(tag $e) (func $f (type $ty) local.get 0 if throw $e end i32.const 1)", run: NOTHING, has_code: true, result: 5 },
    Row { what: "with vectors", fields: "(func $f (type $ty) (local v128) local.get 0)", run: CALL, has_code: true, result: 5 },
    Row { what: "the start", fields: "(global $n (mut i32) (i32.const 0)) (type $go (func)) (start $f) (func $f (type $go) i32.const 7 global.set $n)",
        run: "global.get $n", has_code: true, result: 7 },
];

/// The module of a row, in which `$f` is the function 0 or where the row says.
fn module(row: &Row, function: &str) -> String {
    let Row { fields, run, .. } = row;
    format!(
        r#"(module (type $ty (func (param i32) (result i32))) {function} {fields}
            (func $run (export "run") (param i32) (result i32) {run}))"#
    )
}

/// A caller beyond whose budget most calls are, and a function that is too long: that has code in any case.
fn long_rows() -> [(String, bool); 2] {
    let steps = "i32.const 1 i32.xor ".repeat(12);
    let often = "call $f ".repeat(40);
    let long = "i32.const 1 i32.xor ".repeat(40);
    let module = |body: &str, run: &str| {
        format!(
            r#"(module (func $f (param i32) (result i32) local.get 0 {body})
                (func $run (export "run") (param i32) (result i32) local.get 0 {run}))"#
        )
    };
    [(module(&steps, &often), true), (module(&long, "call $f"), true)]
}

/// Whether `$f` has code, and what `run(5)` gives.
fn look(config: &Config, text: &str) -> (bool, i32) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let loaded = load(&engine, &module.serialize().unwrap()).unwrap();
    let [seen, seen_in_image] = [module, loaded].map(|module| {
        let f = (0..module.info().functions.len() as u32).find(|f| module.func_name(*f) == Some("f"));
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
        (module.function_code(f.unwrap()).is_some(), run.call(&mut store, 5).unwrap())
    });
    assert_eq!(seen, seen_in_image, "{text}");
    seen
}

fn check(what: &str, text: &str, has_code: bool, result: Option<i32>) {
    let never = look(Config::new().inline(Inline::Never), text);
    assert!(never.0, "{what}: without inlining, every function has code");
    let small = look(Config::new().inline(Inline::Small), text);
    assert_eq!(small, (has_code, result.unwrap_or(never.1)), "{what}\n{text}");
    assert_eq!(small.1, never.1, "{what}");
    let mut always = Config::new();
    assert_eq!(look(always.inline(Inline::Always), text).1, never.1, "{what}");
}

#[test]
fn what_can_be_entered_has_code_and_nothing_else() {
    let (mut cases, mut without) = (0, 0);
    let rows = SUCCESSORS.iter().map(|row| (row, SUCCESSOR)).chain(OTHERS.iter().map(|row| (row, "")));
    for (row, function) in rows {
        check(row.what, &module(row, function), row.has_code, Some(row.result));
        cases += 1;
        without += usize::from(!row.has_code);
    }
    for (text, has_code) in long_rows() {
        check("long", &text, has_code, None);
        cases += 1;
    }
    println!("{cases} functions, {without} without code");
    assert_eq!((cases, without), (29, 8));
}

/// A function that is not compiled is validated all the same.
#[test]
fn an_invalid_function_that_nothing_enters_is_refused() {
    let bodies = ["local.get 0 i64.const 1 i32.add", "i64.const 0", "local.get 9", "unreachable i64.add i32.eqz"];
    for body in bodies {
        for calls in ["local.get 0", "local.get 0 call $f"] {
            let text = format!(
                r#"(module (func $f (param i32) (result i32) {body})
                    (func (export "run") (param i32) (result i32) {calls}))"#
            );
            for inline in [Inline::Never, Inline::Small, Inline::Always] {
                let engine = Engine::new(Config::new().inline(inline)).unwrap();
                let error = Module::new(&engine, &text).expect_err(&text);
                assert!(matches!(error.kind(), ErrorKind::Module(_)), "{error}: {text}");
            }
        }
    }
}

/// Which NaN an operator makes of two may depend on where they lie, so an arm that depends on that is no exit.
#[test]
fn what_depends_on_which_nan_it_is_does_not_trap() {
    let mut calls = 0;
    for (ty, int, bits) in
        [("f32", "i32", [0x7fc0_0001_u64, 0x7fc0_0002]), ("f64", "i64", [0x7ff8 << 48 | 1, 0x7ff8 << 48 | 2])]
    {
        for op in ["add", "sub", "mul", "div", "min", "max"] {
            for wanted in bits {
                let text = format!(
                    r#"(module (tag $e)
                        (func $f (param {ty} {ty}) (result i32) (local {ty})
                          (local.set 2 ({ty}.mul (local.get 1) ({ty}.const 1)))
                          (if ({int}.eq ({int}.reinterpret_{ty} ({ty}.{op} (local.get 0) (local.get 2))) ({int}.const {wanted}))
                            (then (throw $e)))
                          (i32.const 7))
                        (func (export "f") (param {int} {int}) (result i32)
                          (call $f ({ty}.reinterpret_{int} (local.get 0)) ({ty}.reinterpret_{int} (local.get 1)))))"#
                );
                for inline in [Inline::Never, Inline::Small, Inline::Always] {
                    let engine = Engine::new(Config::new().inline(inline)).unwrap();
                    let module = Module::new(&engine, &text).unwrap();
                    for [a, b] in [[bits[0], bits[1]], [bits[1], bits[0]]] {
                        let mut store = Store::new(&engine, ());
                        let instance = Instance::new(&mut store, &module, &[]).unwrap();
                        let f = instance.get_func(&mut store, "f").unwrap();
                        let value =
                            |bits: u64| if int == "i32" { Val::I32(bits as i32) } else { Val::I64(bits as i64) };
                        let called = f.call(&mut store, &[value(a), value(b)], &mut [Val::I32(0)]);
                        let error = called.err();
                        assert!(
                            error.as_ref().is_none_or(|error| error.trap().is_none()),
                            "{inline:?}: {error:?}\n{text}"
                        );
                        calls += 1;
                    }
                }
            }
        }
    }
    assert_eq!(calls, 144);
}
