//! Deep stacks: frames below the watermark are not scanned, and survive returns, throws, traps and host calls.

use heapwood_vm::*;

/// `run(n)`: n frames deep, each holding a fresh list node across the call below it, allocating on the way up and
/// down. `how` at the bottom: 0 return, 1 throw (every 50th frame catches), 2 through the host.
const DEEP: &str = r#"(module
    (type $n (struct (field (mut (ref null $n))) (field (mut i64))))
    (tag $e (param (ref null $n)))
    (import "h" "again" (func $again (param i32 i32 anyref) (result anyref)))
    (import "h" "fail" (func $fail))
    (func $deep (export "deep") (param $depth i32) (param $how i32) (param $down (ref null $n)) (result (ref null $n))
      (local $mine (ref null $n)) (local $kept i64)
      (local.set $kept (i64.mul (i64.extend_i32_u (local.get $depth)) (i64.const 3)))
      (local.set $mine (struct.new $n (local.get $down) (i64.extend_i32_u (local.get $depth))))
      (if (i32.eqz (local.get $depth))
        (then
          (if (i32.eq (local.get $how) (i32.const 1)) (then (throw $e (local.get $mine))))
          (if (i32.eq (local.get $how) (i32.const 3)) (then unreachable))
          (if (i32.eq (local.get $how) (i32.const 4)) (then (call $fail)))
          (return (local.get $mine))))
      (if (i32.and (i32.eq (local.get $how) (i32.const 2)) (i32.eqz (i32.rem_u (local.get $depth) (i32.const 40))))
        (then
          (drop (ref.cast (ref null $n) (call $again (i32.sub (local.get $depth) (i32.const 1)) (local.get $how) (local.get $mine)))))
        (else (if (i32.eqz (i32.rem_u (local.get $depth) (i32.const 50)))
          (then
            (block $h (result (ref null $n))
              (try_table (result (ref null $n)) (catch $e $h)
                (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $how) (local.get $mine))))
            (if (i32.eq (local.get $how) (i32.const 1))
              (then (throw $e (local.get $mine)) ))
            (drop))
          (else
            (drop (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $how) (local.get $mine)))))))
      (drop (struct.new $n (local.get $mine) (i64.const 0)))
      (struct.set $n 1 (local.get $mine) (i64.add (struct.get $n 1 (local.get $mine)) (local.get $kept)))
      (local.get $mine))
    (func $sum (param $n (ref null $n)) (result i64)
      (local $s i64)
      (loop $l
        (if (ref.is_null (local.get $n)) (then (return (local.get $s))))
        (local.set $s (i64.add (i64.mul (local.get $s) (i64.const 7)) (struct.get $n 1 (local.get $n))))
        (local.set $n (struct.get $n 0 (local.get $n)))
        (br $l))
      (unreachable))
    (func (export "run") (param $n i32) (param $how i32) (result i64)
      (block $h (result (ref null $n))
        (try_table (result (ref null $n)) (catch $e $h)
          (call $deep (local.get $n) (local.get $how) (struct.new $n (ref.null $n) (i64.const 5)))))
      (call $sum)))"#;

#[derive(Debug)]
struct Stop;
impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("stop")
    }
}
impl std::error::Error for Stop {}

fn deep(config: &Config) -> (Store<u32>, Instance) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(DEEP).unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    let ty = module.imports().next().unwrap().ty.func().unwrap().clone();
    let again = |mut caller: Caller<'_, u32>, params: &[Val], results: &mut [Val]| {
        *caller.data_mut() += 1;
        let deep = caller.get_export("deep").and_then(Extern::into_func).unwrap();
        let result = deep.call(&mut caller, params, results);
        match result {
            // Every other host function swallows the error of its guest and goes on.
            Err(error) if error.exception().is_none() && caller.data().is_multiple_of(2) => {
                results[0] = params[2];
                Ok(())
            }
            other => other,
        }
    };
    linker.func_new("h", "again", ty, again).unwrap();
    linker.func_wrap("h", "fail", || -> Result<()> { Err(Error::new(Stop)) }).unwrap();
    let mut store = Store::new(&engine, 0);
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

