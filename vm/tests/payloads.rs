//! Exceptions with many values, and structs with so many fields that the runtime allocates them: each value comes out
//! where it went in, however many there are, whatever their types, and while every allocation collects.

mod common;

use common::modes;
use heapwood_vm::*;
use std::fmt::Write;

/// The types that values have in turn, each with how the n-th value is made and how it is turned into an i64.
const TYPES: [(&str, &str, &str); 6] = [
    ("i32", "(i32.const {n})", "i64.extend_i32_s"),
    ("i64", "(i64.const {n})", ""),
    ("f32", "(f32.const {n})", "i64.trunc_f32_s"),
    ("f64", "(f64.const {n})", "i64.trunc_f64_s"),
    ("v128", "(v128.const i64x2 {n} 7)", "i64x2.extract_lane 0"),
    ("(ref null $box)", "(struct.new $box (i64.const {n}))", "struct.get $box 0"),
];

/// So many types, values, and what makes an i64 of the locals from `first` on that hold them: each with another weight.
fn values(count: usize, first: usize) -> (String, String, String) {
    let (mut types, mut made, mut sum) = (String::new(), String::new(), String::from("i64.const 0\n"));
    for (n, (ty, value, back)) in (0..count).zip(TYPES.iter().cycle()) {
        write!(types, "{ty} ").unwrap();
        writeln!(made, "{}", value.replace("{n}", &(n + 3).to_string())).unwrap();
        writeln!(sum, "local.get {} {back} i64.const {} i64.mul i64.add", first + n, n + 1).unwrap();
    }
    (types, made, sum)
}

/// What that sum is.
fn expected(count: usize) -> i64 {
    (0..count as i64).map(|n| (n + 3) * (n + 1)).sum()
}

fn run(config: &Config, text: &str) -> i64 {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), i64>(&mut store, "run").unwrap();
    run.call(&mut store, ()).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Sets the locals from 0 on to what is on the stack.
fn sets(count: usize) -> String {
    (0..count).rev().map(|local| format!("local.set {local}\n")).collect()
}

#[test]
fn exceptions_bring_all_their_values() {
    for count in [0, 1, 5, 6, 7, 17, 18, 19, 20, 30, 60] {
        let (types, made, sum) = values(count, 0);
        let sets = sets(count);
        let head = format!(
            "(type $box (struct (field i64))) (tag $e (param {types}))
             (func $throw {made} throw $e)"
        );
        let catches = [
            format!("(block $c (result {types}) (try_table (catch $e $c) call $throw) unreachable) {sets}"),
            format!(
                "(block $c (result {types} exnref) (try_table (catch_ref $e $c) call $throw) unreachable) drop {sets}"
            ),
            format!("try call $throw catch $e {sets} end"),
        ];
        for catch in &catches {
            let text = format!("(module {head} (func (export \"run\") (result i64) (local {types}) {catch} {sum}))");
            for (mode, config) in &modes() {
                let config = &mut config.clone();
                assert_eq!(run(config, &text), expected(count), "{count} values, {mode}\n{text}");
            }
        }
    }
}

#[test]
fn structs_that_the_runtime_allocates_have_all_their_fields() {
    for count in [10, 200, 2_000, 6_000] {
        let (types, made, _) = values(count, 0);
        let mut sum = String::from("i64.const 0\n");
        for (n, (_, _, back)) in (0..count).zip(TYPES.iter().cycle()) {
            writeln!(sum, "local.get 0 struct.get $wide {n} {back} i64.const {} i64.mul i64.add", n + 1).unwrap();
        }
        let fields: String = types.split_inclusive(' ').collect::<String>();
        let text = format!(
            "(module (type $box (struct (field i64))) (type $wide (struct (field {fields})))
               (func $make (result (ref $wide)) {made} struct.new $wide)
               (func (export \"run\") (result i64) (local (ref null $wide))
                 call $make local.set 0 {sum}))"
        );
        for (mode, config) in &modes() {
            assert_eq!(run(config, &text), expected(count), "{count} fields, {mode}");
        }
    }
}
