//! Bodies behind guards: whatever budget of memory a function has, it is compiled, or refused with an error. What one
//! guard lets pass is compiled as a body in an arm; where the compiler stops there, nothing of the constructs around it
//! is over.

use heapwood_jit::{
    Budget, Callees, CompileEnv, CompileError, CompileOptions, Inline, Scratch, Targets, compile_function,
};
use heapwood_module::{ContextLayout, Features, decode};

/// The function that is compiled calls four others by a reference, twice; each has more operators than the compiler
/// goes through before it counts its memory again.
const OPERATORS: usize = 80;

fn module() -> Vec<u8> {
    let add = "(local.set 0 (i32.add (local.get 0) (local.get 1)))".repeat(OPERATORS / 4);
    let callees = format!("(func (type $f) {add} (local.get 0))").repeat(4);
    let text = format!(
        "(module (type $f (func (param i32 i32) (result i32))) (elem declare func 0 1 2 3) {callees}
           (func (export \"run\") (param i32 (ref null $f)) (result i32)
             (call_ref $f (local.get 0) (call_ref $f (local.get 0) (i32.const 1) (local.get 1)) (local.get 1))))"
    );
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The function with guards, with so many bytes of memory; its code's length.
fn compile(bytes: &[u8], memory: u64) -> Result<usize, CompileError> {
    let decoded = decode(bytes.into(), Features::all()).expect("valid");
    let context = ContextLayout::new(&decoded.info);
    let options = CompileOptions { inline: Inline::Hot, ..CompileOptions::default() };
    let callees = Callees::new(&decoded.validators, Inline::Hot, false);
    let mut targets = Targets::default();
    for op in [4, 6] {
        targets.set(4, op, [0, 1, 2, 3]);
    }
    let budget = Budget::new(memory, u64::MAX, u64::MAX);
    let (info, callees, targets) = (&decoded.info, Some(&callees), Some(&targets));
    let env = CompileEnv { info, context: &context, options, callees, targets, budget: &budget };
    let job = callees.map(|callees| callees.job(info, 4)).expect("there are callees");
    Ok(compile_function(&env, 4, job, &mut Scratch::default())?.code.len())
}

#[test]
fn a_budget_that_ends_anywhere_is_an_error() {
    let bytes = module();
    let ample = compile(&bytes, u64::MAX).expect("no limit");
    assert!(ample > 4 * OPERATORS, "{ample} bytes: the functions are inlined");
    let (mut refused, mut compiled) = (0, 0);
    for memory in (0..60_000).step_by(16) {
        match compile(&bytes, memory) {
            Ok(_) => compiled += 1,
            Err(CompileError::Budget(_)) => refused += 1,
            Err(error) => panic!("{memory} bytes: {error}"),
        }
    }
    println!("{refused} budgets are too small, {compiled} are not");
    assert!(refused > 100 && compiled > 100, "{refused} refused, {compiled} compiled");
}