fn modes() -> Vec<(&'static str, Config, i32)> {
    let mut stress = Config::new();
    stress.gc_stress(1).gc_verify(true);
    let mut sparse = Config::new();
    sparse.gc_stress(13).gc_verify(true);
    let mut small = Config::new();
    small.gc_nursery(64 << 10);
    vec![
        ("stress 1", stress, 130),
        ("stress 13", sparse, 400),
        ("default", Config::new(), 20_000),
        ("small nursery", small, 20_000),
    ]
}

#[test]
fn returns_throws_and_host_calls_leave_deep_frames_intact() {
    let mut never = Config::new();
    never.gc_none(true);
    let (mut model, instance) = deep(&never);
    let wanted = instance.get_typed_func::<(i32, i32), i64>(&mut model, "run").unwrap();
    for (name, config, depth) in modes() {
        let (mut store, instance) = deep(&config);
        let run = instance.get_typed_func::<(i32, i32), i64>(&mut store, "run").unwrap();
        for how in [0, 1, 0, 2, 0] {
            // The native stack bounds how often host and guest may nest.
            let depth = if how == 2 { depth.min(4000) } else { depth };
            let result = run.call(&mut store, (depth, how)).unwrap_or_else(|error| panic!("{name} {how}: {error:?}"));
            assert_eq!(result, wanted.call(&mut model, (depth, how)).unwrap(), "{name}, how {how}");
        }
    }
}

#[test]
fn traps_and_errors_leave_the_store_usable() {
    for (name, config, depth) in modes() {
        let (mut store, instance) = deep(&config);
        let run = instance.get_typed_func::<(i32, i32), i64>(&mut store, "run").unwrap();
        let wanted = run.call(&mut store, (depth, 0)).unwrap();
        for how in [3, 4] {
            let error = run.call(&mut store, (depth, how)).unwrap_err();
            match how {
                3 => assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::Unreachable), "{name}"),
                _ => assert!(error.downcast_ref::<Stop>().is_some(), "{name}"),
            }
            assert_eq!(run.call(&mut store, (depth, 0)).unwrap(), wanted, "{name} after {how}");
        }
    }
}

