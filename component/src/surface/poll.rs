//! `wasi:io/poll`: waiting for clocks and streams, by `poll_oneoff`.

use super::clocks::MONOTONIC;
use super::resources::Wait;
use super::{Fail, Stop, World, preview1};
use crate::abi::{Trap, Value};

type Served = Result<Option<Value>, Stop>;

/// Sizes of a subscription and an event of preview1.
const SUBSCRIPTION: usize = 48;
const EVENT: usize = 32;

/// As many subscriptions as `poll_oneoff` takes, less one.
const POLLABLES_MAX: usize = (1 << 16) - 1;

pub(super) fn ready(world: &mut World<'_>, args: &[Value]) -> Served {
    let wait = world.resources.pollable(args[0].int())?;
    let is_ready = is_ready(world, wait)?;
    Ok(Some(Value::Int(is_ready.into())))
}

pub(super) fn block(world: &mut World<'_>, args: &[Value]) -> Served {
    let wait = world.resources.pollable(args[0].int())?;
    wait_for(world, &[wait])?;
    Ok(None)
}

pub(super) fn poll(world: &mut World<'_>, args: &[Value]) -> Served {
    let Value::List(handles) = &args[0] else { unreachable!("the type says so") };
    if handles.is_empty() || handles.len() > POLLABLES_MAX {
        let count = handles.len();
        return Err(Trap(format!("`poll` with {count} pollables; it takes 1 to {POLLABLES_MAX}")).into());
    }
    let waits = handles.iter().map(|handle| world.resources.pollable(handle.int())).collect::<Result<Vec<_>, _>>()?;
    let ready = wait_for(world, &waits)?;
    Ok(Some(Value::List(ready.into_iter().map(|index| Value::Int(index as u64)).collect())))
}

/// Whether a wait would be over at once.
pub(super) fn is_ready(world: &mut World<'_>, wait: Wait) -> Result<bool, Stop> {
    // Together with a time that is past, which makes the call return at once.
    Ok(wait_for(world, &[wait, Wait::Until(0)])?.contains(&0))
}

/// Waits until something is ready: the places of all that is, in order.
pub(super) fn wait_for(world: &mut World<'_>, waits: &[Wait]) -> Result<Vec<usize>, Stop> {
    let events = waits.len() * SUBSCRIPTION;
    let count = events + waits.len() * EVENT;
    let mut memory = vec![0; count + 8];
    for (index, (wait, out)) in waits.iter().zip(memory.chunks_exact_mut(SUBSCRIPTION)).enumerate() {
        out[..8].copy_from_slice(&(index as u64).to_le_bytes());
        match wait {
            Wait::Until(time) => {
                out[16..20].copy_from_slice(&(MONOTONIC as u32).to_le_bytes());
                out[24..32].copy_from_slice(&time.to_le_bytes());
                // The time is one, not a span.
                out[40] = 1;
            }
            Wait::Read(fd) | Wait::Write(fd) => {
                out[8] = if matches!(wait, Wait::Read(_)) { 1 } else { 2 };
                out[16..20].copy_from_slice(&fd.to_le_bytes());
            }
        }
    }
    let args = [0, events as u64, waits.len() as u64, count as u64];
    preview1::call(world.wasi, "poll_oneoff", &mut memory, &args).map_err(Fail::stop)?;
    let found = memory[count..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    let userdata = |event: &[u8]| event.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes) as usize);
    Ok(memory[events..count].chunks_exact(EVENT).take(found).map(userdata).collect())
}
