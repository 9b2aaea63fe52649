//! WASI preview1 for guests: the functions of `heapwood-wasi` behind a [`Linker`].
//!
//! A host keeps a [`WasiCtx`] in its store's data and says where:
//!
//! ```
//! use heapwood::wasi::{self, WasiCtx};
//! use heapwood::{Engine, Linker, Store};
//! struct Host {
//!     wasi: WasiCtx,
//! }
//! let engine = Engine::default();
//! let mut linker: Linker<Host> = Linker::new(&engine);
//! wasi::add_to_linker(&mut linker, |host| &mut host.wasi)?;
//! let wasi = WasiCtx::builder().args(["hello"]).build()?;
//! let store = Store::new(&engine, Host { wasi });
//! # drop(store);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub use heapwood_wasi::*;

use crate::{
    AsContextMut, Caller, Engine, Error, Extern, ExternType, FuncType, Linker, Resolved, Result, StoreContextMut, Trap,
    TrapKind, Val, ValType, Wake,
};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The error with which a guest ends that called `proc_exit`. [`Error::downcast_ref`] finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ProcExit(
    /// The code that the guest gave.
    pub u32,
);

impl fmt::Display for ProcExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the guest exited with code {}", self.0)
    }
}

impl std::error::Error for ProcExit {}

/// Defines all 46 functions under `wasi_snapshot_preview1`, and once more with the types that a guest of `wasm64`
/// imports ([`FunctionDef::params64`]): which of the two a function is follows from the type of its import.
///
/// They work on the memory that the calling instance exports as `memory`, else on the first one that it imports; if
/// that one is shared, they fail. Without either each pointer is out of bounds. `proc_exit` ends the guest with
/// [`ProcExit`]. A function that waits ends when the guest has to stop: by the store's
/// [`InterruptHandle`](crate::InterruptHandle) or the context's with the trap [`TrapKind::Interrupted`], by the store's
/// deadline with [`TrapKind::DeadlineExceeded`].
///
/// # Errors
/// A name is defined already, or the engine's type table is full.
pub fn add_to_linker<T: 'static>(
    linker: &mut Linker<T>,
    context: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> Result<()> {
    for function in functions() {
        let ty = func_type(linker.engine(), function.params, function.results)?;
        linker.func_new(MODULE, function.name, ty, host_function(function, function.call, context))?;
    }
    // Asked only where the type is not the one above.
    linker.resolve_with(MODULE, move |import| {
        let (ExternType::Func(ty), Some(function)) = (&import.ty, lookup(import.name)) else { return Ok(None) };
        let is_wide = ty.params().eq(function.params64.iter().copied().map(val_type))
            && ty.results().eq(function.results.iter().copied().map(val_type));
        Ok(is_wide.then(|| Resolved::func_new(ty.clone(), host_function(function, function.call64, context))))
    });
    Ok(())
}

fn func_type(engine: &Engine, params: &[ParamType], results: &[ParamType]) -> Result<FuncType> {
    FuncType::new(engine, params.iter().copied().map(val_type), results.iter().copied().map(val_type))
}

/// A row of the table as a function of the host; `serve` is one of its two.
fn host_function<T: 'static>(
    function: &'static FunctionDef,
    serve: Call,
    context: impl Fn(&mut T) -> &mut WasiCtx + Copy + Send + Sync + 'static,
) -> impl Fn(Caller<'_, T>, &[Val], &mut [Val]) -> Result<()> + Send + Sync + 'static {
    move |caller, args, results| {
        let errno = call(function, serve, caller, context, args)?;
        if let Some(result) = results.first_mut() {
            *result = Val::I32(errno.raw().into());
        }
        Ok(())
    }
}

/// Functions of these groups never wait, and never take long.
const NEVER_WAIT: [&str; 4] = ["args_", "environ_", "clock_", "proc_"];

/// Serves a call, of which what makes the guest stop ends the waits.
fn call<T: 'static>(
    function: &FunctionDef,
    served_by: Call,
    mut caller: Caller<'_, T>,
    context: impl Fn(&mut T) -> &mut WasiCtx + Copy,
    args: &[Val],
) -> Result<Errno> {
    let served = if NEVER_WAIT.iter().any(|group| function.name.starts_with(group)) {
        serve(function, served_by, &mut caller, context, args)?
    } else {
        inspectable(&mut caller, context, |caller| serve(function, served_by, caller, context, args))??
    };
    served.map_err(ended)
}

