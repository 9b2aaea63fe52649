//! Two stores on two threads in one shared memory: what must come out right if atomic instructions are atomic and
//! ordered, and nobody who waits is forgotten.
//!
//! `HEAPWOOD_RACE_OPERATIONS` is the number of operations; the default is small.

use heapwood_vm::*;

fn operations() -> u32 {
    match std::env::var("HEAPWOOD_RACE_OPERATIONS") {
        Ok(number) => number.parse().expect("HEAPWOOD_RACE_OPERATIONS is a number"),
        Err(_) => 200_000,
    }
}

/// Calls two exports with the same argument, each in a store and on a thread of its own; their results, and the memory.
fn race(module: &str, exports: [&str; 2], argument: u32) -> ([i64; 2], SharedMemory) {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    let ty = MemoryType { min: 1024, max: Some(1024), memory64: false, shared: true, page_size_log2: 16 };
    let memory = SharedMemory::new(&engine, ty).unwrap();
    let module = Module::new(&engine, wat::parse_str(module).unwrap()).unwrap();
    let start = std::sync::Barrier::new(2);
    let run = |export: &str| {
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[memory.clone().into()]).unwrap();
        let func = instance.get_typed_func::<i32, i64>(&mut store, export).unwrap();
        start.wait();
        func.call(&mut store, argument as i32).unwrap()
    };
    let results = std::thread::scope(|scope| {
        let threads = exports.map(|export| scope.spawn(move || run(export)));
        threads.map(|thread| thread.join().unwrap())
    });
    (results, memory)
}

fn word64(memory: &SharedMemory, at: usize) -> u64 {
    let mut bytes = [0; 8];
    memory.read(at, &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

/// Next ticket at 0, ticket that is served at 64, who sleeps at 128; at 192 a counter and at 256 a checksum of plain
/// loads and stores, which only the lock keeps whole.
const TICKET_LOCK: &str = r#"(module (import "" "m" (memory 1024 1024 shared))
    (func $lock (result i32) (local $ticket i32) (local $served i32) (local $spins i32)
        (local.set $ticket (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))
        (block $mine
            (loop $again
                (br_if $mine (i32.eq (local.get $ticket)
                    (local.tee $served (i32.atomic.load (i32.const 64)))))
                (br_if $again (i32.lt_u (local.tee $spins (i32.add (local.get $spins) (i32.const 1))) (i32.const 100)))
                (drop (i32.atomic.rmw.add (i32.const 128) (i32.const 1)))
                (drop (memory.atomic.wait32 (i32.const 64) (local.get $served) (i64.const -1)))
                (drop (i32.atomic.rmw.sub (i32.const 128) (i32.const 1)))
                (br $again)))
        (local.get $ticket))
    (func $unlock (param $ticket i32)
        (i32.atomic.store (i32.const 64) (i32.add (local.get $ticket) (i32.const 1)))
        (if (i32.atomic.load (i32.const 128))
            (then (drop (memory.atomic.notify (i32.const 64) (i32.const -1))))))
    (func (export "run") (param $rounds i32) (result i64) (local $ticket i32) (local $done i64)
        (loop $l
            (local.set $ticket (call $lock))
            (i64.store (i32.const 192) (i64.add (i64.load (i32.const 192)) (i64.const 1)))
            (i64.store (i32.const 256) (i64.add (i64.mul (i64.load (i32.const 256)) (i64.const 31))
                (i64.load (i32.const 192))))
            (call $unlock (local.get $ticket))
            (local.set $done (i64.add (local.get $done) (i64.const 1)))
            (br_if $l (local.tee $rounds (i32.sub (local.get $rounds) (i32.const 1)))))
        (local.get $done)))"#;

#[test]
fn a_ticket_lock_keeps_plain_accesses_apart() {
    let each = operations() / 2;
    let (done, memory) = race(TICKET_LOCK, ["run", "run"], each);
    assert_eq!(done, [each as i64; 2]);
    assert_eq!(word64(&memory, 192), 2 * each as u64);
    let checksum = (1..=2 * each as u64).fold(0u64, |sum, counter| sum.wrapping_mul(31).wrapping_add(counter));
    assert_eq!(word64(&memory, 256), checksum);
    assert_eq!(word64(&memory, 64) as u32, 2 * each, "every ticket was served");
}

/// A ring of 1024 words at 4096: written so far at 0, read so far at 64. Who finds it full (empty) says so at 128
/// (192), looks once more, and sleeps there. Without sequential consistency both may sleep forever.
const QUEUE: &str = r#"(module (import "" "m" (memory 1024 1024 shared))
    (func $sleep (param $flag i32) (param $counter i32) (param $seen i32)
        (i32.atomic.store (local.get $flag) (i32.const 1))
        (if (i32.eq (i32.atomic.load (local.get $counter)) (local.get $seen))
            (then (drop (memory.atomic.wait32 (local.get $flag) (i32.const 1) (i64.const -1)))))
        (i32.atomic.store (local.get $flag) (i32.const 0)))
    (func $wake (param $flag i32)
        (if (i32.atomic.load (local.get $flag))
            (then
                (i32.atomic.store (local.get $flag) (i32.const 0))
                (drop (memory.atomic.notify (local.get $flag) (i32.const 1))))))
    (func $slot (param $k i32) (result i32)
        (i32.add (i32.const 4096) (i32.shl (i32.and (local.get $k) (i32.const 1023)) (i32.const 3))))
    (func (export "write") (param $count i32) (result i64) (local $k i32) (local $read i32) (local $sum i64) (local $v i64)
        (loop $l
            (block $room
                (loop $full
                    (local.set $read (i32.atomic.load (i32.const 64)))
                    (br_if $room (i32.lt_u (i32.sub (local.get $k) (local.get $read)) (i32.const 1024)))
                    (call $sleep (i32.const 128) (i32.const 64) (local.get $read))
                    (br $full)))
            (local.set $v (i64.mul (i64.extend_i32_u (local.get $k)) (i64.const 0x9e3779b97f4a7c15)))
            (local.set $sum (i64.add (local.get $sum) (local.get $v)))
            (i64.store (call $slot (local.get $k)) (local.get $v))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (i32.atomic.store (i32.const 0) (local.get $k))
            (call $wake (i32.const 192))
            (br_if $l (i32.ne (local.get $k) (local.get $count))))
        (local.get $sum))
    (func (export "read") (param $count i32) (result i64) (local $k i32) (local $written i32) (local $sum i64)
        (loop $l
            (block $some
                (loop $empty
                    (local.set $written (i32.atomic.load (i32.const 0)))
                    (br_if $some (i32.ne (local.get $k) (local.get $written)))
                    (call $sleep (i32.const 192) (i32.const 0) (local.get $written))
                    (br $empty)))
            (local.set $sum (i64.add (local.get $sum) (i64.load (call $slot (local.get $k)))))
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (i32.atomic.store (i32.const 64) (local.get $k))
            (call $wake (i32.const 128))
            (br_if $l (i32.ne (local.get $k) (local.get $count))))
        (local.get $sum)))"#;

