//! Work that the mutator has at home, or has lent to a helper: the mutator's side of [`super::lending`].

use super::lending::{Lending, Work};
use super::spans::Span;
use super::{Help, Helpers};
use std::sync::Arc;

/// Work that is at home or lent, and its place of exchange.
#[derive(Debug)]
pub struct Lent<W, I> {
    home: Option<Box<W>>,
    lending: Arc<Lending<W, I>>,
    helpers: Option<Arc<Helpers>>,
}

impl<W: Work<I>, I: Send> Help for Lending<W, I> {
    fn help(&self, cpu_ns: fn() -> u64) {
        Lending::help(self, cpu_ns);
    }
}

impl<W: Work<I> + 'static, I: Send + 'static> Lent<W, I> {
    /// The work is at home. What is delivered while it is lent goes to `inbox`.
    pub fn new(work: W, inbox: I, helpers: Option<Arc<Helpers>>) -> Lent<W, I> {
        Lent { home: Some(Box::new(work)), lending: Arc::new(Lending::new(inbox)), helpers }
    }

    /// The work, at home; waits for the end of a helper's portion if need be.
    #[inline]
    pub fn recall(&mut self) -> &mut W {
        self.home.get_or_insert_with(|| self.lending.recall())
    }

    /// The work, if it is at home or could be taken back without waiting.
    pub fn fetch(&mut self) -> Option<&mut W> {
        if self.home.is_none() {
            self.home = self.lending.try_take();
        }
        self.home()
    }

    /// The work, if it is at home, or if no helper has it and it is `wanted` as it is. Never waits.
    pub fn fetch_if(&mut self, wanted: impl FnOnce(&W) -> bool) -> Option<&mut W> {
        if self.home.is_none() {
            self.home = self.lending.try_take_if(wanted);
        }
        self.home()
    }

    /// The work, if it is at home.
    pub fn home(&mut self) -> Option<&mut W> {
        self.home.as_deref_mut()
    }

    /// The work as it is at home, to look at.
    pub fn at_home(&self) -> Option<&W> {
        self.home.as_deref()
    }

    /// Whether there are helpers.
    pub fn has_helpers(&self) -> bool {
        self.helpers.is_some()
    }

    /// Lends the work to a helper, if there are any and it is at home; it is made ready by `prepare` before.
    pub fn lend(&mut self, prepare: impl FnOnce(&mut W)) {
        let Some(helpers) = &self.helpers else { return };
        if let Some(mut work) = self.home.take() {
            prepare(&mut work);
            self.lending.lend(work);
            if !helpers.ask(self.lending.clone()) {
                self.helpers = None;
            }
        }
    }

    /// Asks a helper for the work, without waiting for it.
    pub fn ask_back(&self) {
        self.lending.ask_back();
    }

    /// Lets the mutator do something with the inbox, and with the work if that is at home, unless it would have to
    /// wait.
    pub fn with_inbox<R>(&mut self, act: impl FnOnce(&mut I, Option<&mut W>) -> R) -> Option<R> {
        let home = self.home.as_deref_mut();
        self.lending.deliver(|inbox| act(inbox, home))
    }

    /// How much was done so far, as far as that is known.
    pub fn progress(&self) -> u64 {
        match &self.home {
            Some(work) => work.progress(),
            None => self.lending.progress().unwrap_or(0),
        }
    }

    /// Whether helpers note when they work.
    pub fn watch(&self, watch: bool) {
        self.lending.watch(watch);
    }

    /// What helpers have noted; nothing if that would have to wait.
    pub fn take_spans(&self, each: impl FnMut(Span)) {
        self.lending.take_spans(each);
    }

    /// CPU time of helpers for this work.
    pub fn helper_cpu_ns(&self) -> u64 {
        self.lending.helper_cpu_ns()
    }
}
