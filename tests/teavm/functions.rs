//! What each function does.

use crate::program::{Program, linker};
use heapwood::surfaces::TimeZone;
use heapwood::surfaces::teavm::{self, TeaVm};
use heapwood::wasi::{DeterministicClocks, WasiCtx};
use heapwood::{Config, Engine, Module, Val};

#[test]
fn text_goes_out_by_units_on_both_streams() {
    let mut program = Program::new(WasiCtx::builder());
    let put = |program: &mut Program, stream: &str, text: &[u16]| {
        for unit in text {
            program.call(&format!("teavmConsole.putchar{stream}"), &[Val::I32((*unit).into())]);
        }
    };
    let units = |text: &str| text.encode_utf16().collect::<Vec<_>>();
    put(&mut program, "Stdout", &units("a \u{1f389} line\nno"));
    put(&mut program, "Stderr", &units("other"));
    assert_eq!((program.output.contents(), program.error.contents()), ("a \u{1f389} line\n".into(), Vec::new()));
    put(&mut program, "Stdout", &[0xd83c]);
    put(&mut program, "Stderr", &[0xdf89, 0x0a]);
    assert_eq!(program.error.contents(), "other\u{fffd}\n".as_bytes());
    put(&mut program, "Stdout", &[0xdf89, 0xd800]);
    assert_eq!(program.written(), ["a \u{1f389} line\nno\u{1f389}\u{fffd}", "other\u{fffd}\n"]);
}

/// What a field is and becomes is shown by `host-surfaces/src/teavm/date.rs`; here, that each function has its own.
#[test]
fn dates_are_in_the_zone_that_was_granted() {
    let clocks = DeterministicClocks::new(1_720_000_000_123_456_789, 0);
    let zone = "CET-1CEST,M3.5.0,M10.5.0/3";
    let mut program = Program::new(WasiCtx::builder().clocks(clocks).env("TZ", zone));
    assert_eq!(program.f64("teavmDate.currentTimeMillis", &[]), 1_720_000_000_123.0);
    let fields = [124, 6, 15, 12, 30, 15].map(Val::I32);
    let summer = program.f64("teavmDate.createFromUTC", &fields);
    assert_eq!(summer, -58_237_183_785_000.0, "the year 124");
    let fields = [2024, 6, 15, 12, 30, 15].map(Val::I32);
    assert_eq!(program.f64("teavmDate.createFromUTC", &fields), 1_721_046_615_000.0);
    let local = program.f64("teavmDate.create", &fields);
    assert_eq!(local, 1_721_039_415_000.0);
    let last_of_year = Val::from(1_704_065_400_000.0);
    assert_eq!(
        ["Year", "Month", "Date"].map(|field| program.i32(&format!("teavmDate.get{field}"), &[last_of_year])),
        [2024, 0, 1]
    );
    let set = |program: &mut Program, field: &str, value: i32| {
        program.f64(&format!("teavmDate.set{field}"), &[last_of_year, Val::I32(value)])
    };
    assert_eq!(set(&mut program, "Year", 2025), 1_735_687_800_000.0);
    assert_eq!(set(&mut program, "Month", 6), 1_719_786_600_000.0);
    assert_eq!(set(&mut program, "Date", 400), 1_738_539_000_000.0);
    let offset = |program: &mut Program, ms: f64| program.i32("teavm.getNativeOffset", &[Val::from(ms)]);
    assert_eq!([local, 0.0, f64::NAN].map(|ms| offset(&mut program, ms)), [-120, -60, 0]);
    let Some(Val::ExternRef(Some(text))) = program.call("teavmDate.dateToString", &[Val::from(local)]) else {
        panic!()
    };
    let text = text.as_string(&program.store).unwrap().unwrap().to_string_lossy(&mut program.store).unwrap();
    assert_eq!(text, "Mon Jul 15 2024 12:30:15 GMT+0200 (CEST)");
    // Without a variable, what the host says, or UTC.
    let mut program = Program::new(WasiCtx::builder());
    assert_eq!(offset(&mut program, 0.0), 0);
    program.store.data_mut().teavm = TeaVm::with_default_zone(|| TimeZone::named("XXX-2").unwrap());
    assert_eq!(offset(&mut program, 0.0), -120);
}

