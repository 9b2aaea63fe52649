//! Rust structs that stand for struct types.

use super::check;
use super::list::FieldList;
use super::local::{Access, GcRef, Local, Sealed};
use super::scope::Scope;
use super::shape::{Shape, StructShape, Target};
use crate::errors::{Error, Result};
use crate::handles::wasm_ty::StoreAccess;
use crate::ids::{Invariant, StructRef};
use crate::module::Module;
use crate::types::{HeapType, StandIn, StructType};
use heapwood_gc_abi::header::HEADER_BYTES;
use std::any::TypeId as RustType;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// A Rust struct that stands for a struct type of a guest. `#[derive(GcStruct)]` of `heapwood` (feature `derive`)
/// implements it; the fields are those of the type in their order, whatever their names ([`GcField`](super::GcField)).
///
/// | attribute | of | means |
/// |---|---|---|
/// | `#[wasm(mutable)]` | a field | it is mutable in the type, and gets a function `set_…` |
/// | `#[wasm(name = "…")]` | the struct | [`Module::bind`] looks for a type of this name; without it, of the struct's |
/// | `#[wasm(type_index = 3)]` | the struct | it takes the type of this index instead |
/// | `#[wasm(extends = Base)]` | the struct | `Base` stands for the supertype: [`Local::upcast`] |
/// | `#[wasm(prefix)]` | the struct | the type may have more fields behind these; no object can be made of it |
///
/// Nothing has values of the struct itself: objects lie in the heap of the guest, [`Local`]s refer to them. A bound
/// struct can be made (`alloc`, on what [`Module::bind`] returns), its fields are read by functions of their names, and
/// mutable ones written.
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood_derive::GcStruct;
/// use heapwood::{Engine, GcStruct, Module, Ref, Result, Store};
///
/// #[derive(GcStruct)]
/// struct Node {
///     #[wasm(mutable)]
///     val: i64,
///     #[wasm(mutable)]
///     next: Option<Ref<Node>>,
/// }
///
/// # fn main() -> Result<()> {
/// let text = "(module (type $Node (struct (field (mut i64)) (field (mut (ref null $Node))))))";
/// let engine = Engine::default();
/// let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
/// let node = module.bind::<Node>()?;
/// let mut store = Store::new(&engine, ());
/// let kept = store.scope(|s| {
///     let a = node.alloc(s, 1, None)?;
///     let b = node.alloc(s, 2, Some(a))?;
///     a.set_val(s, b.val(s) + 1);
///     Ok(s.root(b))
/// })?;
/// store.gc()?;
/// let sum = store.scope(|s| {
///     let b = kept.local(s)?;
///     let a = b.next(s).expect("it was made with one");
///     Ok(a.val(s) + b.val(s))
/// })?;
/// assert_eq!(sum, 5);
/// # Ok(())
/// # }
/// ```
///
/// A field that is not mutable has no function that writes it:
///
/// ```compile_fail,E0599
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// # use heapwood_vm::{GcStruct, Local, Scope};
/// #[derive(GcStruct)]
/// struct Point { x: f64 }
///
/// fn shift<'s>(s: &mut Scope<'s, ()>, point: Local<'s, Point>) {
///     point.set_x(s, 1.0);
/// }
/// # fn main() {}
/// ```
///
/// What is no field is refused at the field:
///
/// ```compile_fail
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// #[derive(GcStruct)]
/// struct Person { name: String }
/// # fn main() {}
/// ```
///
/// Nor does a reference go into a field for another Rust type:
///
/// ```compile_fail,E0308
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// # use heapwood_vm::{GcStruct, Local, Ref, Scope};
/// #[derive(GcStruct)]
/// struct Point { x: f64 }
///
/// #[derive(GcStruct)]
/// struct Holder {
///     #[wasm(mutable)]
///     held: Option<Ref<Holder>>,
/// }
///
/// fn put<'s>(s: &mut Scope<'s, ()>, holder: Local<'s, Holder>, point: Local<'s, Point>) {
///     holder.set_held(s, Some(point));
/// }
/// # fn main() {}
/// ```
///
/// And no object is made of which only some fields are known:
///
/// ```compile_fail,E0599
/// # extern crate heapwood_vm as heapwood;
/// # use heapwood_derive::GcStruct;
/// # use heapwood_vm::{Bound, GcStruct, Scope};
/// #[derive(GcStruct)]
/// #[wasm(prefix)]
/// struct Header { hash: i32 }
///
/// fn make(s: &mut Scope<'_, ()>, header: &Bound<Header>) {
///     header.alloc(s, 1);
/// }
/// # fn main() {}
/// ```
///
/// What is bound, and when which error comes:
///
/// - [`Module::bind`] and [`StructType::bind`] compare number, storage and mutability of the fields with the type, and
///   so for all Rust types that fields lead to.
/// - In a store a Rust type stands for one type. A module with a `Node` of its own that is another type needs another
///   Rust type, or another store; the first object made of the second type says so in an error.
///
/// An implementation by hand cannot make a store unsafe, but nothing else is promised of it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` stands for no struct type",
    note = "`#[derive(GcStruct)]` makes it one"
)]
pub trait GcStruct: Sized + 'static {
    /// The fields of the struct, in order.
    #[doc(hidden)]
    type Fields: FieldList;
    /// What stands for the supertype.
    #[doc(hidden)]
    type Base: Super;
    /// The functions of its fields.
    #[doc(hidden)]
    type Access<'s>: Access<'s, Self>;
    /// The function that makes one.
    #[doc(hidden)]
    type Maker: Maker<Self>;
    /// The name of the type, which [`Module::bind`] looks for.
    const NAME: &'static str;
    /// The index of the type, if it is bound by that.
    #[doc(hidden)]
    const TYPE_INDEX: Option<u32>;
    /// Names of the fields, for messages.
    #[doc(hidden)]
    const FIELD_NAMES: &'static [&'static str];
    /// Whether the type may have more fields.
    #[doc(hidden)]
    const IS_PREFIX: bool;
}

