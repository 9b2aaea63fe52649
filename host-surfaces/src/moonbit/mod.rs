//! The surface of MoonBit's target wasm-gc: `spectest.print_char` and `read_char`, and the modules
//! `__moonbit_*_unstable` of its standard runner.
//!
//! 1. Text goes out unit by unit ([`MoonBit::print_char`]); it is written ([`MoonBit::write_output`]) at the end of
//!    each line, when much came together, and by [`MoonBit::flush`], which the host calls when the program has ended,
//!    however it ended.
//! 2. What JavaScript has as values (strings, byte arrays, arrays) are [`Value`]s, which the engine keeps behind
//!    external references. Handles that make or read them unit by unit are [`Value`]s as well.
//! 3. Functions of the file system come in two forms: one fails by a trap, the other returns -1 and keeps a message.

mod files;
mod text;
mod value;

pub use files::{Change, names_of};
pub use value::{Kind, Value};

use crate::units::UnitWriter;
use heapwood_wasi::{GrantError, WasiCtx};
use std::collections::VecDeque;

/// The state of one program.
#[derive(Debug, Default)]
pub struct MoonBit {
    output: UnitWriter,
    /// Bytes of the input that were read and not asked for yet.
    input: VecDeque<u8>,
    /// The program's own environment, once it was changed.
    env: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// What the last function of the new form read, and why it failed.
    content: Vec<u8>,
    names: Vec<Vec<u8>>,
    message: String,
}

/// Why a function cannot return to the program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The program is interrupted.
    Interrupted,
    /// The program ends with this code.
    Exit(u32),
    /// The program traps, for this reason.
    Trap(String),
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Failure::Interrupted => f.write_str("interrupted"),
            Failure::Exit(code) => write!(f, "the guest exited with code {code}"),
            Failure::Trap(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Failure {}

impl From<GrantError> for Failure {
    fn from(error: GrantError) -> Failure {
        match error {
            GrantError::Interrupted => Failure::Interrupted,
            GrantError::Exit(code) => Failure::Exit(code),
            GrantError::Refused(_) => Failure::Trap(error.to_string()),
        }
    }
}

/// What functions return.
pub type Result<T, E = Failure> = std::result::Result<T, E>;

impl MoonBit {
    /// A program that has not begun.
    pub fn new() -> MoonBit {
        MoonBit::default()
    }

    /// `print_char`: a UTF-16 unit of the output. Upper bits do not count. True if [`MoonBit::write_ready`], or
    /// [`MoonBit::write_output`], is to come next.
    #[inline]
    #[must_use]
    pub fn print_char(&mut self, unit: i32) -> bool {
        let [low, high, ..] = unit.to_le_bytes();
        self.output.push(u16::from_le_bytes([low, high]))
    }

    /// Writes what came together, as far as the output takes it at once. Whether something is left, for
    /// [`MoonBit::write_output`].
    ///
    /// # Errors
    /// The output refuses.
    pub fn write_ready(&mut self, wasi: &mut WasiCtx) -> Result<bool> {
        Ok(self.output.write_ready(wasi, 1)?)
    }

    /// Writes what came together.
    ///
    /// # Errors
    /// The output refuses, or the program is interrupted while this waits for it.
    #[cold]
    pub fn write_output(&mut self, wasi: &mut WasiCtx) -> Result<()> {
        Ok(self.output.write_with(|bytes| wasi.write_all(1, bytes))?)
    }

    /// Whether text is kept that [`MoonBit::flush`] would write.
    pub fn keeps_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Writes what is still kept; the host calls it when the program has ended.
    ///
    /// # Errors
    /// As [`MoonBit::write_output`].
    pub fn flush(&mut self, wasi: &mut WasiCtx) -> Result<()> {
        let rest = self.output.finish();
        Ok(wasi.write_all(1, &rest)?)
    }

    /// `write_char`: a scalar value for descriptor 1 or 2; others take nothing.
    ///
    /// # Errors
    /// As [`MoonBit::write_output`].
    pub fn write_char(&mut self, wasi: &mut WasiCtx, fd: i32, scalar: i32) -> Result<()> {
        match fd {
            1 if self.output.push_scalar(scalar.cast_unsigned()) => self.write_output(wasi),
            2 => {
                let scalar = char::from_u32(scalar.cast_unsigned()).unwrap_or(char::REPLACEMENT_CHARACTER);
                Ok(wasi.write_all(2, scalar.encode_utf8(&mut [0; 4]).as_bytes())?)
            }
            _ => Ok(()),
        }
    }

    /// `flush` of a descriptor.
    ///
    /// # Errors
    /// As [`MoonBit::write_output`].
    pub fn flush_fd(&mut self, wasi: &mut WasiCtx, fd: i32) -> Result<()> {
        if fd == 1 { self.write_output(wasi) } else { Ok(()) }
    }

    /// `console.log`: a line of the output.
    ///
    /// # Errors
    /// As [`MoonBit::write_output`].
    pub fn log(&mut self, wasi: &mut WasiCtx, line: &Value) -> Result<()> {
        for unit in line.units("log")?.iter().copied().chain([u16::from(b'\n')]) {
            if self.output.push(unit) {
                self.write_output(wasi)?;
            }
        }
        Ok(())
    }
}
