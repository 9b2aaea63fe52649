//! Memory of the type table: written here, mapped read-only in every heap.

use super::backing::{BackingError, SharedFile};
use heapwood_gc_abi::descriptor::TYPE_TABLE_BYTES;
use heapwood_gc_abi::{Descriptor, TypeId};

/// The shared file behind the type table.
#[derive(Debug)]
pub struct TypeFile {
    file: SharedFile,
}

impl TypeFile {
    /// A table without types.
    pub fn new() -> Result<TypeFile, BackingError> {
        Ok(TypeFile { file: SharedFile::new(TYPE_TABLE_BYTES)? })
    }

    pub(super) fn file(&self) -> &SharedFile {
        &self.file
    }

    /// Makes sure that the bytes exist.
    pub fn grow(&self, offset: usize, bytes: usize) -> Result<(), BackingError> {
        assert!(offset + bytes <= TYPE_TABLE_BYTES);
        self.file.grow(offset, bytes)
    }

    /// Writes an entry; `display_tail` and `map_tail` are as long as the descriptor says.
    pub fn write(&self, id: TypeId, descriptor: &Descriptor, display_tail: &[TypeId], map_tail: &[u64]) {
        let offset = id.descriptor_offset();
        assert!(offset + descriptor.total_bytes() <= TYPE_TABLE_BYTES, "descriptor beyond the table");
        assert!(display_tail.len() * 4 <= descriptor.display_tail_bytes());
        assert!(map_tail.len() == descriptor.ref_map_tail as usize);
        let at = (self.file.start() + offset) as *mut u8;
        // SAFETY: M4: the entry was allocated for this id, is committed (`grow`) and no object has the type yet;
        // all parts are 8-byte aligned and lie inside the file by the assertions.
        unsafe {
            at.cast::<Descriptor>().write(*descriptor);
            let tail = at.add(size_of::<Descriptor>());
            std::ptr::write_bytes(tail, 0, descriptor.display_tail_bytes());
            std::ptr::copy_nonoverlapping(display_tail.as_ptr(), tail.cast(), display_tail.len());
            let tail = tail.add(descriptor.display_tail_bytes());
            std::ptr::copy_nonoverlapping(map_tail.as_ptr(), tail.cast(), map_tail.len());
        }
    }

    /// Reads the fixed part of an entry.
    pub fn read(&self, id: TypeId) -> Descriptor {
        assert!(id.descriptor_offset() + size_of::<Descriptor>() <= TYPE_TABLE_BYTES, "descriptor beyond the table");
        // SAFETY: M4; a committed entry is zero (valid: every field allows 0) or was written by `write`.
        unsafe { ((self.file.start() + id.descriptor_offset()) as *const Descriptor).read() }
    }

    /// Zeroes an entry of `bytes`.
    pub fn clear(&self, id: TypeId, bytes: usize) {
        assert!(id.descriptor_offset() + bytes <= TYPE_TABLE_BYTES, "descriptor beyond the table");
        // SAFETY: M4: the id was released, nothing has the type any more.
        unsafe { std::ptr::write_bytes((self.file.start() + id.descriptor_offset()) as *mut u8, 0, bytes) }
    }
}
