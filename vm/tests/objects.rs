//! Structs and arrays of the host's making: what the guest sees of them, and what is refused.

#[path = "objects/model.rs"]
mod model;
#[path = "objects/modes.rs"]
mod modes;
#[path = "common/random.rs"]
mod random;
#[path = "objects/sparse.rs"]
mod sparse;
#[path = "objects/values.rs"]
mod values;

use heapwood_vm::*;
use modes::modes;
use std::cell::Cell;
use std::collections::BTreeMap;

const VAR: Mutability = Mutability::Var;
const CONST: Mutability = Mutability::Const;

fn field(mutability: Mutability, storage: impl Into<StorageType>) -> FieldType {
    FieldType::new(mutability, storage.into())
}

fn reference(nullable: bool, heap: impl Into<HeapType>) -> ValType {
    ValType::Ref(RefType::new(nullable, heap.into()))
}

/// Everything moves at each allocation, and is verified.
fn store() -> Store<()> {
    Store::new(&Engine::new(Config::new().gc_stress(1).gc_verify(true)).unwrap(), ())
}

fn instance(store: &mut Store<()>, text: &str) -> Instance {
    let module = Module::new(store.engine(), wat::parse_str(text).unwrap()).unwrap();
    Instance::new(store, &module, &[]).unwrap()
}

fn call(store: &mut Store<()>, instance: Instance, name: &str, args: &[Val]) -> Val {
    let mut results = [Val::I32(0)];
    instance.get_func(&mut *store, name).unwrap().call(&mut *store, args, &mut results).unwrap();
    results[0]
}

fn says<T: std::fmt::Debug>(result: Result<T>, text: &str) {
    let error = result.expect_err(text);
    assert_eq!(error.to_string(), text);
    assert!(matches!(error.kind(), ErrorKind::Usage(_)), "{error:?}");
}

/// A host's type is the same as that of a module with the same structure.
#[test]
fn guest_and_host_read_what_the_other_made() {
    let mut store = store();
    let module = r#"(module
        (type $bytes (array (mut i8)))
        (type $node (struct (field (mut i16)) (field (ref null $bytes)) (field f64) (field (mut anyref)) (field v128)))
        (func (export "sum") (param $node (ref $node)) (result i32)
          (local $i i32) (local $sum i32) (local $bytes (ref null $bytes))
          (local.set $bytes (struct.get $node 1 (local.get $node)))
          (loop $l
            (local.set $sum (i32.add (local.get $sum) (array.get_u $bytes (local.get $bytes) (local.get $i))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (array.len (local.get $bytes)))))
          (i32.add (local.get $sum)
            (i32.add (struct.get_s $node 0 (local.get $node))
              (i32.trunc_f64_s (struct.get $node 2 (local.get $node))))))
        (func (export "make") (param $bytes (ref null $bytes)) (result (ref $node))
          (struct.new $node (i32.const -3) (local.get $bytes) (f64.const 2.5) (ref.i31 (i32.const -7))
            (v128.const i64x2 5 6))))"#;
    let instance = instance(&mut store, module);
    let engine = store.engine().clone();
    let bytes_type = ArrayType::new(&engine, field(VAR, StorageType::I8));
    let node_type = StructType::new(
        &engine,
        [
            field(VAR, StorageType::I16),
            field(CONST, reference(true, bytes_type.clone())),
            field(CONST, ValType::F64),
            field(VAR, ValType::ANYREF),
            field(CONST, ValType::V128),
        ],
    );
    assert_eq!(
        node_type.to_string(),
        "(struct (field (mut i16)) (field (ref null (array (mut i8)))) (field f64) (field (mut (ref null any))) \
         (field v128))"
    );

    let bytes = ArrayRef::from_slice(&mut store, &bytes_type, &[100u8, 200, 1]).unwrap();
    let values = [Val::I32(-40), bytes.into(), Val::from(7.5), bytes.into(), Val::from(1u128 << 100)];
    let node = StructRef::new(&mut store, &node_type, &values).unwrap();
    assert_eq!(call(&mut store, instance, "sum", &[node.into()]).i32(), Some(100 + 200 + 1 - 40 + 7));
    assert_eq!(node.field(&mut store, 0).unwrap().i32(), Some((-40i16 as u16).into()), "extended by zeros");

    let Val::AnyRef(Some(made)) = call(&mut store, instance, "make", &[bytes.into()]) else { panic!() };
    let made = made.as_struct(&store).unwrap().unwrap();
    assert_eq!((made.ty(&store).unwrap(), made.to_anyref().as_array(&store).unwrap().is_none()), (node_type, true));
    let fields: Vec<Val> = made.fields(&mut store).unwrap().collect();
    let [Val::I32(0xfffd), Val::AnyRef(Some(theirs)), Val::F64(float), Val::AnyRef(Some(small)), Val::V128(vector)] =
        fields[..]
    else {
        panic!("{fields:?}")
    };
    assert!(theirs.ref_eq(&store, &bytes.to_anyref()).unwrap());
    assert_eq!((f64::from_bits(float), vector), (2.5, 6 << 64 | 5));
    assert_eq!((small.as_i31(&store).unwrap(), small.unwrap_i31(&store).unwrap()), (Some(-7), -7));
    assert_eq!(theirs.unwrap_array(&store).unwrap().ty(&store).unwrap(), bytes_type);
    assert!(small.as_struct(&store).unwrap().is_none() && theirs.as_i31(&store).unwrap().is_none());
    made.set_field(&mut store, 3, made.into()).unwrap();
    made.set_field(&mut store, 0, Val::I32(0x1_0005)).unwrap();
    assert_eq!(call(&mut store, instance, "sum", &[made.into()]).i32(), Some(301 + 5 + 2));
}

