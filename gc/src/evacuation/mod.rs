//! The evacuation of sparse blocks, a group at a time: which blocks, and when.
//!
//! 1. When a marking starts, blocks of small objects of which little lives are chosen, if that gains enough: from what
//!    the last sweep found in them, as far as nothing was allocated there since (`groups`). The sparsest come first, in
//!    groups of at most [`GROUP_BYTES`] alive. A part of the block table is looked at, the next part at the next
//!    marking.
//! 2. From then on words that lead into them are recorded (`incoming`), and blocks that roots hold are dropped.
//! 3. The sweep leaves them alone, but for those in which nothing is alive.
//! 4. When no weak cell names anything dead any more, each minor promotes everything, and after it the next group is
//!    evacuated (`relocation`): in a pause of its own, within the budget of a slice. The sweep of other blocks goes on
//!    meanwhile.
//! 5. After the last group, and the sweep, the chosen blocks are swept, which frees those that were evacuated.
//!
//! At any time this can be *called off*, by whoever needs memory or a marking at once: blocks that were not evacuated
//! yet are then swept like others. Either way it is over before the next marking begins.
//!
//! Of the two tables of the incoming remembered set, one is here and one travels with the marker; methods take the
//! latter as `marker`.

mod groups;
pub mod incoming;
mod relocation;

use crate::embedder::config::HeapConfig;
use crate::raw::block::BlockState;
use crate::raw::cage::{BLOCK_BYTES, Cage};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old};
use crate::spaces::Spaces;
use crate::telemetry::work::RelocationWork;
use groups::{GAIN_PART_MIN, GROUP_BYTES, Groups};
use heapwood_gc_abi::RawRef;
use incoming::{GROUP_EDGES_MAX, GROUPS_MAX, IncomingSet, Recorder, Window};
use relocation::Relocation;

/// The most recorded words of groups that are evacuated in the same pause.
const STOP_WORDS_MAX: usize = GROUP_EDGES_MAX * 3 / 2;
/// The ready blocks that a pause may need.
const STOP_BLOCKS: u32 = 2 * GROUP_BYTES.div_ceil(BLOCK_BYTES as u64) as u32 + 2;
/// Groups that memory is made ready for at a time.
const GROUPS_AT_ONCE: usize = 2;
/// The number of groups where tests want evacuations at any time.
const FORCED_GROUPS: usize = 8;
/// One more group pays for each so many unused bytes in blocks in use.
const WASTE_OF_GROUP: u64 = 3 * GROUP_BYTES;
/// Groups wait no longer than until this part is left of the room between two markings.
const LATEST_PART: u64 = 8;
/// The tables may take this part of what is available.
const AVAILABLE_PART: u64 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// No blocks are chosen.
    Idle,
    /// A marking is under way.
    Recording,
    /// Groups are evacuated one by one.
    Moving,
    /// What was chosen is swept.
    Sweeping,
}

/// The blocks that were chosen, and how far their evacuation is.
#[derive(Debug)]
pub struct Evacuation {
    is_enabled: bool,
    /// Tests want all that can be had, at each marking.
    is_forced: bool,
    phase: Phase,
    /// The mutator's table.
    incoming: IncomingSet,
    groups: Groups,
    /// Groups that memory is wanted for.
    wanted_groups: usize,
}

impl Evacuation {
    /// The state of a heap that has chosen no blocks. Costs address space only.
    pub fn new(cage: &mut Cage, config: &HeapConfig) -> Evacuation {
        Evacuation {
            is_enabled: config.evacuate,
            is_forced: config.mark_slice.is_some(),
            phase: Phase::Idle,
            incoming: IncomingSet::new(cage),
            groups: Groups::new(cage),
            wanted_groups: 0,
        }
    }

    /// Whether no chosen block waits to be evacuated or swept.
    pub fn is_swept(&self) -> bool {
        matches!(self.phase, Phase::Idle | Phase::Recording)
    }

    /// Whether blocks are chosen, and the marking under way records what leads there (tests).
    #[cfg(feature = "test-hooks")]
    pub fn is_recording(&self) -> bool {
        self.phase == Phase::Recording
    }

    /// Whether blocks are chosen that are to be evacuated.
    pub fn is_chosen(&self) -> bool {
        matches!(self.phase, Phase::Recording | Phase::Moving)
    }

