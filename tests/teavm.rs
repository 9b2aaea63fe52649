//! The surface of TeaVM: every function by name and type, what it does, what it refuses; weak references and interned
//! strings that die; what programs leave to be done; exceptions that nobody catches.

mod common;

use common::{finish, heapwood, scratch, wat};
use heapwood::surfaces::teavm::{self, TeaVm};
use heapwood::surfaces::{HostTrap, TimeZone};
use heapwood::wasi::{DeterministicClocks, MemoryOutput, WasiCtx, WasiCtxBuilder};
use heapwood::{
    Config, Engine, ErrorKind, ExternRef, Instance, Linker, Module, RootScope, Rooted, Store, TrapKind, Val,
};
use std::fmt::Write;
use std::time::Duration;

/// Every function: module, name, type.
const FUNCTIONS: [(&str, &str, &str); 41] = [
    ("teavmMemory", "notifyHeapResized", ""),
    ("teavmMemory", "linearMemory", "(result externref)"),
    ("teavmConsole", "putcharStdout", "(param i32)"),
    ("teavmConsole", "putcharStderr", "(param i32)"),
    ("teavmDate", "currentTimeMillis", "(result f64)"),
    ("teavmDate", "create", "(param i32 i32 i32 i32 i32 i32) (result f64)"),
    ("teavmDate", "createFromUTC", "(param i32 i32 i32 i32 i32 i32) (result f64)"),
    ("teavmDate", "getYear", "(param f64) (result i32)"),
    ("teavmDate", "getMonth", "(param f64) (result i32)"),
    ("teavmDate", "getDate", "(param f64) (result i32)"),
    ("teavmDate", "setYear", "(param f64 i32) (result f64)"),
    ("teavmDate", "setMonth", "(param f64 i32) (result f64)"),
    ("teavmDate", "setDate", "(param f64 i32) (result f64)"),
    ("teavmDate", "dateToString", "(param f64) (result externref)"),
    ("teavmMath", "sin", "(param f64) (result f64)"),
    ("teavmMath", "cos", "(param f64) (result f64)"),
    ("teavmMath", "tan", "(param f64) (result f64)"),
    ("teavmMath", "asin", "(param f64) (result f64)"),
    ("teavmMath", "acos", "(param f64) (result f64)"),
    ("teavmMath", "atan", "(param f64) (result f64)"),
    ("teavmMath", "exp", "(param f64) (result f64)"),
    ("teavmMath", "log", "(param f64) (result f64)"),
    ("teavmMath", "sqrt", "(param f64) (result f64)"),
    ("teavmMath", "floor", "(param f64) (result f64)"),
    ("teavmMath", "ceil", "(param f64) (result f64)"),
    ("teavmMath", "pow", "(param f64 f64) (result f64)"),
    ("teavmMath", "atan2", "(param f64 f64) (result f64)"),
    ("teavmMath", "random", "(result f64)"),
    ("teavm", "createWeakRef", "(param (ref null $object) (ref null $weak) (ref null $queue)) (result externref)"),
    ("teavm", "deref", "(param externref) (result (ref null $object))"),
    ("teavm", "createStringWeakRef", "(param (ref null $string) (ref null $entry)) (result externref)"),
    ("teavm", "stringDeref", "(param externref) (result (ref null $string))"),
    ("teavm", "takeStackTrace", "(param externref) (result externref)"),
    ("teavm", "decorateException", "(param (ref null $object))"),
    ("teavm", "isnan", "(param f64) (result i32)"),
    ("teavm", "isfinite", "(param f64) (result i32)"),
    ("teavm", "isinf", "(param f32) (result i32)"),
    ("teavm", "getNativeOffset", "(param f64) (result i32)"),
    ("teavmAsync", "offer", "(param (ref null $object) (ref $run) f64) (result i32)"),
    ("teavmAsync", "kill", "(param i32)"),
    // Under a name that a program imports with another type.
    ("teavm", "isnan", "(param f32) (result i32)"),
];

