//! Strings, as the runtime makes and reads them.
//!
//! 1. A string is an object of its own kind, of units of one byte or of two, whichever the runtime chooses when it
//!    makes it ([`Heap::alloc_array`] of a type of that kind). It is written before anybody has its reference, and
//!    never again.
//! 2. A rope names two strings and has a length of its own. Its references are written by [`Heap::write_ref`].

use super::Heap;
use crate::raw::object::ObjectReference;
use crate::raw::strings::StringUnits;
use heapwood_gc_abi::RawRef;
use heapwood_gc_abi::layout::STRING_LENGTH_OFFSET;

impl Heap {
    /// Number of units of a string of any form.
    #[inline]
    pub fn string_length(&self, string: RawRef) -> u32 {
        debug_assert!(self.descriptor_of(string).kind().is_string(), "{string:#x} is no string");
        self.spaces.memory().load(u64::from(string) * 4 + u64::from(STRING_LENGTH_OFFSET))
    }

    /// The units of a string that is no rope. Panics if it is anything else.
    #[inline]
    pub fn string_units(&self, string: RawRef) -> StringUnits<'_> {
        self.spaces.cage().string_units(ObjectReference(string))
    }

    /// The elements of an array of 16-bit numbers. Panics if it is anything else.
    #[inline]
    pub fn array_units(&self, array: RawRef) -> &[u16] {
        self.spaces.cage().array_units(ObjectReference(array))
    }

    /// Writes units of a new string, or elements of an array of 16-bit numbers, from `at` on. Panics unless the object
    /// has as many, and keeps units of that width.
    pub fn write_units(&mut self, to: RawRef, at: u32, units: StringUnits<'_>) {
        self.spaces.cage_mut().write_units(ObjectReference(to), at, units);
    }

    /// Copies units of a string that is no rope, or elements of an array of 16-bit numbers, to a new string or to such
    /// an array; of what does not fit a byte the lower half. Both are places: an object, and the index of the first
    /// unit. Panics unless they have as many. Never collects.
    #[inline]
    pub fn copy_units(&mut self, from: (RawRef, u32), to: (RawRef, u32), count: u32) {
        let (from, to) = ((ObjectReference(from.0), from.1), (ObjectReference(to.0), to.1));
        self.spaces.cage_mut().copy_units(from, to, count);
    }
}
