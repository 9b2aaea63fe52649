//! Allocation profiles against programs whose allocations are known.

use heapwood_vm::*;
use std::collections::HashMap;

/// `run(n)`: n rounds of one `$small` (16 bytes) in `$few`, four of them in `$many`, an array of 1,000 bytes in
/// `$bytes` and one of 40,000 bytes, which is pretenured, every tenth round.
const GUEST: &str = r#"(module
    (type $small (struct (field i32)))
    (type $bytes (array (mut i8)))
    (global $kept (mut (ref null $small)) (ref.null $small))
    (func $few (global.set $kept (struct.new $small (i32.const 1))))
    (func $many (call $make) (call $make) (call $make) (call $make))
    (func $make (global.set $kept (struct.new_default $small)))
    (func $arrays (param $n i32)
      (drop (array.new_default $bytes (i32.const 992)))
      (if (i32.eqz (i32.rem_u (local.get $n) (i32.const 10)))
        (then (drop (array.new_default $bytes (i32.const 39992))))))
    (func (export "run") (param $n i32)
      (loop $more
        (call $few) (call $many) (call $arrays (local.get $n))
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $deep (export "deep") (param $n i32)
      (if (local.get $n)
        (then (call $deep (i32.sub (local.get $n) (i32.const 1))))
        (else (call $run_inner))))
    (func $run_inner (local $n i32)
      (local.set $n (i32.const 10000))
      (loop $more
        (call $few)
        (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;

fn start(config: &Config) -> (Store<()>, Instance) {
    let engine = Engine::new(config).unwrap();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    (store, instance)
}

fn profile(store: &Store<()>) -> HashMap<String, u64> {
    let mut text = Vec::new();
    store.write_allocation_profile(&mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    let line = |line: &str| {
        let (stack, bytes) = line.rsplit_once(' ').unwrap();
        (stack.to_owned(), bytes.parse().unwrap())
    };
    text.lines().map(line).collect()
}

#[test]
fn stacks_and_types_have_the_bytes_that_they_allocate() {
    let mut none = Config::new();
    none.gc_none(true);
    for config in [Config::new(), none] {
        check_known_bytes(&config);
    }
}

fn check_known_bytes(config: &Config) {
    const ROUNDS: u64 = 40_000;
    const MEAN: u64 = 4096;
    let (mut store, instance) = start(config);
    store.profile_allocations(MEAN);
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    run.call(&mut store, ROUNDS as i32).unwrap();
    let profile = profile(&store);
    let expected = [
        ("function 4;few;[small]", 16 * ROUNDS),
        ("function 4;many;make;[small]", 64 * ROUNDS),
        ("function 4;arrays;[bytes]", 1000 * ROUNDS + 40_000 * ROUNDS / 10),
    ];
    for (stack, bytes) in expected {
        let (found, points) = (profile.get(stack).copied().unwrap_or(0), bytes as f64 / MEAN as f64);
        // Five standard deviations of the number of points.
        let tolerance = 5.0 * points.sqrt() * MEAN as f64;
        assert!((found as f64 - bytes as f64).abs() < tolerance, "{stack}: {found} instead of {bytes}: {profile:?}");
    }
    assert_eq!(profile.len(), expected.len(), "{profile:?}");
    let (stats, exact) = (store.gc_stats(), expected.iter().map(|(_, bytes)| bytes).sum::<u64>());
    let told = stats.eden_bytes + stats.old_allocated_bytes;
    // Up to the last collection, and array lengths are rounded up.
    assert!(told.abs_diff(exact) < exact / 50, "{told} bytes told of {exact}");
}

#[test]
fn deep_stacks_keep_their_inner_end_and_profiles_end() {
    let (mut store, instance) = start(&Config::new());
    store.profile_allocations(1024);
    let deep = instance.get_typed_func::<i32, ()>(&mut store, "deep").unwrap();
    deep.call(&mut store, 5000).unwrap();
    let found = profile(&store);
    assert_eq!(found.len(), 1, "{found:?}");
    let stack = found.keys().next().unwrap();
    assert!(stack.ends_with(";deep;run_inner;few;[small]"), "{stack}");
    assert_eq!(stack.split(';').count(), 129);
    store.profile_allocations(0);
    deep.call(&mut store, 1).unwrap();
    assert!(profile(&store).is_empty());
}

#[test]
fn it_works_under_stress_and_what_the_host_allocates_is_the_hosts() {
    let mut config = Config::new();
    config.gc_stress(7).gc_verify(true);
    let (mut store, instance) = start(&config);
    store.profile_allocations(64);
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    run.call(&mut store, 30).unwrap();
    assert!(profile(&store).contains_key("function 4;arrays;[bytes]"));
    assert!(!profile(&store).contains_key("(host)"));
    for number in 0..200u32 {
        ExternRef::new(&mut store, number).unwrap();
    }
    run.call(&mut store, 1).unwrap();
    let host = profile(&store)["(host)"];
    assert!((200 * 8..200 * 40).contains(&host), "{host} bytes for 200 values of the host");
}
