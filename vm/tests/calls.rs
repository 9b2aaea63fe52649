//! Calls in both directions: guest, host, and through each other.

use heapwood_vm::*;

/// An engine in which a call is a call.
fn engine() -> Engine {
    Engine::new(Config::new().inline(Inline::Never)).unwrap()
}

fn instantiate(text: &str) -> (Store<()>, Instance) {
    let engine = engine();
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

#[test]
fn a_function_adds() {
    let (mut store, instance) =
        instantiate(r#"(module (func (export "add") (param i32 i32) (result i32) local.get 0 local.get 1 i32.add))"#);
    let add = instance.get_typed_func::<(i32, i32), i32>(&mut store, "add").unwrap();
    assert_eq!(add.call(&mut store, (40, 2)).unwrap(), 42);
    assert_eq!(add.call(&mut store, (i32::MAX, 1)).unwrap(), i32::MIN);
}

#[test]
fn fib_calls_itself() {
    let (mut store, instance) = instantiate(
        r#"(module (func $fib (export "fib") (param i32) (result i32)
            (if (result i32) (i32.lt_s (local.get 0) (i32.const 2))
              (then (local.get 0))
              (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
                             (call $fib (i32.sub (local.get 0) (i32.const 2))))))))"#,
    );
    let fib = instance.get_typed_func::<i32, i32>(&mut store, "fib").unwrap();
    assert_eq!(fib.call(&mut store, 20).unwrap(), 6765);
}

#[test]
fn many_values_of_all_kinds_pass_both_ways() {
    let engine = engine();
    let module = wat::parse_str(
        r#"(module
            (import "h" "f" (func $f (param i32 i64 f32 f64 i32 i64 i32 i64 i32 i64 i32 f64 f64 f64 f64 f64 f64 f64 f64 f64 v128 i64 v128)
                                     (result i64 f64 i32 f64 i64 f32 i32 f64 i64 v128 i32 v128)))
            (func (export "g") (param i32 i64 f32 f64 i32 i64 i32 i64 i32 i64 i32 f64 f64 f64 f64 f64 f64 f64 f64 f64 v128 i64 v128)
                               (result i64 f64 i32 f64 i64 f32 i32 f64 i64 v128 i32 v128)
              local.get 0 local.get 1 local.get 2 local.get 3 local.get 4 local.get 5 local.get 6 local.get 7
              local.get 8 local.get 9 local.get 10 local.get 11 local.get 12 local.get 13 local.get 14 local.get 15
              local.get 16 local.get 17 local.get 18 local.get 19 local.get 20 local.get 21 local.get 22
              call $f))"#,
    );
    let module = Module::new(&engine, module.unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let ty = module.imports().next().unwrap().ty.func().unwrap().clone();
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let record = seen.clone();
    let host = Func::new(&mut store, ty.clone(), move |_, params, results| {
        record.lock().unwrap().extend_from_slice(params);
        for (index, (result, ty)) in results.iter_mut().zip(ty.results()).enumerate() {
            *result = value(ty, 100 + index as i64);
        }
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[host.into()]).unwrap();
    let g = instance.get_func(&mut store, "g").unwrap();
    let ty = g.ty(&store);
    let params: Vec<Val> = ty.params().enumerate().map(|(i, ty)| value(ty, -(i as i64) - 1)).collect();
    let mut results = vec![Val::I32(0); ty.results().len()];
    g.call(&mut store, &params, &mut results).unwrap();
    assert_eq!(format!("{:?}", seen.lock().unwrap()), format!("{params:?}"));
    let wanted: Vec<Val> = ty.results().enumerate().map(|(i, ty)| value(ty, 100 + i as i64)).collect();
    assert_eq!(format!("{results:?}"), format!("{wanted:?}"));
}

fn value(ty: ValType, number: i64) -> Val {
    match ty {
        ValType::I32 => Val::I32(number as i32),
        ValType::I64 => Val::I64(number << 33 | 1),
        ValType::F32 => Val::from(number as f32),
        ValType::F64 => Val::from(number as f64 / 3.0),
        ValType::V128 => Val::V128((number as u64 as u128) << 64 | !number as u64 as u128),
        other => panic!("{other}"),
    }
}

#[test]
fn host_and_guest_call_each_other_in_turns() {
    let engine = engine();
    let module = wat::parse_str(
        r#"(module
            (import "h" "down" (func $down (param i32) (result i32)))
            (func (export "up") (param i32) (result i32)
              (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
                (else (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1))))))))"#,
    );
    let module = Module::new(&engine, module.unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    let down = |mut caller: Caller<'_, u32>, n: i32| -> Result<i32> {
        *caller.data_mut() += 1;
        let up = caller.get_export("up").and_then(Extern::into_func).expect("the caller's export");
        up.typed::<i32, i32>(&caller)?.call(&mut caller, n)
    };
    linker.func_wrap("h", "down", down).unwrap();
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let up = instance.get_typed_func::<i32, i32>(&mut store, "up").unwrap();
    assert_eq!(up.call(&mut store, 50).unwrap(), 50);
    assert_eq!(*store.data(), 50);
    let error = up.call(&mut store, 1_000_000).unwrap_err();
    assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::StackExhausted));
    assert_eq!(up.call(&mut store, 50).unwrap(), 50, "the store is usable afterwards");
}

