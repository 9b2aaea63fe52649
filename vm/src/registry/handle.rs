//! Users of the registry's types: what they name stays alive with them.

use super::{EngineType, TypeRegistry};
use crate::errors::{Error, Result};
use heapwood_gc_abi::TypeId;
use heapwood_module::{
    CompositeKind, ExternType, GlobalType, HeapType, Hierarchy, RefType, TableType, TypeIndex, ValType,
};
use std::fmt;
use std::sync::{Arc, OnceLock};

/// The engine-wide types of a module. Share it in an `Arc`: the types are released with it.
pub struct ModuleTypes {
    registry: Arc<TypeRegistry>,
    ids: Vec<TypeId>,
    /// Their structure, as far as somebody asked.
    definitions: Vec<OnceLock<Arc<EngineType>>>,
    /// One use each; a group that occurs twice is used twice.
    groups: Vec<u32>,
}

impl ModuleTypes {
    pub(super) fn new(registry: Arc<TypeRegistry>) -> ModuleTypes {
        ModuleTypes { registry, ids: Vec::new(), definitions: Vec::new(), groups: Vec::new() }
    }

    /// Takes the next group in, whose ids `acquire` puts behind those of the groups before it.
    pub(super) fn push<E>(&mut self, acquire: impl FnOnce(&mut Vec<TypeId>) -> Result<u32, E>) -> Result<(), E> {
        self.groups.push(acquire(&mut self.ids)?);
        self.definitions.resize_with(self.ids.len(), OnceLock::new);
        Ok(())
    }

    /// Id of each type of the module, by index.
    pub fn ids(&self) -> &[TypeId] {
        &self.ids
    }

    /// Id of a type of the module.
    pub fn id(&self, index: TypeIndex) -> TypeId {
        self.ids[index as usize]
    }

    /// What a type of the module is; none if it has fewer types.
    pub fn kind(&self, index: TypeIndex) -> Option<CompositeKind> {
        Some(self.registry.kind(self.ids.get(index as usize)?.0))
    }

    /// The structure of a type of the module, found without a lock but for the first time.
    pub fn definition(&self, index: TypeIndex) -> &EngineType {
        self.definitions[index as usize].get_or_init(|| self.registry.composite(self.id(index)))
    }

    /// A heap type of the module in terms of ids.
    pub fn heap_type(&self, heap: HeapType) -> HeapType {
        match heap {
            HeapType::Type(index) => HeapType::Type(self.id(index).0),
            other => other,
        }
    }

    /// A reference type of the module in terms of ids.
    pub fn ref_type(&self, ty: RefType) -> RefType {
        RefType { nullable: ty.nullable, heap: self.heap_type(ty.heap) }
    }

    /// A value type of the module in terms of ids.
    pub fn val_type(&self, ty: ValType) -> ValType {
        match ty {
            ValType::Ref(ty) => ValType::Ref(self.ref_type(ty)),
            other => other,
        }
    }

    /// A global's type of the module in terms of ids.
    pub fn global_type(&self, ty: &GlobalType) -> GlobalType {
        GlobalType { val: self.val_type(ty.val), ..*ty }
    }

    /// A table's type of the module in terms of ids.
    pub fn table_type(&self, ty: &TableType) -> TableType {
        TableType { element: self.ref_type(ty.element), ..*ty }
    }

    /// The type of an import or export of the module in terms of ids.
    pub fn extern_type(&self, ty: &ExternType) -> ExternType {
        match ty {
            ExternType::Func(index) => ExternType::Func(self.id(*index).0),
            ExternType::Table(ty) => ExternType::Table(self.table_type(ty)),
            ExternType::Memory(ty) => ExternType::Memory(*ty),
            ExternType::Global(ty) => ExternType::Global(self.global_type(ty)),
            ExternType::Tag(index) => ExternType::Tag(self.id(*index).0),
        }
    }
}

impl Drop for ModuleTypes {
    fn drop(&mut self) {
        self.registry.release(self.groups.drain(..).rev());
    }
}

impl fmt::Debug for ModuleTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModuleTypes").field(&self.ids).finish()
    }
}

/// One type of the engine, held.
pub struct TypeHandle {
    registry: Arc<TypeRegistry>,
    group: u32,
    id: TypeId,
}

impl TypeHandle {
    pub(super) fn new(registry: Arc<TypeRegistry>, group: u32, id: TypeId) -> TypeHandle {
        TypeHandle { registry, group, id }
    }

    /// The type's identity.
    pub fn id(&self) -> TypeId {
        self.id
    }

    /// The registry that the id belongs to.
    pub fn registry(&self) -> &Arc<TypeRegistry> {
        &self.registry
    }

    /// The type's identity in `registry`: the way from a type of the host to a number.
    ///
    /// # Errors
    /// The type belongs to another engine, where the number would mean another type.
    #[inline]
    pub fn id_in(&self, registry: &Arc<TypeRegistry>) -> Result<TypeId> {
        match Arc::ptr_eq(&self.registry, registry) {
            true => Ok(self.id),
            false => Err(Error::usage("a type of another engine was used")),
        }
    }

    /// Whether it is `other` or declared below it; false for types of two engines.
    pub fn is_subtype(&self, other: &TypeHandle) -> bool {
        Arc::ptr_eq(&self.registry, &other.registry) && self.registry.is_subtype(self.id, other.id)
    }
}

impl Clone for TypeHandle {
    fn clone(&self) -> TypeHandle {
        self.registry.state.write().add_user(self.group);
        TypeHandle { registry: self.registry.clone(), ..*self }
    }
}

impl Drop for TypeHandle {
    fn drop(&mut self) {
        self.registry.release([self.group]);
    }
}

impl PartialEq for TypeHandle {
    fn eq(&self, other: &TypeHandle) -> bool {
        self.id == other.id && Arc::ptr_eq(&self.registry, &other.registry)
    }
}

impl Eq for TypeHandle {}

impl fmt::Debug for TypeHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TypeHandle({})", self.id.0)
    }
}
