//! `__moonbit_fs_unstable`: files by path. The older form traps when something fails; the newer one returns -1, and
//! what was read, or the message, is fetched afterwards.

use super::text::string;
use super::{Failure, MoonBit, Result, Value};
use heapwood_wasi::{GrantError, PathKind, WasiCtx};

/// Most bytes of a file that is read: as long as an array of bytes may be.
const FILE_BYTES_MAX: usize = i32::MAX as usize;

/// A function of the file system, named as the program imports it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// `create_dir`.
    CreateDir,
    /// `remove_dir`.
    RemoveDir,
    /// `remove_file`.
    RemoveFile,
}

/// What the path of a failed function was and why it failed.
fn failed(function: &str, path: &[u8], error: GrantError) -> Failure {
    match error {
        GrantError::Interrupted => Failure::Interrupted,
        GrantError::Exit(code) => Failure::Exit(code),
        GrantError::Refused(_) => {
            Failure::Trap(format!("{function}: {}: {error}", String::from_utf8_lossy(path).escape_debug()))
        }
    }
}

impl MoonBit {
    /// `read_file_to_string`, `read_file_to_bytes_new`: the bytes of a file.
    ///
    /// # Errors
    /// `path` is no string; the file cannot be read.
    pub fn read_file(wasi: &mut WasiCtx, path: &Value) -> Result<Vec<u8>> {
        let path = path.to_bytes("read_file")?;
        wasi.read_file(&path, FILE_BYTES_MAX).map_err(|error| failed("read_file", &path, error))
    }

    /// `write_string_to_file`, `write_bytes_to_file`: makes a file of a string or of bytes.
    ///
    /// # Errors
    /// The arguments are of other kinds; the file cannot be written.
    pub fn write_file(wasi: &mut WasiCtx, path: &Value, content: &Value) -> Result<()> {
        let path = path.to_bytes("write_to_file")?;
        let written = match content.units("write_to_file") {
            Ok(units) => wasi.write_file(&path, String::from_utf16_lossy(units).as_bytes()),
            Err(_) => wasi.write_file(&path, content.as_bytes("write_to_file")?),
        };
        written.map_err(|error| failed("write_to_file", &path, error))
    }

    /// `read_dir`: the names in a directory.
    ///
    /// # Errors
    /// `path` is no string; the directory cannot be read.
    pub fn read_dir(wasi: &mut WasiCtx, path: &Value) -> Result<Vec<Vec<u8>>> {
        let path = path.to_bytes("read_dir")?;
        wasi.read_dir(&path).map_err(|error| failed("read_dir", &path, error))
    }

    /// `create_dir`, `remove_dir`, `remove_file`.
    ///
    /// # Errors
    /// `path` is no string; the change is refused.
    pub fn change(wasi: &mut WasiCtx, change: Change, path: &Value) -> Result<()> {
        let (name, path) = (format!("{change:?}"), path.to_bytes("the file system")?);
        let changed = match change {
            Change::CreateDir => wasi.create_dir(&path),
            Change::RemoveDir => wasi.remove_dir(&path),
            Change::RemoveFile => wasi.remove_file(&path),
        };
        changed.map_err(|error| failed(&name, &path, error))
    }

    /// `is_file`, `is_dir`, `path_exists` with `None`: whether a path leads to that, or to anything.
    ///
    /// # Errors
    /// `path` is no string; the program is interrupted.
    pub fn leads_to(wasi: &mut WasiCtx, path: &Value, wanted: Option<PathKind>) -> Result<bool> {
        let path = path.to_bytes("path_exists")?;
        match wasi.kind_of(&path) {
            Ok(kind) => Ok(wanted.is_none_or(|wanted| wanted == kind)),
            Err(GrantError::Interrupted) => Err(Failure::Interrupted),
            Err(GrantError::Exit(code)) => Err(Failure::Exit(code)),
            Err(GrantError::Refused(_)) => Ok(false),
        }
    }

    /// Turns a result of the older form into one of the newer: 0, or -1 with a message that is kept.
    ///
    /// # Errors
    /// The program is interrupted.
    pub fn told<T>(&mut self, result: Result<T>, keep: impl FnOnce(&mut MoonBit, T)) -> Result<i32> {
        match result {
            Ok(value) => {
                keep(self, value);
                Ok(0)
            }
            Err(Failure::Trap(message)) => {
                self.message = message;
                Ok(-1)
            }
            Err(ended) => Err(ended),
        }
    }

    /// Keeps what a function of the newer form read.
    pub fn keep_content(&mut self, bytes: Vec<u8>) {
        self.content = bytes;
    }

    /// Keeps the names that a function of the newer form read.
    pub fn keep_names(&mut self, names: Vec<Vec<u8>>) {
        self.names = names;
    }

    /// `get_file_content`.
    pub fn content(&self) -> Value {
        Value::bytes(self.content.clone())
    }

    /// `get_dir_files`.
    pub fn names(&self) -> Value {
        names_of(&self.names)
    }

    /// `get_error_message`.
    pub fn message(&self) -> Value {
        Value::string(&self.message)
    }
}

/// Names as an array of strings.
pub fn names_of(names: &[Vec<u8>]) -> Value {
    Value::array(names.iter().map(|name| string(name)).collect())
}
