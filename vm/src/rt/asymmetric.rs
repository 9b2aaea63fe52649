//! Two threads of which one often writes a word and looks at another, and the other thread rarely does so the other way
//! round: at least one of them has to see what the other wrote.
//!
//! Both would need a fence between the write and the look. Here the frequent side has none as a rule ([`light_fence`]):
//! the rare side has the system put a fence into every thread of the process ([`heavy_fence`]). Where the system does
//! not do that (`membarrier` is refused, or unknown), both have fences of their own.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, compiler_fence, fence};

/// The system was asked, and fences for others.
static HAS_HEAVY_FENCE: AtomicBool = AtomicBool::new(false);

const REGISTER: libc::c_int = libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED;
const FENCE: libc::c_int = libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED;

fn membarrier(command: libc::c_int) -> bool {
    // SAFETY: R10.
    unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
}

/// Asks the system whether it fences for others, unless it is known to.
pub(super) fn prepare() {
    if !HAS_HEAVY_FENCE.load(Relaxed) && membarrier(REGISTER) {
        HAS_HEAVY_FENCE.store(true, Relaxed);
    }
}

/// Between a write and a look of the frequent side.
#[inline]
pub(super) fn light_fence() {
    match HAS_HEAVY_FENCE.load(Relaxed) {
        true => compiler_fence(SeqCst),
        false => fence(SeqCst),
    }
}

/// Between a write and a look of the rare side. `false`: the system has refused, and nothing may be concluded from what
/// is seen.
pub(super) fn heavy_fence() -> bool {
    fence(SeqCst);
    // A process that was forked may have to register anew.
    !HAS_HEAVY_FENCE.load(Relaxed) || membarrier(FENCE) || (membarrier(REGISTER) && membarrier(FENCE))
}