#[test]
fn mathematics_and_tests_of_numbers() {
    let mut program = Program::new(WasiCtx::builder());
    let near = |got: f64, wanted: f64| assert!((got - wanted).abs() <= 1e-15 * wanted.abs(), "{got} {wanted}");
    for (name, wanted) in [
        ("sin", 0.479425538604203),
        ("cos", 0.8775825618903728),
        ("tan", 0.5463024898437905),
        ("asin", std::f64::consts::FRAC_PI_6),
        ("acos", std::f64::consts::FRAC_PI_3),
        ("atan", 0.4636476090008061),
        ("exp", 1.6487212707001282),
        ("log", -std::f64::consts::LN_2),
        ("sqrt", std::f64::consts::FRAC_1_SQRT_2),
        ("floor", 0.0),
        ("ceil", 1.0),
    ] {
        near(program.f64(&format!("teavmMath.{name}"), &[Val::from(0.5)]), wanted);
    }
    let two = |program: &mut Program, name: &str, x: f64, y: f64| {
        program.f64(&format!("teavmMath.{name}"), &[Val::from(x), Val::from(y)])
    };
    near(two(&mut program, "atan2", 0.0, -0.0), std::f64::consts::PI);
    near(two(&mut program, "pow", 2.0, 0.5), 2f64.sqrt());
    let (nan, infinite) = (f64::NAN, f64::INFINITY);
    for (x, y) in [(1.0, infinite), (-1.0, -infinite), (1.0, nan), (nan, 1.0)] {
        assert!(two(&mut program, "pow", x, y).is_nan(), "{x} {y}");
    }
    assert_eq!(two(&mut program, "pow", nan, 0.0), 1.0);
    let numbers: Vec<f64> = (0..100).map(|_| program.f64("teavmMath.random", &[])).collect();
    assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)) && numbers[1..].iter().any(|n| *n != numbers[0]));
    for (number, is_nan, is_finite, is_infinite) in
        [(1.5, 0, 1, 0), (nan, 1, 0, 0), (infinite, 0, 0, 1), (-infinite, 0, 0, 1), (f64::MAX, 0, 1, 1)]
    {
        let (wide, narrow) = (Val::from(number), Val::from(number as f32));
        assert_eq!(program.i32("teavm.isnan", &[wide]), is_nan);
        assert_eq!(program.i32("teavm.isnan.f32", &[narrow]), is_nan);
        assert_eq!(program.i32("teavm.isfinite", &[wide]), is_finite);
        // The largest f64 is no f32.
        assert_eq!(program.i32("teavm.isinf", &[narrow]), is_infinite);
    }
}

#[test]
fn memory_and_globals_are_what_the_module_asks_for() {
    let section = r#"(@custom "teavm.memoryRequirements" "{\"min\":33, \"dataSize\":106, \"shared\": false}")"#;
    let globals = r#"(import "teavmMemory" "heapOffset" (global $offset i32))
        (import "teavmMemory" "maxSize" (global $max i32))
        (func (export "offset") (result i32) (global.get $offset)) (func (export "max") (result i32) (global.get $max))
        (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))"#;
    for (import, section, pages, most, offset) in [
        ("(memory 33 32768)", section, 33, 32_768, 112),
        ("(memory 0)", "", 1, 32_768, 0),
        ("(memory 2 3)", section, 2, 3, 112),
        ("(memory 0 0)", section, 0, 0, 112),
        ("(memory 40000)", section, 40_000, 40_000, 112),
    ] {
        let fields = format!(r#"(import "env" "memory" {import}) {globals} {section}"#);
        let mut program = Program::of(&Config::new(), WasiCtx::builder(), &fields);
        assert_eq!((program.i32("offset", &[]), program.i32("max", &[])), (offset, i32::MAX), "{import}");
        assert_eq!(program.i32("grow", &[Val::I32(most - pages)]), pages, "{import}");
        assert_eq!(program.i32("grow", &[Val::I32(1)]), -1, "{import}");
    }
    let mut program = Program::new(WasiCtx::builder());
    program.call("teavmMemory.notifyHeapResized", &[]);
    assert_eq!(program.refused("teavmMemory.linearMemory", &[]).function(), "teavmMemory::linearMemory");
    // A section that cannot be read is named.
    let engine = Engine::default();
    let broken = r#"(module (@custom "teavm.memoryRequirements" "{\"dataSize\": \"1\"}"))"#;
    let error = teavm::add_heap_offset(&mut linker(&engine), &Module::new(&engine, broken).unwrap()).unwrap_err();
    assert!(
        error.to_string().contains("teavm.memoryRequirements") && error.to_string().contains("dataSize"),
        "{error}"
    );
}

#[test]
fn there_are_no_stack_traces_of_javascript() {
    let mut program = Program::new(WasiCtx::builder());
    assert!(program.call("teavm.takeStackTrace", &[Val::ExternRef(None)]).unwrap().is_null());
    let object = program.call("object", &[Val::I32(1)]).unwrap();
    program.call("teavm.decorateException", &[object]);
}
