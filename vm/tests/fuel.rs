//! Fuel: what guests burn is known beforehand, the same in every mode, and ends them when it is used up.

mod common;
#[path = "common/random.rs"]
mod random;

use common::modes;
use heapwood_vm::*;
use random::Random;

fn engine(config: &Config) -> Engine {
    Engine::new(config.clone().consume_fuel(true)).unwrap()
}

/// Runs an export with an argument; the result, and what it burnt.
fn burn(engine: &Engine, text: &str, argument: i32, fuel: u64) -> (Result<i32>, u64) {
    let module = Module::new(engine, text).unwrap();
    let mut store = Store::new(engine, ());
    store.set_fuel(1 << 40).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    store.set_fuel(fuel).unwrap();
    let result = run.call(&mut store, argument);
    (result, fuel - store.get_fuel().unwrap())
}

/// Programs, an argument, and what they burn: counted by hand, an operator each but for `block`, `loop`, `else`, `end`.
const PROGRAMS: [(&str, &str, i32, u64); 9] = [
    ("one block", "(local.get 0) (i32.const 1) (i32.add) (i32.const 2) (i32.mul)", 3, 5),
    // 2 for each turn's head up to the branch: get, const, sub, tee, br_if; behind the loop 1.
    (
        "a loop",
        "(loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))) (i32.const 7)",
        10,
        10 * 5 + 1,
    ),
    (
        "an arm",
        "(if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 2) (i32.const 3))))",
        1,
        2 + 1,
    ),
    (
        "the other",
        "(if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.add (i32.const 2) (i32.const 3))))",
        0,
        2 + 3,
    ),
    // The end of a block that nothing branches to is no border.
    ("an idle block", "(block (nop)) (block (block (drop (i32.const 1)))) (local.get 0)", 4, 3),
    // Up to the branch 2, and 1 behind the block; what the branch skips costs nothing.
    ("a skip", "(block $b (br_if $b (local.get 0)) (unreachable)) (i32.const 1)", 1, 2 + 1),
    // The caller's 3, the callee's 3; the call ends no block.
    ("a call", "(i32.add (call $inc (local.get 0)) (i32.const 1))", 1, 4 + 3),
    // A handler's code begins where the label of its block is.
    (
        "a catch",
        "(block $h (result i32) (try_table (catch $t $h) (throw $t (i32.const 5))) (i32.const 9)) (i32.const 1) (i32.add)",
        0,
        2 + 2,
    ),
    // 1 for the argument and 1 for the call, then in each of the calls: get, if; get, const, sub, return_call. The last
    // one: get, if, const.
    ("tail calls", "(call $down (local.get 0))", 100, 2 + 100 * 6 + 3),
];

