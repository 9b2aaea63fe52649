//! What makes a guest stop, or come to the poll, as other threads see it: a request, a token, a time that is over, or
//! questions that wait for an answer.
//!
//! Compiled code compares rsp with `hot::STACK_GUARD`. A request sets a flag, then the word to its maximum; the
//! store's thread, whenever it computes the word anew, writes it first and looks at the flag afterwards. So one of
//! the two always sees the other. A time works alike: the store's thread writes down when it is over, the timer's sets
//! the word then, and whoever computes the word anew looks at the clock. So a timer that comes late, when the time is
//! that of no entry any more, costs one look and stops nobody. A token that is used stops an entry while it is in the
//! list of tokens, which is for as long as the entry goes on; both are under the list's lock.
//!
//! Whoever waits for the guest (at an address of a shared memory, or in a host function) is in a list, so that both end
//! the wait: they come to the list after the flag or the time, the waiter looks there after it entered the list. The
//! tasks of suspended guests are in such a list as well.
//!
//! Questions (`store::inspector`) raise the word too, and wake waits that can begin again; they stop nobody.

use super::hot::Hot;
use super::panics::FirstPanic;
use super::sampler::{DueSamples, Ring};
use super::waits::{Wait, Waiting, Waits};
use heapwood_gc_abi::hot::STACK_GUARD;
#[cfg(feature = "async")]
use heapwood_gc_abi::{Mutant, active};
use parking_lot::Mutex;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
#[cfg(feature = "async")]
use std::task::Waker;
use std::time::Instant;

/// No time is over.
const NEVER: u64 = u64::MAX;

/// Shared by a store, its interrupt handles and the timer.
#[derive(Debug)]
pub(crate) struct InterruptCell {
    requested: AtomicBool,
    /// Questions wait for an answer.
    is_asked: AtomicBool,
    born: Instant,
    /// When the earliest time is over that an entry has, in nanoseconds after `born`.
    late_at: AtomicU64,
    tokens: Mutex<Vec<Option<Arc<Token>>>>,
    /// Whether one of the tokens is used.
    has_used_token: AtomicBool,
    guard: Mutex<GuardWord>,
    waits: Waits,
    /// Whether a sample of the guest's stack is due.
    samples: DueSamples,
    /// When a guest is to let others run, in nanoseconds after `born`.
    #[cfg(feature = "async")]
    yield_at: AtomicU64,
    /// Tasks of suspended guests, each with the number of its activation; by ascending numbers.
    #[cfg(feature = "async")]
    tasks: Mutex<Vec<(usize, Waker)>>,
}

/// Address of the guard word while the store lives.
#[derive(Debug, Default)]
struct GuardWord(Option<NonNull<AtomicU64>>);

// SAFETY: R8.
unsafe impl Send for GuardWord {}

/// Ends one entry.
#[derive(Debug, Default)]
pub(crate) struct Token {
    is_used: AtomicBool,
}

impl Token {
    fn is_used(&self) -> bool {
        self.is_used.load(Ordering::SeqCst)
    }
}

impl Default for InterruptCell {
    fn default() -> InterruptCell {
        InterruptCell {
            requested: AtomicBool::new(false),
            is_asked: AtomicBool::new(false),
            born: Instant::now(),
            late_at: AtomicU64::new(NEVER),
            tokens: Mutex::default(),
            has_used_token: AtomicBool::new(false),
            guard: Mutex::default(),
            waits: Waits::default(),
            samples: DueSamples::default(),
            #[cfg(feature = "async")]
            yield_at: AtomicU64::new(NEVER),
            #[cfg(feature = "async")]
            tasks: Mutex::default(),
        }
    }
}

impl InterruptCell {
    /// Sets where the store's guard word is.
    pub fn attach(&self, hot: Hot) {
        self.guard.lock().0 = Some(NonNull::from(hot.word(STACK_GUARD)));
    }

    /// Forgets the guard word: the store goes.
    pub fn detach(&self) {
        self.guard.lock().0 = None;
    }

