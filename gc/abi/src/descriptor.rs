//! The engine-wide table of type descriptors, mapped read-only below every store's heap base.
//!
//! Compiled casts read [`Descriptor::display`]; the collector reads the rest. A descriptor may be followed by a
//! tail: first the ancestors of depth 8 and more (`u32` each, rounded up to 8 bytes), then the reference map of
//! structs above 64 words (`u64` each, bit i of word w: field word 64 * (w + 1) + i is a reference).

use crate::header::TypeId;

/// Ancestors that a descriptor holds in its fixed part.
pub const DISPLAY_DEPTH: usize = 8;
/// Bytes of the fixed part of a descriptor.
pub const DESCRIPTOR_BYTES: usize = 64;
/// How far the ids of two types lie apart that follow each other in the table, if the first has nothing beyond the
/// fixed part of its descriptor.
pub const TYPE_ID_STEP: u32 = (DESCRIPTOR_BYTES / 8) as u32;
/// Bytes of address space of the type table: 24-bit ids in units of 8 bytes.
pub const TYPE_TABLE_BYTES: usize = 128 << 20;

/// Most bytes of an object whose type is marked as small.
pub const SMALL_OBJECT_BYTES_MAX: u32 = 32;

/// What the collector must know of an object to size and scan it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum ObjectKind {
    /// Fixed size; references where the map says so.
    Struct = 0,
    /// `{header, length, elements}` without references.
    ArrayData = 1,
    /// `{header, length, references}`.
    ArrayRef = 2,
    /// A function object `{header, context ref, code address}`: immortal, not scanned.
    Func = 3,
    /// An exception `{header, tag ref, trace, payload}`: scanned like a struct.
    Exception = 4,
    /// A host value `{header, slab index}` behind an externref; its slab entry is dropped when the cell dies.
    HostValue = 5,
    /// A weak cell `{header, referent}`: not scanned, cleared when the referent dies.
    Weak = 6,
    /// An ephemeron `{header, key, value, link}`: the value lives while the key does; both are cleared when it dies.
    /// The link is the collector's.
    Ephemeron = 7,
    /// Raw immortal memory (instance contexts, tags): not scanned.
    Opaque = 8,
    /// A string whose units follow: `{header, length, hash, units}`, of one byte (Latin-1) or two each. Immutable but
    /// for the hash, which is 0 until somebody asks for it.
    String = 9,
    /// A string that is two others, one behind the other: `{header, length, left, right}`. Once it was read as a whole,
    /// left is a string of all its units and right is null.
    Rope = 10,
}

impl ObjectKind {
    /// The kind that a descriptor's byte stands for; what stands for none is not scanned.
    #[inline(always)]
    pub const fn of_byte(byte: u8) -> ObjectKind {
        match byte {
            0 => ObjectKind::Struct,
            1 => ObjectKind::ArrayData,
            2 => ObjectKind::ArrayRef,
            3 => ObjectKind::Func,
            4 => ObjectKind::Exception,
            5 => ObjectKind::HostValue,
            6 => ObjectKind::Weak,
            7 => ObjectKind::Ephemeron,
            9 => ObjectKind::String,
            10 => ObjectKind::Rope,
            _ => ObjectKind::Opaque,
        }
    }

    /// Whether the size of an object of this kind depends on a length in its second word.
    #[inline(always)]
    pub const fn has_length(self) -> bool {
        matches!(self, ObjectKind::ArrayData | ObjectKind::ArrayRef | ObjectKind::String)
    }

    /// Whether objects of this kind are strings: flat ones or ropes.
    #[inline(always)]
    pub const fn is_string(self) -> bool {
        matches!(self, ObjectKind::String | ObjectKind::Rope)
    }
}

/// One entry of the type table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Descriptor {
    /// `display[d]` is the ancestor at depth d; `display[depth]` is the type itself; the rest is 0.
    pub display: [TypeId; DISPLAY_DEPTH],
    /// How to size and scan.
    pub kind: ObjectKind,
    /// Number of ancestors.
    pub depth: u8,
    /// Arrays and strings: log2 of the element's bytes.
    pub elem_shift: u8,
    /// The object has a fixed size of at most [`SMALL_OBJECT_BYTES_MAX`] and is no ephemeron: the collector copies and
    /// scans it in one go.
    pub is_small: bool,
    /// Structs: bytes of the object, rounded up to 8. Arrays and strings: where the elements begin.
    pub size: u32,
    /// Structs up to 64 words: bit i set if the word at byte `4 * i` is a reference.
    pub ref_map: u64,
    /// Structs: number of reference fields.
    pub ref_count: u32,
    /// Structs above 64 words: number of `u64` of reference map in the tail.
    pub ref_map_tail: u32,
    /// Small objects: the words that are references, a byte for each, the last one in the lowest; the rest is 0.
    pub small_refs: u64,
}

const _: () = assert!(std::mem::size_of::<Descriptor>() == DESCRIPTOR_BYTES);
const _: () = assert!(SMALL_OBJECT_BYTES_MAX / 4 - 1 < 8, "`small_refs` ends with a byte of 0");

impl Descriptor {
    /// Offset in bytes of `display[depth]`.
    #[inline]
    pub const fn display_offset(depth: usize) -> i32 {
        (depth * 4) as i32
    }

    /// Bytes of the ancestor tail (depth 8 and more), rounded up to 8.
    #[inline]
    pub const fn display_tail_bytes(&self) -> usize {
        if (self.depth as usize) < DISPLAY_DEPTH {
            0
        } else {
            (((self.depth as usize + 1 - DISPLAY_DEPTH) * 4) + 7) & !7
        }
    }

    /// Bytes of the whole entry, with its tails.
    #[inline]
    pub const fn total_bytes(&self) -> usize {
        DESCRIPTOR_BYTES + self.display_tail_bytes() + self.ref_map_tail as usize * 8
    }
}
