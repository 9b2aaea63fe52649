//! Linear memories: a reservation that never moves, committed as it grows.
//!
//! A guarded 32-bit memory reserves what any u32 index with any u32 offset can reach, so compiled code checks nothing:
//! an access beyond the length faults inside the reservation. The cell `{base, length}` tells compiled code the rest.
//! Memories of one store keep it in the store's cage; a shared memory brings its own (`shared`).

use super::cells::Block;
use super::mapping::{Access, Mapping, PAGE_BYTES};
use crate::errors::{Error, Result};
use heapwood_gc::{FrozenFile, address_space};
use heapwood_gc_abi::{Mutant, Narrow, active};
use heapwood_jit::abi::{MEMORY64_GUARD_BYTES, MEMORY64_REACH_LOG2};
use heapwood_module::{ContextLayout, MemoryType};
use std::sync::Arc;

/// Reach of a 32-bit index, a 32-bit offset and the widest access.
const RESERVATION_32: usize = (8 << 30) + (64 << 10);
/// Most bytes of memory that a 32-bit index reaches.
const BYTES_MAX_32: u64 = 4 << 30;
/// Most that a 64-bit memory may have.
const BYTES_MAX_64: u64 = 1 << MEMORY64_REACH_LOG2;
/// The part of what address space is left that a memory reserves at most, unless its least size is more.
const MEMORY_PART: u64 = 4;
/// Unused bytes behind a memory whose accesses are all checked.
const GUARD_CHECKED: usize = 64 << 10;

/// Which memories compiled code counts on the full reservation of. The others compare each access with their length, as
/// memories do whose pages are smaller than the system's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Guards {
    /// Whether compiled code counts on it for memories with 32-bit addresses.
    pub memory32: bool,
    /// Whether compiled code counts on it for memories with 64-bit addresses.
    pub memory64: bool,
}

/// Address space for a memory of a type.
#[derive(Debug)]
pub(crate) struct Region {
    mapping: Mapping,
    ty: MemoryType,
}

impl Region {
    /// Reserves it; nothing is committed. Also the type's least size in bytes.
    ///
    /// # Errors
    /// The system refuses, or the least size is not possible.
    pub fn new(ty: MemoryType, guards: Guards) -> Result<(Region, usize)> {
        let page = 1u64 << ty.page_size_log2;
        let least = ty.min.checked_mul(page).filter(|bytes| *bytes <= limit_bytes(&ty));
        let least = least.ok_or_else(|| Error::limit(format!("a memory of {} pages is not possible", ty.min)))?;
        let reserve = match (ty.memory64, guards) {
            (true, Guards { memory64: true, .. }) => (BYTES_MAX_64 + MEMORY64_GUARD_BYTES).narrow(),
            (false, Guards { memory32: true, .. }) => RESERVATION_32,
            (is_64, _) => {
                let reach = if is_64 { BYTES_MAX_64 } else { BYTES_MAX_32 };
                let most = ty.max.and_then(|max| max.checked_mul(page)).unwrap_or(reach).min(reach);
                // Where there is little address space, a memory must not take all of it.
                let affordable = address_space().map_or(u64::MAX, |space| space.free_bytes() / MEMORY_PART);
                most.min(affordable).max(least).narrow::<usize>().next_multiple_of(PAGE_BYTES) + GUARD_CHECKED
            }
        };
        let refused = |error| Error::limit(format!("a memory of at least {least} bytes: {error}"));
        Ok((Region { mapping: Mapping::new(reserve, Access::None).map_err(refused)?, ty }, least.narrow()))
    }

    /// The type that it was made for.
    pub fn ty(&self) -> &MemoryType {
        &self.ty
    }

    /// What is reserved.
    pub fn mapping(&self) -> &Mapping {
        &self.mapping
    }

    /// The error of a least size that the system refuses.
    pub fn refused(bytes: usize) -> Error {
        Error::limit(format!("the system refused {bytes} bytes for a memory"))
    }

    /// Size in bytes when `bytes` have grown by `delta` pages, if the type and the address space allow it.
    pub fn bytes_after(&self, bytes: usize, delta: u64) -> Option<u64> {
        let pages = (bytes as u64 >> self.ty.page_size_log2).checked_add(delta)?;
        let max = self.ty.max.filter(|_| !active(Mutant::GrowthBeyondMaximum));
        if pages > max.unwrap_or(u64::MAX).min(self.ty.pages_max()) {
            return None;
        }
        let bytes = pages.checked_mul(1 << self.ty.page_size_log2)?;
        let room = limit_bytes(&self.ty).min((self.mapping.bytes() - GUARD_CHECKED) as u64);
        (bytes <= room).then_some(bytes)
    }

