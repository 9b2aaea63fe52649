//! What fields and elements hold: all types of Rust that can stand for one, with all types of fields.

use crate::{CONST, VAR, field, panics, reference, stress};
use heapwood_derive::GcStruct;
use heapwood_vm::*;
use std::cell::Cell;

/// All numbers that a field can be, mutable or not.
fn storages() -> Vec<FieldType> {
    let plain = [ValType::I32, ValType::I64, ValType::F32, ValType::F64, ValType::V128].map(StorageType::ValType);
    let all = [StorageType::I8, StorageType::I16].into_iter().chain(plain);
    all.flat_map(|storage| [field(VAR, storage.clone()), field(CONST, storage)]).collect()
}

/// For each number a struct with a field of it that is mutable between others, one with one that is not, and edge
/// values.
macro_rules! each_number {
    ($($test:ident: $number:ident, $storage:expr, $val:pat => $of:expr, [$($value:expr),*];)*) => {
        $(
            #[test]
            fn $test() {
                #[derive(GcStruct)]
                struct Mutable {
                    before: u8,
                    #[wasm(mutable)]
                    value: $number,
                    #[wasm(mutable)]
                    after: i16,
                    next: Option<Ref<Constant>>,
                }

                #[derive(GcStruct)]
                struct Constant {
                    value: $number,
                }

                let engine = stress();
                let constant_type = StructType::new(&engine, [field(CONST, $storage)]);
                let mutable_type = StructType::new(
                    &engine,
                    [
                        field(CONST, StorageType::I8),
                        field(VAR, $storage),
                        field(VAR, StorageType::I16),
                        field(CONST, reference(true, constant_type.clone())),
                    ],
                );
                let (mutable, constant) =
                    (mutable_type.bind::<Mutable>().unwrap(), constant_type.bind::<Constant>().unwrap());
                let mut store = Store::new(&engine, ());
                let values: [$number; _] = [$($value),*];
                let same = |a: $number, b: $number| a.to_ne_bytes() == b.to_ne_bytes();
                store
                    .scope(|s| {
                        for (index, value) in values.into_iter().enumerate() {
                            let other = values[(index + 1) % values.len()];
                            let last = constant.alloc(s, other)?;
                            let object = mutable.alloc(s, 0xa5, value, -2, Some(last))?;
                            s.gc()?;
                            assert!(same(object.value(s), value) && same(last.value(s), other));
                            object.set_value(s, other);
                            s.gc()?;
                            assert!(same(object.value(s), other));
                            assert_eq!((object.before(s), object.after(s)), (0xa5, -2), "beside it");
                            object.set_after(s, 3);
                            assert!(same(object.value(s), other) && object.after(s) == 3);
                            assert!(object.next(s).unwrap().ref_eq(s, last));
                            let $val = object.to_rooted(s).field(&mut *s, 1)? else { panic!("{value}") };
                            assert!(same($of, other), "what the other interface reads");
                        }
                        Ok(())
                    })
                    .unwrap();
                // It stands for this type of a field, and for no other.
                for found in storages() {
                    let bound = StructType::new(&engine, [found.clone()]).bind::<Constant>();
                    let wanted = field(CONST, $storage);
                    if found == wanted {
                        bound.unwrap();
                    } else {
                        let is_close = found == field(VAR, $storage);
                        let hint = if is_close { "; it is mutable: `#[wasm(mutable)]`" } else { "" };
                        let says = format!(
                            "type mismatch: field 0 (`value`) of `Constant`: expected {wanted}, found {found}{hint}"
                        );
                        crate::says(bound, &says);
                    }
                    let array = ArrayType::new(&engine, found.clone());
                    assert_eq!(array.bind::<Const<$number>, ()>().is_ok(), found == wanted, "{found}");
                    assert_eq!(array.bind::<$number, ()>().is_ok(), found == field(VAR, $storage), "{found}");
                }
                elements::<$number>(&engine, $storage.into(), &values, same);
            }
        )*
    };
}

