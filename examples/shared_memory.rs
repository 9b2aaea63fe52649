//! Three memories in one module: one of the store's own, one that only this module has, and one that two threads share.

use heapwood::{Config, Engine, Features, Linker, MemoryType, Module, Result, SharedMemory, Store};

const WORKER: &str = r#"(module
    (import "host" "shared" (memory $shared 1 1 shared))
    (memory $main (export "main") 1)
    (memory $secure 1)
    ;; Adds 1 to the shared counter `times` times; what it has done it also counts where nobody else looks.
    (func (export "work") (param $times i32)
      (loop $l
        (drop (i32.atomic.rmw.add $shared (i32.const 0) (i32.const 1)))
        (i32.store $secure (i32.const 0) (i32.add (i32.load $secure (i32.const 0)) (i32.const 1)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (i32.store $main (i32.const 0) (i32.load $secure (i32.const 0)))
      (drop (memory.atomic.notify $shared (i32.const 4) (i32.const 1))))
    ;; Waits until the shared counter has reached `goal`.
    (func (export "wait_for") (param $goal i32)
      (loop $l
        (if (i32.lt_u (i32.atomic.load $shared (i32.const 0)) (local.get $goal))
          (then
            (drop (memory.atomic.wait32 $shared (i32.const 4) (i32.const 0) (i64.const 1000000)))
            (br $l))))))"#;

const TIMES: i32 = 100_000;

/// The figures that end the example.
pub fn run() -> Result<String> {
    let mut features = Features::default();
    features.apply("threads=y")?;
    let engine = Engine::new(Config::new().features(features))?;
    let module = Module::new(&engine, WORKER)?;
    let shared = SharedMemory::new(&engine, MemoryType::shared(1, 1))?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker.define("host", "shared", shared.clone())?;
    let pre = linker.instantiate_pre(&module)?;

    // A store for each thread; the module is compiled once.
    let totals: Vec<i32> = std::thread::scope(|scope| {
        let worker = || -> Result<i32> {
            let mut store = Store::new(&engine, ());
            let instance = pre.instantiate(&mut store)?;
            instance.get_typed_func::<i32, ()>(&mut store, "work")?.call(&mut store, TIMES)?;
            instance.get_typed_func::<i32, ()>(&mut store, "wait_for")?.call(&mut store, 2 * TIMES)?;
            let main = instance.get_memory(&mut store, "main").ok_or("no memory")?;
            let mut own = [0; 4];
            main.read(&store, 0, &mut own)?;
            Ok(i32::from_le_bytes(own))
        };
        let threads = [scope.spawn(worker), scope.spawn(worker)];
        threads.into_iter().map(|thread| thread.join().expect("a worker does not panic")).collect::<Result<_>>()
    })?;
    let mut sum = [0; 4];
    shared.read(0, &mut sum)?;
    assert_eq!((totals, i32::from_le_bytes(sum)), (vec![TIMES; 2], 2 * TIMES));
    Ok(format!("{} additions of two threads", 2 * TIMES))
}

#[allow(dead_code, reason = "the tests call `run`")]
fn main() -> Result<()> {
    println!("ok shared_memory {}", run()?);
    Ok(())
}
