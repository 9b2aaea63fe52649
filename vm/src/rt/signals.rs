//! Traps by faults.
//!
//! 1. A fault arrives on the alternate stack. If no guest runs on this thread, or the instruction is not one that may
//!    trap, or the address is not one that means a trap, the handler that was there before gets it.
//! 2. Else the fault is a trap: the guest's registers are written to the hot words, and execution goes on at the trap
//!    stub, which records the trap on the native stack and leaves to the entry frame.

use super::{stubs, thread};
use heapwood_gc_abi::hot::{ALLOC_TOP, EXIT_FP, EXIT_PC, EXIT_REGS, EXIT_SP};
use heapwood_gc_abi::{Narrow, low32};
use std::mem::MaybeUninit;
use std::sync::OnceLock;

const SIGNALS: [i32; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL];

static PREVIOUS: OnceLock<[libc::sigaction; 4]> = OnceLock::new();

/// Installs the handler, once in the process.
pub(super) fn install() {
    PREVIOUS.get_or_init(install_all);
}

/// Unblocks the signals of faults on this thread.
pub(super) fn unblock() {
    // SAFETY: R10: the set is plain data, which the first calls fill.
    let result = unsafe {
        let mut set: libc::sigset_t = MaybeUninit::zeroed().assume_init();
        libc::sigemptyset(&mut set);
        SIGNALS.iter().for_each(|signal| assert_eq!(libc::sigaddset(&mut set, *signal), 0, "signal {signal}"));
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, std::ptr::null_mut())
    };
    assert_eq!(result, 0, "a set of valid signals is unblocked");
}

fn install_all() -> [libc::sigaction; 4] {
    // What the handler needs exists before the first signal.
    stubs::fixed();
    SIGNALS.map(|signal| {
        // SAFETY: R10: the structures are plain data, zero is valid; the handler follows R9.
        unsafe {
            let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            action.sa_sigaction = handler as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
            libc::sigemptyset(&mut action.sa_mask);
            let mut previous: libc::sigaction = MaybeUninit::zeroed().assume_init();
            let result = libc::sigaction(signal, &action, &mut previous);
            assert_eq!(result, 0, "a handler for signal {signal} cannot be installed");
            previous
        }
    })
}

extern "C" fn handler(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: R9: the kernel passes valid pointers; `redirect` says what else it touches.
    unsafe {
        if !redirect(signal, &*info, &mut *context.cast::<libc::ucontext_t>()) {
            pass_on(signal, info, context);
        }
    }
}

/// Turns a fault of the guest into a trap; `false` if it is none of ours.
///
/// # Safety
/// R9.
unsafe fn redirect(signal: i32, info: &libc::siginfo_t, context: &mut libc::ucontext_t) -> bool {
    let guest = thread::current();
    let registers = &mut context.uc_mcontext.gregs;
    let register = |index: i32| registers[index as usize].cast_unsigned();
    let pc = register(libc::REG_RIP);
    // SAFETY: R9: the guest was set by the entry that this thread is in.
    let Some(guest) = (unsafe { guest.as_ref() }) else {
        return false;
    };
    let is_memory_fault = signal == libc::SIGSEGV || signal == libc::SIGBUS;
    // SAFETY: the signals of faults carry an address.
    let address = unsafe { info.si_addr() } as usize;
    if register(libc::REG_R15) != guest.hot().base() as u64 || !guest.may_trap(pc.narrow()) {
        return false;
    }
    if is_memory_fault && !guest.is_trap_address(address) {
        return false;
    }
    let hot = guest.hot();
    hot.set(EXIT_FP, register(libc::REG_RBP));
    hot.set(EXIT_SP, register(libc::REG_RSP));
    hot.set(EXIT_PC, pc);
    hot.set(EXIT_REGS, 0);
    hot.set_u32(ALLOC_TOP, low32(register(libc::REG_R12)));
    registers[libc::REG_RIP as usize] = stubs::fixed().trap().cast_signed();
    true
}

/// Gives a signal to whoever handled it before.
///
/// # Safety
/// Called by the handler with what the kernel passed.
unsafe fn pass_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let position = SIGNALS.iter().position(|known| *known == signal);
    let previous = PREVIOUS.get().zip(position).map(|(all, position)| &all[position]);
    match previous {
        Some(previous) if previous.sa_sigaction != libc::SIG_DFL && previous.sa_sigaction != libc::SIG_IGN => {
            // SAFETY: R10: the address was installed as a handler with these flags.
            unsafe {
                if previous.sa_flags & libc::SA_SIGINFO != 0 {
                    let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                        std::mem::transmute(previous.sa_sigaction);
                    handler(signal, info, context);
                } else {
                    let handler: extern "C" fn(i32) = std::mem::transmute(previous.sa_sigaction);
                    handler(signal);
                }
            }
        }
        // SAFETY: R10: the default action follows when the instruction faults again.
        _ => unsafe {
            if !thread::current().is_null() {
                const MESSAGE: &[u8] = b"heapwood: a fault that is no trap, while a guest was running: this is a bug\n";
                libc::write(2, MESSAGE.as_ptr().cast(), MESSAGE.len());
            }
            libc::signal(signal, libc::SIG_DFL);
        },
    }
}

#[cfg(test)]
mod tests;
