//! The cage: where everything of one heap lies (`shape`), and who commits memory to it.

use super::backing::{Backing, BackingError, FrozenFile, PAGE_BYTES, Reservation, address_space};
use super::block::BlockEntry;
use super::memory::Memory;
use super::pool::CagePool;
use super::ranges::Ranges;
pub use super::shape::{BLOCK_BYTES, BLOCK_REFS, BLOCKS_MAX, CageKind, NURSERY_END, NURSERY_REACH, NURSERY_START};
use super::shape::{GUARD_BYTES, REACH_STEP_BYTES};
pub use super::shape::{OLD_START, Shape};
use super::types::TypeFile;
use heapwood_gc_abi::space::{CAGE_PREFIX_BYTES, CHUNK_STATE_BYTES, CHUNK_STATE_DISP, HOT_AREA_BYTES, TYPE_TABLE_DISP};
use heapwood_gc_abi::space::{NULL_ZONE_BYTES, REACH_BYTES};
use parking_lot::Mutex;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Alignment of the base: a huge page.
const BASE_ALIGN: usize = 2 << 20;
/// Cages with all of the reach that a process has at a time: 20 TiB. Later ones have half of it at first, so that
/// 10,000 cages fit the address space of a process.
pub const FULL_CAGES_MAX: usize = 1024;
/// By how much a cage is extended, where there is room for so much.
const EXTENSION_BYTES: u64 = 1 << 30;
/// The first bytes of the old space, for which the system is asked not to use huge pages: a small heap would have 2 MiB
/// where it needs some blocks. Beyond, it does as it is configured.
const SMALL_PAGES_BYTES: u64 = 16 << 20;
/// Bytes of the immortal space that a store with a small instance writes.
const WARM_IMMORTAL_BYTES: usize = 2 * PAGE_BYTES;
/// Most bytes of a side vector that lies next to the block table.
const SMALL_VECTOR_BYTES_MAX: usize = 64 << 10;
/// Tries to find a place for a sparse cage.
const PLACES_MAX: usize = 64;

/// Cages of this process that have all of the reach.
static FULL_CAGES: AtomicUsize = AtomicUsize::new(0);

/// The address space of a cage for as long as anybody reaches into it. Then it goes to the pool that it may be kept in,
/// or is unmapped.
#[derive(Debug)]
pub struct Territory {
    /// The address space; none only while the territory is being dropped.
    land: Option<Land>,
    pool: Option<Arc<CagePool>>,
}

/// The parts of a cage, with the type table mapped and the hot words committed.
#[derive(Debug)]
pub struct Land {
    /// What has to lie at its displacement from the base.
    parts: Vec<Reservation>,
    /// Marks, side vectors and block table of a sparse cage.
    beside: Option<Reservation>,
    base: usize,
    shape: Shape,
    /// The last word that references may name. Each [`Memory`] has a pointer to it, so it is not a `Box`: whoever moves
    /// one claims that nobody else has pointers into it.
    last_word: Arc<AtomicU32>,
    counts_as_full: bool,
    types_id: u64,
    /// Pages of files were mapped into the heap: discarding a page is not enough for it to read as zero.
    has_file_pages: AtomicBool,
    /// What is readable and writable, or was mapped from a file: nothing else can have been written.
    accessible: Mutex<Ranges>,
}

/// Owner of a heap's address space.
#[derive(Debug)]
pub struct Cage {
    /// Shared with whoever reaches into it (B3).
    territory: Arc<Territory>,
    backing: Backing,
    shape: Shape,
    reach_bytes: u64,
    /// What no side vector has: the lowest addresses are for large vectors, the highest for small ones, which then lie
    /// next to the block table. Few pages of each are used as a rule, and those have one page table then.
    side_free: Range<usize>,
    side_committed_bytes: u64,
    memory: Memory,
}

impl Territory {
    fn land(&self) -> &Land {
        self.land.as_ref().expect("there until the territory is dropped")
    }
}