    /// Whether groups wait to be evacuated.
    pub fn is_moving(&self) -> bool {
        self.phase == Phase::Moving
    }

    /// The mutator's table of words that lead into chosen blocks.
    pub fn incoming_mut(&mut self) -> &mut IncomingSet {
        &mut self.incoming
    }

    /// Where the chosen blocks lie.
    pub fn window(&self) -> Window {
        self.incoming.window()
    }

    /// The window in which a root that is written may drop a block; closed at most times.
    #[inline]
    pub fn window_of_roots(&self) -> Window {
        self.incoming.window_of_roots()
    }

    /// Calls `visit` with the words that are recorded for the groups that wait to be evacuated.
    pub fn each_incoming(&self, marker: &IncomingSet, mut visit: impl FnMut(&[u32])) {
        for group in self.groups.left() {
            [marker, &self.incoming].iter().for_each(|table| visit(table.words_of(group)));
        }
    }

    /// Elements `start..end` of `array` were written, and the array may not be logged for that.
    #[inline]
    pub fn record_range(&mut self, memory: Memory, array: RawRef, start: u32, end: u32) {
        if self.incoming.is_on() && is_old(array) {
            self.incoming.record_elements(memory, ObjectReference(array), start, end, Recorder::Range);
        }
    }

    /// A root outside of frames now holds each of `references`, and no minor will be shown it for that.
    #[inline]
    pub fn roots_written(&self, memory: Memory, references: &[RawRef]) {
        let window = self.window_of_roots();
        if window.is_open() {
            references.iter().for_each(|reference| window.drop_block_of(memory, *reference));
        }
    }
}

/// Before and during a marking.
impl Evacuation {
    /// A marking is about to start: step 1. Everything is swept, the nursery and the log are empty. `reserved_bytes`
    /// are charged for lists beside the heap. Returns the most entries of the block table that any choice looked at, if
    /// there was one.
    pub fn choose(&mut self, spaces: &mut Spaces, marker: &mut IncomingSet, reserved_bytes: u64) -> Option<u64> {
        debug_assert!(self.phase == Phase::Idle);
        if !self.is_enabled {
            return None;
        }
        let groups = if self.is_forced { FORCED_GROUPS } else { self.incoming.capacity().min(self.wanted_groups) };
        if groups == 0 || !self.make_tables_ready(spaces, marker, reserved_bytes, groups) {
            return None;
        }
        let (memory, high, epoch) = (spaces.memory(), spaces.blocks_high(), spaces.epoch());
        let window = self.groups.choose(memory, high, epoch, groups.min(GROUPS_MAX), self.is_forced);
        if window.is_open() {
            self.incoming.begin(window, self.groups.blocks());
            marker.begin(window, self.groups.blocks());
            self.phase = Phase::Recording;
        }
        Some(self.groups.looked_at_max() as u64)
    }

    /// Makes memory ready for the tables of as many groups; false if it is refused, by the system or since the heap is
    /// nearly full.
    fn make_tables_ready(
        &mut self,
        spaces: &mut Spaces,
        marker: &mut IncomingSet,
        reserved_bytes: u64,
        groups: usize,
    ) -> bool {
        let more = groups.saturating_sub(self.incoming.capacity()) * GROUP_EDGES_MAX * size_of::<u32>();
        if 2 * more as u64 > spaces.grantable_bytes() / AVAILABLE_PART {
            return false;
        }
        let (high, cage) = (spaces.blocks_high(), spaces.cage_mut());
        let ready = self.groups.make_room(cage).is_ok()
            && self.incoming.grow(cage, groups, high).is_ok()
            && marker.grow(cage, groups, high).is_ok();
        spaces.charge_side(reserved_bytes);
        ready
    }

    /// Everything was swept, and `live_bytes` of the old space are alive: decides for how many groups the next marking
    /// should have tables.
    pub fn plan_tables(&mut self, spaces: &Spaces, live_bytes: u64) {
        let used = spaces.old_used_bytes();
        let waste = used.saturating_sub(live_bytes + spaces.old().allocated_bytes());
        let pays = self.is_enabled && waste > used / GAIN_PART_MIN;
        self.wanted_groups = if pays { ((waste / WASTE_OF_GROUP) as usize).min(GROUPS_MAX) } else { 0 };
    }

