//! Frames of every size on stacks of every size: each either fits or traps, and nothing else is touched. A second guest
//! waits meanwhile, whose stack lies next to the first one's, and finds its own as it was.

mod common;
mod frames {
    pub mod kinds;
}

use common::child::in_child;
use frames::kinds::{KINDS, Kind, MANY};
use heapwood_vm::*;
use heapwood_vm::{MAX_STACK_DEFAULT, MAX_STACK_MIN};

/// Bytes of frames, up to the limit: what is taken without a comparison ends at 32 KiB.
const SIZES: [usize; 20] = [
    1 << 10,
    2 << 10,
    4 << 10,
    8 << 10,
    16 << 10,
    31 << 10,
    (32 << 10) - 64,
    32 << 10,
    (32 << 10) + 64,
    64 << 10,
    128 << 10,
    190 << 10,
    256 << 10,
    380 << 10,
    768 << 10,
    1 << 20,
    4 << 20,
    15 << 20,
    17 << 20,
    FRAME_BYTES_MAX - (64 << 10),
];
/// Those that take long to compile run on few stacks.
const EVERY_STACK_MAX: usize = 1 << 20;
const FRAME_BYTES_MAX: usize = heapwood_module::limits::FRAME_BYTES_MAX as usize;

/// A guest that fills its stack with numbers, calls the host, and looks whether they are all there.
const NEIGHBOUR: &str = r#"(module
  (import "h" "call" (func $call))
  (func $hold (param $n i32) (result i64) (local $a i64) (local $b i64)
    (local.set $a (i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 0x10001)))
    (local.set $b (i64.xor (local.get $a) (i64.const 0x5555)))
    (if (i32.eqz (local.get $n)) (then (call $call) (return (i64.const 0))))
    (i64.add
      (call $hold (i32.sub (local.get $n) (i32.const 1)))
      (i64.add (i64.sub (i64.xor (local.get $b) (i64.const 0x5555)) (i64.mul (local.get $a) (i64.const 2)))
        (i64.mul (local.get $a) (i64.const 2)))))
  (func (export "hold") (param i32) (result i64) (call $hold (local.get 0)))
  (func (export "nop")))"#;
/// At most so many frames of it, each of 48 bytes and more.
const HELD_FRAMES_MAX: usize = 2_000;
const HELD_FRAME_BYTES: usize = 128;

/// The store whose guest has large frames, and what of it is called.
struct Large {
    store: Store<()>,
    instance: Instance,
    f: TypedFunc<i32, i32>,
}

impl Large {
    fn new(module: &Module) -> Large {
        let engine = module.engine();
        let mut linker = Linker::new(engine);
        linker.func_wrap("h", "bottom", || {}).unwrap();
        let many = vec![ValType::I64; MANY];
        let ty = FuncType::new(engine, many.clone(), many).unwrap();
        let echo = |_: Caller<'_, ()>, params: &[Val], results: &mut [Val]| {
            results.copy_from_slice(params);
            Ok(())
        };
        linker.func_new("h", "many", ty, echo).unwrap();
        let mut store = Store::new(engine, ());
        let instance = linker.instantiate(&mut store, module).unwrap();
        let f = instance.get_typed_func(&mut store, "f").unwrap();
        Large { store, instance, f }
    }

    /// Frames since the last question.
    fn frames(&mut self) -> usize {
        let Some(Extern::Global(depth)) = self.instance.get_export(&mut self.store, "depth") else {
            panic!("exported")
        };
        let Val::I32(frames) = depth.get(&mut self.store) else { panic!("an i32") };
        depth.set(&mut self.store, Val::I32(0)).unwrap();
        frames as usize
    }

    /// Calls without end: how many frames fit.
    fn exhaust(&mut self, case: &str) -> usize {
        self.frames();
        let error = self.f.call(&mut self.store, -1).unwrap_err();
        assert_eq!(error.trap().map(Trap::kind), Some(TrapKind::StackExhausted), "{case}: {error}");
        assert!(error.to_string().contains("limit"), "{case}: {error}");
        self.frames()
    }
}