#[test]
fn a_queue_hands_over_every_word_once() {
    let count = operations();
    let (sums, _) = race(QUEUE, ["write", "read"], count);
    let sum = (0..count as u64).fold(0u64, |sum, k| sum.wrapping_add(k.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    assert_eq!(sums.map(|sum| sum as u64), [sum; 2]);
}

/// Each thread stores the round to its word (0 and 128), then reads the other's: never may both find an older round.
/// They meet at 256 and 384 before each round, for a moment only since they may have one processor, and then wait for a
/// number of steps that differs from round to round, so that they often store at the same time.
const STORE_BUFFERING: &str = r#"(module (import "" "m" (memory 1024 1024 shared))
    (func $run (param $rounds i32) (param $mine i32) (param $other i32) (param $shift i32) (result i64)
        (local $k i32) (local $steps i32) (local $met i64)
        (loop $l
            (local.set $k (i32.add (local.get $k) (i32.const 1)))
            (i32.atomic.store offset=256 (local.get $mine) (local.get $k))
            (local.set $steps (i32.const 1000))
            (block $there
                (loop $wait
                    (if (i32.ge_u (i32.atomic.load offset=256 (local.get $other)) (local.get $k))
                        (then (local.set $met (i64.add (local.get $met) (i64.const 1))) (br $there)))
                    (br_if $wait (local.tee $steps (i32.sub (local.get $steps) (i32.const 1))))))
            (local.set $steps (i32.add (i32.const 1) (i32.and (i32.const 63)
                (i32.shr_u (i32.mul (local.get $k) (i32.const 0x9e3779b1)) (local.get $shift)))))
            (loop $wait (br_if $wait (local.tee $steps (i32.sub (local.get $steps) (i32.const 1)))))
            (i32.atomic.store (local.get $mine) (local.get $k))
            (if (i32.lt_u (i32.atomic.load (local.get $other)) (local.get $k))
                (then (drop (i32.atomic.rmw.add
                    (i32.add (i32.const 65536) (i32.shl (local.get $k) (i32.const 2))) (i32.const 1)))))
            (br_if $l (i32.ne (local.get $k) (local.get $rounds))))
        (local.get $met))
    (func (export "left") (param i32) (result i64)
        (call $run (local.get 0) (i32.const 0) (i32.const 128) (i32.const 26)))
    (func (export "right") (param i32) (result i64)
        (call $run (local.get 0) (i32.const 128) (i32.const 0) (i32.const 20))))"#;

#[test]
fn a_store_is_seen_before_what_is_loaded_after_it() {
    let rounds = operations().min(10_000_000);
    let (met, memory) = race(STORE_BUFFERING, ["left", "right"], rounds);
    let mut bytes = vec![0; 4 * (rounds as usize + 1)];
    memory.read(65536, &mut bytes).unwrap();
    let (words, _) = bytes.as_chunks::<4>();
    let both = words.iter().filter(|word| u32::from_le_bytes(**word) > 1).count();
    assert_eq!(both, 0, "rounds in which neither saw the other's store, of {rounds}; they met in {met:?}");
}
