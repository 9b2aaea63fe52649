//! What functions over strings cost when a guest calls them, in nanoseconds a call: the least of several rounds. And
//! what appending costs, by length. Arguments: rounds (200).

use heapwood_vm::{Config, Engine, ExternRef, Linker, Module, Result, Rooted, Store, StringRef};
use std::fmt::Write;
use std::time::Instant;

const CALLS: i32 = 20_000;
const ROUNDS_DEFAULT: usize = 200;

/// Loops: a name, and what is done in each turn with strings `$a` and `$b` and the number `$n`.
const LOOPS: [(&str, &str); 11] = [
    ("nothing", ""),
    ("length", "(local.set $sum (i32.add (local.get $sum) (call $length (local.get $a))))"),
    (
        "charCodeAt",
        "(local.set $sum (i32.add (local.get $sum) (call $charCodeAt (local.get $a) (i32.and (local.get $n) (i32.const 3)))))",
    ),
    ("test", "(local.set $sum (i32.add (local.get $sum) (call $test (local.get $a))))"),
    ("equals, the same", "(local.set $sum (i32.add (local.get $sum) (call $equals (local.get $a) (local.get $a))))"),
    ("equals, others", "(local.set $sum (i32.add (local.get $sum) (call $equals (local.get $a) (local.get $b))))"),
    ("concat, short", "(local.set $s (call $concat (local.get $a) (local.get $b)))"),
    ("concat, a rope", "(local.set $s (call $concat (local.get $long) (local.get $b)))"),
    ("fromCharCode", "(local.set $s (call $fromCharCode (i32.const 0x41)))"),
    ("substring", "(local.set $s (call $substring (local.get $long) (i32.const 3) (i32.const 9)))"),
    ("compare", "(local.set $sum (i32.add (local.get $sum) (call $compare (local.get $a) (local.get $b))))"),
];

fn guest() -> String {
    let mut text = String::from(
        r#"(module
        (import "wasm:js-string" "length" (func $length (param externref) (result i32)))
        (import "wasm:js-string" "charCodeAt" (func $charCodeAt (param externref i32) (result i32)))
        (import "wasm:js-string" "test" (func $test (param externref) (result i32)))
        (import "wasm:js-string" "equals" (func $equals (param externref externref) (result i32)))
        (import "wasm:js-string" "compare" (func $compare (param externref externref) (result i32)))
        (import "wasm:js-string" "concat" (func $concat (param externref externref) (result (ref extern))))
        (import "wasm:js-string" "substring" (func $substring (param externref i32 i32) (result (ref extern))))
        (import "wasm:js-string" "fromCharCode" (func $fromCharCode (param i32) (result (ref extern))))
        (func (export "append") (param $n i32) (param $b externref) (result i32) (local $s externref)
          (local.set $s (local.get $b))
          (loop $l (local.set $s (call $concat (local.get $s) (local.get $b)))
            (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
          (call $charCodeAt (local.get $s) (i32.const 1)))"#,
    );
    for (number, (_, body)) in LOOPS.iter().enumerate() {
        write!(
            text,
            "(func (export \"loop{number}\") (param $n i32) (param $a externref) (param $b externref) (param $long externref)
               (result i32) (local $sum i32) (local $s externref)
               (loop $l {body} (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (local.get $sum))"
        )
        .expect("a string takes it");
    }
    text + ")"
}

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(ROUNDS_DEFAULT, |text| text.parse().expect("a number of rounds"));
    let engine = Engine::new(&Config::new())?;
    let module = Module::new(&engine, wat::parse_str(guest()).expect("a module"))?;
    let mut linker = Linker::new(&engine);
    linker.define_js_string()?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    let strings = ["abcd", "efgh", &"long".repeat(20), "x"];
    let mut made: Vec<Rooted<ExternRef>> = Vec::new();
    for text in strings {
        made.push(StringRef::new(&mut store, text)?.to_externref());
    }
    type Strings = Rooted<ExternRef>;
    let mut nothing = 0.0;
    for (number, (name, _)) in LOOPS.iter().enumerate() {
        let name_in_guest = format!("loop{number}");
        let run = instance.get_typed_func::<(i32, Strings, Strings, Strings), i32>(&mut store, &name_in_guest)?;
        let mut least = f64::INFINITY;
        for _ in 0..rounds {
            let start = Instant::now();
            run.call(&mut store, (CALLS, made[0], made[1], made[2]))?;
            least = least.min(start.elapsed().as_nanos() as f64 / f64::from(CALLS));
        }
        println!("{name:<20} {:>7.2} ns", least - nothing);
        if number == 0 {
            nothing = least;
        }
    }
    let append = instance.get_typed_func::<(i32, Strings), i32>(&mut store, "append")?;
    for count in [10_000, 100_000, 1_000_000, 4_000_000] {
        let start = Instant::now();
        append.call(&mut store, (count, made[3]))?;
        let ns = start.elapsed().as_nanos() as f64 / f64::from(count);
        println!("{count:>8} appends, then read: {ns:.1} ns each");
    }
    Ok(())
}
