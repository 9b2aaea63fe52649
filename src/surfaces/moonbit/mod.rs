//! MoonBit, target wasm-gc.
//!
//! A host keeps a [`MoonBit`] beside a [`WasiCtx`] in its store's data and says where. When the program has ended,
//! however it ended, [`MoonBit::flush`] writes what its last line left.
//!
//! ```
//! use heapwood::surfaces::moonbit::{self, MoonBit};
//! use heapwood::wasi::{MemoryOutput, WasiCtx};
//! use heapwood::{Engine, Linker, Module, Store};
//! struct Host {
//!     moonbit: MoonBit,
//!     wasi: WasiCtx,
//! }
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module
//!     (import "spectest" "print_char" (func $print_char (param i32)))
//!     (func (export "_start") (call $print_char (i32.const 72)) (call $print_char (i32.const 105))))"#)?;
//! let mut linker = Linker::new(&engine);
//! moonbit::add_to_linker(&mut linker, |host: &mut Host| (&mut host.moonbit, &mut host.wasi))?;
//! let output = MemoryOutput::new(1000);
//! let wasi = WasiCtx::builder().stdout(output.clone()).build()?;
//! let mut store = Store::new(&engine, Host { moonbit: MoonBit::new(), wasi });
//! let instance = linker.instantiate(&mut store, &module)?;
//! instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())?;
//! let Host { moonbit, wasi } = store.data_mut();
//! moonbit.flush(wasi).unwrap();
//! assert_eq!(output.contents(), b"Hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod console;
mod exceptions;
mod files;
mod maths;
mod strings;

pub use heapwood_surfaces::moonbit::{Failure, MoonBit};

use super::{HostTrap, last_write, refused};
use crate::wasi::{self, Outcome, WasiCtx, interruptible};
use crate::{AsContextMut, Caller, Error, ExternRef, Linker, Module, ModuleInfo, Result, Rooted};
use heapwood_surfaces::moonbit::{self, Value};

/// The surface's modules, but `spectest`, which is the name of the specification's test module as well.
const MODULES: [&str; 7] = [
    "__moonbit_fs_unstable",
    "__moonbit_io_unstable",
    "__moonbit_rand_unstable",
    "__moonbit_sys_unstable",
    "__moonbit_time_unstable",
    "Math",
    "console",
];

/// The module of the exception of programs with an older core; too common a name to choose the surface by.
const EXCEPTION: &str = "exception";

/// Where a store's data has the state of the program, and its grants.
pub trait Context<T>: Fn(&mut T) -> (&mut MoonBit, &mut WasiCtx) + Copy + Send + Sync + 'static {}

impl<T, C: Fn(&mut T) -> (&mut MoonBit, &mut WasiCtx) + Copy + Send + Sync + 'static> Context<T> for C {}

/// Defines all functions of the surface.
///
/// # Errors
/// A name is defined already, or the engine's type table is full.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    console::define(linker, context)?;
    exceptions::define(linker)?;
    strings::define(linker, context)?;
    files::define(linker, context)?;
    maths::define(linker)
}

/// Writes what the last line of a program left that has ended, however it ended, as [`MoonBit::flush`] does; but as a
/// call of the store: its deadline, or an interrupt, ends the wait for whoever reads the output.
///
/// # Errors
/// The output refuses, nobody reads it any more, or the guest had to stop.
pub fn finish<T: 'static>(mut store: impl AsContextMut<Data = T>, context: impl Context<T>) -> Result<()> {
    if !context(store.as_context_mut().data_mut()).0.keeps_output() {
        return Ok(());
    }
    let write = move |data: &mut T| {
        let (moonbit, wasi) = context(data);
        moonbit.flush(wasi).map_err(|failure| match failure {
            Failure::Interrupted => wasi::ended(Outcome::Interrupted),
            Failure::Exit(code) => wasi::ended(Outcome::Exit(code)),
            Failure::Trap(why) => refused(why),
        })
    };
    last_write(store, move |data| context(data).1, write)
}

/// Whether a module is a program for this surface: it imports from one of the surface's modules, and of `spectest`
/// nothing but `print_char` and `read_char`, so that the specification's tests are none.
pub fn is_wanted_by(module: &Module) -> bool {
    is_program(module.info())
}

/// Whether a decoded module, compiled or not, is a program for this surface, as [`is_wanted_by`] says.
pub fn is_program(info: &ModuleInfo) -> bool {
    let mut spectest = info.imports.iter().filter(|import| import.module == "spectest").peekable();
    let is_ours = |module: &str| module.starts_with("__moonbit_") && has_module(module);
    let is_wanted = spectest.peek().is_some() || info.imports.iter().any(|import| is_ours(&import.module));
    is_wanted && spectest.all(|import| matches!(&*import.name, "print_char" | "read_char"))
}

/// Whether the surface has functions under this module name; `spectest` does not count, since tests import from it as
/// well.
pub fn has_module(name: &str) -> bool {
    MODULES.contains(&name)
}

/// An external reference as guests pass it.
type Handle = Option<Rooted<ExternRef>>;

/// What a function of the surface does that may wait for a stream: what makes the guest stop ends the wait.
fn waiting<T: 'static, R>(
    caller: &mut Caller<'_, T>,
    context: impl Context<T>,
    function: &str,
    work: impl FnOnce(&mut MoonBit, &mut WasiCtx) -> moonbit::Result<R>,
) -> Result<R> {
    let worked = interruptible(
        caller,
        |data| context(data).1,
        |caller| {
            let (moonbit, wasi) = context(caller.data_mut());
            work(moonbit, wasi)
        },
    )?;
    ended(function, worked)
}

/// What a function of the surface did, as a function of the host.
fn ended<R>(function: &str, result: moonbit::Result<R>) -> Result<R> {
    result.map_err(|failure| match failure {
        Failure::Interrupted => wasi::ended(Outcome::Interrupted),
        Failure::Exit(code) => wasi::ended(Outcome::Exit(code)),
        Failure::Trap(message) => Error::new(HostTrap::new(function, message)),
    })
}

fn no_value(function: &str) -> Error {
    Error::new(HostTrap::new(function, "the argument is null, or a value of something else"))
}

/// The value behind a reference.
fn value<T: 'static>(caller: &Caller<'_, T>, handle: Handle, function: &str) -> Result<Value> {
    let found = match &handle {
        Some(handle) => handle.data(caller)?,
        None => None,
    };
    found.and_then(|any| any.downcast_ref::<Value>()).cloned().ok_or_else(|| no_value(function))
}

/// Changes the value behind a reference.
fn change<T: 'static, R>(
    caller: &mut Caller<'_, T>,
    handle: Handle,
    function: &str,
    change: impl FnOnce(&mut Value) -> moonbit::Result<R>,
) -> Result<R> {
    let found = match &handle {
        Some(handle) => handle.data_mut(caller)?,
        None => None,
    };
    let value = found.and_then(|any| any.downcast_mut::<Value>()).ok_or_else(|| no_value(function))?;
    ended(function, change(value))
}

/// A reference to a value.
fn give<T: 'static>(caller: &mut Caller<'_, T>, value: Value) -> Result<Handle> {
    ExternRef::new(&mut *caller, value).map(Some)
}
