//! Stacks of signal handlers and masks of signals, as embedders have them.

use super::*;
use crate::rt::child;
use crate::{Caller, Config, Engine, Extern, Linker, Module, Store, TrapKind, Val};
use std::sync::atomic::{AtomicI32, Ordering};

/// Each of the first exports traps by a signal; `nested` calls the host, which calls `load` and `nothing`.
const GUEST: &str = r#"(module
  (type $s (struct (field i32)))
  (import "h" "h" (func $h))
  (memory 1)
  (func (export "load") (drop (i32.load (i32.const 70000))))
  (func (export "null") (drop (struct.get $s 0 (ref.null $s))))
  (func (export "divide") (drop (i32.div_u (i32.const 1) (i32.const 0))))
  (func (export "unreachable") unreachable)
  (func (export "nothing"))
  (func (export "nested") (call $h)))"#;

const TRAPS: [(&str, TrapKind); 4] = [
    ("load", TrapKind::MemoryOutOfBounds),
    ("null", TrapKind::NullStruct),
    ("divide", TrapKind::IntegerDivideByZero),
    ("unreachable", TrapKind::Unreachable),
];

/// Runs every trap, nested ones as well; `inside` is called in the host function.
fn run_guests(inside: impl Fn() + Send + Sync + 'static) {
    let engine = Engine::new(Config::new().gc_threads(0)).unwrap();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut linker: Linker<()> = Linker::new(&engine);
    let host = move |mut caller: Caller<'_, ()>| {
        inside();
        for name in ["load", "nothing"] {
            let func = caller.get_export(name).and_then(Extern::into_func).unwrap();
            assert_eq!(func.call(&mut caller, &[], &mut []).is_ok(), name == "nothing");
        }
        inside();
    };
    linker.func_wrap("h", "h", host).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let mut call = |name: &str| {
        let func = instance.get_func(&mut store, name).unwrap();
        let none: [Val; 0] = [];
        func.call(&mut store, &none, &mut []).map_err(|error| error.trap().unwrap().kind())
    };
    for (name, kind) in TRAPS {
        assert_eq!(call(name), Err(kind), "{name}");
        assert_eq!(call("nested"), Ok(()));
    }
}

fn disabled() -> libc::stack_t {
    libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 }
}

/// A thread sets the upper `bytes` of a painted area as its stack for handlers and runs guests. Whether that stack is
/// the one while they run; it is the thread's own in any case afterwards, and nothing below it was touched.
fn with_alternate_stack(bytes: usize) -> bool {
    const PAINTED: usize = 128 << 10;
    const PAINT: u8 = 0x5a;
    let run = move || {
        let area = vec![PAINT; PAINTED].leak();
        let start = area[PAINTED - bytes..].as_mut_ptr();
        let own = libc::stack_t { ss_sp: start.cast(), ss_flags: 0, ss_size: bytes };
        let std_stack = set_alternate_stack(&own);
        let place = start as usize;
        let kept = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = kept.clone();
        run_guests(move || seen.lock().unwrap().push(alternate_stack().ss_sp as usize == place));
        let after = alternate_stack();
        assert_eq!(
            (after.ss_sp as usize, after.ss_size, after.ss_flags),
            (place, bytes, 0),
            "{bytes} bytes: not restored"
        );
        assert!(area[..PAINTED - bytes].iter().all(|byte| *byte == PAINT), "{bytes} bytes: the handler needed more");
        set_alternate_stack(&std_stack);
        let kept = kept.lock().unwrap();
        assert!(kept.len() == 8 && kept.iter().all(|same| *same == kept[0]), "{kept:?}");
        kept[0]
    };
    std::thread::spawn(run).join().unwrap()
}

#[test]
fn a_stack_for_handlers_is_kept_if_it_is_large_enough_and_comes_back_if_not() {
    child::in_child(
        "rt::thread::tests::a_stack_for_handlers_is_kept_if_it_is_large_enough_and_comes_back_if_not",
        || {
            let least = least_alternate_bytes();
            let sizes = [libc::MINSIGSTKSZ, 3 << 10, least - 16, least, least + 16, 16 << 10, 64 << 10, 100 << 10];
            for bytes in sizes {
                assert_eq!(with_alternate_stack(bytes), bytes >= least, "{bytes} bytes");
            }
            println!("{} cases, {least} bytes are enough", sizes.len());
            assert_eq!(sizes.len(), 8);
        },
    );
}

#[test]
fn a_thread_without_a_stack_for_handlers_gets_one_until_it_ends() {
    child::in_child("rt::thread::tests::a_thread_without_a_stack_for_handlers_gets_one_until_it_ends", || {
        let run = || {
            let std_stack = set_alternate_stack(&disabled());
            run_guests(|| assert_eq!(alternate_stack().ss_size, ALTERNATE_STACK_BYTES));
            assert_eq!(alternate_stack().ss_flags & libc::SS_DISABLE, 0);
            set_alternate_stack(&std_stack);
        };
        std::thread::spawn(run).join().unwrap();
    });
}