    /// Whether there is more for [`Evacuation::prepare_tables`] to do.
    pub fn wants_tables(&self) -> bool {
        self.wanted_groups > self.incoming.capacity()
    }

    /// Makes tables for some more groups ready, between markings. `reserved_bytes` are charged for lists beside the
    /// heap.
    pub fn prepare_tables(&mut self, spaces: &mut Spaces, marker: &mut IncomingSet, reserved_bytes: u64) {
        let groups = (self.incoming.capacity() + GROUPS_AT_ONCE).min(self.wanted_groups);
        if !self.make_tables_ready(spaces, marker, reserved_bytes, groups) {
            self.wanted_groups = self.incoming.capacity();
        }
    }

    /// The marking has ended: groups may be evacuated when everything is swept.
    pub fn marking_ended(&mut self) {
        if self.phase == Phase::Recording {
            self.phase = Phase::Moving;
        }
    }

    /// What is chosen is forgotten: step 5 follows, unless the sweep is still to come.
    pub fn call_off(&mut self, memory: Memory, marker: &mut IncomingSet) {
        debug_assert!(self.is_chosen());
        self.stop_recording(marker);
        if self.phase == Phase::Recording {
            self.groups.blocks().iter().for_each(|block| memory.block(*block).set_group(0));
        }
        self.phase = if self.phase == Phase::Recording { Phase::Idle } else { Phase::Sweeping };
    }

    fn stop_recording(&mut self, marker: &mut IncomingSet) {
        self.incoming.end();
        marker.end();
        self.groups.end();
    }
}

/// Evacuating groups, and sweeping their blocks.
impl Evacuation {
    /// Whether the next marking, for which `room_bytes` are filled at most, should not wait for groups any more.
    pub fn is_too_late(&self, spaces: &Spaces, room_bytes: u64) -> bool {
        !self.is_forced && spaces.old().allocated_bytes() > room_bytes - room_bytes / LATEST_PART
    }

    /// Blocks that have to be ready for a pause that evacuates groups.
    pub fn blocks_needed(&self, spaces: &Spaces) -> u32 {
        spaces.reserved_blocks() + STOP_BLOCKS
    }

    /// A minor has promoted everything: step 4. Evacuates the next group, and those behind it as long as they fit the
    /// same pause.
    pub fn evacuate_groups(&mut self, spaces: &mut Spaces, marker: &mut IncomingSet) -> RelocationWork {
        let memory = spaces.memory();
        let (mut done, mut words) = (RelocationWork::default(), 0);
        while let Some((group, blocks)) = self.groups.next() {
            let members = blocks.iter().filter(|block| memory.block(**block).group() == group);
            let live: u64 = members.map(|block| memory.block(*block).marked_units() as u64 * 8).sum();
            let listed = marker.words_of(group).len() + self.incoming.words_of(group).len();
            if done.blocks > 0 && (done.moved_bytes + live > GROUP_BYTES || words + listed > STOP_WORDS_MAX) {
                break;
            }
            words += listed;
            let relocation = Relocation::new(memory, spaces.old_mut(), marker, &mut self.incoming, group);
            relocation.run(blocks, &mut done);
            self.groups.pass();
        }
        done
    }

    /// After some groups were evacuated: if they were the last, nothing is recorded any more, and step 5 follows.
    pub fn end_if_evacuated(&mut self, marker: &mut IncomingSet) {
        if self.groups.next().is_none() {
            self.stop_recording(marker);
            self.phase = Phase::Sweeping;
        }
    }

    /// Sweeps up to `count` of the blocks that were chosen: step 5. Everything else is swept. Returns how many, and
    /// whether they were the last.
    pub fn sweep_blocks(&mut self, spaces: &mut Spaces, count: usize) -> (u64, bool) {
        if self.phase != Phase::Sweeping {
            return (0, false);
        }
        let (memory, old) = (spaces.memory(), spaces.old_mut());
        let blocks = self.groups.take_blocks(count);
        let swept = blocks.len() as u64;
        for block in blocks {
            let entry = memory.block(*block);
            // Other chosen blocks were dropped before the sweep came, or nothing in them was alive: they may be in
            // other use.
            if entry.state() == BlockState::Small && entry.epoch() != old.epoch() {
                old.sweep_block(*block);
            }
        }
        let ended = self.groups.forget_if_taken();
        if ended {
            self.phase = Phase::Idle;
        }
        (swept, ended)
    }
}
