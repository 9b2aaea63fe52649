//! Guests that neither allocate nor store while a marking is under way: it makes no progress then, so nothing that they
//! do may pile up without bound, and the stops that follow are no longer than others.

mod common {
    pub mod bounds;
}

use common::bounds::{CHURN, Events, assert_bounds, of_kind, store_with};
use heapwood_vm::*;

/// Fields of a slice.
const SLICE: u64 = 500;
/// References that a slice hands over at once to a helper (`gc/src/major/marker_hand_off.rs`).
const DELIVERED_AT_ONCE: u64 = 16_384;
/// Nodes of the list that the programs look at, and objects that the host names.
const NODES: i32 = 100_000;
const NAMED: usize = 2_000;
/// References that may wait unmarked (`gc/src/major/shaded.rs`); beyond, each object waits once.
const SHADED_UNMARKED_MAX: usize = 4 << 10;

const IMPORTS: &str = r#"
    (import "h" "pass" (func $pass (param anyref anyref i32) (result anyref)))
    (import "h" "begun" (func $begun (result i32)))"#;

/// Programs that only run; each returns a number that depends on all that it did.
const IDLE: &str = r#"
    ;; Node `i` of the list.
    (func (export "node") (param $i i32) (result anyref) (local $n (ref null $n))
      (local.set $n (global.get $list))
      (loop $l
        (if (local.get $i)
          (then
            (local.set $n (struct.get $n 0 (local.get $n)))
            (local.set $i (i32.sub (local.get $i) (i32.const 1)))
            (br $l))))
      (local.get $n))
    ;; Frames with three references each, down and up again.
    (func $deep (param $d i32) (param $n (ref null $n)) (result i64)
      (local $next (ref null $n)) (local $last (ref null $n))
      (local.set $next (struct.get $n 0 (local.get $n)))
      (if (ref.is_null (local.get $next)) (then (local.set $next (global.get $list))))
      (local.set $last (struct.get $n 0 (local.get $next)))
      (if (i32.eqz (local.get $d)) (then (return (i64.const 0))))
      (i64.add
        (call $deep (i32.sub (local.get $d) (i32.const 1)) (local.get $next))
        (i64.add (i64.extend_i32_u (ref.eq (local.get $n) (local.get $next))) (i64.extend_i32_u (ref.is_null (local.get $last))))))
    (func (export "frames") (param $times i32) (result i64) (local $sum i64)
      (loop $l
        (local.set $sum (i64.add (local.get $sum) (call $deep (i32.const 30000) (global.get $list))))
        (local.set $sum (i64.add (local.get $sum) (call $deep (i32.const 300) (global.get $list))))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.get $sum))
    ;; 10,000 frames deep a marking begins; then frames come and go there, `$times` times, and all of them go.
    (func $bottom (param $d i32) (param $times i32) (param $n (ref null $n)) (result i64)
      (local $mine (ref null $n)) (local $next (ref null $n)) (local $sum i64)
      (local.set $mine (local.get $n))
      (local.set $next (struct.get $n 0 (local.get $n)))
      (if (local.get $d)
        (then (local.set $sum (call $bottom (i32.sub (local.get $d) (i32.const 1)) (local.get $times) (local.get $next))))
        (else
          (loop $l (call $churn (i32.const 1000) (i32.const 0)) (br_if $l (i32.eqz (call $begun))))
          (loop $l
            (local.set $sum (i64.add (local.get $sum) (call $deep (i32.const 400) (local.get $mine))))
            (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
      (i64.add (local.get $sum) (struct.get $n 1 (local.get $mine))))
    (func (export "bottom") (param $times i32) (result i64)
      (call $bottom (i32.const 10000) (local.get $times) (global.get $list)))
    (func (export "calls") (param $times i32) (result i64) (local $n (ref null $n)) (local $sum i64)
      (local.set $n (global.get $list))
      (loop $l
        (local.set $sum (i64.add (local.get $sum)
          (struct.get $n 1 (ref.cast (ref $n) (call $pass (local.get $n) (global.get $list) (local.get $times))))))
        (local.set $n (struct.get $n 0 (local.get $n)))
        (if (ref.is_null (local.get $n)) (then (local.set $n (global.get $list))))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.get $sum))
    (func (export "numbers") (param $times i32) (result i64) (local $x i64)
      (loop $l
        (local.set $x (i64.add (i64.mul (local.get $x) (i64.const 6364136223846793005)) (i64.const 1)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
      (local.get $x))"#;

/// Most units of a slice.
fn slice_units(threads: usize) -> u64 {
    SLICE + if threads > 0 { DELIVERED_AT_ONCE } else { 0 }
}

/// Passes its first argument on, after having held both.
fn pass(mut caller: Caller<'_, ()>, params: &[Val], results: &mut [Val]) -> Result<()> {
    if let (Val::AnyRef(Some(first)), Val::AnyRef(Some(second))) = (params[0], params[1]) {
        drop((first.to_owned(&mut caller)?, second.to_owned(&mut caller)?));
    }
    results[0] = params[0];
    Ok(())
}

struct Idle {
    store: Store<()>,
    instance: Instance,
    events: Events,
    weak: Vec<WeakRoot<AnyRef>>,
}

impl Idle {
    /// A list, and weak references to parts of it.
    fn new(threads: usize) -> Idle {
        let (mut store, events) = store_with(SLICE, threads);
        let text = format!("(module {IMPORTS}{CHURN}{IDLE})");
        let engine = store.engine().clone();
        let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
        let ty = module.imports().next().unwrap().ty.func().unwrap().clone();
        let pass = Func::new(&mut store, ty, pass);
        // Whether a marking has begun just now.
        let told = events.clone();
        let begun = Func::wrap(&mut store, move || {
            let events = told.lock().unwrap();
            i32::from(events.iter().rev().take(3).any(|event| event.kind == GcEventKind::MarkStart))
        });
        let instance = Instance::new(&mut store, &module, &[pass.into(), begun.into()]).unwrap();
        let mut idle = Idle { store, instance, events, weak: Vec::new() };
        idle.churn(NODES, 1);
        let head = idle.instance.get_func(&mut idle.store, "node").unwrap();
        for index in 0..NAMED {
            let mut scope = RootScope::new(&mut idle.store);
            let mut found = [Val::I32(0)];
            head.call(&mut scope, &[Val::I32(index as i32 * 7)], &mut found).unwrap();
            let Val::AnyRef(Some(node)) = found[0] else { panic!("a node") };
            idle.weak.push(node.downgrade(&mut scope).unwrap());
        }
        idle
    }

    fn churn(&mut self, nodes: i32, keep: i32) {
        let churn = self.instance.get_typed_func::<(i32, i32), ()>(&mut self.store, "churn").unwrap();
        churn.call(&mut self.store, (nodes, keep)).unwrap();
    }

    /// Sees to it that a marking is under way which has hardly begun.
    fn begin_marking(&mut self) {
        for _ in 0..10_000 {
            if self.store.shaded_waiting().is_none() {
                self.churn(200, 0);
            } else if self.events.lock().unwrap().last().is_some_and(|event| event.kind == GcEventKind::MarkStart) {
                return;
            } else {
                self.churn(3_000, 0);
            }
        }
        panic!("no marking begins");
    }

    fn run(&mut self, name: &str, times: i32) {
        match name {
            "weak" => {
                for number in 0..times {
                    let mut scope = RootScope::new(&mut self.store);
                    let node = self.weak[number as usize % NAMED].upgrade(&mut scope).unwrap();
                    assert!(node.is_some(), "the list holds it");
                }
            }
            _ => {
                let run = self.instance.get_typed_func::<i32, i64>(&mut self.store, name).unwrap();
                run.call(&mut self.store, times).unwrap();
            }
        }
    }
}

/// Programs, how often they do what they do, and the stops that this may bring.
const PROGRAMS: [(&str, i32, &[GcEventKind]); 4] = [
    // At the soft limit of the stack everything is promoted, which is nothing here.
    ("frames", 10, &[GcEventKind::Minor]),
    ("weak", 300_000, &[]),
    ("calls", 300_000, &[]),
    ("numbers", 5_000_000, &[]),
];

#[test]
fn what_guests_do_that_only_run_does_not_pile_up() {
    for threads in [0, 1] {
        let mut idle = Idle::new(threads);
        for (name, times, kinds) in PROGRAMS {
            let place = format!("{name}, {threads} helpers");
            idle.begin_marking();
            idle.events.lock().unwrap().clear();
            idle.run(name, times);
            let waiting = idle.store.shaded_waiting().expect("the marking goes on");
            println!("{place}: {waiting} references wait");
            // However often: each object waits once beyond the limit.
            assert!(waiting <= SHADED_UNMARKED_MAX + NODES as usize + NAMED, "{place}: {waiting} references wait");
            {
                let events = idle.events.lock().unwrap();
                let other = events.iter().find(|event| !kinds.contains(&event.kind));
                assert_eq!(other, None, "{place}");
                // Minors of nothing.
                assert!(of_kind(&events, GcEventKind::Minor).all(|minor| minor.promoted == 0), "{place}");
            }
            idle.store.check_heap();
            // What waits is taken over in slices like any other.
            idle.churn(30_000, 7);
            assert_bounds(&place, &idle.events, slice_units(threads));
        }
        idle.store.gc().unwrap();
        idle.store.check_heap();
        idle.run("weak", NAMED as i32);
    }
}

/// Frames that a marking has not seen are shaded once each, when they are uncovered, however often others come and go
/// above them.
#[test]
fn frames_below_the_watermark_are_shaded_once() {
    for threads in [0, 1] {
        let mut idle = Idle::new(threads);
        for times in [1, 300] {
            idle.run("bottom", times);
            let waiting = idle.store.shaded_waiting().expect("the marking goes on");
            println!("{threads} helpers, {times} times: {waiting} references wait");
            // Three references a frame, and a stack that came and went.
            assert!(
                waiting > 10_000 && waiting <= 3 * (10_000 + 2 * 400 + 100),
                "{times} times: {waiting} references wait"
            );
            assert_bounds("bottom", &idle.events, slice_units(threads));
            idle.churn(30_000, 7);
            assert_bounds("after bottom", &idle.events, slice_units(threads));
        }
        idle.store.check_heap();
    }
}
