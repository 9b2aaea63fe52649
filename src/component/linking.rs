//! A component's core instances, made one after the other as its plan says.

use super::lowered::{Lowered, raw};
use super::{AbiTrap, Component};
use crate::wasi::{ParamType, WasiCtx, val_type};
use crate::{Caller, Engine, Error, Extern, Func, FuncType, Instance, Memory, Result, Store, Val, printable};
use heapwood_component::{
    CoreFunc, CoreInstance, CoreItem, CoreKind, Function, ResourceKind, Resources, lookup, resource_kind,
};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A core instance in the store.
enum Made<'c> {
    Instance(Instance),
    /// Names for other items: however many such instances lie behind each other, what they stand for is found at once.
    Names(BTreeMap<&'c str, Found<'c>>),
}

/// Where an item is.
#[derive(Clone, Copy)]
enum Found<'a> {
    Export(Instance, &'a str),
    /// A function of the host, by its place in the plan.
    Host(usize),
}

/// A component on its way into a store.
pub(super) struct Linking<'c, C> {
    component: &'c Component,
    made: Vec<Made<'c>>,
    /// The host functions that were made, by their place in the plan.
    hosts: Vec<Option<Func>>,
    handles: Arc<Mutex<Resources>>,
    context: C,
}

impl<'c, C> Linking<'c, C> {
    pub(super) fn new(component: &'c Component, context: C) -> Linking<'c, C> {
        let hosts = vec![None; component.plan.funcs().len()];
        Linking { component, made: Vec::new(), hosts, handles: Arc::default(), context }
    }

    /// Makes the next instance.
    pub(super) fn make<T: 'static>(&mut self, store: &mut Store<T>, instance: &'c CoreInstance) -> Result<()>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let made = self.instance(store, instance)?;
        self.made.push(made);
        Ok(())
    }

    fn instance<T: 'static>(&mut self, store: &mut Store<T>, instance: &'c CoreInstance) -> Result<Made<'c>>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        let (module, args) = match instance {
            CoreInstance::Exports(names) => {
                let found = names.iter().map(|(name, item)| Ok((&**name, self.found(*item)?)));
                return Ok(Made::Names(found.collect::<Result<_>>()?));
            }
            CoreInstance::Instantiate { module, args } => (&self.component.modules[*module], args),
        };
        let args: BTreeMap<&str, usize> = args.iter().map(|(name, instance)| (&**name, *instance)).collect();
        let mut imports = Vec::new();
        for import in module.imports() {
            let instance = *args.get(import.module).ok_or_else(|| missing(import.module, import.name))?;
            let found = self.named(instance, import.name)?;
            imports.push(self.take(store, found)?);
        }
        Instance::new(store, module, &imports).map(Made::Instance)
    }

    /// What an instance that was made has under a name.
    fn named<'a>(&self, instance: usize, name: &'a str) -> Result<Found<'a>>
    where
        'c: 'a,
    {
        match &self.made[instance] {
            Made::Instance(instance) => Ok(Found::Export(*instance, name)),
            Made::Names(names) => names.get(name).copied().ok_or_else(|| missing("a core instance", name)),
        }
    }

    fn found(&self, item: CoreItem) -> Result<Found<'c>> {
        let component: &'c Component = self.component;
        let plan = &component.plan;
        let list = match item.kind {
            CoreKind::Func => match &plan.funcs()[item.index] {
                CoreFunc::Export(export) => return self.named(export.instance, &export.name),
                CoreFunc::Lowered { .. } | CoreFunc::Drop(_) => return Ok(Found::Host(item.index)),
            },
            CoreKind::Memory => plan.memories(),
            CoreKind::Table => plan.tables(),
            CoreKind::Global => plan.globals(),
            CoreKind::Tag => plan.tags(),
        };
        self.named(list[item.index].instance, &list[item.index].name)
    }

    fn take<T: 'static>(&mut self, store: &mut Store<T>, found: Found<'_>) -> Result<Extern>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        match found {
            Found::Export(instance, name) => {
                instance.get_export(&mut *store, name).ok_or_else(|| missing("a core instance", name))
            }
            Found::Host(index) => self.func(store, index).map(Extern::from),
        }
    }

    /// A function, by its place in the plan.
    pub(super) fn func<T: 'static>(&mut self, store: &mut Store<T>, index: usize) -> Result<Func>
    where
        C: Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
    {
        if let Some(func) = self.hosts[index] {
            return Ok(func);
        }
        let func = match &self.component.plan.funcs()[index] {
            CoreFunc::Export(export) => {
                let found = self.found(CoreItem { kind: CoreKind::Func, index })?;
                let item = self.take(store, found)?;
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
        let found = self.found(CoreItem { kind: CoreKind::Memory, index })?;
        let item = self.take(store, found)?;
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