/// The types of a program, and what the surface calls.
const TYPES: &str = r#"
    (rec (type $object (sub (struct (field $number i32)))) (type $string (sub $object (struct (field $number i32))))
        (type $entry (sub (struct (field (mut i32)))))
        (type $queue (sub (struct (field $told (mut i32)))))
        (type $weak (sub (struct (field $times (mut i32)) (field $ref (mut externref))))))
    (type $run (func (param (ref null $object))))
    (type $objects (array (mut (ref null $object)))) (type $weaks (array (mut (ref null $weak))))"#;

struct Host {
    teavm: TeaVm,
    wasi: WasiCtx,
}

fn parts(host: &mut Host) -> (&mut TeaVm, &mut WasiCtx) {
    (&mut host.teavm, &mut host.wasi)
}

fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    teavm::add_to_linker(&mut linker, parts).unwrap();
    linker
}

/// An instance of a program, with what it writes.
struct Program {
    store: Store<Host>,
    instance: Instance,
    output: MemoryOutput,
    error: MemoryOutput,
}

impl Program {
    /// A program with these fields, besides `TYPES`.
    fn of(config: &Config, grants: WasiCtxBuilder, fields: &str) -> Program {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, format!("(module {TYPES} {fields})")).unwrap();
        let mut linker = linker(&engine);
        teavm::add_heap_offset(&mut linker, &module).unwrap();
        let (output, error) = (MemoryOutput::new(64 << 20), MemoryOutput::new(1 << 20));
        let wasi = grants.stdout(output.clone()).stderr(error.clone()).build().unwrap();
        let mut store = Store::new(&engine, Host { teavm: TeaVm::new(), wasi });
        let instance = linker.instantiate(&mut store, &module).unwrap();
        Program { store, instance, output, error }
    }

    /// One that imports and exports all functions, each as `module.name`, the last one of a name; and makes objects.
    fn new(grants: WasiCtxBuilder) -> Program {
        let mut fields = String::new();
        for (k, (module, name, ty)) in FUNCTIONS.iter().enumerate() {
            write!(fields, r#" (import "{module}" "{name}" (func $f{k} {ty}))"#).unwrap();
        }
        for (k, (module, name, _)) in FUNCTIONS.iter().enumerate() {
            let again = if k == 40 { ".f32" } else { "" };
            write!(fields, r#" (export "{module}.{name}{again}" (func $f{k}))"#).unwrap();
        }
        fields.push_str(
            r#"(func (export "object") (param i32) (result (ref $object)) (struct.new $object (local.get 0)))
            (func (export "string") (param i32) (result (ref $string)) (struct.new $string (local.get 0)))
            (func (export "weak") (result (ref $weak)) (struct.new_default $weak))
            (func (export "entry") (result (ref $entry)) (struct.new_default $entry))
            (func (export "queue") (result (ref $queue)) (struct.new_default $queue))
            (func (export "nothing") (param (ref null $object)))"#,
        );
        Program::of(&Config::new(), grants, &fields)
    }

    fn try_call(&mut self, name: &str, args: &[Val]) -> heapwood::Result<Option<Val>> {
        common::call_export(&mut self.store, self.instance, name, args)
    }

    fn call(&mut self, name: &str, args: &[Val]) -> Option<Val> {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn i32(&mut self, name: &str, args: &[Val]) -> i32 {
        self.call(name, args).and_then(|value| value.i32()).unwrap()
    }

    fn f64(&mut self, name: &str, args: &[Val]) -> f64 {
        self.call(name, args).and_then(|value| value.f64()).unwrap()
    }

    fn refused(&mut self, name: &str, args: &[Val]) -> HostTrap {
        let error = self.try_call(name, args).unwrap_err();
        error.downcast_ref::<HostTrap>().unwrap_or_else(|| panic!("{name}: {error}")).clone()
    }

    fn run_events(&mut self) -> heapwood::Result<()> {
        teavm::run_events(&mut self.store, parts)
    }

    /// What was written to both streams, and what was kept.
    fn written(&mut self) -> [String; 2] {
        let (teavm, wasi) = parts(self.store.data_mut());
        teavm.flush(wasi).unwrap();
        [&self.output, &self.error].map(|stream| String::from_utf8(stream.take()).unwrap())
    }
}

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

/// Objects with a weak reference each, of which some are held, and how often each reference was reported.
const WEAK: &str = r#"
    (import "teavm" "createWeakRef" (func $create
        (param (ref null $object) (ref null $weak) (ref null $queue)) (result externref)))
    (import "teavm" "deref" (func $deref (param externref) (result (ref null $object))))
    (global $held (mut (ref null $objects)) (ref.null $objects))
    (global $weaks (mut (ref null $weaks)) (ref.null $weaks))
    (global $queue (mut (ref null $queue)) (ref.null $queue))
    (func (export "make") (param $count i32) (local $i i32) (local $object (ref null $object)) (local $weak (ref null $weak))
        (global.set $held (array.new_default $objects (local.get $count)))
        (global.set $weaks (array.new_default $weaks (local.get $count)))
        (global.set $queue (struct.new_default $queue))
        (loop $next
            (local.set $object (struct.new $object (local.get $i)))
            (local.set $weak (struct.new_default $weak))
            (array.set $objects (global.get $held) (local.get $i) (local.get $object))
            (array.set $weaks (global.get $weaks) (local.get $i) (local.get $weak))
            (struct.set $weak $ref (local.get $weak)
                (call $create (local.get $object) (local.get $weak) (global.get $queue)))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $count)))))
    (func (export "release") (param $from i32) (param $count i32)
        (array.fill $objects (global.get $held) (local.get $from) (ref.null $object) (local.get $count)))
    ;; References that give what is held, or null where nothing is, from the first on.
    (func (export "right") (result i32) (local $i i32)
        (loop $next
            (if (i32.eq (local.get $i) (array.len (global.get $weaks))) (then (return (local.get $i))))
            (if (ref.eq (array.get $objects (global.get $held) (local.get $i))
                    (call $deref (struct.get $weak $ref (array.get $weaks (global.get $weaks) (local.get $i)))))
                (then (local.set $i (i32.add (local.get $i) (i32.const 1))) (br $next))))
        (local.get $i))
    ;; References that are held, whatever they give.
    (func (export "kept") (result i32) (local $i i32) (local $kept i32)
        (loop $next
            (local.set $kept (i32.add (local.get $kept)
                (i32.eqz (ref.is_null (array.get $objects (global.get $held) (local.get $i))))))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (array.len (global.get $weaks)))))
        (local.get $kept))
    (func (export "reported") (param $times i32) (result i32) (local $i i32) (local $found i32)
        (loop $next
            (local.set $found (i32.add (local.get $found) (i32.eq (local.get $times)
                (struct.get $weak $times (array.get $weaks (global.get $weaks) (local.get $i))))))
            (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
                (array.len (global.get $weaks)))))
        (local.get $found))
    (func (export "told") (result i32) (struct.get $queue $told (global.get $queue)))
    (func (export "teavm.reportGarbageCollectedValue") (param $queue (ref null $queue)) (param $weak (ref null $weak))
        (struct.set $queue $told (local.get $queue)
            (i32.add (i32.const 1) (struct.get $queue $told (local.get $queue))))
        (struct.set $weak $times (local.get $weak)
            (i32.add (i32.const 1) (struct.get $weak $times (local.get $weak)))))"#;

