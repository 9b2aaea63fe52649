//! `poll_oneoff`: waits for clocks and descriptors at once.
//!
//! 1. Read all subscriptions; those that fail or are ready by nature become events at once.
//! 2. Ask the host about the descriptors without waiting.
//! 3. When nothing is ready, wait for the descriptors, the interrupt and the nearest deadline together.
//! 4. Write the events of all that is ready by then.

use crate::clock::ClockId;
use crate::ctx::{Unfinished, WasiCtx};
use crate::errno::Errno;
use crate::fd::{Descriptor, Table};
use crate::memory::{GuestMemory, Memory, field_u32, field_u64};
use crate::outcome::{Failure, Outcome, Served};
use crate::rights::Rights;
use crate::types::flags;
use rustix::event::PollFlags;
use std::collections::HashMap;
use std::os::fd::BorrowedFd;

/// Sizes of witx `$subscription` and `$event` in bytes.
const SUBSCRIPTION: u64 = 48;
const EVENT: u64 = 32;

/// More than any program has descriptors and timers; bounds the host's work and memory.
const MAX_SUBSCRIPTIONS: u64 = 1 << 16;

/// The longest single wait in ns. The time of day may jump, so that it is looked at again.
pub(crate) const MAX_WAIT: u64 = 60 * 1_000_000_000;

flags! {
    /// witx: `$subclockflags`.
    ClockFlags: ABSTIME = 0
}

/// witx: `$eventtype`, and what is waited for.
enum Interest {
    /// A time on a clock, in its ns.
    Clock {
        clock: ClockId,
        deadline: u64,
    },
    Read(u32),
    Write(u32),
}

pub(crate) struct Subscription {
    userdata: u64,
    kind: u8,
    interest: Result<Interest, Errno>,
}

/// What an event says besides its subscription.
#[derive(Clone, Copy, Default)]
struct Ready {
    error: u16,
    bytes: u64,
    hangup: bool,
}

impl Ready {
    fn error(errno: Errno) -> Ready {
        Ready { error: errno.raw(), ..Ready::default() }
    }
}

pub(crate) fn oneoff(
    ctx: &mut WasiCtx,
    memory: &mut Memory<'_>,
    list: u64,
    events: u64,
    count: u64,
    result: u64,
) -> Served {
    memory.check_size(result)?;
    let subscriptions = memory.array(list, count, SUBSCRIPTION, 8)?;
    memory.array(events, count, EVENT, 8)?;
    if count == 0 || count > MAX_SUBSCRIPTIONS {
        return Err(Errno::Inval.into());
    }
    let subscriptions = match std::mem::take(&mut ctx.unfinished) {
        // The call is made again: its times count from when it was made first.
        Unfinished::Waiting(subscriptions) => subscriptions,
        _ => {
            let each = subscriptions.chunks_exact(SUBSCRIPTION as usize);
            each.map(|bytes| subscription(ctx, bytes)).collect::<Result<Vec<_>, _>>()?
        }
    };
    let ready = match wait(ctx, &subscriptions) {
        Err(Failure::End(Outcome::Again)) => {
            ctx.unfinished = Unfinished::Waiting(subscriptions);
            return Err(Outcome::Again.into());
        }
        ready => ready?,
    };
    let mut written = 0;
    for (index, ready) in &ready {
        let event = encode(&subscriptions[*index], ready);
        memory.array_mut(events + written * EVENT, 1, EVENT, 8)?.copy_from_slice(&event);
        written += 1;
    }
    Ok(memory.write_size(result, written)?)
}

fn subscription(ctx: &mut WasiCtx, bytes: &[u8]) -> Result<Subscription, Errno> {
    let kind = bytes[8];
    let fd = field_u32(bytes, 16);
    let interest = match kind {
        0 => clock_interest(ctx, bytes),
        1 => pollable(&ctx.fds, fd, Rights::FD_READ).map(|()| Interest::Read(fd)),
        2 => pollable(&ctx.fds, fd, Rights::FD_WRITE).map(|()| Interest::Write(fd)),
        _ => return Err(Errno::Inval),
    };
    Ok(Subscription { userdata: field_u64(bytes, 0), kind, interest })
}

fn clock_interest(ctx: &mut WasiCtx, bytes: &[u8]) -> Result<Interest, Errno> {
    let clock = ClockId::from_guest(field_u32(bytes, 16))?;
    if matches!(clock, ClockId::ProcessCpu | ClockId::ThreadCpu) {
        // Waiting uses no CPU time: such a deadline would never come.
        return Err(Errno::NotSup);
    }
    let timeout = field_u64(bytes, 24);
    let absolute = ClockFlags::from_guest(field_u32(bytes, 40) & 0xffff)?.has(ClockFlags::ABSTIME);
    let deadline = if absolute { timeout } else { ctx.clocks.now(clock)?.saturating_add(timeout) };
    Ok(Interest::Clock { clock, deadline })
}

fn pollable(fds: &Table, fd: u32, right: Rights) -> Result<(), Errno> {
    fds.get(fd)?.require(right | Rights::POLL_FD_READWRITE)
}

