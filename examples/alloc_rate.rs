//! How fast objects are allocated that die at once, beside a native loop that bumps a pointer and writes the same
//! bytes.
//!
//! `cargo run --release --example alloc_rate`

use heapwood::{Config, Engine, Instance, Module, Store};
use std::hint::black_box;
use std::time::Instant;

/// Objects of a round: 32 bytes each.
const OBJECTS: i32 = 20_000_000;
/// Bytes of the nursery, and of the native loop's buffer.
const NURSERY_BYTES: u32 = 256 << 10;

const PROGRAM: &str = r#"(module
  (type $node (struct (field i32) (field i64) (field i64) (field i64)))
  (func (export "run") (param $n i32) (result i64)
    (local $node (ref null $node))
    (loop $next
      (local.set $node (struct.new $node (local.get $n) (i64.const 1) (i64.const 2) (i64.const 3)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (struct.get $node 1 (local.get $node))))"#;

fn main() -> heapwood::Result<()> {
    let mut config = Config::new();
    config.gc_nursery(NURSERY_BYTES);
    let engine = Engine::new(&config)?;
    let module = Module::new(&engine, wat::parse_str(PROGRAM).expect("the program is valid text"))?;
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[])?;
    let run = instance.get_typed_func::<i32, i64>(&mut store, "run")?;
    let mut buffer = vec![0u8; NURSERY_BYTES as usize];
    run.call(&mut store, OBJECTS)?;
    native(&mut buffer);
    let (mut guest_ns, mut native_ns) = (f64::MAX, f64::MAX);
    for _ in 0..9 {
        let start = Instant::now();
        run.call(&mut store, OBJECTS)?;
        guest_ns = guest_ns.min(start.elapsed().as_nanos() as f64);
        let start = Instant::now();
        native(&mut buffer);
        native_ns = native_ns.min(start.elapsed().as_nanos() as f64);
    }
    let rate = |ns: f64| OBJECTS as f64 / ns * 1e3;
    println!("guest   {:6.1} million objects/s", rate(guest_ns));
    println!("native  {:6.1} million objects/s", rate(native_ns));
    println!("ratio   {:6.2} (guest time / native time)", guest_ns / native_ns);
    Ok(())
}

/// Writes as many objects of the same bytes, from the start again at the end of the buffer.
#[inline(never)]
fn native(buffer: &mut [u8]) {
    let mut left = OBJECTS;
    while left > 0 {
        for object in buffer.chunks_exact_mut(32).take(left as usize) {
            object[0..4].copy_from_slice(&0x1234_5600u32.to_le_bytes());
            object[4..8].copy_from_slice(&left.to_le_bytes());
            for (k, value) in [1u64, 2, 3].into_iter().enumerate() {
                object[8 + 8 * k..16 + 8 * k].copy_from_slice(&value.to_le_bytes());
            }
            left -= 1;
        }
        black_box(&buffer);
    }
}
