//! The part of a store that does not depend on the host's data.

use super::StoreId;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::exception::Exception;
use crate::handles::{Extern, Func, Global, Instance, Memory, Table, Tag};
use crate::interrupt::InterruptHandle;
use crate::module::Module;
use crate::refs::RefKind;
use crate::roots::{RootSet, Rooted};
use crate::rt::host::HostFunc;
use crate::types::{FuncType, GlobalType, MemoryType, RefType, TableType, TagType};
use crate::value::{RawVal, Val};
use heapwood_gc_abi::RawRef;
use std::any::Any;

pub(crate) struct StoreOpaque {
    id: StoreId,
    engine: Engine,
    roots: RootSet,
}

macro_rules! absent {
    ($($vis:vis fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty;)*) => {
        #[allow(unused_variables, missing_docs)]
        impl StoreOpaque {
            $($vis fn $name(&mut self, $($arg: $ty),*) -> $ret {
                Err(Error::unsupported(None, stringify!($name)))
            })*
        }
    };
}

absent! {
    pub fn collect() -> Result<()>;
    pub fn call(object: RawRef, values: &mut [RawVal]) -> Result<()>;
    pub fn new_host_func(host: &HostFunc) -> Result<Func>;
    pub fn new_memory(ty: MemoryType) -> Result<Memory>;
    pub fn new_global(ty: GlobalType, value: Val) -> Result<Global>;
    pub fn new_table(ty: TableType, init: Val) -> Result<Table>;
    pub fn new_tag(ty: TagType) -> Result<Tag>;
    pub fn new_exception(tag: Tag, payload: &[Val]) -> Result<Exception>;
    pub fn exception_payload(exception: &Exception) -> Result<Vec<Val>>;
    pub fn new_host_value(value: Box<dyn Any + Send + Sync>) -> Result<RawRef>;
    pub fn instantiate(module: &Module, imports: &[Extern]) -> Result<Instance>;
    pub fn global_set(index: u32, value: Val) -> Result<()>;
    pub fn table_fill_val(table: u32, index: u64, len: u64, value: Val) -> Result<()>;
    pub fn table_grow_val(table: u32, delta: u64, value: Val) -> Result<Option<u64>>;
}

/// A linear memory. (Replaced as soon as instances exist.)
pub(crate) struct LinearMemory(MemoryType);
/// A table.
pub(crate) struct TableData(TableType);

impl LinearMemory {
    pub fn ty(&self) -> MemoryType {
        self.0
    }
    pub fn bytes(&self) -> &[u8] {
        &[]
    }
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut []
    }
}

impl TableData {
    pub fn ty(&self) -> TableType {
        self.0
    }
    pub fn get(&self, _index: u64) -> Option<RawRef> {
        None
    }
}

/// No handle of these kinds can be made yet.
fn absent() -> ! {
    panic!("no such thing was made in this store")
}

#[allow(unused_variables)]
impl StoreOpaque {
    pub fn new(engine: &Engine) -> Result<StoreOpaque> {
        let id = StoreId::next();
        Ok(StoreOpaque { id, engine: engine.clone(), roots: RootSet::new(id) })
    }
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
    pub fn id(&self) -> StoreId {
        self.id
    }
    pub fn interrupt_handle(&self) -> InterruptHandle {
        InterruptHandle(Default::default())
    }
    pub fn roots(&self) -> &RootSet {
        &self.roots
    }
    pub fn roots_mut(&mut self) -> &mut RootSet {
        &mut self.roots
    }
    pub fn root_get<T>(&self, root: &Rooted<T>) -> Result<RawRef> {
        self.roots.get(root)
    }
    pub fn root_push<T>(&mut self, raw: RawRef) -> Option<Rooted<T>> {
        self.roots.push(raw)
    }
    pub fn ref_kind(&self, raw: RawRef) -> Result<RefKind> {
        Ok(RefKind::Host)
    }
    pub fn ref_matches(&self, raw: RawRef, ty: RefType) -> bool {
        false
    }
    pub fn host_value(&self, raw: RawRef) -> Option<&(dyn Any + Send + Sync)> {
        None
    }
    pub fn func_type(&self, object: RawRef) -> FuncType {
        absent()
    }
    pub fn memory(&self, index: u32) -> &LinearMemory {
        absent()
    }
    pub fn memory_mut(&mut self, index: u32) -> &mut LinearMemory {
        absent()
    }
    pub fn memory_grow(&mut self, index: u32, delta: u64) -> Option<u64> {
        absent()
    }
    pub fn global_type(&self, index: u32) -> GlobalType {
        absent()
    }
    pub fn global_get(&mut self, index: u32) -> Val {
        absent()
    }
    pub fn table(&self, index: u32) -> &TableData {
        absent()
    }
    pub fn tag_type(&self, index: u32) -> TagType {
        absent()
    }
    pub fn instance_module(&self, index: u32) -> &Module {
        absent()
    }
    pub fn instance_export(&self, index: u32, name: &str) -> Option<Extern> {
        absent()
    }
    pub fn instance_exports(&self, index: u32) -> Vec<(String, Extern)> {
        absent()
    }
}
