//! The 4-byte object header.
//!
//! Byte 0 holds the state bits below, bytes 1..4 the type id. While an object is forwarded the whole word is
//! replaced by `new_ref | FORWARDED` (references of objects are even).

/// The collector overwrote this header with the object's new reference.
pub const FORWARDED: u32 = 1 << 0;
/// Old object that is not yet in the remembered set: the write barrier tests this bit and goes out of line.
pub const UNLOGGED: u32 = 1 << 1;
/// The object survived one minor collection in the nursery.
pub const AGED: u32 = 1 << 2;
/// The object lies in the large space (page runs, marked in place).
pub const LARGE: u32 = 1 << 3;
/// The object must not move.
pub const PINNED: u32 = 1 << 4;
/// The object lies outside the collected spaces (immortal, function or context object).
pub const IMMORTAL: u32 = 1 << 5;

/// Frozen object (of a checkpoint) that was written since: markings look at its fields.
pub const FROZEN_WRITTEN: u32 = 1 << 6;

/// How far a type id is shifted within the header word.
pub const TYPE_ID_SHIFT: u32 = 8;
/// Mask of the state bits.
pub const STATE_MASK: u32 = 0xff;
/// Bytes of the header.
pub const HEADER_BYTES: u32 = 4;

/// An engine-wide canonical type: the offset of its [`crate::Descriptor`] in the type table, divided by 8.
///
/// 24 bits wide. 0 is never a type of the guest; it marks memory that is no object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default)]
#[repr(transparent)]
pub struct TypeId(pub u32);

impl TypeId {
    /// No type: a zeroed header.
    pub const NONE: TypeId = TypeId(0);
    /// Largest id that fits the header.
    pub const MAX: u32 = (1 << 24) - 1;

    /// The header word of an object of this type, with `state` bits.
    #[inline]
    pub const fn header(self, state: u32) -> u32 {
        (self.0 << TYPE_ID_SHIFT) | state
    }

    /// The type in a header word that is not forwarded.
    #[inline]
    pub const fn of_header(header: u32) -> TypeId {
        TypeId(header >> TYPE_ID_SHIFT)
    }

    /// Offset of the descriptor in the type table, in bytes.
    #[inline]
    pub const fn descriptor_offset(self) -> usize {
        self.0 as usize * 8
    }
}
