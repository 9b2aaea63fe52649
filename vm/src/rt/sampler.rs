//! When the next sample of a guest's stack is due: the engine's timer says so and raises the guard word, and the guest
//! takes the sample at its next poll.
//!
//! All stores of an engine whose samples are as far apart make a round, which has one alarm: so a store that joins it
//! wakes nobody. A guest that has not taken a sample when the next is due does not run: it leaves the round, and joins
//! it again when it takes the sample. So where no guest runs, nobody is woken. Where stores come and go, and none stays
//! for two rounds, these become rare: each wakes another processor, which system calls for memory have to interrupt
//! then.

use super::interrupt::InterruptCell;
use super::timer::Timer;
use crate::errors::Result;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use std::time::Duration;

/// What the interval of samples that find nothing new may become, as a multiple of what it was.
const IDLE_FACTOR_MAX: u32 = 32;
/// Samples that find nothing new before the interval is doubled.
const IDLE_SAMPLES: u32 = 8;

/// The longest interval: what is longer is no profile.
const INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// How samples stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum State {
    /// None are taken.
    Off,
    /// The next one becomes due in the round.
    Waits,
    /// One is due; the store is still in the round.
    Due,
    /// One is due; the store has left the round.
    Alone,
    /// One is due at each poll.
    Always,
}

/// What becomes of a store in a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Ring {
    /// A sample is due, the first one of the store.
    Due,
    /// A sample is due, and was before.
    Again,
    /// None is due yet, of a store that was rung before.
    Early,
    /// The store leaves the round.
    Over,
}

/// Whether a sample of a store's stack is due, as the store and the timer see it.
#[derive(Debug)]
pub(super) struct DueSamples {
    /// A [`State`].
    state: AtomicU8,
    /// One is due in so many rounds.
    factor: AtomicU32,
    /// Rounds since the last one: the timer's.
    passed: AtomicU32,
    /// Whether one ever became due: the timer's.
    was_rung: AtomicBool,
    /// The round that the store is in, by its interval in nanoseconds, or 0, and where it stands there: the timer's.
    round_ns: AtomicU64,
    place: AtomicUsize,
}

impl Default for DueSamples {
    fn default() -> DueSamples {
        DueSamples {
            state: AtomicU8::new(State::Off as u8),
            factor: AtomicU32::new(1),
            passed: AtomicU32::default(),
            was_rung: AtomicBool::default(),
            round_ns: AtomicU64::default(),
            place: AtomicUsize::default(),
        }
    }
}

impl DueSamples {
    fn set(&self, state: State) {
        self.state.store(state as u8, SeqCst);
    }

    fn goes(&self, from: State, to: State) -> bool {
        self.state.compare_exchange(from as u8, to as u8, SeqCst, SeqCst).is_ok()
    }

    /// Somebody begins to take samples: how they stand first.
    fn begin(&self, state: State) {
        self.factor.store(1, Relaxed);
        self.passed.store(0, Relaxed);
        self.set(state);
    }

    /// Whether one is due.
    #[inline]
    pub fn are_due(&self) -> bool {
        self.state.load(SeqCst) >= State::Due as u8
    }

    /// The time of the store's round has come, says the timer.
    pub fn ring(&self) -> Ring {
        let passed = self.passed.load(Relaxed) + 1;
        if passed < self.factor.load(Relaxed) && self.state.load(SeqCst) == State::Waits as u8 {
            self.passed.store(passed, Relaxed);
            return Ring::Early;
        }
        self.passed.store(0, Relaxed);
        loop {
            if self.goes(State::Waits, State::Due) {
                return if self.was_rung.swap(true, Relaxed) { Ring::Again } else { Ring::Due };
            }
            // The store may take the one that is due at the same time.
            if self.goes(State::Due, State::Alone) || self.state.load(SeqCst) != State::Waits as u8 {
                return Ring::Over;
            }
        }
    }

    /// The round that the store is in, by its interval, and where it stands there. The timer's lock is held here and where
    /// it is set.
    pub fn place(&self) -> Option<(Duration, usize)> {
        let round_ns = self.round_ns.load(Relaxed);
        (round_ns != 0).then(|| (Duration::from_nanos(round_ns), self.place.load(Relaxed)))
    }