/// Serves a call that may wait by way of the context: what makes the guest stop ends the waits, and who asks about it
/// ([`Inspector`](crate::Inspector)) is answered meanwhile.
///
/// # Errors
/// The trap with which the guest has to stop, whatever was served.
fn inspectable<'a, T: 'static>(
    caller: &mut Caller<'a, T>,
    context: impl Fn(&mut T) -> &mut WasiCtx + Copy,
    mut serve: impl FnMut(&mut Caller<'a, T>) -> Result<Served>,
) -> Result<Result<Served>> {
    let (waits, woken) = (context(caller.data_mut()).interrupt_handle(), Arc::new(Woken::default()));
    let (wakes, how) = (waits.clone(), woken.clone());
    let wake = move |why| match why {
        Wake::Stop => {
            how.to_stop.store(true, Ordering::SeqCst);
            wakes.interrupt();
        }
        Wake::Answer => {
            how.to_answer.store(true, Ordering::SeqCst);
            wakes.nudge();
        }
    };
    let served = caller.inspectable(wake, |caller| match serve(caller) {
        Ok(Err(Outcome::Again)) => None,
        served => Some(served),
    });
    if woken.to_stop.load(Ordering::SeqCst) {
        // What ended this wait is not to end the next one.
        waits.reset();
    }
    if woken.to_answer.load(Ordering::SeqCst) {
        waits.forget_nudge();
        context(caller.data_mut()).begin_anew();
    }
    served
}

/// Whether a wait was woken, and why.
#[derive(Default)]
struct Woken {
    to_stop: AtomicBool,
    to_answer: AtomicBool,
}

/// What became of a call of a function.
type Served = std::result::Result<Errno, Outcome>;

/// Does work that may wait by way of the context: what makes the guest stop ends the waits.
///
/// # Errors
/// The trap with which the guest has to stop, whatever the work says.
#[cfg(any(feature = "surfaces", feature = "component"))]
pub(crate) fn interruptible<'a, T: 'static, R>(
    caller: &mut Caller<'a, T>,
    context: impl Fn(&mut T) -> &mut WasiCtx,
    work: impl FnOnce(&mut Caller<'a, T>) -> R,
) -> Result<R> {
    let (waits, is_woken) = (context(caller.data_mut()).interrupt_handle(), Arc::new(AtomicBool::new(false)));
    let (woken, ended) = (is_woken.clone(), waits.clone());
    let wake = move || {
        woken.store(true, Ordering::SeqCst);
        ended.interrupt();
    };
    let worked = caller.interruptible(wake, work);
    if is_woken.load(Ordering::SeqCst) {
        // What ended this wait is not to end the next one.
        waits.reset();
    }
    worked
}

fn serve<T: 'static>(
    function: &FunctionDef,
    served_by: Call,
    caller: &mut Caller<'_, T>,
    context: impl Fn(&mut T) -> &mut WasiCtx,
    args: &[Val],
) -> Result<Served> {
    let mut raw = [0; 16];
    for (slot, arg) in raw.iter_mut().zip(args) {
        *slot = match *arg {
            Val::I32(value) => u64::from(value.cast_unsigned()),
            Val::I64(value) => value.cast_unsigned(),
            _ => unreachable!("parameters are integers"),
        };
    }
    let raw = &raw[..args.len()];
    Ok(match memory_of(caller) {
        // The functions work on a slice, which other threads must not write.
        Some(Extern::SharedMemory(_)) => {
            return Err(Error::msg(format!("{}: WASI functions do not work on a shared memory", function.name)));
        }
        Some(Extern::Memory(memory)) => {
            let store: StoreContextMut<'_, T> = caller.as_context_mut();
            let (bytes, data) = memory.data_and_store_mut(store);
            served_by(context(data), bytes, raw)
        }
        // Every pointer of such a guest is out of bounds.
        _ => served_by(context(caller.data_mut()), &mut [], raw),
    })
}

/// The error with which a guest ends that was not served to its end.
pub(crate) fn ended(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Exit(code) => Error::new(ProcExit(code)),
        Outcome::Interrupted | Outcome::Again => Trap::new(TrapKind::Interrupted).into(),
    }
}

/// The memory that the functions work on.
fn memory_of<T: 'static>(caller: &mut Caller<'_, T>) -> Option<Extern> {
    let is_memory = |item: &Extern| matches!(item, Extern::Memory(_) | Extern::SharedMemory(_));
    caller.get_export("memory").filter(is_memory).or_else(|| caller.imported_memory())
}

pub(crate) fn val_type(ty: ParamType) -> ValType {
    match ty {
        ParamType::I32 => ValType::I32,
        ParamType::I64 => ValType::I64,
    }
}
