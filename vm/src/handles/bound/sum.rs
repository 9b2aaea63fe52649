//! Choices between bound types.

use super::local::Local;
use super::scope::Scope;
use crate::ids::AnyRef;

/// A choice between types, of which an object is one: sealed classes of a guest, for instance. `#[derive(GcEnum)]` of
/// `heapwood` (feature `derive`) implements it for an enum each of whose variants has a [`Local`] in it. The variants
/// are tried in their order, each by a cast, so a type stands before those that it extends.
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood_derive::{GcEnum, GcStruct};
/// use heapwood::{Engine, GcEnum, GcStruct, Local, Module, Result, Scope, Store};
///
/// #[derive(GcStruct)]
/// struct Shape { name: i32 }
///
/// #[derive(GcStruct)]
/// #[wasm(extends = Shape)]
/// struct Circle { name: i32, radius: f64 }
///
/// #[derive(GcStruct)]
/// #[wasm(extends = Shape)]
/// struct Square { name: i32, side: f64 }
///
/// #[derive(GcEnum)]
/// enum AnyShape<'s> {
///     Circle(Local<'s, Circle>),
///     Square(Local<'s, Square>),
/// }
///
/// fn area<'s>(s: &Scope<'s, ()>, shape: Local<'s, Shape>) -> f64 {
///     match shape.downcast(s) {
///         Some(AnyShape::Circle(circle)) => circle.radius(s).powi(2) * std::f64::consts::PI,
///         Some(AnyShape::Square(square)) => square.side(s).powi(2),
///         None => 0.0,
///     }
/// }
///
/// # fn main() -> Result<()> {
/// let text = "(module
///     (type $Shape (sub (struct (field i32))))
///     (rec
///       (type $Circle (sub final $Shape (struct (field i32) (field f64))))
///       (type $Square (sub final $Shape (struct (field i32) (field f64))))))";
/// let engine = Engine::default();
/// let module = Module::new(&engine, wat::parse_str(text).unwrap())?;
/// let (circle, square) = (module.bind::<Circle>()?, module.bind::<Square>()?);
/// let mut store = Store::new(&engine, ());
/// store.scope(|s| {
///     s.bind(&circle)?;
///     let square = square.alloc(s, 7, 3.0)?;
///     assert_eq!(area(s, square.upcast()), 9.0);
///     Ok(())
/// })
/// # }
/// ```
pub trait GcEnum<'s>: Sized {
    /// The first variant to whose type a reference belongs; none if it belongs to none of them. Does not collect.
    ///
    /// # Panics
    /// If one of the types is not bound in the store.
    fn of<D: 'static>(local: Local<'s, AnyRef>, scope: &Scope<'s, D>) -> Option<Self>;
}
