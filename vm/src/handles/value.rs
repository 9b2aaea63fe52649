//! Values that cross between host and guest.

use super::RefKind;
use crate::errors::{Error, Result};
use crate::ids::{AnyRef, ArrayRef, ExnRef, ExternRef, Func, Rooted, StructRef};
use crate::rt::value::RawVal;
use crate::store::{AsContext, InstanceData, ObjectClass, StoreOpaque};
use crate::types::{HeapType, RefType, ValType};
use heapwood_gc_abi::TypeId;
use heapwood_module::{self as m, brief};

/// A WebAssembly value.
#[derive(Clone, Copy, Debug)]
pub enum Val {
    /// A 32-bit integer.
    I32(i32),
    /// A 64-bit integer.
    I64(i64),
    /// A 32-bit float, by its bits.
    F32(u32),
    /// A 64-bit float, by its bits.
    F64(u64),
    /// A vector.
    V128(u128),
    /// A function or null.
    FuncRef(Option<Func>),
    /// A host reference or null.
    ExternRef(Option<Rooted<ExternRef>>),
    /// A reference of the `any` hierarchy or null.
    AnyRef(Option<Rooted<AnyRef>>),
    /// An exception or null.
    ExnRef(Option<Rooted<ExnRef>>),
}

impl Val {
    /// The default of a type: zero or null; none for references that cannot be null.
    pub fn default_for(ty: &ValType) -> Option<Val> {
        Some(match ty {
            ValType::I32 => Val::I32(0),
            ValType::I64 => Val::I64(0),
            ValType::F32 => Val::F32(0),
            ValType::F64 => Val::F64(0),
            ValType::V128 => Val::V128(0),
            ValType::Ref(RefType { nullable: false, .. }) => return None,
            ValType::Ref(ty) => Val::null(&ty.heap),
        })
    }

    /// The null of the hierarchy of `heap`.
    pub fn null(heap: &HeapType) -> Val {
        match heap.top() {
            HeapType::Func => Val::FuncRef(None),
            HeapType::Extern => Val::ExternRef(None),
            HeapType::Exn => Val::ExnRef(None),
            _ => Val::AnyRef(None),
        }
    }

    /// The integer, if this is an i32.
    pub fn i32(&self) -> Option<i32> {
        match *self {
            Val::I32(value) => Some(value),
            _ => None,
        }
    }

    /// The integer, if this is an i64.
    pub fn i64(&self) -> Option<i64> {
        match *self {
            Val::I64(value) => Some(value),
            _ => None,
        }
    }

    /// The float, if this is an f32.
    pub fn f32(&self) -> Option<f32> {
        match *self {
            Val::F32(bits) => Some(f32::from_bits(bits)),
            _ => None,
        }
    }

