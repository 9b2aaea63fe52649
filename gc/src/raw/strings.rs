//! Units of strings, and of arrays of 16-bit numbers, as Rust sees them and as they are copied between the two.

use super::bulk;
use super::cage::Cage;
use super::object::ObjectReference;
use heapwood_gc_abi::layout::{ARRAY_ELEMENTS_OFFSET, STRING_UNITS_OFFSET};
use heapwood_gc_abi::{Narrow, ObjectKind, TypeId};

/// The units of a string as they are kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StringUnits<'h> {
    /// Units below 256, one byte each.
    Latin1(&'h [u8]),
    /// Units of any value.
    Utf16(&'h [u16]),
}

impl StringUnits<'_> {
    /// Number of units.
    pub fn len(&self) -> usize {
        match self {
            StringUnits::Latin1(units) => units.len(),
            StringUnits::Utf16(units) => units.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The units, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        let (latin1, utf16): (&[u8], &[u16]) = match self {
            StringUnits::Latin1(units) => (units, &[]),
            StringUnits::Utf16(units) => (&[], units),
        };
        latin1.iter().map(|unit| u16::from(*unit)).chain(utf16.iter().copied())
    }
}

/// Where units of an object lie: the address of the first, and log2 of the bytes of each.
#[derive(Clone, Copy)]
struct Place {
    start: *mut u8,
    shift: u8,
}

impl Cage {
    /// The units of a string that is no rope.
    ///
    /// # Panics
    /// If it is anything else, or does not lie in the cage.
    pub fn string_units(&self, string: ObjectReference) -> StringUnits<'_> {
        assert_eq!(self.kind_of(string), ObjectKind::String, "{string:?} is no string");
        let len = self.memory().array_length(string);
        let place = self.units(string, 0, len);
        match place.shift {
            // SAFETY: M1 by the assertion of `units`; M7, and the cage is borrowed for as long.
            0 => StringUnits::Latin1(unsafe { std::slice::from_raw_parts(place.start, len as usize) }),
            // SAFETY: as above; units of two bytes lie at multiples of 2 (M5).
            _ => StringUnits::Utf16(unsafe { std::slice::from_raw_parts(place.start.cast(), len as usize) }),
        }
    }

    /// The elements of an array of 16-bit numbers.
    ///
    /// # Panics
    /// If it is anything else, or does not lie in the cage.
    pub fn array_units(&self, array: ObjectReference) -> &[u16] {
        assert_eq!(self.kind_of(array), ObjectKind::ArrayData, "{array:?} is no array of numbers");
        let len = self.memory().array_length(array);
        let place = self.units(array, 0, len);
        assert_eq!(place.shift, 1, "{array:?} is no array of 16-bit numbers");
        // SAFETY: M1 by the assertion of `units`; M6, and who could write them has to borrow the cage mutably; M5.
        unsafe { std::slice::from_raw_parts(place.start.cast(), len as usize) }
    }

    /// Writes units of a string that nobody has read yet, or elements of an array of 16-bit numbers, from `at` on.
    ///
    /// # Panics
    /// If the object is of another kind, has not so many, or keeps units of another width.
    pub fn write_units(&mut self, to: ObjectReference, at: u32, units: StringUnits<'_>) {
        let place = self.units(to, at, units.len().narrow());
        match (units, place.shift) {
            // SAFETY: M1 by the assertion of `units`; the source is borrowed, and is not of this cage, which is as
            // well.
            (StringUnits::Latin1(units), 0) => unsafe { bulk::copy(place.start, units.as_ptr(), units.len()) },
            (StringUnits::Utf16(units), 1) => {
                // SAFETY: as above.
                unsafe { bulk::copy(place.start, units.as_ptr().cast(), units.len() * 2) }
            }
            _ => panic!("units of another width than the string's"),
        }
    }

    /// Copies units of a string, or elements of an array of 16-bit numbers, to a string that nobody has read yet or to
    /// such an array: what does not fit a byte loses its upper half.
    ///
    /// # Panics
    /// If one of the objects is of another kind or has not so many, or if both are one.
    #[inline]
    pub fn copy_units(&mut self, from: (ObjectReference, u32), to: (ObjectReference, u32), count: u32) {
        assert_ne!(from.0, to.0, "a string is not copied to itself");
        let (source, target) = (self.units(from.0, from.1, count), self.units(to.0, to.1, count));
        let len = count as usize;
        match (source.shift, target.shift) {
            // SAFETY: M1 by the assertions of `units`.
            (from, to) if from == to => unsafe { bulk::copy(target.start, source.start, len << to) },
            (0, _) => {
                // SAFETY: M1 as above; M5; M6 and M7 for both, and they are parts of two objects.
                let (from, to) = unsafe {
                    let to = std::slice::from_raw_parts_mut(target.start.cast::<u16>(), len);
                    (std::slice::from_raw_parts(source.start, len), to)
                };
                to.iter_mut().zip(from).for_each(|(to, from)| *to = (*from).into());
            }
            _ => {
                // SAFETY: as above.
                let (from, to) = unsafe {
                    let to = std::slice::from_raw_parts_mut(target.start, len);
                    (std::slice::from_raw_parts(source.start.cast::<u16>(), len), to)
                };
                to.iter_mut().zip(from).for_each(|(to, from)| *to = from.to_le_bytes()[0]);
            }
        }
    }

    fn kind_of(&self, object: ObjectReference) -> ObjectKind {
        let memory = self.memory();
        memory.descriptor(TypeId::of_header(memory.header(object))).kind()
    }

    /// Where `count` units of a string or of an array of 16-bit numbers lie, from `at` on.
    #[inline]
    fn units(&self, object: ObjectReference, at: u32, count: u32) -> Place {
        let memory = self.memory();
        let descriptor = memory.descriptor(TypeId::of_header(memory.header(object)));
        let shift = descriptor.elem_shift();
        let start = match descriptor.kind() {
            ObjectKind::String => STRING_UNITS_OFFSET,
            ObjectKind::ArrayData if shift == 1 => ARRAY_ELEMENTS_OFFSET,
            kind => panic!("{object:?} is of kind {kind:?} and has no units"),
        };
        let length = u64::from(memory.array_length(object));
        assert!(u64::from(at) + u64::from(count) <= length, "units {at}.. of {length}, {count} of them");
        let first = u64::from(object.0) * 4 + u64::from(start) + (u64::from(at) << shift);
        Place { start: memory.range(first, u64::from(count) << shift), shift }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_a_length() {
        assert!(StringUnits::Latin1(b"").is_empty());
        assert_eq!((StringUnits::Latin1(b"ab").len(), StringUnits::Utf16(&[1, 2, 3]).len()), (2, 3));
    }
}
