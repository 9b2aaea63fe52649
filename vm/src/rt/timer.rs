//! The thread of an engine that says when the time of an entry is over.
//!
//! It starts with the first alarm and ends with the engine. An alarm that is dropped does not come, unless it is on its
//! way already; so whoever hears it looks at the clock (`interrupt`).

use super::interrupt::InterruptCell;
use super::sampler::Ring;
use crate::errors::{Error, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// What the thread needs: it sleeps, and calls what ends waits.
const STACK_BYTES: usize = 128 << 10;

/// When an alarm comes, and its number.
type Key = (Instant, u64);

/// The thread of an engine that says when the time of an entry is over, and the alarms that wait.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Shared {
    alarms: Mutex<Alarms>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Alarms {
    waiting: BTreeMap<Key, Waiting>,
    /// Stores that take samples, by how far apart these are. There is an alarm for each round that has stores.
    rounds: BTreeMap<Duration, Round>,
    last: u64,
    /// Where random numbers come from.
    random: u64,
    is_over: bool,
}

/// Stores whose samples are so far apart.
#[derive(Debug)]
struct Round {
    stores: Vec<Arc<InterruptCell>>,
    /// Its alarm comes after so many times the interval: more and more as long as no store stays, so that stores which are
    /// over at once hardly wake the timer's thread.
    factor: u32,
    has_alarm: bool,
}

impl Default for Round {
    fn default() -> Round {
        Round { stores: Vec::new(), factor: 1, has_alarm: false }
    }
}

/// The most of [`Round::factor`].
const ROUND_FACTOR_MAX: u32 = 16;

/// What is done when an alarm comes.
#[derive(Debug)]
enum Waiting {
    /// The store looks at the clock.
    Clock(Arc<InterruptCell>),
    /// Samples are due of the stores whose samples are so far apart.
    Round(Duration),
}

/// An alarm that comes unless it is dropped before.
#[derive(Debug)]
pub(crate) struct Alarm {
    key: Key,
    shared: Arc<Shared>,
}

impl Timer {
    /// Makes a store look at the clock at a time.
    ///
    /// # Errors
    /// The system refuses the thread.
    pub fn alarm(&self, at: Instant, cell: &Arc<InterruptCell>) -> Result<Alarm> {
        self.start()?;
        let mut alarms = self.shared.alarms.lock();
        let (key, is_first) = alarms.insert(at, Waiting::Clock(cell.clone()));
        if is_first {
            self.shared.changed.notify_one();
        }
        drop(alarms);
        Ok(Alarm { key, shared: self.shared.clone() })
    }

    /// Makes a sample of a store's stack due from time to time, `interval` apart, as long as it takes them
    /// ([`DueSamples`](super::sampler::DueSamples)).
    ///
    /// # Errors
    /// The system refuses the thread.
    pub fn join(&self, interval: Duration, cell: &Arc<InterruptCell>) -> Result<()> {
        self.start()?;
        let mut alarms = self.shared.alarms.lock();
        alarms.leave(cell);
        let round = alarms.rounds.entry(interval).or_default();
        cell.samples().set_place(Some((interval, round.stores.len())));
        round.stores.push(cell.clone());
        let has_alarm = std::mem::replace(&mut round.has_alarm, true);
        let factor = round.factor;
        if !has_alarm && alarms.set_round(interval, factor) {
            self.shared.changed.notify_one();
        }
        Ok(())
    }

    /// No sample of a store's stack becomes due any more: nothing of it stays here.
    pub fn leave(&self, cell: &InterruptCell) {
        self.shared.alarms.lock().leave(cell);
    }

    fn start(&self) -> Result<()> {
        let mut thread = self.thread.lock();
        if thread.is_none() {
            let shared = self.shared.clone();
            let builder = Builder::new().name("heapwood-timer".to_owned()).stack_size(STACK_BYTES);
            let started = builder.spawn(move || shared.run());
            *thread = Some(started.map_err(|error| Error::limit(format!("a deadline needs a thread: {error}")))?);
        }
        Ok(())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.shared.alarms.lock().is_over = true;
        self.shared.changed.notify_one();
        if let Some(thread) = self.thread.get_mut().take()
            && thread.thread().id() != std::thread::current().id()
        {
            thread.join().expect("panics of others are caught");
        }
    }
}

impl Shared {
    fn run(&self) {
        let mut alarms = self.alarms.lock();
        while !alarms.is_over {
            let first = alarms.waiting.first_key_value().map(|(key, _)| key.0);
            match first {
                None => self.changed.wait(&mut alarms),
                Some(at) if at <= Instant::now() => {
                    let Some((_, waiting)) = alarms.waiting.pop_first() else { continue };
                    match waiting {
                        Waiting::Clock(cell) => MutexGuard::unlocked(&mut alarms, || {
                            // What ends a wait is the host's: a panic there is no reason to leave other stores alone.
                            let _ = catch_unwind(AssertUnwindSafe(|| cell.look_at_clock()));
                        }),
                        Waiting::Round(interval) => alarms.ring(interval),
                    }
                }
                Some(at) => {
                    self.changed.wait_until(&mut alarms, at);
                }
            }
        }
    }
}

impl Alarms {
    /// Adds an alarm; its key, and whether it is the first of all.
    fn insert(&mut self, at: Instant, waiting: Waiting) -> (Key, bool) {
        self.last += 1;
        let key = (at, self.last);
        self.waiting.insert(key, waiting);
        (key, self.waiting.first_key_value().is_some_and(|(first, _)| *first == key))
    }

    /// Adds the alarm of a round, between half of the interval and one and a half away, so that no rhythm of a guest is
    /// the samples' rhythm. Says whether it is the first of all.
    fn set_round(&mut self, interval: Duration, factor: u32) -> bool {
        self.random = self.random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        let away = factor * (interval / 2 + interval.mul_f64((self.random >> 11) as f64 / (1u64 << 53) as f64));
        self.insert(Instant::now() + away, Waiting::Round(interval)).1
    }

    /// Samples of a round are due. It goes on with the stores that took the last ones.
    fn ring(&mut self, interval: Duration) {
        let Some(round) = self.rounds.get_mut(&interval) else { return };
        let mut some_stay = false;
        let mut stay = 0;
        round.stores.retain(|cell| {
            let rung = cell.sample();
            some_stay |= matches!(rung, Ring::Again | Ring::Early);
            let stays = rung != Ring::Over;
            cell.samples().set_place(stays.then_some((interval, stay)));
            stay += usize::from(stays);
            stays
        });
        round.factor = if some_stay { 1 } else { (2 * round.factor).min(ROUND_FACTOR_MAX) };
        round.has_alarm = !round.stores.is_empty();
        let (has_alarm, factor) = (round.has_alarm, round.factor);
        if has_alarm {
            self.set_round(interval, factor);
        }
    }

    /// A store leaves its round, if it is in one.
    fn leave(&mut self, cell: &InterruptCell) {
        let Some((interval, place)) = cell.samples().place() else { return };
        cell.samples().set_place(None);
        let stores = &mut self.rounds.get_mut(&interval).expect("a store knows its round").stores;
        stores.swap_remove(place);
        if let Some(moved) = stores.get(place) {
            moved.samples().set_place(Some((interval, place)));
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.alarms.lock().waiting.remove(&self.key);
    }
}
