//! Several instances in one store: calls, tail calls and exceptions across them.

use heapwood::{Config, Engine, Error, Extern, Instance, Module, Store, Val};

fn instance(store: &mut Store<()>, text: &str, imports: &[Extern]) -> Result<Instance, Error> {
    let module = Module::new(&store.engine().clone(), wat::parse_str(text).expect("a test's module"))?;
    Instance::new(store, &module, imports)
}

fn call(store: &mut Store<()>, instance: Instance, name: &str, args: &[Val]) -> Result<i64, Error> {
    let mut results = [Val::I64(0)];
    let function = instance.get_func(&mut *store, name).expect("exported");
    function.call(&mut *store, args, &mut results)?;
    match results[0] {
        Val::I64(value) => Ok(value),
        ref other => panic!("an i64, not {other:?}"),
    }
}

/// Two instances call each other in tail position, with more stack arguments one way than the other.
const EVEN: &str = r#"(module
  (type $many (func (param i64 i64 i64 i64 i64 i64 i64 i64 i64 i64) (result i64)))
  (type $one (func (param i64) (result i64)))
  (table (export "t") 1 funcref)
  (func (export "even") (param $n i64) (result i64)
    (if (i64.eqz (local.get $n)) (then (return (i64.const 1))))
    (return_call_indirect (type $many)
      (i64.sub (local.get $n) (i64.const 1)) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
      (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (i64.const 9) (i32.const 0))))"#;

const ODD: &str = r#"(module
  (import "even" "even" (func $even (param i64) (result i64)))
  (import "even" "t" (table 1 funcref))
  (elem (i32.const 0) $odd)
  (func $odd (export "odd") (param $n i64) (param i64 i64 i64 i64 i64 i64 i64 i64) (param $nine i64) (result i64)
    (if (i64.ne (local.get $nine) (i64.const 9)) (then (unreachable)))
    (if (i64.eqz (local.get $n)) (then (return (i64.const 0))))
    (return_call $even (i64.sub (local.get $n) (i64.const 1)))))"#;

#[test]
fn ten_million_tail_calls_across_two_instances_run_in_constant_stack() {
    let mut config = Config::new();
    config.max_stack(256 << 10);
    let mut store = Store::new(&Engine::new(&config).expect("an engine"), ());
    let even = instance(&mut store, EVEN, &[]).expect("valid");
    let imports: Vec<Extern> = ["even", "t"].map(|name| even.get_export(&mut store, name).expect("exported")).into();
    instance(&mut store, ODD, &imports).expect("valid");
    assert_eq!(call(&mut store, even, "even", &[Val::I64(10_000_000)]).expect("runs"), 1);
    assert_eq!(call(&mut store, even, "even", &[Val::I64(9_999_999)]).expect("runs"), 0);
}

#[test]
fn an_exception_is_caught_in_another_instance_by_its_tag() {
    let mut store = Store::new(&Engine::new(&Config::new()).expect("an engine"), ());
    let thrower = r#"(module (tag $t (export "t") (param i64)) (tag $other (export "other"))
      (func (export "throw") (param i64) (throw $t (local.get 0)))
      (func (export "else") (throw $other)))"#;
    let catcher = r#"(module
      (import "a" "t" (tag $t (param i64))) (import "a" "throw" (func $throw (param i64)))
      (import "a" "else" (func $else)) (tag $mine (param i64))
      (func (export "catch") (param $n i64) (result i64)
        (block $other
          (block $caught (result i64)
            (try_table (catch $mine $caught) (catch $t $caught) (catch_all $other)
              (if (i64.eqz (local.get $n)) (then (call $else)))
              (call $throw (local.get $n)))
            (unreachable))
          (i64.const 1) (i64.add) (return))
        (i64.const -1)))"#;
    let a = instance(&mut store, thrower, &[]).expect("valid");
    let imports: Vec<Extern> =
        ["t", "throw", "else"].map(|name| a.get_export(&mut store, name).expect("exported")).into();
    let b = instance(&mut store, catcher, &imports).expect("valid");
    assert_eq!(call(&mut store, b, "catch", &[Val::I64(41)]).expect("caught"), 42);
    assert_eq!(call(&mut store, b, "catch", &[Val::I64(0)]).expect("caught"), -1);
}
