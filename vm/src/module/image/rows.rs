//! Rows of an image's tables: numbers of fixed size, the lowest byte first.

use crate::rt::code::PlacedFunction;
use heapwood_gc_abi::Narrow;
use heapwood_jit::abi::{FunctionRecord, InlinedBody, RelocationTarget, SafePoint, TrapKind, TrapSite};

/// Something that an image has a table of.
pub(super) trait TableRow: Sized {
    /// Bytes of a row.
    const BYTES: usize;

    /// Appends its bytes.
    fn write(&self, out: &mut Vec<u8>);

    /// What was written; none of bytes that no row has.
    fn read(bytes: &[u8]) -> Option<Self>;
}

/// Appends the rows of a table.
pub(super) fn write_all<R: TableRow>(rows: &[R], out: &mut Vec<u8>) {
    out.reserve(rows.len() * R::BYTES);
    rows.iter().for_each(|row| row.write(out));
}

/// The rows of a table; none if one of them cannot be.
pub(super) fn read_all<R: TableRow>(bytes: &[u8]) -> Option<Vec<R>> {
    // Not collected: a list whose length is not known before would be copied again and again.
    let mut rows = Vec::with_capacity(bytes.len() / R::BYTES);
    for row in bytes.chunks_exact(R::BYTES) {
        rows.push(R::read(row)?);
    }
    Some(rows)
}

/// An exception's header, for tags with a function type of the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::module) struct ExceptionHeader {
    /// Index of the function type.
    pub ty: u32,
    /// The word that code has.
    pub header: u32,
}

/// A field of the code that depends on a type.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TypeField {
    /// Offset in the code.
    pub offset: u32,
    /// What it depends on: no function.
    pub target: RelocationTarget,
}

fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
    std::array::from_fn(|word| u32::from_le_bytes(bytes[4 * word..4 * word + 4].try_into().expect("four bytes")))
}

fn put(out: &mut Vec<u8>, words: &[u32]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

fn bool_of(byte: u8) -> Option<bool> {
    (byte < 2).then_some(byte == 1)
}

impl TableRow for u32 {
    const BYTES: usize = 4;

    fn write(&self, out: &mut Vec<u8>) {
        put(out, &[*self]);
    }

    fn read(bytes: &[u8]) -> Option<u32> {
        let [word] = words(bytes);
        Some(word)
    }
}

impl TableRow for PlacedFunction {
    const BYTES: usize = 28;

    fn write(&self, out: &mut Vec<u8>) {
        let PlacedFunction { start, end, inlined, record } = *self;
        let FunctionRecord { ref_base, frame_bytes, saved, saves_context, stack_arg_bytes } = record;
        put(out, &[start, end, inlined, ref_base, frame_bytes, stack_arg_bytes]);
        out.extend_from_slice(&[saved, saves_context.into(), 0, 0]);
    }

    fn read(bytes: &[u8]) -> Option<PlacedFunction> {
        let [start, end, inlined, ref_base, frame_bytes, stack_arg_bytes] = words(bytes);
        let &[saved, saves_context, 0, 0] = &bytes[24..] else { return None };
        let saves_context = bool_of(saves_context)?;
        let record = FunctionRecord { ref_base, frame_bytes, saved, saves_context, stack_arg_bytes };
        Some(PlacedFunction { start, end, inlined, record })
    }
}

impl TableRow for SafePoint {
    const BYTES: usize = 24;

    fn write(&self, out: &mut Vec<u8>) {
        let SafePoint { pc, ref_count, gpr_mask, frameless, handler, wasm_offset, body } = *self;
        put(out, &[pc, ref_count, handler, wasm_offset]);
        out.extend_from_slice(&gpr_mask.to_le_bytes());
        out.extend_from_slice(&body.to_le_bytes());
        out.extend_from_slice(&[frameless.into(), 0, 0, 0]);
    }

    fn read(bytes: &[u8]) -> Option<SafePoint> {
        let [pc, ref_count, handler, wasm_offset] = words(bytes);
        let &[ref mask @ .., body_low, body_high, frameless, 0, 0, 0] = &bytes[16..] else { return None };
        let (gpr_mask, frameless) = (u16::from_le_bytes(mask.try_into().ok()?), bool_of(frameless)?);
        let body = u16::from_le_bytes([body_low, body_high]);
        Some(SafePoint { pc, ref_count, gpr_mask, frameless, handler, wasm_offset, body })
    }
}

impl TableRow for TrapSite {
    const BYTES: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        let TrapSite { pc, kind, frameless, wasm_offset, body } = *self;
        put(out, &[pc, wasm_offset]);
        out.extend_from_slice(&[kind as u8, frameless.into()]);
        out.extend_from_slice(&body.to_le_bytes());
    }

    fn read(bytes: &[u8]) -> Option<TrapSite> {
        let [pc, wasm_offset] = words(bytes);
        let &[kind, frameless, low, high] = &bytes[8..] else { return None };
        let (kind, frameless) = (*TrapKind::ALL.get(usize::from(kind))?, bool_of(frameless)?);
        Some(TrapSite { pc, kind, frameless, wasm_offset, body: u16::from_le_bytes([low, high]) })
    }
}