/// Objects that a host function makes move what the guest's frames hold, and are what the guest gets.
#[test]
fn host_functions_make_objects_while_a_guest_runs() {
    let mut store = store();
    let engine = store.engine().clone();
    let bytes = ArrayType::new(&engine, field(VAR, StorageType::I8));
    let pair = StructType::new(&engine, [field(CONST, reference(true, bytes.clone())), field(VAR, ValType::ANYREF)]);
    let text = r#"(module
        (type $bytes (array (mut i8)))
        (type $pair (struct (field (ref null $bytes)) (field (mut anyref))))
        (import "" "make" (func $make (param anyref i32) (result (ref $pair))))
        (func (export "run") (param $rounds i32) (result i32)
          (local $list (ref null $pair)) (local $i i32) (local $sum i32)
          (loop $l
            (local.set $list (call $make (local.get $list) (local.get $i)))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (local.get $rounds))))
          (loop $l
            (local.set $sum (i32.add (local.get $sum)
              (array.get_u $bytes (struct.get $pair 0 (local.get $list)) (i32.const 99))))
            (local.set $list (ref.cast (ref null $pair) (struct.get $pair 1 (local.get $list))))
            (br_if $l (i32.eqz (ref.is_null (local.get $list)))))
          (local.get $sum)))"#;
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let result = ValType::Ref(RefType::new(false, pair.clone().into()));
    let ty = FuncType::new(&engine, [ValType::ANYREF, ValType::I32], [result]).unwrap();
    let make = Func::new(&mut store, ty, move |mut caller, args, results| {
        let array = ArrayRef::new(&mut caller, &bytes, &args[1], 100)?;
        results[0] = StructRef::new(&mut caller, &pair, &[array.into(), args[0]])?.into();
        Ok(())
    });
    let instance = Instance::new(&mut store, &module, &[make.into()]).unwrap();
    assert_eq!(call(&mut store, instance, "run", &[Val::I32(100)]).i32(), Some(99 * 100 / 2));
}

#[test]
fn types_live_as_long_as_objects_of_them() {
    let mut store = store();
    let engine = store.engine().clone();
    let ty = StructType::new(&engine, [field(VAR, ValType::I64)]);
    let object = StructRef::new(&mut store, &ty, &[Val::I64(5)]).unwrap();
    drop(ty);
    let _others: Vec<_> = (2..20).map(|n| StructType::new(&engine, vec![field(VAR, ValType::EXTERNREF); n])).collect();
    store.gc().unwrap();
    assert_eq!(object.ty(&store).unwrap().to_string(), "(struct (field (mut i64)))");
    assert_eq!(object.field(&mut store, 0).unwrap().i64(), Some(5));
}

