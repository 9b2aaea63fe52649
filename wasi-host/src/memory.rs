//! Checked access to the guest's linear memory.
//!
//! Every pointer of a guest passes through here. A range that leaves the memory gives `FAULT`; a pointer to a
//! structure or number that is not aligned as the witx says gives `INVAL`. Byte buffers have no alignment.

use crate::errno::Errno;

/// A linear memory as bytes, with checked accessors. Implemented for `[u8]` and `Vec<u8>`.
///
/// Pointers and lengths are taken as numbers of 64 bits; what a guest gives with 32 is extended by zeros.
pub trait GuestMemory {
    /// The whole memory.
    fn bytes(&self) -> &[u8];

    /// The whole memory, for writing.
    fn bytes_mut(&mut self) -> &mut [u8];

    /// Size in bytes.
    fn byte_len(&self) -> u64 {
        self.bytes().len() as u64
    }

    /// `len` bytes from `ptr` on.
    ///
    /// # Errors
    /// `FAULT` when the range does not lie in the memory.
    fn slice(&self, ptr: u64, len: u64) -> Result<&[u8], Errno> {
        let start = usize::try_from(ptr).map_err(|_| Errno::Fault)?;
        start
            .checked_add(usize::try_from(len).map_err(|_| Errno::Fault)?)
            .and_then(|end| self.bytes().get(start..end))
            .ok_or(Errno::Fault)
    }

    /// `len` bytes from `ptr` on, for writing.
    ///
    /// # Errors
    /// `FAULT` when the range does not lie in the memory.
    fn slice_mut(&mut self, ptr: u64, len: u64) -> Result<&mut [u8], Errno> {
        let start = usize::try_from(ptr).map_err(|_| Errno::Fault)?;
        start
            .checked_add(usize::try_from(len).map_err(|_| Errno::Fault)?)
            .and_then(|end| self.bytes_mut().get_mut(start..end))
            .ok_or(Errno::Fault)
    }

    /// `count` elements of `size` bytes from `ptr` on.
    ///
    /// # Errors
    /// `FAULT` when they do not lie in the memory, `INVAL` when `ptr` is not a multiple of `align`.
    fn array(&self, ptr: u64, count: u64, size: u64, align: u64) -> Result<&[u8], Errno> {
        let len = count.checked_mul(size).ok_or(Errno::Fault)?;
        let bytes = self.slice(ptr, len)?;
        if ptr.is_multiple_of(align) { Ok(bytes) } else { Err(Errno::Inval) }
    }

    /// Like [`array`](GuestMemory::array), for writing.
    ///
    /// # Errors
    /// Those of [`array`](GuestMemory::array).
    fn array_mut(&mut self, ptr: u64, count: u64, size: u64, align: u64) -> Result<&mut [u8], Errno> {
        self.array(ptr, count, size, align)?;
        self.slice_mut(ptr, count * size)
    }

    /// Writes a little-endian u32.
    ///
    /// # Errors
    /// `FAULT` outside of the memory, `INVAL` when not aligned to 4.
    fn write_u32(&mut self, ptr: u64, value: u32) -> Result<(), Errno> {
        self.array_mut(ptr, 1, 4, 4)?.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// Writes a little-endian u64.
    ///
    /// # Errors
    /// `FAULT` outside of the memory, `INVAL` when not aligned to 8.
    fn write_u64(&mut self, ptr: u64, value: u64) -> Result<(), Errno> {
        self.array_mut(ptr, 1, 8, 8)?.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }
}

impl GuestMemory for [u8] {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

impl GuestMemory for Vec<u8> {
    fn bytes(&self) -> &[u8] {
        self
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self
    }
}

/// How wide a guest's pointers and sizes are (witx: `$size`), in its memory and as arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Width {
    /// 32 bits: `wasm32`.
    W32,
    /// 64 bits: `wasm64`.
    W64,
}

impl Width {
    /// Bytes of a pointer, and its alignment.
    pub fn bytes(self) -> u64 {
        match self {
            Width::W32 => 4,
            Width::W64 => 8,
        }
    }