impl TableRow for InlinedBody {
    const BYTES: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        let InlinedBody { function, call_offset, outer } = *self;
        put(out, &[function, call_offset, outer.into()]);
    }

    fn read(bytes: &[u8]) -> Option<InlinedBody> {
        let [function, call_offset, outer] = words(bytes);
        Some(InlinedBody { function, call_offset, outer: u16::try_from(outer).ok()? })
    }
}

impl TableRow for ExceptionHeader {
    const BYTES: usize = 8;

    fn write(&self, out: &mut Vec<u8>) {
        put(out, &[self.ty, self.header]);
    }

    fn read(bytes: &[u8]) -> Option<ExceptionHeader> {
        let [ty, header] = words(bytes);
        Some(ExceptionHeader { ty, header })
    }
}

impl TableRow for TypeField {
    const BYTES: usize = 12;

    fn write(&self, out: &mut Vec<u8>) {
        let (kind, index) = match self.target {
            RelocationTarget::TypeId(index) => (0, index),
            RelocationTarget::TypeHeader(index) => (1, index),
            RelocationTarget::ExceptionHeader(index) => (2, index),
            RelocationTarget::FunctionSlot(_) | RelocationTarget::CountingWord(_) => {
                unreachable!("fields that depend on types lead to no function")
            }
        };
        put(out, &[self.offset, kind, index]);
    }

    fn read(bytes: &[u8]) -> Option<TypeField> {
        let [offset, kind, index] = words(bytes);
        let target = match kind {
            0 => RelocationTarget::TypeId(index),
            1 => RelocationTarget::TypeHeader(index),
            2 => RelocationTarget::ExceptionHeader(index),
            _ => return None,
        };
        Some(TypeField { offset, target })
    }
}

/// The number of rows as an image has it.
pub(super) fn count<R>(rows: &[R]) -> u32 {
    rows.len().narrow()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Debug;

    fn returns<R: TableRow + PartialEq + Debug>(row: R) {
        let mut bytes = Vec::new();
        row.write(&mut bytes);
        assert_eq!(bytes.len(), R::BYTES);
        assert_eq!(R::read(&bytes), Some(row));
    }

    #[test]
    fn rows_are_read_as_they_were_written() {
        for bit in 0..32 {
            let word = |n: u32| (1u32 << bit).rotate_left(n);
            returns(word(0));
            let record = FunctionRecord {
                ref_base: word(1),
                frame_bytes: word(2),
                saved: 1 << (bit % 8),
                saves_context: bit % 2 == 0,
                stack_arg_bytes: word(3),
            };
            returns(PlacedFunction { start: word(4), end: word(5), inlined: word(16), record });
            returns(SafePoint {
                pc: word(6),
                ref_count: word(7),
                gpr_mask: 1 << (bit % 16),
                frameless: bit % 2 == 0,
                handler: word(8),
                wasm_offset: word(9),
                body: 1 << ((bit + 5) % 16),
            });
            let kind = TrapKind::ALL[bit as usize % TrapKind::ALL.len()];
            let (frameless, body) = (bit % 2 == 0, 1 << ((bit + 7) % 16));
            returns(TrapSite { pc: word(10), kind, frameless, wasm_offset: word(11), body });
            returns(InlinedBody { function: word(17), call_offset: word(18), outer: 1 << (bit % 16) });
            returns(ExceptionHeader { ty: word(12), header: word(13) });
            for target in [RelocationTarget::TypeId, RelocationTarget::TypeHeader, RelocationTarget::ExceptionHeader] {
                returns(TypeField { offset: word(14), target: target(word(15)) });
            }
        }
    }

    #[test]
    fn what_no_row_has_is_no_row() {
        assert_eq!(TrapSite::read(&[0, 0, 0, 0, 0, 0, 0, 0, TrapKind::ALL.len() as u8, 0, 0, 0]), None);
        assert_eq!(TrapSite::read(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0]), None);
        assert_eq!(TypeField::read(&[0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(SafePoint::read(&[&[0; 21][..], &[1, 0, 0]].concat()), None);
        assert_eq!(InlinedBody::read(&[&[0; 10][..], &[1, 0]].concat()), None);
        assert_eq!(PlacedFunction::read(&[&[0; 25][..], &[2, 0, 0]].concat()), None);
    }
}
