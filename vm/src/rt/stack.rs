//! Stacks that guests run on.
//!
//! ```text
//! guard | room for stubs | what the guest may use ... top
//!                        ^ limit
//! ```
//!
//! 1. A function of the guest runs with rsp at or above the limit. Frames above [`FRAME_BYTES_UNCOMPARED`] are compared
//!    with it before they are taken, so rsp is never lower than it by more than that.
//! 2. Below rsp there is always room for a stub ([`STUB_STACK_BYTES`]) or a signal handler.
//! 3. A store is lent a stack when it is entered ([`Seat`]). Between two calls the stack stays with it, as long as no
//!    other store needs one and the engine has as many as it keeps ([`STACKS_KEPT`]): so idle stores have none. What
//!    lies on a stack is given up before another store gets it. The store, which sits down and stands up at every call,
//!    does so without an atomic operation. Who wants the stack of another store says so (`is_wanted`) and looks whether
//!    it is idle; the store makes its seat busy and looks whether its stack is wanted; `asymmetric` sees to it that one
//!    of the two sees the other. A stack that was taken stays wanted until its store has seen that it is gone.
//! 4. The guard is as large as the largest frame: should the first point ever fail, nothing else is reached.

use super::asymmetric;
use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::errors::{Error, Result};
use heapwood_jit::abi::FRAME_BYTES_UNCOMPARED;
use heapwood_jit::stubs::STUB_STACK_BYTES;
use heapwood_module::limits::FRAME_BYTES_MAX;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU8,
    Ordering::{Acquire, Relaxed, Release},
};

/// Below the limit: frames that move rsp before they compare it, and what is called from there.
const RESERVE_BYTES: usize =
    (FRAME_BYTES_UNCOMPARED as usize + STUB_STACK_BYTES + SIGNAL_BYTES).next_multiple_of(PAGE_BYTES);
/// What the kernel and a handler of the embedder may take that does not run on a stack for handlers.
const SIGNAL_BYTES: usize = 12 << 10;
/// Inaccessible bytes below a stack.
const GUARD_BYTES: usize = (FRAME_BYTES_MAX as usize).next_multiple_of(PAGE_BYTES);
/// Bytes at the top that every call writes.
const WARM_BYTES: usize = 2 * PAGE_BYTES;
/// Most stacks that an engine keeps for later stores.
const POOL_MAX: usize = 16;
/// Idle stores that keep their stacks while others come to need one.
const STACKS_KEPT: usize = 32;
/// Idle stores that are looked for at a time.
const SEATS_TRIED: usize = 16;

/// States of a seat: there is no stack; nobody runs on it; the store runs on it.
const EMPTY: u8 = 0;
const IDLE: u8 = 1;
const BUSY: u8 = 2;

/// The place of a store's stack. The store makes it busy and idle again; who finds it idle may take the stack out.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    state: AtomicU8,
    /// Another thread takes the stack, or has taken it. Written under the lock.
    is_wanted: AtomicBool,
    stack: Mutex<Option<GuestStack>>,
}

impl Seat {
    /// Whether there is a stack, which is the store's now until it stands up.
    #[inline]
    pub fn sit(&self) -> bool {
        if self.state.load(Relaxed) != IDLE {
            return false;
        }
        self.state.store(BUSY, Relaxed);
        asymmetric::light_fence();
        !self.is_wanted.load(Relaxed) || self.sit_again()
    }

    /// Slow path of `sit`, for when another thread wants the stack or wanted it: waits until that thread is done, and
    /// says whether the stack is still there.
    #[cold]
    fn sit_again(&self) -> bool {
        let stack = self.stack.lock();
        self.is_wanted.store(false, Relaxed);
        self.state.store(if stack.is_some() { BUSY } else { EMPTY }, Relaxed);
        stack.is_some()
    }

    /// The store runs on its stack no more, if it did.
    #[inline]
    pub fn stand_up(&self) {
        // Nobody else changes the state of a busy seat.
        if self.state.load(Relaxed) == BUSY {
            self.state.store(IDLE, Release);
        }
    }

    /// Takes the stack, if the store does not run on it. The lock is held from before the seat is seen to be empty:
    /// until the stack is out, [`StackPool::lend`] cannot put the store's next one there.
    fn vacate(&self) -> Option<GuestStack> {
        // A glance, since the fence below is a call of the system.
        if self.state.load(Relaxed) != IDLE {
            return None;
        }
        let mut stack = self.stack.lock();
        self.is_wanted.store(true, Relaxed);
        let is_seen = asymmetric::heavy_fence();
        // Acquire: what the store did on its stack is over.
        if is_seen && self.state.load(Acquire) == IDLE {
            self.state.store(EMPTY, Relaxed);
            return stack.take();
        }
        self.is_wanted.store(false, Relaxed);
        None
    }

    /// Takes the stack of a store that goes, and so runs no more.
    fn clear(&self) -> Option<GuestStack> {
        let mut stack = self.stack.lock();
        self.state.store(EMPTY, Relaxed);
        stack.take()
    }
}

/// A guest's stack, committed as it is touched.
#[derive(Debug)]
pub(crate) struct GuestStack {
    mapping: Mapping,
    /// What it was made for.
    usable_bytes: usize,
}

