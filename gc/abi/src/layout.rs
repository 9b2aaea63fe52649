//! Where the fields of structs and the elements of arrays lie.
//!
//! Fields follow each other at their natural alignment (8 at most, since objects are 8-byte aligned). A subtype
//! keeps its parent's offsets and continues where the parent's last field ends, so it may use the parent's padding.

use crate::descriptor::ObjectKind;

/// What a field or an element is to the heap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum FieldKind {
    /// A packed byte.
    I8,
    /// A packed 16-bit integer.
    I16,
    /// i32 and f32.
    I32,
    /// i64 and f64.
    I64,
    /// A vector.
    V128,
    /// A reference of any kind.
    Ref,
}

impl FieldKind {
    /// log2 of the size in bytes.
    #[inline]
    pub const fn shift(self) -> u8 {
        match self {
            FieldKind::I8 => 0,
            FieldKind::I16 => 1,
            FieldKind::I32 | FieldKind::Ref => 2,
            FieldKind::I64 => 3,
            FieldKind::V128 => 4,
        }
    }

    /// Size in bytes.
    #[inline]
    pub const fn bytes(self) -> u32 {
        1 << self.shift()
    }

    /// Alignment in bytes inside an object.
    #[inline]
    pub const fn align(self) -> u32 {
        if self.bytes() > 8 { 8 } else { self.bytes() }
    }
}

/// Smallest object: marks are kept one byte per 16 bytes of heap.
pub const OBJECT_BYTES_MIN: u32 = 16;
/// Alignment of every object.
pub const OBJECT_ALIGN: u32 = 8;
/// Offset of an array's u32 length.
pub const ARRAY_LENGTH_OFFSET: u32 = 4;
/// Offset of an array's first element.
pub const ARRAY_ELEMENTS_OFFSET: u32 = 8;
/// Function object: u32 reference of the instance context.
pub const FUNC_CONTEXT_OFFSET: u32 = 4;
/// Function object: u64 address of the code.
pub const FUNC_CODE_OFFSET: u32 = 8;
/// Function object: u64 for the runtime (index of the function in its store).
pub const FUNC_DATA_OFFSET: u32 = 16;
/// Bytes of a function object.
pub const FUNC_BYTES: u32 = 24;
/// Exception object: u32 reference of its tag (an immortal object).
pub const EXCEPTION_TAG_OFFSET: u32 = 4;
/// Exception object: u32 number under which the store keeps where it was thrown; before that 0, or
/// [`EXCEPTION_OF_REFERENCE`].
pub const EXCEPTION_TRACE_OFFSET: u32 = 8;
/// In place of that number: the exception was not thrown yet, and its payload is one reference, at
/// [`EXCEPTION_REFERENCE_OFFSET`].
pub const EXCEPTION_OF_REFERENCE: u32 = u32::MAX;
/// Exception object whose payload is one reference: that.
pub const EXCEPTION_REFERENCE_OFFSET: u32 = 12;
/// Host value cell: u32 index into the store's slab of host values.
pub const HOST_VALUE_INDEX_OFFSET: u32 = 4;
/// Weak cell: the reference that does not keep its object alive.
pub const WEAK_REFERENT_OFFSET: u32 = 4;
/// Bytes of a weak cell.
pub const WEAK_BYTES: u32 = 16;
/// Ephemeron: the reference of the key.
pub const EPHEMERON_KEY_OFFSET: u32 = 4;
/// Ephemeron: the reference of the value.
pub const EPHEMERON_VALUE_OFFSET: u32 = 8;
/// Ephemeron: the marker's word.
pub const EPHEMERON_LINK_OFFSET: u32 = 12;
/// Bytes of an ephemeron.
pub const EPHEMERON_BYTES: u32 = 16;

/// Strings of all kinds: u32 number of units.
pub const STRING_LENGTH_OFFSET: u32 = ARRAY_LENGTH_OFFSET;
/// String: u32 hash of its units, 0 while it is not known.
pub const STRING_HASH_OFFSET: u32 = 8;
/// String: offset of the first unit.
pub const STRING_UNITS_OFFSET: u32 = 12;
/// Rope: the reference of the first string.
pub const ROPE_LEFT_OFFSET: u32 = 8;
/// Rope: the reference of the second string; null once the first one is the whole.
pub const ROPE_RIGHT_OFFSET: u32 = 12;
/// Bytes of a rope.
pub const ROPE_BYTES: u32 = 16;

/// Rounds an object's size up to the alignment and the least size.
#[inline]
pub const fn round_object_bytes(bytes: u64) -> u64 {
    let rounded = (bytes + OBJECT_ALIGN as u64 - 1) & !(OBJECT_ALIGN as u64 - 1);
    if rounded < OBJECT_BYTES_MIN as u64 { OBJECT_BYTES_MIN as u64 } else { rounded }
}

/// Bytes of an array object of `length` elements of `1 << elem_shift` bytes.
#[inline]
pub const fn array_bytes(elem_shift: u8, length: u32) -> u64 {
    round_object_bytes(ARRAY_ELEMENTS_OFFSET as u64 + ((length as u64) << elem_shift))
}

/// Bytes of a string object of `length` units of `1 << unit_shift` bytes.
#[inline]
pub const fn string_bytes(unit_shift: u8, length: u32) -> u64 {
    round_object_bytes(STRING_UNITS_OFFSET as u64 + ((length as u64) << unit_shift))
}

