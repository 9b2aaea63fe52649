//! Calls of preview1, over a memory of the call's own: results lie at its beginning, arguments behind them.

use super::{Fail, Stop};
use heapwood_wasi::{Errno, WasiCtx, lookup};

/// Where arguments begin.
const ARGUMENTS: usize = 64;

/// The longest path that is handed on: longer ones are too long for every host.
const PATH_MAX: usize = 1 << 16;

pub(super) fn call(wasi: &mut WasiCtx, name: &str, memory: &mut [u8], args: &[u64]) -> Result<(), Fail> {
    let function = lookup(name).expect("a function of preview1");
    match (function.call)(wasi, memory, args) {
        Ok(Errno::Success) => Ok(()),
        Ok(errno) => Err(errno.into()),
        Err(end) => Err(Stop::End(end).into()),
    }
}

/// A call that needs no memory.
pub(super) fn plain(wasi: &mut WasiCtx, name: &str, args: &[u64]) -> Result<(), Fail> {
    call(wasi, name, &mut [], args)
}

/// A call whose last argument says where its result is to lie: the first bytes of that.
pub(super) fn result<const N: usize>(wasi: &mut WasiCtx, name: &str, args: &[u64]) -> Result<[u8; N], Fail> {
    let mut memory = [0; ARGUMENTS];
    call(wasi, name, &mut memory, &[args, &[0]].concat())?;
    Ok(*memory.first_chunk().expect("results are shorter"))
}

/// A call whose last argument says where its result is to lie, and whose result is a number of 64 bits.
pub(super) fn number(wasi: &mut WasiCtx, name: &str, args: &[u64]) -> Result<u64, Fail> {
    result(wasi, name, args).map(u64::from_le_bytes)
}

/// A memory with paths: `args` says how they go into the arguments, by pointer and length of each.
pub(super) fn with_paths<const P: usize, const N: usize>(
    wasi: &mut WasiCtx,
    name: &str,
    paths: [&str; P],
    args: impl FnOnce([[u64; 2]; P]) -> Vec<u64>,
) -> Result<[u8; N], Fail> {
    let mut memory = vec![0; ARGUMENTS];
    for path in paths {
        if path.len() > PATH_MAX {
            return Err(Errno::NameTooLong.into());
        }
        memory.extend(path.as_bytes());
    }
    let mut next = ARGUMENTS as u64;
    let places = paths.map(|path| {
        let place = [next, path.len() as u64];
        next += path.len() as u64;
        place
    });
    call(wasi, name, &mut memory, &args(places))?;
    Ok(*memory.first_chunk().expect("results are shorter"))
}

/// Reads at most `len` bytes: at the descriptor's position, or at an offset.
pub(super) fn read(wasi: &mut WasiCtx, fd: u32, len: usize, offset: Option<u64>) -> Result<Vec<u8>, Fail> {
    let mut memory = vec![0; ARGUMENTS + len];
    list(&mut memory, len);
    match offset {
        None => call(wasi, "fd_read", &mut memory, &[fd.into(), 16, 1, 0])?,
        Some(offset) => call(wasi, "fd_pread", &mut memory, &[fd.into(), 16, 1, offset, 0])?,
    }
    let count = moved(&memory).min(len);
    memory.truncate(ARGUMENTS + count);
    memory.drain(..ARGUMENTS);
    Ok(memory)
}

/// Writes bytes: how many were written.
pub(super) fn write(wasi: &mut WasiCtx, fd: u32, bytes: &[u8], offset: Option<u64>) -> Result<usize, Fail> {
    let mut memory = Vec::with_capacity(ARGUMENTS + bytes.len());
    memory.resize(ARGUMENTS, 0);
    memory.extend(bytes);
    list(&mut memory, bytes.len());
    match offset {
        None => call(wasi, "fd_write", &mut memory, &[fd.into(), 16, 1, 0])?,
        Some(offset) => call(wasi, "fd_pwrite", &mut memory, &[fd.into(), 16, 1, offset, 0])?,
    }
    Ok(moved(&memory))
}

/// A list of one buffer, at 16: what follows the arguments' beginning.
fn list(memory: &mut [u8], len: usize) {
    memory[16..20].copy_from_slice(&(ARGUMENTS as u32).to_le_bytes());
    memory[20..24].copy_from_slice(&(len as u32).to_le_bytes());
}

/// The number of bytes at 0.
fn moved(memory: &[u8]) -> usize {
    memory.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize)
}

/// A list of strings: arguments, or the environment.
pub(super) fn strings(wasi: &mut WasiCtx, group: &str) -> Result<Vec<String>, Fail> {
    let mut sizes = [0; 8];
    call(wasi, &format!("{group}_sizes_get"), &mut sizes, &[0, 4])?;
    let word = |at: usize| sizes[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let (count, len) = (word(0), word(4));
    let mut memory = vec![0; 4 * count + len];
    call(wasi, &format!("{group}_get"), &mut memory, &[0, 4 * count as u64])?;
    let texts = memory[4 * count..].split(|byte| *byte == 0).take(count);
    Ok(texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect())
}