/// Arrays of a number do what slices do.
fn elements<T: GcNumber + ArrayElement + std::fmt::Debug>(
    engine: &Engine,
    storage: StorageType,
    values: &[T],
    same: impl Fn(T, T) -> bool,
) {
    let numbers = ArrayType::new(engine, field(VAR, storage)).bind::<T, ()>().unwrap();
    let mut store = Store::new(engine, ());
    store
        .scope(|s| {
            let len = values.len() as u32;
            let filled = numbers.alloc(s, len, values[0])?;
            assert!(filled.iter(s).all(|element| same(element, values[0])));
            let copied = numbers.from_slice(s, values)?;
            s.gc()?;
            for (index, value) in (0..).zip(values) {
                filled.set(s, index, *value);
                assert!(same(filled.get_number(s, index), *value) && same(copied.get(s, index), *value));
            }
            filled.fill(s, 1, len - 1, values[0])?;
            assert!(filled.iter(s).len() == values.len() && filled.iter(s).all(|element| same(element, values[0])));
            filled.copy_from_slice(s, 0, values)?;
            let mut read = vec![values[0]; values.len()];
            filled.copy_to_slice(s, 0, &mut read)?;
            assert!(read.iter().zip(values).all(|(a, b)| same(*a, *b)));
            let beyond = format!("an array of {len} elements without element {len}");
            assert_eq!(panics(|| _ = copied.get(s, len)), beyond);
            assert_eq!(panics(|| _ = copied.get_number(s, len)), beyond);
            assert_eq!(panics(|| copied.set(s, len, values[0])), beyond);
            crate::says(
                filled.copy_from_slice(s, 1, values),
                &format!("an array of {len} elements without elements 1..{}", len + 1),
            );
            Ok(())
        })
        .unwrap();
}

each_number! {
    field_of_i8: i8, StorageType::I8, Val::I32(v) => v as i8, [0, 1, -1, i8::MIN, i8::MAX];
    field_of_u8: u8, StorageType::I8, Val::I32(v) => v as u8, [0, 1, 0x80, u8::MAX];
    field_of_i16: i16, StorageType::I16, Val::I32(v) => v as i16, [0, 1, -1, i16::MIN, i16::MAX];
    field_of_u16: u16, StorageType::I16, Val::I32(v) => v as u16, [0, 1, 0x8000, u16::MAX];
    field_of_i32: i32, ValType::I32, Val::I32(v) => v, [0, 1, -1, i32::MIN, i32::MAX];
    field_of_u32: u32, ValType::I32, Val::I32(v) => v as u32, [0, 1, 1 << 31, u32::MAX];
    field_of_i64: i64, ValType::I64, Val::I64(v) => v, [0, 1, -1, i64::MIN, i64::MAX, 1 << 32];
    field_of_u64: u64, ValType::I64, Val::I64(v) => v as u64, [0, 1, 1 << 63, u64::MAX, 0x0102_0304_0506_0708];
    field_of_f32: f32, ValType::F32, Val::F32(v) => f32::from_bits(v),
        [0.0, -0.0, 1.5, f32::INFINITY, f32::MIN_POSITIVE, f32::from_bits(0xffa0_0001)];
    field_of_f64: f64, ValType::F64, Val::F64(v) => f64::from_bits(v),
        [0.0, -0.0, 1.5, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::from_bits(0xfff4_0000_0000_0001)];
    field_of_u128: u128, ValType::V128, Val::V128(v) => v, [0, 1, 1 << 127, u128::MAX, 1 << 64, u64::MAX as u128];
}

#[derive(GcStruct)]
struct Leaf {
    number: i32,
}

/// References of every kind that a field can have, with null and without.
#[derive(GcStruct)]
struct References {
    #[wasm(mutable)]
    any: Option<Ref<AnyRef>>,
    #[wasm(mutable)]
    eq: Option<Ref<EqRef>>,
    #[wasm(mutable)]
    small: Option<Ref<I31Ref>>,
    #[wasm(mutable)]
    structure: Option<Ref<StructRef>>,
    #[wasm(mutable)]
    array: Option<Ref<ArrayRef>>,
    #[wasm(mutable)]
    host: Option<Ref<ExternRef>>,
    #[wasm(mutable)]
    exception: Option<Ref<ExnRef>>,
    #[wasm(mutable)]
    func: Option<Ref<Func>>,
    #[wasm(mutable)]
    leaf: Ref<Leaf>,
    #[wasm(mutable)]
    leaves: Ref<GcArray<Option<Ref<Leaf>>>>,
    always: Ref<AnyRef>,
}

const REFERENCES: &str = "(module
    (type $Leaf (struct (field i32)))
    (type $leaves (array (mut (ref null $Leaf))))
    (type $References (struct
      (field (mut anyref)) (field (mut eqref)) (field (mut i31ref)) (field (mut structref)) (field (mut arrayref))
      (field (mut externref)) (field (mut exnref)) (field (mut funcref)) (field (mut (ref $Leaf)))
      (field (mut (ref $leaves))) (field (ref any)))))";