    /// Asks the guest to stop.
    pub fn request(&self) {
        let was_requested = self.requested.swap(true, Ordering::SeqCst);
        self.raise_guard();
        if !(was_requested && self.waits.are_called()) {
            self.end_waits(|| true);
        }
    }

    /// Ends all waits, if the guest has to stop, which is looked at while none begins or ends.
    fn end_waits(&self, has_to_stop: impl FnOnce() -> bool) {
        let mut panics = FirstPanic::default();
        if self.waits.end(has_to_stop, &mut panics) {
            self.wake_tasks(&mut panics);
        }
        panics.resume();
    }

    /// Somebody has left a question.
    pub fn ask(&self) {
        self.is_asked.store(true, Ordering::SeqCst);
        self.raise_guard();
        let mut panics = FirstPanic::default();
        self.waits.leave(&mut panics);
        panics.resume();
    }

    /// Whether questions wait for an answer.
    #[inline]
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::SeqCst)
    }

    /// Notes that the questions that wait now are about to be answered.
    pub fn answer(&self) {
        self.is_asked.store(false, Ordering::SeqCst);
    }

    /// The timer's thread says that a time may be over.
    pub fn look_at_clock(&self) {
        if !self.is_late() {
            if self.must_yield() {
                self.raise_guard();
            }
            return;
        }
        self.raise_guard();
        // Again under the lock: the wait of an entry that has more time came to the list after that was written down.
        self.end_waits(|| self.is_late());
    }

    /// Ends the entry of a token: the one that is under way, or that is to come.
    pub fn use_token(&self, token: &Token) {
        let tokens = self.tokens.lock();
        let was_used = token.is_used.swap(true, Ordering::SeqCst);
        self.find_used_token(&tokens);
        drop(tokens);
        self.raise_guard();
        if !(was_used && self.waits.are_called()) {
            self.end_waits(|| self.has_used_token());
        }
    }

    /// An entry begins, which may have a token.
    pub fn push_token(&self, token: Option<Arc<Token>>) {
        let mut tokens = self.tokens.lock();
        tokens.push(token);
        self.find_used_token(&tokens);
    }

    /// Takes the last token off the list: the entry that it is for is over.
    pub fn pop_token(&self) {
        let mut tokens = self.tokens.lock();
        tokens.pop();
        self.find_used_token(&tokens);
    }

    fn find_used_token(&self, tokens: &[Option<Arc<Token>>]) {
        let has_used_token = tokens.iter().flatten().any(|token| token.is_used());
        self.has_used_token.store(has_used_token, Ordering::SeqCst);
    }

    /// Whether an entry that is under way has a token that was used.
    pub fn has_used_token(&self) -> bool {
        self.has_used_token.load(Ordering::SeqCst)
    }

    /// The guest has to come to the poll.
    pub fn raise_guard(&self) {
        if let Some(word) = self.guard.lock().0 {
            // SAFETY: R8.
            unsafe { word.as_ref() }.store(u64::MAX, Ordering::SeqCst);
        }
    }

    /// Sets when the earliest time is over that an entry has: by the store's thread.
    pub fn set_late_at(&self, at: Option<Instant>) {
        self.late_at.store(self.nanoseconds_to(at), Ordering::SeqCst);
    }

    /// Whether that time is over.
    pub fn is_late(&self) -> bool {
        self.is_over(&self.late_at)
    }

    /// Whether samples of the guest's stack are due.
    #[inline]
    pub(super) fn samples(&self) -> &DueSamples {
        &self.samples
    }

    /// Whether a sample of the guest's stack is due.
    #[inline]
    pub fn must_sample(&self) -> bool {
        self.samples.are_due()
    }

    /// The timer's thread says that the time of a round of samples has come.
    pub(super) fn sample(&self) -> Ring {
        let rings = self.samples.ring();
        if matches!(rings, Ring::Due | Ring::Again) {
            self.raise_guard();
        }
        rings
    }

    fn nanoseconds_to(&self, at: Option<Instant>) -> u64 {
        let after = at.map(|at| at.saturating_duration_since(self.born).as_nanos());
        after.map_or(NEVER, |after| u64::try_from(after).unwrap_or(NEVER))
    }

    fn is_over(&self, at: &AtomicU64) -> bool {
        let at = at.load(Ordering::SeqCst);
        at != NEVER && self.born.elapsed().as_nanos() >= at.into()
    }

    /// Whether a guest is to let others run.
    #[cfg(not(feature = "async"))]
    #[inline]
    pub fn must_yield(&self) -> bool {
        false
    }

    #[cfg(not(feature = "async"))]
    fn wake_tasks(&self, _: &mut FirstPanic) {}

    /// Whether the guest has to stop.
    pub fn must_stop(&self) -> bool {
        self.requested.load(Ordering::SeqCst) || self.has_used_token() || self.is_late()
    }

    /// A wait begins; what makes the guest stop reaches it as long as the result lives. Waits are nested like calls.
    pub fn wait(&self, wait: Wait) -> Waiting<'_> {
        self.waits.begin(wait)
    }

    /// Withdraws a request.
    pub fn clear(&self) {
        self.requested.store(false, Ordering::SeqCst);
    }

    /// Takes the request, if there is one.
    pub fn take(&self) -> bool {
        self.requested.load(Ordering::SeqCst) && self.requested.swap(false, Ordering::SeqCst)
    }

    /// Writes the guard word from the store's thread, unless the guest has to come to the poll.
    pub fn write_guard(&self, hot: Hot, value: u64) {
        let word = hot.word(STACK_GUARD);
        word.store(value, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if self.must_stop() || self.must_yield() || self.is_asked() || self.must_sample() {
            word.store(u64::MAX, Ordering::Relaxed);
        }
    }
}