#[test]
fn a_minor_scans_few_of_many_frames() {
    let mut config = Config::new();
    config.gc_nursery(64 << 10);
    let (mut store, instance) = deep(&config);
    let most = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let seen = most.clone();
    store.on_gc(move |event| {
        if event.kind == GcEventKind::Minor {
            seen.fetch_max(event.frames, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let run = instance.get_typed_func::<(i32, i32), i64>(&mut store, "run").unwrap();
    run.call(&mut store, (50_000, 0)).unwrap();
    assert!(store.gc_stats().minors > 30, "{}", store.gc_stats().minors);
    // 64 KiB of frames of at least 48 bytes.
    let most = most.load(std::sync::atomic::Ordering::Relaxed);
    assert!(most > 0 && most <= (64 << 10) / 48 + 64, "{most} frames in one minor");
}

/// Every frame ends in a chain of tail calls with more and fewer stack arguments than it received, so that the
/// replaced return address moves on the stack; the frames below hold references across the chain.
const TAILS: &str = r#"(module
    (type $n (struct (field (ref null $n)) (field i64)))
    (func $few (param $depth i32) (param $down (ref null $n)) (result i64)
      (return_call $many (local.get $depth) (local.get $down) (i64.const 1) (i64.const 2) (i64.const 3) (i64.const 4)
        (i64.const 5) (i64.const 6) (i64.const 7) (i64.const 8) (struct.new $n (local.get $down) (i64.const 9))))
    (func $many (param $depth i32) (param $down (ref null $n)) (param i64 i64 i64 i64 i64 i64 i64 i64)
        (param $last (ref null $n)) (result i64)
      (local $mine (ref null $n)) (local $below i64)
      (local.set $mine (struct.new $n (local.get $last) (i64.extend_i32_u (local.get $depth))))
      (if (local.get $depth)
        (then (local.set $below (call $few (i32.sub (local.get $depth) (i32.const 1)) (local.get $mine)))))
      (return_call $end (local.get $mine) (i64.add (local.get $below) (local.get 9))))
    (func $end (param $n (ref null $n)) (param i64) (result i64)
      (drop (struct.new $n (local.get $n) (i64.const 0)))
      (i64.add (i64.mul (local.get 1) (i64.const 3))
        (i64.add (struct.get $n 1 (local.get $n)) (struct.get $n 1 (struct.get $n 0 (local.get $n))))))
    (func (export "run") (param i32) (result i64) (call $few (local.get 0) (ref.null $n))))"#;

#[test]
fn tail_calls_move_the_replaced_return_address() {
    let run = |config: &Config, depth: i32| {
        let engine = Engine::new(config).unwrap();
        let module = Module::new(&engine, wat::parse_str(TAILS).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let run = instance.get_typed_func::<i32, i64>(&mut store, "run").unwrap();
        (0..3).map(|_| run.call(&mut store, depth).unwrap()).collect::<Vec<_>>()
    };
    let mut never = Config::new();
    never.gc_none(true);
    for (name, config, depth) in modes() {
        assert_eq!(run(&config, depth), run(&never, depth), "{name}");
    }
}

/// Results in all registers that carry some come back through replaced return addresses.
#[test]
fn results_of_every_kind_return_through_the_watermark() {
    const TEXT: &str = r#"(module
        (type $n (struct (field (ref null $n))))
        (func $deep (export "deep") (param $depth i32) (param $down (ref null $n))
          (result f64 i64 v128 f32 i32 i64) (local $mine (ref null $n))
          (local $a f64) (local $b i64) (local $c v128) (local $d f32) (local $e i32) (local $f i64)
          (local.set $mine (struct.new $n (local.get $down)))
          (if (i32.eqz (local.get $depth))
            (then (return (f64.const 1.5) (i64.const 2) (v128.const i64x2 3 4) (f32.const 5.5) (i32.const 6) (i64.const 7))))
          (call $deep (i32.sub (local.get $depth) (i32.const 1)) (local.get $mine))
          local.set $f local.set $e local.set $d local.set $c local.set $b local.set $a
          (drop (struct.new $n (local.get $mine)))
          (f64.add (local.get $a) (f64.const 1)) (i64.add (local.get $b) (i64.const 1))
          (i64x2.add (local.get $c) (v128.const i64x2 1 1)) (f32.add (local.get $d) (f32.const 1))
          (i32.add (local.get $e) (i32.const 1)) (i64.add (local.get $f) (i64.const 1))))"#;
    for (name, config, depth) in modes() {
        let engine = Engine::new(&config).unwrap();
        let module = Module::new(&engine, wat::parse_str(TEXT).unwrap()).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).unwrap();
        let deep = instance.get_func(&mut store, "deep").unwrap();
        let mut results = vec![Val::I32(0); 6];
        deep.call(&mut store, &[Val::I32(depth), Val::AnyRef(None)], &mut results).unwrap();
        let wide = |low: i64| (low as u128 + 1 + depth as u128) << 64 | (low as u128 + depth as u128);
        let expected = [
            Val::from(1.5 + depth as f64),
            Val::I64(2 + depth as i64),
            Val::V128(wide(3)),
            Val::from(5.5 + depth as f32),
            Val::I32(6 + depth),
            Val::I64(7 + depth as i64),
        ];
        assert_eq!(format!("{results:?}"), format!("{expected:?}"), "{name}");
    }
}
