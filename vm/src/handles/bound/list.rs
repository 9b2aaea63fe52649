//! Lists of fields as types, `(A, (B, ()))`, and where the fields of an object lie, which the compiler knows.

use super::fields::{Const, GcField};
use super::shape::FieldShape;
use crate::handles::wasm_ty::StoreAccess;
use heapwood_gc_abi::header::HEADER_BYTES;
use heapwood_gc_abi::{FieldKind, RawRef};
use std::marker::PhantomData;

/// A field as it is declared: mutable as it is, or [`Const`]. Nobody else can implement it.
pub trait Declared: SealedDeclared + 'static {
    /// What it holds.
    type Field: GcField;
    /// Whether the field can be written.
    #[doc(hidden)]
    const IS_MUTABLE: bool;
}

/// Keeps others from implementing [`Declared`].
pub trait SealedDeclared {}

impl<F: GcField> SealedDeclared for F {}

impl<F: GcField> Declared for F {
    type Field = F;
    const IS_MUTABLE: bool = true;
}

impl<F: GcField> SealedDeclared for Const<F> {}

impl<F: GcField> Declared for Const<F> {
    type Field = F;
    const IS_MUTABLE: bool = false;
}

/// What a bound struct declares as its field `N`. The compiler looks at it in this one place, so that of a type that is
/// no field there is one error, at the field.
pub trait FieldAt<const N: usize>: 'static {
    /// The declaration.
    type Declared: Declared;
}

/// Field `N` of `T`, as it is declared.
pub struct At<T, const N: usize>(PhantomData<fn() -> T>);

impl<T: FieldAt<N>, const N: usize> SealedDeclared for At<T, N> {}

impl<T: FieldAt<N>, const N: usize> Declared for At<T, N> {
    type Field = <T::Declared as Declared>::Field;
    const IS_MUTABLE: bool = T::Declared::IS_MUTABLE;
}

/// What is declared, as a shape of this name.
pub(super) fn shape_of<F: Declared>(name: &'static str, offset: u32) -> FieldShape {
    FieldShape { name, is_mutable: F::IS_MUTABLE, storage: F::Field::storage(), offset }
}

/// The fields of a struct: `()`, or `(F, R)` with the first one and a list of the others. Nobody else can implement it.
pub trait FieldList: SealedList + 'static {
    /// Values for all of them, as such a list.
    type Values<'s>;
    /// What they are to the heap.
    const KINDS: Option<&'static Kinds>;
    /// Appends the shapes of these fields, which have these names, to `shapes`; the fields before them end at `end`.
    fn shapes(names: &[&'static str], end: u32, shapes: &mut Vec<FieldShape>);
    /// Writes all of them in a new object; the ones before end at `end`.
    fn save(store: &mut StoreAccess<'_>, object: RawRef, end: u32, values: Self::Values<'_>);
}

/// Keeps others from implementing [`FieldList`].
pub trait SealedList {}

/// Kinds of fields, the first one first.
pub struct Kinds {
    first: FieldKind,
    others: Option<&'static Kinds>,
}

/// Where a field of a kind lies that follows one that ends at `end`: `StructLayout` says the same.
#[inline(always)]
const fn offset_after(end: u32, kind: FieldKind) -> u32 {
    (end + kind.align() - 1) & !(kind.align() - 1)
}

/// Where field `index` lies.
pub(super) const fn offset_of(mut kinds: Option<&'static Kinds>, index: usize) -> u64 {
    let (mut end, mut at) = (HEADER_BYTES, 0);
    while let Some(Kinds { first, others }) = kinds {
        let offset = offset_after(end, *first);
        if at == index {
            return offset as u64;
        }
        end = offset + first.bytes();
        at += 1;
        kinds = *others;
    }
    panic!("no such field")
}

impl SealedList for () {}

impl FieldList for () {
    type Values<'s> = ();
    const KINDS: Option<&'static Kinds> = None;

    fn shapes(_: &[&'static str], _: u32, _: &mut Vec<FieldShape>) {}

    #[inline(always)]
    fn save(_: &mut StoreAccess<'_>, _: RawRef, _: u32, (): ()) {}
}

impl<F: Declared, R: FieldList> SealedList for (F, R) {}

impl<F: Declared, R: FieldList> FieldList for (F, R) {
    type Values<'s> = (<F::Field as GcField>::Value<'s>, R::Values<'s>);
    const KINDS: Option<&'static Kinds> = Some(&Kinds { first: F::Field::KIND, others: R::KINDS });

    fn shapes(names: &[&'static str], end: u32, shapes: &mut Vec<FieldShape>) {
        let kind = F::Field::KIND;
        let offset = offset_after(end, kind);
        let (name, others) = names.split_first().map_or(("", names), |(name, others)| (*name, others));
        shapes.push(shape_of::<F>(name, offset));
        R::shapes(others, offset + kind.bytes(), shapes);
    }

    #[inline(always)]
    fn save(store: &mut StoreAccess<'_>, object: RawRef, end: u32, (value, others): Self::Values<'_>) {
        let kind = F::Field::KIND;
        let offset = offset_after(end, kind);
        F::Field::save(store, object, offset.into(), value);
        R::save(store, object, offset + kind.bytes(), others);
    }
}

/// The first field.
pub struct Here;

/// The field at a place behind the first one.
pub struct There<P>(PhantomData<fn() -> P>);

/// A field of a list, by its place: [`Here`], `There<Here>` and so on. Nobody else can implement it.
pub trait Select<P>: SealedSelect<P> {
    /// What is declared there.
    type Declared: Declared;
    /// The number of the field.
    const INDEX: usize;
}

/// Keeps others from implementing [`Select`].
pub trait SealedSelect<P> {}

impl<F: Declared, R: FieldList> SealedSelect<Here> for (F, R) {}

impl<F: Declared, R: FieldList> Select<Here> for (F, R) {
    type Declared = F;
    const INDEX: usize = 0;
}

impl<F: Declared, P, R: FieldList + Select<P>> SealedSelect<There<P>> for (F, R) {}

impl<F: Declared, P, R: FieldList + Select<P>> Select<There<P>> for (F, R) {
    type Declared = R::Declared;
    const INDEX: usize = R::INDEX + 1;
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood_gc_abi::StructLayout;

    #[test]
    fn fields_lie_where_the_layout_of_their_type_has_them() {
        type List = (i8, (Const<f64>, (u16, (u8, (i32, (u128, (i16, (f32, ()))))))));
        let mut shapes = Vec::new();
        List::shapes(&["a", "b"], HEADER_BYTES, &mut shapes);
        let (mut kinds, mut rest) = (Vec::new(), List::KINDS);
        while let Some(Kinds { first, others }) = rest {
            kinds.push(*first);
            rest = *others;
        }
        let layout = StructLayout::new(None, &kinds);
        for (index, offset) in layout.offsets.iter().enumerate() {
            assert_eq!((shapes[index].offset, offset_of(List::KINDS, index)), (*offset, u64::from(*offset)));
        }
        assert_eq!(shapes.iter().map(|shape| shape.name).collect::<Vec<_>>()[..3], ["a", "b", ""]);
        assert_eq!((shapes.len(), <List as Select<There<There<Here>>>>::INDEX), (8, 2));
    }
}
