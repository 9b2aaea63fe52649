//! A component's core instances, made one after the other as its plan says.

use super::lowered::{Lowered, raw};
use super::{AbiTrap, Component};
use crate::wasi::{ParamType, WasiCtx, val_type};
use crate::{Caller, Engine, Error, Extern, Func, FuncType, Instance, Memory, Result, Store, Val, printable};
use heapwood_component::{
    CoreFunc, CoreInstance, CoreItem, CoreKind, ExportOf, Function, ResourceKind, Resources, lookup, resource_kind,
};
use parking_lot::Mutex;
use std::sync::Arc;

/// A core instance in the store.
enum Made<'c> {
    Instance(Instance),
    Names(&'c [(String, CoreItem)]),
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
