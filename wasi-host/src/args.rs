//! `args_get`, `args_sizes_get`, `environ_get`, `environ_sizes_get`.

use crate::ctx::WasiCtx;
use crate::memory::{GuestMemory, Memory};
use crate::outcome::Served;

pub(crate) fn args_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, pointers: u64, buffer: u64) -> Served {
    write_strings(&ctx.args, memory, pointers, buffer)
}

pub(crate) fn args_sizes_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, count: u64, size: u64) -> Served {
    write_sizes(&ctx.args, memory, count, size)
}

pub(crate) fn environ_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, pointers: u64, buffer: u64) -> Served {
    write_strings(&ctx.env, memory, pointers, buffer)
}

pub(crate) fn environ_sizes_get(ctx: &mut WasiCtx, memory: &mut Memory<'_>, count: u64, size: u64) -> Served {
    write_sizes(&ctx.env, memory, count, size)
}

/// Number of strings, and bytes that all of them take with their final zeros.
fn sizes(strings: &[Vec<u8>]) -> (u64, u64) {
    (strings.len() as u64, strings.iter().map(|s| s.len() as u64 + 1).sum())
}

fn write_sizes(strings: &[Vec<u8>], memory: &mut Memory<'_>, count: u64, size: u64) -> Served {
    memory.check_size(count)?;
    memory.check_size(size)?;
    let (number, bytes) = sizes(strings);
    memory.write_size(count, number)?;
    Ok(memory.write_size(size, bytes)?)
}

fn write_strings(strings: &[Vec<u8>], memory: &mut Memory<'_>, pointers: u64, buffer: u64) -> Served {
    let (count, bytes) = sizes(strings);
    let step = memory.width().bytes();
    memory.array(pointers, count, step, step)?;
    memory.slice(buffer, bytes)?;
    let (mut pointer, mut at) = (pointers, buffer);
    for string in strings {
        // The sums stay below the ends checked above.
        let len = string.len() as u64;
        memory.write_size(pointer, at)?;
        memory.slice_mut(at, len)?.copy_from_slice(string);
        memory.slice_mut(at + len, 1)?[0] = 0;
        pointer += step;
        at += len + 1;
    }
    Ok(())
}
