//! Strings of the heap: how they are made, joined, cut and compared.
//!
//! 1. A string is *flat*, with its units behind its header (Latin-1 or UTF-16), or a *rope*, which names two strings.
//!    What joins two strings makes a rope if that is not short, in constant time.
//! 2. What reads units *flattens* a rope first: once, since the rope then names the flat string in place of its parts.
//! 3. Strings never change otherwise. A string whose units are all below 256 may be kept in either form.

pub(super) mod js_string;
mod text;

pub(crate) use text::Utf8;
use text::decode_utf8;

use super::StoreOpaque;
use crate::errors::{Error, Result, Trap, TrapKind};
use heapwood_gc::StringUnits;
use heapwood_gc_abi::layout::{ROPE_LEFT_OFFSET, ROPE_RIGHT_OFFSET, STRING_HASH_OFFSET, STRING_LENGTH_OFFSET};
use heapwood_gc_abi::{Narrow, ObjectKind, RawRef, is_i31};
use heapwood_jit::stubs::CONCAT_UNITS_MAX;
use std::cmp::Ordering;

/// Most units of a string: what other engines have.
pub(crate) const STRING_UNITS_MAX: u32 = (1 << 29) - 24;

/// Units that are made bytes at a time.
const NARROWED_UNITS: usize = 64;

/// What is joined is copied if it has fewer units, and else becomes a rope.
const ROPE_UNITS_MIN: u64 = CONCAT_UNITS_MAX as u64 + 1;

impl StoreOpaque {
    /// Whether a reference is a string.
    #[inline]
    pub fn is_string(&self, raw: RawRef) -> bool {
        raw != 0 && !is_i31(raw) && self.engine().reserved_types().is_string(self.heap().type_of(raw))
    }

    /// A string of units. May collect.
    ///
    /// # Errors
    /// There are too many, or the heap is exhausted.
    pub fn new_string(&mut self, units: StringUnits<'_>) -> Result<RawRef> {
        let is_wide = matches!(units, StringUnits::Utf16(units) if !is_latin1(units));
        let string = self.new_flat(is_wide, units.len() as u64)?;
        match units {
            StringUnits::Utf16(units) if !is_wide => {
                let mut bytes = [0; NARROWED_UNITS];
                for (at, piece) in (0..).step_by(NARROWED_UNITS).zip(units.chunks(NARROWED_UNITS)) {
                    bytes.iter_mut().zip(piece).for_each(|(byte, unit)| *byte = unit.to_le_bytes()[0]);
                    self.heap_mut().write_units(string, at, StringUnits::Latin1(&bytes[..piece.len()]));
                }
            }
            units => self.heap_mut().write_units(string, 0, units),
        }
        Ok(string)
    }

    /// A string of text. May collect.
    ///
    /// # Errors
    /// It is too long, or the heap is exhausted.
    pub fn new_string_of_text(&mut self, text: &str) -> Result<RawRef> {
        match text.is_ascii() {
            true => self.new_string(StringUnits::Latin1(text.as_bytes())),
            false => self.new_string(StringUnits::Utf16(&text.encode_utf16().collect::<Vec<_>>())),
        }
    }

    /// A string of zeros that is to be written before anybody sees it. May collect.
    fn new_flat(&mut self, is_wide: bool, len: u64) -> Result<RawRef> {
        let len = check_length(len)?;
        let types = self.engine().reserved_types();
        let ty = if is_wide { types.utf16_string } else { types.latin1_string };
        self.sample_object(ty, len.into());
        self.with_room(|heap, guest| heap.alloc_array(ty, len, guest))
    }

    /// Does what may collect, and returns what these references are afterwards.
    fn holding<const N: usize, R>(
        &mut self,
        references: [RawRef; N],
        what: impl FnOnce(&mut StoreOpaque) -> Result<R>,
    ) -> Result<(R, [RawRef; N])> {
        let mark = self.guest_mut().temporaries_mut().extend(references);
        let done = what(self);
        let temporaries = self.guest_mut().temporaries_mut();
        let now = std::array::from_fn(|index| temporaries.as_slice()[mark + index]);
        temporaries.truncate(mark);
        Ok((done?, now))
    }

    /// Whether the units of a string have two bytes.
    #[inline]
    fn is_wide(&self, string: RawRef) -> bool {
        let types = self.engine().reserved_types();
        let ty = self.heap().type_of(string);
        ty == types.utf16_string || ty == types.utf16_rope
    }

    /// The flat string that a rope has become, or else the string itself.
    #[inline]
    fn resolved(&self, string: RawRef) -> RawRef {
        let is_rope = self.heap().descriptor_of(string).kind() == ObjectKind::Rope;
        match is_rope && self.heap().read_ref(string, ROPE_RIGHT_OFFSET.into()) == 0 {
            true => self.heap().read_ref(string, ROPE_LEFT_OFFSET.into()),
            false => string,
        }
    }

