//! The guest and the store of a call of a host function, as that function sees them.

use super::{Extern, Instance};
use crate::store::{AsContextMut, Caller};

impl<T: 'static> Caller<'_, T> {
    /// The export `name` of the instance that called; none if the host called, or there is no such export.
    pub fn get_export(&mut self, name: &str) -> Option<Extern> {
        self.instance()?.get_export(self, name)
    }

    /// The first memory that the calling instance imports, the memory 0 of its module: for host functions that work on a
    /// guest's memory, where none is exported under the name that they know. None if the instance imports no memory, or
    /// the host called.
    ///
    /// ```
    /// # use heapwood_vm::{Caller, Engine, Extern, Linker, Memory, MemoryType, Module, Result, Store};
    /// # fn main() -> Result<()> {
    /// # let engine = Engine::default();
    /// # let wasm = wat::parse_str(r#"(module
    /// #     (import "env" "memory" (memory 1)) (import "host" "put" (func $put))
    /// #     (func (export "run") (call $put)))"#).unwrap();
    /// let mut linker: Linker<()> = Linker::new(&engine);
    /// linker.func_wrap("host", "put", |mut caller: Caller<'_, ()>| -> Result<()> {
    ///     let Some(Extern::Memory(memory)) = caller.imported_memory() else { panic!("it imports one") };
    ///     memory.write(&mut caller, 8, b"text")
    /// })?;
    /// let mut store = Store::new(&engine, ());
    /// let memory = Memory::new(&mut store, MemoryType::new(1, None))?;
    /// linker.define("env", "memory", memory)?;
    /// let instance = linker.instantiate(&mut store, &Module::new(&engine, wasm)?)?;
    /// instance.get_typed_func::<(), ()>(&mut store, "run")?.call(&mut store, ())?;
    /// assert_eq!(memory.data(&store)[8..12], *b"text");
    /// # Ok(())
    /// # }
    /// ```
    pub fn imported_memory(&mut self) -> Option<Extern> {
        let mut context = self.as_context_mut();
        let store = context.opaque();
        let item = store.imported_memory(store.calling_instance()?)?;
        Some(Extern::from_item(store, item))
    }

    /// The instance that called; none if the host called.
    pub fn instance(&mut self) -> Option<Instance> {
        let mut context = self.as_context_mut();
        let store = context.opaque();
        store.calling_instance().map(|index| Instance::from_index(store.id(), index))
    }
}
