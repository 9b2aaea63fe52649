//! Streams in memory.

use super::{InputStream, OutputStream};
use parking_lot::Mutex;
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::sync::Arc;

/// An input with fixed contents.
#[derive(Clone, Debug, Default)]
pub struct MemoryInput(io::Cursor<Vec<u8>>);

impl MemoryInput {
    /// The guest reads these bytes, then the end.
    pub fn new(contents: impl Into<Vec<u8>>) -> MemoryInput {
        MemoryInput(io::Cursor::new(contents.into()))
    }
}

impl InputStream for MemoryInput {
    fn read(&mut self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.0.read_vectored(buffers)
    }
}

/// An output that the embedder reads. Clones share the contents: one goes to the context, one stays.
///
/// ```
/// use heapwood_wasi::{MemoryOutput, WasiCtxBuilder};
/// let output = MemoryOutput::new(1 << 20);
/// let ctx = WasiCtxBuilder::new().stdout(output.clone()).build().unwrap();
/// // ... run a guest ...
/// assert!(output.contents().is_empty());
/// # drop(ctx);
/// ```
#[derive(Clone, Debug)]
pub struct MemoryOutput {
    contents: Arc<Mutex<Vec<u8>>>,
    limit: usize,
}

impl MemoryOutput {
    /// Holds at most `limit` bytes; what does not fit gives the guest a short write and then `NOSPC`.
    pub fn new(limit: usize) -> MemoryOutput {
        MemoryOutput { contents: Arc::default(), limit }
    }

    /// A copy of all that was written so far and not [taken](MemoryOutput::take).
    pub fn contents(&self) -> Vec<u8> {
        self.contents.lock().clone()
    }

    /// Removes and returns all that was written so far; the limit counts from zero again.
    pub fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.contents.lock())
    }
}

impl OutputStream for MemoryOutput {
    fn write(&mut self, buffers: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut contents = self.contents.lock();
        let before = contents.len();
        for buffer in buffers {
            let room = self.limit.saturating_sub(contents.len());
            contents.extend_from_slice(&buffer[..buffer.len().min(room)]);
        }
        match contents.len() - before {
            0 => Err(io::ErrorKind::StorageFull.into()),
            written => Ok(written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_stops_at_its_limit() {
        let mut output = MemoryOutput::new(5);
        let reader = output.clone();
        assert_eq!(output.write(&[IoSlice::new(b"abc"), IoSlice::new(b"def")]).unwrap(), 5);
        assert_eq!(output.write(&[IoSlice::new(b"g")]).unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(reader.take(), b"abcde");
        assert_eq!(output.write(&[IoSlice::new(b"g")]).unwrap(), 1);
        assert_eq!(reader.contents(), b"g");
    }

    #[test]
    fn input_ends() {
        let mut input = MemoryInput::new("xyz");
        let (mut a, mut b) = ([0; 2], [0; 2]);
        let read = input.read(&mut [IoSliceMut::new(&mut a), IoSliceMut::new(&mut b)]).unwrap();
        assert_eq!((read, a, b), (3, *b"xy", *b"z\0"));
        assert_eq!(input.read(&mut [IoSliceMut::new(&mut a)]).unwrap(), 0);
    }
}