    /// The flat string with the units of a string. May collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    #[inline]
    pub fn flat_string(&mut self, string: RawRef) -> Result<RawRef> {
        let string = self.resolved(string);
        match self.heap().descriptor_of(string).kind() {
            ObjectKind::String => Ok(string),
            _ => self.flatten(string),
        }
    }

    /// Two strings, flattened if they are ropes. May collect.
    fn flat_strings(&mut self, a: RawRef, b: RawRef) -> Result<[RawRef; 2]> {
        let (a, [b]) = self.holding([b], |store| store.flat_string(a))?;
        let (b, [a]) = self.holding([a], |store| store.flat_string(b))?;
        Ok([a, b])
    }

    /// Makes a flat string of a rope, which names it from now on.
    fn flatten(&mut self, rope: RawRef) -> Result<RawRef> {
        let (is_wide, len) = (self.is_wide(rope), self.heap().string_length(rope));
        let (flat, [rope]) = self.holding([rope], |store| store.new_flat(is_wide, len.into()))?;
        self.copy_parts(rope, flat);
        self.heap_mut().write_ref(rope, ROPE_LEFT_OFFSET.into(), flat);
        self.heap_mut().write_ref(rope, ROPE_RIGHT_OFFSET.into(), 0);
        self.ask_for_collection();
        Ok(flat)
    }

    /// Copies the units of a rope. From both ends of what is left: of a rope that was made by appending, or by
    /// prepending, nothing has to wait; of two ropes the shorter one waits, so that few do.
    fn copy_parts(&mut self, rope: RawRef, flat: RawRef) {
        let mut waiting = vec![(rope, 0)];
        while let Some((mut part, mut at)) = waiting.pop() {
            loop {
                part = self.resolved(part);
                let heap = self.heap_mut();
                if heap.descriptor_of(part).kind() == ObjectKind::String {
                    let len = heap.string_length(part);
                    heap.copy_units((part, 0), (flat, at), len);
                    break;
                }
                let left = heap.read_ref(part, ROPE_LEFT_OFFSET.into());
                let right = heap.read_ref(part, ROPE_RIGHT_OFFSET.into());
                let [left_len, right_len] = [left, right].map(|part| heap.string_length(part));
                let is_flat = |part| heap.descriptor_of(part).kind() == ObjectKind::String;
                if is_flat(right) {
                    heap.copy_units((right, 0), (flat, at + left_len), right_len);
                    part = left;
                } else if is_flat(left) {
                    heap.copy_units((left, 0), (flat, at), left_len);
                    (part, at) = (right, at + left_len);
                } else if left_len < right_len {
                    waiting.push((left, at));
                    (part, at) = (right, at + left_len);
                } else {
                    waiting.push((right, at + left_len));
                    part = left;
                }
            }
        }
    }

    /// Two strings, one behind the other. May collect.
    ///
    /// # Errors
    /// They are too long, or the heap is exhausted.
    pub fn concat_strings(&mut self, a: RawRef, b: RawRef) -> Result<RawRef> {
        let [a_len, b_len] = [a, b].map(|string| self.heap().string_length(string));
        if a_len == 0 || b_len == 0 {
            return Ok(if a_len == 0 { b } else { a });
        }
        let (len, is_wide) = (u64::from(a_len) + u64::from(b_len), self.is_wide(a) || self.is_wide(b));
        if len >= ROPE_UNITS_MIN {
            return self.new_rope([a, b], is_wide, len);
        }
        // Neither is a rope, which is longer.
        let (string, [a, b]) = self.holding([a, b], |store| store.new_flat(is_wide, len))?;
        self.heap_mut().copy_units((a, 0), (string, 0), a_len);
        self.heap_mut().copy_units((b, 0), (string, a_len), b_len);
        Ok(string)
    }

    fn new_rope(&mut self, parts: [RawRef; 2], is_wide: bool, len: u64) -> Result<RawRef> {
        let len = check_length(len)?;
        let types = self.engine().reserved_types();
        let ty = if is_wide { types.utf16_rope } else { types.latin1_rope };
        let parts = parts.map(|part| self.resolved(part));
        self.sample_object(ty, 0);
        let make = |store: &mut StoreOpaque| store.with_room(|heap, guest| heap.alloc_struct(ty, guest));
        let (rope, [left, right]) = self.holding(parts, make)?;
        let heap = self.heap_mut();
        heap.write_i32(rope, STRING_LENGTH_OFFSET.into(), len);
        heap.write_ref(rope, ROPE_LEFT_OFFSET.into(), left);
        heap.write_ref(rope, ROPE_RIGHT_OFFSET.into(), right);
        Ok(rope)
    }