impl Drop for Territory {
    fn drop(&mut self) {
        if let (Some(pool), Some(land)) = (&self.pool, self.land.take()) {
            pool.give_back(land);
        }
    }
}

impl Land {
    /// Address space of a cage of this shape, without memory but for the type table and the hot words.
    fn new(backing: &mut Backing, shape: Shape, types: &TypeFile) -> Result<Land, BackingError> {
        let (parts, beside, base) = match shape.is_sparse {
            true => {
                let beside = backing.reserve(shape.beside_bytes(), 0, PAGE_BYTES)?;
                let (parts, base) = reserve_sparse(backing, &shape)?;
                (parts, Some(beside), base)
            }
            false => {
                // A size that is a multiple of the alignment leaves nothing between two cages.
                let below = (shape.beside_bytes() + CHUNK_STATE_BYTES + CAGE_PREFIX_BYTES).next_multiple_of(BASE_ALIGN);
                let all = backing.reserve(below + shape.reach_bytes as usize + GUARD_BYTES, below, BASE_ALIGN)?;
                let base = all.start() + below;
                (vec![all], None, base)
            }
        };
        let counts_as_full = shape.reach_bytes == REACH_BYTES;
        FULL_CAGES.fetch_add(counts_as_full as usize, Relaxed);
        let last_word = Arc::new(AtomicU32::new((shape.reach_bytes / 4 - 1) as u32));
        let has_file_pages = AtomicBool::new(false);
        let (types_id, accessible) = (types.id(), Mutex::default());
        let land = Land { parts, beside, base, shape, last_word, counts_as_full, types_id, has_file_pages, accessible };
        let (types_at, hot_at, bytes) = (land.types_at(), land.base - HOT_AREA_BYTES, shape.types_bytes);
        backing.share(land.part_of(types_at, bytes), types_at, bytes, types.file())?;
        land.commit(backing, hot_at, HOT_AREA_BYTES)?;
        Ok(land)
    }

    /// The bounds of the cage.
    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Which type table is mapped in it.
    pub(super) fn types_id(&self) -> u64 {
        self.types_id
    }

    fn types_at(&self) -> usize {
        self.base.wrapping_add_signed(TYPE_TABLE_DISP as isize)
    }

    /// Bytes from the base that references may name.
    fn reach_bytes(&self) -> u64 {
        (self.last_word.load(Relaxed) as u64 + 1) * 4
    }

    /// Makes a range readable and writable, if it is not so from an earlier heap.
    fn commit(&self, backing: &mut Backing, address: usize, bytes: usize) -> Result<(), BackingError> {
        let mut accessible = self.accessible.lock();
        if !accessible.holds(address, address + bytes) {
            backing.commit(self.part_of(address, bytes), address, bytes)?;
            accessible.add(address, address + bytes);
        }
        Ok(())
    }

    /// Zeroes what the next heap expects to be zero. Returns whether the cage is as it was made: false if the system
    /// did not take back what was given to it.
    pub(super) fn clean(&self) -> bool {
        let has_file_pages = self.has_file_pages.swap(false, Relaxed);
        let mut accessible = self.accessible.lock();
        let warm = self.warm();
        let is_clean = |part: &Reservation| {
            let (start, end) = (part.start(), part.start() + part.bytes());
            // In one piece where some of the heap's pages may be those of a file: discarding would show what the file
            // holds. There is nothing then until somebody commits it again.
            let heap = if has_file_pages { self.base.clamp(start, end) } else { end };
            let mut ranges = accessible.within(start, heap);
            // SAFETY: B3: a cage is cleaned when its heap is gone; what is among the ranges was made accessible.
            ranges.all(|(from, to)| unsafe { give_back_around(part, from, to, warm) }) && part.forget(heap, end - heap)
        };
        let was_cleaned =
            self.reach_bytes() == self.shape.reach_bytes && self.parts.iter().chain(&self.beside).all(is_clean);
        if has_file_pages {
            accessible.cut(self.base);
        }
        was_cleaned
    }

