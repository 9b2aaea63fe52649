//! Components of WASI 0.2: programs that `wasm-tools component new` and its kin make of core modules. A first step: what
//! runs are *commands*, which export `wasi:cli/run`.
//!
//! A component's core modules are compiled and instantiated as its own sections say. What it imports of `wasi:cli`,
//! `wasi:io`, `wasi:clocks`, `wasi:random` and `wasi:filesystem`, of any version 0.2, are functions over the same
//! [`WasiCtx`] that programs of preview1 have, with the same descriptors, clocks and grants. Everything else is an error
//! that names it, before anything of the guest runs.
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

pub use heapwood_component::{Plan, PlanError, is_component, lookup};

use crate::wasi::{Outcome, ParamType, ProcExit, WasiCtx, interruptible, val_type};
use crate::{
    Caller, Engine, Error, Extern, Func, FuncType, Instance, Memory, Module, Result, Store, Trap, TrapKind, Val,
    printable,
};
use heapwood_component::{
    CoreFunc, CoreInstance, CoreItem, CoreKind, ExportOf, Function, Guest, ResourceKind, Resources, Stop, Value, World,
    resource_kind,
};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;

/// A component whose core modules are compiled.
#[derive(Clone)]
pub struct Component {
    engine: Engine,
    plan: Arc<Plan>,
    modules: Vec<Module>,
}

/// The error with which a guest ends that broke the canonical ABI or a rule of an interface: it gave a pointer out of its
/// memory, text that is not UTF-8, a handle that it does not have. [`Error::downcast_ref`] finds it.
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
        let missing: Vec<String> = plan.missing().map(|(of, name)| format!("`{name}` of `{of}`")).collect();
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

    /// Its core modules, in order.
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

    /// The same, with `enter` called whenever the guest is about to be entered, for each of its core instances and for
    /// `run`: a [deadline](Store::set_deadline) is one for a single entry.
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
        let mut linking =
            Linking { component: self, made: Vec::new(), hosts: Vec::new(), handles: Arc::default(), context };
        linking.hosts.resize_with(self.plan.funcs().len(), || None);
        for instance in self.plan.instances() {
            enter(store);
            let made = linking.instance(store, instance)?;
            linking.made.push(made);
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

/// A core instance in the store.
enum Made<'c> {
    Instance(Instance),
    Names(&'c [(String, CoreItem)]),
}

/// A component on its way into a store.
struct Linking<'c, C> {
    component: &'c Component,
    made: Vec<Made<'c>>,
    /// The host functions that were made, by their place in the plan.
    hosts: Vec<Option<Func>>,
    handles: Arc<Mutex<Resources>>,
    context: C,
}

impl<'c, C> Linking<'c, C> {
    fn instance<T: 'static>(&mut self, store: &mut Store<T>, instance: &'c CoreInstance) -> Result<Made<'c>>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let (module, args) = match instance {
            CoreInstance::Exports(names) => return Ok(Made::Names(names)),
            CoreInstance::Instantiate { module, args } => (&self.component.modules[*module], args),
        };
        let mut imports = Vec::new();
        for import in module.imports() {
            let arg = args.iter().find(|(name, _)| name == import.module);
            let (_, instance) = arg.ok_or_else(|| missing(import.module, import.name))?;
            let export = ExportOf { instance: *instance, name: import.name.to_owned() };
            imports.push(self.export(store, &export)?);
        }
        Instance::new(store, module, &imports).map(Made::Instance)
    }

    fn export<T: 'static>(&mut self, store: &mut Store<T>, export: &ExportOf) -> Result<Extern>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let found = match &self.made[export.instance] {
            Made::Instance(instance) => instance.get_export(&mut *store, &export.name),
            Made::Names(names) => match names.iter().find(|(name, _)| *name == export.name) {
                Some((_, item)) => Some(self.item(store, *item)?),
                None => None,
            },
        };
        found.ok_or_else(|| missing("a core instance", &export.name))
    }

    fn item<T: 'static>(&mut self, store: &mut Store<T>, item: CoreItem) -> Result<Extern>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let plan = &self.component.plan;
        let list = match item.kind {
            CoreKind::Func => return self.func(store, item.index).map(Extern::from),
            CoreKind::Memory => plan.memories(),
            CoreKind::Table => plan.tables(),
            CoreKind::Global => plan.globals(),
            CoreKind::Tag => plan.tags(),
        };
        self.export(store, &list[item.index])
    }

    fn func<T: 'static>(&mut self, store: &mut Store<T>, index: usize) -> Result<Func>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        if let Some(func) = self.hosts[index] {
            return Ok(func);
        }
        let func = match &self.component.plan.funcs()[index] {
            CoreFunc::Export(export) => {
                let item = self.export(store, export)?;
                return item.into_func().ok_or_else(|| missing("a core instance", &export.name));
            }
            CoreFunc::Drop(resource) => self.dropper(store, resource)?,
            CoreFunc::Lowered { interface, name, memory, realloc } => {
                let function = lookup(interface, name).ok_or_else(|| missing(interface, name))?;
                let memory = memory.map(|index| self.memory(store, index)).transpose()?;
                let realloc = realloc.map(|index| self.func(store, index)).transpose()?;
                self.lowered(store, function, memory, realloc)?
            }
        };
        self.hosts[index] = Some(func);
        Ok(func)
    }

    fn memory<T: 'static>(&mut self, store: &mut Store<T>, index: usize) -> Result<Memory>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let item = self.item(store, CoreItem { kind: CoreKind::Memory, index })?;
        item.into_memory().ok_or_else(|| Error::msg("host functions of components do not work on a shared memory"))
    }

    /// `(i32) -> ()`: drops a handle of a resource. Of resources that the host does not have there are no handles.
    fn dropper<T: 'static>(&self, store: &mut Store<T>, resource: &str) -> Result<Func>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let (kind, name) = (resource_kind(resource), format!("drop of `{resource}`"));
        let (handles, context) = (self.handles.clone(), self.context);
        let ty = func_type(&self.component.engine, &[ParamType::I32], None)?;
        Func::try_new(store, ty, move |mut caller: Caller<'_, T>, args, _| {
            let handle = raw(&args[0]) as u32;
            let drop = |kind: ResourceKind| {
                handles.lock().drop_handle(context(caller.data_mut()), kind, handle).map_err(|trap| trap.0)
            };
            let dropped = kind.map_or_else(|| Err(format!("there is no handle {handle}")), drop);
            dropped.map_err(|message| Error::new(AbiTrap { function: name.clone(), message }))
        })
    }

    fn lowered<T: 'static>(
        &self,
        store: &mut Store<T>,
        function: &'static Function,
        memory: Option<Memory>,
        realloc: Option<Func>,
    ) -> Result<Func>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let ty = func_type(&self.component.engine, &function.core_params(), function.core_result())?;
        let call = Lowered { function, memory, realloc, handles: self.handles.clone() };
        let context = self.context;
        Func::try_new(store, ty, move |caller: Caller<'_, T>, args, results| {
            if let (Some(value), Some(result)) = (call.serve(caller, context, args)?, results.first_mut()) {
                *result = match result {
                    Val::I64(_) => Val::I64(value.cast_signed()),
                    _ => Val::I32((value as u32).cast_signed()),
                };
            }
            Ok(())
        })
    }
}

