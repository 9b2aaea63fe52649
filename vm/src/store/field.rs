//! Fields of objects and elements of arrays, as values.

use crate::rt::value::RawVal;
use heapwood_gc::Heap;
use heapwood_gc_abi::layout::ARRAY_ELEMENTS_OFFSET;
use heapwood_gc_abi::{FieldKind, RawRef, StructLayout};

/// A place in objects of a type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    offset: u64,
    kind: FieldKind,
}

impl Field {
    /// A field of a layout.
    #[inline]
    pub fn of_layout(layout: &StructLayout, index: usize) -> Field {
        Field { offset: layout.offsets[index] as u64, kind: layout.kinds[index] }
    }

    /// An element of an array.
    #[inline]
    pub fn of_array(kind: FieldKind, index: u32) -> Field {
        Field { offset: ARRAY_ELEMENTS_OFFSET as u64 + ((index as u64) << kind.shift()), kind }
    }

    /// The field's value.
    #[inline(always)]
    pub fn read(self, heap: &Heap, object: RawRef) -> RawVal {
        let Field { offset, kind } = self;
        match kind {
            FieldKind::I8 => [heap.read_i8(object, offset) as u64, 0],
            FieldKind::I16 => [heap.read_i16(object, offset) as u64, 0],
            FieldKind::I32 | FieldKind::Ref => [heap.read_i32(object, offset) as u64, 0],
            FieldKind::I64 => [heap.read_i64(object, offset), 0],
            FieldKind::V128 => {
                let value = heap.read_v128(object, offset);
                [value as u64, (value >> 64) as u64]
            }
        }
    }

    /// Writes it, with what the collector has to know.
    #[inline(always)]
    pub fn write(self, heap: &mut Heap, object: RawRef, value: &RawVal) {
        let Field { offset, kind } = self;
        match kind {
            FieldKind::I8 => heap.write_i8(object, offset, value[0] as u8),
            FieldKind::I16 => heap.write_i16(object, offset, value[0] as u16),
            FieldKind::I32 => heap.write_i32(object, offset, value[0] as u32),
            FieldKind::I64 => heap.write_i64(object, offset, value[0]),
            FieldKind::V128 => heap.write_v128(object, offset, value[0] as u128 | (value[1] as u128) << 64),
            FieldKind::Ref => heap.write_ref(object, offset, value[0] as u32),
        }
    }

    /// Writes it in a new immortal object, which names immortal ones only.
    pub fn init_immortal(self, heap: &mut Heap, object: RawRef, value: &RawVal) {
        match self.kind {
            FieldKind::Ref => heap.init_immortal_ref(object, self.offset, value[0] as u32),
            _ => self.write(heap, object, value),
        }
    }
}
