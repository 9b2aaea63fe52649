//! What each function does.

use crate::functions::FUNCTIONS;
use crate::program::{BEGIN, Program};
use heapwood::surfaces::HostTrap;
use heapwood::wasi::WasiCtx;
use heapwood::{StorageType, TrapKind, Val};
use std::collections::BTreeSet;

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
