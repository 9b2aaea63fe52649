//! References of any type: the host asks what they are, and passes them on without knowing more.

use heapwood::{AnyRef, Engine, Instance, Module, RefKind, Result, Rooted, Store};

const SHAPES: &str = r#"(module
    (type $circle (struct (field f64)))
    (type $polygon (array f64))
    (func (export "make") (param $which i32) (result anyref)
      (block $small (block $polygon (block $circle
        (br_table $circle $polygon $small (local.get $which)))
        (return (struct.new $circle (f64.const 2.5))))
        (return (array.new_fixed $polygon 3 (f64.const 1) (f64.const 2) (f64.const 3))))
      (ref.i31 (i32.const -5)))
    (func (export "size") (param $shape anyref) (result f64)
      (block $circle (result (ref $circle))
        (block $polygon (result (ref $polygon))
          (br_on_cast $circle anyref (ref $circle) (local.get $shape))
          (br_on_cast $polygon anyref (ref $polygon))
          (drop)
          (return (f64.const 0)))
        (return (f64.convert_i32_u (array.len))))
      (struct.get $circle 0)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, SHAPES)?, &[])?;
    let make = instance.get_typed_func::<i32, Option<Rooted<AnyRef>>>(&mut store, "make")?;
    let size = instance.get_typed_func::<Option<Rooted<AnyRef>>, f64>(&mut store, "size")?;
    let mut seen = Vec::new();
    for which in 0..3 {
        let shape = make.call(&mut store, which)?.ok_or("no shape")?;
        let kind = match shape.kind(&store)? {
            RefKind::Struct(ty) => format!("a struct of {} fields", ty.fields().len()),
            RefKind::Array(_) => format!("an array of {}", shape.unwrap_array(&store)?.len(&store)?),
            RefKind::I31(number) => format!("the number {number}"),
            other => format!("{other:?}"),
        };
        seen.push(format!("{kind} ({})", size.call(&mut store, Some(shape))?));
    }
    assert_eq!(seen, ["a struct of 1 fields (2.5)", "an array of 3 (3)", "the number -5 (0)"]);
    // The host's own numbers fit as well.
    let small = AnyRef::from_i31(&mut store, 12)?;
    assert_eq!((size.call(&mut store, Some(small))?, size.call(&mut store, None)?), (0.0, 0.0));
    Ok(seen.join(", "))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok anyref {}", run()?);
    Ok(())
}
