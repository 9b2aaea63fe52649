//! Which instance a host function takes for its caller: the one whose function called it, by a call or in place of a
//! return, from wherever that function was called itself.

use heapwood_vm::*;

/// Ways to call the host's function from a function without parameters.
const CALLS: [(&str, &str); 6] = [
    ("call", "(call $host)"),
    ("call_indirect", "(call_indirect $t (type $f) (i32.const 0))"),
    ("call_ref", "(call_ref $f (global.get $g))"),
    ("return_call", "(return_call $host)"),
    ("return_call_indirect", "(return_call_indirect $t (type $f) (i32.const 0))"),
    ("return_call_ref", "(return_call_ref $f (global.get $g))"),
];

/// Ways in which the function that makes such a call (THIS) is called itself, by a function SELF.
const WAYS: [(&str, &str); 5] = [
    ("", "(return_call $THIS)"),
    ("after a call", "(call $THIS)"),
    (
        "after a tail call to itself",
        "(if (result i32) (local.get 0) (then (return_call $SELF (i32.const 0))) (else (return_call $THIS)))",
    ),
    (
        "among locals",
        "(local i64 i64 f64) (local.set 1 (i64.const 5)) (local.set 3 (f64.const 1)) (call $THIS) (drop (i64.add (local.get 1) (local.get 2)))",
    ),
    (
        "in a block that catches",
        "(block $h (try_table (result i32) (catch_all $h) (call $THIS)) (return)) (i32.const -1)",
    ),
];

/// An instance that calls the host, and says its number through an export.
fn callee(number: i32) -> String {
    let mut text = format!(
        r#"(module (type $f (func (result i32)))
            (import "host" "whose" (func $host (type $f)))
            (memory (export "memory") {number})
            (global (export "number") i32 (i32.const {number}))
            (global $g (mut (ref null $f)) (ref.func $host))
            (table $t 1 funcref) (elem (table $t) (i32.const 0) func $host)"#
    );
    for (k, (name, call)) in CALLS.iter().enumerate() {
        text += &format!(r#"(func $c{k} (export "{name}") (type $f) {call})"#);
    }
    text + ")"
}

/// An instance that calls functions of the other one.
fn caller(number: i32) -> String {
    let mut text = String::from("(module (type $f (func (result i32)))");
    let mut funcs =
        format!(r#"(memory (export "memory") {number}) (global (export "number") i32 (i32.const {number}))"#);
    for (k, (call, _)) in CALLS.iter().enumerate() {
        text += &format!(r#"(import "callee" "{call}" (func $c{k} (type $f)))"#);
        for (w, (way, body)) in WAYS.iter().enumerate() {
            let body = body.replace("THIS", &format!("c{k}")).replace("$SELF", &format!("$way{k}_{w}"));
            funcs += &format!(r#"(func $way{k}_{w} (export "{call} {way}") (param i32) (result i32) {body})"#);
        }
    }
    text + &funcs + ")"
}

struct Lab {
    store: Store<()>,
    callee: Instance,
    caller: Instance,
}

/// The number that the calling instance exports, by both ways to ask.
fn whose(caller: &mut Caller<'_, ()>) -> i32 {
    let Some(instance) = caller.instance() else { return -1 };
    let number = |found: Option<Extern>, context: &mut Caller<'_, ()>| {
        let value = found.and_then(Extern::into_global).expect("an export").get(context);
        let Val::I32(number) = value else { panic!("{value:?}") };
        number
    };
    let asked = caller.get_export("number");
    let asked = number(asked, caller);
    let found = instance.get_export(&mut *caller, "number");
    assert_eq!(number(found, caller), asked);
    asked
}

fn lab(host: impl Fn(Caller<'_, ()>) -> Result<i32> + Send + Sync + 'static) -> Lab {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.func_wrap("host", "whose", host).unwrap();
    let compile =
        |text: String| Module::new(&engine, wat::parse_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"))).unwrap();
    let callee = linker.instantiate(&mut store, &compile(callee(7))).unwrap();
    linker.instance(&mut store, "callee", callee).unwrap();
    let caller = linker.instantiate(&mut store, &compile(caller(9))).unwrap();
    Lab { store, callee, caller }
}

#[test]
fn the_calling_instance_is_the_one_whose_function_called() {
    let mut lab = lab(|mut caller| Ok(whose(&mut caller)));
    let mut tried = 0;
    // Twice: what a call left behind means nothing to the next one.
    for _ in 0..2 {
        for (call, _) in CALLS {
            let direct = lab.callee.get_typed_func::<(), i32>(&mut lab.store, call).unwrap();
            assert_eq!(direct.call(&mut lab.store, ()).unwrap(), 7, "{call} from the host");
            for (way, _) in WAYS {
                let func = lab.caller.get_typed_func::<i32, i32>(&mut lab.store, &format!("{call} {way}")).unwrap();
                assert_eq!(func.call(&mut lab.store, 1).unwrap(), 7, "{call} {way}");
                tried += 1;
            }
        }
    }
    assert_eq!(tried, 60);
}

#[test]
fn a_host_function_that_the_host_calls_has_no_caller() {
    let mut store = Store::new(&Engine::default(), ());
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, ()>| -> i32 { whose(&mut caller) });
    assert_eq!(host.typed::<(), i32>(&mut store).unwrap().call(&mut store, ()).unwrap(), -1);
}

/// The host function calls the guest again, by another way, before it asks who called it.
#[test]
fn the_calling_instance_is_known_after_calls_of_the_guest() {
    for (inner, _) in CALLS {
        let mut lab = lab(move |mut caller| {
            let before = whose(&mut caller);
            let entered = std::mem::replace(&mut *HAS_CALLED.lock().unwrap(), true);
            if !entered {
                let instance = caller.instance().expect("the guest called");
                let func = instance.get_typed_func::<(), i32>(&mut caller, inner).unwrap();
                assert_eq!(func.call(&mut caller, ()).unwrap(), 7, "{inner}");
            }
            assert_eq!(whose(&mut caller), before, "after {inner}");
            Ok(before)
        });
        for (outer, _) in CALLS {
            for (way, _) in WAYS {
                *HAS_CALLED.lock().unwrap() = false;
                let func = lab.caller.get_typed_func::<i32, i32>(&mut lab.store, &format!("{outer} {way}")).unwrap();
                assert_eq!(func.call(&mut lab.store, 1).unwrap(), 7, "{outer} {way}, then {inner}");
            }
        }
    }
}

/// Whether the host function has called the guest.
static HAS_CALLED: std::sync::Mutex<bool> = std::sync::Mutex::new(false);