    /// Makes the bytes from `old` up to `new` usable; `false` if the system refuses.
    pub fn commit(&self, old: usize, new: usize) -> bool {
        let (from, to) = (old.next_multiple_of(PAGE_BYTES), new.next_multiple_of(PAGE_BYTES));
        to <= from || self.mapping.protect(from, to - from, Access::ReadWrite).is_ok()
    }
}

/// A linear memory of one store.
#[derive(Debug)]
pub(crate) struct LinearMemory {
    region: Region,
    bytes: usize,
    cell: Block,
    secrecy: Secrecy,
    /// The checkpoint whose pages are mapped, if any are.
    frozen: Option<Arc<FrozenMemory>>,
}

/// What checkpoints do about a memory that holds secrets. Core dumps leave its bytes out, whatever checkpoints do.
///
/// ```
/// # use heapwood_vm::{Engine, Memory, MemoryType, Secrecy, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let memory = Memory::new(&mut store, MemoryType::builder().min(1).build()?)?;
/// memory.write(&mut store, 0, b"a key")?;
/// memory.set_secrecy(&mut store, Secrecy::LeftOut)?;
/// let checkpoint = store.checkpoint()?;
/// store.rollback(&checkpoint)?;
/// assert_eq!(memory.data(&store)[..5], [0; 5]);
/// memory.set_secrecy(&mut store, Secrecy::Refused)?;
/// assert!(store.checkpoint().is_err());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Secrecy {
    /// The memory holds no secrets: checkpoints have its bytes. The default.
    #[default]
    None,
    /// Checkpoints leave its bytes out: they are zero in a fork, and after a rollback.
    LeftOut,
    /// A store with such a memory has no checkpoints: they are refused.
    Refused,
}

/// A memory of a checkpoint.
#[derive(Debug)]
pub(crate) struct FrozenMemory {
    ty: MemoryType,
    bytes: usize,
    cell: Block,
    secrecy: Secrecy,
    /// The memory's bytes, unless they are left out.
    file: Option<FrozenFile>,
}

impl LinearMemory {
    /// A zeroed memory of the type's least size; `cell` tells compiled code about it.
    ///
    /// # Errors
    /// As [`Region::new`].
    pub fn new(ty: MemoryType, cell: Block, guards: Guards) -> Result<LinearMemory> {
        let (region, least) = Region::new(ty, guards)?;
        let mut memory = LinearMemory { region, bytes: 0, cell, secrecy: Secrecy::None, frozen: None };
        memory.cell.set_u64(ContextLayout::MEMORY_CELL_BASE, memory.region.mapping.address() as u64);
        if memory.set_bytes(least) { Ok(memory) } else { Err(Region::refused(least)) }
    }

    /// The memory's address space.
    pub(super) fn region(&self) -> &Region {
        &self.region
    }

    /// The cell that compiled code reads.
    pub(super) fn cell(&self) -> Block {
        self.cell
    }

    /// Size in bytes.
    pub(super) fn byte_len(&self) -> usize {
        self.bytes
    }

    /// The memory's bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: R1: committed up to `bytes`; the guest does not run while the store is borrowed.
        unsafe { self.region.mapping.slice(0, self.bytes) }
    }

    /// The memory's bytes, for changing them.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: R1: committed up to `bytes`; the guest does not run while the store is borrowed.
        unsafe { self.region.mapping.slice_mut(0, self.bytes) }
    }

    /// Size in bytes after growing by `delta` pages, if the type and the address space allow it.
    pub fn bytes_after(&self, delta: u64) -> Option<u64> {
        self.region.bytes_after(self.bytes, delta)
    }

    /// Sets the size; `false` if the system refuses.
    pub fn set_bytes(&mut self, bytes: usize) -> bool {
        if !self.region.commit(self.bytes, bytes) {
            return false;
        }
        self.bytes = bytes;
        if !active(Mutant::LengthNotPublished) {
            self.cell.set_u64(ContextLayout::MEMORY_CELL_LENGTH, bytes as u64);
        }
        true
    }
}

/// Checkpoints.
impl LinearMemory {
    /// What checkpoints do about it.
    pub fn secrecy(&self) -> Secrecy {
        self.secrecy
    }

    /// Sets that.
    pub fn set_secrecy(&mut self, secrecy: Secrecy) {
        self.secrecy = secrecy;
    }

    /// Overwrites all bytes with zeroes and gives the pages back to the system.
    ///
    /// # Errors
    /// The system does not take them. The bytes are zero.
    pub fn zeroize(&mut self) -> Result<()> {
        self.bytes_mut().fill(0);
        self.region.mapping.renew(0, self.page_bytes(), Access::ReadWrite)?;
        self.frozen = None;
        Ok(())
    }

