//! The thread of an engine that says when the time of an entry is over.
//!
//! It starts with the first alarm and ends with the engine. An alarm that is dropped does not come, unless it is on its
//! way already; so whoever hears it looks at the clock (`interrupt`).

use super::interrupt::InterruptCell;
use crate::errors::{Error, Result};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

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
    waiting: BTreeMap<Key, Arc<InterruptCell>>,
    last: u64,
    is_over: bool,
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
        alarms.last += 1;
        let key = (at, alarms.last);
        alarms.waiting.insert(key, cell.clone());
        if alarms.waiting.first_key_value().is_some_and(|(first, _)| *first == key) {
            self.shared.changed.notify_one();
        }
        drop(alarms);
        Ok(Alarm { key, shared: self.shared.clone() })
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
                    let cell = alarms.waiting.pop_first().map(|(_, cell)| cell);
                    MutexGuard::unlocked(&mut alarms, || {
                        // What ends a wait is the host's: a panic there is no reason to leave other stores alone.
                        let _ = catch_unwind(AssertUnwindSafe(|| cell.inspect(|cell| cell.look_at_clock())));
                    });
                }
                Some(at) => {
                    self.changed.wait_until(&mut alarms, at);
                }
            }
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.shared.alarms.lock().waiting.remove(&self.key);
    }
}
