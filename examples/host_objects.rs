//! Objects of the guest's heap that the host makes, reads and shares, by types that it describes or takes from a
//! module.

use heapwood::{
    ArrayRef, ArrayType, Engine, FieldType, Instance, Module, Mutability, Result, RootScope, Rooted, StorageType,
    Store, StructRef, StructType, Val, ValType,
};

/// A guest that knows a list of people, whose names are arrays of bytes.
const PEOPLE: &str = r#"(module
    (type $name (array (mut i8)))
    (type $person (struct (field $name (ref $name)) (field $age (mut i32)) (field $friend (mut (ref null $person)))))
    (func (export "birthday") (param $person (ref $person))
      (struct.set $person $age (local.get $person)
        (i32.add (struct.get $person $age (local.get $person)) (i32.const 1))))
    ;; Letters of all names along the chain of friends.
    (func (export "letters") (param $person (ref null $person)) (result i32)
      (local $sum i32)
      (block $end
        (loop $next
          (local.set $sum (i32.add (local.get $sum)
            (array.len (struct.get $person $name (br_on_null $end (local.get $person))))))
          (local.set $person (struct.get $person $friend (local.get $person)))
          (br $next)))
      (local.get $sum)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, PEOPLE)?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;

    // The host describes the name's type; equal structures are one type. The person's it takes from the module.
    let name_type = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));
    let person_type = module.types().named("person").and_then(|ty| ty.as_concrete_struct().cloned());
    let person_type: StructType = person_type.ok_or("no type `person`")?;
    assert_eq!(person_type.field(1).map(|field| field.element_type().clone()), Some(ValType::I32.into()));

    let mut scope = RootScope::new(&mut store);
    let ada = person(&mut scope, &person_type, &name_type, "Ada", 36, None)?;
    let alan = person(&mut scope, &person_type, &name_type, "Alan", 41, Some(ada))?;
    // Friends of each other: a cycle, which is collected once nobody has it.
    ada.set_field(&mut scope, 2, alan.into())?;

    let birthday = instance.get_typed_func::<Rooted<StructRef>, ()>(&mut scope, "birthday")?;
    birthday.call(&mut scope, ada)?;
    assert_eq!(ada.field(&mut scope, 1)?.i32(), Some(37));
    ada.set_field(&mut scope, 2, Val::AnyRef(None))?;
    let letters = instance.get_typed_func::<Option<Rooted<StructRef>>, i32>(&mut scope, "letters")?;
    let letters = letters.call(&mut scope, Some(alan))?;
    assert_eq!(letters, 7);

    // What the guest must not get is refused: a person is no name.
    StructRef::new(&mut scope, &person_type, &[ada.into(), Val::I32(1), Val::AnyRef(None)]).expect_err("no name");
    Ok(format!("{letters} letters"))
}

fn person(
    scope: &mut RootScope<&mut Store<()>>,
    ty: &StructType,
    name_type: &ArrayType,
    name: &str,
    age: i32,
    friend: Option<Rooted<StructRef>>,
) -> Result<Rooted<StructRef>> {
    let name = ArrayRef::from_slice(&mut *scope, name_type, name.as_bytes())?;
    let friend = Val::AnyRef(friend.map(Rooted::<StructRef>::to_anyref));
    StructRef::new(scope, ty, &[name.into(), Val::I32(age), friend])
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok host_objects {}", run()?);
    Ok(())
}