impl<T: GcStruct> Sealed for T {
    fn target() -> Target {
        let mut fields = Vec::new();
        T::Fields::shapes(T::FIELD_NAMES, HEADER_BYTES, &mut fields);
        let shape = Shape::Struct(StructShape { fields, is_prefix: T::IS_PREFIX, base: T::Base::target });
        Target { rust: RustType::of::<T>(), name: name_of::<T>(), shape }
    }
}

/// What messages call a Rust struct.
pub(super) fn name_of<T: GcStruct>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap_or(T::NAME)
}

impl<T: GcStruct> GcRef for T {
    type Access<'s> = <T as GcStruct>::Access<'s>;
}

/// What a bound struct can extend: another one, or (so all that say nothing) `StructRef`. Nobody else can implement it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(message = "`{Self}` stands for no struct type, and cannot be extended")]
pub trait Super: GcRef + SealedSuper {}

/// What [`Super`] is to this crate.
pub trait SealedSuper {}

impl<T: GcStruct> SealedSuper for T {}

impl<T: GcStruct> Super for T {}

impl SealedSuper for StructRef {}

impl Super for StructRef {}

/// A Rust type that was bound to a struct or array type: what makes objects of it ([`Module::bind`]). Cheap to clone,
/// and `Send` and `Sync`; the type lives as long as somebody has it.
///
/// For a struct it has a function `alloc` with the scope and a value for each field, which returns a [`Local`]. It may
/// collect, and its errors are those of [`StructRef::new`](crate::StructRef) (a full heap, a type of another engine)
/// and of [`Scope::bind`].
pub struct Bound<T: Bind> {
    maker: T::Maker,
}

/// What can be bound: a [`GcStruct`] or a [`GcArray`](super::GcArray). Nobody else can implement it.
pub trait Bind: GcRef {
    /// The functions that make objects.
    #[doc(hidden)]
    type Maker: Maker<Self>;
}

impl<T: GcStruct> Bind for T {
    type Maker = <T as GcStruct>::Maker;
}

/// What a [`Bound`] dereferences to: a [`Binding`] with a function that makes objects.
#[doc(hidden)]
pub trait Maker<T>: Clone {
    /// The maker of objects for a binding.
    fn new(binding: Binding<T>) -> Self;
    /// The binding.
    fn binding(&self) -> &Binding<T>;
}

/// What a Rust type and those that its fields lead to stand for: itself first.
#[doc(hidden)]
pub struct Binding<T> {
    stand_ins: Arc<[StandIn]>,
    of: Invariant<T>,
}

