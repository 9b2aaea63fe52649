//! Every function × {null, a host value, an i31, a struct, an array, strings of all forms} × indices at and beyond the
//! ends.

use crate::common::modes_and_markings;
use crate::model::{self, Arg, FUNCTIONS, Out};
use heapwood_vm::*;
use std::fmt::Write;

/// A guest that passes on each function under its name, and says what else a reference is.
pub fn guest() -> String {
    let mut text = String::from(
        "(module (type $u16 (array (mut i16))) (type $u8 (array (mut i8))) (type $s (struct (field i32)))\n",
    );
    for (module, name, ty) in FUNCTIONS {
        writeln!(text, "(import \"{module}\" \"{name}\" (func ${name} {ty}))").unwrap();
    }
    for (_, name, ty) in FUNCTIONS {
        let params = ty.split("(result").next().expect("parameters");
        let count = params.trim_start_matches("(param").replace("(ref null ", "").split_whitespace().count();
        let args: String = (0..count).map(|index| format!("(local.get {index}) ")).collect();
        writeln!(text, "(func (export \"{name}\") {ty} (call ${name} {args}))").unwrap();
    }
    text += r#"
        (func (export "struct") (result externref) (extern.convert_any (struct.new $s (i32.const 7))))
        (func (export "array") (result externref) (extern.convert_any (array.new_default $u16 (i32.const 3))))
        (func (export "i31") (result externref) (extern.convert_any (ref.i31 (i32.const -1))))
        (func (export "what") (param externref) (result i32) (local $any anyref)
            (local.set $any (any.convert_extern (local.get 0)))
            (i32.or (i32.or (i32.or
                (ref.test (ref any) (local.get $any))
                (i32.shl (ref.test (ref eq) (local.get $any)) (i32.const 1)))
                (i32.or (i32.shl (ref.test (ref i31) (local.get $any)) (i32.const 2))
                (i32.shl (ref.test (ref struct) (local.get $any)) (i32.const 3))))
                (i32.or (i32.shl (ref.test (ref array) (local.get $any)) (i32.const 4))
                (i32.or (i32.shl (ref.test (ref $u16) (local.get $any)) (i32.const 5))
                (i32.shl (ref.test (ref $s) (local.get $any)) (i32.const 6))))))
        (func (export "caught") (param externref) (result i32)
            (block $caught (try_table (catch_all $caught) (return (call $length (local.get 0)))))
            (i32.const -1))
        (func (export "round") (param externref) (result externref)
            (extern.convert_any (any.convert_extern (local.get 0)))))"#;
    text
}

pub struct World {
    pub store: Store<()>,
    pub instance: Instance,
    pub u16: ArrayType,
    pub u8: ArrayType,
}