#[test]
fn a_panic_of_a_host_function_passes_through_the_guest() {
    let engine = engine();
    let module = wat::parse_str(r#"(module (import "h" "f" (func $f)) (func (export "g") call $f))"#);
    let module = Module::new(&engine, module.unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let panics = Func::wrap(&mut store, || -> () { panic!("host") });
    let instance = Instance::new(&mut store, &module, &[panics.into()]).unwrap();
    let g = instance.get_typed_func::<(), ()>(&mut store, "g").unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| g.call(&mut store, ())));
    assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"host"));
}

#[derive(Debug)]
struct Exit(i32);
impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {}", self.0)
    }
}
impl std::error::Error for Exit {}

#[test]
fn an_error_of_a_host_function_comes_out_with_a_backtrace() {
    let engine = engine();
    let module = wat::parse_str(
        r#"(module $m (import "h" "exit" (func $exit (param i32)))
            (func $inner (call $exit (i32.const 7)))
            (func (export "outer") (call $inner)))"#,
    );
    let module = Module::new(&engine, module.unwrap()).unwrap();
    let mut linker = Linker::<()>::new(&engine);
    linker.func_wrap("h", "exit", |code: i32| -> Result<()> { Err(Error::new(Exit(code))) }).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let outer = instance.get_typed_func::<(), ()>(&mut store, "outer").unwrap();
    let error = outer.call(&mut store, ()).unwrap_err();
    assert_eq!(error.downcast_ref::<Exit>().unwrap().0, 7);
    let names: Vec<_> = error.backtrace().unwrap().frames().iter().map(|frame| frame.func_name()).collect();
    assert_eq!(names, [Some("inner"), None]);
}

#[test]
fn stores_are_send_and_modules_are_shared() {
    fn send<T: Send>() {}
    fn sync<T: Send + Sync>() {}
    send::<Store<()>>();
    sync::<Engine>();
    sync::<Module>();
    sync::<Error>();
    sync::<InterruptHandle>();
    sync::<Linker<()>>();
}

#[test]
fn handles_of_another_store_are_errors() {
    let (mut a, instance) =
        instantiate(r#"(module (func (export "f")) (global (export "g") (mut i32) (i32.const 0)))"#);
    let (mut b, _) = instantiate("(module)");
    let f = instance.get_func(&mut a, "f").unwrap();
    let g = instance.get_global(&mut a, "g").unwrap();
    assert!(f.call(&mut b, &[], &mut []).is_err());
    assert!(g.set(&mut b, Val::I32(1)).is_err());
}

#[test]
fn a_branch_out_of_the_last_block_of_a_try_table_returns() {
    // The block ends where the function does; the label that is left by the branch is another one.
    let (mut store, instance) = instantiate(
        r#"(module (global $g (export "g") (mut i32) (i32.const 0))
            (func (export "f")
              (try_table
                (global.set $g (i32.const 7))
                (block (br 1)))))"#,
    );
    instance.get_typed_func::<(), ()>(&mut store, "f").unwrap().call(&mut store, ()).unwrap();
    let global = instance.get_global(&mut store, "g").unwrap();
    assert_eq!(global.get(&mut store).i32(), Some(7));
}

