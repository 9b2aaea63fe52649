//! Stacks that guests run on.
//!
//! ```text
//! guard page | room for stubs | what the guest may use ... top
//!                             ^ limit
//! ```

use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::error::Result;
use heapwood_jit::stubs::STUB_STACK_BYTES;
use parking_lot::Mutex;

/// Below the limit: stubs, and frames of up to 4 KiB that compare rsp before they are set up, with their arguments.
const RESERVE_BYTES: usize = (STUB_STACK_BYTES + (44 << 10)).next_multiple_of(PAGE_BYTES);
/// Most stacks that an engine keeps for later stores.
const POOL_MAX: usize = 16;

/// A guest's stack, committed as it is touched.
#[derive(Debug)]
pub(crate) struct GuestStack {
    mapping: Mapping,
}

impl GuestStack {
    fn new(usable_bytes: usize) -> Result<GuestStack> {
        let bytes = usable_bytes.next_multiple_of(PAGE_BYTES) + RESERVE_BYTES + PAGE_BYTES;
        let mapping = Mapping::new(bytes, Access::ReadWrite)?;
        mapping.protect(0, PAGE_BYTES, Access::None)?;
        mapping.avoid_huge_pages();
        Ok(GuestStack { mapping })
    }

    /// Where an empty stack begins; a multiple of 16.
    pub fn top(&self) -> usize {
        self.mapping.address() + self.mapping.bytes()
    }

    /// The guest's rsp must not go below this.
    pub fn limit(&self) -> usize {
        self.mapping.address() + PAGE_BYTES + RESERVE_BYTES
    }
}

/// Stacks of one size for the stores of an engine.
#[derive(Debug)]
pub(crate) struct StackPool {
    usable_bytes: usize,
    free: Mutex<Vec<GuestStack>>,
}

impl StackPool {
    pub fn new(usable_bytes: usize) -> StackPool {
        StackPool { usable_bytes, free: Mutex::default() }
    }

    /// A stack; its old contents are of no meaning.
    pub fn take(&self) -> Result<GuestStack> {
        let pooled = self.free.lock().pop();
        pooled.map_or_else(|| GuestStack::new(self.usable_bytes), Ok)
    }

    /// Keeps a stack for later.
    pub fn give_back(&self, stack: GuestStack) {
        let mut free = self.free.lock();
        if free.len() < POOL_MAX {
            free.push(stack);
        }
    }
}