/// Rec groups, supertypes and names come from modules; a type outlives its module, and is one with its equals.
#[test]
fn types_of_a_module() {
    let mut store = store();
    let text = r#"(module
        (rec
          (type $list (sub (struct (field (mut (ref null $list))) (field (ref null $bytes)))))
          (type $bytes (array (mut i8))))
        (type $long (sub final $list (struct (field (mut (ref null $list))) (field (ref null $bytes)) (field i64))))
        (type $f (func (param (ref $long)) (result i64)))
        (func (export "f") (type $f) (struct.get $long 2 (local.get 0))))"#;
    let module = Module::new(store.engine(), wat::parse_str(text).unwrap()).unwrap();
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let types = module.types();
    assert_eq!((types.len(), types.is_empty(), types.iter().len()), (4, false, 4));
    assert!(types.iter().zip(0..).all(|(ty, index)| types.get(index) == Some(ty)));
    assert_eq!((types.get(4), types.get(u32::MAX), types.named("none"), types.named("")), (None, None, None, None));
    let [list, bytes, long, func] = ["list", "bytes", "long", "f"].map(|name| types.named(name).unwrap());
    assert_eq!([0, 1, 2, 3].map(|index| types.get(index).unwrap()), [&list, &bytes, &long, &func].map(Clone::clone));
    assert!(bytes.as_concrete_struct().is_none() && bytes.as_concrete_func().is_none());
    assert!(list.as_concrete_array().is_none() && HeapType::Struct.as_concrete_struct().is_none());
    assert_eq!(func.as_concrete_func().unwrap().params().next(), Some(reference(false, long.clone())));

    let (list, long) = (list.as_concrete_struct().unwrap(), long.as_concrete_struct().unwrap());
    let bytes = bytes.as_concrete_array().unwrap();
    assert_eq!(list.field(0), Some(field(VAR, reference(true, list.clone()))));
    assert!(long.matches(list) && !list.matches(long));
    assert_ne!(*bytes, ArrayType::new(store.engine(), bytes.field_type()), "alone, it is not what it is in a group");
    let again = Module::new(store.engine(), wat::parse_str(text).unwrap()).unwrap();
    drop(module);
    assert_eq!(again.types().get(0).unwrap().as_concrete_struct(), Some(list));

    let array = ArrayRef::from_slice(&mut store, bytes, &[1u8, 2]).unwrap();
    let first = StructRef::new(&mut store, long, &[Val::AnyRef(None), array.into(), Val::I64(7)]).unwrap();
    let second = StructRef::new(&mut store, list, &[first.into(), Val::AnyRef(None)]).unwrap();
    first.set_field(&mut store, 0, second.into()).unwrap();
    assert_eq!(call(&mut store, instance, "f", &[first.into()]).i64(), Some(7));
    let f = instance.get_func(&mut store, "f").unwrap();
    let error = f.call(&mut store, &[second.into()], &mut [Val::I64(0)]).unwrap_err();
    assert!(error.to_string().contains("type mismatch"), "{error}");
    let other = Module::new(&Engine::default(), wat::parse_str("(module)").unwrap()).unwrap();
    assert!(other.types().is_empty() && other.types().get(0).is_none());
}

