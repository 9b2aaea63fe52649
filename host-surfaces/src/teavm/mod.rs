//! The surface of TeaVM's target WebAssembly GC, as far as it is no JavaScript: console, dates, random numbers, timers,
//! and what a module says of its memory.
//!
//! 1. Text goes out unit by unit ([`Program::put`]); it is written at the end of each line, when much came together,
//!    and by [`Program::flush`], which the host calls when the program has ended, however it ended.
//! 2. Dates are numbers of milliseconds since 1970 ([`date`]), in the time zone of [`Program::zone`].
//! 3. What the program wants to be called for later is kept in [`Timers`]; the engine's side calls it.

pub mod date;
mod requirements;
mod timers;

pub use requirements::heap_offset;
pub use timers::{TIMERS_MAX, Timers};

use crate::time_zone::TimeZone;
use crate::units::UnitWriter;
use heapwood_wasi::{ClockId, GrantError, WasiCtx};

/// Random numbers that are made at a time.
const NUMBERS: usize = 32;

/// The state of one program.
#[derive(Debug)]
pub struct Program {
    output: UnitWriter,
    error: UnitWriter,
    /// Random bytes that were not asked for yet.
    random: Vec<u64>,
    zone: Option<TimeZone>,
    default_zone: fn() -> TimeZone,
}

/// Where text goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stream {
    /// `System.out`.
    Output,
    /// `System.err`.
    Error,
}

impl Default for Program {
    fn default() -> Program {
        Program {
            output: UnitWriter::default(),
            error: UnitWriter::default(),
            random: Vec::new(),
            zone: None,
            default_zone: TimeZone::utc,
        }
    }
}

impl Stream {
    fn fd(self) -> u32 {
        match self {
            Stream::Output => 1,
            Stream::Error => 2,
        }
    }
}

impl Program {
    /// Sets the time zone for programs whose environment has no variable `TZ`. `zone` is called when the program first
    /// asks for local time.
    pub fn set_default_zone(&mut self, zone: fn() -> TimeZone) {
        (self.default_zone, self.zone) = (zone, None);
    }

    /// The time zone of local dates: that of the variable `TZ` which the program was given, or else the default one.
    pub fn zone(&mut self, wasi: &WasiCtx) -> &TimeZone {
        self.zone.get_or_insert_with(|| {
            let named =
                wasi.env().find(|(name, _)| *name == b"TZ").and_then(|(_, value)| std::str::from_utf8(value).ok());
            named.and_then(TimeZone::named).unwrap_or_else(self.default_zone)
        })
    }

    fn stream(&mut self, stream: Stream) -> &mut UnitWriter {
        match stream {
            Stream::Output => &mut self.output,
            Stream::Error => &mut self.error,
        }
    }

    /// `putcharStdout`, `putcharStderr`: a UTF-16 unit. Upper bits do not count. Returns whether it is time for
    /// [`Program::write_ready`], or [`Program::write`].
    #[inline]
    pub fn put(&mut self, stream: Stream, unit: i32) -> bool {
        let [low, high, ..] = unit.to_le_bytes();
        self.stream(stream).push(u16::from_le_bytes([low, high]))
    }

    /// Writes what came together, but for half of a pair, as far as the stream takes it at once. Whether something is
    /// left, for [`Program::write`].
    ///
    /// # Errors
    /// The stream refuses.
    pub fn write_ready(&mut self, wasi: &mut WasiCtx, stream: Stream) -> Result<bool, GrantError> {
        self.stream(stream).write_ready(wasi, stream.fd())
    }

    /// Writes what came together, but for half of a pair that may still be completed.
    ///
    /// # Errors
    /// The stream refuses, or the program is interrupted while this waits for it.
    pub fn write(&mut self, wasi: &mut WasiCtx, stream: Stream) -> Result<(), GrantError> {
        self.stream(stream).write_with(|bytes| wasi.write_all(stream.fd(), bytes))
    }

    /// Whether text is kept that [`Program::flush`] would write.
    pub fn keeps_output(&self) -> bool {
        !self.output.is_empty() || !self.error.is_empty()
    }

