//! Dart, as `dart compile wasm --standalone` makes programs.
//!
//! A host keeps a [`Dart`] beside a [`WasiCtx`] in its store's data and says where; [`run`] is the program: its `main`,
//! and the turns of its event loop until nothing waits any more.
//!
//! ```
//! use heapwood::surfaces::dart::{self, Dart};
//! use heapwood::wasi::{MemoryOutput, WasiCtx};
//! use heapwood::{Engine, Linker, Module, Store};
//! struct Host {
//!     dart: Dart,
//!     wasi: WasiCtx,
//! }
//! fn context(host: &mut Host) -> (&mut Dart, &mut WasiCtx) {
//!     (&mut host.dart, &mut host.wasi)
//! }
//! let engine = Engine::default();
//! // As small as what the compiler makes never is: it prints its first argument.
//! let module = Module::new(&engine, r#"(module (type $args (array (mut externref)))
//!     (import "dart" "print" (func $print (param externref)))
//!     (func (export "$invokeMain") (param (ref $args))
//!         (call $print (array.get $args (local.get 0) (i32.const 0)))))"#)?;
//! let mut linker = Linker::new(&engine);
//! dart::add_to_linker(&mut linker, context)?;
//! let output = MemoryOutput::new(1000);
//! let wasi = WasiCtx::builder().args(["app", "Hi"]).stdout(output.clone()).build()?;
//! let mut store = Store::new(&engine, Host { dart: Dart::new(), wasi });
//! let instance = linker.instantiate(&mut store, &module)?;
//! dart::run(&mut store, instance, context)?;
//! assert_eq!(output.contents(), b"Hi\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! 1. A function has the type that the module declares (`table`): compilers make types narrower where they can.
//! 2. Strings are those of the heap ([`StringRef`](crate::StringRef)). String buffers are objects of the heap as well,
//!    so that they count against its limit (`buffers`), and so is what a finalizer holds (`finalizers`).
//! 3. Other things (expressions, matches, expandos, timers, traces) are values of the host behind external references.
//! 4. No callback is called while a function of the surface runs: [`run`] calls all of them (`tasks`).

mod buffers;
mod call;
mod finalizers;
mod numbers;
mod regexps;
mod strings;
mod table;
mod tasks;
mod weak;
mod world;

pub use tasks::run;

use crate::wasi::WasiCtx;
use crate::{AnyRef, Engine, ExternRef, FinalizerQueue, Linker, Module, Result, Root, StructType, WeakRoot};
use heapwood_surfaces::TimeZone;
use heapwood_surfaces::dart::{EventLoop, Worker};
use std::collections::HashMap;
use std::sync::Arc;

/// The module from which programs import.
const MODULE: &str = "dart";

/// The export that is a program's beginning.
pub const ENTRY: &str = "$invokeMain";

/// The state of one program. What its weak references have shown is held until [`run`] ends a turn; a host that calls
/// functions of a program without `run` ends none.
#[derive(Debug, Default)]
pub struct Dart {
    tasks: EventLoop<tasks::Task>,
    /// Targets of weak references that this turn has seen, and the number of the turn.
    kept: Vec<Root<AnyRef>>,
    turn: u64,
    /// Deaths that finalizers wait for: where each token leads.
    deaths: FinalizerQueue,
    attachments: HashMap<u64, finalizers::Attached>,
    next_token: u64,
    /// Matches that may take long.
    worker: Worker,
    /// The last text that was searched, as the expressions take it.
    text: Option<(WeakRoot<ExternRef>, Arc<[u16]>)>,
    zone: Option<TimeZone>,
    types: Option<Types>,
}

/// The types of objects that the surface makes.
#[derive(Clone, Debug)]
struct Types {
    buffer: StructType,
    finalizer: StructType,
}

impl Dart {
    /// A program that has not begun.
    pub fn new() -> Dart {
        Dart::default()
    }

    fn types(&mut self, engine: &Engine) -> Types {
        let make = || Types { buffer: buffers::struct_type(engine), finalizer: finalizers::struct_type(engine) };
        self.types.get_or_insert_with(make).clone()
    }
}

/// Where a store's data has the state of the program, and its grants.
pub trait Context<T>: Fn(&mut T) -> (&mut Dart, &mut WasiCtx) + Copy + Send + Sync + 'static {}

impl<T, C: Fn(&mut T) -> (&mut Dart, &mut WasiCtx) + Copy + Send + Sync + 'static> Context<T> for C {}

/// Where a store's data has the grants alone.
fn grants<T, C: Context<T>>(context: C) -> impl Fn(&mut T) -> &mut WasiCtx + Copy + use<T, C> {
    move |data| context(data).1
}

/// Serves all functions of the surface, each with the type that a module declares for it. A module that declares a type
/// that no program of Dart has for it cannot be linked.
///
/// # Errors
/// None at present. A name that is defined already comes first, if its type is that of the import.
pub fn add_to_linker<T: 'static>(linker: &mut Linker<T>, context: impl Context<T>) -> Result<()> {
    table::define(linker, context);
    Ok(())
}

/// Whether a module is a program for this surface: it imports from the surface's module.
pub fn is_wanted_by(module: &Module) -> bool {
    module.imports().any(|import| has_module(import.module))
}

/// Whether a module begins as programs of Dart do, with the export `$invokeMain`.
pub fn is_program(module: &Module) -> bool {
    module.get_export(ENTRY).is_some_and(|export| export.func().is_some()) && is_wanted_by(module)
}

/// Whether the surface has a function of this name.
pub fn has_function(name: &str) -> bool {
    table::NAMES.contains(&name)
}

/// Whether the surface has functions under this module name.
pub fn has_module(name: &str) -> bool {
    name == MODULE
}
