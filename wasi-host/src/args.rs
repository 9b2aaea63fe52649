//! `args_get`, `args_sizes_get`, `environ_get`, `environ_sizes_get`.

use crate::ctx::WasiCtx;
use crate::errno::Errno;
use crate::memory::{GuestMemory, check_u32};
use crate::outcome::Served;

pub(crate) fn args_get(ctx: &mut WasiCtx, memory: &mut [u8], pointers: u32, buffer: u32) -> Served {
    write_strings(&ctx.args, memory, pointers, buffer)
}

pub(crate) fn args_sizes_get(ctx: &mut WasiCtx, memory: &mut [u8], count: u32, size: u32) -> Served {
    write_sizes(&ctx.args, memory, count, size)
}

pub(crate) fn environ_get(ctx: &mut WasiCtx, memory: &mut [u8], pointers: u32, buffer: u32) -> Served {
    write_strings(&ctx.env, memory, pointers, buffer)
}

pub(crate) fn environ_sizes_get(ctx: &mut WasiCtx, memory: &mut [u8], count: u32, size: u32) -> Served {
    write_sizes(&ctx.env, memory, count, size)
}

/// Number of strings, and bytes that all of them take with their final zeros.
fn sizes(strings: &[Vec<u8>]) -> Result<(u32, u32), Errno> {
    let bytes: usize = strings.iter().map(|s| s.len() + 1).sum();
    let count = u32::try_from(strings.len()).map_err(|_| Errno::Overflow)?;
    Ok((count, u32::try_from(bytes).map_err(|_| Errno::Overflow)?))
}

fn write_sizes(strings: &[Vec<u8>], memory: &mut [u8], count: u32, size: u32) -> Served {
    check_u32(memory, count)?;
    check_u32(memory, size)?;
    let (number, bytes) = sizes(strings)?;
    memory.write_u32(count, number)?;
    Ok(memory.write_u32(size, bytes)?)
}

fn write_strings(strings: &[Vec<u8>], memory: &mut [u8], pointers: u32, buffer: u32) -> Served {
    let (count, bytes) = sizes(strings)?;
    memory.array(pointers, count, 4, 4)?;
    memory.slice(buffer, bytes)?;
    let (mut pointer, mut at) = (pointers, buffer);
    for string in strings {
        // The sums stay below the ends checked above.
        let len = string.len() as u32;
        memory.write_u32(pointer, at)?;
        memory.slice_mut(at, len)?.copy_from_slice(string);
        memory.slice_mut(at + len, 1)?[0] = 0;
        pointer = pointer.wrapping_add(4);
        at += len + 1;
    }
    Ok(())
}