#[test]
fn references_of_every_kind() {
    let engine = stress();
    let module = crate::module(&engine, REFERENCES);
    let (all, leaf) = (module.bind::<References>().unwrap(), module.bind::<Leaf>().unwrap());
    let leaves = module.bind_array::<Option<Ref<Leaf>>>("leaves").unwrap();
    let mut store = Store::new(&engine, ());
    let func = Func::wrap(&mut store, || 5i32);
    store
        .scope(|s| {
            let one = leaf.alloc(s, 1)?;
            let two = leaf.alloc(s, 2)?;
            let list = leaves.alloc(s, 3, Some(one))?;
            list.set(s, 1, Some(two));
            list.set(s, 2, None);
            let always = one.to_any();
            let object = all.alloc(s, None, None, None, None, None, None, None, None, one, list, always)?;
            s.gc()?;
            assert!(object.any(s).is_none() && object.eq(s).is_none() && object.small(s).is_none());
            assert!(object.structure(s).is_none() && object.array(s).is_none() && object.host(s).is_none());
            assert!(object.exception(s).is_none() && object.func(s).is_none());
            let host = ExternRef::new(&mut *s, "host")?.local(s)?;
            let (small, func) = (s.i31(-9)?, s.func(&func)?);
            object.set_any(s, Some(object.to_any()));
            let eq = one.to_any().cast::<EqRef>(s);
            assert!(eq.is_some());
            object.set_eq(s, eq);
            object.set_small(s, Some(small));
            object.set_structure(s, Some(two.upcast()));
            let array = list.to_any().cast::<ArrayRef>(s);
            assert!(array.is_some());
            object.set_array(s, array);
            object.set_host(s, Some(host));
            object.set_func(s, Some(func));
            object.set_leaf(s, two);
            s.gc()?;
            assert!(object.any(s).unwrap().cast::<References>(s).unwrap().ref_eq(s, object));
            assert_eq!(object.eq(s).unwrap().cast::<Leaf>(s).unwrap().number(s), 1);
            assert_eq!(object.small(s).unwrap().value(s), -9);
            assert_eq!(object.structure(s).unwrap().cast::<Leaf>(s).unwrap().number(s), 2);
            let array = object.array(s).unwrap().cast::<GcArray<Option<Ref<Leaf>>>>(s).unwrap();
            let numbers: Vec<_> = (0..3).map(|index| array.get(s, index).map(|leaf| leaf.number(s))).collect();
            assert_eq!((array.len(s), numbers), (3, vec![Some(1), Some(2), None]));
            let host = object.host(s).unwrap().to_rooted(s);
            assert_eq!(host.data(s)?.unwrap().downcast_ref::<&str>(), Some(&"host"));
            let func = object.func(s).unwrap().to_func(s);
            assert_eq!(func.typed::<(), i32>(&*s)?.call(&mut *s, ())?, 5);
            assert_eq!(object.leaf(s).number(s), 2);
            assert!(object.leaves(s).ref_eq(s, list) && object.always(s).ref_eq(s, one.to_any()));
            object.set_any(s, None);
            assert!(object.any(s).is_none());
            list.fill(s, 0, 3, Some(two))?;
            assert!((0..3).all(|index| list.get(s, index).unwrap().ref_eq(s, two)));
            Ok(())
        })
        .unwrap();
}

/// An exception in a field.
#[test]
fn exceptions_are_references_too() {
    #[derive(GcStruct)]
    struct Holder {
        #[wasm(mutable)]
        thrown: Option<Ref<ExnRef>>,
    }

    let engine = stress();
    let holder = StructType::new(&engine, [field(VAR, ValType::EXNREF)]).bind::<Holder>().unwrap();
    let mut store = Store::new(&engine, ());
    let tag = Tag::new(&mut store, TagType::new(FuncType::new(&engine, [ValType::I32], []).unwrap())).unwrap();
    let exception = Exception::new(&mut store, tag, &[Val::I32(6)]).unwrap();
    store
        .scope(|s| {
            let thrown = exception.to_ref(&mut *s)?.local(s)?;
            let holder = holder.alloc(s, None)?;
            holder.set_thrown(s, Some(thrown));
            s.gc()?;
            assert!(holder.thrown(s).unwrap().ref_eq(s, thrown));
            Ok(())
        })
        .unwrap();
}

