//! Sweeping as the mutator does it: in steps at its pace, with a helper or without, or to the end.
//!
//! 1. Where no helper is, blocks are swept until it is time to stop.
//! 2. With a helper, what it found is merged, and the next blocks are listed and handed off.
//! 3. When all other blocks are swept, the blocks that were chosen to be evacuated (`evacuation`) are swept as well.
//!    What the sweep found decides when the next marking starts, how much free memory goes back to the system, and for
//!    how many blocks the next choice is.

use super::marking::Marking;
use super::pacing::Pacing;
use super::sweeping::{BLOCK_COST, Step, Sweeping};
use crate::evacuation::Evacuation;
use crate::raw::cage::BLOCK_BYTES;
use crate::spaces::Spaces;
use crate::telemetry::Telemetry;
use crate::telemetry::pause::Pause;
use crate::weak::Weak;

/// What a slice, or a step while the mutator waits, may cost; what is done between two looks at the clock; and the time
/// after which no more is done.
const SWEEP_COST: u64 = 32 * BLOCK_COST;
const PORTION_COST: u64 = 8 * BLOCK_COST;
const SWEEP_NS: u64 = 80_000;

/// What a slice of sweeping is to do.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Whether all blocks are swept but those that were chosen to be evacuated.
    is_swept: bool,
    /// Whether the next marking waits for the sweep, or new memory would have to be faulted in without it.
    is_urgent: bool,
    /// Whether the mutator held the batch before the plan was made.
    was_held: bool,
}

/// The mutator's sweep, with the parts that it needs.
pub struct Sweeper<'a> {
    sweeping: &'a mut Sweeping,
    spaces: &'a mut Spaces,
    weak: &'a mut Weak,
    marking: &'a mut Marking,
    evacuation: &'a mut Evacuation,
    pacing: &'a mut Pacing,
    telemetry: &'a mut Telemetry,
}

impl<'a> Sweeper<'a> {
    /// A sweep with the parts of a heap.
    pub fn new(
        sweeping: &'a mut Sweeping,
        spaces: &'a mut Spaces,
        weak: &'a mut Weak,
        marking: &'a mut Marking,
        evacuation: &'a mut Evacuation,
        pacing: &'a mut Pacing,
        telemetry: &'a mut Telemetry,
    ) -> Sweeper<'a> {
        Sweeper { sweeping, spaces, weak, marking, evacuation, pacing, telemetry }
    }

    /// Whether everything is swept, and no chosen block waits to be.
    fn is_swept(&self) -> bool {
        self.sweeping.is_done() && self.evacuation.is_swept()
    }

    /// Sweeps some blocks while the mutator waits; does nothing if all are swept.
    pub fn some(&mut self) {
        if self.sweeping.is_done() {
            self.chosen(SWEEP_COST);
        } else {
            self.here(SWEEP_COST, true);
        }
    }

    /// Sweeps all that is left. Returns how many blocks that was, or what cost as much.
    pub fn all(&mut self) -> u64 {
        let mut used = 0;
        while !self.sweeping.is_done() {
            used += self.here(u64::MAX, true);
        }
        used += self.chosen(u64::MAX);
        used.div_ceil(BLOCK_COST)
    }

    /// Sweeps for about `cost` on this thread: first what is listed, unless a helper is at it, then what is not. With
    /// nothing else left it waits for the helper to end its portion if it `may_wait`. Returns what that cost.
    fn here(&mut self, cost: u64, may_wait: bool) -> u64 {
        let mut used = 0;
        if self.sweeping.has_listed() {
            let may_wait = may_wait && !self.sweeping.has_unlisted();
            let batches = self.sweeping.batches_mut();
            let batch = if may_wait { Some(batches.take_back()) } else { batches.try_take_back(true) };
            if let Some(batch) = batch {
                used += BLOCK_COST * batch.sweep_some((cost / BLOCK_COST) as usize) as u64;
                used += self.merge_batch();
            }
        }
        if used < cost {
            used += self.step(cost - used, false);
        }
        self.stepped();
        used
    }

    /// A step of sweeping for about `cost`; `lists`: blocks are listed in the batch.
    fn step(&mut self, cost: u64, lists: bool) -> u64 {
        Step::new(self.sweeping, self.spaces, self.weak, self.marking.waiting_mut(), lists).run(cost)
    }

    fn merge_batch(&mut self) -> u64 {
        let (cost, helped) = self.sweeping.merge_batch(self.spaces);
        self.telemetry.count_helped(helped);
        cost
    }

    /// Sweeps blocks that were chosen to be evacuated, after all others are swept; no more blocks are evacuated then.
    fn chosen(&mut self, cost: u64) -> u64 {
        if self.evacuation.is_moving() {
            self.evacuation.call_off(self.spaces.memory(), self.marking.incoming_mut());
            self.telemetry.count_called_off();
        }
        let (swept, ended) = self.evacuation.sweep_blocks(self.spaces, (cost / BLOCK_COST) as usize);
        if ended {
            self.stepped();
        }
        BLOCK_COST * swept
    }

    /// Is called after each step of the sweep. After the last one, it plans what follows from what the sweep found.
    fn stepped(&mut self) {
        if !self.is_swept() {
            return;
        }
        let (nursery, old) = (self.spaces.nursery(), self.spaces.old());
        let reserve = nursery.reserve_blocks(nursery.eden_end());
        let kept_bytes = old.blocks().kept_count() as u64 * BLOCK_BYTES as u64;
        let free_bytes = kept_bytes + self.spaces.available_bytes();
        let free_bytes = free_bytes.saturating_sub(reserve as u64 * BLOCK_BYTES as u64);
        self.pacing.after_sweep(old.allocated_bytes(), old.hole_bytes(), free_bytes);
        let keep = reserve + (self.pacing.room_bytes() / BLOCK_BYTES as u64) as u32;
        self.sweeping.plan_trim(self.spaces, keep, self.telemetry.clock(false).wall_ns);
        self.evacuation.plan_tables(self.spaces, self.telemetry.live_bytes());
    }
}