impl World {
    pub fn new(config: &Config) -> World {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wat::parse_str(guest()).unwrap()).unwrap();
        let mut linker = Linker::new(&engine);
        linker.define_js_string().unwrap();
        let mut store = Store::new(&engine, ());
        let instance = linker.instantiate(&mut store, &module).unwrap();
        let array = |storage| ArrayType::new(&engine, FieldType::new(Mutability::Var, storage));
        World { u16: array(StorageType::I16), u8: array(StorageType::I8), store, instance }
    }

    pub fn call(&mut self, function: &str, args: &[Val]) -> Result<Val> {
        let func = self.instance.get_func(&mut self.store, function).unwrap();
        let mut results = [Val::I32(0)];
        func.call(&mut self.store, args, &mut results)?;
        Ok(results[0])
    }

    pub fn extern_of(&mut self, function: &str) -> Val {
        self.call(function, &[]).unwrap()
    }

    pub fn str(&mut self, units: &[u16]) -> Val {
        StringRef::from_utf16(&mut self.store, units).unwrap().to_externref().into()
    }

    pub fn concat(&mut self, a: Val, b: Val) -> Val {
        self.call("concat", &[a, b]).unwrap()
    }

    pub fn units(&mut self, value: Val) -> Vec<u16> {
        let Val::ExternRef(Some(reference)) = value else { panic!("{value:?} is no string") };
        let string = reference.as_string(&self.store).unwrap().expect("a string");
        let units: Vec<u16> = string.units(&mut self.store).unwrap().iter().collect();
        assert_eq!(string.len(&self.store).unwrap() as usize, units.len());
        units
    }

    /// A value for an argument. Strings are flat, or ropes of two in one of two ways.
    fn value(&mut self, arg: &Arg, form: usize) -> Val {
        match arg {
            Arg::Null => Val::ExternRef(None),
            Arg::Other => match form {
                0 => ExternRef::new(&mut self.store, 7_u64).unwrap().into(),
                1 => self.extern_of("i31"),
                2 => self.extern_of("struct"),
                _ => self.extern_of("array"),
            },
            Arg::Str(units) if form == 0 => self.str(units),
            Arg::Str(units) => {
                let middle = units.len() * form / 4;
                let (a, b) = (self.str(&units[..middle]), self.str(&units[middle..]));
                self.concat(a, b)
            }
            Arg::Num(number) => Val::I32(*number),
            Arg::Units(units) => ArrayRef::from_slice(&mut self.store, &self.u16.clone(), units).unwrap().into(),
            Arg::Bytes(bytes) => ArrayRef::from_slice(&mut self.store, &self.u8.clone(), bytes).unwrap().into(),
        }
    }

    /// What a call returned, as the model says it.
    fn out(&mut self, result: Val, args: &[Arg], values: &[Val]) -> Out {
        match result {
            Val::I32(number) => match args.iter().zip(values).find(|(arg, _)| is_array(arg)) {
                Some((Arg::Units(units), Val::AnyRef(Some(array)))) => {
                    let mut now = vec![0_u16; units.len()];
                    let array = array.unwrap_array(&self.store).unwrap();
                    array.copy_to_slice(&self.store, 0, &mut now).unwrap();
                    Out::Filled(number, Arg::Units(now))
                }
                Some((Arg::Bytes(bytes), Val::AnyRef(Some(array)))) => {
                    let mut now = vec![0_u8; bytes.len()];
                    let array = array.unwrap_array(&self.store).unwrap();
                    array.copy_to_slice(&self.store, 0, &mut now).unwrap();
                    Out::Filled(number, Arg::Bytes(now))
                }
                _ => Out::Num(number),
            },
            Val::AnyRef(Some(array)) => {
                let array = array.unwrap_array(&self.store).unwrap();
                let mut bytes = vec![0; array.len(&self.store).unwrap() as usize];
                array.copy_to_slice(&self.store, 0, &mut bytes).unwrap();
                Out::Bytes(bytes)
            }
            string => Out::Str(self.units(string)),
        }
    }
}

fn is_array(arg: &Arg) -> bool {
    matches!(arg, Arg::Units(_) | Arg::Bytes(_))
}

/// References: the second one is the form.
fn references() -> Vec<(Arg, usize)> {
    let text = |text: &str| Arg::Str(text.encode_utf16().collect());
    let mut all = vec![(Arg::Null, 0)];
    all.extend((0..4).map(|form| (Arg::Other, form)));
    let long = "a string of more than twenty-four units, ".repeat(2);
    let wide = "«Straße» €".repeat(5);
    let halves = [0x41, 0xd83d, 0xde00, 0xde00, 0xd83d];
    for form in 0..3 {
        all.push((text(&long), form));
        all.push((text(&wide), form));
        all.push((Arg::Str(halves.repeat(8)), form));
    }
    all.extend(["", "a", "ab", "é", "€", "😀"].map(|short| (text(short), 0)));
    all.extend([vec![0xd83d], vec![0xde00], vec![0xfffd], vec![0]].map(|units| (Arg::Str(units), 0)));
    all
}

