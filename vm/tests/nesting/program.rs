//! Programs of guests and host functions that call each other, as data: a tree of calls.

use super::numbers::Numbers;

/// A program: its nodes, of which the first is the guest function that is called.
pub struct Program {
    pub nodes: Vec<Node>,
}

/// A function; each is called by one step of one other.
pub enum Node {
    Guest(Guest),
    Host(Host),
}

/// A function of the guest.
pub struct Guest {
    /// It keeps a word in memory, whose base is in a register then.
    pub memory: bool,
    /// So many parameters; all but a few are on the stack.
    pub params: usize,
    /// It keeps vectors and floats.
    pub floats: bool,
    /// It is called through so many frames of a function that calls itself.
    pub depth: i32,
    pub steps: Vec<GuestStep>,
    pub end: GuestEnd,
}

#[derive(Clone, Copy)]
pub enum GuestStep {
    /// An object that is dropped.
    Allocate,
    Call {
        child: usize,
        catch: Catch,
    },
}

/// What is around a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Catch {
    Nothing,
    One,
    OneRef,
    Other,
    All,
    AllRefRethrow,
    LegacyOne,
    LegacyAll,
    LegacyRethrow,
    LegacyDelegate,
}

pub const CATCHES: [Catch; 10] = [
    Catch::Nothing,
    Catch::One,
    Catch::OneRef,
    Catch::Other,
    Catch::All,
    Catch::AllRefRethrow,
    Catch::LegacyOne,
    Catch::LegacyAll,
    Catch::LegacyRethrow,
    Catch::LegacyDelegate,
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GuestEnd {
    Return,
    /// Throws the tag with a payload.
    Throw,
    /// Throws the tag without one.
    ThrowOther,
    Unreachable,
    Divide,
    OutOfBounds,
    Null,
}

/// A function of the host.
pub struct Host {
    /// It has parameters on the stack.
    pub wide: bool,
    pub steps: Vec<HostStep>,
    pub end: HostEnd,
}

#[derive(Clone, Copy)]
pub enum HostStep {
    Collect,
    Interrupt,
    /// A guest of another store runs.
    OtherStore,
    Enter {
        child: usize,
        handle: Handle,
    },
}

/// What a host function does when the guest that it entered does not return.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handle {
    /// The error is its own.
    Propagate,
    /// It goes on, whatever the error was.
    Swallow,
    /// It takes the payload of an exception.
    Payload,
    /// It throws an exception of its own instead.
    Replace,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostEnd {
    Return,
    Throw,
    Trap,
    Error,
    Panic,
}

/// Most nodes of a program.
const NODES_MAX: usize = 40;
/// Most calls of each other that are open at a time.
const LEVELS_MAX: usize = 9;

impl Program {
    /// The program of a seed.
    pub fn new(seed: u64) -> Program {
        let mut program = Program { nodes: Vec::new() };
        program.guest(&mut Numbers::new(seed), 0);
        program
    }

    fn guest(&mut self, numbers: &mut Numbers, level: usize) -> usize {
        let index = self.nodes.len();
        let (memory, floats) = (numbers.pick(&[true, true, false]), numbers.pick(&[true, false]));
        let (params, depth) = (numbers.pick(&[1, 1, 12]), numbers.pick(&[0, 0, 0, 1, 3, 20, 40]));
        let end = numbers.pick(&GUEST_ENDS);
        self.nodes.push(Node::Guest(Guest { memory, params, floats, depth, steps: Vec::new(), end }));
        let steps: Vec<GuestStep> = (0..numbers.pick(&[1, 2, 3, 4]))
            .map(|_| {
                let leaf = self.nodes.len() >= NODES_MAX || level >= LEVELS_MAX;
                match numbers.pick(&[0, 1, 2, 2, 2, 2]) {
                    0 => GuestStep::Allocate,
                    _ if leaf => GuestStep::Allocate,
                    1 => GuestStep::Call { child: self.guest(numbers, level + 1), catch: numbers.pick(&CATCHES) },
                    _ => GuestStep::Call { child: self.host(numbers, level + 1), catch: numbers.pick(&CATCHES) },
                }
            })
            .collect();
        let Node::Guest(guest) = &mut self.nodes[index] else { unreachable!("pushed as a guest") };
        guest.steps = steps;
        index
    }

    fn host(&mut self, numbers: &mut Numbers, level: usize) -> usize {
        let index = self.nodes.len();
        let (wide, end) = (numbers.pick(&[true, false]), numbers.pick(&HOST_ENDS));
        self.nodes.push(Node::Host(Host { wide, steps: Vec::new(), end }));
        let steps: Vec<HostStep> = (0..numbers.pick(&[1, 1, 2, 3]))
            .map(|_| {
                let leaf = self.nodes.len() >= NODES_MAX || level >= LEVELS_MAX;
                match numbers.pick(&[0, 0, 0, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3]) {
                    0 => HostStep::Collect,
                    1 => HostStep::Interrupt,
                    2 => HostStep::OtherStore,
                    _ if leaf => HostStep::Collect,
                    _ => HostStep::Enter { child: self.guest(numbers, level + 1), handle: numbers.pick(&HANDLES) },
                }
            })
            .collect();
        let Node::Host(host) = &mut self.nodes[index] else { unreachable!("pushed as a host function") };
        host.steps = steps;
        index
    }
}

const HANDLES: [Handle; 8] = [
    Handle::Propagate,
    Handle::Propagate,
    Handle::Propagate,
    Handle::Propagate,
    Handle::Swallow,
    Handle::Swallow,
    Handle::Payload,
    Handle::Replace,
];

const GUEST_ENDS: [GuestEnd; 16] = [
    GuestEnd::Return,
    GuestEnd::Return,
    GuestEnd::Return,
    GuestEnd::Return,
    GuestEnd::Return,
    GuestEnd::Return,
    GuestEnd::Throw,
    GuestEnd::Throw,
    GuestEnd::Throw,
    GuestEnd::Throw,
    GuestEnd::ThrowOther,
    GuestEnd::ThrowOther,
    GuestEnd::Unreachable,
    GuestEnd::Divide,
    GuestEnd::OutOfBounds,
    GuestEnd::Null,
];

const HOST_ENDS: [HostEnd; 12] = [
    HostEnd::Return,
    HostEnd::Return,
    HostEnd::Return,
    HostEnd::Return,
    HostEnd::Return,
    HostEnd::Return,
    HostEnd::Return,
    HostEnd::Throw,
    HostEnd::Throw,
    HostEnd::Trap,
    HostEnd::Error,
    HostEnd::Panic,
];
