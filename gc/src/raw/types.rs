//! Memory of the type table: written here, mapped read-only in every heap.

use super::backing::{BackingError, SharedFile};
use heapwood_gc_abi::descriptor::TYPE_TABLE_BYTES;
use heapwood_gc_abi::{Descriptor, ObjectKind, TypeId};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

/// An entry as it lies in the table: a [`Descriptor`] whose fields are read one by one, since the table may be written
/// elsewhere meanwhile.
#[derive(Debug)]
#[repr(C)]
pub(super) struct TypeEntry {
    display: [AtomicU32; heapwood_gc_abi::descriptor::DISPLAY_DEPTH],
    kind: AtomicU8,
    depth: AtomicU8,
    elem_shift: AtomicU8,
    is_small: AtomicU8,
    size: AtomicU32,
    ref_map: AtomicU64,
    ref_count: AtomicU32,
    ref_map_tail: AtomicU32,
    small_refs: AtomicU64,
}

const _: () = assert!(
    size_of::<TypeEntry>() == size_of::<Descriptor>()
        && std::mem::offset_of!(TypeEntry, kind) == std::mem::offset_of!(Descriptor, kind)
        && std::mem::offset_of!(TypeEntry, depth) == std::mem::offset_of!(Descriptor, depth)
        && std::mem::offset_of!(TypeEntry, elem_shift) == std::mem::offset_of!(Descriptor, elem_shift)
        && std::mem::offset_of!(TypeEntry, is_small) == std::mem::offset_of!(Descriptor, is_small)
        && std::mem::offset_of!(TypeEntry, size) == std::mem::offset_of!(Descriptor, size)
        && std::mem::offset_of!(TypeEntry, ref_map) == std::mem::offset_of!(Descriptor, ref_map)
        && std::mem::offset_of!(TypeEntry, ref_count) == std::mem::offset_of!(Descriptor, ref_count)
        && std::mem::offset_of!(TypeEntry, ref_map_tail) == std::mem::offset_of!(Descriptor, ref_map_tail)
        && std::mem::offset_of!(TypeEntry, small_refs) == std::mem::offset_of!(Descriptor, small_refs)
);

/// A look at the descriptor of a type. The methods are the fields of [`Descriptor`]; of an id that no type has they
/// answer with some value of their type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo<'m>(pub(super) &'m TypeEntry);

impl TypeInfo<'_> {
    /// How to size and scan.
    #[inline(always)]
    pub fn kind(self) -> ObjectKind {
        ObjectKind::of_byte(self.0.kind.load(Relaxed))
    }

    /// Arrays: log2 of the element's bytes.
    #[inline(always)]
    pub fn elem_shift(self) -> u8 {
        self.0.elem_shift.load(Relaxed) & 15
    }

    /// It has a fixed size of at most [`heapwood_gc_abi::descriptor::SMALL_OBJECT_BYTES_MAX`] and is no ephemeron.
    #[inline(always)]
    pub fn is_small(self) -> bool {
        self.0.is_small.load(Relaxed) != 0
    }

    /// Structs: bytes of the object. Arrays: 8.
    #[inline(always)]
    pub fn size(self) -> u32 {
        self.0.size.load(Relaxed)
    }

    /// The reference map of the first 64 words.
    #[inline(always)]
    pub fn ref_map(self) -> u64 {
        self.0.ref_map.load(Relaxed)
    }

    /// Structs: number of reference fields.
    #[inline(always)]
    pub fn ref_count(self) -> u32 {
        self.0.ref_count.load(Relaxed)
    }

    /// Words of the reference map in the tail.
    #[inline(always)]
    pub fn ref_map_tail(self) -> u32 {
        self.0.ref_map_tail.load(Relaxed)
    }

    /// Where the tail of the reference map begins, in bytes from the entry.
    pub(super) fn ref_map_tail_offset(self) -> usize {
        size_of::<Descriptor>() + self.copied().display_tail_bytes()
    }

    /// Small objects: the words that are references.
    #[inline(always)]
    pub fn small_refs(self) -> u64 {
        self.0.small_refs.load(Relaxed)
    }

    /// All fields.
    #[inline]
    pub fn copied(self) -> Descriptor {
        Descriptor {
            display: std::array::from_fn(|depth| TypeId(self.0.display[depth].load(Relaxed))),
            kind: self.kind(),
            depth: self.0.depth.load(Relaxed),
            elem_shift: self.elem_shift(),
            is_small: self.is_small(),
            size: self.size(),
            ref_map: self.ref_map(),
            ref_count: self.ref_count(),
            ref_map_tail: self.ref_map_tail(),
            small_refs: self.small_refs(),
        }
    }
}

