//! Types of the WebAssembly specification (3.0, §2.3), with indices of the module's own type section.
//!
//! Engine-wide identity (canonical rec groups) is the business of the type registry; inside one module the
//! [`crate::TypeSection`] answers equality and subtyping.

use crate::CompositeKind;
use heapwood_gc_abi::FieldKind;

/// Index into the module's type section.
pub type TypeIndex = u32;

/// A value type.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ValType {
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float.
    F32,
    /// 64-bit float.
    F64,
    /// 128-bit vector.
    V128,
    /// Reference.
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
pub enum HeapType {
    /// Top of the internal hierarchy.
    Any,
    /// What `ref.eq` compares.
    Eq,
    /// 31-bit integers.
    I31,
    /// All structs.
    Struct,
    /// All arrays.
    Array,
    /// Bottom of the internal hierarchy.
    None,
    /// All functions.
    Func,
    /// Bottom of the functions.
    NoFunc,
    /// Host references.
    Extern,
    /// Bottom of the host references.
    NoExtern,
    /// Exceptions.
    Exn,
    /// Bottom of the exceptions.
    NoExn,
    /// A defined type.
    Type(TypeIndex),
}

/// What a field or an element stores.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum StorageType {
    /// Packed byte.
    I8,
    /// Packed 16 bits.
    I16,
    /// A value.
    Val(ValType),
}

/// A field of a struct or the element of an array.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct FieldType {
    /// What it stores.
    pub storage: StorageType,
    /// Whether it can be written after its creation.
    pub mutable: bool,
}

/// Parameters and results.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct FuncType {
    /// Parameter types.
    pub params: Box<[ValType]>,
    /// Result types.
    pub results: Box<[ValType]>,
}

/// The structure of a defined type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum CompositeType {
    /// A function type.
    Func(FuncType),
    /// A struct type, by its fields.
    Struct(Box<[FieldType]>),
    /// An array type, by its element.
    Array(FieldType),
}

/// A defined type with its place in the hierarchy.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SubType {
    /// Whether the type can have no subtypes.
    pub is_final: bool,
    /// The declared supertype.
    pub supertype: Option<TypeIndex>,
    /// The type's structure.
    pub composite: CompositeType,
}

impl ValType {
    /// Whether this is a reference type.
    #[inline]
    pub const fn is_ref(self) -> bool {
        matches!(self, ValType::Ref(_))
    }

    /// What it is to the heap.
    #[inline]
    pub const fn field_kind(self) -> FieldKind {
        match self {
            ValType::I32 | ValType::F32 => FieldKind::I32,
            ValType::I64 | ValType::F64 => FieldKind::I64,
            ValType::V128 => FieldKind::V128,
            ValType::Ref(_) => FieldKind::Ref,
        }
    }
}

impl StorageType {
    /// What it is to the heap.
    #[inline]
    pub const fn field_kind(self) -> FieldKind {
        match self {
            StorageType::I8 => FieldKind::I8,
            StorageType::I16 => FieldKind::I16,
            StorageType::Val(val) => val.field_kind(),
        }
    }

    /// The type of a value read from it.
    #[inline]
    pub const fn unpacked(self) -> ValType {
        match self {
            StorageType::I8 | StorageType::I16 => ValType::I32,
            StorageType::Val(val) => val,
        }
    }
}

impl HeapType {
    /// The type's name in the text format; `type` for a defined type, which has none there.
    pub const fn abstract_name(self) -> &'static str {
        match self {
            HeapType::Any => "any",
            HeapType::Eq => "eq",
            HeapType::I31 => "i31",
            HeapType::Struct => "struct",
            HeapType::Array => "array",
            HeapType::None => "none",
            HeapType::Func => "func",
            HeapType::NoFunc => "nofunc",
            HeapType::Extern => "extern",
            HeapType::NoExtern => "noextern",
            HeapType::Exn => "exn",
            HeapType::NoExn => "noexn",
            HeapType::Type(_) => "type",
        }
    }
}

impl RefType {
    /// A reference to `heap`.
    #[inline]
    pub const fn new(nullable: bool, heap: HeapType) -> RefType {
        RefType { nullable, heap }
    }

    /// This type without null.
    #[inline]
    pub const fn non_null(self) -> RefType {
        RefType { nullable: false, ..self }
    }
}

impl CompositeType {
    /// What it is.
    #[inline]
    pub const fn kind(&self) -> CompositeKind {
        match self {
            CompositeType::Func(_) => CompositeKind::Func,
            CompositeType::Struct(_) => CompositeKind::Struct,
            CompositeType::Array(_) => CompositeKind::Array,
        }
    }

    /// A copy in which `f` was applied to every type index.
    pub fn map_types(&self, f: impl Fn(TypeIndex) -> TypeIndex + Copy) -> CompositeType {
        match self {
            CompositeType::Func(func) => CompositeType::Func(func.map_types(f)),
            CompositeType::Struct(fields) => {
                CompositeType::Struct(fields.iter().map(|field| field.map_types(f)).collect())
            }
            CompositeType::Array(field) => CompositeType::Array(field.map_types(f)),
        }
    }
}

impl FuncType {
    /// A copy in which `f` was applied to every type index.
    pub fn map_types(&self, f: impl Fn(TypeIndex) -> TypeIndex + Copy) -> FuncType {
        let map = |types: &[ValType]| types.iter().map(|ty| ty.map_types(f)).collect();
        FuncType { params: map(&self.params), results: map(&self.results) }
    }
}

impl FieldType {
    /// A copy in which `f` was applied to every type index.
    pub fn map_types(self, f: impl Fn(TypeIndex) -> TypeIndex) -> FieldType {
        match self.storage {
            StorageType::Val(val) => FieldType { storage: StorageType::Val(val.map_types(f)), ..self },
            StorageType::I8 | StorageType::I16 => self,
        }
    }
}

impl ValType {
    /// A copy in which `f` was applied to the type index, if it names one.
    pub fn map_types(self, f: impl Fn(TypeIndex) -> TypeIndex) -> ValType {
        match self {
            ValType::Ref(RefType { nullable, heap: HeapType::Type(index) }) => {
                ValType::Ref(RefType { nullable, heap: HeapType::Type(f(index)) })
            }
            other => other,
        }
    }
}
