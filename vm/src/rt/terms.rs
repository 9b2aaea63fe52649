//! On what terms entries run: how long they may take, and the token that ends them.
//!
//! 1. The host says so of the next entry. That entry arms the terms: from then on its time runs, and its token ends it.
//! 2. Where the guest, or whoever works or waits on its behalf, looks for interrupts, a time that is over and a token
//!    that was used are traps; again and again, until the entry that they belong to is over. So an entry within that
//!    one ends too, and a host function that goes on with the trap of an inner guest does not save the outer one.
//! 3. When the entry is over, so are its terms. No later entry is hit, whenever the alarm or the token comes.

use super::interrupt::{InterruptCell, Token};
use super::state::state;
use super::timer::{Alarm, Timer};
use crate::errors::{Result, Trap, TrapKind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The terms of an entry that is under way.
#[derive(Debug)]
struct Armed {
    /// Entries that it lies within.
    #[cfg(feature = "async")]
    depth: usize,
    span: Duration,
    /// None: no clock can name it, or the entry may take as long as it likes.
    over_at: Option<Instant>,
    /// Comes unless it is dropped.
    _alarm: Option<Alarm>,
}

/// How long entries of a store may take, and the tokens that end them.
#[derive(Debug)]
pub(crate) struct Terms {
    timer: Arc<Timer>,
    /// How long the next entry may take.
    next_span: Option<Duration>,
    /// What ends the next entry.
    next_token: Option<Arc<Token>>,
    armed: Vec<Armed>,
}

state! {
    Terms {
        timer: Shared,
        next_span: Shared,
        next_token: Shared,
        armed: Stack,
    }
}

impl Terms {
    /// The terms of a store whose next entry has none.
    pub fn new(timer: Arc<Timer>) -> Terms {
        Terms { timer, next_span: None, next_token: None, armed: Vec::new() }
    }

    /// Sets how long the next entry may take.
    pub fn set_span(&mut self, span: Option<Duration>) {
        self.next_span = span;
    }

    /// The token of the next entry.
    pub fn token(&mut self) -> Arc<Token> {
        self.next_token.get_or_insert_default().clone()
    }

    /// The thread that says when a time is over.
    pub fn timer(&self) -> &Arc<Timer> {
        &self.timer
    }

    /// Whether the next entry has terms.
    #[inline]
    pub fn are_set(&self) -> bool {
        self.next_span.is_some() || self.next_token.is_some()
    }

    /// An entry within so many others begins, which has terms.
    ///
    /// # Errors
    /// The system refuses the timer's thread; the terms stay set.
    pub fn arm(&mut self, #[cfg(feature = "async")] depth: usize, cell: &Arc<InterruptCell>) -> Result<()> {
        let span = self.next_span.unwrap_or(Duration::MAX);
        let over_at = Instant::now().checked_add(span);
        let alarm = over_at.map(|at| self.timer.alarm(at, cell)).transpose()?;
        self.next_span = None;
        cell.push_token(self.next_token.take());
        self.armed.push(Armed {
            #[cfg(feature = "async")]
            depth,
            span,
            over_at,
            _alarm: alarm,
        });
        self.tell(cell);
        Ok(())
    }

    /// The innermost entry that has terms is over.
    pub fn disarm(&mut self, cell: &InterruptCell) {
        cell.pop_token();
        self.armed.pop();
        self.tell(cell);
    }

    /// Entries within so many others are over that have terms: at any depth from there on.
    #[cfg(feature = "async")]
    pub fn disarm_from(&mut self, depth: usize, cell: &InterruptCell) {
        while self.armed.last().is_some_and(|armed| armed.depth >= depth) {
            self.disarm(cell);
        }
    }

    /// How many entries have terms, and when the time of the first of these is over.
    #[cfg(feature = "async")]
    pub fn earliest(&self) -> (usize, Option<Instant>) {
        (self.armed.len(), self.armed.iter().filter_map(|armed| armed.over_at).min())
    }

    fn tell(&self, cell: &InterruptCell) {
        cell.set_late_at(self.armed.iter().filter_map(|armed| armed.over_at).min());
    }

    /// The trap of the outermost entry whose time is over.
    pub fn late(&self) -> Option<Trap> {
        let now = Instant::now();
        let late = self.armed.iter().find(|armed| armed.over_at.is_some_and(|at| at <= now))?;
        Some(Trap::with_detail(TrapKind::DeadlineExceeded, format!("the call had {:?}", late.span)))
    }
}