#[test]
fn constants_of_any_size_go_to_imported_globals() {
    let constants = [
        ("i32", "0x7fffffff", 0x7fff_ffff),
        ("i32", "-1", 0xffff_ffff),
        ("i64", "0x7fffffff", 0x7fff_ffff),
        ("i64", "-1", u64::MAX as u128),
        ("i64", "0x123456789abcdef0", 0x1234_5678_9abc_def0),
        ("f32", "-1", 0xbf80_0000),
        ("f64", "0", 0),
        ("f64", "-0x1.56789abcdef01p+100", 0xc635_6789_abcd_ef01),
        ("f64", "0x1p-1074", 1),
        ("v128", "i64x2 0x123456789abcdef0 -2", 0xffff_ffff_ffff_fffe_1234_5678_9abc_def0),
    ];
    let engine = engine();
    let mut store = Store::new(&engine, ());
    for (index, (ty, text, bits)) in constants.into_iter().enumerate() {
        let zero = if ty == "v128" { "i64x2 0 0" } else { "0" };
        let text = format!(
            r#"(module (global $imported (import "" "") (mut {ty})) (global $own (mut {ty}) ({ty}.const {zero}))
                (func (export "set") (global.set $imported ({ty}.const {text})) (global.set $own ({ty}.const {text})))
                (func (export "own") (result {ty}) (global.get $own)))"#
        );
        let (ty, start) = match ty {
            "i32" => (ValType::I32, Val::I32(0)),
            "i64" => (ValType::I64, Val::I64(0)),
            "f32" => (ValType::F32, Val::F32(0)),
            "f64" => (ValType::F64, Val::F64(0)),
            _ => (ValType::V128, Val::V128(0)),
        };
        let global = Global::new(&mut store, GlobalType::new(ty, true), start).unwrap();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let instance = Instance::new(&mut store, &module, &[global.into()]).unwrap();
        instance.get_func(&mut store, "set").unwrap().call(&mut store, &[], &mut []).unwrap();
        let mut own = [start];
        instance.get_func(&mut store, "own").unwrap().call(&mut store, &[], &mut own).unwrap();
        for value in [global.get(&mut store), own[0]] {
            let got = match value {
                Val::I32(value) => value as u32 as u128,
                Val::I64(value) => value as u64 as u128,
                Val::F32(bits) => bits as u128,
                Val::F64(bits) => bits as u128,
                Val::V128(bits) => bits,
                other => panic!("{other:?}"),
            };
            assert_eq!(got, bits, "constant {index}");
        }
    }
}