    /// Pages that every heap writes: the hot words, and the first of the immortal space. They are cleared, which is
    /// faster than to give them back and to fault them in again.
    fn warm(&self) -> [(usize, usize); 2] {
        let immortal = self.base + self.shape.immortal.0 as usize;
        [(self.base - PAGE_BYTES, self.base), (immortal, immortal + WARM_IMMORTAL_BYTES)]
    }

    /// The reservation that a range lies in.
    fn part_of(&self, address: usize, bytes: usize) -> &Reservation {
        let part = self.parts.iter().chain(&self.beside).find(|part| part.contains(address, bytes));
        part.expect("a range lies in one part of the cage")
    }

    /// Where marks, side vectors and block table begin.
    fn beside_start(&self) -> usize {
        let below = self.shape.beside_bytes() + CHUNK_STATE_BYTES + CAGE_PREFIX_BYTES;
        self.beside.as_ref().map_or(self.base - below, Reservation::start)
    }
}

impl Drop for Land {
    fn drop(&mut self) {
        FULL_CAGES.fetch_sub(self.counts_as_full as usize, Relaxed);
    }
}

/// Clears what of the ranges of `clear`, which ascend, lies in accessible bytes, and gives the rest of these back.
///
/// # Safety
/// The bytes are readable and writable, and nobody's: their heap is gone.
unsafe fn give_back_around(part: &Reservation, from: usize, to: usize, clear: [(usize, usize); 2]) -> bool {
    let mut at = from;
    for (start, end) in clear.into_iter().filter(|range| from <= range.0 && range.1 <= to) {
        if !part.discard(at, start - at) {
            return false;
        }
        // SAFETY: the caller's promise: the range lies within the bytes.
        unsafe { part.clear(start, end - start) };
        at = end;
    }
    part.discard(at, to - at)
}

/// Takes the parts of a sparse cage that have to lie at their displacements, and finds a base where all are free.
fn reserve_sparse(backing: &mut Backing, shape: &Shape) -> Result<(Vec<Reservation>, usize), BackingError> {
    let at = |disp: i64, bytes: usize| (disp as isize, bytes);
    let young = HOT_AREA_BYTES + NURSERY_END as usize;
    let ranges = [
        at(CHUNK_STATE_DISP as i64 + (OLD_START >> 7) as i64, shape.chunk_state_bytes()),
        at(TYPE_TABLE_DISP as i64, shape.types_bytes),
        at(-(HOT_AREA_BYTES as i64), young),
        at(OLD_START as i64, (shape.reach_bytes - OLD_START) as usize + GUARD_BYTES),
    ];
    let span = (OLD_START + (shape.reach_max - OLD_START)) as usize + GUARD_BYTES;
    // Below what was mapped last there is room as a rule.
    let mut end = backing.reserve(PAGE_BYTES, 0, PAGE_BYTES)?.start();
    let mut refused = BackingError { operation: "reserve", bytes: shape.address_bytes() };
    // What is in the way may be much larger than this cage, so that each step is twice as long as the one before.
    let mut step = CAGE_PREFIX_BYTES + CHUNK_STATE_BYTES;
    for _ in 0..PLACES_MAX {
        let Some(base) = end.checked_sub(span).map(|base| base / BASE_ALIGN * BASE_ALIGN) else { break };
        let take = |(disp, bytes): (isize, usize)| backing.reserve_at(base.wrapping_add_signed(disp), bytes);
        match ranges.into_iter().map(take).collect::<Result<Vec<Reservation>, BackingError>>() {
            Ok(parts) => return Ok((parts, base)),
            Err(error) => refused = error,
        }
        end = base.saturating_sub(step);
        step = step.saturating_mul(2);
    }
    Err(refused)
}

