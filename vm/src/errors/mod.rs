//! What can go wrong, and what an error says: why, where the guest was, and what it threw.

mod backtrace;
mod context;
mod conversions;
mod error;
mod exception;
mod store_limit;
mod trap;

pub(crate) use backtrace::FunctionNames;
pub use backtrace::{FrameInfo, WasmBacktrace};
pub use context::Context;
pub use error::{Error, ErrorKind, LinkError, Result};
pub use exception::Exception;
pub use store_limit::{StoreLimit, StoreResource};
pub use trap::{Trap, TrapKind};
