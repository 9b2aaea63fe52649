//! Where the guest was when a host function looked, told when it has long gone on.

use heapwood_vm::*;

/// `down` calls itself so often, then the host.
const MODULE: &str = r#"(module
    (import "h" "look" (func $look))
    (func $down (export "down") (param i32)
        (if (local.get 0) (then (call $down (i32.sub (local.get 0) (i32.const 1)))) (else (call $look)))))"#;

type Traces = Vec<StackTrace>;

fn linker(engine: &Engine) -> Linker<Traces> {
    let mut linker = Linker::new(engine);
    let look = |mut caller: Caller<'_, Traces>| {
        let trace = caller.stack_trace();
        caller.data_mut().push(trace);
    };
    linker.func_wrap("h", "look", look).unwrap();
    linker
}

fn down(store: &mut Store<Traces>, instance: Instance, depth: i32) {
    let down = instance.get_typed_func::<i32, ()>(&mut *store, "down").unwrap();
    down.call(&mut *store, depth).unwrap();
}

#[test]
fn a_trace_has_the_frames_of_the_moment_or_their_ends() {
    let mut config = Config::new();
    let engine = Engine::new(config.gc_stress(1).gc_verify(true)).unwrap();
    let module = Module::new(&engine, wat::parse_str(MODULE).unwrap()).unwrap();
    let mut store = Store::new(&engine, Traces::new());
    let instance = linker(&engine).instantiate(&mut store, &module).unwrap();
    let depths = [0, 1, 30, 62, 63, 64, 65, 1_000];
    for depth in depths {
        down(&mut store, instance, depth);
    }
    store.gc().unwrap();
    for (depth, trace) in depths.into_iter().zip(store.data().clone()) {
        let backtrace = trace.backtrace(&store).unwrap();
        let all = usize::try_from(depth).unwrap() + 1;
        assert_eq!((backtrace.frames().len(), backtrace.omitted()), (all.min(64), all.saturating_sub(64)));
        assert!(backtrace.frames().iter().all(|frame| frame.func_name() == Some("down")));
        // The innermost frame is at another call than those around it.
        let offsets: Vec<_> = backtrace.frames().iter().map(FrameInfo::module_offset).collect();
        assert!(offsets[1..].iter().all(|offset| *offset == offsets[offsets.len() - 1] && *offset != offsets[0]));
    }
}

#[test]
fn a_trace_of_an_instance_that_is_gone_is_an_error() {
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(MODULE).unwrap()).unwrap();
    let mut store = Store::new(&engine, Traces::new());
    let linker = linker(&engine);
    let old = linker.instantiate(&mut store, &module).unwrap();
    down(&mut store, old, 3);
    let checkpoint = store.checkpoint().unwrap();
    // Of another module: instances of one share its code, and places in it.
    let other = Module::new(&engine, wat::parse_str(MODULE.replace("$down", "$other")).unwrap()).unwrap();
    let young = linker.instantiate(&mut store, &other).unwrap();
    down(&mut store, young, 3);
    let [of_old, of_young] = &store.data()[..] else { panic!("two traces") };
    let (of_old, of_young) = (of_old.clone(), of_young.clone());
    assert_eq!([&of_old, &of_young].map(|trace| trace.backtrace(&store).unwrap().frames().len()), [4, 4]);
    store.rollback(&checkpoint).unwrap();
    // Another instance takes the place of the one that is gone.
    linker.instantiate(&mut store, &module).unwrap();
    assert_eq!(of_old.backtrace(&store).unwrap().frames().len(), 4);
    let error = of_young.backtrace(&store).unwrap_err();
    assert!(error.to_string().contains("younger than the checkpoint"), "{error}");
    store.reset().unwrap();
    assert!(of_old.backtrace(&store).is_err());
}
