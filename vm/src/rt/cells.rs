//! Words that compiled code shares with the runtime: instance contexts, and the cells of globals, tables, memories.
//!
//! All of them lie in immortal memory of the store's cage.

use super::value::RawVal;
use heapwood_gc::{Exhausted, Heap};
use heapwood_gc_abi::Narrow;
use heapwood_gc_abi::RawRef;
use heapwood_module::{ContextLayout, ValType};

/// A block of immortal memory: an instance context, a cell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Block {
    address: usize,
    bytes: u32,
}

impl Block {
    /// A zeroed block; also its reference.
    ///
    /// # Errors
    /// The heap's limit.
    pub fn new(heap: &mut Heap, bytes: u32) -> Result<(Block, RawRef), Exhausted> {
        let reference = heap.alloc_immortal(bytes as u64)?;
        Ok((Block { address: heap.base() + reference as usize * 4, bytes }, reference))
    }

    /// A part of the block.
    pub fn part(self, offset: u32, bytes: u32) -> Block {
        assert!(offset <= self.bytes && bytes <= self.bytes - offset, "outside of the block");
        Block { address: self.address + offset as usize, bytes }
    }

    /// Address of the block.
    pub fn address(self) -> usize {
        self.address
    }

    /// The block that this one becomes in the cage of another store, which is made of a checkpoint of this store.
    /// `bases` are the addresses of the two heap bases, this one's first.
    pub fn moved(self, bases: (usize, usize)) -> Block {
        Block { address: self.address - bases.0 + bases.1, ..self }
    }

    /// Where it lies from the base of its cage, and its size.
    pub fn place(self, base: usize) -> (u64, u32) {
        ((self.address - base) as u64, self.bytes)
    }

    /// Whether the block has this many bytes.
    pub fn holds(self, bytes: u32) -> bool {
        self.bytes == bytes
    }

    /// A block in a cage whose base is 0: of use in another one, when it was moved there.
    pub fn at_place(offset: u64, bytes: u32) -> Block {
        Block { address: offset.narrow(), bytes }
    }

    /// Writes a u64 unless it is there already: a page that nobody wrote to stays shared.
    pub fn update_u64(self, offset: u32, value: u64) {
        if self.u64(offset) != value {
            self.set_u64(offset, value);
        }
    }

    #[inline]
    fn at<T>(self, offset: u32) -> *mut T {
        assert!(offset as usize + size_of::<T>() <= self.bytes as usize, "outside of the block");
        (self.address + offset as usize) as *mut T
    }

    /// Reads a u64.
    pub fn u64(self, offset: u32) -> u64 {
        // SAFETY: R7; bounds by `at`.
        unsafe { self.at::<u64>(offset).read_unaligned() }
    }

    /// Writes a u64.
    pub fn set_u64(self, offset: u32, value: u64) {
        // SAFETY: R7; bounds by `at`.
        unsafe { self.at::<u64>(offset).write_unaligned(value) }
    }

    /// Reads a u32.
    pub fn u32(self, offset: u32) -> u32 {
        // SAFETY: R7; bounds by `at`.
        unsafe { self.at::<u32>(offset).read_unaligned() }
    }

    /// Writes a u32.
    pub fn set_u32(self, offset: u32, value: u32) {
        // SAFETY: R7; bounds by `at`.
        unsafe { self.at::<u32>(offset).write_unaligned(value) }
    }

    /// Reads a byte.
    pub fn u8(self, offset: u32) -> u8 {
        // SAFETY: R7; bounds by `at`.
        unsafe { *self.at::<u8>(offset) }
    }

    /// Writes a byte.
    pub fn set_u8(self, offset: u32, value: u8) {
        // SAFETY: R7; bounds by `at`.
        unsafe { *self.at::<u8>(offset) = value }
    }
}

/// The value of a global.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct GlobalCell(Block);

impl GlobalCell {
    /// Bytes that a global of any type fits.
    pub const BYTES: u32 = 16;

    /// The cell in `block`.
    pub fn new(block: Block) -> GlobalCell {
        GlobalCell(block)
    }

    /// Address of the cell.
    pub fn address(self) -> usize {
        self.0.address()
    }

    /// The block that it is.
    pub fn block(self) -> Block {
        self.0
    }

    /// The cell that this one becomes in another cage; see [`Block::moved`].
    pub fn moved(self, bases: (usize, usize)) -> GlobalCell {
        GlobalCell(self.0.moved(bases))
    }

    /// Reads the value, which is one of type `ty`.
    pub fn get(self, ty: ValType) -> RawVal {
        match ty {
            ValType::I32 | ValType::F32 | ValType::Ref(_) => [self.0.u32(0) as u64, 0],
            ValType::I64 | ValType::F64 => [self.0.u64(0), 0],
            ValType::V128 => [self.0.u64(0), self.0.u64(8)],
        }
    }

    /// Writes it. For references the caller enters the cell in the dirty list.
    pub fn set(self, ty: ValType, value: RawVal) {
        match ty {
            ValType::Ref(_) => self.0.set_u32(ContextLayout::GLOBAL_REF, value[0].narrow()),
            ValType::I32 | ValType::F32 | ValType::I64 | ValType::F64 => self.0.set_u64(0, value[0]),
            ValType::V128 => {
                self.0.set_u64(0, value[0]);
                self.0.set_u64(8, value[1]);
            }
        }
    }
}

/// A reference global by the address of its cell, for the collector.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct RefCell32(usize);

impl RefCell32 {
    /// The cell of a global of reference type.
    pub fn of(cell: GlobalCell) -> RefCell32 {
        RefCell32(cell.address())
    }

    /// Enters the cell in a list of all, by ascending address. Cells are made in this order, so that is at the end.
    pub fn list_in(self, known: &mut Vec<RefCell32>) {
        let at = match known.last() {
            Some(last) if self < *last => known.partition_point(|other| *other < self),
            _ => known.len(),
        };
        known.insert(at, self);
    }

    /// The cell at an address that compiled code passed to `Builtin::LogGlobal`, one of `known`, by ascending address.
    pub fn of_global(address: usize, known: &[RefCell32]) -> RefCell32 {
        let cell = RefCell32(address);
        assert!(known.binary_search(&cell).is_ok(), "{address:#x} is no reference global");
        cell
    }

    /// The cell that this one becomes in another cage; see [`Block::moved`].
    pub fn moved(self, bases: (usize, usize)) -> RefCell32 {
        RefCell32(self.0 - bases.0 + bases.1)
    }

    /// Calls `visit` with the reference.
    pub fn visit(self, visit: impl FnOnce(&mut u32)) {
        // SAFETY: R7; nobody else has the cell while the collector or the runtime runs.
        visit(unsafe { &mut *(self.0 as *mut u32) });
    }

    /// Whether the cell is in the dirty list.
    pub fn is_dirty(self) -> bool {
        // SAFETY: R7.
        unsafe { *((self.0 + ContextLayout::GLOBAL_STATE as usize) as *const u32) != 0 }
    }

    /// Notes whether the cell is in the dirty list.
    pub fn set_dirty(self, dirty: bool) {
        // SAFETY: R7.
        unsafe { *((self.0 + ContextLayout::GLOBAL_STATE as usize) as *mut u32) = dirty as u32 }
    }
}
