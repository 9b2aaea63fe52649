//! Waiting for a clock.

use super::GrantError;
use crate::clock::ClockId;
use crate::ctx::WasiCtx;

/// The longest single wait in ns. A clock may jump, so that it is looked at again.
const WAIT_MAX: u64 = 60 * 1_000_000_000;

impl WasiCtx {
    /// Waits until a clock shows this time or a later one, in nanoseconds. A virtual clock is moved on.
    ///
    /// # Errors
    /// The system has no such clock; the guest is interrupted while this waits.
    pub fn sleep_until(&mut self, clock: ClockId, time: u64) -> Result<(), GrantError> {
        loop {
            let rest = time.saturating_sub(self.clocks.now(clock)?);
            if rest == 0 {
                return Ok(());
            }
            if !self.clocks.advance(rest) {
                self.interrupt.wait(&[], Some(rest.min(WAIT_MAX)))?;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeterministicClocks;

    #[test]
    fn a_virtual_clock_is_moved_on_and_a_real_one_waited_for() {
        let clocks = DeterministicClocks::new(1_000, 0);
        let mut ctx = WasiCtx::builder().clocks(clocks).build().unwrap();
        for (time, now) in [(5_000, 5_000), (2_000, 5_000), (1 << 62, 1 << 62)] {
            ctx.sleep_until(ClockId::Realtime, time).unwrap();
            assert_eq!(ctx.now_ns(ClockId::Realtime), Ok(now));
        }
        let mut ctx = WasiCtx::builder().build().unwrap();
        let time = ctx.now_ns(ClockId::Monotonic).unwrap() + 2_000_000;
        ctx.sleep_until(ClockId::Monotonic, time).unwrap();
        assert!(ctx.now_ns(ClockId::Monotonic).unwrap() >= time);
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let mut ctx = WasiCtx::builder().build().unwrap();
        ctx.interrupt_handle().interrupt();
        assert_eq!(ctx.sleep_until(ClockId::Monotonic, u64::MAX), Err(GrantError::Interrupted));
    }
}
