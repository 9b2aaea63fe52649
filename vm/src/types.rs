//! Types as the host sees them: those of the specification with engine-wide identity.
//!
//! A defined type is named by its canonical [`TypeId`], so that equality of these types is equality in the sense of
//! the specification, across all modules of an engine.

use crate::engine::Engine;
use crate::error::Result;
use crate::registry::{TypeHandle, TypeRegistry};
pub use heapwood_gc_abi::TypeId;
use heapwood_module::{self as m, Hierarchy};
pub use heapwood_module::{CompositeKind, MemoryType, MemoryTypeBuilder, MemoryTypeError};
use std::fmt;
use std::sync::Arc;

/// A value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum ValType {
    I32,
    I64,
    F32,
    F64,
    V128,
    Ref(RefType),
}

/// A reference type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    /// Whether null belongs to it.
    pub nullable: bool,
    /// What it refers to.
    pub heap: HeapType,
}

/// A heap type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[allow(missing_docs, reason = "the specification's names")]
pub enum HeapType {
    Any,
    Eq,
    I31,
    Struct,
    Array,
    None,
    Func,
    NoFunc,
    Extern,
    NoExtern,
    Exn,
    NoExn,
    /// A defined type with the abstract type above it.
    Concrete(CompositeKind, TypeId),
}

/// A function type: parameters, results and its identity.
#[derive(Clone)]
pub struct FuncType {
    pub(crate) handle: Arc<TypeHandle>,
    pub(crate) params: Arc<[ValType]>,
    pub(crate) results: Arc<[ValType]>,
}

impl PartialEq for FuncType {
    fn eq(&self, other: &FuncType) -> bool {
        self.handle == other.handle
    }
}

impl Eq for FuncType {}

/// A global's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct GlobalType {
    content: ValType,
    mutable: bool,
}

/// A table's type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TableType {
    /// Type of the elements.
    pub element: RefType,
    /// Least number of elements.
    pub min: u64,
    /// Largest number of elements.
    pub max: Option<u64>,
    /// 64-bit indices.
    pub table64: bool,
}

/// A tag's type: its parameters are an exception's payload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TagType {
    ty: FuncType,
}

/// The type of something that is imported or exported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ExternType {
    /// A function.
    Func(FuncType),
    /// A table.
    Table(TableType),
    /// A memory.
    Memory(MemoryType),
    /// A global.
    Global(GlobalType),
    /// A tag.
    Tag(TagType),
}

/// An import of a module.
#[derive(Clone, Debug)]
pub struct ImportType<'m> {
    /// Module name.
    pub module: &'m str,
    /// Field name.
    pub name: &'m str,
    /// What it must be.
    pub ty: ExternType,
}

/// An export of a module.
#[derive(Clone, Debug)]
pub struct ExportType<'m> {
    /// Its name.
    pub name: &'m str,
    /// What it is.
    pub ty: ExternType,
}

impl ValType {
    /// `funcref`.
    pub const FUNCREF: ValType = ValType::Ref(RefType::FUNCREF);
    /// `externref`.
    pub const EXTERNREF: ValType = ValType::Ref(RefType::EXTERNREF);
    /// `anyref`.
    pub const ANYREF: ValType = ValType::Ref(RefType::new(true, HeapType::Any));
    /// `exnref`.
    pub const EXNREF: ValType = ValType::Ref(RefType::new(true, HeapType::Exn));

    /// Whether it is a reference.
    pub const fn is_ref(self) -> bool {
        matches!(self, ValType::Ref(_))
    }

    /// The same in terms of the registry.
    pub(crate) fn to_registry(self) -> m::ValType {
        match self {
            ValType::I32 => m::ValType::I32,
            ValType::I64 => m::ValType::I64,
            ValType::F32 => m::ValType::F32,
            ValType::F64 => m::ValType::F64,
            ValType::V128 => m::ValType::V128,
            ValType::Ref(ty) => m::ValType::Ref(ty.to_registry()),
        }
    }

    /// From a type whose type indices are ids.
    pub(crate) fn from_registry(registry: &TypeRegistry, ty: m::ValType) -> ValType {
        match ty {
            m::ValType::I32 => ValType::I32,
            m::ValType::I64 => ValType::I64,
            m::ValType::F32 => ValType::F32,
            m::ValType::F64 => ValType::F64,
            m::ValType::V128 => ValType::V128,
            m::ValType::Ref(ty) => ValType::Ref(RefType::from_registry(registry, ty)),
        }
    }
}

impl RefType {
    /// `funcref`.
    pub const FUNCREF: RefType = RefType::new(true, HeapType::Func);
    /// `externref`.
    pub const EXTERNREF: RefType = RefType::new(true, HeapType::Extern);

    /// A reference to `heap`.
    pub const fn new(nullable: bool, heap: HeapType) -> RefType {
        RefType { nullable, heap }
    }

    /// The same in terms of the registry.
    pub(crate) fn to_registry(self) -> m::RefType {
        m::RefType { nullable: self.nullable, heap: self.heap.to_registry() }
    }

    /// From a type whose type indices are ids.
    pub(crate) fn from_registry(registry: &TypeRegistry, ty: m::RefType) -> RefType {
        let heap = match ty.heap {
            m::HeapType::Any => HeapType::Any,
            m::HeapType::Eq => HeapType::Eq,
            m::HeapType::I31 => HeapType::I31,
            m::HeapType::Struct => HeapType::Struct,
            m::HeapType::Array => HeapType::Array,
            m::HeapType::None => HeapType::None,
            m::HeapType::Func => HeapType::Func,
            m::HeapType::NoFunc => HeapType::NoFunc,
            m::HeapType::Extern => HeapType::Extern,
            m::HeapType::NoExtern => HeapType::NoExtern,
            m::HeapType::Exn => HeapType::Exn,
            m::HeapType::NoExn => HeapType::NoExn,
            m::HeapType::Type(id) => HeapType::Concrete(registry.kind(id), TypeId(id)),
        };
        RefType { nullable: ty.nullable, heap }
    }
}

