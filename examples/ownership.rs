//! Who owns the data: bytes that are copied into the guest, bytes that are lent from its heap without a copy, and what
//! each costs.

use heapwood::{
    ArrayRef, ArrayType, Engine, FieldType, Instance, Module, Mutability, Result, Rooted, StorageType, Store,
};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// A guest that makes a picture in its heap, and adds up one that it is given.
const GUEST: &str = r#"(module
    (type $pixels (array (mut i8)))
    (func (export "paint") (param $bytes i32) (result (ref $pixels))
      (array.new $pixels (i32.const 3) (local.get $bytes)))
    (func (export "sum") (param $pixels (ref $pixels)) (result i32)
      (local $i i32) (local $sum i32)
      (loop $l
        (local.set $sum (i32.add (local.get $sum) (array.get_u $pixels (local.get $pixels) (local.get $i))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
          (array.len (local.get $pixels)))))
      (local.get $sum)))"#;

const BYTES: usize = 1 << 20;
const ROUNDS: u32 = 50;

fn time(mut action: impl FnMut() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    (0..ROUNDS).try_for_each(|_| action())?;
    Ok(begin.elapsed() / ROUNDS)
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, GUEST)?, &[])?;
    let pixels_type = ArrayType::new(&engine, FieldType::new(Mutability::Var, StorageType::I8));

    // Copied in: the host's buffer stays the host's, the array belongs to the guest from then on.
    let picture = vec![2u8; BYTES];
    let array = ArrayRef::from_slice(&mut store, &pixels_type, &picture)?;
    let sum = instance.get_typed_func::<Rooted<ArrayRef>, i32>(&mut store, "sum")?;
    assert_eq!(sum.call(&mut store, array)?, 2 * BYTES as i32);
    drop(picture);
    assert_eq!(sum.call(&mut store, array)?, 2 * BYTES as i32);

    // Owned by the guest, and lent: while the host looks at it, the store can do nothing, so nothing moves.
    let paint = instance.get_typed_func::<i32, Rooted<ArrayRef>>(&mut store, "paint")?;
    let painted = paint.call(&mut store, BYTES as i32)?;
    let before: u64 = painted.with_slice(&mut store, |pixels: &[Cell<u8>]| {
        let sum = pixels.iter().map(|pixel| u64::from(pixel.get())).sum();
        pixels.iter().for_each(|pixel| pixel.set(pixel.get() + 1));
        sum
    })?;
    assert_eq!((before, sum.call(&mut store, painted)?), (3 * BYTES as u64, 4 * BYTES as i32));

    let mut buffer = vec![0u8; BYTES];
    let out = time(|| painted.copy_to_slice(&store, 0, &mut buffer))?;
    let back = time(|| painted.copy_from_slice(&mut store, 0, &buffer))?;
    let lent = time(|| painted.with_slice(&mut store, |pixels: &[Cell<u8>]| pixels[BYTES - 1].set(7)))?;
    assert!(buffer.iter().all(|byte| *byte == 4));
    Ok(format!("1 MiB copied out in {out:?}, in in {back:?}; lent in {lent:?}"))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok ownership {}", run()?);
    Ok(())
}
