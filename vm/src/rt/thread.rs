//! What a thread of the host brings when it enters a guest.
//!
//! 1. *Its stack* is measured, at the first entry on it: guests have stacks of their own, but the runtime and host
//!    functions run on the thread's. An entry needs [`NATIVE_ROOM_BYTES`] of it, so host and guest may call each other
//!    as deep as the thread's stack is. On a stack that is not the thread's own (a fiber's) the mapping that holds it
//!    counts.
//! 2. *The signals of faults* may be blocked. The first entry on a thread unblocks them, for good: a fault whose signal
//!    is blocked would end the process.
//! 3. *The stack of its signal handlers* is looked at once, too. If the thread has none, it gets one of ours until it
//!    ends. One that our handler fits on is kept. One that is too small gives way while guests run, and comes back
//!    when the outermost entry is over.
//!
//! What an entry does with this: the guest that runs is that of the innermost entry ([`Entered`] puts back the one
//! before); the rest belongs to the thread and is shared by all.

use super::execution::Execution;
use super::mapping::{Access, Mapping};
use super::signals;
use crate::errors::{Error, Result, Trap, TrapKind};
use heapwood_gc_abi::{Mutant, Narrow, active};
use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::OnceLock;

/// Native stack that an entry must find: what the runtime takes for the largest of its operations (a collection that is
/// verified), and as much again and more for host functions.
const NATIVE_ROOM_BYTES: usize = 128 << 10;
/// What counts as the stack below the first entry where the system does not say (no `/proc`).
const UNKNOWN_STACK_BYTES: usize = 512 << 10;
/// Bytes of our stacks for handlers.
const ALTERNATE_STACK_BYTES: usize = 64 << 10;
/// What our handler takes of such a stack besides what the kernel puts there.
const HANDLER_BYTES: usize = 4 << 10;

/// What is kept for a thread; plain words, since the signal handler reads them.
struct Thread {
    /// The guest that runs.
    current: Cell<*const Execution>,
    /// An entry is as cheap as can be if its place on the native stack is less than `span` above `floor`.
    floor: Cell<usize>,
    span: Cell<usize>,
}

/// What is looked at when an entry is not as cheap as can be.
#[derive(Default)]
struct Prepared {
    /// The thread's own stack, once it is known.
    own: Option<Range<usize>>,
    /// The stack that the last entry was on.
    stack: Range<usize>,
    handlers: Option<Handlers>,
}

/// The stack for signal handlers.
enum Handlers {
    /// The thread's own, which is large enough.
    Theirs,
    /// Ours, since there was none.
    Ours(Mapping),
    /// Ours while guests run, in so many entries; else theirs.
    InTurns { ours: Mapping, theirs: libc::stack_t, entries: u32 },
}

thread_local! {
    static THREAD: Thread = const {
        Thread { current: Cell::new(std::ptr::null()), floor: Cell::new(0), span: Cell::new(0) }
    };
    static PREPARED: RefCell<Prepared> = RefCell::default();
}

/// An entry under way on this thread: over when it is dropped.
pub(super) struct Entered {
    previous: *const Execution,
    in_turns: bool,
}

/// The guest that runs on this thread, or null. Called by the signal handler (R9).
pub(super) fn current() -> *const Execution {
    THREAD.with(|thread| thread.current.get())
}

/// An entry into a guest begins, at the address `native` of the native stack. The pointer must stay valid
/// until the result is dropped.
///
/// # Errors
/// The native stack is too small, or the system refuses memory.
#[inline]
pub(super) fn enter(guest: *const Execution, native: usize) -> Result<Entered> {
    THREAD.with(|thread| {
        let at_once = native.wrapping_sub(thread.floor.get()) < thread.span.get();
        let in_turns = !at_once && prepare(thread, native)?;
        Ok(Entered { previous: thread.current.replace(guest), in_turns })
    })
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        THREAD.with(|thread| thread.current.set(self.previous));
        if self.in_turns {
            PREPARED.with_borrow_mut(Prepared::leave);
        }
    }
}

/// The first entry of a thread, on another stack, or with too little room. Says whether stacks of handlers take turns.
#[cold]
fn prepare(thread: &Thread, native: usize) -> Result<bool> {
    signals::install();
    let prepared = PREPARED.try_with(|prepared| {
        let mut prepared = prepared.borrow_mut();
        prepared.measure(native);
        let stack = prepared.stack.clone();
        let room = native - stack.start;
        if room < NATIVE_ROOM_BYTES && !active(Mutant::NativeStackNotMeasured) {
            return Err(no_room(room).into());
        }
        let in_turns = prepared.enter()?;
        if !in_turns {
            thread.floor.set(stack.start + NATIVE_ROOM_BYTES);
            thread.span.set(stack.end - stack.start - NATIVE_ROOM_BYTES);
        }
        Ok(in_turns)
    });
    prepared.unwrap_or_else(|_| Err(Error::usage("a guest was entered while its thread ended")))
}

fn no_room(bytes: usize) -> Trap {
    let detail = format!("native stack: {bytes} bytes are left to the thread, an entry needs {NATIVE_ROOM_BYTES}");
    Trap::of_thread(TrapKind::StackExhausted, detail)
}

impl Prepared {
    /// Finds the stack that holds `native`.
    fn measure(&mut self, native: usize) {
        if self.stack.contains(&native) {
            return;
        }
        let own = self.own.get_or_insert_with(|| own_stack().unwrap_or_default());
        self.stack = if own.contains(&native) { own.clone() } else { mapped_stack(native) };
    }

