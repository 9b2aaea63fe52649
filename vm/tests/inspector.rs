//! Requests to a store whose guest runs: each is run once, at a safe point, wherever the guest is; what they may do
//! there they may do while everything moves.

use heapwood_vm::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

/// `churn`: makes lists of ten nodes and checks them, until the host's function says that it is enough. `wait`: a wait
/// in the host with such a list alive. `deep(n)`: n frames, and `churn` above them.
const GUEST: &str = r#"(module
    (import "host" "is_over" (func $is_over (result i32)))
    (import "host" "wait" (func $wait))
    (type $node (struct (field $value i32) (field $next (ref null $node))))
    (global $kept (mut (ref null $node)) (ref.null $node))
    (func $list (result (ref null $node)) (local $n i32) (local $list (ref null $node))
        (local.set $n (i32.const 10))
        (loop $more
            (local.set $list (struct.new $node (local.get $n) (local.get $list)))
            (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (local.get $list))
    (func $sum (param $list (ref null $node)) (result i32) (local $sum i32)
        (block $end
            (loop $more
                (br_if $end (ref.is_null (local.get $list)))
                (local.set $sum (i32.add (local.get $sum) (struct.get $node $value (local.get $list))))
                (local.set $list (struct.get $node $next (local.get $list)))
                (br $more)))
        (local.get $sum))
    (func $check (param $list (ref null $node))
        (if (i32.ne (call $sum (local.get $list)) (i32.const 55)) (then unreachable)))
    (func $churn (export "churn") (local $mine (ref null $node))
        (global.set $kept (call $list))
        (loop $more
            (local.set $mine (call $list))
            (call $check (global.get $kept))
            (call $check (local.get $mine))
            (br_if $more (i32.eqz (call $is_over)))))
    (global $big (mut (ref null $node)) (ref.null $node))
    (func (export "fill") (param $n i32)
        (loop $more
            (global.set $big (struct.new $node (local.get $n) (global.get $big)))
            (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
    (func $waits (export "wait") (local $mine (ref null $node))
        (local.set $mine (call $list))
        (call $wait)
        (call $check (local.get $mine)))
    (func $deep (export "deep") (param $n i32)
        (if (local.get $n)
            (then (call $deep (i32.sub (local.get $n) (i32.const 1))))
            (else (call $churn)))))"#;

/// Both ends of a channel; `None` ends the wait.
type Inbox = (mpsc::Sender<Option<Wake>>, mpsc::Receiver<Option<Wake>>);

/// What the host's functions know.
#[derive(Default)]
struct Host {
    is_over: Arc<AtomicBool>,
    inbox: Option<Inbox>,
}

/// Ends `churn` when it is dropped, by a panic too.
struct Ends(Arc<AtomicBool>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn start(config: &Config) -> (Store<Host>, Instance) {
    let engine = Engine::new(config).unwrap();
    let mut linker: Linker<Host> = Linker::new(&engine);
    let is_over = |caller: Caller<'_, Host>| i32::from(caller.data().is_over.load(Ordering::SeqCst));
    linker.func_wrap("host", "is_over", is_over).unwrap();
    let wait = |mut caller: Caller<'_, Host>| -> Result<()> {
        let (sender, receiver) = caller.data_mut().inbox.take().expect("a wait");
        let wake = move |why| sender.send(Some(why)).unwrap_or_default();
        caller.inspectable(wake, |_| receiver.recv().expect("a sender is here").is_none().then_some(()))
    };
    linker.func_wrap("host", "wait", wait).unwrap();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut store = Store::new(&engine, Host::default());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    (store, instance)
}

/// Asks, and waits for the answer.
fn ask<R: Send + 'static>(inspector: &Inspector, request: impl FnOnce(&mut Inspection<'_>) -> R + Send + 'static) -> R {
    let (says, answer) = mpsc::channel();
    inspector.ask(move |guest| says.send(request(guest)).unwrap()).unwrap();
    answer.recv().expect("it is answered")
}

/// Everything that can be asked, with what is known of `GUEST`.
fn everything(inspector: &Inspector, in_wait: bool) {
    let names = |backtrace: &WasmBacktrace| -> Vec<String> {
        backtrace.frames().iter().map(|frame| frame.func_name().unwrap_or("?").to_owned()).collect()
    };
    let backtrace = ask(inspector, |guest| guest.backtrace(100));
    let outermost = if in_wait { "waits" } else { "churn" };
    assert_eq!(names(&backtrace).last().map(String::as_str), Some(outermost), "{backtrace}");
    assert!(ask(inspector, |guest| guest.memory_stats()).heap.used_bytes > 0);
    // The guest may still be at its first list.
    let (histogram, nodes) = loop {
        let histogram = ask(inspector, |guest| guest.histogram()).unwrap();
        let nodes = histogram.rows().iter().find(|row| row.type_name() == "node" && row.objects() >= 10).cloned();
        if let Some(nodes) = nodes {
            break (histogram, nodes);
        }
    };
    assert!(nodes.bytes() >= 160 && histogram.objects() >= nodes.objects());
    let mut snapshot = ask(inspector, |guest| {
        let mut text = Vec::new();
        guest.heap_snapshot(&mut text).map(|()| text)
    });
    let parsed: serde_json::Value = serde_json::from_slice(snapshot.as_mut().unwrap()).unwrap();
    assert!(parsed["strings"].as_array().is_some_and(|names| names.iter().any(|name| name == "node")));
    let before = ask(inspector, |guest| guest.gc_stats());
    let mut steps = CollectionSteps::new();
    loop {
        let mut next = steps.clone();
        let (goes_on, next) = ask(inspector, move |guest| (guest.collect_step(&mut next), next));
        if !goes_on {
            break;
        }
        steps = next;
    }
    let after = ask(inspector, |guest| guest.gc_stats());
    assert!(after.majors > before.majors, "{} and {}", before.majors, after.majors);
}

fn modes() -> [Config; 4] {
    let (mut stress, mut marking, mut helped) = (Config::new(), Config::new(), Config::new());
    stress.gc_stress(1).gc_verify(true);
    marking.gc_mark_slice(3).gc_threads(0).gc_verify(true);
    helped.gc_threads(1);
    [Config::new(), stress, marking, helped]
}

#[test]
fn a_guest_that_runs_answers_everything_at_its_polls() {
    for config in modes() {
        let (mut store, instance) = start(&config);
        let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
        let (inspector, is_over) = (store.inspector(), Ends(store.data().is_over.clone()));
        let asker = thread::spawn(move || {
            (0..3).for_each(|_| everything(&inspector, false));
            drop(is_over);
        });
        churn.call(&mut store, ()).unwrap();
        asker.join().unwrap();
    }
}

#[test]
fn a_guest_that_waits_in_the_host_answers_everything() {
    for config in modes() {
        let (mut store, instance) = start(&config);
        let wait = instance.get_typed_func::<(), ()>(&mut store, "wait").unwrap();
        for _ in 0..3 {
            let (sender, receiver) = mpsc::channel();
            store.data_mut().inbox = Some((sender.clone(), receiver));
            let inspector = store.inspector();
            let asker = thread::spawn(move || {
                everything(&inspector, true);
                sender.send(None).unwrap();
            });
            wait.call(&mut store, ()).unwrap();
            asker.join().unwrap();
        }
    }
}

/// A collection on request pauses the guest as often as it likes, and never for the whole of it.
#[test]
fn a_collection_in_steps_is_no_pause_of_everything() {
    let mut config = Config::new();
    config.gc_threads(0);
    let (mut store, instance) = start(&config);
    const NODES: i32 = 400_000;
    instance.get_typed_func::<i32, ()>(&mut store, "fill").unwrap().call(&mut store, NODES).unwrap();
    let before = store.gc_stats();
    let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
    let (inspector, is_over) = (store.inspector(), Ends(store.data().is_over.clone()));
    let asker = thread::spawn(move || {
        let (mut steps, mut count) = (CollectionSteps::new(), 0);
        loop {
            let (next, goes_on) = ask(&inspector, move |guest| {
                let goes_on = guest.collect_step(&mut steps);
                (steps, goes_on)
            });
            if !goes_on {
                break;
            }
            (steps, count) = (next, count + 1);
        }
        drop(is_over);
        count
    });
    churn.call(&mut store, ()).unwrap();
    let (steps, after) = (asker.join().unwrap(), store.gc_stats());
    assert_eq!(after.major_pauses.count(), before.major_pauses.count());
    assert!(after.markings > before.markings && after.live_bytes >= 16 * NODES as u64);
    // Far less than all of it in each.
    assert!(after.slice_fields_max < NODES as u64 / 2, "{} fields in a slice", after.slice_fields_max);
    assert!(steps > 3, "{steps} steps");
}

/// What makes the guest stop still ends such a wait.
#[test]
fn an_interrupt_ends_a_wait_that_can_be_inspected() {
    let (mut store, instance) = start(&Config::new());
    let wait = instance.get_typed_func::<(), ()>(&mut store, "wait").unwrap();
    for is_deadline in [false, true] {
        let (sender, receiver) = mpsc::channel();
        store.data_mut().inbox = Some((sender.clone(), receiver));
        let (handle, inspector) = (store.interrupt_handle(), store.inspector());
        if is_deadline {
            store.set_deadline(Duration::from_millis(3));
        }
        let other = thread::spawn(move || {
            if !is_deadline {
                ask(&inspector, |_| ());
                handle.interrupt();
            }
        });
        let kind = wait.call(&mut store, ()).unwrap_err().trap().unwrap().kind();
        let expected = if is_deadline { TrapKind::DeadlineExceeded } else { TrapKind::Interrupted };
        assert_eq!(kind, expected);
        other.join().unwrap();
        drop(sender);
    }
}

/// A backtrace reads so many frames and no more, of whatever stack.
#[test]
fn of_a_deep_stack_only_the_top_is_told() {
    let mut config = Config::new();
    config.max_stack(64 << 20);
    let (mut store, instance) = start(&config);
    let deep = instance.get_typed_func::<i32, ()>(&mut store, "deep").unwrap();
    let (inspector, is_over) = (store.inspector(), Ends(store.data().is_over.clone()));
    let asker = thread::spawn(move || {
        // It may still be on its way down.
        while ask(&inspector, |guest| guest.backtrace(usize::MAX).frames().len()) <= 100_000 {}
        for frames_max in [0, 1, 2, 10, 200] {
            let backtrace = ask(&inspector, move |guest| guest.backtrace(frames_max));
            assert_eq!((backtrace.frames().len(), backtrace.omitted()), (frames_max, 0));
        }
        drop(is_over);
    });
    deep.call(&mut store, 100_000).unwrap();
    asker.join().unwrap();
}

#[test]
fn every_request_that_was_accepted_is_run_once_or_dropped_with_the_store() {
    let (mut store, instance) = start(&Config::new());
    let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
    let (is_over, runs) = (Ends(store.data().is_over.clone()), Arc::new(AtomicUsize::new(0)));
    let askers: Vec<_> = (0..4)
        .map(|_| {
            let (inspector, runs) = (store.inspector(), runs.clone());
            thread::spawn(move || {
                let mut accepted = 0;
                while accepted < 500 {
                    let runs = runs.clone();
                    match inspector.ask(move |_| _ = runs.fetch_add(1, Ordering::SeqCst)) {
                        Ok(()) => accepted += 1,
                        Err(error) => {
                            assert_eq!(error, InspectorError::Full);
                            thread::yield_now();
                        }
                    }
                }
            })
        })
        .collect();
    let end = thread::spawn(move || {
        askers.into_iter().for_each(|asker| asker.join().unwrap());
        drop(is_over);
    });
    churn.call(&mut store, ()).unwrap();
    end.join().unwrap();
    store.answer_requests();
    assert_eq!(runs.load(Ordering::SeqCst), 4 * 500);
    // What waits when the store goes is dropped, and nothing is accepted afterwards.
    let (inspector, held) = (store.inspector(), Arc::new(()));
    let kept = held.clone();
    inspector.ask(move |_| drop(kept)).unwrap();
    drop(store);
    assert_eq!(Arc::strong_count(&held), 1);
    assert_eq!(inspector.ask(|_| ()), Err(InspectorError::Closed));
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let mut store = Store::new(&Engine::default(), ());
    let (inspector, runs) = (store.inspector(), Arc::new(AtomicUsize::new(0)));
    let counted = || {
        let runs = runs.clone();
        move |_: &mut Inspection<'_>| _ = runs.fetch_add(1, Ordering::SeqCst)
    };
    for _ in 0..64 {
        inspector.ask(counted()).unwrap();
    }
    assert_eq!(inspector.ask(counted()), Err(InspectorError::Full));
    store.answer_requests();
    assert_eq!(runs.load(Ordering::SeqCst), 64);
    // A request may ask again: it is answered the next time.
    let again = (inspector.clone(), counted());
    inspector.ask(move |_| again.0.ask(again.1).unwrap()).unwrap();
    store.answer_requests();
    assert_eq!(runs.load(Ordering::SeqCst), 64);
    store.answer_requests();
    assert_eq!(runs.load(Ordering::SeqCst), 65);
    store.reset().unwrap();
    assert_eq!(inspector.ask(|_| ()), Err(InspectorError::Closed));
    ask_idle(&mut store);
}

fn ask_idle(store: &mut Store<()>) {
    let (says, answer) = mpsc::channel();
    store.inspector().ask(move |idle| says.send(idle.backtrace(10).frames().len()).unwrap()).unwrap();
    store.answer_requests();
    assert_eq!(answer.recv().unwrap(), 0);
}

/// Steps of a collection that the store no longer has end.
#[test]
fn steps_of_a_marking_that_was_given_up_end() {
    let mut config = Config::new();
    config.gc_threads(0).gc_mark_slice(7);
    let (mut store, instance) = start(&config);
    let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
    store.data().is_over.store(true, Ordering::SeqCst);
    churn.call(&mut store, ()).unwrap();
    for (steps, is_second) in (0..6).flat_map(|steps| [(steps, false), (steps, true)]) {
        let (says, answer) = mpsc::channel();
        let ask = move |guest: &mut Inspection<'_>| {
            let mut collection = CollectionSteps::new();
            (0..steps).for_each(|_| _ = guest.collect_step(&mut collection));
            if is_second {
                // Its first step finds the marking of the other one.
                collection = CollectionSteps::new();
                guest.collect_step(&mut collection);
            }
            says.send(collection).unwrap();
        };
        store.inspector().ask(ask).unwrap();
        store.answer_requests();
        let mut collection = answer.recv().unwrap();
        store.reset().unwrap();
        let (says, answer) = mpsc::channel();
        let ask = move |guest: &mut Inspection<'_>| {
            says.send((0..1_000_000).any(|_| !guest.collect_step(&mut collection))).unwrap();
        };
        store.inspector().ask(ask).unwrap();
        store.answer_requests();
        assert!(answer.recv().unwrap(), "after {steps} steps, second: {is_second}");
    }
}