/// The shapes that a cage may have, the best one first.
fn shapes(kind: CageKind, heap_bytes_max: u64, types_bytes: usize) -> Vec<Shape> {
    let space = address_space();
    let affordable = space.map_or(u64::MAX, |space| space.free_bytes() / 2);
    let sparse = Shape::sparse(heap_bytes_max, affordable, types_bytes);
    let least = Shape::sparse(heap_bytes_max, 0, types_bytes);
    let (full, short) = (Shape::whole(false, types_bytes), Shape::whole(true, types_bytes));
    match kind {
        // It has no reservations at an address.
        _ if cfg!(miri) => vec![short],
        CageKind::Sparse => vec![least],
        CageKind::Short => vec![short, sparse, least],
        CageKind::Suitable if space.is_some() && short.address_bytes() > affordable => vec![sparse, least],
        CageKind::Suitable if space.is_some() || FULL_CAGES.load(Relaxed) >= FULL_CAGES_MAX => {
            vec![short, sparse, least]
        }
        CageKind::Suitable => vec![full, short, sparse, least],
    }
}

/// How far references of a heap with this limit would reach at first, in bytes, if its cage were made now.
pub fn reach_bytes_at_first(kind: CageKind, heap_bytes_max: u64) -> u64 {
    shapes(kind, heap_bytes_max, 0)[0].reach_bytes
}

impl Cage {
    /// Reserves a cage whose old space can come to hold at least `heap_bytes_max`. Maps the type table, commits the hot
    /// words.
    pub fn new(
        mut backing: Backing,
        heap_bytes_max: u64,
        kind: CageKind,
        types: &TypeFile,
        pool: Option<&Arc<CagePool>>,
    ) -> Result<Cage, BackingError> {
        let over = |land, backing| Cage::over(Territory { land: Some(land), pool: pool.cloned() }, backing);
        if let Some(land) = pool.and_then(|pool| pool.take(kind, heap_bytes_max, types)) {
            return Ok(over(land, backing));
        }
        let mut refused = BackingError { operation: "reserve", bytes: heap_bytes_max };
        for shape in shapes(kind, heap_bytes_max, types.bytes()) {
            match Land::new(&mut backing, shape, types) {
                Ok(land) => return Ok(over(land, backing)),
                Err(error) if error.operation == "reserve" => refused = error,
                Err(error) => return Err(error),
            }
        }
        Err(refused)
    }

    /// The cage in a territory that nobody uses.
    fn over(territory: Territory, backing: Backing) -> Cage {
        let land = territory.land();
        let (shape, beside, reach_bytes) = (land.shape, land.beside_start(), land.reach_bytes());
        let side_start = beside + shape.marks_bytes();
        let memory = Memory {
            base: land.base as *mut u8,
            marks: beside.wrapping_sub((shape.marked_from() >> 4) as usize) as *mut u8,
            blocks: (side_start + shape.side_bytes) as *mut BlockEntry,
            last_word: Arc::as_ptr(&land.last_word),
        };
        Cage {
            territory: Arc::new(territory),
            backing,
            shape,
            reach_bytes,
            side_free: side_start..side_start + shape.side_bytes,
            side_committed_bytes: 0,
            memory,
        }
    }

    /// Access to the cage's memory, for the algorithms of the collector.
    pub fn memory(&self) -> Memory {
        self.memory
    }

    /// Address of the base.
    #[inline]
    pub fn base(&self) -> usize {
        self.memory.base as usize
    }

    /// The bounds of the cage.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Bytes from the base that references may name.
    pub fn reach_bytes(&self) -> u64 {
        self.reach_bytes
    }

    /// Bytes by which the reach can be made longer at most.
    pub fn extensible_bytes(&self) -> u64 {
        self.shape.reach_max - self.reach_bytes
    }

