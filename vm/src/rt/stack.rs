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
//! 3. The guard is as large as the largest frame: should the first point ever fail, nothing else is reached.

use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::errors::{Error, Result};
use heapwood_jit::abi::FRAME_BYTES_UNCOMPARED;
use heapwood_jit::stubs::STUB_STACK_BYTES;
use heapwood_module::limits::FRAME_BYTES_MAX;
use parking_lot::Mutex;

/// Below the limit: frames that move rsp before they compare it, and what is called from there.
const RESERVE_BYTES: usize =
    (FRAME_BYTES_UNCOMPARED as usize + STUB_STACK_BYTES + SIGNAL_BYTES).next_multiple_of(PAGE_BYTES);
/// What the kernel and a handler of the embedder may take that does not run on a stack for handlers.
const SIGNAL_BYTES: usize = 12 << 10;
/// Inaccessible bytes below a stack.
const GUARD_BYTES: usize = (FRAME_BYTES_MAX as usize).next_multiple_of(PAGE_BYTES);
/// Most stacks that an engine keeps for later stores.
const POOL_MAX: usize = 16;

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
        let mapping = Mapping::new(all, Access::None)?;
        mapping.protect(GUARD_BYTES, bytes, Access::ReadWrite)?;
        mapping.avoid_huge_pages();
        Ok(GuestStack { mapping, usable_bytes })
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
}

impl StackPool {
    /// A stack of which a guest may use so many bytes; its old contents are of no meaning.
    pub fn take(&self, usable_bytes: usize) -> Result<GuestStack> {
        let mut free = self.free.lock();
        let fitting = free.iter().rposition(|stack| stack.usable_bytes == usable_bytes);
        let pooled = fitting.map(|at| free.remove(at));
        drop(free);
        pooled.map_or_else(|| GuestStack::new(usable_bytes), Ok)
    }

    /// Keeps a stack for later. The one that nobody wanted for longest gives way.
    pub fn give_back(&self, stack: GuestStack) {
        let mut free = self.free.lock();
        free.push(stack);
        let surplus = (free.len() > POOL_MAX).then(|| free.remove(0));
        drop(free);
        drop(surplus);
    }
}