fn missing(from: &str, name: &str) -> Error {
    let (from, name) = (printable(from), printable(name));
    Error::msg(format!("the component's own wiring lacks `{name}` of `{from}`"))
}

fn func_type(engine: &Engine, params: &[ParamType], result: Option<ParamType>) -> Result<FuncType> {
    FuncType::new(engine, params.iter().copied().map(val_type), result.into_iter().map(val_type))
}

fn raw(value: &Val) -> u64 {
    match *value {
        Val::I32(value) => u64::from(value.cast_unsigned()),
        Val::I64(value) => value.cast_unsigned(),
        _ => unreachable!("parameters are integers"),
    }
}

/// A function of the host as a component's core modules call it.
struct Lowered {
    function: &'static Function,
    memory: Option<Memory>,
    realloc: Option<Func>,
    handles: Arc<Mutex<Resources>>,
}

impl Lowered {
    /// 1. Arguments become values of the interface; what of them lies in memory is copied.
    /// 2. The function is served; it knows nothing of the guest.
    /// 3. The result is written to the guest's memory, for which the guest is called to make room.
    fn serve<T: 'static>(
        &self,
        mut caller: Caller<'_, T>,
        context: impl Fn(&mut T) -> &mut WasiCtx + Copy,
        args: &[Val],
    ) -> Result<Option<u64>> {
        let raw: Vec<u64> = args.iter().map(raw).collect();
        let bytes = self.memory.map_or(&[][..], |memory| memory.data(&caller));
        let args = self.function.lift(bytes, &raw).map_err(|trap| self.trap(trap))?;
        let value = interruptible(&mut caller, context, |caller| {
            let world = &mut World { wasi: context(caller.data_mut()), resources: &mut self.handles.lock() };
            self.function.serve(world, &args)
        })?;
        let value: Option<Value> = value.map_err(|stop| match stop {
            Stop::End(Outcome::Exit(code)) => Error::new(ProcExit(code)),
            Stop::End(Outcome::Interrupted) => Trap::new(TrapKind::Interrupted).into(),
            Stop::Trap(trap) => self.trap(trap),
        })?;
        let mut guest = GuestMemory { caller, memory: self.memory, realloc: self.realloc };
        self.function.lower(value.as_ref(), &raw, &mut guest).map_err(|failed| match failed {
            Failed::Trap(trap) => self.trap(trap),
            Failed::Error(error) => error,
        })
    }

    fn trap(&self, trap: heapwood_component::Trap) -> Error {
        Error::new(AbiTrap { function: format!("{:?}", self.function), message: trap.0 })
    }
}

/// The guest that made a call, to which the result goes.
struct GuestMemory<'c, T: 'static> {
    caller: Caller<'c, T>,
    memory: Option<Memory>,
    realloc: Option<Func>,
}

enum Failed {
    Trap(heapwood_component::Trap),
    Error(Error),
}

impl From<heapwood_component::Trap> for Failed {
    fn from(trap: heapwood_component::Trap) -> Failed {
        Failed::Trap(trap)
    }
}

impl<T: 'static> Guest for GuestMemory<'_, T> {
    type Error = Failed;

    fn memory(&mut self) -> &mut [u8] {
        match self.memory {
            Some(memory) => memory.data_mut(&mut self.caller),
            None => &mut [],
        }
    }

    fn realloc(&mut self, align: u32, size: u32) -> Result<u32, Failed> {
        let realloc = self.realloc.ok_or_else(|| {
            heapwood_component::Trap("the function was lowered without one that makes room in memory".to_owned())
        })?;
        let args = [0, 0, align, size].map(|number| Val::I32(number.cast_signed()));
        let mut results = [Val::I32(0)];
        realloc.call(&mut self.caller, &args, &mut results).map_err(Failed::Error)?;
        let [Val::I32(start)] = results else { unreachable!("the type was checked by the validator") };
        Ok(start.cast_unsigned())
    }
}