/// Compiled code that waits at an address holds references in registers, so requests are answered after the wait.
#[test]
fn a_wait_at_an_address_ends_before_requests_are_answered() {
    let mut features = Features::default();
    features.set("threads", true).unwrap();
    let engine = Engine::new(Config::new().features(features)).unwrap();
    let text = r#"(module (memory 1 1 shared) (func (export "run") (result i32)
        (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 50000000))))"#;
    let module = Module::new(&engine, text).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<(), i32>(&mut store, "run").unwrap();
    let (inspector, is_over) = (store.inspector(), Arc::new(AtomicBool::new(false)));
    let (stops, (says, answers)) = (is_over.clone(), mpsc::channel());
    let asker = thread::spawn(move || {
        let mut asked = 0;
        while !stops.load(Ordering::SeqCst) {
            let says = says.clone();
            asked += u32::from(inspector.ask(move |guest| says.send(guest.memory_stats()).unwrap()).is_ok());
            thread::yield_now();
        }
        asked
    });
    let waited = run.call(&mut store, ());
    is_over.store(true, Ordering::SeqCst);
    let asked = asker.join().unwrap();
    assert_eq!(waited.unwrap(), 2, "nobody notifies it");
    store.answer_requests();
    assert!(asked > 0);
    assert_eq!(answers.try_iter().count() as u32, asked);
}

