//! A program in a store of its own, by way of the library.

use crate::common;
use crate::functions::{FUNCTIONS, imports};
use heapwood::surfaces::dart::{self, Dart};
use heapwood::wasi::{DeterministicClocks, MemoryOutput, SeededRandom, WasiCtx, WasiCtxBuilder};
use heapwood::{
    AnyRef, ArrayRef, ArrayType, Config, Engine, FieldType, Instance, Linker, Module, Mutability, Rooted, StorageType,
    Store, StringRef, Val,
};
use std::collections::BTreeSet;
use std::fmt::Write;

pub struct Host {
    pub dart: Dart,
    pub wasi: WasiCtx,
}

pub fn context(host: &mut Host) -> (&mut Dart, &mut WasiCtx) {
    (&mut host.dart, &mut host.wasi)
}

/// Microseconds since 1970 at which virtual clocks begin.
pub const BEGIN: u64 = 1_700_000_000_000_000;

/// A program, and what it has printed.
pub struct Program {
    pub store: Store<Host>,
    pub instance: Instance,
    pub output: MemoryOutput,
    pub called: BTreeSet<String>,
}

impl Program {
    /// A module, with virtual clocks.
    pub fn load(config: &Config, grants: WasiCtxBuilder, wasm: impl AsRef<[u8]>) -> Program {
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
    pub fn of_all(grants: WasiCtxBuilder) -> Program {
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

    pub fn try_call(&mut self, name: &str, args: &[Val]) -> heapwood::Result<Option<Val>> {
        let given = common::call_export(&mut self.store, self.instance, name, args)?;
        self.called.insert(name.to_owned());
        Ok(given)
    }

    pub fn call(&mut self, name: &str, args: &[Val]) -> Val {
        let given = self.try_call(name, args).unwrap_or_else(|error| panic!("{name}: {error}"));
        given.unwrap_or(Val::I32(0))
    }

    pub fn string(&mut self, units: &[u16]) -> Val {
        StringRef::from_utf16(&mut self.store, units).unwrap().to_externref().into()
    }

    pub fn text(&mut self, text: &str) -> Val {
        self.string(&text.encode_utf16().collect::<Vec<_>>())
    }

    /// A string's units as text in which lone surrogates are written as escapes.
    pub fn shown(&mut self, value: Val) -> String {
        let Val::ExternRef(string) = value else { panic!("{value:?}") };
        let Some(string) = string else { return "null".to_owned() };
        let string = string.as_string(&self.store).unwrap().expect("a string");
        let units: Vec<u16> = string.units(&mut self.store).unwrap().iter().collect();
        char::decode_utf16(units)
            .map(|char| char.map_or_else(|alone| format!("\\{:x}", alone.unpaired_surrogate()), String::from))
            .collect()
    }

    pub fn i31(&mut self, value: i32) -> Val {
        AnyRef::from_i31(&mut self.store, value).unwrap().into()
    }

    pub fn func(&mut self, name: &str) -> Val {
        self.instance.get_func(&mut self.store, name).unwrap().into()
    }

    pub fn run(&mut self) -> heapwood::Result<()> {
        dart::run(&mut self.store, self.instance, context)
    }

    pub fn lines(&self) -> Vec<String> {
        String::from_utf8(self.output.contents()).unwrap().lines().map(str::to_owned).collect()
    }

    pub fn array(&mut self, storage: StorageType, elements: &[u16]) -> Rooted<ArrayRef> {
        let ty = ArrayType::new(self.store.engine(), FieldType::new(Mutability::Var, storage.clone()));
        let bytes: Vec<u8> = elements.iter().map(|element| element.to_le_bytes()[0]).collect();
        match storage {
            StorageType::I8 => ArrayRef::from_slice(&mut self.store, &ty, &bytes).unwrap(),
            _ => ArrayRef::from_slice(&mut self.store, &ty, elements).unwrap(),
        }
    }
}
