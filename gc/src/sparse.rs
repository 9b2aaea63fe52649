//! Emptying sparse blocks, a group at a time: which, and when.
//!
//! 1. When a marking starts, blocks of small objects of which little lives are chosen, if that gains enough: from what the
//!    last sweep found in them, as far as nothing was allocated there since. The sparsest come first, in groups of at
//!    most [`GROUP_BYTES`] alive. A part of the block table is looked at, the next part at the next marking.
//! 2. From then on edges into them are noted (`recorded`), and blocks that roots hold are dropped.
//! 3. The sweep leaves them alone, but for those in which nothing is alive.
//! 4. When no weak cell names anything dead any more, each minor promotes everything, and after it the next group is
//!    emptied (`relocate`): in a stop of its own, within the budget of a slice. The sweep of other blocks goes on meanwhile.
//! 5. After the last group, and the sweep, the chosen blocks are swept, which frees those that were emptied.
//!
//! At any time this can be *called off*: blocks that were not emptied yet are swept like others. So it is by whoever
//! needs memory or a marking at once. It is over before the next marking begins.

use crate::collect::Done;
use crate::event::{GcCause, GcEventKind};
use crate::heap::Heap;
use crate::raw::block::{BlockState, LIVE_UNKNOWN};
use crate::raw::cage::{BLOCK_BYTES, Cage};
use crate::raw::memory::Memory;
use crate::raw::object::{ObjectReference, is_old};
use crate::raw::side::SideVec;
use crate::recorded::{GROUP_EDGES_MAX, GROUPS_MAX, Noticed, Recorded, Window};
use crate::relocate::{Relocation, RelocationWork};
use crate::roots::RootProvider;
use crate::sweep;
use crate::verify::When;
use heapwood_gc_abi::{Mutant, RawRef, active};

/// Most bytes alive in the blocks of a group: what one stop copies at most.
pub const GROUP_BYTES: u64 = 48 << 10;
/// Most blocks of a group.
const GROUP_BLOCKS_MAX: usize = 48;
/// Most noted words that groups which share a stop have.
const STOP_WORDS_MAX: usize = GROUP_EDGES_MAX * 3 / 2;
/// Ready blocks that a stop may need.
const STOP_BLOCKS: u32 = 2 * GROUP_BYTES.div_ceil(BLOCK_BYTES as u64) as u32 + 2;
/// Most entries of the block table that are looked at when a marking starts.
const LOOKED_AT_MAX: u32 = 8 << 10;
/// Blocks count by how much of them lives, in steps of a 32nd.
const STEPS: usize = 33;
/// Most that may live in a chosen block, in steps; and where tests want all that can be had.
const LIVE_STEPS_MAX: usize = 15;
const FORCED_STEPS_MAX: usize = 30;
/// Least gain: blocks, and as a part of the blocks looked at that are in use.
const GAIN_BLOCKS_MIN: u64 = 16;
const GAIN_PART_MIN: u64 = 16;
/// Groups that memory is made ready for at a time.
const GROUPS_AT_ONCE: usize = 2;
/// Groups where tests want evacuations at any time.
const FORCED_GROUPS: usize = 8;
/// Unused bytes of blocks in use for which one more group pays.
const WASTE_OF_GROUP: u64 = 3 * GROUP_BYTES;
/// Groups wait no longer than until this part is left of the room between two markings.
const LATEST_PART: u64 = 8;
/// The tables may take this part of what is available.
const AVAILABLE_PART: u64 = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Nothing is chosen.
    Idle,
    /// A marking is under way.
    Noting,
    /// Groups are emptied one by one.
    Moving,
    /// What was chosen is swept.
    Sweeping,
}

/// The blocks chosen, and how far it is.
#[derive(Debug)]
pub struct Evacuation {
    phase: Phase,
    /// The mutator's table.
    pub recorded: Recorded,
    /// Chosen blocks in the order of their groups, and where each group ends.
    blocks: SideVec<u32>,
    ends: [u16; GROUPS_MAX],
    groups: usize,
    /// The next group to be emptied, or block to be swept.
    next: usize,
    /// Where in the block table the next choice begins.
    from: u32,
    /// Groups that memory is wanted for.
    wanted_groups: usize,
    /// Most entries of the block table that were looked at for a choice.
    looked_at_max: u32,
}