/// None is lost while its object is alive, all are gone afterwards, and of each death its queue is told once.
#[test]
fn a_hundred_thousand_weak_references_die_with_their_objects() {
    const COUNT: i32 = 100_000;
    let mut stressed = Config::new();
    stressed.gc_stress(20_011).gc_verify(true);
    let mut small = Config::new();
    small.gc_nursery(64 << 10);
    for config in [Config::new(), small, stressed] {
        let mut program = Program::of(&config, WasiCtx::builder(), WEAK);
        program.call("make", &[Val::I32(COUNT)]);
        program.store.gc().unwrap();
        program.run_events().unwrap();
        assert_eq!((program.i32("right", &[]), program.i32("told", &[])), (COUNT, 0));
        for released in [COUNT / 4, COUNT] {
            program.call("release", &[Val::I32(0), Val::I32(released)]);
            program.store.gc().unwrap();
            assert_eq!(program.i32("right", &[]), COUNT, "gone are those that are not held");
            assert_eq!(program.i32("kept", &[]), COUNT - released);
            program.run_events().unwrap();
            program.store.gc().unwrap();
            program.run_events().unwrap();
            assert_eq!((program.i32("told", &[]), program.i32("reported", &[Val::I32(1)])), (released, released));
            assert_eq!(program.i32("reported", &[Val::I32(0)]), COUNT - released);
        }
    }
}