/// Whatever fills the heap, the next object is an error, and there is room again when the handles are gone.
#[test]
fn a_full_heap() {
    let config = |max| Engine::new(Config::new().gc_heap_max(max).gc_nursery(64 << 10).gc_verify(true)).unwrap();
    let engine = config(4 << 20);
    let anys = ArrayType::new(&engine, field(VAR, ValType::ANYREF));
    let longs = ArrayType::new(&engine, field(VAR, ValType::I64));
    let pair = StructType::new(&engine, [field(VAR, ValType::ANYREF), field(CONST, ValType::I64)]);
    let large = StructType::new(&engine, vec![field(VAR, ValType::ANYREF); 10_000]);
    type Make<'m> = &'m dyn Fn(&mut RootScope<&mut Store<()>>, Val) -> Result<Rooted<AnyRef>>;
    let makes: [(&str, Make<'_>); 6] = [
        ("struct", &|s, v| StructRef::new(s, &pair, &[v, Val::I64(1)]).map(Rooted::<StructRef>::to_anyref)),
        ("large struct", &|s, v| StructRef::new(s, &large, &vec![v; 10_000]).map(Rooted::<StructRef>::to_anyref)),
        ("array", &|s, v| ArrayRef::new(s, &anys, &v, 20_000).map(Rooted::<ArrayRef>::to_anyref)),
        ("small array", &|s, v| ArrayRef::new(s, &anys, &v, 1_000).map(Rooted::<ArrayRef>::to_anyref)),
        ("fixed", &|s, v| ArrayRef::new_fixed(s, &anys, &[v; 9_000]).map(Rooted::<ArrayRef>::to_anyref)),
        ("slice", &|s, _| ArrayRef::from_slice(s, &longs, &[7u64; 9_000]).map(Rooted::<ArrayRef>::to_anyref)),
    ];
    for (name, make) in makes {
        let mut store = Store::new(&engine, ());
        for round in 0..2 {
            let mut scope = RootScope::new(&mut store);
            let first = StructRef::new(&mut scope, &pair, &[Val::AnyRef(None), Val::I64(round)]).unwrap();
            let mut made = Vec::new();
            let error = loop {
                match make(&mut scope, first.into()) {
                    Ok(object) => made.push(object),
                    Err(error) => break error,
                }
                assert!(made.len() < 1 << 20, "{name}: the heap is never full");
            };
            let kind = error.trap().unwrap_or_else(|| panic!("{name}: {error:?}")).kind();
            assert_eq!(kind, TrapKind::HeapExhausted, "{name}: {error}");
            assert!(made.len() > 10, "{name}: {} objects", made.len());
            assert_eq!(first.field(&mut scope, 1).unwrap().i64(), Some(round), "{name}");
        }
        store.gc().unwrap();
        StructRef::new(&mut store, &pair, &[Val::AnyRef(None), Val::I64(0)]).unwrap();
    }
}

#[test]
fn host_values_are_changed_in_place() {
    let mut store = store();
    let value = ExternRef::new(&mut store, vec![1]).unwrap();
    value.data_mut(&mut store).unwrap().unwrap().downcast_mut::<Vec<i32>>().unwrap().push(2);
    assert_eq!(value.data(&store).unwrap().unwrap().downcast_ref::<Vec<i32>>(), Some(&vec![1, 2]));
    let number = AnyRef::from_i31(&mut store, 1).unwrap().to_extern();
    assert!(number.data_mut(&mut store).unwrap().is_none());
}

#[test]
fn what_is_wrong_with_a_struct() {
    let mut store = store();
    let engine = store.engine().clone();
    let inner = StructType::new(&engine, []);
    let ty = StructType::new(&engine, [field(CONST, ValType::I32), field(VAR, reference(false, inner.clone()))]);
    let empty = StructRef::new(&mut store, &inner, &[]).unwrap();
    let object = StructRef::new(&mut store, &ty, &[Val::I32(1), empty.into()]).unwrap();
    says(object.set_field(&mut store, 0, Val::I32(2)), "field 0 is not mutable");
    says(object.field(&mut store, 2), "a struct of 2 fields without field 2");
    says(
        object.set_field(&mut store, usize::MAX, Val::I32(2)),
        &format!("a struct of 2 fields without field {}", usize::MAX),
    );
    let wants = "type mismatch: expected (ref (struct)), found";
    says(object.set_field(&mut store, 1, Val::I32(2)), &format!("{wants} an i32"));
    says(object.set_field(&mut store, 1, Val::AnyRef(None)), &format!("{wants} a null reference"));
    says(
        object.set_field(&mut store, 1, object.into()),
        &format!("{wants} a (struct (field i32) (field (mut (ref (struct …)))))"),
    );
    says(StructRef::new(&mut store, &ty, &[Val::I32(1)]), "a struct with 2 fields was given 1 values");
    says(StructRef::new(&mut store, &ty, &[Val::I32(1), Val::AnyRef(None)]), &format!("{wants} a null reference"));
    says(StructRef::new(&mut store, &ty, &[Val::I64(1), empty.into()]), "type mismatch: expected i32, found an i64");
    assert_eq!(object.field(&mut store, 0).unwrap().i32(), Some(1));
    let Val::AnyRef(Some(kept)) = object.field(&mut store, 1).unwrap() else { panic!() };
    assert!(kept.ref_eq(&store, &empty.to_anyref()).unwrap());
}

#[test]
fn what_is_wrong_with_an_array() {
    let mut store = store();
    let engine = store.engine().clone();
    let fixed = ArrayType::new(&engine, field(CONST, ValType::I32));
    let floats = ArrayType::new(&engine, field(VAR, ValType::F32));
    let funcs = ArrayType::new(&engine, field(VAR, reference(false, HeapType::Func)));
    let constant = ArrayRef::from_slice(&mut store, &fixed, &[1i32, 2, 3]).unwrap();
    let array = ArrayRef::new(&mut store, &floats, &Val::from(1.0f32), 5).unwrap();

    let immutable = "the elements of the array are not mutable";
    says(constant.set(&mut store, 0, Val::I32(1)), immutable);
    says(constant.fill(&mut store, 0, 1, Val::I32(1)), immutable);
    says(constant.copy_within(&mut store, 0..1, 1), immutable);
    says(constant.copy_from_slice(&mut store, 0, &[5i32]), immutable);

    says(array.get(&mut store, 5), "an array of 5 elements without element 5");
    says(array.set(&mut store, u32::MAX, Val::F32(0)), "an array of 5 elements without element 4294967295");
    says(array.fill(&mut store, 3, 3, Val::F32(0)), "an array of 5 elements without elements 3..6");
    says(array.fill(&mut store, 1, u32::MAX, Val::F32(0)), "an array of 5 elements without elements 1..4294967296");
    says(array.copy_within(&mut store, 2..6, 0), "an array of 5 elements without elements 2..6");
    says(array.copy_within(&mut store, 2.., 3), "an array of 5 elements without elements 3..6");
    says(array.copy_within(&mut store, 0..=u32::MAX, 0), "an array of 5 elements without elements 0..4294967296");
    #[expect(clippy::reversed_empty_ranges, reason = "it is refused")]
    let reversed = 3..2;
    says(
        array.copy_within(&mut store, reversed, 0),
        "an array of 5 elements without elements 3..2: they end before they begin",
    );
    says(array.copy_to_slice(&store, 3, &mut [0f32; 3]), "an array of 5 elements without elements 3..6");
    says(array.copy_from_slice(&mut store, 6, &[0f32; 0]), "an array of 5 elements without elements 6..6");
    says(
        array.copy_from_slice(&mut store, u32::MAX, &[0f32; 2]),
        "an array of 5 elements without elements 4294967295..4294967297",
    );

    let mismatch = "type mismatch: expected f32, found an f64";
    says(array.set(&mut store, 0, Val::from(1.0f64)), mismatch);
    says(array.fill(&mut store, 0, 1, Val::from(1.0f64)), mismatch);
    says(ArrayRef::new(&mut store, &floats, &Val::from(1.0f64), 1), mismatch);
    says(ArrayRef::new_fixed(&mut store, &floats, &[Val::F32(0), Val::from(1.0f64)]), mismatch);
    let null = "type mismatch: expected (ref func), found a null reference";
    says(ArrayRef::new(&mut store, &funcs, &Val::FuncRef(None), 0), null);
    says(ArrayRef::new_fixed(&mut store, &funcs, &[Val::FuncRef(None)]), null);

    let vectors = ArrayType::new(&engine, field(VAR, ValType::V128));
    let vectors = ArrayRef::new(&mut store, &vectors, &Val::V128(0), 2).unwrap();
    says(constant.with_slice(&mut store, |_: &[Cell<i32>]| panic!()), immutable);
    says(
        vectors.with_slice(&mut store, |_: &[Cell<u128>]| panic!()),
        "elements of u128 are not aligned in the heap: copy them",
    );

    let slice = "type mismatch: the elements of the array are f32, those of the slice";
    says(array.with_slice(&mut store, |_: &[Cell<i32>]| panic!()), &format!("{slice} i32"));
    says(array.copy_to_slice(&store, 0, &mut [0i32; 1]), &format!("{slice} i32"));
    says(array.copy_from_slice(&mut store, 0, &[0f64]), &format!("{slice} f64"));
    says(ArrayRef::from_slice(&mut store, &floats, &[0u8; 4]), &format!("{slice} u8"));
    let slice = "type mismatch: the elements of the array are (ref func), those of the slice u32";
    says(ArrayRef::from_slice(&mut store, &funcs, &[0u32; 4]), slice);

    let elems = array.elems(&mut store).unwrap();
    assert_eq!(elems.len(), 5);
    assert!(elems.into_iter().all(|value| value.f32() == Some(1.0)));
    let mut read = [0i32; 3];
    constant.copy_to_slice(&store, 0, &mut read).unwrap();
    assert_eq!(read, [1, 2, 3]);
}

#[test]
fn what_no_type_and_no_store_can_have() {
    let mut store = store();
    let engine = store.engine().clone();
    let other = Engine::default();
    let foreign = StructType::new(&other, []);
    let foreign_array = ArrayType::new(&other, field(VAR, StorageType::I8));
    let text = "a type of another engine was used";
    says(StructRef::new(&mut store, &foreign, &[]), text);
    says(ArrayRef::new(&mut store, &foreign_array, &Val::I32(0), 1), text);
    says(ArrayRef::new_fixed(&mut store, &foreign_array, &[]), text);
    says(ArrayRef::from_slice(&mut store, &foreign_array, &[0u8]), text);
    says(StructType::try_new(&engine, [field(VAR, reference(true, foreign.clone()))]), text);
    says(ArrayType::try_new(&engine, field(VAR, reference(true, foreign))), text);
    let (plain, packed) = (field(VAR, ValType::F64), field(CONST, StorageType::I16));
    let ty = ArrayType::new(&engine, packed.clone());
    assert_eq!((ty.field_type(), ty.mutability(), ty.element_type()), (packed, CONST, StorageType::I16));
    assert!(ty.mutability().is_const() && !ty.mutability().is_var() && plain.mutability().is_var());
    assert_eq!((ty.element_type().as_val_type(), plain.element_type().as_val_type()), (None, Some(&ValType::F64)));
    let many = |count| StructType::try_new(&engine, vec![field(VAR, StorageType::I8); count]);
    assert_eq!(many(10_000).unwrap().fields().len(), 10_000);
    let error = many(10_001).unwrap_err();
    assert_eq!(error.to_string(), "a struct type with 10001 fields: more than the limit of 10000");
    assert!(matches!(error.kind(), ErrorKind::Limit(_)));

    let vectors = ArrayType::new(&engine, field(VAR, ValType::V128));
    let error = ArrayRef::new(&mut store, &vectors, &Val::V128(0), u32::MAX).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::AllocationTooLarge, "{error}");
    let bytes = ArrayType::new(&engine, field(VAR, StorageType::I8));
    // Zeros that nobody touches take no memory.
    let error = ArrayRef::from_slice(&mut store, &bytes, &vec![0u8; 1 << 32]).unwrap_err();
    assert_eq!(error.trap().unwrap().kind(), TrapKind::AllocationTooLarge, "{error}");
}

