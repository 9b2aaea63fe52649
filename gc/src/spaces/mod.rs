//! The spaces of a heap: where objects lie, what has memory behind it, and what is charged for it.
//!
//! 1. Memory is taken of the system and given back here, and charged here. What asks for more than there is gets
//!    [`Refused`]; whether something is collected for it then is the driver's business.
//! 2. The nursery is filled by bumps up to a limit word. Eden is *granted* in slices: before one, what the next minor
//!    can need is made ready (blocks, stacks), so that a minor takes no memory of the system.
//! 3. Other parts read and write the cage through [`Memory`], and grow lists of their own through
//!    [`Spaces::cage_mut`]; what these took is counted by [`Spaces::charge_side`].

pub mod blocks;
pub mod charge;
pub mod checkpoint;
pub mod holes;
pub mod immortal;
pub mod marks;
pub mod nursery;
pub mod old;
pub mod sizing;

use crate::embedder::config::HeapConfig;
use crate::embedder::errors::Refused;
use crate::embedder::types::TypeTable;
use crate::raw::backing::{Backing, BackingError};
use crate::raw::cage::{BLOCK_BYTES, Cage, NURSERY_REACH, NURSERY_START, OLD_START};
use crate::raw::edges::EdgeStack;
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use crate::raw::side::{LentStack, SideVec};
use crate::raw::types::TypeInfo;
use crate::telemetry::pause::Usage;
use blocks::{Blocks, block_start};
use charge::Charge;
use heapwood_gc_abi::hot::{ALLOC_LIMIT, ALLOC_TOP, BARRIER_FLOOR, LOG_BUFFER_ENTRIES, LOG_LENGTH, LOG_ROOM};
use heapwood_gc_abi::{Mutant, TypeId, active};
use immortal::Immortal;
use nursery::{EDEN_START, Nursery};
use old::{Bump, OldSpace};
use std::ops::Range;

/// References of immortal memory that are zeroed at once.
const ZEROED_REFS: u32 = BLOCK_BYTES / 4;
/// Most edges that a minor has not followed yet: 32 KiB.
const EDGES_MAX: usize = 4096;

/// The spaces of a heap and the memory behind them.
#[derive(Debug)]
pub struct Spaces {
    cage: Cage,
    memory: Memory,
    charge: Charge,
    nursery: Nursery,
    old: OldSpace,
    immortal: Immortal,
    /// Copies that a minor has not scanned yet, and edges from copies that it has not followed yet.
    stack: SideVec<u32>,
    edges: SideVec<u64>,
    /// How far eden was ever filled (a reference): up to here it is poisoned after a collection.
    eden_top_max: u32,
    /// Free blocks may hold pages of a file that could neither be used nor given back: nothing can be loaded any more.
    is_spoilt: bool,
}

/// What a minor copies with, borrowed from the spaces.
pub struct Copying<'a> {
    /// Where objects are promoted to.
    pub old: &'a mut OldSpace,
    /// The empty survivor space.
    pub to: Bump,
    /// Copies that are not scanned yet.
    pub stack: LentStack<'a, u32>,
    /// Edges that are not followed yet.
    pub edges: EdgeStack<'a>,
}

impl Spaces {
    /// Empty spaces in a cage of their own, whose type table is `types`. Eden will have `eden_bytes`.
    pub fn new(config: &HeapConfig, types: &TypeTable, eden_bytes: u32) -> Result<Spaces, BackingError> {
        let mut cage = Cage::new(
            Backing::new(config.refused_calls.clone()),
            config.max_bytes,
            config.cage,
            types.file(),
            config.pool.as_ref(),
        )?;
        let memory = cage.memory();
        let nursery = Nursery::new(eden_bytes);
        memory.set_hot(ALLOC_TOP, nursery.eden_start());
        memory.set_hot(ALLOC_LIMIT, nursery.eden_start());
        memory.set_hot(BARRIER_FLOOR, u32::MAX);
        memory.set_hot(LOG_LENGTH, 0);
        memory.set_hot(LOG_ROOM, 0);
        Ok(Spaces {
            memory,
            charge: Charge::new(config.max_bytes),
            nursery,
            old: OldSpace::new(Blocks::new(&mut cage), memory, config.verify),
            immortal: Immortal::new(&cage),
            stack: SideVec::uncut(&mut cage, (NURSERY_REACH / 16) as usize),
            edges: SideVec::new(&mut cage, EDGES_MAX),
            eden_top_max: EDEN_START,
            is_spoilt: false,
            cage,
        })
    }

