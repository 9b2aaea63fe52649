//! Frozen objects: those of a checkpoint, in pages that other heaps share.
//!
//! 1. All of them count as alive, as long as they are frozen. A frozen object names frozen and immortal objects only,
//!    until it is *written*: the barrier enters it in a list, once, with a bit in its header (`FROZEN_WRITTEN`). This
//!    list stands beside the log, which a minor empties.
//! 2. A marking visits the fields of written objects as roots. What such a field held when the marking began is shaded
//!    before it is overwritten, as that of any old object.
//! 3. So no collection writes a page, a mark or an entry of frozen blocks. (A minor writes to objects of its log, and
//!    these were written already.)
//! 4. The cells of host values, weak cells and ephemerons that are frozen stay listed. They live, and so does what they
//!    named when they were frozen; what a frozen ephemeron holds since is found by its fields.
//! 5. If an object cannot be listed, since there is no memory for that, the log is lost: the next collection thaws all
//!    blocks before it walks the heap.

mod layout;
mod roots;

use crate::embedder::types::TypeTable;
use crate::raw::cage::Cage;
use crate::raw::memory::Memory;
use crate::raw::object::ObjectReference;
use crate::raw::side::SideVec;
use crate::spaces::blocks::block_of;
use crate::spaces::checkpoint::FrozenSpaces;
use crate::weak::FrozenCells;
use heapwood_gc_abi::header::FROZEN_WRITTEN;
use heapwood_gc_abi::{Mutant, RawRef, active};
pub use layout::HeapLayout;
pub use roots::WithFrozen;
use std::sync::Arc;

/// Most frozen objects that may be written before they are thawed.
const WRITTEN_MAX: usize = 4 << 20;
/// Entries of the list that it has room for at first.
const WRITTEN_MIN: usize = 1 << 10;

/// A heap as it was at some time, in pages that any number of heaps may map. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HeapImage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spaces: FrozenSpaces,
    cells: FrozenCells,
    types: Arc<TypeTable>,
}

impl HeapImage {
    /// An image of what was frozen.
    pub(crate) fn new(spaces: FrozenSpaces, cells: FrozenCells, types: Arc<TypeTable>) -> HeapImage {
        HeapImage(Arc::new(Inner { spaces, cells, types }))
    }

    /// The spaces.
    pub(crate) fn spaces(&self) -> &FrozenSpaces {
        &self.0.spaces
    }

    /// The cells of host values, weak cells and ephemerons.
    pub(crate) fn cells(&self) -> &FrozenCells {
        &self.0.cells
    }

    /// The table that its headers' type ids name.
    pub(crate) fn types(&self) -> &Arc<TypeTable> {
        &self.0.types
    }

    fn is(&self, other: &HeapImage) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where its immortal objects end, as a reference: those from here on are younger.
    pub fn immortal_end(&self) -> RawRef {
        self.0.spaces.immortal_end()
    }

    /// Bytes of memory that it spans.
    pub fn bytes(&self) -> u64 {
        self.0.spaces.bytes()
    }
}

/// What is frozen of a heap, and which of it was written since.
#[derive(Debug)]
pub struct Frozen {
    image: Option<HeapImage>,
    written: SideVec<u32>,
    /// Number of written objects that the marking under way has to visit; `next` is how far it is: object, element.
    end: usize,
    next: (usize, u32),
}

impl Frozen {
    /// The state of a heap of which nothing is frozen. Costs address space only.
    pub fn new(cage: &mut Cage) -> Frozen {
        Frozen { image: None, written: SideVec::new(cage, WRITTEN_MAX), end: 0, next: (0, 0) }
    }

    /// Whether anything is frozen.
    #[inline(always)]
    pub fn is_on(&self) -> bool {
        self.image.is_some()
    }

    /// Whether this is what is frozen.
    pub fn holds(&self, image: &HeapImage) -> bool {
        self.image.as_ref().is_some_and(|held| held.is(image))
    }

    /// From now on this is frozen, and nothing of it was written.
    pub fn begin(&mut self, image: &HeapImage) {
        self.image = Some(image.clone());
        self.forget_written();
    }

    fn forget_written(&mut self) {
        self.written.truncate(0);
        (self.end, self.next) = (0, (0, 0));
    }

    /// Nothing is frozen any more: blocks are thawed by the caller. No marking is under way.
    pub fn end(&mut self, memory: Memory) {
        for object in self.written.as_slice() {
            let object = ObjectReference(*object);
            memory.set_header(object, memory.header(object) & !FROZEN_WRITTEN);
        }
        self.image = None;
        self.forget_written();
    }

    /// Nothing is frozen any more, and what was is thrown away.
    pub fn end_discarded(&mut self) {
        self.image = None;
        self.forget_written();
    }

    /// An old object is about to be written: lists it if it is frozen. False if there is no room for it.
    #[inline]
    #[must_use]
    pub fn write(&mut self, cage: &mut Cage, memory: Memory, object: ObjectReference) -> bool {
        !self.is_on() || self.write_listed(cage, memory, object)
    }

    fn write_listed(&mut self, cage: &mut Cage, memory: Memory, object: ObjectReference) -> bool {
        let header = memory.header(object);
        if header & FROZEN_WRITTEN != 0
            || !memory.block(block_of(object.0)).is_frozen()
            || active(Mutant::FrozenWriteForgotten)
        {
            return true;
        }
        let room = (self.written.capacity() * 2).clamp(WRITTEN_MIN, WRITTEN_MAX);
        let is_full = self.written.len() == self.written.capacity();
        if is_full && self.written.grow(cage, room).is_err() || !self.written.push(object.0) {
            return false;
        }
        memory.set_header(object, header | FROZEN_WRITTEN);
        true
    }

    /// The objects that were written.
    pub fn written(&self) -> &[u32] {
        self.written.as_slice()
    }

    /// A marking begins: it visits all that was written so far. What is written first from now on holds what is alive
    /// anyway.
    pub fn begin_snapshot(&mut self) {
        let end = if active(Mutant::FrozenWrittenNotVisited) { 0 } else { self.written.len() };
        (self.end, self.next) = (end, (0, 0));
    }
}
