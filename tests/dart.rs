//! The surface of Dart: every function by name and type, what it does, what it refuses, and programs.

mod common;

use common::{finish, heapwood, scratch, wat};
use heapwood::surfaces::HostTrap;
use heapwood::surfaces::dart::{self, Dart};
use heapwood::wasi::{DeterministicClocks, MemoryOutput, SeededRandom, WasiCtx, WasiCtxBuilder};
use heapwood::{
    AnyRef, ArrayRef, ArrayType, Config, Engine, ErrorKind, ExternRef, FieldType, Instance, Linker, Module, Mutability,
    Rooted, StorageType, Store, StringRef, StructRef, StructType, TrapKind, Val, ValType,
};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every function: name, parameters and result in letters. i, l, f: numbers; e: externref, x: (ref extern); a: (ref
/// any), n: anyref; c: a function; b, w: arrays.
const FUNCTIONS: [(&str, &str, &str); 82] = [
    ("scheduleOnce", "lca", "x"),
    ("scheduleRepeated", "lca", "x"),
    ("queueMicrotask", "ca", ""),
    ("clearSchedule", "e", ""),
    ("currentTime", "", "l"),
    ("stringFromCharCodeArray", "wii", "x"),
    ("stringFromAsciiBytes", "bii", "x"),
    ("stringLength", "e", "i"),
    ("stringEquals", "ee", "i"),
    ("stringCompare", "ee", "i"),
    ("stringCodeUnitAt", "ei", "i"),
    ("stringIndexOfString", "eei", "i"),
    ("stringLastIndexOfString", "eei", "i"),
    ("stringReplaceAllString", "eee", "e"),
    ("stringReplaceAllRegExp", "eee", "e"),
    ("stringSubstring", "eii", "e"),
    ("stringToLowerCase", "e", "e"),
    ("stringToUpperCase", "e", "e"),
    ("stringConcat", "ee", "e"),
    ("stringRepeat", "ei", "e"),
    ("stringReplaceRange", "eiie", "e"),
    ("stringToCodeUnits", "ewi", ""),
    ("monotonicClockFrequency", "", "i"),
    ("monotonicClockTicks", "", "l"),
    ("weakRefCreate", "a", "x"),
    ("weakRefGet", "e", "n"),
    ("expandoCreate", "", "x"),
    ("expandoGet", "eal", "n"),
    ("expandoSet", "ealn", ""),
    ("finalizerCreate", "ca", "x"),
    ("finalizerAttach", "eann", ""),
    ("finalizerDetach", "ea", ""),
    ("baseUri", "", "e"),
    ("isWindows", "", "i"),
    ("stackTraceGetCurrent", "", "x"),
    ("stackTraceToString", "e", "x"),
    ("doubleTryParse", "e", "e"),
    ("tryParseResultGetDouble", "e", "f"),
    ("doubleParseInfallible", "e", "f"),
    ("i64ToString", "li", "x"),
    ("f64ToExponential", "f", "x"),
    ("f64ToExponentialWithFractionDigits", "fi", "x"),
    ("f64ToPrecision", "fi", "x"),
    ("f64ToFixed", "fi", "x"),
    ("f64ToString", "f", "x"),
    ("stringBufferCreate", "", "x"),
    ("stringBufferWriteString", "ee", ""),
    ("stringBufferWriteCharCode", "ei", ""),
    ("stringBufferClear", "e", ""),
    ("stringBufferLength", "e", "i"),
    ("stringBufferToString", "e", "x"),
    ("regexpCreateOrFailWithString", "eiiii", "x"),
    ("regexpIsRegexp", "e", "i"),
    ("regexpEscape", "e", "x"),
    ("regexpMatch", "eeii", "e"),
    ("regexpMatchGetStart", "e", "i"),
    ("regexpMatchGetEnd", "e", "i"),
    ("regexpMatchGetGroupCount", "e", "i"),
    ("regexpMatchGetGroup", "ei", "e"),
    ("regexpMatchGetNamedGroups", "e", "i"),
    ("regexpMatchGetGroupName", "ei", "x"),
    ("regexpMatchGetGroupByName", "ei", "e"),
    ("timeZoneNameForClampedSeconds", "l", "x"),
    ("timeZoneOffsetInSecondsForClampedSeconds", "l", "i"),
    ("mathPow", "ff", "f"),
    ("mathAtan2", "ff", "f"),
    ("mathSin", "f", "f"),
    ("mathCos", "f", "f"),
    ("mathTan", "f", "f"),
    ("mathAcos", "f", "f"),
    ("mathAsin", "f", "f"),
    ("mathAtan", "f", "f"),
    ("mathExp", "f", "f"),
    ("mathLog", "f", "f"),
    ("randomInt", "", "l"),
    ("randomIntSecure", "", "l"),
    ("print", "e", ""),
    ("jsonEncodeString", "e", "x"),
    ("debugger", "e", ""),
    ("inspect", "n", ""),
    ("timelineStreamEnabled", "", "i"),
    ("reportTaskEvent", "iiiee", "i"),
];

fn types(letters: &str) -> String {
    let name = |letter| match letter {
        'i' => " i32",
        'l' => " i64",
        'f' => " f64",
        'e' => " externref",
        'x' => " (ref extern)",
        'a' => " (ref any)",
        'n' => " anyref",
        'c' => " (ref func)",
        'b' => " (ref $i8)",
        _ => " (ref $i16)",
    };
    letters.chars().map(name).collect()
}

/// A module's beginning that imports all functions, each under its name.
fn imports() -> String {
    let mut text =
        "(module (type $i8 (array (mut i8))) (type $i16 (array (mut i16))) (type $args (array (mut externref)))
        (type $one (func (param (ref any)))) (type $two (func (param (ref any) anyref)))"
            .to_owned();
    for (name, params, result) in FUNCTIONS {
        let (params, results) = (types(params), types(result));
        write!(text, "\n(import \"dart\" \"{name}\" (func ${name} (param{params}) (result{results})))").unwrap();
    }
    text
}

struct Host {
    dart: Dart,
    wasi: WasiCtx,
}

fn context(host: &mut Host) -> (&mut Dart, &mut WasiCtx) {
    (&mut host.dart, &mut host.wasi)
}

/// Microseconds since 1970 at which virtual clocks begin.
const BEGIN: u64 = 1_700_000_000_000_000;

/// A program, and what it has printed.
struct Program {
    store: Store<Host>,
    instance: Instance,
    output: MemoryOutput,
    called: BTreeSet<String>,
}

impl Program {
    /// A module, with virtual clocks.
    fn load(config: &Config, grants: WasiCtxBuilder, wasm: impl AsRef<[u8]>) -> Program {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wasm).unwrap();
        let mut linker = Linker::new(&engine);
        dart::add_to_linker(&mut linker, context).unwrap();
        let output = MemoryOutput::new(64 << 20);
        let clocks = DeterministicClocks::new(BEGIN * 1_000, 0);
        let wasi = grants.stdout(output.clone()).clocks(clocks).random(SeededRandom::new(1)).build().unwrap();
        let mut store = Store::new(&engine, Host { dart: Dart::new(), wasi });
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Program { store, instance, output, called: BTreeSet::new() }
    }

    /// A program that exports all functions, and functions for callbacks: `tick` prints its argument, `stop` stops the
    /// timer in a global as well, `dead` prints both of its arguments.
    fn of_all(grants: WasiCtxBuilder) -> Program {
        let mut text = imports();
        for (name, ..) in FUNCTIONS {
            write!(text, "\n(export \"{name}\" (func ${name}))").unwrap();
        }
        text += r#"
            (global $timer (export "timer") (mut externref) (ref.null extern))
            (func $put (param $value anyref)
                (call $print (call $i64ToString (i64.extend_i32_s
                    (if (result i32) (ref.test (ref i31) (local.get $value))
                        (then (i31.get_s (ref.cast (ref i31) (local.get $value)))) (else (i32.const -1)))) (i32.const 10))))
            (func $tick (export "tick") (type $one) (call $put (local.get 0)))
            (func (export "later") (type $one) (call $put (local.get 0))
                (call $queueMicrotask (ref.func $tick) (ref.i31 (i32.const 99))))
            (func (export "stop") (type $one) (call $put (local.get 0)) (call $clearSchedule (global.get $timer)))
            (func (export "dead") (type $two) (call $put (local.get 0)) (call $put (local.get 1)))
            (func $inner (result externref) (call $stackTraceGetCurrent))
            (func $outer (export "trace") (result externref) (call $inner))
            (func $main (export "$invokeMain") (param $args (ref $args)) (local $k i32)
                (block $done (loop $next
                    (br_if $done (i32.ge_u (local.get $k) (array.len (local.get $args))))
                    (call $print (array.get $args (local.get $args) (local.get $k)))
                    (local.set $k (i32.add (local.get $k) (i32.const 1)))
                    (br $next)))))"#;
        Program::load(&Config::new(), grants, text)
    }

    fn try_call(&mut self, name: &str, args: &[Val]) -> heapwood::Result<Option<Val>> {
        let given = common::call_export(&mut self.store, self.instance, name, args)?;
        self.called.insert(name.to_owned());
        Ok(given)
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Val {
        let given = self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"));
        given.unwrap_or(Val::I32(0))
    }

    fn string(&mut self, units: &[u16]) -> Val {
        StringRef::from_utf16(&mut self.store, units).unwrap().to_externref().into()
    }

    fn text(&mut self, text: &str) -> Val {
        self.string(&text.encode_utf16().collect::<Vec<_>>())
    }

    /// A string's units as text in which lone surrogates are written as escapes.
    fn shown(&mut self, value: Val) -> String {
        let Val::ExternRef(string) = value else { panic!("{value:?}") };
        let Some(string) = string else { return "null".to_owned() };
        let string = string.as_string(&self.store).unwrap().expect("a string");
        let units: Vec<u16> = string.units(&mut self.store).unwrap().iter().collect();
        char::decode_utf16(units)
            .map(|char| char.map_or_else(|alone| format!("\\{:x}", alone.unpaired_surrogate()), String::from))
            .collect()
    }

    fn i31(&mut self, value: i32) -> Val {
        AnyRef::from_i31(&mut self.store, value).unwrap().into()
    }

    fn func(&mut self, name: &str) -> Val {
        self.instance.get_func(&mut self.store, name).unwrap().into()
    }

    fn run(&mut self) -> heapwood::Result<()> {
        dart::run(&mut self.store, self.instance, context)
    }

    fn lines(&self) -> Vec<String> {
        String::from_utf8(self.output.contents()).unwrap().lines().map(str::to_owned).collect()
    }

    fn array(&mut self, storage: StorageType, elements: &[u16]) -> Rooted<ArrayRef> {
        let ty = ArrayType::new(self.store.engine(), FieldType::new(Mutability::Var, storage.clone()));
        let bytes: Vec<u8> = elements.iter().map(|element| element.to_le_bytes()[0]).collect();
        match storage {
            StorageType::I8 => ArrayRef::from_slice(&mut self.store, &ty, &bytes).unwrap(),
            _ => ArrayRef::from_slice(&mut self.store, &ty, elements).unwrap(),
        }
    }
}