/// A type table that is full is an error of `try_new` and a panic of `new`.
#[test]
fn a_full_type_table() {
    let engine = Engine::new(Config::new().max_types(1)).unwrap();
    let kept = StructType::new(&engine, []);
    let error = ArrayType::try_new(&engine, field(VAR, StorageType::I8)).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Limit(_)), "{error}");
    assert_eq!(StructType::new(&engine, []), kept);
    let make = || StructType::new(&engine, [field(VAR, StorageType::I8)]);
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(make)).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().starts_with("a struct type: the engine's quota"));
}

#[test]
fn programs_of_the_host_do_what_their_model_does() {
    // A quarter of an eden of 64 KiB, the largest arrays of the nursery and of blocks, and beyond.
    let sizes = [(16 << 10) - 8, (32 << 10) - 8, 33 << 10, 70 << 10, 200 << 10];
    let (mut programs, mut done) = (0, BTreeMap::new());
    for (mode, (name, config)) in modes().into_iter().enumerate() {
        let engine = Engine::new(&config).unwrap();
        let shapes = model::shapes(&engine);
        let count = if name.starts_with("stress") { 30 } else { 60 };
        for seed in 0..count {
            let mut store = Store::new(&engine, ());
            let mut program = model::Program::new(&shapes, mode as u64 * 1000 + seed, &sizes, &mut store);
            println!("{name}, program {seed}");
            program.run(&mut store, 30);
            program.done.iter().for_each(|(name, count)| *done.entry(*name).or_default() += count);
            programs += 1;
        }
    }
    let operations: u64 = done.values().sum();
    println!("{programs} programs, {operations} operations: {done:?}");
    assert_eq!((programs, done.len()), (240, 15));
    assert!(done.values().all(|count| *count > 500), "{done:?}");
    assert!(operations > 25_000, "{operations} operations");
}

#[test]
fn objects_of_the_host_move_out_of_sparse_blocks() {
    for (fields, verify) in [(3_000, true), (20_000, false)] {
        let mut config = Config::new();
        config.gc_nursery(64 << 10).gc_mark_slice(fields).gc_threads(0).gc_verify(verify).gc_heap_max(128 << 20);
        let mut host = sparse::Host::new(&config);
        for _ in 0..2 {
            host.work(250);
            host.thin();
            for _ in 0..4 {
                host.work(250);
                host.check();
            }
        }
        let blocks = host.evacuated();
        assert!(blocks > 30, "{blocks} blocks in slices of {fields}, verify {verify}");
    }
}