    /// The units from `start` up to `end` or the string's end; empty if there are none. May collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn substring(&mut self, string: RawRef, start: u32, end: u32) -> Result<RawRef> {
        let len = self.heap().string_length(string);
        let end = end.min(len);
        if start >= end {
            return self.new_flat(false, 0);
        }
        if start == 0 && end == len {
            return Ok(string);
        }
        let string = self.flat_string(string)?;
        let is_wide = match self.heap().string_units(string) {
            StringUnits::Latin1(_) => false,
            StringUnits::Utf16(units) => !is_latin1(&units[start as usize..end as usize]),
        };
        let (piece, [string]) = self.holding([string], |store| store.new_flat(is_wide, (end - start).into()))?;
        self.heap_mut().copy_units((string, start), (piece, 0), end - start);
        Ok(piece)
    }

    /// A copy of the units, which leaves ropes as they are.
    pub fn units_of(&self, string: RawRef) -> Vec<u16> {
        let mut units = Vec::with_capacity(self.heap().string_length(string) as usize);
        let mut waiting = vec![string];
        while let Some(part) = waiting.pop() {
            let part = self.resolved(part);
            match self.heap().descriptor_of(part).kind() {
                ObjectKind::String => units.extend(self.heap().string_units(part).iter()),
                _ => {
                    let part_at = |offset: u32| self.heap().read_ref(part, offset.into());
                    waiting.extend([part_at(ROPE_RIGHT_OFFSET), part_at(ROPE_LEFT_OFFSET)]);
                }
            }
        }
        units
    }

    /// Whether two strings have the same units. May collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn strings_equal(&mut self, a: RawRef, b: RawRef) -> Result<bool> {
        if a == b {
            return Ok(true);
        }
        if self.heap().string_length(a) != self.heap().string_length(b) {
            return Ok(false);
        }
        let [a, b] = self.flat_strings(a, b)?;
        let heap = self.heap();
        let [a_hash, b_hash] = [a, b].map(|string| heap.read_i32(string, STRING_HASH_OFFSET.into()));
        if a_hash != b_hash && a_hash != 0 && b_hash != 0 {
            return Ok(false);
        }
        Ok(match (heap.string_units(a), heap.string_units(b)) {
            (StringUnits::Latin1(a), StringUnits::Latin1(b)) => a == b,
            (StringUnits::Utf16(a), StringUnits::Utf16(b)) => a == b,
            (a, b) => a.iter().eq(b.iter()),
        })
    }

    /// The order of two strings by their units. May collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn compare_strings(&mut self, a: RawRef, b: RawRef) -> Result<Ordering> {
        let [a, b] = self.flat_strings(a, b)?;
        let heap = self.heap();
        Ok(match (heap.string_units(a), heap.string_units(b)) {
            (StringUnits::Latin1(a), StringUnits::Latin1(b)) => a.cmp(b),
            (StringUnits::Utf16(a), StringUnits::Utf16(b)) => a.cmp(b),
            (a, b) => a.iter().cmp(b.iter()),
        })
    }

    /// A unit of a string that has it. May collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn unit_at(&mut self, string: RawRef, index: u32) -> Result<u16> {
        let string = self.flat_string(string)?;
        Ok(match self.heap().string_units(string) {
            StringUnits::Latin1(units) => units[index as usize].into(),
            StringUnits::Utf16(units) => units[index as usize],
        })
    }

    /// A string of elements that an array of 16-bit numbers has. May collect.
    ///
    /// # Errors
    /// There are too many, or the heap is exhausted.
    pub fn string_of_array(&mut self, array: RawRef, start: u32, end: u32) -> Result<RawRef> {
        let is_wide = !is_latin1(&self.heap().array_units(array)[start as usize..end as usize]);
        let (string, [array]) = self.holding([array], |store| store.new_flat(is_wide, (end - start).into()))?;
        self.heap_mut().copy_units((array, start), (string, 0), end - start);
        Ok(string)
    }

    /// The hash of a string's units, as Java has it: `31 * hash + unit` from 0 on. It is kept with the string. May
    /// collect.
    ///
    /// # Errors
    /// The heap is exhausted.
    pub fn string_hash(&mut self, string: RawRef) -> Result<u32> {
        let string = self.flat_string(string)?;
        let known = self.heap().read_i32(string, STRING_HASH_OFFSET.into());
        if known != 0 {
            return Ok(known);
        }
        let next = |hash: u32, unit: u16| hash.wrapping_mul(31).wrapping_add(unit.into());
        let hash = self.heap().string_units(string).iter().fold(0, next);
        self.heap_mut().write_i32(string, STRING_HASH_OFFSET.into(), hash);
        Ok(hash)
    }
}

fn is_latin1(units: &[u16]) -> bool {
    units.iter().fold(0, |all, unit| all | unit) < 0x100
}

fn check_length(len: u64) -> Result<u32> {
    if len <= STRING_UNITS_MAX.into() {
        return Ok(len.narrow());
    }
    let detail = format!("a string of {len} units; the limit is {STRING_UNITS_MAX} units");
    Err(Error::from(Trap::with_detail(TrapKind::AllocationTooLarge, detail)))
}