/// An argument, or a result, of a row.
#[derive(Clone, Copy, Debug)]
enum Is {
    I(i32),
    L(i64),
    F(f64),
    /// A string.
    S(&'static str),
    /// A string of units.
    U(&'static [u16]),
    Null,
}

use Is::{F, I, L, Null, S, U};

/// Functions of strings and numbers: arguments, and what comes of them.
const ROWS: &[(&str, &[Is], Is)] = &[
    ("stringLength", &[S("gr\u{fc}\u{df} \u{1f389}")], I(7)),
    ("stringEquals", &[S("Hello"), S("Hello")], I(1)),
    ("stringEquals", &[S("Hello"), S("hello")], I(0)),
    ("stringCompare", &[S("a"), S("b")], I(-1)),
    ("stringCompare", &[S("a"), S("a")], I(0)),
    ("stringCompare", &[S("\u{fffd}"), S("\u{1f389}")], I(1)),
    ("stringCodeUnitAt", &[S("\u{1f389}"), I(1)], I(0xdf89)),
    ("stringCodeUnitAt", &[S("\u{e9}"), I(0)], I(0xe9)),
    ("stringIndexOfString", &[S("Hello"), S("l"), I(3)], I(3)),
    ("stringIndexOfString", &[S("Hello"), S("l"), I(4)], I(-1)),
    ("stringIndexOfString", &[S("Hello"), S(""), I(5)], I(5)),
    ("stringIndexOfString", &[S("He\u{20ac}lo"), S("\u{20ac}l"), I(0)], I(2)),
    ("stringLastIndexOfString", &[S("Hello"), S("l"), I(2)], I(2)),
    ("stringLastIndexOfString", &[S("Hello"), S(""), I(9)], I(5)),
    ("stringLastIndexOfString", &[S("Hello"), S("Hello!"), I(-1)], I(-1)),
    ("stringReplaceAllString", &[S("a.b.c"), S("."), S("$&")], S("a$&b$&c")),
    ("stringReplaceAllString", &[S("aaa"), S("aa"), S("\u{20ac}")], S("\u{20ac}a")),
    ("stringSubstring", &[S("Hello"), I(1), I(4)], S("ell")),
    ("stringSubstring", &[S("\u{1f389}"), I(0), I(1)], U(&[0xd83c])),
    ("stringToLowerCase", &[S("\u{130}I\u{df}\u{fb03}\u{3a3}")], S("i\u{307}i\u{df}\u{fb03}\u{3c2}")),
    ("stringToUpperCase", &[S("\u{df}\u{fb03}")], S("SSFFI")),
    ("stringToUpperCase", &[U(&[0x61, 0xd800])], U(&[0x41, 0xd800])),
    ("stringConcat", &[U(&[0xd83c]), U(&[0xdf89])], S("\u{1f389}")),
    ("stringRepeat", &[S("ab"), I(3)], S("ababab")),
    ("stringRepeat", &[S("ab"), I(0)], S("")),
    ("stringRepeat", &[S(""), I(i32::MAX)], S("")),
    ("stringReplaceRange", &[S("Hello"), I(1), I(3), S("ipp")], S("Hipplo")),
    ("stringReplaceRange", &[S("Hello"), I(5), I(5), S("!")], S("Hello!")),
    ("jsonEncodeString", &[U(&[0x61, 0x22, 0x0a, 0x07, 0xd83c])], S(r#""a\"\n\u0007\ud83c""#)),
    ("regexpEscape", &[S("a.b-c/d")], S("a\\.b-c/d")),
    ("i64ToString", &[L(i64::MIN), I(10)], S("-9223372036854775808")),
    ("i64ToString", &[L(-255), I(16)], S("-ff")),
    ("f64ToString", &[F(123456789012345680000.0)], S("123456789012345680000.0")),
    ("f64ToString", &[F(1e-7)], S("1e-7")),
    ("f64ToString", &[F(-0.0)], S("-0.0")),
    ("f64ToString", &[F(f64::NEG_INFINITY)], S("-Infinity")),
    ("f64ToFixed", &[F(1.005), I(2)], S("1.00")),
    ("f64ToFixed", &[F(-1.5), I(0)], S("-2")),
    ("f64ToFixed", &[F(-0.0), I(2)], S("0.00")),
    ("f64ToExponential", &[F(123456.0)], S("1.23456e+5")),
    ("f64ToExponentialWithFractionDigits", &[F(2.5), I(0)], S("3e+0")),
    ("f64ToPrecision", &[F(0.0000001), I(2)], S("1.0e-7")),
    ("doubleTryParse", &[S("0x10")], Null),
    ("doubleParseInfallible", &[S("12.5e-1")], F(1.25)),
    ("mathPow", &[F(1.0), F(f64::INFINITY)], F(f64::NAN)),
    ("mathAtan2", &[F(-0.0), F(-0.0)], F(-std::f64::consts::PI)),
    ("mathSin", &[F(-0.0)], F(-0.0)),
    ("mathCos", &[F(0.0)], F(1.0)),
    ("mathTan", &[F(0.0)], F(0.0)),
    ("mathAcos", &[F(2.0)], F(f64::NAN)),
    ("mathAsin", &[F(-0.0)], F(-0.0)),
    ("mathAtan", &[F(f64::INFINITY)], F(std::f64::consts::FRAC_PI_2)),
    ("mathExp", &[F(0.0)], F(1.0)),
    ("mathLog", &[F(0.0)], F(f64::NEG_INFINITY)),
    ("currentTime", &[], L(BEGIN as i64)),
    ("monotonicClockFrequency", &[], I(1_000_000)),
    ("monotonicClockTicks", &[], L(0)),
    ("isWindows", &[], I(0)),
    ("timelineStreamEnabled", &[], I(0)),
    ("reportTaskEvent", &[I(1), I(2), I(3), S("name"), Null], I(0)),
    ("baseUri", &[], S("file:///")),
    ("timeZoneNameForClampedSeconds", &[L(0)], S("UTC")),
    ("timeZoneOffsetInSecondsForClampedSeconds", &[L(i64::MAX)], I(0)),
];

/// Every function of the tables in the surface's specification, each called at least once.
#[test]
fn every_function_does_what_it_says() {
    let mut program = Program::of_all(WasiCtx::builder());
    for (name, args, wanted) in ROWS {
        let mut values = Vec::new();
        for arg in *args {
            values.push(match *arg {
                I(value) => Val::I32(value),
                L(value) => Val::I64(value),
                F(value) => Val::from(value),
                S(text) => program.text(text),
                U(units) => program.string(units),
                Null => Val::ExternRef(None),
            });
        }
        let given = program.call(name, &values);
        match (*wanted, given) {
            (I(wanted), Val::I32(given)) => assert_eq!(given, wanted, "{name} {args:?}"),
            (L(wanted), Val::I64(given)) => assert_eq!(given, wanted, "{name} {args:?}"),
            (F(wanted), Val::F64(bits)) => {
                let given = f64::from_bits(bits);
                let is_same = given.to_bits() == wanted.to_bits() || given.is_nan() && wanted.is_nan();
                assert!(is_same, "{name} {args:?}: {given} in place of {wanted}");
            }
            (S(wanted), given) => assert_eq!(program.shown(given), wanted, "{name} {args:?}"),
            (U(wanted), given) => {
                let wanted = program.string(wanted);
                assert_eq!(program.shown(given), program.shown(wanted), "{name} {args:?}");
            }
            (Null, given) => assert!(given.is_null(), "{name} {args:?}"),
            (wanted, given) => panic!("{name} {args:?}: {given:?} in place of {wanted:?}"),
        }
    }
    arrays(&mut program);
    buffers(&mut program);
    numbers(&mut program);
    regular_expressions(&mut program);
    weak_things(&mut program);
    output_and_traces(&mut program);
    tasks(&mut program);
    let all: BTreeSet<String> = FUNCTIONS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    let uncalled: Vec<_> = all.difference(&program.called).collect();
    assert!(uncalled.is_empty(), "{uncalled:?}");
}

fn arrays(program: &mut Program) {
    let units = program.array(StorageType::I16, &[65, 66, 0xd800, 68]);
    let made = program.call("stringFromCharCodeArray", &[units.into(), Val::I32(1), Val::I32(2)]);
    assert_eq!(program.shown(made), "B\\d800");
    let bytes = program.array(StorageType::I8, &[65, 66, 67, 68]);
    let made = program.call("stringFromAsciiBytes", &[bytes.into(), Val::I32(2), Val::I32(2)]);
    assert_eq!(program.shown(made), "CD");
    let hello = program.text("He\u{20ac}");
    program.call("stringToCodeUnits", &[hello, units.into(), Val::I32(1)]);
    let elements: Vec<_> = units.elems(&mut program.store).unwrap().map(|unit| unit.i32().unwrap()).collect();
    assert_eq!(elements, [65, 0x48, 0x65, 0x20ac]);
    // What is out of range traps, and nothing is read or written there.
    for (start, len) in [(3, 2), (5, 0), (-1, 1), (0, -1), (1, i32::MAX)] {
        for (name, array) in [("stringFromCharCodeArray", units), ("stringFromAsciiBytes", bytes)] {
            let ended = program.try_call(name, &[array.into(), Val::I32(start), Val::I32(len)]);
            assert!(ended.unwrap_err().downcast_ref::<HostTrap>().is_some(), "{name} {start} {len}");
        }
    }
    for at in [2, 5, -1, i32::MAX] {
        let ended = program.try_call("stringToCodeUnits", &[hello, units.into(), Val::I32(at)]);
        assert!(ended.unwrap_err().downcast_ref::<HostTrap>().is_some(), "{at}");
    }
    for (name, args) in [
        ("stringSubstring", vec![hello, Val::I32(2), Val::I32(1)]),
        ("stringSubstring", vec![hello, Val::I32(0), Val::I32(4)]),
        ("stringCodeUnitAt", vec![hello, Val::I32(3)]),
        ("stringReplaceRange", vec![hello, Val::I32(2), Val::I32(1), hello]),
        ("stringRepeat", vec![hello, Val::I32(-1)]),
        ("i64ToString", vec![Val::I64(1), Val::I32(37)]),
        ("f64ToFixed", vec![Val::from(1.0), Val::I32(101)]),
    ] {
        let ended = program.try_call(name, &args);
        assert!(ended.unwrap_err().downcast_ref::<HostTrap>().is_some(), "{name}");
    }
    // Too long a string is the limit's error.
    let ended = program.try_call("stringRepeat", &[hello, Val::I32(i32::MAX)]).unwrap_err();
    assert_eq!(ended.trap().unwrap().kind(), TrapKind::AllocationTooLarge);
}

fn buffers(program: &mut Program) {
    let buffer = program.call("stringBufferCreate", &[]);
    let shown = |program: &mut Program| {
        let text = program.call("stringBufferToString", &[buffer]);
        program.shown(text)
    };
    assert_eq!(shown(program), "");
    let hello = program.text("Hello");
    program.call("stringBufferWriteString", &[buffer, hello]);
    for code in [0x21, 0x1f389, 0xd800] {
        program.call("stringBufferWriteCharCode", &[buffer, Val::I32(code)]);
    }
    assert_eq!([shown(program), shown(program)], ["Hello!\u{1f389}\\d800"; 2], "a buffer keeps its content");
    assert_eq!(program.call("stringBufferLength", &[buffer]).i32(), Some(9));
    let long = program.text(&"\u{e9}".repeat(1_000));
    for _ in 0..100 {
        program.call("stringBufferWriteString", &[buffer, long]);
    }
    assert_eq!(program.call("stringBufferLength", &[buffer]).i32(), Some(100_009));
    assert!(shown(program).ends_with("\u{e9}\u{e9}"));
    program.call("stringBufferClear", &[buffer]);
    assert_eq!((program.call("stringBufferLength", &[buffer]).i32(), shown(program)), (Some(0), String::new()));
    let ended = program.try_call("stringBufferWriteCharCode", &[buffer, Val::I32(0x11_0000)]);
    assert!(ended.unwrap_err().downcast_ref::<HostTrap>().is_some());
}

fn numbers(program: &mut Program) {
    for (text, wanted) in [(" 1 ", 1.0), ("-.5e1", -5.0), ("1e400", f64::INFINITY), ("\u{85}7\u{feff}", 7.0)] {
        let text = program.text(text);
        let parsed = program.call("doubleTryParse", &[text]);
        assert_eq!(program.call("tryParseResultGetDouble", &[parsed]).f64(), Some(wanted));
    }
    let random = ["randomInt", "randomIntSecure"].map(|name| program.call(name, &[]).i64());
    assert_ne!(random[0], random[1]);
}

fn regular_expressions(program: &mut Program) {
    let create = |program: &mut Program, pattern: &str, flags: [i32; 4]| {
        let pattern = program.text(pattern);
        let args: Vec<Val> = [pattern].into_iter().chain(flags.map(Val::I32)).collect();
        program.call("regexpCreateOrFailWithString", &args)
    };
    let date = create(program, r"(?<year>\d{4})-(x)?(?<month>\d\d)", [0, 1, 0, 0]);
    assert_eq!(program.call("regexpIsRegexp", &[date]).i32(), Some(1));
    let wrong = create(program, "(", [0, 1, 0, 0]);
    assert_eq!(program.call("regexpIsRegexp", &[wrong]).i32(), Some(0));
    assert!(!program.shown(wrong).is_empty());
    assert_eq!(program.call("regexpIsRegexp", &[Val::ExternRef(None)]).i32(), Some(0));
    let text = program.text("on 2026-11-28");
    let found = program.call("regexpMatch", &[date, text, Val::I32(0), Val::I32(0)]);
    let numbers = ["regexpMatchGetStart", "regexpMatchGetEnd", "regexpMatchGetGroupCount", "regexpMatchGetNamedGroups"]
        .map(|name| program.call(name, &[found]).i32().unwrap());
    assert_eq!(numbers, [3, 10, 3, 2]);
    let mut shown = |name: &str, index: i32| {
        let part = program.call(name, &[found, Val::I32(index)]);
        program.shown(part)
    };
    assert_eq!([0, 1, 2, 3].map(|index| shown("regexpMatchGetGroup", index)), ["2026-11", "2026", "null", "11"]);
    assert_eq!([0, 1].map(|index| shown("regexpMatchGetGroupName", index)), ["year", "month"]);
    assert_eq!([0, 1].map(|index| shown("regexpMatchGetGroupByName", index)), ["2026", "11"]);
    for (name, index) in [
        ("regexpMatchGetGroup", 4),
        ("regexpMatchGetGroup", -1),
        ("regexpMatchGetGroupName", 2),
        ("regexpMatchGetGroupByName", 2),
    ] {
        let ended = program.try_call(name, &[found, Val::I32(index)]);
        assert!(ended.unwrap_err().downcast_ref::<HostTrap>().is_some(), "{name} {index}");
    }
    for (start, is_prefix, is_found) in [(3, 1, true), (2, 1, false), (4, 0, false), (13, 0, false), (14, 0, false)] {
        let found = program.call("regexpMatch", &[date, text, Val::I32(start), Val::I32(is_prefix)]);
        assert_eq!(!found.is_null(), is_found, "{start} {is_prefix}");
    }
    // All flags, and texts that are long and short.
    let all = create(program, "^(?<x>.)$", [1, 0, 1, 1]);
    let wide = program.text("ab\n\u{1f389}\n");
    let found = program.call("regexpMatch", &[all, wide, Val::I32(0), Val::I32(0)]);
    assert_eq!(program.call("regexpMatchGetStart", &[found]).i32(), Some(3));
    let words = create(program, r"\w+", [0, 1, 0, 0]);
    let long = program.text(&"word ".repeat(200));
    let mut at = 0;
    for count in 0..200 {
        let found = program.call("regexpMatch", &[words, long, Val::I32(at), Val::I32(0)]);
        assert_eq!(program.call("regexpMatchGetStart", &[found]).i32(), Some(5 * count));
        at = program.call("regexpMatchGetEnd", &[found]).i32().unwrap();
    }
    let by = program.text("$&#");
    let text = program.text("a b22 c");
    let replaced = program.call("stringReplaceAllRegExp", &[text, words, by]);
    assert_eq!(program.shown(replaced), "$&# $&# $&#");
    // A group that is repeated: another thread does it.
    let groups = create(program, r"(\w+\s?)+!", [0, 1, 0, 0]);
    let text = program.text("ab cd!");
    let found = program.call("regexpMatch", &[groups, text, Val::I32(0), Val::I32(0)]);
    let last = program.call("regexpMatchGetGroup", &[found, Val::I32(1)]);
    assert_eq!(program.shown(last), "cd");
}

fn weak_things(program: &mut Program) {
    let object: Val = program.array(StorageType::I8, &[1]).into();
    let other: Val = program.array(StorageType::I8, &[1]).into();
    let reference = program.call("weakRefCreate", &[object]);
    let same = |program: &Program, a: Val, b: Val| match (a, b) {
        (Val::AnyRef(Some(a)), Val::AnyRef(Some(b))) => a.ref_eq(&program.store, &b).unwrap(),
        _ => false,
    };
    let target = program.call("weakRefGet", &[reference]);
    assert!(same(program, target, object));
    let expando = program.call("expandoCreate", &[]);
    let get = |program: &mut Program, key: Val| program.call("expandoGet", &[expando, key, Val::I64(5)]);
    assert!(get(program, object).is_null());
    for value in [9, 10] {
        let value = program.i31(value);
        program.call("expandoSet", &[expando, object, Val::I64(5), value]);
        let got = get(program, object);
        assert!(same(program, got, value));
    }
    assert!(get(program, other).is_null(), "of the same hash, but another object");
    let value = program.i31(11);
    program.call("expandoSet", &[expando, other, Val::I64(5), value]);
    program.call("expandoSet", &[expando, object, Val::I64(5), Val::AnyRef(None)]);
    assert!(get(program, object).is_null());
    let got = get(program, other);
    assert!(same(program, got, value));
}

fn output_and_traces(program: &mut Program) {
    let line = program.string(&[0x61, 0xd800, 0xe9]);
    program.call("print", &[line]);
    assert_eq!(program.lines().last().map(String::as_str), Some("a\u{fffd}\u{e9}"));
    program.call("debugger", &[line]);
    program.call("inspect", &[Val::AnyRef(None)]);
    let none = program.call("stackTraceGetCurrent", &[]);
    let none = program.call("stackTraceToString", &[none]);
    assert_eq!(program.shown(none), "", "the host called, and no guest");
    let trace = program.call("trace", &[]);
    let text = program.call("stackTraceToString", &[trace]);
    let text = program.shown(text);
    let lines: Vec<&str> = text.lines().map(|line| line.split(":0x").next().unwrap()).collect();
    assert_eq!(lines, ["#0      inner (module.wasm", "#1      outer (module.wasm"], "{text}");
}

fn tasks(program: &mut Program) {
    let before = program.lines().len();
    let (tick, later) = (program.func("tick"), program.func("later"));
    let schedule = |program: &mut Program, name: &str, delay: i64, callback: Val, value: i32| {
        let value = program.i31(value);
        program.call(name, &[Val::I64(delay), callback, value])
    };
    let cleared = schedule(program, "scheduleOnce", 5, tick, 1);
    schedule(program, "scheduleOnce", 20, later, 20);
    schedule(program, "scheduleOnce", 10, tick, 10);
    schedule(program, "scheduleOnce", -5, tick, -5);
    let stop = program.func("stop");
    let periodic = schedule(program, "scheduleRepeated", 7, tick, 7);
    schedule(program, "scheduleOnce", 22, stop, 22);
    let timer = self::global(program);
    timer.set(&mut program.store, periodic).unwrap();
    program.call("clearSchedule", &[cleared]);
    program.call("clearSchedule", &[cleared]);
    for value in [2, 3] {
        let value = program.i31(value);
        program.call("queueMicrotask", &[tick, value]);
    }
    // An attachment that is taken back, and one whose object lives.
    let dead = program.func("dead");
    let (first, object): (Val, Val) = (program.i31(1), program.array(StorageType::I8, &[1]).into());
    let finalizer = program.call("finalizerCreate", &[dead, first]);
    let token = program.i31(5);
    program.call("finalizerAttach", &[finalizer, object, token, object]);
    program.call("finalizerDetach", &[finalizer, object]);
    program.call("finalizerAttach", &[finalizer, object, token, Val::AnyRef(None)]);
    program.run().unwrap();
    assert_eq!(program.lines()[before..], ["2", "3", "-5", "7", "10", "7", "20", "99", "7", "22"]);
    // A timer that fired.
    program.call("clearSchedule", &[periodic]);
    program.run().unwrap();
    assert_eq!(program.lines().len(), before + 10);
    let ended = program.try_call("scheduleOnce", &[Val::I64(1), dead, token]);
    assert!(ended.unwrap_err().to_string().contains("takes 2 arguments in place of 1"));
}

fn global(program: &mut Program) -> heapwood::Global {
    program.instance.get_global(&mut program.store, "timer").unwrap()
}

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

fn guest(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests/dart").join(path)
}

fn surface() -> (Vec<u8>, String) {
    (
        std::fs::read(guest("wasm/surface.wasm")).unwrap(),
        std::fs::read_to_string(guest("expected/surface.out")).unwrap(),
    )
}

/// All functions called by one program, with a clock that only its timers move: the output of another host, but for the
/// two lines in which that one has nothing to say (`tests/guests/dart/README.md`).
#[test]
fn the_program_prints_what_another_host_prints_in_all_modes() {
    let (wasm, expected) = surface();
    let mut modes = vec![("default", Config::new())];
    let mut mode = |name, change: &dyn Fn(&mut Config)| {
        let mut config = Config::new();
        change(&mut config);
        modes.push((name, config));
    };
    mode("small nursery", &|config| {
        config.gc_nursery(64 << 10);
    });
    mode("marking", &|config| {
        config.gc_mark_slice(7).gc_nursery(64 << 10);
    });
    mode("stress", &|config| {
        config.gc_stress(3).gc_verify(true);
    });
    mode("without guards", &|config| {
        config.memory32_guard(false).memory64_guard(false).few_registers(true);
    });
    for (name, config) in modes {
        let mut program = Program::load(&config, WasiCtx::builder().args(["surface", "one", "zwei \u{fc}"]), &wasm);
        program.run().unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(program.lines(), expected.lines().collect::<Vec<_>>(), "{name}");
    }
}

/// Timers of a program that runs by the system's clock may be late, so that what is due at different times may come in
/// another order than by a virtual one.
fn is_in_some_order(output: &str, expected: &str) -> bool {
    let parts = |text: &str| {
        let (head, timers) = text.split_once("\nend of main\n").unwrap_or((text, ""));
        let mut timers: Vec<_> = timers.lines().map(str::to_owned).collect();
        timers.sort();
        (head.to_owned(), timers)
    };
    parts(output) == parts(expected)
}

#[test]
fn the_program_runs_from_the_command_line() {
    let (_, expected) = surface();
    for options in [
        &[][..],
        &["--gc-nursery", "64k"],
        &["--gc-mark-slice", "7", "--gc-nursery", "64k"],
        &["--gc-stress", "3", "--gc-verify"],
        &["-S", "dart"],
    ] {
        let mut command = heapwood();
        command.arg("run").args(options).arg(guest("wasm/surface.wasm")).args(["one", "zwei \u{fc}"]);
        let ran = finish(&mut command);
        assert!(ran.code == Some(0) && is_in_some_order(&ran.stdout, &expected), "{options:?}: {ran:?}");
    }
    let refused = finish(heapwood().args(["run", "-S", "dart=n"]).arg(guest("wasm/surface.wasm")));
    assert!(
        refused.code == Some(1)
            && refused.stderr.contains("-S dart=y")
            && refused.stderr.contains("`dart::scheduleOnce`"),
        "{}",
        refused.stderr
    );
    let inspected = finish(heapwood().arg("inspect").arg(guest("wasm/surface.wasm")));
    assert_eq!(inspected.stdout.matches("<- Dart's surface").count(), 82);
    let measured =
        finish(heapwood().args(["bench", "--json", "--reps", "1", "--warmup", "0"]).arg(guest("wasm/surface.wasm")));
    assert!(measured.code == Some(0) && measured.stdout.contains("times_ms"), "{}", measured.stderr);
    let unknown = wat(&scratch("dart-unknown"), "unknown.wat", r#"(module (import "dart" "nothing" (func)))"#);
    let refused = finish(heapwood().arg("run").arg(unknown));
    assert!(refused.stderr.contains("not a function of Dart's surface"), "{}", refused.stderr);
}

/// A program with a function that is called as main, or as a microtask, or by a timer.
fn throwing(folder: &Path, name: &str, body: &str) -> PathBuf {
    let text = format!(
        r#"(module (type $args (array (mut externref))) (type $one (func (param (ref any))))
            (import "dart" "print" (func $print (param externref)))
            (import "dart" "i64ToString" (func $i64ToString (param i64 i32) (result (ref extern))))
            (import "dart" "queueMicrotask" (func $queueMicrotask (param (ref func) (ref any))))
            (import "dart" "scheduleOnce" (func $scheduleOnce (param i64 (ref func) (ref any)) (result externref)))
            (import "dart" "scheduleRepeated" (func $scheduleRepeated (param i64 (ref func) (ref any)) (result externref)))
            (import "dart" "regexpCreateOrFailWithString" (func $regexp (param externref i32 i32 i32 i32) (result (ref extern))))
            (import "dart" "regexpMatch" (func $match (param externref externref i32 i32) (result externref)))
            (import "dart" "stringFromAsciiBytes" (func $ascii (param (ref $bytes) i32 i32) (result (ref extern))))
            (import "dart" "stringRepeat" (func $repeat (param externref i32) (result externref)))
            (type $bytes (array (mut i8)))
            (tag $thrown (param i32))
            (elem declare func $throw $tick)
            (data $pattern "(a+)+b")
            (func $say (param $number i64) (call $print (call $i64ToString (local.get $number) (i32.const 10))))
            (func $tick (type $one))
            (func $throw (type $one) (call $say (i64.const 1)) (throw $thrown (i32.const 7)))
            (func $main (export "$invokeMain") (param (ref $args)) {body}))"#
    );
    wat(folder, name, &text)
}

/// Exceptions of both proposals, uncaught ones as well, and what leaves a callback.
#[test]
fn exceptions_are_caught_or_end_the_program() {
    let folder = scratch("dart-throws");
    let run = |name: &str, body: &str| finish(heapwood().arg("run").arg(throwing(&folder, name, body)));
    let any = "(ref.i31 (i32.const 0))";
    let caught = [
        format!(
            "(block $caught (result i32) (try_table (catch $thrown $caught) (call $throw {any})) (i32.const 0)) (call $say (i64.extend_i32_s))"
        ),
        format!("try (call $throw {any}) catch $thrown i64.extend_i32_s call $say end"),
    ];
    for (k, body) in caught.iter().enumerate() {
        let ran = run(&format!("caught{k}.wat"), body);
        assert_eq!((ran.code, &*ran.stdout), (Some(0), "1\n7\n"), "{}", ran.stderr);
    }
    for (name, body) in [
        ("main.wat", format!("(call $throw {any})")),
        ("microtask.wat", format!("(call $queueMicrotask (ref.func $throw) {any})")),
        ("timer.wat", format!("(drop (call $scheduleOnce (i64.const 1) (ref.func $throw) {any}))")),
    ] {
        let ran = run(name, &body);
        assert_eq!((ran.code, &*ran.stdout), (Some(134), "1\n"), "{name}: {}", ran.stderr);
        assert!(ran.stderr.contains("!throw"), "{name}: {}", ran.stderr);
    }
}

/// Neither waits nor patterns that explode keep a program beyond its time.
#[test]
fn a_timeout_ends_waits_and_matches() {
    let folder = scratch("dart-timeout");
    let any = "(ref.i31 (i32.const 0))";
    let explode = "(drop (call $match
        (call $regexp (call $ascii (array.new_data $bytes $pattern (i32.const 0) (i32.const 6)) (i32.const 0) (i32.const 6))
            (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 0))
        (call $repeat (call $ascii (array.new_data $bytes $pattern (i32.const 1) (i32.const 1)) (i32.const 0) (i32.const 1)) (i32.const 60))
        (i32.const 0) (i32.const 0)))";
    for (name, body) in [
        ("wait.wat", format!("(drop (call $scheduleOnce (i64.const 3600000000) (ref.func $tick) {any}))")),
        ("always.wat", format!("(drop (call $scheduleRepeated (i64.const 0) (ref.func $tick) {any}))")),
        ("match.wat", explode.to_owned()),
    ] {
        let ran = finish(heapwood().args(["run", "--timeout", "300ms"]).arg(throwing(&folder, name, &body)));
        assert_eq!(ran.code, Some(124), "{name}: {}", ran.stderr);
    }
}

/// By the library: an interrupt from another thread, and a deadline; the store goes on afterwards.
#[test]
fn a_match_is_given_up_when_the_guest_has_to_stop() {
    let mut program = Program::of_all(WasiCtx::builder());
    let pattern = program.text("(a+)+b");
    let (no, yes) = (Val::I32(0), Val::I32(1));
    let regexp = program.call("regexpCreateOrFailWithString", &[pattern, no, yes, no, no]);
    let text = program.text(&"a".repeat(27));
    program.store.set_deadline(Duration::from_millis(5));
    let ended = program.try_call("regexpMatch", &[regexp, text, no, no]).unwrap_err();
    assert_eq!(ended.trap().unwrap().kind(), TrapKind::DeadlineExceeded);
    program.store.interrupt_handle().interrupt();
    let ended = program.try_call("regexpMatch", &[regexp, text, no, no]).unwrap_err();
    assert_eq!(ended.trap().unwrap().kind(), TrapKind::Interrupted);
    let short = program.text("aab");
    let found = program.call("regexpMatch", &[regexp, short, no, no]);
    assert_eq!(program.call("regexpMatchGetEnd", &[found]).i32(), Some(3));
}

#[test]
fn the_zone_is_that_of_the_guests_variable() {
    if !Path::new("/usr/share/zoneinfo/Europe/Berlin").exists() {
        common::skip("zoneinfo", "the system has no files of time zones");
        return;
    }
    for (zone, at, name, offset) in [
        ("Europe/Berlin", 1_719_792_000, "CEST", 7_200),
        ("Europe/Berlin", 1_704_067_200, "CET", 3_600),
        ("Europe/Berlin", 4_118_083_200, "CEST", 7_200),
        ("Asia/Kolkata", 0, "IST", 19_800),
        ("Nowhere/At_All", 0, "UTC", 0),
    ] {
        let mut program = Program::of_all(WasiCtx::builder().env("TZ", zone));
        let found = program.call("timeZoneNameForClampedSeconds", &[Val::I64(at)]);
        assert_eq!(program.shown(found), name, "{zone} at {at}");
        let found = program.call("timeZoneOffsetInSecondsForClampedSeconds", &[Val::I64(at)]);
        assert_eq!(found.i32(), Some(offset), "{zone} at {at}");
    }
}

/// See the test: objects with weak references, expandos whose values lead to their keys, and attachments of a
/// finalizer. `$dead` traps if a token comes twice, if its object is held, or if two callbacks share a turn.
const WEAK: &str = r#"
    (type $node (struct (field $id i32)))
    (type $pair (struct (field (ref $node)) (field (mut (ref null $pair)))))
    (type $nodes (array (mut (ref null $node))))
    (type $holder (struct (field (mut externref))))
    (global $count (mut i32) (i32.const COUNT))
    (global $nodes (mut (ref null $nodes)) (ref.null none))
    (global $weak (mut (ref null $args)) (ref.null none))
    (global $seen (mut (ref null $i8)) (ref.null none))
    (global $expando (mut externref) (ref.null extern))
    (global $finalizer (mut externref) (ref.null extern))
    (global $cycle (mut externref) (ref.null extern))
    (global $timer (mut externref) (ref.null extern))
    (global $died (mut i32) (i32.const 0))
    (global $step (mut i32) (i32.const 0))
    (global $rounds (mut i32) (i32.const 0))
    (global $in_turn (mut i32) (i32.const 0))
    (elem declare func $dead $end_of_turn $round)
    (func $say (param $number i32) (call $print (call $i64ToString (i64.extend_i32_s (local.get $number)) (i32.const 10))))
    (func $end_of_turn (type $one) (global.set $in_turn (i32.const 0)))
    (func $dead (type $two) (local $k i32)
        (if (global.get $in_turn) (then unreachable))
        (global.set $in_turn (i32.const 1))
        (call $queueMicrotask (ref.func $end_of_turn) (local.get 0))
        (local.set $k (i31.get_u (ref.cast (ref i31) (local.get 1))))
        (if (array.get_u $i8 (global.get $seen) (local.get $k)) (then unreachable))
        (array.set $i8 (global.get $seen) (local.get $k) (i32.const 1))
        (if (i32.eqz (ref.is_null (array.get $nodes (global.get $nodes) (local.get $k)))) (then unreachable))
        (global.set $died (i32.add (global.get $died) (i32.const 1))))
    (func $make (param $k i32) (local $node (ref $node))
        (local.set $node (struct.new $node (local.get $k)))
        (array.set $nodes (global.get $nodes) (local.get $k) (local.get $node))
        (array.set $args (global.get $weak) (local.get $k) (call $weakRefCreate (local.get $node)))
        (call $expandoSet (global.get $expando) (local.get $node) (i64.extend_i32_u (local.get $k))
            (struct.new $pair (local.get $node) (ref.null $pair)))
        (call $finalizerAttach (global.get $finalizer) (local.get $node) (ref.i31 (local.get $k)) (local.get $node)))
    ;; How many objects that are held are found by way of their weak references and their expandos.
    (func $check (result i32) (local $k i32) (local $found i32) (local $node (ref null $node)) (local $value anyref)
        (loop $next
            (local.set $node (array.get $nodes (global.get $nodes) (local.get $k)))
            (if (i32.eqz (ref.is_null (local.get $node))) (then
                (if (i32.eqz (ref.eq (local.get $node) (ref.cast eqref
                    (call $weakRefGet (array.get $args (global.get $weak) (local.get $k)))))) (then unreachable))
                (local.set $value (call $expandoGet (global.get $expando) (ref.as_non_null (local.get $node))
                    (i64.extend_i32_u (local.get $k))))
                (if (i32.eqz (ref.eq (struct.get $pair 0 (ref.cast (ref $pair) (local.get $value))) (local.get $node)))
                    (then unreachable))
                (local.set $found (i32.add (local.get $found) (i32.const 1)))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count))))
        (local.get $found))
    ;; How many weak references lead nowhere.
    (func $cleared (result i32) (local $k i32) (local $found i32)
        (loop $next
            (local.set $found (i32.add (local.get $found)
                (ref.is_null (call $weakRefGet (array.get $args (global.get $weak) (local.get $k))))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count))))
        (local.get $found))
    ;; Lets every second object go, or all.
    (func $let_go (param $by i32) (local $k i32)
        (loop $next
            (array.set $nodes (global.get $nodes) (local.get $k) (ref.null $node))
            (local.set $k (i32.add (local.get $k) (local.get $by)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count)))))
    (func $waste (local $k i32)
        (loop $next
            (drop (array.new_default $i8 (i32.const 60000)))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (i32.const 100)))))
    (func $round (type $one)
        (if (global.get $in_turn) (then unreachable))
        (call $waste)
        (global.set $rounds (i32.add (global.get $rounds) (i32.const 1)))
        (if (i32.gt_u (global.get $rounds) (i32.const 3000)) (then unreachable))
        (if (i32.eqz (global.get $step)) (then
            (call $say (call $check)) (call $let_go (i32.const 2)) (global.set $step (i32.const 1)) return))
        (if (i32.eq (global.get $step) (i32.const 1)) (then
            (if (i32.eq (global.get $died) (i32.div_u (global.get $count) (i32.const 2))) (then
                (call $say (call $check)) (call $let_go (i32.const 1)) (global.set $step (i32.const 2))))
            return))
        (if (i32.and (i32.eq (global.get $died) (global.get $count)) (ref.is_null (call $weakRefGet (global.get $cycle)))) (then
            (call $say (call $cleared)) (call $say (global.get $died)) (call $clearSchedule (global.get $timer)))))
    ;; A finalizer to which its own argument leads.
    (func $make_cycle (local $holder (ref $holder))
        (local.set $holder (struct.new $holder (ref.null extern)))
        (struct.set $holder 0 (local.get $holder) (call $finalizerCreate (ref.func $dead) (local.get $holder)))
        (call $finalizerAttach (struct.get $holder 0 (local.get $holder)) (local.get $holder) (local.get $holder) (ref.null none))
        (global.set $cycle (call $weakRefCreate (local.get $holder))))
    (func $main (export "$invokeMain") (param (ref $args)) (local $k i32)
        (global.set $nodes (array.new_default $nodes (global.get $count)))
        (global.set $weak (array.new_default $args (global.get $count)))
        (global.set $seen (array.new_default $i8 (global.get $count)))
        (global.set $expando (call $expandoCreate))
        (global.set $finalizer (call $finalizerCreate (ref.func $dead) (ref.i31 (i32.const 0))))
        (call $make_cycle)
        (loop $next
            (call $make (local.get $k))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (br_if $next (i32.lt_u (local.get $k) (global.get $count))))
        (global.set $timer (call $scheduleRepeated (i64.const 1) (ref.func $round) (ref.i31 (i32.const 0))))))"#;

/// None is lost while it is held, all go afterwards, and each callback comes once, in a turn of its own.
fn weak_things_live_and_die(config: &Config, count: u32) {
    let text = imports() + &WEAK.replace("COUNT", &count.to_string());
    let mut program = Program::load(config, WasiCtx::builder(), text);
    program.run().unwrap_or_else(|error| panic!("{count}: {error:?}"));
    let (all, half) = (count.to_string(), (count / 2).to_string());
    assert_eq!(program.lines(), [&*all, &half, &all, &all]);
}

#[test]
fn a_hundred_thousand_weak_things_live_and_die() {
    let mut config = Config::new();
    weak_things_live_and_die(config.gc_heap_max(512 << 20), 100_000);
}

#[test]
fn a_hundred_thousand_weak_things_live_and_die_under_stress() {
    let mut config = Config::new();
    weak_things_live_and_die(
        config.gc_stress(99_991).gc_verify(true).gc_nursery(8 << 20).gc_heap_max(512 << 20),
        100_000,
    );
}

#[test]
fn weak_things_live_and_die_while_everything_moves() {
    let mut config = Config::new();
    weak_things_live_and_die(config.gc_stress(3).gc_verify(true), 200);
}