fn module(body: &str) -> String {
    format!(
        r#"(module
            (tag $t (param i32))
            (func $inc (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
            (func $down (param i32) (result i32)
              (if (result i32) (local.get 0)
                (then (return_call $down (i32.sub (local.get 0) (i32.const 1))))
                (else (i32.const 0))))
            (func (export "run") (param i32) (result i32) {body}))"#
    )
}

#[test]
fn programs_burn_what_they_should_in_every_mode() {
    for (mode, config) in modes() {
        let engine = engine(&config);
        for (name, body, argument, cost) in PROGRAMS {
            let text = module(body);
            let (result, burnt) = burn(&engine, &text, argument, 1 << 30);
            result.unwrap_or_else(|error| panic!("{mode}, {name}: {error}"));
            assert_eq!(burnt, cost, "{mode}, {name}");
            // Just enough is enough.
            let (result, _) = burn(&engine, &text, argument, cost);
            assert!(result.is_ok(), "{mode}, {name}: {result:?}");
        }
    }
}

/// With any smaller amount a program ends with the trap, or has not looked since; it never runs on into another turn.
#[test]
fn a_guest_without_fuel_ends_at_the_next_turn_or_call() {
    let turns = r#"(module
        (global $turns (export "turns") (mut i32) (i32.const 0))
        (func $step (result i32)
          (global.set $turns (i32.add (global.get $turns) (i32.const 1)))
          (global.get $turns))
        (func (export "run") (param i32) (result i32)
          (loop $l
            (drop (call $step))
            (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
          (i32.const 0)))"#;
    for (mode, config) in modes() {
        let engine = engine(&config);
        let module = Module::new(&engine, turns).unwrap();
        let mut turns_before = 0;
        for fuel in 0..200 {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            store.set_fuel(fuel).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            let error = run.call(&mut store, i32::MAX).unwrap_err();
            assert_eq!(error.trap().unwrap().kind(), TrapKind::OutOfFuel, "{mode}, {fuel}");
            assert_eq!(error.trap().unwrap().kind().message(), "all fuel consumed");
            assert_eq!(store.get_fuel().unwrap(), 0);
            let turns = instance.get_global(&mut store, "turns").unwrap().get(&mut store).i32().unwrap();
            // A turn burns 7 and 5.
            assert!((turns_before..=fuel as i32 / 12 + 1).contains(&turns), "{mode}, {fuel}: {turns} turns");
            turns_before = turns;
            // More fuel, and the store goes on.
            store.set_fuel(1000).unwrap();
            run.call(&mut store, 3).unwrap();
        }
        // A recursion without an end: fuel is used up before the stack is.
        let deeper = r#"(module (func $run (export "run") (param i32) (result i32)
            (i32.add (call $run (local.get 0)) (i32.const 1))))"#;
        let (result, burnt) = burn(&engine, deeper, 0, 1000);
        assert_eq!(result.unwrap_err().trap().unwrap().kind(), TrapKind::OutOfFuel, "{mode}");
        assert_eq!(burnt, 1000);
    }
}

/// Programs of an external generator: each burns the same in all modes, whatever its end.
#[test]
fn random_programs_burn_the_same_in_all_modes() {
    use arbitrary::Unstructured;
    let modes: Vec<_> = modes().into_iter().map(|(name, config)| (name, engine(&config))).collect();
    let (mut compared, mut burnt_in_all) = (0, 0);
    'programs: for seed in 0..300 {
        let mut random = Random(seed);
        let bytes: Vec<u8> = (0..6000).map(|_| random.next() as u8).collect();
        let mut config = wasm_smith::Config::default();
        (config.gc_enabled, config.exceptions_enabled, config.tail_call_enabled) = (true, true, true);
        (config.max_imports, config.min_funcs, config.export_everything) = (0, 2, true);
        config.shared_everything_threads_enabled = false;
        config.threads_enabled = false;
        config.custom_page_sizes_enabled = false;
        config.wide_arithmetic_enabled = false;
        config.max_memory32_bytes = 1 << 20;
        config.max_memory64_bytes = 1 << 20;
        config.max_table_elements = 1000;
        config.disallow_traps = false;
        config.allow_start_export = false;
        let Ok(module) = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes)) else { continue };
        let bytes = module.to_bytes();
        let mut wanted: Option<Vec<String>> = None;
        for (mode, engine) in &modes {
            let Ok(module) = Module::new(engine, &bytes) else { break };
            let mut store = Store::new(engine, ());
            store.set_fuel(5000).unwrap();
            let Ok(instance) = Instance::new(&mut store, &module, &[]) else { break };
            let mut log = vec![format!("start {}", store.get_fuel().unwrap())];
            for (name, item) in instance.exports(&mut store) {
                let Extern::Func(func) = item else { continue };
                let ty = func.ty(&store);
                let Some(args) = ty.params().map(|ty| Val::default_for(&ty)).collect::<Option<Vec<_>>>() else {
                    continue;
                };
                let mut results: Vec<Val> = ty.results().map(|_| Val::I32(0)).collect();
                store.set_fuel(5000).unwrap();
                let end = match func.call(&mut store, &args, &mut results) {
                    Ok(()) => "returns".to_owned(),
                    Err(error) => match error.trap().map(|trap| trap.kind()) {
                        // Where these are met depends on the mode.
                        Some(TrapKind::StackExhausted | TrapKind::HeapExhausted) => continue 'programs,
                        Some(kind) => format!("{kind:?}"),
                        None => "throws".to_owned(),
                    },
                };
                let left = store.get_fuel().unwrap();
                burnt_in_all += 5000 - left;
                log.push(format!("{name}: {end}, {left} left"));
            }
            compared += 1;
            match &wanted {
                Some(wanted) => assert_eq!(&log, wanted, "seed {seed}, {mode}"),
                None => wanted = Some(log),
            }
        }
    }
    println!("{compared} runs, {burnt_in_all} burnt");
    assert!(compared > 400 && burnt_in_all > 100_000, "{compared}, {burnt_in_all}");
}

