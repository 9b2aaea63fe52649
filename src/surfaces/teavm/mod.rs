//! TeaVM, target WebAssembly GC: programs of Java, and of Scala and other languages through their class files, that
//! were compiled without TeaVM's JavaScript layer.
//!
//! A host keeps a [`TeaVm`] beside a [`WasiCtx`] in its store's data and says where. [`add_heap_offset`] adds what only
//! the module says. When the program's function has returned, [`run_events`] runs what it left to be done: its timers,
//! and with them its threads, and notices of objects that died. When all has ended, however it ended,
//! [`TeaVm::flush`] writes what the last lines left.
//!
//! ```
//! use heapwood::surfaces::teavm::{self, TeaVm};
//! use heapwood::wasi::{MemoryOutput, WasiCtx};
//! use heapwood::{Engine, Linker, Module, Store};
//! struct Host {
//!     teavm: TeaVm,
//!     wasi: WasiCtx,
//! }
//! fn parts(host: &mut Host) -> (&mut TeaVm, &mut WasiCtx) {
//!     (&mut host.teavm, &mut host.wasi)
//! }
//! let engine = Engine::default();
//! let module = Module::new(&engine, r#"(module
//!     (type $event (struct (field i32)))
//!     (type $run (func (param (ref null $event))))
//!     (import "teavmMemory" "heapOffset" (global i32))
//!     (import "teavmConsole" "putcharStdout" (func $put (param i32)))
//!     (import "teavmAsync" "offer" (func $offer (param (ref null $event) (ref $run) f64) (result i32)))
//!     (func $later (param (ref null $event)) (call $put (struct.get $event 0 (local.get 0))))
//!     (elem declare func $later)
//!     (func (export "_start")
//!         (drop (call $offer (struct.new $event (i32.const 105)) (ref.func $later) (f64.const 0)))
//!         (call $put (i32.const 72))))"#)?;
//! let mut linker = Linker::new(&engine);
//! teavm::add_to_linker(&mut linker, parts)?;
//! teavm::add_heap_offset(&mut linker, &module)?;
//! let output = MemoryOutput::new(1000);
//! let wasi = WasiCtx::builder().stdout(output.clone()).build()?;
//! let mut store = Store::new(&engine, Host { teavm: TeaVm::new(), wasi });
//! let instance = linker.instantiate(&mut store, &module)?;
//! instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ())?;
//! teavm::run_events(&mut store, parts)?;
//! let (teavm, wasi) = parts(store.data_mut());
//! teavm.flush(wasi)?;
//! assert_eq!(output.contents(), b"Hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod console;
mod events;
mod memory;
mod references;
mod thrown;
mod typed;

pub use events::run_events;
pub use memory::add_heap_offset;
pub use thrown::describe;

use super::{HostTrap, TimeZone, as_a_call, granted, last_write, refused};
use crate::wasi::{GrantError, Outcome, WasiCtx, ended};
use crate::{AsContextMut, Error, Linker, Module, Result};
use events::Event;
use heapwood_surfaces::teavm::{Program, Timers};
use references::Deaths;

/// The surface's modules, but `env`, which others have as well.
const MODULES: [&str; 6] = ["teavm", "teavmAsync", "teavmConsole", "teavmDate", "teavmMath", "teavmMemory"];

/// The module of TeaVM's JavaScript layer, which is not there: see [`JSO_HINT`].
pub const JSO_MODULE: &str = "teavmJso";

/// What to do about a module that imports from [`JSO_MODULE`].
pub const JSO_HINT: &str = "this program was compiled with teavm-jso-impl, TeaVM's JavaScript layer (it imports `teavmJso`): leave it off \
    the class path, and export a method as `_start`";

/// The custom section that each module has.
const REQUIREMENTS_SECTION: &str = "teavm.memoryRequirements";

/// The state of one program.
#[derive(Debug, Default)]
pub struct TeaVm {
    program: Program,
    timers: Timers<Event>,
    deaths: Deaths,
}

impl TeaVm {
    /// A program that has not begun. Its local time is that of the variable `TZ` in its environment, or else UTC.
    pub fn new() -> TeaVm {
        TeaVm::default()
    }

    /// A program that has not begun, and the time zone it is in if its environment has no `TZ`, such as
    /// [`TimeZone::system`]. `zone` is called when the program first asks for local time.
    pub fn with_default_zone(zone: fn() -> TimeZone) -> TeaVm {
        let mut teavm = TeaVm::default();
        teavm.program.set_default_zone(zone);
        teavm
    }

    /// Writes what is still kept of both streams; the host calls it when the program has ended.
    ///
    /// # Errors
    /// A stream refuses, or the program is interrupted while this waits for it.
    pub fn flush(&mut self, wasi: &mut WasiCtx) -> Result<(), GrantError> {
        self.program.flush(wasi)
    }
}

/// Writes what the last lines of a program left that has ended, however it ended, as [`TeaVm::flush`] does; but as a
/// call of the store: its deadline, or an interrupt, ends the wait for whoever reads the output.
///
/// # Errors
/// A stream refuses, nobody reads it any more, or the guest had to stop.
pub fn finish<T: 'static>(mut store: impl AsContextMut<Data = T>, context: impl Context<T>) -> Result<()> {
    if !context(store.as_context_mut().data_mut()).0.program.keeps_output() {
        return Ok(());
    }
    let write = move |data: &mut T| {
        let (teavm, wasi) = context(data);
        teavm.flush(wasi).map_err(|error| match error {
            GrantError::Interrupted => ended(Outcome::Interrupted),
            GrantError::Exit(code) => ended(Outcome::Exit(code)),
            GrantError::Refused(why) => refused(why),
        })
    };
    last_write(store, move |data| context(data).1, write)
}

/// Where a store's data has the state of the program, and its grants.
pub trait Context<T>: Fn(&mut T) -> (&mut TeaVm, &mut WasiCtx) + Copy + Send + Sync + 'static {}

impl<T, C: Fn(&mut T) -> (&mut TeaVm, &mut WasiCtx) + Copy + Send + Sync + 'static> Context<T> for C {}

/// Defines all functions of the surface, the memory `env.memory` and what modules import of it, but for what
/// [`add_heap_offset`] does. Functions whose types are made of the module's own ones have the type that it declares.
/// Each instance gets a memory of its own, on which WASI works as well.
///
/// # Errors
/// A name is defined already, or the engine's type table is full.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    console::define(linker, context)?;
    memory::define(linker)?;
    references::define(linker, context);
    events::define(linker, context)?;
    linker.resolve_with(JSO_MODULE, |_| Err(Error::msg(JSO_HINT)));
    Ok(())
}

/// Whether a module is a program for this surface: it says what memory it needs, or imports from one of the surface's
/// modules.
pub fn is_wanted_by(module: &Module) -> bool {
    let mut sections = module.info().custom_sections();
    sections.any(|section| section.name == REQUIREMENTS_SECTION)
        || module.imports().any(|import| has_module(import.module) || import.module == JSO_MODULE)
}

/// Whether the surface has something under this module name; `env` does not count, since others have it as well.
pub fn has_module(name: &str) -> bool {
    MODULES.contains(&name)
}

/// The error with which a function of the surface ends the program.
fn trap(function: &str, message: impl Into<String>) -> Error {
    Error::new(HostTrap::new(function, message))
}