impl Evacuation {
    /// Nothing is chosen. Costs address space only.
    pub fn new(cage: &mut Cage) -> Evacuation {
        Evacuation {
            phase: Phase::Idle,
            recorded: Recorded::new(cage),
            blocks: SideVec::new(cage, GROUPS_MAX * GROUP_BLOCKS_MAX),
            ends: [0; GROUPS_MAX],
            groups: 0,
            next: 0,
            from: 0,
            wanted_groups: 0,
            looked_at_max: 0,
        }
    }

    /// Whether nothing is chosen.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Whether groups wait to be emptied.
    pub fn is_moving(&self) -> bool {
        self.phase == Phase::Moving
    }

    /// Whether chosen blocks wait to be swept.
    pub fn is_sweeping(&self) -> bool {
        self.phase == Phase::Sweeping
    }

    /// The groups that wait to be emptied.
    pub fn groups_left(&self) -> std::ops::RangeInclusive<u8> {
        self.next as u8 + 1..=self.groups as u8
    }

    /// Where the blocks of a group (from 1) begin.
    fn start_of(&self, group: u8) -> u16 {
        if group == 1 { 0 } else { self.ends[group as usize - 2] }
    }

    /// Chooses blocks that were swept in `epoch`, for `groups_max` groups, and forms groups of them. Returns where they
    /// lie; it is not open if there is too little to gain.
    fn choose(&mut self, memory: Memory, high: u32, epoch: u8, groups_max: usize, forced: bool) -> Window {
        let from = if self.from < high { self.from } else { 0 };
        let end = high.min(from + high.div_ceil(high.div_ceil(LOOKED_AT_MAX).max(1)));
        self.from = if end < high { end } else { 0 };
        self.looked_at_max = self.looked_at_max.max(end - from);
        let steps_max = if forced { FORCED_STEPS_MAX } else { LIVE_STEPS_MAX };
        let (mut used, mut counts, mut live_bytes) = (0u64, [0usize; STEPS], [0u64; STEPS]);
        for block in from..end {
            used += (memory.block(block).state() != BlockState::Free) as u64;
            if let Some((step, live)) = sparseness(memory, block, epoch).filter(|found| found.0 <= steps_max) {
                counts[step] += 1;
                live_bytes[step] += live;
            }
        }
        let (found, found_bytes) = (counts.iter().sum::<usize>() as u64, live_bytes.iter().sum::<u64>());
        let gain = found.saturating_sub(found_bytes.div_ceil(BLOCK_BYTES as u64));
        let chosen = limit(&mut counts, &live_bytes, groups_max);
        if chosen == 0 || !forced && gain < GAIN_BLOCKS_MIN.max(used / GAIN_PART_MIN) {
            return Window::default();
        }
        // Sorted by how much lives: each step has its places.
        let (mut place, mut places) = (0, [0usize; STEPS]);
        for (step, count) in counts.iter().enumerate() {
            places[step] = place;
            place += count;
        }
        self.blocks.set_len(chosen);
        let (mut first, mut last) = (u32::MAX, 0);
        for block in from..end {
            let Some((step, _)) = sparseness(memory, block, epoch).filter(|found| counts[found.0] > 0) else {
                continue;
            };
            counts[step] -= 1;
            self.blocks.as_mut_slice()[places[step]] = block;
            places[step] += 1;
            (first, last) = (first.min(block), last.max(block));
        }
        self.form_groups(memory, groups_max);
        Window::new(first, last)
    }

    fn form_groups(&mut self, memory: Memory, groups_max: usize) {
        let (mut group, mut bytes, mut blocks) = (0, 0, 0);
        for index in 0..self.blocks.len() {
            let block = self.blocks.as_slice()[index];
            let live = memory.block(block).live_units() as u64 * 8;
            if bytes + live > GROUP_BYTES || blocks == GROUP_BLOCKS_MAX {
                if group + 1 == groups_max {
                    self.blocks.truncate(index);
                    break;
                }
                self.ends[group] = index as u16;
                (group, bytes, blocks) = (group + 1, 0, 0);
            }
            (bytes, blocks) = (bytes + live, blocks + 1);
            memory.block(block).set_group(group as u8 + 1);
        }
        self.ends[group] = self.blocks.len() as u16;
        (self.groups, self.next) = (group + 1, 0);
    }