impl<T> Binding<T> {
    pub(super) fn stand_ins(&self) -> &Arc<[StandIn]> {
        &self.stand_ins
    }
}

impl<T> Clone for Binding<T> {
    fn clone(&self) -> Self {
        Binding { stand_ins: self.stand_ins.clone(), of: PhantomData }
    }
}

impl<T: GcStruct> Binding<T> {
    /// A new object.
    #[inline]
    #[doc(hidden)]
    pub fn make<'s, D: 'static>(
        &self,
        scope: &mut Scope<'s, D>,
        values: <T::Fields as FieldList>::Values<'s>,
    ) -> Result<Local<'s, T>> {
        const { assert!(!T::IS_PREFIX, "no object can be made of a part of a struct") };
        let store = scope.opaque_mut();
        let object = store.new_bound_struct(&self.stand_ins)?;
        // After the allocation: nothing moves any more.
        T::Fields::save(&mut StoreAccess(store), object, HEADER_BYTES, values);
        store.ask_for_collection();
        Ok(Local::of_place(store.guest_mut().roots_mut().push_place(object)))
    }
}

impl<T: Bind> Bound<T> {
    /// Binds `T` to `ty`; an error if it cannot stand for that type.
    pub(super) fn new(ty: HeapType) -> Result<Bound<T>> {
        let stand_ins = check::stand_ins(T::target(), ty)?.into();
        Ok(Bound { maker: T::Maker::new(Binding { stand_ins, of: PhantomData }) })
    }

    pub(super) fn stand_ins(&self) -> &Arc<[StandIn]> {
        self.maker.binding().stand_ins()
    }
}

impl Module {
    /// Binds a Rust struct to the type of this module that it names: the first one of its name in the name section, or
    /// the one of its index ([`GcStruct`]). The result can be used in all stores of the module's engine.
    ///
    /// # Errors
    /// There is no such type; it is no struct type; its fields are not what the struct says, or those of a type that
    /// they lead to. The message names type and field, what was expected and what is there.
    pub fn bind<T: GcStruct>(&self) -> Result<Bound<T>> {
        let types = self.types();
        let (ty, what) = match T::TYPE_INDEX {
            Some(index) => (types.get(index), format!("{} types, and no type {index}", types.len())),
            None => (types.named(T::NAME), format!("no type of the name `{}`", T::NAME)),
        };
        let ty =
            ty.ok_or_else(|| Error::usage(format!("`{}` cannot be bound: the module has {what}", name_of::<T>())))?;
        Bound::new(ty)
    }
}

impl StructType {
    /// Binds a Rust struct to this type, whatever name and index it says: one that the host made, or
    /// [`Module::types`](crate::Module::types) found.
    ///
    /// ```
    /// # extern crate heapwood_vm as heapwood;
    /// # use heapwood_derive::GcStruct;
    /// # use heapwood_vm::{Engine, FieldType, GcStruct, Mutability, Result, Store, StructType, ValType};
    /// #[derive(GcStruct)]
    /// struct Point { x: f64, y: f64 }
    ///
    /// # fn main() -> Result<()> {
    /// let engine = Engine::default();
    /// let field = FieldType::new(Mutability::Const, ValType::F64.into());
    /// let point = StructType::new(&engine, [field.clone(), field]).bind::<Point>()?;
    /// let mut store = Store::new(&engine, ());
    /// assert_eq!(store.scope(|s| Ok(point.alloc(s, 1.0, 2.0)?.y(s)))?, 2.0);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As for [`Module::bind`].
    pub fn bind<T: GcStruct>(&self) -> Result<Bound<T>> {
        Bound::new(self.clone().into())
    }
}

impl<T: Bind> Deref for Bound<T> {
    type Target = T::Maker;

    #[inline]
    fn deref(&self) -> &T::Maker {
        &self.maker
    }
}

impl<T: Bind> Clone for Bound<T> {
    fn clone(&self) -> Self {
        Bound { maker: self.maker.clone() }
    }
}

impl<T: Bind> fmt::Debug for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stand_in = &self.stand_ins()[0];
        write!(f, "Bound({} = {})", stand_in.name, stand_in.ty())
    }
}
