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
#[path = "inlining/observe.rs"]
mod observe;
#[path = "common/random.rs"]
mod random;

use generate::module;
use heapwood_vm::*;
use observe::{first_difference, run};

const SEEDS: u64 = 150;
const ARGUMENTS: [i32; 3] = [0, 7, -3];

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

fn compare(seeds: std::ops::Range<u64>) {
    let never = &modes(Inline::Never)[0].1;
    let (mut events, mut calls, mut returned, mut left_out) = (0, 0, 0, 0);
    for seed in seeds {
        let text = module(seed);
        let expected = run(never, &text, true, &ARGUMENTS);
        left_out += functions_with_exits(&text);
        events += expected.lines().count();
        calls += expected.lines().filter(|line| line.starts_with("run")).count();
        returned += expected.matches(" returned ").count();
        for (mode, config) in modes(Inline::Always).iter().chain(&modes(Inline::Small)[..1]) {
            let found = run(config, &text, true, &ARGUMENTS);
            if let Some((left, right)) = first_difference(&expected, &found) {
                panic!("seed {seed}, {mode}: without inlining\n  {left}\nwith it\n  {right}\n{text}");
            }
        }
        // Without fuel, programs that would burn too much are left out.
        if expected.contains("OutOfFuel") {
            continue;
        }
        let expected = run(never, &text, false, &ARGUMENTS);
        for (mode, config) in modes(Inline::Always).iter().chain(&modes(Inline::Small)[..1]) {
            let found = run(config, &text, false, &ARGUMENTS);
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