    fn page_bytes(&self) -> usize {
        self.bytes.next_multiple_of(PAGE_BYTES)
    }

    /// Makes a file of the memory's bytes; from then on its pages are those of the file, copied when they are written.
    ///
    /// # Errors
    /// The system refuses. Nothing has changed.
    pub fn freeze(&mut self) -> Result<Arc<FrozenMemory>> {
        let (ty, bytes, cell, secrecy) = (*self.region.ty(), self.bytes, self.cell, self.secrecy);
        let file = match secrecy {
            Secrecy::None => Some(self.freeze_bytes()?),
            Secrecy::LeftOut | Secrecy::Refused => None,
        };
        let frozen = Arc::new(FrozenMemory { ty, bytes, cell, secrecy, file });
        self.frozen = Some(frozen.clone());
        Ok(frozen)
    }

    fn freeze_bytes(&self) -> Result<FrozenFile> {
        let bytes = self.page_bytes();
        // SAFETY: R1: whole pages are committed; the guest does not run while the store is borrowed.
        let file = unsafe { self.region.mapping.freeze(bytes) }?;
        self.region.mapping.map_frozen(&file, bytes)?;
        Ok(file)
    }

    /// Becomes what it was at a checkpoint.
    ///
    /// # Errors
    /// The system refuses. Then its bytes are of no use, until the same is done again.
    pub fn restore(&mut self, frozen: &Arc<FrozenMemory>) -> Result<()> {
        let (then, now) = (frozen.bytes.next_multiple_of(PAGE_BYTES), self.page_bytes());
        let is_mapped = self.frozen.as_ref().is_some_and(|mapped| Arc::ptr_eq(mapped, frozen));
        let mapping = &self.region.mapping;
        // Whatever fails, it is done from the beginning next time.
        self.frozen = None;
        match &frozen.file {
            None => mapping.renew(0, then, Access::ReadWrite)?,
            Some(_) if is_mapped => mapping.restore(then)?,
            Some(file) => mapping.map_frozen(file, then)?,
        }
        if now > then {
            mapping.renew(then, now - then, Access::None)?;
        }
        (self.bytes, self.secrecy, self.frozen) = (frozen.bytes, frozen.secrecy, Some(frozen.clone()));
        Ok(())
    }

    /// A memory of a checkpoint in another store, whose cell is `cell`.
    ///
    /// # Errors
    /// The system refuses.
    pub fn of_checkpoint(frozen: &Arc<FrozenMemory>, cell: Block, guards: Guards) -> Result<LinearMemory> {
        let (region, _) = Region::new(frozen.ty, guards)?;
        let mut memory = LinearMemory { region, bytes: 0, cell, secrecy: Secrecy::None, frozen: None };
        memory.restore(frozen)?;
        Ok(memory)
    }

    /// Whether it can become that memory of a checkpoint, whose cell is `cell`.
    pub fn can_become(&self, frozen: &FrozenMemory, cell: Block) -> bool {
        self.cell == cell && self.region.ty() == &frozen.ty
    }

    /// Writes base and length of the memory to its cell, where compiled code reads them.
    pub fn publish(&self) {
        self.cell.update_u64(ContextLayout::MEMORY_CELL_BASE, self.region.mapping.address() as u64);
        self.cell.update_u64(ContextLayout::MEMORY_CELL_LENGTH, self.bytes as u64);
    }
}

impl FrozenMemory {
    /// A memory that was written down, whose pages are those of a file; none if they are left out.
    pub fn of_saved(
        ty: MemoryType,
        bytes: usize,
        cell: Block,
        secrecy: Secrecy,
        file: Option<FrozenFile>,
    ) -> FrozenMemory {
        let pages = bytes.next_multiple_of(PAGE_BYTES) as u64;
        assert!(file.as_ref().is_none_or(|file| file.bytes() >= pages), "a file that is too short");
        FrozenMemory { ty, bytes, cell, secrecy, file }
    }

    /// The memory's type.
    pub fn ty(&self) -> &MemoryType {
        &self.ty
    }

    /// The memory's size in bytes.
    pub fn byte_len(&self) -> usize {
        self.bytes
    }

    /// What checkpoints do about it.
    pub fn secrecy(&self) -> Secrecy {
        self.secrecy
    }

    /// The file with the memory's pages, unless they are left out.
    pub fn file(&self) -> Option<&FrozenFile> {
        self.file.as_ref()
    }

    /// The cell of the memory in the store of the checkpoint.
    pub fn cell(&self) -> Block {
        self.cell
    }
}

/// Most bytes that a memory of this type may have.
fn limit_bytes(ty: &MemoryType) -> u64 {
    ty.pages_max().saturating_mul(ty.page_size()).min(BYTES_MAX_64)
}