/// For guests that may be suspended.
#[cfg(feature = "async")]
impl InterruptCell {
    /// Sets when the guest is to let others run: by the store's thread.
    pub fn set_yield_at(&self, at: Option<Instant>) {
        self.yield_at.store(self.nanoseconds_to(at), Ordering::SeqCst);
    }

    /// Whether the guest is to let others run now.
    pub fn must_yield(&self) -> bool {
        self.is_over(&self.yield_at)
    }

    /// The guest of this activation is suspended: whatever makes it stop wakes this task. Those of activations above
    /// are no more.
    pub fn suspend(&self, activation: usize, waker: &Waker) {
        let mut tasks = self.tasks.lock();
        match tasks.binary_search_by_key(&activation, |(of, _)| *of) {
            Ok(at) if tasks[at].1.will_wake(waker) => {}
            Ok(at) => {
                let before = std::mem::replace(&mut tasks[at].1, waker.clone());
                drop(tasks);
                // A waker is the host's.
                drop(before);
            }
            Err(at) => tasks.insert(at, (activation, waker.clone())),
        }
    }

    /// Activations from this one on are no more, or are not suspended.
    pub fn forget_tasks(&self, from: usize) {
        let mut tasks = self.tasks.lock();
        let left = tasks.partition_point(|(of, _)| *of < from);
        let forgotten: Vec<_> = tasks.drain(left..).collect();
        drop(tasks);
        drop(forgotten);
    }

    fn wake_tasks(&self, panics: &mut FirstPanic) {
        if active(Mutant::WaitNotWoken) {
            return;
        }
        let tasks: Vec<Waker> = self.tasks.lock().iter().map(|(_, waker)| waker.clone()).collect();
        tasks.into_iter().for_each(|task| panics.call(|| task.wake()));
    }

    /// Whether a suspended guest has to stop, where it is the call of so many terms, of which one is over then.
    pub fn must_stop_within(&self, terms: usize, over_at: Option<Instant>) -> bool {
        let is_late = || over_at.is_some_and(|at| at <= Instant::now());
        let is_ended = || self.tokens.lock().iter().take(terms).flatten().any(|token| token.is_used());
        self.requested.load(Ordering::SeqCst) || (self.has_used_token() && is_ended()) || is_late()
    }
}
