//! Values that instructions pass count against the budget: exactly so many for each instruction that names a type, a
//! label or a count, in code that is reached and in code that is not.

use heapwood_jit::{Budget, Callees, CompileEnv, CompileError, CompileOptions, Inline, Scratch, compile_function};
use heapwood_module::{ContextLayout, Features, decode};

/// Instructions, and how many values they pass together. The function's own label takes three.
const ROWS: [(&str, u64); 33] = [
    ("i32.add drop", 0),
    ("block end", 0),
    ("block (result i32) unreachable end", 1),
    ("block (type $same) unreachable end", 6),
    ("loop (type $same) unreachable end", 6),
    ("if (type $same) unreachable else unreachable end", 6),
    ("try_table (type $same) unreachable end", 6),
    ("block $l (type $give) try_table (catch $t $l) end unreachable end", 6),
    ("block $l (type $give) try_table (catch $t $l) (catch $t $l) end unreachable end", 9),
    ("try (type $same) unreachable end", 6),
    ("try (type $same) unreachable catch $t unreachable end", 9),
    ("try (type $same) unreachable catch_all unreachable end", 6),
    ("call $same", 6),
    ("call_indirect (type $same)", 6),
    ("call_ref $same", 6),
    ("return_call $same", 6),
    ("return_call_indirect (type $same)", 6),
    ("return_call_ref $same", 6),
    ("return", 3),
    ("block unreachable return end", 3),
    ("br 0", 3),
    ("block unreachable br 1 end", 3),
    ("block $l (type $give) unreachable br_if $l unreachable end", 6),
    ("loop $l (type $take) br $l end", 6),
    ("loop $l (type $give) br $l end", 3),
    ("br_table 0 0 0", 9),
    ("block $l unreachable br_table $l $l $l end", 0),
    ("br_on_null 0", 3),
    ("block $l (result i32 anyref) unreachable br_on_non_null $l unreachable end", 4),
    ("block $l (result i32 anyref) unreachable br_on_cast $l anyref i31ref unreachable end", 4),
    ("block $l (result i32 anyref) unreachable br_on_cast_fail $l anyref i31ref unreachable end", 4),
    ("throw $t", 3),
    ("struct.new $struct", 4),
];

fn compile(code: &str, values_max: u64) -> Result<(), CompileError> {
    let text = format!(
        "(module
            (type $same (func (param i32 i64 f32) (result i32 i64 f32)))
            (type $give (func (result i32 i64 f32))) (type $take (func (param i32 i64 f32)))
            (type $struct (struct (field i32) (field i64) (field f32) (field anyref))) (type $array (array i32))
            (tag $t (type $take)) (table 1 funcref)
            (func $same (type $same) local.get 0 local.get 1 local.get 2)
            (func (type $give) unreachable {code} unreachable))"
    );
    let bytes = wat::parse_str(&text).unwrap_or_else(|error| panic!("{code}: {error}"));
    let decoded = decode(bytes.clone().into(), Features::all()).unwrap_or_else(|error| panic!("{code}: {error}"));
    let context = ContextLayout::new(&decoded.info);
    let compile = |inline: Inline| {
        let decoded = decode(bytes.clone().into(), Features::all()).expect("decoded before");
        let budget = Budget::new(u64::MAX, u64::MAX, values_max);
        let options = CompileOptions { inline, ..CompileOptions::default() };
        let callees = Callees::new(&decoded.validators, inline, options.fuel);
        let callees = (inline != Inline::Never).then_some(&callees);
        let env = CompileEnv { options, callees, ..CompileEnv::new(&decoded.info, &context, &budget) };
        let mut scratch = Scratch::default();
        for (index, job) in (0..).zip(decoded.validators) {
            compile_function(&env, index, job, &mut scratch)?;
        }
        Ok(())
    };
    // What was looked at to be inlined counts like the rest.
    let result = compile(Inline::Never);
    assert_eq!(compile(Inline::Always), result, "{code}");
    result
}

#[test]
fn each_instruction_passes_as_many_values_as_it_says() {
    let fixed = (0..4).map(|count| (format!("array.new_fixed $array {count}"), count));
    let rows = ROWS.iter().map(|(code, values)| ((*code).to_owned(), *values)).chain(fixed);
    let mut cases = 0;
    for (code, values) in rows {
        for times in [1, 3, 100] {
            let (code, values) = (format!("{code} unreachable ").repeat(times), values * times as u64);
            assert_eq!(compile(&code, values), Ok(()), "{code}");
            if let Some(less) = values.checked_sub(1) {
                let refused = compile(&code, less);
                assert!(matches!(refused, Err(CompileError::Values(most)) if most.max == less), "{code}: {refused:?}");
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 37 * 3);
}
