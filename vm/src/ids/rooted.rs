//! Handles of references. The entries behind them are in the store's set of roots.
//!
//! 1. [`Rooted`] is `Copy` and lives in a scope: a host call's handles end with the call, those made outside of any
//!    call with their scope or the store.
//! 2. [`Root`] is owned, `Send`, and dropped whenever and wherever the host likes.

use super::StoreId;
use heapwood_gc::Lease;
use std::marker::PhantomData;

/// The hierarchy of `any`: structs, arrays, i31s, and host values and strings that were converted.
#[derive(Debug)]
pub enum AnyRef {}

/// Structs, a part of the hierarchy of `any`. `Rooted<StructRef>` is a struct in the host's hands.
///
/// ```
/// # use heapwood_vm::{Engine, FieldType, Mutability, RootScope, StorageType, Store, StructRef, StructType, Val, ValType};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let number = FieldType::new(Mutability::Var, StorageType::ValType(ValType::I32));
/// let list = FieldType::new(Mutability::Const, StorageType::ValType(ValType::ANYREF));
/// let node = StructType::new(&engine, [number, list]);
/// let mut scope = RootScope::new(&mut store);
/// let last = StructRef::new(&mut scope, &node, &[Val::I32(1), Val::AnyRef(None)])?;
/// let first = StructRef::new(&mut scope, &node, &[Val::I32(2), last.into()])?;
/// first.set_field(&mut scope, 0, Val::I32(3))?;
/// assert_eq!(first.field(&mut scope, 0)?.i32(), Some(3));
/// assert_eq!(first.ty(&scope)?, node);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum StructRef {}

/// Arrays, a part of the hierarchy of `any`. `Rooted<ArrayRef>` is an array in the host's hands.
///
/// Numbers go in and out in bulk ([`ArrayRef::from_slice`], [`Rooted::copy_to_slice`]), as slices of
/// [`ArrayElement`](crate::ArrayElement)s.
///
/// ```
/// # use heapwood_vm::{ArrayRef, ArrayType, Engine, FieldType, Mutability, StorageType, Store, Val};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let bytes = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
/// let text = ArrayRef::from_slice(&mut store, &bytes, b"heapwood")?;
/// text.set(&mut store, 0, Val::I32(b'H'.into()))?;
/// let mut read = [0; 8];
/// text.copy_to_slice(&store, 0, &mut read)?;
/// assert_eq!(&read, b"Heapwood");
/// let zeros = ArrayRef::new(&mut store, &bytes, &Val::I32(0), 1000)?;
/// assert_eq!(zeros.len(&store)?, 1000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum ArrayRef {}

/// The hierarchy of `extern`: host values, strings, and internal references that were converted.
#[derive(Debug)]
pub enum ExternRef {}

/// Strings of the store's heap, a part of the hierarchy of `extern`. `Rooted<StringRef>` is a string in the host's
/// hands: a sequence of 16-bit units that never changes, kept as Latin-1 where it can be. Guests make and read strings
/// by the functions that [`Linker::define_js_string`](crate::Linker::define_js_string) defines. Converted to the
/// hierarchy of `any` (`any.convert_extern`), a string is neither `eq` nor of any type below.
///
/// ```
/// # use heapwood_vm::{Engine, RefKind, Store, StringRef, StringUnits};
/// # fn main() -> heapwood_vm::Result<()> {
/// let engine = Engine::default();
/// let mut store = Store::new(&engine, ());
/// let text = StringRef::new(&mut store, "grün")?;
/// assert_eq!(text.len(&store)?, 4);
/// assert_eq!(text.units(&mut store)?, StringUnits::Latin1(b"gr\xfcn"));
/// assert_eq!(text.to_string_lossy(&mut store)?, "grün");
/// let half = StringRef::from_utf16(&mut store, &[0xd83d])?;
/// assert_eq!(half.to_string_lossy(&mut store)?, "\u{fffd}");
/// assert_eq!(half.to_externref().kind(&store)?, RefKind::String);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub enum StringRef {}

/// The hierarchy of `exn`: exceptions.
#[derive(Debug)]
pub enum ExnRef {}

/// In what stands for values of type `T`: no other type does, not even one that differs in a lifetime. A coercion would
/// make another type of what the reference leads to.
pub(crate) type Invariant<T> = PhantomData<fn(T) -> T>;

/// A reference that lives in a scope of its store. `T` says of which hierarchy it is, or of which type: no other `T`
/// does, not even one that differs in a lifetime.
///
/// ```compile_fail
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::Rooted;
/// fn other<'a>(rooted: Rooted<&'static str>) -> Rooted<&'a str> {
///     rooted
/// }
/// ```
pub struct Rooted<T> {
    store: StoreId,
    index: u32,
    /// How many scopes with handles had ended in the store when the handle was made. A handle whose entry was taken by
    /// another has another generation; 64 bits do not wrap.
    generation: u64,
    hierarchy: Invariant<T>,
}

/// A reference that the host owns: it may outlive scopes, move between threads and be dropped without the store. As for
/// [`Rooted`], no other `T` stands for it.
///
/// ```compile_fail
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::Root;
/// fn other<'a>(root: Root<&'static str>) -> Root<&'a str> {
///     root
/// }
/// ```
pub struct Root<T> {
    slot: Lease<OwnedSlot>,
    hierarchy: Invariant<T>,
}

/// What an owned handle is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnedSlot {
    /// Its store.
    pub store: StoreId,
    /// The number of its entry there.
    pub index: u32,
    /// The number of the handle among all owned ones of its store.
    pub serial: u64,
}

impl<T> Rooted<T> {
    /// The handle of an entry of the scopes, made in a generation.
    #[inline]
    pub(crate) fn from_entry(store: StoreId, index: u32, generation: u64) -> Rooted<T> {
        Rooted { store, index, generation, hierarchy: PhantomData }
    }

    /// Its store.
    #[inline]
    pub(crate) fn store_id(&self) -> StoreId {
        self.store
    }

    /// The number of its entry.
    #[inline]
    pub(crate) fn entry(&self) -> usize {
        self.index as usize
    }

    /// The number of its entry as a `Local` holds it.
    #[inline]
    pub(crate) fn place(&self) -> u32 {
        self.index
    }

    /// When it was made.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation
    }

    /// This handle as one to another type, without a check.
    pub(crate) fn cast<U>(self) -> Rooted<U> {
        Rooted::from_entry(self.store, self.index, self.generation)
    }
}

impl<T> Root<T> {
    /// The handle of what a store lends, which comes back to it when the last copy is dropped.
    #[inline]
    pub(crate) fn of_slot(slot: Lease<OwnedSlot>) -> Root<T> {
        Root { slot, hierarchy: PhantomData }
    }

    /// The handle's number among all owned handles of its store.
    pub(crate) fn serial(&self) -> u64 {
        self.slot.value().serial
    }

    /// Its store.
    #[inline]
    pub(crate) fn store_id(&self) -> StoreId {
        self.slot.value().store
    }

    /// The number of its entry.
    #[inline]
    pub(crate) fn entry(&self) -> usize {
        self.slot.value().index as usize
    }
}

impl<T> Clone for Rooted<T> {
    fn clone(&self) -> Rooted<T> {
        *self
    }
}

impl<T> Copy for Rooted<T> {}

impl<T> Clone for Root<T> {
    fn clone(&self) -> Root<T> {
        Root { slot: self.slot.clone(), hierarchy: PhantomData }
    }
}

impl<T> std::fmt::Debug for Rooted<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rooted({})", self.index)
    }
}

impl<T> std::fmt::Debug for Root<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Root({})", self.slot.value().index)
    }
}
