//! An embedder that wants to be asked before the heap grows.
//!
//! 1. [`Heap::ask_for_growth`]: the heap has what it uses now. An allocation that needs more ends with
//!    [`Refused::NotAllowed`] before anything is collected or taken for it: the heap is at rest, and the embedder may
//!    do what it likes before it answers.
//! 2. [`Heap::wanted_growth`] says what is wanted. [`Heap::allow_growth`] allows it, and the allocation is tried again.
//! 3. Or [`Heap::deny_growth`]: the next attempt does with what there is, as at the limit, which means emergencies.
//!
//! Collections never grow the heap beyond what is allowed, so they never ask.

use super::Heap;
use crate::embedder::errors::Refused;

/// What is wanted is a multiple of this.
const STEP_BYTES: u64 = 64 << 10;
/// The part of what is wanted that is asked for in addition, so that collections have room and questions are few.
const SPARE_PART: u64 = 8;

/// What a heap wants, in bytes of all that it uses, its tables included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WantedGrowth {
    /// What it is allowed now.
    pub current: u64,
    /// What the allocation needs at least.
    pub least: u64,
    /// What would leave room for some more.
    pub desired: u64,
    /// The heap's limit, which no answer raises.
    pub maximum: u64,
}

impl Heap {
    /// From now on the heap uses no more than it uses now until more is allowed.
    pub fn ask_for_growth(&mut self) {
        self.asks_for_growth = true;
        self.charge_side();
        let used_bytes = self.spaces.charge().used_bytes();
        self.spaces.charge_mut().allow(used_bytes);
    }

    /// What the allocation needs that ended just now.
    pub fn wanted_growth(&self) -> Option<WantedGrowth> {
        let charge = self.spaces.charge();
        let (wanted, maximum) = (charge.wanted()?, charge.limit_bytes());
        let step = |bytes: u64| bytes.next_multiple_of(STEP_BYTES).min(maximum);
        let (least, desired) = (step(wanted), step(wanted + wanted / SPARE_PART));
        Some(WantedGrowth { current: charge.allowed_bytes(), least, desired, maximum })
    }

    /// The heap may use so many bytes, as far as its limit allows.
    pub fn allow_growth(&mut self, bytes: u64) {
        self.asks_for_growth = true;
        self.charge_side();
        self.spaces.charge_mut().allow(bytes);
    }

    /// The next allocation does with what is allowed: what would make it ask is treated like the limit.
    /// [`Heap::resume_asking`] ends that.
    pub fn deny_growth(&mut self) {
        self.asks_for_growth = false;
        self.spaces.charge_mut().deny();
    }

    /// The allocation after [`Heap::deny_growth`] is over: later ones ask again.
    pub fn resume_asking(&mut self) {
        self.asks_for_growth = true;
    }

    /// Whether what was refused just now is up to the embedder.
    pub(super) fn is_growth_wanted(&self, refused: Refused) -> bool {
        self.asks_for_growth && refused == Refused::Limit && self.spaces.charge().wanted().is_some()
    }
}
