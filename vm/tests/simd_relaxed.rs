//! Relaxed vector instructions behave as in the specification's deterministic profile: where the scripts accept
//! several results, this is the one.

use heapwood_vm::*;

/// Expression, expected vector.
const CASES: [(&str, &str); 13] = [
    // Selectors of 16 and more are zero, also those whose top bit is clear.
    (
        "i8x16.relaxed_swizzle (v128.const i8x16 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
            (v128.const i8x16 15 16 31 127 128 255 0 1 2 3 4 5 6 7 8 9)",
        "i8x16 16 0 0 0 0 0 1 2 3 4 5 6 7 8 9 10",
    ),
    // Saturating, NaN is 0.
    ("i32x4.relaxed_trunc_f32x4_s (v128.const f32x4 nan 3e9 -3e9 -1.5)", "i32x4 0 0x7fffffff 0x80000000 -1"),
    ("i32x4.relaxed_trunc_f32x4_u (v128.const f32x4 nan 5e9 -1 3e9)", "i32x4 0 0xffffffff 0 3000000000"),
    ("i32x4.relaxed_trunc_f64x2_s_zero (v128.const f64x2 nan 3e9)", "i32x4 0 0x7fffffff 0 0"),
    ("i32x4.relaxed_trunc_f64x2_u_zero (v128.const f64x2 -1 5e9)", "i32x4 0 0xffffffff 0 0"),
    // Two roundings: the product overflows.
    (
        "f32x4.relaxed_madd (v128.const f32x4 0x1.fffffep+127 2 3 4) (v128.const f32x4 2 3 4 5)
            (v128.const f32x4 -0x1.fffffep+127 1 1 1)",
        "f32x4 inf 7 13 21",
    ),
    (
        "f64x2.relaxed_nmadd (v128.const f64x2 0x1.fffffffffffffp+1023 3) (v128.const f64x2 2 4)
            (v128.const f64x2 0x1.fffffffffffffp+1023 1)",
        "f64x2 -inf -11",
    ),
    // Every bit of the mask counts.
    (
        "i32x4.relaxed_laneselect (v128.const i32x4 -1 -1 -1 -1) (v128.const i32x4 0 0 0 0)
            (v128.const i32x4 0x80000000 1 0x7fffffff 0)",
        "i32x4 0x80000000 1 0x7fffffff 0",
    ),
    ("f32x4.relaxed_min (v128.const f32x4 0 -0 1 2) (v128.const f32x4 -0 0 2 1)", "f32x4 -0 -0 1 1"),
    ("f64x2.relaxed_max (v128.const f64x2 -0 3) (v128.const f64x2 0 4)", "f64x2 0 4"),
    (
        "i16x8.relaxed_q15mulr_s (v128.const i16x8 -32768 -32768 1 0 0 0 0 16384)
            (v128.const i16x8 -32768 32767 1 0 0 0 0 16384)",
        "i16x8 32767 -32767 0 0 0 0 0 8192",
    ),
    // Both operands are signed, sums of 16 bits wrap.
    (
        "i16x8.relaxed_dot_i8x16_i7x16_s (v128.const i8x16 -128 -128 -128 127 1 2 3 4 0 0 0 0 0 0 0 0)
            (v128.const i8x16 -128 -128 -1 -127 5 6 -7 8 0 0 0 0 0 0 0 0)",
        "i16x8 -32768 -16001 17 11 0 0 0 0",
    ),
    (
        "i32x4.relaxed_dot_i8x16_i7x16_add_s (v128.const i8x16 -128 -128 -128 -128 1 2 3 4 0 0 0 0 0 0 0 0)
            (v128.const i8x16 -128 -128 -127 -127 5 6 -7 8 0 0 0 0 0 0 0 0) (v128.const i32x4 1 2 3 4)",
        "i32x4 -255 30 3 4",
    ),
];

#[test]
fn relaxed_instructions_have_one_meaning() {
    let functions = CASES.map(|(expression, expected)| {
        let name = expression.split('\n').next().expect("a line");
        format!(
            "(func (export \"{name}\") (result i32)
               (i8x16.all_true (i8x16.eq ({expression}) (v128.const {expected}))))"
        )
    });
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(format!("(module {})", functions.concat())).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    for (expression, expected) in CASES {
        let name = expression.split('\n').next().expect("a line");
        let func = instance.get_typed_func::<(), i32>(&mut store, name).unwrap();
        assert_eq!(func.call(&mut store, ()).unwrap(), 1, "{name} is not {expected}");
    }
}

#[test]
fn relaxed_minimum_of_a_nan_is_a_nan() {
    let text = r#"(module (func (export "f") (result i32) (local $v v128)
        (local.set $v (f32x4.relaxed_min (v128.const f32x4 nan 1 nan 1) (v128.const f32x4 1 nan nan 1)))
        (i32x4.bitmask (f32x4.ne (local.get $v) (local.get $v)))))"#;
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let func = instance.get_typed_func::<(), i32>(&mut store, "f").unwrap();
    assert_eq!(func.call(&mut store, ()).unwrap(), 0b0111);
}
