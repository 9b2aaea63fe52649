//! What fields of bound structs and elements of bound arrays hold.

use super::local::{GcRef, Local};
use super::shape::{Held, Storage};
use crate::handles::wasm_ty::StoreAccess;
use crate::ids::Invariant;
use crate::store::StoreOpaque;
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use heapwood_gc_abi::{FieldKind, RawRef, low32};
use heapwood_module::{StorageType, ValType};

/// A reference in a field of a bound struct, or in the elements of a [`GcArray`](super::GcArray): `Ref<T>` is never
/// null, `Option<Ref<T>>` may be. `T` is a bound type, or one of `AnyRef`, `EqRef`, `I31Ref`, `StructRef`, `ArrayRef`,
/// `ExternRef`, `ExnRef` and `Func`.
///
/// It stands in declarations only; there are no values of it. What is read from the field is a [`Local`].
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood_derive::GcStruct;
/// use heapwood::{AnyRef, GcArray, GcStruct, Ref};
///
/// /// `(struct (field (ref $name)) (field (mut (ref null $person))) (field (mut anyref)))`
/// #[derive(GcStruct)]
/// struct Person {
///     name: Ref<GcArray<u8>>,
///     #[wasm(mutable)]
///     friend: Option<Ref<Person>>,
///     #[wasm(mutable)]
///     data: Option<Ref<AnyRef>>,
/// }
/// # fn main() {}
/// ```
pub struct Ref<T>(Invariant<T>);

/// What a field or an element can hold: a number, a [`Ref`] or an `Option<Ref>`. Nobody else can implement it.
///
/// | Rust | in the type | read and written as |
/// |---|---|---|
/// | `i8`, `u8`; `i16`, `u16` | `i8`; `i16` | itself |
/// | `i32`, `u32`; `i64`, `u64`; `f32`; `f64`; `u128` | `i32`; `i64`; `f32`; `f64`; `v128` | itself |
/// | `Ref<T>` | `(ref $t)` | `Local<T>` |
/// | `Option<Ref<T>>` | `(ref null $t)` | `Option<Local<T>>` |
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a field of a bound struct",
    label = "neither a number nor a `Ref`",
    note = "fields are `i8`, `u8`, `i16`, `u16`, `i32`, `u32`, `i64`, `u64`, `f32`, `f64`, `u128`, `Ref<T>` and \
            `Option<Ref<T>>`"
)]
pub trait GcField: Sealed + 'static {
    /// What is read and written, in a scope.
    type Value<'s>: Copy;
    /// Itself. What the derive macro writes names a field's type by this: of a type that is no field it is nothing, of
    /// which the compiler says so once, and keeps silent on all that follows from it.
    #[doc(hidden)]
    type Itself: GcField;
    /// What it is to the heap.
    #[doc(hidden)]
    const KIND: FieldKind;
    /// What it asks of the type.
    #[doc(hidden)]
    fn storage() -> Storage;
    /// Reads the field at an offset of an object.
    #[doc(hidden)]
    fn load<'s>(store: &mut StoreAccess<'_>, object: RawRef, offset: u64) -> Self::Value<'s>;
    /// Writes the field at an offset of a struct.
    #[doc(hidden)]
    fn save(store: &mut StoreAccess<'_>, object: RawRef, offset: u64, value: Self::Value<'_>);
    /// Writes it in an array, which has the element.
    #[doc(hidden)]
    fn save_element(store: &mut StoreAccess<'_>, array: RawRef, index: u32, value: Self::Value<'_>);
    /// A value from the form in which compiled code has it.
    #[doc(hidden)]
    fn of_raw<'s>(store: &mut StoreAccess<'_>, raw: [u64; 2]) -> Self::Value<'s>;
    /// A value in the form in which compiled code has it.
    #[doc(hidden)]
    fn raw(store: &StoreView<'_>, value: Self::Value<'_>) -> [u64; 2];
}

