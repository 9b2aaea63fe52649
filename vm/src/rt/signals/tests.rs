//! Signals that are no traps. Faults of guests are so only by a bug of ours, and the process ends by the signal; what
//! the host does goes to whoever handled the signal before.

use crate::rt::{child, thread};
use crate::{AsContextMut, Engine, Func, Instance, Module, Store};
use heapwood_module::ContextLayout;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI32, Ordering};

const GUEST: &str = r#"(module
  (memory 1) (table 1 funcref)
  (func (export "load") (result i32) (i32.load (i32.const 16)))
  (func (export "get") (drop (table.get 0 (i32.const 0)))))"#;

/// Where the second page of the memory begins, in its reservation: addresses there fault.
const SECOND_PAGE: u64 = 64 << 10;

/// Runs `body` in a process of its own, which has to end by the signal of a fault. What it said.
fn dies(name: &str, signal: i32, body: impl FnOnce()) -> String {
    let run = AssertUnwindSafe(|| child::in_child(name, body));
    let panic = catch_unwind(run).expect_err("the process goes on");
    let said = panic.downcast::<String>().expect("a message");
    assert!(said.contains(&format!("signal: {signal} ")), "{said}");
    *said
}

/// A signal, as the host sends it to itself.
fn raise(signal: i32) {
    // SAFETY: R10: a signal whose handler is ours, or the default action.
    let result = unsafe { libc::raise(signal) };
    assert_eq!(result, 0);
}

/// Makes an instance, breaks it, and calls an export.
fn call_broken(name: &str, breaks: impl FnOnce(&mut crate::store::StoreOpaque)) {
    let engine = Engine::default();
    let module = Module::new(&engine, wat::parse_str(GUEST).unwrap()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &module, &[]).unwrap();
    breaks(store.as_context_mut().opaque());
    let func = instance.get_func(&mut store, name).unwrap();
    let mut results = vec![crate::Val::I32(0); func.ty(&store).results().len()];
    func.call(&mut store, &[], &mut results).unwrap_err();
}

/// The instruction may trap, but not there: a memory whose base is wrong.
#[test]
fn a_fault_at_an_address_of_nobody_is_no_trap() {
    dies("rt::signals::tests::a_fault_at_an_address_of_nobody_is_no_trap", libc::SIGSEGV, || {
        call_broken("load", |store| {
            let instance = store.instance(0);
            let at = instance.module().layout().memory_offset(0) + ContextLayout::MEMORY_BASE;
            instance.context().set_u64(at, 0x1000);
        });
    });
}

/// The address means a trap, but not for this instruction: a table that lies in the reservation of a memory.
#[test]
fn a_fault_of_an_instruction_that_cannot_trap_is_no_trap() {
    dies("rt::signals::tests::a_fault_of_an_instruction_that_cannot_trap_is_no_trap", libc::SIGSEGV, || {
        call_broken("get", |store| {
            let (instance, memory) = (store.instance(0), store.guest().entities().memory(0).base() as u64);
            let at = instance.module().layout().table_offset(0) + ContextLayout::TABLE_ELEMENTS;
            instance.context().set_u64(at, memory + SECOND_PAGE);
        });
    });
}

/// The registers are a guest's, but the instruction is none of its code, as if the runtime itself were at fault.
#[test]
fn a_fault_outside_of_compiled_code_is_no_trap() {
    let said = dies("rt::signals::tests::a_fault_outside_of_compiled_code_is_no_trap", libc::SIGILL, || {
        let mut store = Store::new(&Engine::default(), ());
        let func = Func::wrap(&mut store, || {
            // SAFETY: R9: a guest called the host on this thread. The instruction faults, and nothing follows.
            unsafe {
                let hot = (*thread::current()).hot().base();
                std::arch::asm!("ud2", in("r15") hot);
            }
        });
        func.call(&mut store, &[], &mut []).unwrap();
    });
    assert!(said.contains("a fault that is no trap, while a guest was running"), "{said}");
}

/// A signal that a host function sends, while a store is entered.
fn raise_within_an_entry(signal: i32) {
    let mut store = Store::new(&Engine::default(), ());
    let func = Func::wrap(&mut store, move || raise(signal));
    func.call(&mut store, &[], &mut []).unwrap();
}

static HANDLED: AtomicI32 = AtomicI32::new(0);

extern "C" fn plain_handler(signal: i32) {
    HANDLED.store(signal, Ordering::Relaxed);
}

/// A handler of the host that was there before, and is told of the signal alone.
#[test]
fn a_signal_of_the_host_goes_to_its_own_handler() {
    child::in_child("rt::signals::tests::a_signal_of_the_host_goes_to_its_own_handler", || {
        let handler: extern "C" fn(i32) = plain_handler;
        // SAFETY: R10: the handler writes an atomic.
        unsafe { libc::signal(libc::SIGFPE, handler as *const () as usize) };
        raise_within_an_entry(libc::SIGFPE);
        assert_eq!(HANDLED.swap(0, Ordering::Relaxed), libc::SIGFPE, "while a guest runs");
        raise(libc::SIGFPE);
        assert_eq!(HANDLED.load(Ordering::Relaxed), libc::SIGFPE, "afterwards");
    });
}

/// Nobody handled it before: the first one says what it is, and the next one ends the process, as a fault does whose
/// instruction runs again.
#[test]
fn a_signal_that_nobody_handled_before_ends_the_process() {
    let said = dies("rt::signals::tests::a_signal_that_nobody_handled_before_ends_the_process", libc::SIGFPE, || {
        raise_within_an_entry(libc::SIGFPE);
        raise(libc::SIGFPE);
    });
    assert!(said.contains("a fault that is no trap, while a guest was running"), "{said}");
}