    /// Makes the reach longer by at least `bytes`, where the address space behind it is free.
    pub fn extend(&mut self, bytes: u64) -> Result<(), BackingError> {
        let room = self.extensible_bytes();
        let needed = bytes.next_multiple_of(REACH_STEP_BYTES);
        if needed > room {
            return Err(BackingError { operation: "extend", bytes: needed });
        }
        let land = self.territory.land();
        let last = land.parts.last().expect("a cage has parts");
        let ample = needed.max(EXTENSION_BYTES.min(self.reach_bytes - OLD_START)).min(room);
        let extended = self.backing.extend(last, ample as usize).map(|()| ample);
        let more = extended.or_else(|_| self.backing.extend(last, needed as usize).map(|()| needed))?;
        self.reach_bytes += more;
        land.last_word.store((self.reach_bytes / 4 - 1) as u32, Relaxed);
        Ok(())
    }

    /// Calls that were made to the system.
    pub fn backing_calls(&self) -> u64 {
        self.backing.calls()
    }

    /// Chooses the calls that the system refuses from now on.
    #[cfg(feature = "test-hooks")]
    pub fn refuse_calls(&mut self, refused: std::ops::Range<u64>, spares_discards: bool) {
        self.backing.set_refused(refused, spares_discards);
    }

    /// Extensions are refused from now on.
    #[cfg(feature = "test-hooks")]
    pub fn refuse_extensions(&mut self) {
        self.backing.refuse_extensions();
    }

    fn commit_at(&mut self, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.territory.land().commit(&mut self.backing, address, bytes)
    }

    fn populate_at(&mut self, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.backing.populate(self.territory.land().part_of(address, bytes), address, bytes)
    }

    /// Makes heap bytes (offsets from the base, whole pages) readable and writable.
    pub fn commit(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        assert!(offset >= NULL_ZONE_BYTES && offset + bytes <= self.reach_bytes, "outside of the reach");
        self.commit_at(self.base() + offset as usize, bytes as usize)
    }

    /// Faults in committed heap bytes.
    pub fn populate(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        self.populate_at(self.base() + offset as usize, bytes as usize)
    }

    /// Gives pages of committed heap bytes back; they read as zero.
    pub fn discard(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        let (address, bytes) = (self.base() + offset as usize, bytes as usize);
        let part = self.territory.land().part_of(address, bytes);
        match self.has_file_pages() {
            true => self.backing.renew(part, address, bytes),
            false => self.backing.discard(part, address, bytes),
        }
    }

    /// Whether pages of files were ever mapped into the heap.
    pub fn has_file_pages(&self) -> bool {
        self.territory.land().has_file_pages.load(Relaxed)
    }

    /// Pages of a range that are no pages of a file (any more), as the system says.
    #[cfg(feature = "test-hooks")]
    pub fn private_pages(&self, offset: u64, bytes: u64) -> usize {
        use std::os::unix::fs::FileExt;
        const PRESENT: u64 = 1 << 63;
        const OF_FILE: u64 = 1 << 61;
        let pages = std::fs::File::open("/proc/self/pagemap").expect("the system tells of pages");
        let first = (self.base() as u64 + offset) / PAGE_BYTES as u64;
        let is_private = |page: u64| {
            let mut word = [0; 8];
            pages.read_exact_at(&mut word, page * 8).expect("a word for each page");
            let word = u64::from_le_bytes(word);
            word & PRESENT != 0 && word & OF_FILE == 0
        };
        (first..first + bytes / PAGE_BYTES as u64).filter(|page| is_private(*page)).count()
    }

    /// A file for so many frozen heap bytes.
    pub fn freeze_file(&mut self, bytes: u64) -> Result<FrozenFile, BackingError> {
        self.backing.freeze_file(bytes)
    }

    /// Copies committed heap bytes to a file, from `at` on.
    pub fn freeze(&mut self, file: &FrozenFile, at: u64, offset: u64, bytes: u64) -> Result<(), BackingError> {
        let (address, bytes) = (self.base() + offset as usize, bytes as usize);
        self.backing.freeze(self.territory.land().part_of(address, bytes), address, bytes, file, at)
    }