/// Says which stack for handlers a thread has when it ends.
struct Witness;

/// The flags of that stack.
static LEFT: AtomicI32 = AtomicI32::new(-1);

impl Drop for Witness {
    fn drop(&mut self) {
        LEFT.store(alternate_stack().ss_flags, Ordering::Relaxed);
    }
}

/// Runs guests on a thread that the standard library did not make, so that nobody has set a stack for handlers.
extern "C" fn run_guests_and_end(_: *mut libc::c_void) -> *mut libc::c_void {
    thread_local! {
        static WITNESS: Witness = const { Witness };
    }
    // What a thread uses first is dropped last.
    WITNESS.with(|_| ());
    assert_ne!(alternate_stack().ss_flags & libc::SS_DISABLE, 0, "it has one");
    run_guests(|| assert_eq!(alternate_stack().ss_size, ALTERNATE_STACK_BYTES));
    assert_eq!(alternate_stack().ss_flags & libc::SS_DISABLE, 0, "it is kept between entries");
    std::ptr::null_mut()
}

/// The stack is unmapped when the thread ends, and no signal may come to it afterwards.
#[test]
fn a_thread_that_had_no_stack_for_handlers_ends_without_one() {
    child::in_child("rt::thread::tests::a_thread_that_had_no_stack_for_handlers_ends_without_one", || {
        // SAFETY: R10: a thread with the attributes of the system, which is waited for.
        unsafe {
            let mut thread: libc::pthread_t = MaybeUninit::zeroed().assume_init();
            let null = std::ptr::null_mut();
            assert_eq!(libc::pthread_create(&mut thread, null, run_guests_and_end, null.cast()), 0);
            assert_eq!(libc::pthread_join(thread, std::ptr::null_mut()), 0);
        }
        assert_eq!(LEFT.load(Ordering::Relaxed), libc::SS_DISABLE);
    });
}

#[test]
fn the_stack_of_a_thread_of_the_standard_library_is_kept() {
    let run = || {
        let before = alternate_stack();
        assert_eq!(before.ss_flags & libc::SS_DISABLE, 0, "it has one");
        let place = before.ss_sp as usize;
        run_guests(move || assert_eq!(alternate_stack().ss_sp as usize, place));
    };
    std::thread::spawn(run).join().unwrap();
}

/// The mask of blocked signals, changed and asked.
fn mask(how: libc::c_int, fill: bool) -> libc::sigset_t {
    // SAFETY: R10: sets are plain data, which the calls fill.
    unsafe {
        let (mut set, mut before): (libc::sigset_t, libc::sigset_t) = (std::mem::zeroed(), std::mem::zeroed());
        if fill {
            libc::sigfillset(&mut set);
        } else {
            libc::sigemptyset(&mut set);
        }
        assert_eq!(libc::pthread_sigmask(how, &set, &mut before), 0);
        before
    }
}

#[test]
fn blocked_signals_of_faults_are_unblocked_and_others_stay() {
    child::in_child("rt::thread::tests::blocked_signals_of_faults_are_unblocked_and_others_stay", || {
        let run = || {
            mask(libc::SIG_BLOCK, true);
            run_guests(|| ());
            let now = mask(libc::SIG_BLOCK, false);
            // SAFETY: R10: asks about a set.
            let blocked = |signal| unsafe { libc::sigismember(&now, signal) == 1 };
            for signal in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL] {
                assert!(!blocked(signal), "signal {signal}");
            }
            for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGUSR1, libc::SIGCHLD] {
                assert!(blocked(signal), "signal {signal}");
            }
        };
        std::thread::spawn(run).join().unwrap();
    });
}

#[test]
fn a_stack_that_is_not_the_threads_is_the_mapping_that_holds_it() {
    let bytes = 1 << 20;
    let mapping = Mapping::new(3 * bytes, Access::None).unwrap();
    mapping.protect(bytes, bytes, Access::ReadWrite).unwrap();
    let inside = mapping.address() + bytes + 12345;
    let stack = mapping.address() + bytes..mapping.address() + 2 * bytes;
    assert_eq!(mapped_stack(inside), stack);
    let mut prepared = Prepared::default();
    prepared.measure(inside);
    assert_eq!(prepared.stack, stack);
    let here = 0u8;
    prepared.measure(&raw const here as usize);
    assert_eq!(Some(&prepared.stack), prepared.own.as_ref(), "back on the thread's own");
    assert!(own_stack().unwrap().contains(&(&raw const here as usize)));
}
