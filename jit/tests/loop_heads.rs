//! What is said of heads of loops: all that is alive there, as long as that takes little; and the code is the same.

use heapwood_jit::abi::{CompiledFunction, HeadPlace, LoopHead, ValueKind};
use heapwood_jit::{Budget, CompileEnv, CompileOptions, Scratch, compile_function};
use heapwood_module::{ContextLayout, Features, decode};

/// The function of a module with this one, and the bytes of its body.
fn compile(function: &str, loop_heads: bool) -> (CompiledFunction, usize) {
    let bytes = wat::parse_str(format!("(module (memory 1) {function})")).expect("a module");
    let decoded = decode(bytes.into(), Features::all()).expect("it is valid");
    let context = ContextLayout::new(&decoded.info);
    let budget = Budget::default();
    let options = CompileOptions { loop_heads, ..CompileOptions::default() };
    let env = CompileEnv { options, ..CompileEnv::new(&decoded.info, &context, &budget) };
    let job = decoded.validators.into_iter().next().expect("a function");
    let compiled = compile_function(&env, 0, job, &mut Scratch::default()).expect("it is compiled");
    (compiled, decoded.info.bodies[0].len())
}

#[test]
fn a_head_lists_locals_and_then_operands() {
    let function = "(func (param i32 (ref null any) v128) (result i32)
        i32.const -2 v128.const i64x2 1 2 local.get 1
        i64.const 7 loop (param i64) drop end
        drop drop i32.const 4 i32.load i32.add)";
    let [with, without] = [true, false].map(|loop_heads| compile(function, loop_heads).0);
    assert_eq!((&with.code, without.loop_heads.len()), (&without.code, 0));
    let [head] = &with.loop_heads[..] else { panic!("one loop: {:?}", with.loop_heads) };
    let kinds: Vec<_> = head.values.iter().map(|value| value.kind).collect();
    use ValueKind::{Narrow, Reference, Vector, Wide};
    assert_eq!(kinds, [Narrow, Reference, Vector, Narrow, Vector, Reference, Wide]);
    let constants = [3, 4].map(|at: usize| head.values[at].place);
    let vector = 1 | 2 << 64;
    assert_eq!(constants, [0xffff_fffe, vector].map(|bits: u128| HeadPlace::Const(bits.to_le_bytes())));
    assert!(matches!(head.values[6].place, HeadPlace::Frame(_)), "what a loop takes may be another number next time");
    assert_eq!(head.bases.len(), 1);
    assert!(with.safe_points.iter().any(|point| point.pc == head.pc), "the poll is a safe point");
}

/// However many locals a function has at each of its loops, or however many loops with few of them.
#[test]
fn heads_take_no_more_than_they_may() {
    let cases = [(50_000, 3_000), (300, 3_000), (0, 30_000), (300, 1), (300, 2), (1000, 1)];
    let listed = cases.map(|(locals, loops)| {
        let body = "loop i32.const 0 i32.load br_if 0 end ".repeat(loops);
        let function = format!("(func (local{}) {body})", " i64".repeat(locals));
        let (compiled, body_bytes) = compile(&function, true);
        let (heads, bytes_max) = (compiled.loop_heads.len(), LoopHead::all_bytes_max(body_bytes));
        let one = LoopHead::bytes_with(locals, 1);
        assert!(compiled.loop_heads.iter().all(|head| head.bytes() == one), "{locals} locals");
        assert_eq!(heads, loops.min(bytes_max / one), "{locals} locals at {loops} loops");
        heads
    });
    assert!(listed[0] == 0 && listed[1] > 10 && listed[2] > 1000, "{listed:?}");
    assert_eq!(listed[3..], [1, 1, 0]);
    assert_eq!(LoopHead::all_bytes_max(7 << 20), 512 << 10);
}