/// Bytes of an object of a kind that has a length.
#[inline]
pub const fn bytes_by_length(kind: ObjectKind, elem_shift: u8, length: u32) -> u64 {
    match kind {
        ObjectKind::String => string_bytes(elem_shift, length),
        _ => array_bytes(elem_shift, length),
    }
}

/// Where the next field lies of a struct whose fields so far end at `end`, which becomes the end of that one. The
/// fields of a subtype begin with its parent's, so these lie where the parent has them.
#[inline]
pub const fn place_field(end: &mut u32, kind: FieldKind) -> u32 {
    let offset = (*end + kind.align() - 1) & !(kind.align() - 1);
    *end = offset + kind.bytes();
    offset
}

/// The layout of a struct type.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StructLayout {
    /// Byte offset of each field.
    pub offsets: Vec<u32>,
    /// Kind of each field.
    pub kinds: Vec<FieldKind>,
    /// Byte offset at which the last field ends, before the size is rounded up.
    pub end: u32,
}

impl StructLayout {
    /// A struct with `kinds`, of which the first `parent.offsets.len()` are laid out as in `parent`.
    pub fn new(parent: Option<&StructLayout>, kinds: &[FieldKind]) -> StructLayout {
        StructLayout::with_prefix(crate::header::HEADER_BYTES, parent, kinds)
    }

    /// An exception `{header, tag, trace, payload}` with payload fields of `kinds`.
    pub fn exception(kinds: &[FieldKind]) -> StructLayout {
        StructLayout::with_prefix(EXCEPTION_TRACE_OFFSET + 4, None, kinds)
    }

    fn with_prefix(start: u32, parent: Option<&StructLayout>, kinds: &[FieldKind]) -> StructLayout {
        let mut layout = StructLayout {
            offsets: Vec::with_capacity(kinds.len()),
            kinds: Vec::with_capacity(kinds.len()),
            end: start,
        };
        if let Some(parent) = parent {
            layout.offsets.extend_from_slice(&parent.offsets);
            layout.kinds.extend_from_slice(&parent.kinds);
            layout.end = parent.end;
        }
        for &kind in &kinds[layout.offsets.len()..] {
            layout.offsets.push(place_field(&mut layout.end, kind));
            layout.kinds.push(kind);
        }
        layout
    }

    /// Bytes of an object with this layout.
    pub fn object_bytes(&self) -> u32 {
        round_object_bytes(self.end as u64) as u32
    }

    /// Byte offsets of the reference fields, in order.
    pub fn ref_offsets(&self) -> impl Iterator<Item = u32> + '_ {
        self.offsets.iter().zip(&self.kinds).filter(|(_, kind)| **kind == FieldKind::Ref).map(|(offset, _)| *offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kotlin_object_takes_24_bytes() {
        use FieldKind::*;
        let any = StructLayout::new(None, &[Ref, Ref, Ref, I32]);
        assert_eq!((any.end, any.object_bytes()), (20, 24));
        let child = StructLayout::new(Some(&any), &[Ref, Ref, Ref, I32, I32]);
        assert_eq!(child.offsets, [4, 8, 12, 16, 20]);
        assert_eq!(child.object_bytes(), 24, "the subtype uses its parent's padding");
        let wide = StructLayout::new(Some(&any), &[Ref, Ref, Ref, I32, I64]);
        assert_eq!(wide.offsets[4], 24);
    }

    #[test]
    fn subtypes_keep_the_offsets_of_their_parents_and_no_fields_overlap() {
        use FieldKind::*;
        const KINDS: [FieldKind; 6] = [I8, I16, I32, I64, V128, Ref];
        // Every chain of three types that add up to two fields each.
        let additions: Vec<Vec<FieldKind>> = std::iter::once(vec![])
            .chain(KINDS.map(|kind| vec![kind]))
            .chain(KINDS.iter().flat_map(|first| KINDS.map(|second| vec![*first, second])))
            .collect();
        for first in &additions {
            let top = StructLayout::new(None, first);
            for second in &additions {
                let kinds = [&first[..], second].concat();
                let middle = StructLayout::new(Some(&top), &kinds);
                for third in &additions {
                    let kinds = [&kinds[..], third].concat();
                    let low = StructLayout::new(Some(&middle), &kinds);
                    assert!(low.offsets.starts_with(&middle.offsets) && middle.offsets.starts_with(&top.offsets));
                    assert_eq!(low.kinds, kinds);
                    // Bytes in use, the header's first.
                    let mut used = 0xfu128;
                    for (offset, kind) in low.offsets.iter().zip(&kinds) {
                        assert!(offset.is_multiple_of(kind.align()) && offset + kind.bytes() <= low.object_bytes());
                        let field = ((1u128 << kind.bytes()) - 1) << offset;
                        assert_eq!(used & field, 0, "{kinds:?}: {:?}", low.offsets);
                        used |= field;
                    }
                }
            }
        }
    }

    #[test]
    fn the_smallest_objects_are_16_bytes() {
        assert_eq!(StructLayout::new(None, &[]).object_bytes(), 16);
        assert_eq!(array_bytes(0, 0), 16);
        assert_eq!(array_bytes(3, 1), 16);
        assert_eq!(array_bytes(4, u32::MAX), 8 + (u32::MAX as u64) * 16);
    }
}