/// Elements of 1 to 8 bytes are lent in place.
#[test]
fn elements_are_lent_without_a_copy() {
    let engine = stress();
    let module = crate::module(&engine, "(module (type $bytes (array (mut i8))) (type $longs (array (mut i64))))");
    let bytes = module.bind_array::<u8>("bytes").unwrap();
    let longs = module.bind_array::<i64>("longs").unwrap();
    let mut store = Store::new(&engine, ());
    let sums = store.scope(|s| {
        let (bytes, longs) = (bytes.from_slice(s, b"abc")?, longs.alloc(s, 4, -1)?);
        bytes.with_slice(s, |bytes| bytes[1].set(b'B'));
        let sum = longs.with_slice(s, |longs: &[Cell<i64>]| {
            longs[3].set(10);
            longs.iter().map(Cell::get).sum::<i64>()
        });
        let mut copy = [0; 3];
        bytes.copy_to_slice(s, 0, &mut copy)?;
        Ok((copy, sum, longs.get_number(s, 3)))
    });
    assert_eq!(sums.unwrap(), (*b"aBc", 7, 10));
}

/// A struct of as many fields as there may be, each of which is where the type has it.
macro_rules! many {
    ($($byte:ident $long:ident $half:ident $link:ident $vector:ident)*) => {
        #[derive(GcStruct)]
        struct Many {
            $($byte: i8, $long: u64, $half: u16, $link: Option<Ref<Leaf>>, $vector: u128,)*
        }

        const GROUPS: usize = [$(stringify!($byte)),*].len();

        fn make<'s>(
            s: &mut Scope<'s, ()>,
            many: &Bound<Many>,
            leaf: Local<'s, Leaf>,
        ) -> Result<Local<'s, Many>> {
            let mut number = 0u8;
            let mut next = || {
                number += 1;
                number
            };
            many.alloc(s, $({
                let _ = stringify!($byte);
                next() as i8
            }, u64::from(next()) << 40, u16::from(next()) << 8, (next() % 2 == 0).then_some(leaf),
                u128::from(next()) << 100),*)
        }

        /// The fields as numbers, links by whether they are null.
        fn read<'s>(s: &mut Scope<'s, ()>, object: Local<'s, Many>) -> Vec<u128> {
            vec![$(
                object.$byte(s) as u128,
                object.$long(s).into(),
                object.$half(s).into(),
                object.$link(s).is_some().into(),
                object.$vector(s),
            )*]
        }
    };
}

many! {
        byte0 long0 half0 link0 vector0
        byte1 long1 half1 link1 vector1
        byte2 long2 half2 link2 vector2
        byte3 long3 half3 link3 vector3
        byte4 long4 half4 link4 vector4
        byte5 long5 half5 link5 vector5
        byte6 long6 half6 link6 vector6
        byte7 long7 half7 link7 vector7
        byte8 long8 half8 link8 vector8
        byte9 long9 half9 link9 vector9
        byte10 long10 half10 link10 vector10
        byte11 long11 half11 link11 vector11
        byte12 long12 half12 link12 vector12
        byte13 long13 half13 link13 vector13
        byte14 long14 half14 link14 vector14
        byte15 long15 half15 link15 vector15
        byte16 long16 half16 link16 vector16
        byte17 long17 half17 link17 vector17
        byte18 long18 half18 link18 vector18
        byte19 long19 half19 link19 vector19
}

#[test]
fn many_fields() {
    let engine = stress();
    let leaf_type = StructType::new(&engine, [field(CONST, ValType::I32)]);
    let storages = [
        StorageType::I8,
        ValType::I64.into(),
        StorageType::I16,
        reference(true, leaf_type.clone()).into(),
        ValType::V128.into(),
    ];
    let fields = (0..GROUPS).flat_map(|_| storages.clone()).map(|storage| field(CONST, storage));
    let many = StructType::new(&engine, fields).bind::<Many>().unwrap();
    let leaf = leaf_type.bind::<Leaf>().unwrap();
    let mut store = Store::new(&engine, ());
    store
        .scope(|s| {
            let leaf = leaf.alloc(s, 1)?;
            let object = make(s, &many, leaf)?;
            s.gc()?;
            let expected: Vec<u128> = (1..=GROUPS as u128 * 5)
                .map(|number| match number % 5 {
                    1 => number,
                    2 => number << 40,
                    3 => number << 8,
                    4 => u128::from(number % 2 == 0),
                    _ => number << 100,
                })
                .collect();
            assert_eq!((read(s, object), expected.len()), (expected, 100));
            let dynamic: Vec<Val> = object.to_rooted(s).fields(&mut *s)?.collect();
            assert!(
                matches!(dynamic[..5], [Val::I32(1), Val::I64(v), Val::I32(768), Val::AnyRef(Some(_)), Val::V128(_)]
                if v == 2 << 40)
            );
            Ok(())
        })
        .unwrap();
}