    /// Where a root that is written may drop a block: is not open at most times.
    #[inline]
    fn window_of_roots(&self) -> Window {
        self.recorded.window_of_roots()
    }
}

/// How much lives in a block of small objects, in steps and bytes, if that is known.
fn sparseness(memory: Memory, block: u32, epoch: u8) -> Option<(usize, u64)> {
    let entry = memory.block(block);
    let live_units = entry.live_units();
    let known = entry.state() == BlockState::Small && entry.epoch() == epoch && live_units != LIVE_UNKNOWN;
    let live = live_units as u64 * 8;
    known.then(|| ((live as usize).div_ceil(BLOCK_BYTES as usize / (STEPS - 1)).min(STEPS - 1), live))
}

/// Lowers `counts`, the denser blocks first, to what `groups_max` groups take. Returns how many blocks that is.
fn limit(counts: &mut [usize; STEPS], live_bytes: &[u64; STEPS], groups_max: usize) -> usize {
    let (mut blocks, mut bytes) = (0, 0);
    for (count, live) in counts.iter_mut().zip(live_bytes) {
        let each = (live / (*count).max(1) as u64).max(1);
        let room =
            (groups_max * GROUP_BLOCKS_MAX - blocks).min(((groups_max as u64 * GROUP_BYTES - bytes) / each) as usize);
        *count = (*count).min(room);
        blocks += *count;
        bytes += *count as u64 * each;
    }
    blocks
}

impl Heap {
    /// Whether everything is swept, and no chosen block waits to be.
    pub(crate) fn is_swept(&self) -> bool {
        sweep::is_done(&self.old) && matches!(self.sparse.phase, Phase::Idle | Phase::Noting)
    }

    /// A marking is about to start: step 1. Everything is swept, the nursery and the log are empty.
    pub(crate) fn choose_sparse_blocks(&mut self) {
        debug_assert!(self.sparse.is_idle());
        if !self.config.evacuate {
            return;
        }
        let (high, forced) = (self.old.blocks.high(), self.config.mark_slice.is_some());
        let groups =
            if forced { FORCED_GROUPS } else { self.sparse.recorded.capacity().min(self.sparse.wanted_groups) };
        if groups == 0 || !self.make_tables_ready(groups, high) {
            return;
        }
        let sparse = &mut self.sparse;
        let window = sparse.choose(self.memory, high, self.old.epoch, groups.min(GROUPS_MAX), forced);
        self.stats.evacuation_entries_max = sparse.looked_at_max as u64;
        if !window.is_open() {
            return;
        }
        let blocks = sparse.blocks.as_slice();
        for recorded in [&mut sparse.recorded, &mut self.loan.marker().recorded] {
            recorded.begin(window, blocks);
            #[cfg(feature = "test-hooks")]
            (recorded.skipped = self.hooks.skip_noting);
        }
        sparse.phase = Phase::Noting;
    }

    /// Makes memory ready for the tables of as many groups; false if it is refused, by the system or since the heap is
    /// nearly full.
    fn make_tables_ready(&mut self, groups: usize, high: u32) -> bool {
        let (sparse, marker) = (&mut self.sparse, self.loan.marker());
        let more = groups.saturating_sub(sparse.recorded.capacity()) * GROUP_EDGES_MAX * size_of::<u32>();
        if 2 * more as u64 > self.charge.available_bytes() / AVAILABLE_PART {
            return false;
        }
        let entries = sparse.blocks.capacity_max();
        let ready = sparse.blocks.grow(&mut self.cage, entries).is_ok()
            && sparse.recorded.grow(&mut self.cage, groups, high).is_ok()
            && marker.recorded.grow(&mut self.cage, groups, high).is_ok();
        self.sync_side_charge();
        ready
    }

