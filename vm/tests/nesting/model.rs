//! What a program does, without a machine.

use super::program::{Catch, Guest, GuestEnd, GuestStep, Handle, Host, HostEnd, HostStep, Node, Program};
use heapwood_vm::TrapKind;
use std::collections::BTreeMap;

/// Why a function did not return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Thrown(i64),
    OtherThrown,
    Trap(TrapKind),
    Error,
    Panic,
}

impl End {
    /// What a host function makes of it that goes on.
    pub fn code(self) -> i64 {
        match self {
            End::Thrown(payload) => payload,
            End::OtherThrown => 2,
            End::Trap(kind) => 3 + kind as i64,
            End::Error => 1000,
            End::Panic => unreachable!("panics are not caught"),
        }
    }

    fn is_exception(self) -> bool {
        matches!(self, End::Thrown(_) | End::OtherThrown)
    }
}

/// What a host function's own trap is.
pub const HOST_TRAP: TrapKind = TrapKind::IntegerOverflow;

pub const fn x_of(seed: i64, id: usize) -> i64 {
    seed ^ (0x9e37 * (id as i64 + 1))
}

pub const fn y_of(seed: i64, id: usize) -> i64 {
    seed.wrapping_mul(0x100_0193).wrapping_add(id as i64)
}

/// What a catch makes of the payload, or answers.
pub const fn catch_key(catch: Catch) -> i64 {
    0x1111 * (catch as i64 + 1)
}

/// What the guest of the other store answers.
pub const fn other_store(n: i64) -> i64 {
    (n ^ 0x5a5a).wrapping_add(17)
}

/// The state, and how often what happened.
pub struct Model<'a> {
    program: &'a Program,
    pub log: i64,
    pub memory: BTreeMap<usize, i64>,
    interrupted: bool,
    pub counts: BTreeMap<&'static str, u64>,
    /// The exception on its way has gone through a host function.
    through_host: bool,
}