/// Objects beyond the inline limit are allocated by a call, which loops that keep locals in registers must know of.
#[test]
fn locals_of_loops_survive_the_allocation_of_large_objects() {
    let fields = "(field v128)".repeat(2100);
    let elements = "(i64.const 1)".repeat(5000);
    let body = |allocation: &str| {
        format!(
            "(param $n i32) (result i32) (local $i i32) (local $a i32) (local $b i64) (local $c i32)
             (loop $l
               (local.set $a (i32.add (local.get $a) (local.get $i)))
               (local.set $b (i64.add (local.get $b) (i64.extend_i32_s (local.get $a))))
               (local.set $c (i32.xor (local.get $c) (local.get $a)))
               {allocation} (drop)
               (local.set $i (i32.add (local.get $i) (i32.const 1)))
               (br_if $l (i32.lt_s (local.get $i) (local.get $n))))
             (i32.add (i32.add (local.get $a) (local.get $c)) (i32.add (local.get $i) (i32.wrap_i64 (local.get $b))))"
        )
    };
    let (mut store, instance) = instantiate(&format!(
        "(module (type $struct (struct {fields})) (type $array (array i64))
           (func (export \"struct\") {})
           (func (export \"array\") {}))",
        body("(struct.new_default $struct)"),
        body(&format!("{elements} (array.new_fixed $array 5000)")),
    ));
    let (mut a, mut b, mut c) = (0i32, 0i64, 0i32);
    for i in 0..10 {
        a += i;
        b += a as i64;
        c ^= a;
    }
    for name in ["struct", "array"] {
        let function = instance.get_typed_func::<i32, i32>(&mut store, name).unwrap();
        assert_eq!(function.call(&mut store, 10).unwrap(), a + c + 10 + b as i32, "{name}");
    }
}

/// What a function makes of its arguments: another number for each order of them.
fn folded(arguments: impl IntoIterator<Item = i64>) -> i64 {
    arguments.into_iter().fold(7, |sum: i64, argument| sum.wrapping_mul(31).wrapping_add(argument))
}

/// The body of such a function of `count` parameters.
fn fold(count: usize) -> String {
    let step = |sum: String, k: usize| format!("(i64.add (i64.mul {sum} (i64.const 31)) (local.get {k}))");
    (0..count).fold("(i64.const 7)".to_owned(), step)
}

/// A tail call moves its arguments up, over the frame and the arguments of the function that it ends: what is moved and
/// where it goes overlap by any number of words.
#[test]
fn tail_calls_pass_any_number_of_arguments() {
    use std::fmt::Write;
    const OWN: [usize; 5] = [0, 1, 8, 9, 30];
    const PASSED: [usize; 9] = [0, 1, 7, 8, 9, 15, 20, 40, 100];
    let mut text = String::from("(module ");
    for passed in PASSED {
        let params = "i64 ".repeat(passed);
        writeln!(text, "(type ${passed} (func (param {params}) (result i64)))").unwrap();
        writeln!(text, "(func $fold{passed} (type ${passed}) {}) (elem declare func $fold{passed})", fold(passed))
            .unwrap();
    }
    let argument = |own: usize, k: usize| {
        if k.is_multiple_of(2) || own == 0 { 1000 + k as i64 } else { -(((k / 2) % own) as i64) - 1 }
    };
    for own in OWN {
        for passed in PASSED {
            let operand = |k: usize| match argument(own, k) {
                own if own < 0 => format!("(local.get {})", -own - 1),
                constant => format!("(i64.const {constant})"),
            };
            let operands: String = (0..passed).map(operand).collect();
            let (params, mine) =
                ("i64 ".repeat(own), (0..own).map(|k| format!("(i64.const {k}5)")).collect::<String>());
            writeln!(
                text,
                r#"(func $a{own}_{passed} (param {params}) (result i64) (return_call $fold{passed} {operands}))
                   (func $b{own}_{passed} (param {params}) (result i64)
                     (return_call_ref ${passed} {operands} (ref.func $fold{passed})))
                   ;; The caller's locals and operands are as before.
                   (func (export "{own} {passed}") (result i64 i64 i64) (local $x i64)
                     (local.set $x (i64.const 77)) (call $a{own}_{passed} {mine}) (call $b{own}_{passed} {mine}) (local.get $x))"#
            )
            .unwrap();
        }
    }
    let (mut store, instance) = instantiate(&(text + ")"));
    for own in OWN {
        for passed in PASSED {
            let value = |k: usize| match argument(own, k) {
                own if own < 0 => (-own - 1) * 10 + 5,
                constant => constant,
            };
            let expected = folded((0..passed).map(value));
            let func = instance.get_typed_func::<(), (i64, i64, i64)>(&mut store, &format!("{own} {passed}")).unwrap();
            assert_eq!(func.call(&mut store, ()).unwrap(), (expected, expected, 77), "{passed} arguments from {own}");
        }
    }
}

/// Arguments in registers that each stand where another has to go: of a call, a tail call and a loop.
#[test]
fn arguments_change_places() {
    const ORDERS: [[usize; 7]; 5] = [
        [1, 2, 3, 4, 5, 6, 0],
        [6, 0, 1, 2, 3, 4, 5],
        [6, 5, 4, 3, 2, 1, 0],
        [1, 0, 3, 2, 6, 4, 5],
        [3, 3, 0, 0, 5, 4, 6],
    ];
    for ty in ["i64", "f64"] {
        let (params, as_i64, as_ty) = match ty {
            "i64" => ("i64 ".repeat(7), String::new(), String::new()),
            _ => ("f64 ".repeat(7), "i64.reinterpret_f64".to_owned(), "f64.reinterpret_i64".to_owned()),
        };
        let number = |operand: String| if ty == "i64" { operand } else { format!("({as_i64} {operand})") };
        let sum = (0..7).fold("(i64.const 7)".to_owned(), |sum, k| {
            format!("(i64.add (i64.mul {sum} (i64.const 31)) {})", number(format!("(local.get {k})")))
        });
        let mut text = format!("(module (type $t (func (param {params}) (result i64))) (func $fold (type $t) {sum})");
        for (index, order) in ORDERS.iter().enumerate() {
            let operands: String = order.iter().map(|k| format!("(local.get {k})")).collect();
            let results =
                "(local.set 6) (local.set 5) (local.set 4) (local.set 3) (local.set 2) (local.set 1) (local.set 0)";
            let made: String = (0..7)
                .map(|k| match ty {
                    "i64" => format!("(local.get {k})"),
                    _ => format!("({as_ty} (local.get {k}))"),
                })
                .collect();
            text += &format!(
                r#"(func $call{index} (type $t) (call $fold {operands}))
                   (func $tail{index} (type $t) (return_call $fold {operands}))
                   (func $loop{index} (type $t) (local $n i32)
                     {operands}
                     (loop $l (param {params}) {results}
                       {operands} (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 3)))
                       {results})
                     {sum})
                   (func (export "{index}") (param i64 i64 i64 i64 i64 i64 i64) (result i64 i64 i64)
                     (call $call{index} {made}) (call $tail{index} {made}) (call $loop{index} {made}))"#
            );
        }
        let (mut store, instance) = instantiate(&(text + ")"));
        for (index, order) in ORDERS.iter().enumerate() {
            let arguments: Vec<i64> = (0..7).map(|k| 1000 + 111 * k).collect();
            let permuted = |given: &[i64]| order.iter().map(|k| given[*k]).collect::<Vec<_>>();
            let once = folded(permuted(&arguments));
            // Before the loop, and at the end of each of its three rounds.
            let looped = folded((0..4).fold(arguments.clone(), |now, _| permuted(&now)));
            let params: Vec<Val> = arguments.iter().map(|argument| Val::I64(*argument)).collect();
            let mut results = [const { Val::I64(0) }; 3];
            instance.get_func(&mut store, &index.to_string()).unwrap().call(&mut store, &params, &mut results).unwrap();
            let results = results.map(|result| result.i64().unwrap());
            assert_eq!(results, [once, once, looped], "{ty}: {order:?}");
        }
    }
}