#[test]
fn a_weak_reference_without_a_queue_tells_nobody_and_strings_tell_their_entry() {
    let mut program = Program::of(
        &Config::new(),
        WasiCtx::builder(),
        r#"(import "teavm" "createWeakRef" (func $create
            (param (ref null $object) (ref null $weak) (ref null $queue)) (result externref)))
        (import "teavm" "createStringWeakRef" (func $intern (param (ref null $string) (ref null $entry)) (result externref)))
        (import "teavm" "stringDeref" (func $deref (param externref) (result (ref null $string))))
        (global $told (mut i32) (i32.const 0)) (global $string (mut (ref null $string)) (ref.null $string))
        (global $entry (mut (ref null $entry)) (ref.null $entry)) (global $ref (mut externref) (ref.null extern))
        (func (export "make")
            (drop (call $create (struct.new $object (i32.const 1)) (struct.new_default $weak) (ref.null $queue)))
            (drop (call $intern (struct.new $string (i32.const 9)) (struct.new_default $entry)))
            (global.set $string (struct.new $string (i32.const 5)))
            (global.set $entry (struct.new_default $entry))
            (global.set $ref (call $intern (global.get $string) (global.get $entry))))
        (func (export "number") (result i32) (struct.get $string 0 (call $deref (global.get $ref))))
        (func (export "forget") (global.set $string (ref.null $string)))
        (func (export "told") (result i32) (global.get $told))
        (func (export "teavm.reportGarbageCollectedValue") (param (ref null $queue) (ref null $weak)) unreachable)
        (func (export "teavm.reportGarbageCollectedString") (param $entry (ref null $entry))
            (if (ref.eq (local.get $entry) (global.get $entry))
                (then (global.set $told (i32.add (global.get $told) (i32.const 1))))))"#,
    );
    program.call("make", &[]);
    program.store.gc().unwrap();
    program.run_events().unwrap();
    assert_eq!((program.i32("number", &[]), program.i32("told", &[])), (5, 0));
    program.call("forget", &[]);
    program.store.gc().unwrap();
    program.run_events().unwrap();
    program.run_events().unwrap();
    assert_eq!(program.i32("told", &[]), 1);
    assert_eq!(program.i32("number", &[]), 9, "the first one stands for those that are gone");
}

#[test]
fn there_are_no_stack_traces_of_javascript() {
    let mut program = Program::new(WasiCtx::builder());
    assert!(program.call("teavm.takeStackTrace", &[Val::ExternRef(None)]).unwrap().is_null());
    let object = program.call("object", &[Val::I32(1)]).unwrap();
    program.call("teavm.decorateException", &[object]);
}

