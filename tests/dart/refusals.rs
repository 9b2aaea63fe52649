//! What functions refuse: references that are not theirs, types that do not fit, modules that begin otherwise.

use crate::functions::FUNCTIONS;
use crate::program::{Host, Program, context};
use heapwood::surfaces::HostTrap;
use heapwood::surfaces::dart;
use heapwood::wasi::WasiCtx;
use heapwood::{
    Config, Engine, ErrorKind, ExternRef, FieldType, Linker, Module, Mutability, Rooted, StorageType, StructRef,
    StructType, Val, ValType,
};

/// A reference that is null, or to something else, ends the program and names the function.
#[test]
fn functions_refuse_what_is_not_theirs() {
    let mut program = Program::of_all(WasiCtx::builder());
    let foreign: Rooted<ExternRef> = ExternRef::new(&mut program.store, "something else").unwrap();
    let text = program.text("text");
    let object: Val = program.array(StorageType::I8, &[1]).into();
    let units: Val = program.array(StorageType::I16, &[1]).into();
    let (tick, mut count) = (program.func("tick"), 0);
    for (name, params, result) in FUNCTIONS.iter().filter(|(_, params, _)| params.contains('e')) {
        let places = params.char_indices().filter(|(_, letter)| *letter == 'e').map(|(place, _)| place);
        for place in places {
            for reference in [Val::ExternRef(None), foreign.into(), object_as_extern(object)] {
                let arg = |(at, letter): (usize, char)| match letter {
                    'i' => Val::I32(0),
                    'l' => Val::I64(0),
                    'e' if at == place => reference,
                    'e' => text,
                    'c' => tick,
                    'w' => units,
                    _ => object,
                };
                let args: Vec<_> = params.chars().enumerate().map(arg).collect();
                let called = program.try_call(name, &args);
                count += 1;
                if ["regexpIsRegexp", "debugger", "reportTaskEvent"].contains(name) {
                    assert!(called.is_ok_and(|given| given.is_none_or(|given| given.i32() == Some(0))), "{name}");
                    continue;
                }
                let error = called.unwrap_err();
                let trap = error.downcast_ref::<HostTrap>().unwrap_or_else(|| panic!("{name} {result}: {error}"));
                assert_eq!(trap.function(), format!("dart::{name}"));
            }
        }
    }
    assert_eq!(count, 3 * 58);
}

/// Objects that a program makes for itself of the types that string buffers and finalizers have, and arrays of other
/// elements where a module does not say which: traps as well.
#[test]
fn objects_of_the_programs_own_are_no_objects_of_the_surface() {
    let mut program = Program::of_all(WasiCtx::builder());
    let engine = program.store.engine().clone();
    let field = |mutability, ty| FieldType::new(mutability, StorageType::ValType(ty));
    let (var, fixed) = (Mutability::Var, Mutability::Const);
    let buffer = StructType::new(&engine, [field(var, ValType::ANYREF), field(var, ValType::I32)]);
    let finalizer = [field(fixed, ValType::EXTERNREF), field(fixed, ValType::ANYREF), field(var, ValType::ANYREF)];
    let finalizer = StructType::new(&engine, finalizer);
    let (bytes, units) = (program.array(StorageType::I8, &[1]), program.array(StorageType::I16, &[1]));
    let text = program.text("text");
    let object: Val = bytes.into();
    let mut count = 0;
    for (array, len) in
        [(Val::AnyRef(None), 0), (object, 1), (units.into(), 2), (units.into(), -1), (text_as_any(text), 1)]
    {
        let forged = StructRef::new(&mut program.store, &buffer, &[array, Val::I32(len)]).unwrap();
        let forged: Val = forged.to_anyref().to_extern().into();
        for (name, args) in [
            ("stringBufferWriteString", vec![forged, text]),
            ("stringBufferWriteCharCode", vec![forged, Val::I32(65)]),
            ("stringBufferLength", vec![forged]),
            ("stringBufferToString", vec![forged]),
        ] {
            let error = program.try_call(name, &args).unwrap_err();
            assert!(error.downcast_ref::<HostTrap>().is_some(), "{name}: {error}");
            count += 1;
        }
    }
    for places in [Val::ExternRef(None), text] {
        let forged = StructRef::new(&mut program.store, &finalizer, &[places, object, object]).unwrap();
        let forged: Val = forged.to_anyref().to_extern().into();
        for (name, args) in
            [("finalizerAttach", vec![forged, object, object, object]), ("finalizerDetach", vec![forged, object])]
        {
            let error = program.try_call(name, &args).unwrap_err();
            assert!(error.downcast_ref::<HostTrap>().is_some(), "{name}: {error}");
            count += 1;
        }
    }
    assert_eq!(count, 24);
    let linker = linker(&engine);
    for (name, params, args) in [
        (
            "stringFromCharCodeArray",
            "arrayref i32 i32",
            "(array.new_default $i8 (i32.const 4)) (i32.const 0) (i32.const 1)",
        ),
        (
            "stringFromAsciiBytes",
            "anyref i32 i32",
            "(array.new_default $i16 (i32.const 4)) (i32.const 0) (i32.const 1)",
        ),
        ("stringFromAsciiBytes", "anyref i32 i32", "(ref.i31 (i32.const 4)) (i32.const 0) (i32.const 1)"),
        (
            "stringToCodeUnits",
            "externref (ref null $fixed) i32",
            "(call $i64ToString (i64.const 1) (i32.const 10)) (array.new_default $fixed (i32.const 4)) (i32.const 0)",
        ),
    ] {
        let result = if name == "stringToCodeUnits" { "" } else { "(result externref)" };
        let used = if result.is_empty() { format!("(call $f {args})") } else { format!("(drop (call $f {args}))") };
        let text = format!(
            r#"(module (type $i8 (array (mut i8))) (type $i16 (array (mut i16))) (type $fixed (array i16))
                (import "dart" "{name}" (func $f (param {params}) {result}))
                (import "dart" "i64ToString" (func $i64ToString (param i64 i32) (result (ref extern))))
                (func (export "call") {used}))"#
        );
        let instance = linker.instantiate(&mut program.store, &Module::new(&engine, text).unwrap()).unwrap();
        let call = instance.get_typed_func::<(), ()>(&mut program.store, "call").unwrap();
        let error = call.call(&mut program.store, ()).unwrap_err();
        let trap = error.downcast_ref::<HostTrap>().unwrap_or_else(|| panic!("{name}: {error}"));
        assert_eq!(trap.function(), format!("dart::{name}"));
    }
}