    /// Sets that.
    pub fn set_place(&self, place: Option<(Duration, usize)>) {
        let (interval, place) = place.unwrap_or_default();
        let round_ns = u64::try_from(interval.as_nanos()).expect("no interval is longer than an hour");
        self.round_ns.store(round_ns, Relaxed);
        self.place.store(place, Relaxed);
    }

    /// The store takes the one that is due. Whether it has to join the round again.
    fn take(&self) -> bool {
        !self.goes(State::Due, State::Waits) && self.goes(State::Alone, State::Waits)
    }
}

/// When samples of a store's guest are due.
#[derive(Debug)]
pub(crate) struct Sampler {
    interval: Duration,
    /// Samples that found nothing new since the present interval ([`DueSamples::factor`]) began.
    idle: u32,
    cell: Arc<InterruptCell>,
    timer: Arc<Timer>,
}

impl Sampler {
    /// Samples about `interval` apart, from now on; 0 is one at each poll.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub fn start(interval: Duration, cell: &Arc<InterruptCell>, timer: &Arc<Timer>) -> Result<Sampler> {
        let interval = interval.min(INTERVAL_MAX);
        let sampler = Sampler { interval, idle: 0, cell: cell.clone(), timer: timer.clone() };
        if interval.is_zero() {
            cell.samples().begin(State::Always);
            cell.raise_guard();
        } else {
            cell.samples().begin(State::Waits);
            timer.join(interval, cell)?;
        }
        Ok(sampler)
    }

    /// Whether a sample found something new: samples that find nothing become rare.
    pub fn found(&mut self, is_new: bool) {
        let factor = &self.cell.samples().factor;
        if is_new {
            factor.store(1, Relaxed);
            self.idle = 0;
        } else if self.idle + 1 < IDLE_SAMPLES {
            self.idle += 1;
        } else {
            factor.store((2 * factor.load(Relaxed)).min(IDLE_FACTOR_MAX), Relaxed);
            self.idle = 0;
        }
    }

    /// The sample that is due was taken.
    ///
    /// # Errors
    /// The system refuses the timer's thread.
    pub fn taken(&mut self) -> Result<()> {
        if self.cell.samples().take() { self.timer.join(self.interval, &self.cell) } else { Ok(()) }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.cell.samples().set(State::Off);
        self.timer.leave(&self.cell);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many rounds until a sample is due, which is taken.
    fn rounds(sampler: &mut Sampler) -> u32 {
        let rings = (1..).find(|_| sampler.cell.samples().ring() != Ring::Early);
        assert!(sampler.cell.samples().are_due());
        sampler.taken().expect("the timer has its thread");
        rings.expect("one becomes due")
    }

    #[test]
    fn samples_become_rare_where_nothing_is_found_and_begin_anew_with_each_sampler() {
        let (cell, timer) = (Arc::default(), Arc::default());
        // The timer's own alarm does not come while this runs.
        let start = || Sampler::start(INTERVAL_MAX, &cell, &timer).expect("the timer gets its thread");
        for _ in 0..2 {
            let mut sampler = start();
            assert_eq!(rounds(&mut sampler), 1);
            (0..IDLE_SAMPLES).for_each(|_| sampler.found(false));
            assert_eq!(rounds(&mut sampler), 2);
            (0..20 * IDLE_SAMPLES).for_each(|_| sampler.found(false));
            assert_eq!(rounds(&mut sampler), IDLE_FACTOR_MAX);
            assert_eq!(cell.samples().ring(), Ring::Early);
        }
        let mut sampler = start();
        (0..20 * IDLE_SAMPLES).for_each(|_| sampler.found(false));
        sampler.found(true);
        assert_eq!(rounds(&mut sampler), 1);
    }

    #[test]
    fn stores_that_do_not_run_leave_their_round() {
        let (cell, timer) = (Arc::<InterruptCell>::default(), Arc::default());
        let mut sampler = Sampler::start(INTERVAL_MAX, &cell, &timer).expect("the timer gets its thread");
        assert_eq!([(); 3].map(|()| cell.samples().ring()), [Ring::Due, Ring::Over, Ring::Over]);
        sampler.taken().expect("the timer has its thread");
        assert_eq!([(); 2].map(|()| cell.samples().ring()), [Ring::Again, Ring::Over]);
        drop(sampler);
        assert!(!cell.samples().are_due() && cell.samples().place().is_none(), "nothing of it is with the timer");
        assert_eq!(cell.samples().ring(), Ring::Over);
    }
}