/// Calls that are offered, and what each of them prints.
const OFFERS: &str = r#"
    (import "teavmConsole" "putcharStdout" (func $put (param i32)))
    (import "teavmAsync" "offer" (func $offer (param (ref null $object) (ref $run) f64) (result i32)))
    (import "teavmAsync" "kill" (func $kill (param i32)))
    (import "teavmDate" "currentTimeMillis" (func $now (result f64)))
    (tag $exception (export "teavm.javaException") (param (ref null $object)))
    (elem declare func $print $again $fail $throw $spin)
    (func $print (param $object (ref null $object)) (call $put (struct.get $object 0 (local.get $object))))
    (func $again (param $object (ref null $object)) (local $number i32)
        (call $print (local.get $object))
        (local.set $number (i32.sub (struct.get $object 0 (local.get $object)) (i32.const 1)))
        (if (i32.ge_u (local.get $number) (i32.const 0x61)) (then
            (drop (call $offer (struct.new $object (local.get $number)) (ref.func $again) (f64.const 0))))))
    (func $fail (param (ref null $object)) unreachable)
    (func $throw (param $object (ref null $object)) (throw $exception (local.get $object)))
    (func $spin (param (ref null $object)) (loop (br 0)))
    (func $in (param $number i32) (param $ms f64) (param $run (ref $run)) (result i32)
        (call $offer (struct.new $object (local.get $number)) (local.get $run) (f64.add (call $now) (local.get $ms))))
    (func (export "print") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $print)))
    (func (export "again") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $again)))
    (func (export "fail") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $fail)))
    (func (export "throw") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $throw)))
    (func (export "spin") (param i32 f64) (result i32) (call $in (local.get 0) (local.get 1) (ref.func $spin)))
    (func (export "kill") (param i32) (call $kill (local.get 0)))"#;

#[test]
fn offered_calls_come_at_their_times_in_order() {
    let stands_still = || WasiCtx::builder().clocks(DeterministicClocks::new(1_700_000_000_000_000_000, 0));
    let mut program = Program::of(&Config::new(), stands_still(), OFFERS);
    let offer = |program: &mut Program, name: &str, letter: char, ms: f64| {
        program.i32(name, &[Val::I32(letter as i32), Val::from(ms)])
    };
    for (letter, ms) in [('D', 9e9), ('B', 20.0), ('A', 10.0), ('C', 20.0), ('-', -50.0), ('+', f64::NAN), ('.', 0.0)] {
        offer(&mut program, "print", letter, ms);
    }
    let killed = offer(&mut program, "print", 'X', 15.0);
    program.call("kill", &[Val::I32(killed)]);
    program.call("kill", &[Val::I32(killed)]);
    program.call("kill", &[Val::I32(-1)]);
    assert_eq!(program.written()[0], "", "nothing before the program has returned");
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "-+.ABCD");
    // What a call offers comes as well, behind what is due.
    offer(&mut program, "again", 'c', 5.0);
    offer(&mut program, "print", 'x', 5.0);
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "cxba");
    program.run_events().unwrap();
    // With clocks that move by themselves it waits.
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), OFFERS);
    offer(&mut program, "print", '2', 12.0);
    offer(&mut program, "print", '1', 3.0);
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "12");
}

#[test]
fn what_an_offered_call_fails_with_ends_the_program() {
    let stands_still = || WasiCtx::builder().clocks(DeterministicClocks::new(0, 0));
    let mut program = Program::of(&Config::new(), stands_still(), OFFERS);
    let offer = |program: &mut Program, name: &str, ms: f64| program.i32(name, &[Val::I32(0x41), Val::from(ms)]);
    offer(&mut program, "print", 0.0);
    offer(&mut program, "fail", 1.0);
    offer(&mut program, "throw", 2.0);
    offer(&mut program, "print", 3.0);
    let error = program.run_events().unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::Unreachable);
    assert!(!error.backtrace().unwrap().frames().is_empty());
    let error = program.run_events().unwrap_err();
    let exception = error.exception().unwrap().clone();
    // Module names for types are all that the message has here.
    assert_eq!(teavm::describe(&mut program.store, &exception).unwrap(), "Uncaught exception: object");
    program.run_events().unwrap();
    assert_eq!(program.written()[0], "AA");
    // A deadline, and an interrupt, end calls and waits.
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), OFFERS);
    for (name, ms) in [("spin", 0.0), ("print", 1e12), ("print", f64::INFINITY)] {
        let number = offer(&mut program, name, ms);
        program.store.set_deadline(Duration::from_millis(20));
        let error = program.run_events().unwrap_err();
        assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::DeadlineExceeded), "{name}: {error}");
        program.call("kill", &[Val::I32(number)]);
    }
    offer(&mut program, "print", 1e12);
    program.store.interrupt_handle().interrupt();
    let error = program.run_events().unwrap_err();
    assert_eq!(error.trap().map(|trap| trap.kind()), Some(TrapKind::Interrupted), "{error}");
}

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