fn text_as_any(text: Val) -> Val {
    match text {
        Val::ExternRef(Some(text)) => text.to_any().into(),
        other => panic!("{other:?}"),
    }
}

fn object_as_extern(object: Val) -> Val {
    match object {
        Val::AnyRef(Some(object)) => object.to_extern().into(),
        other => panic!("{other:?}"),
    }
}

fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    dart::add_to_linker(&mut linker, context).unwrap();
    linker
}

#[test]
fn a_wrong_type_or_an_unknown_name_is_a_link_error_that_names_it() {
    let engine = Engine::default();
    let linker = linker(&engine);
    let link = |name: &str, import: &str| {
        let module = Module::new(&engine, format!(r#"(module (import "dart" "{name}" {import}))"#)).unwrap();
        match linker.instantiate_pre(&module).unwrap_err().into_kind() {
            ErrorKind::Link(errors) => errors[0].clone(),
            kind => panic!("{kind:?}"),
        }
    };
    for (name, ..) in FUNCTIONS {
        for ty in ["(param f32 v128)", "(result i32 i32)"] {
            let error = link(name, &format!("(func {ty})"));
            assert!(error.name == name && error.found.is_some(), "{error}");
        }
    }
    // An array of other elements, a number in place of a reference, a result too many.
    for (name, ty) in [
        ("stringToCodeUnits", "(param externref (ref (array (mut i8))) i32)"),
        ("stringLength", "(param i32) (result i32)"),
        ("stringLength", "(param funcref) (result i32)"),
        ("print", "(param externref) (result i32)"),
        ("scheduleOnce", "(param i32 funcref anyref) (result externref)"),
    ] {
        let ty = ty.replace("(ref (array (mut i8)))", "(ref 0)");
        let module = format!(r#"(module (type (array (mut i8))) (import "dart" "{name}" (func {ty})))"#);
        let error = linker.instantiate_pre(&Module::new(&engine, module).unwrap()).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for import in ["(func)", "(global externref)", "(global (mut externref))"] {
        let error = link("noSuchThing", import);
        assert!(error.name == "noSuchThing" && error.found.is_none(), "{error}");
    }
    assert!(link("print", "(global (mut externref))").found.is_none());
}

/// Compilers declare narrower types where they can, and wider ones where they do not care.
#[test]
fn functions_have_the_types_that_a_module_declares() {
    let engine = Engine::default();
    let linker = linker(&engine);
    for (name, ty) in [
        ("stringConcat", "(param externref (ref extern)) (result (ref extern))"),
        ("stringConcat", "(param (ref extern) (ref extern)) (result externref)"),
        ("expandoSet", "(param externref (ref $object) i64 (ref null $object))"),
        ("weakRefCreate", "(param (ref eq)) (result externref)"),
        ("finalizerCreate", "(param (ref $two) (ref $object)) (result (ref extern))"),
        ("scheduleOnce", "(param i64 funcref (ref struct)) (result externref)"),
        ("stringFromCharCodeArray", "(param (ref null $units) i32 i32) (result externref)"),
        ("stringFromCharCodeArray", "(param arrayref i32 i32) (result externref)"),
        ("inspect", "(param eqref)"),
    ] {
        let text = format!(
            r#"(module (type $object (sub (struct (field i32)))) (type $two (func (param (ref any) anyref)))
                (type $units (array i16)) (import "dart" "{name}" (func {ty})))"#
        );
        let linked = linker.instantiate_pre(&Module::new(&engine, text).unwrap());
        assert!(linked.is_ok(), "{name} {ty}: {}", linked.unwrap_err());
    }
}

#[test]
fn what_does_not_begin_as_dart_does_is_an_error() {
    for (text, says) in [
        ("(module)", "no exported function `$invokeMain`"),
        (r#"(module (func (export "$invokeMain")))"#, "takes no array of arguments"),
        (r#"(module (func (export "$invokeMain") (param i32)))"#, "takes no array of arguments"),
        (r#"(module (type $a (array i32)) (func (export "$invokeMain") (param (ref $a))))"#, "type mismatch"),
    ] {
        let mut program = Program::load(&Config::new(), WasiCtx::builder().args(["app", "one"]), text);
        let error = program.run().unwrap_err();
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
}
