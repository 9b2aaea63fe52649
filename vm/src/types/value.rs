//! Value, reference and heap types.

use super::{ArrayType, FieldType, FuncType, Mutability, StorageType, StructType};
use crate::errors::Result;
use crate::registry::{TypeHandle, TypeRegistry};
use heapwood_gc_abi::TypeId;
use heapwood_module::{self as m, CompositeKind, Hierarchy};
use std::fmt;
use std::sync::Arc;

/// A value type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
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
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct RefType {
    /// Whether null belongs to it.
    pub nullable: bool,
    /// What it refers to.
    pub heap: HeapType,
}

/// A heap type.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
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
    /// A defined function type.
    ConcreteFunc(FuncType),
    /// A defined struct type.
    ConcreteStruct(StructType),
    /// A defined array type.
    ConcreteArray(ArrayType),
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

    /// Whether this is a reference type.
    pub const fn is_ref(&self) -> bool {
        matches!(self, ValType::Ref(_))
    }

    /// The type as a store has it: with ids of `registry` in place of handles.
    ///
    /// # Errors
    /// It names a type of another engine.
    pub(crate) fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::ValType> {
        Ok(match self {
            ValType::I32 => m::ValType::I32,
            ValType::I64 => m::ValType::I64,
            ValType::F32 => m::ValType::F32,
            ValType::F64 => m::ValType::F64,
            ValType::V128 => m::ValType::V128,
            ValType::Ref(ty) => m::ValType::Ref(ty.resolve(registry)?),
        })
    }

    /// The type for the host, from one with ids of the engine that are alive.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, ty: m::ValType) -> ValType {
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

    /// The type as a store has it: with ids of `registry` in place of handles.
    ///
    /// # Errors
    /// It names a type of another engine.
    pub(crate) fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::RefType> {
        Ok(m::RefType { nullable: self.nullable, heap: self.heap.resolve(registry)? })
    }

    /// The type for the host, from one with ids of the engine that are alive.
    pub(crate) fn from_registry(registry: &Arc<TypeRegistry>, ty: m::RefType) -> RefType {
        RefType { nullable: ty.nullable, heap: HeapType::from_registry(registry, ty.heap) }
    }
}

impl HeapType {
    /// The top of its hierarchy: `Any`, `Func`, `Extern` or `Exn`.
    pub const fn top(&self) -> HeapType {
        match self {
            HeapType::Func | HeapType::NoFunc | HeapType::ConcreteFunc(_) => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            HeapType::Any
            | HeapType::Eq
            | HeapType::I31
            | HeapType::Struct
            | HeapType::Array
            | HeapType::None
            | HeapType::ConcreteStruct(_)
            | HeapType::ConcreteArray(_) => HeapType::Any,
        }
    }

    /// The function type that it is; none if it is something else, or an abstract type.
    pub const fn as_concrete_func(&self) -> Option<&FuncType> {
        match self {
            HeapType::ConcreteFunc(ty) => Some(ty),
            _ => None,
        }
    }

    /// The struct type that it is; none if it is something else, or an abstract type.
    pub const fn as_concrete_struct(&self) -> Option<&StructType> {
        match self {
            HeapType::ConcreteStruct(ty) => Some(ty),
            _ => None,
        }
    }

    /// The array type that it is; none if it is something else, or an abstract type.
    pub const fn as_concrete_array(&self) -> Option<&ArrayType> {
        match self {
            HeapType::ConcreteArray(ty) => Some(ty),
            _ => None,
        }
    }

    /// The defined type that it names.
    pub(crate) fn handle(&self) -> Option<&TypeHandle> {
        match self {
            HeapType::ConcreteFunc(ty) => Some(ty.handle()),
            HeapType::ConcreteStruct(ty) => Some(ty.handle()),
            HeapType::ConcreteArray(ty) => Some(ty.handle()),
            _ => None,
        }
    }

    /// The heap type as a store has it: with an id of `registry` in place of a handle; an error if it is a type of
    /// another engine.
    fn resolve(&self, registry: &Arc<TypeRegistry>) -> Result<m::HeapType> {
        match self.handle() {
            Some(handle) => Ok(m::HeapType::Type(handle.id_in(registry)?.0)),
            None => Ok(self.abstraction()),
        }
    }