    /// Puts copy-on-write pages of a file, from `at` on, in the place of committed heap bytes.
    pub fn map(&mut self, file: &FrozenFile, at: u64, offset: u64, bytes: u64) -> Result<(), BackingError> {
        assert!(offset >= NULL_ZONE_BYTES && offset + bytes <= self.reach_bytes, "outside of the reach");
        self.territory.land().has_file_pages.store(true, Relaxed);
        let (address, bytes) = (self.base() + offset as usize, bytes as usize);
        self.territory.land().accessible.lock().add(address, address + bytes);
        self.backing.map(self.territory.land().part_of(address, bytes), address, bytes, file, at)
    }

    /// Forgets what was written to heap bytes that were mapped from a file.
    pub fn restore(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        let (address, bytes) = (self.base() + offset as usize, bytes as usize);
        self.backing.restore(self.territory.land().part_of(address, bytes), address, bytes)
    }

    /// Commits the marks of a range of the old space (multiple of 1 MiB).
    pub fn commit_marks(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        let marks = (self.memory.marks as usize + (offset as usize >> 4), bytes as usize >> 4);
        self.commit_at(marks.0, marks.1)?;
        // Without this, the first marking would fault in a page with every few objects.
        self.populate_at(marks.0, marks.1)
    }

    /// Commits a range of the old space (multiple of 1 MiB), with its chunk states and entries of the block table.
    pub fn commit_segments(&mut self, offset: u64, bytes: u64) -> Result<(), BackingError> {
        let chunk_start = self.base().wrapping_add_signed(CHUNK_STATE_DISP as isize);
        let chunks = (chunk_start + (offset as usize >> 7), bytes as usize >> 7);
        let entry = size_of::<BlockEntry>();
        let first = (offset - OLD_START) as usize / BLOCK_BYTES as usize * entry;
        let last = (offset + bytes - OLD_START) as usize / BLOCK_BYTES as usize * entry;
        let (first, last) = (first / PAGE_BYTES * PAGE_BYTES, last.next_multiple_of(PAGE_BYTES));
        self.commit_at(chunks.0, chunks.1)?;
        self.commit_at(self.memory.blocks as usize + first, last - first)?;
        self.commit(offset, bytes)?;
        if offset < OLD_START + SMALL_PAGES_BYTES {
            let address = self.base() + offset as usize;
            self.territory.land().part_of(address, bytes as usize).avoid_huge_pages(address, bytes as usize);
        }
        Ok(())
    }

    /// Takes address space for a side vector of at most `bytes`, or of what a sparse cage has for one; returns its
    /// address and how many bytes it may have.
    pub(super) fn take_side_range(&mut self, bytes: usize, may_be_cut: bool) -> (usize, usize) {
        let bytes = if may_be_cut { bytes.min(self.shape.vector_bytes_max) } else { bytes };
        let taken = bytes.next_multiple_of(PAGE_BYTES);
        assert!(taken <= self.side_free.len(), "side vectors outgrow their address space");
        if bytes <= SMALL_VECTOR_BYTES_MAX {
            self.side_free.end -= taken;
            return (self.side_free.end, bytes);
        }
        let start = self.side_free.start;
        self.side_free.start += taken;
        (start, bytes)
    }

    /// The address space, for a side vector: it lives as long as any of them.
    pub(super) fn territory(&self) -> &Arc<Territory> {
        &self.territory
    }

    pub(super) fn commit_side(&mut self, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.commit_at(address, bytes)?;
        self.side_committed_bytes += bytes as u64;
        Ok(())
    }

    /// Bytes of memory of all side vectors.
    pub fn side_committed_bytes(&self) -> u64 {
        self.side_committed_bytes
    }

    pub(super) fn populate_side(&mut self, address: usize, bytes: usize) -> Result<(), BackingError> {
        self.populate_at(address, bytes)
    }
}
