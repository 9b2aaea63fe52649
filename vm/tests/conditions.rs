//! Conditions that are joined by "and" and "or", as compilers write them down: programs of a seed against a model.
//!
//! An `if (result i32)` with an arm that is a constant, whose result a branch or an `if` takes, is compiled as two
//! branches ([`heapwood_jit`]'s short circuits). Whatever the second condition does to locals, operands and the heap,
//! both edges have to agree on where everything is.

mod common;
#[path = "conditions/generate.rs"]
mod generate;
#[path = "conditions/model.rs"]
mod model;
#[path = "common/random.rs"]
mod random;

use common::modes;
use generate::{Program, module};
use heapwood_vm::*;

const SEEDS: u64 = 400;
const ARGUMENTS: [i32; 4] = [0, 1, -5, 1000];

/// What the program gives for each argument, or none where a cast fails.
fn run(config: &Config, text: &str) -> Vec<Option<i32>> {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    let call = |argument| match run.call(&mut store, argument) {
        Ok(hash) => Some(hash),
        Err(error) if error.trap().is_some_and(|trap| trap.kind() == TrapKind::CastFailure) => None,
        Err(error) => panic!("{error}\n{text}"),
    };
    ARGUMENTS.map(call).to_vec()
}

#[test]
fn joined_conditions_decide_as_the_model_says_in_all_modes() {
    let start = std::env::var("HEAPWOOD_CONDITIONS_FROM").map_or(0, |from| from.parse().expect("a number"));
    let (mut joined, mut failed, mut decided) = (0, 0, [0, 0]);
    for seed in start..start + SEEDS {
        let program = Program::new(seed);
        let text = module(&program);
        let expected: Vec<Option<i32>> = ARGUMENTS
            .iter()
            .map(|argument| {
                let seen = model::run(&program, *argument);
                decided[0] += seen.decided[0];
                decided[1] += seen.decided[1];
                seen.hash
            })
            .collect();
        joined += program.joined();
        failed += expected.iter().filter(|hash| hash.is_none()).count() as u64;
        for (mode, config) in &modes() {
            assert_eq!(run(config, &text), expected, "seed {seed}, {mode}\n{text}");
        }
    }
    println!(
        "{joined} joined conditions, {failed} failed casts; the first one decided {} times, the second one {}",
        decided[0], decided[1]
    );
    assert!(joined > 10 * SEEDS && decided.iter().all(|count| *count > 15 * SEEDS), "{joined}, {decided:?}");
    assert!(failed > SEEDS / 20 && failed < 2 * SEEDS, "{failed} casts failed");
}

/// More locals are known to be of a narrower type than the compiler keeps in mind: the first ones are forgotten.
#[test]
fn many_locals_of_narrower_types_are_read_in_all_modes() {
    const LOCALS: usize = 12;
    let tests: String =
        (1..=LOCALS).map(|local| format!("(if (ref.test (ref $b) (local.get {local})) (then ")).collect();
    let reads = |locals: &mut dyn Iterator<Item = usize>| -> String {
        let read = |local| {
            format!(
                "(global.set $sum (i32.add (i32.mul (global.get $sum) (i32.const 3))
                   (struct.get $b 1 (ref.cast (ref $b) (local.get {local})))))"
            )
        };
        locals.map(read).collect()
    };
    let make: String = (1..=LOCALS)
        .map(|local| {
            format!("(local.set {local} (struct.new $b (i32.const 1) (i32.add (local.get 0) (i32.const {local}))))")
        })
        .collect();
    let text = format!(
        "(module (type $a (sub (struct (field i32)))) (type $b (sub $a (struct (field i32) (field i32))))
           (global $sum (mut i32) (i32.const 0))
           (func (export \"run\") (param i32) (result i32) {} {make} {tests} {} {} {}
             (global.get $sum)))",
        "(local (ref null $a))".repeat(LOCALS),
        reads(&mut (1..=LOCALS)),
        reads(&mut (1..=LOCALS).rev()),
        "))".repeat(LOCALS),
    );
    let mut sum = 0i32;
    let expected = ARGUMENTS.map(|argument| {
        for local in (1..=LOCALS as i32).chain((1..=LOCALS as i32).rev()) {
            sum = sum.wrapping_mul(3).wrapping_add(argument.wrapping_add(local));
        }
        Some(sum)
    });
    for (mode, config) in &modes() {
        assert_eq!(run(config, &text), expected, "{mode}\n{text}");
    }
}
