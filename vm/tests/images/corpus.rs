//! Modules of which images are made, and engines full of other types.

use crate::generate;
use heapwood_vm::{Engine, Module};
use std::path::{Path, PathBuf};

/// Random modules beside the others.
const SEEDS: u64 = 60;

/// Guests of the repository, modules with each kind of field that depends on a type, and random ones.
pub fn modules() -> Vec<(String, Vec<u8>)> {
    let mut modules = vec![("empty".to_owned(), b"\0asm\x01\0\0\0".to_vec())];
    let texts = [("library", LIBRARY), ("program", PROGRAM), ("small", SMALL)];
    modules.extend(texts.map(|(name, text)| (name.to_owned(), wat::parse_str(text).unwrap())));
    let guests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/guests");
    for name in ["kotlin/wasm/hello", "kotlin/wasm/exceptions", "c/wide64"] {
        modules.push((name.to_owned(), std::fs::read(guests.join(format!("{name}.wasm"))).unwrap()));
    }
    modules.extend((0..SEEDS).filter_map(|seed| Some((format!("seed {seed}"), generate::module(seed)?))));
    modules
}

/// Fills an engine with types: some that no module of the corpus has, and those of other random modules, which name
/// some of the same ones in another order.
pub fn crowd(engine: &Engine, seed: u64) -> Vec<Module> {
    let own = (1..6 + seed % 20).map(|fields| {
        let text = format!(
            "(module (type (sub (struct {}))) (type (array i16)))",
            "(field i64) (field v128)".repeat(fields as usize)
        );
        wat::parse_str(text).unwrap()
    });
    let others = (1000 + seed..1003 + seed).filter_map(generate::module);
    own.chain(others).map(|bytes| Module::new(engine, bytes).unwrap()).collect()
}

/// A new empty folder.
pub fn scratch(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("images-{name}"));
    if path.exists() {
        std::fs::remove_dir_all(&path).unwrap();
    }
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A little of everything that an image has a table of.
pub const SMALL: &str = r#"(module $small
    (type $t (func (param i32) (result i32)))
    (type $s (sub (struct (field (mut (ref null $s))) (field i32))))
    (tag $e (param i32))
    (memory 1) (data (i32.const 8) "data")
    (table 2 funcref) (elem (i32.const 0) $twice)
    (func $twice (export "twice") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2)))
    (func $throw (param i32) (throw $e (local.get 0)))
    (func (export "run") (param i32) (result i32)
      (local $s (ref null $s))
      (local.set $s (struct.new $s (struct.new $s (ref.null $s) (i32.const 1)) (local.get 0)))
      (block $caught (result i32)
        (try_table (catch $e $caught)
          (call $throw (call_indirect (type $t) (struct.get $s 1 (local.get $s)) (i32.const 0))))
        (unreachable))))"#;

/// Types of a hierarchy, functions that make and take them, and a tag with one of them.
pub const LIBRARY: &str = r#"(module
    (rec (type $base (sub (struct (field $n i32) (field $next (mut (ref null $base))))))
         (type $leaf (sub final $base (struct (field $n i32) (field $next (mut (ref null $base))) (field $extra (ref $bytes)))))
         (type $bytes (array (mut i8))))
    (type $make (func (param i32) (result (ref $base))))
    (type $weigh (func (param (ref null $base)) (result i32)))
    (tag $thrown (export "thrown") (param (ref null $base)))
    (table (export "table") 4 funcref)
    (elem (i32.const 0) $make $weigh)
    (func $make (export "make") (type $make)
      (if (result (ref $base)) (i32.and (local.get 0) (i32.const 1))
        (then (struct.new $leaf (local.get 0) (ref.null $base) (array.new $bytes (local.get 0) (i32.const 9))))
        (else (struct.new $base (local.get 0) (ref.null $base)))))
    (func $weigh (export "weigh") (type $weigh)
      (if (result i32) (ref.test (ref $leaf) (local.get 0))
        (then (i32.add (i32.const 100)
          (array.get_u $bytes (struct.get $leaf $extra (ref.cast (ref $leaf) (local.get 0))) (i32.const 8))))
        (else (struct.get $base $n (local.get 0)))))
    (func (export "throw") (param i32) (throw $thrown (call $make (local.get 0)))))"#;

/// The types of the program before under other indices, with others before them.
pub const PROGRAM: &str = r#"(module
    (type $padding (struct (field f64)))
    (type $other (func (param i32) (result i32)))
    (rec (type $base (sub (struct (field $n i32) (field $next (mut (ref null $base))))))
         (type $leaf (sub final $base (struct (field $n i32) (field $next (mut (ref null $base))) (field $extra (ref $bytes)))))
         (type $bytes (array (mut i8))))
    (type $weigh (func (param (ref null $base)) (result i32)))
    (type $make (func (param i32) (result (ref $base))))
    (import "library" "thrown" (tag $thrown (param (ref null $base))))
    (import "library" "table" (table $table 4 funcref))
    (import "library" "make" (func $make (type $make)))
    (import "library" "weigh" (func $weigh (type $weigh)))
    (import "library" "throw" (func $throw (param i32)))
    (tag $own (param i32))
    ;; What the library made is ours, and what we made is its own, by calls of every kind.
    (func $checked (param $n i32) (result i32) (local $theirs (ref $base)) (local $ours (ref null $base))
      (local.set $theirs (call_indirect $table (type $make) (local.get $n) (i32.const 0)))
      (local.set $ours (struct.new $leaf (local.get $n) (local.get $theirs) (array.new $bytes (local.get $n) (i32.const 9))))
      (drop (struct.new $padding (f64.const 1)))
      (i32.add
        (call_indirect $table (type $weigh) (local.get $ours) (i32.const 1))
        (i32.add (call $weigh (struct.get $base $next (local.get $ours)))
          (ref.test (ref $leaf) (local.get $theirs)))))
    ;; Their exception, caught by its tag, and one of our own around it.
    (func (export "run") (param $n i32) (result i32)
      (block $mine (result i32)
        (try_table (catch $own $mine)
          (block $got (result (ref null $base))
            (try_table (catch $thrown $got) (call $throw (local.get $n)))
            (unreachable))
          (throw $own (i32.add (call $weigh) (call $checked (local.get $n)))))
        (unreachable))
      ;; A table entry of another type is none of this one.
      (i32.add (block $bad (result i32)
        (ref.test (ref $make) (table.get $table (i32.const 1))))))
)"#;

/// What `run` of [`PROGRAM`] returns.
pub fn program_result(n: i32) -> i32 {
    let weight = if n & 1 == 1 { 100 + (n & 0xff) } else { n };
    let checked = 100 + (n & 0xff) + weight + (n & 1);
    weight + checked
}
