//! Tests of references for types that follow each other: programs of a seed against a model.
//!
//! Compiled code reads a reference's type once for tests that have nothing between them. Whatever lies between (labels
//! to which others come, other references, registers that change their values) has to end that.

mod common;
#[path = "cast_chains/emit.rs"]
mod emit;
#[path = "cast_chains/program.rs"]
mod program;
#[path = "common/random.rs"]
mod random;

use common::modes;
use heapwood_vm::*;
use program::{Program, VALUES};

const SEEDS: u64 = 300;

/// What the program gives for all pairs of values.
fn run(config: &Config, text: &str) -> Vec<u32> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(i32, i32), u32>(&mut store, "run").unwrap();
    let values = 0..VALUES.len() as i32;
    let pairs = values.clone().flat_map(|one| values.clone().map(move |other| (one, other)));
    pairs.map(|pair| run.call(&mut store, pair).unwrap_or_else(|error| panic!("{pair:?}: {error}\n{text}"))).collect()
}

#[test]
fn chains_of_tests_find_the_types_that_the_model_says_in_all_modes() {
    let start = std::env::var("HEAPWOOD_CAST_CHAINS_FROM").map_or(0, |from| from.parse().expect("a number"));
    let values = 0..VALUES.len();
    let mut results = std::collections::HashSet::new();
    for seed in start..start + SEEDS {
        let program = Program::new(seed);
        let text = emit::module(&program);
        let pairs = values.clone().flat_map(|one| values.clone().map(move |other| [one, other]));
        let expected: Vec<u32> = pairs.map(|pair| program.model(pair)).collect();
        results.extend(expected.iter().copied());
        for (mode, config) in &modes() {
            assert_eq!(run(config, &text), expected, "seed {seed}, {mode}\n{text}");
        }
    }
    assert!(results.len() as u64 > 3 * SEEDS, "the programs tell the values apart: {}", results.len());
}
