//! The handles of a component: each an index into one table, whatever its resource.
//!
//! Several resources may use one descriptor of the context: a file that is open, and streams of it. It is closed when
//! the last one of them is dropped, unless it was there from the beginning.

use super::preview1;
use crate::abi::Trap;
use heapwood_wasi::{Errno, WasiCtx};
use std::collections::{BTreeMap, VecDeque};

/// Handles at a time: more than any program has files and timers.
const HANDLES_MAX: usize = 1 << 20;

macro_rules! kinds {
    ($( $(#[$doc:meta])* $kind:ident = $name:literal ),+ $(,)?) => {
        /// A resource that handles stand for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ResourceKind { $( $(#[$doc])* $kind ),+ }

        impl ResourceKind {
            pub(super) const ALL: [ResourceKind; [$( $name ),+].len()] = [ $( ResourceKind::$kind ),+ ];

            /// The resource's name in its interface.
            pub fn name(self) -> &'static str {
                match self { $( ResourceKind::$kind => $name ),+ }
            }
        }
    };
}

kinds! {
    /// What went wrong with a stream.
    Error = "error",
    /// Something to wait for.
    Pollable = "pollable",
    /// A stream that is read.
    Input = "input-stream",
    /// A stream that is written.
    Output = "output-stream",
    /// The input is a terminal.
    TerminalInput = "terminal-input",
    /// The output is one.
    TerminalOutput = "terminal-output",
    /// A file or directory.
    Descriptor = "descriptor",
    /// The entries of a directory.
    Entries = "directory-entry-stream",
}

/// Where a stream reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The stream reads or writes at the position that the descriptor itself has.
    Position,
    /// The stream writes at the end of the file.
    End,
    /// The stream reads or writes at this offset, which it moves on.
    Offset(u64),
}

/// What a pollable waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A time of the monotonic clock, in ns.
    Until(u64),
    Read(u32),
    Write(u32),
}

/// A stream that is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct OutputStream {
    pub fd: u32,
    pub place: Place,
    /// How many bytes the guest was told it may write.
    pub permitted: u64,
}

/// The entries of a directory, read some at a time.
#[derive(Debug, Default)]
pub(super) struct EntryStream {
    pub fd: u32,
    pub cookie: u64,
    /// Types of preview1, and names.
    pub read: VecDeque<(u8, Vec<u8>)>,
    pub is_at_end: bool,
}

#[derive(Debug)]
pub(super) enum Resource {
    Error(Errno),
    Pollable(Wait),
    Input { fd: u32, place: Place },
    Output(OutputStream),
    TerminalInput,
    TerminalOutput,
    Descriptor(u32),
    Entries(EntryStream),
}

impl Resource {
    fn kind(&self) -> ResourceKind {
        match self {
            Resource::Error(_) => ResourceKind::Error,
            Resource::Pollable(_) => ResourceKind::Pollable,
            Resource::Input { .. } => ResourceKind::Input,
            Resource::Output(_) => ResourceKind::Output,
            Resource::TerminalInput => ResourceKind::TerminalInput,
            Resource::TerminalOutput => ResourceKind::TerminalOutput,
            Resource::Descriptor(_) => ResourceKind::Descriptor,
            Resource::Entries(_) => ResourceKind::Entries,
        }
    }

    /// The descriptor that it uses.
    fn fd(&self) -> Option<u32> {
        match self {
            Resource::Input { fd, .. } | Resource::Descriptor(fd) => Some(*fd),
            Resource::Output(stream) => Some(stream.fd),
            Resource::Entries(stream) => Some(stream.fd),
            Resource::Pollable(Wait::Read(fd) | Wait::Write(fd)) => Some(*fd),
            _ => None,
        }
    }
}

/// The handles that a component has. Empty at first; all of them go with it.
#[derive(Debug, Default)]
pub struct Resources {
    /// Handle 0 is none.
    table: Vec<Option<Resource>>,
    free: Vec<u32>,
    /// Resources by descriptor, of those that are closed with the last of them.
    users: BTreeMap<u32, u32>,
}

