//! A host of plugins: trait objects over guests, each in a store of its own with a limit of what it may execute and
//! hold; one is exchanged while the others run, and one that misbehaves costs nobody but itself.

use heapwood::{
    ArrayRef, ArrayType, Config, Engine, FieldType, Instance, Module, Mutability, Result, RootScope, Rooted,
    StorageType, Store, TrapKind, TypedFunc,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What the host knows of a plugin, whatever is behind it.
trait Plugin: Send {
    fn apply(&mut self, text: &str) -> Result<String>;
}

/// A plugin that is part of the host.
struct Trim;

impl Plugin for Trim {
    fn apply(&mut self, text: &str) -> Result<String> {
        Ok(text.trim().to_owned())
    }
}

/// A plugin that is a guest: `apply` takes an array of bytes and returns one.
struct Guest {
    store: Store<()>,
    bytes: ArrayType,
    apply: TypedFunc<Rooted<ArrayRef>, Rooted<ArrayRef>>,
}

const FUEL_PER_CALL: u64 = 1_000_000;
const HEAP_BYTES_MAX: u64 = 16 << 20;

impl Guest {
    fn load(engine: &Engine, wasm: &str) -> Result<Guest> {
        let module = Module::new(engine, wasm)?;
        let mut store = Store::builder(engine).gc_heap_max(HEAP_BYTES_MAX).memory_max(1 << 20).build(())?;
        store.set_fuel(FUEL_PER_CALL)?;
        let instance = Instance::new(&mut store, &module, &[])?;
        let apply = instance.get_typed_func(&mut store, "apply")?;
        let bytes = ArrayType::new(engine, FieldType::new(Mutability::Var, StorageType::I8));
        Ok(Guest { store, bytes, apply })
    }
}

impl Plugin for Guest {
    fn apply(&mut self, text: &str) -> Result<String> {
        self.store.set_fuel(FUEL_PER_CALL)?;
        let mut scope = RootScope::new(&mut self.store);
        let text = ArrayRef::from_slice(&mut scope, &self.bytes, text.as_bytes())?;
        let result = self.apply.call(&mut scope, text)?;
        let mut bytes = vec![0; result.len(&scope)? as usize];
        result.copy_to_slice(&scope, 0, &mut bytes)?;
        Ok(String::from_utf8(bytes)?)
    }
}

type SharedPlugin = Arc<Mutex<Box<dyn Plugin>>>;

/// Plugins by name. Each has a lock of its own: exchanging one waits for no other.
#[derive(Default)]
struct Host {
    plugins: Mutex<BTreeMap<String, SharedPlugin>>,
}

impl Host {
    fn register(&self, name: &str, plugin: impl Plugin + 'static) {
        let plugin: Box<dyn Plugin> = Box::new(plugin);
        self.plugins.lock().expect("not poisoned").insert(name.to_owned(), Arc::new(Mutex::new(plugin)));
    }

    fn apply(&self, name: &str, text: &str) -> Result<String> {
        let plugin = self.plugins.lock().expect("not poisoned").get(name).cloned().ok_or("no such plugin")?;
        plugin.lock().expect("not poisoned").apply(text)
    }
}

/// A guest that changes each letter by `change`, which has the letter on the stack.
fn letters(change: &str) -> String {
    format!(
        r#"(module (type $bytes (array (mut i8)))
        (func (export "apply") (param $in (ref $bytes)) (result (ref $bytes))
          (local $i i32) (local $out (ref $bytes)) (local $letter i32)
          (local.set $out (array.new_default $bytes (array.len (local.get $in))))
          (block $end (loop $next
            (br_if $end (i32.ge_u (local.get $i) (array.len (local.get $in))))
            (local.set $letter (array.get_u $bytes (local.get $in) (local.get $i)))
            (array.set $bytes (local.get $out) (local.get $i)
              (if (result i32) (i32.lt_u (i32.sub (i32.or (local.get $letter) (i32.const 32)) (i32.const 97)) (i32.const 26))
                (then (local.get $letter) {change})
                (else (local.get $letter))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
          (local.get $out)))"#
    )
}

const SPINS: &str = r#"(module (type $bytes (array (mut i8)))
    (func (export "apply") (param (ref $bytes)) (result (ref $bytes)) (loop (br 0)) (unreachable)))"#;

const HOARDS: &str = r#"(module (type $bytes (array (mut i8))) (type $list (struct (field (ref null $list)) (field (ref $bytes))))
    (global $kept (mut (ref null $list)) (ref.null $list))
    (func (export "apply") (param (ref $bytes)) (result (ref $bytes))
      (loop $more
        (global.set $kept (struct.new $list (global.get $kept) (array.new_default $bytes (i32.const 100000))))
        (br $more))
      (unreachable)))"#;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let engine = Engine::new(Config::new().consume_fuel(true))?;
    let host = Host::default();
    host.register("trim", Trim);
    host.register("shout", Guest::load(&engine, &letters("(i32.const 0xdf) (i32.and)"))?);
    host.register("spins", Guest::load(&engine, SPINS)?);
    host.register("hoards", Guest::load(&engine, HOARDS)?);

    assert_eq!(host.apply("shout", &host.apply("trim", "  plugins ")?)?, "PLUGINS");
    for (name, kind) in [("spins", TrapKind::OutOfFuel), ("hoards", TrapKind::HeapExhausted)] {
        let error = host.apply(name, "x").expect_err("it is ended");
        assert_eq!(error.trap().map(|trap| trap.kind()), Some(kind), "{name}: {error}");
    }

    // Threads use a plugin while it is exchanged: each call is answered by the old one or by the new one.
    let answers: Vec<String> = std::thread::scope(|scope| {
        let users: Vec<_> = (0..2)
            .map(|_| scope.spawn(|| (0..200).map(|_| host.apply("shout", "Abc")).collect::<Result<Vec<_>>>()))
            .collect();
        let quiet = Guest::load(&engine, &letters("(i32.const 0x20) (i32.or)"))?;
        host.register("shout", quiet);
        let answers = users.into_iter().map(|user| user.join().expect("a user does not panic"));
        Ok::<_, heapwood::Error>(answers.collect::<Result<Vec<_>>>()?.concat())
    })?;
    assert!(answers.len() == 400 && answers.iter().all(|answer| ["ABC", "abc"].contains(&answer.as_str())));
    assert_eq!(host.apply("shout", "Abc")?, "abc");
    Ok(format!("{} calls while a plugin was exchanged, 2 plugins ended at their limits", answers.len()))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok plugin_host {}", run()?);
    Ok(())
}
