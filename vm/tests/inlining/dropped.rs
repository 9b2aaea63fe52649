//! What the locals of an inlined body referenced dies when the body is over, as it would if the body were called: its
//! home slots, which the collector reads until the function returns, are empty again. A row for each way in which a
//! reference comes to such a slot.

use super::{Inline, modes};
use heapwood_vm::*;

/// The objects that a guest made, weakly.
type Made = Vec<WeakRoot<AnyRef>>;

/// A function `$body` that takes an object whose field is 7, and says what it is. `$look` and `$collect` are functions
/// of the host.
struct Row {
    what: &'static str,
    body: &'static str,
    /// What the caller does with the result of `$make`.
    call: &'static str,
    result: i32,
}

const CALL: &str = "(call $body (call $make))";

#[rustfmt::skip]
const ROWS: [Row; 10] = [
    Row { what: "a parameter that is read after a call", call: CALL, result: 7, body:
        "(func $body (param (ref null $t)) (result i32) call $look local.get 0 struct.get $t 0)" },
    Row { what: "two parameters", call: "(call $body (call $make) (call $make))", result: 14, body:
        "(func $body (param (ref null $t) (ref null $t)) (result i32)
            call $look local.get 0 struct.get $t 0 local.get 1 struct.get $t 0 i32.add)" },
    Row { what: "the second of three locals", call: CALL, result: 7, body:
        "(func $body (param (ref null $t)) (result i32) (local (ref null $t) (ref null $t) (ref null $t))
            local.get 0 local.set 2 ref.null $t local.set 0 call $look local.get 2 struct.get $t 0)" },
    Row { what: "a local that is written after a call", call: CALL, result: 7, body:
        "(func $body (param (ref null $t)) (result i32) (local (ref null $t))
            local.get 0 call $look local.set 1 call $look local.get 1 struct.get $t 0)" },
    Row { what: "a parameter that is written in one arm", call: CALL, result: 7, body:
        "(func $body (param (ref null $t)) (result i32)
            local.get 0 ref.is_null if call $make local.set 0 end call $look local.get 0 struct.get $t 0)" },
    Row { what: "an early return", call: CALL, result: 7, body:
        "(func $body (param (ref null $t)) (result i32)
            call $look local.get 0 ref.is_null if i32.const 3 return end local.get 0 struct.get $t 0)" },
    Row { what: "an allocation whose slow path saves registers", call: CALL, result: 8, body:
        "(func $body (param (ref null $t)) (result i32) (local (ref null $t))
            i32.const 1 struct.new $t local.set 1 local.get 0 struct.get $t 0 local.get 1 struct.get $t 0 i32.add)" },
    Row { what: "a loop that calls", call: CALL, result: 21, body:
        "(func $body (param (ref null $t)) (result i32) (local i32 i32)
            (loop $again
                call $look
                (local.set 2 (i32.add (local.get 2) (struct.get $t 0 (local.get 0))))
                (br_if $again (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 3))))
            local.get 2)" },
    Row { what: "a body in a body", call: CALL, result: 14, body:
        "(func $inner (param (ref null $t)) (result i32) call $look local.get 0 struct.get $t 0)
         (func $body (param (ref null $t)) (result i32)
            local.get 0 call $inner call $look local.get 0 struct.get $t 0 i32.add)" },
    Row { what: "arguments that lie on the stack", call: 
        "(call $body (call $make) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4) (i64.const 5) (i64.const 6)
            (i64.const 7) (i64.const 8) (call $make) (call $make))", result: 21, body:
        "(func $body (param (ref null $t) i64 i64 i64 i64 i64 i64 i64 i64 (ref null $t) (ref null $t)) (result i32)
            call $look
            (i32.add (i32.add (struct.get $t 0 (local.get 0)) (struct.get $t 0 (local.get 9)))
                (struct.get $t 0 (local.get 10))))" },
];

fn text(row: &Row) -> String {
    format!(
        "(module
           (type $t (struct (field (mut i32))))
           (import \"h\" \"made\" (func $made (param anyref)))
           (import \"h\" \"look\" (func $look))
           (import \"h\" \"living\" (func $living (result i32)))
           (func $make (result (ref null $t)) (local (ref null $t))
             i32.const 7 struct.new $t local.tee 0 call $made local.get 0)
           {}
           (func (export \"run\") (param i32) (result i32 i32) (local i32)
             {} local.set 1
             call $living local.get 1))",
        row.body, row.call
    )
}

/// How many of the objects that were made are alive after the body, in the function around it, and the body's result.
fn living_and_result(config: &Config, text: &str) -> (i32, i32) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut linker = Linker::<Made>::new(&engine);
    let made = |mut caller: Caller<'_, Made>, object: Option<Rooted<AnyRef>>| {
        let weak = object.expect("an object").downgrade(&mut caller).unwrap();
        caller.data_mut().push(weak);
    };
    linker.func_wrap("h", "made", made).unwrap();
    linker.func_wrap("h", "look", |mut caller: Caller<'_, Made>| caller.gc().unwrap()).unwrap();
    let living = |mut caller: Caller<'_, Made>| -> i32 {
        caller.gc().unwrap();
        let made = std::mem::take(caller.data_mut());
        assert!(!made.is_empty());
        made.iter().filter(|weak| weak.upgrade(&mut caller).unwrap().is_some()).count() as i32
    };
    linker.func_wrap("h", "living", living).unwrap();
    let mut store = Store::new(&engine, Made::new());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, (i32, i32)>(&mut store, "run").unwrap();
    run.call(&mut store, 0).unwrap()
}

#[test]
fn what_an_inlined_body_dropped_is_not_kept_alive() {
    for row in &ROWS {
        let text = text(row);
        for (inline, (mode, config)) in [Inline::Always, Inline::Never]
            .into_iter()
            .flat_map(|inline| modes(inline).into_iter().map(move |m| (inline, m)))
        {
            let (living, result) = living_and_result(&config, &text);
            assert_eq!((living, result), (0, row.result), "{}: alive and result, {inline:?}, {mode}\n{text}", row.what);
        }
    }
}