    /// Access to the cage's words.
    #[inline(always)]
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// The descriptor of a type that is alive.
    #[inline(always)]
    pub fn descriptor(&self, ty: TypeId) -> TypeInfo<'_> {
        self.memory.descriptor(ty)
    }

    /// The cage.
    #[inline]
    pub fn cage(&self) -> &Cage {
        &self.cage
    }

    /// The cage, for lists beside the heap that grow.
    #[inline(always)]
    pub fn cage_mut(&mut self) -> &mut Cage {
        &mut self.cage
    }

    /// Address of the heap base.
    #[inline]
    pub fn base(&self) -> usize {
        self.cage.base()
    }

    /// Calls made to the system so far.
    pub fn backing_calls(&self) -> u64 {
        self.cage.backing_calls()
    }

    /// What is charged.
    pub fn charge(&self) -> &Charge {
        &self.charge
    }

    /// What is charged to the heap's limit, for changing it.
    pub fn charge_mut(&mut self) -> &mut Charge {
        &mut self.charge
    }

    /// Bytes left below the limit, for whoever plans ahead.
    pub fn available_bytes(&self) -> u64 {
        self.charge.available_bytes()
    }

    /// Bytes that lists beside the heap may take now.
    pub fn grantable_bytes(&self) -> u64 {
        self.charge.grantable_bytes()
    }

    /// Charges what lists beside the heap have taken, and `reserved_bytes` that one of them will need.
    pub fn charge_side(&mut self, reserved_bytes: u64) {
        self.charge.set_side(self.cage.side_committed_bytes() + reserved_bytes);
    }

    /// The runtime sees every first store (`hot::BARRIER_FLOOR`, `hot::LOG_ROOM`).
    pub fn close_barrier(&self) {
        self.memory.set_hot(BARRIER_FLOOR, u32::MAX);
        self.close_log_buffer();
    }

    /// The runtime sees every first store of a young object. What is in the buffer stays there.
    pub fn close_log_buffer(&self) {
        if !active(Mutant::LogBufferOpenWhileMarking) {
            self.memory.set_hot(LOG_ROOM, 0);
        }
    }

    /// Compiled code stores null and old objects into old ones without an entry, and enters other first stores by itself.
    pub fn open_barrier(&self) {
        self.memory.set_hot(BARRIER_FLOOR, block_start(0) - 2);
        self.memory.set_hot(LOG_ROOM, LOG_BUFFER_ENTRIES);
    }

    /// Whether the barrier is open: stores of old objects pass without an entry in the log.
    pub fn is_barrier_open(&self) -> bool {
        self.memory.hot(BARRIER_FLOOR) != u32::MAX
    }

    /// The nursery.
    #[inline]
    pub fn nursery(&self) -> &Nursery {
        &self.nursery
    }

    /// The old space.
    #[inline(always)]
    pub fn old(&self) -> &OldSpace {
        &self.old
    }

    /// The old space, to allocate in it, and for what was swept.
    #[inline(always)]
    pub fn old_mut(&mut self) -> &mut OldSpace {
        &mut self.old
    }

    /// The immortal space.
    pub fn immortal(&self) -> &Immortal {
        &self.immortal
    }

    /// Marks with this value are current.
    #[inline(always)]
    pub fn epoch(&self) -> u8 {
        self.old.epoch()
    }

    /// Blocks of the old space that were ever used.
    pub fn blocks_high(&self) -> u32 {
        self.old.blocks().high()
    }

    /// Bytes of blocks in use.
    pub fn old_used_bytes(&self) -> u64 {
        self.old.blocks().used_count() as u64 * BLOCK_BYTES as u64
    }

    /// Bytes of the nursery that objects take.
    pub fn nursery_used_bytes(&self) -> u64 {
        self.eden_used_bytes() + self.nursery.survivors().len() as u64 * 4
    }

    /// What old objects may take of the limit: not the nursery and its reserve, and an eighth is left for holes.
    pub fn usable_bytes(&self) -> u64 {
        let limit = self.charge.bound_bytes();
        limit - limit / 8 - (self.nursery.eden_bytes() as u64 * 9 / 2).min(limit / 2)
    }

    /// What is in use.
    pub fn usage(&self) -> Usage {
        let (young_bytes, old_bytes) = (self.nursery_used_bytes(), self.old_used_bytes());
        Usage { young_bytes, old_bytes, committed_bytes: self.charge.used_bytes() }
    }

    /// Where objects may lie, as references: the immortal space, the nursery, the old and large spaces.
    pub fn ranges_in_use(&self) -> [Range<u32>; 3] {
        [self.immortal.used(), self.young_range(), (OLD_START / 4) as u32..block_start(self.blocks_high())]
    }

    /// Where young objects may lie, as references.
    pub fn young_range(&self) -> Range<u32> {
        match self.nursery.is_cold() {
            // Nothing has survived yet.
            true => self.nursery.eden_start()..self.nursery.eden_start().max(self.top()),
            false => (NURSERY_START / 4) as u32..EDEN_START.max(self.top()),
        }
    }

    /// Bytes of eden that objects take.
    pub fn eden_used_bytes(&self) -> u64 {
        (self.top() - self.nursery.eden_start()) as u64 * 4
    }

    /// How far eden was ever filled, as a reference.
    pub fn eden_top_max(&self) -> u32 {
        self.eden_top_max
    }
}

