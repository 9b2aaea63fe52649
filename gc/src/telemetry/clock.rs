//! Time as the heap measures it.

use crate::raw::backing::thread_cpu_ns;
use std::time::Instant;

/// A point in time, on two clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    /// Nanoseconds since the heap was made.
    pub wall_ns: u64,
    /// CPU time of the thread in nanoseconds, if it was asked for: that is a system call.
    pub cpu_ns: Option<u64>,
}

impl Clock {
    /// CPU time since `start`. If that is not known, or the thread is another one since then, the time that passed.
    pub fn since(self, start: Clock) -> u64 {
        let wall_ns = self.wall_ns - start.wall_ns;
        match (self.cpu_ns, start.cpu_ns) {
            (Some(cpu_ns), Some(start_ns)) if cpu_ns >= start_ns => (cpu_ns - start_ns).min(wall_ns),
            _ => wall_ns,
        }
    }
}

/// When a heap was made: the zero of its clock.
#[derive(Clone, Copy, Debug)]
pub struct Birth(Instant);

impl Birth {
    /// A heap that is made now.
    pub fn now() -> Birth {
        Birth(Instant::now())
    }

    /// The instant.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// The time since then, with the thread's CPU time if `with_cpu`.
    pub fn clock(self, with_cpu: bool) -> Clock {
        Clock { wall_ns: self.0.elapsed().as_nanos() as u64, cpu_ns: with_cpu.then(thread_cpu_ns) }
    }

    /// Microseconds from then to `instant`.
    pub fn us_until(self, instant: Instant) -> f64 {
        instant.saturating_duration_since(self.0).as_nanos() as f64 / 1e3
    }
}
