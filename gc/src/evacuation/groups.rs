//! Which blocks are chosen to be evacuated, and in which groups.

use super::incoming::{GROUPS_MAX, Window};
use crate::raw::backing::BackingError;
use crate::raw::block::{BlockState, LIVE_UNKNOWN};
use crate::raw::cage::{BLOCK_BYTES, Cage};
use crate::raw::memory::Memory;
use crate::raw::side::SideVec;

/// Most bytes alive in the blocks of a group: what one pause copies at most.
pub const GROUP_BYTES: u64 = 48 << 10;
/// Most blocks of a group.
const GROUP_BLOCKS_MAX: usize = 48;
/// Most entries of the block table that are looked at when a marking starts.
const LOOKED_AT_MAX: u32 = 8 << 10;
/// Blocks are sorted by how much of them is alive, in steps of a 32nd.
const STEPS: usize = 33;
/// The most that may be alive in a chosen block, in steps; and the most where tests want as many blocks as possible.
const LIVE_STEPS_MAX: usize = 15;
const FORCED_STEPS_MAX: usize = 30;
/// The least gain, in blocks, for which blocks are chosen.
const GAIN_BLOCKS_MIN: u64 = 16;
/// The least gain for which blocks are chosen, as a part of those blocks looked at that are in use.
pub const GAIN_PART_MIN: u64 = 16;

/// The blocks chosen, by group.
#[derive(Debug)]
pub struct Groups {
    /// Chosen blocks in the order of their groups, and where each group ends.
    blocks: SideVec<u32>,
    ends: [u16; GROUPS_MAX],
    count: usize,
    /// The index of the next group to be evacuated; after the last one, of the next block to be swept.
    next: usize,
    /// Where in the block table the next choice begins.
    from: u32,
    /// Most entries of the block table that were looked at for a choice.
    looked_at_max: u32,
}

impl Groups {
    /// Groups without blocks. Costs address space only.
    pub fn new(cage: &mut Cage) -> Groups {
        let blocks = SideVec::new(cage, GROUPS_MAX * GROUP_BLOCKS_MAX);
        Groups { blocks, ends: [0; GROUPS_MAX], count: 0, next: 0, from: 0, looked_at_max: 0 }
    }

    /// Makes room for as many blocks as can ever be chosen.
    pub fn make_room(&mut self, cage: &mut Cage) -> Result<(), BackingError> {
        let entries = self.blocks.capacity_max();
        self.blocks.grow(cage, entries)
    }

    /// All chosen blocks.
    pub fn blocks(&self) -> &[u32] {
        self.blocks.as_slice()
    }

    /// Most entries of the block table that were looked at for a choice.
    pub fn looked_at_max(&self) -> u32 {
        self.looked_at_max
    }

    /// The groups (from 1) that wait to be evacuated.
    pub fn left(&self) -> std::ops::RangeInclusive<u8> {
        self.next as u8 + 1..=self.count as u8
    }

    /// The next group to be evacuated, and its blocks.
    pub fn next(&self) -> Option<(u8, &[u32])> {
        let group = self.next as u8 + 1;
        let blocks = || &self.blocks.as_slice()[self.start_of(group) as usize..self.start_of(group + 1) as usize];
        (self.next < self.count).then(|| (group, blocks()))
    }

    /// Goes on behind the group that was evacuated.
    pub fn pass(&mut self) {
        self.next += 1;
    }

    /// No more groups are to be evacuated: the blocks are to be swept, from the first one on.
    pub fn end(&mut self) {
        self.next = 0;
    }

    /// The next `count` blocks to be swept.
    pub fn take_blocks(&mut self, count: usize) -> &[u32] {
        let (start, end) = (self.next, self.blocks.len().min(self.next.saturating_add(count)));
        self.next = end;
        &self.blocks.as_slice()[start..end]
    }

    /// Whether all blocks were taken; then none is chosen any more.
    pub fn forget_if_taken(&mut self) -> bool {
        let taken = self.next == self.blocks.len();
        if taken {
            self.blocks.truncate(0);
        }
        taken
    }

    /// Index in the list at which the blocks of a group (counted from 1) begin.
    fn start_of(&self, group: u8) -> u16 {
        if group == 1 { 0 } else { self.ends[group as usize - 2] }
    }

    /// Chooses blocks that were swept in `epoch`, for `groups_max` groups, and forms groups of them. Returns where they
    /// lie; it is not open if there is too little to gain.
    pub fn choose(&mut self, memory: Memory, high: u32, epoch: u8, groups_max: usize, forced: bool) -> Window {
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
        // The blocks are sorted by how much of them is alive: each step has its own range of places.
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
        (self.count, self.next) = (group + 1, 0);
    }
}

/// How much is alive in a block of small objects, in steps and in bytes; none if that is not known.
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
