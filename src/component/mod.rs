//! Components of WASI 0.2: programs that `wasm-tools component new` and its kin make of core modules. A first step:
//! what runs are *commands*, which export `wasi:cli/run`.
//!
//! A component's core modules are compiled and instantiated as its own sections say. What it imports of `wasi:cli`,
//! `wasi:io`, `wasi:clocks`, `wasi:random` and `wasi:filesystem`, of any version 0.2, are functions over the same
//! [`WasiCtx`] that programs of preview1 have, with the same descriptors, clocks and grants. Everything else is an
//! error that names it, before anything of the guest runs.
//!
//! ```
//! use heapwood::component::Component;
//! use heapwood::wasi::WasiCtx;
//! use heapwood::{Engine, Store};
//! # #[cfg(feature = "wat")]
//! # fn main() -> heapwood::Result<()> {
//! let engine = Engine::default();
//! // It ends with `exit(err)`, as a program does that fails.
//! # let wasm = wat::parse_str(r#"(component
//! #     (import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
//! #     (alias export $exit "exit" (func $f))
//! #     (core func $f (canon lower (func $f)))
//! #     (core module $m (import "host" "exit" (func $exit (param i32)))
//! #         (func (export "run") (result i32) (call $exit (i32.const 1)) (i32.const 0)))
//! #     (core instance $host (export "exit" (func $f)))
//! #     (core instance $i (instantiate $m (with "host" (instance $host))))
//! #     (func $run (result (result)) (canon lift (core func $i "run")))
//! #     (instance $command (export "run" (func $run)))
//! #     (export "wasi:cli/run@0.2.0" (instance $command)))"#).unwrap();
//! let component = Component::new(&engine, &wasm)?;
//! assert_eq!(component.imports(), ["wasi:cli/exit@0.2.0"]);
//! let mut store = Store::new(&engine, WasiCtx::builder().build().unwrap());
//! let ended = component.run(&mut store, |wasi| wasi).unwrap_err();
//! assert_eq!(ended.to_string(), "the guest exited with code 1");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "wat"))]
//! # fn main() {}
//! ```

mod linking;
mod lowered;

pub use heapwood_component::{Plan, PlanError, is_component, lookup};

use crate::wasi::{ProcExit, WasiCtx};
use crate::{Engine, Error, Module, Result, Store, Val, printable};
use linking::Linking;
use std::fmt;
use std::sync::Arc;

/// A component whose core modules are compiled.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    plan: Arc<Plan>,
    modules: Vec<Module>,
}

/// The error with which a guest ends that broke the canonical ABI or a rule of an interface: it gave a pointer out of
/// its memory, text that is not UTF-8, a handle that it does not have. [`Error::downcast_ref`] finds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AbiTrap {
    function: String,
    message: String,
}

impl fmt::Display for AbiTrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.function, self.message)
    }
}

impl std::error::Error for AbiTrap {}

/// Missing functions that a message lists.
const SHOWN_MAX: usize = 20;

impl Component {
    /// Reads a component in the binary format and compiles its core modules.
    ///
    /// # Errors
    /// It is no valid component; it needs something that is not there, or host functions, of which the first ones are
    /// named. A core module is not valid, or needs features that the engine does not have.
    pub fn new(engine: &Engine, bytes: &[u8]) -> Result<Component> {
        let plan = Plan::new(bytes).map_err(Error::new)?;
        let missing: Vec<String> =
            plan.missing().map(|(of, name)| format!("`{}` of `{}`", printable(name), printable(of))).collect();
        if !missing.is_empty() {
            let more = missing.len().saturating_sub(SHOWN_MAX);
            let more = if more == 0 { String::new() } else { format!(" and {more} more") };
            let names = missing[..missing.len().min(SHOWN_MAX)].join(", ");
            return Err(Error::msg(format!("this component imports functions that are not there: {names}{more}")));
        }
        let compile = |(number, range): (usize, &std::ops::Range<usize>)| {
            Module::new(engine, &bytes[range.clone()])
                .map_err(|error| error.context(format!("core module {number} of the component")))
        };
        let modules = plan.modules().iter().enumerate().map(compile).collect::<Result<_>>()?;
        Ok(Component { engine: engine.clone(), plan: Arc::new(plan), modules })
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The component's core modules, in order.
    pub fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// The names of what it imports, in order: interfaces with their versions.
    pub fn imports(&self) -> &[String] {
        self.plan.imports()
    }

    /// The names of what it exports, in order.
    pub fn exports(&self) -> &[String] {
        self.plan.exports()
    }

    /// Whether it exports `wasi:cli/run` of a version 0.2, which is what [`run`](Component::run) calls.
    pub fn is_command(&self) -> bool {
        self.plan.run().is_some()
    }

    /// Instantiates it and calls what it exports as `run` of `wasi:cli/run`. `context` says where the store's data has
    /// the grants. May collect. Handles are those of this run; nothing of it can be called afterwards.
    ///
    /// # Errors
    /// [`ProcExit`] with what the guest gave to `exit`, or with code 1 if `run` returns an error; [`AbiTrap`]; traps and
    /// uncaught exceptions; limits. It is no command, or the store is one of another engine. Calls that wait end as those
    /// of [`wasi`](crate::wasi::add_to_linker) do.
    pub fn run<T: 'static>(
        &self,
        store: &mut Store<T>,
        context: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    ) -> Result<()> {
        self.run_with(store, context, |_| ())
    }

    /// Runs the component as [`run`](Component::run) does, and calls `enter` whenever the guest is about to be entered,
    /// for each of its core instances and for `run`: a [deadline](Store::set_deadline) is one for a single entry.
    ///
    /// # Errors
    /// As [`run`](Component::run).
    pub fn run_with<T: 'static>(
        &self,
        store: &mut Store<T>,
        context: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
        mut enter: impl FnMut(&mut Store<T>),
    ) -> Result<()> {
        let Some(run) = self.plan.run() else {
            return Err(Error::msg(format!(
                "this component exports no `wasi:cli/run` of a version 0.2; it exports {}",
                if self.exports().is_empty() { "nothing".to_owned() } else { self.exports().join(", ") }
            )));
        };
        let mut linking = Linking::new(self, context);
        for instance in self.plan.instances() {
            enter(store);
            linking.make(store, instance)?;
        }
        let run = linking.func(store, run)?;
        let mut results = [Val::I32(0)];
        enter(store);
        run.call(&mut *store, &[], &mut results)?;
        match results {
            [Val::I32(0)] => Ok(()),
            _ => Err(Error::new(ProcExit(1))),
        }
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component").field("imports", &self.imports()).field("exports", &self.exports()).finish()
    }
}