#[test]
fn a_panic_of_a_request_ends_the_call_and_the_store_goes_on() {
    let (mut store, instance) = start(&Config::new());
    let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
    store.inspector().ask(|_| panic!("asked too much")).unwrap();
    let panic = catch_unwind(AssertUnwindSafe(|| churn.call(&mut store, ()))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"asked too much"));
    let (inspector, is_over) = (store.inspector(), Ends(store.data().is_over.clone()));
    let asker = thread::spawn(move || {
        everything(&inspector, false);
        drop(is_over);
    });
    churn.call(&mut store, ()).unwrap();
    asker.join().unwrap();
}

#[test]
fn requests_behind_one_that_panics_are_answered() {
    let (mut store, instance) = start(&Config::new());
    let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
    store.data().is_over.store(true, Ordering::SeqCst);
    let (inspector, (says, answers)) = (store.inspector(), mpsc::channel());
    for number in 0..6 {
        let says = says.clone();
        let request = move |guest: &mut Inspection<'_>| {
            assert!(number % 3 > 0, "{number} on purpose");
            says.send((number, guest.backtrace(1).frames().len())).unwrap();
        };
        inspector.ask(request).unwrap();
    }
    let panic = catch_unwind(AssertUnwindSafe(|| churn.call(&mut store, ()))).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>().map(String::as_str), Some("0 on purpose"));
    assert_eq!(answers.try_iter().collect::<Vec<_>>(), [(1, 1), (2, 1), (4, 1), (5, 1)]);
    churn.call(&mut store, ()).unwrap();
}

