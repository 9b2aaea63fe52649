//! Subtyping of heap, reference and value types, given the declared hierarchy of defined types.
//!
//! The one place for these rules: inside a module defined types are type indices ([`crate::TypeSection`]), in the
//! engine's registry they are engine-wide ids.

use crate::{HeapType, RefType, TypeIndex, ValType};

/// What a defined type is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CompositeKind {
    /// A function type.
    Func,
    /// A struct type.
    Struct,
    /// An array type.
    Array,
}

impl CompositeKind {
    /// The abstract heap type right above.
    pub const fn abstraction(self) -> HeapType {
        match self {
            CompositeKind::Func => HeapType::Func,
            CompositeKind::Struct => HeapType::Struct,
            CompositeKind::Array => HeapType::Array,
        }
    }
}

/// Defined types and what is declared of them; the rules for all other types follow.
pub trait Hierarchy {
    /// What the type is.
    fn kind(&self, ty: TypeIndex) -> CompositeKind;

    /// Whether `a` is `b` or declared below it.
    fn is_declared_subtype(&self, a: TypeIndex, b: TypeIndex) -> bool;

    /// The abstract type right above a defined type: `func`, `struct` or `array`; abstract types are themselves.
    fn abstraction(&self, heap: HeapType) -> HeapType {
        match heap {
            HeapType::Type(index) => self.kind(index).abstraction(),
            other => other,
        }
    }

    /// The top of a heap type's hierarchy: `any`, `func`, `extern` or `exn`.
    fn top(&self, heap: HeapType) -> HeapType {
        match self.abstraction(heap) {
            HeapType::Func | HeapType::NoFunc => HeapType::Func,
            HeapType::Extern | HeapType::NoExtern => HeapType::Extern,
            HeapType::Exn | HeapType::NoExn => HeapType::Exn,
            _ => HeapType::Any,
        }
    }

    /// The bottom of a heap type's hierarchy: `none`, `nofunc`, `noextern` or `noexn`.
    fn bottom(&self, heap: HeapType) -> HeapType {
        match self.top(heap) {
            HeapType::Func => HeapType::NoFunc,
            HeapType::Extern => HeapType::NoExtern,
            HeapType::Exn => HeapType::NoExn,
            _ => HeapType::None,
        }
    }

    /// Subtyping of heap types.
    fn heap_is_subtype(&self, a: HeapType, b: HeapType) -> bool {
        use HeapType::*;
        match (a, b) {
            (Type(a), Type(b)) => self.is_declared_subtype(a, b),
            (a, b) if a == b => true,
            (None | NoFunc | NoExtern | NoExn, b) => self.bottom(b) == a,
            (a, Any) => self.top(a) == Any,
            (a, Eq) => matches!(self.abstraction(a), I31 | Struct | Array),
            (Type(_), b) => self.abstraction(a) == b,
            _ => false,
        }
    }

    /// Subtyping of reference types.
    fn ref_is_subtype(&self, a: RefType, b: RefType) -> bool {
        (b.nullable || !a.nullable) && self.heap_is_subtype(a.heap, b.heap)
    }

    /// Subtyping of value types.
    fn val_is_subtype(&self, a: ValType, b: ValType) -> bool {
        match (a, b) {
            (ValType::Ref(a), ValType::Ref(b)) => self.ref_is_subtype(a, b),
            (a, b) => a == b,
        }
    }
}
