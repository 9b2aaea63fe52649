//! Waiting for a clock.

use super::GrantError;
use crate::clock::ClockId;
use crate::ctx::WasiCtx;
use crate::poll::MAX_WAIT;

impl WasiCtx {
    /// Waits until a clock shows at least so many nanoseconds. A virtual clock moves on at once.
    ///
    /// ```
    /// use heapwood_wasi::{ClockId, DeterministicClocks, WasiCtx};
    /// let mut wasi = WasiCtx::builder().clocks(DeterministicClocks::new(0, 0)).build()?;
    /// wasi.wait_until(ClockId::Monotonic, 5_000)?;
    /// assert_eq!(wasi.now_ns(ClockId::Monotonic)?, 5_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The system has no such clock, or the guest is interrupted while this waits.
    pub fn wait_until(&mut self, clock: ClockId, at_ns: u64) -> Result<(), GrantError> {
        loop {
            let rest = at_ns.saturating_sub(self.clocks.now(clock)?);
            if rest == 0 {
                return Ok(());
            }
            self.interrupt.check()?;
            if !self.clocks.advance(rest) {
                self.interrupt.wait(&[], Some(rest.min(MAX_WAIT)))?;
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
            ctx.wait_until(ClockId::Realtime, time).unwrap();
            assert_eq!(ctx.now_ns(ClockId::Realtime), Ok(now));
        }
        let mut ctx = WasiCtx::builder().build().unwrap();
        let time = ctx.now_ns(ClockId::Monotonic).unwrap() + 2_000_000;
        ctx.wait_until(ClockId::Monotonic, time).unwrap();
        assert!(ctx.now_ns(ClockId::Monotonic).unwrap() >= time);
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let mut ctx = WasiCtx::builder().build().unwrap();
        ctx.interrupt_handle().interrupt();
        assert_eq!(ctx.wait_until(ClockId::Monotonic, u64::MAX), Err(GrantError::Interrupted));
    }
}