impl<'a> Model<'a> {
    pub fn new(program: &'a Program) -> Model<'a> {
        let (memory, counts) = (BTreeMap::new(), BTreeMap::new());
        Model { program, log: 0, memory, interrupted: false, counts, through_host: false }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    /// A guest function is entered: where an interrupt is noticed.
    fn prologue(&mut self) -> Result<(), End> {
        if std::mem::take(&mut self.interrupted) {
            self.count("interrupts");
            return Err(End::Trap(TrapKind::Interrupted));
        }
        Ok(())
    }

    pub fn call(&mut self, id: usize, seed: i64) -> Result<i64, End> {
        match &self.program.nodes[id] {
            Node::Guest(guest) if guest.depth > 0 => self.deep(guest, id, guest.depth, seed),
            Node::Guest(guest) => self.guest(guest, id, seed),
            Node::Host(host) => self.host(host, id, seed),
        }
    }

    fn deep(&mut self, guest: &Guest, id: usize, n: i32, seed: i64) -> Result<i64, End> {
        self.prologue()?;
        if n == 0 {
            return self.guest(guest, id, seed);
        }
        let (a, b) = (seed.wrapping_add(n.into()), seed.wrapping_mul(n.into()) ^ id as i64);
        let result = self.deep(guest, id, n - 1, seed)?;
        Ok((result ^ a).wrapping_add(b).wrapping_add(a ^ b).wrapping_add(a.wrapping_mul(b)))
    }

    fn guest(&mut self, guest: &Guest, id: usize, seed: i64) -> Result<i64, End> {
        self.prologue()?;
        let (mut x, mut y, z_first) = (x_of(seed, id), y_of(seed, id), seed.rotate_left(17));
        let (mut z, mut acc, object) = (z_first, seed, x.wrapping_add(y));
        if guest.memory {
            self.memory.insert(id, x);
        }
        for (k, step) in guest.steps.iter().enumerate() {
            x = x.wrapping_add(7 * k as i64 + 3);
            y ^= x;
            z = z.rotate_left(5).wrapping_add(y);
            let v = match *step {
                GuestStep::Allocate => x.wrapping_mul(3),
                GuestStep::Call { child, catch } => {
                    let called = self.call(child, x.wrapping_add(child as i64));
                    called.or_else(|end| self.catch(catch, end))?
                }
            };
            acc = acc.wrapping_mul(31).wrapping_add(v);
            acc ^= x.wrapping_add(y.rotate_left(7)) ^ z;
            acc = acc.wrapping_add(object);
            if guest.memory {
                acc = acc.wrapping_add(self.memory[&id].wrapping_mul(3));
                self.memory.insert(id, x);
            }
            if guest.params > 1 {
                acc = acc.wrapping_add(seed.wrapping_add(7)).wrapping_add(seed.wrapping_add(11).wrapping_mul(5));
            }
            if guest.floats {
                acc = (acc ^ z_first ^ id as i64).wrapping_add(z_first ^ 0x55);
            }
            self.log = self.log.wrapping_mul(131).wrapping_add(acc);
        }
        match guest.end {
            GuestEnd::Return => return Ok(acc),
            GuestEnd::Throw | GuestEnd::ThrowOther => self.through_host = false,
            _ => self.count("traps"),
        }
        Err(match guest.end {
            GuestEnd::Return => unreachable!("returned"),
            GuestEnd::Throw => End::Thrown(acc ^ 0x77),
            GuestEnd::ThrowOther => End::OtherThrown,
            GuestEnd::Unreachable => End::Trap(TrapKind::Unreachable),
            GuestEnd::Divide => End::Trap(TrapKind::IntegerDivideByZero),
            GuestEnd::OutOfBounds => End::Trap(TrapKind::MemoryOutOfBounds),
            GuestEnd::Null => End::Trap(TrapKind::NullStruct),
        })
    }

    fn catch(&mut self, catch: Catch, end: End) -> Result<i64, End> {
        let key = catch_key(catch);
        let caught = match (catch, end) {
            (Catch::One | Catch::OneRef | Catch::LegacyOne | Catch::LegacyDelegate, End::Thrown(payload)) => {
                Ok(payload ^ key)
            }
            (Catch::Other, End::OtherThrown) => Ok(key),
            (Catch::All | Catch::LegacyAll, end) if end.is_exception() => Ok(key),
            (Catch::AllRefRethrow, end) if end.is_exception() => {
                self.log ^= key;
                Err(end)
            }
            (Catch::LegacyRethrow, End::Thrown(payload)) => {
                self.log ^= payload;
                Err(end)
            }
            _ => return Err(end),
        };
        let rethrown = caught.is_err();
        self.count(match (self.through_host, rethrown) {
            (true, false) => "exceptions caught behind a host function",
            (true, true) => "exceptions rethrown behind a host function",
            (false, false) => "exceptions caught",
            (false, true) => "exceptions rethrown",
        });
        caught
    }

    fn host(&mut self, host: &Host, id: usize, seed: i64) -> Result<i64, End> {
        let mut acc = seed ^ id as i64;
        for step in &host.steps {
            match *step {
                HostStep::Collect => {
                    self.count("collections");
                    acc = acc.wrapping_mul(3).wrapping_add(1);
                }
                HostStep::Interrupt => self.interrupted = true,
                HostStep::OtherStore => {
                    self.count("entries into another store");
                    acc = acc.wrapping_add(other_store(acc));
                }
                HostStep::Enter { child, handle } => {
                    self.count("nested entries");
                    let v = match self.call(child, acc.wrapping_add(child as i64)) {
                        Ok(v) => v,
                        Err(end) => self.handle(handle, end, acc)?,
                    };
                    acc = acc.wrapping_mul(7).wrapping_add(v);
                }
            }
        }
        match host.end {
            HostEnd::Return => Ok(acc),
            HostEnd::Throw => {
                self.count("exceptions of the host");
                self.through_host = true;
                Err(End::Thrown(acc))
            }
            HostEnd::Trap => Err(End::Trap(HOST_TRAP)),
            HostEnd::Error => Err(End::Error),
            HostEnd::Panic => {
                self.count("panics");
                Err(End::Panic)
            }
        }
    }

    fn handle(&mut self, handle: Handle, end: End, acc: i64) -> Result<i64, End> {
        match (handle, end) {
            (_, End::Panic) => Err(end),
            (Handle::Swallow, end) => {
                self.count("errors swallowed by the host");
                Ok(end.code())
            }
            (Handle::Payload, end) if end.is_exception() => {
                self.count("exceptions caught by the host");
                Ok(end.code())
            }
            (Handle::Replace, end) if end.is_exception() => {
                self.count("exceptions of the host");
                self.through_host = true;
                Err(End::Thrown(acc))
            }
            (_, end) => {
                self.through_host |= end.is_exception();
                Err(end)
            }
        }
    }
}
