//! Object layout, header bits, address space and fast-path words of the Heapwood heap, as plain data.
//!
//! The compiler (`heapwood-jit`), the collector (`heapwood-gc`) and the runtime (`heapwood-vm`) all derive from
//! these facts; none of them states a number of its own. This crate has no dependencies and no behaviour beyond
//! arithmetic on layouts, and conversions between integers that state what is relied on ([`Narrow`]). Since all of them
//! know it, the table of faults that can be built in is here as well ([`mutant`]).
//!
//! Invariants that hold everywhere:
//! 1. A reference is a `u32`: 0 is null, bit 0 set is an i31, else the object starts at `heap_base + ref * 4`
//!    and is 8-byte aligned (so a valid object reference is even).
//! 2. No valid reference names an address outside the cage; the first [`space::NULL_ZONE_BYTES`] are unmapped.
//! 3. The first word of every object is its header: one byte of collector state, then a 24-bit type id.

pub mod descriptor;
pub mod header;
pub mod hot;
pub mod layout;
pub mod mutant;
mod narrow;
pub mod space;

pub use descriptor::{Descriptor, ObjectKind};
pub use header::TypeId;
pub use layout::{FieldKind, StructLayout};
pub use mutant::{Mutant, active};
pub use narrow::{Narrow, disp, low8, low16, low32};

/// A reference as compiled code holds it: see invariant 1 of this crate.
pub type RawRef = u32;

/// The null reference.
pub const NULL: RawRef = 0;

/// Encodes an i31: the low 31 bits of `value`, tagged by bit 0.
#[inline]
pub const fn i31_encode(value: u32) -> RawRef {
    (value << 1) | 1
}

/// Whether a reference is an i31 (never dereferenced).
#[inline]
pub const fn is_i31(reference: RawRef) -> bool {
    reference & 1 != 0
}

/// The signed value of an i31 reference.
#[inline]
pub const fn i31_signed(reference: RawRef) -> i32 {
    (reference as i32) >> 1
}