    /// It, or the abstract type right above a defined one.
    const fn abstraction(&self) -> m::HeapType {
        match self {
            HeapType::Any => m::HeapType::Any,
            HeapType::Eq => m::HeapType::Eq,
            HeapType::I31 => m::HeapType::I31,
            HeapType::Struct | HeapType::ConcreteStruct(_) => m::HeapType::Struct,
            HeapType::Array | HeapType::ConcreteArray(_) => m::HeapType::Array,
            HeapType::None => m::HeapType::None,
            HeapType::Func | HeapType::ConcreteFunc(_) => m::HeapType::Func,
            HeapType::NoFunc => m::HeapType::NoFunc,
            HeapType::Extern => m::HeapType::Extern,
            HeapType::NoExtern => m::HeapType::NoExtern,
            HeapType::Exn => m::HeapType::Exn,
            HeapType::NoExn => m::HeapType::NoExn,
        }
    }

    /// The type for the host, from one with ids of the engine that are alive.
    fn from_registry(registry: &Arc<TypeRegistry>, heap: m::HeapType) -> HeapType {
        match heap {
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
            m::HeapType::Type(id) => HeapType::of(registry, TypeId(id)),
        }
    }

    /// The defined type of an id that is alive.
    pub(crate) fn of(registry: &Arc<TypeRegistry>, id: TypeId) -> HeapType {
        match registry.kind(id.0) {
            CompositeKind::Func => FuncType::of(registry, id).into(),
            CompositeKind::Struct => StructType::of(registry, id).into(),
            CompositeKind::Array => ArrayType::of(registry, id).into(),
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

/// Fields of a defined type that a message shows, as the text format writes it.
const FIELDS_SHOWN: usize = 8;

impl fmt::Display for HeapType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeapType::ConcreteStruct(ty) => {
                f.write_str("(struct")?;
                each_shown(f, ty.fields(), |f, field| write!(f, " (field {})", outlined_field(&field)))?;
                f.write_str(")")
            }
            HeapType::ConcreteArray(ty) => write!(f, "(array {})", outlined_field(&ty.field_type())),
            HeapType::ConcreteFunc(ty) => {
                f.write_str("(func")?;
                each_shown(f, ty.params(), |f, ty| write!(f, " (param {})", outlined(&ty)))?;
                each_shown(f, ty.results(), |f, ty| write!(f, " (result {})", outlined(&ty)))?;
                f.write_str(")")
            }
            _ => f.write_str(self.abstraction().abstract_name()),
        }
    }
}

/// Shows the first of some fields, and that there are more.
fn each_shown<'f, T>(
    f: &mut fmt::Formatter<'f>,
    fields: impl ExactSizeIterator<Item = T>,
    mut show: impl FnMut(&mut fmt::Formatter<'f>, T) -> fmt::Result,
) -> fmt::Result {
    let rest = if fields.len() > FIELDS_SHOWN { " …" } else { "" };
    fields.take(FIELDS_SHOWN).try_for_each(|field| show(f, field))?;
    f.write_str(rest)
}

/// A type where a defined one stands within another one: what it is, and not what it consists of, which may be itself.
fn outlined(ty: &ValType) -> impl fmt::Display {
    fmt::from_fn(move |f| match ty {
        ValType::Ref(RefType { nullable, heap }) if heap.handle().is_some() => {
            write!(f, "(ref {}({} …))", if *nullable { "null " } else { "" }, heap.abstraction().abstract_name())
        }
        ty => write!(f, "{ty}"),
    })
}

fn outlined_field(field: &FieldType) -> impl fmt::Display {
    let (mutability, storage) = (field.mutability(), field.element_type());
    fmt::from_fn(move |f| {
        let is_mutable = mutability == Mutability::Var;
        f.write_str(if is_mutable { "(mut " } else { "" })?;
        match storage {
            StorageType::ValType(ty) => write!(f, "{}", outlined(ty))?,
            packed => write!(f, "{packed}")?,
        }
        f.write_str(if is_mutable { ")" } else { "" })
    })
}