/// What wakes a wait may ask whenever it is woken, and is woken for that in turn.
#[test]
fn what_wakes_a_wait_may_ask() {
    const WAKES: usize = 2000;
    let mut store = Store::new(&Engine::default(), ());
    let (asks, counts): (Inspector, [Arc<AtomicUsize>; 2]) = (store.inspector(), Default::default());
    let counted = counts.clone();
    let ask = move || {
        let answered = counted[1].clone();
        if asks.ask(move |_| _ = answered.fetch_add(1, Ordering::SeqCst)).is_ok() {
            counted[0].fetch_add(1, Ordering::SeqCst);
        }
    };
    let (wakes_ask, ends) = (ask.clone(), Arc::new(AtomicBool::new(false)));
    let wait = Func::wrap(&mut store, move |mut caller: Caller<'_, ()>| -> Result<()> {
        let (ask, (sender, receiver)) = (wakes_ask.clone(), mpsc::channel());
        let wake = move |why| {
            ask();
            sender.send(why).unwrap();
        };
        let mut left = 0;
        caller.inspectable(wake, |_| {
            left += usize::from(receiver.recv().unwrap() == Wake::Answer);
            (left > WAKES).then_some(())
        })
    });
    let is_over = Ends(ends.clone());
    let other = thread::spawn(move || {
        while !ends.load(Ordering::SeqCst) {
            ask();
            thread::yield_now();
        }
    });
    wait.call(&mut store, &[], &mut []).unwrap();
    drop(is_over);
    other.join().unwrap();
    store.answer_requests();
    let [accepted, answered] = counts.map(|count| count.load(Ordering::SeqCst));
    assert!(accepted > WAKES && accepted == answered, "{accepted} {answered}");
}