/// A statement of a generated program. What is conditional asks a generator of bits that the program carries along.
enum Statement {
    /// So many operators that do nothing: an even number.
    Work(u32),
    Block(Vec<Statement>),
    Loop(Vec<Statement>),
    If(Vec<Statement>, Option<Vec<Statement>>),
    Br(u32),
    BrIf(u32),
    BrTable(Vec<u32>),
    Return,
    /// Throws into the innermost handler of the function.
    Throw,
    /// A block with a `try_table` whose catch leads to the block's end.
    Try(Vec<Statement>),
    /// A legacy `try` with a `catch`.
    LegacyTry(Vec<Statement>, Vec<Statement>),
}

/// Statements below `depth` labels, of which `handlers` is the number of handlers around.
fn statements(random: &mut Random, depth: u32, handlers: u32) -> Vec<Statement> {
    let count = 1 + random.below(4);
    (0..count).map(|_| statement(random, depth, handlers)).collect()
}

fn statement(random: &mut Random, depth: u32, handlers: u32) -> Statement {
    let is_deep = depth > 6;
    match random.below(if is_deep { 7 } else { 18 }) {
        0..3 => Statement::Work(2 * random.below(4)),
        3 => Statement::Br(random.below(depth + 1)),
        4 => Statement::BrIf(random.below(depth + 1)),
        5 => match random.below(4) {
            0 => Statement::Return,
            1 => Statement::BrTable((0..1 + random.below(4)).map(|_| random.below(depth + 1)).collect()),
            2 if handlers > 0 => Statement::Throw,
            _ => Statement::BrIf(random.below(depth + 1)),
        },
        6 => Statement::BrIf(0),
        7..10 => Statement::Block(statements(random, depth + 1, handlers)),
        10..13 => Statement::Loop(statements(random, depth + 1, handlers)),
        13..16 => Statement::If(
            statements(random, depth + 1, handlers),
            (random.below(2) == 0).then(|| statements(random, depth + 1, handlers)),
        ),
        16 => Statement::Try(statements(random, depth + 2, handlers + 1)),
        _ => Statement::LegacyTry(statements(random, depth + 1, handlers + 1), statements(random, depth + 1, handlers)),
    }
}

/// Operators that ask for a bit: `$bits` is multiplied and its highest bit is left on the stack.
const BIT: &str = "(i32.shr_u (local.tee $bits (i32.mul (local.get $bits) (i32.const 747796405))) (i32.const 31))";
const BIT_COST: u64 = 6;
/// Operators at the head of a loop, which returns when its turns are used up.
const TURN: &str = "(br_if $body (i32.eqz (local.tee $turns (i32.sub (local.get $turns) (i32.const 1)))))";
const TURN_COST: u64 = 6;

