//! Entry into compiled code, signals, stacks, code memory, raw memory of guests.
//!
//! The only unsafe code of this crate. Above it everything is safe; what lies above and is called from here is behind
//! the trait [`running::Running`], which the store implements. What the files offer, and what makes it safe to call:
//!
//! | file | offers | safe since |
//! |---|---|---|
//! | `mapping` | address space | ranges are asserted; slices are `unsafe fn`s (R1) |
//! | `image` | memory of code, and images in files | a draft has one owner; files are mapped by an `unsafe fn`, or if nobody else can change them (R13) |
//! | `code`, `parts`, `stubs` | code in mappings that are never writable again | they own them |
//! | `memory`, `shared`, `store_memory`, `racy` | bytes of guests' memories | lengths are those of the commit; what others write is reached by `racy` and atomics only (R11) |
//! | `hot` | words below the heap base | displacements are asserted, words are atomics; the store alone has them (R5) |
//! | `cells` | contexts and cells | offsets are asserted; addresses come from the heap, and from compiled code only if they are listed (R7) |
//! | `frames`, `walk`, `watermark`, `sites`, `replacement` | frames of the guest | only a walk makes a [`walk::Frame`], and only `rt` knows where it lies; reads and writes of frames are `unsafe fn`s (R6) |
//! | `data_fn` | functions of the host's data | they are called with the store that they were made for, and no other (R3) |
//! | `suspension`, `calling` | guests that are suspended, host functions that are futures | a future that has borrowed the store stands in the one place that polls or drops it (R14) |
//! | `builtins`, `host`, `host_call` | what the stubs call | `unsafe fn`s: only stubs have their addresses (R2, R4); what they call in turn is safe |
//! | `execution`, `state`, `running`, `value`, `terms`, `yields`, `timer`, `sampler` | a guest's state, its rows; what a store answers; when it is late, or lets others run | they are safe code |
//! | `entry` | calls of compiled code | code, context and signature come from the store's lists (R4) |
//! | `interrupt`, `waiter`, `waiters` | stopping and waking | the guard word is attached from the store's hot words and detached before they go (R8) |
//! | `plain` | numbers as bytes | they are of the listed types (R12) |
//! | `signals`, `stack`, `asymmetric` | traps and stacks | R9, R10 |
//! | `gdb` | object files for debuggers | entries are owned, and reached under a lock (R16) |
//!
//! Each block names the invariant that makes it sound:
//!
//! **R1 Own mapping.** The address lies in a mapping that the surrounding type made and has not unmapped; sizes were
//! checked where the mapping was made.
//!
//! **R2 Store pointer.** The word `hot::STORE` holds a pointer to the store whose guest runs, and all stores of the
//! process are of the one type that `stubs` was made for. It is written at every entry from the exclusive borrow with
//! which the entry was called; until the entry returns, this borrow is used by nobody but whoever the guest called last
//! (a host function or a builtin), which hands it back by returning.
//!
//! **R3 One data type.** A host function that was made for stores with data `T` gets into stores of that type only
//! (`Func::new` and `Linker<T>` see to it), and a store is the first field of its `WithData<S, T>`. A function of the
//! data (`data_fn`) gets that field alone, which nobody else borrows while a store does something for which it asks.
//!
//! **R4 Compiled code.** Code comes from the compiler or from the stubs, follows `heapwood_jit::abi`, is relocated
//! completely and executable, and lives as long as anything that may run it (modules and stubs are kept by the store
//! that uses them).
//!
//! **R5 Hot words.** The words at the displacements of `gc-abi::hot` and `jit::abi` below a heap base are mapped for
//! the life of the store.
//!
//! **R6 Frames.** Guest frames between `EXIT_FP` and `ENTRY_FP` are as `jit::abi` says; nobody changes them while the
//! guest is not running but the walker's callers, and those only as the protocols allow.
//!
//! **R7 Context.** An instance context has the layout of its module's `ContextLayout`, is 8-byte aligned, and lives in
//! immortal memory as long as its store.
//!
//! **R8 Interrupt word.** The guard word is an aligned u64 that other threads write atomically under the lock of the
//! `InterruptCell`, which forgets it before the store's memory goes.
//!
//! **R9 Signals.** The handler runs on the thread that faulted. It reads only memory that this thread's store owns or
//! that is never freed, takes no lock and allocates nothing.
//!
//! **R10 System calls.** Plain calls without memory effects of ours.
//!
//! **R11 Shared memories.** Bytes of a shared memory are mapped as long as its `SharedInner` lives, committed up to the
//! length of its cell, and reached by compiled code, atomic operations and the copies of `racy` only: no reference to
//! them is ever made.
//!
//! **R12 Plain numbers.** Every byte of a value of the type is initialised, and bytes of any value make one.
//!
//! **R13 Images.** The code of an image is what this version's compiler made for this engine's settings, and a file
//! that is mapped does not change meanwhile: promised by the caller of `Module::deserialize` and its kin, or by who may
//! write to the cache (`SECURITY.md`). All else of an image is checked.
//!
//! **R14 Lent store.** A host function that is a future has the store lent like any host function (R2, R3), until it is
//! over or dropped. Meanwhile it stands in the future of the call whose guest waits for it, which has the store
//! borrowed for all its life, and uses it for nothing but polling and dropping that host function; or the guest's call
//! of it has not returned. A future that is forgotten is never polled nor dropped, and the store knows nothing of it.
//!
//! **R15 Lent code.** A store's list of host functions keeps each of them while it runs, unless it is a future, which
//! has a share of its own: the list is only ever cut to what it was before an instantiation that has failed, whose
//! calls are over, or at a checkpoint, which is no place of a guest or of what guests call.
//!
//! **R16 Debugger's list.** Entries of the list of object files are boxes of the `Registered` that name them and go
//! with these; they and the list are reached by `gdb` only, under its lock. A debugger reads them while the process
//! stands still.
//!
//! **R17 Code that comes later.** The room behind a module's slots belongs to whoever has the module's turn to add
//! code. Pages there are written before they become executable and before anything leads to them, and never after.
//! Slots are written as atomics once the module is placed, and always hold the entry of code of their function.
//!
//! **R18 Heads of loops.** What is said of the head of a loop was said by the compiler when it made that code, or when
//! it made the same bytes once more. At such a head the same locals and operands are alive in each code of a function,
//! with the same values.
#![cfg_attr(not(test), warn(clippy::cast_possible_truncation, clippy::cast_possible_wrap))]
#![allow(
    unsafe_code,
    reason = "the one place of this crate that touches memory and code the compiler knows nothing of"
)]

