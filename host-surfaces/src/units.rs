//! Text that comes in UTF-16 units, one at a time, and goes out as UTF-8.

use heapwood_wasi::{GrantError, WasiCtx};

/// Bytes that are kept at most before they are written.
const BUFFER_BYTES: usize = 16 << 10;

/// Joins surrogates. A half without its other half is U+FFFD.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitWriter {
    high: Option<u16>,
    buffer: Vec<u8>,
}

impl UnitWriter {
    /// Takes a unit. Returns whether it is time to write what [`UnitWriter::write_with`] gives: a line ended, or much came
    /// together.
    #[inline]
    pub fn push(&mut self, unit: u16) -> bool {
        if self.high.is_none() && unit < 0x80 {
            self.buffer.push(unit.to_le_bytes()[0]);
            return unit == u16::from(b'\n') || self.buffer.len() >= BUFFER_BYTES;
        }
        self.push_wide(unit)
    }

    #[cold]
    fn push_wide(&mut self, unit: u16) -> bool {
        match (self.high.take(), unit) {
            (Some(high), 0xdc00..=0xdfff) => {
                let scalar = 0x1_0000 + ((u32::from(high) - 0xd800) << 10) + (u32::from(unit) - 0xdc00);
                self.push_char(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
            }
            (alone, unit) => {
                if alone.is_some() {
                    self.push_char(char::REPLACEMENT_CHARACTER);
                }
                match unit {
                    0xd800..=0xdbff => self.high = Some(unit),
                    unit => self.push_char(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
                }
            }
        }
        unit == u16::from(b'\n') || self.buffer.len() >= BUFFER_BYTES
    }

    /// Takes a scalar value; one that is none is U+FFFD. Returns as [`UnitWriter::push`].
    pub fn push_scalar(&mut self, scalar: u32) -> bool {
        if self.high.take().is_some() {
            self.push_char(char::REPLACEMENT_CHARACTER);
        }
        self.push_char(char::from_u32(scalar).unwrap_or(char::REPLACEMENT_CHARACTER));
        scalar == u32::from(b'\n') || self.buffer.len() >= BUFFER_BYTES
    }

    fn push_char(&mut self, scalar: char) {
        self.buffer.extend_from_slice(scalar.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Writes what came so far, but for half of a pair, as far as the stream takes it at once. Whether something is
    /// left: that is for [`UnitWriter::write_with`].
    ///
    /// # Errors
    /// The stream refuses; what came so far is gone.
    pub fn write_ready(&mut self, wasi: &mut WasiCtx, fd: u32) -> Result<bool, GrantError> {
        match wasi.write_at_once(fd, &self.buffer) {
            Ok(count) => {
                self.buffer.drain(..count);
                Ok(!self.buffer.is_empty())
            }
            Err(error) => {
                self.buffer.clear();
                Err(error)
            }
        }
    }

    /// Gives what came so far to `write`, but for half of a pair that may still be completed. It is gone then, whatever
    /// `write` says of it; its room is kept.
    pub fn write_with<R>(&mut self, write: impl FnOnce(&[u8]) -> R) -> R {
        let written = write(&self.buffer);
        self.buffer.clear();
        written
    }

    /// Whether [`UnitWriter::finish`] would give nothing.
    pub fn is_empty(&self) -> bool {
        self.high.is_none() && self.buffer.is_empty()
    }

    /// What came so far: nothing more will come.
    pub fn finish(&mut self) -> Vec<u8> {
        if self.high.take().is_some() {
            self.push_char(char::REPLACEMENT_CHARACTER);
        }
        std::mem::take(&mut self.buffer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(units: &[u16]) -> String {
        let mut writer = UnitWriter::default();
        let mut bytes = Vec::new();
        for unit in units {
            if writer.push(*unit) {
                writer.write_with(|line| bytes.extend_from_slice(line));
            }
        }
        assert_eq!(writer.is_empty(), writer.clone().finish().is_empty());
        bytes.extend(writer.finish());
        assert!(writer.is_empty());
        String::from_utf8(bytes).unwrap()
    }

    /// Every sequence of up to four units of each kind, as the standard library decodes it.
    #[test]
    fn surrogates_are_joined_and_halves_are_replaced() {
        let kinds = [0x41, 0x0a, 0xe9, 0x20ac, 0xd83d, 0xdbff, 0xde00, 0xdfff, 0xffff];
        let mut sequences: Vec<Vec<u16>> = vec![Vec::new()];
        let mut count = 0;
        for _ in 0..4 {
            let longer = |sequence: &Vec<u16>| kinds.map(|unit| [&sequence[..], &[unit]].concat());
            sequences = sequences.iter().flat_map(longer).collect();
            for sequence in &sequences {
                assert_eq!(written(sequence), String::from_utf16_lossy(sequence), "{sequence:x?}");
                count += 1;
            }
        }
        assert_eq!(count, 9 + 81 + 729 + 6561);
    }

    #[test]
    fn lines_and_full_buffers_are_to_be_written() {
        let mut writer = UnitWriter::default();
        assert!(!writer.push(0x41) && writer.push(0x0a));
        writer.write_with(|bytes| assert_eq!(bytes, b"A\n"));
        let pushed = (1..).find(|_| writer.push(0x41)).unwrap();
        assert_eq!((pushed, writer.write_with(<[u8]>::len)), (BUFFER_BYTES, BUFFER_BYTES));
        assert!(!writer.push(0xd83d));
        writer.write_with(|bytes| assert!(bytes.is_empty(), "half of a pair waits"));
        assert!(!writer.push_scalar(0x41));
        assert_eq!(writer.finish(), "\u{fffd}A".as_bytes());
        assert!(!writer.push_scalar(0xd800) && writer.push_scalar(0x0a));
        assert_eq!(writer.finish(), "\u{fffd}\n".as_bytes());
    }
}
