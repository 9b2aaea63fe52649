//! What functions refuse: references that are not theirs, types that do not fit.

use crate::program::{FUNCTIONS, Program, TYPES, linker};
use heapwood::surfaces::teavm;
use heapwood::wasi::WasiCtx;
use heapwood::{Config, Engine, ErrorKind, ExternRef, Module, Rooted, Val};

/// What is null, or of another host, where a function needs something of its own ends the program and names the
/// function.
#[test]
fn functions_refuse_what_is_nothing_of_theirs() {
    let mut program = Program::new(WasiCtx::builder());
    let foreign: Rooted<ExternRef> = ExternRef::new(&mut program.store, "something else").unwrap();
    let [object, string] = ["object", "string"].map(|name| program.call(name, &[Val::I32(1)]).unwrap());
    let [weak, entry, queue] = ["weak", "entry", "queue"].map(|name| program.call(name, &[]).unwrap());
    let of_object = program.call("teavm.createWeakRef", &[object, weak, queue]).unwrap();
    let of_string = program.call("teavm.createStringWeakRef", &[string, entry]).unwrap();
    let null = Val::AnyRef(None);
    for (name, args) in [
        ("deref", vec![Val::ExternRef(None)]),
        ("deref", vec![foreign.into()]),
        ("deref", vec![of_string]),
        ("stringDeref", vec![Val::ExternRef(None)]),
        ("stringDeref", vec![foreign.into()]),
        ("stringDeref", vec![of_object]),
        ("createWeakRef", vec![null, weak, queue]),
        ("createStringWeakRef", vec![null, entry]),
    ] {
        assert_eq!(program.refused(&format!("teavm.{name}"), &args).function(), format!("teavm::{name}"));
    }
    assert!(program.call("teavm.deref", &[of_object]).is_some_and(|object| !object.is_null()));
    // A function that does not take the object, and more calls than there may be.
    let nothing = program.instance.get_func(&mut program.store, "nothing").unwrap();
    for object in [object, null] {
        assert_eq!(program.i32("teavmAsync.offer", &[object, nothing.into(), Val::from(0.0)]).signum(), 1);
    }
    let crossed = r#"(type $other (struct (field f32))) (type $two (func (param anyref anyref)))
        (import "teavmAsync" "offer" (func $offer (param anyref funcref f64) (result i32)))
        (import "teavm" "createWeakRef" (func $create (param anyref anyref anyref) (result externref)))
        (import "teavm" "deref" (func $deref (param externref) (result (ref null $other))))
        (elem declare func $two $one)
        (func $two (param anyref anyref)) (func $one (param (ref null $other)))
        (func (export "null") (drop (call $offer (ref.null any) (ref.null func) (f64.const 0))))
        (func (export "two") (drop (call $offer (ref.null any) (ref.func $two) (f64.const 0))))
        (func (export "one") (drop (call $offer (struct.new_default $object) (ref.func $one) (f64.const 0))))
        (func (export "many") (loop (drop (call $offer (ref.null any) (ref.func $one) (f64.const 0))) (br 0)))
        (func (export "i31") (drop (call $create (ref.i31 (i32.const 1)) (ref.null any) (ref.null any))))
        (func (export "type") (drop (call $deref (call $create
            (struct.new_default $object) (ref.null any) (ref.null any)))))"#;
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), crossed);
    for (name, function) in [
        ("null", "teavmAsync::offer"),
        ("two", "teavmAsync::offer"),
        ("one", "teavmAsync::offer"),
        ("many", "teavmAsync::offer"),
        ("i31", "teavm::createWeakRef"),
        ("type", "teavm::deref"),
    ] {
        assert_eq!(program.refused(name, &[]).function(), function, "{name}");
    }
}

#[test]
fn a_wrong_type_or_an_unknown_name_is_a_link_error_that_names_it() {
    let engine = Engine::default();
    let mut linker = linker(&engine);
    teavm::add_heap_offset(&mut linker, &Module::new(&engine, "(module)").unwrap()).unwrap();
    let link = |module: &str, name: &str, ty: &str| {
        let text = format!(r#"(module {TYPES} (import "{module}" "{name}" {ty}))"#);
        let module = Module::new(&engine, text).unwrap();
        match linker.instantiate_pre(&module).unwrap_err().into_kind() {
            ErrorKind::Link(errors) => errors[0].clone(),
            kind => panic!("{kind:?}"),
        }
    };
    for (module, name, _) in FUNCTIONS {
        for ty in ["(func (param f32 v128))", "(global externref)"] {
            let error = link(module, name, ty);
            assert!(error.module == module && error.name == name && error.found.is_some(), "{error}");
        }
    }
    for (module, name, ty) in [
        ("teavm", "deref", "(func (param externref) (result (ref $object)))"),
        ("teavm", "createWeakRef", "(func (param (ref $object) (ref $weak)) (result externref))"),
        ("teavm", "createWeakRef", "(func (param (ref $object) (ref $weak) funcref) (result externref))"),
        ("teavmAsync", "offer", "(func (param (ref $object) (ref $object) f64) (result i32))"),
        ("teavmMemory", "heapOffset", "(global (mut i32))"),
        ("teavmMemory", "heapOffset", "(global i64)"),
        ("teavmMemory", "maxSize", "(global (mut i32))"),
        ("teavmMemory", "maxSize", "(func)"),
        ("env", "memory", "(memory i64 1)"),
        ("env", "memory", "(table 1 funcref)"),
    ] {
        let error = link(module, name, ty);
        assert!(error.name == name && error.found.is_some(), "{error}");
    }
    for module in ["teavm", "teavmAsync", "teavmConsole", "teavmDate", "teavmMath", "teavmMemory", "env"] {
        let error = link(module, "noSuchThing", "(func)");
        assert!(error.module == module && error.name == "noSuchThing" && error.found.is_none(), "{error}");
    }
    let jso = Module::new(&engine, r#"(module (import "teavmJso" "createClass" (func)))"#).unwrap();
    let error = linker.instantiate_pre(&jso).unwrap_err().to_string();
    assert!(error.contains("leave it off the class path"), "{error}");
}
