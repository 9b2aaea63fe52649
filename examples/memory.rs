//! A guest's linear memory: reading, writing, growing, and looking at it beside the host's data.

use heapwood::{Caller, Engine, Extern, Linker, Module, Result, Store};

const GUEST: &str = r#"(module
    (import "host" "log" (func $log (param i32 i32)))
    (memory (export "memory") 1 4)
    (data (i32.const 16) "from the guest")
    (func (export "speak") (call $log (i32.const 16) (i32.const 14)))
    (func (export "sum") (param $from i32) (param $bytes i32) (result i32)
      (local $sum i32)
      (loop $l
        (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $from))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (local.set $bytes (i32.sub (local.get $bytes) (i32.const 1)))
        (br_if $l (local.get $bytes)))
      (local.get $sum)))"#;

/// What a host function that is given an address and a length does.
fn log(mut caller: Caller<'_, Vec<String>>, address: i32, bytes: i32) -> Result<()> {
    let Some(Extern::Memory(memory)) = caller.get_export("memory") else {
        return Err("the guest exports no memory".into());
    };
    let (data, messages) = memory.data_and_store_mut(&mut caller);
    let range = address as u32 as usize..(address as u32 as usize).saturating_add(bytes as u32 as usize);
    let bytes = data.get(range).ok_or("outside of the memory")?;
    messages.push(String::from_utf8_lossy(bytes).into_owned());
    Ok(())
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::default();
    let module = Module::new(&engine, GUEST)?;
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "log", log)?;
    let mut store = Store::new(&engine, Vec::new());
    let instance = linker.instantiate(&mut store, &module)?;
    instance.get_typed_func::<(), ()>(&mut store, "speak")?.call(&mut store, ())?;
    assert_eq!(store.data(), &["from the guest"]);

    let memory = instance.get_memory(&mut store, "memory").ok_or("no memory")?;
    // With bounds checks of ours: an error rather than a panic.
    memory.write(&mut store, 1000, &[1, 2, 3])?;
    memory.write(&mut store, 65_534, &[1, 2, 3]).expect_err("outside of one page");
    let sum = instance.get_typed_func::<(i32, i32), i32>(&mut store, "sum")?;
    assert_eq!(sum.call(&mut store, (1000, 3))?, 6);
    // As a slice, while the store is borrowed.
    memory.data_mut(&mut store)[1000..1003].fill(9);
    assert_eq!(sum.call(&mut store, (1000, 3))?, 27);
    let before = memory.grow(&mut store, 3)?;
    assert_eq!((before, memory.size(&store)), (1, 4));
    memory.grow(&mut store, 1).expect_err("beyond its maximum");
    Ok(format!("{} bytes, sum {}", memory.data_size(&store), 27))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok memory {}", run()?);
    Ok(())
}
