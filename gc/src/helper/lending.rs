//! How work is lent to a helper thread and comes back: the protocol, without what is marked or swept.
//!
//! 1. The work is with the mutator, in the slot, or with a helper. Only who has it touches it.
//! 2. The mutator *lends*: it puts the work into the slot and tells the helpers. A helper takes it, does a portion at
//!    a time, and after each takes in what the mutator delivered meanwhile. When nothing is left, when it cannot go on,
//!    or when it is recalled, it puts the work back.
//! 3. The mutator *takes* the work from the slot if it is there, and never waits for that; it *recalls* it when it has
//!    to have it, and then waits for at most a portion.
//! 4. Who listens to the mutator's heap wants to know when helpers worked: they note it, after a portion, in a small
//!    buffer (`spans`) that the mutator empties at its next event.
//! 5. So nobody holds the lock while working, and when the mutator has the work and its inbox is empty, everything that
//!    was delivered is part of the work.

use super::spans::{Span, Spans};
use super::sync::{Condvar, Mutex, MutexGuard, TryLockError};
use std::time::Instant;

/// Work that can be lent.
pub trait Work<I>: Send {
    /// Moves what was delivered into the work. Returns whether there was anything.
    fn take_in(&mut self, inbox: &mut I) -> bool;
    /// Does a portion.
    fn portion(&mut self) -> Portion;
    /// How much was done so far.
    fn progress(&self) -> u64;
}

/// What is left after a portion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Portion {
    /// More work.
    More,
    /// Nothing.
    Empty,
    /// Work that a helper cannot go on with.
    Stuck,
}

/// The place of exchange.
#[derive(Debug)]
pub struct Lending<W, I> {
    slot: Mutex<Slot<W, I>>,
    returned: Condvar,
}

#[derive(Debug)]
struct Slot<W, I> {
    work: Option<Box<W>>,
    inbox: I,
    recalled: bool,
    progress: u64,
    helper_cpu_ns: u64,
    /// None if nobody listens.
    spans: Option<Box<Spans>>,
}