/// Indices around a length, as they are passed.
fn indices(len: usize) -> Vec<Arg> {
    let len = len as i32;
    let mut all = vec![0, 1, len - 1, len, len + 1, -1, i32::MAX, i32::MIN];
    all.sort_unstable();
    all.dedup();
    all.into_iter().map(Arg::Num).collect()
}

fn lengths(arg: &Arg) -> usize {
    match arg {
        Arg::Str(units) | Arg::Units(units) => units.len(),
        Arg::Bytes(bytes) => bytes.len(),
        _ => 3,
    }
}

fn arrays() -> Vec<Arg> {
    vec![
        Arg::Null,
        Arg::Units(vec![]),
        Arg::Units(vec![0x41, 0xd83d, 0xde00, 0xff]),
        Arg::Units((0x20..0xa0).collect()),
    ]
}

fn byte_arrays() -> Vec<Arg> {
    vec![Arg::Null, Arg::Bytes(vec![]), Arg::Bytes("aé€😀".repeat(30).into()), Arg::Bytes(vec![0xf0, 0x9f, 0x41, 0xff])]
}

type Args = Vec<(Arg, usize)>;

/// All arguments of a function.
fn arguments(name: &str, ty: &str) -> Vec<Args> {
    let params =
        ty.split("(result").next().expect("parameters").trim().trim_start_matches("(param").trim_end_matches(')');
    let params = params.replace("(ref null $u16)", "u16").replace("(ref null $u8)", "u8");
    let mut all: Vec<Args> = vec![Vec::new()];
    for param in params.split_whitespace() {
        let mut next: Vec<Args> = Vec::new();
        for args in &all {
            let len = args.iter().map(|(arg, _)| lengths(arg)).max().unwrap_or(0);
            let choices: Args = match param {
                "externref" => references(),
                "u16" => arrays().into_iter().map(|arg| (arg, 0)).collect(),
                "u8" => byte_arrays().into_iter().map(|arg| (arg, 0)).collect(),
                _ if args.is_empty() => {
                    let points = [0, 0x41, 0xff, 0x100, 0xd800, 0xffff, 0x10000, 0x10041, 0x10ffff, 0x110000, -1];
                    points.map(|point| (Arg::Num(point), 0)).into()
                }
                _ => indices(len).into_iter().map(|arg| (arg, 0)).collect(),
            };
            next.extend(choices.into_iter().map(|choice| [&args[..], &[choice]].concat()));
        }
        all = next;
    }
    assert!(!all.is_empty(), "{name} has arguments");
    all
}

#[test]
fn every_function_is_that_of_the_model_for_all_arguments_in_all_modes() {
    let mut calls = 0;
    for (mode, config) in modes_and_markings() {
        let mut world = World::new(&config);
        let is_stressed = mode.contains("stress");
        for (module, name, ty) in FUNCTIONS {
            for (number, args) in arguments(name, ty).into_iter().enumerate() {
                // Of those that are many, some.
                if is_stressed && number % 11 != calls % 11 && args.len() > 1 {
                    continue;
                }
                // Handles live as long as their store here.
                if calls % 200 == 0 {
                    world = World::new(&config);
                }
                let known: Vec<Arg> = args.iter().map(|(arg, _)| arg.clone()).collect();
                let wanted = model::call(name, &known);
                let is_units = ty.contains("$u");
                let values: Vec<Val> = args
                    .iter()
                    .enumerate()
                    .map(|(index, (arg, form))| match arg {
                        Arg::Null if is_units && is_null_array(name, index) => Val::AnyRef(None),
                        arg => world.value(arg, *form),
                    })
                    .collect();
                let result = world.call(name, &values);
                let found = match result {
                    Ok(result) => Ok(world.out(result, &known, &values)),
                    Err(error) => {
                        let trap = error.trap().unwrap_or_else(|| panic!("{name} {known:?}: {error}"));
                        let detail = trap.detail().unwrap_or_default();
                        assert!(detail.starts_with(&format!("{module}.{name}: ")), "{name} {known:?}: {trap}");
                        Err(trap.kind())
                    }
                };
                let wanted = match wanted {
                    Ok(Out::Num(number)) if known.iter().any(is_array) => {
                        let array = known.iter().find(|arg| is_array(arg)).expect("just found").clone();
                        Ok(Out::Filled(number, array))
                    }
                    wanted => wanted,
                };
                assert_eq!(found, wanted, "{mode}: {name} {args:?}");
                calls += 1;
            }
        }
    }
    println!("{calls} calls");
    assert!(calls > 10_000, "{calls} calls");
}

