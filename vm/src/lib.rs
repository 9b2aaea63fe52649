//! Heapwood's embedding API and runtime.
//!
//! Folders, each of which imports what is left of it (`tests/layers.rs`):
//! `ids <- errors <- registry, rt <- engine <- types <- module <- store <- builtins, observe <- handles`. Arrow of
//! import between crates: `gc, jit, module <- vm <- heapwood`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod builtins;
mod engine;
mod errors;
mod handles;
mod ids;
mod module;
mod observe;
mod registry;
mod rt;
mod store;
mod types;

pub use engine::{
    COMPILE_MEMORY_BASE, COMPILE_MEMORY_PER_BYTE, CompileProgress, Config, Engine, EngineLimits, MAX_STACK_DEFAULT,
    MAX_STACK_MAX, MAX_STACK_MIN, POOLED_STORES_DEFAULT, Tiering,
};
pub use errors::{
    Context, Error, ErrorKind, Exception, FrameInfo, LinkError, Result, StoreLimit, StoreResource, Trap, TrapKind,
    WasmBacktrace,
};
#[doc(hidden)]
pub use handles::derive_support;
pub use handles::{
    ArrayElement, Bind, Bound, Const, EqRef, Extern, Finalizer, FinalizerQueue, GcArray, GcElement, GcEnum, GcField,
    GcNumber, GcRef, GcStruct, Global, HostResults, I31Ref, Instance, InstancePre, Internal, IntoFunc, Linker, Local,
    Memory, Outer, Ref, RefKind, Resolved, RootScope, Scope, SharedMemory, StackTrace, Table, TypedFunc, Val,
    WaitResult, WasmParams, WasmResults, WasmTy, WeakEntry, WeakRoot,
};
pub use heapwood_gc::{
    GcCause, GcEvent, GcEventKind, GcProfile, HEAP_BYTES_LIMIT, HeapStats, HelperSpan, HelperTask, Histogram,
    StringUnits,
};
pub use heapwood_jit::Inline;
pub use heapwood_jit::abi::{
    CompiledFunction, FunctionRecord, InlinedBody, Relocation, RelocationTarget, SafePoint, TrapSite,
};
pub use heapwood_module::limits::MODULE_BYTES_MAX;

pub use heapwood_module::{
    ABSENT_FEATURES, ExportIndex, FEATURES, FeatureError, FeatureInfo, Features, ModuleError, ModuleInfo,
};
#[doc(hidden)]
pub use heapwood_module::{brief, cut, is_malformed, printable, what_it_is};
pub use ids::{AnyRef, ArrayRef, ExnRef, ExternRef, Func, Root, Rooted, StringRef, StructRef, Tag};
#[cfg(feature = "gdb")]
pub use module::DebuggerSymbols;
pub use module::{DefinedTypes, Module, Precompiled, RecompiledFunction};
pub use observe::{HeapHistogram, HeapUse, HistogramRow, MemoryStats, MemoryUse};
pub use rt::memory::Secrecy;
pub use rt::waits::Wake;
pub use store::{
    AsContext, AsContextMut, Caller, Checkpoint, CollectionSteps, CpuProfileData, ExhaustedHeap, HostCall, Inbox,
    InboxError, Inspection, Inspector, InspectorError, InterruptHandle, InterruptToken, ProfileSample, ProfileStack,
    ResourceLimiter, StackProfile, Store, StoreBuilder, StoreContext, StoreContextMut, StoreLimits, StoreLimitsBuilder,
};
pub use types::*;

/// What `heapwood --version -v` says of a build that has the feature `test-hooks`, which no shipped build has.
#[doc(hidden)]
pub const TEST_HOOKS: Option<&str> =
    if cfg!(feature = "test-hooks") { Some("heapwood: built with test-hooks") } else { None };

/// What `heapwood --version -v` says of a build that has mutants (`heapwood_gc_abi::mutant`), which no shipped build
/// has.
#[doc(hidden)]
pub const MUTANTS: Option<&str> = if cfg!(heapwood_mutants) { Some("heapwood: built with mutants") } else { None };