/// The shared file behind the type table.
#[derive(Debug)]
pub struct TypeFile {
    file: SharedFile,
    bytes: usize,
    id: u64,
}

/// Numbers of files.
static NEXT_ID: AtomicU64 = AtomicU64::new(0);

impl TypeFile {
    /// A table without types of `bytes` (whole pages): the ids of descriptors that end there.
    pub fn of_bytes(bytes: usize) -> Result<TypeFile, BackingError> {
        assert!(bytes <= TYPE_TABLE_BYTES, "more than ids name");
        Ok(TypeFile { file: SharedFile::new(bytes)?, bytes, id: NEXT_ID.fetch_add(1, Relaxed) })
    }

    /// Which file it is, of all of this process.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Bytes of address space.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn file(&self) -> &SharedFile {
        &self.file
    }

    /// Makes sure that the bytes exist.
    pub fn grow(&self, offset: usize, bytes: usize) -> Result<(), BackingError> {
        assert!(offset + bytes <= self.bytes);
        self.file.grow(offset, bytes)
    }

    /// Writes an entry; `display_tail` and `map_tail` are as long as the descriptor says. The caller sees to it that
    /// no object has the type yet, and tells others of it by what orders memory (a lock, a message).
    pub fn write(&self, id: TypeId, descriptor: &Descriptor, display_tail: &[TypeId], map_tail: &[u64]) {
        let offset = id.descriptor_offset();
        assert!(offset + descriptor.total_bytes() <= self.bytes, "descriptor beyond the table");
        assert!(display_tail.len() * 4 <= descriptor.display_tail_bytes());
        assert!(map_tail.len() == descriptor.ref_map_tail as usize);
        let entry = self.entry(id);
        entry.display.iter().zip(descriptor.display).for_each(|(at, ancestor)| at.store(ancestor.0, Relaxed));
        entry.kind.store(descriptor.kind as u8, Relaxed);
        entry.depth.store(descriptor.depth, Relaxed);
        entry.elem_shift.store(descriptor.elem_shift, Relaxed);
        entry.is_small.store(descriptor.is_small as u8, Relaxed);
        entry.size.store(descriptor.size, Relaxed);
        entry.ref_map.store(descriptor.ref_map, Relaxed);
        entry.ref_count.store(descriptor.ref_count, Relaxed);
        entry.ref_map_tail.store(descriptor.ref_map_tail, Relaxed);
        entry.small_refs.store(descriptor.small_refs, Relaxed);
        let tail = offset + size_of::<Descriptor>();
        for index in 0..descriptor.display_tail_bytes() / 4 {
            let ancestor = display_tail.get(index).map_or(0, |id| id.0);
            self.word(tail + index * 4).store(ancestor, Relaxed);
        }
        let tail = tail + descriptor.display_tail_bytes();
        for (index, map) in map_tail.iter().enumerate() {
            self.word(tail + index * 8).store(*map as u32, Relaxed);
            self.word(tail + index * 8 + 4).store((*map >> 32) as u32, Relaxed);
        }
        self.file.publish(offset, descriptor.total_bytes());
    }

    fn entry(&self, id: TypeId) -> &TypeEntry {
        let offset = id.descriptor_offset();
        assert!(offset + size_of::<TypeEntry>() <= self.bytes, "descriptor beyond the table");
        // SAFETY: M4: the file is mapped in whole, and by the assertion the entry lies in it; every byte is valid in
        // it.
        unsafe { &*((self.file.start() + offset) as *const TypeEntry) }
    }

    fn word(&self, offset: usize) -> &AtomicU32 {
        assert!(offset + 4 <= self.bytes && offset.is_multiple_of(4), "a word beyond the table");
        // SAFETY: M4: the file is mapped in whole, and by the assertion the word lies in it.
        unsafe { AtomicU32::from_ptr((self.file.start() + offset) as *mut u32) }
    }

    /// How many ancestors the type has whose entry this is.
    #[inline]
    pub fn depth(&self, id: TypeId) -> u8 {
        self.entry(id).depth.load(Relaxed)
    }

    /// What the type is whose entry this is.
    #[inline]
    pub fn kind(&self, id: TypeId) -> ObjectKind {
        TypeInfo(self.entry(id)).kind()
    }

    /// Reads the fixed part of an entry.
    pub fn read(&self, id: TypeId) -> Descriptor {
        TypeInfo(self.entry(id)).copied()
    }

    /// Zeroes an entry of `bytes`.
    pub fn clear(&self, id: TypeId, bytes: usize) {
        let offset = id.descriptor_offset();
        (offset..offset + bytes).step_by(4).for_each(|at| self.word(at).store(0, Relaxed));
        self.file.publish(offset, bytes);
    }
}