/// Allocation.
impl Spaces {
    /// The allocation top. Authoritative only while no guest code runs.
    #[inline(always)]
    pub fn top(&self) -> u32 {
        self.memory.hot(ALLOC_TOP)
    }

    /// Moves the allocation top.
    #[inline(always)]
    pub fn set_top(&mut self, top: u32) {
        self.memory.set_hot(ALLOC_TOP, top);
    }

    /// The end of what inline allocation may fill.
    #[inline(always)]
    pub fn limit(&self) -> u32 {
        self.memory.hot(ALLOC_LIMIT)
    }

    /// Sets the end of what inline allocation may fill.
    #[inline(always)]
    pub fn set_limit(&mut self, limit: u32) {
        self.memory.set_hot(ALLOC_LIMIT, limit);
    }

    /// Takes `bytes` of zeroed immortal memory; returns its reference.
    pub fn allocate_immortal(&mut self, bytes: u64) -> Result<u32, Refused> {
        self.immortal.allocate(&mut self.cage, &mut self.charge, bytes)
    }

    /// Takes back immortal memory from a place on where it ended before; it reads as zero when it is handed out again.
    pub fn truncate_immortal(&mut self, end: u32) {
        let used = self.immortal.used();
        assert!(used.contains(&end) || used.end == end, "the immortal space never ended there");
        for start in (end..used.end).step_by(ZEROED_REFS as usize) {
            let refs = (used.end - start).min(ZEROED_REFS);
            self.memory.zero_object(start, refs * 4);
        }
        self.immortal.truncate_to(end);
    }

    /// Remembers an immortal object for the verifier.
    pub fn note_immortal(&mut self, object: u32) {
        self.immortal.record_object(object);
    }

    /// Takes a run of blocks for a large object of `bytes`; its memory reads as zero. Returns the first block.
    pub fn take_run(&mut self, bytes: u64) -> Result<u32, Refused> {
        let (epoch, reserved) = (self.old.epoch(), self.reserved_blocks());
        // Free blocks with pages that no minor needs must not be what the limit refuses the run for.
        let missing_bytes = bytes.saturating_sub(self.charge.grantable_bytes());
        if missing_bytes > 0 {
            let count = (missing_bytes / BLOCK_BYTES as u64 + 1).min(u32::MAX as u64) as u32;
            self.trim(reserved, count);
        }
        self.old.blocks_mut().take_run(&mut self.cage, &mut self.charge, bytes, epoch, reserved)
    }

    /// Undoes [`Spaces::take_run`] while nothing was written there.
    pub fn untake_run(&mut self, block: u32, bytes: u64) {
        self.old.blocks_mut().untake_run(&mut self.charge, block, bytes);
    }

    /// Frees the run of a large object whose size is `bytes`, or what is left of it, but for its first `kept` blocks.
    /// If it is small enough they keep their pages, unless `kept_max` free blocks have pages then.
    pub fn release_run(&mut self, block: u32, kept: u32, bytes: u64, kept_max: u32) {
        self.old.blocks_mut().release_run(&mut self.cage, &mut self.charge, block, kept, bytes, kept_max);
    }