/// Fields that are numbers. Nobody else can implement it.
pub trait GcNumber: for<'s> GcField<Value<'s> = Self> + SealedNumber + Copy {}

/// A field that keeps the value that its object was made with; as an element, that of an array that is not mutable.
///
/// ```
/// # extern crate heapwood_vm as heapwood;
/// use heapwood::{Const, GcArray, Local, Scope};
/// /// The sum of an `(array i32)`.
/// fn sum<'s>(scope: &Scope<'s, ()>, numbers: Local<'s, GcArray<Const<i32>>>) -> i32 {
///     (0..numbers.len(scope)).map(|index| numbers.get_number(scope, index)).sum()
/// }
/// ```
pub struct Const<F>(Invariant<F>);

/// Keeps others from implementing [`GcField`].
pub trait Sealed {}

/// What [`GcNumber`] is to this crate.
pub trait SealedNumber {
    /// Reads the number at an offset of an object.
    fn read(store: &StoreView<'_>, object: RawRef, offset: u64) -> Self;
}

/// A store that is only read. Only this crate can look into it.
pub struct StoreView<'s>(pub(super) &'s StoreOpaque);

/// Where an element lies.
#[inline]
pub(super) fn element_offset(kind: FieldKind, index: u32) -> u64 {
    u64::from(ARRAY_ELEMENTS_OFFSET) + (u64::from(index) << kind.shift())
}

/// Numbers as compiled code has them, as they are read from fields.
mod bits {
    use heapwood_gc_abi::{low8, low16, low32};

    pub fn read_i8(raw: [u64; 2]) -> u8 {
        low8(raw[0])
    }

    pub fn read_i16(raw: [u64; 2]) -> u16 {
        low16(raw[0])
    }

    pub fn read_i32(raw: [u64; 2]) -> u32 {
        low32(raw[0])
    }

    pub fn read_i64(raw: [u64; 2]) -> u64 {
        raw[0]
    }

    pub fn read_v128(raw: [u64; 2]) -> u128 {
        u128::from(raw[0]) | u128::from(raw[1]) << 64
    }
}

macro_rules! numbers {
    ($($number:ty, $kind:ident, $storage:expr, $read:ident $write:ident,
       $bits:ident => $of:expr, $value:ident => $to:expr, $raw:expr;)*) => {
        $(
            impl GcNumber for $number {}

            impl Sealed for $number {}

            impl GcField for $number {
                type Value<'s> = $number;
                type Itself = Self;
                const KIND: FieldKind = FieldKind::$kind;

                fn storage() -> Storage {
                    Storage(Held::Number($storage))
                }

                #[inline]
                fn load<'s>(store: &mut StoreAccess<'_>, object: RawRef, offset: u64) -> Self::Value<'s> {
                    let $bits = store.0.heap().$read(object, offset);
                    $of
                }

                #[inline]
                fn save(store: &mut StoreAccess<'_>, object: RawRef, offset: u64, $value: $number) {
                    store.0.heap_mut().$write(object, offset, $to);
                }

                #[inline]
                fn save_element(store: &mut StoreAccess<'_>, array: RawRef, index: u32, value: $number) {
                    Self::save(store, array, element_offset(Self::KIND, index), value);
                }

                #[inline]
                fn of_raw<'s>(_: &mut StoreAccess<'_>, raw: [u64; 2]) -> Self::Value<'s> {
                    let $bits = bits::$read(raw);
                    $of
                }

                fn raw(_: &StoreView<'_>, $value: $number) -> [u64; 2] {
                    $raw
                }
            }

            impl SealedNumber for $number {
                #[inline]
                fn read(store: &StoreView<'_>, object: RawRef, offset: u64) -> $number {
                    let $bits = store.0.heap().$read(object, offset);
                    $of
                }
            }
        )*
    };
}

