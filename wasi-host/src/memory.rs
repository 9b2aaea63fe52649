//! Checked access to the guest's linear memory.
//!
//! Every pointer of a guest passes through here. A range that leaves the memory gives `FAULT`; a pointer to a
//! structure or number that is not aligned as the witx says gives `INVAL`. Byte buffers have no alignment.

use crate::errno::Errno;

/// A linear memory as bytes, with checked accessors. Implemented for `[u8]` and `Vec<u8>`.
///
/// Pointers and lengths are those of a 32-bit guest; of a memory beyond 4 GiB only the first 4 GiB are reachable.
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
    fn slice(&self, ptr: u32, len: u32) -> Result<&[u8], Errno> {
        let start = ptr as usize;
        start.checked_add(len as usize).and_then(|end| self.bytes().get(start..end)).ok_or(Errno::Fault)
    }

    /// `len` bytes from `ptr` on, for writing.
    ///
    /// # Errors
    /// `FAULT` when the range does not lie in the memory.
    fn slice_mut(&mut self, ptr: u32, len: u32) -> Result<&mut [u8], Errno> {
        let start = ptr as usize;
        start.checked_add(len as usize).and_then(|end| self.bytes_mut().get_mut(start..end)).ok_or(Errno::Fault)
    }

    /// `count` elements of `size` bytes from `ptr` on.
    ///
    /// # Errors
    /// `FAULT` when they do not lie in the memory, `INVAL` when `ptr` is not a multiple of `align`.
    fn array(&self, ptr: u32, count: u32, size: u32, align: u32) -> Result<&[u8], Errno> {
        let len = count.checked_mul(size).ok_or(Errno::Fault)?;
        let bytes = self.slice(ptr, len)?;
        if ptr.is_multiple_of(align) { Ok(bytes) } else { Err(Errno::Inval) }
    }

    /// Like [`array`](GuestMemory::array), for writing.
    ///
    /// # Errors
    /// Those of [`array`](GuestMemory::array).
    fn array_mut(&mut self, ptr: u32, count: u32, size: u32, align: u32) -> Result<&mut [u8], Errno> {
        self.array(ptr, count, size, align)?;
        self.slice_mut(ptr, count * size)
    }

    /// Writes a little-endian u32.
    ///
    /// # Errors
    /// `FAULT` outside of the memory, `INVAL` when not aligned to 4.
    fn write_u32(&mut self, ptr: u32, value: u32) -> Result<(), Errno> {
        self.array_mut(ptr, 1, 4, 4)?.copy_from_slice(&value.to_le_bytes());
        Ok(())
    }

    /// Writes a little-endian u64.
    ///
    /// # Errors
    /// `FAULT` outside of the memory, `INVAL` when not aligned to 8.
    fn write_u64(&mut self, ptr: u32, value: u64) -> Result<(), Errno> {
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

/// Fails now where [`GuestMemory::write_u32`] would fail later: called before an effect that cannot be undone.
pub(crate) fn check_u32(memory: &[u8], ptr: u32) -> Result<(), Errno> {
    memory.array(ptr, 1, 4, 4).map(drop)
}

/// Fails now where [`GuestMemory::write_u64`] would fail later: called before an effect that cannot be undone.
pub(crate) fn check_u64(memory: &[u8], ptr: u32) -> Result<(), Errno> {
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
        assert_eq!(memory.slice(u32::MAX, u32::MAX), Err(Errno::Fault));
    }

    #[test]
    fn arrays_do_not_wrap_and_are_aligned() {
        let mut memory = vec![0u8; 64];
        assert_eq!(memory.array(0, 0x2000_0001, 8, 4), Err(Errno::Fault));
        assert_eq!(memory.array(2, 1, 8, 4), Err(Errno::Inval));
        assert_eq!(memory.write_u64(4, 1), Err(Errno::Inval));
        assert_eq!(memory.write_u64(60, 1), Err(Errno::Fault));
        assert_eq!(memory.write_u64(56, 1), Ok(()));
    }
}
