//! One program in three builds: the host looks at what each needs and takes the best that its engine has.

use heapwood::{Config, Engine, Features, Instance, Module, Result, Store};

/// A sum of bytes with vectors, over two memories, and plainly; best first.
const BUILDS: [(&str, &str); 3] = [
    (
        "vectors",
        r#"(module (memory (data "\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10"))
            (func (export "sum") (result i32)
              (local $pairs v128)
              (local.set $pairs (i32x4.extadd_pairwise_i16x8_u (i16x8.extadd_pairwise_i8x16_u (v128.load (i32.const 0)))))
              (i32.add
                (i32.add (i32x4.extract_lane 0 (local.get $pairs)) (i32x4.extract_lane 1 (local.get $pairs)))
                (i32.add (i32x4.extract_lane 2 (local.get $pairs)) (i32x4.extract_lane 3 (local.get $pairs))))))"#,
    ),
    (
        "several memories",
        r#"(module (memory $low (data "\01\02\03\04\05\06\07\08")) (memory $high (data "\09\0a\0b\0c\0d\0e\0f\10"))
            (func (export "sum") (result i32)
              (local $i i32) (local $sum i32)
              (loop $l
                (local.set $sum (i32.add (local.get $sum)
                  (i32.add (i32.load8_u $low (local.get $i)) (i32.load8_u $high (local.get $i)))))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8))))
              (local.get $sum)))"#,
    ),
    (
        "plain",
        r#"(module (memory 1) (data (i32.const 0) "\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f\10")
            (func (export "sum") (result i32)
              (local $i i32) (local $sum i32)
              (loop $l
                (local.set $sum (i32.add (local.get $sum) (i32.load8_u (local.get $i))))
                (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 16))))
              (local.get $sum)))"#,
    ),
];

/// The first build that an engine can run, its module, and what the others lack.
fn best_build(engine: &Engine) -> Result<(&'static str, Module, Vec<String>)> {
    let mut lacking = Vec::new();
    for (name, text) in BUILDS {
        let missing = engine.detect(wat::parse_str(text)?)?.missing_in(engine.config().enabled());
        if missing.is_empty() {
            return Ok((name, Module::new(engine, text)?, lacking));
        }
        lacking.push(format!("{name}: {missing}"));
    }
    Err("there is no build for this engine".into())
}

/// The figures that end the example.
pub fn run() -> Result<String> {
    let mut chosen = Vec::new();
    for off in ["", "simd=n", "simd=n,multi-memory=n"] {
        let mut features = Features::default();
        for option in off.split(',').filter(|option| !option.is_empty()) {
            features.apply(option)?;
        }
        let engine = Engine::new(Config::new().features(features))?;
        let (name, module, lacking) = best_build(&engine)?;
        assert_eq!(lacking.len(), chosen.len());
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[])?;
        assert_eq!(instance.get_typed_func::<(), i32>(&mut store, "sum")?.call(&mut store, ())?, 136);
        chosen.push(name);
    }
    assert_eq!(chosen, ["vectors", "several memories", "plain"]);
    Ok(chosen.join(", "))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok features_fallback {}", run()?);
    Ok(())
}