/// Which parameters are arrays.
fn is_null_array(name: &str, index: usize) -> bool {
    match name {
        "fromCharCodeArray" | "decodeStringFromUTF8Array" => index == 0,
        "intoCharCodeArray" | "encodeStringIntoUTF8Array" => index == 1,
        _ => false,
    }
}

#[test]
fn a_string_is_neither_of_the_types_below_any_and_comes_back_as_itself() {
    for (mode, config) in modes_and_markings() {
        let mut world = World::new(&config);
        let flat = world.str(&[0x41]);
        let long = world.str(&[0x42; 100]);
        let rope = world.concat(long, flat);
        for value in [flat, rope] {
            assert_eq!(world.call("what", &[value]).unwrap().i32(), Some(1), "{mode}");
            let back = world.call("round", &[value]).unwrap();
            let (Val::ExternRef(Some(a)), Val::ExternRef(Some(b))) = (value, back) else { panic!("{mode}") };
            assert!(a.ref_eq(&world.store, &b).unwrap());
            assert_eq!(value.ref_kind(&world.store).unwrap(), Some(RefKind::String));
            assert!(a.data(&world.store).unwrap().is_none());
        }
        let host: Val = ExternRef::new(&mut world.store, ()).unwrap().into();
        assert_eq!(world.call("what", &[host]).unwrap().i32(), Some(1));
        let (i31, structure, array) = (world.extern_of("i31"), world.extern_of("struct"), world.extern_of("array"));
        let what = [i31, structure, array].map(|value| world.call("what", &[value]).unwrap().i32().unwrap());
        assert_eq!(what, [0b111, 0b1001011, 0b110011], "{mode}");
    }
}

#[test]
fn no_guest_catches_these_traps() {
    let mut world = World::new(&Config::new());
    let error = world.call("caught", &[Val::ExternRef(None)]).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::NotAString);
    assert!(error.to_string().contains("wasm:js-string.length: the reference is null"), "{error}");
    let text = world.str(&[1, 2, 3]);
    assert_eq!(world.call("caught", &[text]).unwrap().i32(), Some(3));
}

#[test]
fn other_types_and_names_are_link_errors_that_name_them() {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.define_js_string().unwrap();
    for (module, name, ty) in FUNCTIONS {
        let right = format!(
            "(module (type $u16 (array (mut i16))) (type $u8 (array (mut i8)))
            (import \"{module}\" \"{name}\" (func {ty})))"
        );
        let right = Module::new(&engine, wat::parse_str(right).unwrap()).unwrap();
        assert!(linker.instantiate(&mut Store::new(&engine, ()), &right).is_ok(), "{name}");
        let wrong = format!("(module (import \"{module}\" \"{name}\" (func (param i64))))");
        let wrong = Module::new(&engine, wat::parse_str(wrong).unwrap()).unwrap();
        let error = linker.instantiate(&mut Store::new(&engine, ()), &wrong).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    for ty in ["(func (param externref i64) (result i32))", "(func (param externref) (result (ref extern)))"] {
        let text = format!(r#"(module (import "wasm:js-string" "charCodeAt" {ty}))"#);
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        assert!(linker.instantiate_pre(&module).is_err(), "{ty}");
    }
    let text = r#"(module (import "wasm:js-string" "foo" (func)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let error = linker.instantiate(&mut Store::new(&engine, ()), &module).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Link(_)) && error.to_string().contains("foo"), "{error}");
}
