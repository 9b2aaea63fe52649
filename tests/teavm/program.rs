//! The surface's functions, and a program in a store of its own, by way of the library.

use crate::common;
use heapwood::surfaces::HostTrap;
use heapwood::surfaces::teavm::{self, TeaVm};
use heapwood::wasi::{MemoryOutput, WasiCtx, WasiCtxBuilder};
use heapwood::{Config, Engine, Instance, Linker, Module, Store, Val};
use std::fmt::Write;

/// Every function: module, name, type.
pub const FUNCTIONS: [(&str, &str, &str); 41] = [
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
pub const TYPES: &str = r#"
    (rec (type $object (sub (struct (field $number i32)))) (type $string (sub $object (struct (field $number i32))))
        (type $entry (sub (struct (field (mut i32)))))
        (type $queue (sub (struct (field $told (mut i32)))))
        (type $weak (sub (struct (field $times (mut i32)) (field $ref (mut externref))))))
    (type $run (func (param (ref null $object))))
    (type $objects (array (mut (ref null $object)))) (type $weaks (array (mut (ref null $weak))))"#;

pub struct Host {
    pub teavm: TeaVm,
    pub wasi: WasiCtx,
}

pub fn parts(host: &mut Host) -> (&mut TeaVm, &mut WasiCtx) {
    (&mut host.teavm, &mut host.wasi)
}

pub fn linker(engine: &Engine) -> Linker<Host> {
    let mut linker = Linker::new(engine);
    teavm::add_to_linker(&mut linker, parts).unwrap();
    linker
}

/// An instance of a program, with what it writes.
pub struct Program {
    pub store: Store<Host>,
    pub instance: Instance,
    pub output: MemoryOutput,
    pub error: MemoryOutput,
}

impl Program {
    /// A program with these fields, besides `TYPES`.
    pub fn of(config: &Config, grants: WasiCtxBuilder, fields: &str) -> Program {
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
    pub fn new(grants: WasiCtxBuilder) -> Program {
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

    pub fn try_call(&mut self, name: &str, args: &[Val]) -> heapwood::Result<Option<Val>> {
        common::call_export(&mut self.store, self.instance, name, args)
    }

    pub fn call(&mut self, name: &str, args: &[Val]) -> Option<Val> {
        self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub fn i32(&mut self, name: &str, args: &[Val]) -> i32 {
        self.call(name, args).and_then(|value| value.i32()).unwrap()
    }

    pub fn f64(&mut self, name: &str, args: &[Val]) -> f64 {
        self.call(name, args).and_then(|value| value.f64()).unwrap()
    }

    pub fn refused(&mut self, name: &str, args: &[Val]) -> HostTrap {
        let error = self.try_call(name, args).unwrap_err();
        error.downcast_ref::<HostTrap>().unwrap_or_else(|| panic!("{name}: {error}")).clone()
    }

    pub fn run_events(&mut self) -> heapwood::Result<()> {
        teavm::run_events(&mut self.store, parts)
    }

    /// What was written to both streams, and what was kept.
    pub fn written(&mut self) -> [String; 2] {
        let (teavm, wasi) = parts(self.store.data_mut());
        teavm.flush(wasi).unwrap();
        [&self.output, &self.error].map(|stream| String::from_utf8(stream.take()).unwrap())
    }
}