    /// The float, if this is an f64.
    pub fn f64(&self) -> Option<f64> {
        match *self {
            Val::F64(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    /// The integer of an i32.
    ///
    /// ```
    /// # use heapwood_vm::Val;
    /// assert_eq!(Val::I32(7).unwrap_i32(), 7);
    /// assert!(std::panic::catch_unwind(|| Val::I64(7).unwrap_i32()).is_err());
    /// ```
    ///
    /// # Panics
    /// If this is another value.
    #[track_caller]
    pub fn unwrap_i32(&self) -> i32 {
        self.i32().unwrap_or_else(|| panic!("{self:?} is no i32"))
    }

    /// The integer of an i64.
    ///
    /// # Panics
    /// If this is another value.
    #[track_caller]
    pub fn unwrap_i64(&self) -> i64 {
        self.i64().unwrap_or_else(|| panic!("{self:?} is no i64"))
    }

    /// The float of an f32.
    ///
    /// # Panics
    /// If this is another value.
    #[track_caller]
    pub fn unwrap_f32(&self) -> f32 {
        self.f32().unwrap_or_else(|| panic!("{self:?} is no f32"))
    }

    /// The float of an f64.
    ///
    /// # Panics
    /// If this is another value.
    #[track_caller]
    pub fn unwrap_f64(&self) -> f64 {
        self.f64().unwrap_or_else(|| panic!("{self:?} is no f64"))
    }

    /// Whether this is a null reference of any hierarchy.
    pub fn is_null(&self) -> bool {
        matches!(self, Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None))
    }

    /// What a reference refers to; none for null and for numbers.
    ///
    /// # Errors
    /// The value belongs to another store, or its scope is over.
    pub fn ref_kind(&self, store: impl AsContext) -> Result<Option<RefKind>> {
        let context = store.as_context();
        let store = context.opaque();
        let raw = match self {
            Val::FuncRef(Some(func)) => func.object(store)?,
            Val::ExternRef(Some(value)) => store.root_get(value)?,
            Val::AnyRef(Some(value)) => store.root_get(value)?,
            Val::ExnRef(Some(value)) => store.root_get(value)?,
            _ => return Ok(None),
        };
        Ok(Some(RefKind::new(store, store.object_class(raw)?)))
    }

    /// The value as compiled code takes it, checked against `ty`, a type in terms of the store's engine. By reference:
    /// to copy a value that was written a moment before takes longer than to look at it.
    #[inline]
    #[allow(clippy::wrong_self_convention, reason = "a copy would wait for what was just written")]
    pub(crate) fn to_raw(&self, store: &StoreOpaque, ty: m::ValType) -> Result<RawVal> {
        let low = match (self, ty) {
            (Val::I32(value), m::ValType::I32) => *value as u32 as u64,
            (Val::I64(value), m::ValType::I64) => *value as u64,
            (Val::F32(bits), m::ValType::F32) => *bits as u64,
            (Val::F64(bits), m::ValType::F64) => *bits,
            (Val::V128(value), m::ValType::V128) => return Ok([*value as u64, (*value >> 64) as u64]),
            (value, m::ValType::Ref(ty)) => value.to_raw_ref(store, ty)? as u64,
            (value, ty) => return Err(mismatch(value, store, ty)),
        };
        Ok([low, 0])
    }

    /// The reference for compiled code, checked against `ty` as [`to_raw`](Self::to_raw) does it for any value.
    #[inline]
    #[allow(clippy::wrong_self_convention, reason = "a copy would wait for what was just written")]
    pub(crate) fn to_raw_ref(&self, store: &StoreOpaque, ty: m::RefType) -> Result<u32> {
        if let (Val::AnyRef(Some(value)), m::HeapType::Type(id)) = (self, ty.heap) {
            let raw = store.root_get(value)?;
            // Of the very type, as most are: nothing else of the hierarchy of `any` has its id.
            if store.is_exactly(raw, TypeId(id)) {
                return Ok(raw);
            }
        }
        let (raw, hierarchy) = match self {
            Val::FuncRef(func) => (func.map_or(Ok(0), |func| func.object(store))?, m::HeapType::Func),
            Val::ExternRef(value) => (reference(store, value)?, m::HeapType::Extern),
            Val::AnyRef(value) => (reference(store, value)?, m::HeapType::Any),
            Val::ExnRef(value) => (reference(store, value)?, m::HeapType::Exn),
            value => return Err(mismatch(value, store, m::ValType::Ref(ty))),
        };
        if hierarchy != store.hierarchy(ty.heap) || !store.ref_matches(raw, ty) {
            return Err(mismatch(self, store, m::ValType::Ref(ty)));
        }
        Ok(raw)
    }

    /// A value from compiled code, of a type in terms of the store's engine; references become handles of the current
    /// scope.
    #[inline(always)]
    pub(crate) fn from_raw(store: &mut StoreOpaque, raw: RawVal, ty: m::ValType) -> Val {
        match ty {
            m::ValType::I32 => Val::I32(raw[0] as i32),
            m::ValType::I64 => Val::I64(raw[0] as i64),
            m::ValType::F32 => Val::F32(raw[0] as u32),
            m::ValType::F64 => Val::F64(raw[0]),
            ty => Val::from_raw_large(store, raw, ty),
        }
    }

    /// Vectors and references, not in line: what is smaller is made where it is used, without a detour through memory.
    #[inline(never)]
    fn from_raw_large(store: &mut StoreOpaque, raw: RawVal, ty: m::ValType) -> Val {
        match ty {
            m::ValType::Ref(ty) => Val::from_raw_ref(store, raw[0] as u32, ty.heap),
            _ => Val::V128(raw[0] as u128 | (raw[1] as u128) << 64),
        }
    }

    /// A reference from compiled code as a handle of the current scope, of the hierarchy that `heap` belongs to.
    #[inline]
    pub(crate) fn from_raw_ref(store: &mut StoreOpaque, raw: u32, heap: m::HeapType) -> Val {
        match store.hierarchy(heap) {
            m::HeapType::Func => Val::FuncRef((raw != 0).then(|| Func::from_parts(store.id(), raw))),
            m::HeapType::Extern => Val::ExternRef(store.root_push(raw)),
            m::HeapType::Exn => Val::ExnRef(store.root_push(raw)),
            _ => Val::AnyRef(store.root_push(raw)),
        }
    }
}

/// The reference behind a handle; null without one.
#[inline]
fn reference<T>(store: &StoreOpaque, handle: &Option<Rooted<T>>) -> Result<u32> {
    match handle {
        Some(handle) => store.root_get(handle),
        None => Ok(0),
    }
}

/// The error of a value that does not belong to a type.
#[cold]
pub(super) fn mismatch(value: &Val, store: &StoreOpaque, ty: m::ValType) -> Error {
    let is_nullable = matches!(ty, m::ValType::Ref(m::RefType { nullable: true, .. }));
    let found = match value {
        Val::I32(_) => "an i32",
        Val::I64(_) => "an i64",
        Val::F32(_) => "an f32",
        Val::F64(_) => "an f64",
        Val::V128(_) => "a v128",
        // Where null belongs to the type, this one is of another hierarchy.
        Val::FuncRef(None) if is_nullable => "a null function",
        Val::ExternRef(None) if is_nullable => "a null host reference",
        Val::AnyRef(None) if is_nullable => "a null reference of the any hierarchy",
        Val::ExnRef(None) if is_nullable => "a null exception",
        Val::FuncRef(None) | Val::ExternRef(None) | Val::AnyRef(None) | Val::ExnRef(None) => "a null reference",
        Val::FuncRef(_) => "a function",
        Val::ExternRef(_) => "a host reference",
        Val::AnyRef(Some(object)) => match store.root_get(object).and_then(|raw| store.object_class(raw)) {
            Ok(ObjectClass::Struct(id) | ObjectClass::Array(id)) => &shown_type(store, id),
            Ok(ObjectClass::I31(_)) => "an i31",
            Ok(ObjectClass::Host) => "a host value",
            _ => "a reference of the any hierarchy",
        },
        Val::ExnRef(_) => "an exception",
    };
    let name = match ty {
        m::ValType::Ref(m::RefType { heap: m::HeapType::Type(id), .. }) => name_in(store, TypeId(id)),
        _ => String::new(),
    };
    let ty = ValType::from_registry(store.engine().registry(), ty);
    Error::usage(format!("type mismatch: expected {ty}{name}, found {found}"))
}

/// An object's type, as a message shows it.
fn shown_type(store: &StoreOpaque, id: TypeId) -> String {
    format!("a {}{}", HeapType::of(store.engine().registry(), id), name_in(store, id))
}

/// The name that a defined type has in the first module that has one, in brackets.
fn name_in(store: &StoreOpaque, id: TypeId) -> String {
    let mut modules = store.guest().entities().instances().iter().map(InstanceData::module);
    let name = modules.find_map(|module| {
        let index = module.type_ids().ids().iter().position(|candidate| *candidate == id)?;
        Some(format!(" (`{}`)", brief(module.info().names().ty(index as u32)?)))
    });
    name.unwrap_or_default()
}

/// What becomes a value as it is.
macro_rules! from {
    ($($from:ty => |$value:ident| $val:expr;)*) => {
        $(impl From<$from> for Val {
            fn from($value: $from) -> Val {
                $val
            }
        })*
    };
}

from! {
    i32 => |value| Val::I32(value);
    i64 => |value| Val::I64(value);
    f32 => |value| Val::F32(value.to_bits());
    f64 => |value| Val::F64(value.to_bits());
    u128 => |value| Val::V128(value);
    Func => |value| Val::FuncRef(Some(value));
    Rooted<StructRef> => |value| Val::AnyRef(Some(value.to_anyref()));
    Rooted<ArrayRef> => |value| Val::AnyRef(Some(value.to_anyref()));
    Rooted<AnyRef> => |value| Val::AnyRef(Some(value));
    Rooted<ExternRef> => |value| Val::ExternRef(Some(value));
    Rooted<ExnRef> => |value| Val::ExnRef(Some(value));
    Option<Func> => |value| Val::FuncRef(value);
    Option<Rooted<StructRef>> => |value| Val::AnyRef(value.map(Rooted::<StructRef>::to_anyref));
    Option<Rooted<ArrayRef>> => |value| Val::AnyRef(value.map(Rooted::<ArrayRef>::to_anyref));
    Option<Rooted<AnyRef>> => |value| Val::AnyRef(value);
    Option<Rooted<ExternRef>> => |value| Val::ExternRef(value);
    Option<Rooted<ExnRef>> => |value| Val::ExnRef(value);
}