fn write(statements: &[Statement], text: &mut String) {
    for statement in statements {
        match statement {
            Statement::Work(count) => (0..count / 2).for_each(|_| text.push_str("(drop (i32.const 1)) ")),
            Statement::Block(body) => wrap("block ", body, " end ", text),
            Statement::Loop(body) => wrap(&format!("loop {TURN} "), body, " end ", text),
            Statement::If(then, otherwise) => {
                wrap(&format!("{BIT} if "), then, "", text);
                if let Some(otherwise) = otherwise {
                    wrap(" else ", otherwise, "", text);
                }
                text.push_str(" end ");
            }
            Statement::Br(depth) => text.push_str(&format!("br {depth} ")),
            Statement::BrIf(depth) => text.push_str(&format!("{BIT} br_if {depth} ")),
            Statement::BrTable(depths) => {
                let depths: Vec<_> = depths.iter().map(u32::to_string).collect();
                text.push_str(&format!("{BIT} br_table {} ", depths.join(" ")));
            }
            Statement::Return => text.push_str("(return (i32.const 7)) "),
            Statement::Throw => text.push_str("throw $t "),
            Statement::Try(body) => wrap("block try_table (catch $t 0) ", body, " end end ", text),
            Statement::LegacyTry(body, catch) => {
                wrap("try ", body, "", text);
                wrap(" catch $t ", catch, " end ", text);
            }
        }
    }
}

fn wrap(before: &str, body: &[Statement], after: &str, text: &mut String) {
    text.push_str(before);
    write(body, text);
    text.push_str(after);
}

/// How a list of statements ended.
enum End {
    Falls,
    /// Through so many labels, and to the next one.
    Branch(u32),
    Throws,
    Returns,
}

/// Executes statements and counts their operators.
struct Model {
    bits: u32,
    turns: u32,
    cost: u64,
}

impl Model {
    fn bit(&mut self) -> bool {
        self.bits = self.bits.wrapping_mul(747_796_405);
        self.cost += BIT_COST;
        self.bits >> 31 == 1
    }

    fn run(&mut self, statements: &[Statement]) -> End {
        for statement in statements {
            match self.step(statement) {
                End::Falls => (),
                end => return end,
            }
        }
        End::Falls
    }

    /// The end of a frame whose body ended so.
    fn leave(end: End) -> End {
        match end {
            End::Branch(0) => End::Falls,
            End::Branch(depth) => End::Branch(depth - 1),
            end => end,
        }
    }

    fn step(&mut self, statement: &Statement) -> End {
        match statement {
            Statement::Work(count) => self.cost += u64::from(*count),
            Statement::Block(body) => return Model::leave(self.run(body)),
            Statement::Loop(body) => loop {
                self.cost += TURN_COST;
                self.turns -= 1;
                if self.turns == 0 {
                    return End::Returns;
                }
                match self.run(body) {
                    End::Branch(0) => (),
                    end => return Model::leave(end),
                }
            },
            Statement::If(then, otherwise) => {
                let is_true = self.bit();
                self.cost += 1;
                let arm = if is_true { Some(then) } else { otherwise.as_ref() };
                return arm.map_or(End::Falls, |arm| Model::leave(self.run(arm)));
            }
            Statement::Br(depth) => {
                self.cost += 1;
                return End::Branch(*depth);
            }
            Statement::BrIf(depth) => {
                let is_true = self.bit();
                self.cost += 1;
                if is_true {
                    return End::Branch(*depth);
                }
            }
            Statement::BrTable(depths) => {
                let index = usize::from(self.bit());
                self.cost += 1;
                return End::Branch(depths[index.min(depths.len() - 1)]);
            }
            Statement::Return => {
                self.cost += 2;
                return End::Returns;
            }
            Statement::Throw => {
                self.cost += 1;
                return End::Throws;
            }
            Statement::Try(body) => {
                // A branch to the `try_table` or to the block around it goes on behind both.
                return match Model::leave(self.run(body)) {
                    End::Throws => End::Falls,
                    end => Model::leave(end),
                };
            }
            Statement::LegacyTry(body, catch) => {
                let end = match self.run(body) {
                    End::Throws => self.run(catch),
                    end => end,
                };
                return Model::leave(end);
            }
        }
        End::Falls
    }
}