/// An exception with a message, and one whose message cannot be had.
#[test]
fn an_exception_is_described_by_class_and_message() {
    let fields = r#"(type $chars (array (mut i16))) (type $data (struct (field i32) (field (ref null $chars))))
        (type $text (struct (field (ref null $data)) (field i32) (field (ref null $data))))
        (type $java.lang.Error (sub (struct (field (ref null $text)))))
        (tag $exception (export "teavm.javaException") (param (ref null $java.lang.Error)))
        (tag $other (export "other") (param (ref null $java.lang.Error)))
        (func (export "teavm.exceptionMessage") (param $e (ref null $java.lang.Error)) (result (ref null $text))
            (struct.get $java.lang.Error 0 (local.get $e)))
        (func $data (param i32 i32) (result (ref $data)) (struct.new $data (i32.const 0)
            (array.new_fixed $chars 3 (local.get 0) (local.get 1) (i32.const 0x21))))
        (func (export "throw") (throw $exception (struct.new $java.lang.Error (struct.new $text
            (call $data (i32.const 0x58) (i32.const 0x58)) (i32.const 0) (call $data (i32.const 0xd83c) (i32.const 0xdf89))))))
        (func (export "without") (throw $exception (struct.new $java.lang.Error (ref.null $text))))
        (func (export "null") (throw $exception (ref.null $java.lang.Error)))
        (func (export "other tag") (throw $other (ref.null $java.lang.Error)))"#;
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), fields);
    let mut described = |name: &str| {
        let error = program.try_call(name, &[]).unwrap_err();
        let described = teavm::describe(&mut program.store, error.exception().unwrap());
        let mut scope = RootScope::new(&mut program.store);
        scope.gc().unwrap();
        described
    };
    assert_eq!(described("throw").unwrap(), "Uncaught exception: java.lang.Error: \u{1f389}!");
    assert_eq!(described("without").unwrap(), "Uncaught exception: java.lang.Error");
    assert_eq!(described("null").unwrap(), "uncaught Java exception");
    assert_eq!(described("other tag"), None);
    // A program that does not come to an end over it has no message.
    let endless = r#"(tag $exception (export "teavm.javaException") (param (ref null $object)))
        (func (export "teavm.exceptionMessage") (param (ref null $object)) (result (ref null $string)) (loop (br 0)) unreachable)
        (func (export "throw") (throw $exception (struct.new $object (i32.const 1))))"#;
    let mut program = Program::of(&Config::new(), WasiCtx::builder(), endless);
    let error = program.try_call("throw", &[]).unwrap_err();
    let described = teavm::describe(&mut program.store, error.exception().unwrap());
    assert_eq!(described.unwrap(), "Uncaught exception: object");
}

