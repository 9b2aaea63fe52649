//! Inlining changes nothing but time: modules of small functions, made of seeds, do the same with and without it. They
//! give the same results, trap or throw at the same places with the same backtraces, show the same frames to the host,
//! and burn the same fuel; and the heap is sound while everything moves. Functions all of whose calls are inlined have
//! no code.

mod common;
#[path = "inlining/deferred.rs"]
mod deferred;
#[path = "inlining/dropped.rs"]
mod dropped;
#[path = "inlining/generate.rs"]
mod generate;
#[path = "common/random.rs"]
mod random;

use generate::{CALLERS, module};
use heapwood_vm::*;
use std::fmt::Write;

/// What programs may burn.
const FUEL: u64 = 20_000;
const SEEDS: u64 = 150;
const ARGUMENTS: [i32; 3] = [0, 7, -3];

/// What the host sees.
type Seen = String;

fn frames(backtrace: Option<&WasmBacktrace>) -> String {
    let mut text = String::new();
    for frame in backtrace.map_or(&[][..], WasmBacktrace::frames) {
        write!(text, " {}@{:x}", frame.func_index(), frame.module_offset()).unwrap();
    }
    let omitted = backtrace.map_or(0, WasmBacktrace::omitted);
    if omitted > 0 { text + &format!(" +{omitted}") } else { text }
}

/// Runs all that a module exports; a line for each event.
fn run(config: &Config, text: &str, with_fuel: bool) -> Seen {
    let engine = Engine::new(config.clone().consume_fuel(with_fuel)).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut linker = Linker::<Seen>::new(&engine);
    let look = |mut caller: Caller<'_, Seen>, value: i32| {
        let trace = caller.stack_trace();
        let backtrace = trace.backtrace(&caller).unwrap();
        let line = format!("looked {value}:{}\n", frames(Some(&backtrace)));
        caller.data_mut().push_str(&line);
    };
    linker.func_wrap("h", "look", look).unwrap();
    let mut store = Store::new(&engine, Seen::new());
    if with_fuel {
        store.set_fuel(FUEL).unwrap();
    }
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let count = instance.get_typed_func::<(), i32>(&mut store, "count").unwrap();
    for (caller, argument) in (0..CALLERS).flat_map(|caller| ARGUMENTS.map(|argument| (caller, argument))) {
        let export = instance.get_typed_func::<i32, i32>(&mut store, &format!("run{caller}")).unwrap();
        if with_fuel {
            store.set_fuel(FUEL).unwrap();
        }
        let line = match export.call(&mut store, argument) {
            Ok(value) => format!("returned {value}"),
            Err(error) => {
                let what = error.trap().map_or("threw".to_owned(), |trap| format!("{:?}", trap.kind()));
                format!("{what}:{}", frames(error.backtrace()))
            }
        };
        let burnt = if with_fuel { FUEL - store.get_fuel().unwrap() } else { 0 };
        if with_fuel {
            store.set_fuel(FUEL).unwrap();
        }
        let kept = count.call(&mut store, ()).unwrap_or(-1);
        writeln!(store.data_mut(), "run{caller}({argument}) {line}, burnt {burnt}, kept {kept}").unwrap();
    }
    store.data().clone()
}

/// How many functions call another one although a body of it is inlined there: mostly where an exit is left out.
fn functions_with_exits(text: &str) -> usize {
    let engine = Engine::new(Config::new().inline(Inline::Always)).unwrap();
    let module = Module::new(&engine, text).unwrap();
    let info = module.info();
    let functions = info.imported_functions..info.functions.len() as u32;
    let compiled = functions.map(|function| module.compiled_function(function).unwrap().unwrap());
    let has_exit = |function: &CompiledFunction| {
        let inlined = |callee| function.inlined.iter().any(|body| body.function + info.imported_functions == callee);
        function.callees().any(inlined)
    };
    compiled.filter(has_exit).count()
}

fn modes(inline: Inline) -> Vec<(&'static str, Config)> {
    let mut modes = common::modes().to_vec();
    modes.iter_mut().for_each(|(_, config)| _ = config.inline(inline));
    modes
}

fn first_difference<'t>(left: &'t str, right: &'t str) -> Option<(&'t str, &'t str)> {
    let mut lines = left.lines().map(Some).chain([None]).zip(right.lines().map(Some).chain([None]));
    let found = lines.find(|(left, right)| left != right)?;
    Some((found.0.unwrap_or("nothing"), found.1.unwrap_or("nothing")))
}

fn compare(seeds: std::ops::Range<u64>) {
    let never = &modes(Inline::Never)[0].1;
    let (mut events, mut calls, mut returned, mut left_out) = (0, 0, 0, 0);
    for seed in seeds {
        let text = module(seed);
        let expected = run(never, &text, true);
        left_out += functions_with_exits(&text);
        events += expected.lines().count();
        calls += expected.lines().filter(|line| line.starts_with("run")).count();
        returned += expected.matches(" returned ").count();
        for (mode, config) in modes(Inline::Always).iter().chain(&modes(Inline::Small)[..1]) {
            let found = run(config, &text, true);
            if let Some((left, right)) = first_difference(&expected, &found) {
                panic!("seed {seed}, {mode}: without inlining\n  {left}\nwith it\n  {right}\n{text}");
            }
        }
        // Without fuel, programs that would burn too much are left out.
        if expected.contains("OutOfFuel") {
            continue;
        }
        let expected = run(never, &text, false);
        for (mode, config) in modes(Inline::Always).iter().chain(&modes(Inline::Small)[..1]) {
            let found = run(config, &text, false);
            if let Some((left, right)) = first_difference(&expected, &found) {
                panic!("seed {seed} without fuel, {mode}: without inlining\n  {left}\nwith it\n  {right}\n{text}");
            }
        }
    }
    println!("{events} events, {returned} of {calls} calls returned; {left_out} functions with exits left out");
    assert!(left_out as u64 > SEEDS, "{left_out} functions with exits left out");
    assert!(
        returned * 3 > calls && returned < calls && events * 4 > calls * 5,
        "{events} events, {returned} of {calls}"
    );
}

#[test]
fn programs_do_the_same_with_and_without_inlining() {
    let start = std::env::var("HEAPWOOD_INLINING_FROM").map_or(0, |from| from.parse().expect("a number"));
    let count = std::env::var("HEAPWOOD_INLINING_SEEDS").map_or(SEEDS, |seeds| seeds.parse().expect("a number"));
    compare(start..start + count);
}