impl HeapType {
    /// The same in terms of the registry.
    fn to_registry(self) -> m::HeapType {
        match self {
            HeapType::Any => m::HeapType::Any,
            HeapType::Eq => m::HeapType::Eq,
            HeapType::I31 => m::HeapType::I31,
            HeapType::Struct => m::HeapType::Struct,
            HeapType::Array => m::HeapType::Array,
            HeapType::None => m::HeapType::None,
            HeapType::Func => m::HeapType::Func,
            HeapType::NoFunc => m::HeapType::NoFunc,
            HeapType::Extern => m::HeapType::Extern,
            HeapType::NoExtern => m::HeapType::NoExtern,
            HeapType::Exn => m::HeapType::Exn,
            HeapType::NoExn => m::HeapType::NoExn,
            HeapType::Concrete(_, id) => m::HeapType::Type(id.0),
        }
    }

    /// The top of its hierarchy: `Any`, `Func`, `Extern` or `Exn`.
    pub const fn top(self) -> HeapType {
        match self {
            HeapType::Func | HeapType::NoFunc | HeapType::Concrete(CompositeKind::Func, _) => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            _ => HeapType::Any,
        }
    }
}

impl FuncType {
    /// The final function type without supertypes, alone in its rec group: what `(func (param …) (result …))` means.
    ///
    /// # Errors
    /// The engine's type table is full.
    pub fn new(
        engine: &Engine,
        params: impl IntoIterator<Item = ValType>,
        results: impl IntoIterator<Item = ValType>,
    ) -> Result<FuncType> {
        let (params, results): (Arc<[_]>, Arc<[_]>) = (params.into_iter().collect(), results.into_iter().collect());
        let handle = Arc::new(engine.register_func_type(&params, &results)?);
        Ok(FuncType { handle, params, results })
    }

    /// Parameter types.
    pub fn params(&self) -> &[ValType] {
        &self.params
    }

    /// Result types.
    pub fn results(&self) -> &[ValType] {
        &self.results
    }

    /// Whether functions of this type may be used where `other` is wanted: it is the same or declared below it.
    /// Types of another engine never match.
    pub fn matches(&self, other: &FuncType) -> bool {
        let registry = self.handle.registry();
        Arc::ptr_eq(registry, other.handle.registry()) && registry.is_subtype(self.id(), other.id())
    }

    /// Its engine-wide identity.
    pub fn id(&self) -> TypeId {
        self.handle.id()
    }
}

impl GlobalType {
    /// A global of `content`.
    pub const fn new(content: ValType, mutable: bool) -> GlobalType {
        GlobalType { content, mutable }
    }

    /// Type of the value.
    pub const fn content(&self) -> ValType {
        self.content
    }

    /// Whether it can be written.
    pub const fn is_mutable(&self) -> bool {
        self.mutable
    }
}

impl TableType {
    /// A table of `element` with 32-bit indices.
    pub const fn new(element: RefType, min: u64, max: Option<u64>) -> TableType {
        TableType { element, min, max, table64: false }
    }
}

impl TagType {
    /// A tag with the parameters of `ty`.
    pub const fn new(ty: FuncType) -> TagType {
        TagType { ty }
    }

    /// The function type whose parameters are the payload.
    pub const fn ty(&self) -> &FuncType {
        &self.ty
    }
}

impl ExternType {
    /// The function type, if it is a function.
    pub fn func(&self) -> Option<&FuncType> {
        match self {
            ExternType::Func(ty) => Some(ty),
            _ => None,
        }
    }
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ValType::I32 => f.write_str("i32"),
            ValType::I64 => f.write_str("i64"),
            ValType::F32 => f.write_str("f32"),
            ValType::F64 => f.write_str("f64"),
            ValType::V128 => f.write_str("v128"),
            ValType::Ref(ty) => ty.fmt(f),
        }
    }
}

impl fmt::Display for RefType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(ref {}{})", if self.nullable { "null " } else { "" }, self.heap)
    }
}

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapType::Concrete(kind, id) => write!(f, "<{} type {}>", kind.abstraction().abstract_name(), id.0),
            other => f.write_str(other.to_registry().abstract_name()),
        }
    }
}

impl fmt::Display for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        for (word, types) in [("param", &self.params), ("result", &self.results)] {
            if !types.is_empty() {
                write!(f, " ({word}")?;
                types.iter().try_for_each(|ty| write!(f, " {ty}"))?;
                f.write_str(")")?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Debug for FuncType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ExternType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExternType::Func(ty) => ty.fmt(f),
            ExternType::Table(ty) => {
                f.write_str("(table ")?;
                m::write_limits(f, ty.table64, ty.min, ty.max)?;
                write!(f, " {})", ty.element)
            }
            ExternType::Memory(ty) => m::write_memory(f, ty),
            ExternType::Global(ty) if ty.mutable => write!(f, "(global (mut {}))", ty.content),
            ExternType::Global(ty) => write!(f, "(global {})", ty.content),
            ExternType::Tag(ty) => write!(f, "(tag {})", ty.ty),
        }
    }
}
