//! WASI preview1 for Heapwood: all 46 functions of `wasi_snapshot_preview1`, over any engine.
//!
//! The crate knows nothing about the engine. An engine finds a function by name ([`lookup`]), gives it the guest's
//! memory as a slice and the arguments as integers, and hands the error code back to the guest:
//!
//! ```
//! use heapwood_wasi::{Errno, Outcome, WasiCtxBuilder, lookup};
//! let mut ctx = WasiCtxBuilder::new().args(["hello"]).build().unwrap();
//! let mut memory = vec![0u8; 65536];
//!
//! let function = lookup("args_sizes_get").unwrap();
//! assert_eq!((function.call)(&mut ctx, &mut memory, &[8, 12]), Ok(Errno::Success));
//! assert_eq!((memory[8], memory[12]), (1, 6));
//!
//! let exit = lookup("proc_exit").unwrap();
//! assert_eq!((exit.call)(&mut ctx, &mut memory, &[3]), Err(Outcome::Exit(3)));
//! ```
//!
//! A guest has what [`WasiCtxBuilder`] granted and nothing else. Paths are resolved by descriptors below preopened
//! directories; whatever may wait can be ended through an [`InterruptHandle`]; files are read and written from and
//! to the guest's memory directly.
//!
//! Layout: `table` lists the functions; `args`, `clock`, `fd`, `path`, `poll`, `process`, `random`, `sock` serve
//! them; `memory` and `iovec` check every pointer; `ctx` and `builder` hold the state; `stdio` the streams;
//! `interrupt` all waiting. The host is Linux.

mod args;
mod builder;
mod clock;
mod ctx;
mod errno;
mod fd;
mod grants;
mod interrupt;
mod iovec;
mod memory;
mod outcome;
mod path;
mod poll;
mod process;
mod random;
mod rights;
mod sock;
mod stdio;
mod table;
mod times;
mod types;

pub use builder::{BuildError, DirAccess, WasiCtxBuilder};
pub use clock::{ClockId, Clocks, DeterministicClocks, SystemClocks};
pub use ctx::WasiCtx;
pub use errno::Errno;
pub use grants::{GrantError, PathKind};
pub use interrupt::InterruptHandle;
pub use memory::GuestMemory;
pub use outcome::Outcome;
pub use random::{RandomSource, SeededRandom, SystemRandom};
pub use stdio::{InputStream, MemoryInput, MemoryOutput, OutputStream, StandardStream};
pub use table::{Call, FunctionDef, MODULE, ParamType, functions, lookup};
