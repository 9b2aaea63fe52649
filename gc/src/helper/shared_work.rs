//! Work that the mutator does itself or hands off to a helper: the mutator's side of [`super::hand_off`].

use super::hand_off::{HandOff, Work};
use super::spans::WorkSpan;
use super::{Help, Helpers};
use std::sync::Arc;

/// A piece of work that the mutator holds or has handed off, and the slot through which it is handed off.
#[derive(Debug)]
pub struct SharedWork<W, I> {
    held: Option<Box<W>>,
    hand_off: Arc<HandOff<W, I>>,
    helpers: Option<Arc<Helpers>>,
}

impl<W: Work<I>, I: Send> Help for HandOff<W, I> {
    fn help(&self, cpu_ns: fn() -> u64) {
        HandOff::help(self, cpu_ns);
    }
}

impl<W: Work<I> + 'static, I: Send + 'static> SharedWork<W, I> {
    /// The mutator holds the work. What is delivered while the work is handed off goes to `inbox`.
    pub fn new(work: W, inbox: I, helpers: Option<Arc<Helpers>>) -> SharedWork<W, I> {
        SharedWork { held: Some(Box::new(work)), hand_off: Arc::new(HandOff::new(inbox)), helpers }
    }

    /// The work, held by the mutator from now on; waits for the end of a helper's portion if need be.
    #[inline]
    pub fn take_back(&mut self) -> &mut W {
        self.held.get_or_insert_with(|| self.hand_off.take_back())
    }

    /// The work, if the mutator holds it or could take it back without waiting.
    pub fn try_take_back(&mut self) -> Option<&mut W> {
        if self.held.is_none() {
            self.held = self.hand_off.try_take();
        }
        self.held_mut()
    }

    /// The work, if the mutator holds it, or if no helper has it and it is `wanted` as it is. Never waits.
    pub fn try_take_back_if(&mut self, wanted: impl FnOnce(&W) -> bool) -> Option<&mut W> {
        if self.held.is_none() {
            self.held = self.hand_off.try_take_if(wanted);
        }
        self.held_mut()
    }

    /// The work, to be changed, if the mutator holds it.
    pub fn held_mut(&mut self) -> Option<&mut W> {
        self.held.as_deref_mut()
    }

    /// The work, to be read, if the mutator holds it.
    pub fn held(&self) -> Option<&W> {
        self.held.as_deref()
    }

    /// Whether there are helpers.
    pub fn has_helpers(&self) -> bool {
        self.helpers.is_some()
    }

    /// Hands the work off to a helper, if there are any and the mutator holds it; `prepare` makes it ready before.
    pub fn hand_off(&mut self, prepare: impl FnOnce(&mut W)) {
        let Some(helpers) = &self.helpers else { return };
        if let Some(mut work) = self.held.take() {
            prepare(&mut work);
            self.hand_off.put(work);
            if !helpers.ask(self.hand_off.clone()) {
                self.helpers = None;
            }
        }
    }

    /// Asks a helper for the work, without waiting for it.
    pub fn ask_back(&self) {
        self.hand_off.ask_back();
    }

    /// Lets the mutator do something with the inbox, and with the work if the mutator holds it, unless it would have
    /// to wait.
    pub fn with_inbox<R>(&mut self, act: impl FnOnce(&mut I, Option<&mut W>) -> R) -> Option<R> {
        let held = self.held.as_deref_mut();
        self.hand_off.deliver(|inbox| act(inbox, held))
    }

    /// How much was done so far, as far as that is known.
    pub fn progress(&self) -> u64 {
        match &self.held {
            Some(work) => work.progress(),
            None => self.hand_off.progress().unwrap_or(0),
        }
    }

    /// Sets whether helpers record when they work.
    pub fn watch(&self, watch: bool) {
        self.hand_off.watch(watch);
    }

    /// Passes on when helpers worked; does nothing if it would have to wait.
    pub fn take_spans(&self, each: impl FnMut(WorkSpan)) {
        self.hand_off.take_spans(each);
    }

    /// CPU time of helpers for this work.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.hand_off.helper_cpu_ns()
    }
}