mod activation;
mod asymmetric;
mod builtins;
#[cfg(feature = "async")]
pub(crate) mod calling;
pub(crate) mod cells;
#[cfg(test)]
#[path = "../../tests/common/child.rs"]
mod child;
pub(crate) mod code;
pub(crate) mod data_fn;
pub(crate) mod entry;
pub(crate) mod execution;
pub(crate) mod frames;
#[cfg(feature = "gdb")]
pub(crate) mod gdb;
pub(crate) mod host;
mod host_call;
pub(crate) mod hot;
pub(crate) mod image;
pub(crate) mod interrupt;
pub(crate) mod mapping;
pub(crate) mod memory;
pub(crate) mod panics;
pub(crate) mod parts;
pub(crate) mod plain;
pub(crate) mod racy;
pub(crate) mod replacement;
pub(crate) mod running;
mod sampler;
pub(crate) mod shared;
mod signals;
mod sites;
pub(crate) mod stack;
pub(crate) mod state;
pub(crate) mod store_memory;
pub(crate) mod stubs;
#[cfg(feature = "async")]
pub(crate) mod suspension;
mod terms;
mod thread;
pub(crate) mod timer;
pub(crate) mod traces;
pub(crate) mod value;
pub(crate) mod waiter;
mod waiters;
pub(crate) mod waits;
pub(crate) mod walk;
mod watermark;
mod yields;