    /// The pointer or size at `offset` of a structure that is already known to be long enough.
    pub fn field(self, bytes: &[u8], offset: usize) -> u64 {
        match self {
            Width::W32 => u64::from(field_u32(bytes, offset)),
            Width::W64 => field_u64(bytes, offset),
        }
    }

    /// Writes a pointer or size at the beginning of `out`.
    ///
    /// # Errors
    /// `OVERFLOW` when a pointer is not wide enough for it.
    pub fn encode(self, out: &mut [u8], value: u64) -> Result<(), Errno> {
        match self {
            Width::W32 => out[..4].copy_from_slice(&u32::try_from(value).map_err(|_| Errno::Overflow)?.to_le_bytes()),
            Width::W64 => out[..8].copy_from_slice(&value.to_le_bytes()),
        }
        Ok(())
    }
}

/// The memory as the functions see it: with the width of the guest's pointers.
pub(crate) struct Memory<'m> {
    bytes: &'m mut [u8],
    width: Width,
}

impl Memory<'_> {
    pub fn new(bytes: &mut [u8], width: Width) -> Memory<'_> {
        Memory { bytes, width }
    }

    pub fn width(&self) -> Width {
        self.width
    }

    /// Fails now where [`Memory::write_size`] would fail later.
    pub fn check_size(&self, ptr: u64) -> Result<(), Errno> {
        let bytes = self.width.bytes();
        self.array(ptr, 1, bytes, bytes).map(drop)
    }

    /// Writes a pointer or size of the guest's width.
    pub fn write_size(&mut self, ptr: u64, value: u64) -> Result<(), Errno> {
        let (width, bytes) = (self.width, self.width.bytes());
        width.encode(self.array_mut(ptr, 1, bytes, bytes)?, value)
    }
}

impl GuestMemory for Memory<'_> {
    fn bytes(&self) -> &[u8] {
        self.bytes
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes
    }
}

/// Fails now where [`GuestMemory::write_u32`] would fail later: called before an effect that cannot be undone.
pub(crate) fn check_u32(memory: &Memory<'_>, ptr: u64) -> Result<(), Errno> {
    memory.array(ptr, 1, 4, 4).map(drop)
}

/// Fails now where [`GuestMemory::write_u64`] would fail later: called before an effect that cannot be undone.
pub(crate) fn check_u64(memory: &Memory<'_>, ptr: u64) -> Result<(), Errno> {
    memory.array(ptr, 1, 8, 8).map(drop)
}

/// The little-endian u32 at `offset` of a structure that is already known to be long enough.
pub(crate) fn field_u32(bytes: &[u8], offset: usize) -> u32 {
    bytes[offset..].first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}

/// The little-endian u64 at `offset` of a structure that is already known to be long enough.
pub(crate) fn field_u64(bytes: &[u8], offset: usize) -> u64 {
    bytes[offset..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_with_the_memory() {
        let memory = vec![0u8; 64];
        assert_eq!(memory.slice(0, 64).map(<[u8]>::len), Ok(64));
        assert_eq!(memory.slice(64, 0).map(<[u8]>::len), Ok(0));
        assert_eq!(memory.slice(65, 0), Err(Errno::Fault));
        assert_eq!(memory.slice(63, 2), Err(Errno::Fault));
        assert_eq!(memory.slice(u64::MAX, u64::MAX), Err(Errno::Fault));
    }

    #[test]
    fn arrays_do_not_wrap_and_are_aligned() {
        let mut memory = vec![0u8; 64];
        assert_eq!(memory.array(0, u64::MAX / 8 + 2, 8, 4), Err(Errno::Fault));
        assert_eq!(memory.array(2, 1, 8, 4), Err(Errno::Inval));
        assert_eq!(memory.write_u64(4, 1), Err(Errno::Inval));
        assert_eq!(memory.write_u64(60, 1), Err(Errno::Fault));
        assert_eq!(memory.write_u64(56, 1), Ok(()));
    }
}
