//! Heapwood's embedding API and runtime.
//!
//! Above: [`Engine`], [`Module`], [`Store`], [`Linker`], handles of what instances export, values and roots. Below, in
//! `rt`: entry into compiled code, signals, stacks, builtins. Arrow of import: `gc, jit, module <- vm <- heapwood`.

mod alloc_profile;
mod backtrace;
mod compile;
mod config;
mod engine;
mod error;
mod exception;
mod handles;
#[cfg(feature = "test-hooks")]
mod hooks;
mod inspect;
mod interrupt;
mod linker;
mod module;
mod refs;
mod registry;
mod roots;
mod rt;
mod snapshot;
mod store;
mod trap;
mod types;
mod value;
mod weak;

pub use backtrace::{FrameInfo, WasmBacktrace};
pub use config::{COMPILE_MEMORY_BASE, COMPILE_MEMORY_PER_BYTE, Config, MAX_STACK_DEFAULT, MAX_STACK_MIN};
pub use engine::Engine;
pub use error::{Error, ErrorKind, LinkError, Result};
pub use exception::Exception;
pub use handles::{
    Extern, Func, Global, Instance, IntoFunc, Memory, SharedMemory, Table, Tag, TypedFunc, WaitResult, WasmParams,
    WasmResults, WasmTy,
};
pub use heapwood_gc::{
    GcCause, GcEvent, GcEventKind, GcProfile, HEAP_BYTES_LIMIT, HeapStats, HelperSpan, HelperTask, Histogram,
};
pub use heapwood_jit::abi::{CompiledFunction, FunctionRecord, Relocation, RelocationTarget, SafePoint, TrapSite};
pub use heapwood_module::limits::MODULE_BYTES_MAX;
pub use heapwood_module::{
    ABSENT_FEATURES, ExportIndex, FEATURES, FeatureError, FeatureInfo, Features, ModuleError, ModuleInfo, brief, cut,
    is_malformed, printable,
};
pub use interrupt::InterruptHandle;
pub use linker::Linker;
pub use module::Module;
pub use refs::{AnyRef, ExnRef, ExternRef, RefKind};
pub use roots::{Root, RootScope, Rooted};
pub use store::{
    AsContext, AsContextMut, Caller, ExhaustedHeap, HeapUse, HostCall, MemoryStats, MemoryUse, Store, StoreContext,
    StoreContextMut,
};
pub use trap::{Trap, TrapKind};
pub use types::*;
pub use value::Val;
pub use weak::{WeakEntry, WeakRoot};

/// What `heapwood --version -v` says of a build that has the feature `test-hooks`, which no shipped build has.
pub const TEST_HOOKS: Option<&str> =
    if cfg!(feature = "test-hooks") { Some("heapwood: built with test-hooks") } else { None };

/// The same of a build that has mutants (`heapwood_gc_abi::mutant`).
pub const MUTANTS: Option<&str> = if cfg!(heapwood_mutants) { Some("heapwood: built with mutants") } else { None };