    /// Writes what is still kept of both streams; the host calls it when the program has ended.
    ///
    /// # Errors
    /// As [`Program::write`].
    pub fn flush(&mut self, wasi: &mut WasiCtx) -> Result<(), GrantError> {
        let (output, error) = (self.output.finish(), self.error.finish());
        wasi.write_all(Stream::Output.fd(), &output)?;
        wasi.write_all(Stream::Error.fd(), &error)
    }

    /// `random`: from 0 on, less than 1.
    ///
    /// # Errors
    /// The source of random bytes has none.
    pub fn random(&mut self, wasi: &mut WasiCtx) -> Result<f64, GrantError> {
        if self.random.is_empty() {
            let mut bytes = [0; NUMBERS * 8];
            wasi.fill_random(&mut bytes)?;
            let numbers = bytes.chunks_exact(8).filter_map(|bytes| bytes.first_chunk());
            self.random.extend(numbers.map(|bytes| u64::from_le_bytes(*bytes)));
        }
        // As many bits as a number between 0 and 1 has at the same distance everywhere.
        let bits = self.random.pop().unwrap_or(0) >> 11;
        Ok(bits as f64 / (1_u64 << 53) as f64)
    }

    /// `currentTimeMillis`: whole milliseconds since 1970.
    ///
    /// # Errors
    /// There is no such clock.
    pub fn now_ms(wasi: &mut WasiCtx) -> Result<f64, GrantError> {
        Ok((wasi.now_ns(ClockId::Realtime)? / 1_000_000) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heapwood_wasi::{DeterministicClocks, MemoryOutput};

    #[test]
    fn both_streams_are_written_line_by_line_and_at_the_end() {
        let (output, error) = (MemoryOutput::new(1000), MemoryOutput::new(1000));
        let mut wasi = WasiCtx::builder().stdout(output.clone()).stderr(error.clone()).build().unwrap();
        let mut program = Program::default();
        for unit in "a\u{1f600}\nb".encode_utf16() {
            if program.put(Stream::Output, i32::from(unit) | 0x7fff_0000) {
                program.write(&mut wasi, Stream::Output).unwrap();
            }
        }
        assert!(!program.put(Stream::Error, 0xd800));
        assert_eq!((output.take(), error.take()), ("a\u{1f600}\n".as_bytes().to_vec(), Vec::new()));
        program.flush(&mut wasi).unwrap();
        assert_eq!((output.take(), error.take()), (b"b".to_vec(), "\u{fffd}".as_bytes().to_vec()));
    }

    #[test]
    fn random_numbers_are_less_than_one_and_differ() {
        let mut wasi = WasiCtx::builder().build().unwrap();
        let mut program = Program::default();
        let numbers: Vec<f64> = (0..1000).map(|_| program.random(&mut wasi).unwrap()).collect();
        assert!(numbers.iter().all(|number| (0.0..1.0).contains(number)));
        let distinct: std::collections::BTreeSet<u64> = numbers.iter().map(|number| number.to_bits()).collect();
        assert!(distinct.len() > 990);
    }

    #[test]
    fn the_zone_is_that_of_the_environment_and_time_is_in_whole_milliseconds() {
        let clocks = DeterministicClocks::new(1_234_567_890, 0);
        let mut wasi = WasiCtx::builder().env("TZ", "CET-1").clocks(clocks).build().unwrap();
        assert_eq!(Program::now_ms(&mut wasi), Ok(1234.0));
        let mut program = Program::default();
        program.set_default_zone(|| panic!("not asked for"));
        assert_eq!(program.zone(&wasi).offset_minutes(0), 60);
        for env in [&[][..], &[("TZ", "No/Such")]] {
            let mut builder = WasiCtx::builder();
            for (name, value) in env {
                builder = builder.env(*name, *value);
            }
            let wasi = builder.build().unwrap();
            let mut program = Program::default();
            assert_eq!(*program.zone(&wasi), TimeZone::utc());
            program.set_default_zone(|| TimeZone::named("AAA-2").unwrap());
            assert_eq!(program.zone(&wasi).offset_minutes(0), 120);
        }
    }
}
