//! Where the guest is, noted at little cost and told later.

use crate::errors::{Result, WasmBacktrace};
use crate::store::{AsContext, AsContextMut, Caller, Places};

/// Where a guest was when a host function looked: places in its code, and no text. Made by [`Caller::stack_trace`] for
/// errors that languages make by the thousand, of which few are printed.
///
/// ```
/// # use heapwood_vm::{Caller, Engine, Linker, Module, StackTrace, Store};
/// # fn main() -> heapwood_vm::Result<()> {
/// # let engine = Engine::default();
/// # let wasm = wat::parse_str(r#"(module (import "host" "note" (func $note))
/// #     (func $inner (call $note)) (func (export "outer") (call $inner)))"#).unwrap();
/// let mut linker: Linker<Option<StackTrace>> = Linker::new(&engine);
/// linker.func_wrap("host", "note", |mut caller: Caller<'_, Option<StackTrace>>| {
///     *caller.data_mut() = Some(caller.stack_trace());
/// })?;
/// let mut store = Store::new(&engine, None);
/// let instance = linker.instantiate(&mut store, &Module::new(&engine, wasm)?)?;
/// instance.get_typed_func::<(), ()>(&mut store, "outer")?.call(&mut store, ())?;
/// let trace = store.data_mut().take().expect("the guest was there");
/// let backtrace = trace.backtrace(&store)?;
/// assert_eq!(backtrace.frames()[0].func_name(), Some("inner"));
/// assert_eq!(backtrace.frames().len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct StackTrace(Places);

impl StackTrace {
    /// The frames with their modules, which know the functions' names. Of very deep stacks the ends only.
    ///
    /// # Errors
    /// It belongs to another store, or to an instance that is gone since the store was rolled back.
    pub fn backtrace(&self, store: impl AsContext) -> Result<WasmBacktrace> {
        store.as_context().opaque().backtrace_of(&self.0)
    }
}

impl<T: 'static> Caller<'_, T> {
    /// Where the guest is that called, in the frames of all calls that have not returned. Reads the stack, and makes no
    /// text. Does not collect.
    pub fn stack_trace(&mut self) -> StackTrace {
        StackTrace(self.as_context_mut().opaque().places())
    }
}