impl<W: Work<I>, I: Send> Lending<W, I> {
    /// Nothing is lent.
    pub fn new(inbox: I) -> Lending<W, I> {
        let slot = Slot { work: None, inbox, recalled: false, progress: 0, helper_cpu_ns: 0, spans: None };
        Lending { slot: Mutex::new(slot), returned: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Slot<W, I>> {
        self.slot.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn try_lock(&self) -> Option<MutexGuard<'_, Slot<W, I>>> {
        match self.slot.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Puts the work into the slot. A helper has to be told.
    pub fn lend(&self, work: Box<W>) {
        let mut slot = self.lock();
        debug_assert!(slot.work.is_none());
        slot.progress = work.progress();
        slot.recalled = false;
        slot.work = Some(work);
    }

    /// Takes the work, if no helper has it. Never waits.
    pub fn try_take(&self) -> Option<Box<W>> {
        take(&mut *self.try_lock()?)
    }

    /// Takes the work, if no helper has it and it is `wanted` as it is. Never waits.
    pub fn try_take_if(&self, wanted: impl FnOnce(&W) -> bool) -> Option<Box<W>> {
        let mut slot = self.try_lock()?;
        if slot.work.as_deref().is_some_and(wanted) { take(&mut *slot) } else { None }
    }

    /// Asks for the work: a helper puts it back after its portion.
    pub fn ask_back(&self) {
        if let Some(mut slot) = self.try_lock() {
            slot.recalled = true;
        }
    }

    /// Takes the work, and waits for the end of the portion if a helper is at it.
    pub fn recall(&self) -> Box<W> {
        let mut slot = self.lock();
        slot.recalled = true;
        loop {
            if let Some(work) = take(&mut *slot) {
                return work;
            }
            slot = self.returned.wait(slot).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Lets the mutator add to the inbox, unless that would have to wait. Returns what `deliver` did.
    pub fn deliver<R>(&self, deliver: impl FnOnce(&mut I) -> R) -> Option<R> {
        Some(deliver(&mut self.try_lock()?.inbox))
    }

    /// How much was done when the last portion ended; none if that is not known just now.
    pub fn progress(&self) -> Option<u64> {
        Some(self.try_lock()?.progress)
    }

    /// CPU time of helpers so far.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.lock().helper_cpu_ns
    }

    /// Whether helpers note when they work.
    pub fn watch(&self, watch: bool) {
        self.lock().spans = watch.then(Box::default);
    }

    /// What helpers have noted, unless that would have to wait.
    pub fn take_spans(&self, each: impl FnMut(Span)) {
        if let Some(mut slot) = self.try_lock()
            && let Some(spans) = &mut slot.spans
        {
            spans.drain(each);
        }
    }

    /// A helper's part: works until nothing is left or the work is wanted back. `cpu_ns` tells its CPU time.
    pub fn help(&self, cpu_ns: impl Fn() -> u64) {
        let (mut work, mut began) = {
            let mut slot = self.lock();
            let Some(work) = slot.work.take() else { return };
            (work, slot.spans.as_ref().map(|_| Instant::now()))
        };
        let mut start = cpu_ns();
        loop {
            let before = work.progress();
            let left = work.portion();
            let now = cpu_ns();
            let mut slot = self.lock();
            slot.helper_cpu_ns += now - start;
            start = now;
            slot.progress = work.progress();
            began = slot.spans.as_mut().map(|spans| spans.note(began, work.progress() - before));
            let delivered = work.take_in(&mut slot.inbox);
            if slot.recalled || left == Portion::Stuck || (left == Portion::Empty && !delivered) {
                slot.work = Some(work);
                self.returned.notify_one();
                return;
            }
        }
    }
}

fn take<W: Work<I>, I>(slot: &mut Slot<W, I>) -> Option<Box<W>> {
    let mut work = slot.work.take()?;
    work.take_in(&mut slot.inbox);
    slot.recalled = false;
    Some(work)
}

#[cfg(all(test, feature = "shuttle"))]
mod tests {
    use super::*;
    use shuttle::sync::Arc;
    use shuttle::sync::mpsc::channel;
    use shuttle::thread;

    /// Numbers to be worked off, two at a time; every fifth makes the helper give up.
    #[derive(Debug, Default)]
    struct Numbers {
        left: Vec<u32>,
        done: Vec<u32>,
    }

    impl Work<Vec<u32>> for Numbers {
        fn take_in(&mut self, inbox: &mut Vec<u32>) -> bool {
            let any = !inbox.is_empty();
            self.left.append(inbox);
            any
        }

        fn portion(&mut self) -> Portion {
            for _ in 0..2 {
                match self.left.pop() {
                    None => return Portion::Empty,
                    Some(number) => self.done.push(number),
                }
                if self.done.len().is_multiple_of(5) {
                    return Portion::Stuck;
                }
            }
            if self.left.is_empty() { Portion::Empty } else { Portion::More }
        }

        fn progress(&self) -> u64 {
            self.done.len() as u64
        }
    }

    /// A mutator that delivers, takes, asks back and recalls in turns, as slices do, and in the end has done all.
    fn run(helpers: usize, recalls: bool) {
        let lending = Arc::new(Lending::<Numbers, Vec<u32>>::new(Vec::new()));
        let (sender, receiver) = channel::<()>();
        let receiver = Arc::new(shuttle::sync::Mutex::new(receiver));
        let threads: Vec<_> = (0..helpers)
            .map(|_| {
                let (lending, receiver) = (lending.clone(), receiver.clone());
                thread::spawn(move || {
                    loop {
                        let job = receiver.lock().unwrap().recv();
                        if job.is_err() {
                            return;
                        }
                        lending.help(|| 0);
                    }
                })
            })
            .collect();
        let mut home = Some(Box::<Numbers>::default());
        let mut shaded = Vec::new();
        for round in 0..4u32 {
            shaded.extend([round * 3, round * 3 + 1, round * 3 + 2]);
            home = home.or_else(|| lending.try_take());
            match home.as_mut() {
                Some(work) => drop(work.take_in(&mut shaded)),
                None => {
                    lending.deliver(|inbox| inbox.append(&mut shaded));
                    if round % 2 == 1 {
                        lending.ask_back();
                    }
                }
            }
            if recalls && round == 2 && home.is_none() {
                home = Some(lending.recall());
            }
            if let Some(work) = home.take() {
                lending.lend(work);
                sender.send(()).unwrap();
            }
            thread::yield_now();
        }
        let mut work = home.unwrap_or_else(|| lending.recall());
        work.take_in(&mut shaded);
        while !work.left.is_empty() {
            work.portion();
        }
        work.done.sort_unstable();
        assert_eq!(work.done, (0..12).collect::<Vec<_>>(), "each number once");
        drop(sender);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }

    #[test]
    fn whatever_the_order_of_events_everything_is_done_once() {
        shuttle::check_random(|| run(1, false), 3_000);
        shuttle::check_random(|| run(2, true), 3_000);
        shuttle::check_pct(|| run(1, true), 3_000, 3);
    }
}