/// Slices.
impl Sweeper<'_> {
    /// What a slice is to do; none if there is nothing, or nothing that can be done now.
    pub fn plan(&mut self) -> Option<Plan> {
        let is_swept = self.sweeping.is_done();
        if self.is_swept() && !self.sweeping.is_trimming() && !self.evacuation.wants_tables() {
            return None;
        }
        // Faster when the next marking waits for it, or new memory would have to be faulted in.
        let is_due = self.pacing.is_marking_due(self.spaces.old().allocated_bytes());
        let is_urgent =
            is_due || self.spaces.old().blocks().ready_count() < self.spaces.nursery().next_reserve_blocks();
        let was_held = self.sweeping.batches_mut().is_held();
        let is_away = !is_swept && self.sweeping.batches_mut().try_take_back(is_due).is_none();
        let is_idle = is_away && !(is_urgent && self.sweeping.has_unlisted());
        (!is_idle).then_some(Plan { is_swept, is_urgent, was_held })
    }

    /// A slice of sweeping, or of giving memory back. Returns for how many blocks that counts.
    pub fn slice(&mut self, plan: Plan, pause: &Pause) -> u64 {
        let can_hand_off = {
            let batches = self.sweeping.batches_mut();
            batches.is_held() && batches.shared().has_helpers()
        };
        let cost = match (plan.is_swept, can_hand_off) {
            (true, _) => self.tidy_up(plan.is_urgent),
            (false, true) => self.with_helper(plan.was_held, pause),
            (false, false) => self.portions(plan.is_urgent, pause),
        };
        cost.div_ceil(BLOCK_COST)
    }

    fn is_late(&self, pause: &Pause) -> bool {
        pause.has_taken(SWEEP_NS, self.telemetry.clock(false))
    }

    /// Sweeps blocks in this thread until it is time to stop.
    fn portions(&mut self, is_urgent: bool, pause: &Pause) -> u64 {
        let (most, mut used) = (SWEEP_COST * if is_urgent { 4 } else { 1 }, 0);
        while used < most && !self.sweeping.is_done() {
            let cost = self.here(PORTION_COST, false);
            used += cost;
            if cost == 0 || self.is_late(pause) {
                break;
            }
        }
        used
    }

    /// The mutator holds the batch: what a helper found is merged, and the next blocks are listed and handed off.
    fn with_helper(&mut self, was_held: bool, pause: &Pause) -> u64 {
        let mut used = self.merge_batch();
        if !was_held && self.sweeping.has_listed() {
            // No helper had time for it.
            used += self.portions(false, pause);
        }
        let end = used + SWEEP_COST;
        while used < end && self.sweeping.has_unlisted() {
            let cost = self.step(PORTION_COST, true);
            used += cost;
            if cost < PORTION_COST || self.is_late(pause) {
                break;
            }
        }
        if self.sweeping.batches_mut().is_worth_handing_off() {
            self.sweeping.batches_mut().hand_off();
        } else if !self.sweeping.has_unlisted() {
            used += self.here(SWEEP_COST, false);
        }
        used
    }

    /// Does a step of what remains when all blocks are swept but those that were chosen to be evacuated.
    fn tidy_up(&mut self, is_urgent: bool) -> u64 {
        if !self.is_swept() {
            return self.chosen(SWEEP_COST * if is_urgent { 2 } else { 1 });
        }
        if self.evacuation.wants_tables() {
            let (marker, reserved_bytes) = (self.marking.incoming_mut(), self.weak.waiting_reserve(0));
            self.evacuation.prepare_tables(self.spaces, marker, reserved_bytes);
            return SWEEP_COST;
        }
        self.sweeping.trim_some(self.spaces)
    }
}
