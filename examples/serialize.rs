//! Compiled code as bytes: made once, loaded by another engine without compiling, and refused where it does not fit.

use heapwood::{Config, Engine, ErrorKind, Instance, Module, Result, Store};
use std::time::Instant;

/// A Kotlin program, so that there is something to compile.
const PROGRAM: &[u8] = include_bytes!("guests/kotlin/wasm/tenants.wasm");

const ANSWER: &str = r#"(module (func (export "answer") (result i32) (i32.const 42)))"#;

/// Loads what this program made itself.
#[allow(
    unsafe_code,
    reason = "an image is code that runs as it is: it comes from `Module::serialize`, from nowhere else"
)]
fn load(engine: &Engine, image: &[u8]) -> Result<Module> {
    // SAFETY: nobody changed the image since.
    unsafe { Module::deserialize(engine, image) }
}

fn answer(module: &Module) -> Result<i32> {
    let mut store = Store::new(module.engine(), ());
    let instance = Instance::new(&mut store, module, &[])?;
    instance.get_typed_func::<(), i32>(&mut store, "answer")?.call(&mut store, ())
}

/// Why an image is refused.
fn refusal(engine: &Engine, image: &[u8]) -> Result<String> {
    match load(engine, image).map(drop).map_err(|error| error.into_kind()) {
        Err(ErrorKind::Precompiled(why)) => Ok(why),
        result => Err(format!("it should be refused: {result:?}"))?,
    }
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let image = Module::new(&Engine::default(), ANSWER)?.serialize()?;
    // Another engine, in this process or in another one.
    let engine = Engine::default();
    assert_eq!(answer(&load(&engine, &image)?)?, 42);
    assert!(Engine::detect_precompiled(&image).is_some() && Engine::detect_precompiled(PROGRAM).is_none());

    // Made for an engine whose code is another one.
    let with_fuel = Engine::new(Config::new().consume_fuel(true))?;
    let why = refusal(&with_fuel, &image)?;
    assert!(why.contains("fuel"), "{why}");

    let begin = Instant::now();
    let compiled = Module::new(&engine, PROGRAM)?;
    let compiling = begin.elapsed();
    let image = compiled.serialize()?;
    let begin = Instant::now();
    let loaded = load(&engine, &image)?;
    let loading = begin.elapsed();
    assert_eq!(loaded.exports().count(), compiled.exports().count());
    Ok(format!("{} bytes of image, loaded in {loading:?} and compiled in {compiling:?}; {why}", image.len()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok serialize {}", run()?);
    Ok(())
}
