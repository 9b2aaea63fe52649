//! The hand-off of work to a helper thread and back: the protocol alone, whatever the work is.
//!
//! 1. The work is with the mutator, in the slot, or with a helper. Only the thread that has it touches it.
//! 2. The mutator *hands off*: it puts the work into the slot and tells the helpers. A helper takes it, does a portion
//!    at a time, and after each portion takes in what the mutator delivered meanwhile. When nothing is left, when it
//!    cannot go on, or when the mutator wants the work back, it puts the work into the slot again.
//! 3. The mutator *tries to take back* the work, which succeeds if the work is in the slot and never waits. It *takes
//!    back* the work when it cannot do without it, and then waits for the end of one portion at most.
//! 4. If the mutator's heap has listeners, they are told when helpers worked: after each portion a helper records its
//!    time in a small buffer (`spans`), which the mutator empties at its next event.
//! 5. So no thread holds the lock while it works, and when the mutator has the work and its inbox is empty, everything
//!    that was delivered is part of the work.

use super::spans::{WorkSpan, WorkSpans};
use super::sync::{Condvar, Mutex, MutexGuard, TryLockError};
use std::time::Instant;

/// Work that can be handed off.
pub trait Work<I>: Send {
    /// Moves what was delivered into the work. Returns whether there was anything.
    fn take_in(&mut self, inbox: &mut I) -> bool;
    /// Does a portion.
    fn portion(&mut self) -> Portion;
    /// How much was done so far.
    fn progress(&self) -> u64;
}

/// Whether there is work after a portion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Portion {
    /// There is more work.
    More,
    /// There is no work.
    Empty,
    /// Work that a helper cannot go on with.
    Stuck,
}

/// The slot through which a piece of work passes between the mutator and the helpers.
#[derive(Debug)]
pub struct HandOff<W, I> {
    slot: Mutex<Slot<W, I>>,
    returned: Condvar,
}

#[derive(Debug)]
struct Slot<W, I> {
    work: Option<Box<W>>,
    inbox: I,
    wanted_back: bool,
    progress: u64,
    helper_cpu_ns: u64,
    /// When helpers worked; none if the heap has no listener for it.
    spans: Option<Box<WorkSpans>>,
}

impl<W: Work<I>, I: Send> HandOff<W, I> {
    /// An empty slot: the mutator has the work. What is delivered goes to `inbox`.
    pub fn new(inbox: I) -> HandOff<W, I> {
        let slot = Slot { work: None, inbox, wanted_back: false, progress: 0, helper_cpu_ns: 0, spans: None };
        HandOff { slot: Mutex::new(slot), returned: Condvar::new() }
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

    /// Puts the work into the slot. The caller has to tell a helper.
    pub fn put(&self, work: Box<W>) {
        let mut slot = self.lock();
        debug_assert!(slot.work.is_none());
        slot.progress = work.progress();
        slot.wanted_back = false;
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
            slot.wanted_back = true;
        }
    }

    /// Takes the work, and waits for the end of the portion if a helper is at it.
    pub fn take_back(&self) -> Box<W> {
        let mut slot = self.lock();
        slot.wanted_back = true;
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

    /// How much was done when the last portion ended; none if the lock is taken just now.
    pub fn progress(&self) -> Option<u64> {
        Some(self.try_lock()?.progress)
    }

    /// CPU time of helpers so far.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.lock().helper_cpu_ns
    }

    /// Sets whether helpers record when they work.
    pub fn watch(&self, watch: bool) {
        self.lock().spans = watch.then(Box::default);
    }

    /// Passes on when helpers worked; does nothing if it would have to wait.
    pub fn take_spans(&self, each: impl FnMut(WorkSpan)) {
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
            if slot.wanted_back || left == Portion::Stuck || (left == Portion::Empty && !delivered) {
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
    slot.wanted_back = false;
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

    /// A mutator that delivers, tries to take back, asks back and takes back in turns, as slices do, and in the end has
    /// done all of the work.
    fn run(helpers: usize, takes_back: bool) {
        let hand_off = Arc::new(HandOff::<Numbers, Vec<u32>>::new(Vec::new()));
        let (sender, receiver) = channel::<()>();
        let receiver = Arc::new(shuttle::sync::Mutex::new(receiver));
        let threads: Vec<_> = (0..helpers)
            .map(|_| {
                let (hand_off, receiver) = (hand_off.clone(), receiver.clone());
                thread::spawn(move || {
                    loop {
                        let job = receiver.lock().unwrap().recv();
                        if job.is_err() {
                            return;
                        }
                        hand_off.help(|| 0);
                    }
                })
            })
            .collect();
        let mut held = Some(Box::<Numbers>::default());
        let mut shaded = Vec::new();
        for round in 0..4u32 {
            shaded.extend([round * 3, round * 3 + 1, round * 3 + 2]);
            held = held.or_else(|| hand_off.try_take());
            match held.as_mut() {
                Some(work) => drop(work.take_in(&mut shaded)),
                None => {
                    hand_off.deliver(|inbox| inbox.append(&mut shaded));
                    if round % 2 == 1 {
                        hand_off.ask_back();
                    }
                }
            }
            if takes_back && round == 2 && held.is_none() {
                held = Some(hand_off.take_back());
            }
            if let Some(work) = held.take() {
                hand_off.put(work);
                sender.send(()).unwrap();
            }
            thread::yield_now();
        }
        let mut work = held.unwrap_or_else(|| hand_off.take_back());
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
