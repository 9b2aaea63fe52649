//! When the next sample of a guest's stack is due: an alarm of the engine's timer raises the guard word then, and the
//! guest takes the sample at its next poll. The next alarm is set there: whoever does not run is not woken.

use super::interrupt::InterruptCell;
use super::timer::{Alarm, Timer};
use crate::errors::Result;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the interval of samples that find nothing new may become, as a multiple of what it was.
const IDLE_FACTOR_MAX: u32 = 32;
/// Samples that find nothing new before the interval is doubled.
const IDLE_SAMPLES: u32 = 16;

/// The longest interval: what is longer is no profile.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// When samples of a store's guest are due.
#[derive(Debug)]
pub(crate) struct Sampler {
    interval: Duration,
    /// The present interval is so many times that one.
    factor: u32,
    /// Samples that found nothing new since it became so.
    idle: u32,
    random: u64,
    /// Comes when the next one is due.
    alarm: Option<Alarm>,
}

impl Sampler {
    /// Samples about `interval` apart, from now on; 0 is one at each poll.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub fn start(interval: Duration, cell: &Arc<InterruptCell>, timer: &Timer) -> Result<Sampler> {
        let interval = interval.min(INTERVAL_MAX);
        let mut sampler = Sampler { interval, factor: 1, idle: 0, random: 0x9e37_79b9_7f4a_7c15, alarm: None };
        sampler.set(cell, timer)?;
        Ok(sampler)
    }

    /// Whether a sample found something new: samples that find nothing become rare.
    pub fn found(&mut self, is_new: bool) {
        if is_new {
            (self.factor, self.idle) = (1, 0);
        } else if self.idle + 1 < IDLE_SAMPLES {
            self.idle += 1;
        } else {
            (self.factor, self.idle) = ((2 * self.factor).min(IDLE_FACTOR_MAX), 0);
        }
    }

    /// Sets when the next one is due.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub fn set(&mut self, cell: &Arc<InterruptCell>, timer: &Timer) -> Result<()> {
        // Between half of it and one and a half, so that no rhythm of the guest is the samples' rhythm.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        if self.interval.is_zero() {
            cell.set_sample_at(Some(Instant::now()));
            return Ok(());
        }
        let interval = self.interval * self.factor;
        let gap = interval / 2 + interval.mul_f64((self.random >> 11) as f64 / (1u64 << 53) as f64);
        let at = Instant::now().checked_add(gap);
        cell.set_sample_at(at);
        self.alarm = at.map(|at| timer.alarm(at, cell)).transpose()?;
        Ok(())
    }
}