/// Samples are of the functions that use the CPU: a loop of a known length in each of two functions, one three times as
/// long as the other.
#[test]
fn a_profile_of_the_cpu_tells_who_computes() {
    let text = r#"(module
        (func $count (param $n i32)
            (loop $more (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1))))))
        (func $short (call $count (i32.const 10000000)))
        (func $long (call $count (i32.const 30000000)))
        (func $run (export "run") (param $n i32)
            (loop $more
                (call $short) (call $long)
                (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))"#;
    let mut config = Config::new();
    config.inline(Inline::Never);
    let engine = Engine::new(&config).unwrap();
    let module = Module::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    let run = instance.get_typed_func::<i32, ()>(&mut store, "run").unwrap();
    assert!(store.take_cpu_profile().is_none());
    store.profile_cpu(Duration::from_micros(200)).unwrap();
    run.call(&mut store, 10).unwrap();
    let profile = store.take_cpu_profile().unwrap();
    assert!(store.take_cpu_profile().is_none());
    let mut lines = Vec::new();
    profile.write(&mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let weight = |stack: &str| -> u64 {
        let of_stack = lines.lines().filter_map(|line| line.rsplit_once(' ')).filter(|(of, _)| *of == stack);
        of_stack.map(|(_, us)| us.parse::<u64>().unwrap()).sum()
    };
    let (short, long) = (weight("run;short;count"), weight("run;long;count"));
    let all: u64 = lines.lines().map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum();
    assert!(short > 0 && long > short && 10 * (short + long) > 9 * all, "{lines}");

    // As data it says the same.
    let data = profile.cpu_data().unwrap();
    assert_eq!(data.interval(), Duration::from_micros(200));
    let mut sums = vec![Duration::ZERO; data.stacks().len()];
    data.samples().iter().for_each(|sample| sums[sample.stack()] += sample.weight());
    assert!(data.samples().is_sorted_by_key(|sample| sample.at()));
    let mut as_data: Vec<String> = Vec::new();
    for (stack, sum) in data.stacks().iter().zip(sums) {
        assert_eq!(stack.weight(), sum);
        let names: Vec<&str> = stack.frames().iter().map(|frame| &*data.names()[*frame as usize]).collect();
        as_data.push(format!("{} {}", names.join(";"), sum.as_micros()));
    }
    as_data.retain(|line| !line.ends_with(" 0"));
    let mut as_text: Vec<&str> = lines.lines().collect();
    as_data.sort();
    as_text.sort_unstable();
    assert_eq!(as_data, as_text);
}

/// What the collector does on the guest's thread is told apart, and all stacks of any shape can be walked.
#[test]
fn a_profile_of_the_cpu_under_collections() {
    for config in modes() {
        let (mut store, instance) = start(&config);
        let churn = instance.get_typed_func::<(), ()>(&mut store, "churn").unwrap();
        store.profile_cpu(Duration::from_micros(50)).unwrap();
        let (inspector, is_over) = (store.inspector(), Ends(store.data().is_over.clone()));
        let asker = thread::spawn(move || {
            for _ in 0..200 {
                ask(&inspector, |_| ());
                thread::sleep(Duration::from_micros(100));
            }
            let profile = ask(&inspector, |guest| guest.take_cpu_profile()).expect("it runs");
            drop(is_over);
            profile
        });
        churn.call(&mut store, ()).unwrap();
        let mut lines = Vec::new();
        asker.join().unwrap().write(&mut lines).unwrap();
        let lines = String::from_utf8(lines).unwrap();
        assert!(!lines.is_empty() && lines.lines().all(|line| line.starts_with("churn")), "{lines}");
    }
}