numbers! {
    i8, I8, StorageType::I8, read_i8 write_i8, b => b.cast_signed(), v => v.cast_unsigned(), [v.cast_unsigned().into(), 0];
    u8, I8, StorageType::I8, read_i8 write_i8, b => b, v => v, [v.into(), 0];
    i16, I16, StorageType::I16, read_i16 write_i16, b => b.cast_signed(), v => v.cast_unsigned(),
        [v.cast_unsigned().into(), 0];
    u16, I16, StorageType::I16, read_i16 write_i16, b => b, v => v, [v.into(), 0];
    i32, I32, StorageType::Val(ValType::I32), read_i32 write_i32, b => b.cast_signed(), v => v.cast_unsigned(),
        [v.cast_unsigned().into(), 0];
    u32, I32, StorageType::Val(ValType::I32), read_i32 write_i32, b => b, v => v, [v.into(), 0];
    i64, I64, StorageType::Val(ValType::I64), read_i64 write_i64, b => b.cast_signed(), v => v.cast_unsigned(),
        [v.cast_unsigned(), 0];
    u64, I64, StorageType::Val(ValType::I64), read_i64 write_i64, b => b, v => v, [v, 0];
    f32, I32, StorageType::Val(ValType::F32), read_i32 write_i32, b => f32::from_bits(b), v => v.to_bits(),
        [v.to_bits().into(), 0];
    f64, I64, StorageType::Val(ValType::F64), read_i64 write_i64, b => f64::from_bits(b), v => v.to_bits(),
        [v.to_bits(), 0];
    u128, V128, StorageType::Val(ValType::V128), read_v128 write_v128, b => b, v => v, [v as u64, (v >> 64) as u64];
}

macro_rules! references {
    ($($field:ty, $is_nullable:literal, $value:ty,
       $raw:ident $place:ident => $of:expr, $given:ident $store:ident => $to:expr;)*) => {
        $(
            impl<T: GcRef> Sealed for $field {}

            impl<T: GcRef> GcField for $field {
                type Value<'s> = $value;
                type Itself = Self;
                const KIND: FieldKind = FieldKind::Ref;

                fn storage() -> Storage {
                    Storage(Held::Reference { is_nullable: $is_nullable, target: T::target })
                }

                #[inline]
                fn load<'s>(store: &mut StoreAccess<'_>, object: RawRef, offset: u64) -> Self::Value<'s> {
                    let $raw = store.0.heap().read_ref(object, offset);
                    let mut $place = |raw| store.0.guest_mut().roots_mut().push_place(raw);
                    $of
                }

                #[inline]
                fn save(store: &mut StoreAccess<'_>, object: RawRef, offset: u64, $given: Self::Value<'_>) {
                    let $store = &*store.0;
                    let raw = $to;
                    store.0.heap_mut().write_ref(object, offset, raw);
                }

                #[inline]
                fn save_element(store: &mut StoreAccess<'_>, array: RawRef, index: u32, $given: Self::Value<'_>) {
                    let $store = &*store.0;
                    let raw = $to;
                    store.0.heap_mut().array_set_ref(array, index, raw);
                }

                #[inline]
                fn of_raw<'s>(store: &mut StoreAccess<'_>, raw: [u64; 2]) -> Self::Value<'s> {
                    let $raw = low32(raw[0]);
                    let mut $place = |raw| store.0.guest_mut().roots_mut().push_place(raw);
                    $of
                }

                fn raw(store: &StoreView<'_>, $given: Self::Value<'_>) -> [u64; 2] {
                    let $store = store.0;
                    [$to.into(), 0]
                }
            }
        )*
    };
}

references! {
    Ref<T>, false, Local<'s, T>,
        raw place => Local::of_place(place(raw)), value store => value.raw(store);
    Option<Ref<T>>, true, Option<Local<'s, T>>,
        raw place => (raw != 0).then(|| Local::of_place(place(raw))), value store => value.map_or(0, |value| value.raw(store));
}