impl Resources {
    /// A table without handles.
    pub fn new() -> Resources {
        Resources::default()
    }

    /// Drops a handle.
    ///
    /// # Errors
    /// A [`Trap`]: there is no such handle of this resource.
    pub fn drop_handle(&mut self, wasi: &mut WasiCtx, kind: ResourceKind, handle: u32) -> Result<(), Trap> {
        self.get(kind, handle)?;
        let dropped = self.table[handle as usize].take();
        self.free.push(handle);
        let Some(fd) = dropped.and_then(|resource| resource.fd()) else { return Ok(()) };
        if let Some(users) = self.users.get_mut(&fd) {
            *users -= 1;
            if *users == 0 {
                self.users.remove(&fd);
                // What a descriptor has to say when it is closed, nobody can hear.
                let _ = preview1::call(wasi, "fd_close", &mut [], &[fd.into()]);
            }
        }
        Ok(())
    }

    /// Notes that the descriptor is closed with the last resource that uses it.
    pub(super) fn own(&mut self, fd: u32) {
        self.users.insert(fd, 0);
    }

    pub(super) fn insert(&mut self, resource: Resource) -> Result<u64, Trap> {
        if self.table.is_empty() {
            self.table.push(None);
        }
        if let Some(users) = resource.fd().and_then(|fd| self.users.get_mut(&fd)) {
            *users += 1;
        }
        match self.free.pop() {
            Some(handle) => {
                self.table[handle as usize] = Some(resource);
                Ok(handle.into())
            }
            None if self.table.len() > HANDLES_MAX => Err(Trap(format!("more than {HANDLES_MAX} handles"))),
            None => {
                self.table.push(Some(resource));
                Ok(self.table.len() as u64 - 1)
            }
        }
    }

    fn get(&mut self, kind: ResourceKind, handle: u32) -> Result<&mut Resource, Trap> {
        let found = self.table.get_mut(handle as usize).and_then(Option::as_mut);
        match found {
            Some(resource) if resource.kind() == kind => Ok(resource),
            Some(resource) => {
                let other = resource.kind().name();
                Err(Trap(format!("handle {handle} is one of `{other}`, not of `{}`", kind.name())))
            }
            None => Err(Trap(format!("there is no handle {handle} of `{}`", kind.name()))),
        }
    }

    pub(super) fn error(&mut self, handle: u64) -> Result<Errno, Trap> {
        match self.get(ResourceKind::Error, handle as u32)? {
            Resource::Error(errno) => Ok(*errno),
            _ => unreachable!("the kind was checked"),
        }
    }

    pub(super) fn pollable(&mut self, handle: u64) -> Result<Wait, Trap> {
        match self.get(ResourceKind::Pollable, handle as u32)? {
            Resource::Pollable(wait) => Ok(*wait),
            _ => unreachable!("the kind was checked"),
        }
    }

    pub(super) fn input(&mut self, handle: u64) -> Result<(u32, &mut Place), Trap> {
        match self.get(ResourceKind::Input, handle as u32)? {
            Resource::Input { fd, place } => Ok((*fd, place)),
            _ => unreachable!("the kind was checked"),
        }
    }

    pub(super) fn output(&mut self, handle: u64) -> Result<&mut OutputStream, Trap> {
        match self.get(ResourceKind::Output, handle as u32)? {
            Resource::Output(stream) => Ok(stream),
            _ => unreachable!("the kind was checked"),
        }
    }

    pub(super) fn descriptor(&mut self, handle: u64) -> Result<u32, Trap> {
        match self.get(ResourceKind::Descriptor, handle as u32)? {
            Resource::Descriptor(fd) => Ok(*fd),
            _ => unreachable!("the kind was checked"),
        }
    }

    pub(super) fn entries(&mut self, handle: u64) -> Result<&mut EntryStream, Trap> {
        match self.get(ResourceKind::Entries, handle as u32)? {
            Resource::Entries(stream) => Ok(stream),
            _ => unreachable!("the kind was checked"),
        }
    }
}
