//! Clocks: the trait, the host's, a deterministic one, and `clock_res_get`, `clock_time_get` (witx: `$clockid`).

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, Memory, check_u64};
use crate::outcome::Served;

/// The clocks that preview1 names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockId {
    /// Time of day, in ns since 1970-01-01 UTC. May jump.
    Realtime,
    /// Never runs backwards; what its zero is has no meaning.
    Monotonic,
    /// CPU time of the process.
    ProcessCpu,
    /// CPU time of the calling thread.
    ThreadCpu,
}

impl ClockId {
    /// The clock with this number in the witx.
    ///
    /// # Errors
    /// `INVAL` for any other number than 0 to 3.
    pub fn from_guest(raw: u32) -> Result<ClockId, Errno> {
        match raw {
            0 => Ok(ClockId::Realtime),
            1 => Ok(ClockId::Monotonic),
            2 => Ok(ClockId::ProcessCpu),
            3 => Ok(ClockId::ThreadCpu),
            _ => Err(Errno::Inval),
        }
    }
}

/// What a guest learns about time.
pub trait Clocks: Send {
    /// The time in ns.
    ///
    /// # Errors
    /// `NOTSUP` for a clock that does not exist here, `OVERFLOW` for a time before the clock's zero.
    fn now(&mut self, clock: ClockId) -> Result<u64, Errno>;

    /// The step of the clock in ns, at least 1.
    ///
    /// # Errors
    /// As for [`now`](Clocks::now).
    fn resolution(&mut self, clock: ClockId) -> Result<u64, Errno>;

    /// Called when a guest would sleep for `ns`. A virtual clock moves on and returns true; when false is returned
    /// the caller really waits.
    fn advance(&mut self, ns: u64) -> bool {
        let _ = ns;
        false
    }
}

/// The clocks of the host.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClocks;

fn host_clock(clock: ClockId) -> rustix::time::ClockId {
    match clock {
        ClockId::Realtime => rustix::time::ClockId::Realtime,
        ClockId::Monotonic => rustix::time::ClockId::Monotonic,
        ClockId::ProcessCpu => rustix::time::ClockId::ProcessCPUTime,
        ClockId::ThreadCpu => rustix::time::ClockId::ThreadCPUTime,
    }
}

fn timespec_ns(time: rustix::time::Timespec) -> Result<u64, Errno> {
    let seconds = u64::try_from(time.tv_sec).map_err(|_| Errno::Overflow)?;
    seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(time.tv_nsec as u64)).ok_or(Errno::Overflow)
}

impl Clocks for SystemClocks {
    fn now(&mut self, clock: ClockId) -> Result<u64, Errno> {
        timespec_ns(rustix::time::clock_gettime(host_clock(clock)))
    }

    fn resolution(&mut self, clock: ClockId) -> Result<u64, Errno> {
        timespec_ns(rustix::time::clock_getres(host_clock(clock))).map(|ns| ns.max(1))
    }
}

/// Clocks for reproducible runs: all four start where they are told, move by `step` ns with every look at one of
/// them, and by the whole time that a guest sleeps, which takes none.
#[derive(Clone, Copy, Debug)]
pub struct DeterministicClocks {
    realtime: u64,
    elapsed: u64,
    step: u64,
}

impl DeterministicClocks {
    /// `realtime` in ns since 1970; the other clocks start at 0. A `step` of 0 stops them between sleeps.
    pub fn new(realtime: u64, step: u64) -> DeterministicClocks {
        DeterministicClocks { realtime, elapsed: 0, step }
    }
}

impl Clocks for DeterministicClocks {
    fn now(&mut self, clock: ClockId) -> Result<u64, Errno> {
        let elapsed = self.elapsed;
        self.elapsed = self.elapsed.saturating_add(self.step);
        Ok(if clock == ClockId::Realtime { self.realtime.saturating_add(elapsed) } else { elapsed })
    }

    fn resolution(&mut self, _clock: ClockId) -> Result<u64, Errno> {
        Ok(self.step.max(1))
    }

    fn advance(&mut self, ns: u64) -> bool {
        self.elapsed = self.elapsed.saturating_add(ns);
        true
    }
}

pub(crate) fn res_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, id: u32, result: u64) -> Served {
    check_u64(memory, result)?;
    let resolution = ctx.clocks.resolution(ClockId::from_guest(id)?)?;
    Ok(memory.write_u64(result, resolution)?)
}

/// `precision` allows a coarser answer; ours is exact.
pub(crate) fn time_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, id: u32, _precision: u64, result: u64) -> Served {
    check_u64(memory, result)?;
    let now = ctx.clocks.now(ClockId::from_guest(id)?)?;
    Ok(memory.write_u64(result, now)?)
}