impl GuestStack {
    fn new(usable_bytes: usize) -> Result<GuestStack> {
        let bytes =
            usable_bytes.checked_next_multiple_of(PAGE_BYTES).and_then(|usable| usable.checked_add(RESERVE_BYTES));
        let guarded = bytes.and_then(|bytes| Some((bytes, bytes.checked_add(GUARD_BYTES)?)));
        let too_large = || {
            Error::limit(format!(
                "a stack of {usable_bytes} bytes (StoreBuilder::max_stack, Config::max_stack) fits no address space"
            ))
        };
        let (bytes, all) = guarded.ok_or_else(too_large)?;
        let refused = |error: Error| {
            let takes_less = "a smaller stack of the guest takes less (Config::max_stack)";
            Error::limit(format!("{error}: {takes_less}"))
        };
        let mapping = Mapping::new(all, Access::None).map_err(refused)?;
        mapping.protect(GUARD_BYTES, bytes, Access::ReadWrite).map_err(refused)?;
        mapping.avoid_huge_pages();
        Ok(GuestStack { mapping, usable_bytes })
    }

    /// Forgets what lies on it. The pages that every call writes are cleared, which is faster than to fault them in again.
    fn clean(&self) {
        let kept = self.mapping.bytes() - WARM_BYTES;
        self.mapping.discard(GUARD_BYTES, kept - GUARD_BYTES);
        // SAFETY: R1: all above the guard was made readable and writable; a stack that is cleaned is lent to nobody.
        unsafe { self.mapping.clear(kept, WARM_BYTES) };
    }

    /// Where an empty stack begins; a multiple of 16.
    pub fn top(&self) -> usize {
        self.mapping.address() + self.mapping.bytes()
    }

    /// The guest's rsp must not go below this.
    pub fn limit(&self) -> usize {
        self.mapping.address() + GUARD_BYTES + RESERVE_BYTES
    }
}

/// Stacks for the stores of an engine, the one that came back last at the end.
#[derive(Debug, Default)]
pub(crate) struct StackPool {
    free: Mutex<Vec<GuestStack>>,
    /// Stores that have a stack, the one that got it first in front.
    seats: Mutex<VecDeque<Arc<Seat>>>,
}

impl StackPool {
    /// An engine's, which has no stacks yet. The system is asked for its fences here, where the process may have one
    /// thread: of a process that has several, it waits for all processors, which takes milliseconds.
    pub fn new() -> Arc<StackPool> {
        asymmetric::prepare();
        Arc::default()
    }

    /// Puts a stack on a seat that has none, of which a guest may use so many bytes, and makes it busy. Returns the
    /// stack's top and limit.
    pub fn lend(&self, seat: &Arc<Seat>, usable_bytes: usize) -> Result<(usize, usize)> {
        let stack = match self.take(usable_bytes) {
            Some(stack) => {
                stack.clean();
                stack
            }
            None => GuestStack::new(usable_bytes)?,
        };
        let bounds = (stack.top(), stack.limit());
        let mut place = seat.stack.lock();
        *place = Some(stack);
        seat.is_wanted.store(false, Relaxed);
        seat.state.store(BUSY, Release);
        drop(place);
        self.seats.lock().push_back(seat.clone());
        Ok(bounds)
    }

    /// The store of a seat goes.
    pub fn retire(&self, seat: &Arc<Seat>) {
        if let Some(stack) = seat.clear() {
            self.seats.lock().retain(|other| !Arc::ptr_eq(other, seat));
            self.give_back(stack);
        }
    }

    /// A stack that is free, or that of a store which does not run.
    fn take(&self, usable_bytes: usize) -> Option<GuestStack> {
        let mut free = self.free.lock();
        let fitting = free.iter().rposition(|stack| stack.usable_bytes == usable_bytes);
        let pooled = fitting.map(|at| free.remove(at));
        drop(free);
        pooled.or_else(|| self.take_idle(usable_bytes))
    }

    fn take_idle(&self, usable_bytes: usize) -> Option<GuestStack> {
        let mut seats = self.seats.lock();
        if seats.len() < STACKS_KEPT {
            return None;
        }
        for _ in 0..SEATS_TRIED {
            let seat = seats.pop_front()?;
            match seat.vacate() {
                Some(stack) if stack.usable_bytes == usable_bytes => return Some(stack),
                // Of another size: it is of no use to anybody now.
                Some(_) => {}
                None => seats.push_back(seat),
            }
        }
        None
    }

    /// Keeps a stack for later. The one that nobody wanted for longest gives way.
    fn give_back(&self, stack: GuestStack) {
        let mut free = self.free.lock();
        free.push(stack);
        let surplus = (free.len() > POOL_MAX).then(|| free.remove(0));
        drop(free);
        drop(surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::SeqCst;

    /// A store sits down and stands up as fast as it can, while others take its stack whenever it is idle.
    #[test]
    fn a_stack_is_never_taken_from_a_store_that_runs() {
        const ENTRIES: usize = 200_000;
        const USABLE_BYTES: usize = 64 << 10;
        let (pool, seat) = (StackPool::new(), Arc::<Seat>::default());
        let (runs_on, is_over, taken) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !is_over.load(SeqCst) {
                        if let Some(stack) = seat.vacate() {
                            assert_ne!(runs_on.load(SeqCst), stack.top(), "it was taken from below the guest");
                            taken.fetch_add(1, SeqCst);
                        }
                    }
                });
            }
            let mut top = 0;
            let mut entries = 0;
            while entries < ENTRIES || taken.load(SeqCst) == 0 {
                entries += 1;
                if !seat.sit() {
                    (top, _) = pool.lend(&seat, USABLE_BYTES).expect("room for a stack");
                }
                runs_on.store(top, Relaxed);
                let is_there = seat.stack.lock().as_ref().is_some_and(|stack| stack.top() == top);
                assert!(is_there, "the guest runs on a stack that is not there");
                runs_on.store(0, Relaxed);
                seat.stand_up();
            }
            is_over.store(true, SeqCst);
        });
    }
}
