//! What decoding finds in a module.

use heapwood_module::{
    ConstExpr, ConstOp, DecodedModule, ElementItems, ExportIndex, ExternType, Features, HeapType, ModuleInfo, RefType,
    SegmentMode, ValType, decode, explain,
};

fn module(text: &str) -> ModuleInfo {
    decode(wat::parse_str(text).unwrap().into(), Features::default()).unwrap().info
}

fn ops(module: &ModuleInfo, expr: &ConstExpr) -> Vec<ConstOp> {
    expr.ops(module).collect()
}

#[test]
fn index_spaces_begin_with_imports() {
    let info = module(
        r#"(module
            (type $f (func (param i32) (result i64)))
            (import "env" "f" (func (type $f)))
            (import "env" "memory" (memory 1 2))
            (import "env" "table" (table 3 externref))
            (import "env" "global" (global (mut i64)))
            (import "env" "tag" (tag (type $t)))
            (type $t (func (param f64)))
            (func (type $t)) (func (type $f) unreachable)
            (memory 5) (table 7 funcref) (global f32 (f32.const 1.5)) (tag (type $t))
            (export "defined" (func 2)) (export "memory" (memory 1))
            (start $start) (func $start))"#,
    );
    assert_eq!((&info.functions[..], info.imported_functions), (&[0, 1, 0, 2][..], 1));
    assert_eq!((info.memories[0].max, info.memories[1].min, info.imported_memories), (Some(2), 5, 1));
    assert_eq!((info.tables[0].element.heap, info.tables[1].min, info.imported_tables), (HeapType::Extern, 7, 1));
    assert_eq!((info.globals[0].mutable, info.globals[1].val, info.imported_globals), (true, ValType::F32, 1));
    assert_eq!((&info.tags[..], info.imported_tags), (&[1, 1][..], 1));
    assert_eq!((info.start, info.bodies.len(), info.global_inits.len(), info.table_inits.len()), (Some(3), 3, 1, 1));
    assert_eq!(ops(&info, &info.global_inits[0]), [ConstOp::F32Const(1.5f32.to_bits())]);
    assert_eq!((info.imports.len(), &info.imports[0].name[..]), (5, "f"));
    assert_eq!(info.imports[4].ty, ExternType::Tag(1));
    assert_eq!(info.export("memory"), Some(ExportIndex::Memory(1)));
    assert_eq!(info.export("nothing"), None);
    assert_eq!(info.escaping, [2]);
    assert_eq!(info.function_type(0).results[..], [ValType::I64]);
    assert_eq!(info.tag_type(0).params[..], [ValType::F64]);
}

#[test]
fn functions_escape_wherever_a_reference_to_them_is_made_outside_of_bodies() {
    let info = module(
        r#"(module
            (func $none) (func $export (export "e")) (func $global) (func $table) (func $active) (func $passive)
            (func $declared) (func $start)
            (start $start)
            (global funcref (ref.func $global))
            (table 1 funcref (ref.func $table))
            (elem (i32.const 0) func $active) (elem funcref (ref.func $passive)) (elem declare func $declared)
            (func (drop (ref.func $declared)) (call $none)))"#,
    );
    assert_eq!(info.escaping, [1, 2, 3, 4, 5, 6]);
}

#[test]
fn constant_expressions() {
    let info = module(
        r#"(module
            (import "m" "base" (global $base i32))
            (rec (type $s (struct (field i32) (field (ref null $a)))) (type $a (array (mut i64))))
            (global i64 (i64.sub (i64.mul (i64.const 3) (i64.const -4)) (i64.const 1)))
            (global v128 (v128.const i64x2 1 2))
            (global (ref $s) (struct.new $s (i32.add (global.get $base) (i32.const 1))
                                            (array.new_fixed $a 2 (i64.const 5) (i64.const 6))))
            (global (ref $s) (struct.new_default $s))
            (global (ref $a) (array.new $a (i64.const 7) (i32.const 8)))
            (global anyref (any.convert_extern (extern.convert_any (ref.i31 (i32.const 9)))))
            (global f64 (f64.const nan:0x4000000000001)))"#,
    );
    use ConstOp::*;
    let expected: [&[ConstOp]; 7] = [
        &[I64Const(3), I64Const(-4), I64Mul, I64Const(1), I64Sub],
        &[V128Const([1, 2])],
        &[GlobalGet(0), I32Const(1), I32Add, I64Const(5), I64Const(6), ArrayNewFixed(1, 2), StructNew(0)],
        &[StructNewDefault(0)],
        &[I64Const(7), I32Const(8), ArrayNew(1)],
        &[I32Const(9), RefI31, ExternConvertAny, AnyConvertExtern],
        &[F64Const(0x7ff4_0000_0000_0001)],
    ];
    for (init, expected) in info.global_inits.iter().zip(expected) {
        assert_eq!(ops(&info, init), expected);
    }
}