    /// Makes ready for signals; whether stacks of handlers take turns.
    fn enter(&mut self) -> Result<bool> {
        if self.handlers.is_none() {
            if !active(Mutant::FaultsStayBlocked) {
                signals::unblock();
            }
            self.handlers = Some(Handlers::choose()?);
        }
        let Some(Handlers::InTurns { ours, theirs, entries }) = &mut self.handlers else { return Ok(false) };
        if *entries == 0 {
            *theirs = set_alternate_stack(&stack_of(ours));
        }
        *entries += 1;
        Ok(true)
    }

    /// An entry is over for which stacks of handlers take turns.
    fn leave(&mut self) {
        let Some(Handlers::InTurns { ours, theirs, entries }) = &mut self.handlers else { return };
        *entries -= 1;
        if *entries == 0 && alternate_stack().ss_sp == ours.start().cast() {
            set_alternate_stack(theirs);
        }
    }
}

impl Drop for Prepared {
    /// The thread ends: its stack of handlers goes, if it is ours.
    fn drop(&mut self) {
        THREAD.with(|thread| thread.span.set(0));
        if let Some(Handlers::Ours(ours)) = &self.handlers
            && alternate_stack().ss_sp == ours.start().cast()
        {
            set_alternate_stack(&libc::stack_t { ss_sp: std::ptr::null_mut(), ss_flags: libc::SS_DISABLE, ss_size: 0 });
        }
    }
}

impl Handlers {
    fn choose() -> Result<Handlers> {
        let theirs = alternate_stack();
        let there = theirs.ss_flags & libc::SS_DISABLE == 0;
        if there && theirs.ss_size >= least_alternate_bytes() {
            return Ok(Handlers::Theirs);
        }
        let ours = Mapping::new(ALTERNATE_STACK_BYTES, Access::ReadWrite)?;
        if there {
            return Ok(Handlers::InTurns { ours, theirs, entries: 0 });
        }
        set_alternate_stack(&stack_of(&ours));
        Ok(Handlers::Ours(ours))
    }
}

fn stack_of(mapping: &Mapping) -> libc::stack_t {
    libc::stack_t { ss_sp: mapping.start().cast(), ss_flags: 0, ss_size: mapping.bytes() }
}

/// The thread's stack for handlers.
fn alternate_stack() -> libc::stack_t {
    // SAFETY: R10: the structure is plain data, zero is valid; asking changes nothing.
    unsafe {
        let mut now: libc::stack_t = MaybeUninit::zeroed().assume_init();
        libc::sigaltstack(std::ptr::null(), &mut now);
        now
    }
}

/// Sets it and returns the one before. It must stay mapped as long as it is set.
fn set_alternate_stack(stack: &libc::stack_t) -> libc::stack_t {
    // SAFETY: R10; the callers pass a mapping that they keep, none, or what the thread itself had set.
    unsafe {
        let mut before: libc::stack_t = MaybeUninit::zeroed().assume_init();
        let result = libc::sigaltstack(stack, &mut before);
        assert_eq!(result, 0, "a stack for handlers is set outside of handlers, and is large enough");
        before
    }
}

/// What a stack for handlers needs so that ours runs on it: what the kernel puts there, and the handler's frames.
fn least_alternate_bytes() -> usize {
    /// Tiles of matrix registers: counted by the kernel for every process, but saved for those only that asked for
    /// them.
    const TILE_BYTES: usize = 8 << 10;
    const ARCH_GET_XCOMP_PERM: libc::c_int = 0x1022;
    const TILES: u64 = 1 << 18;
    static BYTES: OnceLock<usize> = OnceLock::new();
    *BYTES.get_or_init(|| {
        let mut permitted = 0u64;
        // SAFETY: R10: both only answer; the second writes one word.
        let (frame, asked) = unsafe {
            let frame = libc::getauxval(libc::AT_MINSIGSTKSZ).narrow::<usize>();
            (frame, libc::syscall(libc::SYS_arch_prctl, ARCH_GET_XCOMP_PERM, &raw mut permitted))
        };
        let frame = frame.max(libc::MINSIGSTKSZ);
        let has_unused_tiles = asked == 0 && permitted & TILES == 0 && frame >= TILE_BYTES + libc::MINSIGSTKSZ;
        frame - if has_unused_tiles { TILE_BYTES } else { 0 } + HANDLER_BYTES
    })
}

/// The stack that the system gave the thread; without its guard, and as far as its limit lets it grow.
fn own_stack() -> Option<Range<usize>> {
    let (mut start, mut bytes) = (std::ptr::null_mut(), 0);
    // SAFETY: R10: the attributes are made by the first call, read by the second, and freed by the third.
    unsafe {
        let mut attributes: libc::pthread_attr_t = MaybeUninit::zeroed().assume_init();
        if libc::pthread_getattr_np(libc::pthread_self(), &mut attributes) != 0 {
            return None;
        }
        let result = libc::pthread_attr_getstack(&attributes, &mut start, &mut bytes);
        libc::pthread_attr_destroy(&mut attributes);
        (result == 0).then_some(start as usize..start as usize + bytes)
    }
}

/// The mapping that holds `native`, as far as the system says.
fn mapped_stack(native: usize) -> Range<usize> {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let mut ranges = maps.lines().filter_map(|line| {
        let (start, end) = line.split_once(' ')?.0.split_once('-')?;
        Some(usize::from_str_radix(start, 16).ok()?..usize::from_str_radix(end, 16).ok()?)
    });
    let unknown = || native.saturating_sub(UNKNOWN_STACK_BYTES)..native + 1;
    ranges.find(|range| range.contains(&native)).unwrap_or_else(unknown)
}

#[cfg(test)]
mod tests;