/// The events, by index of the subscription, in order; at least one.
fn wait(ctx: &mut WasiCtx, subscriptions: &[Subscription]) -> Result<Vec<(usize, Ready)>, Failure> {
    let mut timeout = Some(0);
    loop {
        let mut ready = immediate(ctx, subscriptions);
        if !ready.is_empty() {
            timeout = Some(0);
        }
        ready.extend(descriptors(ctx, subscriptions, timeout)?);
        let rest = expired(ctx, subscriptions, &mut ready)?;
        if !ready.is_empty() {
            ready.sort_by_key(|(index, _)| *index);
            return Ok(ready);
        }
        timeout = match rest {
            // A virtual clock has moved on by now; look again.
            Some(rest) if ctx.clocks.advance(rest) => Some(0),
            Some(rest) => Some(rest.min(MAX_WAIT)),
            None => None,
        };
    }
}

/// Subscriptions that need no wait: mistakes, and descriptors that never block.
fn immediate(ctx: &WasiCtx, subscriptions: &[Subscription]) -> Vec<(usize, Ready)> {
    let mut ready = Vec::new();
    for (index, subscription) in subscriptions.iter().enumerate() {
        match subscription.interest {
            Err(errno) => ready.push((index, Ready::error(errno))),
            Ok(Interest::Read(fd) | Interest::Write(fd)) => {
                if ctx.fds.get(fd).is_ok_and(|d| d.waitable().is_none()) {
                    ready.push((index, Ready::default()));
                }
            }
            Ok(Interest::Clock { .. }) => {}
        }
    }
    ready
}

/// One host descriptor to wait on, for all subscriptions to one guest descriptor.
struct Waited<'c> {
    descriptor: &'c Descriptor,
    host: BorrowedFd<'c>,
    events: PollFlags,
}

/// Waits for the host's descriptors up to `timeout`; the events that they have.
fn descriptors(
    ctx: &WasiCtx,
    subscriptions: &[Subscription],
    timeout: Option<u64>,
) -> Result<Vec<(usize, Ready)>, Failure> {
    let mut waited: Vec<Waited<'_>> = Vec::new();
    let mut by_fd = HashMap::new();
    // Index into `waited` and the events that matter, per subscription.
    let mut places = Vec::new();
    for (index, subscription) in subscriptions.iter().enumerate() {
        let (fd, events) = match subscription.interest {
            Ok(Interest::Read(fd)) => (fd, PollFlags::IN),
            Ok(Interest::Write(fd)) => (fd, PollFlags::OUT),
            _ => continue,
        };
        let descriptor = ctx.fds.get(fd)?;
        let Some(host) = descriptor.waitable() else { continue };
        // One entry per descriptor: the kernel bounds the list by the number of files that may be open.
        let place = *by_fd.entry(fd).or_insert(waited.len());
        match waited.get_mut(place) {
            Some(entry) => entry.events |= events,
            None => waited.push(Waited { descriptor, host, events }),
        }
        places.push((index, place, events));
    }
    let set: Vec<_> = waited.iter().map(|w| (w.host, w.events)).collect();
    let found = ctx.interrupt.wait(&set, timeout)?;
    let always = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    Ok(places
        .into_iter()
        .filter(|(_, place, events)| found[*place].intersects(*events | always))
        .map(|(index, place, events)| (index, describe(&waited[place], events, found[place])))
        .collect())
}

fn describe(waited: &Waited<'_>, events: PollFlags, found: PollFlags) -> Ready {
    if found.contains(PollFlags::NVAL) {
        return Ready::error(Errno::BadF);
    }
    let bytes = if events == PollFlags::IN { available(waited) } else { 0 };
    Ready { error: 0, bytes, hangup: found.intersects(PollFlags::HUP | PollFlags::ERR) }
}

/// How many bytes can be read without waiting, as far as the host tells.
fn available(waited: &Waited<'_>) -> u64 {
    if waited.descriptor.is_seekable() {
        let size = waited.descriptor.stat().map_or(0, |stat| stat.size);
        return size.saturating_sub(rustix::fs::tell(waited.host).unwrap_or(size));
    }
    rustix::io::ioctl_fionread(waited.host).unwrap_or(0)
}

/// Adds the clocks whose time has come, and returns the ns until the nearest other one.
fn expired(
    ctx: &mut WasiCtx,
    subscriptions: &[Subscription],
    ready: &mut Vec<(usize, Ready)>,
) -> Result<Option<u64>, Errno> {
    let mut rest: Option<u64> = None;
    for (index, subscription) in subscriptions.iter().enumerate() {
        let Ok(Interest::Clock { clock, deadline }) = subscription.interest else { continue };
        match deadline.saturating_sub(ctx.clocks.now(clock)?) {
            0 => ready.push((index, Ready::default())),
            ns => rest = Some(rest.map_or(ns, |r| r.min(ns))),
        }
    }
    Ok(rest)
}

fn encode(subscription: &Subscription, ready: &Ready) -> [u8; EVENT as usize] {
    let mut out = [0; EVENT as usize];
    out[0..8].copy_from_slice(&subscription.userdata.to_le_bytes());
    out[8..10].copy_from_slice(&ready.error.to_le_bytes());
    out[10] = subscription.kind;
    out[16..24].copy_from_slice(&ready.bytes.to_le_bytes());
    // witx `$eventrwflags`: FD_READWRITE_HANGUP.
    out[24] = u8::from(ready.hangup);
    out
}