#[test]
fn segments() {
    let info = module(
        r#"(module
            (memory 1) (table 10 funcref) (table $t 10 (ref null func)) (func $f)
            (data "passive") (data (memory 0) (i32.const 16) "active")
            (elem (i32.const 3) $f $f)
            (elem (table $t) (i32.const 4) (ref null func) (ref.func $f) (ref.null func))
            (elem (table $t) (i32.const 5) (ref null func) (ref.func $f)))"#,
    );
    assert_eq!((info.data_bytes(0), info.data_bytes(1)), (&b"passive"[..], &b"active"[..]));
    assert_eq!(info.data[0].mode, SegmentMode::Passive);
    let active = |mode: &SegmentMode| match mode {
        SegmentMode::Active { index, offset } => Some((*index, ops(&info, offset))),
        _ => None,
    };
    let at = |index, offset| Some((index, vec![ConstOp::I32Const(offset)]));
    assert_eq!(active(&info.data[1].mode), at(0, 16));
    assert_eq!(active(&info.elements[0].mode), at(0, 3));
    assert_eq!(info.elements[0].ty, RefType::new(false, HeapType::Func));
    assert_eq!(active(&info.elements[1].mode), at(1, 4));
    assert!(matches!(&info.elements[0].items, ElementItems::Functions(functions) if **functions == [0, 0]));
    let ElementItems::Expressions(items) = &info.elements[1].items else { panic!("{:?}", info.elements[1]) };
    let mut all = items.ops(&info);
    let each: Vec<Vec<ConstOp>> = (0..items.len()).map(|_| all.by_ref().collect()).collect();
    assert_eq!(each, [[ConstOp::RefFunc(0)], [ConstOp::RefNull(HeapType::Func)]]);
    assert!(matches!(&info.elements[2].items, ElementItems::Functions(functions) if **functions == [0]));
    assert_eq!(info.elements[2].ty, RefType::new(true, HeapType::Func));
}

#[test]
fn sections_and_bodies_are_ranges_of_the_binary() {
    let info = module("(module (@custom \"first\" (before first) \"abc\") (func) (func (local i32) nop) (memory 1))");
    let sections: Vec<_> = info.sections.iter().map(|section| (section.id, &section.name[..])).collect();
    assert_eq!(sections, [(0, "first"), (1, "type"), (3, "function"), (5, "memory"), (10, "code")]);
    let custom: Vec<_> = info.custom_sections().collect();
    assert_eq!(&info.bytes[custom[0].range.clone()], b"abc");
    assert_eq!(info.bytes[info.bodies[0].clone()], [0, 0x0b]);
    assert_eq!(info.bytes[info.bodies[1].clone()], [1, 1, 0x7f, 1, 0x0b]);
    let code = &info.sections[4].range;
    assert!(code.start < info.bodies[0].start && code.end == info.bodies[1].end);
}

#[test]
fn errors_have_offsets_and_reasons() {
    let error = |text: &str, features: Features| {
        let module = decode(wat::parse_str(text).unwrap().into(), features);
        module.and_then(|module| module.validate_bodies()).unwrap_err().to_string()
    };
    let default = Features::default();
    assert_eq!(
        error("(module (func i64.const 1 drop i32.const 0))", default),
        "type mismatch: values remaining on stack at end of block (at offset 0x1c)"
    );
    assert_eq!(
        error("(module (export \"a\" (func 0)))", default),
        "unknown function 0: exported function index out of bounds (at offset 0xb)"
    );
    let mut without = default;
    without.apply("simd=n").unwrap();
    let bytes = wat::parse_str("(module (func (local v128)))").unwrap();
    let refused = decode(bytes[..].into(), without).and_then(DecodedModule::validate_bodies).unwrap_err();
    assert_eq!(
        (refused.to_string(), refused.offset),
        ("SIMD support is not enabled (at offset 0x17)".into(), Some(23))
    );
    let explained = explain(&bytes, without, refused);
    assert_eq!(explained.to_string(), "needs simd (switched off): run with -W simd=y");
    assert_eq!(explained.missing.iter().map(|feature| feature.name).collect::<Vec<_>>(), ["simd"]);
    let component = decode(b"\0asm\x0d\0\x01\0"[..].into(), default).unwrap_err();
    assert!(component.to_string().contains("component model"), "{component}");
}

#[test]
fn jobs_may_run_on_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let bytes = wat::parse_str("(module (func) (func))").unwrap();
    let module = decode(bytes.into(), Features::default()).unwrap();
    is_send(&module);
    assert_eq!(module.validators.iter().map(|job| job.validator.index).collect::<Vec<_>>(), [0, 1]);
}