/// A stack is exhausted while a neighbour waits, and is as good as new afterwards.
fn check(case: &str, module: &Module, kind: Kind, bytes: usize, stack: usize, neighbour_first: bool) {
    let engine = module.engine();
    let mut large = Large::new(module);
    let mut neighbour: Store<Option<(Large, usize)>> = Store::new(engine, None);
    let mut linker = Linker::new(engine);
    let name = case.to_owned();
    let call = move |mut caller: Caller<'_, Option<(Large, usize)>>| {
        let (large, frames) = caller.data_mut().as_mut().expect("set before the call");
        *frames = large.exhaust(&name);
    };
    linker.func_wrap("h", "call", call).unwrap();
    let text = wat::parse_str(NEIGHBOUR).unwrap();
    let instance = linker.instantiate(&mut neighbour, &Module::new(engine, text).unwrap()).unwrap();
    // Stacks are taken at the first call.
    let nop = instance.get_typed_func::<(), ()>(&mut neighbour, "nop").unwrap();
    if neighbour_first {
        nop.call(&mut neighbour, ()).unwrap();
    }
    let other = large.instance.get_typed_func::<(), ()>(&mut large.store, "nop").unwrap();
    other.call(&mut large.store, ()).unwrap();
    let hold = instance.get_typed_func::<i32, i64>(&mut neighbour, "hold").unwrap();
    *neighbour.data_mut() = Some((large, 0));
    let held = (stack / HELD_FRAME_BYTES).min(HELD_FRAMES_MAX) as i64;
    let sum = hold.call(&mut neighbour, held as i32).unwrap_or_else(|error| panic!("{case}: the neighbour: {error}"));
    assert_eq!(sum, held * (held + 1) / 2 * 0x10001, "{case}: the neighbour's stack was changed");

    let (mut large, frames) = neighbour.data_mut().take().unwrap();
    let most = stack / bytes;
    let least = stack.saturating_sub(kind.besides() + kind.on_top()) / (bytes + bytes / 64 + kind.besides());
    assert!((least..=most).contains(&frames), "{case}: {frames} frames, between {least} and {most} fit");
    if let Some(fit) = frames.checked_sub(2) {
        let result = large.f.call(&mut large.store, fit as i32);
        assert_eq!(result.unwrap_or_else(|error| panic!("{case}: {error}")), fit as i32, "{case}");
    }
}

#[test]
fn frames_of_every_size_fit_or_trap() {
    in_child("frames_of_every_size_fit_or_trap", || {
        let stacks: Vec<usize> = std::iter::successors(Some(MAX_STACK_MIN), |stack| Some(stack * 2))
            .take_while(|s| *s <= MAX_STACK_DEFAULT)
            .collect();
        let mut cases = 0;
        for kind in KINDS {
            for bytes in SIZES.into_iter().filter(|bytes| *bytes <= kind.largest()) {
                let module = wat::parse_str(kind.module(bytes)).unwrap();
                for stack in &stacks {
                    let ends = [MAX_STACK_MIN, 1 << 20, MAX_STACK_DEFAULT];
                    if bytes > EVERY_STACK_MAX && !ends.contains(stack) {
                        continue;
                    }
                    let engine =
                        Engine::new(Config::new().max_stack(*stack).gc_threads(0).max_compile_memory(1 << 30)).unwrap();
                    let module =
                        Module::new(&engine, &module).unwrap_or_else(|error| panic!("{kind:?} {bytes}: {error}"));
                    // The stack that is taken first is the upper one, as a rule.
                    let neighbour_first = cases % 2 == 0;
                    let case = format!("{kind:?}, frames of {bytes}, stack of {stack}, {neighbour_first}");
                    check(&case, &module, kind, bytes, *stack, neighbour_first);
                    cases += 1;
                }
            }
        }
        println!("{cases} cases: {} kinds, {} sizes, {} stacks", KINDS.len(), SIZES.len(), stacks.len());
        assert_eq!(cases, 1182);
    });
}

#[test]
fn a_frame_beyond_the_limit_is_refused_by_name() {
    let module = wat::parse_str(Kind::Operands.module(FRAME_BYTES_MAX + (64 << 10))).unwrap();
    // With memory enough to come so far.
    let engine = Engine::new(Config::new().max_compile_memory(1 << 30)).unwrap();
    let error = Module::new(&engine, module).unwrap_err().to_string();
    assert!(error.contains(&format!("more than the limit of {FRAME_BYTES_MAX} bytes")), "{error}");
    // Thousands of results make operands faster than instructions can be decoded.
    let results = "i64 ".repeat(1000);
    let calls = "call 0 ".repeat(FRAME_BYTES_MAX / 4000 + 1);
    let text = format!("(module (func (result {results}) unreachable) (func {calls} unreachable))");
    let error = Module::new(&Engine::default(), wat::parse_str(text).unwrap()).unwrap_err().to_string();
    assert!(error.contains(&format!("more than the limit of {FRAME_BYTES_MAX} bytes")), "{error}");
}

#[test]
fn a_stack_that_fits_no_address_space_is_an_error() {
    let module = wat::parse_str("(module (func (export \"f\")))").unwrap();
    for (bytes, says) in
        [(usize::MAX, "Config::max_stack"), (usize::MAX - (1 << 20), "Config::max_stack"), (1 << 60, "refused")]
    {
        let engine = Engine::new(Config::new().max_stack(bytes)).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &Module::new(&engine, &module).unwrap(), &[]).unwrap();
        let f = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
        let error = f.call(&mut store, ()).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Limit(message) if message.contains(says)), "{bytes}: {error}");
    }
}