    /// Everything was swept: says how many groups the next marking should have tables for.
    pub(crate) fn plan_sparse_tables(&mut self) {
        let used = self.old.blocks.used_count() as u64 * BLOCK_BYTES as u64;
        let waste = used.saturating_sub(self.stats.live_bytes + self.old.allocated_bytes);
        let pays = self.config.evacuate && waste > used / GAIN_PART_MIN;
        self.sparse.wanted_groups = if pays { ((waste / WASTE_OF_GROUP) as usize).min(GROUPS_MAX) } else { 0 };
    }

    /// Whether there is more for [`Heap::prepare_sparse_tables`] to do.
    pub(crate) fn wants_sparse_tables(&self) -> bool {
        self.sparse.wanted_groups > self.sparse.recorded.capacity()
    }

    /// Makes tables for some more groups ready, between markings.
    pub(crate) fn prepare_sparse_tables(&mut self) {
        let groups = (self.sparse.recorded.capacity() + GROUPS_AT_ONCE).min(self.sparse.wanted_groups);
        if !self.make_tables_ready(groups, self.old.blocks.high()) {
            self.sparse.wanted_groups = self.sparse.recorded.capacity();
        }
    }

    /// The marking has ended: groups may be emptied when everything is swept.
    pub(crate) fn marking_ended_for_sparse(&mut self) {
        if self.sparse.phase == Phase::Noting {
            self.sparse.phase = Phase::Moving;
        }
    }

    /// Whether the next minor should promote everything, since a group can be emptied after it.
    pub(crate) fn is_sparse_group_due(&self) -> bool {
        // The sweep begins with cells; only then it comes to blocks.
        self.sparse.is_moving() && self.old.sweep_cursor > 0
    }

    /// Whether groups wait for minors, and nothing else is to be done.
    pub(crate) fn is_sparse_waiting(&self) -> bool {
        self.sparse.is_moving() && sweep::is_done(&self.old)
    }

    /// A step of the mutator's while groups wait: makes blocks for the next stop ready. Calls it off if there are none,
    /// or if the next marking should start.
    pub(crate) fn prepare_sparse_stop(&mut self) {
        // What is gained makes room, so a marking that is due may wait for some of the groups.
        let room = self.policy.room_bytes();
        let due = self.config.mark_slice.is_none() && self.old.allocated_bytes > room - room / LATEST_PART;
        let blocks = self.reserved_blocks() + STOP_BLOCKS;
        if due || self.old.blocks.make_ready(&mut self.cage, &mut self.charge, blocks).is_err() {
            self.call_off_sparse();
        }
    }

    /// What is chosen is forgotten: step 5 follows, unless the sweep is still to come.
    pub(crate) fn call_off_sparse(&mut self) {
        let phase = self.sparse.phase;
        if matches!(phase, Phase::Noting | Phase::Moving) {
            self.stop_noting();
            if phase == Phase::Noting {
                self.sparse.blocks.as_slice().iter().for_each(|block| self.memory.block(*block).set_group(0));
            }
            self.sparse.phase = if phase == Phase::Noting { Phase::Idle } else { Phase::Sweeping };
            self.stats.evacuations_called_off += 1;
        }
    }

    /// The same, if groups wait to be emptied.
    pub(crate) fn call_off_moving(&mut self) {
        if self.sparse.is_moving() {
            self.call_off_sparse();
        }
    }

    fn stop_noting(&mut self) {
        self.sparse.recorded.end();
        self.loan.marker().recorded.end();
        self.sparse.next = 0;
    }

