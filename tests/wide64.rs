//! A C program for 64-bit memories and tables: memory beyond 4 GiB, addresses up to 2^64, pointers to functions. Its
//! exports are called one after the other; `tests/guests/c/wide64.out` has what they answer.

use heapwood::{Config, Engine, Instance, Module, Store, TypedFunc, WasmParams, WasmResults};
use std::fmt::Write;

/// A module's instance, and what its exports answered so far.
struct Run {
    store: Store<()>,
    instance: Instance,
    said: String,
}

impl Run {
    fn new(config: &Config) -> Run {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, include_bytes!("guests/c/wide64.wasm")).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        Run { store, instance, said: String::new() }
    }

    /// Calls an export and writes down the result, or that it trapped.
    fn call<P: WasmParams, R: WasmResults>(&mut self, title: &str, params: P, show: impl Fn(R) -> String) {
        let name = title.split(' ').next().expect("a word");
        let func: TypedFunc<P, R> = self.instance.get_typed_func(&mut self.store, name).unwrap();
        let answer = match func.call(&mut self.store, params) {
            Ok(results) => show(results),
            Err(error) if error.trap().is_some() => "trap".to_owned(),
            Err(error) => panic!("{title}: {error}"),
        };
        writeln!(self.said, "{title}: {answer}").unwrap();
    }

    fn number(&mut self, title: &str, params: impl WasmParams) {
        self.call(title, params, |number: i64| number.to_string());
    }

    fn peek(&mut self, title: &str, address: u64) {
        self.call(title, address as i64, |number: i64| format!("{number:x}"));
    }
}

fn check(config: &mut Config) {
    let mut run = Run::new(config);
    let show_i32 = |number: i32| number.to_string();
    run.number("pages", ());
    run.number("sparse", ());
    run.number("pages", ());
    run.number("bulk", ());
    run.number("absurd", ());
    run.call("poke 5368709120", (5_368_709_120i64, 0x1234_5678_9abc_def0i64), |()| "ok".to_owned());
    run.peek("peek 5368709120", 5_368_709_120);
    run.call("peek8 5368774655", 5_368_774_655i64, show_i32);
    run.call("peek8 5368774656", 5_368_774_656i64, show_i32);
    run.peek("peek 5368774649", 5_368_774_649);
    run.peek("peek 2^63", 1 << 63);
    run.peek("peek 2^64-8", u64::MAX - 7);
    run.peek("peek 2^64-1", u64::MAX);
    for which in 0..3i64 {
        run.number(&format!("through {which}"), (which, 40i64, 2i64));
    }
    run.call("work", 2_000_000i64, |number: i64| (number as u64).to_string());
    assert_eq!(run.said, include_str!("guests/c/wide64.out"));
}

#[test]
fn memory_beyond_five_gigabytes() {
    check(&mut Config::new());
}

#[test]
fn memory_beyond_five_gigabytes_without_guards() {
    check(Config::new().memory64_guard(false));
}

#[test]
fn memory_beyond_five_gigabytes_with_a_small_nursery() {
    check(Config::new().gc_nursery(64 << 10));
}

#[test]
fn memory_beyond_five_gigabytes_under_stress() {
    check(Config::new().gc_stress(1).gc_verify(true));
}