/// A run that ends well burns an operator each of what it executed, wherever the blocks paid for it.
#[test]
fn generated_programs_burn_what_they_execute() {
    let modes: Vec<_> = modes().into_iter().map(|(name, config)| (name, engine(&config))).collect();
    let (mut runs, mut turns_in_all) = (0, 0);
    for seed in 0..400 {
        let mut random = Random(seed);
        let body = statements(&mut random, 0, 0);
        let mut code = String::new();
        write(&body, &mut code);
        let text = format!(
            r#"(module (tag $t) (func (export "run") (param $bits i32) (result i32) (local $turns i32)
                (local.set $turns (i32.const 300))
                (block $body {code}) (i32.const 7)))"#
        );
        let arguments: Vec<i32> = (0..12).map(|_| random.next() as i32 | 1).collect();
        for (mode, engine) in &modes {
            let module = Module::new(engine, &text).unwrap();
            let mut store = Store::new(engine, ());
            let instance = Instance::new(&mut store, &module, &[]).unwrap();
            let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
            for argument in &arguments {
                let mut model = Model { bits: *argument as u32, turns: 300, cost: 2 };
                // A branch to the outermost label, a return, and the end of turns differ in what follows the block.
                let is_return = matches!(model.run(&body), End::Returns) && model.turns > 0;
                model.cost += u64::from(!is_return);
                store.set_fuel(1 << 30).unwrap();
                let result = run.call(&mut store, *argument);
                assert!(result.is_ok(), "{mode}, seed {seed}: {result:?}\n{text}");
                let burnt = (1 << 30) - store.get_fuel().unwrap();
                assert_eq!(burnt, model.cost, "{mode}, seed {seed}, {argument}\n{text}");
                (runs, turns_in_all) = (runs + 1, turns_in_all + 300 - model.turns);
            }
        }
    }
    println!("{runs} runs, {turns_in_all} turns of loops");
    assert!(runs >= 400 * 12 * 4 && turns_in_all > 100_000, "{runs}, {turns_in_all}");
}

#[test]
fn hosts_give_fuel_while_a_guest_runs() {
    let engine = engine(&Config::new());
    let mut linker: Linker<u64> = Linker::new(&engine);
    linker
        .func_wrap("host", "refuel", |mut caller: Caller<'_, u64>| -> Result<()> {
            *caller.data_mut() += 1;
            let left = caller.get_fuel()?;
            caller.set_fuel(left + 100)
        })
        .unwrap();
    let text = r#"(module (import "host" "refuel" (func $refuel))
        (func (export "run") (param i32) (result i32)
          (loop $l (call $refuel) (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
          (i32.const 3)))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, 0);
    store.set_fuel(100).unwrap();
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<i32, i32>(&mut store, "run").unwrap();
    assert_eq!(run.call(&mut store, 50).unwrap(), 3);
    assert_eq!((*store.data(), store.get_fuel().unwrap()), (50, 100 + 50 * 100 - 50 * 6 - 1));
}

#[test]
fn without_the_option_there_is_none() {
    let mut store = Store::new(&Engine::default(), ());
    for error in [store.set_fuel(1).unwrap_err(), store.get_fuel().unwrap_err()] {
        assert_eq!(error.to_string(), "the engine counts no fuel: it has to be made with `Config::consume_fuel(true)`");
    }
    let engine = engine(&Config::new());
    let mut store = Store::new(&engine, ());
    assert_eq!(store.get_fuel().unwrap(), 0);
    // A store that was given none says so, and one that has used it up does not.
    let module = Module::new(&engine, "(module (func (export \"run\") (loop (br 0))))").unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), ()>(&mut store, "run").unwrap();
    let never = run.call(&mut store, ()).unwrap_err().to_string();
    assert!(never.ends_with(" (the store was given none: see `Store::set_fuel`)"), "{never}");
    store.set_fuel(10).unwrap();
    let used_up = run.call(&mut store, ()).unwrap_err();
    assert_eq!((used_up.trap().unwrap().kind(), used_up.trap().unwrap().detail()), (TrapKind::OutOfFuel, None));
    store.set_fuel(u64::MAX).unwrap();
    assert_eq!(store.get_fuel().unwrap(), i64::MAX as u64);
}