    /// A minor has promoted everything: step 4. Objects move that no root references.
    pub(crate) fn empty_sparse_group(&mut self, cause: GcCause, roots: &mut dyn RootProvider) {
        let ready = self.old.blocks.ready_count();
        if !self.is_sparse_group_due() || ready < self.reserved_blocks() + STOP_BLOCKS {
            return;
        }
        self.verify(When::BeforeEvacuation, roots);
        let stop = self.stop();
        let allocated_bytes = self.old.allocated_bytes;
        let evacuated = self.empty_groups();
        // What is gained may be filled before the next marking.
        self.old.allocated_bytes = allocated_bytes.saturating_sub(evacuated.gained_bytes());
        if self.sparse.next == self.sparse.groups {
            self.stop_noting();
            self.sparse.phase = Phase::Sweeping;
        }
        let stats = &mut self.stats;
        stats.evacuations += 1;
        stats.evacuated_blocks += evacuated.blocks;
        stats.evacuated_bytes += evacuated.moved_bytes;
        stats.evacuation_bytes_max = stats.evacuation_bytes_max.max(evacuated.moved_bytes);
        stats.evacuation_words_max = stats.evacuation_words_max.max(evacuated.words);
        self.tell(GcEventKind::Evacuate, cause, stop, Done { evacuated, ..Done::default() });
        self.verify(When::AfterMinor, roots);
    }

    /// Empties the next group, and those behind it as long as they fit the same stop.
    fn empty_groups(&mut self) -> RelocationWork {
        let (mut done, mut words) = (RelocationWork::default(), 0);
        let marking = &self.loan.marker().recorded;
        while self.sparse.next < self.sparse.groups {
            let sparse = &mut self.sparse;
            let group = sparse.next as u8 + 1;
            let blocks = sparse.blocks.as_slice();
            let blocks = &blocks[sparse.start_of(group) as usize..sparse.start_of(group + 1) as usize];
            let memory = self.memory;
            let members = blocks.iter().filter(|block| memory.block(**block).group() == group);
            let live: u64 = members.map(|block| memory.block(*block).marked_units() as u64 * 8).sum();
            let listed = marking.words_of(group).len() + sparse.recorded.words_of(group).len();
            if done.blocks > 0 && (done.moved_bytes + live > GROUP_BYTES || words + listed > STOP_WORDS_MAX) {
                break;
            }
            words += listed;
            let (old, own) = (&mut self.old, &mut sparse.recorded);
            let mut relocation = Relocation { memory: self.memory, old, marking, own, group, work: done };
            relocation.run(blocks);
            done = relocation.work;
            sparse.next += 1;
        }
        done
    }

    /// Sweeps up to `count` of the blocks that were chosen: step 5. Everything else is swept. Returns how many.
    pub(crate) fn sweep_sparse_blocks(&mut self, count: usize) -> u64 {
        if !self.sparse.is_sweeping() {
            return 0;
        }
        let (sparse, old, memory) = (&mut self.sparse, &mut self.old, self.memory);
        let (start, end) = (sparse.next, sparse.blocks.len().min(sparse.next.saturating_add(count)));
        for block in &sparse.blocks.as_slice()[start..end] {
            let entry = memory.block(*block);
            // Others were dropped before the sweep came, or nothing lived in them: they may be used otherwise now.
            if entry.state() == BlockState::Small && entry.epoch() != old.epoch {
                sweep::sweep_small(memory, old, *block);
            }
        }
        sparse.next = end;
        if end == sparse.blocks.len() {
            sparse.phase = Phase::Idle;
            sparse.blocks.truncate(0);
            self.sweep_stepped();
        }
        (end - start) as u64
    }

    /// A root outside of frames now holds `reference`, and no minor will be shown it for that. No effect unless blocks
    /// are to be emptied. Never collects.
    #[inline]
    pub fn root_written(&mut self, reference: RawRef) {
        if !active(Mutant::RootWrittenNotTold) {
            self.sparse.window_of_roots().drop_block_of(self.memory, reference);
        }
    }

    /// The same for many.
    #[inline]
    pub fn roots_written(&mut self, references: &[RawRef]) {
        let (window, memory) = (self.sparse.window_of_roots(), self.memory);
        if window.is_open() {
            references.iter().for_each(|reference| window.drop_block_of(memory, *reference));
        }
    }

    /// Elements were written to an array that may not be logged for it.
    #[inline]
    pub(crate) fn note_range(&mut self, array: RawRef, start: u32, end: u32) {
        if self.sparse.recorded.is_on() && is_old(array) {
            self.sparse.recorded.note_elements(self.memory, ObjectReference(array), start, end, Noticed::Range);
        }
    }
}
