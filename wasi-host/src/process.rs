//! `proc_exit`, `proc_raise`, `sched_yield`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::Memory;
use crate::outcome::{Outcome, Served};

pub(crate) fn exit(_ctx: &mut WasiCtx, _memory: &mut Memory<'_>, code: u32) -> Served {
    Err(Outcome::Exit(code).into())
}

/// The highest number in witx `$signal` (`sys`).
const LAST_SIGNAL: u32 = 30;

/// Guests have no handlers, so that there is nothing to raise a signal in; 0 (`none`) only asks whether it could.
pub(crate) fn raise(_ctx: &mut WasiCtx, _memory: &mut Memory<'_>, signal: u32) -> Served {
    match signal {
        0 => Ok(()),
        1..=LAST_SIGNAL => Err(Errno::NotSup.into()),
        _ => Err(Errno::Inval.into()),
    }
}

pub(crate) fn sched_yield(ctx: &mut WasiCtx, _memory: &mut Memory<'_>) -> Served {
    ctx.interrupt.check()?;
    std::thread::yield_now();
    Ok(())
}