    /// Without a collector: what is allocated next lies in the run of `bytes` that begins with `block`.
    pub fn allocate_in_run(&mut self, block: u32, bytes: u64) {
        let start = block_start(block);
        self.set_top(start);
        self.nursery.set_granted(start + (bytes / 4) as u32);
    }
}

/// Memory that is taken ahead and given back.
impl Spaces {
    /// Blocks that have to stay ready for the next minor.
    pub fn reserved_blocks(&self) -> u32 {
        self.nursery.reserve_blocks(self.nursery.granted())
    }

    /// Makes `blocks` ready, or as many as the limit and the system give.
    pub fn make_ready(&mut self, blocks: u32) -> Result<(), Refused> {
        self.old.blocks_mut().make_ready(&mut self.cage, &mut self.charge, blocks)
    }

    /// Makes room in the stacks of a minor that may copy `young_bytes`.
    pub fn make_stacks_ready(&mut self, young_bytes: usize) -> Result<(), Refused> {
        self.stack.grow_populated(&mut self.cage, young_bytes / 16)?;
        Ok(self.edges.grow_populated(&mut self.cage, EDGES_MAX)?)
    }

    /// Gives memory to eden up to `granted`, and to the empty survivor space in proportion. What else a minor needs is
    /// there, so that the heap is prepared for one from now on.
    pub fn grant(&mut self, granted: u32) -> Result<(), Refused> {
        self.nursery.grant(&mut self.cage, &mut self.charge, granted)?;
        self.nursery.set_prepared();
        Ok(())
    }

    /// Gives memory to a cold eden, of which nothing is prepared for a minor.
    pub fn grant_cold(&mut self, granted: u32) -> Result<(), Refused> {
        self.nursery.grant_cold(&mut self.cage, &mut self.charge, granted)
    }

    /// Commits the marks of the blocks that there are, and of all that come.
    pub fn make_marks_ready(&mut self) -> Result<(), Refused> {
        self.old.blocks_mut().make_marks_ready(&mut self.cage, &mut self.charge)
    }

    /// Gives the pages of free blocks back to the system: of lean ones and then of the highest ready ones beyond `keep`,
    /// but of at most `count`.
    pub fn trim(&mut self, keep: u32, count: u32) {
        self.old.blocks_mut().trim(&mut self.cage, &mut self.charge, keep, count);
    }

    /// Sets the size of the nursery; eden is empty.
    pub fn set_young_bytes(&mut self, bytes: u32) {
        self.nursery.set_young_bytes(bytes);
    }

    /// Gives memory of the nursery beyond its size back.
    pub fn trim_nursery(&mut self) {
        self.nursery.trim(&mut self.cage, &mut self.charge);
        self.eden_top_max = self.eden_top_max.min(self.nursery.eden_end());
    }
}

/// Collections.
impl Spaces {
    /// What a minor copies with.
    pub fn copying(&mut self) -> Copying<'_> {
        Copying {
            to: self.nursery.to_space(),
            old: &mut self.old,
            stack: self.stack.lend_stack(),
            edges: EdgeStack::new(&mut self.edges),
        }
    }

    /// Eden and the old survivor space hold nothing any more; what lies below `to_top` in the other one survived.
    /// Returns how many bytes of eden were used.
    pub fn nursery_emptied(&mut self, to_top: u32) -> u64 {
        let (top, survivors) = (self.top(), self.nursery.survivors());
        let eden_start = self.nursery.eden_start();
        if !self.nursery.is_cold() {
            self.eden_top_max = self.eden_top_max.max(top);
        }
        self.old.poison_range(eden_start, (top - eden_start) * 4);
        self.old.poison_range(survivors.start, survivors.len() as u32 * 4);
        self.nursery.flip(to_top);
        self.set_top(EDEN_START);
        self.set_limit(EDEN_START);
        (top - eden_start) as u64 * 4
    }

    /// Room for an object of at most a block in the old space; never calls the system.
    #[inline(always)]
    pub fn allocate_old(&mut self, bytes: u32) -> Option<ObjectReference> {
        self.old.allocate(bytes)
    }
}