/// The whole command: which programs get the surface, pending text however a program ends, `-S`, what is refused.
#[test]
fn programs_run_from_the_command_line() {
    let folder = scratch("teavm-run");
    let body = |end: &str| {
        format!(
            r#"(module {TYPES} (import "teavmConsole" "putcharStdout" (func $put (param i32)))
                (import "teavmConsole" "putcharStderr" (func $error (param i32)))
                (import "teavmAsync" "offer" (func $offer (param (ref null $object) (ref $run) f64) (result i32)))
                (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (tag $exception (export "teavm.javaException") (param (ref null $object)))
                (elem declare func $later $throw)
                (func $later (param (ref null $object)) (call $put (i32.const 0x4c)))
                (func $throw (param $object (ref null $object)) (throw $exception (local.get $object)))
                (func (export "_start") (call $put (i32.const 0x48)) (call $put (i32.const 0xd83d))
                    (call $error (i32.const 0x45)) {end}))"#
        )
    };
    let run = |name: &str, text: &str, options: &[&str]| {
        finish(heapwood().arg("run").args(options).arg(wat(&folder, name, text)))
    };
    let object = "(struct.new $object (i32.const 1))";
    let offer = |run: &str| format!("(drop (call $offer {object} (ref.func ${run}) (f64.const 0)))");
    for (name, end, code, stdout, says) in [
        ("returns.wat", String::new(), 0, "H\u{fffd}", "E"),
        ("exits.wat", "(call $exit (i32.const 7))".to_owned(), 7, "H\u{fffd}", "E"),
        ("traps.wat", "unreachable".to_owned(), 134, "H\u{fffd}", "unreachable"),
        ("throws.wat", format!("(throw $exception {object})"), 134, "H\u{fffd}", "Uncaught exception: object"),
        ("later.wat", offer("later"), 0, "H\u{fffd}L", "E"),
        ("fails.wat", offer("throw") + &offer("later"), 134, "H\u{fffd}", "Uncaught exception: object"),
    ] {
        let ended = run(name, &body(&end), &[]);
        assert_eq!((ended.code, &*ended.stdout), (Some(code), stdout), "{name}: {}", ended.stderr);
        assert!(ended.stderr.starts_with('E') && ended.stderr.contains(says), "{name}: {}", ended.stderr);
        assert_eq!(ended.stderr.contains("throw"), ["fails.wat", "throws.wat"].contains(&name), "{}", ended.stderr);
    }
    let refused = run("off.wat", &body(""), &["-S", "teavm=n"]);
    assert!(refused.code == Some(1) && refused.stderr.contains("teavmConsole::putcharStdout"), "{}", refused.stderr);
    let slow = body(&format!("(drop (call $offer {object} (ref.func $later) (f64.const inf)))"));
    let ended = run("slow.wat", &slow, &["--timeout", "1s"]);
    assert_eq!((ended.code, &*ended.stdout), (Some(124), "H\u{fffd}"), "{}", ended.stderr);
    for (name, import, says) in [
        ("jso.wat", r#"(import "teavmJso" "createClass" (func))"#, "leave it off the class path"),
        ("unknown.wat", r#"(import "teavmDate" "noSuchThing" (func))"#, "teavmDate::noSuchThing"),
        ("type.wat", r#"(import "teavmDate" "getYear" (func))"#, "teavmDate::getYear"),
        ("mutable.wat", r#"(import "teavmMemory" "heapOffset" (global (mut i32)))"#, "teavmMemory::heapOffset"),
        ("section.wat", r#"(@custom "teavm.memoryRequirements" "none")"#, "teavm.memoryRequirements"),
    ] {
        let refused = run(name, &format!(r#"(module {import} (func (export "_start")))"#), &[]);
        assert!(refused.code == Some(1) && refused.stderr.contains(says), "{name}: {}", refused.stderr);
    }
    // The whole of a section may be what tells.
    let memory = r#"(module (import "env" "memory" (memory 2)) (@custom "teavm.memoryRequirements" "{}")
        (func (export "_start") (if (i32.ne (memory.size) (i32.const 2)) (then unreachable))))"#;
    let ended = run("section-only.wat", memory, &[]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let inspected = finish(heapwood().arg("inspect").arg(wat(&folder, "inspected.wat", &body(""))));
    assert_eq!(inspected.stdout.matches("<- TeaVM's surface").count(), 3, "{}", inspected.stdout);
    let benched =
        finish(heapwood().args(["bench", "--reps", "2"]).arg(wat(&folder, "benched.wat", &body(&offer("later")))));
    assert_eq!(benched.code, Some(0), "{}", benched.stderr);
}
